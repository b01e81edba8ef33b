/* Volumes at home: claims become folders below a storage class's folder, or sparse files behind a
 * loop device for those in Block mode.
 *
 *     DIR/volumes/CLASS/pvc-UID/          a Filesystem volume; a disk in it is disk.img
 *     DIR/volumes/CLASS/pvc-UID/block.img a Block volume
 *
 * May use: base, data, kube.  Threads: all functions may be called from any thread.
 */
#pragma once

#include "base/cleanup.h"
#include "data/obj.h"

#include <stdbool.h>
#include <stdint.h>

struct agent;
struct error;
struct volumes;

/* Makes the default class ("standard") if there is no class at all, and begins to bind claims. */
int volumes_start(struct agent *agent, struct volumes **out, struct error **err);
void volumes_stop(struct volumes *volumes);

/* Where the claim NAME's data is: a folder, or with *IS_BLOCK a file.  Owned by the caller.
 * ERROR_UNAVAILABLE while it is not bound, ERROR_NOT_FOUND if there is none. */
int volumes_find(struct agent *agent, const char *ns, const char *name, char **path, bool *is_block,
                 uint64_t *capacity, struct error **err);

/* The loop device of FILE, attached if it is not yet.  Owned by the caller. */
int volumes_attach(const char *file, char **device, struct error **err);

/* Detaches every loop device of FILE. */
void volumes_detach(const char *file);
