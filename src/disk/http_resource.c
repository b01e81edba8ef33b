#include "disk/http_resource.h"

#include "base/cancel.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/time.h"
#include "disk/disk.h"
#include "net/http_client.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
    DEFAULT_TIMEOUT_MS = 60000,
    MAX_TRIES = 8,            /* without progress */
    MAX_FIRST_TRIES = 3,      /* before the server ever answered: a wrong name shall be told soon */
    FIRST_DELAY_MS = 250,     /* doubled by each try, up to ... */
    MAX_DELAY_MS = 8000,
    MAX_RETRY_AFTER_S = 30,
    PATIENCE = 2,             /* timeouts without progress */
    SLOWNESS = 10,            /* timeouts that the answer for one range may take as a whole */
    PROGRESS_BYTES = 1 << 16, /* more than this, and the tries count from the start */
    MAX_REDIRECTS = 5,
    MAX_LATENCY_US = 10 * 1000 * 1000,
};

struct http_resource {
    struct http_client *client;
    char *url;
    char *name;
    char *cookie; /* a whole header, or NULL */
    int64_t timeout_ms;
    struct cancel *cancel;

    unsigned latency_us; /* of the answer that was learnt from */

    /* The version, set by the first answer. */
    bool is_known;
    char *etag;     /* or NULL */
    char *modified; /* or NULL */
    char *match;    /* a whole header, or NULL */
    uint64_t size_bytes; /* UINT64_MAX: not told */
};

/* The URL without its query; owned by the caller. */
static char *plain_name(const char *url)
{
    return xstrndup(url, strcspn(url, "?#"));
}

static int check_url(const char *url, struct error **err)
{
    const char *mark = strstr(url, "://");
    const char *host = mark == NULL ? url : mark + 3;

    if (memchr(host, '@', strcspn(host, "/?#")) == NULL)
        return 0;
    error_set(err, ERROR_INVALID, "the URL holds a user or password");
    return error_hint(err, "use --user and --password-file: others can read the command line");
}

int http_resource_open(const char *url, const struct disk_options *options,
                       struct http_resource **out, struct error **err)
{
    const struct http_client_options client_options = {.ca_file = options->ca_file,
                                                       .thumbprint = options->thumbprint,
                                                       .insecure = options->insecure,
                                                       .token = options->bearer,
                                                       .user = options->user,
                                                       .password = options->password,
                                                       .connect_timeout_ms = options->timeout_ms};
    CLEANUP(http_resource) struct http_resource *resource = xcalloc(1, sizeof(*resource));

    if (check_url(url, err) == -1 || http_client_new(&client_options, &resource->client, err) == -1)
        return -1;
    resource->url = xstrdup(url);
    resource->name = plain_name(url);
    resource->cookie = options->cookie == NULL ? NULL : xasprintf("Cookie: %s", options->cookie);
    resource->timeout_ms = options->timeout_ms == 0 ? DEFAULT_TIMEOUT_MS : options->timeout_ms;
    resource->cancel = options->cancel;
    resource->size_bytes = UINT64_MAX;
    *out = steal(&resource);
    return 0;
}

void http_resource_close(struct http_resource *resource)
{
    if (resource == NULL)
        return;
    http_client_free(resource->client);
    free(resource->url);
    free(resource->name);
    free(resource->cookie);
    free(resource->etag);
    free(resource->modified);
    free(resource->match);
    free(resource);
}

const char *http_resource_name(const struct http_resource *resource)
{
    return resource->name;
}

unsigned http_resource_latency(const struct http_resource *resource)
{
    return resource->latency_us;
}

const char *http_resource_version(const struct http_resource *resource)
{
    return resource->etag != NULL ? resource->etag : resource->modified;
}

/* The number behind the slash of Content-Range, or UINT64_MAX. */
static uint64_t total_of(const struct http_reply *reply)
{
    struct span range = http_reply_header(reply, "Content-Range");
    struct span before;
    uint64_t total;

    if (!span_split(&range, '/', &before) || !span_u64(span_trim(range), &total))
        return UINT64_MAX;
    return total;
}

static char *header_or_null(const struct http_reply *reply, const char *name)
{
    struct span value = http_reply_header(reply, name);

    return value.len == 0 ? NULL : span_dup(value);
}

/* Keeps what tells the version by. */
static void note_version(struct http_resource *resource, const struct http_reply *reply,
                         uint64_t size_bytes)
{
    resource->is_known = true;
    resource->size_bytes = size_bytes;
    resource->etag = header_or_null(reply, "ETag");
    resource->modified = header_or_null(reply, "Last-Modified");
    if (resource->etag != NULL && resource->etag[0] == '"') /* weak ones never match */
        resource->match = xasprintf("If-Match: %s", resource->etag);
}

/* True if the answer is about the version that was seen first. */
static bool is_same_version(const struct http_resource *resource, const struct http_reply *reply)
{
    uint64_t total = total_of(reply);

    if (total != UINT64_MAX && resource->size_bytes != UINT64_MAX && total != resource->size_bytes)
        return false;
    if (resource->etag != NULL)
        return span_eq_str(http_reply_header(reply, "ETag"), resource->etag);
    return resource->modified == NULL ||
           span_eq_str(http_reply_header(reply, "Last-Modified"), resource->modified);
}

/* Makes the answers that are no success errors. */
static int check_reply(const struct http_resource *resource, const struct http_reply *reply,
                       struct error **err)
{
    if (reply->status == 412 && resource->match != NULL)
        return error_set(err, ERROR_CORRUPT, "it was changed while it was read");
    if (reply->status == 416)
        return error_set(err, ERROR_CORRUPT, "the server has no such bytes: it became shorter");
    if (reply->status >= 300 && reply->status < 400)
        return error_set(err, ERROR_UNSUPPORTED, "HTTP status %d leads nowhere", reply->status);
    return http_reply_check(reply, err);
}

/* How often and how long something was tried. */
struct patience {
    int tries;
    int64_t delay_ms;
    struct deadline end;
};

static struct patience patience_new(const struct http_resource *resource)
{
    return (struct patience){.delay_ms = FIRST_DELAY_MS,
                             .end = deadline_after(PATIENCE * resource->timeout_ms)};
}

/* What a Retry-After in seconds asks for, within limits; 0 if there is none. */
static int64_t retry_after_ms(const struct http_reply *reply)
{
    uint64_t seconds;

    if (!span_u64(http_reply_header(reply, "Retry-After"), &seconds))
        return 0;
    return (int64_t)(seconds < MAX_RETRY_AFTER_S ? seconds : MAX_RETRY_AFTER_S) * 1000;
}

/* After a try that failed with *ERR, having brought GOT bytes: waits and forgets the error if another
 * try makes sense; otherwise -1. */
static int be_patient(struct http_resource *resource, struct patience *patience, uint64_t got,
                      const struct http_reply *reply, struct error **err)
{
    bool has_answered = resource->is_known || reply->status != 0;

    if (got >= PROGRESS_BYTES)
        *patience = patience_new(resource);
    if (!error_is_transient(*err) ||
        ++patience->tries >= (has_answered ? MAX_TRIES : MAX_FIRST_TRIES))
        return -1;
    int64_t wanted_ms = retry_after_ms(reply);
    int64_t delay_ms = wanted_ms > patience->delay_ms ? wanted_ms : patience->delay_ms;
    if (delay_ms >= deadline_left_ms(patience->end) || cancel_wait(resource->cancel, delay_ms))
        return -1;
    error_clear(err);
    patience->delay_ms =
        patience->delay_ms * 2 < MAX_DELAY_MS ? patience->delay_ms * 2 : MAX_DELAY_MS;
    return 0;
}

/* The body of a range as it comes in. */
struct sink {
    const struct http_resource *resource;
    const struct http_reply *reply;
    char *to;
    size_t room;
    bool is_other; /* version */
};

static bool take_range(void *arg, const char *data, size_t len)
{
    struct sink *sink = arg;

    sink->is_other = sink->resource->is_known && !is_same_version(sink->resource, sink->reply);
    if (sink->is_other || len > sink->room)
        return false;
    memcpy(sink->to, data, len);
    sink->to += len;
    sink->room -= len;
    return true;
}

/* One request for a range.  *GOT bytes are right, also after a failure.  The reply keeps its
 * headers. */
static int ask_range(struct http_resource *resource, void *data, size_t len, uint64_t offset,
                     size_t *got, struct http_reply *reply, struct error **err)
{
    const char *headers[3] = {0};
    size_t count = 0;
    struct sink sink = {.resource = resource, .reply = reply, .to = data, .room = len};
    struct http_call call = {
        .url = resource->url,
        .headers = headers,
        .range_offset = offset,
        .range_len = len,
        .timeout_ms = resource->timeout_ms * SLOWNESS,
        .stall_ms = resource->timeout_ms,
        .max_redirects = MAX_REDIRECTS,
        .cancel = resource->cancel,
        .on_data = take_range,
        .arg = &sink,
    };

    if (resource->cookie != NULL)
        headers[count++] = resource->cookie;
    if (resource->match != NULL)
        headers[count++] = resource->match;
    int result = http_client_send(resource->client, &call, reply, err);
    *got = len - sink.room;
    if (result == -1 || check_reply(resource, reply, err) == -1)
        return -1;
    if (sink.is_other)
        return error_set(err, ERROR_CORRUPT, "it was changed while it was read");
    if (sink.room != 0)
        return error_set(err, ERROR_CORRUPT, "the server sent %zu bytes instead of %zu", *got, len);
    return 0;
}

int http_resource_read(struct http_resource *resource, void *data, size_t len, uint64_t offset,
                       struct error **err)
{
    struct patience patience = patience_new(resource);
    char *to = data;

    for (;;) {
        CLEANUP(http_reply) struct http_reply reply = {0};
        size_t got;

        if (ask_range(resource, to, len, offset, &got, &reply, err) == 0)
            return 0;
        to += got;
        offset += got;
        len -= got;
        if (len == 0) { /* it broke behind the last byte */
            error_clear(err);
            return 0;
        }
        if (be_patient(resource, &patience, got, &reply, err) == -1)
            return error_wrap(err, "cannot read \"%s\" at byte %" PRIu64, resource->name, offset);
    }
}

/* What the answer for the first byte tells.  -1: it is a failure. */
static int learn_from(struct http_resource *resource, const struct http_reply *reply,
                      bool *has_ranges, uint64_t *size_bytes, struct error **err)
{
    /* An empty resource has no first byte. */
    bool is_empty = reply->status == 416 &&
                    span_eq_str(http_reply_header(reply, "Content-Range"), "bytes */0");

    if (!is_empty && *err != NULL)
        return -1;
    *size_bytes = is_empty ? 0 : total_of(reply);
    *has_ranges = *size_bytes != UINT64_MAX;
    resource->latency_us =
        (unsigned)(reply->wait_us < MAX_LATENCY_US ? reply->wait_us : MAX_LATENCY_US);
    note_version(resource, reply, *size_bytes);
    error_clear(err);
    return 0;
}

int http_resource_learn(struct http_resource *resource, bool *has_ranges, uint64_t *size_bytes,
                        struct error **err)
{
    struct patience patience = patience_new(resource);

    for (;;) {
        CLEANUP(http_reply) struct http_reply reply = {0};
        char first;
        size_t got;

        ask_range(resource, &first, 1, 0, &got, &reply, err);
        if (learn_from(resource, &reply, has_ranges, size_bytes, err) == 0)
            return 0;
        if ((*err)->code == ERROR_UNSUPPORTED) {
            *has_ranges = false;
            error_clear(err);
            return 0;
        }
        if (be_patient(resource, &patience, 0, &reply, err) == -1)
            return error_wrap(err, "cannot open \"%s\"", resource->name);
    }
}

/* One whole resource as it comes in. */
struct fetch {
    struct http_resource *resource;
    const struct http_reply *reply;
    bool (*take)(void *arg, const char *data, size_t len);
    void *arg;
    uint64_t position; /* bytes taken */
    uint64_t start;    /* where this request began */
    struct error *failure;
    bool is_checked; /* this answer */
    bool is_ended;   /* by TAKE */
};

/* True if the answer that begins now is what the request was for; else the failure is set. */
static bool check_start(struct fetch *fetch)
{
    struct http_resource *resource = fetch->resource;
    const struct http_reply *reply = fetch->reply;
    CLEANUP(str) char *want = xasprintf("bytes %" PRIu64 "-", fetch->start);

    fetch->is_checked = true;
    if (fetch->start > 0 && (reply->status != 206 ||
                             !span_starts_with(http_reply_header(reply, "Content-Range"), want))) {
        error_set(&fetch->failure, ERROR_UNSUPPORTED,
                  "the connection broke, and the server cannot go on at byte %" PRIu64,
                  fetch->start);
        return false;
    }
    if (http_reply_header(reply, "Content-Length").len == 0 &&
        http_reply_header(reply, "Transfer-Encoding").len == 0) {
        error_set(&fetch->failure, ERROR_UNSUPPORTED,
                  "the server does not tell how much it sends: an early end would not be noticed");
        return false;
    }
    if (!resource->is_known)
        note_version(resource, reply, UINT64_MAX);
    else if (!is_same_version(resource, reply))
        error_set(&fetch->failure, ERROR_CORRUPT, "it was changed while it was read");
    return fetch->failure == NULL;
}

static bool take_piece(void *arg, const char *data, size_t len)
{
    struct fetch *fetch = arg;

    if (!fetch->is_checked && !check_start(fetch))
        return false;
    fetch->is_ended = !fetch->take(fetch->arg, data, len);
    fetch->position += len;
    return !fetch->is_ended;
}

/* One request for what is still missing. */
static int ask_rest(struct fetch *fetch, struct http_reply *reply, struct error **err)
{
    struct http_resource *resource = fetch->resource;
    CLEANUP(str) char *range = xasprintf("Range: bytes=%" PRIu64 "-", fetch->position);
    const char *headers[4] = {0};
    size_t count = 0;
    struct http_call call = {
        .url = resource->url,
        .headers = headers,
        .stall_ms = resource->timeout_ms,
        .max_redirects = MAX_REDIRECTS,
        .cancel = resource->cancel,
        .on_data = take_piece,
        .arg = fetch,
    };

    fetch->reply = reply;
    fetch->start = fetch->position;
    fetch->is_checked = false;
    if (resource->cookie != NULL)
        headers[count++] = resource->cookie;
    if (resource->match != NULL)
        headers[count++] = resource->match;
    if (fetch->start > 0)
        headers[count++] = range;
    if (http_client_send(resource->client, &call, reply, err) == -1)
        return -1;
    if (reply->status < 300 && !fetch->is_checked)
        check_start(fetch); /* an empty body */
    if (fetch->failure != NULL) {
        *err = steal(&fetch->failure);
        return -1;
    }
    return check_reply(resource, reply, err);
}

int http_resource_fetch(struct http_resource *resource,
                        bool (*take)(void *arg, const char *data, size_t len), void *arg,
                        struct error **err)
{
    struct fetch fetch = {.resource = resource, .take = take, .arg = arg};
    struct patience patience = patience_new(resource);

    for (;;) {
        CLEANUP(http_reply) struct http_reply reply = {0};

        if (ask_rest(&fetch, &reply, err) == 0 || fetch.is_ended) {
            error_clear(err);
            return 0;
        }
        /* Without a version the rest might be another file's. */
        bool can_go_on = fetch.position == 0 || http_resource_version(resource) != NULL;
        if (!can_go_on || be_patient(resource, &patience, fetch.position - fetch.start, &reply,
                                     err) == -1)
            return error_wrap(err, "cannot read \"%s\" at byte %" PRIu64, resource->name,
                              fetch.position);
    }
}
