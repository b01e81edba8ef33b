#include "move/vm/migration.h"

#include "base/array.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "data/obj.h"
#include "inventory/inventory.h"
#include "kube/cache.h"
#include "kube/kinds.h"
#include "kube/meta.h"
#include "move/vm/history.h"
#include "move/vm/vm_status.h"

static int load_plan(struct room *room, const struct edit *edit, json_t **plan,
                     struct error **err)
{
    const json_t *reference = obj_at(edit->object, "spec.plan");
    CLEANUP(str) char *key = reference_key(reference);

    if (!reference_is_set(reference)) {
        finding_add(edit->status, "PlanNotValid", CONDITION_CRITICAL, "NotSet",
                    "name a Plan by namespace and name in spec.plan",
                    "the migration names no plan");
        return 0;
    }
    if (room->plans != NULL)
        *plan = kube_cache_get(room->plans, obj_str(reference, "namespace", ""),
                               obj_str(reference, "name", ""));
    if (*plan == NULL && reference_get(room, &KIND_PLAN, reference, plan, err) == -1)
        return -1; /* the cache may not have heard of it yet */
    if (*plan == NULL)
        finding_add(edit->status, "PlanNotValid", CONDITION_CRITICAL, "NotFound",
                    "create it, or correct spec.plan", "there is no plan \"%s\"", key);
    return 0;
}

/* spec.cancel must name VMs of the plan. */
static int check_cancel(struct room *room, const json_t *plan, const struct edit *edit,
                        struct error **err)
{
    const json_t *refs = obj_arr(edit->object, "spec.cancel");

    for (size_t i = 0; i < json_array_size(refs); i++) {
        const json_t *ref = json_array_get(refs, i);
        const char *id = obj_str(ref, "id", NULL);
        const char *name = obj_str(ref, "name", NULL);
        CLEANUP(error) struct error *failure = NULL;
        json_auto_t *vm = NULL;

        if (inventory_find(room->inventory, obj_str(plan, "spec.provider.source.namespace", ""),
                           obj_str(plan, "spec.provider.source.name", ""), "VM",
                           str_is_empty(id) ? NULL : id, str_is_empty(name) ? NULL : name, &vm,
                           &failure) == -1) {
            if (failure->code != ERROR_INVALID) {
                *err = steal(&failure);
                return -1;
            }
            finding_add_item(edit->status, "VMNotUnique", CONDITION_WARN, "NotUnique",
                             "use the id instead of the name",
                             "names to cancel fit several VMs", name);
        } else if (vm == NULL && vm_status_find(obj_arr(plan, "status.migration.vms"), id) == NULL) {
            finding_add_item(edit->status, "VMNotFound", CONDITION_WARN, "NotFound",
                             "correct spec.cancel", "VMs to cancel are not known",
                             id != NULL ? id : name);
        }
    }
    return 0;
}

static void copy_time(json_t *to, const json_t *from, const char *key)
{
    const char *when = obj_str(from, key, NULL);

    if (when != NULL)
        obj_put_str(to, key, when);
    else
        obj_del(to, key);
}

/* Copies the entry's result, and, while it is the plan's last, the VMs and times. */
static void mirror(json_t *status, const json_t *plan, const json_t *entry)
{
    static const struct {
        const char *type, *as, *message;
    } results[] = {
        {"Executing", "Running", "The migration is RUNNING."},
        {"Succeeded", "Succeeded", "The migration has SUCCEEDED."},
        {"Failed", "Failed", "The migration has FAILED."},
        {"Canceled", "Canceled", "The migration has been CANCELED."},
    };
    const json_t *history = obj_arr(plan, "status.migration.history");
    const json_t *of_plan = obj_at(plan, "status.migration");

    for (size_t i = 0; i < ARRAY_SIZE(results); i++) {
        const json_t *condition = conditions_find(entry, results[i].type);
        if (condition == NULL || !str_eq(obj_str(condition, "status", ""), "True")) {
            conditions_delete(status, results[i].as);
            continue;
        }
        conditions_set(status,
                       &(struct condition){.type = results[i].as,
                                           .category = CONDITION_ADVISORY,
                                           .reason = obj_str(condition, "reason", NULL),
                                           .message = results[i].message,
                                           .durable = !str_eq(results[i].as, "Running")});
    }
    if (json_array_get(history, json_array_size(history) - 1) != entry)
        return;
    copy_time(status, of_plan, "started");
    copy_time(status, of_plan, "completed");
    obj_take(status, "vms", json_incref(obj_arr(of_plan, "vms"))); /* frozen, and not changed here */
}

static bool is_ended(const json_t *object)
{
    return object_has_condition(object, "Succeeded") || object_has_condition(object, "Failed") ||
           object_has_condition(object, "Canceled");
}

static int examine(struct room *room, struct edit *edit, struct error **err)
{
    json_auto_t *plan = NULL;

    if (load_plan(room, edit, &plan, err) == -1)
        return -1;
    if (plan == NULL)
        return 0;
    const json_t *entry = history_find(obj_at(plan, "status"), meta_uid(edit->object));
    if (check_cancel(room, plan, edit, err) == -1)
        return -1;
    if (entry != NULL) {
        mirror(edit->status, plan, entry);
        return 0;
    }
    CLEANUP(str) char *key = meta_key_of(plan);
    if (object_has_condition(plan, "Archived") || obj_bool(plan, "spec.archived", false))
        finding_add(edit->status, "PlanNotReady", CONDITION_CRITICAL, "Archived",
                    "make a new plan", "plan \"%s\" is archived", key);
    else if (!object_is_ready(plan))
        finding_add(edit->status, "PlanNotReady", CONDITION_CRITICAL, "NotReady",
                    "its conditions tell why: kubectl describe plan", "plan \"%s\" is not ready",
                    key);
    return 0;
}

int migration_reconcile(void *arg, const char *ns, const char *name, struct cancel *cancel,
                        struct reconcile_result *result, struct error **err)
{
    struct room *room = arg;
    CLEANUP(edit) struct edit edit = {0};

    if (edit_open(room, &KIND_MIGRATION, ns, name, &edit, err) == -1)
        return -1;
    if (edit.object == NULL || object_is_deleted(edit.object) || is_ended(edit.before))
        return 0;
    conditions_begin(edit.status);
    if (examine(room, &edit, err) == -1)
        return -1;
    if (!conditions_is_blocked(edit.status))
        finding_add(edit.status, "Ready", CONDITION_REQUIRED, NULL, NULL,
                    "the migration is ready");
    conditions_end(edit.status);
    return edit_save(room, &edit, err);
}
