/* All OVF packages of a share: found, read when they are whole, read again when they changed.
 *
 * .ova files lie at most 2 levels deep ("a.ova", "dir/a.ova"), .ovf files at most 3.  Names that
 * begin with a dot are passed over, symbolic links are reported and not followed.  A file that
 * somebody still writes is left alone until it has not changed for OVA_SETTLE_MS.
 *
 * May use: base, net.  Threads: scan and walk belong to the collector's thread, find is safe from
 * any thread.
 */
#pragma once

#include "base/cleanup.h"
#include "source/ova/package.h"

#include <stdbool.h>
#include <stddef.h>

struct error;
struct ova_catalog;

enum {
    OVA_SETTLE_MS = 2000,
    OVA_MAX_PACKAGES = 20000,
    OVA_MAX_ENTRIES = 200000, /* of all folders together */
    OVA_MAX_ARCHIVE_DEPTH = 2,
    OVA_MAX_FOLDER_DEPTH = 3,
    OVA_ID_SIZE = 37, /* 36 hexadecimal digits or a UUID, and a NUL */
};

/* A package as of the last scan. */
struct ova_entry {
    int owners; /* the catalog's own */
    char *path; /* below the root */
    struct ova_stamp stamp;
    struct ova_package *package; /* NULL if it cannot be used */
    char *problem;               /* why, with what can be done; NULL if it can */
    char (*vm_ids)[OVA_ID_SIZE]; /* of each of package->ovf->systems */
};

struct ova_catalog *ova_catalog_new(void);
void ova_catalog_free(struct ova_catalog *catalog);

/* Looks at everything below the folder ROOT.  *CHANGED says if anything is different from the scan
 * before, *PENDING if a file was left alone because it is still being written. */
int ova_catalog_scan(struct ova_catalog *catalog, int root, bool *changed, bool *pending,
                     struct error **err);

/* Calls EACH for every entry, in the order of their paths. */
void ova_catalog_walk(struct ova_catalog *catalog,
                      void (*each)(void *arg, const struct ova_entry *entry), void *arg);

/* Calls USE with the entry that has the machine VM_ID, and the machine's index in it.  False if
 * there is none.  The entry is borrowed during the call, which must be short and not call the
 * catalog. */
bool ova_catalog_find(struct ova_catalog *catalog, const char *vm_id,
                      void (*use)(void *arg, const struct ova_entry *entry, size_t system),
                      void *arg);

/* The 36 digits that identify TEXT among things of its KIND. */
void ova_id(const char *kind, const char *text, char id[OVA_ID_SIZE]);

DEFINE_CLEANUP(ova_catalog, struct ova_catalog *, ova_catalog_free)
