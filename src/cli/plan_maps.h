/* The maps of a plan that is made by a command: from pairs that the user wrote, or by themselves.
 *
 * May use: base, data, kube.  Threads: main only.
 */
#pragma once

#include "data/obj.h"

struct error;
struct kube_client;

struct plan_maps_options {
    const char *pairs;          /* --network-pairs or --storage-pairs, or NULL */
    const char *default_target; /* a network or a storage class, or NULL */
    const char *ns;             /* of the maps */
};

/* Pairs for a NetworkMap's spec.map: those written, else one for each network of VMS (rows of
 * PROVIDER's inventory) in their order, the first of which goes to the default target ("default",
 * the pod network, if none is given) and the others nowhere. */
int plan_maps_networks(struct kube_client *client, const json_t *provider, const json_t *vms,
                       const struct plan_maps_options *options, json_t **pairs, struct error **err);

/* The same for a StorageMap: each storage of VMS goes to the default class, which is the one given,
 * else the cluster's for machines, else the cluster's. */
int plan_maps_storage(struct kube_client *client, const json_t *provider, const json_t *vms,
                      const struct plan_maps_options *options, json_t **pairs, struct error **err);
