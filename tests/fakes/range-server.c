/* range-server --root DIR [--tls DIR] [--log FILE]: files over HTTP/1.1 in ranges, with the faults
 * that a request's query asks for.
 *
 * Prints its port and serves 127.0.0.1 until its standard input ends or a signal comes.  With --tls,
 * DIR gets an authority (ca.crt) and the server's certificate (server.crt).  The query of a URL:
 *
 *     delay=MS      wait before each answer         rate=BYTES    of body in a second
 *     whole=1       no ranges: 200 with everything  close=1       ... and no Content-Length
 *     chunked=1     likewise, in chunks             etag=TEXT     "" sends none
 *     user=, password=, bearer=, cookie=            what must be there; else 401
 *     status=N      no file; retry-after=S, location=URL go with it
 *     shift=N       Content-Range names other bytes total=TEXT    ... or another size
 *     lie=N         Content-Length larger by N      cut=N         close after N bytes of body
 *     reset=N       the same with a reset           stall=N       silence after N bytes
 *     swap=N        from request N on FILE.new is served under the same name
 *
 * status to stall happen only to TIMES requests (all) after the first AFTER ones (none) with the
 * same path and query.  The log gets a line for each request.
 *
 * Threads: one for each connection. */
#include "base/array.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/thread.h"
#include "net/http_parse.h"
#include "net/tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    PIECE = 256 * 1024, /* bytes sent at once */
    IDLE_MS = 60000,
    STALL_MS = 60000,
    MAX_COUNTERS = 1000,
};

static struct {
    const char *root;
    struct tls_context *tls;
    FILE *log;
    pthread_mutex_t lock;
    struct { /* guarded by lock: requests for each target */
        char *target;
        unsigned count;
    } counters[MAX_COUNTERS];
    size_t counter_count; /* guarded by lock */
    _Atomic unsigned connections;
} server = {.lock = PTHREAD_MUTEX_INITIALIZER};

struct conn {
    int fd;
    unsigned number;
    struct tls_conn *tls; /* or NULL */
    char head[HTTP_MAX_HEAD_BYTES];
    size_t head_len;
    char piece[PIECE];
};

/* A request and what happens to it. */
struct job {
    const struct http_head *head;
    const char *query;
    bool faulty; /* the faults apply to this one */
    int fd;
    char etag[64];
    uint64_t size, first, count; /* of the file, of what is sent */
    bool is_range;
};

/* Waits for FD; false at the end of the wait. */
static bool wait_for(int fd, short events, int ms)
{
    struct pollfd poll_fd = {.fd = fd, .events = events};

    return poll(&poll_fd, 1, ms) > 0;
}

static ssize_t receive(struct conn *conn, void *data, size_t len)
{
    for (;;) {
        ssize_t got = conn->tls != NULL ? tls_read(conn->tls, data, len)
                                        : recv(conn->fd, data, len, 0);
        if (got > 0)
            return got;
        bool again = conn->tls != NULL ? got == TLS_WANT_READ || got == TLS_WANT_WRITE
                                       : got == -1 && errno == EAGAIN;
        if (!again || !wait_for(conn->fd, got == TLS_WANT_WRITE && conn->tls != NULL ? POLLOUT
                                                                                      : POLLIN,
                                IDLE_MS))
            return 0;
    }
}

static bool transmit(struct conn *conn, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t put = conn->tls != NULL ? tls_write(conn->tls, data, len)
                                        : send(conn->fd, data, len, MSG_NOSIGNAL);
        if (put > 0) {
            data += put;
            len -= (size_t)put;
            continue;
        }
        bool again = conn->tls != NULL ? put == TLS_WANT_READ || put == TLS_WANT_WRITE
                                       : put == -1 && errno == EAGAIN;
        if (!again || !wait_for(conn->fd, put == TLS_WANT_READ && conn->tls != NULL ? POLLIN
                                                                                     : POLLOUT,
                                IDLE_MS))
            return false;
    }
    return true;
}

/* The number that the query has for NAME, or OTHERWISE. */
static int64_t number_of(const struct job *job, const char *name, int64_t otherwise)
{
    CLEANUP(str) char *text = http_query_get(job->query, name);

    return text == NULL ? otherwise : strtoll(text, NULL, 10);
}

/* The same for a fault. */
static int64_t fault_of(const struct job *job, const char *name, int64_t otherwise)
{
    return job->faulty ? number_of(job, name, otherwise) : otherwise;
}

static const char *header(const struct job *job, const char *name)
{
    return http_header_find(job->head->headers, job->head->header_count, name);
}

/* Counts the request; its number among those of its target, from 1 on. */
static unsigned count_request(const struct http_head *head)
{
    CLEANUP(str) char *target = xasprintf("%s?%s", head->path, head->query);
    LOCK_SCOPE(&server.lock);

    for (size_t i = 0; i < server.counter_count; i++)
        if (str_eq(server.counters[i].target, target))
            return ++server.counters[i].count;
    if (server.counter_count == MAX_COUNTERS)
        return 1;
    server.counters[server.counter_count].target = steal(&target);
    return ++server.counters[server.counter_count++].count;
}

static void note(const struct conn *conn, const struct job *job)
{
    static const char *const names[] = {"Host", "Range", "If-Match", "Authorization", "Cookie"};

    if (server.log == NULL)
        return;
    LOCK_SCOPE(&server.lock);
    fprintf(server.log, "%u %s %s?%s", conn->number, job->head->method, job->head->path,
            job->head->query);
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (header(job, names[i]) != NULL)
            fprintf(server.log, " %s=%s", names[i], header(job, names[i]));
    fputc('\n', server.log);
    fflush(server.log);
}

/* True if what the query demands is there. */
static bool is_allowed(const struct job *job)
{
    CLEANUP(str) char *user = http_query_get(job->query, "user");
    CLEANUP(str) char *password = http_query_get(job->query, "password");
    CLEANUP(str) char *bearer = http_query_get(job->query, "bearer");
    CLEANUP(str) char *cookie = http_query_get(job->query, "cookie");
    const char *got = header(job, "Authorization");

    if (cookie != NULL && (header(job, "Cookie") == NULL ||
                           strstr(header(job, "Cookie"), cookie) == NULL))
        return false;
    if (bearer != NULL && (got == NULL || !str_starts_with(got, "Bearer ") ||
                           !str_eq(got + strlen("Bearer "), bearer)))
        return false;
    if (user == NULL)
        return true;
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    CLEANUP(str) char *plain = xasprintf("%s:%s", user, password == NULL ? "" : password);
    size_t len = strlen(plain);
    CLEANUP(buf) struct buf want = BUF_INIT(4096);
    buf_add(&want, "Basic ");
    for (size_t i = 0; i < len; i += 3) {
        unsigned bits = (unsigned char)plain[i] << 16;
        bits |= i + 1 < len ? (unsigned)(unsigned char)plain[i + 1] << 8 : 0;
        bits |= i + 2 < len ? (unsigned char)plain[i + 2] : 0;
        for (unsigned k = 0; k < 4; k++)
            buf_add_char(&want, i + k > len ? '=' : letters[bits >> (18 - 6 * k) & 63]);
    }
    return got != NULL && str_eq(got, want.ptr);
}

static bool answer_status(struct conn *conn, const struct job *job, int status)
{
    CLEANUP(str) char *location = http_query_get(job->query, "location");
    CLEANUP(str) char *after = http_query_get(job->query, "retry-after");
    CLEANUP(buf) struct buf text = BUF_INIT(8192);

    buf_printf(&text, "HTTP/1.1 %d Because\r\nContent-Length: 5\r\n", status);
    if (location != NULL)
        buf_printf(&text, "Location: %s\r\n", location);
    if (after != NULL)
        buf_printf(&text, "Retry-After: %s\r\n", after);
    if (status == 416)
        buf_printf(&text, "Content-Range: bytes */%" PRIu64 "\r\n", job->size);
    buf_add(&text, "\r\nsorry");
    return transmit(conn, text.ptr, text.len);
}

/* Ends a connection so that the peer gets a reset. */
static void reset(struct conn *conn)
{
    struct linger linger = {.l_onoff = 1};

    setsockopt(conn->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
}

/* Sends COUNT bytes from FIRST on. */
static bool send_plain(struct conn *conn, const struct job *job, uint64_t first, size_t count)
{
    off_t at = (off_t)first;

    while (conn->tls == NULL && count > 0) {
        ssize_t put = sendfile(conn->fd, job->fd, &at, count);
        if (put > 0)
            count -= (size_t)put;
        else if (put == 0 || errno != EAGAIN || !wait_for(conn->fd, POLLOUT, IDLE_MS))
            return false;
    }
    if (count == 0)
        return true;
    return pread(job->fd, conn->piece, count, at) == (ssize_t)count &&
           transmit(conn, conn->piece, count);
}

static bool send_body(struct conn *conn, const struct job *job)
{
    uint64_t rate = (uint64_t)number_of(job, "rate", 0);
    int64_t reset_at = fault_of(job, "reset", -1);
    int64_t stall_at = fault_of(job, "stall", -1);
    int64_t cut_at = fault_of(job, "cut", -1);
    int64_t stop = reset_at >= 0 ? reset_at : stall_at >= 0 ? stall_at : cut_at;
    bool chunked = number_of(job, "chunked", 0) != 0;
    uint64_t count = stop >= 0 && (uint64_t)stop < job->count ? (uint64_t)stop : job->count;
    char line[32];

    for (uint64_t sent = 0; sent < count;) {
        size_t piece = count - sent < PIECE ? (size_t)(count - sent) : PIECE;
        if (rate > 0 && piece > rate / 10 + 1)
            piece = rate / 10 + 1;
        snprintf(line, sizeof(line), "%zx\r\n", piece);
        if ((chunked && !transmit(conn, line, strlen(line))) ||
            !send_plain(conn, job, job->first + sent, piece) ||
            (chunked && !transmit(conn, "\r\n", 2)))
            return false;
        sent += piece;
        if (rate > 0)
            wait_for(conn->fd, 0, 100);
    }
    if (stop >= 0 && count == (uint64_t)stop) {
        if (reset_at >= 0)
            reset(conn);
        if (stall_at >= 0)
            wait_for(conn->fd, POLLRDHUP, STALL_MS);
        return false;
    }
    return !chunked || transmit(conn, "0\r\n\r\n", 5);
}

static bool answer_file(struct conn *conn, const struct job *job)
{
    CLEANUP(str) char *total = job->faulty ? http_query_get(job->query, "total") : NULL;
    CLEANUP(buf) struct buf text = BUF_INIT(8192);
    int64_t shift = fault_of(job, "shift", 0);
    bool close_marks_end = number_of(job, "close", 0) != 0;

    buf_printf(&text, "HTTP/1.1 %s\r\n", job->is_range ? "206 Partial Content" : "200 OK");
    if (number_of(job, "chunked", 0) != 0)
        buf_add(&text, "Transfer-Encoding: chunked\r\n");
    else if (!close_marks_end)
        buf_printf(&text, "Content-Length: %" PRId64 "\r\n",
                   (int64_t)job->count + fault_of(job, "lie", 0));
    if (job->is_range) {
        buf_printf(&text, "Content-Range: bytes %" PRIu64 "-%" PRIu64 "/",
                   job->first + (uint64_t)shift, job->first + job->count - 1 + (uint64_t)shift);
        if (total != NULL)
            buf_printf(&text, "%s\r\n", total);
        else
            buf_printf(&text, "%" PRIu64 "\r\n", job->size);
    }
    if (job->etag[0] != '\0')
        buf_printf(&text, "ETag: %s\r\n", job->etag);
    buf_add(&text, "\r\n");
    return transmit(conn, text.ptr, text.len) && send_body(conn, job) && !close_marks_end &&
           fault_of(job, "lie", 0) == 0;
}

/* Opens the file that is served now. */
static bool open_file(struct job *job, unsigned number)
{
    CLEANUP(str) char *etag = http_query_get(job->query, "etag");
    CLEANUP(str) char *path = http_decode(job->head->path, strlen(job->head->path), false);
    int64_t swap = number_of(job, "swap", INT64_MAX);
    struct stat st;

    if (path == NULL || strstr(path, "..") != NULL)
        return false;
    CLEANUP(str) char *full =
        xasprintf("%s%s%s", server.root, path, number >= swap ? ".new" : "");
    job->fd = open(full, O_RDONLY | O_CLOEXEC);
    if (job->fd == -1 || fstat(job->fd, &st) == -1 || !S_ISREG(st.st_mode))
        return false;
    job->size = (uint64_t)st.st_size;
    if (etag == NULL)
        snprintf(job->etag, sizeof(job->etag), "\"%" PRIx64 "-%" PRIx64 "\"", (uint64_t)st.st_ino,
                 job->size);
    else
        snprintf(job->etag, sizeof(job->etag), "%s", etag);
    return true;
}

/* Decides which bytes are asked for; false if there are none such. */
static bool choose_bytes(struct job *job)
{
    const char *range = header(job, "Range");
    uint64_t last = UINT64_MAX;

    job->count = job->size;
    if (range == NULL || number_of(job, "whole", 0) != 0 ||
        sscanf(range, "bytes=%" SCNu64 "-%" SCNu64, &job->first, &last) < 1)
        return true;
    job->is_range = true;
    if (job->first >= job->size || last < job->first)
        return false;
    if (last >= job->size)
        last = job->size - 1;
    job->count = last - job->first + 1;
    return true;
}

/* Answers one request; false when the connection shall end. */
static bool answer(struct conn *conn, const struct http_head *head)
{
    struct job job = {.head = head, .query = head->query, .fd = -1};
    unsigned number = count_request(head);
    int64_t after = number_of(&job, "after", 0);
    const char *match = header(&job, "If-Match");
    bool go_on;

    job.faulty = number > after && number - after <= number_of(&job, "times", INT64_MAX);
    note(conn, &job);
    wait_for(conn->fd, 0, (int)number_of(&job, "delay", 0));
    if (!is_allowed(&job))
        go_on = answer_status(conn, &job, 401);
    else if (fault_of(&job, "status", 0) != 0)
        go_on = answer_status(conn, &job, (int)fault_of(&job, "status", 0));
    else if (!open_file(&job, number))
        go_on = answer_status(conn, &job, 404);
    else if (match != NULL && !str_eq(match, job.etag))
        go_on = answer_status(conn, &job, 412);
    else if (!choose_bytes(&job))
        go_on = answer_status(conn, &job, 416);
    else
        go_on = answer_file(conn, &job);
    if (job.fd != -1)
        close(job.fd);
    return go_on && head->keep_alive;
}

/* Reads requests until the peer has no more. */
static void converse(struct conn *conn)
{
    bool go_on = true;

    while (go_on) {
        CLEANUP(error) struct error *err = NULL;
        struct http_head head;
        size_t consumed = 0;
        char copy[HTTP_MAX_HEAD_BYTES];

        while (consumed == 0) {
            memcpy(copy, conn->head, conn->head_len);
            if (conn->head_len > 0 &&
                http_parse_head(copy, conn->head_len, &head, &consumed, &err) == -1)
                return;
            if (consumed > 0)
                break;
            ssize_t got = receive(conn, conn->head + conn->head_len,
                                  sizeof(conn->head) - conn->head_len);
            if (got <= 0)
                return;
            conn->head_len += (size_t)got;
        }
        go_on = answer(conn, &head);
        conn->head_len -= consumed;
        memmove(conn->head, conn->head + consumed, conn->head_len);
    }
}

static void *serve_conn(void *arg)
{
    struct conn *conn = arg;
    ssize_t shaken = 1;

    if (server.tls != NULL) {
        conn->tls = tls_conn_new(server.tls, conn->fd);
        while ((shaken = tls_handshake(conn->tls)) == TLS_WANT_READ || shaken == TLS_WANT_WRITE)
            if (!wait_for(conn->fd, shaken == TLS_WANT_READ ? POLLIN : POLLOUT, IDLE_MS))
                break;
    }
    if (shaken == 1)
        converse(conn);
    if (conn->tls != NULL)
        tls_conn_free(conn->tls);
    close(conn->fd);
    free(conn);
    return NULL;
}

static void accept_one(int listener)
{
    pthread_attr_t attributes;
    pthread_t thread;
    int one = 1;
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (fd == -1)
        return;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    struct conn *conn = xcalloc(1, sizeof(*conn));
    conn->fd = fd;
    conn->number = ++server.connections;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    if (pthread_create(&thread, &attributes, serve_conn, conn) != 0) {
        close(fd);
        free(conn);
    }
    pthread_attr_destroy(&attributes);
}

static int start_tls(const char *dir, struct error **err)
{
    static const char *const hosts[] = {"localhost", "127.0.0.1", NULL};
    const struct tls_cert_spec spec = {.common_name = "range-server", .hosts = hosts};
    CLEANUP(str) char *ca = xasprintf("%s/ca.crt", dir);
    CLEANUP(str) char *ca_key = xasprintf("%s/ca.key", dir);
    CLEANUP(str) char *cert = xasprintf("%s/server.crt", dir);
    CLEANUP(str) char *key = xasprintf("%s/server.key", dir);

    if (tls_ensure_ca(ca, ca_key, "tests' authority", err) == -1 ||
        tls_ensure_cert(ca, ca_key, cert, key, &spec, err) == -1)
        return -1;
    server.tls = tls_context_new(cert, key, NULL, err);
    return server.tls == NULL ? -1 : 0;
}

static int open_listener(unsigned *port, struct error **err)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd == -1 || bind(fd, (struct sockaddr *)&address, len) == -1 || listen(fd, 64) == -1 ||
        getsockname(fd, (struct sockaddr *)&address, &len) == -1)
        return error_sys(err, errno, "cannot listen");
    *port = ntohs(address.sin_port);
    return fd;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"root", required_argument, NULL, 'r'},
                                            {"tls", required_argument, NULL, 't'},
                                            {"log", required_argument, NULL, 'l'},
                                            {0}};
    CLEANUP(error) struct error *err = NULL;
    unsigned port;
    int listener;
    int status = 0;

    signal(SIGPIPE, SIG_IGN);
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;)
        if (c == 'r')
            server.root = optarg;
        else if (c == 't')
            status = start_tls(optarg, &err);
        else if (c != 'l' || (server.log = fopen(optarg, "a")) == NULL)
            status = error_set(&err, ERROR_INVALID, "wrong usage: see the source");
    if (server.root == NULL && err == NULL)
        status = error_set(&err, ERROR_INVALID, "no --root");
    if (status == -1 || (listener = open_listener(&port, &err)) == -1) {
        CLEANUP(str) char *text = error_format(err);
        fprintf(stderr, "range-server: %s\n", text);
        return 1;
    }
    printf("%u\n", port);
    fflush(stdout);
    for (char byte;;) {
        struct pollfd fds[2] = {{.fd = listener, .events = POLLIN},
                                {.fd = STDIN_FILENO, .events = POLLIN}};
        if (poll(fds, 2, -1) == -1 && errno != EINTR)
            return 1;
        if (fds[0].revents != 0)
            accept_one(listener);
        if (fds[1].revents != 0 && read(STDIN_FILENO, &byte, 1) <= 0)
            return 0;
    }
}
