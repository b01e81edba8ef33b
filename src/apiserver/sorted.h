/* The objects of one kind in memory, sorted by key: found in a binary search, walked in order.
 *
 * Blocks of pointers instead of a tree: an insert moves at most one block, a walk is a loop.
 *
 * May use: base.  Threads: one owner, or a lock of the owner's.
 */
#pragma once

#include "apiserver/object.h"

#include <stdbool.h>

struct sorted_block;

struct sorted {
    struct sorted_block **blocks;
    size_t block_count;
    size_t block_cap;
    size_t count; /* objects */
};

void sorted_reset(struct sorted *sorted); /* drops the references */

/* The object under KEY, borrowed, or NULL. */
struct object *sorted_find(const struct sorted *sorted, const char *key);

/* Puts OBJECT (taking the reference) under its key and returns what it replaces (the caller's), or
 * NULL. */
struct object *sorted_put(struct sorted *sorted, struct object *object);

/* Removes what is under KEY and returns it (the caller's), or NULL. */
struct object *sorted_remove(struct sorted *sorted, const char *key);

/* Appends a reference to every object whose key starts with PREFIX and is greater than AFTER (""
 * for all). */
void sorted_collect(const struct sorted *sorted, const char *prefix, const char *after,
                    struct object_list *out);
