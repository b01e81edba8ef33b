/* The disk mover: one source to one destination.  See doc/man/gantry-copy.1.pod. */
#define LOG_COMPONENT "copy"

#include "base/cancel.h"
#include "base/error.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/secret.h"
#include "base/text.h"
#include "base/thread.h"
#include "disk/blockmap.h"
#include "disk/copy.h"
#include "disk/disk.h"
#include "disk/stored.h"
#include "disk/stream.h"
#include "disk/target.h"
#include "disk/verify.h"
#include "main/copy_options.h"
#include "main/copy_report.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <sys/stat.h>

/* Exit statuses, as the manual has them. */
enum {
    EXIT_DONE = 0,
    EXIT_FAILED = 1,
    EXIT_USAGE = 2,
    EXIT_SOURCE = 3,
    EXIT_DESTINATION = 4,
    EXIT_VERIFY = 5,
};

enum { JSON_EVERY_MS = 1000, BAR_EVERY_MS = 200, POLL_MS = 100 };

static volatile sig_atomic_t stop_signal;

static void on_signal(int number)
{
    stop_signal = number;
}

/* One run of the program. */
struct run {
    struct copy_settings *settings;
    struct cancel *cancel;
    struct disk *disk; /* the source: this or the next */
    struct stream *stream;
    struct target *target;
    struct disk *check; /* the destination for reading, with --resume */
    struct blockmap *map;
    struct extent_list areas;
    struct thread digest_thread;
    char digest[DIGEST_TEXT_SIZE];
    struct error *digest_err;
    int status; /* EXIT_... once something failed */
};

static void run_reset(struct run *run)
{
    disk_close(run->check);
    target_close(run->target);
    stream_close(run->stream);
    disk_close(run->disk);
    blockmap_close(run->map);
    extent_list_reset(&run->areas);
    error_free(run->digest_err);
    *run = (struct run){0};
}

DEFINE_CLEANUP_IN_PLACE(run, struct run, run_reset)

/* Notes which exit status a failure means; passes RESULT on. */
static int with_status(struct run *run, int result, int status)
{
    if (result == -1 && run->status == EXIT_DONE)
        run->status = status;
    return result;
}

static int open_source(struct run *run, struct error **err)
{
    struct copy_settings *settings = run->settings;
    const struct disk_options *options = &settings->source_options;
    bool needs_stream;

    if (stream_is_needed(settings->source, options, &needs_stream, err) == -1)
        return -1;
    if (needs_stream)
        return stream_open(settings->source, options, settings->digest, &run->stream, err);
    return disk_open(settings->source, options, &run->disk, err);
}

/* Emptying the destination would empty the source. */
static int check_different(const struct copy_settings *settings, struct error **err)
{
    struct stat source;
    struct stat destination;

    if (stat(settings->source, &source) == 0 && stat(settings->destination, &destination) == 0 &&
        source.st_dev == destination.st_dev && source.st_ino == destination.st_ino &&
        !S_ISCHR(source.st_mode))
        return error_set(err, ERROR_INVALID, "\"%s\" and \"%s\" are the same file",
                         settings->source, settings->destination);
    return 0;
}

/* Bytes of the disk that is copied, or TARGET_SIZE_UNKNOWN. */
static uint64_t source_size(const struct run *run)
{
    if (run->disk != NULL)
        return disk_size(run->disk);
    return stream_has_size(run->stream) ? stream_size(run->stream) : TARGET_SIZE_UNKNOWN;
}

/* Opens the map that is there and checks that it belongs to this source. */
static int open_old_map(struct run *run, const struct blockmap_source *source, struct error **err)
{
    struct copy_settings *settings = run->settings;

    if (blockmap_open(settings->map_path, &run->map, err) == -1)
        return -1;
    /* A delta comes from another snapshot: its source may have another name and time. */
    if (settings->extents_path == NULL)
        return blockmap_check_source(run->map, source_size(run), source, err);
    if (!blockmap_is_complete(run->map) && !settings->resume)
        return error_set(err, ERROR_INVALID, "block map \"%s\" is of an unfinished copy",
                         settings->map_path);
    return blockmap_reopen(run->map, err);
}

/* The map that is there, or a new one where there is none or, for a checkpoint, it is of no use. */
static int open_map(struct run *run, bool *is_there, struct error **err)
{
    struct copy_settings *settings = run->settings;
    bool wants_old = settings->resume || settings->extents_path != NULL;
    struct blockmap_source source;

    if (stored_identity(settings->source, &settings->source_options, &source, err) == -1)
        return -1;
    *is_there = wants_old && open_old_map(run, &source, err) == 0;
    if (*is_there) {
        settings->request_bytes = blockmap_block_bytes(run->map);
        return 0;
    }
    bool absent = *err != NULL && (*err)->sys == ENOENT;
    if (*err != NULL && !absent && !settings->is_checkpoint)
        return -1;
    if (*err != NULL && !absent) {
        CLEANUP(str) char *why = error_format(*err);
        log_warn("begins anew: %s", why);
        blockmap_close(run->map);
        run->map = NULL;
    }
    error_clear(err);
    if (settings->request_bytes == 0)
        settings->request_bytes = COPY_DEFAULT_REQUEST;
    return blockmap_create(settings->map_path, source_size(run),
                           (uint32_t)settings->request_bytes, &source, &run->map, err);
}

static int open_destination(struct run *run, bool continues, struct error **err)
{
    struct copy_settings *settings = run->settings;
    struct target_options options = settings->target_options;
    uint64_t size = TARGET_SIZE_UNKNOWN;
    bool is_qcow2 = options.format != NULL && str_eq(options.format, "qcow2");

    if (run->disk != NULL)
        size = disk_size(run->disk);
    else if (stream_has_size(run->stream))
        size = stream_size(run->stream);
    options.keep_content = continues || settings->extents_path != NULL;
    options.is_plain =
        run->disk != NULL && !disk_is_remote(run->disk) && !disk_is_packed(run->disk);
    options.cancel = run->cancel;
    if (continues && is_qcow2)
        return error_set(err, ERROR_UNSUPPORTED, "--resume works with raw destinations only");
    if (target_open(settings->destination, size, &options, &run->target, err) == -1)
        return -1;
    if (!continues || settings->extents_path != NULL)
        return 0;
    struct disk_options read_options = {.format = "raw",
                                        .cancel = run->cancel,
                                        .timeout_ms = options.timeout_ms};
    return disk_open(settings->destination, &read_options, &run->check, err);
}

static int digest_whole(struct run *run, struct error **err)
{
    const struct copy_settings *settings = run->settings;

    if (settings->digest == NULL || run->stream != NULL)
        return 0; /* a stream digests what passes */
    if (stored_digest(settings->source, &settings->source_options, settings->digest, run->digest,
                      err) == -1)
        return error_wrap(err, "cannot compute the digest of \"%s\"", settings->source);
    return 0;
}

static int check_chunks(const struct copy_settings *settings, struct error **err)
{
    char found[DIGEST_TEXT_SIZE];

    for (size_t i = 0; i < settings->chunk_digests.len; i++) {
        const struct copy_chunk_digest *wanted = &settings->chunk_digests.ptr[i];

        if (stored_chunk_digest(settings->source, wanted->chunk, &settings->source_options,
                                wanted->name, found, err) == -1)
            return error_wrap(err, "cannot compute the digest of chunk %u of \"%s\"",
                              wanted->chunk, settings->source);
        if (strcasecmp(wanted->hex, found) != 0)
            return error_set(err, ERROR_CORRUPT, "chunk %u of \"%s\" has %s %s, not %s as expected",
                             wanted->chunk, settings->source, wanted->name, found, wanted->hex);
    }
    return 0;
}

static void *compute_digest(void *arg)
{
    struct run *run = arg;

    if (digest_whole(run, &run->digest_err) == 0)
        check_chunks(run->settings, &run->digest_err);
    return NULL;
}

static int start_digest(struct run *run, struct error **err)
{
    if ((run->settings->digest == NULL || run->stream != NULL) &&
        run->settings->chunk_digests.len == 0)
        return 0;
    return thread_start(&run->digest_thread, "digest", compute_digest, run, err);
}

static int finish_digest(struct run *run, struct error **err)
{
    const char *expected = run->settings->expected_digest;

    thread_join(&run->digest_thread);
    if (run->digest_err != NULL) {
        *err = steal(&run->digest_err);
        return -1;
    }
    if (run->settings->digest == NULL)
        return 0;
    if (run->stream != NULL && stream_finish_digest(run->stream, run->digest, err) == -1)
        return -1;
    if (expected != NULL && strcasecmp(expected, run->digest) != 0)
        return error_set(err, ERROR_CORRUPT, "\"%s\" has %s %s, not %s as expected",
                         run->settings->source, run->settings->digest, run->digest, expected);
    return 0;
}

/* Waits for the copy, telling how far it is. */
static void follow(struct run *run, struct copy *copy)
{
    int64_t every_ms =
        run->settings->progress == COPY_PROGRESS_JSON ? JSON_EVERY_MS : BAR_EVERY_MS;
    struct deadline next = deadline_after(every_ms);
    struct copy_progress progress;

    while (!copy_wait(copy, deadline_after(POLL_MS))) {
        if (stop_signal != 0)
            cancel_request(run->cancel);
        if (!deadline_is_over(next))
            continue;
        copy_get_progress(copy, &progress);
        copy_report_progress(run->settings, &progress);
        next = deadline_after(every_ms);
    }
    copy_get_progress(copy, &progress);
    copy_report_progress(run->settings, &progress);
}

static int status_of_side(enum copy_side side)
{
    return side == COPY_SIDE_SOURCE   ? EXIT_SOURCE
           : side == COPY_SIDE_TARGET ? EXIT_DESTINATION
                                      : EXIT_FAILED;
}

static int copy_disk(struct run *run, struct copy_outcome *outcome, struct error **err)
{
    const struct copy_settings *settings = run->settings;
    bool is_remote = run->target->is_remote || (run->disk != NULL && disk_is_remote(run->disk));
    struct copy_options options = {
        .disk = run->disk,
        .stream = run->stream,
        .target = run->target,
        .workers = is_remote ? settings->requests : settings->threads,
        .request_bytes = settings->request_bytes,
        .bandwidth = settings->bandwidth,
        .areas = settings->extents_path == NULL ? NULL : &run->areas,
        .map = run->map,
        .check = run->check,
        .cancel = run->cancel,
    };
    struct copy *copy;

    if (copy_start(&options, &copy, err) == -1)
        return with_status(run, -1, EXIT_FAILED);
    follow(run, copy);
    int result = copy_finish(copy, &outcome->result, err);
    return with_status(run, result, status_of_side(outcome->result.side));
}

/* Reads the destination back and compares it with the map. */
static int verify_copy(struct run *run, struct error **err)
{
    const struct copy_settings *settings = run->settings;
    struct disk_options options = {
        .format = settings->target_options.format == NULL ? "raw" : settings->target_options.format,
        .timeout_ms = settings->target_options.timeout_ms,
        .cancel = run->cancel};
    CLEANUP(disk) struct disk *disk = NULL;
    struct verify_result result;

    if (disk_open(settings->destination, &options, &disk, err) == -1)
        return with_status(run, -1, EXIT_DESTINATION);
    int status = run->map != NULL ? verify_map(run->map, disk, run->cancel, &result, err)
                                  : verify_source(run->disk, disk, run->cancel, &result, err);
    if (status == -1)
        return with_status(run, -1, (*err)->code == ERROR_CORRUPT ? EXIT_VERIFY : EXIT_FAILED);
    if (result.wrong_blocks == 0)
        return 0;
    error_set(err, ERROR_CORRUPT, "\"%s\" differs in %llu blocks, the first at byte %llu",
              settings->destination, (unsigned long long)result.wrong_blocks,
              (unsigned long long)result.first_wrong);
    return with_status(run, -1, EXIT_VERIFY);
}

/* What of the settings does not go with a stream. */
static int prepare_stream(struct run *run, struct error **err)
{
    struct copy_settings *settings = run->settings;

    if (settings->extents_path != NULL)
        return error_set(err, ERROR_UNSUPPORTED, "\"%s\" is read front to back: no --extents",
                         settings->source);
    if (settings->map_path == NULL ||
        stream_keep_blocks(run->stream, COPY_DEFAULT_REQUEST, err) == 0)
        return 0;
    if (!settings->is_checkpoint)
        return error_wrap(err, "no --map for \"%s\"", settings->source);
    settings->map_path = NULL; /* only a help */
    error_clear(err);
    return 0;
}

static int prepare(struct run *run, struct error **err)
{
    struct copy_settings *settings = run->settings;
    bool continues = false;

    if (with_status(run, check_different(settings, err), EXIT_USAGE) == -1)
        return -1;
    if (settings->extents_path != NULL &&
        with_status(run, copy_extents_read(settings->extents_path, &run->areas, err),
                    EXIT_FAILED) == -1)
        return -1;
    if (with_status(run, open_source(run, err), EXIT_SOURCE) == -1)
        return -1;
    if (run->stream != NULL &&
        with_status(run, prepare_stream(run, err), EXIT_USAGE) == -1)
        return -1;
    if (settings->map_path != NULL &&
        with_status(run, open_map(run, &continues, err), EXIT_FAILED) == -1)
        return -1;
    if (run->stream != NULL && run->map != NULL &&
        with_status(run, stream_keep_blocks(run->stream, blockmap_block_bytes(run->map), err),
                    EXIT_USAGE) == -1)
        return -1;
    return with_status(run, open_destination(run, continues, err), EXIT_DESTINATION);
}

static int run_copy(struct run *run, struct error **err)
{
    struct copy_outcome outcome = {.digest_name = run->settings->digest, .digest = run->digest};
    char root[BLOCKMAP_ROOT_SIZE];

    if (prepare(run, err) == -1)
        return -1;
    if (with_status(run, start_digest(run, err), EXIT_FAILED) == -1)
        return -1;
    int result = copy_disk(run, &outcome, err);
    if (result == -1) {
        cancel_request(run->cancel); /* the digest is of no use now */
        thread_join(&run->digest_thread);
        return -1;
    }
    if (with_status(run, finish_digest(run, err), EXIT_SOURCE) == -1)
        return -1;
    if (run->settings->verify && verify_copy(run, err) == -1)
        return -1;
    outcome.verified = run->settings->verify;
    outcome.format = run->disk != NULL ? disk_format(run->disk) : stream_format(run->stream);
    if (run->map != NULL)
        outcome.map_root = blockmap_root(run->map, root, err);
    if (*err != NULL)
        return with_status(run, -1, EXIT_FAILED);
    copy_report_success(run->settings, &outcome);
    return 0;
}

static int run_info(struct run *run, struct error **err)
{
    const char *source = run->settings->source;

    if (with_status(run, open_source(run, err), EXIT_SOURCE) == -1)
        return -1;
    if (run->stream != NULL) {
        copy_report_stream_info(source, stream_format(run->stream), stream_has_size(run->stream),
                                stream_size(run->stream), run->settings->json);
        return 0;
    }
    return with_status(run, copy_report_info(source, run->disk, run->settings->json, err),
                       EXIT_SOURCE);
}

static int run_verify(struct run *run, struct error **err)
{
    struct copy_outcome outcome = {.verified = true, .format = "raw"};

    if (run->settings->map_path != NULL) {
        if (with_status(run, blockmap_open(run->settings->map_path, &run->map, err), EXIT_FAILED) ==
            -1)
            return -1;
    } else if (with_status(run, open_source(run, err), EXIT_SOURCE) == -1) {
        return -1;
    } else if (run->stream != NULL) {
        error_set(err, ERROR_UNSUPPORTED, "a stream cannot be compared");
        return with_status(run, -1, EXIT_USAGE);
    }
    if (verify_copy(run, err) == -1)
        return -1;
    copy_report_success(run->settings, &outcome);
    return 0;
}

static int run_show_map(struct run *run, struct error **err)
{
    int result = blockmap_open(run->settings->map_path, &run->map, err);

    if (result == 0)
        result = copy_report_map(run->map, run->settings->json, err);
    return with_status(run, result, EXIT_FAILED);
}

static int run_mode(struct run *run, struct error **err)
{
    switch (run->settings->mode) {
    case COPY_MODE_COPY:
        return run_copy(run, err);
    case COPY_MODE_INFO:
        return run_info(run, err);
    case COPY_MODE_VERIFY:
        return run_verify(run, err);
    case COPY_MODE_SHOW_MAP:
        return run_show_map(run, err);
    case COPY_MODE_HELP:
        copy_settings_print_help();
        return 0;
    case COPY_MODE_VERSION:
        printf("gantry-copy %s\n", GANTRY_VERSION);
        return 0;
    }
    return error_set(err, ERROR_BUG, "unknown mode");
}

/* A split VMDK has a file for each 2 GiB. */
static void raise_file_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit); /* what cannot be raised is reported when it is reached */
    }
}

int main(int argc, char **argv)
{
    CLEANUP(copy_settings) struct copy_settings settings = {0};
    CLEANUP(cancel) struct cancel *cancel = cancel_new();
    CLEANUP(run) struct run run = {.settings = &settings, .cancel = cancel};
    CLEANUP(error) struct error *err = NULL;
    struct sigaction action = {.sa_handler = on_signal};

    log_init("gantry-copy", LOG_LEVEL_WARN, 2);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
    raise_file_limit();
    secret_protect_process();
    if (copy_settings_parse(argc, argv, &settings, &err) == -1) {
        copy_report_failure(&settings, err, EXIT_USAGE);
        return EXIT_USAGE;
    }
    settings.source_options.cancel = cancel;
    if (run_mode(&run, &err) == 0)
        return EXIT_DONE;
    if (err->code == ERROR_CANCELED)
        run.status = EXIT_FAILED;
    int status = run.status == EXIT_DONE ? EXIT_FAILED : run.status;
    copy_report_failure(&settings, err, status);
    return status;
}
