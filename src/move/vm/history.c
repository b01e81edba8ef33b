#include "move/vm/history.h"

#include "base/array.h"
#include "base/text.h"
#include "data/obj.h"
#include "kube/conditions.h"
#include "kube/meta.h"

static const char *const mirrored[] = {"Executing", "Succeeded", "Failed", "Canceled"};

static json_t *last_entry(const json_t *status)
{
    const json_t *history = obj_arr(status, "migration.history");
    size_t count = json_array_size(history);

    return count > 0 ? json_array_get(history, count - 1) : NULL;
}

json_t *history_active(const json_t *status)
{
    json_t *last = last_entry(status);

    return last != NULL && conditions_is_true(last, "Executing") ? last : NULL;
}

json_t *history_find(const json_t *status, const char *migration_uid)
{
    const json_t *history = obj_arr(status, "migration.history");

    for (size_t i = json_array_size(history); i > 0; i--) {
        json_t *entry = json_array_get(history, i - 1);
        if (str_eq(obj_str(entry, "migration.uid", NULL), migration_uid))
            return entry;
    }
    return NULL;
}

static json_t *snapshot(const json_t *object)
{
    return obj_pack("{s:s, s:s, s:s, s:I}", "namespace", meta_ns(object), "name",
                    meta_name(object), "uid", meta_uid(object), "generation",
                    (json_int_t)meta_generation(object));
}

json_t *history_begin(const struct plan_view *view, json_t *status, const json_t *migration)
{
    json_t *entry = json_object();

    obj_take(entry, "plan", snapshot(view->plan));
    obj_take(entry, "migration", snapshot(migration));
    obj_take(entry, "provider.source", snapshot(view->providers.source));
    obj_take(entry, "provider.destination", snapshot(view->providers.destination));
    obj_take(entry, "map.network", snapshot(view->network_map));
    obj_take(entry, "map.storage", snapshot(view->storage_map));
    conditions_set(entry, &(struct condition){.type = "Executing",
                                              .category = CONDITION_ADVISORY,
                                              .message = "The plan is EXECUTING.",
                                              .durable = true});
    obj_take(status, "migration.history[]", entry);
    json_t *history = obj_arr(status, "migration.history");
    while (json_array_size(history) > HISTORY_KEPT)
        json_array_remove(history, 0);
    return last_entry(status);
}

void history_end(json_t *entry, const char *type, const char *reason, const char *message)
{
    conditions_delete(entry, "Executing");
    conditions_set(entry, &(struct condition){.type = type,
                                              .category = CONDITION_ADVISORY,
                                              .reason = reason,
                                              .message = message,
                                              .durable = true});
}

/* A part that is absent now is no other object: validation tells of it. */
static bool is_other(const json_t *entry, const char *path, const json_t *object)
{
    const char *then = obj_str(obj_at(entry, path), "uid", "");

    return object != NULL && then[0] != '\0' && !str_eq(then, meta_uid(object));
}

bool history_is_modified(const json_t *entry, const struct plan_view *view)
{
    return is_other(entry, "plan", view->plan) ||
           is_other(entry, "provider.source", view->providers.source) ||
           is_other(entry, "provider.destination", view->providers.destination) ||
           is_other(entry, "map.network", view->network_map) ||
           is_other(entry, "map.storage", view->storage_map);
}

void history_mirror(json_t *status)
{
    const json_t *last = last_entry(status);

    for (size_t i = 0; i < ARRAY_SIZE(mirrored); i++) {
        const json_t *condition = conditions_find(last, mirrored[i]);
        if (condition == NULL || !str_eq(obj_str(condition, "status", ""), "True")) {
            conditions_delete(status, mirrored[i]);
            continue;
        }
        conditions_set(status, &(struct condition){.type = mirrored[i],
                                                   .category = CONDITION_ADVISORY,
                                                   .reason = obj_str(condition, "reason", NULL),
                                                   .message = obj_str(condition, "message", NULL),
                                                   .durable = true});
    }
}
