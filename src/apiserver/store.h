/* The store: all objects in memory, durable in SQLite, with a history for watches.
 *
 * A write is checked, numbered and committed by one thread, many at a time: whoever waits at the
 * same moment shares a commit.  It is visible to readers only once it is on disk.  One counter
 * numbers the changes of all kinds (metadata.resourceVersion).
 *
 * Secrets are sealed (AES-256-GCM) in the database with a key from DIR/pki/store.key, mode 0600.
 *
 * May use: base, data, net.  Threads: all functions may be called from any thread.
 */
#pragma once

#include "apiserver/histogram.h"
#include "apiserver/object.h"
#include "base/vector.h"

#include <stdbool.h>

struct error;
struct store;
struct store_table; /* the objects of one kind; lives as long as the store */
struct store_watch;

struct store_options {
    const char *path;     /* of the database; made if it is not there */
    const char *key_path; /* of the sealing keys; made if it is not there */
};

enum {
    STORE_HISTORY_EVENTS = 16384,          /* changes that a watch can go back */
    STORE_HISTORY_BYTES = 16 * 1024 * 1024, /* and at most this much text of old versions */
};

/* Opens or makes the store and reads everything.  A database that is damaged, or of a newer layout
 * than we know, is ERROR_CORRUPT or ERROR_UNSUPPORTED with a hint what to do. */
int store_open(const struct store_options *options, struct store **out, struct error **err);
/* Commits what waits, closes. */
void store_close(struct store *store);

/* The table called NAME ("plans.forklift.konveyor.io"), made empty if there is none.  SEALED ones
 * are encrypted on disk. */
struct store_table *store_table(struct store *store, const char *name, bool sealed);

/* The one table whose objects are sealed. */
#define STORE_SEALED_TABLE "secrets"

/* The names of all tables, pushed to NAMES, owned by the caller. */
void store_table_names(struct store *store, struct str_list *names);

/* The newest resourceVersion of all. */
uint64_t store_version(const struct store *store);

/* A reference to the object, or NULL. */
struct object *store_get(struct store_table *table, const char *ns, const char *name);
size_t store_count(struct store_table *table);
/* The resourceVersion of the table's last change, as far as the history knows. */
uint64_t store_table_version(struct store_table *table);

/* References to all objects of NS (NULL: all) behind the key AFTER ("": from the start), as they
 * were at *VERSION (0: now, and *VERSION becomes what that is).  A version that the history does
 * not reach is ERROR_EXPIRED. */
int store_list(struct store_table *table, const char *ns, const char *after, uint64_t *version,
               struct object_list *out, struct error **err);

/* The same of the objects of NS (NULL: all) whose label LABEL_INDEXED is VALUE, as they are now. */
void store_list_labelled(struct store_table *table, const char *ns, const char *value,
                         uint64_t *version, struct object_list *out);

/* One write.  OLD is the version it is based on: the one in the store must be the same, otherwise
 * ERROR_CONFLICT (ERROR_EXISTS when a new object is there already, ERROR_NOT_FOUND when a changed
 * one is gone).  VALUE is the new object (its resourceVersion is filled in); with REMOVE the last
 * state of the removed one. */
struct store_change {
    struct store_table *table;
    const char *ns, *name;
    const struct object *old; /* NULL: must not exist */
    const json_t *value;
    bool remove;
};

/* Returns when the write is durable and visible.  *OUT is what was stored, a reference (with
 * REMOVE: the last state, with the removal's resourceVersion). */
int store_write(struct store *store, const struct store_change *change, struct object **out,
                struct error **err);

DEFINE_VECTOR(store_change_list, struct store_change)

/* Many writes that become durable and visible together, or none of them.  PLAN says which: it runs
 * while nobody else writes, and what its CHANGES point to must stay until this returns.  An object
 * that is removed may be made anew by the change behind. */
int store_write_together(struct store *store,
                         int (*plan)(void *arg, struct store_change_list *changes,
                                     struct error **err),
                         void *arg, struct error **err);

/* --- Watching --------------------------------------------------------------------------------- */

enum store_event_type { STORE_ADDED, STORE_MODIFIED, STORE_DELETED };

struct store_event {
    enum store_event_type type;
    struct object *object; /* for STORE_DELETED the last state, with the removal's version */
    struct object *old;    /* NULL for STORE_ADDED */
};

/* Watches for changes after VERSION; 0: from now, and INITIAL gets references to what is there
 * (of NS, or all).  ERROR_EXPIRED if the history does not reach that far. *AT is the version that
 * INITIAL shows. */
int store_watch_open(struct store_table *table, const char *ns, uint64_t version,
                     struct object_list *initial, uint64_t *at, struct store_watch **out,
                     struct error **err);
void store_watch_close(struct store_watch *watch);

/* A descriptor that polls readable when there may be events. */
int store_watch_fd(const struct store_watch *watch);

/* The next event in order, or NULL if there is none yet; valid until the next call.  Becomes
 * ERROR_EXPIRED if the reader is so slow that history went on without it. */
int store_watch_next(struct store_watch *watch, const struct store_event **event,
                     struct error **err);

/* --- Keeping ------------------------------------------------------------------------------------ */

/* Copies the database, consistent, to PATH and the keys that its secrets are sealed with to KEY_PATH
 * (both of mode 0600, neither may exist) while writes wait for a moment. */
int store_backup(struct store *store, const char *path, const char *key_path, struct error **err);

struct store_restored {
    size_t written, removed;
};

/* Makes the store hold what the backup FROM holds: what differs is created, replaced or removed, all
 * of it at once or nothing.  FROM is read, and brought to our layout if it is older. */
int store_restore(struct store *store, const struct store_options *from,
                  struct store_restored *count, struct error **err);

/* For a backup that takes the place of another store: its versions go on far beyond any that the
 * other can have given out, and who watched that one lists again. */
int store_advance(struct store *store, struct error **err);

/* Seals everything with a new key; the old one is forgotten afterwards. */
int store_rotate_key(struct store *store, struct error **err);

struct store_stats {
    uint64_t writes;       /* acknowledged */
    uint64_t commits;      /* groups of them */
    uint64_t failed;       /* writes that could not be committed */
    struct histogram commit_times; /* of each group, from its first statement to the disk's answer */
    size_t objects;
    size_t history_events;
    size_t watches;
};
void store_get_stats(struct store *store, struct store_stats *stats);

DEFINE_CLEANUP(store, struct store *, store_close)
DEFINE_CLEANUP(store_watch, struct store_watch *, store_watch_close)
