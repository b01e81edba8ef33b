#define LOG_COMPONENT "plan"

#include "move/vm/plan.h"

#include "base/array.h"
#include "base/error.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/time.h"
#include "data/obj.h"
#include "inventory/inventory.h"
#include "kube/cache.h"
#include "kube/kinds.h"
#include "kube/meta.h"
#include "move/vm/execution.h"
#include "move/vm/history.h"
#include "move/vm/journal.h"
#include "move/vm/leftovers.h"
#include "move/vm/plan_check.h"
#include "move/vm/plan_session.h"
#include "move/vm/vm_status.h"

#include <inttypes.h>
#include <string.h>

enum {
    BLOCKED_MS = 10 * 1000, /* look again though no watch told of a change */
    LOOK_MS = 10 * 1000,    /* the same while machines are on their way */
    SOON_MS = 500,
    CLEAN_UP_MS = 1000,
};

/* ---- conditions -------------------------------------------------------------------------- */

static void set_ready(struct plan_session *session)
{
    struct plan_view *view = &session->view;
    size_t waiting = session->waiting;

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

static int execute(struct plan_session *session, int64_t *again_ms, struct error **err)
{
    struct plan_view *view = &session->view;
    json_t *entry = history_active(view->status);

    if (entry == NULL) {
        if (begin_next(view, again_ms, err) == -1)
            return -1;
        session->is_dirty = session->must_write = history_active(view->status) != NULL;
        return 0;
    }
    if (execution_pass(session, view, entry, EXECUTION_RUN, again_ms, err) == -1)
        return -1;
    if (history_active(view->status) == NULL)
        *again_ms = SOON_MS; /* perhaps another migration waits */
    return 0;
}

/* Something blocks the plan: what is canceled is still cleaned up, and after the grace period what
 * is on its way fails. */
static int execute_blocked(struct plan_session *session, int64_t *again_ms, struct error **err)
{
    struct plan_view *view = &session->view;
    json_t *entry = history_active(view->status);
    int64_t grace_ms = view->settings.blocker_grace_minutes * 60 * 1000;

    *again_ms = BLOCKED_MS;
    if (entry == NULL)
        return 0;
    CLEANUP(str) char *text = blockers_text(view->status);
    if (view->blocked_ms >= grace_ms)
        execution_fail_all(session, view, text);
    else
        execution_hold_all(session, view, text);
    *again_ms = CLEAN_UP_MS;
    return execution_pass(session, view, entry, EXECUTION_CLEAN_UP, again_ms, err);
}

/* Cancels what is on its way and removes all that was made; *CLEAN is set once that is done. */
static int retire(struct plan_session *session, const char *reason, const char *message,
                  bool *clean, struct error **err)
{
    struct plan_view *view = &session->view;
    json_t *entry = history_active(view->status);
    int64_t ignored = 0;

    if (entry != NULL) {
        execution_cancel_all(session, view, entry, reason, message);
        if (execution_pass(session, view, entry, EXECUTION_CLEAN_UP, &ignored, err) == -1)
            return -1;
        if (history_active(view->status) != NULL)
            return 0;
    }
    return leftovers_remove_of_plan(view->room, view->plan, clean, err);
}

static int archive(struct plan_session *session, int64_t *again_ms, struct error **err)
{
    bool clean = false;

    if (retire(session, "Archived", "The plan was archived.", &clean, err) == -1)
        return -1;
    if (!clean) {
        *again_ms = CLEAN_UP_MS;
        return 0;
    }
    conditions_set(session->status, &(struct condition){.type = "Archived",
                                                        .category = CONDITION_ADVISORY,
                                                        .reason = "UserRequested",
                                                        .message = "The plan has been archived.",
                                                        .durable = true});
    return 0;
}

/* ---- one look at everything -------------------------------------------------------------- */

static int work(struct plan_session *session, int64_t *again_ms, struct error **err)
{
    struct plan_view *view = &session->view;
    bool executing = history_active(view->status) != NULL;

    if (obj_bool(view->plan, "spec.archived", false))
        return archive(session, again_ms, err);
    check_inventory(view);
    if (!conditions_is_blocked(view->status) && plan_check(view, !executing, err) == -1)
        return -1;
    if (conditions_is_blocked(view->status))
        return execute_blocked(session, again_ms, err);
    set_ready(session);
    if (execute(session, again_ms, err) == -1)
        return -1;
    set_ready(session);
    return 0;
}

/* The plan is being deleted: *GONE once nothing of it is left. */
static int undo(struct plan_session *session, int64_t *again_ms, bool *gone, struct error **err)
{
    *again_ms = CLEAN_UP_MS;
    return retire(session, "Deleted", "The plan was deleted.", gone, err);
}

static int look_staged(struct plan_session *session, struct room *room, int64_t blocked_ms,
                       int64_t *again_ms, bool *gone, struct error **err)
{
    if (session->has_view)
        plan_view_reset(&session->view);
    session->has_view = true;
    if (plan_view_load(room, session->object, session->status, &session->view, err) == -1)
        return -1;
    session->view.blocked_ms = blocked_ms;
    if ((object_is_deleted(session->object) ? undo(session, again_ms, gone, err)
                                            : work(session, again_ms, err)) == -1)
        return -1;
    history_mirror(session->status);
    conditions_end(session->status);
    session->looked_ms = time_mono_ms();
    return 0;
}

/* Checks everything and goes on with all VMs.  A failure leaves the conditions as they were. */
static int look(struct plan_session *session, struct room *room, int64_t *again_ms, bool *gone,
                struct error **err)
{
    int64_t blocked_ms = blocked_for_ms(session->status);

    conditions_begin(session->status);
    if (look_staged(session, room, blocked_ms, again_ms, gone, err) == 0)
        return 0;
    conditions_abort(session->status);
    return -1;
}

/* Goes on with the VMs that something happened to. */
static int go_on(struct plan_session *session, int64_t *again_ms, struct error **err)
{
    if (execute(session, again_ms, err) == -1)
        return -1;
    set_ready(session);
    history_mirror(session->status);
    return 0;
}

/* ---- the reconcile ----------------------------------------------------------------------- */

/* A copy of the status without its VMs, to compare with. */
static json_t *shell_of(const json_t *status)
{
    json_auto_t *shell = json_copy((json_t *)(uintptr_t)status);
    json_auto_t *migration = json_copy(obj_obj(status, "migration"));

    if (migration != NULL) {
        json_object_del(migration, "vms");
        json_object_set(shell, "migration", migration);
    }
    return obj_copy(shell);
}

/* True if the cache's FRESH tells more of the plan's metadata and spec than is known. */
static bool is_news(const json_t *known, const json_t *fresh)
{
    static const char *const parts[] = {"metadata.generation", "metadata.deletionTimestamp",
                                        "metadata.annotations", "metadata.labels",
                                        "metadata.finalizers"};
    uint64_t old = 0, new = 0;

    if (span_u64(span_of(meta_resource_version(known)), &old) &&
        span_u64(span_of(meta_resource_version(fresh)), &new) && new <= old)
        return false;
    for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
        const json_t *a = obj_at(known, parts[i]), *b = obj_at(fresh, parts[i]);
        if (a != b && (a == NULL || b == NULL || !obj_eq(a, b)))
            return true;
    }
    return false;
}

/* A plan that is in memory: its metadata and spec as they are now.  *ABSENT if it is gone. */
static int refresh(struct plan_session *session, struct room *room, bool *absent)
{
    json_auto_t *fresh = room->plans != NULL ? kube_cache_get(room->plans,
                                                              meta_ns(session->object),
                                                              meta_name(session->object))
                                             : NULL;

    if (fresh == NULL || !str_eq(meta_uid(fresh), meta_uid(session->object))) {
        *absent = true;
        return 0;
    }
    if (!is_news(session->object, fresh))
        return 0;
    json_t *object = json_copy(fresh);
    obj_take(object, "metadata", obj_copy(obj_at(fresh, "metadata")));
    session_take(session, object);
    session->must_look = true;
    return 0;
}

/* Reads the plan from the server; the status in memory, if there is one, is newer. */
static int read_plan(struct plan_session *session, struct room *room, const char *ns,
                     const char *name, bool *absent, struct error **err)
{
    bool is_first = session->object == NULL;
    json_t *object = NULL;
    size_t found = 0;

    if (kube_get(room->client, &KIND_PLAN, ns, name, &object, err) == -1)
        return -1;
    if (object == NULL ||
        (!is_first && !str_eq(meta_uid(object), meta_uid(session->object)))) {
        json_decref(object);
        *absent = true;
        return 0;
    }
    session_rebase(session, obj_at(object, "status"));
    session_take(session, object);
    session->must_read = false;
    session->must_look = true;
    if (!is_first || obj_count(session->status, "migration.history") == 0)
        return 0;
    if (journal_apply(room, session->object, &found, err) == -1)
        return -1;
    if (found > 0)
        log_info("plan taken up from journals: plan=%s vms=%zu", session->key, found);
    session->is_dirty = session->must_write = found > 0;
    return 0;
}

static bool must_look(const struct plan_session *session)
{
    return session->must_look || !session->has_view || object_is_deleted(session->object) ||
           obj_bool(session->object, "spec.archived", false) ||
           history_active(session->status) == NULL || conditions_is_blocked(session->status) ||
           time_mono_ms() - session->looked_ms >= LOOK_MS;
}

static int reconcile(struct plan_session *session, struct room *room, int64_t *again_ms,
                     struct error **err)
{
    json_auto_t *before = shell_of(session->status);
    bool gone = false;

    session->must_look = must_look(session);
    if ((session->must_look ? look(session, room, again_ms, &gone, err)
                            : go_on(session, again_ms, err)) == -1)
        return -1;
    session->must_look = false;
    json_auto_t *after = shell_of(session->status);
    session->is_dirty = session->is_dirty || !obj_eq(before, after);
    session->is_kept = room->sessions != NULL && history_active(session->status) != NULL;
    if (session_save(session, room, again_ms, err) == -1)
        return -1;
    if (gone)
        *again_ms = 0;
    if (gone || session->view.wants_finalizer)
        return set_finalizer(room, session->object, !gone, err);
    return 0;
}

int plan_reconcile(void *arg, const char *ns, const char *name, struct cancel *cancel,
                   struct reconcile_result *result, struct error **err)
{
    struct room *room = arg;
    CLEANUP(str) char *key = meta_key(ns, name);
    struct plan_session *session = session_open(room->sessions, key);
    bool absent = false, was_executing = session->object != NULL;
    int status = session->object == NULL || session->must_read || room->plans == NULL
                     ? read_plan(session, room, ns, name, &absent, err)
                     : refresh(session, room, &absent);

    if (status == 0 && !absent && !object_has_condition(session->object, "Archived") &&
        (!object_is_deleted(session->object) ||
         meta_has_finalizer(session->object, PLAN_FINALIZER)))
        status = reconcile(session, room, &result->again_after_ms, err);
    if (status == -1 && was_executing)
        session->is_kept = true; /* what it knows is newer than what is written */
    session_close(room->sessions, session);
    return status;
}
