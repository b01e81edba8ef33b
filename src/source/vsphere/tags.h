/* Tags of a vCenter's machines, which only its REST API tells.
 *
 * May use: base, data, net.  Threads: one at a time.
 */
#pragma once

#include "base/cleanup.h"
#include "data/obj.h"

struct cancel;
struct error;
struct vsphere_source;

enum {
    VSPHERE_MAX_TAGS = 10000,
    VSPHERE_TAGS_TIMEOUT_MS = 60 * 1000, /* of one request */
};

/* Reads the tags that machines have: *BY_VM, owned, is an object of the machines' ids to arrays of
 * {id, description, name, categoryID, usedBy}, in the order of their names.  ERROR_UNSUPPORTED if
 * the server has no such API. */
int vsphere_tags_read(struct vsphere_source *vsphere, struct cancel *cancel, json_t **by_vm,
                      struct error **err);
