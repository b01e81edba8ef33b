#include "move/vm/fake_cluster.h"

#include "base/error.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/random.h"
#include "base/text.h"
#include "base/time.h"
#include "base/vector.h"
#include "data/obj.h"
#include "kube/meta.h"
#include "kube/selector.h"
#include "net/url.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { GENERATED_LEN = 5 };

struct fake_cluster {
    struct map *objects; /* "plural/ns/name" to json_t, in the order of creation */
    struct map *logs;    /* "ns/pod" to text */
    int64_t version;
    int64_t created; /* objects made: distinct creation times */
    int writes;
    int fail_at; /* of writes, or 0 */
    enum fake_failure fail_when;
};

/* A request's path taken apart.  All owned. */
struct target {
    char *plural, *ns, *name, *sub, *labels;
};

static void target_reset(struct target *target)
{
    free(target->plural);
    free(target->ns);
    free(target->name);
    free(target->sub);
    free(target->labels);
}
DEFINE_CLEANUP_IN_PLACE(target, struct target, target_reset)

static void free_object(void *object)
{
    json_decref(object);
}

struct fake_cluster *fake_cluster_new(void)
{
    struct fake_cluster *cluster = xcalloc(1, sizeof(*cluster));

    cluster->objects = map_new();
    cluster->logs = map_new();
    return cluster;
}

void fake_cluster_free(struct fake_cluster *cluster)
{
    map_free(cluster->objects, free_object);
    map_free(cluster->logs, free);
    free(cluster);
}

static char *key_of(const char *plural, const char *ns, const char *name)
{
    return xasprintf("%s/%s/%s", plural, ns != NULL ? ns : "", name);
}

static json_t *find(struct fake_cluster *cluster, const struct target *target)
{
    CLEANUP(str) char *key = key_of(target->plural, target->ns, target->name);

    return map_find(cluster->objects, key);
}

static void touch(struct fake_cluster *cluster, json_t *object)
{
    char version[24];

    snprintf(version, sizeof(version), "%lld", (long long)++cluster->version);
    obj_put_str(object, "metadata.resourceVersion", version);
}

/* Takes OBJECT in, with what the server gives to a new one. */
static json_t *add(struct fake_cluster *cluster, const char *plural, const char *ns,
                   json_t *object)
{
    char uid[UUID_TEXT_SIZE], letters[GENERATED_LEN + 1], when[TIME_TEXT_SIZE];

    if (meta_name(object)[0] == '\0') {
        random_name(letters, GENERATED_LEN);
        CLEANUP(str) char *name =
            xasprintf("%s%s", obj_str(object, "metadata.generateName", ""), letters);
        obj_put_str(object, "metadata.name", name);
    }
    obj_put_str(object, "metadata.namespace", ns);
    if (meta_uid(object)[0] == '\0')
        obj_put_str(object, "metadata.uid", random_uuid(uid));
    obj_put_str(object, "metadata.creationTimestamp",
                time_format(time_now_ms() + 1000 * cluster->created++, when));
    obj_put_int(object, "metadata.generation", 1);
    touch(cluster, object);
    CLEANUP(str) char *key = key_of(plural, ns, meta_name(object));
    json_decref(map_put(cluster->objects, key, object));
    return object;
}

static void drop(struct fake_cluster *cluster, const char *key)
{
    json_t *object = map_remove(cluster->objects, key);
    CLEANUP(str) char *uid = xstrdup(meta_uid(object));
    size_t pos = 0;
    const char *other;
    void *value;

    json_decref(object);
    /* What it owned goes too; the walk begins anew because more than one may go. */
    while ((other = map_next(cluster->objects, &pos, &value)) != NULL)
        if (meta_is_owned_by(value, uid)) {
            CLEANUP(str) char *owned = xstrdup(other);
            drop(cluster, owned);
            pos = 0;
        }
}

/* Removes the object, or marks it while a finalizer keeps it. */
static void delete_object(struct fake_cluster *cluster, const char *key)
{
    json_t *object = map_find(cluster->objects, key);
    char when[TIME_TEXT_SIZE];

    if (obj_count(object, "metadata.finalizers") == 0) {
        drop(cluster, key);
        return;
    }
    obj_put_str(object, "metadata.deletionTimestamp", time_format(time_now_ms(), when));
    touch(cluster, object);
}

static void merge(json_t *to, const json_t *patch)
{
    const char *key;
    json_t *value;

    json_object_foreach ((json_t *)(uintptr_t)patch, key, value) {
        json_t *old = json_object_get(to, key);
        if (json_is_null(value))
            json_object_del(to, key);
        else if (json_is_object(value) && json_is_object(old))
            merge(old, value);
        else
            json_object_set_new(to, key, json_deep_copy(value));
    }
}

/* ---- requests ---------------------------------------------------------------------------- */

static char *take_part(struct span *rest)
{
    struct span part;
    CLEANUP(error) struct error *ignored = NULL;
    char *text = NULL;

    if (!span_split(rest, '/', &part) || url_unescape(part, false, &text, &ignored) == -1)
        return NULL;
    return text;
}

static void read_target(const char *path, struct target *target)
{
    struct span whole = span_of(path), query = {0}, part;
    char *first;

    if (span_split(&whole, '?', &part)) {
        query = whole;
        whole = part;
    }
    span_split(&whole, '/', &part); /* the empty part before the first slash */
    span_split(&whole, '/', &part);
    if (span_eq_str(part, "apis"))
        span_split(&whole, '/', &part);
    span_split(&whole, '/', &part);
    first = take_part(&whole);
    struct span look = whole, name, more;
    if (str_eq(first, "namespaces") && span_split(&look, '/', &name) &&
        span_split(&look, '/', &more)) {
        free(first);
        target->ns = take_part(&whole);
        first = take_part(&whole);
    }
    target->plural = first;
    target->name = take_part(&whole);
    target->sub = take_part(&whole);

    char *key, *value;
    CLEANUP(error) struct error *ignored = NULL;
    while (url_next_param(&query, &key, &value, &ignored) == 1) {
        if (str_eq(key, "labelSelector"))
            target->labels = xstrdup(value);
        free(key);
        free(value);
    }
}

static int refuse(int status, const char *reason, int *out, json_t **answer)
{
    *out = status;
    *answer = obj_pack("{s:s, s:s, s:s, s:i}", "kind", "Status", "reason", reason, "message",
                       reason, "code", status);
    return 0;
}

/* The keys of what TARGET's list or collection means. */
static void collect(struct fake_cluster *cluster, const struct target *target,
                    struct str_list *keys)
{
    CLEANUP(error) struct error *ignored = NULL;
    CLEANUP(selector) struct selector *selector = selector_parse(target->labels, &ignored);
    CLEANUP(str) char *prefix = target->ns != NULL
                                    ? xasprintf("%s/%s/", target->plural, target->ns)
                                    : xasprintf("%s/", target->plural);
    size_t pos = 0;
    const char *key;
    void *value;

    while ((key = map_next(cluster->objects, &pos, &value)) != NULL)
        if (str_starts_with(key, prefix) && selector != NULL &&
            selector_matches(selector, obj_at(value, "metadata.labels")))
            str_list_push(keys, xstrdup(key));
}

static void do_list(struct fake_cluster *cluster, const struct target *target, json_t **answer)
{
    struct str_list keys = {0};
    json_t *items = json_array();

    collect(cluster, target, &keys);
    for (size_t i = 0; i < keys.len; i++)
        json_array_append(items, map_find(cluster->objects, keys.ptr[i]));
    str_list_free_all(&keys);
    *answer = obj_pack("{s:s, s:{s:s}, s:o}", "kind", "List", "metadata", "resourceVersion", "1",
                       "items", items);
}

static void do_delete(struct fake_cluster *cluster, const struct target *target)
{
    struct str_list keys = {0};

    if (target->name != NULL)
        str_list_push(&keys, key_of(target->plural, target->ns, target->name));
    else
        collect(cluster, target, &keys);
    for (size_t i = 0; i < keys.len; i++)
        if (map_find(cluster->objects, keys.ptr[i]) != NULL)
            delete_object(cluster, keys.ptr[i]);
    str_list_free_all(&keys);
}

static int do_change(struct fake_cluster *cluster, const struct target *target,
                     const char *method, const json_t *body, int *status, json_t **answer)
{
    json_t *object = find(cluster, target);
    const char *version = meta_resource_version(body);

    if (object == NULL)
        return refuse(404, "NotFound", status, answer);
    if (version[0] != '\0' && !str_eq(version, meta_resource_version(object)))
        return refuse(409, "Conflict", status, answer);
    if (str_eq(method, "PATCH")) {
        merge(object, body);
    } else if (str_eq(target->sub, "status")) {
        obj_take(object, "status", obj_copy(obj_at(body, "status")));
    } else {
        json_t *kept = obj_copy(obj_at(object, "status"));
        json_object_clear(object);
        json_object_update(object, (json_t *)(uintptr_t)body);
        if (kept != NULL)
            obj_take(object, "status", kept);
    }
    touch(cluster, object);
    if (obj_str(object, "metadata.deletionTimestamp", NULL) != NULL &&
        obj_count(object, "metadata.finalizers") == 0) {
        *answer = obj_copy(object);
        do_delete(cluster, target);
        return 0;
    }
    *answer = json_incref(object);
    return 0;
}

static int do_create(struct fake_cluster *cluster, const struct target *target,
                     const json_t *body, int *status, json_t **answer)
{
    CLEANUP(str) char *key = key_of(target->plural, target->ns, meta_name(body));

    if (meta_name(body)[0] != '\0' && map_find(cluster->objects, key) != NULL)
        return refuse(409, "AlreadyExists", status, answer);
    *status = 201;
    *answer = json_incref(add(cluster, target->plural, target->ns, obj_copy(body)));
    return 0;
}

static int answer_request(struct fake_cluster *cluster, const struct target *target,
                          const char *method, const json_t *body, int *status, json_t **answer)
{
    *status = 200;
    if (str_eq(method, "POST"))
        return do_create(cluster, target, body, status, answer);
    if (str_eq(method, "PUT") || str_eq(method, "PATCH"))
        return do_change(cluster, target, method, body, status, answer);
    if (str_eq(method, "GET") && target->name == NULL) {
        do_list(cluster, target, answer);
        return 0;
    }
    if (target->name != NULL && find(cluster, target) == NULL)
        return refuse(404, "NotFound", status, answer);
    if (str_eq(method, "GET")) {
        *answer = json_incref(find(cluster, target));
        return 0;
    }
    do_delete(cluster, target);
    *answer = obj_pack("{s:s}", "kind", "Status");
    return 0;
}

static bool answer_log(struct fake_cluster *cluster, const struct target *target, char **body,
                       size_t *len)
{
    CLEANUP(str) char *key = NULL;

    if (!str_eq(target->sub, "log"))
        return false;
    key = xasprintf("%s/%s", target->ns, target->name);
    const char *text = map_find(cluster->logs, key);
    *body = xstrdup(text != NULL ? text : "");
    *len = strlen(*body);
    return true;
}

static int transport_request(void *self, const struct kube_request *request, int *status,
                             char **body, size_t *body_len, struct error **err)
{
    struct fake_cluster *cluster = self;
    CLEANUP(target) struct target target = {0};
    json_auto_t *sent = NULL, *answer = NULL;
    bool write = !str_eq(request->method, "GET");

    read_target(request->path, &target);
    *status = 200;
    if (answer_log(cluster, &target, body, body_len))
        return 0;
    if (request->body_len > 0 &&
        (sent = obj_parse(request->body, request->body_len, err)) == NULL)
        return -1;
    bool fails = write && ++cluster->writes == cluster->fail_at;
    if (!fails || cluster->fail_when == FAKE_FAIL_AFTER)
        answer_request(cluster, &target, request->method, sent, status, &answer);
    if (fails) {
        json_decref(answer);
        answer = NULL;
        refuse(503, "ServiceUnavailable", status, &answer);
    }
    *body = obj_format(answer);
    *body_len = strlen(*body);
    return 0;
}

static int transport_stream(void *self, const struct kube_request *request, int *status,
                            bool (*on_data)(void *arg, const char *data, size_t len), void *arg,
                            struct error **err)
{
    char *body = NULL;
    size_t len = 0;

    if (transport_request(self, request, status, &body, &len, err) == -1)
        return -1;
    on_data(arg, body, len);
    free(body);
    return 0;
}

static void transport_free(void *self)
{
}

struct kube_client *fake_cluster_client(struct fake_cluster *cluster)
{
    static const struct kube_transport_ops ops = {transport_request, transport_stream,
                                                  transport_free};

    return kube_client_new(&ops, cluster);
}

/* ---- behind the clients' back ------------------------------------------------------------ */

void fake_cluster_put(struct fake_cluster *cluster, const struct kube_kind *kind, json_t *object)
{
    const char *ns = obj_str(object, "metadata.namespace", NULL);
    CLEANUP(str) char *copy = ns != NULL ? xstrdup(ns) : NULL;

    add(cluster, kind->plural, copy, object);
}

json_t *fake_cluster_get(struct fake_cluster *cluster, const struct kube_kind *kind,
                         const char *ns, const char *name)
{
    CLEANUP(str) char *key = key_of(kind->plural, ns, name);

    return map_find(cluster->objects, key);
}

json_t *fake_cluster_list(struct fake_cluster *cluster, const struct kube_kind *kind)
{
    CLEANUP(str) char *prefix = xasprintf("%s/", kind->plural);
    json_t *items = json_array();
    size_t pos = 0;
    const char *key;
    void *value;

    while ((key = map_next(cluster->objects, &pos, &value)) != NULL)
        if (str_starts_with(key, prefix))
            json_array_append(items, value);
    return items;
}

void fake_cluster_remove(struct fake_cluster *cluster, const struct kube_kind *kind,
                         const char *ns, const char *name)
{
    CLEANUP(str) char *key = key_of(kind->plural, ns, name);

    if (map_find(cluster->objects, key) != NULL)
        delete_object(cluster, key);
}

void fake_cluster_set_log(struct fake_cluster *cluster, const char *ns, const char *pod,
                          const char *text)
{
    CLEANUP(str) char *key = xasprintf("%s/%s", ns, pod);

    free(map_put(cluster->logs, key, xstrdup(text)));
}

void fake_cluster_fail_write(struct fake_cluster *cluster, int count, enum fake_failure when)
{
    cluster->fail_at = count > 0 ? cluster->writes + count : 0;
    cluster->fail_when = when;
}

int fake_cluster_writes(const struct fake_cluster *cluster)
{
    return cluster->writes;
}
