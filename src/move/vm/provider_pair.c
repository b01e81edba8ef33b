#include "move/vm/provider_pair.h"

#include "base/text.h"
#include "data/obj.h"
#include "kube/kinds.h"

#include <stdlib.h>
#include <string.h>

bool provider_is_host(const json_t *provider)
{
    return str_eq(obj_str(provider, "spec.type", NULL), "openshift") &&
           str_is_empty(obj_str(provider, "spec.url", NULL));
}

/* The message of the first condition that keeps PROVIDER from being ready, or NULL. */
static const char *find_trouble(const json_t *provider)
{
    const json_t *conditions = obj_arr(provider, "status.conditions");

    for (size_t i = 0; i < json_array_size(conditions); i++) {
        const json_t *condition = json_array_get(conditions, i);
        if (str_eq(obj_str(condition, "category", ""), "Critical") &&
            str_eq(obj_str(condition, "status", ""), "True"))
            return obj_str(condition, "message", NULL);
    }
    return NULL;
}

/* One side.  ROLE is "Source" or "Destination". */
static int load_side(struct room *room, const json_t *reference, json_t *status, const char *role,
                     json_t **out, struct error **err)
{
    bool source = str_eq(role, "Source");
    const char *word = source ? "source" : "destination";
    const char *not_valid = source ? "SourceProviderNotValid" : "DestinationProviderNotValid";
    const char *not_ready = source ? "SourceProviderNotReady" : "DestinationProviderNotReady";
    json_auto_t *provider = NULL;
    CLEANUP(str) char *key = reference_key(reference);

    if (!reference_is_set(reference)) {
        finding_add(status, not_valid, CONDITION_CRITICAL, "NotSet",
                    "name a Provider by namespace and name", "no %s provider is named", word);
        return 0;
    }
    if (reference_get(room, &KIND_PROVIDER, reference, &provider, err) == -1)
        return -1;
    if (provider == NULL) {
        finding_add(status, not_valid, CONDITION_CRITICAL, "NotFound",
                    "create it, or correct spec.provider", "there is no %s provider \"%s\"", word,
                    key);
        return 0;
    }
    const char *type = obj_str(provider, "spec.type", "");
    if (!source && !str_eq(type, "openshift")) {
        finding_add(status, not_valid, CONDITION_CRITICAL, "TypeNotValid",
                    "a destination is a provider of type openshift",
                    "destination provider \"%s\" is of type \"%s\"", key, type);
        return 0;
    }
    if (!source && !provider_is_host(provider)) {
        finding_add(status, not_valid, CONDITION_CRITICAL, "TypeNotValid",
                    "use the host provider: type openshift without a url",
                    "destination provider \"%s\" is another cluster, which this version cannot "
                    "move to",
                    key);
        return 0;
    }
    if (!object_is_ready(provider)) {
        const char *why = find_trouble(provider);
        finding_add(status, not_ready, CONDITION_CRITICAL, "NotReady",
                    "its conditions tell why: kubectl describe provider",
                    "%s provider \"%s\" is not ready%s%s", word, key, why != NULL ? ": " : "",
                    why != NULL ? why : "");
    }
    *out = json_incref(provider);
    return 0;
}

int provider_pair_load(struct room *room, const json_t *spec, json_t *status,
                       struct provider_pair *pair, struct error **err)
{
    memset(pair, 0, sizeof(*pair));
    if (load_side(room, obj_at(spec, "provider.source"), status, "Source", &pair->source, err) ==
        -1)
        return -1;
    return load_side(room, obj_at(spec, "provider.destination"), status, "Destination",
                     &pair->destination, err);
}

void provider_pair_reset(struct provider_pair *pair)
{
    json_decref(pair->source);
    json_decref(pair->destination);
    memset(pair, 0, sizeof(*pair));
}
