/* HTTP pushes, who reads pulls: the request runs on a thread of its own and fills a ring, so that
 * the connection is busy while the reader unpacks. */
#include "disk/feed.h"

#include "base/cancel.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/thread.h"
#include "disk/blob.h"
#include "disk/blob_http.h"
#include "disk/feed_export.h"
#include "disk/http_resource.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    DEFAULT_TIMEOUT_MS = 60000,
    RING_BYTES = 4 << 20,
    REST_BYTES = 256 * 1024, /* read at once after the stream's end */
    LOOK_MS = 200,           /* how often a wait looks for a cancel */
};

/* An HTTP resource while it comes in. */
struct download {
    struct http_resource *resource;
    struct thread thread;
    struct cancel *cancel; /* our own: the request ends when the feed is closed */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    char *ring;
    uint64_t filled;   /* guarded by lock: bytes that came */
    uint64_t taken;    /* guarded by lock: bytes that were read */
    bool stopping;     /* guarded by lock: nobody reads on */
    bool ended;        /* guarded by lock: no more bytes will come */
    struct error *err; /* guarded by lock: why */
};

struct feed {
    char *name;
    int64_t timeout_ms;
    struct cancel *cancel;
    struct digest *digest;     /* or NULL */
    struct blob *blob;         /* this, */
    uint64_t blob_at;
    struct download *download; /* or this, */
    struct export_feed *export; /* or this, or standard input */
};

/* libcurl's thread puts a piece into the ring, waiting for room. */
static bool take_piece(void *arg, const char *data, size_t len)
{
    struct download *download = arg;
    LOCK_SCOPE(&download->lock);

    while (len > 0) {
        while (!download->stopping && download->filled - download->taken == RING_BYTES)
            cond_wait(&download->changed, &download->lock, DEADLINE_NONE); /* the reader's pace */
        if (download->stopping)
            return false;
        size_t at = (size_t)(download->filled % RING_BYTES);
        size_t room = RING_BYTES - (size_t)(download->filled - download->taken);
        size_t part = len < room ? len : room;
        part = part < RING_BYTES - at ? part : RING_BYTES - at;
        memcpy(download->ring + at, data, part);
        download->filled += part;
        data += part;
        len -= part;
        pthread_cond_broadcast(&download->changed);
    }
    return true;
}

static void *run_download(void *arg)
{
    struct download *download = arg;
    struct error *err = NULL;

    http_resource_fetch(download->resource, take_piece, download, &err);
    LOCK_SCOPE(&download->lock);
    download->ended = true;
    download->err = err;
    pthread_cond_broadcast(&download->changed);
    return NULL;
}

static void download_free(struct download *download)
{
    if (download == NULL)
        return;
    cancel_request(download->cancel);
    pthread_mutex_lock(&download->lock);
    download->stopping = true;
    pthread_cond_broadcast(&download->changed);
    pthread_mutex_unlock(&download->lock);
    thread_join(&download->thread);
    http_resource_close(download->resource);
    cancel_free(download->cancel);
    error_free(download->err);
    pthread_cond_destroy(&download->changed);
    pthread_mutex_destroy(&download->lock);
    free(download->ring);
    free(download);
}

static int download_start(const char *url, const struct disk_options *options,
                          struct download **out, struct error **err)
{
    struct download *download = xcalloc(1, sizeof(*download));
    struct disk_options own = *options;

    download->ring = xmalloc(RING_BYTES);
    download->cancel = cancel_new();
    own.cancel = download->cancel;
    pthread_mutex_init(&download->lock, NULL);
    cond_init(&download->changed);
    if (http_resource_open(url, &own, &download->resource, err) == -1 ||
        thread_start(&download->thread, "download", run_download, download, err) == -1) {
        download_free(download);
        return -1;
    }
    *out = download;
    return 0;
}

static ssize_t read_download(struct feed *feed, void *data, size_t len, struct error **err)
{
    struct download *download = feed->download;
    LOCK_SCOPE(&download->lock);

    /* The request keeps the deadline. */
    while (download->filled == download->taken && !download->ended) {
        cond_wait(&download->changed, &download->lock, deadline_after(LOOK_MS));
        if (cancel_is_requested(feed->cancel))
            return error_set(err, ERROR_CANCELED, "stopped");
    }
    if (download->filled == download->taken) {
        if (download->err == NULL)
            return 0;
        *err = steal(&download->err);
        return -1;
    }
    size_t at = (size_t)(download->taken % RING_BYTES);
    size_t part = (size_t)(download->filled - download->taken);
    part = part < len ? part : len;
    part = part < RING_BYTES - at ? part : RING_BYTES - at;
    memcpy(data, download->ring + at, part);
    download->taken += part;
    pthread_cond_broadcast(&download->changed);
    return (ssize_t)part;
}

static ssize_t read_blob(struct feed *feed, void *data, size_t len, struct error **err)
{
    uint64_t left = feed->blob->size_bytes - feed->blob_at;
    size_t part = left < len ? (size_t)left : len;

    if (blob_read(feed->blob, data, part, feed->blob_at, err) == -1)
        return -1;
    feed->blob_at += part;
    return (ssize_t)part;
}

static ssize_t read_stdin(struct feed *feed, void *data, size_t len, struct error **err)
{
    for (;;) {
        struct pollfd fds[2] = {
            {.fd = STDIN_FILENO, .events = POLLIN},
            {.fd = feed->cancel == NULL ? -1 : cancel_fd(feed->cancel), .events = POLLIN},
        };
        int ready = poll(fds, 2, (int)feed->timeout_ms);

        if (ready == 0)
            return error_set(err, ERROR_TIMEOUT, "nothing came on standard input for %" PRId64
                             " s", feed->timeout_ms / 1000);
        if (fds[1].revents != 0)
            return error_set(err, ERROR_CANCELED, "stopped");
        ssize_t got = read(STDIN_FILENO, data, len);
        if (got >= 0)
            return got;
        if (errno != EINTR && errno != EAGAIN)
            return error_sys(err, errno, "cannot read standard input");
    }
}

int feed_open(const char *source, const struct disk_options *options, const char *digest,
              struct feed **out, struct error **err)
{
    CLEANUP(feed) struct feed *feed = xcalloc(1, sizeof(*feed));
    int result = 0;

    feed->timeout_ms = options->timeout_ms == 0 ? DEFAULT_TIMEOUT_MS : options->timeout_ms;
    feed->cancel = options->cancel;
    if (digest != NULL && digest_new(digest, &feed->digest, err) == -1)
        return -1;
    if (blob_http_is_url(source))
        result = download_start(source, options, &feed->download, err);
    else if (export_feed_is_source(source))
        result = export_feed_open(source, options, &feed->export, err);
    else if (!str_eq(source, "-"))
        result = blob_open(source, options, &feed->blob, err);
    if (result == -1)
        return -1;
    feed->name = xstrdup(feed->download != NULL ? http_resource_name(feed->download->resource)
                         : feed->blob != NULL   ? feed->blob->name
                         : feed->export != NULL ? source
                                                : "standard input");
    *out = steal(&feed);
    return 0;
}

void feed_close(struct feed *feed)
{
    if (feed == NULL)
        return;
    download_free(feed->download);
    export_feed_close(feed->export);
    blob_close(feed->blob);
    digest_free(feed->digest);
    free(feed->name);
    free(feed);
}

const char *feed_name(const struct feed *feed)
{
    return feed->name;
}

ssize_t feed_read(struct feed *feed, void *data, size_t len, struct error **err)
{
    ssize_t got = feed->download != NULL ? read_download(feed, data, len, err)
                  : feed->blob != NULL   ? read_blob(feed, data, len, err)
                  : feed->export != NULL ? export_feed_read(feed->export, data, len, err)
                                         : read_stdin(feed, data, len, err);

    if (got > 0 && feed->digest != NULL)
        digest_add(feed->digest, data, (size_t)got);
    return got;
}

/* Reads what is left. */
static int drain(struct feed *feed, struct error **err)
{
    CLEANUP(str) char *rest = xmalloc(REST_BYTES);
    ssize_t got;

    while ((got = feed_read(feed, rest, REST_BYTES, err)) > 0)
        ;
    return (int)got;
}

int feed_finish(struct feed *feed, struct error **err)
{
    return feed->export != NULL ? drain(feed, err) : 0;
}

int feed_finish_digest(struct feed *feed, char text[DIGEST_TEXT_SIZE], struct error **err)
{
    if (drain(feed, err) == -1)
        return -1;
    digest_finish(feed->digest, text);
    return 0;
}
