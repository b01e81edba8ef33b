/* Ways to the bytes of a disk, for access.c, which chooses among them.
 *
 * May use: base, data, net.  Threads: as source.h says.
 */
#pragma once

#include "base/cleanup.h"
#include "data/obj.h"

struct error;
struct vim;

/* The URL of the flat file behind FILE, "[datastore] dir/x.vmdk", at the server's /folder.  *URI is
 * owned by the caller. */
int vsphere_folder_uri(struct vim *vim, const char *vm_id, const char *file, char **uri,
                       struct error **err);

/* The same file at the host BASE ("https://10.0.0.7"); *URI is replaced. */
int vsphere_folder_reroute(const char *base, char **uri, struct error **err);

/* A machine as a host itself knows it: ids are the server's own.  Owned texts. */
struct vsphere_place {
    char *machine, *snapshot; /* or NULL */
    char *thumbprint;         /* SHA-1, of the certificate that the host showed; or NULL */
};

void vsphere_place_reset(struct vsphere_place *place);

/* Logs in to the host BASE with SECRET's keys and finds the machine VM_ID of the vCenter VIM, and in
 * it SNAPSHOT (or NULL). */
int vsphere_find_on_host(struct vim *vim, const char *vm_id, const char *snapshot,
                         const char *base, const json_t *secret, const char *thumbprint,
                         struct vsphere_place *place, struct error **err);
