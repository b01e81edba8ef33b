#include "move/vm/plan_check_target.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "data/obj.h"
#include "kube/kinds.h"
#include "kube/meta.h"
#include "kube/quantity.h"

#include <string.h>

#define POD_SECURITY_LABEL "pod-security.kubernetes.io/enforce"

static bool has_pod_destination(const struct plan_view *view)
{
    for (size_t i = 0; i < view->networks.pairs.len; i++)
        if (str_eq(obj_str(view->networks.pairs.ptr[i].destination, "type", ""), "pod"))
            return true;
    return false;
}

static void check_networks(struct plan_view *view)
{
    const char *ns = obj_str(view->plan, "spec.targetNamespace", "");

    if (view->udn.has_layer3)
        finding_add(view->status, "UnsupportedUserDefinedNetwork", CONDITION_CRITICAL,
                    "NotSupported", "use a network of topology layer2",
                    "namespace \"%s\" has a user-defined network of topology layer3", ns);
    if (obj_bool(view->plan, "spec.preserveStaticIPs", false) && plan_view_converts(view) &&
        str_eq(view->provider_type, "vsphere") && has_pod_destination(view) && !view->udn.has_primary)
        finding_add(view->status, "NetMapPreservingIPsOnPodNetwork", CONDITION_WARN, "NotValid",
                    "map the networks to multus, or set spec.preserveStaticIPs to false",
                    "guests are to keep their addresses, which the pod network does not route");
}

/* Both fields or none, a size that is one, and a class that exists. */
static int check_temp_storage(struct plan_view *view, struct error **err)
{
    const char *class = obj_str(view->plan, "spec.conversionTempStorageClass", "");
    const char *size = obj_str(view->plan, "spec.conversionTempStorageSize", "");
    CLEANUP(error) struct error *failure = NULL;
    json_auto_t *found = NULL;
    uint64_t bytes = 0;

    if (*class == '\0' && *size == '\0')
        return 0;
    if (*class == '\0' || *size == '\0') {
        finding_add(view->status, "NotValid", CONDITION_CRITICAL, "TempStorage",
                    "set both conversionTempStorageClass and conversionTempStorageSize, or none",
                    "the conversion's temporary storage has no %s",
                    *class == '\0' ? "class" : "size");
        return 0;
    }
    if (quantity_parse_bytes(size, &bytes, &failure) == -1 || bytes == 0)
        finding_add(view->status, "NotValid", CONDITION_CRITICAL, "TempStorageSize",
                    "write it as 10Gi", "\"%s\" is no size of temporary storage", size);
    if (kube_get(view->room->client, &KIND_STORAGE_CLASS, NULL, class, &found, err) == -1)
        return -1;
    if (found == NULL)
        finding_add(view->status, "NotValid", CONDITION_CRITICAL, "TempStorageClass",
                    "create it, or correct spec.conversionTempStorageClass",
                    "there is no storage class \"%s\"", class);
    return 0;
}

static int check_pod_security(struct plan_view *view, struct error **err)
{
    json_auto_t *ns = NULL;

    if (kube_get(view->room->client, &KIND_NAMESPACE, NULL, view->room->main_namespace, &ns, err) ==
        -1)
        return -1;
    if (str_eq(meta_label(ns, POD_SECURITY_LABEL), "restricted"))
        finding_add(view->status, "RestrictedPodSecurity", CONDITION_WARN, "NotValid",
                    "use privileged or baseline there",
                    "namespace \"%s\" enforces pod security \"restricted\"; conversions may fail",
                    view->room->main_namespace);
    return 0;
}

int plan_check_target(struct plan_view *view, struct error **err)
{
    check_networks(view);
    return check_temp_storage(view, err) == -1 || check_pod_security(view, err) == -1 ? -1 : 0;
}
