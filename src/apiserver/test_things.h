/* For the tests of the store: stores in folders of the test's own, and things to put into them.
 *
 * May use: base, data.  Threads: one owner.
 */
#pragma once

#include "apiserver/store.h"

/* A store in a new folder below test_dir()/NAME; the paths live as long as the program. */
struct store_options things_options(const char *name);

/* Writes the thing NAME of namespace "ns" with DATA in it; OLD NULL: it is new.  The test fails unless
 * that succeeds.  A reference. */
struct object *things_put(struct store *store, struct store_table *table, const char *name,
                          const struct object *old, const char *data);
/* Removes it; the last state, a reference. */
struct object *things_remove(struct store *store, struct store_table *table,
                             const struct object *old);

json_t *things_value(const char *name, const char *data);
