#include "net/http_response.h"

#include "base/cancel.h"
#include "base/mem.h"

#include <poll.h>
#include <stdlib.h>
#include <strings.h>

enum { MAX_COLLECTED = 1024 * 1024 };

void http_response_init(struct http_response *response, const struct http_out_ops *ops, void *self)
{
    *response = (struct http_response){
        .ops = ops,
        .self = self,
        .status = 200,
        .body = BUF_INIT(MAX_COLLECTED),
    };
}

void http_response_reset(struct http_response *response)
{
    for (size_t i = 0; i < response->header_count; i++) {
        free((char *)(uintptr_t)response->headers[i].name);
        free((char *)(uintptr_t)response->headers[i].value);
    }
    response->header_count = 0;
    buf_reset(&response->body);
}

void http_response_set_status(struct http_response *response, int status)
{
    if (!response->started)
        response->status = status;
}

bool http_response_is_started(const struct http_response *response)
{
    return response->started;
}

int http_response_get_status(const struct http_response *response)
{
    return response->status;
}

/* A value with line ends would start headers of its own. */
static char *safe_value(const char *value)
{
    char *copy = xstrdup(value);

    for (char *p = copy; *p != '\0'; p++)
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            *p = ' ';
    return copy;
}

/* An error's answer replaces what a handler said before it failed. */
static bool is_single(const char *name)
{
    return strcasecmp(name, "Content-Type") == 0;
}

void http_response_add_header(struct http_response *response, const char *name, const char *value)
{
    if (response->started || response->header_count == HTTP_MAX_RESPONSE_HEADERS)
        return;
    for (size_t i = 0; i < response->header_count && is_single(name); i++) {
        if (strcasecmp(response->headers[i].name, name) != 0)
            continue;
        free((char *)(uintptr_t)response->headers[i].value);
        response->headers[i].value = safe_value(value);
        return;
    }
    response->headers[response->header_count++] =
        (struct http_header){.name = xstrdup(name), .value = safe_value(value)};
}

static bool start(struct http_response *response, bool complete)
{
    if (response->started)
        return !response->gone;
    response->started = true;
    if (!response->ops->start(response->self, response, complete))
        response->gone = true;
    return !response->gone;
}

static bool send_body(struct http_response *response)
{
    if (response->gone)
        return false;
    if (response->body.len > 0 && !response->head_only &&
        !response->ops->write(response->self, response, response->body.ptr, response->body.len))
        response->gone = true;
    buf_clear(&response->body);
    return !response->gone;
}

void http_response_abort(struct http_response *response)
{
    response->gone = true;
}

bool http_response_flush(struct http_response *response)
{
    return start(response, false) && send_body(response);
}

bool http_response_write(struct http_response *response, const void *data, size_t len)
{
    const char *from = data;

    if (response->gone)
        return false;
    while (len > 0) {
        size_t room = HTTP_FLUSH_BYTES - response->body.len;
        size_t n = len < room ? len : room;
        buf_append(&response->body, from, n);
        from += n;
        len -= n;
        if (response->body.len == HTTP_FLUSH_BYTES && !http_response_flush(response))
            return false;
    }
    return true;
}

enum http_wait http_response_wait(struct http_response *response, int fd, struct deadline deadline)
{
    return response->gone ? HTTP_WAIT_GONE : response->ops->wait(response->self, fd, deadline);
}

void http_response_finish(struct http_response *response)
{
    if (response->upgraded || response->gone)
        return;
    if (start(response, true) && send_body(response))
        response->gone = !response->ops->end(response->self, response);
}

/* --- A response into a caller's sink ---------------------------------------------------------- */

struct sink_response {
    struct http_response response; /* first: what callers see */
    struct http_sink sink;
};

static bool sink_start(void *self, struct http_response *response, bool complete)
{
    struct http_sink *sink = self;

    return sink->start(sink->arg, response->status, response->headers, response->header_count);
}

static bool sink_write(void *self, struct http_response *response, const void *data, size_t len)
{
    struct http_sink *sink = self;

    if (cancel_is_requested(sink->cancel))
        return false;
    return sink->write(sink->arg, data, len);
}

static bool sink_end(void *self, struct http_response *response)
{
    return true;
}

static enum http_wait sink_wait(void *self, int fd, struct deadline deadline)
{
    struct http_sink *sink = self;
    struct pollfd fds[2] = {
        {.fd = fd, .events = POLLIN},
        {.fd = sink->cancel == NULL ? -1 : cancel_fd(sink->cancel), .events = POLLIN},
    };
    bool sink_first = sink->deadline.at_ms < deadline.at_ms;

    int n = poll(fds, 2, deadline_left_ms(sink_first ? sink->deadline : deadline));
    if (n < 0 || fds[1].revents != 0)
        return fds[1].revents != 0 ? HTTP_WAIT_GONE : HTTP_WAIT_READY;
    if (n == 0)
        return sink_first ? HTTP_WAIT_GONE : HTTP_WAIT_TIMEOUT;
    return HTTP_WAIT_READY;
}

static const struct http_out_ops sink_ops = {
    .start = sink_start,
    .write = sink_write,
    .end = sink_end,
    .wait = sink_wait,
};

struct http_response *http_response_new(const struct http_sink *sink)
{
    struct sink_response *self = xcalloc(1, sizeof(*self));

    self->sink = *sink;
    http_response_init(&self->response, &sink_ops, &self->sink);
    return &self->response;
}

void http_response_free(struct http_response *response)
{
    if (response == NULL)
        return;
    http_response_reset(response);
    free(response);
}

/* --- Requests ----------------------------------------------------------------------------------- */

const char *http_request_header(const struct http_request *request, const char *name)
{
    return http_header_find(request->headers, request->header_count, name);
}

char *http_request_query(const struct http_request *request, const char *name)
{
    return http_query_get(request->query, name);
}
