/* One short session for each reading: log in, list the tags, ask for what they are on in batches,
 * read the tags that are on machines, log out. */
#include "source/vsphere/tags.h"

#include "base/error.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/secret.h"
#include "base/text.h"
#include "data/base64.h"
#include "net/http_client.h"
#include "net/url.h"
#include "source/vsphere/internal.h"
#include "source/vsphere/vim.h"

#include <stdlib.h>
#include <string.h>

#define SESSION_PATH "/rest/com/vmware/cis/session"
#define TAGGING_PATH "/rest/com/vmware/cis/tagging"

enum {
    BATCH = 100, /* tags in one question */
    MAX_ANSWER = 16 * 1024 * 1024,
    MAX_TOKEN = 4096,
};

struct rest {
    struct http_client *client;
    char *base;            /* "https://vcenter" */
    struct secret *header; /* what shows who we are */
    struct cancel *cancel;
};

static void rest_reset(struct rest *rest)
{
    http_client_free(rest->client);
    secret_free(rest->header);
    free(rest->base);
}
DEFINE_CLEANUP_IN_PLACE(rest, struct rest, rest_reset)

/* "https://vcenter" of "https://vcenter/sdk". */
static char *base_of(const char *url)
{
    const char *host = strstr(url, "://");
    size_t skip = host != NULL ? (size_t)(host - url) + 3 : 0;

    return xstrndup(url, skip + strcspn(url + skip, "/"));
}

/* Sends METHOD to PATH with the JSON text BODY (or NULL); *VALUE, if not NULL, gets the answer's
 * "value", owned. */
static int ask(struct rest *rest, const char *method, const char *path, const char *body,
               json_t **value, struct error **err)
{
    CLEANUP(str) char *url = xasprintf("%s%s", rest->base, path);
    const char *headers[] = {secret_get(rest->header), "Accept: application/json",
                             body != NULL ? "Content-Type: application/json" : NULL, NULL};
    CLEANUP(http_reply) struct http_reply reply = {0};
    const struct http_call call = {.method = method,
                                   .url = url,
                                   .headers = headers,
                                   .body = body,
                                   .body_len = body != NULL ? strlen(body) : 0,
                                   .timeout_ms = VSPHERE_TAGS_TIMEOUT_MS,
                                   .max_body = MAX_ANSWER,
                                   .cancel = rest->cancel};

    if (http_client_send(rest->client, &call, &reply, err) == -1)
        return -1;
    if (reply.status == 404 || reply.status == 501)
        return error_set(err, ERROR_UNSUPPORTED, "the server has no tags");
    if (http_reply_check(&reply, err) == -1)
        return -1;
    if (value == NULL)
        return 0;
    json_auto_t *answer = obj_parse(reply.body, reply.body_len, err);
    if (answer == NULL)
        return error_wrap(err, "the answer about tags");
    *value = json_incref(json_object_get(answer, "value"));
    return *value != NULL ? 0 : error_set(err, ERROR_CORRUPT, "an answer about tags has no value");
}

/* ---- the session ------------------------------------------------------------------------- */

static void set_header(struct rest *rest, const char *name, const char *prefix, char *value)
{
    CLEANUP(str) char *text = xasprintf("%s: %s%s", name, prefix, value);

    secret_free(rest->header);
    rest->header = secret_new(text, strlen(text));
    secret_wipe(text, strlen(text));
    secret_wipe(value, strlen(value));
}

static int log_in(struct rest *rest, const struct vim *vim, struct error **err)
{
    if (vim_password(vim) == NULL)
        return error_set(err, ERROR_DENIED, "tags are read with a password, and the secret has a "
                                            "session only");
    CLEANUP(str) char *pair = xasprintf("%s:%s", vim_user(vim), secret_get(vim_password(vim)));
    CLEANUP(str) char *encoded = base64_encode(pair, strlen(pair));
    json_auto_t *token = NULL;

    secret_wipe(pair, strlen(pair));
    set_header(rest, "Authorization", "Basic ", encoded);
    if (ask(rest, "POST", SESSION_PATH, NULL, &token, err) == -1)
        return -1;
    const char *text = json_string_value(token);
    if (text == NULL || strlen(text) > MAX_TOKEN || text[strcspn(text, "\r\n")] != '\0')
        return error_set(err, ERROR_CORRUPT, "the server's session for tags has no name");
    CLEANUP(str) char *copy = xstrdup(text);
    set_header(rest, "vmware-api-session-id", "", copy);
    return 0;
}

static void log_out(struct rest *rest)
{
    CLEANUP(error) struct error *ignored = NULL; /* it ends by itself */

    ask(rest, "DELETE", SESSION_PATH, NULL, NULL, &ignored);
}

/* ---- tags -------------------------------------------------------------------------------- */

/* Ids of tags are URNs; what would lead elsewhere is none. */
static bool is_tag_id(const char *id)
{
    return id != NULL && *id != '\0' && strlen(id) < 512 &&
           id[strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:-_.")] ==
               '\0';
}

/* Puts "machine: [tag ids]" of one batch's answer into ON. */
static void note_objects(json_t *on, const json_t *answer)
{
    for (size_t i = 0; i < json_array_size(answer); i++) {
        const json_t *entry = json_array_get(answer, i);
        const json_t *objects = obj_arr(entry, "object_ids");
        const char *tag = obj_str(entry, "tag_id", NULL);

        for (size_t k = 0; tag != NULL && k < json_array_size(objects); k++) {
            const json_t *object = json_array_get(objects, k);
            const char *id = obj_str(object, "id", NULL);
            if (id == NULL || !str_eq(obj_str(object, "type", ""), "VirtualMachine"))
                continue;
            if (json_object_get(on, id) == NULL)
                json_object_set_new(on, id, json_array());
            json_array_append_new(json_object_get(on, id), json_string(tag));
        }
    }
}

static int list_attached(struct rest *rest, const json_t *ids, json_t *on, struct error **err)
{
    for (size_t first = 0; first < json_array_size(ids); first += BATCH) {
        json_auto_t *body = obj_pack("{s:[]}", "tag_ids"), *answer = NULL;
        json_t *batch = json_object_get(body, "tag_ids");

        for (size_t i = first; i < first + BATCH && i < json_array_size(ids); i++)
            if (is_tag_id(json_string_value(json_array_get(ids, i))))
                json_array_append(batch, json_array_get(ids, i));
        CLEANUP(str) char *text = obj_format(body);
        if (ask(rest, "POST", TAGGING_PATH "/tag-association?~action=list-attached-objects-on-tags",
                text, &answer, err) == -1)
            return -1;
        note_objects(on, answer);
    }
    return 0;
}

/* The tag as the inventory shows it, read once; borrowed from TAGS. */
static int read_tag(struct rest *rest, const char *id, json_t *tags, json_t **out,
                    struct error **err)
{
    json_auto_t *found = NULL;

    *out = json_object_get(tags, id);
    if (*out != NULL)
        return 0;
    CLEANUP(str) char *path = xasprintf(TAGGING_PATH "/tag/id:%s", id);
    if (ask(rest, "GET", path, NULL, &found, err) == -1)
        return -1;
    const json_t *used_by = obj_arr(found, "used_by");
    *out = obj_pack("{s:s, s:s, s:s, s:s, s:o}", "id", id, "description",
                    obj_str(found, "description", ""), "name", obj_str(found, "name", ""),
                    "categoryID", obj_str(found, "category_id", ""), "usedBy",
                    used_by != NULL ? obj_copy(used_by) : json_array());
    json_object_set_new(tags, id, *out);
    return 0;
}

static int compare_names(const void *a, const void *b)
{
    json_t *const *x = a, *const *y = b;

    return strcmp(obj_str(*x, "name", ""), obj_str(*y, "name", ""));
}

/* The tags of one machine in the order of their names, so that the same ones look the same. */
static int resolve(struct rest *rest, const json_t *ids, json_t *tags, json_t **out,
                   struct error **err)
{
    size_t count = json_array_size(ids);
    json_t **list = xcalloc(count + 1, sizeof(*list));
    int result = 0;

    for (size_t i = 0; i < count && result == 0; i++)
        result = read_tag(rest, json_string_value(json_array_get(ids, i)), tags, &list[i], err);
    if (result == 0) {
        qsort(list, count, sizeof(*list), compare_names);
        *out = json_array();
        for (size_t i = 0; i < count; i++)
            json_array_append(*out, list[i]);
    }
    free(list);
    return result;
}

static int read_all(struct rest *rest, json_t **by_vm, struct error **err)
{
    json_auto_t *ids = NULL, *on = json_object(), *tags = json_object(), *found = json_object();
    const char *vm;
    json_t *own;

    if (ask(rest, "GET", TAGGING_PATH "/tag", NULL, &ids, err) == -1)
        return -1;
    if (json_array_size(ids) > VSPHERE_MAX_TAGS)
        return error_set(err, ERROR_UNSUPPORTED, "more than %d tags", VSPHERE_MAX_TAGS);
    if (list_attached(rest, ids, on, err) == -1)
        return -1;
    json_object_foreach(on, vm, own)
    {
        json_t *list = NULL;
        if (resolve(rest, own, tags, &list, err) == -1)
            return -1;
        json_object_set_new(found, vm, list);
    }
    *by_vm = json_incref(found);
    return 0;
}

int vsphere_tags_read(struct vsphere_source *vsphere, struct cancel *cancel, json_t **by_vm,
                      struct error **err)
{
    CLEANUP(rest) struct rest rest = {.base = base_of(vim_url(vsphere->vim)), .cancel = cancel};
    const struct http_client_options options = {
        .ca_pem = vsphere->ca_pem,
        .thumbprint = vsphere->thumbprint,
        .insecure = vsphere->insecure,
    };

    if (http_client_new(&options, &rest.client, err) == -1 ||
        log_in(&rest, vsphere->vim, err) == -1)
        return error_wrap(err, "cannot read tags");
    int result = read_all(&rest, by_vm, err);
    log_out(&rest);
    return result == 0 ? 0 : error_wrap(err, "cannot read tags");
}
