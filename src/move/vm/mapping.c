#include "move/vm/mapping.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "data/obj.h"
#include "inventory/inventory.h"
#include "source/machine.h"

#include <stdlib.h>
#include <string.h>

/* The kinds of a provider's inventory that networks or storages can be. */
static const char *const *model_kinds(enum mapping_kind kind, const char *type)
{
    static const char *const networks[] = {"Network", NULL};
    static const char *const nads[] = {"NetworkAttachmentDefinition", NULL};
    static const char *const storages[] = {"Storage", NULL};
    static const char *const datastores[] = {"Datastore", NULL};
    static const char *const domains[] = {"StorageDomain", NULL};
    static const char *const volume_types[] = {"VolumeType", NULL};
    static const char *const classes[] = {"StorageClass", NULL};

    if (kind == MAPPING_NETWORK)
        return str_eq(type, "openshift") ? nads : networks;
    if (str_eq(type, "vsphere"))
        return datastores;
    if (str_eq(type, "ovirt"))
        return domains;
    if (str_eq(type, "openstack"))
        return volume_types;
    return str_eq(type, "openshift") ? classes : storages;
}

/* The pod network and the image store are known by their type alone. */
static bool is_by_type(const json_t *source)
{
    const char *type = obj_str(source, "type", "");

    return str_eq(type, "pod") || str_eq(type, "glance");
}

int mapping_find_source(struct room *room, enum mapping_kind kind, const json_t *provider,
                        const json_t *source, enum mapping_lookup *lookup, json_t **out,
                        struct error **err)
{
    const char *id = obj_str(source, "id", NULL);
    const char *name = obj_str(source, "name", NULL);
    const char *const *kinds = model_kinds(kind, obj_str(provider, "spec.type", ""));
    CLEANUP(str) char *qualified = NULL;

    *lookup = MAPPING_NOT_FOUND;
    if (is_by_type(source)) {
        *out = obj_pack("{s:s, s:s}", "id", obj_str(source, "type", ""), "type",
                        obj_str(source, "type", ""));
        *lookup = MAPPING_FOUND;
        return 0;
    }
    if (str_is_empty(id) && str_is_empty(name)) {
        *lookup = MAPPING_NOT_SET;
        return 0;
    }
    if (!str_is_empty(name) && !str_is_empty(obj_str(source, "namespace", NULL)))
        name = qualified = xasprintf("%s/%s", obj_str(source, "namespace", ""), name);
    for (; *kinds != NULL && *out == NULL; kinds++) {
        CLEANUP(error) struct error *failure = NULL;
        if (inventory_find(room->inventory, obj_str(provider, "metadata.namespace", ""),
                           obj_str(provider, "metadata.name", ""), *kinds, id, name, out,
                           &failure) == 0)
            continue;
        if (failure->code == ERROR_INVALID) {
            *lookup = MAPPING_AMBIGUOUS;
            return 0;
        }
        *err = steal(&failure);
        return -1;
    }
    if (*out != NULL)
        *lookup = MAPPING_FOUND;
    return 0;
}

int mapping_load(struct room *room, enum mapping_kind kind, const json_t *map,
                 const json_t *provider, struct mapping *mapping, struct error **err)
{
    const json_t *pairs = obj_arr(map, "spec.map");

    memset(mapping, 0, sizeof(*mapping));
    for (size_t i = 0; i < json_array_size(pairs); i++) {
        const json_t *pair = json_array_get(pairs, i);
        json_auto_t *source = NULL;
        enum mapping_lookup lookup;

        if (mapping_find_source(room, kind, provider, obj_at(pair, "source"), &lookup, &source,
                                err) == -1) {
            mapping_reset(mapping);
            return -1;
        }
        mapping_pair_list_push(
            &mapping->pairs,
            (struct mapping_pair){
                .source_id = source != NULL ? xstrdup(obj_str(source, "id", "")) : NULL,
                .destination = obj_at(pair, "destination"),
            });
    }
    return 0;
}

void mapping_reset(struct mapping *mapping)
{
    for (size_t i = 0; i < mapping->pairs.len; i++)
        free(mapping->pairs.ptr[i].source_id);
    mapping_pair_list_reset(&mapping->pairs);
}

static const struct mapping_pair *find_pair(const struct mapping *mapping, const char *id)
{
    for (size_t i = 0; id != NULL && i < mapping->pairs.len; i++)
        if (str_eq(mapping->pairs.ptr[i].source_id, id))
            return &mapping->pairs.ptr[i];
    return NULL;
}

const json_t *mapping_find_storage(const struct mapping *mapping, const struct machine_disk *disk)
{
    const struct mapping_pair *pair = find_pair(mapping, disk->storage_id);

    if (pair == NULL)
        pair = find_pair(mapping, disk->storage_group_id);
    return pair != NULL ? pair->destination : NULL;
}

bool mapping_has_network(const struct mapping *mapping, const struct machine_nic *nic)
{
    return find_pair(mapping, nic->network_id) != NULL;
}

const json_t *mapping_take_network(struct mapping *mapping, const struct machine_nic *nic)
{
    struct mapping_pair *first = NULL, *unused = NULL;
    size_t count = 0;

    for (size_t i = 0; nic->network_id != NULL && i < mapping->pairs.len; i++) {
        struct mapping_pair *pair = &mapping->pairs.ptr[i];
        if (!str_eq(pair->source_id, nic->network_id))
            continue;
        if (!str_eq(obj_str(pair->destination, "type", ""), "multus"))
            return pair->destination;
        count++;
        if (first == NULL)
            first = pair;
        if (unused == NULL && !pair->used)
            unused = pair;
    }
    if (count == 1)
        return first->destination;
    if (unused == NULL)
        return NULL;
    unused->used = true;
    return unused->destination;
}

void mapping_release(struct mapping *mapping)
{
    for (size_t i = 0; i < mapping->pairs.len; i++)
        mapping->pairs.ptr[i].used = false;
}
