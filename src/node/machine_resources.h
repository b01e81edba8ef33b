/* What a machine needs of this machine: disks, bridges, its own folder.
 *
 * May use: base, data, kube.  Threads: no shared state.
 */
#pragma once

#include "data/obj.h"

#include <stdbool.h>

struct agent;
struct error;

/* The uid that stays the same over restarts: the VirtualMachine's, else the instance's.  Borrowed. */
const char *machine_uid(const json_t *vmi);

/* DIR/machines/UID: console.log, nvram.fd, empty disks.  Owned by the caller. */
char *machine_dir(const struct agent *agent, const json_t *vmi);

/* In that folder: its machine has left by live migration.  An empty file, as KubeVirt's. */
#define MACHINE_MIGRATED_MARKER "migrated"

/* Takes the marker away: the machine is, or will be, here. */
int machine_unmark_migrated(const char *dir, struct error **err);

/* Writes down in the machine's folder DIR which UUID it runs by, before it first does. */
int machine_note_uuid(const char *dir, const json_t *vmi, struct error **err);

/* Removes the folder UID of a machine that is gone for good, and what its TPM kept. */
int machine_forget(const struct agent *agent, const char *uid, struct error **err);

/* The UUID a guest sees: firmware.uuid, else the machine's uid.  Borrowed. */
const char *machine_uuid(const json_t *vmi);

/* True if KVM runs guests here; the first call on a machine takes a second or two. */
bool machine_has_kvm(const struct agent *agent);

#define MACHINE_EMULATOR "/usr/bin/qemu-system-x86_64"

/* {VOLUME: {path, block, readOnly}}; makes disks that are to be empty.  ERROR_UNAVAILABLE: not there
 * yet. */
int machine_volumes(struct agent *agent, const json_t *vmi, json_t **out, struct error **err);

/* {NETWORK: {bridge}} or {NETWORK: {}} for the user network. */
int machine_networks(struct agent *agent, const json_t *vmi, json_t **out, struct error **err);

/* Keeps console.log from filling the disk: beyond 16 MiB it becomes console.log.1. */
void machine_trim_console(const char *dir);
