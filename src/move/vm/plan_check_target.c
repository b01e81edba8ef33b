#include "move/vm/plan_check_target.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "data/obj.h"
#include "kube/kinds.h"
#include "kube/meta.h"
#include "kube/quantity.h"

#include <string.h>

#define UDN_LABEL          "k8s.ovn.org/user-defined-network"
#define POD_SECURITY_LABEL "pod-security.kubernetes.io/enforce"

/* The user-defined networks of the target namespace. */
struct udn {
    bool has_primary;
    bool has_layer3;
};

static void look_at_nad(const json_t *nad, struct udn *udn)
{
    const char *text = obj_str(nad, "spec.config", "");
    CLEANUP(error) struct error *ignored = NULL; /* somebody else's; it says nothing to us then */
    json_auto_t *config = obj_parse(text, strlen(text), &ignored);

    udn->has_primary = udn->has_primary || str_eq(obj_str(config, "role", ""), "primary");
    udn->has_layer3 = udn->has_layer3 || str_eq(obj_str(config, "topology", ""), "layer3");
}

static int find_udn(struct plan_view *view, struct udn *udn, struct error **err)
{
    const char *ns = obj_str(view->plan, "spec.targetNamespace", "");
    CLEANUP(error) struct error *failure = NULL;
    json_auto_t *nads = NULL;

    if (kube_list(view->room->client, &KIND_NETWORK_ATTACHMENT, ns,
                  &(struct kube_list_options){.label_selector = UDN_LABEL}, &nads,
                  &failure) == -1) {
        if (failure->code == ERROR_NOT_FOUND)
            return 0; /* a cluster without such networks */
        *err = steal(&failure);
        return -1;
    }
    for (size_t i = 0; i < json_array_size(nads); i++)
        look_at_nad(json_array_get(nads, i), udn);
    return 0;
}

static bool has_pod_destination(const struct plan_view *view)
{
    for (size_t i = 0; i < view->networks.pairs.len; i++)
        if (str_eq(obj_str(view->networks.pairs.ptr[i].destination, "type", ""), "pod"))
            return true;
    return false;
}

static int check_networks(struct plan_view *view, struct error **err)
{
    const char *ns = obj_str(view->plan, "spec.targetNamespace", "");
    struct udn udn = {0};

    if (find_udn(view, &udn, err) == -1)
        return -1;
    if (udn.has_layer3)
        finding_add(view->status, "UnsupportedUserDefinedNetwork", CONDITION_CRITICAL,
                    "NotSupported", "use a network of topology layer2",
                    "namespace \"%s\" has a user-defined network of topology layer3", ns);
    if (obj_bool(view->plan, "spec.preserveStaticIPs", false) && plan_view_converts(view) &&
        str_eq(view->provider_type, "vsphere") && has_pod_destination(view) && !udn.has_primary)
        finding_add(view->status, "NetMapPreservingIPsOnPodNetwork", CONDITION_WARN, "NotValid",
                    "map the networks to multus, or set spec.preserveStaticIPs to false",
                    "guests are to keep their addresses, which the pod network does not route");
    return 0;
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
    return check_networks(view, err) == -1 || check_temp_storage(view, err) == -1 ||
                   check_pod_security(view, err) == -1
               ? -1
               : 0;
}
