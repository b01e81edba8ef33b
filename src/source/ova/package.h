/* One OVF package on a share: an .ova file, read in place, or an .ovf file with its files beside
 * it.
 *
 * May use: base, data, disk.  Threads: frozen once read.
 */
#pragma once

#include "base/cleanup.h"
#include "disk/tar.h"
#include "source/ova/manifest.h"
#include "source/ova/ovf.h"

#include <stdbool.h>
#include <stdint.h>

struct error;

/* What tells that a package changed: device, inode, size and times of its files. */
struct ova_stamp {
    uint64_t id;      /* of all files together */
    int64_t mtime_ms; /* of the newest */
};

struct ova_package {
    char *path; /* below the share's root */
    bool is_archive;
    struct ovf *ovf;
    struct manifest manifest; /* empty if there is none */
    struct tar_index members; /* of an archive */
    struct str_list names;    /* of each of ovf->files, as it is called in the archive or folder */
};

/* Reads PATH (ending in .ova or .ovf) below the folder ROOT.  Checks that every file that a disk
 * needs is there, whole as far as the archive tells, and not empty. */
int ova_package_read(int root, const char *path, struct ova_package **out, struct error **err);
void ova_package_free(struct ova_package *package);

/* The stamp of PATH, and of the files of PACKAGE beside it (PACKAGE may be NULL). */
int ova_package_stamp(int root, const char *path, const struct ova_package *package,
                      struct ova_stamp *stamp, struct error **err);

/* "DIR/NAME" below the root for a file of a folder package.  Owned by the caller. */
char *ova_package_sibling(const struct ova_package *package, const char *name);

DEFINE_CLEANUP(ova_package, struct ova_package *, ova_package_free)
