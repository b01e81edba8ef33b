/* A connection's thread reads a request, calls the handler, sends the response, and starts over.
 *
 * Slow clients: every phase has a deadline of its own that bytes trickling in do not move (the
 * handshake 10 s, a request's head 10 s from its first byte, a body or a piece of an answer 30 s
 * and 1 s more per 64 KiB).  Waiting for the next request ends after 5 minutes, or earlier when the
 * server needs the room.
 */
#include "net/http_conn.h"

#include "base/error.h"
#include "base/mem.h"
#include "net/http_response.h"
#include "net/tls.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    HANDSHAKE_MS = 10 * 1000,
    HEAD_MS = 10 * 1000,
    BODY_MS = 30 * 1000,
    BODY_BYTES_PER_S = 64 * 1024,
    LINGER_MS = 2 * 1000,
    LINGER_BYTES = 8 * 1024 * 1024,
    IDLE_MS = 5 * 60 * 1000,
    BUSY_MS = 20, /* a connection without a request for that long counts as idle */
    READ_BYTES = 16 * 1024,
    MAX_REQUESTS_IN_BUFFER = HTTP_MAX_HEAD_BYTES + READ_BYTES,
};

struct http_conn {
    struct http_conn_shared *shared;
    int fd;
    char *peer;
    struct tls_conn *tls;
    char *cert_name;
    char **cert_groups;
    struct http_user cert;
    struct buf in;  /* bytes read and not consumed */
    struct buf out; /* head and first bytes of a response, sent together */
    _Atomic int64_t idle_since_ms; /* -1 while busy */
    bool keep_alive;
    bool chunked;
    bool is_http_1_0;
};

struct http_conn *http_conn_new(struct http_conn_shared *shared, int fd, const char *peer)
{
    struct http_conn *conn = xcalloc(1, sizeof(*conn));

    conn->shared = shared;
    conn->fd = fd;
    conn->peer = xstrdup(peer);
    conn->in = BUF_INIT(MAX_REQUESTS_IN_BUFFER);
    conn->out = BUF_INIT(HTTP_FLUSH_BYTES + 64 * 1024);
    atomic_store(&conn->idle_since_ms, time_mono_ms());
    return conn;
}

void http_conn_free(struct http_conn *conn)
{
    if (conn == NULL)
        return;
    tls_conn_free(conn->tls);
    close(conn->fd);
    for (size_t i = 0; i < conn->cert.group_count; i++)
        free(conn->cert_groups[i]);
    free(conn->cert_groups);
    free(conn->cert_name);
    free(conn->peer);
    buf_reset(&conn->in);
    buf_reset(&conn->out);
    free(conn);
}

int64_t http_conn_idle_ms(const struct http_conn *conn)
{
    int64_t since = atomic_load(&conn->idle_since_ms);

    return since < 0 ? -1 : time_mono_ms() - since;
}

void http_conn_shut(struct http_conn *conn)
{
    shutdown(conn->fd, SHUT_RDWR);
}

/* --- Bytes ---------------------------------------------------------------------------------------- */

/* Waits for EVENTS; false when the deadline is over or, if WHILE_IDLE, the server stops. */
static bool wait_socket(struct http_conn *conn, short events, struct deadline deadline,
                        bool while_idle)
{
    struct pollfd fds[2] = {
        {.fd = conn->fd, .events = events},
        {.fd = while_idle ? conn->shared->stop_fd : -1, .events = POLLIN},
    };

    for (;;) {
        int n = poll(fds, 2, deadline_left_ms(deadline));
        if (n > 0)
            return fds[0].revents != 0;
        if (n == 0 && deadline_is_over(deadline))
            return false;
        if (n < 0 && errno != EINTR)
            return false;
    }
}

static void keep_buffers(struct http_conn *conn, bool keep)
{
    if (conn->tls != NULL)
        tls_keep_buffers(conn->tls, keep);
}

/* One read attempt: bytes, or TLS_CLOSED, TLS_WANT_*, TLS_FAILED. */
static ssize_t read_once(struct http_conn *conn, void *data, size_t len)
{
    if (conn->tls != NULL)
        return tls_read(conn->tls, data, len);
    ssize_t n = recv(conn->fd, data, len, 0);
    if (n >= 0)
        return n;
    return errno == EAGAIN || errno == EINTR ? TLS_WANT_READ : TLS_FAILED;
}

/* Bytes read, or 0 when there will be none: closed, failed, deadline over. */
static size_t read_some(struct http_conn *conn, void *data, size_t len, struct deadline deadline,
                        bool while_idle)
{
    if (conn->tls == NULL || !tls_has_pending(conn->tls))
        if (!wait_socket(conn, POLLIN, deadline, while_idle))
            return 0;
    for (;;) {
        ssize_t n = read_once(conn, data, len);
        if (n > 0)
            return (size_t)n;
        if (n != TLS_WANT_READ && n != TLS_WANT_WRITE)
            return 0;
        if (!wait_socket(conn, n == TLS_WANT_READ ? POLLIN : POLLOUT, deadline, while_idle))
            return 0;
    }
}

/* Reads more into conn->in. */
static bool fill(struct http_conn *conn, struct deadline deadline, bool while_idle)
{
    char *room = buf_reserve(&conn->in, READ_BYTES);

    if (room == NULL)
        return false;
    size_t n = read_some(conn, room, READ_BYTES, deadline, while_idle);
    buf_extend(&conn->in, n);
    return n > 0;
}

static void drop_input(struct http_conn *conn, size_t count)
{
    memmove(conn->in.ptr, conn->in.ptr + count, conn->in.len - count);
    conn->in.len -= count;
}

static bool write_all(struct http_conn *conn, const char *data, size_t len)
{
    struct deadline deadline =
        deadline_after(BODY_MS + (int64_t)(len / BODY_BYTES_PER_S) * 1000);

    while (len > 0) {
        ssize_t n;
        if (conn->tls != NULL) {
            n = tls_write(conn->tls, data, len);
        } else {
            n = send(conn->fd, data, len, MSG_NOSIGNAL);
            if (n < 0)
                n = errno == EAGAIN || errno == EINTR ? TLS_WANT_WRITE : TLS_FAILED;
        }
        if (n > 0) {
            data += n;
            len -= (size_t)n;
        } else if (n != TLS_WANT_READ && n != TLS_WANT_WRITE) {
            return false;
        } else if (!wait_socket(conn, n == TLS_WANT_READ ? POLLIN : POLLOUT, deadline, false)) {
            return false;
        }
    }
    return true;
}

/* --- Responses ------------------------------------------------------------------------------------ */

static const char *reason_phrase(int status)
{
    /* clang-format off */
    static const struct { int status; const char *text; } phrases[] = {
        {100, "Continue"}, {101, "Switching Protocols"}, {200, "OK"}, {201, "Created"},
        {202, "Accepted"}, {204, "No Content"}, {206, "Partial Content"}, {304, "Not Modified"},
        {400, "Bad Request"}, {401, "Unauthorized"}, {403, "Forbidden"}, {404, "Not Found"},
        {405, "Method Not Allowed"}, {406, "Not Acceptable"}, {408, "Request Timeout"},
        {409, "Conflict"}, {410, "Gone"}, {413, "Request Entity Too Large"},
        {415, "Unsupported Media Type"}, {422, "Unprocessable Entity"},
        {429, "Too Many Requests"}, {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"}, {501, "Not Implemented"}, {502, "Bad Gateway"},
        {503, "Service Unavailable"}, {504, "Gateway Timeout"}, {507, "Insufficient Storage"},
    };
    /* clang-format on */

    for (size_t i = 0; i < sizeof(phrases) / sizeof(phrases[0]); i++)
        if (phrases[i].status == status)
            return phrases[i].text;
    return "Status";
}

static bool has_no_body(int status)
{
    return status == 204 || status == 304 || status < 200;
}

static void format_head(struct http_conn *conn, const struct http_response *response,
                        bool complete)
{
    buf_clear(&conn->out);
    buf_printf(&conn->out, "HTTP/1.1 %d %s\r\n", response->status, reason_phrase(response->status));
    for (size_t i = 0; i < response->header_count; i++)
        buf_printf(&conn->out, "%s: %s\r\n", response->headers[i].name,
                   response->headers[i].value);
    conn->chunked = false;
    if (complete && !has_no_body(response->status)) {
        buf_printf(&conn->out, "Content-Length: %zu\r\n", response->body.len);
    } else if (!has_no_body(response->status)) {
        conn->chunked = !conn->is_http_1_0;
        if (conn->chunked)
            buf_add(&conn->out, "Transfer-Encoding: chunked\r\n");
        else
            conn->keep_alive = false;
    }
    if (!conn->keep_alive && response->status != 101)
        buf_add(&conn->out, "Connection: close\r\n");
    buf_add(&conn->out, "\r\n");
}

/* The head waits in conn->out for the first bytes, so that small answers are one record. */
static bool conn_start(void *self, struct http_response *response, bool complete)
{
    struct http_conn *conn = self;

    if (!complete) /* a stream: it waits most of the time */
        keep_buffers(conn, false);
    format_head(conn, response, complete);
    if (response->body.len > 0 && !response->head_only && !has_no_body(response->status))
        return true;
    bool ok = write_all(conn, conn->out.ptr, conn->out.len);
    buf_clear(&conn->out);
    return ok;
}

static bool conn_write(void *self, struct http_response *response, const void *data, size_t len)
{
    struct http_conn *conn = self;

    if (has_no_body(response->status))
        return true;
    if (conn->chunked)
        buf_printf(&conn->out, "%zx\r\n", len);
    buf_append(&conn->out, data, len);
    if (conn->chunked)
        buf_add(&conn->out, "\r\n");
    bool ok = write_all(conn, conn->out.ptr, conn->out.len);
    buf_clear(&conn->out);
    return ok;
}

static bool conn_end(void *self, struct http_response *response)
{
    struct http_conn *conn = self;

    return !conn->chunked || response->head_only || write_all(conn, "0\r\n\r\n", 5);
}

/* Looks at the socket only: a stream's writer may be another thread, and TLS is not for two. */
static enum http_wait conn_wait(void *self, int fd, struct deadline deadline)
{
    struct http_conn *conn = self;
    struct pollfd fds[3] = {
        {.fd = fd, .events = POLLIN},
        {.fd = conn->fd, .events = POLLRDHUP},
        {.fd = conn->shared->stop_fd, .events = POLLIN},
    };

    for (;;) {
        int n = poll(fds, 3, deadline_left_ms(deadline));
        if (n == 0 && deadline_is_over(deadline))
            return HTTP_WAIT_TIMEOUT;
        if (n <= 0)
            continue;
        if (fds[2].revents != 0)
            return HTTP_WAIT_GONE;
        if (fds[1].revents != 0)
            return HTTP_WAIT_GONE;
        if (fds[0].revents != 0)
            return HTTP_WAIT_READY;
    }
}

static const struct http_out_ops conn_ops = {
    .start = conn_start,
    .write = conn_write,
    .end = conn_end,
    .wait = conn_wait,
};

bool http_response_upgrade(struct http_response *response)
{
    if (response->ops != &conn_ops || response->started)
        return false;
    struct http_conn *conn = response->self;

    response->status = 101;
    response->started = response->upgraded = true;
    conn->keep_alive = false;
    format_head(conn, response, false);
    bool ok = write_all(conn, conn->out.ptr, conn->out.len);
    buf_clear(&conn->out);
    response->gone = !ok;
    return ok;
}

ssize_t http_response_read_raw(struct http_response *response, void *data, size_t len,
                               int64_t timeout_ms)
{
    struct http_conn *conn = response->self;
    struct deadline deadline = deadline_after(timeout_ms);

    if (conn->in.len > 0) {
        size_t n = conn->in.len < len ? conn->in.len : len;
        memcpy(data, conn->in.ptr, n);
        drop_input(conn, n);
        return (ssize_t)n;
    }
    for (;;) {
        ssize_t n = read_once(conn, data, len);
        if (n > 0)
            return n;
        if (n != TLS_WANT_READ && n != TLS_WANT_WRITE)
            return 0;
        if (!wait_socket(conn, n == TLS_WANT_READ ? POLLIN : POLLOUT, deadline, true))
            return atomic_load(&conn->shared->stopping) ? 0 : -1;
    }
}

bool http_response_write_raw(struct http_response *response, const void *data, size_t len)
{
    struct http_conn *conn = response->self;

    if (!response->gone && !write_all(conn, data, len))
        response->gone = true;
    return !response->gone;
}

int http_response_raw_fd(struct http_response *response)
{
    struct http_conn *conn = response->self;

    return conn->fd;
}

bool http_response_has_raw(struct http_response *response)
{
    struct http_conn *conn = response->self;

    return conn->in.len > 0 || (conn->tls != NULL && tls_has_pending(conn->tls));
}

/* --- Requests ------------------------------------------------------------------------------------- */

/* A socket that is closed with unread bytes in it is reset, and the answer may be lost with it: reads
 * on for a moment, as long as the other side sends. */
static void linger(struct http_conn *conn)
{
    struct deadline deadline = deadline_after(LINGER_MS);
    CLEANUP(str) char *into = xmalloc(READ_BYTES);

    buf_clear(&conn->in);
    if (conn->tls == NULL)
        shutdown(conn->fd, SHUT_WR);
    for (size_t total = 0; total < LINGER_BYTES;) {
        size_t n = read_some(conn, into, READ_BYTES, deadline, true);
        if (n == 0)
            return;
        total += n;
    }
}

static void refuse(struct http_conn *conn, int status, const char *message)
{
    struct http_response response;

    conn->keep_alive = false;
    http_response_init(&response, &conn_ops, conn);
    http_response_set_status(&response, status);
    conn->shared->options->refuse(conn->shared->options->arg, status, message, &response);
    http_response_finish(&response);
    http_response_reset(&response);
    linger(conn);
}

/* A bad request cannot be followed by another one: what it means for the next bytes is unclear. */
static bool refuse_error(struct http_conn *conn, struct error *err)
{
    CLEANUP(str) char *message = error_format(err);

    refuse(conn, err->code == ERROR_UNSUPPORTED ? 501 : 400, message);
    return false;
}

static bool read_head(struct http_conn *conn, struct buf *head_text, struct http_head *head)
{
    CLEANUP(error) struct error *err = NULL;
    struct deadline deadline = deadline_after(HEAD_MS);

    for (;;) {
        size_t end = 0;
        const char *stop =
            conn->in.len == 0 ? NULL : memmem(conn->in.ptr, conn->in.len, "\r\n\r\n", 4);
        if (stop != NULL) {
            end = (size_t)(stop - conn->in.ptr) + 4;
            buf_append(head_text, conn->in.ptr, end);
            if (http_parse_head(head_text->ptr, head_text->len, head, &end, &err) == -1)
                return refuse_error(conn, err);
            drop_input(conn, end);
            return true;
        }
        if (conn->in.len >= HTTP_MAX_HEAD_BYTES) {
            refuse(conn, 431, "request headers are too large");
            return false;
        }
        if (!fill(conn, deadline, true)) {
            if (conn->in.len > 0 && deadline_is_over(deadline))
                refuse(conn, 408, "the request's head did not arrive in time");
            return false;
        }
    }
}

static bool body_too_large(struct http_conn *conn)
{
    CLEANUP(str) char *text = xasprintf("Request entity too large: limit is %zu",
                                        conn->shared->options->max_body_bytes);

    refuse(conn, 413, text);
    return false;
}

/* Moves LEN bytes of input into BODY. */
static bool read_exactly(struct http_conn *conn, uint64_t len, struct buf *body,
                         struct deadline deadline)
{
    while (len > 0) {
        if (conn->in.len == 0) {
            size_t want = len < READ_BYTES ? (size_t)len : READ_BYTES;
            char *room = buf_reserve(body, want);
            size_t n = room == NULL ? 0 : read_some(conn, room, want, deadline, false);
            if (n == 0)
                return false;
            buf_extend(body, n);
            len -= n;
            continue;
        }
        size_t n = conn->in.len < len ? conn->in.len : (size_t)len;
        buf_append(body, conn->in.ptr, n);
        drop_input(conn, n);
        len -= n;
    }
    return true;
}

/* The next line of the chunk framing; for the trailer, lines are skipped until an empty one. */
static bool read_chunk_size(struct http_conn *conn, uint64_t *size, struct deadline deadline)
{
    for (;;) {
        CLEANUP(error) struct error *err = NULL;
        size_t consumed = 0;
        if (http_parse_chunk_size(conn->in.ptr, conn->in.len, size, &consumed, &err) == -1)
            return refuse_error(conn, err);
        if (consumed > 0) {
            drop_input(conn, consumed);
            return true;
        }
        if (!fill(conn, deadline, false))
            return false;
    }
}

static bool skip_trailer(struct http_conn *conn, struct deadline deadline)
{
    for (size_t total = 0; total < HTTP_MAX_HEAD_BYTES;) {
        char *end = conn->in.len == 0 ? NULL : memmem(conn->in.ptr, conn->in.len, "\r\n", 2);
        if (end == NULL) {
            if (conn->in.len > READ_BYTES || !fill(conn, deadline, false))
                return false;
            continue;
        }
        size_t line = (size_t)(end - conn->in.ptr);
        drop_input(conn, line + 2);
        total += line + 2;
        if (line == 0)
            return true;
    }
    return false;
}

static bool read_chunks(struct http_conn *conn, struct buf *body, struct deadline deadline)
{
    CLEANUP(buf) struct buf end = BUF_INIT(2);

    for (;;) {
        uint64_t size = 0;
        if (!read_chunk_size(conn, &size, deadline))
            return false;
        if (size == 0)
            return skip_trailer(conn, deadline);
        if (size > body->max - body->len)
            return body_too_large(conn);
        buf_clear(&end);
        if (!read_exactly(conn, size, body, deadline) || !read_exactly(conn, 2, &end, deadline))
            return false;
        if (!span_eq(buf_span(&end), SPAN("\r\n"))) {
            refuse(conn, 400, "a chunk is longer than its size");
            return false;
        }
    }
}

static bool read_body(struct http_conn *conn, const struct http_head *head, struct buf *body)
{
    if (!head->chunked && head->length == 0)
        return true;
    if (!head->chunked && head->length > body->max)
        return body_too_large(conn);
    uint64_t most = head->chunked ? body->max : head->length;
    struct deadline deadline =
        deadline_after(BODY_MS + (int64_t)(most / BODY_BYTES_PER_S) * 1000);

    if (head->expects_continue && !write_all(conn, "HTTP/1.1 100 Continue\r\n\r\n", 25))
        return false;
    return head->chunked ? read_chunks(conn, body, deadline)
                         : read_exactly(conn, head->length, body, deadline);
}

static void answer(struct http_conn *conn, const struct http_head *head, const struct buf *body)
{
    struct http_request request = {
        .method = head->method,
        .path = head->path,
        .query = head->query,
        .headers = head->headers,
        .header_count = head->header_count,
        .body = body->ptr == NULL ? "" : body->ptr,
        .body_len = body->len,
        .peer = conn->peer,
        .cert = conn->cert.name == NULL ? NULL : &conn->cert,
    };
    struct http_response response;

    http_response_init(&response, &conn_ops, conn);
    response.head_only = str_eq(head->method, "HEAD");
    conn->shared->options->handle(conn->shared->options->arg, &request, &response);
    http_response_finish(&response);
    if (response.gone)
        conn->keep_alive = false;
    http_response_reset(&response);
}

/* Waits for the first bytes of a request; false when there will be none. */
static bool await_request(struct http_conn *conn)
{
    bool pending = conn->tls != NULL && tls_has_pending(conn->tls);

    if (!pending && !wait_socket(conn, POLLIN, deadline_after(BUSY_MS), true))
        keep_buffers(conn, false);
    bool came = fill(conn, deadline_after(IDLE_MS), true);
    keep_buffers(conn, true);
    return came;
}

/* Reads and answers one request; false when the connection is over. */
static bool serve_one(struct http_conn *conn, struct buf *head_text, struct http_head *head)
{
    CLEANUP(buf) struct buf body = BUF_INIT(conn->shared->options->max_body_bytes);

    atomic_store(&conn->idle_since_ms, time_mono_ms());
    if (conn->in.len == 0 && !await_request(conn))
        return false;
    buf_clear(head_text);
    if (!read_head(conn, head_text, head))
        return false;
    conn->keep_alive = head->keep_alive;
    conn->is_http_1_0 = head->is_http_1_0;
    if (!read_body(conn, head, &body))
        return false;

    atomic_store(&conn->idle_since_ms, -1);
    answer(conn, head, &body);
    if (conn->in.len == 0 && conn->in.cap > READ_BYTES + 1)
        buf_reset(&conn->in);
    return conn->keep_alive && !atomic_load(&conn->shared->stopping);
}

static bool shake_hands(struct http_conn *conn)
{
    struct deadline deadline = deadline_after(HANDSHAKE_MS);

    conn->tls = tls_conn_new(conn->shared->tls, conn->fd);
    if (conn->tls == NULL)
        return false;
    for (;;) {
        ssize_t n = tls_handshake(conn->tls);
        if (n > 0)
            break;
        if (n != TLS_WANT_READ && n != TLS_WANT_WRITE)
            return false;
        if (!wait_socket(conn, n == TLS_WANT_READ ? POLLIN : POLLOUT, deadline, true))
            return false;
    }
    size_t count = 0;
    conn->cert_name = tls_peer_name(conn->tls, &conn->cert_groups, &count);
    conn->cert = (struct http_user){
        .name = conn->cert_name,
        .groups = (const char *const *)conn->cert_groups,
        .group_count = count,
    };
    return true;
}

void http_conn_run(struct http_conn *conn)
{
    CLEANUP(buf) struct buf head_text = BUF_INIT(MAX_REQUESTS_IN_BUFFER);

    if (conn->shared->tls != NULL && !shake_hands(conn))
        return;
    struct http_head *head = xmalloc(sizeof(*head));
    while (serve_one(conn, &head_text, head))
        ;
    free(head);
    if (conn->tls != NULL)
        tls_close(conn->tls);
}
