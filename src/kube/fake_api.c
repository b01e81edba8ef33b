#include "kube/fake_api.h"

#include "base/cancel.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/thread.h"
#include "base/vector.h"
#include "data/obj.h"
#include "kube/meta.h"
#include "net/url.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { POLL_MS = 5, PAGE_MAX = 3 };

const struct kube_kind FAKE_KIND = {"example.org", "v1", "things", "Thing", false};

struct change {
    int64_t version;
    const char *type;
    json_t *object;
};

DEFINE_VECTOR(change_list, struct change)

struct fake_api {
    pthread_mutex_t lock; /* guards all */
    json_t *objects;      /* by key */
    int64_t version;
    int64_t compacted;
    struct change_list changes;
    char fail_method[8];
    int fail_count, fail_status;
    int watch_epoch; /* raised to end watches */
    bool watches_break;
    size_t piece;
    int lists, watches, requests;
};

/* What a path asks for; texts are borrowed from PATH, but for the parameters. */
struct target {
    char *ns, *name, *subresource;
    char *resource_version, *next, *watch;
};

static void target_reset(struct target *t)
{
    free(t->ns);
    free(t->name);
    free(t->subresource);
    free(t->resource_version);
    free(t->next);
    free(t->watch);
}

DEFINE_CLEANUP_IN_PLACE(target, struct target, target_reset)

struct fake_api *fake_api_new(void)
{
    struct fake_api *api = xcalloc(1, sizeof(*api));

    pthread_mutex_init(&api->lock, NULL);
    api->objects = json_object();
    api->version = 100;
    return api;
}

void fake_api_free(struct fake_api *api)
{
    for (size_t i = 0; i < api->changes.len; i++)
        json_decref(api->changes.ptr[i].object);
    change_list_reset(&api->changes);
    json_decref(api->objects);
    pthread_mutex_destroy(&api->lock);
    free(api);
}

static void parse_target(const char *path, struct target *t)
{
    struct error *err = NULL;
    struct span rest = span_of(path + 1), part, head;
    char *key, *value;

    span_split(&rest, '?', &head);
    int skipped = span_starts_with(head, "apis/") ? 3 : 2; /* apis, group, version */
    while (skipped-- > 0)
        span_split(&head, '/', &part);
    if (span_starts_with(head, "namespaces/")) {
        head.ptr += strlen("namespaces/");
        head.len -= strlen("namespaces/");
        span_split(&head, '/', &part);
        t->ns = span_dup(part);
    }
    span_split(&head, '/', &part); /* things */
    if (span_split(&head, '/', &part))
        t->name = span_dup(part);
    if (span_split(&head, '/', &part))
        t->subresource = span_dup(part);
    while (url_next_param(&rest, &key, &value, &err) == 1) {
        char **to = str_eq(key, "resourceVersion") ? &t->resource_version
                    : str_eq(key, "continue")      ? &t->next
                    : str_eq(key, "watch")         ? &t->watch
                                                   : NULL;
        if (to != NULL)
            *to = value;
        else
            free(value);
        free(key);
    }
}

static int refuse(int code, const char *reason, char **body)
{
    *body = xasprintf("{\"kind\":\"Status\",\"code\":%d,\"reason\":\"%s\",\"message\":\"%s\"}",
                      code, reason, reason);
    return code;
}

/* Under the lock.  Takes OBJECT. */
static void record(struct fake_api *api, const char *type, json_t *object)
{
    char version[32];
    CLEANUP(str) char *key = meta_key_of(object);

    snprintf(version, sizeof(version), "%" PRId64, ++api->version);
    obj_put_str(object, "metadata.resourceVersion", version);
    change_list_push(&api->changes, (struct change){api->version, type, json_incref(object)});
    if (str_eq(type, "DELETED"))
        json_object_del(api->objects, key);
    else
        json_object_set(api->objects, key, object);
    json_decref(object);
}

static int list(struct fake_api *api, const struct target *t, char **body)
{
    size_t skip = t->next != NULL ? (size_t)atol(t->next) : 0, seen = 0, given = 0;
    json_auto_t *page = obj_pack("{s:[],s:{}}", "items", "metadata");
    const char *key;
    json_t *object;
    char text[32];

    if (t->next == NULL)
        api->lists++;
    json_object_foreach(api->objects, key, object)
    {
        if (t->ns != NULL && !str_eq(meta_ns(object), t->ns))
            continue;
        if (seen++ < skip)
            continue;
        if (given == PAGE_MAX) {
            snprintf(text, sizeof(text), "%zu", skip + given);
            obj_put_str(page, "metadata.continue", text);
            break;
        }
        json_t *item = obj_copy(object);
        obj_del(item, "kind");
        obj_del(item, "apiVersion");
        obj_take(page, "items[]", item);
        given++;
    }
    snprintf(text, sizeof(text), "%" PRId64, api->version);
    obj_put_str(page, "metadata.resourceVersion", text);
    *body = obj_format(page);
    return 200;
}

/* Under the lock: what a request for one object does. */
static int answer_object(struct fake_api *api, const struct kube_request *request,
                         const struct target *t, char **body)
{
    struct error *err = NULL;
    CLEANUP(str) char *key = meta_key(t->ns, t->name);
    json_t *old = json_object_get(api->objects, key);

    if (old == NULL)
        return refuse(404, "NotFound", body);
    if (str_eq(request->method, "GET")) {
        *body = obj_format(old);
        return 200;
    }
    json_auto_t *sent = obj_parse(request->body, request->body_len, &err);
    if (str_eq(request->method, "DELETE")) {
        const char *uid = obj_str(sent, "preconditions.uid", NULL);
        if (uid != NULL && !str_eq(uid, meta_uid(old)))
            return refuse(409, "Conflict", body);
        record(api, "DELETED", obj_copy(old));
        *body = xstrdup("{\"kind\":\"Status\",\"status\":\"Success\"}");
        return 200;
    }
    json_t *new_object;
    if (str_eq(request->method, "PUT")) {
        const char *version = meta_resource_version(sent);
        if (*version != '\0' && !str_eq(version, meta_resource_version(old)))
            return refuse(409, "Conflict", body);
        new_object = obj_copy(sent);
    } else {
        new_object = obj_copy(old);
        json_object_update_recursive(new_object, sent);
    }
    json_incref(new_object);
    record(api, "MODIFIED", new_object);
    *body = obj_format(new_object);
    json_decref(new_object);
    return 200;
}

static int create(struct fake_api *api, const struct kube_request *request, const struct target *t,
                  char **body)
{
    struct error *err = NULL;
    json_t *object = obj_parse(request->body, request->body_len, &err);
    CLEANUP(str) char *key = NULL;
    char text[64];

    if (obj_str(object, "metadata.name", NULL) == NULL) {
        snprintf(text, sizeof(text), "%s%" PRId64, obj_str(object, "metadata.generateName", ""),
                 api->version + 1);
        obj_put_str(object, "metadata.name", text);
    }
    obj_put_str(object, "metadata.namespace", t->ns);
    key = meta_key_of(object);
    if (json_object_get(api->objects, key) != NULL) {
        json_decref(object);
        return refuse(409, "AlreadyExists", body);
    }
    snprintf(text, sizeof(text), "uid-%" PRId64, api->version + 1);
    obj_put_str(object, "metadata.uid", text);
    json_incref(object);
    record(api, "ADDED", object);
    *body = obj_format(object);
    json_decref(object);
    return 201;
}

/* Under the lock: true if this request has to fail; *STATUS 0 breaks the connection. */
static bool must_fail(struct fake_api *api, const char *method, int *status)
{
    api->requests++;
    if (api->fail_count == 0 || strcmp(api->fail_method, method) != 0)
        return false;
    api->fail_count--;
    *status = api->fail_status;
    return true;
}

static int request(void *self, const struct kube_request *r, int *status, char **body,
                   size_t *body_len, struct error **err)
{
    struct fake_api *api = self;
    CLEANUP(target) struct target t = {0};
    LOCK_SCOPE(&api->lock);

    parse_target(r->path, &t);
    if (must_fail(api, r->method, status)) {
        if (*status == 0)
            return error_set(err, ERROR_UNAVAILABLE, "connection refused");
        refuse(*status, "OnPurpose", body);
    } else if (t.name != NULL) {
        *status = answer_object(api, r, &t, body);
    } else if (str_eq(r->method, "POST")) {
        *status = create(api, r, &t, body);
    } else {
        *status = list(api, &t, body);
    }
    *body_len = strlen(*body);
    return 0;
}

/* What a watch sends next, or NULL; *FROM moves on. */
static char *next_line(struct fake_api *api, const struct target *t, size_t *index, int64_t *from)
{
    while (*index < api->changes.len) {
        const struct change *change = &api->changes.ptr[(*index)++];
        if (change->version <= *from || (t->ns != NULL && !str_eq(meta_ns(change->object), t->ns)))
            continue;
        *from = change->version;
        CLEANUP(str) char *object = obj_format(change->object);
        return xasprintf("{\"type\":\"%s\",\"object\":%s}\n", change->type, object);
    }
    return NULL;
}

static bool send_pieces(const char *line, size_t piece,
                        bool (*on_data)(void *arg, const char *data, size_t len), void *arg)
{
    size_t len = strlen(line);

    if (piece == 0)
        piece = len;
    for (size_t at = 0; at < len; at += piece)
        if (!on_data(arg, line + at, len - at < piece ? len - at : piece))
            return false;
    return true;
}

static int stream(void *self, const struct kube_request *r, int *status,
                  bool (*on_data)(void *arg, const char *data, size_t len), void *arg,
                  struct error **err)
{
    struct fake_api *api = self;
    CLEANUP(target) struct target t = {0};
    size_t index = 0;

    parse_target(r->path, &t);
    int64_t from = t.resource_version != NULL ? atol(t.resource_version) : 0;

    pthread_mutex_lock(&api->lock);
    int epoch = api->watch_epoch;
    size_t piece = api->piece;
    bool expired = from < api->compacted;
    api->watches++;
    bool failing = must_fail(api, "WATCH", status);
    pthread_mutex_unlock(&api->lock);

    if (failing && *status == 0)
        return error_set(err, ERROR_UNAVAILABLE, "connection refused");
    if (failing) {
        CLEANUP(str) char *body = NULL;
        refuse(*status, "OnPurpose", &body);
        on_data(arg, body, strlen(body));
        return 0;
    }
    *status = 200;
    if (expired) {
        static const char gone[] =
            "{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\","
            "\"code\":410,\"reason\":\"Expired\",\"message\":\"too old\"}}\n";
        on_data(arg, gone, strlen(gone));
        return 0;
    }
    for (;;) {
        CLEANUP(str) char *line = NULL;

        pthread_mutex_lock(&api->lock);
        bool ended = api->watch_epoch != epoch, breaks = api->watches_break;
        if (!ended)
            line = next_line(api, &t, &index, &from);
        pthread_mutex_unlock(&api->lock);

        if (ended)
            return breaks ? error_set(err, ERROR_UNAVAILABLE, "connection reset") : 0;
        if (line != NULL && !send_pieces(line, piece, on_data, arg))
            return 0;
        if (line == NULL && cancel_wait(r->cancel, POLL_MS))
            return error_set(err, ERROR_CANCELED, "canceled");
    }
}

static void free_nothing(void *self)
{
}

struct kube_client *fake_api_client(struct fake_api *api)
{
    static const struct kube_transport_ops ops = {request, stream, free_nothing};

    return kube_client_new(&ops, api);
}

void fake_api_put(struct fake_api *api, const char *ns, const char *name, const char *value)
{
    LOCK_SCOPE(&api->lock);
    CLEANUP(str) char *key = meta_key(ns, name);
    const json_t *old = json_object_get(api->objects, key);
    json_t *object = old != NULL ? obj_copy(old) : meta_new(&FAKE_KIND, ns, name);
    CLEANUP(str) char *uid = xasprintf("uid-%s", name);

    obj_put_str(object, "metadata.uid", uid);
    obj_put_str(object, "spec.value", value);
    meta_set_label(object, "value", value);
    record(api, old != NULL ? "MODIFIED" : "ADDED", object);
}

void fake_api_remove(struct fake_api *api, const char *ns, const char *name)
{
    LOCK_SCOPE(&api->lock);
    CLEANUP(str) char *key = meta_key(ns, name);

    record(api, "DELETED", obj_copy(json_object_get(api->objects, key)));
}

void fake_api_fail(struct fake_api *api, const char *method, int count, int status)
{
    LOCK_SCOPE(&api->lock);

    snprintf(api->fail_method, sizeof(api->fail_method), "%s", method);
    api->fail_count = count;
    api->fail_status = status;
}

void fake_api_end_watches(struct fake_api *api, bool broken)
{
    LOCK_SCOPE(&api->lock);

    api->watch_epoch++;
    api->watches_break = broken;
}

void fake_api_compact(struct fake_api *api)
{
    LOCK_SCOPE(&api->lock);

    api->compacted = ++api->version;
}

void fake_api_set_piece(struct fake_api *api, size_t size)
{
    LOCK_SCOPE(&api->lock);

    api->piece = size;
}

int fake_api_lists(struct fake_api *api)
{
    LOCK_SCOPE(&api->lock);

    return api->lists;
}

int fake_api_watches(struct fake_api *api)
{
    LOCK_SCOPE(&api->lock);

    return api->watches;
}

int fake_api_requests(struct fake_api *api)
{
    LOCK_SCOPE(&api->lock);

    return api->requests;
}
