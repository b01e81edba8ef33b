#include "apiserver/sorted.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

enum { BLOCK_SIZE = 256 };

struct sorted_block {
    size_t count;
    struct object *items[BLOCK_SIZE];
};

void sorted_reset(struct sorted *sorted)
{
    for (size_t i = 0; i < sorted->block_count; i++) {
        for (size_t j = 0; j < sorted->blocks[i]->count; j++)
            object_unref(sorted->blocks[i]->items[j]);
        free(sorted->blocks[i]);
    }
    free(sorted->blocks);
    *sorted = (struct sorted){0};
}

/* The block that holds KEY or would: the last whose first key is not greater. */
static size_t find_block(const struct sorted *sorted, const char *key)
{
    size_t low = 0, high = sorted->block_count;

    while (high - low > 1) {
        size_t mid = (low + high) / 2;
        if (strcmp(sorted->blocks[mid]->items[0]->key, key) <= 0)
            low = mid;
        else
            high = mid;
    }
    return low;
}

/* The first position in BLOCK whose key is not less than KEY; *FOUND if it is equal. */
static size_t find_item(const struct sorted_block *block, const char *key, bool *found)
{
    size_t low = 0, high = block->count;

    while (low < high) {
        size_t mid = (low + high) / 2;
        if (strcmp(block->items[mid]->key, key) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    *found = low < block->count && strcmp(block->items[low]->key, key) == 0;
    return low;
}

struct object *sorted_find(const struct sorted *sorted, const char *key)
{
    bool found = false;

    if (sorted->block_count == 0)
        return NULL;
    const struct sorted_block *block = sorted->blocks[find_block(sorted, key)];
    size_t i = find_item(block, key, &found);
    return found ? block->items[i] : NULL;
}

static void insert_block(struct sorted *sorted, size_t at, struct sorted_block *block)
{
    if (sorted->block_count == sorted->block_cap) {
        sorted->block_cap = sorted->block_cap == 0 ? 4 : sorted->block_cap * 2;
        sorted->blocks = xreallocarray(sorted->blocks, sorted->block_cap, sizeof(*sorted->blocks));
    }
    memmove(&sorted->blocks[at + 1], &sorted->blocks[at],
            (sorted->block_count - at) * sizeof(*sorted->blocks));
    sorted->blocks[at] = block;
    sorted->block_count++;
}

/* Moves the upper half of block AT into a new one behind it. */
static void split_block(struct sorted *sorted, size_t at)
{
    struct sorted_block *old = sorted->blocks[at], *block = xcalloc(1, sizeof(*block));

    block->count = old->count / 2;
    old->count -= block->count;
    memcpy(block->items, old->items + old->count, block->count * sizeof(block->items[0]));
    insert_block(sorted, at + 1, block);
}

struct object *sorted_put(struct sorted *sorted, struct object *object)
{
    bool found = false;

    if (sorted->block_count == 0)
        insert_block(sorted, 0, xcalloc(1, sizeof(struct sorted_block)));
    size_t at = find_block(sorted, object->key);
    size_t i = find_item(sorted->blocks[at], object->key, &found);
    if (found) {
        struct object *old = sorted->blocks[at]->items[i];
        sorted->blocks[at]->items[i] = object;
        return old;
    }
    if (sorted->blocks[at]->count == BLOCK_SIZE) {
        split_block(sorted, at);
        if (i > sorted->blocks[at]->count) {
            i -= sorted->blocks[at]->count;
            at++;
        }
    }
    struct sorted_block *block = sorted->blocks[at];
    memmove(&block->items[i + 1], &block->items[i], (block->count - i) * sizeof(block->items[0]));
    block->items[i] = object;
    block->count++;
    sorted->count++;
    return NULL;
}

struct object *sorted_remove(struct sorted *sorted, const char *key)
{
    bool found = false;

    if (sorted->block_count == 0)
        return NULL;
    size_t at = find_block(sorted, key);
    struct sorted_block *block = sorted->blocks[at];
    size_t i = find_item(block, key, &found);
    if (!found)
        return NULL;

    struct object *object = block->items[i];
    block->count--;
    sorted->count--;
    memmove(&block->items[i], &block->items[i + 1], (block->count - i) * sizeof(block->items[0]));
    if (block->count == 0) {
        free(block);
        sorted->block_count--;
        memmove(&sorted->blocks[at], &sorted->blocks[at + 1],
                (sorted->block_count - at) * sizeof(*sorted->blocks));
    }
    return object;
}

void sorted_collect(const struct sorted *sorted, const char *prefix, const char *after,
                    struct object_list *out)
{
    const char *from = strcmp(after, prefix) > 0 ? after : prefix;
    size_t prefix_len = strlen(prefix);
    bool found = false;

    if (sorted->block_count == 0)
        return;
    size_t at = find_block(sorted, from);
    size_t i = find_item(sorted->blocks[at], from, &found);
    for (; at < sorted->block_count; at++, i = 0) {
        const struct sorted_block *block = sorted->blocks[at];
        for (; i < block->count; i++) {
            if (strncmp(block->items[i]->key, prefix, prefix_len) != 0)
                return;
            if (strcmp(block->items[i]->key, after) > 0)
                object_list_push(out, object_ref(block->items[i]));
        }
    }
}
