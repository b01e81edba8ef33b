#include "disk/blob_cache.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/thread.h"

#include <stdlib.h>
#include <string.h>

/* A block in memory. */
struct slot {
    uint64_t block; /* number in the blob; UINT64_MAX: empty */
    char *data;
    unsigned users;   /* who read or fill it now */
    bool is_loading;  /* by one of them */
    uint64_t used_at; /* turn of the last use */
};

struct cache_blob {
    struct blob blob;
    struct blob *inner;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct slot slots[BLOB_CACHE_BLOCKS]; /* guarded by lock, but for DATA while it has users */
    uint64_t turn;                        /* guarded by lock */
};

static void cache_close(struct blob *blob)
{
    struct cache_blob *cache = (struct cache_blob *)blob;

    blob_close(cache->inner);
    for (size_t i = 0; i < BLOB_CACHE_BLOCKS; i++)
        free(cache->slots[i].data);
    pthread_cond_destroy(&cache->changed);
    pthread_mutex_destroy(&cache->lock);
    free(cache);
}

/* The slot of BLOCK, or else the one to put it into; NULL if all are in use.  Lock held. */
static struct slot *choose(struct cache_blob *cache, uint64_t block)
{
    struct slot *oldest = NULL;

    for (size_t i = 0; i < BLOB_CACHE_BLOCKS; i++) {
        struct slot *slot = &cache->slots[i];

        if (slot->block == block)
            return slot;
        if (slot->users == 0 && (oldest == NULL || slot->used_at < oldest->used_at))
            oldest = slot;
    }
    return oldest;
}

/* Takes hold of BLOCK's slot, *MUST_LOAD if the caller has to fill it; NULL if all are in use. */
static struct slot *hold(struct cache_blob *cache, uint64_t block, bool *must_load)
{
    LOCK_SCOPE(&cache->lock);
    struct slot *slot;

    while ((slot = choose(cache, block)) != NULL && slot->block == block && slot->is_loading)
        cond_wait(&cache->changed, &cache->lock, DEADLINE_NONE); /* the blob keeps the deadline */
    if (slot == NULL)
        return NULL;
    *must_load = slot->block != block;
    slot->block = block;
    slot->is_loading = *must_load;
    slot->users++;
    slot->used_at = ++cache->turn;
    return slot;
}

static void let_go(struct cache_blob *cache, struct slot *slot, bool is_good)
{
    LOCK_SCOPE(&cache->lock);

    slot->users--;
    slot->is_loading = false;
    if (!is_good)
        slot->block = UINT64_MAX;
    pthread_cond_broadcast(&cache->changed);
}

static int load(struct cache_blob *cache, struct slot *slot, struct error **err)
{
    uint64_t start = slot->block * BLOB_CACHE_BLOCK;
    uint64_t left = cache->blob.size_bytes - start;

    if (slot->data == NULL)
        slot->data = xmalloc(BLOB_CACHE_BLOCK);
    return blob_read(cache->inner, slot->data,
                     left < BLOB_CACHE_BLOCK ? (size_t)left : (size_t)BLOB_CACHE_BLOCK, start, err);
}

/* Reads a part of one block. */
static int read_part(struct cache_blob *cache, void *to, size_t len, uint64_t offset,
                     struct error **err)
{
    bool must_load = false;
    struct slot *slot = hold(cache, offset / BLOB_CACHE_BLOCK, &must_load);

    if (slot == NULL)
        return blob_read(cache->inner, to, len, offset, err);
    int result = must_load ? load(cache, slot, err) : 0;
    if (result == 0)
        memcpy(to, slot->data + offset % BLOB_CACHE_BLOCK, len);
    let_go(cache, slot, result == 0);
    return result;
}

static int cache_read(struct blob *blob, void *data, size_t len, uint64_t offset,
                      struct error **err)
{
    struct cache_blob *cache = (struct cache_blob *)blob;

    if (len >= BLOB_CACHE_SMALL)
        return blob_read(cache->inner, data, len, offset, err);
    for (char *to = data; len > 0;) {
        size_t room = BLOB_CACHE_BLOCK - (size_t)(offset % BLOB_CACHE_BLOCK);
        size_t part = len < room ? len : room;

        if (read_part(cache, to, part, offset, err) == -1)
            return -1;
        to += part;
        offset += part;
        len -= part;
    }
    return 0;
}

static int cache_extents(struct blob *blob, uint64_t offset, uint64_t length,
                         struct extent_list *list, struct error **err)
{
    return blob_extents(((struct cache_blob *)blob)->inner, offset, length, list, err);
}

static int cache_locate(struct blob *blob, uint64_t offset, uint64_t *file_offset)
{
    struct blob *inner = ((struct cache_blob *)blob)->inner;

    return inner->ops->locate(inner, offset, file_offset);
}

struct blob *blob_cache_new(struct blob *inner)
{
    static const struct blob_ops ops = {
        .kind = "cache",
        .close = cache_close,
        .read = cache_read,
        .extents = cache_extents,
        .locate = cache_locate,
    };
    struct cache_blob *cache = xcalloc(1, sizeof(*cache));

    cache->blob = (struct blob){.ops = &ops,
                                .name = xstrdup(inner->name),
                                .size_bytes = inner->size_bytes,
                                .is_remote = inner->is_remote,
                                .latency_us = inner->latency_us};
    cache->inner = inner;
    for (size_t i = 0; i < BLOB_CACHE_BLOCKS; i++)
        cache->slots[i].block = UINT64_MAX;
    pthread_mutex_init(&cache->lock, NULL);
    cond_init(&cache->changed);
    return &cache->blob;
}
