#include "move/vm/maps.h"

#include "base/mem.h"
#include "base/text.h"
#include "data/obj.h"
#include "kube/kinds.h"
#include "move/vm/mapping.h"
#include "move/vm/provider_pair.h"

#include <stdlib.h>

enum { RETRY_MS = 10 * 1000 /* while something is missing that no watch tells of */ };

/* What is said of a kind of map. */
struct map_words {
    enum mapping_kind kind;
    const struct kube_kind *object;
    const char *source_finding, *noun;
    int (*check_destination)(struct room *room, const json_t *pair, json_t *status,
                             struct error **err);
};

/* "id" or "name" as the user wrote it. */
static const char *source_text(const json_t *source)
{
    const char *id = obj_str(source, "id", NULL);

    return str_is_empty(id) ? obj_str(source, "name", "") : id;
}

static int check_nad(struct room *room, const json_t *pair, json_t *status, struct error **err)
{
    const json_t *destination = obj_at(pair, "destination");
    const char *name = obj_str(destination, "name", "");
    const char *ns = obj_str(destination, "namespace", "");
    json_auto_t *nad = NULL;

    if (!str_eq(obj_str(destination, "type", ""), "multus"))
        return 0;
    if (ns[0] == '\0' || name[0] == '\0') {
        finding_add_item(status, "DestinationNetworkNotValid", CONDITION_CRITICAL, "Ambiguous",
                         "give both the namespace and the name of the NetworkAttachmentDefinition",
                         "destination networks of type multus are not named in full", name);
        return 0;
    }
    if (kube_get(room->client, &KIND_NETWORK_ATTACHMENT, ns, name, &nad, err) == -1)
        return -1;
    if (nad == NULL) {
        CLEANUP(str) char *item = xasprintf("%s/%s", ns, name);
        finding_add_item(status, "DestinationNetworkNotValid", CONDITION_CRITICAL, "NotFound",
                         "create the NetworkAttachmentDefinition, or correct the map",
                         "destination networks do not exist", item);
    }
    return 0;
}

static int check_class(struct room *room, const json_t *pair, json_t *status, struct error **err)
{
    const char *name = obj_str(pair, "destination.storageClass", "");
    json_auto_t *class = NULL;

    if (name[0] != '\0' &&
        kube_get(room->client, &KIND_STORAGE_CLASS, NULL, name, &class, err) == -1)
        return -1;
    if (class == NULL)
        finding_add_item(status, "DestinationStorageNotValid", CONDITION_CRITICAL, "NotFound",
                         "kubectl get storageclass lists those there are",
                         "destination storage classes do not exist", name);
    return 0;
}

static int check_source(struct room *room, const struct map_words *words, const json_t *provider,
                        const json_t *source, json_t *status, json_t *references,
                        struct error **err)
{
    json_auto_t *found = NULL;
    enum mapping_lookup lookup;

    if (mapping_find_source(room, words->kind, provider, source, &lookup, &found, err) == -1)
        return -1;
    CLEANUP(str) char *missing = xasprintf("source %ss are not in the inventory", words->noun);
    CLEANUP(str) char *several = xasprintf("names fit several source %ss", words->noun);
    CLEANUP(str) char *unnamed = xasprintf("pairs name no source %s", words->noun);
    switch (lookup) {
    case MAPPING_NOT_SET:
        finding_add_item(status, words->source_finding, CONDITION_CRITICAL, "NotSet",
                         "give each pair's source an id or a name", unnamed, "");
        break;
    case MAPPING_AMBIGUOUS:
        finding_add_item(status, words->source_finding, CONDITION_CRITICAL, "Ambiguous",
                         "use the id instead of the name", several, source_text(source));
        break;
    case MAPPING_NOT_FOUND:
        finding_add_item(status, words->source_finding, CONDITION_WARN, "NotFound",
                         "correct the map, or wait until the source has them", missing,
                         source_text(source));
        break;
    case MAPPING_FOUND: {
        json_t *reference = obj_pack("{s:s}", "id", obj_str(found, "id", ""));
        obj_put_str(reference, "name", obj_str(found, "name", NULL));
        obj_put_str(reference, "namespace", obj_str(found, "namespace", NULL));
        obj_put_str(reference, "type", obj_str(source, "type", NULL));
        json_array_append_new(references, reference);
        break;
    }
    }
    return 0;
}

static int check_pairs(struct room *room, const struct map_words *words,
                       const struct provider_pair *providers, struct edit *edit,
                       struct error **err)
{
    const json_t *pairs = obj_arr(edit->object, "spec.map");
    json_auto_t *references = json_array();

    for (size_t i = 0; i < json_array_size(pairs); i++) {
        const json_t *pair = json_array_get(pairs, i);
        if (check_source(room, words, providers->source, obj_at(pair, "source"), edit->status,
                         references, err) == -1 ||
            words->check_destination(room, pair, edit->status, err) == -1)
            return -1;
    }
    obj_take(edit->status, "references", json_incref(references));
    return 0;
}

static int reconcile(struct room *room, const struct map_words *words, const char *ns,
                     const char *name, struct reconcile_result *result, struct error **err)
{
    CLEANUP(edit) struct edit edit = {0};
    CLEANUP(provider_pair) struct provider_pair providers = {0};

    if (edit_open(room, words->object, ns, name, &edit, err) == -1)
        return -1;
    if (edit.object == NULL || object_is_deleted(edit.object))
        return 0;
    conditions_begin(edit.status);
    if (provider_pair_load(room, obj_at(edit.object, "spec"), edit.status, &providers, err) == -1)
        return -1;
    if (!conditions_is_blocked(edit.status) &&
        check_pairs(room, words, &providers, &edit, err) == -1)
        return -1;
    if (!conditions_is_blocked(edit.status))
        finding_add(edit.status, "Ready", CONDITION_REQUIRED, "Ready", NULL, "the map is ready");
    conditions_end(edit.status);
    if (json_array_size(obj_arr(edit.status, "conditions")) != 1 ||
        !conditions_is_true(edit.status, "Ready"))
        result->again_after_ms = RETRY_MS;
    return edit_save(room, &edit, err);
}

int network_map_reconcile(void *arg, const char *ns, const char *name, struct cancel *cancel,
                          struct reconcile_result *result, struct error **err)
{
    static const struct map_words words = {MAPPING_NETWORK,
                                           &KIND_NETWORK_MAP,
                                           "SourceNetworkNotValid",
                                           "network",
                                           check_nad};

    return reconcile(arg, &words, ns, name, result, err);
}

int storage_map_reconcile(void *arg, const char *ns, const char *name, struct cancel *cancel,
                          struct reconcile_result *result, struct error **err)
{
    static const struct map_words words = {MAPPING_STORAGE,
                                           &KIND_STORAGE_MAP,
                                           "SourceStorageNotValid",
                                           "storage",
                                           check_class};

    return reconcile(arg, &words, ns, name, result, err);
}
