#define LOG_COMPONENT "move"

#include "move/vm/execution.h"

#include "base/array.h"
#include "base/error.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/time.h"
#include "data/obj.h"
#include "inventory/inventory.h"
#include "kube/cache.h"
#include "kube/kinds.h"
#include "kube/meta.h"
#include "kube/names.h"
#include "move/vm/history.h"
#include "move/vm/pipeline.h"
#include "move/vm/scheduler.h"
#include "move/vm/vm_run.h"
#include "move/vm/vm_status.h"

#include <stdlib.h>
#include <string.h>

enum { QUEUE_POLL_MS = 10 * 1000 /* a freed place is told of; this is for lost messages */ };

/* ---- beginning --------------------------------------------------------------------------- */

static int ensure_namespace(struct plan_view *view, struct error **err)
{
    const char *name = obj_str(view->plan, "spec.targetNamespace", "");
    json_auto_t *ns = NULL;
    CLEANUP(error) struct error *failure = NULL;

    if (kube_get(view->room->client, &KIND_NAMESPACE, NULL, name, &ns, err) == -1)
        return -1;
    if (ns != NULL)
        return 0;
    json_auto_t *manifest = meta_new(&KIND_NAMESPACE, NULL, name);
    if (kube_create(view->room->client, &KIND_NAMESPACE, NULL, manifest, NULL, &failure) == 0 ||
        failure->code == ERROR_EXISTS)
        return 0;
    *err = steal(&failure);
    return error_wrap(err, "cannot make the target namespace \"%s\"", name);
}

static int own_migration(struct plan_view *view, const json_t *migration, struct error **err)
{
    if (!str_eq(meta_ns(migration), meta_ns(view->plan)) ||
        meta_is_owned_by(migration, meta_uid(view->plan)))
        return 0;
    json_auto_t *copy = obj_copy(migration);
    meta_add_owner(copy, &KIND_PLAN, view->plan, false);
    json_auto_t *patch = obj_pack("{s:{s:O}}", "metadata", "ownerReferences",
                                  obj_at(copy, "metadata.ownerReferences"));
    return kube_patch(view->room->client, &KIND_MIGRATION, meta_ns(migration),
                      meta_name(migration), NULL, patch, NULL, err);
}

/* The target of an entry whose PostHook alone failed is still there. */
static int has_target(struct plan_view *view, const json_t *old, bool *has, struct error **err)
{
    const struct vm_run run = {.view = view, .status = (json_t *)(uintptr_t)old};
    json_auto_t *vm = NULL;

    if (kube_get(view->room->client, &KIND_VM, vm_run_target_ns(&run), vm_run_target_name(&run),
                 &vm, err) == -1)
        return -1;
    *has = vm != NULL && str_eq(meta_label(vm, "plan"), meta_uid(view->plan));
    return 0;
}

/* The entry with which REF's VM goes into the migration; BEFORE has those of the last one by id. */
static int begin_vm(struct plan_view *view, const json_t *ref, const struct map *before,
                    json_t **out, struct error **err)
{
    json_auto_t *vm = NULL;
    CLEANUP(machine) struct machine *machine = NULL;
    enum mapping_lookup lookup;
    bool has = false;

    if (plan_view_find_vm(view, ref, &lookup, &vm, err) == -1)
        return -1;
    if (vm == NULL)
        return error_set(err, ERROR_UNAVAILABLE, "VM \"%s\" is not in the inventory",
                         obj_str(ref, "name", obj_str(ref, "id", "")));
    json_t *old = map_find(before, obj_str(vm, "id", ""));
    if (vm_status_is_succeeded(old)) {
        *out = json_incref(old);
        return 0;
    }
    if (old != NULL && has_target(view, old, &has, err) == -1)
        return -1;
    if (has && pipeline_resume_post_hook(old)) {
        *out = json_incref(old);
        return 0;
    }
    if (view->source == NULL)
        return error_set(err, ERROR_UNAVAILABLE, "the source provider is not open");
    CLEANUP(error) struct error *failure = NULL;
    bool described = view->ops->describe(view->source, vm, &machine, &failure) == 0;
    *out = pipeline_new_vm(view, ref, vm, described ? machine : NULL);
    if (!described) {
        CLEANUP(str) char *text = error_format(failure);
        error_add_reason(*out, "Started", text);
        obj_put_str(*out, "phase", "CleanUp");
    }
    return 0;
}

/* The entries of the last migration by their ids; borrowed. */
static struct map *entries_before(const json_t *status)
{
    const json_t *vms = obj_arr(status, "migration.vms");
    struct map *before = map_new();

    for (size_t i = 0; i < json_array_size(vms); i++)
        map_put(before, obj_str(json_array_get(vms, i), "id", ""), json_array_get(vms, i));
    return before;
}

static int begin_vms(struct plan_view *view, json_t *vms, struct error **err)
{
    const json_t *refs = obj_arr(view->plan, "spec.vms");
    struct map *before = entries_before(view->status);
    int result = 0;

    for (size_t i = 0; i < json_array_size(refs) && result == 0; i++) {
        json_t *entry = NULL;
        result = begin_vm(view, json_array_get(refs, i), before, &entry, err);
        if (result == 0)
            json_array_append_new(vms, entry);
    }
    map_free(before, NULL);
    return result;
}

int execution_begin(struct plan_view *view, const json_t *migration, struct error **err)
{
    json_auto_t *vms = json_array();

    if (ensure_namespace(view, err) == -1 || own_migration(view, migration, err) == -1 ||
        begin_vms(view, vms, err) == -1)
        return -1;
    obj_take(view->status, "migration.vms", json_incref(vms));
    timed_start(obj_obj(view->status, "migration"));
    history_begin(view, view->status, migration);
    room_event(view->room, &KIND_PLAN, view->plan, EVENT_NORMAL, "MigrationStarted",
               "migration \"%s\" began with %zu VMs", meta_name(migration),
               json_array_size(vms));
    log_info("migration begins: plan=%s/%s migration=%s vms=%zu", meta_ns(view->plan),
             meta_name(view->plan), meta_name(migration), json_array_size(vms));
    return 0;
}

/* ---- a pass ------------------------------------------------------------------------------ */

/* What one pass needs beside the view. */
struct pass {
    struct plan_view *view;
    struct plan_session *session;
    json_t *entry;
    json_t *migration; /* the object, or one made from the entry if it is gone */
    enum execution_mode mode;
    char *provider_key;
    int64_t again_ms;
};

static void pass_reset(struct pass *pass)
{
    json_decref(pass->migration);
    free(pass->provider_key);
}
DEFINE_CLEANUP_IN_PLACE(pass, struct pass, pass_reset)

static void note_again(struct pass *pass, int64_t ms)
{
    if (ms > 0 && (pass->again_ms == 0 || ms < pass->again_ms))
        pass->again_ms = ms;
}

static struct vm_run run_of(struct pass *pass, json_t *status)
{
    return (struct vm_run){.view = pass->view, .migration = pass->migration, .status = status};
}

/* From the cache, which may not have heard of it yet: the server is asked before it counts as gone. */
static int get_migration(struct room *room, const json_t *reference, json_t **out,
                         struct error **err)
{
    if (room->migrations != NULL)
        *out = kube_cache_get(room->migrations, obj_str(reference, "namespace", ""),
                              obj_str(reference, "name", ""));
    if (*out != NULL && str_eq(meta_uid(*out), obj_str(reference, "uid", "")))
        return 0;
    json_decref(*out);
    *out = NULL;
    return reference_get(room, &KIND_MIGRATION, reference, out, err);
}

/* Reads the Migration; one that is gone or was made anew cancels what is on its way. */
static int load_migration(struct pass *pass, struct error **err)
{
    const json_t *reference = obj_at(pass->entry, "migration");
    const char *uid = obj_str(reference, "uid", "");

    if (get_migration(pass->view->room, reference, &pass->migration, err) == -1)
        return -1;
    if (pass->migration != NULL && str_eq(meta_uid(pass->migration), uid) &&
        !object_is_deleted(pass->migration))
        return 0;
    json_decref(pass->migration);
    pass->migration =
        obj_pack("{s:{s:s, s:s, s:s}}", "metadata", "namespace",
                 obj_str(reference, "namespace", ""), "name", obj_str(reference, "name", ""), "uid",
                 uid);
    execution_cancel_all(pass->session, pass->view, pass->entry, "Deleted",
                         "The migration was deleted.");
    return 0;
}

static bool is_meant(const json_t *ref, const json_t *vm)
{
    const char *id = obj_str(ref, "id", "");
    const char *name = obj_str(ref, "name", "");

    if (id[0] != '\0')
        return str_eq(id, obj_str(vm, "id", ""));
    return name[0] != '\0' && str_eq(name, obj_str(vm, "name", ""));
}

static void cancel(struct plan_session *session, struct vm_run *run, const char *reason,
                   const char *message);

/* Heeds spec.cancel, once for each state of it; a time to cut over may be new to any VM. */
static void cancel_asked(struct pass *pass)
{
    struct plan_session *session = pass->session;
    const json_t *refs = obj_arr(pass->migration, "spec.cancel");
    const json_t *vms = session_vms(session);
    const char *uid = meta_uid(pass->migration);

    if (str_eq(session->migration_uid, uid) &&
        session->migration_generation == meta_generation(pass->migration))
        return;
    session->must_look = true;
    for (size_t i = 0; i < json_array_size(refs); i++)
        for (size_t k = 0; k < json_array_size(vms); k++) {
            struct vm_run run = run_of(pass, json_array_get(vms, k));
            if (is_meant(json_array_get(refs, i), run.status))
                cancel(session, &run, "UserRequested",
                                    "The migration of the VM was canceled.");
        }
    free(session->migration_uid);
    session->migration_uid = xstrdup(uid);
    session->migration_generation = meta_generation(pass->migration);
}

/* Loads the VM's inventory object; one that the source does not have any more is canceled. */
static int load_vm(struct pass *pass, struct vm_run *run, struct error **err)
{
    json_auto_t *ref = obj_pack("{s:s}", "id", vm_run_id(run));
    enum mapping_lookup lookup;

    if (plan_view_find_vm(pass->view, ref, &lookup, &run->vm, err) == -1)
        return -1;
    if (run->vm == NULL && pass->mode == EXECUTION_RUN)
        vm_run_cancel(run, "NotFound", "The source does not have the VM any more.");
    return 0;
}

/* The disks that are still to be copied, where the source counts them; else what it had. */
static int64_t cost_left(const struct vm_run *run)
{
    static const char *const names[] = {PIPELINE_DISK_TRANSFER, PIPELINE_CUTOVER};
    int64_t left = 0;

    if (vm_run_step(run) == STEP_COPYING_PAUSED || vm_run_step(run) == STEP_CLEAN_UP)
        return 0;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        const json_t *step = vm_status_step(run->status, names[i]);
        const json_t *tasks = obj_arr(step, "tasks");
        if (step == NULL || step_is_finished(step))
            continue;
        for (size_t k = 0; k < json_array_size(tasks); k++)
            left += !step_is_finished(json_array_get(tasks, k));
        break; /* the last copy begins when the others are done */
    }
    return left;
}

static void tell_scheduler(struct pass *pass, const struct vm_run *run)
{
    struct scheduler *scheduler = pass->view->room->scheduler;

    if (vm_status_is_completed(run->status))
        scheduler_release(scheduler, pass->provider_key, pass->session->key, vm_run_id(run));
    else if (pass->view->ops != NULL && pass->view->ops->has_hosts)
        scheduler_set_cost(scheduler, pass->provider_key, pass->session->key, vm_run_id(run),
                           cost_left(run));
}

/* Puts what is not yet on record there, then does the VM's steps, and so on until it waits. */
static int go_on(struct pass *pass, struct vm_run *run, bool *is_unrecorded, struct error **err)
{
    do {
        if (*is_unrecorded &&
            session_record(pass->session, pass->view->room, run->status, err) == -1)
            return -1;
        *is_unrecorded = run->wants_record = false;
        json_auto_t *before = obj_copy(run->status);
        vm_run_advance(run);
        if (!obj_eq(before, run->status))
            session_note_change(pass->session, before);
        *is_unrecorded = run->wants_record;
    } while (*is_unrecorded);
    return 0;
}

static int advance(struct pass *pass, struct running_vm *vm, struct error **err)
{
    json_t *status = json_array_get(session_vms(pass->session), vm->at);
    CLEANUP(vm_run) struct vm_run run = run_of(pass, status);
    json_auto_t *before = obj_copy(status);

    if (load_vm(pass, &run, err) == -1)
        return -1;
    if (!obj_eq(before, status))
        session_note_change(pass->session, before);
    if (pass->mode == EXECUTION_CLEAN_UP &&
        !str_eq(obj_str(status, "phase", ""), step_get(STEP_CLEAN_UP)->name))
        return 0;
    if (go_on(pass, &run, &vm->is_unrecorded, err) == -1)
        return -1;
    vm->due_ms = run.again_ms > 0 ? time_mono_ms() + run.again_ms : 0;
    tell_scheduler(pass, &run);
    return 0;
}

static bool is_due(const struct pass *pass, const struct running_vm *vm, const json_t *status)
{
    struct plan_session *session = pass->session;

    if (session->must_look || vm->is_unrecorded ||
        (vm->due_ms != 0 && vm->due_ms <= time_mono_ms()))
        return true;
    CLEANUP(str) char *label = name_fix_label_value(obj_str(status, "id", ""));
    return map_find(session->woken, label) != NULL;
}

/* Goes on with the VMs that something happened to. */
static int advance_running(struct pass *pass, struct error **err)
{
    struct running_list *running = &pass->session->running;

    for (size_t i = 0; i < running->len; i++) {
        struct running_vm *vm = &running->ptr[i];
        const json_t *status = json_array_get(session_vms(pass->session), vm->at);
        if (is_due(pass, vm, status) && advance(pass, vm, err) == -1)
            return -1;
    }
    return 0;
}

/* Takes the VMs that are done off the list, and finds out when the next one is due. */
static void drop_completed(struct pass *pass)
{
    struct running_list *running = &pass->session->running;
    size_t kept = 0;

    for (size_t i = 0; i < running->len; i++) {
        struct running_vm vm = running->ptr[i];
        if (vm_status_is_completed(json_array_get(session_vms(pass->session), vm.at)))
            continue;
        running->ptr[kept++] = vm;
        int64_t left_ms = vm.due_ms - time_mono_ms();
        if (vm.due_ms != 0)
            note_again(pass, left_ms > 0 ? left_ms : 1);
    }
    running->len = kept;
}

/* Starts the VM if there is a place for it. */
static int start_vm(struct pass *pass, const struct lane *lane, const struct waiting_vm *vm,
                    bool is_heavy, bool *started, struct error **err)
{
    struct plan_session *session = pass->session;
    json_t *status = json_array_get(session_vms(session), vm->at);
    const struct scheduler_request request = {
        .provider = pass->provider_key,
        .plan = session->key,
        .vm = obj_str(status, "id", ""),
        .host = lane->host,
        .cost = vm->cost,
        .bytes = vm->bytes,
        .is_heavy = is_heavy,
    };

    *started = scheduler_try(pass->view->room->scheduler, &request,
                             pass->view->settings.max_vm_inflight);
    if (!*started)
        return 0;
    json_auto_t *before = obj_copy(status);
    conditions_delete(status, "Pending");
    timed_start(status);
    session_note_change(session, before);
    session->waiting--;
    running_list_push(&session->running, (struct running_vm){.at = vm->at});
    return advance(pass, &session->running.ptr[session->running.len - 1], err);
}

/* Starts VMs of a lane while there are places. */
static int start_lane(struct pass *pass, struct lane *lane, bool heavy, struct error **err)
{
    struct waiting_list *vms = heavy ? &lane->heavy : &lane->light;
    size_t *next = heavy ? &lane->next_heavy : &lane->next_light;
    bool started = true;

    while (*next < vms->len) {
        const json_t *status = json_array_get(session_vms(pass->session), vms->ptr[*next].at);
        if (vm_status_is_started(status)) { /* canceled before its turn */
            (*next)++;
            continue;
        }
        bool yields = heavy && lane->next_light < lane->light.len;
        size_t at = (*next)++;
        int result = start_vm(pass, lane, &vms->ptr[at], yields, &started, err);
        if (!started)
            (*next)--;
        if (result == -1 || !started)
            return result;
    }
    return 0;
}

/* Says of those that wait that they do; once, because it is taken back when they start. */
static void mark_waiting(struct pass *pass)
{
    struct plan_session *session = pass->session;
    const json_t *vms = session_vms(session);

    if (session->waiting == 0 || session->are_waiting_marked)
        return;
    for (size_t i = 0; i < json_array_size(vms); i++)
        if (!vm_status_is_started(json_array_get(vms, i)))
            vm_status_set_condition(json_array_get(vms, i), "Pending", "InFlightLimit",
                                    "The VM waits until another one is done.");
    session->are_waiting_marked = session->is_dirty = true;
}

static int start_waiting(struct pass *pass, struct error **err)
{
    struct plan_session *session = pass->session;

    for (size_t i = 0; i < session->lanes.len; i++)
        if (start_lane(pass, &session->lanes.ptr[i], true, err) == -1 ||
            start_lane(pass, &session->lanes.ptr[i], false, err) == -1)
            return -1;
    mark_waiting(pass);
    if (session->waiting > 0)
        note_again(pass, QUEUE_POLL_MS);
    return 0;
}

static void end_event(struct pass *pass, enum event_type type, const char *reason)
{
    room_event(pass->view->room, &KIND_PLAN, pass->view->plan, type, reason,
               "migration \"%s\" ended", meta_name(pass->migration));
}

static void finish_if_done(struct pass *pass)
{
    const json_t *vms = session_vms(pass->session);
    bool failed = false, succeeded = false;

    if (pass->session->running.len > 0 || pass->session->waiting > 0)
        return;
    for (size_t i = 0; i < json_array_size(vms); i++) {
        const json_t *vm = json_array_get(vms, i);
        if (!vm_status_is_completed(vm))
            return;
        failed = failed || vm_status_is_failed(vm);
        succeeded = succeeded || vm_status_is_succeeded(vm);
    }
    if (conditions_is_true(pass->entry, "Canceled")) {
        conditions_delete(pass->entry, "Executing");
        end_event(pass, EVENT_NORMAL, "MigrationCanceled");
    } else if (failed) {
        history_end(pass->entry, "Failed", NULL, "The plan execution has FAILED.");
        end_event(pass, EVENT_WARNING, "MigrationFailed");
    } else if (succeeded || json_array_size(vms) == 0) {
        history_end(pass->entry, "Succeeded", NULL, "The plan execution has SUCCEEDED.");
        end_event(pass, EVENT_NORMAL, "MigrationSucceeded");
    } else {
        history_end(pass->entry, "Canceled", NULL, "The plan execution has been CANCELED.");
        end_event(pass, EVENT_NORMAL, "MigrationCanceled");
    }
    timed_complete(obj_obj(pass->view->status, "migration"));
    pass->session->is_dirty = pass->session->must_write = true;
    log_info("migration ended: plan=%s failed=%d", pass->session->key, (int)failed);
}

int execution_pass(struct plan_session *session, struct plan_view *view, json_t *entry,
                   enum execution_mode mode, int64_t *again_ms, struct error **err)
{
    CLEANUP(pass) struct pass pass = {
        .view = view,
        .session = session,
        .entry = entry,
        .mode = mode,
        .provider_key = reference_key(obj_at(entry, "provider.source")),
    };

    if (load_migration(&pass, err) == -1)
        return -1;
    if (history_is_modified(entry, view))
        execution_cancel_all(session, view, entry, "Modified",
                             "The plan, a provider or a map was replaced meanwhile.");
    cancel_asked(&pass);
    if (!session->is_indexed && session_index(session, err) == -1)
        return -1;
    if (advance_running(&pass, err) == -1)
        return -1;
    map_free(session->woken, NULL);
    session->woken = map_new();
    if (mode == EXECUTION_RUN && start_waiting(&pass, err) == -1)
        return -1;
    drop_completed(&pass);
    finish_if_done(&pass);
    *again_ms = pass.again_ms;
    return 0;
}

/* ---- ends that come from outside --------------------------------------------------------- */

/* Cancels one VM; who is on which list may not be as it was. */
static void cancel(struct plan_session *session, struct vm_run *run, const char *reason,
                   const char *message)
{
    json_auto_t *before = obj_copy(run->status);

    vm_run_cancel(run, reason, message);
    if (obj_eq(before, run->status))
        return;
    session_note_change(session, before);
    session->is_indexed = false;
}

void execution_cancel_all(struct plan_session *session, struct plan_view *view, json_t *entry,
                          const char *reason, const char *message)
{
    const json_t *vms = session_vms(session);

    if (conditions_is_true(entry, "Canceled") &&
        str_eq(obj_str(conditions_find(entry, "Canceled"), "reason", ""), reason))
        return; /* done before, and nothing has begun since */
    for (size_t i = 0; i < json_array_size(vms); i++) {
        struct vm_run run = {.view = view, .status = json_array_get(vms, i)};
        cancel(session, &run, reason, message);
    }
    conditions_set(entry, &(struct condition){.type = "Canceled",
                                              .category = CONDITION_ADVISORY,
                                              .reason = reason,
                                              .message = message,
                                              .durable = true});
    session->is_dirty = session->must_write = true;
}

static bool is_on_its_way(const json_t *vm)
{
    return !vm_status_is_completed(vm) &&
           !str_eq(obj_str(vm, "phase", ""), step_get(STEP_CLEAN_UP)->name);
}

void execution_hold_all(struct plan_session *session, struct plan_view *view, const char *text)
{
    const json_t *vms = session_vms(session);

    for (size_t i = 0; i < json_array_size(vms); i++) {
        struct vm_run run = {.view = view, .status = json_array_get(vms, i)};
        json_auto_t *before = NULL;

        if (!vm_status_is_started(run.status) || !is_on_its_way(run.status))
            continue;
        before = obj_copy(run.status);
        vm_run_hold(&run, text);
        if (!obj_eq(before, run.status))
            session_note_change(session, before);
    }
}

void execution_fail_all(struct plan_session *session, struct plan_view *view, const char *text)
{
    const json_t *vms = session_vms(session);

    for (size_t i = 0; i < json_array_size(vms); i++) {
        struct vm_run run = {.view = view, .status = json_array_get(vms, i)};
        if (!is_on_its_way(run.status))
            continue;
        if (!vm_status_is_started(run.status))
            timed_start(run.status);
        vm_run_fail(&run, text, NULL);
        session->is_indexed = false;
        session->is_dirty = session->must_write = true;
    }
}
