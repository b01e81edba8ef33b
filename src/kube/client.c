#include "kube/client.h"

#include "base/cancel.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/time.h"
#include "data/obj.h"
#include "kube/client_internal.h"
#include "kube/meta.h"
#include "kube/status.h"
#include "net/url.h"

#include <stdlib.h>
#include <string.h>

enum {
    PAGE = 500,     /* objects asked for at once */
    LIST_TRIES = 3, /* a list whose continue token expires starts again */
    RETRY_AFTER_MS = 1000,
};

#define PAGE_TEXT "500"

struct kube_client *kube_client_new(const struct kube_transport_ops *ops, void *self)
{
    struct kube_client *client = xcalloc(1, sizeof(*client));

    client->ops = ops;
    client->self = self;
    return client;
}

void kube_client_free(struct kube_client *client)
{
    if (client == NULL)
        return;
    client->ops->free(client->self);
    free(client);
}

static void add_part(struct buf *path, const char *part)
{
    buf_add_char(path, '/');
    url_add_escaped(path, span_of(part));
}

void client_add_path(struct buf *path, const struct kube_kind *kind, const char *ns,
                     const char *name, const char *subresource)
{
    buf_add(path, *kind->group == '\0' ? "/api" : "/apis");
    if (*kind->group != '\0')
        add_part(path, kind->group);
    add_part(path, kind->version);
    if (ns != NULL && !kind->cluster_scoped) {
        buf_add(path, "/namespaces");
        add_part(path, ns);
    }
    add_part(path, kind->plural);
    if (name != NULL)
        add_part(path, name);
    if (subresource != NULL)
        add_part(path, subresource);
}

void client_add_selectors(struct buf *path, bool *first, const struct kube_list_options *options)
{
    if (options == NULL)
        return;
    url_add_param(path, first, "labelSelector", options->label_selector);
    url_add_param(path, first, "fieldSelector", options->field_selector);
}

int client_wrap(struct error **err, const char *verb, const struct kube_kind *kind, const char *ns,
                const char *name)
{
    if (name == NULL || *name == '\0')
        return error_wrap(err, "cannot %s %s", verb, kind->plural);
    CLEANUP(str) char *key = meta_key(kind->cluster_scoped ? NULL : ns, name);
    return error_wrap(err, "cannot %s %s \"%s\"", verb, kind->plural, key);
}

int client_exchange(struct kube_client *client, const struct kube_request *request, char **body,
                    size_t *body_len, struct error **err)
{
    struct deadline deadline =
        request->timeout_ms > 0 ? deadline_after(request->timeout_ms) : DEADLINE_NONE;
    int status = 0;

    for (;;) {
        CLEANUP(str) char *text = NULL;
        size_t len = 0;

        if (client->ops->request(client->self, request, &status, &text, &len, err) == -1)
            return -1;
        if (status < 400) {
            *body = steal(&text);
            *body_len = len;
            return 0;
        }
        int64_t wait_ms = status_retry_after_ms(text, len, RETRY_AFTER_MS);
        bool may_retry = status == 429 && wait_ms < deadline_left_ms(deadline);
        if (!may_retry || cancel_wait(request->cancel, wait_ms))
            return status_to_error(status, text, len, err);
    }
}

int kube_raw(struct kube_client *client, const struct kube_request *request, json_t **out,
             struct error **err)
{
    CLEANUP(str) char *body = NULL;
    size_t len = 0;

    if (client_exchange(client, request, &body, &len, err) == -1)
        return -1;
    if (out == NULL)
        return 0;
    if (len == 0) {
        *out = NULL;
        return 0;
    }
    json_t *object = obj_parse(body, len, err);
    if (object == NULL) {
        (*err)->code = ERROR_CORRUPT;
        return error_wrap(err, "the server's answer is not JSON");
    }
    *out = object;
    return 0;
}

/* Sends a request without or with a JSON body. */
static int call(struct kube_client *client, const char *method, const struct buf *path,
                const char *content_type, const json_t *body, struct cancel *cancel, json_t **out,
                struct error **err)
{
    CLEANUP(str) char *text = body != NULL ? obj_format(body) : NULL;
    struct kube_request request = {
        .method = method,
        .path = path->ptr,
        .content_type = text != NULL ? content_type : NULL,
        .body = text,
        .body_len = text != NULL ? strlen(text) : 0,
        .timeout_ms = CLIENT_TIMEOUT_MS,
        .cancel = cancel,
    };

    if (path->full)
        return error_set(err, ERROR_INVALID, "a request path of more than %d bytes",
                         CLIENT_PATH_MAX);
    return kube_raw(client, &request, out, err);
}

int kube_get(struct kube_client *client, const struct kube_kind *kind, const char *ns,
             const char *name, json_t **out, struct error **err)
{
    CLEANUP(buf) struct buf path = BUF_INIT(CLIENT_PATH_MAX);

    client_add_path(&path, kind, ns, name, NULL);
    if (call(client, "GET", &path, NULL, NULL, NULL, out, err) == 0)
        return 0;
    if ((*err)->code != ERROR_NOT_FOUND)
        return client_wrap(err, "read", kind, ns, name);
    error_clear(err);
    *out = NULL;
    return 0;
}

/* Servers leave apiVersion and kind out of a list's items. */
static void complete_item(json_t *item, const struct kube_kind *kind, const char *api_version)
{
    if (obj_str(item, "kind", NULL) != NULL)
        return;
    obj_put_str(item, "apiVersion", api_version);
    obj_put_str(item, "kind", kind->kind);
}

/* Moves the items of one page to the end of ITEMS. */
static void take_items(json_t *items, const json_t *page, const struct kube_kind *kind)
{
    CLEANUP(str) char *api_version = meta_api_version(kind);
    json_t *found = obj_arr(page, "items");
    size_t i;
    json_t *item;

    json_array_foreach(found, i, item) complete_item(item, kind, api_version);
    json_array_extend(items, found);
}

/* All pages from the first on.  ERROR_EXPIRED if the server forgot the list meanwhile. */
static int list_pages(struct kube_client *client, const struct kube_kind *kind, const char *ns,
                      const struct kube_list_options *options, struct cancel *cancel, json_t *items,
                      char **resource_version, struct error **err)
{
    CLEANUP(str) char *next = NULL;

    do {
        CLEANUP(buf) struct buf path = BUF_INIT(CLIENT_PATH_MAX);
        json_auto_t *page = NULL;
        bool first = true;

        client_add_path(&path, kind, ns, NULL, NULL);
        client_add_selectors(&path, &first, options);
        url_add_param(&path, &first, "limit", PAGE_TEXT);
        url_add_param(&path, &first, "continue", next);
        if (call(client, "GET", &path, NULL, NULL, cancel, &page, err) == -1)
            return -1;
        take_items(items, page, kind);

        const char *token = obj_str(page, "metadata.continue", "");
        cleanup_str(&next);
        next = *token != '\0' ? xstrdup(token) : NULL;
        cleanup_str(resource_version);
        *resource_version = xstrdup(obj_str(page, "metadata.resourceVersion", ""));
    } while (next != NULL);
    return 0;
}

int kube_list_at(struct kube_client *client, const struct kube_kind *kind, const char *ns,
                 const struct kube_list_options *options, struct cancel *cancel, json_t **items,
                 char **resource_version, struct error **err)
{
    for (int tries = 1;; tries++) {
        json_auto_t *found = json_array();
        CLEANUP(str) char *version = NULL;

        if (list_pages(client, kind, ns, options, cancel, found, &version, err) == 0) {
            *items = steal(&found);
            *resource_version = steal(&version);
            return 0;
        }
        if ((*err)->code != ERROR_EXPIRED || tries == LIST_TRIES)
            return client_wrap(err, "list", kind, ns, NULL);
        error_clear(err);
    }
}

int kube_list(struct kube_client *client, const struct kube_kind *kind, const char *ns,
              const struct kube_list_options *options, json_t **items, struct error **err)
{
    CLEANUP(str) char *version = NULL;

    return kube_list_at(client, kind, ns, options, NULL, items, &version, err);
}

/* OBJECT with apiVersion and kind, as a shallow copy if they have to be put in. */
static json_t *complete(const json_t *object, const struct kube_kind *kind)
{
    if (obj_str(object, "kind", NULL) != NULL && obj_str(object, "apiVersion", NULL) != NULL)
        return json_incref((json_t *)(uintptr_t)object);

    CLEANUP(str) char *api_version = meta_api_version(kind);
    json_t *copy = json_copy((json_t *)(uintptr_t)object);
    complete_item(copy, kind, api_version);
    obj_put_str(copy, "apiVersion", api_version);
    return copy;
}

int kube_create(struct kube_client *client, const struct kube_kind *kind, const char *ns,
                const json_t *object, json_t **out, struct error **err)
{
    CLEANUP(buf) struct buf path = BUF_INIT(CLIENT_PATH_MAX);
    json_auto_t *body = complete(object, kind);

    client_add_path(&path, kind, ns, NULL, NULL);
    if (call(client, "POST", &path, "application/json", body, NULL, out, err) == 0)
        return 0;
    return client_wrap(
        err, "create", kind, ns,
        obj_str(object, "metadata.name", obj_str(object, "metadata.generateName", NULL)));
}

static int replace(struct kube_client *client, const struct kube_kind *kind, const json_t *object,
                   const char *subresource, json_t **out, struct error **err)
{
    CLEANUP(buf) struct buf path = BUF_INIT(CLIENT_PATH_MAX);
    json_auto_t *body = complete(object, kind);
    const char *ns = obj_str(object, "metadata.namespace", NULL);

    client_add_path(&path, kind, ns, meta_name(object), subresource);
    if (call(client, "PUT", &path, "application/json", body, NULL, out, err) == 0)
        return 0;
    return client_wrap(err, "update", kind, ns, meta_name(object));
}

int kube_update(struct kube_client *client, const struct kube_kind *kind, const json_t *object,
                json_t **out, struct error **err)
{
    return replace(client, kind, object, NULL, out, err);
}

int kube_update_status(struct kube_client *client, const struct kube_kind *kind,
                       const json_t *object, json_t **out, struct error **err)
{
    return replace(client, kind, object, "status", out, err);
}

int kube_patch(struct kube_client *client, const struct kube_kind *kind, const char *ns,
               const char *name, const char *subresource, const json_t *patch, json_t **out,
               struct error **err)
{
    CLEANUP(buf) struct buf path = BUF_INIT(CLIENT_PATH_MAX);

    client_add_path(&path, kind, ns, name, subresource);
    if (call(client, "PATCH", &path, "application/merge-patch+json", patch, NULL, out, err) == 0)
        return 0;
    return client_wrap(err, "patch", kind, ns, name);
}

static json_t *make_delete_options(const char *uid, enum kube_propagation propagation)
{
    static const char *const names[] = {
        [KUBE_DELETE_BACKGROUND] = "Background",
        [KUBE_DELETE_FOREGROUND] = "Foreground",
        [KUBE_DELETE_ORPHAN] = "Orphan",
    };
    json_t *options = obj_pack("{s:s,s:s,s:s}", "apiVersion", "v1", "kind", "DeleteOptions",
                               "propagationPolicy", names[propagation]);

    obj_put_str(options, "preconditions.uid", uid);
    return options;
}

int kube_delete(struct kube_client *client, const struct kube_kind *kind, const char *ns,
                const char *name, const char *uid, enum kube_propagation propagation,
                struct error **err)
{
    CLEANUP(buf) struct buf path = BUF_INIT(CLIENT_PATH_MAX);
    json_auto_t *options = make_delete_options(uid, propagation);

    client_add_path(&path, kind, ns, name, NULL);
    if (call(client, "DELETE", &path, "application/json", options, NULL, NULL, err) == 0)
        return 0;
    if ((*err)->code == ERROR_NOT_FOUND || (uid != NULL && (*err)->code == ERROR_CONFLICT)) {
        error_clear(err);
        return 0;
    }
    return client_wrap(err, "delete", kind, ns, name);
}

int kube_delete_matching(struct kube_client *client, const struct kube_kind *kind, const char *ns,
                         const struct kube_list_options *options, struct error **err)
{
    CLEANUP(buf) struct buf path = BUF_INIT(CLIENT_PATH_MAX);
    json_auto_t *body = make_delete_options(NULL, KUBE_DELETE_BACKGROUND);
    bool first = true;

    client_add_path(&path, kind, ns, NULL, NULL);
    client_add_selectors(&path, &first, options);
    if (call(client, "DELETE", &path, "application/json", body, NULL, NULL, err) == 0)
        return 0;
    if ((*err)->code == ERROR_NOT_FOUND) {
        error_clear(err);
        return 0;
    }
    return client_wrap(err, "delete", kind, ns, NULL);
}
