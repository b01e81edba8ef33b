/* The roles and bindings are parsed into a snapshot that all checks share; it is made anew when one
 * of the four kinds has changed. */
#include "apiserver/authz.h"

#include "apiserver/registry.h"
#include "apiserver/store.h"
#include "base/error.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/thread.h"
#include "data/obj.h"
#include "kube/meta.h"
#include "kube/selector.h"

#include <stdlib.h>
#include <string.h>

#define RBAC_GROUP "rbac.authorization.k8s.io"

struct grant {
    char *ns;         /* "" for everywhere */
    json_t *subjects; /* of the binding */
    json_t *rules;    /* of the role */
};

DEFINE_VECTOR(grant_list, struct grant)

struct snapshot {
    atomic_uint refs;
    uint64_t version; /* the newest of the four tables */
    struct grant_list grants;
    struct map *roles; /* "ns/name" -> rules */
};

struct authorizer {
    struct registry *registry;
    pthread_mutex_t lock;
    struct snapshot *current; /* guarded by lock */
};

/* --- The snapshot --------------------------------------------------------------------------------- */

static void free_json(void *value)
{
    json_decref(value);
}

static void snapshot_unref(struct snapshot *snapshot)
{
    if (snapshot == NULL || atomic_fetch_sub(&snapshot->refs, 1) != 1)
        return;
    for (size_t i = 0; i < snapshot->grants.len; i++) {
        free(snapshot->grants.ptr[i].ns);
        json_decref(snapshot->grants.ptr[i].subjects);
        json_decref(snapshot->grants.ptr[i].rules);
    }
    grant_list_reset(&snapshot->grants);
    map_free(snapshot->roles, free_json);
    free(snapshot);
}

DEFINE_CLEANUP(snapshot, struct snapshot *, snapshot_unref)

static struct store_table *table_of(struct authorizer *authorizer, const char *plural)
{
    struct served *served = registry_find(authorizer->registry, RBAC_GROUP, NULL, plural, NULL);
    struct store_table *table = served == NULL ? NULL : served->table;

    served_unref(served); /* tables live as long as the store */
    return table;
}

static uint64_t newest_version(struct authorizer *authorizer)
{
    static const char *const plurals[] = {"roles", "clusterroles", "rolebindings",
                                          "clusterrolebindings"};
    uint64_t newest = 1;

    for (size_t i = 0; i < 4; i++) {
        struct store_table *table = table_of(authorizer, plurals[i]);
        uint64_t version = table == NULL ? 0 : store_table_version(table);
        newest = version > newest ? version : newest;
    }
    return newest;
}

/* All objects of a kind, parsed. */
static json_t *parse_all(struct authorizer *authorizer, const char *plural)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(object_list) struct object_list list = {0};
    struct store_table *table = table_of(authorizer, plural);
    json_t *all = json_array();
    uint64_t version = 0;

    /* A list of now has no version that could be too old. */
    if (table == NULL || store_list(table, NULL, "", &version, &list, &err) == -1)
        return all;
    for (size_t i = 0; i < list.len; i++)
        json_array_append_new(all, object_parse(list.ptr[i]));
    return all;
}

static void add_role(struct snapshot *snapshot, const json_t *role, json_t *rules)
{
    CLEANUP(str) char *key = xasprintf("%s/%s", meta_ns(role), meta_name(role));

    json_decref(map_put(snapshot->roles, key, rules));
}

/* The rules of all cluster roles that an aggregationRule selects. */
static json_t *aggregate(const json_t *role, const json_t *roles)
{
    const json_t *selectors = obj_arr(role, "aggregationRule.clusterRoleSelectors");
    json_t *rules = json_array();
    size_t i, j;
    json_t *selector_json, *other;

    json_array_foreach(selectors, i, selector_json) {
        CLEANUP(error) struct error *err = NULL;
        CLEANUP(selector) struct selector *selector = selector_from_json(selector_json, &err);
        if (selector == NULL)
            continue; /* selects nothing */
        json_array_foreach(roles, j, other) {
            if (other != role && selector_matches(selector, obj_at(other, "metadata.labels")))
                json_array_extend(rules, obj_arr(other, "rules"));
        }
    }
    return rules;
}

static void add_cluster_roles(struct authorizer *authorizer, struct snapshot *snapshot)
{
    json_auto_t *roles = parse_all(authorizer, "clusterroles");
    size_t i;
    json_t *role;

    json_array_foreach(roles, i, role) {
        json_t *own = obj_arr(role, "rules");
        json_t *rules = json_array();
        if (obj_at(role, "aggregationRule") != NULL) {
            json_auto_t *more = aggregate(role, roles);
            json_array_extend(rules, more);
        }
        if (own != NULL)
            json_array_extend(rules, own);
        add_role(snapshot, role, rules);
    }
}

static void add_roles(struct authorizer *authorizer, struct snapshot *snapshot)
{
    json_auto_t *roles = parse_all(authorizer, "roles");
    size_t i;
    json_t *role;

    json_array_foreach(roles, i, role) {
        json_t *rules = obj_arr(role, "rules");
        add_role(snapshot, role, rules == NULL ? json_array() : json_incref(rules));
    }
}

static json_t *find_rules(const struct snapshot *snapshot, const char *ns, const json_t *role_ref)
{
    bool cluster = str_eq(obj_str(role_ref, "kind", ""), "ClusterRole");
    CLEANUP(str) char *key = xasprintf("%s/%s", cluster ? "" : ns, obj_str(role_ref, "name", ""));

    if (!cluster && *ns == '\0')
        return NULL; /* a Role in no namespace must not turn out to be the ClusterRole of its name */
    return map_find(snapshot->roles, key);
}

static void add_bindings(struct authorizer *authorizer, struct snapshot *snapshot,
                         const char *plural)
{
    json_auto_t *bindings = parse_all(authorizer, plural);
    size_t i;
    json_t *binding;

    json_array_foreach(bindings, i, binding) {
        json_t *subjects = obj_arr(binding, "subjects");
        json_t *rules = find_rules(snapshot, meta_ns(binding), obj_at(binding, "roleRef"));
        if (subjects == NULL || rules == NULL)
            continue;
        struct grant grant = {
            .ns = xstrdup(meta_ns(binding)),
            .subjects = json_incref(subjects),
            .rules = json_incref(rules),
        };
        grant_list_push(&snapshot->grants, grant);
    }
}

static struct snapshot *take_snapshot(struct authorizer *authorizer)
{
    uint64_t version = newest_version(authorizer);
    {
        LOCK_SCOPE(&authorizer->lock);
        if (authorizer->current != NULL && authorizer->current->version == version) {
            atomic_fetch_add(&authorizer->current->refs, 1);
            return authorizer->current;
        }
    }
    struct snapshot *snapshot = xcalloc(1, sizeof(*snapshot));
    atomic_init(&snapshot->refs, 2); /* the caller's and ours */
    snapshot->version = version;
    snapshot->roles = map_new();
    add_cluster_roles(authorizer, snapshot);
    add_roles(authorizer, snapshot);
    add_bindings(authorizer, snapshot, "clusterrolebindings");
    add_bindings(authorizer, snapshot, "rolebindings");

    LOCK_SCOPE(&authorizer->lock);
    snapshot_unref(authorizer->current);
    authorizer->current = snapshot;
    return snapshot;
}

struct authorizer *authorizer_new(struct registry *registry)
{
    struct authorizer *authorizer = xcalloc(1, sizeof(*authorizer));

    authorizer->registry = registry;
    pthread_mutex_init(&authorizer->lock, NULL);
    return authorizer;
}

void authorizer_free(struct authorizer *authorizer)
{
    if (authorizer == NULL)
        return;
    snapshot_unref(authorizer->current);
    pthread_mutex_destroy(&authorizer->lock);
    free(authorizer);
}

/* --- Matching --------------------------------------------------------------------------------------- */

static bool subject_is(const json_t *subject, const struct user *user)
{
    const char *kind = obj_str(subject, "kind", ""), *name = obj_str(subject, "name", "");

    if (str_eq(kind, "User"))
        return str_eq(name, user->name);
    if (str_eq(kind, "Group"))
        return user_has_group(user, name);
    if (!str_eq(kind, "ServiceAccount"))
        return false;
    CLEANUP(str) char *full =
        xasprintf(SERVICE_ACCOUNT_PREFIX "%s:%s", obj_str(subject, "namespace", ""), name);
    return str_eq(full, user->name);
}

static bool grant_applies(const struct grant *grant, const struct user *user, const char *ns)
{
    size_t i;
    json_t *subject;

    if (*grant->ns != '\0' && !str_eq(grant->ns, ns))
        return false;
    json_array_foreach(grant->subjects, i, subject) {
        if (subject_is(subject, user))
            return true;
    }
    return false;
}

static bool list_has(const json_t *list, const char *value)
{
    size_t i;
    json_t *item;

    json_array_foreach(list, i, item) {
        if (str_eq(json_string_value(item), value))
            return true;
    }
    return false;
}

static bool list_has_or_all(const json_t *list, const char *value)
{
    return list_has(list, "*") || list_has(list, value);
}

/* "pods/log", and the forms with a star on either side. */
static bool resource_matches(const json_t *list, const char *resource, const char *subresource)
{
    if (*subresource == '\0')
        return list_has_or_all(list, resource);
    CLEANUP(str) char *full = xasprintf("%s/%s", resource, subresource);
    CLEANUP(str) char *any = xasprintf("*/%s", subresource);
    return list_has_or_all(list, full) || list_has(list, any);
}

static bool path_matches(const json_t *list, const char *path)
{
    size_t i;
    json_t *item;

    json_array_foreach(list, i, item) {
        const char *pattern = json_string_value(item);
        size_t len = pattern == NULL ? 0 : strlen(pattern);
        if (len == 0)
            continue;
        if (pattern[len - 1] == '*' ? strncmp(pattern, path, len - 1) == 0
                                    : strcmp(pattern, path) == 0)
            return true;
    }
    return false;
}

static bool rule_allows(const json_t *rule, const struct authz_request *request)
{
    if (!list_has_or_all(json_object_get(rule, "verbs"), request->verb))
        return false;
    if (request->path != NULL)
        return path_matches(json_object_get(rule, "nonResourceURLs"), request->path);
    const json_t *names = json_object_get(rule, "resourceNames");
    return list_has_or_all(json_object_get(rule, "apiGroups"), request->group) &&
           resource_matches(json_object_get(rule, "resources"), request->resource,
                            request->subresource) &&
           (json_array_size(names) == 0 || list_has(names, request->name));
}

bool authorizer_allows(struct authorizer *authorizer, const struct authz_request *request)
{
    if (user_has_group(request->user, GROUP_MASTERS))
        return true;
    CLEANUP(snapshot) struct snapshot *snapshot = take_snapshot(authorizer);

    for (size_t i = 0; i < snapshot->grants.len; i++) {
        const struct grant *grant = &snapshot->grants.ptr[i];
        size_t j;
        json_t *rule;
        if (!grant_applies(grant, request->user, request->ns))
            continue;
        json_array_foreach(grant->rules, j, rule) {
            if (rule_allows(rule, request))
                return true;
        }
    }
    return false;
}

/* --- What somebody may do --------------------------------------------------------------------------- */

void authorizer_rules(struct authorizer *authorizer, const struct user *user, const char *ns,
                      json_t **resource_rules, json_t **path_rules)
{
    CLEANUP(snapshot) struct snapshot *snapshot = take_snapshot(authorizer);

    *resource_rules = json_array();
    *path_rules = json_array();
    if (user_has_group(user, GROUP_MASTERS)) {
        json_array_append_new(*resource_rules,
                              obj_pack("{s:[s], s:[s], s:[s]}", "verbs", "*", "apiGroups", "*",
                                       "resources", "*"));
        json_array_append_new(*path_rules,
                              obj_pack("{s:[s], s:[s]}", "verbs", "*", "nonResourceURLs", "*"));
    }
    for (size_t i = 0; i < snapshot->grants.len; i++) {
        const struct grant *grant = &snapshot->grants.ptr[i];
        size_t j;
        json_t *rule;
        if (!grant_applies(grant, user, ns))
            continue;
        json_array_foreach(grant->rules, j, rule) {
            bool is_path = json_object_get(rule, "nonResourceURLs") != NULL;
            json_array_append(is_path ? *path_rules : *resource_rules, rule);
        }
    }
}

/* One right of a rule, taken apart: is it among what USER has? */
static bool has_right(const json_t *own, const struct authz_request *request)
{
    size_t i;
    json_t *rule;

    json_array_foreach(own, i, rule) {
        if (rule_allows(rule, request))
            return true;
    }
    return false;
}

static bool covers_names(const json_t *own, struct authz_request *request, const json_t *names)
{
    size_t i;
    json_t *name;

    if (json_array_size(names) == 0) {
        request->name = "";
        return has_right(own, request);
    }
    json_array_foreach(names, i, name) {
        request->name = json_string_value(name) == NULL ? "" : json_string_value(name);
        if (!has_right(own, request))
            return false;
    }
    return true;
}

static bool covers_resources(const json_t *own, struct authz_request *request, const json_t *rule)
{
    size_t i, j;
    json_t *group, *resource;

    json_array_foreach(json_object_get(rule, "apiGroups"), i, group) {
        json_array_foreach(json_object_get(rule, "resources"), j, resource) {
            const char *text = json_string_value(resource);
            const char *slash = text == NULL ? NULL : strchr(text, '/');
            CLEANUP(str) char *plural = text == NULL ? xstrdup("")
                                        : slash == NULL
                                            ? xstrdup(text)
                                            : xstrndup(text, (size_t)(slash - text));
            request->group = json_string_value(group) == NULL ? "" : json_string_value(group);
            request->resource = plural;
            request->subresource = slash == NULL ? "" : slash + 1;
            if (!covers_names(own, request, json_object_get(rule, "resourceNames")))
                return false;
        }
    }
    return true;
}

static bool covers_paths(const json_t *own, struct authz_request *request, const json_t *rule)
{
    size_t i;
    json_t *path;

    json_array_foreach(json_object_get(rule, "nonResourceURLs"), i, path) {
        request->path = json_string_value(path) == NULL ? "" : json_string_value(path);
        if (!has_right(own, request))
            return false;
    }
    return true;
}

bool authorizer_covers(struct authorizer *authorizer, const struct user *user, const char *ns,
                       const json_t *rules)
{
    json_auto_t *resources = NULL;
    json_auto_t *paths = NULL;
    size_t i, j;
    json_t *rule, *verb;

    if (user_has_group(user, GROUP_MASTERS))
        return true;
    authorizer_rules(authorizer, user, ns, &resources, &paths);
    json_array_foreach(rules, i, rule) {
        json_array_foreach(json_object_get(rule, "verbs"), j, verb) {
            struct authz_request request = {
                .user = user,
                .ns = ns,
                .verb = json_string_value(verb) == NULL ? "" : json_string_value(verb),
            };
            struct authz_request path_request = request;
            if (!covers_resources(resources, &request, rule) ||
                !covers_paths(paths, &path_request, rule))
                return false;
        }
    }
    return true;
}

json_t *authorizer_role_rules(struct authorizer *authorizer, const char *ns, const json_t *role_ref)
{
    CLEANUP(snapshot) struct snapshot *snapshot = take_snapshot(authorizer);
    json_t *rules = find_rules(snapshot, ns, role_ref);

    return rules == NULL ? NULL : json_incref(rules);
}
