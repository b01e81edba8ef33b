/* Memory that is given out piece by piece and taken back all at once.
 *
 * An arena has a soft limit: who passes it still gets memory, `is_over` turns true, and the
 * evaluator that owns the arena stops at its next step.  Whoever makes one piece as large as a
 * number from outside asks arena_has_room first.  A reset keeps the memory for the next round, so
 * that a steady state does not allocate.
 *
 * May use: base.  Threads: one owner.
 */
#pragma once

#include "base/cleanup.h"

#include <stdbool.h>
#include <stddef.h>

struct arena_chunk;

struct arena {
    char *next; /* free bytes of the current chunk */
    char *end;
    size_t used;  /* bytes of the full chunks before it */
    size_t limit; /* soft, 0 for none */
    bool fills;   /* most of it will be written soon: pages come many at a time, not one by one */
    struct arena_chunk *current;
    struct arena_chunk *first;
};

void arena_init(struct arena *arena, size_t limit);

/* Frees everything; a zeroed arena is fine. */
void arena_reset(struct arena *arena);

/* Forgets all pieces, keeps the memory (what is far above the usual is given back). */
void arena_clear(struct arena *arena);

/* Slow path of arena_alloc. */
void *arena_alloc_chunk(struct arena *arena, size_t size);

/* SIZE bytes aligned for anything, not cleared. */
static inline void *arena_alloc(struct arena *arena, size_t size)
{
    size = (size + 15) & ~(size_t)15;
    if ((size_t)(arena->end - arena->next) < size)
        return arena_alloc_chunk(arena, size);
    char *piece = arena->next;
    arena->next += size;
    return piece;
}

/* COUNT zeroed elements of SIZE bytes; the product must fit (both come from our own counts). */
void *arena_calloc(struct arena *arena, size_t count, size_t size);

/* LEN bytes of TEXT and a NUL. */
char *arena_strndup(struct arena *arena, const char *text, size_t len);

/* Bytes given out so far. */
size_t arena_used(const struct arena *arena);

/* True once the limit was passed. */
static inline bool arena_is_over(const struct arena *arena)
{
    return arena->limit != 0 && arena_used(arena) > arena->limit;
}

/* True if BYTES more stay within the limit. */
bool arena_has_room(const struct arena *arena, size_t bytes);

DEFINE_CLEANUP_IN_PLACE(arena, struct arena, arena_reset)
