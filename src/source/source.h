/* A provider of machines: one folder and one table of functions for each type.
 *
 * The inventory drives collect, the plan and migration controllers call the rest.  Adding a
 * provider adds a folder and a row in source/registry.c; nothing else changes.
 *
 * May use: base, data, net, disk, kube.  Threads: one struct source may be used by several threads
 * at once; collect has a thread of its own.
 */
#pragma once

#include "base/cleanup.h"
#include "base/vector.h"
#include "data/obj.h"
#include "disk/extent.h"
#include "source/machine.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cancel;
struct error;
struct kube_client;

/* What a provider is opened with.  Borrowed during source_open. */
struct source_config {
    const json_t *provider; /* the Provider object */
    const json_t *secret;   /* its Secret with decoded values under "data", or NULL; never logged */
    const char *cache_dir;  /* a folder of this provider's own, for what may be lost */
    struct kube_client *client; /* of the home cluster */
};

/* Where a collector puts what it finds.  KIND is the model's name ("VM", "Network", "Disk",
 * "Storage", ...), OBJECT has the keys of the inventory's REST answers (at least "id" and "name";
 * revision, selfLink and what validation says are added by the inventory); it is borrowed, and what
 * its values consist of is frozen from then on, because the inventory shares it.  Objects that did not change
 * may be put again: the inventory compares.  All functions may be called from any thread. */
struct source_sink {
    void *arg;
    void (*put)(void *arg, const char *kind, const json_t *object);
    void (*remove)(void *arg, const char *kind, const char *id);
    /* A round that names everything begins, and ends: objects and problems that were not put since
     * begin are gone.  The first complete is the provider's parity.  Between rounds put and remove
     * report single changes. */
    void (*begin)(void *arg);
    void (*complete)(void *arg);
    /* A problem worth a user's notice that does not stop collecting; WHERE names the object (a
     * file), WHAT says what is wrong with it.  Another WHAT for the same WHERE replaces it, NULL
     * takes it back. */
    void (*problem)(void *arg, const char *where, const char *what);
};

/* The first member of each provider's own struct. */
struct source {
    const struct source_ops *ops;
};

enum source_power { SOURCE_POWER_OFF, SOURCE_POWER_ON, SOURCE_POWER_UNKNOWN };

/* Where a disk's bytes are, as gantry-copy and an importer Pod need it. */
struct source_disk_access {
    char *uri;      /* gantry-copy's SOURCE as seen inside the Pod */
    char *format;   /* --source-format, or NULL: by content */
    json_t *volume; /* a Pod volume to mount at mount_path (hostPath, nfs, ...), or NULL */
    char *mount_path;
    char *init_image; /* an image whose own command fills that volume, mounted at /opt, before; or
                         NULL */
    char *digest;   /* what the source file must have, "ALGORITHM:HEX" with sha1, sha256 or
                       sha512, or NULL */
    json_t *options;     /* more of gantry-copy's options, an array of texts, or NULL */
    json_t *credentials; /* for the Pod's own Secret: {user, password, ca}, each but user may be
                            absent; or NULL.  Never logged */
    char *reason;        /* why this way of reading was chosen, for people; or NULL */
};

void source_disk_access_reset(struct source_disk_access *access);

struct source_snapshot {
    char *id, *name, *description;
};

DEFINE_VECTOR(source_snapshot_list, struct source_snapshot)
void source_snapshot_list_free_all(struct source_snapshot_list *list);

/* A disk in a snapshot. */
struct source_snapshot_disk {
    char *id;   /* as struct machine_disk's */
    char *name; /* the same */
    uint64_t capacity_bytes;
    char *change_id; /* a point in its history of changes, or NULL: it has none */
};

DEFINE_VECTOR(source_snapshot_disk_list, struct source_snapshot_disk)
void source_snapshot_disk_list_free_all(struct source_snapshot_disk_list *list);

enum source_task { SOURCE_TASK_RUNNING, SOURCE_TASK_DONE };

/* What a machine is moved with while it runs.  All are required; none waits for the work that it
 * begins. */
struct source_warm_ops {
    /* Sees to it that changes of the machine's disks are tracked; *TRACKED if they are (at the
     * latest from the next snapshot on), else *TASK (owned) is what was begun for it. */
    int (*track)(struct source *source, const char *vm_id, bool *tracked, char **task,
                 struct cancel *cancel, struct error **err);

    /* Begins a snapshot without memory, of quiet file systems if QUIESCE; one whose making is under
     * way is taken instead.  *TASK is owned. */
    int (*snapshot_create)(struct source *source, const char *vm_id, const char *name,
                           const char *description, bool quiesce, char **task,
                           struct cancel *cancel, struct error **err);
    /* Begins to remove one; *TASK is NULL if it has gone already. */
    int (*snapshot_remove)(struct source *source, const char *vm_id, const char *snapshot,
                           char **task, struct cancel *cancel, struct error **err);
    /* How a task stands; *RESULT (NULL if none, owned) is of one that is done.  A task that failed
     * is an error, ERROR_NOT_FOUND one that the source forgot. */
    int (*task_get)(struct source *source, const char *task, enum source_task *state,
                    char **result, struct cancel *cancel, struct error **err);

    /* All snapshots of the machine. */
    int (*snapshot_list)(struct source *source, const char *vm_id,
                         struct source_snapshot_list *list, struct cancel *cancel,
                         struct error **err);
    int (*snapshot_disks)(struct source *source, const char *snapshot,
                          struct source_snapshot_disk_list *list, struct cancel *cancel,
                          struct error **err);

    /* Appends what of disk DISK_ID differs between the point SINCE and SNAPSHOT, in order.
     * ERROR_EXPIRED: SINCE is of a history that the source has begun anew. */
    int (*disk_changes)(struct source *source, const char *vm_id, const char *snapshot,
                        const char *disk_id, const char *since, uint64_t capacity_bytes,
                        struct extent_list *changes, struct cancel *cancel, struct error **err);
};

struct source_ops {
    const char *type;      /* Provider's spec.type */
    bool needs_conversion; /* guests must be converted for KVM */
    bool can_warm;
    bool can_power; /* false: power, snapshots are never called */
    bool has_hosts; /* machines lie on hosts (machine->host_id), each of which copies so many disks */

    /* Checks the configuration's form and makes the source; no long waits. */
    int (*open)(const struct source_config *config, struct source **out, struct error **err);
    void (*close)(struct source *source);

    /* Connects and logs in, for the condition ConnectionTestSucceeded. */
    int (*test)(struct source *source, struct cancel *cancel, struct error **err);

    /* Pushes what the account is not allowed to do though migrations need it, owned; NULL where
     * nobody can tell. */
    int (*list_missing)(struct source *source, struct str_list *missing, struct cancel *cancel,
                        struct error **err);

    /* Reads everything, then follows changes until CANCEL is requested (ERROR_CANCELED). */
    int (*collect)(struct source *source, const struct source_sink *sink, struct cancel *cancel,
                   struct error **err);

    /* Turns an inventory VM (what collect put) into the neutral description. */
    int (*describe)(struct source *source, const json_t *vm, struct machine **out,
                    struct error **err);

    /* How disk DISK (an index into machine->disks) is read; with SNAPSHOT (only with can_warm; else
     * NULL) as it was then.  ERROR_UNSUPPORTED: in no way that this source knows. */
    int (*disk_access)(struct source *source, const json_t *vm, const struct machine *machine,
                       size_t disk, const char *snapshot, struct source_disk_access *access,
                       struct error **err);

    /* Sends ACCESS by way of another server of the source at BASE ("https://10.0.0.7"), logging in
     * with SECRET's keys; THUMBPRINT (or NULL) is of its certificate.  NULL: there are none. */
    int (*reroute)(struct source *source, const char *base, const json_t *secret,
                   const char *thumbprint, struct source_disk_access *access, struct error **err);

    /* Only with can_power.  power_set asks for it and does not wait for guests; without FORCE
     * switching off is left to the guest, ERROR_UNSUPPORTED if it cannot. */
    int (*power_get)(struct source *source, const char *vm_id, enum source_power *state,
                     struct error **err);
    int (*power_set)(struct source *source, const char *vm_id, enum source_power state, bool force,
                     struct cancel *cancel, struct error **err);

    /* Only with can_warm; see struct source_warm_ops. */
    const struct source_warm_ops *warm;
};

/* The table of a provider type, or NULL.  Borrowed. */
const struct source_ops *source_find_ops(const char *type);

/* The types known, NULL at the end. */
const char *const *source_list_types(void);

DEFINE_CLEANUP_IN_PLACE(source_snapshot_list, struct source_snapshot_list,
                        source_snapshot_list_free_all)
DEFINE_CLEANUP_IN_PLACE(source_snapshot_disk_list, struct source_snapshot_disk_list,
                        source_snapshot_disk_list_free_all)
DEFINE_CLEANUP_IN_PLACE(source_disk_access, struct source_disk_access, source_disk_access_reset)
