/* The user-defined networks of a namespace, as OVN-Kubernetes has them: which of them takes the place
 * of the pod network, and what addresses it has.
 *
 * May use: base, data, kube.  Threads: one owner.
 */
#pragma once

#include "base/vector.h"
#include "move/vm/room.h"

#include <stdbool.h>

struct udn {
    bool has_primary; /* one stands for the pod network */
    bool has_layer3;  /* one has a topology that machines cannot use */
    struct str_list subnets; /* of the primary one, "10.0.0.0/16" */
};

/* Reads those of namespace NS; none where the cluster does not know such networks. */
int udn_load(struct room *room, const char *ns, struct udn *udn, struct error **err);
void udn_reset(struct udn *udn);

/* False if the network has subnets of ADDRESS' family and none has it. */
bool udn_covers(const struct udn *udn, const char *address);

/* The address in one of machine.static_ips ("MAC:ip:ADDRESS,...") that belongs to MAC, owned by the
 * caller; NULL if it is another NIC's. */
char *udn_address_of(const char *entry, const char *mac);
