#define LOG_COMPONENT "validation"
#include "validation/validation.h"

#include "base/error.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/thread.h"
#include "data/obj.h"
#include "inventory/inventory.h"
#include "kube/client.h"
#include "kube/kinds.h"
#include "lang/rego/json.h"
#include "validation/internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { INTERVAL_MS = 5000 };

/* The package of the rules for a Provider's type, or NULL. */
static const char *package_of(const char *type)
{
    static const char *const rows[][2] = {{"vsphere", "vmware"},
                                          {"ovirt", "ovirt"},
                                          {"openstack", "openstack"},
                                          {"ova", "ova"},
                                          {"hyperv", "hyperv"}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (strcmp(rows[i][0], type) == 0)
            return rows[i][1];
    return NULL;
}

/* --- one machine ------------------------------------------------------------------------------ */

/* One provider's turn. */
struct turn {
    struct validation *v;
    const char *ns, *provider;
    struct rego_eval *eval;
    struct rego_query *query;
    int64_t version;
    size_t validated;
};

/* The VM with its host, and the host with its cluster, in place of their ids. */
static json_t *workload_of(const struct turn *t, const json_t *vm)
{
    json_t *workload = json_copy((json_t *)(uintptr_t)vm);
    CLEANUP(error) struct error *unused = NULL; /* ids are never ambiguous */
    json_auto_t *host = NULL, *cluster = NULL;
    const char *host_id = obj_str(vm, "host", NULL);

    if (host_id == NULL ||
        inventory_find(t->v->options.inventory, t->ns, t->provider, "Host", host_id, NULL, &host,
                       &unused) == -1 ||
        host == NULL)
        return workload;
    json_t *shown = json_copy(host);
    const char *cluster_id = obj_str(host, "cluster", NULL);
    if (cluster_id != NULL &&
        inventory_find(t->v->options.inventory, t->ns, t->provider, "Cluster", cluster_id, NULL,
                       &cluster, &unused) == 0 &&
        cluster != NULL)
        json_object_set(shown, "cluster", cluster);
    json_object_set_new(workload, "host", shown);
    return workload;
}

/* A machine that cannot be judged must not look as if it were fine. */
static json_t *failed_concern(const char *text)
{
    return obj_pack("[{s:s, s:s, s:s}]", "category", "Critical", "label", text, "assessment", text);
}

static json_t *judge(struct turn *t, const json_t *vm)
{
    json_auto_t *workload = workload_of(t, vm);
    struct rego_failure failure;
    const struct rval *result = NULL;

    rego_eval_clear(t->eval);
    const struct rval *input = rjson_from_tree(rego_eval_arena(t->eval), workload);
    if (input == NULL)
        return failed_concern("the machine's description is nested too deeply");
    if (rego_eval_run(t->eval, t->query, input, &result, &failure) == -1) {
        log_warn("a machine cannot be validated: provider=%s vm=%s reason=%s", t->provider,
                 obj_str(vm, "id", ""), failure.text);
        return failed_concern(failure.text);
    }
    const struct rval *concerns = result != NULL ? rval_get_str(result, "concerns") : NULL;
    const struct rval *errors = result != NULL ? rval_get_str(result, "errors") : NULL;
    if (errors != NULL && rval_is_collection(errors) && errors->len > 0 &&
        errors->type != RVAL_OBJECT && errors->items[0]->type == RVAL_STRING)
        return failed_concern(errors->items[0]->string);
    return concerns != NULL ? rjson_to_tree(concerns) : json_array();
}

/* --- one provider ----------------------------------------------------------------------------- */

/* A number that changes when a host or cluster does. */
static uint64_t surroundings(const struct turn *t)
{
    static const char *const kinds[] = {"Host", "Cluster", "NICProfile", "DiskProfile"};
    uint64_t sum = 1;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        json_auto_t *list = inventory_list(t->v->options.inventory, t->ns, t->provider, kinds[i]);
        size_t k;
        json_t *object;
        json_array_foreach(list, k, object) sum =
            (sum ^ (uint64_t)obj_int(object, "revision", 0)) * 1099511628211ULL;
    }
    return sum;
}

static int64_t rules_version(struct turn *t, const char *package)
{
    const char *path[] = {"io", "konveyor", "forklift", package, "rules_version", "rules_version"};
    CLEANUP(rego_query)
    struct rego_query *query =
        rego_query_path(rego_eval_get(t->eval), path, sizeof(path) / sizeof(path[0]));
    struct rego_failure failure;
    const struct rval *result = NULL;

    rego_eval_clear(t->eval);
    if (rego_eval_run(t->eval, query, NULL, &result, &failure) == -1 || result == NULL ||
        result->type != RVAL_NUMBER || !result->is_int)
        return 0;
    return result->integer;
}

static void validate_all(struct turn *t, bool everything)
{
    json_auto_t *vms = inventory_list(t->v->options.inventory, t->ns, t->provider, "VM");
    size_t i;
    json_t *vm;
    json_array_foreach(vms, i, vm)
    {
        int64_t revision = obj_int(vm, "revision", 0);
        if (!everything && obj_int(vm, "revisionValidated", 0) == revision &&
            obj_int(vm, "policyVersion", 0) == t->version)
            continue;
        if (t->v->stopping)
            return;
        json_auto_t *concerns = judge(t, vm);
        inventory_put_concerns(t->v->options.inventory, t->ns, t->provider, obj_str(vm, "id", ""),
                               concerns, t->version, revision);
        t->validated++;
    }
}

static void visit_provider(struct validation *v, struct rego_eval *eval, const json_t *provider)
{
    const char *package = package_of(obj_str(provider, "spec.type", ""));
    struct turn t = {.v = v,
                     .ns = obj_str(provider, "metadata.namespace", ""),
                     .provider = obj_str(provider, "metadata.name", ""),
                     .eval = eval};
    if (package == NULL || !inventory_is_complete(v->options.inventory, t.ns, t.provider))
        return;
    const char *path[] = {"io", "konveyor", "forklift", package, "validate"};
    CLEANUP(str) char *key = xasprintf("%s/%s", t.ns, t.provider);
    uint64_t *seen = (uint64_t *)map_find(v->surroundings, key);
    uint64_t now = surroundings(&t);
    bool everything = seen != NULL && *seen != now;
    if (seen == NULL) {
        seen = (uint64_t *)xcalloc(1, sizeof(*seen));
        map_put(v->surroundings, key, seen);
    }
    *seen = now;

    CLEANUP(rego_query)
    struct rego_query *query =
        rego_query_path(rego_eval_get(eval), path, sizeof(path) / sizeof(path[0]));
    t.query = query;
    t.version = rules_version(&t, package);
    validate_all(&t, everything);
    if (t.validated > 0)
        log_info("machines validated: provider=%s/%s count=%zu rules=%" PRId64, t.ns, t.provider,
                 t.validated, t.version);
}

static void visit_all(struct validation *v)
{
    json_auto_t *providers = NULL;
    CLEANUP(error) struct error *err = NULL;
    int64_t revision;

    if (kube_list(v->options.client, &KIND_PROVIDER, NULL, NULL, &providers, &err) == -1) {
        log_warn_error(err, "cannot list providers to validate");
        return;
    }
    CLEANUP(rego) struct rego *set = rules_get(v->rules, &revision);
    CLEANUP(rego_eval) struct rego_eval *eval = rego_eval_new(set, NULL);
    size_t i;
    json_t *provider;
    json_array_foreach(providers, i, provider) visit_provider(v, eval, provider);
}

/* --- the thread ------------------------------------------------------------------------------- */

static void refresh_rules(struct validation *v)
{
    json_auto_t *map = NULL;
    CLEANUP(error) struct error *err = NULL;

    if (v->options.client != NULL &&
        kube_get(v->options.client, &KIND_CONFIG_MAP, v->ns, v->configmap, &map, &err) == -1) {
        log_warn_error(err, "cannot read users' rules");
        return; /* the rules in force stay */
    }
    int changed = rules_update(v->rules, map != NULL ? obj_obj(map, "data") : NULL);
    json_auto_t *trouble = changed == -1 ? rules_get_trouble(v->rules) : NULL;
    if (changed == 1)
        log_info("rules changed");
    if (trouble != NULL && !json_equal(trouble, v->told))
        log_error("users' rules are not taken: file=%s line=%" PRId64 " reason=%s",
                  obj_str(trouble, "file", ""), obj_int(trouble, "line", 0),
                  obj_str(trouble, "message", ""));
    json_decref(v->told);
    v->told = json_incref(trouble);
}

static void *run(void *arg)
{
    struct validation *v = (struct validation *)arg;
    for (;;) {
        refresh_rules(v);
        if (v->options.inventory != NULL && v->options.client != NULL)
            visit_all(v);
        LOCK_SCOPE(&v->lock);
        struct deadline deadline = deadline_after(v->interval_ms);
        while (!v->awake && !v->stopping && cond_wait(&v->cond, &v->lock, deadline))
            ;
        v->awake = false;
        if (v->stopping)
            return NULL;
    }
}

int validation_start(const struct validation_options *options, struct validation **out,
                     struct error **err)
{
    struct validation *v = (struct validation *)xcalloc(1, sizeof(*v));
    v->options = *options;
    v->ns = xstrdup(options->ns != NULL ? options->ns : "konveyor-forklift");
    v->configmap =
        xstrdup(options->configmap != NULL ? options->configmap : "forklift-validation-config");
    v->interval_ms = options->interval_ms > 0 ? options->interval_ms : INTERVAL_MS;
    v->surroundings = map_new();
    pthread_mutex_init(&v->lock, NULL);
    cond_init(&v->cond);
    v->rules = rules_new(options->folder, err);
    if (v->rules == NULL || thread_start(&v->thread, "validation", run, v, err) == -1) {
        validation_stop(v);
        return -1;
    }
    *out = v;
    return 0;
}

void validation_stop(struct validation *v)
{
    if (v == NULL)
        return;
    {
        LOCK_SCOPE(&v->lock);
        v->stopping = true;
        pthread_cond_broadcast(&v->cond);
    }
    thread_join(&v->thread);
    for (size_t i = 0; i < v->idle_count; i++)
        rego_eval_free(v->idle[i]);
    rules_free(v->rules);
    map_free(v->surroundings, free);
    json_decref(v->told);
    pthread_cond_destroy(&v->cond);
    pthread_mutex_destroy(&v->lock);
    free(v->ns);
    free(v->configmap);
    free(v);
}

void validation_wake(struct validation *v)
{
    LOCK_SCOPE(&v->lock);
    v->awake = true;
    pthread_cond_broadcast(&v->cond);
}

json_t *validation_get_trouble(struct validation *v)
{
    return rules_get_trouble(v->rules);
}
