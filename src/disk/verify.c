#include "disk/verify.h"

#include "base/cancel.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/thread.h"
#include "disk/blockmap.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_THREADS = 32, REMOTE_THREADS = 16, DEFAULT_BLOCK = 1 << 20, QUEUE_ITEMS = 64 };

#define WINDOW_BYTES (UINT64_C(64) << 30) /* looked at for holes at once */

/* One verification: the calling thread plans, skipping what is a hole on both sides; workers
 * compare. */
struct verify {
    const struct blockmap *map; /* or */
    struct disk *source;
    struct disk *disk;
    struct cancel *cancel;
    uint64_t block;
    uint64_t size_bytes;
    struct queue *queue; /* uint64_t *: offsets of blocks */
    atomic_bool stopping;
    pthread_mutex_t lock;
    struct verify_result result; /* guarded by lock */
    struct error *err;           /* guarded by lock: the first failure */
};

static void fail(struct verify *verify, struct error *err)
{
    verify->stopping = true;
    queue_close(verify->queue);
    LOCK_SCOPE(&verify->lock);
    if (verify->err == NULL)
        verify->err = err;
    else
        error_free(err);
}

static void note(struct verify *verify, uint64_t offset, uint64_t length, bool is_right)
{
    LOCK_SCOPE(&verify->lock);
    struct verify_result *result = &verify->result;

    result->checked_bytes += length;
    if (is_right)
        return;
    if (result->wrong_blocks == 0 || offset < result->first_wrong)
        result->first_wrong = offset;
    result->wrong_blocks++;
}

static bool is_zero(const char *data, size_t len)
{
    return len == 0 || (data[0] == 0 && memcmp(data, data + 1, len - 1) == 0);
}

/* True if DATA is what the map or the source has at OFFSET. */
static int compare(struct verify *verify, uint64_t offset, const char *data, char *other,
                   size_t len, bool *is_right, struct error **err)
{
    if (verify->map != NULL) {
        uint64_t end = blockmap_size(verify->map);
        size_t known = offset >= end ? 0 : end - offset < len ? (size_t)(end - offset) : len;

        *is_right = is_zero(data + known, len - known) &&
                    (known > 0 && blockmap_has(verify->map, offset)
                         ? blockmap_fits(verify->map, offset, data, known)
                         : is_zero(data, known));
        return 0;
    }
    uint64_t size = disk_size(verify->source);
    size_t inside = offset >= size        ? 0
                    : size - offset < len ? (size_t)(size - offset)
                                          : len;
    if (disk_read(verify->source, other, inside, offset, err) == -1)
        return -1;
    *is_right = memcmp(data, other, inside) == 0 && is_zero(data + inside, len - inside);
    return 0;
}

static void check_block(struct verify *verify, uint64_t offset, char *data, char *other)
{
    uint64_t left = verify->size_bytes - offset;
    size_t len = left < verify->block ? (size_t)left : (size_t)verify->block;
    struct error *err = NULL;
    bool is_right;

    if (cancel_check(verify->cancel, DEADLINE_NONE, &err) == -1 ||
        disk_read(verify->disk, data, len, offset, &err) == -1 ||
        compare(verify, offset, data, other, len, &is_right, &err) == -1)
        fail(verify, err);
    else
        note(verify, offset, len, is_right);
}

static void *run(void *arg)
{
    struct verify *verify = arg;
    CLEANUP(str) char *data = xmalloc((size_t)verify->block);
    CLEANUP(str) char *other = xmalloc((size_t)verify->block);
    uint64_t *offset;

    while ((offset = queue_pop(verify->queue, DEADLINE_NONE)) != NULL) {
        if (!verify->stopping)
            check_block(verify, *offset, data, other);
        free(offset);
    }
    return NULL;
}

/* Finds where a disk holds something, keeping the areas it was told. */
struct cursor {
    struct disk *disk;
    struct extent_list list;
    size_t index;
    uint64_t end; /* of what the list covers */
};

/* *FOUND becomes the first byte from AT on that the disk stores, or the disk's size. */
static int cursor_find(struct cursor *cursor, uint64_t at, uint64_t *found, struct error **err)
{
    uint64_t size = disk_size(cursor->disk);

    for (;;) {
        for (; cursor->index < cursor->list.len; cursor->index++) {
            const struct extent *area = &cursor->list.ptr[cursor->index];

            if (area->kind != EXTENT_DATA || area->offset + area->length <= at)
                continue;
            *found = area->offset > at ? area->offset : at;
            return 0;
        }
        uint64_t from = cursor->end > at ? cursor->end : at;
        if (from >= size) {
            *found = size;
            return 0;
        }
        cursor->list.len = cursor->index = 0;
        uint64_t length = size - from < WINDOW_BYTES ? size - from : WINDOW_BYTES;
        if (disk_extents(cursor->disk, from, length, &cursor->list, err) == -1)
            return -1;
        cursor->end = extent_list_end(&cursor->list, from);
    }
}

/* Hands out all blocks in which either side stores something. */
static int plan(struct verify *verify, struct cursor *have, struct cursor *want, struct error **err)
{
    uint64_t at = 0;

    while (at < verify->size_bytes && !verify->stopping) {
        uint64_t stored;
        uint64_t expected = verify->size_bytes;

        if (cursor_find(have, at, &stored, err) == -1)
            return -1;
        if (verify->map != NULL)
            expected = blockmap_find_next(verify->map, at);
        else if (at < disk_size(verify->source) && cursor_find(want, at, &expected, err) == -1)
            return -1;
        uint64_t next = stored < expected ? stored : expected;
        if (next >= verify->size_bytes)
            break;
        next -= next % verify->block;
        at = next > at ? next : at;
        uint64_t *item = xmemdup(&at, sizeof(at));
        if (!queue_push(verify->queue, item, DEADLINE_NONE)) {
            free(item);
            break;
        }
        at += verify->block;
    }
    return 0;
}

static size_t choose_threads(const struct verify *verify)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);

    if (disk_is_remote(verify->disk) || (verify->source != NULL && disk_is_remote(verify->source)))
        return REMOTE_THREADS;
    return processors < 1 ? 1 : processors > MAX_THREADS ? MAX_THREADS : (size_t)processors;
}

static int verify_all(struct verify *verify, struct verify_result *result, struct error **err)
{
    struct thread threads[MAX_THREADS] = {0};
    struct cursor have = {.disk = verify->disk};
    struct cursor want = {.disk = verify->source};
    size_t count = choose_threads(verify);
    struct error *planned = NULL;

    pthread_mutex_init(&verify->lock, NULL);
    verify->size_bytes = disk_size(verify->disk);
    verify->queue = queue_new(QUEUE_ITEMS);
    for (size_t i = 0; i < count && planned == NULL; i++)
        thread_start(&threads[i], "verify", run, verify, &planned);
    if (planned == NULL)
        plan(verify, &have, &want, &planned);
    queue_close(verify->queue);
    for (size_t i = 0; i < count; i++)
        thread_join(&threads[i]);
    for (uint64_t *left; (left = queue_pop(verify->queue, DEADLINE_NONE)) != NULL;)
        free(left);
    queue_free(verify->queue);
    extent_list_reset(&have.list);
    extent_list_reset(&want.list);
    pthread_mutex_destroy(&verify->lock);
    if (verify->err == NULL)
        verify->err = steal(&planned);
    error_free(planned);
    if (verify->err != NULL) {
        *err = verify->err;
        return -1;
    }
    *result = verify->result;
    return 0;
}

int verify_map(const struct blockmap *map, struct disk *disk, struct cancel *cancel,
               struct verify_result *result, struct error **err)
{
    struct verify verify = {
        .map = map, .disk = disk, .cancel = cancel, .block = blockmap_block_bytes(map)};

    if (!blockmap_is_complete(map)) {
        error_set(err, ERROR_INVALID, "the block map is of a copy that was not finished");
        return error_hint(err, "finish it with --resume");
    }
    if (disk_size(disk) < blockmap_size(map))
        return error_set(err, ERROR_CORRUPT,
                         "the destination has %llu bytes, the block map is of a disk of %llu",
                         (unsigned long long)disk_size(disk),
                         (unsigned long long)blockmap_size(map));
    return verify_all(&verify, result, err);
}

int verify_source(struct disk *source, struct disk *disk, struct cancel *cancel,
                  struct verify_result *result, struct error **err)
{
    struct verify verify = {
        .source = source, .disk = disk, .cancel = cancel, .block = DEFAULT_BLOCK};

    if (disk_size(disk) < disk_size(source))
        return error_set(err, ERROR_CORRUPT, "the destination has %llu bytes, the source %llu",
                         (unsigned long long)disk_size(disk),
                         (unsigned long long)disk_size(source));
    return verify_all(&verify, result, err);
}
