/* Machines under libvirt: the door to libvirt.
 *
 * The private libvirtd (libvirt_keeper.h) is started with the first machine, and again whenever it
 * is not there.
 *
 * May use: base, data.  Threads: all functions may be called from any thread; ON_CHANGE is called
 * on the hypervisor's own.
 */
#pragma once

#include "base/cleanup.h"
#include "base/vector.h"

#include <stdbool.h>

struct cancel;
struct error;
struct hypervisor;

enum machine_state {
    MACHINE_ABSENT,
    MACHINE_RUNNING,
    MACHINE_PAUSED,
    MACHINE_SHUT_DOWN, /* by the guest or at its request */
    MACHINE_DESTROYED, /* by us */
    MACHINE_CRASHED,
};

struct hypervisor_options {
    const char *dir;         /* DIR/node/libvirt */
    const char *helper_dir; /* of gantry-libvirtd */
    /* The machine called NAME changed. */
    void (*on_change)(void *arg, const char *name);
    /* The machine called NAME has left by live migration (or NULL): libvirt's event says so also where its
     * hook is told no reason (9.0). */
    void (*on_migrated)(void *arg, const char *name);
    void *arg;
};

/* Starts nothing yet. */
int hypervisor_new(const struct hypervisor_options *options, struct hypervisor **out,
                   struct error **err);
void hypervisor_free(struct hypervisor *hypervisor); /* machines go on */

/* True if a keeper is there, or was: machines may exist. */
bool hypervisor_was_used(const struct hypervisor *hypervisor);

/* Defines the domain of XML and starts it; one that is there already is only started. */
int hypervisor_start(struct hypervisor *hypervisor, const char *name, const char *xml,
                     struct error **err);
int hypervisor_look(struct hypervisor *hypervisor, const char *name, enum machine_state *state,
                    struct error **err);

/* Asks the guest to power off (ACPI); it may not. */
int hypervisor_shut_down(struct hypervisor *hypervisor, const char *name, struct error **err);
int hypervisor_reset(struct hypervisor *hypervisor, const char *name, struct error **err);
int hypervisor_pause(struct hypervisor *hypervisor, const char *name, bool pause,
                     struct error **err);

/* Opens the serial console of a machine that runs: a descriptor that is read and written without
 * blocking, owned by the caller, or -1.  Only one at a time; ERROR_CONFLICT: somebody has it, or the
 * machine does not run. */
int hypervisor_open_console(struct hypervisor *hypervisor, const char *name, struct error **err);

/* Powers it off if it runs and forgets it.  Absent is fine. */
int hypervisor_remove(struct hypervisor *hypervisor, const char *name, struct error **err);

/* The names of all machines. */
int hypervisor_list(struct hypervisor *hypervisor, struct str_list *names, struct error **err);

/* Removes all machines and ends libvirtd and its keeper. */
int hypervisor_shut_down_all(struct hypervisor *hypervisor, struct error **err);

DEFINE_CLEANUP(hypervisor, struct hypervisor *, hypervisor_free)
