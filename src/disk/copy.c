#include "disk/copy_state.h"

#include "base/cancel.h"
#include "base/error.h"
#include "base/mem.h"
#include "disk/blockmap.h"
#include "disk/disk.h"
#include "disk/target.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    WRITE_REQUESTS = 16,     /* first in flight to a destination on a server; from a source on one: */
    NEAR_REQUESTS = 8,       /* if a request takes less than NEAR_US, */
    MIDDLE_REQUESTS = 24,
    FAR_REQUESTS = 32,       /* or more than FAR_US */
    PACKED_REQUESTS = 20,    /* at most, where each needs memory for packed data too */
    NEAR_US = 2000,
    FAR_US = 8000,
    LOCAL_WORKERS = 8,       /* keep a disk busy where nothing has to be unpacked */
    ASYNC_WORKERS = 4,       /* do so where writes go on by themselves, with ... */
    LOCAL_REQUEST = 2 << 20, /* ... fewer and larger writes */
    WAITING_WORKERS = 4,     /* more than there are processors: some unpack, some wait for the disk */
    QUEUE_ITEMS = 64,        /* planned ahead */
    KEEPER_WAIT_MS = 500,    /* what is written becomes durable and recorded so often, or ... */
    KEEPER_MAX = 32 << 20,   /* ... when there is so much of it; on small disks less: ... */
    KEEPER_MIN = 1 << 20,
    KEEPER_PARTS = 64,       /* ... a crash makes little of the work be done again */
    RATE_SAMPLES = 8,
    RATE_EVERY_MS = 1000,
};

void copy_fail(struct copy *copy, enum copy_side side, struct error *err)
{
    pthread_mutex_lock(&copy->lock);
    if (copy->err == NULL) {
        copy->err = steal(&err);
        copy->side = side;
    }
    pthread_mutex_unlock(&copy->lock);
    error_free(err);
    copy_cancel(copy);
}

/* Stops without an error of its own: the threads end, copy_finish says why. */
void copy_cancel(struct copy *copy)
{
    copy->stopping = true;
    queue_close(copy->queue);
    if (copy->buffers != NULL)
        queue_close(copy->buffers);
}

bool copy_is_stopping(struct copy *copy)
{
    if (!copy->stopping && cancel_is_requested(copy->options.cancel))
        copy_cancel(copy);
    return copy->stopping;
}

void copy_thread_ends(struct copy *copy)
{
    LOCK_SCOPE(&copy->lock);

    copy->running--;
    pthread_cond_broadcast(&copy->changed);
}

void copy_drain(struct copy *copy)
{
    struct chunk *chunk;

    queue_close(copy->queue);
    while ((chunk = queue_pop(copy->queue, DEADLINE_NONE)) != NULL)
        free(chunk);
}

/* Makes durable what was written before, then records it.  *SIDE tells what failed. */
static int keep(struct copy *copy, struct written_list *list, enum copy_side *side,
                struct error **err)
{
    if (list->len == 0)
        return 0;
    *side = COPY_SIDE_TARGET;
    if (target_sync(copy->options.target, err) == -1)
        return -1;
    *side = COPY_SIDE_MAP;
    for (size_t i = 0; i < list->len; i++) {
        struct blockmap_block block = {.offset = list->ptr[i].offset,
                                       .length = list->ptr[i].length,
                                       .is_zero = list->ptr[i].is_zero};

        memcpy(block.hash, list->ptr[i].hash, sizeof(block.hash));
        if (blockmap_record(copy->options.map, &block, err) == -1)
            return error_wrap(err, "block map");
    }
    return 0;
}

static struct written_list take_written(struct copy *copy)
{
    struct written_list list = copy->written;

    copy->written = (struct written_list){0};
    copy->syncing_bytes = copy->unsynced_bytes;
    copy->unsynced_bytes = 0;
    return list;
}

/* How much may be written that the map does not know yet. */
static uint64_t choose_unsynced(const struct copy *copy)
{
    uint64_t part = copy->total_bytes / KEEPER_PARTS;

    return part < KEEPER_MIN ? KEEPER_MIN : part > KEEPER_MAX ? KEEPER_MAX : part;
}

static void *keep_map(void *arg)
{
    struct copy *copy = arg;
    bool more = true;

    while (more) {
        struct deadline deadline = deadline_after(KEEPER_WAIT_MS);
        enum copy_side side = COPY_SIDE_NONE;
        struct error *err = NULL;

        pthread_mutex_lock(&copy->lock);
        while (copy->running > 0 && copy->unsynced_bytes < copy->most_unsynced &&
               cond_wait(&copy->changed, &copy->lock, deadline))
            ;
        more = copy->running > 0;
        struct written_list list = take_written(copy);
        pthread_mutex_unlock(&copy->lock);

        if (keep(copy, &list, &side, &err) == -1) {
            copy_fail(copy, side, err);
            more = false;
        }
        written_list_reset(&list);
        pthread_mutex_lock(&copy->lock);
        copy->syncing_bytes = 0;
        pthread_cond_broadcast(&copy->changed);
        pthread_mutex_unlock(&copy->lock);
    }
    return NULL;
}

/* True if all there is to do is to read and to write, the latter without waiting. */
static bool is_plain_and_local(const struct copy_options *options)
{
    return options->disk != NULL && !disk_is_remote(options->disk) &&
           !disk_is_packed(options->disk) && options->target->is_async;
}

/* How many requests to a server to begin with: by the time that one takes. */
static unsigned choose_requests(const struct copy_options *options)
{
    unsigned latency_us = options->disk == NULL ? 0 : disk_latency_us(options->disk);

    if (latency_us >= NEAR_US)
        return latency_us < FAR_US ? MIDDLE_REQUESTS : FAR_REQUESTS;
    return options->target->is_remote ? WRITE_REQUESTS : NEAR_REQUESTS;
}

static size_t choose_workers(const struct copy_options *options, bool is_tuned)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    bool is_packed = options->stream != NULL || disk_is_packed(options->disk);
    size_t count = options->workers;

    if (is_tuned)
        count = is_packed ? PACKED_REQUESTS : TUNE_MAX_REQUESTS;
    if (count == 0 && options->target->is_remote)
        count = WRITE_REQUESTS;
    if (count == 0)
        count = is_packed ? (size_t)(processors < 1 ? 1 : processors) + WAITING_WORKERS
                : is_plain_and_local(options) ? ASYNC_WORKERS
                                              : LOCAL_WORKERS;
    return count > COPY_MAX_WORKERS ? COPY_MAX_WORKERS : count;
}

/* Chooses the workers; between servers, how many of them have something to do is found by trying. */
static void prepare_workers(struct copy *copy)
{
    const struct copy_options *options = &copy->options;

    copy->is_tuned = options->workers == 0 && options->stream == NULL &&
                     (options->target->is_remote || disk_is_remote(options->disk));
    copy->worker_count = choose_workers(options, copy->is_tuned);
    copy->workers = xcalloc(copy->worker_count, sizeof(copy->workers[0]));
    copy->piece_bytes = options->request_bytes;
    if (copy->is_tuned)
        tune_init(&copy->tune, choose_requests(options), (unsigned)copy->worker_count,
                  options->request_bytes, time_mono_us());
}

static uint64_t sum_areas(const struct copy *copy)
{
    const struct extent_list *areas = copy->options.areas;
    uint64_t sum = 0;

    if (areas == NULL)
        return copy->options.stream != NULL && !stream_has_size(copy->options.stream)
                   ? 0
                   : copy->size_bytes;
    for (size_t i = 0; i < areas->len; i++)
        sum += areas->ptr[i].length;
    return sum;
}

static int check_areas(const struct copy *copy, struct error **err)
{
    const struct extent_list *areas = copy->options.areas;
    uint64_t at = 0;

    for (size_t i = 0; areas != NULL && i < areas->len; i++) {
        const struct extent *area = &areas->ptr[i];

        if (area->offset < at)
            return error_set(err, ERROR_INVALID,
                             "area %zu at byte %llu does not follow the one before it", i + 1,
                             (unsigned long long)area->offset);
        if (area->offset > copy->size_bytes || area->length > copy->size_bytes - area->offset)
            return error_set(err, ERROR_INVALID,
                             "area %zu (byte %llu, %llu bytes) reaches behind the disk's end", i + 1,
                             (unsigned long long)area->offset, (unsigned long long)area->length);
        at = area->offset + area->length;
    }
    return 0;
}

static void make_buffers(struct copy *copy)
{
    copy->buffer_count = copy->worker_count + 2;
    copy->all_buffers = xcalloc(copy->buffer_count, sizeof(copy->all_buffers[0]));
    copy->buffers = queue_new(copy->buffer_count);
    for (size_t i = 0; i < copy->buffer_count; i++) {
        copy->all_buffers[i] = xmalloc(STREAM_BUFFER_SIZE);
        queue_push(copy->buffers, copy->all_buffers[i], DEADLINE_NONE);
    }
}

static void copy_free(struct copy *copy)
{
    for (size_t i = 0; i < copy->buffer_count; i++)
        free(copy->all_buffers[i]);
    free(copy->all_buffers);
    queue_free(copy->buffers);
    queue_free(copy->queue);
    written_list_reset(&copy->written);
    error_free(copy->err);
    pthread_cond_destroy(&copy->changed);
    pthread_mutex_destroy(&copy->lock);
    free(copy->workers);
    free(copy);
}

static void join_all(struct copy *copy)
{
    thread_join(&copy->planner);
    for (size_t i = 0; i < copy->worker_count; i++)
        thread_join(&copy->workers[i]);
    thread_join(&copy->keeper);
    copy_drain(copy);
}

/* A thread that was not started never ends: RUNNING counts only those that were. */
static int start_one(struct copy *copy, struct thread *thread, const char *name,
                     void *(*fn)(void *), struct error **err)
{
    pthread_mutex_lock(&copy->lock);
    copy->running++;
    pthread_mutex_unlock(&copy->lock);
    if (thread_start(thread, name, fn, copy, err) == 0)
        return 0;
    copy_thread_ends(copy);
    return -1;
}

static int start_threads(struct copy *copy, struct error **err)
{
    if (start_one(copy, &copy->planner, "copy-plan", copy_plan, err) == -1)
        return -1;
    for (size_t i = 0; i < copy->worker_count; i++)
        if (start_one(copy, &copy->workers[i], "copy-work", copy_work, err) == -1)
            return -1;
    if (copy->options.map == NULL)
        return 0;
    return thread_start(&copy->keeper, "copy-keep", keep_map, copy, err);
}

int copy_start(const struct copy_options *options, struct copy **out, struct error **err)
{
    struct copy *copy = xcalloc(1, sizeof(*copy));
    size_t request = options->request_bytes;

    copy->options = *options;
    if (request == 0)
        request = is_plain_and_local(options) && options->map == NULL ? LOCAL_REQUEST
                                                                      : COPY_DEFAULT_REQUEST;
    assert(request >= COPY_MIN_REQUEST && request <= COPY_MAX_REQUEST &&
           (request & (request - 1)) == 0);
    if (options->stream != NULL && options->map == NULL && request < DISK_MAX_GRAIN)
        request = DISK_MAX_GRAIN; /* a grain is unpacked whole */
    copy->options.request_bytes = request;
    copy->size_bytes = options->disk != NULL ? disk_size(options->disk)
                                             : stream_size(options->stream);
    copy->total_bytes = sum_areas(copy);
    copy->most_unsynced = choose_unsynced(copy);
    copy->start_ms = time_mono_ms();
    copy->share_fd = -1; /* a map wants checksums: all must be read */
    if (options->disk != NULL && options->map == NULL)
        copy->share_fd = disk_plain_fd(options->disk, &copy->share_start);
    prepare_workers(copy);
    copy->queue = queue_new(QUEUE_ITEMS);
    pthread_mutex_init(&copy->lock, NULL);
    cond_init(&copy->changed);
    for (size_t i = 0; i < RATE_SAMPLES; i++)
        copy->rate_ms[i] = copy->start_ms;
    if (check_areas(copy, err) == -1) {
        copy_free(copy);
        return -1;
    }
    if (options->stream != NULL)
        make_buffers(copy);
    if (start_threads(copy, err) == -1) {
        copy_cancel(copy);
        join_all(copy);
        copy_free(copy);
        return -1;
    }
    *out = copy;
    return 0;
}

bool copy_wait(struct copy *copy, struct deadline deadline)
{
    LOCK_SCOPE(&copy->lock);

    while (copy->running > 0)
        if (!cond_wait(&copy->changed, &copy->lock, deadline))
            return false;
    return true;
}

void copy_get_progress(struct copy *copy, struct copy_progress *progress)
{
    LOCK_SCOPE(&copy->lock);
    int64_t now = time_mono_ms();
    uint64_t done = copy->done_bytes;
    size_t last = RATE_SAMPLES - 1;

    if (now - copy->rate_ms[last] >= RATE_EVERY_MS) {
        memmove(&copy->rate_ms[0], &copy->rate_ms[1], last * sizeof(copy->rate_ms[0]));
        memmove(&copy->rate_bytes[0], &copy->rate_bytes[1], last * sizeof(copy->rate_bytes[0]));
        copy->rate_ms[last] = now;
        copy->rate_bytes[last] = done;
    }
    int64_t elapsed = now - copy->rate_ms[0];
    *progress = (struct copy_progress){
        .done_bytes = done, .total_bytes = copy->total_bytes, .left_s = -1};
    if (elapsed > 0)
        progress->rate = (done - copy->rate_bytes[0]) * 1000 / (uint64_t)elapsed;
    if (progress->rate > 0 && progress->total_bytes >= done)
        progress->left_s = (int64_t)((progress->total_bytes - done) / progress->rate);
}

/* What is left to do once all threads have ended well. */
static int complete(struct copy *copy, struct error **err)
{
    copy->side = COPY_SIDE_TARGET;
    if (target_finish(copy->options.target, copy->size_bytes, err) == -1)
        return -1;
    copy->side = COPY_SIDE_MAP;
    if (copy->options.map != NULL && blockmap_complete(copy->options.map, err) == -1)
        return -1;
    copy->side = COPY_SIDE_NONE;
    return 0;
}

int copy_finish(struct copy *copy, struct copy_result *result, struct error **err)
{
    int status = 0;

    join_all(copy);
    if (copy->err != NULL) {
        *err = steal(&copy->err);
        status = -1;
    } else if (copy->stopping) {
        status = error_set(err, ERROR_CANCELED, "the copy was stopped");
    } else {
        status = complete(copy, err);
    }
    *result = (struct copy_result){
        .size_bytes = copy->size_bytes,
        .read_bytes = copy->read_bytes,
        .written_bytes = copy->written_bytes,
        .shared_bytes = copy->shared_bytes,
        .kept_bytes = copy->kept_bytes,
        .repaired_bytes = copy->repaired_bytes,
        .elapsed_ms = time_mono_ms() - copy->start_ms,
        .side = copy->side,
    };
    copy_free(copy);
    return status;
}
