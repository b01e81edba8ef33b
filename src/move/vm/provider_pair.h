/* The two providers that a map or a plan names, checked.
 *
 * May use: base, data, kube.  Threads: no shared state.
 */
#pragma once

#include "base/cleanup.h"
#include "move/vm/room.h"

struct provider_pair {
    json_t *source;      /* or NULL */
    json_t *destination; /* or NULL */
};

/* Loads the providers of SPEC's provider.source and provider.destination and stages what is wrong
 * with them: SourceProviderNotValid, SourceProviderNotReady and the same for the destination. */
int provider_pair_load(struct room *room, const json_t *spec, json_t *status,
                       struct provider_pair *pair, struct error **err);
void provider_pair_reset(struct provider_pair *pair);

/* True for an openshift provider without a URL: the cluster we are in. */
bool provider_is_host(const json_t *provider);

DEFINE_CLEANUP_IN_PLACE(provider_pair, struct provider_pair, provider_pair_reset)
