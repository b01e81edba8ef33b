#include "inventory/inventory.h"

#include "base/array.h"
#include "base/error.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "data/obj.h"
#include "inventory/internal.h"
#include "inventory/model.h"
#include "inventory/provider.h"
#include "inventory/rest_objects.h"
#include "inventory/rest_query.h"
#include "inventory/rest_watch.h"
#include "inventory/routes.h"
#include "net/http_server.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define LOG_COMPONENT "inventory"
#include "base/log.h"

/* The REST service, compatible in paths, keys and statuses with Forklift's.  The order of checks is
 * also theirs: parameters (400), provider (404), its first complete read (206), permission (401,
 * 403), object (404). */

enum {
    MAX_SEGMENTS = 6,
    DETAIL_ALL = 9,
};

struct query {
    int detail;
    uint64_t limit, offset;
    char *name; /* or NULL, as the next two */
    char *ns;
    char *filter; /* in the query language */
    bool watch, snapshot;
};

/* One request on its way. */
struct call {
    struct inventory *inventory;
    const struct http_request *request;
    struct http_response *response;
    struct query query;
    struct str_list segments; /* behind the mount: "providers", "ova", UID, "vms", ID */
    struct provider *provider;
};

/* Answers. */

static void fail(struct call *call, int status, const char *reason)
{
    http_response_set_status(call->response, status);
    if (reason != NULL)
        http_response_add_header(call->response, "forklift-error-message", reason);
}

static void fail_error(struct call *call, const struct error *err)
{
    CLEANUP(str) char *text = error_format(err);

    for (char *p = text; *p != '\0'; p++)
        if ((unsigned char)*p < ' ' || (unsigned char)*p > '~')
            *p = ' '; /* it goes into a header */
    fail(call, err->code == ERROR_DENIED ? 403 : err->code == ERROR_INVALID ? 400 : 500, text);
}

/* Takes BODY. */
static void answer(struct call *call, json_t *body)
{
    CLEANUP(str) char *text = obj_format(body);

    http_response_add_header(call->response, "Content-Type", "application/json; charset=utf-8");
    http_response_write(call->response, text, strlen(text));
    json_decref(body);
}

/* Parameters. */

static int parse_count(const struct http_request *request, const char *key, uint64_t *value,
                       struct error **err)
{
    CLEANUP(str) char *text = http_request_query(request, key);

    if (text != NULL && !span_u64(span_of(text), value))
        return error_set(err, ERROR_INVALID, "%s \"%.40s\" is not a number", key, text);
    return 0;
}

static int parse_query(const struct http_request *request, struct query *query, struct error **err)
{
    CLEANUP(str) char *detail = http_request_query(request, "detail");
    const char *watch = http_request_header(request, "X-Watch");
    uint64_t level = 0;

    query->limit = UINT64_MAX;
    query->name = http_request_query(request, "name");
    query->ns = http_request_query(request, "namespace");
    query->filter = http_request_query(request, "q");
    query->watch = watch != NULL;
    query->snapshot = str_eq(watch, "snapshot");
    if (detail != NULL && strcasecmp(detail, "all") == 0)
        level = DETAIL_ALL;
    else if (detail != NULL && !span_u64(span_of(detail), &level))
        return error_set(err, ERROR_INVALID, "detail \"%.40s\" is neither a number nor \"all\"",
                         detail);
    query->detail = level > DETAIL_ALL ? DETAIL_ALL : (int)level;
    if (parse_count(request, "limit", &query->limit, err) == -1)
        return -1;
    return parse_count(request, "offset", &query->offset, err);
}

/* The parts of the path from "providers" or "schema" on; where we are mounted does not matter. */
static bool parse_path(const char *path, struct str_list *segments)
{
    struct span rest = span_of(path), part = {0};

    while (span_split(&rest, '/', &part)) {
        if (part.len == 0)
            continue;
        if (segments->len == 0 && !span_eq_str(part, "providers") && !span_eq_str(part, "schema"))
            continue;
        if (segments->len == MAX_SEGMENTS)
            return false;
        str_list_push(segments, span_dup(part));
    }
    return segments->len > 0;
}

static const char *segment(const struct call *call, size_t index)
{
    return index < call->segments.len ? call->segments.ptr[index] : NULL;
}

/* Objects. */

static bool has_key(const char *const *keys, const char *key)
{
    for (; keys != NULL && *keys != NULL; keys++)
        if (str_eq(*keys, key))
            return true;
    return false;
}

/* What an answer at DETAIL shows of OBJECT. */
json_t *rest_show(const struct route_type *type, const struct route_collection *collection,
                  const json_t *object, int detail)
{
    bool all = detail >= 2 || collection->base_keys == NULL ||
               (detail == 1 && collection->middle_keys == NULL);
    json_t *shown = json_object();
    const char *key = NULL;
    json_t *value = NULL;

    json_object_foreach((json_t *)(uintptr_t)object, key, value) /* jansson's walk is not const */
        if (!has_key(type->hidden_keys, key) &&
            (all || has_key(collection->base_keys, key) ||
             (detail == 1 && has_key(collection->middle_keys, key))))
            json_object_set(shown, key, value);
    return shown;
}

static json_t *show_provider(struct provider *provider, int detail)
{
    const struct route_type *type = provider_route(provider);
    json_auto_t *object = provider_get_object(provider);
    const char *uid = provider_uid(provider);
    CLEANUP(str) char *link = xasprintf("providers/%s/%s", obj_str(object, "spec.type", ""), uid);
    json_t *o = obj_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "uid", uid, "version",
                         obj_str(object, "metadata.resourceVersion", ""), "namespace",
                         provider_ns(provider), "name", provider_name(provider), "selfLink", link,
                         "id", uid);

    if (detail == 0)
        return o;
    obj_put_str(o, "type", obj_str(object, "spec.type", ""));
    obj_take(o, "object", json_incref(object));
    for (const char *const *at = type ? type->counts : NULL; at != NULL && *at != NULL; at += 2)
        obj_put_int(o, at[0], (int64_t)model_count(provider_model(provider), at[1]));
    if (!str_eq(obj_str(object, "spec.type", ""), "openshift")) {
        obj_put_str(o, "apiVersion", "");
        obj_put_str(o, "product", "");
    }
    return o;
}

/* NAME with slashes: its last part, as SQL would have compared it. */
static const char *last_part(const char *name)
{
    const char *slash = strrchr(name, '/');

    return slash ? slash + 1 : name;
}

static bool matches(const struct query *query, const struct route_collection *collection,
                    const json_t *object, bool by_path)
{
    if (collection->is_hidden != NULL && collection->is_hidden(object))
        return false;
    if (!str_is_empty(query->ns) && !str_eq(obj_str(object, "namespace", query->ns), query->ns))
        return false;
    if (str_is_empty(query->name))
        return true;
    if (!str_eq(obj_str(object, "name", ""), last_part(query->name)))
        return false;
    return !by_path || path_ends_with(obj_str(object, "path", ""), query->name);
}

static size_t count_matches(const struct query *query, const struct route_collection *collection,
                            const json_t *objects)
{
    const json_t *object = NULL;
    size_t i = 0, count = 0;

    json_array_foreach(objects, i, object) count += matches(query, collection, object, false);
    return count;
}

/* The objects of the collection that the parameters fit. */
static json_t *find_objects(struct call *call, const struct route_collection *collection)
{
    json_auto_t *objects = model_list(provider_model(call->provider), collection->kind);
    const struct query *query = &call->query;
    bool by_path = query->name != NULL && strchr(query->name, '/') != NULL &&
                   count_matches(query, collection, objects) > 1;
    json_t *list = json_array();
    json_t *object = NULL;
    size_t i = 0;

    json_array_foreach(objects, i, object) if (matches(query, collection, object, by_path))
        json_array_append(list, object);
    return list;
}

/* The page of LIST that was asked for. */
static json_t *cut_page(const struct query *query, const json_t *list)
{
    size_t count = json_array_size(list);
    json_t *page = json_array();

    for (uint64_t i = query->offset; i < count && i - query->offset < query->limit; i++)
        json_array_append(page, json_array_get(list, (size_t)i));
    return page;
}

static void answer_list(struct call *call, const struct route_collection *collection)
{
    const struct route_type *type = provider_route(call->provider);
    json_auto_t *objects = find_objects(call, collection);
    const struct query *query = &call->query;
    CLEANUP(error) struct error *err = NULL;

    if (!str_is_empty(query->filter)) {
        const struct rest_query filter = {.text = query->filter,
                                          .provider = provider_name(call->provider),
                                          .type = type,
                                          .collection = collection,
                                          .detail = query->detail};
        json_auto_t *found = NULL;

        if (rest_query_run(&filter, objects, &found, &err) == -1)
            fail_error(call, err);
        else
            answer(call, cut_page(query, found));
        return;
    }
    json_auto_t *page = cut_page(query, objects);
    json_t *list = json_array();
    const json_t *object = NULL;
    size_t i = 0;
    json_array_foreach(page, i, object)
        json_array_append_new(list, rest_show(type, collection, object, query->detail));
    answer(call, list);
}

static void watch_list(struct call *call, const struct route_collection *collection)
{
    if (!rest_watch(call->request, call->response, provider_model(call->provider),
                    provider_route(call->provider), collection, call->query.snapshot))
        fail(call, 400, "X-Watch needs a WebSocket's handshake");
}

static void answer_object(struct call *call, const struct route_collection *collection,
                          const char *id, bool workload)
{
    const struct route_type *type = provider_route(call->provider);
    CLEANUP(error) struct error *err = NULL; /* only names can be ambiguous */
    json_auto_t *object = NULL;

    if (model_find(provider_model(call->provider), collection->kind, id, NULL, &object, &err) == -1)
        fail_error(call, err);
    else if (object == NULL)
        fail(call, 404, NULL);
    else {
        json_t *shown = rest_show(type, collection, object, DETAIL_ALL);

        if (workload) {
            CLEANUP(str)
            char *link = xasprintf("providers/%s/%s/workloads/%s", type->type,
                                   provider_uid(call->provider), id);
            obj_put_str(shown, "selfLink", link);
            rest_complete_workload(provider_model(call->provider), type, shown);
        }
        answer(call, shown);
    }
}

/* Providers. */

/* 0 if the caller may go on. */
static int check_access(struct call *call, const char *ns, const char *name)
{
    CLEANUP(error) struct error *err = NULL;

    if (call->request->user == NULL) {
        fail(call, 401, "no bearer token, or one that is not valid");
        return -1;
    }
    if (auth_check(inventory_auth(call->inventory), call->request->user, ns, name, &err) == 0)
        return 0;
    if (err->code != ERROR_DENIED)
        log_warn_error(err, "inventory request");
    fail_error(call, err);
    return -1;
}

static bool is_of(struct provider *provider, const char *type)
{
    json_auto_t *object = provider_get_object(provider);

    return str_eq(obj_str(object, "spec.type", ""), type);
}

static void release(struct provider_list *list)
{
    for (size_t i = 0; i < list->len; i++)
        provider_unref(list->ptr[i]);
    provider_list_reset(list);
}

static json_t *list_providers(struct call *call, const struct provider_list *providers,
                              const char *type)
{
    json_t *list = json_array();

    for (size_t i = 0; i < providers->len; i++)
        if (is_of(providers->ptr[i], type) &&
            (str_is_empty(call->query.ns) ||
             str_eq(provider_ns(providers->ptr[i]), call->query.ns)))
            json_array_append_new(list, show_provider(providers->ptr[i], call->query.detail));
    return list;
}

static bool is_provider_type(const char *type)
{
    return has_key(route_provider_types, type) || source_find_ops(type) != NULL;
}

/* All providers by type, or those of TYPE. */
static void answer_providers(struct call *call, const char *type)
{
    struct provider_list providers = {0};

    if (call->query.watch) {
        fail(call, 400, "a list of providers cannot be watched");
        return;
    }
    if (type != NULL && !is_provider_type(type)) {
        fail(call, 404, NULL);
        return;
    }
    if (check_access(call, call->query.ns ? call->query.ns : "", NULL) == -1)
        return;
    inventory_providers(call->inventory, &providers);
    if (type != NULL) {
        answer(call, list_providers(call, &providers, type));
    } else {
        json_t *all = json_object();

        for (const char *const *at = route_provider_types; *at != NULL; at++)
            json_object_set_new(all, *at, list_providers(call, &providers, *at));
        answer(call, all);
    }
    release(&providers);
}

/* The provider that the path names, with a reference, or NULL. */
static struct provider *find_provider(struct call *call, const char *type, const char *uid)
{
    struct provider_list providers = {0};
    struct provider *found = NULL;

    inventory_providers(call->inventory, &providers);
    for (size_t i = 0; i < providers.len && found == NULL; i++)
        if (str_eq(provider_uid(providers.ptr[i]), uid) && is_of(providers.ptr[i], type))
            found = provider_ref(providers.ptr[i]);
    release(&providers);
    return found;
}

/* Something below a provider: "vms", "vms/ID", "workloads/ID", "tree/namespace". */
static void answer_below(struct call *call)
{
    const struct route_type *type = provider_route(call->provider);
    const char *first = segment(call, 3), *second = segment(call, 4);
    const struct route_collection *collection = NULL;

    if (type == NULL || segment(call, 5) != NULL) {
        fail(call, 404, NULL);
    } else if (str_eq(first, "tree")) {
        const struct route_tree *tree = route_find_tree(type, second);

        if (tree == NULL)
            fail(call, 404, NULL);
        else if (call->query.watch)
            fail(call, 400, "a tree cannot be watched");
        else
            answer(call,
                   rest_make_tree(provider_model(call->provider), type, tree, call->query.detail));
    } else if (str_eq(first, "workloads") && second != NULL && type->has_workloads) {
        answer_object(call, route_find_collection(type, "vms"), second, true);
    } else if ((collection = route_find_collection(type, first)) == NULL) {
        fail(call, 404, NULL);
    } else if (second != NULL) {
        answer_object(call, collection, second, false);
    } else if (call->query.watch) {
        watch_list(call, collection);
    } else {
        answer_list(call, collection);
    }
}

static void answer_provider(struct call *call)
{
    call->provider = find_provider(call, segment(call, 1), segment(call, 2));
    if (call->provider == NULL) {
        http_response_add_header(call->response, "X-Reason", "ProviderNotFound");
        fail(call, 404, NULL);
        return;
    }
    if (!provider_wait_complete(call->provider, inventory_parity_ms(call->inventory)))
        fail(call, 206, NULL);
    else if (check_access(call, provider_ns(call->provider), provider_name(call->provider)) == -1)
        return;
    else if (segment(call, 3) == NULL)
        answer(call, show_provider(call->provider, DETAIL_ALL));
    else
        answer_below(call);
}

/* Every route as a pattern, for clients that look for what there is. */
static void answer_schema(struct call *call)
{
    json_t *paths = json_array();
    const char *const *types = source_list_types();

    json_array_append_new(paths, json_string("/schema"));
    json_array_append_new(paths, json_string("/providers"));
    for (size_t i = 0; types[i] != NULL; i++) {
        const struct route_type *type = route_find_type(types[i]);
        CLEANUP(str) char *list = xasprintf("/providers/%s", types[i]);
        CLEANUP(str) char *one = xasprintf("/providers/%s/:provider", types[i]);

        json_array_append_new(paths, json_string(list));
        json_array_append_new(paths, json_string(one));
        for (const struct route_collection *at = type ? type->collections : NULL;
             at != NULL && at->path != NULL; at++) {
            CLEANUP(str) char *all = xasprintf("%s/%s", one, at->path);
            CLEANUP(str) char *single = xasprintf("%s/:id", all);

            json_array_append_new(paths, json_string(all));
            json_array_append_new(paths, json_string(single));
        }
        if (type != NULL && type->has_workloads) {
            CLEANUP(str) char *workload = xasprintf("%s/workloads/:vm", one);
            json_array_append_new(paths, json_string(workload));
        }
        for (const struct route_tree *at = type ? type->trees : NULL;
             at != NULL && at->path != NULL; at++) {
            CLEANUP(str) char *tree = xasprintf("%s/tree/%s", one, at->path);
            json_array_append_new(paths, json_string(tree));
        }
    }
    answer(call, obj_pack("{s:s, s:o}", "version", GANTRY_VERSION, "paths", paths));
}

static void handle(struct call *call)
{
    CLEANUP(error) struct error *err = NULL;

    if (!parse_path(call->request->path, &call->segments))
        fail(call, 404, NULL);
    else if (!str_eq(call->request->method, "GET") && !str_eq(call->request->method, "HEAD"))
        fail(call, 405, NULL);
    else if (parse_query(call->request, &call->query, &err) == -1)
        fail_error(call, err);
    else if (str_eq(segment(call, 0), "schema"))
        answer_schema(call);
    else if (segment(call, 2) == NULL)
        answer_providers(call, segment(call, 1));
    else
        answer_provider(call);
}

void inventory_handle(void *arg, const struct http_request *request, struct http_response *response)
{
    struct call call = {.inventory = arg, .request = request, .response = response};

    handle(&call);
    provider_unref(call.provider);
    str_list_free_all(&call.segments);
    free(call.query.name);
    free(call.query.ns);
    free(call.query.filter);
}
