/* What the files behind vsphere.h share: the open provider.
 *
 * May use: base, data, net, disk.  Threads: as source.h says.
 */
#pragma once

#include "base/thread.h"
#include "source/source.h"

struct map;
struct vim;

struct vsphere_source {
    struct source base;
    struct vim *vim;
    bool want_esxi, want_vcenter; /* settings.sdkEndpoint */
    bool insecure;                /* any certificate will do */
    char *access;                 /* settings.diskAccess, or NULL: chosen */
    char *library;                /* settings.vddkInitImage: VMware's library as a folder of the
                                     node ("/...") or an image; or NULL */
    char *library_settings;       /* lines for its configuration, or NULL */
    char *transports;             /* settings.vddkTransports, or NULL */
    char *thumbprint, *ca_pem;    /* of the secret, or NULL */
    pthread_mutex_t lock;
    struct map *port_groups; /* guarded by lock; key of a port group to the Network's id, owned */
    struct map *timezones;   /* guarded by lock; id of a Host to its time zone, owned */
    struct map *datastores;  /* guarded by lock; id of a Datastore to its type, owned */
};

static inline struct vsphere_source *vsphere_of(struct source *source)
{
    return (struct vsphere_source *)source;
}

/* Why a disk of the inventory can be read through VDDK only, or NULL; a constant.  TYPE is that of
 * its datastore, "" if unknown; WHOLE: its content must lie in one file. */
const char *vsphere_needs_vddk(const json_t *disk, const char *type, bool whole);

/* How a disk of the inventory will be read while its machine is off, and why, for people; owned by
 * the caller.  NULL with *WHY, a constant, if in no way that we know.  *COLD_ONLY if not of a
 * snapshot. */
char *vsphere_explain_access(const struct vsphere_source *vsphere, const json_t *disk,
                             const char *datastore_type, bool *cold_only, const char **why);

/* source_ops.disk_access and source_ops.warm. */
int vsphere_disk_access(struct source *source, const json_t *vm, const struct machine *machine,
                        size_t disk, const char *snapshot, struct source_disk_access *access,
                        struct error **err);
/* source_ops.reroute. */
int vsphere_reroute(struct source *source, const char *base, const json_t *secret,
                    const char *thumbprint, struct source_disk_access *access, struct error **err);
extern const struct source_warm_ops vsphere_warm_ops;

/* The name of a disk whatever snapshots there are: "[ds] dir/x-000002.vmdk" without the number, which
 * is there only above a parent (a machine may be called "x-000002").  Owned by the caller. */
char *vsphere_base_file(const char *file, bool has_parent);
