/* What the account may not do that a migration needs.
 *
 * May use: base, data, net.  Threads: any.
 */
#pragma once

#include "base/vector.h"

struct cancel;
struct error;
struct source;

/* source_ops.list_missing: pushes the ids of privileges that the account does not have at the root
 * of the inventory.  A single host is not asked: its accounts are all or nothing. */
int vsphere_list_missing(struct source *source, struct str_list *missing, struct cancel *cancel,
                         struct error **err);
