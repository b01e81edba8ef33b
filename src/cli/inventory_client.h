/* The inventory as its REST service shows it, over the API server's port.
 *
 * May use: base, data, kube, inventory.  Threads: main only.
 */
#pragma once

#include "data/obj.h"

struct error;
struct kube_client;

/* The Provider NAME, which may be written NAMESPACE/NAME; NS is where to look otherwise.  None of
 * that name is ERROR_NOT_FOUND.  Owned by the caller. */
int inventory_client_provider(struct kube_client *client, const char *ns, const char *name,
                              json_t **provider, struct error **err);

/* All of a provider's COLLECTION ("vms"), in full; machines with the further fields of
 * inventory/vm_fields.h.  A new array.  ERROR_UNAVAILABLE while the inventory is being loaded. */
int inventory_client_list(struct kube_client *client, const json_t *provider,
                          const char *collection, json_t **rows, struct error **err);

/* A VM with its host and cluster, as validation sees it.  VM is an id, else a name, which several
 * machines must not share. */
int inventory_client_workload(struct kube_client *client, const json_t *provider, const char *vm,
                              json_t **workload, struct error **err);

/* All providers of NS (NULL: every namespace) that the inventory knows, with counts. */
int inventory_client_providers(struct kube_client *client, const char *ns, json_t **rows,
                               struct error **err);
