#include "move/vm/plan_check.h"

#include "base/array.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "data/obj.h"
#include "inventory/inventory.h"
#include "kube/kinds.h"
#include "kube/meta.h"
#include "kube/names.h"
#include "move/vm/hook_check.h"
#include "move/vm/plan_check_names.h"
#include "move/vm/plan_check_target.h"
#include "move/vm/vm_status.h"

#include <string.h>

static void check_type(struct plan_view *view)
{
    const char *type = obj_str(view->plan, "spec.type", "");
    bool warm = str_eq(type, "warm") || obj_bool(view->plan, "spec.warm", false);

    if (warm && (view->ops == NULL || !view->ops->can_warm)) {
        finding_add(view->status, "WarmMigrationNotReady", CONDITION_CRITICAL, "NotSupported",
                    "set spec.type to cold", "providers of type \"%s\" have no warm migration",
                    view->provider_type);
        return;
    }
    if (type[0] != '\0' && !str_eq(type, "cold") && !warm)
        finding_add(view->status, "MigrationTypeNotValid", CONDITION_CRITICAL, "NotSupported",
                    "set spec.type to cold",
                    "migration type \"%s\" is not supported for providers of type \"%s\"", type,
                    view->provider_type);
}

static int check_transfer_network(struct plan_view *view, struct error **err)
{
    const json_t *reference = obj_obj(view->plan, "spec.transferNetwork");
    const char *ns = obj_str(reference, "namespace", "");
    CLEANUP(str) char *key = reference_key(reference);
    json_auto_t *nad = NULL;

    if (reference == NULL || obj_str(reference, "name", "")[0] == '\0')
        return 0;
    if (reference_get(view->room, &KIND_NETWORK_ATTACHMENT, reference, &nad, err) == -1)
        return -1;
    if (nad == NULL)
        finding_add(view->status, "TransferNetworkNotValid", CONDITION_CRITICAL, "NotFound",
                    "create it, or correct spec.transferNetwork",
                    "there is no NetworkAttachmentDefinition \"%s\"", key);
    else if (!str_eq(ns, "default") &&
             !str_eq(ns, obj_str(view->plan, "spec.targetNamespace", "")))
        finding_add(view->status, "TransferNetworkNotValid", CONDITION_CRITICAL, "NotValid",
                    "use one of the target namespace or of \"default\"",
                    "transfer network \"%s\" cannot be used from the target namespace", key);
    else if (meta_annotation(nad, "forklift.konveyor.io/route") == NULL)
        finding_add(view->status, "TransferNetworkMissingDefaultRoute", CONDITION_WARN, "NotValid",
                    "set its annotation forklift.konveyor.io/route to a gateway or to none",
                    "transfer network \"%s\" names no default route", key);
    return 0;
}

/* NADs that the VMs' NICs go to must be reachable from the target namespace. */
static void check_network_destinations(struct plan_view *view)
{
    const char *target = obj_str(view->plan, "spec.targetNamespace", "");

    for (size_t i = 0; i < view->networks.pairs.len; i++) {
        const json_t *destination = view->networks.pairs.ptr[i].destination;
        const char *ns = obj_str(destination, "namespace", "");
        if (!str_eq(obj_str(destination, "type", ""), "multus") || str_eq(ns, target) ||
            str_eq(ns, "default"))
            continue;
        CLEANUP(str) char *item = reference_key(destination);
        finding_add_item(view->status, "NetMapDestinationNADNotValid", CONDITION_CRITICAL,
                         "NotValid", "use networks of the target namespace or of \"default\"",
                         "destination networks are in other namespaces", item);
    }
}

static int account_exists(struct plan_view *view, const char *ns, const char *name, bool *exists,
                          struct error **err)
{
    json_auto_t *account = NULL;

    if (kube_get(view->room->client, &KIND_SERVICE_ACCOUNT, ns, name, &account, err) == -1)
        return -1;
    *exists = account != NULL;
    return 0;
}

static bool has_local_hooks(const json_t *plan)
{
    const json_t *vms = obj_arr(plan, "spec.vms");

    for (size_t i = 0; i < json_array_size(vms); i++)
        if (obj_count(json_array_get(vms, i), "hooks") > 0)
            return true;
    return false;
}

static int check_service_account(struct plan_view *view, struct error **err)
{
    const char *name = plan_view_service_account(view);
    const char *const places[] = {obj_str(view->plan, "spec.targetNamespace", ""),
                                  meta_ns(view->plan)};
    size_t count = has_local_hooks(view->plan) ? 2 : 1;

    if (str_is_empty(name))
        return 0;
    for (size_t i = 0; i < count; i++) {
        bool exists = false;
        if (account_exists(view, places[i], name, &exists, err) == -1)
            return -1;
        CLEANUP(str) char *item = xasprintf("%s/%s", places[i], name);
        if (!exists)
            finding_add_item(view->status, "ServiceAccountNotValid", CONDITION_CRITICAL,
                             "NotFound", "create it, or correct spec.serviceAccount",
                             "service accounts do not exist", item);
    }
    return 0;
}

static int check_hook(struct plan_view *view, const json_t *use, const char *vm,
                      struct error **err)
{
    const json_t *reference = obj_at(use, "hook");
    const char *step = obj_str(use, "step", "");
    CLEANUP(str) char *key = reference_key(reference);
    CLEANUP(str) char *item = xasprintf("%s: %s", vm, key);
    json_auto_t *hook = NULL;

    if (!str_eq(step, PIPELINE_PRE_HOOK) && !str_eq(step, PIPELINE_POST_HOOK)) {
        CLEANUP(str) char *named = xasprintf("%s: \"%s\"", vm, step);
        finding_add_item(view->status, "HookStepNotValid", CONDITION_CRITICAL, "NotValid",
                         "use PreHook or PostHook", "hooks name unknown steps", named);
    }
    if (!reference_is_set(reference)) {
        finding_add_item(view->status, "HookNotValid", CONDITION_CRITICAL, "NotSet",
                         "name each hook by namespace and name", "hooks are not named", vm);
        return 0;
    }
    if (reference_get(view->room, &KIND_HOOK, reference, &hook, err) == -1)
        return -1;
    if (hook == NULL) {
        finding_add_item(view->status, "HookNotValid", CONDITION_CRITICAL, "NotFound",
                         "create them, or correct spec.vms[].hooks", "hooks do not exist", item);
        return 0;
    }
    if (!object_is_ready(hook))
        finding_add_item(view->status, "HookNotReady", CONDITION_CRITICAL, "NotFound",
                         "their conditions tell why: kubectl describe hook",
                         "hooks are not ready", item);

    const char *account = obj_str(hook, "spec.serviceAccount", "");
    bool exists = true;
    if (account[0] != '\0' &&
        account_exists(view, meta_ns(view->plan), account, &exists, err) == -1)
        return -1;
    if (!exists) {
        CLEANUP(str) char *named = xasprintf("%s: %s/%s", key, meta_ns(view->plan), account);
        finding_add_item(view->status, "HookServiceAccountNotValid", CONDITION_CRITICAL,
                         "NotFound", "create them in the plan's namespace",
                         "service accounts of hooks do not exist", named);
    }
    return 0;
}

static int check_hooks(struct plan_view *view, struct error **err)
{
    const json_t *vms = obj_arr(view->plan, "spec.vms");

    for (size_t i = 0; i < json_array_size(vms); i++) {
        const json_t *vm = json_array_get(vms, i);
        const json_t *hooks = obj_arr(vm, "hooks");
        const char *name = obj_str(vm, "name", obj_str(vm, "id", ""));
        for (size_t k = 0; k < json_array_size(hooks); k++)
            if (check_hook(view, json_array_get(hooks, k), name, err) == -1)
                return -1;
    }
    return 0;
}

static void check_v2v_image(struct plan_view *view)
{
    const char *image = obj_str(view->plan, "spec.virtV2vImage", "");

    if (image[0] != '\0' && (strchr(image, '/') == NULL || !image_reference_is_valid(image)))
        finding_add(view->status, "VirtV2vImageNotValid", CONDITION_CRITICAL, "NotValid",
                    "write it as HOST/PATH:TAG", "\"%s\" is no image reference", image);
}

int plan_check(struct plan_view *view, bool with_vms, struct error **err)
{
    check_type(view);
    check_network_destinations(view);
    if (with_vms && plan_check_vms(view, err) == -1)
        return -1;
    if (check_transfer_network(view, err) == -1 || check_service_account(view, err) == -1 ||
        check_hooks(view, err) == -1)
        return -1;
    check_v2v_image(view);
    plan_check_templates(view);
    return plan_check_target(view, err);
}
