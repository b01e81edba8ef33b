#include "lang/arena.h"

#include "base/mem.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { CHUNK_MIN = 16 * 1024, CHUNK_MAX = 1024 * 1024 };

struct arena_chunk {
    struct arena_chunk *next;
    size_t size;
    _Alignas(16) char data[];
};

void arena_init(struct arena *arena, size_t limit)
{
    *arena = (struct arena){.limit = limit};
}

void arena_reset(struct arena *arena)
{
    struct arena_chunk *chunk = arena->first;
    while (chunk != NULL) {
        struct arena_chunk *next = chunk->next;
        free(chunk);
        chunk = next;
    }
    *arena = (struct arena){.limit = arena->limit, .fills = arena->fills};
}

static void enter_chunk(struct arena *arena, struct arena_chunk *chunk)
{
    arena->current = chunk;
    arena->next = chunk->data;
    arena->end = chunk->data + chunk->size;
}

void arena_clear(struct arena *arena)
{
    if (arena->first == NULL)
        return;
    /* One round that was far larger than CHUNK_MAX must not be paid for until the process ends. */
    size_t kept = 0;
    for (struct arena_chunk *c = arena->first; c != NULL; c = c->next) {
        kept += c->size;
        if (kept < 4 * (size_t)CHUNK_MAX)
            continue;
        struct arena_chunk *extra = c->next;
        c->next = NULL;
        while (extra != NULL) {
            struct arena_chunk *next = extra->next;
            free(extra);
            extra = next;
        }
        break;
    }
    arena->used = 0;
    enter_chunk(arena, arena->first);
}

/* A fault for each page costs several times the clearing of it.  A kernel that cannot (before 5.14), or
 * has no memory left, says so at the first write as ever. */
static void fill_pages(const struct arena_chunk *chunk)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t start = ((uintptr_t)chunk + page - 1) / page * page;
    uintptr_t end = ((uintptr_t)chunk->data + chunk->size) / page * page;

    if (start < end)
        madvise((void *)start, end - start, MADV_POPULATE_WRITE);
}

void *arena_alloc_chunk(struct arena *arena, size_t size)
{
    if (arena->current != NULL)
        arena->used += (size_t)(arena->next - arena->current->data);
    /* Chunks kept by arena_clear follow the current one; those too small are skipped over. */
    struct arena_chunk *chunk = arena->current != NULL ? arena->current->next : NULL;
    while (chunk != NULL && chunk->size < size)
        chunk = chunk->next;
    if (chunk == NULL) {
        size_t want = CHUNK_MIN;
        if (arena->current != NULL)
            want = arena->current->size < CHUNK_MAX / 2 ? arena->current->size * 2 : CHUNK_MAX;
        if (want < size)
            want = size;
        chunk = (struct arena_chunk *)xmalloc(sizeof(*chunk) + want);
        chunk->size = want;
        chunk->next = NULL;
        if (arena->fills)
            fill_pages(chunk);
        if (arena->current == NULL) {
            arena->first = chunk;
        } else {
            struct arena_chunk *last = arena->current;
            while (last->next != NULL)
                last = last->next;
            last->next = chunk;
        }
    }
    enter_chunk(arena, chunk);
    arena->next += size;
    return chunk->data;
}

void *arena_calloc(struct arena *arena, size_t count, size_t size)
{
    void *piece = arena_alloc(arena, count * size);
    memset(piece, 0, count * size);
    return piece;
}

char *arena_strndup(struct arena *arena, const char *text, size_t len)
{
    char *copy = (char *)arena_alloc(arena, len + 1);
    if (len > 0)
        memcpy(copy, text, len);
    copy[len] = '\0';
    return copy;
}

size_t arena_used(const struct arena *arena)
{
    if (arena->current == NULL)
        return 0;
    return arena->used + (size_t)(arena->next - arena->current->data);
}

bool arena_has_room(const struct arena *arena, size_t bytes)
{
    size_t used = arena_used(arena);
    return arena->limit == 0 || (bytes <= arena->limit && used <= arena->limit - bytes);
}
