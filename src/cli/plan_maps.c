#include "cli/plan_maps.h"

#include "base/array.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "cli/comma_list.h"
#include "cli/inventory_client.h"
#include "kube/client.h"
#include "kube/kinds.h"
#include "kube/meta.h"

#include <stdlib.h>
#include <string.h>

/* What a type of provider calls its networks and its storage. */
static const struct kind_of_source {
    const char *type, *networks, *storage;
} kinds[] = {
    {"vsphere", "networks", "datastores"},
    {"ova", "networks", "storages"},
    {"openshift", "networkattachmentdefinitions", "storageclasses"},
};

static const struct kind_of_source *find_kind(const json_t *provider, struct error **err)
{
    const char *type = obj_str(provider, "spec.type", "");

    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
        if (str_eq(kinds[i].type, type))
            return &kinds[i];
    error_set(err, ERROR_UNSUPPORTED, "maps are not made for providers of type \"%s\"", type);
    error_hint(err, "write a NetworkMap and a StorageMap, and name them with --network-mapping and "
                    "--storage-mapping");
    return NULL;
}

/* --- destinations ------------------------------------------------------------------------------ */

/* "default", "ignored", "NAMESPACE/NAME" or "NAME" of a NetworkAttachmentDefinition. */
static json_t *network_target(const char *text, const char *ns)
{
    const char *slash = strchr(text, '/');

    if (str_eq(text, "default") || str_eq(text, "pod"))
        return obj_pack("{s:s}", "type", "pod");
    if (str_eq(text, "ignored"))
        return obj_pack("{s:s}", "type", "ignored");
    CLEANUP(str) char *own = slash != NULL ? xstrndup(text, (size_t)(slash - text)) : xstrdup(ns);
    return obj_pack("{s:s, s:s, s:s}", "type", "multus", "namespace", own, "name",
                    slash != NULL ? slash + 1 : text);
}

/* "CLASS;volumeMode=M;accessMode=M"; TEXT is taken apart. */
static json_t *storage_target(char *text, struct error **err)
{
    char *rest = comma_list_cut(text, ';');
    json_auto_t *target = obj_pack("{s:s}", "storageClass", comma_list_plain(text));

    while (rest != NULL) {
        char *option = rest;
        rest = comma_list_cut(option, ';');
        char *value = comma_list_cut(option, '=');

        if (value == NULL || (!str_eq(option, "volumeMode") && !str_eq(option, "accessMode"))) {
            error_set(err, ERROR_INVALID, "\"%s\" is nothing that a pair of storage has", option);
            error_hint(err, "write volumeMode=MODE or accessMode=MODE");
            return NULL;
        }
        json_object_set_new(target, option, json_string(comma_list_plain(value)));
    }
    return steal(&target);
}

/* --- pairs that are written -------------------------------------------------------------------- */

/* Appends a pair for each object of LIST that is called NAME or has it as its id. */
static int add_named(const json_t *list, const char *name, const json_t *target, json_t *pairs,
                     struct error **err)
{
    size_t before = json_array_size(pairs);

    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *object = json_array_get(list, i);
        const char *id = obj_str(object, "id", "");
        if (str_eq(obj_str(object, "name", ""), name) || str_eq(id, name))
            json_array_append_new(pairs, obj_pack("{s:{s:s}, s:O}", "source", "id", id,
                                                  "destination", target));
    }
    if (json_array_size(pairs) > before)
        return 0;
    return error_set(err, ERROR_NOT_FOUND, "the source has no \"%s\"", name);
}

static int add_pair(const json_t *list, char *word, const char *network_ns, json_t *pairs,
                    struct error **err)
{
    char *target_text = comma_list_cut(word, ':');

    if (target_text == NULL || *target_text == '\0')
        return error_set(err, ERROR_INVALID, "\"%s\" is no pair SOURCE:TARGET", word);
    json_auto_t *target = network_ns != NULL
                              ? network_target(comma_list_plain(target_text), network_ns)
                              : storage_target(target_text, err);
    if (target == NULL)
        return -1;
    return add_named(list, comma_list_plain(word), target, pairs, err);
}

/* NETWORK_NS is where networks are looked for; NULL: these are pairs of storage. */
static int parse_pairs(const json_t *list, const char *text, const char *network_ns,
                       json_t **pairs, struct error **err)
{
    CLEANUP(comma_list) struct str_list words = {0};
    json_auto_t *all = json_array();

    if (comma_list_parse(text, ',', &words, err) == -1)
        return -1;
    for (size_t i = 0; i < words.len; i++)
        if (add_pair(list, words.ptr[i], network_ns, all, err) == -1)
            return -1;
    *pairs = steal(&all);
    return 0;
}

/* --- pairs by themselves ----------------------------------------------------------------------- */

static bool has_source(const json_t *pairs, const char *id)
{
    for (size_t i = 0; i < json_array_size(pairs); i++)
        if (str_eq(obj_str(json_array_get(pairs, i), "source.id", ""), id))
            return true;
    return false;
}

static void add_once(json_t *pairs, const char *id, json_t *target_take)
{
    if (id[0] == '\0' || has_source(pairs, id))
        json_decref(target_take);
    else
        json_array_append_new(pairs, obj_pack("{s:{s:s}, s:o}", "source", "id", id, "destination",
                                              target_take));
}

/* A machine refers to its networks by "id"; one in an OVA holds them, with "ID". */
static const char *network_id(const json_t *network)
{
    return obj_str(network, "id", obj_str(network, "ID", ""));
}

static json_t *pair_networks(const json_t *vms, const struct plan_maps_options *options)
{
    const char *target = options->default_target != NULL ? options->default_target : "default";
    json_t *pairs = json_array();

    for (size_t i = 0; i < json_array_size(vms); i++) {
        const json_t *networks = obj_arr(json_array_get(vms, i), "networks");
        for (size_t k = 0; k < json_array_size(networks); k++)
            add_once(pairs, network_id(json_array_get(networks, k)),
                     network_target(json_array_size(pairs) == 0 ? target : "ignored",
                                    options->ns));
    }
    if (json_array_size(pairs) == 0) /* a map must not be empty */
        json_array_append_new(pairs, obj_pack("{s:{s:s}, s:{s:s}}", "source", "type", "pod",
                                              "destination", "type", "pod"));
    return pairs;
}

static bool is_default_class(const json_t *class, const char *annotation)
{
    return str_eq(meta_annotation(class, annotation), "true");
}

/* The name of the class that disks go to if nobody says another; owned. */
static char *find_class(struct kube_client *client, struct error **err)
{
    static const char *const annotations[] = {"storageclass.kubevirt.io/is-default-virt-class",
                                              "storageclass.kubernetes.io/is-default-class"};
    json_auto_t *classes = NULL;

    if (kube_list(client, &KIND_STORAGE_CLASS, NULL, NULL, &classes, err) == -1)
        return NULL;
    for (size_t k = 0; k < ARRAY_SIZE(annotations); k++)
        for (size_t i = 0; i < json_array_size(classes); i++)
            if (is_default_class(json_array_get(classes, i), annotations[k]))
                return xstrdup(meta_name(json_array_get(classes, i)));
    if (json_array_size(classes) > 0)
        return xstrdup(meta_name(json_array_get(classes, 0)));
    error_set(err, ERROR_NOT_FOUND, "the cluster has no storage class");
    return NULL;
}

/* The one storage of an OVA provider stands for all of its disks. */
static json_t *pair_ova_storage(const json_t *storage, const char *class)
{
    json_t *pairs = json_array();

    for (size_t i = 0; i < json_array_size(storage); i++) {
        const json_t *object = json_array_get(storage, i);
        if (str_starts_with(obj_str(object, "name", ""), "Dummy storage for source provider "))
            add_once(pairs, obj_str(object, "id", ""), obj_pack("{s:s}", "storageClass", class));
    }
    return pairs;
}

static json_t *pair_storage(const json_t *vms, const char *class)
{
    json_t *pairs = json_array();

    for (size_t i = 0; i < json_array_size(vms); i++) {
        const json_t *disks = obj_arr(json_array_get(vms, i), "disks");
        for (size_t k = 0; k < json_array_size(disks); k++)
            add_once(pairs, obj_str(json_array_get(disks, k), "datastore.id", ""),
                     obj_pack("{s:s}", "storageClass", class));
    }
    return pairs;
}

/* Machines of other types do not say in one place what they are on. */
static int need_pairs(const json_t *provider, const char *option, struct error **err)
{
    error_set(err, ERROR_UNSUPPORTED, "a map cannot be made by itself for a source of type \"%s\"",
              obj_str(provider, "spec.type", ""));
    return error_hint(err, "write the pairs with --%s, or name a map", option);
}

int plan_maps_networks(struct kube_client *client, const json_t *provider, const json_t *vms,
                       const struct plan_maps_options *options, json_t **pairs, struct error **err)
{
    const struct kind_of_source *kind = find_kind(provider, err);
    json_auto_t *networks = NULL;

    if (kind == NULL)
        return -1;
    if (options->pairs == NULL && str_eq(kind->type, "openshift"))
        return need_pairs(provider, "network-pairs", err);
    if (options->pairs == NULL) {
        *pairs = pair_networks(vms, options);
        return 0;
    }
    if (inventory_client_list(client, provider, kind->networks, &networks, err) == -1)
        return -1;
    if (parse_pairs(networks, options->pairs, options->ns, pairs, err) == -1)
        return error_wrap(err, "option --network-pairs");
    return 0;
}

int plan_maps_storage(struct kube_client *client, const json_t *provider, const json_t *vms,
                      const struct plan_maps_options *options, json_t **pairs, struct error **err)
{
    const struct kind_of_source *kind = find_kind(provider, err);
    json_auto_t *storage = NULL;

    if (kind == NULL)
        return -1;
    if (options->pairs == NULL && str_eq(kind->type, "openshift"))
        return need_pairs(provider, "storage-pairs", err);
    if (inventory_client_list(client, provider, kind->storage, &storage, err) == -1)
        return -1;
    if (options->pairs != NULL) {
        if (parse_pairs(storage, options->pairs, NULL, pairs, err) == -1)
            return error_wrap(err, "option --storage-pairs");
        return 0;
    }
    CLEANUP(str)
    char *class = options->default_target != NULL ? xstrdup(options->default_target)
                                                  : find_class(client, err);
    if (class == NULL)
        return -1;
    *pairs = str_eq(kind->type, "ova") ? pair_ova_storage(storage, class)
                                       : pair_storage(vms, class);
    return 0;
}
