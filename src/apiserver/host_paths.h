/* Who may name files of this machine in an object: doc/design/sandbox.md, "Host paths".
 *
 * May use: base, data, kube.  Threads: as the call.
 */
#pragma once

#include "data/obj.h"

struct call;

/* Refuses (403) an OBJECT that names a path of this machine, OLD (NULL on create) did not name
 * it, and its author has not the right to. */
int host_paths_check(struct call *call, const json_t *object, const json_t *old);
