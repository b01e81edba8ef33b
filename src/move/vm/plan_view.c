#include "move/vm/plan_view.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "data/obj.h"
#include "inventory/inventory.h"
#include "kube/kinds.h"
#include "kube/meta.h"
#include "kube/names.h"

#include <string.h>

static void check_namespace(const json_t *plan, json_t *status)
{
    const char *ns = obj_str(plan, "spec.targetNamespace", "");

    if (ns[0] == '\0')
        finding_add(status, "NamespaceNotValid", CONDITION_CRITICAL, "NotSet",
                    "set spec.targetNamespace", "the plan names no target namespace");
    else if (!name_is_label(ns, strlen(ns)))
        finding_add(status, "NamespaceNotValid", CONDITION_CRITICAL, "NotValid",
                    "use letters of lower case, digits and '-'",
                    "target namespace \"%s\" is no valid name", ns);
}

struct map_words {
    enum mapping_kind kind;
    const struct kube_kind *object;
    const char *path, *not_valid, *not_ready, *noun;
};

static int load_map(struct plan_view *view, const struct map_words *words, json_t **map,
                    struct mapping *mapping, struct error **err)
{
    const json_t *reference = obj_at(view->plan, words->path);
    CLEANUP(str) char *key = reference_key(reference);

    if (!reference_is_set(reference)) {
        finding_add(view->status, words->not_valid, CONDITION_CRITICAL, "NotSet",
                    "name it by namespace and name in spec.map", "the plan names no %s map",
                    words->noun);
        return 0;
    }
    if (reference_get(view->room, words->object, reference, map, err) == -1)
        return -1;
    if (*map == NULL) {
        finding_add(view->status, words->not_valid, CONDITION_CRITICAL, "NotFound",
                    "create it, or correct spec.map", "there is no %s map \"%s\"", words->noun,
                    key);
        return 0;
    }
    if (!object_is_ready(*map))
        finding_add(view->status, words->not_ready, CONDITION_CRITICAL, "NotReady",
                    "its conditions tell why: kubectl describe", "%s map \"%s\" is not ready",
                    words->noun, key);
    if (view->providers.source == NULL)
        return 0;
    return mapping_load(view->room, words->kind, *map, view->providers.source, mapping, err);
}

static int load_maps(struct plan_view *view, struct error **err)
{
    static const struct map_words network = {
        MAPPING_NETWORK,         &KIND_NETWORK_MAP,    "spec.map.network",
        "NetworkMapRefNotValid", "NetworkMapNotReady", "network"};
    static const struct map_words storage = {MAPPING_STORAGE,      &KIND_STORAGE_MAP,
                                             "spec.map.storage",   "StorageRefNotValid",
                                             "StorageMapNotReady", "storage"};

    if (load_map(view, &network, &view->network_map, &view->networks, err) == -1)
        return -1;
    if (str_eq(obj_str(view->plan, "spec.type", ""), "conversion"))
        return 0;
    return load_map(view, &storage, &view->storage_map, &view->storages, err);
}

int plan_view_load(struct room *room, const json_t *plan, json_t *status, struct plan_view *view,
                   struct error **err)
{
    memset(view, 0, sizeof(*view));
    view->room = room;
    view->plan = plan;
    view->status = status;
    if (settings_load(room, &view->settings, err) == -1 ||
        provider_pair_load(room, obj_at(plan, "spec"), status, &view->providers, err) == -1)
        return -1;
    view->provider_ns = meta_ns(view->providers.source);
    view->provider_name = meta_name(view->providers.source);
    view->provider_type = obj_str(view->providers.source, "spec.type", "");
    check_namespace(plan, status);
    if (load_maps(view, err) == -1 ||
        udn_load(room, obj_str(plan, "spec.targetNamespace", ""), &view->udn, err) == -1)
        return -1;
    if (view->providers.source != NULL)
        view->source = inventory_get_source(room->inventory, view->provider_ns,
                                            view->provider_name, &view->ops);
    return 0;
}

void plan_view_reset(struct plan_view *view)
{
    if (view->source != NULL)
        inventory_put_source(view->room->inventory, view->source);
    mapping_reset(&view->networks);
    mapping_reset(&view->storages);
    json_decref(view->network_map);
    json_decref(view->storage_map);
    provider_pair_reset(&view->providers);
    settings_reset(&view->settings);
    udn_reset(&view->udn);
    memset(view, 0, sizeof(*view));
}

int plan_view_find_vm(struct plan_view *view, const json_t *ref, enum mapping_lookup *lookup,
                      json_t **out, struct error **err)
{
    const char *id = obj_str(ref, "id", NULL);
    const char *name = obj_str(ref, "name", NULL);
    CLEANUP(error) struct error *failure = NULL;
    CLEANUP(str) char *qualified = NULL;

    if (str_is_empty(id) && str_is_empty(name)) {
        *lookup = MAPPING_NOT_SET;
        return 0;
    }
    if (!str_is_empty(name) && !str_is_empty(obj_str(ref, "namespace", NULL)))
        name = qualified = xasprintf("%s/%s", obj_str(ref, "namespace", ""), name);
    if (inventory_find(view->room->inventory, view->provider_ns, view->provider_name, "VM",
                       str_is_empty(id) ? NULL : id, str_is_empty(name) ? NULL : name, out,
                       &failure) == -1) {
        *lookup = MAPPING_AMBIGUOUS;
        if (failure->code == ERROR_INVALID)
            return 0;
        *err = steal(&failure);
        return -1;
    }
    *lookup = *out != NULL ? MAPPING_FOUND : MAPPING_NOT_FOUND;
    return 0;
}

bool plan_view_converts(const struct plan_view *view)
{
    return view->ops != NULL && view->ops->needs_conversion &&
           !obj_bool(view->plan, "spec.skipGuestConversion", false);
}

bool plan_view_keeps_udn_addresses(const struct plan_view *view)
{
    return view->udn.has_primary && view->settings.static_udn &&
           obj_bool(view->plan, "spec.preserveStaticIPs", false);
}

const char *plan_view_service_account(const struct plan_view *view)
{
    const char *name = obj_str(view->plan, "spec.serviceAccount", NULL);

    return str_is_empty(name) ? view->settings.migration_service_account : name;
}

bool plan_view_is_warm(const struct plan_view *view)
{
    return str_eq(obj_str(view->plan, "spec.type", ""), "warm") ||
           obj_bool(view->plan, "spec.warm", false);
}
