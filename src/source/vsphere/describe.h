/* Turns an inventory VM of vSphere into the neutral description.
 *
 * May use: base, data.  Threads: no shared state.
 */
#pragma once

#include "data/obj.h"

struct error;
struct machine;

/* RESOLVE gives the id of the Network object for the id in a NIC, owned by us. */
int vsphere_describe_vm(const json_t *vm, char *(*resolve)(void *arg, const char *id), void *arg,
                        struct machine **out, struct error **err);
