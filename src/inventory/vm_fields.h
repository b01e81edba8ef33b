/* Fields that queries and tables know of a VM beside those of the inventory: made from what each
 * provider has, under the names of kubectl-mtv.
 *
 * criticalConcerns, warningConcerns, infoConcerns (numbers), concernsHuman ("c/w/i", with " (*)"
 * behind it if any is critical), memoryGB, diskCapacity, storageUsedGB (texts), powerStateHuman,
 * cpuCount, guestId, provider.
 *
 * May use: base, data.  Threads: pure functions.
 */
#pragma once

#include "data/obj.h"

/* Puts them on VM, which is changed in place and belongs to the caller; what is there already
 * stays.  PROVIDER may be NULL. */
void vm_fields_add(json_t *vm, const char *provider);
