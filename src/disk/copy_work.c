#include "disk/copy_state.h"

#include "base/error.h"
#include "base/mem.h"
#include "disk/disk.h"
#include "disk/blockmap.h"
#include "disk/target.h"

#include <stdlib.h>
#include <string.h>

/* Zeroes are looked for in pieces of so many bytes: the block of nearly all file systems, and what
 * qemu-img and nbdcopy leave out.  Leaving out longer runs only was no faster, measured on a file
 * system's image: there are few short ones. */
enum {
    ZERO_GRAIN = 4096,
    TURN_POLL_MS = 500,
    UNSYNCED_TIMES = 2, /* what the map may not know yet, in parts of which one calls its keeper */
};

/* A block that may still be on its way into the target. */
struct pending {
    bool is_there;
    uint64_t offset;
    size_t len;
    char *data;
    bool has_data;
};

/* A worker's own. */
struct worker {
    struct copy *copy;
    char *data;       /* request_bytes, aligned: one of the next */
    char *buffers[2]; /* the second only where writes go on while something else is done */
    struct target_lane *lane;
    struct pending pending; /* in the other buffer */
    char *there; /* the same, for what a destination has; only with streams that are continued */
    struct stream_unpacker *unpacker;
};

static bool is_zero(const char *data, size_t len)
{
    return data[0] == 0 && memcmp(data, data + 1, len - 1) == 0;
}

/* The length of the run of zeroes at DATA, in whole pieces. */
static size_t zero_run(const char *data, size_t len)
{
    size_t run = 0;

    while (run < len) {
        size_t piece = len - run < ZERO_GRAIN ? len - run : ZERO_GRAIN;

        if (!is_zero(data + run, piece))
            break;
        run += piece;
    }
    return run;
}

/* The length of the data at DATA up to the next piece of zeroes, or to the end. */
static size_t data_run(const char *data, size_t len)
{
    size_t run = 0;

    while (run < len) {
        size_t piece = len - run < ZERO_GRAIN ? len - run : ZERO_GRAIN;

        if (is_zero(data + run, piece))
            break;
        run += piece;
    }
    return run;
}

static int clear(struct copy *copy, uint64_t offset, uint64_t length, struct error **err)
{
    return copy->options.target->reads_zero
               ? 0
               : target_zero(copy->options.target, offset, length, err);
}

/* Begins to write LEN bytes without their runs of zeroes.  *HAS_DATA tells whether there was anything
 * else. */
static int write_sparse(struct worker *worker, const char *data, size_t len, uint64_t offset,
                        bool *has_data, struct error **err)
{
    struct copy *copy = worker->copy;

    *has_data = false;
    for (size_t at = 0; at < len;) {
        size_t run = zero_run(data + at, len - at);

        if (run > 0 && clear(copy, offset + at, run, err) == -1)
            return -1;
        at += run;
        run = data_run(data + at, len - at);
        if (run > 0) {
            if (target_lane_write(worker->lane, data + at, run, offset + at, err) == -1)
                return -1;
            *has_data = true;
            copy->written_bytes += run;
        }
        at += run;
    }
    target_lane_submit(worker->lane);
    return 0;
}

/* Hands a written block to the map's keeper, if there is a map; waits while the keeper has fallen
 * behind, so that a crash never makes much be done again. */
static void note_written(struct copy *copy, uint64_t offset, size_t len, const char *data,
                         bool is_zero_block)
{
    struct written written = {
        .offset = offset, .length = (uint32_t)len, .is_zero = is_zero_block};

    if (copy->options.map == NULL)
        return;
    blockmap_hash(data, len, written.hash);
    LOCK_SCOPE(&copy->lock);
    written_list_push(&copy->written, written);
    copy->unsynced_bytes += len;
    pthread_cond_broadcast(&copy->changed);
    while (copy->unsynced_bytes + copy->syncing_bytes > UNSYNCED_TIMES * copy->most_unsynced &&
           !copy->stopping)
        cond_wait(&copy->changed, &copy->lock, deadline_after(TURN_POLL_MS));
}

/* Waits until the pending block is written and notes that it is. */
static bool settle(struct worker *worker)
{
    struct pending *pending = &worker->pending;
    struct error *err = NULL;

    if (!pending->is_there)
        return true;
    pending->is_there = false;
    if (target_lane_wait(worker->lane, &err) == -1) {
        copy_fail(worker->copy, COPY_SIDE_TARGET, err);
        return false;
    }
    note_written(worker->copy, pending->offset, pending->len, pending->data, !pending->has_data);
    return true;
}

/* Writes the LEN bytes of the worker's data; where that can go on by itself, the worker has its other
 * buffer then. */
static bool write_block(struct worker *worker, uint64_t offset, size_t len)
{
    struct pending pending = {.is_there = true, .offset = offset, .len = len, .data = worker->data};
    struct error *err = NULL;

    if (!settle(worker))
        return false;
    if (write_sparse(worker, worker->data, len, offset, &pending.has_data, &err) == -1) {
        copy_fail(worker->copy, COPY_SIDE_TARGET, err);
        return false;
    }
    worker->pending = pending;
    if (worker->buffers[1] == NULL)
        return settle(worker);
    worker->data = worker->data == worker->buffers[0] ? worker->buffers[1] : worker->buffers[0];
    return true;
}

static bool do_read(struct worker *worker, const struct chunk *chunk)
{
    struct copy *copy = worker->copy;
    struct error *err = NULL;

    if (copy->share_fd != -1 &&
        target_share(copy->options.target, copy->share_fd, copy->share_start + chunk->offset,
                     chunk->offset, chunk->length)) {
        copy->shared_bytes += chunk->length;
        return true;
    }
    if (disk_read(copy->options.disk, worker->data, (size_t)chunk->length, chunk->offset, &err) ==
        -1) {
        copy_fail(copy, COPY_SIDE_SOURCE, err);
        return false;
    }
    copy->read_bytes += chunk->length;
    return write_block(worker, chunk->offset, (size_t)chunk->length);
}

/* The map says that the block is in the target: keep it if it is, copy it if not. */
static bool do_check(struct worker *worker, const struct chunk *chunk)
{
    struct copy *copy = worker->copy;
    struct error *err = NULL;

    if (disk_read(copy->options.check, worker->data, (size_t)chunk->length, chunk->offset, &err) ==
        -1) {
        copy_fail(copy, COPY_SIDE_TARGET, err);
        return false;
    }
    if (blockmap_fits(copy->options.map, chunk->offset, worker->data, (size_t)chunk->length)) {
        copy->kept_bytes += chunk->length;
        return true;
    }
    copy->repaired_bytes += chunk->length;
    return do_read(worker, chunk);
}

static bool do_zero(struct worker *worker, const struct chunk *chunk)
{
    struct error *err = NULL;

    if (clear(worker->copy, chunk->offset, chunk->length, &err) == 0)
        return true;
    copy_fail(worker->copy, COPY_SIDE_TARGET, err);
    return false;
}

/* Unpacks or takes pieces from FIRST on that follow each other in the disk into the worker's data;
 * returns how many, 0 after a failure. */
static size_t gather(struct worker *worker, const struct chunk *chunk, size_t first, size_t *len)
{
    struct copy *copy = worker->copy;
    size_t i = first;

    *len = 0;
    for (; i < chunk->count; i++) {
        const struct stream_piece *piece = &chunk->pieces[i];
        struct error *err = NULL;

        if (i > first && (piece->offset != chunk->pieces[first].offset + *len ||
                          piece->length > copy->options.request_bytes - *len))
            break;
        if (stream_unpack(worker->unpacker, chunk->buffer, piece, worker->data + *len, &err) ==
            -1) {
            copy_fail(copy, COPY_SIDE_SOURCE, err);
            return 0;
        }
        *len += piece->length;
    }
    return i - first;
}

static bool do_pieces(struct worker *worker, const struct chunk *chunk)
{
    struct copy *copy = worker->copy;
    size_t len;

    for (size_t i = 0; i < chunk->count;) {
        size_t taken = gather(worker, chunk, i, &len);

        if (taken == 0)
            return false;
        copy->read_bytes += len;
        if (!write_block(worker, chunk->pieces[i].offset, len))
            return false;
        i += taken;
    }
    return true;
}

/* Puts the pieces of a block together in the worker's data. */
static bool assemble(struct worker *worker, const struct chunk *chunk)
{
    struct error *err = NULL;

    memset(worker->data, 0, (size_t)chunk->length);
    for (size_t i = 0; i < chunk->count; i++) {
        const struct stream_piece *piece = &chunk->pieces[i];

        if (stream_unpack(worker->unpacker, chunk->buffer, piece,
                          worker->data + (piece->offset - chunk->offset), &err) == -1) {
            copy_fail(worker->copy, COPY_SIDE_SOURCE, err);
            return false;
        }
        worker->copy->read_bytes += piece->length;
    }
    return true;
}

/* A block of a stream: kept if the map and the destination have it so, else written. */
static bool do_block(struct worker *worker, const struct chunk *chunk)
{
    struct copy *copy = worker->copy;
    size_t len = (size_t)chunk->length;
    struct error *err = NULL;

    if (!assemble(worker, chunk))
        return false;
    if (copy->options.check != NULL && blockmap_has(copy->options.map, chunk->offset)) {
        if (disk_read(copy->options.check, worker->there, len, chunk->offset, &err) == -1) {
            copy_fail(copy, COPY_SIDE_TARGET, err);
            return false;
        }
        if (memcmp(worker->there, worker->data, len) == 0 &&
            blockmap_fits(copy->options.map, chunk->offset, worker->data, len)) {
            copy->kept_bytes += len;
            return true;
        }
        copy->repaired_bytes += len;
    }
    return write_block(worker, chunk->offset, len);
}

static bool do_chunk(struct worker *worker, const struct chunk *chunk)
{
    switch (chunk->kind) {
    case CHUNK_READ:
        return do_read(worker, chunk);
    case CHUNK_CHECK:
        return do_check(worker, chunk);
    case CHUNK_ZERO:
        return do_zero(worker, chunk);
    case CHUNK_PIECES:
        return do_pieces(worker, chunk);
    case CHUNK_BLOCK:
        return do_block(worker, chunk);
    }
    return false;
}

/* Waits until so many requests may be in flight that this worker, the NUMBERth, is wanted too.  False if
 * it never will be. */
static bool await_turn(struct copy *copy, size_t number)
{
    if (!copy->is_tuned)
        return true;
    LOCK_SCOPE(&copy->lock);
    while (number >= copy->tune.requests && !copy->is_planned && !copy->stopping)
        cond_wait(&copy->changed, &copy->lock, deadline_after(TURN_POLL_MS)); /* asks again */
    return number < copy->tune.requests;
}

/* Lets the number of requests follow what they bring. */
static void note_done(struct copy *copy, const struct chunk *chunk)
{
    copy->done_bytes += chunk->length;
    if (!copy->is_tuned || chunk->kind != CHUNK_READ)
        return;
    LOCK_SCOPE(&copy->lock);
    if (!tune_note(&copy->tune, chunk->length, time_mono_us()))
        return;
    if (copy->options.map == NULL) /* its blocks are all of one size */
        copy->piece_bytes = copy->tune.bytes;
    pthread_cond_broadcast(&copy->changed);
}

/* Gives the worker its buffers and its way into the target. */
static void open_lane(struct worker *worker)
{
    size_t len = worker->copy->options.request_bytes;
    size_t count = worker->copy->is_tuned ? 1 : 2; /* many requests hide the time of a write too */

    for (size_t i = 0; i < count; i++) {
        worker->buffers[i] = aligned_alloc(TARGET_ALIGNMENT, len);
        if (worker->buffers[i] == NULL)
            abort(); /* as xmalloc does */
    }
    worker->lane = target_lane_open(worker->copy->options.target, (void *const *)worker->buffers,
                                    count, len);
    if (!target_lane_is_async(worker->lane)) {
        free(worker->buffers[1]);
        worker->buffers[1] = NULL;
    }
    worker->data = worker->buffers[0];
}

void *copy_work(void *arg)
{
    struct copy *copy = arg;
    struct worker worker = {.copy = copy};
    size_t number = copy->next_number++;
    struct chunk *chunk;

    open_lane(&worker);
    if (copy->options.stream != NULL)
        worker.unpacker = stream_unpacker_new();
    if (copy->options.stream != NULL && copy->options.check != NULL)
        worker.there = xmalloc(copy->options.request_bytes);
    while (!copy_is_stopping(copy) && await_turn(copy, number) &&
           (chunk = queue_pop(copy->queue, DEADLINE_NONE)) != NULL) {
        if (do_chunk(&worker, chunk))
            note_done(copy, chunk);
        if (chunk->buffer != NULL)
            queue_push(copy->buffers, chunk->buffer, DEADLINE_NONE);
        free(chunk);
    }
    settle(&worker);
    target_lane_close(worker.lane);
    stream_unpacker_free(worker.unpacker);
    free(worker.buffers[0]);
    free(worker.buffers[1]);
    free(worker.there);
    copy_thread_ends(copy);
    return NULL;
}
