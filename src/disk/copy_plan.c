#include "disk/copy_state.h"

#include "base/cancel.h"
#include "base/error.h"
#include "base/mem.h"
#include "disk/blockmap.h"
#include "disk/target.h"

#include <inttypes.h>
#include <stdlib.h>

/* Areas are asked for in windows, so that the planner keeps few of them. */
#define WINDOW_BYTES (UINT64_C(64) << 30)
#define ZERO_BYTES (UINT64_C(1) << 30) /* cleared by one worker at once */

enum { PACE_MS = 20 };

/* The planner's own. */
struct plan {
    struct copy *copy;
    uint64_t block; /* bytes of a chunk; they start at multiples of it */
    uint64_t next;  /* the first byte that is not planned yet */
    uint64_t paced; /* bytes handed out, for the bandwidth */
};

/* Waits until the bandwidth allows LENGTH more bytes. */
static void pace(struct plan *plan, uint64_t length)
{
    struct copy *copy = plan->copy;

    if (copy->options.bandwidth == 0)
        return;
    plan->paced += length;
    int64_t due_ms = (int64_t)((double)plan->paced * 1000 / (double)copy->options.bandwidth);
    while (!copy_is_stopping(copy) && time_mono_ms() - copy->start_ms < due_ms)
        cancel_wait(copy->options.cancel, PACE_MS);
}

/* Hands a chunk over; false when the copy is stopping. */
static bool push(struct plan *plan, const struct chunk *chunk)
{
    struct chunk *item;

    if (chunk->kind != CHUNK_ZERO && chunk->kind != CHUNK_CHECK)
        pace(plan, chunk->length);
    if (copy_is_stopping(plan->copy))
        return false;
    item = xmemdup(chunk, sizeof(*chunk));
    if (queue_push(plan->copy->queue, item, DEADLINE_NONE))
        return true;
    free(item);
    return false;
}

/* Nothing is stored from plan->next to END. */
static bool plan_zeroes(struct plan *plan, uint64_t end)
{
    struct copy *copy = plan->copy;

    if (copy->options.target->reads_zero && plan->next < end) { /* nothing to do there */
        copy->done_bytes += end - plan->next;
        plan->next = end;
    }
    while (plan->next < end) {
        uint64_t length = end - plan->next;

        if (length > ZERO_BYTES)
            length = ZERO_BYTES;
        if (!push(plan, &(struct chunk){
                            .kind = CHUNK_ZERO, .offset = plan->next, .length = length}))
            return false;
        plan->next += length;
    }
    return true;
}

/* Something is stored from START to END, inside LIMIT: whole blocks are read, as what is in between
 * costs little and blocks are what the map knows. */
static bool plan_data(struct plan *plan, uint64_t start, uint64_t end, uint64_t limit)
{
    struct blockmap *map = plan->copy->options.map;

    start -= start % plan->block;
    if (start > plan->next && !plan_zeroes(plan, start))
        return false;
    while (plan->next < end) {
        uint64_t piece = plan->copy->piece_bytes;
        uint64_t stop = plan->next - plan->next % piece + piece;
        struct chunk chunk = {.kind = CHUNK_READ, .offset = plan->next};

        if (stop > limit)
            stop = limit;
        chunk.length = stop - plan->next;
        if (map != NULL && plan->copy->options.check != NULL && blockmap_has(map, chunk.offset))
            chunk.kind = CHUNK_CHECK;
        if (!push(plan, &chunk))
            return false;
        plan->next = stop;
    }
    return true;
}

/* Plans everything from START to END.  False when the copy is stopping or failed. */
static bool plan_area(struct plan *plan, uint64_t start, uint64_t end)
{
    struct copy *copy = plan->copy;

    plan->next = start;
    for (uint64_t at = start; at < end;) {
        CLEANUP(extent_list) struct extent_list list = {0};
        struct error *err = NULL;
        uint64_t length = end - at < WINDOW_BYTES ? end - at : WINDOW_BYTES;

        if (copy_is_stopping(copy)) /* long holes are handed to nobody who would notice */
            return false;
        if (disk_extents(copy->options.disk, at, length, &list, &err) == -1) {
            copy_fail(copy, COPY_SIDE_SOURCE, err);
            return false;
        }
        for (size_t i = 0; i < list.len; i++) {
            const struct extent *area = &list.ptr[i];
            if (area->kind == EXTENT_DATA &&
                !plan_data(plan, area->offset, area->offset + area->length, end))
                return false;
        }
        at = extent_list_end(&list, at);
    }
    return plan_zeroes(plan, end);
}

static void plan_disk(struct plan *plan)
{
    const struct extent_list *areas = plan->copy->options.areas;

    if (areas == NULL) {
        plan_area(plan, 0, plan->copy->size_bytes);
        return;
    }
    for (size_t i = 0; i < areas->len; i++) {
        uint64_t start = areas->ptr[i].offset;
        uint64_t end = start + areas->ptr[i].length;

        if (plan->copy->options.map != NULL) { /* a block's hash needs all of it */
            start -= start % plan->block;
            end = end % plan->block == 0 ? end : end - end % plan->block + plan->block;
            end = end < plan->copy->size_bytes ? end : plan->copy->size_bytes;
            start = start < plan->next ? plan->next : start;
            if (start >= end)
                continue;
        }
        if (!plan_area(plan, start, end))
            return;
    }
}

/* A stream says nothing of its holes: where the target does not read as zeroes already, all of it
 * is cleared first. */
static bool clear_target(struct copy *copy)
{
    struct error *err = NULL;

    if (copy->options.target->reads_zero || !stream_has_size(copy->options.stream))
        return true;
    for (uint64_t at = 0; at < copy->size_bytes && !copy_is_stopping(copy); at += ZERO_BYTES) {
        uint64_t left = copy->size_bytes - at;
        if (target_zero(copy->options.target, at, left < ZERO_BYTES ? left : ZERO_BYTES, &err) ==
            -1) {
            copy_fail(copy, COPY_SIDE_TARGET, err);
            return false;
        }
    }
    return true;
}

/* The pieces of CHUNK are a block, and nothing is stored between the last one and it. */
static bool plan_block(struct plan *plan, struct chunk *chunk)
{
    struct copy *copy = plan->copy;
    uint64_t start = chunk->pieces[0].offset - chunk->pieces[0].offset % plan->block;
    struct error *err = NULL;

    if (start < plan->next) {
        error_set(&err, ERROR_UNSUPPORTED,
                  "the grain of byte %" PRIu64 " comes behind later ones: without --map it can be "
                  "copied",
                  chunk->pieces[0].offset);
        copy_fail(copy, COPY_SIDE_SOURCE, err);
        return false;
    }
    if (!plan_zeroes(plan, start))
        return false;
    chunk->kind = CHUNK_BLOCK;
    chunk->offset = start;
    chunk->length = copy->size_bytes - start < plan->block ? copy->size_bytes - start : plan->block;
    plan->next = start + chunk->length;
    return push(plan, chunk);
}

static void plan_stream(struct plan *plan)
{
    struct copy *copy = plan->copy;
    struct stream *stream = copy->options.stream;

    if (copy->options.map == NULL && !clear_target(copy))
        return;
    while (!copy_is_stopping(copy)) {
        struct chunk chunk = {.kind = CHUNK_PIECES};
        struct error *err = NULL;

        chunk.buffer = queue_pop(copy->buffers, DEADLINE_NONE);
        if (chunk.buffer == NULL)
            return;
        int more = stream_next(stream, chunk.buffer, chunk.pieces, STREAM_MAX_PIECES,
                               &chunk.count, &err);
        if (more == -1)
            copy_fail(copy, COPY_SIDE_SOURCE, err);
        if (more != 1) {
            copy->size_bytes = stream_size(stream);
            if (more == 0 && copy->options.map != NULL)
                plan_zeroes(plan, copy->size_bytes);
            return;
        }
        if (copy->options.map != NULL) {
            if (!plan_block(plan, &chunk))
                return;
            continue;
        }
        for (size_t i = 0; i < chunk.count; i++)
            chunk.length += chunk.pieces[i].length;
        if (!push(plan, &chunk))
            return;
    }
}

void *copy_plan(void *arg)
{
    struct copy *copy = arg;
    struct plan plan = {.copy = copy, .block = copy->options.request_bytes};

    if (copy->options.stream != NULL)
        plan_stream(&plan);
    else
        plan_disk(&plan);
    queue_close(copy->queue);
    pthread_mutex_lock(&copy->lock);
    copy->is_planned = true;
    pthread_mutex_unlock(&copy->lock);
    copy_thread_ends(copy);
    return NULL;
}
