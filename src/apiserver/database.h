/* The database behind the store: SQLite, and the sealing of secrets.
 *
 * May use: base, data, net.  Threads: one owner (the store's writer thread; before and after it,
 * whoever opens and closes).
 */
#pragma once

#include "apiserver/object.h"
#include "apiserver/store.h"

struct database;

int database_open(const struct store_options *options, struct database **out, struct error **err);
void database_close(struct database *database);

/* Calls EACH for every object there is, and returns the newest resourceVersion in *VERSION.
 * EACH takes OBJECT. */
int database_load(struct database *database,
                  void (*each)(void *arg, const char *table, struct object *object), void *arg,
                  uint64_t *version, struct error **err);

/* A change that the history remembers, an update or a removal.  OLD and LAST are the receiver's. */
struct disk_change {
    const char *table;
    uint64_t version;
    struct object *old;  /* what was there before; NULL: it is not kept, and neither is LAST */
    struct object *last; /* the last state of what was removed; NULL: it was replaced */
};
/* Calls EACH for all of them, the oldest first.  Changes up to *FORGOTTEN are not remembered. */
int database_load_history(struct database *database,
                          void (*each)(void *arg, const struct disk_change *change), void *arg,
                          uint64_t *forgotten, struct error **err);

int database_begin(struct database *database, struct error **err);
/* Durable when it returns.  VERSION is the newest resourceVersion. */
int database_commit(struct database *database, uint64_t version, struct error **err);
void database_rollback(struct database *database);

/* Within a transaction.  A new object gets its row. */
int database_insert(struct database *database, const char *table, bool sealed,
                    struct object *object, struct error **err);
int database_update(struct database *database, const char *table, bool sealed,
                    const struct object *object, struct error **err);
/* OBJECT is the last state, with the removal's version. */
int database_delete(struct database *database, const char *table, bool sealed,
                    const struct object *object, struct error **err);
/* Drops changes up to VERSION from the history. */
int database_forget(struct database *database, uint64_t version, struct error **err);
/* Makes VERSION the newest one and forgets the history; a transaction of its own. */
int database_advance(struct database *database, uint64_t version, struct error **err);

/* Seals everything with a new key. */
int database_rotate_key(struct database *database, struct error **err);

/* The database to PATH, the keys to KEY_PATH. */
int database_backup(struct database *database, const char *path, const char *key_path,
                    struct error **err);
