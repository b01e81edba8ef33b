/* The store's memory: tables, the history of changes, and the watches that follow it.
 *
 * Changes of a table are a linked list in order; a watch holds the last event it has seen and
 * follows the links, so a watch that waits costs nothing and no event is copied.  The oldest
 * events of all tables are forgotten together, by count and bytes; a table remembers up to which
 * version it has forgotten.
 *
 * May use: base, data.  Threads: `lock` guards tables and histories; events are frozen but for
 * their link, which is set once.
 */
#pragma once

#include "apiserver/store.h"

#include <pthread.h>

struct history_event {
    atomic_uint refs;
    struct store_event event;
    uint64_t version;
    _Atomic(struct history_event *) next; /* the table's next change; holds a reference */
    struct history_event *newer;          /* in the order of all tables; guarded by lock */
    struct store_table *table;
};

struct memory;

struct memory *memory_new(void);
void memory_free(struct memory *memory);

struct store_table *memory_table(struct memory *memory, const char *name, bool sealed);
void memory_table_names(struct memory *memory, struct str_list *names);
const char *memory_table_name(const struct store_table *table);
bool memory_table_is_sealed(const struct store_table *table);

/* The functions below, in this order, before anybody else knows the memory.  Puts a loaded object in
 * without a change. */
void memory_load(struct store_table *table, struct object *object);
/* VERSION is the newest; changes up to FORGOTTEN are not known. */
void memory_set_version(struct memory *memory, uint64_t version, uint64_t forgotten);
/* Of one table, more is not known. */
void memory_forget(struct store_table *table, uint64_t version);
/* A change that was before, the oldest first, of an object that is loaded or gone.  Takes EVENT's
 * references. */
void memory_load_change(struct store_table *table, const struct store_event *event);

uint64_t memory_table_forgotten(const struct store_table *table);

uint64_t memory_version(const struct memory *memory);
/* Changes up to this version are forgotten; only for the thread that applies changes. */
uint64_t memory_forgotten(const struct memory *memory);

/* Begins and ends a group of changes that becomes visible at once, and wakes the watches. */
void memory_begin(struct memory *memory);
void memory_apply(struct store_table *table, enum store_event_type type, struct object *object);
void memory_end(struct memory *memory, uint64_t version);

/* The object as it is, borrowed; only for the thread that applies changes. */
struct object *memory_peek(struct store_table *table, const char *key);

void memory_get_stats(struct memory *memory, struct store_stats *stats);
