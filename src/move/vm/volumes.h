/* The PersistentVolumeClaims of a VM's disks, and how pods mount them.
 *
 * May use: base, data, kube.  Threads: no shared state.
 */
#pragma once

#include "move/vm/vm_run.h"

/* The claims made for the VM in this migration, one for each disk in their order; NULL elements
 * where a disk has none.  A new array of references. */
int volumes_list(struct vm_run *run, json_t **claims, struct error **err);

/* Makes the claims that are not there yet. */
int volumes_create_missing(struct vm_run *run, struct error **err);

/* True if the claim is of mode Block. */
bool volume_is_block(const json_t *claim);

/* Adds CLAIM to a pod's spec under NAME: as a file system at PATH, or as the device PATH.  The
 * container is the pod's first. */
void volume_add_to_pod(json_t *pod_spec, const json_t *claim, const char *name, const char *path);

/* Where a program finds the disk that was added at PATH: "PATH/disk.img", or PATH.  Owned. */
char *volume_disk_path(const json_t *claim, const char *path);

/* Bytes of a claim's disk: the capacity rounded up to whole MiB. */
uint64_t volume_size(uint64_t capacity_bytes);
