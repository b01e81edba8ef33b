#include "move/vm/figures.h"

#include "base/array.h"
#include "base/error.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/thread.h"
#include "base/time.h"
#include "kube/cache.h"
#include "kube/meta.h"
#include "move/vm/room.h"
#include "move/vm/vm_status.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { SERIES_MAX = 10000 };

/* What a Migration or plan can have come to; the first that holds counts. */
static const char *const ends[] = {"Succeeded", "Failed", "Canceled"};

struct counter {
    uint64_t value;
};

struct figures {
    struct kube_cache *plans, *migrations, *providers; /* borrowed */
    pthread_mutex_t lock;
    struct map *seen;       /* guarded by lock; uids of Migrations that were counted */
    struct map *migrations_by; /* guarded by lock; struct counter by labels */
    struct map *vms_by;     /* guarded by lock; the same */
};

struct figures *figures_new(struct kube_cache *plans, struct kube_cache *migrations,
                            struct kube_cache *providers)
{
    struct figures *figures = xcalloc(1, sizeof(*figures));

    figures->plans = plans;
    figures->migrations = migrations;
    figures->providers = providers;
    pthread_mutex_init(&figures->lock, NULL);
    figures->seen = map_new();
    figures->migrations_by = map_new();
    figures->vms_by = map_new();
    return figures;
}

void figures_free(struct figures *figures)
{
    if (figures == NULL)
        return;
    map_free(figures->seen, NULL);
    map_free(figures->migrations_by, free);
    map_free(figures->vms_by, free);
    pthread_mutex_destroy(&figures->lock);
    free(figures);
}

/* --- Labels ------------------------------------------------------------------------------------ */

static const char *end_of(const json_t *object)
{
    for (size_t i = 0; i < ARRAY_SIZE(ends); i++)
        if (object_has_condition(object, ends[i]))
            return ends[i];
    return NULL;
}

static const char *mode_of(const json_t *plan)
{
    const char *type = obj_str(plan, "spec.type", "");

    if (str_eq(type, "live"))
        return "Live";
    return str_eq(type, "warm") || obj_bool(plan, "spec.warm", false) ? "Warm" : "Cold";
}

/* The provider that REFERENCE names, or NULL. */
static json_t *provider_of(const struct figures *figures, const json_t *reference)
{
    return kube_cache_get(figures->providers, obj_str(reference, "namespace", ""),
                          obj_str(reference, "name", ""));
}

/* provider="ova",mode="Cold",target="Local"; owned by the caller. */
static char *labels_of(const struct figures *figures, const json_t *plan)
{
    json_auto_t *source = provider_of(figures, obj_at(plan, "spec.provider.source"));
    json_auto_t *target = provider_of(figures, obj_at(plan, "spec.provider.destination"));
    const char *type = obj_str(source, "spec.type", "");
    bool remote = obj_str(target, "spec.url", "")[0] != '\0';

    /* Types are an enumeration of the schema: nothing to escape. */
    return xasprintf("provider=\"%s\",mode=\"%s\",target=\"%s\"", type, mode_of(plan),
                     remote ? "Remote" : "Local");
}

/* --- Counters ---------------------------------------------------------------------------------- */

static void count(struct map *map, const char *status, const char *labels)
{
    CLEANUP(str) char *key = xasprintf("status=\"%s\",%s", status, labels);
    struct counter *counter = map_find(map, key);

    if (counter == NULL) {
        if (map_count(map) >= SERIES_MAX)
            return;
        counter = xcalloc(1, sizeof(*counter));
        map_put(map, key, counter);
    }
    counter->value++;
}

void figures_note(struct figures *figures, const json_t *migration)
{
    const char *status = end_of(migration), *uid = meta_uid(migration);
    json_auto_t *plan = kube_cache_get(figures->plans, obj_str(migration, "spec.plan.namespace", ""),
                                       obj_str(migration, "spec.plan.name", ""));
    const json_t *vms = obj_arr(migration, "status.vms");

    if (status == NULL)
        return;
    CLEANUP(str) char *labels = labels_of(figures, plan);
    LOCK_SCOPE(&figures->lock);
    if (map_find(figures->seen, uid) != NULL)
        return;
    map_put(figures->seen, uid, figures);
    count(figures->migrations_by, status, labels);
    for (size_t i = 0; i < json_array_size(vms); i++) {
        const json_t *vm = json_array_get(vms, i);
        count(figures->vms_by,
              vm_status_is_succeeded(vm)  ? "Succeeded"
              : vm_status_is_failed(vm)   ? "Failed"
              : vm_status_is_canceled(vm) ? "Canceled"
                                          : status,
              labels);
    }
}

static void format_counters(const struct map *map, const char *name, struct buf *out)
{
    const char *labels;
    size_t pos = 0;
    void *value = NULL;

    buf_printf(out, "# TYPE %s counter\n", name);
    while ((labels = map_next(map, &pos, &value)) != NULL)
        buf_printf(out, "%s{%s} %" PRIu64 "\n", name, labels,
                   ((const struct counter *)value)->value);
}

/* --- Gauges ------------------------------------------------------------------------------------ */

static const char *plan_state(const json_t *plan)
{
    static const char *const states[] = {"Executing", "Succeeded", "Failed", "Canceled"};

    for (size_t i = 0; i < ARRAY_SIZE(states); i++)
        if (object_has_condition(plan, states[i]))
            return states[i];
    return object_is_ready(plan) ? "Pending" : "Blocked";
}

static int64_t transferred_bytes(const json_t *plan)
{
    const json_t *vms = obj_arr(plan, "status.migration.vms");
    int64_t units = 0;

    for (size_t i = 0; i < json_array_size(vms); i++)
        units += obj_int(vm_status_step(json_array_get(vms, i), PIPELINE_DISK_TRANSFER),
                         "progress.completed", 0);
    return units * BYTES_PER_UNIT;
}

/* Seconds of the plan's last migration if it succeeded, else -1. */
static int64_t duration_s(const json_t *plan)
{
    CLEANUP(error) struct error *ignored = NULL;
    int64_t from, to;

    if (!object_has_condition(plan, "Succeeded") ||
        time_parse(obj_str(plan, "status.migration.started", ""), &from, &ignored) == -1 ||
        time_parse(obj_str(plan, "status.migration.completed", ""), &to, &ignored) == -1)
        return -1;
    return (to - from) / 1000;
}

static void format_plans(const struct figures *figures, const json_t *plans, struct buf *out)
{
    CLEANUP(buf) struct buf durations = BUF_INIT(out->max);
    struct map *states = map_new();

    buf_add(out, "# TYPE mtv_migration_data_transferred_bytes gauge\n");
    for (size_t i = 0; i < json_array_size(plans); i++) {
        const json_t *plan = json_array_get(plans, i);
        CLEANUP(str) char *labels = labels_of(figures, plan);
        int64_t seconds = duration_s(plan);
        count(states, plan_state(plan), labels);
        buf_printf(out, "mtv_migration_data_transferred_bytes{%s,plan=\"%s\"} %" PRId64 "\n",
                   labels, meta_uid(plan), transferred_bytes(plan));
        if (seconds >= 0)
            buf_printf(&durations, "mtv_migration_duration_seconds{%s,plan=\"%s\"} %" PRId64 "\n",
                       labels, meta_uid(plan), seconds);
    }
    buf_add(out, "# TYPE mtv_migration_duration_seconds gauge\n");
    buf_append(out, durations.ptr, durations.len);
    buf_add(out, "# TYPE mtv_plans_status gauge\n");
    const char *labels;
    size_t pos = 0;
    void *value = NULL;
    while ((labels = map_next(states, &pos, &value)) != NULL)
        buf_printf(out, "mtv_plans_status{%s} %" PRIu64 "\n", labels,
                   ((const struct counter *)value)->value);
    map_free(states, free);
}

void figures_format(struct figures *figures, struct buf *out)
{
    json_auto_t *migrations = kube_cache_list(figures->migrations, NULL, NULL);
    json_auto_t *plans = kube_cache_list(figures->plans, NULL, NULL);

    for (size_t i = 0; i < json_array_size(migrations); i++)
        figures_note(figures, json_array_get(migrations, i));
    format_plans(figures, plans, out);
    LOCK_SCOPE(&figures->lock);
    format_counters(figures->migrations_by, "mtv_migrations_status_total", out);
    format_counters(figures->vms_by, "mtv_migrated_vms_total", out);
}
