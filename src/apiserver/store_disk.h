/* The database behind the store: SQLite, and the sealing of secrets.
 *
 * May use: base, data, net.  Threads: one owner (the store's writer thread; before and after it,
 * whoever opens and closes).
 */
#pragma once

#include "apiserver/object.h"
#include "apiserver/store.h"

struct disk;

int store_disk_open(const struct store_options *options, struct disk **out, struct error **err);
void store_disk_close(struct disk *disk);

/* Calls EACH for every object there is, and returns the newest resourceVersion in *VERSION.
 * EACH takes OBJECT. */
int disk_load(struct disk *disk, void (*each)(void *arg, const char *table, struct object *object),
              void *arg, uint64_t *version, struct error **err);

/* A change that the history remembers, an update or a removal.  OLD and LAST are the receiver's. */
struct disk_change {
    const char *table;
    uint64_t version;
    struct object *old;  /* what was there before; NULL: it is not kept, and neither is LAST */
    struct object *last; /* the last state of what was removed; NULL: it was replaced */
};
/* Calls EACH for all of them, the oldest first.  Changes up to *FORGOTTEN are not remembered. */
int disk_load_history(struct disk *disk,
                      void (*each)(void *arg, const struct disk_change *change), void *arg,
                      uint64_t *forgotten, struct error **err);

int disk_begin(struct disk *disk, struct error **err);
/* Durable when it returns.  VERSION is the newest resourceVersion. */
int disk_commit(struct disk *disk, uint64_t version, struct error **err);
void disk_rollback(struct disk *disk);

/* Within a transaction.  A new object gets its row. */
int disk_insert(struct disk *disk, const char *table, bool sealed, struct object *object,
                struct error **err);
int disk_update(struct disk *disk, const char *table, bool sealed, const struct object *object,
                struct error **err);
/* OBJECT is the last state, with the removal's version. */
int disk_delete(struct disk *disk, const char *table, bool sealed, const struct object *object,
                struct error **err);
/* Drops changes up to VERSION from the history. */
int disk_forget(struct disk *disk, uint64_t version, struct error **err);
/* Makes VERSION the newest one and forgets the history; a transaction of its own. */
int disk_advance(struct disk *disk, uint64_t version, struct error **err);

/* Seals everything with a new key. */
int disk_rotate_key(struct disk *disk, struct error **err);

/* The database to PATH, the keys to KEY_PATH. */
int disk_backup(struct disk *disk, const char *path, const char *key_path, struct error **err);
