/* A vCenter for tests and demos: sessions, inventory of any size, property collector, tasks that
 * take time, power, snapshots with real content, change tracking, datastore files over HTTP, and
 * misbehaviour by name (faults.h).  It shares no code with gantry's client beyond base, data, net.
 *
 * Threads: all functions may be called from any thread.
 */
#pragma once

#include "base/cleanup.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;
struct fake_vcenter;

#define FAKE_VCENTER_USER     "administrator@vsphere.local"
#define FAKE_VCENTER_PASSWORD "a<b&c\"d"

struct fake_vcenter_options {
    const char *listen;    /* "127.0.0.1:0" */
    const char *cert_path; /* with its key: TLS; NULL: plain HTTP */
    const char *key_path;
    const char *dir;     /* where disks have their content; NULL: machines have none */
    size_t count;        /* machines vm-1, vm-2, ..., called "machine 1", ... without content */
    int64_t task_ms;     /* how long tasks take */
    int64_t shutdown_ms; /* how long guests take to shut down */
    int64_t lease_ms;    /* after which a lease that nobody speaks of is forgotten; 0: 300 s */
    bool is_host;        /* an ESXi host instead of a vCenter */
};

int fake_vcenter_start(const struct fake_vcenter_options *options, struct fake_vcenter **out,
                       struct error **err);
void fake_vcenter_stop(struct fake_vcenter *fake);

/* http://127.0.0.1:PORT/sdk; borrowed. */
const char *fake_vcenter_url(const struct fake_vcenter *fake);

/* Adds a machine as SPEC describes it, words parted by commas: "name=web,disk=64M,disk=/a/raw,
 * memory=64,cpus=2,cores=1,power=on,ctk=on,firmware=efi,...": see machine_spec.c. */
int fake_vcenter_add(struct fake_vcenter *fake, const char *spec, struct error **err);

/* Changes machine NUMBER (from 1 on) behind the back of all clients. */
void fake_vcenter_rename(struct fake_vcenter *fake, size_t number, const char *name);
void fake_vcenter_remove(struct fake_vcenter *fake, size_t number);
bool fake_vcenter_is_on(struct fake_vcenter *fake, size_t number);
size_t fake_vcenter_snapshots(struct fake_vcenter *fake, size_t number);
/* Writes LEN bytes to a machine's disk (from 0 on) as its guest would. */
int fake_vcenter_write(struct fake_vcenter *fake, size_t number, size_t disk, const void *data,
                       size_t len, uint64_t offset, struct error **err);

/* Puts a tag on the machines called VM. */
void fake_vcenter_tag(struct fake_vcenter *fake, const char *vm, const char *name,
                      const char *description);

/* Forgets all sessions, or sessions and property collectors as a restart does. */
void fake_vcenter_expire(struct fake_vcenter *fake);
void fake_vcenter_restart(struct fake_vcenter *fake);

/* Arms a fault, "NAME[:ARGUMENT][@COUNT]": see faults.h.  False for an unknown name. */
bool fake_vcenter_set_fault(struct fake_vcenter *fake, const char *fault);
/* The next task of any kind ends with the fault NAME. */
void fake_vcenter_fail_task(struct fake_vcenter *fake, const char *name);
/* Guests ignore ShutdownGuest as if they had no tools. */
void fake_vcenter_set_tools(struct fake_vcenter *fake, bool running);

/* Waits so long before each answer, and before each grain of an export. */
void fake_vcenter_set_latency(struct fake_vcenter *fake, int64_t ms);

/* What became of export leases; PROGRESS counts the words about them. */
struct fake_vcenter_leases {
    size_t open;
    int completed, aborted, progress;
};
struct fake_vcenter_leases fake_vcenter_leases(struct fake_vcenter *fake);

int fake_vcenter_logins(struct fake_vcenter *fake);
/* Answers of the property collector that had updates. */
int fake_vcenter_batches(struct fake_vcenter *fake);

DEFINE_CLEANUP(fake_vcenter, struct fake_vcenter *, fake_vcenter_stop)
