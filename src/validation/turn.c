/* One provider's machines.  Each has a mark: a number made of its own revision, those of everything
 * it stands on (host, cluster, networks, storage) and the rules' revision.  A machine whose mark is
 * another one than when it was judged, or whose verdict is gone, is judged again; a change of a host
 * thus touches its machines and no others, and no list of who depends on whom has to be kept. */
#define LOG_COMPONENT "validation"

#include "base/array.h"
#include "base/error.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/time.h"
#include "base/vector.h"
#include "data/obj.h"
#include "inventory/inventory.h"
#include "lang/rego/json.h"
#include "validation/internal.h"
#include "validation/policy_files.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 256 };

DEFINE_VECTOR(verdict_list, struct inventory_verdict)

struct mark {
    uint64_t value;
    uint64_t turn; /* the last one that saw the machine */
};

struct watched {
    char *uid;         /* of the Provider */
    struct map *marks; /* of machines, by id */
    uint64_t turn;
};

struct turn {
    struct validation *v;
    struct watched *watched;
    const char *ns, *provider;
    struct rego_eval *eval;
    struct rego_query *query;
    int64_t version;  /* rules_version */
    int64_t revision; /* of the rules */
    struct verdict_list verdicts;
    size_t judged;
};

void watched_free(void *arg)
{
    struct watched *watched = (struct watched *)arg;

    free(watched->uid);
    map_free(watched->marks, free);
    free(watched);
}

/* --- what a machine stands on ------------------------------------------------------------------ */

static json_t *find(const struct turn *t, const char *kind, const char *id)
{
    CLEANUP(error) struct error *unused = NULL; /* ids are never ambiguous */
    json_t *object = NULL;

    if (!str_is_empty(id))
        inventory_find(t->v->options.inventory, t->ns, t->provider, kind, id, NULL, &object,
                       &unused);
    return object;
}

static uint64_t mix(uint64_t sum, uint64_t value)
{
    return (sum ^ value) * 1099511628211ULL;
}

static uint64_t mix_text(uint64_t sum, const char *text)
{
    for (; *text != '\0'; text++)
        sum = mix(sum, (unsigned char)*text);
    return mix(sum, 0xff);
}

static uint64_t mix_object(const struct turn *t, uint64_t sum, const char *kind, const char *id)
{
    json_auto_t *object = find(t, kind, id);

    if (object == NULL)
        return mix(sum, 1);
    sum = mix_text(sum, id);
    return mix(sum, (uint64_t)obj_int(object, "revision", 0) + 2);
}

/* The id of a reference, which is {"id": ..} or the id itself. */
static const char *id_of(const json_t *reference)
{
    return json_is_string(reference) ? json_string_value(reference)
                                     : obj_str(reference, "id", NULL);
}

/* All that LIST's elements refer to, directly (KEY NULL) or under KEY. */
static uint64_t mix_list(const struct turn *t, uint64_t sum, const json_t *list, const char *key,
                         const char *kind)
{
    const json_t *item = NULL;
    size_t i = 0;

    json_array_foreach(list, i, item)
    {
        const json_t *reference = key != NULL ? json_object_get(item, key) : item;
        const char *id = id_of(reference);

        if (id != NULL)
            sum = mix_object(t, sum, kind, id);
    }
    return sum;
}

static uint64_t mark_of(const struct turn *t, const json_t *vm)
{
    const json_t *disks = obj_arr(vm, "disks"), *nics = obj_arr(vm, "nics");
    const char *host_id = obj_str(vm, "host", NULL);
    json_auto_t *host = find(t, "Host", host_id);
    uint64_t sum = mix(14695981039346656037ULL, (uint64_t)t->revision);

    sum = mix(sum, (uint64_t)obj_int(vm, "revision", 0));
    sum = mix_object(t, sum, "Host", host_id);
    sum = mix_object(t, sum, "Cluster",
                     host != NULL ? obj_str(host, "cluster", NULL) : obj_str(vm, "cluster", NULL));
    sum = mix_list(t, sum, obj_arr(vm, "networks"), NULL, "Network");
    sum = mix_list(t, sum, nics, "profile", "NICProfile");
    sum = mix_list(t, sum, disks, "datastore", "Datastore");
    sum = mix_list(t, sum, disks, "storageDomain", "StorageDomain");
    sum = mix_list(t, sum, disks, "profile", "DiskProfile");
    return mix_list(t, sum, obj_arr(vm, "storages"), NULL, "Storage");
}

/* --- one machine ------------------------------------------------------------------------------- */

/* The VM with its host, and the host with its cluster, in place of their ids. */
static json_t *workload_of(const struct turn *t, const json_t *vm)
{
    json_t *workload = json_copy((json_t *)(uintptr_t)vm);
    json_auto_t *host = find(t, "Host", obj_str(vm, "host", NULL));

    if (host == NULL)
        return workload;
    json_auto_t *cluster = find(t, "Cluster", obj_str(host, "cluster", NULL));
    json_t *shown = json_copy(host);
    if (cluster != NULL)
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
    return concerns != NULL ? concern_pool_take(t->v->pool, concerns) : json_array();
}

/* --- the provider ------------------------------------------------------------------------------ */

static void put_verdicts(struct turn *t)
{
    if (t->verdicts.len == 0)
        return;
    inventory_put_verdicts(t->v->options.inventory, t->ns, t->provider, t->verdicts.ptr,
                           t->verdicts.len);
    for (size_t i = 0; i < t->verdicts.len; i++) {
        free(t->verdicts.ptr[i].vm_id);
        json_decref(t->verdicts.ptr[i].concerns);
    }
    verdict_list_reset(&t->verdicts);
    t->v->batches++;
}

static bool needs_verdict(const struct turn *t, const json_t *vm, const struct mark *mark,
                          uint64_t now)
{
    return mark == NULL || mark->value != now ||
           obj_int(vm, "revisionValidated", 0) != obj_int(vm, "revision", 0) ||
           obj_int(vm, "policyVersion", 0) != t->version;
}

static void look_at(struct turn *t, const json_t *vm)
{
    const char *id = obj_str(vm, "id", "");
    struct mark *mark = (struct mark *)map_find(t->watched->marks, id);
    uint64_t now = mark_of(t, vm);

    if (needs_verdict(t, vm, mark, now)) {
        verdict_list_push(&t->verdicts,
                          (struct inventory_verdict){.vm_id = xstrdup(id),
                                                     .concerns = judge(t, vm),
                                                     .policy_version = t->version,
                                                     .revision = obj_int(vm, "revision", 0)});
        t->judged++;
        t->v->judged++;
    }
    if (mark == NULL) {
        mark = (struct mark *)xcalloc(1, sizeof(*mark));
        map_put(t->watched->marks, id, mark);
    }
    mark->value = now;
    mark->turn = t->watched->turn;
    if (t->verdicts.len >= BATCH)
        put_verdicts(t);
}

/* Forgets machines that are gone. */
static void forget_others(struct watched *watched)
{
    const char *id = NULL;
    void *mark = NULL;

    for (size_t pos = 0; (id = map_next(watched->marks, &pos, &mark)) != NULL;)
        if (((struct mark *)mark)->turn != watched->turn)
            free(map_remove(watched->marks, id));
}

static int64_t rules_version(struct turn *t, const char *package)
{
    const char *path[] = {"io", "konveyor", "forklift", package, "rules_version", "rules_version"};
    CLEANUP(rego_query)
    struct rego_query *query = rego_query_path(rego_eval_get(t->eval), path, ARRAY_SIZE(path));
    struct rego_failure failure;
    const struct rval *result = NULL;

    rego_eval_clear(t->eval);
    if (rego_eval_run(t->eval, query, NULL, &result, &failure) == -1 || result == NULL ||
        result->type != RVAL_NUMBER || !result->is_int)
        return 0;
    return result->integer;
}

/* What is known of PROVIDER; anew if it is another one of the same name. */
static struct watched *need_watched(struct validation *v, const char *key, const char *uid)
{
    struct watched *watched = (struct watched *)map_find(v->watched, key);

    if (watched != NULL && str_eq(watched->uid, uid))
        return watched;
    watched = (struct watched *)xcalloc(1, sizeof(*watched));
    watched->uid = xstrdup(uid);
    watched->marks = map_new();
    struct watched *before = (struct watched *)map_put(v->watched, key, watched);
    if (before != NULL)
        watched_free(before);
    return watched;
}

size_t turn_take(struct validation *v, struct rego_eval *eval, int64_t revision,
                 const json_t *provider)
{
    const char *package = policy_package_of(obj_str(provider, "spec.type", ""));
    struct turn t = {.v = v,
                     .ns = obj_str(provider, "metadata.namespace", ""),
                     .provider = obj_str(provider, "metadata.name", ""),
                     .eval = eval,
                     .revision = revision};

    if (package == NULL || !inventory_is_complete(v->options.inventory, t.ns, t.provider))
        return 0;
    const char *path[] = {"io", "konveyor", "forklift", package, "validate"};
    CLEANUP(rego_query)
    struct rego_query *query = rego_query_path(rego_eval_get(eval), path, ARRAY_SIZE(path));
    CLEANUP(str) char *key = xasprintf("%s/%s", t.ns, t.provider);
    int64_t start_ms = time_mono_ms();
    json_auto_t *vms = inventory_list(v->options.inventory, t.ns, t.provider, "VM");
    size_t count = json_array_size(vms);

    t.watched = need_watched(v, key, obj_str(provider, "metadata.uid", ""));
    t.watched->turn++;
    t.query = query;
    t.version = rules_version(&t, package);
    for (size_t i = 0; i < count && !v->stopping; i++) {
        look_at(&t, json_array_get(vms, i));
        json_array_set_new(vms, i, json_null()); /* the verdict replaces it: keep no old one */
    }
    put_verdicts(&t);
    if (!v->stopping)
        forget_others(t.watched);
    if (t.judged > 0)
        log_info("machines validated: provider=%s count=%zu rules=%" PRId64 " ms=%" PRId64, key,
                 t.judged, t.version, time_mono_ms() - start_ms);
    return t.judged;
}
