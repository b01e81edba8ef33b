/* What the server does beyond storing, kind by kind: definitions that become served, namespaces that
 * end, rights that nobody may give away without having them.
 *
 * May use: base, data, net, kube.  Threads: as the call.
 */
#pragma once

#include "apiserver/call.h"

struct cause_list;

/* Before validation: completes OBJECT (OLD NULL on create).  Adds causes (422), or fails itself. */
int hook_before_write(struct call *call, json_t *object, const json_t *old,
                      struct cause_list *causes);

/* After OBJECT was stored, or removed (then IS_REMOVED). */
void hook_after_write(struct call *call, const json_t *object, bool is_removed);
