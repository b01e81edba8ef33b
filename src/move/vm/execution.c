#define LOG_COMPONENT "move"

#include "move/vm/execution.h"

#include "base/error.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "data/obj.h"
#include "inventory/inventory.h"
#include "kube/kinds.h"
#include "kube/meta.h"
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

/* The entry with which REF's VM goes into the migration. */
static int begin_vm(struct plan_view *view, const json_t *ref, const json_t *before, json_t **out,
                    struct error **err)
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
    json_t *old = vm_status_find(before, obj_str(vm, "id", ""));
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

int execution_begin(struct plan_view *view, const json_t *migration, struct error **err)
{
    const json_t *refs = obj_arr(view->plan, "spec.vms");
    json_auto_t *before = obj_copy(obj_arr(view->status, "migration.vms"));
    json_auto_t *vms = json_array();

    if (ensure_namespace(view, err) == -1 || own_migration(view, migration, err) == -1)
        return -1;
    for (size_t i = 0; i < json_array_size(refs); i++) {
        json_t *entry = NULL;
        if (begin_vm(view, json_array_get(refs, i), before, &entry, err) == -1)
            return -1;
        json_array_append_new(vms, entry);
    }
    obj_take(view->status, "migration.vms", json_incref(vms));
    timed_start(obj_obj(view->status, "migration"));
    history_begin(view, view->status, migration);
    room_event(view->room, &KIND_PLAN, view->plan, EVENT_NORMAL, "MigrationStarted",
               "migration \"%s\" began with %zu VMs", meta_name(migration),
               json_array_size(refs));
    log_info("migration begins: plan=%s/%s migration=%s vms=%zu", meta_ns(view->plan),
             meta_name(view->plan), meta_name(migration), json_array_size(refs));
    return 0;
}

/* ---- a pass ------------------------------------------------------------------------------ */

/* What one pass needs beside the view. */
struct pass {
    struct plan_view *view;
    json_t *entry;
    json_t *migration; /* the object, or one made from the entry if it is gone */
    enum execution_mode mode;
    char *provider_key, *plan_key;
    int64_t again_ms;
};

static void pass_reset(struct pass *pass)
{
    json_decref(pass->migration);
    free(pass->provider_key);
    free(pass->plan_key);
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

/* Reads the Migration; one that is gone or was made anew cancels what is on its way. */
static int load_migration(struct pass *pass, struct error **err)
{
    const json_t *reference = obj_at(pass->entry, "migration");
    const char *uid = obj_str(reference, "uid", "");

    if (reference_get(pass->view->room, &KIND_MIGRATION, reference, &pass->migration, err) == -1)
        return -1;
    if (pass->migration != NULL && str_eq(meta_uid(pass->migration), uid) &&
        !object_is_deleted(pass->migration))
        return 0;
    json_decref(pass->migration);
    pass->migration =
        obj_pack("{s:{s:s, s:s, s:s}}", "metadata", "namespace",
                 obj_str(reference, "namespace", ""), "name", obj_str(reference, "name", ""), "uid",
                 uid);
    execution_cancel_all(pass->view, pass->entry, "Deleted", "The migration was deleted.");
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

static void cancel_asked(struct pass *pass)
{
    const json_t *refs = obj_arr(pass->migration, "spec.cancel");
    const json_t *vms = obj_arr(pass->view->status, "migration.vms");

    for (size_t i = 0; i < json_array_size(refs); i++)
        for (size_t k = 0; k < json_array_size(vms); k++) {
            struct vm_run run = run_of(pass, json_array_get(vms, k));
            if (is_meant(json_array_get(refs, i), run.status))
                vm_run_cancel(&run, "UserRequested", "The migration of the VM was canceled.");
        }
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

static int advance(struct pass *pass, json_t *status, struct error **err)
{
    CLEANUP(vm_run) struct vm_run run = run_of(pass, status);

    if (load_vm(pass, &run, err) == -1)
        return -1;
    if (pass->mode == EXECUTION_CLEAN_UP &&
        !str_eq(obj_str(status, "phase", ""), step_get(STEP_CLEAN_UP)->name))
        return 0;
    vm_run_advance(&run);
    note_again(pass, run.again_ms);
    if (vm_status_is_completed(status))
        scheduler_release(pass->view->room->scheduler, pass->provider_key, pass->plan_key,
                          vm_run_id(&run));
    return 0;
}

static int advance_running(struct pass *pass, struct error **err)
{
    const json_t *vms = obj_arr(pass->view->status, "migration.vms");

    for (size_t i = 0; i < json_array_size(vms); i++) {
        json_t *vm = json_array_get(vms, i);
        if (vm_status_is_running(vm) && advance(pass, vm, err) == -1)
            return -1;
    }
    return 0;
}

static void set_pending(json_t *vm, bool pending)
{
    if (!pending)
        conditions_delete(vm, "Pending");
    else
        vm_status_set_condition(vm, "Pending", "InFlightLimit",
                                "The VM waits until another one is done.");
}

static int start_waiting(struct pass *pass, struct error **err)
{
    const json_t *vms = obj_arr(pass->view->status, "migration.vms");
    struct scheduler *scheduler = pass->view->room->scheduler;
    bool full = false;

    for (size_t i = 0; i < json_array_size(vms); i++) {
        json_t *vm = json_array_get(vms, i);
        if (vm_status_is_started(vm))
            continue;
        full = full || !scheduler_try(scheduler, pass->provider_key, pass->plan_key,
                                      obj_str(vm, "id", ""),
                                      pass->view->settings.max_vm_inflight);
        set_pending(vm, full);
        if (full) {
            note_again(pass, QUEUE_POLL_MS);
            continue;
        }
        timed_start(vm);
        if (advance(pass, vm, err) == -1)
            return -1;
    }
    return 0;
}

static void end_event(struct pass *pass, enum event_type type, const char *reason)
{
    room_event(pass->view->room, &KIND_PLAN, pass->view->plan, type, reason,
               "migration \"%s\" ended", meta_name(pass->migration));
}

static void finish_if_done(struct pass *pass)
{
    const json_t *vms = obj_arr(pass->view->status, "migration.vms");
    bool failed = false, succeeded = false;

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
    log_info("migration ended: plan=%s failed=%d", pass->plan_key, (int)failed);
}

int execution_pass(struct plan_view *view, json_t *entry, enum execution_mode mode,
                   int64_t *again_ms, struct error **err)
{
    CLEANUP(pass) struct pass pass = {
        .view = view,
        .entry = entry,
        .mode = mode,
        .provider_key = reference_key(obj_at(entry, "provider.source")),
        .plan_key = meta_key_of(view->plan),
    };

    if (load_migration(&pass, err) == -1)
        return -1;
    if (history_is_modified(entry, view))
        execution_cancel_all(view, entry, "Modified",
                             "The plan, a provider or a map was replaced meanwhile.");
    cancel_asked(&pass);
    if (advance_running(&pass, err) == -1)
        return -1;
    if (mode == EXECUTION_RUN && start_waiting(&pass, err) == -1)
        return -1;
    finish_if_done(&pass);
    *again_ms = pass.again_ms;
    return 0;
}

/* ---- ends that come from outside --------------------------------------------------------- */

void execution_cancel_all(struct plan_view *view, json_t *entry, const char *reason,
                          const char *message)
{
    const json_t *vms = obj_arr(view->status, "migration.vms");

    for (size_t i = 0; i < json_array_size(vms); i++) {
        struct vm_run run = {.view = view, .status = json_array_get(vms, i)};
        vm_run_cancel(&run, reason, message);
    }
    conditions_set(entry, &(struct condition){.type = "Canceled",
                                              .category = CONDITION_ADVISORY,
                                                .reason = reason,
                                                .message = message,
                                                .durable = true});
}

void execution_fail_all(struct plan_view *view, const char *text)
{
    const json_t *vms = obj_arr(view->status, "migration.vms");

    for (size_t i = 0; i < json_array_size(vms); i++) {
        struct vm_run run = {.view = view, .status = json_array_get(vms, i)};
        if (vm_status_is_completed(run.status) ||
            str_eq(obj_str(run.status, "phase", ""), step_get(STEP_CLEAN_UP)->name))
            continue;
        if (!vm_status_is_started(run.status))
            timed_start(run.status);
        vm_run_fail(&run, text, NULL);
    }
}

size_t execution_count_waiting(const json_t *status)
{
    const json_t *vms = obj_arr(status, "migration.vms");
    size_t count = 0;

    for (size_t i = 0; i < json_array_size(vms); i++)
        if (conditions_is_true(json_array_get(vms, i), "Pending") &&
            !vm_status_is_completed(json_array_get(vms, i)))
            count++;
    return count;
}
