/* Live migration as libvirt does it: what the two sides ask of their own daemon.
 *
 * The source drives it peer to peer: its libvirtd talks to the target's over a socket that somebody
 * else connects (live/relay.h), and so does QEMU for memory and disks.  The guest arrives paused and
 * waits for hypervisor_live_land, so that a connection that breaks at the wrong moment never leaves
 * two copies running; doc/design/live-migration.md says why that is enough.
 *
 * May use: base, data.  Threads: all functions may be called from any thread.
 */
#pragma once

#include "data/obj.h"

#include <stdbool.h>
#include <stdint.h>

struct error;
struct hypervisor;

/* Where libvirtd and QEMU find the sockets of live migrations, in libvirtd's own mount namespace. */
#define LIVE_RUN_DIR "/run/gantry"

/* What a target must know of the running machine NAME to say whether it can take it:
 *
 *     {uuid, type, arch, machine, memoryKiB, cpu (XML), hostUUID, hostCPU, hypervisor,
 *      disks: [{name, target, path, block, readOnly}]}
 *
 * *OUT belongs to the caller.  ERROR_CONFLICT if it does not run. */
int hypervisor_live_describe(struct hypervisor *hypervisor, const char *name, json_t **out,
                             struct error **err);

/* Whether this host can run the MACHINE that another one described: another host's UUID, a type,
 * machine type and processor that are offered here.  ERROR_UNSUPPORTED says what is not. */
int hypervisor_live_accept(struct hypervisor *hypervisor, const char *emulator,
                           const json_t *machine, struct error **err);

/* Makes sure that the running libvirtd calls the hook; ERROR_UNAVAILABLE says why it would not. */
int hypervisor_live_hook(struct hypervisor *hypervisor, struct error **err);

struct live_look {
    bool defined, active, running;
    bool job;       /* libvirt works on it: it migrates, or arrives */
    bool paused_by_migration;
    bool post_copy; /* memory is on both sides: neither can go on alone */
};

int hypervisor_live_look(struct hypervisor *hypervisor, const char *name, struct live_look *look,
                         struct error **err);

struct live_order {
    const char *name, *dest_name;
    const char *id;            /* names the sockets LIVE_RUN_DIR/ID.virt, .data and .nbd */
    const char *const *copied; /* targets ("vda") of the disks whose data is copied; NULL-terminated */
    uint64_t bandwidth_mib;    /* a second; 0: no limit */
    uint64_t max_downtime_ms;  /* 0: libvirt's own */
    bool auto_converge;
    bool post_copy; /* hypervisor_live_post_copy may be called: the guest goes on by itself then */
};

/* Migrates; returns when it is over.  Success says that the source's machine is off and the target's
 * waits, paused, unless post-copy was allowed.  A failure says nothing about where the machine is: look. */
int hypervisor_live_migrate(struct hypervisor *hypervisor, const struct live_order *order,
                            struct error **err);

enum live_job {
    LIVE_JOB_NOW,   /* the migration that goes on */
    LIVE_JOB_ENDED, /* the last that ended, which may be one that brought the machine here */
};

/* {dataTotal, dataProcessed, dataRemaining (bytes), memoryBytesPerSecond, diskBytesPerSecond,
 * dirtyBytesPerSecond, elapsedMs, downtimeMs, throttlePercent} of a migration of NAME, as far as known;
 * *OUT is the caller's, NULL if there is none. */
int hypervisor_live_progress(struct hypervisor *hypervisor, const char *name, enum live_job job,
                             json_t **out, struct error **err);

/* Ends the migration that goes on; none is fine. */
int hypervisor_live_abort(struct hypervisor *hypervisor, const char *name, struct error **err);
/* Lets the guest run on the target before all its memory is there. */
int hypervisor_live_post_copy(struct hypervisor *hypervisor, const char *name, struct error **err);

/* On the target, once the source's machine is off: defines the machine NAME as it runs, since libvirt
 * does not lead the persistent definition through the hook, and with RESUME lets the guest go on.  Can
 * be repeated.  *EDITED tells that its definition bears the hooks' mark.  ERROR_NOT_FOUND: it is not
 * here, or not whole. */
int hypervisor_live_land(struct hypervisor *hypervisor, const char *name, bool resume, bool *edited,
                         struct error **err);
