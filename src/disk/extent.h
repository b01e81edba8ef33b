/* Areas of a disk: where they are and whether anything is stored there.
 *
 * May use: base.  Threads: no shared state.
 */
#pragma once

#include "base/cleanup.h"
#include "base/vector.h"

#include <stdint.h>

enum extent_kind {
    EXTENT_DATA,   /* must be read */
    EXTENT_ZERO,   /* reads as zeroes */
    EXTENT_ABSENT, /* nothing stored: zeroes, or in a chain what lies below */
};

struct extent {
    uint64_t offset; /* bytes */
    uint64_t length; /* bytes, never 0 */
    enum extent_kind kind;
};

DEFINE_VECTOR(extent_list, struct extent)
DEFINE_CLEANUP_IN_PLACE(extent_list, struct extent_list, extent_list_reset)

/* Appends an area, joining it with the last one if it continues that; nothing if LENGTH is 0. */
static inline void extent_list_add(struct extent_list *list, uint64_t offset, uint64_t length,
                                   enum extent_kind kind)
{
    struct extent *last = list->len > 0 ? &list->ptr[list->len - 1] : NULL;

    if (length == 0)
        return;
    if (last != NULL && last->kind == kind && last->offset + last->length == offset)
        last->length += length;
    else
        extent_list_push(list, (struct extent){offset, length, kind});
}

/* The first byte behind the list, or START if it is empty. */
static inline uint64_t extent_list_end(const struct extent_list *list, uint64_t start)
{
    return list->len > 0 ? list->ptr[list->len - 1].offset + list->ptr[list->len - 1].length
                         : start;
}
