#define LOG_COMPONENT "plan"

#include "move/vm/plan.h"

#include "base/error.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/time.h"
#include "data/obj.h"
#include "inventory/inventory.h"
#include "kube/kinds.h"
#include "kube/meta.h"
#include "move/vm/execution.h"
#include "move/vm/history.h"
#include "move/vm/leftovers.h"
#include "move/vm/plan_check.h"
#include "move/vm/vm_status.h"

#include <inttypes.h>
#include <string.h>

enum {
    BLOCKED_MS = 10 * 1000, /* look again though no watch told of a change */
    SOON_MS = 500,
    CLEAN_UP_MS = 1000,
};

/* ---- conditions -------------------------------------------------------------------------- */

static void set_ready(struct plan_view *view)
{
    size_t waiting = execution_count_waiting(view->status);

    if (waiting > 0)
        finding_add(view->status, "Ready", CONDITION_REQUIRED, NULL, NULL,
                    "the plan is ready; %zu VMs wait for one of %" PRId64
                    " places (controller_max_vm_inflight)",
                    waiting, view->settings.max_vm_inflight);
    else
        finding_add(view->status, "Ready", CONDITION_REQUIRED, NULL, NULL, "the plan is ready");
}

/* A provider may say Ready of a time before we were started: nothing can be said about VMs until
 * its inventory is here. */
static void check_inventory(struct plan_view *view)
{
    if (view->providers.source == NULL || conditions_is_blocked(view->status))
        return;
    if (view->source == NULL ||
        !inventory_is_complete(view->room->inventory, view->provider_ns, view->provider_name))
        finding_add(view->status, "SourceProviderNotReady", CONDITION_CRITICAL, "LoadInventory",
                    "this passes by itself", "the inventory of source provider \"%s/%s\" is being "
                                             "loaded",
                    view->provider_ns, view->provider_name);
}

/* How long the oldest of STATUS' blockers has been true, 0 where nothing blocks.  To be asked before
 * staging begins, which gives entries their old times back only at its end. */
static int64_t blocked_for_ms(const json_t *status)
{
    const json_t *list = obj_arr(status, "conditions");
    int64_t longest = 0;

    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *condition = json_array_get(list, i);
        const char *category = obj_str(condition, "category", "");
        CLEANUP(error) struct error *ignored = NULL;
        int64_t since;
        if (!str_eq(obj_str(condition, "status", ""), "True") ||
            (!str_eq(category, "Critical") && !str_eq(category, "Error")) ||
            time_parse(obj_str(condition, "lastTransitionTime", ""), &since, &ignored) == -1)
            continue;
        if (time_now_ms() - since > longest)
            longest = time_now_ms() - since;
    }
    return longest;
}

static char *blockers_text(const json_t *status)
{
    const json_t *list = obj_arr(status, "conditions");
    struct buf text = BUF_INIT(4096);

    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *condition = json_array_get(list, i);
        const char *category = obj_str(condition, "category", "");
        if (str_eq(obj_str(condition, "status", ""), "True") &&
            (str_eq(category, "Critical") || str_eq(category, "Error")))
            buf_printf(&text, "%s%s: %s", text.len > 0 ? "; " : "", obj_str(condition, "type", ""),
                       obj_str(condition, "message", ""));
    }
    return buf_take(&text);
}

/* ---- which migration --------------------------------------------------------------------- */

static bool is_older(const json_t *a, const json_t *b)
{
    int order = strcmp(obj_str(a, "metadata.creationTimestamp", ""),
                       obj_str(b, "metadata.creationTimestamp", ""));

    if (order != 0)
        return order < 0;
    order = strcmp(meta_ns(a), meta_ns(b));
    return order != 0 ? order < 0 : strcmp(meta_name(a), meta_name(b)) < 0;
}

/* The oldest migration of the plan that was not begun yet, and how many there are. */
static int find_pending(struct plan_view *view, json_t **out, size_t *count, struct error **err)
{
    json_auto_t *items = NULL;
    json_t *oldest = NULL;

    if (kube_list(view->room->client, &KIND_MIGRATION, NULL, NULL, &items, err) == -1)
        return error_wrap(err, "cannot list migrations");
    *count = 0;
    for (size_t i = 0; i < json_array_size(items); i++) {
        json_t *migration = json_array_get(items, i);
        if (!str_eq(obj_str(migration, "spec.plan.name", ""), meta_name(view->plan)) ||
            !str_eq(obj_str(migration, "spec.plan.namespace", ""), meta_ns(view->plan)) ||
            object_is_deleted(migration) ||
            history_find(view->status, meta_uid(migration)) != NULL ||
            object_has_condition(migration, "Succeeded") ||
            object_has_condition(migration, "Failed") ||
            object_has_condition(migration, "Canceled"))
            continue;
        (*count)++;
        if (oldest == NULL || is_older(migration, oldest))
            oldest = migration;
    }
    *out = json_incref(oldest);
    return 0;
}

/* ---- executing --------------------------------------------------------------------------- */

static int set_finalizer(struct room *room, const json_t *plan, bool on, struct error **err)
{
    json_auto_t *copy = obj_copy(plan);

    if (on ? !meta_add_finalizer(copy, PLAN_FINALIZER)
           : !meta_remove_finalizer(copy, PLAN_FINALIZER))
        return 0;
    const json_t *list = obj_arr(copy, "metadata.finalizers");
    json_auto_t *patch = obj_pack("{s:{s:s, s:o}}", "metadata", "resourceVersion",
                                  meta_resource_version(plan), "finalizers",
                                  list != NULL ? obj_copy(list) : json_array());
    return kube_patch(room->client, &KIND_PLAN, meta_ns(plan), meta_name(plan), NULL, patch, NULL,
                      err);
}

/* Begins the next migration if there is one. */
static int begin_next(struct plan_view *view, int64_t *again_ms, struct error **err)
{
    json_auto_t *migration = NULL;
    size_t count = 0;

    if (find_pending(view, &migration, &count, err) == -1)
        return -1;
    if (migration == NULL)
        return 0;
    *again_ms = 1; /* the next reconcile goes on with what this one saves */
    if (!meta_has_finalizer(view->plan, PLAN_FINALIZER)) {
        view->wants_finalizer = true;
        return 0;
    }
    return execution_begin(view, migration, err);
}

static int execute(struct plan_view *view, int64_t *again_ms, struct error **err)
{
    json_t *entry = history_active(view->status);

    if (entry == NULL)
        return begin_next(view, again_ms, err);
    if (execution_pass(view, entry, EXECUTION_RUN, again_ms, err) == -1)
        return -1;
    if (history_active(view->status) == NULL)
        *again_ms = SOON_MS; /* perhaps another migration waits */
    return 0;
}

/* Something blocks the plan: what is canceled is still cleaned up, and after the grace period what
 * is on its way fails. */
static int execute_blocked(struct plan_view *view, int64_t *again_ms, struct error **err)
{
    json_t *entry = history_active(view->status);
    int64_t grace_ms = view->settings.blocker_grace_minutes * 60 * 1000;

    *again_ms = BLOCKED_MS;
    if (entry == NULL)
        return 0;
    if (view->blocked_ms >= grace_ms) {
        CLEANUP(str) char *text = blockers_text(view->status);
        execution_fail_all(view, text);
    }
    *again_ms = CLEAN_UP_MS;
    return execution_pass(view, entry, EXECUTION_CLEAN_UP, again_ms, err);
}

/* Cancels what is on its way and removes all that was made; *CLEAN is set once that is done. */
static int retire(struct plan_view *view, const char *reason, const char *message, bool *clean,
                  struct error **err)
{
    json_t *entry = history_active(view->status);
    int64_t ignored = 0;

    if (entry != NULL) {
        execution_cancel_all(view, entry, reason, message);
        if (execution_pass(view, entry, EXECUTION_CLEAN_UP, &ignored, err) == -1)
            return -1;
        if (history_active(view->status) != NULL)
            return 0;
    }
    return leftovers_remove_of_plan(view->room, view->plan, clean, err);
}

/* ---- the reconcile ----------------------------------------------------------------------- */

static int delete_plan(struct room *room, struct edit *edit, struct reconcile_result *result,
                       struct error **err)
{
    CLEANUP(plan_view) struct plan_view view = {0};
    bool clean = false;

    if (!meta_has_finalizer(edit->object, PLAN_FINALIZER))
        return 0;
    conditions_begin(edit->status);
    if (plan_view_load(room, edit->object, edit->status, &view, err) == -1 ||
        retire(&view, "Deleted", "The plan was deleted.", &clean, err) == -1)
        return -1;
    history_mirror(edit->status);
    conditions_end(edit->status);
    if (edit_save(room, edit, err) == -1)
        return -1;
    result->again_after_ms = CLEAN_UP_MS;
    if (!clean)
        return 0;
    result->again_after_ms = 0;
    return set_finalizer(room, edit->object, false, err);
}

static int archive(struct plan_view *view, int64_t *again_ms, struct error **err)
{
    bool clean = false;

    if (retire(view, "Archived", "The plan was archived.", &clean, err) == -1)
        return -1;
    if (!clean) {
        *again_ms = CLEAN_UP_MS;
        return 0;
    }
    conditions_set(view->status, &(struct condition){.type = "Archived",
                                                     .category = CONDITION_ADVISORY,
                                                     .reason = "UserRequested",
                                                     .message = "The plan has been archived.",
                                                     .durable = true});
    return 0;
}

static int work(struct plan_view *view, int64_t *again_ms, struct error **err)
{
    bool executing = history_active(view->status) != NULL;

    if (obj_bool(view->plan, "spec.archived", false))
        return archive(view, again_ms, err);
    check_inventory(view);
    if (!conditions_is_blocked(view->status) && plan_check(view, !executing, err) == -1)
        return -1;
    if (conditions_is_blocked(view->status))
        return execute_blocked(view, again_ms, err);
    set_ready(view);
    if (execute(view, again_ms, err) == -1)
        return -1;
    set_ready(view);
    return 0;
}

int plan_reconcile(void *arg, const char *ns, const char *name, struct cancel *cancel,
                   struct reconcile_result *result, struct error **err)
{
    struct room *room = arg;
    CLEANUP(edit) struct edit edit = {0};
    CLEANUP(plan_view) struct plan_view view = {0};
    int64_t again_ms = 0;

    if (edit_open(room, &KIND_PLAN, ns, name, &edit, err) == -1)
        return -1;
    if (edit.object == NULL)
        return 0;
    if (object_is_deleted(edit.object))
        return delete_plan(room, &edit, result, err);
    if (object_has_condition(edit.before, "Archived"))
        return 0;

    int64_t blocked_ms = blocked_for_ms(edit.status);
    conditions_begin(edit.status);
    if (plan_view_load(room, edit.object, edit.status, &view, err) == -1)
        return -1;
    view.blocked_ms = blocked_ms;
    if (work(&view, &again_ms, err) == -1)
        return -1;
    history_mirror(edit.status);
    conditions_end(edit.status);
    result->again_after_ms = again_ms;
    if (edit_save(room, &edit, err) == -1)
        return -1;
    return view.wants_finalizer ? set_finalizer(room, edit.object, true, err) : 0;
}
