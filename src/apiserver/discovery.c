#include "apiserver/discovery.h"

#include "apiserver/call.h"
#include "apiserver/server.h"
#include "apiserver/special.h"
#include "base/array.h"
#include "base/mem.h"
#include "base/text.h"
#include "data/obj.h"
#include "net/crypto.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- What a kind offers -------------------------------------------------------------------------------- */

static json_t *verb_list(unsigned verbs)
{
    static const struct {
        unsigned flag;
        const char *word;
    } words[] = {
        {VERB_DELETE, "delete"}, {VERB_DELETE_COLLECTION, "deletecollection"},
        {VERB_GET, "get"},       {VERB_LIST, "list"},
        {VERB_PATCH, "patch"},   {VERB_CREATE, "create"},
        {VERB_UPDATE, "update"}, {VERB_WATCH, "watch"},
    };
    json_t *list = json_array();

    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        if ((verbs & words[i].flag) != 0)
            json_array_append_new(list, json_string(words[i].word));
    return list;
}

static json_t *text_list(const struct str_list *texts)
{
    json_t *list = json_array();

    for (size_t i = 0; i < texts->len; i++)
        json_array_append_new(list, json_string(texts->ptr[i]));
    return list;
}

static void storage_hash(const struct kube_type *type, char text[13])
{
    unsigned char digest[CRYPTO_SHA256_SIZE];
    CLEANUP(str) char *name = xasprintf("%s/%s", type->group, type->kind);

    crypto_sha256(name, strlen(name), digest);
    for (size_t i = 0; i < 6; i++)
        snprintf(text + 2 * i, 3, "%02x", digest[i]);
}

static unsigned verbs_of(const struct served *served)
{
    return served->is_terminating ? served->type->verbs & ~(unsigned)VERB_CREATE
                                  : served->type->verbs;
}

static bool is_served(const struct served *served, const char *group, const char *version)
{
    return str_eq(served->type->group, group) &&
           kube_type_version(served->type, version) != NULL;
}

/* Calls EACH for every subresource of a version. */
static void each_subresource(const struct kube_type *type, const struct kube_version *version,
                             void (*each)(void *arg, const struct subresource *subresource),
                             void *arg)
{
    static const struct subresource status = {
        .name = "status", .verbs = VERB_GET | VERB_PATCH | VERB_UPDATE};
    static const struct subresource scale = {.name = "scale",
                                             .group = "autoscaling",
                                             .version = "v1",
                                             .kind = "Scale",
                                             .verbs = VERB_GET | VERB_PATCH | VERB_UPDATE};

    if (version->has_status)
        each(arg, &status);
    if (version->has_scale)
        each(arg, &scale);
    for (size_t i = 0;; i++) {
        const struct subresource *special = special_subresource(i);
        if (special == NULL)
            return;
        if (str_eq(special->of_group, type->group) && str_eq(special->of_plural, type->plural))
            each(arg, special);
    }
}

/* --- Plain ------------------------------------------------------------------------------------------------ */

struct plain {
    json_t *resources;
    const struct served *served;
};

static void add_plain_subresource(void *arg, const struct subresource *subresource)
{
    struct plain *plain = arg;
    const struct kube_type *type = plain->served->type;
    CLEANUP(str) char *name = xasprintf("%s/%s", type->plural, subresource->name);
    json_t *entry = obj_pack("{s:s, s:s, s:b}", "name", name, "singularName", "", "namespaced",
                             type->namespaced);

    if (subresource->kind != NULL) {
        obj_put_str(entry, "group", subresource->group);
        obj_put_str(entry, "version", subresource->version);
    }
    obj_put_str(entry, "kind", subresource->kind == NULL ? type->kind : subresource->kind);
    obj_take(entry, "verbs", verb_list(subresource->verbs));
    json_array_append_new(plain->resources, entry);
}

static void add_plain(json_t *resources, const struct served *served, const char *version)
{
    const struct kube_type *type = served->type;
    json_t *entry =
        obj_pack("{s:s, s:s, s:b, s:s, s:o}", "name", type->plural, "singularName", type->singular,
                 "namespaced", type->namespaced, "kind", type->kind, "verbs",
                 verb_list(verbs_of(served)));

    if (type->short_names.len > 0)
        obj_take(entry, "shortNames", text_list(&type->short_names));
    if (type->categories.len > 0)
        obj_take(entry, "categories", text_list(&type->categories));
    if ((type->verbs & VERB_LIST) != 0) {
        char hash[13];
        storage_hash(type, hash);
        obj_put_str(entry, "storageVersionHash", hash);
    }
    json_array_append_new(resources, entry);
    struct plain plain = {resources, served};
    each_subresource(type, kube_type_version(type, version), add_plain_subresource, &plain);
}

static bool answer_group_version(struct call *call, const char *group, const char *version)
{
    CLEANUP(served_list) struct served_list list = {0};
    json_auto_t *resources = json_array();

    registry_list(call->server->registry, &list);
    for (size_t i = 0; i < list.len; i++)
        if (is_served(list.ptr[i], group, version))
            add_plain(resources, list.ptr[i], version);
    special_add_plain(resources, group, version);
    if (json_array_size(resources) == 0)
        return false;
    CLEANUP(str) char *group_version =
        *group == '\0' ? xstrdup(version) : xasprintf("%s/%s", group, version);
    json_auto_t *answer = obj_pack("{s:s, s:s, s:s, s:O}", "kind", "APIResourceList", "apiVersion",
                                   "v1", "groupVersion", group_version, "resources", resources);
    call_answer_json(call, 200, answer);
    return true;
}

/* {name, versions, preferredVersion} of the group, from the list that is sorted by group. */
static json_t *plain_group(const struct str_list *versions, const char *group)
{
    json_t *list = json_array();

    for (size_t i = 0; i < versions->len; i++) {
        CLEANUP(str) char *group_version = xasprintf("%s/%s", group, versions->ptr[i]);
        json_array_append_new(list, obj_pack("{s:s, s:s}", "groupVersion", group_version, "version",
                                             versions->ptr[i]));
    }
    return obj_pack("{s:s, s:o, s:O}", "name", group, "versions", list, "preferredVersion",
                    json_array_get(list, 0));
}

/* --- Groups and their versions ---------------------------------------------------------------------------- */

struct group {
    char *name;
    struct str_list versions; /* the preferred one first */
};

DEFINE_VECTOR(group_list, struct group)

/* "v1" before "v1beta2" before "v1beta1" before "v1alpha1", as Kubernetes ranks versions. */
static long version_rank(const char *version)
{
    int major = 0, minor = 0;

    if (sscanf(version, "v%dbeta%d", &major, &minor) == 2)
        return 1000000L + major * 1000L + minor;
    if (sscanf(version, "v%dalpha%d", &major, &minor) == 2)
        return major * 1000L + minor;
    if (sscanf(version, "v%d", &major) == 1)
        return 2000000L + major * 1000L;
    return -1;
}

static int by_rank(const void *a, const void *b)
{
    long x = version_rank(*(char *const *)a), y = version_rank(*(char *const *)b);

    return x < y ? 1 : x > y ? -1 : 0;
}

static void add_version(struct group_list *groups, const char *name, const char *version)
{
    struct group *group = NULL;

    for (size_t i = 0; i < groups->len && group == NULL; i++)
        if (str_eq(groups->ptr[i].name, name))
            group = &groups->ptr[i];
    if (group == NULL) {
        group_list_push(groups, (struct group){.name = xstrdup(name)});
        group = &groups->ptr[groups->len - 1];
    }
    for (size_t i = 0; i < group->versions.len; i++)
        if (str_eq(group->versions.ptr[i], version))
            return;
    str_list_push(&group->versions, xstrdup(version));
    qsort(group->versions.ptr, group->versions.len, sizeof(char *), by_rank);
}

static void add_version_to(void *arg, const char *name, const char *version)
{
    add_version(arg, name, version);
}

static void collect_groups(const struct served_list *list, struct group_list *groups)
{
    for (size_t i = 0; i < list->len; i++) {
        const struct kube_type *type = list->ptr[i]->type;
        for (size_t j = 0; j < type->version_count; j++)
            if (type->versions[j].served)
                add_version(groups, type->group, type->versions[j].name);
    }
    special_add_groups(add_version_to, groups);
}

static void reset_groups(struct group_list *groups)
{
    for (size_t i = 0; i < groups->len; i++) {
        free(groups->ptr[i].name);
        str_list_free_all(&groups->ptr[i].versions);
    }
    group_list_reset(groups);
}

/* --- Aggregated -------------------------------------------------------------------------------------------- */

struct aggregated {
    json_t *subresources;
    const struct kube_type *type;
    const char *version;
};

static void add_aggregated_subresource(void *arg, const struct subresource *subresource)
{
    struct aggregated *into = arg;
    bool own = subresource->kind == NULL;
    json_t *kind = obj_pack("{s:s, s:s, s:s}", "group", own ? into->type->group : subresource->group,
                            "version", own ? into->version : subresource->version, "kind",
                            own ? into->type->kind : subresource->kind);

    json_array_append_new(into->subresources,
                          obj_pack("{s:s, s:o, s:o}", "subresource", subresource->name,
                                   "responseKind", kind, "verbs", verb_list(subresource->verbs)));
}

static json_t *aggregated_resource(const struct served *served, const char *version)
{
    const struct kube_type *type = served->type;
    json_t *entry = obj_pack(
        "{s:s, s:{s:s, s:s, s:s}, s:s, s:s, s:o}", "resource", type->plural, "responseKind",
        "group", type->group, "version", version, "kind", type->kind, "scope",
        type->namespaced ? "Namespaced" : "Cluster", "singularResource", type->singular, "verbs",
        verb_list(verbs_of(served)));
    struct aggregated into = {json_array(), type, version};

    if (type->short_names.len > 0)
        obj_take(entry, "shortNames", text_list(&type->short_names));
    if (type->categories.len > 0)
        obj_take(entry, "categories", text_list(&type->categories));
    each_subresource(type, kube_type_version(type, version), add_aggregated_subresource, &into);
    if (json_array_size(into.subresources) > 0)
        obj_take(entry, "subresources", into.subresources);
    else
        json_decref(into.subresources);
    return entry;
}

static json_t *aggregated_group(const struct served_list *list, const struct group *group)
{
    json_t *versions = json_array();

    for (size_t i = 0; i < group->versions.len; i++) {
        const char *version = group->versions.ptr[i];
        json_t *resources = json_array();
        for (size_t j = 0; j < list->len; j++)
            if (is_served(list->ptr[j], group->name, version))
                json_array_append_new(resources, aggregated_resource(list->ptr[j], version));
        json_array_append_new(versions, obj_pack("{s:s, s:o, s:s}", "version", version, "resources",
                                                 resources, "freshness", "Current"));
    }
    return obj_pack("{s:{s:s, s:n}, s:o}", "metadata", "name", group->name, "creationTimestamp",
                    "versions", versions);
}

/* Which form the caller prefers: "v2", "v2beta1", or NULL for plain. */
static const char *aggregated_version(const struct call *call)
{
    struct span rest = span_of(http_request_header(call->request, "Accept")), item;

    while (span_split(&rest, ',', &item)) {
        if (item.len == 0 || !span_starts_with(span_trim(item), "application/json"))
            continue;
        if (memmem(item.ptr, item.len, "APIGroupDiscoveryList", 21) == NULL)
            return NULL;
        if (memmem(item.ptr, item.len, "v=v2beta1", 9) != NULL)
            return "v2beta1";
        if (memmem(item.ptr, item.len, "v=v2", 4) != NULL)
            return "v2";
    }
    return NULL;
}

static void answer_aggregated(struct call *call, bool core, const char *version)
{
    CLEANUP(served_list) struct served_list list = {0};
    struct group_list groups = {0};
    json_auto_t *items = json_array();
    CLEANUP(str) char *api_version = xasprintf("apidiscovery.k8s.io/%s", version);
    CLEANUP(str) char *type = xasprintf(
        "application/json;g=apidiscovery.k8s.io;v=%s;as=APIGroupDiscoveryList", version);

    registry_list(call->server->registry, &list);
    collect_groups(&list, &groups);
    for (size_t i = 0; i < groups.len; i++)
        if ((*groups.ptr[i].name == '\0') == core)
            json_array_append_new(items, aggregated_group(&list, &groups.ptr[i]));
    reset_groups(&groups);
    json_auto_t *answer = obj_pack("{s:s, s:s, s:{}, s:O}", "kind", "APIGroupDiscoveryList",
                                   "apiVersion", api_version, "metadata", "items", items);
    CLEANUP(str) char *text = obj_format(answer);
    /* With a bare application/json, clients do not see that it is aggregated. */
    http_response_add_header(call->response, "Content-Type", type);
    http_response_write(call->response, text, strlen(text));
}

/* --- Paths --------------------------------------------------------------------------------------------------- */

static void answer_core(struct call *call)
{
    const char *host = http_request_header(call->request, "Host");
    json_auto_t *answer = obj_pack(
        "{s:s, s:[s], s:[{s:s, s:s}]}", "kind", "APIVersions", "versions", "v1",
        "serverAddressByClientCIDRs", "clientCIDR", "0.0.0.0/0", "serverAddress",
        host == NULL ? "" : host);

    call_answer_json(call, 200, answer);
}

/* All groups, or with NAME only that one; false if there is none of that name. */
static bool answer_groups(struct call *call, const char *name)
{
    CLEANUP(served_list) struct served_list list = {0};
    struct group_list groups = {0};
    json_auto_t *items = json_array();

    registry_list(call->server->registry, &list);
    collect_groups(&list, &groups);
    for (size_t i = 0; i < groups.len; i++)
        if (*groups.ptr[i].name != '\0' && (name == NULL || str_eq(groups.ptr[i].name, name)))
            json_array_append_new(items,
                                  plain_group(&groups.ptr[i].versions, groups.ptr[i].name));
    reset_groups(&groups);
    if (name == NULL) {
        json_auto_t *answer = obj_pack("{s:s, s:s, s:O}", "kind", "APIGroupList", "apiVersion",
                                       "v1", "groups", items);
        call_answer_json(call, 200, answer);
        return true;
    }
    if (json_array_size(items) == 0)
        return false;
    json_t *group = json_array_get(items, 0);
    obj_put_str(group, "kind", "APIGroup");
    obj_put_str(group, "apiVersion", "v1");
    call_answer_json(call, 200, group);
    return true;
}

static bool answer_root(struct call *call)
{
    json_auto_t *answer = obj_pack("{s:[s,s,s,s,s,s,s,s,s]}", "paths", "/api", "/api/v1", "/apis",
                                   "/healthz", "/livez", "/metrics", "/openapi/v3", "/readyz",
                                   "/version");

    call_answer_json(call, 200, answer);
    return true;
}

bool discovery_handle(struct call *call)
{
    struct span rest = span_of(call->request->path + 1);
    struct span parts[4] = {0};
    size_t count = 0;

    while (rest.len > 0 && count < ARRAY_SIZE(parts) && span_split(&rest, '/', &parts[count]))
        count += parts[count].len > 0 ? 1 : 0;
    if (count == 0)
        return answer_root(call);
    bool core = span_eq_str(parts[0], "api");
    if (!core && !span_eq_str(parts[0], "apis"))
        return false;
    if (count == 1) {
        const char *version = aggregated_version(call);
        if (version != NULL)
            answer_aggregated(call, core, version);
        else if (core)
            answer_core(call);
        else
            answer_groups(call, NULL);
        return true;
    }
    CLEANUP(str) char *first = span_dup(parts[1]);
    if (core)
        return count == 2 && answer_group_version(call, "", first);
    if (count == 2)
        return answer_groups(call, first);
    CLEANUP(str) char *version = span_dup(parts[2]);
    return count == 3 && answer_group_version(call, first, version);
}
