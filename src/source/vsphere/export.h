/* A disk by an export lease: the server makes a streamOptimized VMDK of a machine that is off, and
 * sends it while it makes it.
 *
 * The lease belongs to the session that asked for it and dies with it: whoever reads holds it, and
 * nothing has to be remembered.  While it lives the machine cannot be switched on or changed.
 *
 * May use: base, data, net.  Threads: one call; it starts a thread of its own.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct cancel;
struct error;
struct secret;

/* Borrowed.  NULL where not marked as needed. */
struct vsphere_export {
    const char *url;  /* needed: "https://vcenter/sdk" */
    const char *user; /* needed */
    const struct secret *password; /* needed */
    const char *thumbprint, *ca_pem;
    bool insecure;
    const char *machine; /* needed: "vm-12" */
    const char *disk;    /* needed: the device's key, "2000" */
    int64_t timeout_ms;  /* for the next byte; 0: 60 s */
    int64_t keep_ms;     /* how often the lease is kept alive; 0: 20 s, or a third of its life */
};

/* Writes the disk to FD.  The lease is completed after the last byte, and given up after anything
 * else.  ERROR_BUSY: another export of the machine did not end in time. */
int vsphere_export_disk(const struct vsphere_export *export, int fd, struct cancel *cancel,
                        struct error **err);
