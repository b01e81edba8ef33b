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

int disk_begin(struct disk *disk, struct error **err);
/* Durable when it returns.  VERSION is the newest resourceVersion. */
int disk_commit(struct disk *disk, uint64_t version, struct error **err);
void disk_rollback(struct disk *disk);

/* Within a transaction.  A new object gets its row. */
int disk_insert(struct disk *disk, const char *table, bool sealed, struct object *object,
                struct error **err);
int disk_update(struct disk *disk, const char *table, bool sealed, const struct object *object,
                struct error **err);
int disk_delete(struct disk *disk, const struct object *object, struct error **err);

/* Seals everything with a new key. */
int disk_rotate_key(struct disk *disk, struct error **err);

/* The database to PATH, the keys to KEY_PATH. */
int disk_backup(struct disk *disk, const char *path, const char *key_path, struct error **err);
