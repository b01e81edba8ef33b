/* Guest conversion: virt-v2v-in-place on overlays over a machine's disks, committed only when it
 * succeeded.
 *
 * It may be killed at any instant and run again: before the conversion is complete, overlays are
 * thrown away and the disks are as they were; afterwards (a file beside the first disk says so) what
 * is left to commit is committed.
 *
 * May use: base, data.  Threads: runs in main.
 */
#pragma once

#include "data/obj.h"

#include <stddef.h>

struct cancel;
struct error;

enum { CONVERT_MAX_DISKS = 64, CONVERT_MAX_MACS = 256 };

struct convert_options {
    const char *const *disks; /* raw files or block devices, in the machine's order */
    size_t disk_count;
    const char *root;         /* of virt-v2v: "first", "/dev/sda2", ..., or NULL */
    const char *const *macs;  /* virt-v2v's --mac: "MAC:ip:ADDRESS[,GATEWAY[,PREFIX[,DNS...]]]" */
    size_t mac_count;         /* at most CONVERT_MAX_MACS */
    const char *work_dir;     /* for temporary files and overlays of block devices */
    /* A stage began; PERCENT is a rough guess at the whole. */
    void (*on_stage)(void *arg, const char *stage, int percent);
    /* A warning of virt-v2v. */
    void (*on_warning)(void *arg, const char *text);
    void *arg;
};

/* Converts.  *INSPECTION, owned by the caller: {os, osinfo, product, version, arch, hostname,
 * firmware, bootDisk}, what was found of it. */
int convert_run(const struct convert_options *options, json_t **inspection, struct error **err);
