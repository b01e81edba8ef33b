/* VirtualMachineInstances: each one is a libvirt domain while it lives.
 *
 * May use: base, data, kube.  Threads: all functions may be called from any thread.
 */
#pragma once

#include "base/cleanup.h"
#include "data/obj.h"

#include <stdbool.h>
#include <stddef.h>

struct agent;
struct cancel;
struct error;
struct hypervisor;
struct instances;

/* KubeVirt's own finalizer: the instance stays until its domain is gone. */
#define INSTANCE_FINALIZER "foregroundDeleteVirtualMachine"

/* Needs agent->instances, not yet started. */
int instances_start(struct agent *agent, struct instances **out, struct error **err);

/* Once the caches have their first lists: removes domains and folders nobody has any more. */
void instances_sweep(struct instances *instances);
/* The door to libvirt.  Borrowed. */
struct hypervisor *instances_hypervisor(struct instances *instances);
void instances_stop(struct instances *instances); /* machines go on */

/* Powers all machines off and ends libvirtd. */
int instances_kill_all(struct instances *instances, struct error **err);

/* "pause", "unpause", "reset", "softreboot" of the instance NS/NAME. */
int instances_act(struct instances *instances, const char *ns, const char *name, const char *action,
                  struct error **err);

/* The serial line of the instance NS/NAME, as hypervisor_open_console. */
int instances_open_console(struct instances *instances, const char *ns, const char *name,
                           struct error **err);

/* What the console of the machine behind a virt-launcher Pod showed so far, as pods_log. */
int instances_console(struct agent *agent, const json_t *pod, const json_t *options,
                      struct cancel *cancel, bool (*on_data)(void *to, const char *data, size_t len),
                      void *to, struct error **err);

DEFINE_CLEANUP(instances, struct instances *, instances_stop)
