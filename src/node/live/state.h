/* What a VirtualMachineInstance's own fields say about a live migration, for those who run instances.
 *
 * May use: base, data, kube.  Threads: pure functions.
 */
#pragma once

#include "data/obj.h"

#include <stdbool.h>

/* KubeVirt's names. */
#define LIVE_RECEIVER_ANNOTATION "kubevirt.io/create-migration-target"
#define LIVE_STRATEGY_ANNOTATION "kubevirt.io/restore-run-strategy"
#define LIVE_RECEIVER_STRATEGY   "WaitAsReceiver"
#define LIVE_RECEIVER_PHASE      "WaitingForSync"

/* It waits for a machine of another home and is not to be started. */
bool live_is_receiver(const json_t *vmi);

/* It is on its way: its machine belongs to the migration until that is decided. */
bool live_is_leaving(const json_t *vmi);

/* It runs in another home now, and must not be replaced by a new one here. */
bool live_has_left(const json_t *vmi);
