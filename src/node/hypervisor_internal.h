/* What the files of the door to libvirt share: hypervisor.c (machines), hypervisor_live.c (live
 * migration).
 *
 * May use: base.  Threads: all functions may be called from any thread.
 */
#pragma once

#include <libvirt/libvirt.h>
#include <pthread.h>
#include <stdbool.h>

struct error;
struct hypervisor_listener;

struct hypervisor {
    char *dir, *helper_dir;
    struct hypervisor_listener *listener;
    pthread_mutex_t lock;
    virConnectPtr connection; /* guarded by lock; NULL: none */
};

/* libvirt's last error of this thread, as ours: "cannot WHAT machine "NAME": ...".  Returns -1. */
int hypervisor_fail(struct error **err, const char *what, const char *name);

/* A connection with a reference for the caller (virConnectClose); starts libvirtd if need be. */
virConnectPtr hypervisor_connect(struct hypervisor *hypervisor, struct error **err);

/* Runs FN with a connection; if libvirtd dies under it, once more with the next one.  So FN first
 * looks at what is there. */
int hypervisor_run(struct hypervisor *hypervisor,
                   int (*fn)(virConnectPtr connection, void *arg, struct error **err), void *arg,
                   struct error **err);

/* Runs FN on the domain NAME.  Absent: FN is not called, and *FOUND is false. */
int hypervisor_run_domain(struct hypervisor *hypervisor, const char *name,
                          int (*fn)(virDomainPtr domain, void *arg, const char *name,
                                    struct error **err),
                          void *arg, bool *found, struct error **err);
