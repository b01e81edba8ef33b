#include "disk/blob_http.h"

#include "base/cancel.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "disk/disk.h"
#include "net/http_client.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
    DEFAULT_TIMEOUT_MS = 60000,
    MAX_TRIES = 5, /* of one range, after failures that may pass */
    FIRST_DELAY_MS = 250,
    MAX_REDIRECTS = 5,
};

struct http_blob {
    struct blob blob;
    struct http_client *client;
    char *url;
    char *cookie; /* a whole header, or NULL */
    char *etag;   /* of the first answer, or NULL */
    int64_t timeout_ms;
    struct cancel *cancel;
};

static void http_close(struct blob *blob)
{
    struct http_blob *http = (struct http_blob *)blob;

    http_client_free(http->client);
    free(http->url);
    free(http->cookie);
    free(http->etag);
    free(http);
}

/* The body of one answer as it comes in. */
struct sink {
    char *to;
    size_t room;
    bool overflow;
};

static bool take_data(void *arg, const char *data, size_t len)
{
    struct sink *sink = arg;

    if (len > sink->room) {
        sink->overflow = true;
        return false;
    }
    memcpy(sink->to, data, len);
    sink->to += len;
    sink->room -= len;
    return true;
}

/* One request for a range.  The reply keeps its headers. */
static int ask_range(struct http_blob *http, void *data, size_t len, uint64_t offset,
                     struct http_reply *reply, struct error **err)
{
    const char *const headers[] = {http->cookie, NULL};
    struct sink sink = {.to = data, .room = len};
    struct http_call call = {
        .url = http->url,
        .headers = headers,
        .range_offset = offset,
        .range_len = len,
        .stall_ms = http->timeout_ms,
        .max_redirects = MAX_REDIRECTS,
        .cancel = http->cancel,
        .on_data = take_data,
        .arg = &sink,
    };

    if (http_client_send(http->client, &call, reply, err) == -1 ||
        http_reply_check(reply, err) == -1)
        return -1;
    if (sink.overflow || sink.room != 0)
        return error_set(err, ERROR_CORRUPT, "the server sent %s than the %zu bytes asked for",
                         sink.overflow ? "more" : "less", len);
    return 0;
}

/* A resource that is replaced while it is read must not become a mixture. */
static int check_same(struct http_blob *http, const struct http_reply *reply, struct error **err)
{
    struct span etag = http_reply_header(reply, "ETag");

    if (http->etag == NULL || span_eq_str(etag, http->etag))
        return 0;
    return error_set(err, ERROR_CORRUPT, "it was changed while it was read");
}

static int http_read(struct blob *blob, void *data, size_t len, uint64_t offset,
                     struct error **err)
{
    struct http_blob *http = (struct http_blob *)blob;
    int64_t delay_ms = FIRST_DELAY_MS;

    for (int try = 1;; try++) {
        CLEANUP(http_reply) struct http_reply reply = {0};

        if (ask_range(http, data, len, offset, &reply, err) == 0 &&
            check_same(http, &reply, err) == 0)
            return 0;
        if (try == MAX_TRIES || !error_is_transient(*err) ||
            cancel_wait(http->cancel, delay_ms))
            return error_wrap(err, "cannot read \"%s\" at %" PRIu64, blob->name, offset);
        error_clear(err);
        delay_ms *= 2;
    }
}

static int http_extents(struct blob *blob, uint64_t offset, uint64_t length,
                        struct extent_list *list, struct error **err)
{
    extent_list_add(list, offset, length, EXTENT_DATA);
    return 0;
}

static int http_locate(struct blob *blob, uint64_t offset, uint64_t *file_offset)
{
    return -1;
}

/* The URL without user, password and query, which may hold secrets; owned by the caller. */
static char *plain_name(const char *url)
{
    size_t len = strcspn(url, "?#");
    const char *host = strstr(url, "://") + 3;
    const char *at = memchr(host, '@', strcspn(host, "/?#"));

    if (at == NULL)
        return xstrndup(url, len);
    return xasprintf("%.*s%.*s", (int)(host - url), url, (int)(url + len - at - 1), at + 1);
}

/* Asks for the first byte, to learn whether the server answers, knows ranges, and the size. */
static int learn(struct http_blob *http, struct error **err)
{
    CLEANUP(http_reply) struct http_reply reply = {0};
    char first;

    if (ask_range(http, &first, 1, 0, &reply, err) == -1) {
        if ((*err)->code == ERROR_UNSUPPORTED)
            error_hint(err, "fetch it with another tool and pipe it into gantry-copy -");
        return -1;
    }
    struct span range = http_reply_header(&reply, "Content-Range");
    const char *slash = range.len == 0 ? NULL : memchr(range.ptr, '/', range.len);
    if (slash == NULL ||
        !span_u64(span_trim((struct span){slash + 1, (size_t)(range.ptr + range.len - slash - 1)}),
                  &http->blob.size_bytes))
        return error_set(err, ERROR_UNSUPPORTED, "the server does not tell the size");
    struct span etag = http_reply_header(&reply, "ETag");
    if (etag.len > 0)
        http->etag = span_dup(etag);
    return 0;
}

static const struct blob_ops http_ops = {
    .kind = "http",
    .close = http_close,
    .read = http_read,
    .extents = http_extents,
    .locate = http_locate,
};

int blob_http_open(const char *url, const struct disk_options *options, struct blob **out,
                   struct error **err)
{
    struct http_client_options client_options = {.ca_file = options->ca_file,
                                                 .thumbprint = options->thumbprint,
                                                 .insecure = options->insecure,
                                                 .token = options->bearer,
                                                 .user = options->user,
                                                 .password = options->password};
    struct http_blob *http = xcalloc(1, sizeof(*http));

    http->blob = (struct blob){.ops = &http_ops, .name = plain_name(url), .is_remote = true};
    http->url = xstrdup(url);
    http->cookie = options->cookie == NULL ? NULL : xasprintf("Cookie: %s", options->cookie);
    http->timeout_ms = options->timeout_ms == 0 ? DEFAULT_TIMEOUT_MS : options->timeout_ms;
    http->cancel = options->cancel;
    if (http_client_new(&client_options, &http->client, err) == -1 || learn(http, err) == -1) {
        error_wrap(err, "cannot open \"%s\"", http->blob.name);
        blob_close(&http->blob);
        return -1;
    }
    *out = &http->blob;
    return 0;
}
