#include "move/vm/leftovers.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "data/obj.h"
#include "hook/job.h"
#include "kube/kinds.h"
#include "kube/meta.h"
#include "move/vm/labels.h"
#include "move/vm/pods.h"
#include "move/vm/target.h"

#include <stdlib.h>

/* One sweep over objects of a kind that SELECTOR matches. */
struct sweep {
    struct room *room;
    const char *ns; /* NULL: everywhere */
    const char *selector;
    bool skip_owned;  /* leave what a machine owns */
    size_t left;      /* still there afterwards */
};

static bool is_kept(const struct sweep *sweep, const json_t *object)
{
    const json_t *owners = obj_arr(object, "metadata.ownerReferences");

    for (size_t i = 0; sweep->skip_owned && i < json_array_size(owners); i++)
        if (str_eq(obj_str(json_array_get(owners, i), "kind", ""), "VirtualMachine"))
            return true;
    return false;
}

static int sweep_kind(struct sweep *sweep, const struct kube_kind *kind, struct error **err)
{
    json_auto_t *items = NULL;

    if (kube_list(sweep->room->client, kind, sweep->ns,
                  &(struct kube_list_options){.label_selector = sweep->selector}, &items, err) ==
        -1)
        return error_wrap(err, "cannot look for what is to be removed");
    for (size_t i = 0; i < json_array_size(items); i++) {
        const json_t *object = json_array_get(items, i);
        if (is_kept(sweep, object))
            continue;
        sweep->left++;
        if (!meta_is_deleting(object) &&
            kube_delete(sweep->room->client, kind, meta_ns(object), meta_name(object),
                        meta_uid(object), KUBE_DELETE_BACKGROUND, err) == -1)
            return error_wrap(err, "cannot remove %s \"%s/%s\"", kind->kind, meta_ns(object),
                              meta_name(object));
    }
    return 0;
}

static bool deletes_conversion(const struct vm_run *run, enum leftovers_scope scope)
{
    return scope != LEFTOVERS_HELPERS ||
           obj_bool(run->view->plan, "spec.deleteGuestConversionPod", false);
}

static int sweep_helpers(struct vm_run *run, struct sweep *sweep, enum leftovers_scope scope,
                         struct error **err)
{
    static const char *const apps[] = {APP_IMPORTER, APP_CONVERSION};

    for (size_t i = 0; i < sizeof(apps) / sizeof(apps[0]); i++) {
        CLEANUP(str) char *more = xasprintf("forklift.app=%s", apps[i]);
        CLEANUP(str) char *selector =
            labels_selector(run->view->plan, NULL, vm_run_id(run), more);
        struct sweep pods = *sweep;

        if (str_eq(apps[i], APP_CONVERSION) && !deletes_conversion(run, scope))
            continue;
        pods.selector = selector;
        pods.left = 0;
        if (sweep_kind(&pods, &KIND_POD, err) == -1)
            return -1;
        sweep->left += pods.left;
    }
    return 0;
}

/* A machine that must stay keeps its volumes too: of what is not helpers nothing is touched. */
static int spare_kept(struct vm_run *run, enum leftovers_scope *scope, struct error **err)
{
    json_auto_t *kept = NULL;
    const char *why = NULL;

    if (*scope == LEFTOVERS_HELPERS)
        return 0;
    if (target_find_kept(run, &kept, &why, err) == -1)
        return -1;
    if (kept == NULL)
        return 0;
    if (*scope == LEFTOVERS_TARGET) {
        *scope = LEFTOVERS_HELPERS;
        return 0;
    }
    error_set(err, ERROR_EXISTS,
              "machine \"%s/%s\" of an earlier migration of this VM %s, and is not removed",
              meta_ns(kept), meta_name(kept), why);
    return error_hint(err, "take the VM out of the plan, or remove that machine yourself");
}

int leftovers_remove(struct vm_run *run, enum leftovers_scope scope, bool *clean,
                     struct error **err)
{
    CLEANUP(str) char *selector =
        labels_selector(run->view->plan, NULL, vm_run_id(run), "resource=vm-config");
    struct sweep sweep = {
        .room = run->view->room, .ns = vm_run_target_ns(run), .selector = selector};

    if (spare_kept(run, &scope, err) == -1 || sweep_helpers(run, &sweep, scope, err) == -1)
        return -1;
    if (sweep_kind(&sweep, &KIND_SECRET, err) == -1 ||
        sweep_kind(&sweep, &KIND_CONFIG_MAP, err) == -1)
        return -1;
    if (scope != LEFTOVERS_HELPERS &&
        (sweep_kind(&sweep, &KIND_VM, err) == -1 || sweep_kind(&sweep, &KIND_PVC, err) == -1))
        return -1;
    if (scope == LEFTOVERS_EARLIER &&
        hook_job_clean(run->view->room->client, run->view->plan, vm_run_id(run), err) == -1)
        return -1;
    *clean = sweep.left == 0;
    return 0;
}

int leftovers_remove_of_plan(struct room *room, const json_t *plan, bool *clean,
                             struct error **err)
{
    CLEANUP(str) char *selector = labels_selector(plan, NULL, NULL, "resource=vm-config");
    struct sweep sweep = {.room = room,
                          .ns = obj_str(plan, "spec.targetNamespace", ""),
                          .selector = selector,
                          .skip_owned = true};
    static const struct kube_kind *const kinds[] = {&KIND_POD, &KIND_PVC, &KIND_SECRET,
                                                    &KIND_CONFIG_MAP};

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (sweep_kind(&sweep, kinds[i], err) == -1)
            return -1;
    if (hook_job_clean(room->client, plan, NULL, err) == -1)
        return -1;
    *clean = sweep.left == 0;
    return 0;
}
