/* The listener: accepts, starts a thread per connection, and keeps the number of connections below
 * its limit by closing the one that has been idle longest.  Why threads and why not a library:
 * doc/design/http-server.md.
 */
#include "net/http_server.h"

#define LOG_COMPONENT "http"

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/thread.h"
#include "base/vector.h"
#include "net/http_conn.h"
#include "net/tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    DEFAULT_CONNECTIONS = 4096,
    DEFAULT_BODY_BYTES = 3 * 1024 * 1024,
    STACK_BYTES = 8 * 1024 * 1024, /* touched only as far as used */
    STOP_MS = 10 * 1000,
    BACKLOG = 1024,
    POLL_AGAIN_MS = 100,
    EVICT_AFTER_MS = 1000, /* who just connected gets this long to say something */
};

DEFINE_VECTOR(conn_list, struct http_conn *)

struct http_server {
    struct http_server_options options;
    struct http_conn_shared shared;
    int listen_fd;
    int port;
    struct thread acceptor;
    pthread_attr_t thread_attr;
    pthread_mutex_t lock;
    pthread_cond_t ended;
    struct conn_list conns;         /* guarded by lock */
    struct http_server_stats stats; /* guarded by lock */
};

struct conn_start {
    struct http_server *server;
    struct http_conn *conn;
};

static void forget_conn(struct http_server *server, struct http_conn *conn)
{
    LOCK_SCOPE(&server->lock);

    for (size_t i = 0; i < server->conns.len; i++) {
        if (server->conns.ptr[i] != conn)
            continue;
        server->conns.ptr[i] = server->conns.ptr[--server->conns.len];
        break;
    }
    if (server->conns.len == 0)
        pthread_cond_broadcast(&server->ended);
}

static void *conn_main(void *arg)
{
    struct conn_start start = *(struct conn_start *)arg;

    free(arg);
    http_conn_run(start.conn);
    /* Out of the list first: whoever shuts it down must not find a closed descriptor. */
    struct http_server *server = start.server;
    struct http_conn *conn = start.conn;
    {
        LOCK_SCOPE(&server->lock);
        for (size_t i = 0; i < server->conns.len; i++)
            if (server->conns.ptr[i] == conn)
                server->conns.ptr[i] = NULL;
    }
    http_conn_free(conn);
    forget_conn(server, NULL);
    return NULL;
}

/* Closes the connection that waits longest.  False if there is none.  Needs the lock. */
static bool evict_one(struct http_server *server)
{
    struct http_conn *oldest = NULL;
    int64_t longest = EVICT_AFTER_MS;

    for (size_t i = 0; i < server->conns.len; i++) {
        struct http_conn *conn = server->conns.ptr[i];
        int64_t idle = conn == NULL ? -1 : http_conn_idle_ms(conn);
        if (idle > longest) {
            longest = idle;
            oldest = conn;
        }
    }
    if (oldest == NULL)
        return false;
    http_conn_shut(oldest);
    server->stats.evicted++;
    return true;
}

/* Takes FD. */
static void start_conn(struct http_server *server, int fd, const char *peer)
{
    struct conn_start *start = xmalloc(sizeof(*start));
    int one = 1;
    pthread_t id;

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)); /* only costs latency if not */
    *start = (struct conn_start){server, http_conn_new(&server->shared, fd, peer)};
    {
        LOCK_SCOPE(&server->lock);
        conn_list_push(&server->conns, start->conn);
        server->stats.accepted++;
    }
    int sys = pthread_create(&id, &server->thread_attr, conn_main, start);
    if (sys != 0) {
        log_warn("no thread for a connection: errno=%d", sys);
        forget_conn(server, start->conn);
        http_conn_free(start->conn);
        free(start);
    }
}

static void accept_one(struct http_server *server)
{
    struct sockaddr_storage address;
    socklen_t len = sizeof(address);
    char host[NI_MAXHOST] = "", port[NI_MAXSERV] = "";
    int fd = accept4(server->listen_fd, (struct sockaddr *)&address, &len,
                     SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (fd < 0) {
        if (errno == EMFILE || errno == ENFILE || errno == ENOMEM) {
            /* Nothing to close it with: let running connections end first. */
            LOCK_SCOPE(&server->lock);
            server->stats.refused++;
            evict_one(server);
            poll(NULL, 0, 10);
        }
        return;
    }
    bool full;
    {
        LOCK_SCOPE(&server->lock);
        full = server->conns.len >= server->options.max_connections;
        if (server->conns.len >= server->options.max_connections - server->options.max_connections / 8)
            evict_one(server);
        if (full)
            server->stats.refused++;
    }
    if (full) {
        close(fd);
        return;
    }
    getnameinfo((struct sockaddr *)&address, len, host, sizeof(host), port, sizeof(port),
                NI_NUMERICHOST | NI_NUMERICSERV);
    CLEANUP(str) char *peer = xasprintf("%s:%s", host, port);
    start_conn(server, fd, peer);
}

static void *acceptor_main(void *arg)
{
    struct http_server *server = arg;
    struct pollfd fds[2] = {
        {.fd = server->listen_fd, .events = POLLIN},
        {.fd = server->shared.stop_fd, .events = POLLIN},
    };

    while (!atomic_load(&server->shared.stopping)) {
        int n = poll(fds, 2, -1);
        if (n < 0 && errno != EINTR) {
            /* out of memory, most likely: the next try may do */
            log_error("cannot wait for connections, trying again: errno=%d", errno);
            poll(NULL, 0, POLL_AGAIN_MS);
        }
        if (n > 0 && fds[0].revents != 0)
            accept_one(server);
    }
    return NULL;
}

/* Splits "HOST:PORT" or "[HOST]:PORT". */
static int split_address(const char *text, char **host, char **port, struct error **err)
{
    const char *colon = strrchr(text, ':');

    if (colon == NULL || colon == text || colon[1] == '\0')
        return error_set(err, ERROR_INVALID, "listen address \"%s\" is not HOST:PORT", text);
    bool brackets = *text == '[' && colon[-1] == ']';
    *host = brackets ? xstrndup(text + 1, (size_t)(colon - text) - 2)
                     : xstrndup(text, (size_t)(colon - text));
    *port = xstrdup(colon + 1);
    return 0;
}

static int open_socket(struct http_server *server, struct error **err)
{
    CLEANUP(str) char *host = NULL;
    CLEANUP(str) char *port = NULL;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *found = NULL;
    int one = 1;

    if (split_address(server->options.listen, &host, &port, err) == -1)
        return -1;
    int result = getaddrinfo(host, port, &hints, &found);
    if (result != 0)
        return error_set(err, ERROR_INVALID, "listen address \"%s\": %s", server->options.listen,
                         gai_strerror(result));

    CLEANUP(fd) int fd =
        socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0)
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (fd < 0 || bind(fd, found->ai_addr, found->ai_addrlen) < 0 || listen(fd, BACKLOG) < 0) {
        int sys = errno;
        freeaddrinfo(found);
        return error_sys(err, sys, "cannot listen on \"%s\"", server->options.listen);
    }
    freeaddrinfo(found);

    struct sockaddr_storage address;
    socklen_t len = sizeof(address);
    if (getsockname(fd, (struct sockaddr *)&address, &len) < 0)
        return error_sys(err, errno, "cannot read the port listened on");
    server->port = ntohs(address.ss_family == AF_INET6
                             ? ((struct sockaddr_in6 *)&address)->sin6_port
                             : ((struct sockaddr_in *)&address)->sin_port);
    server->listen_fd = steal_fd(&fd);
    return 0;
}

/* Leaves half of the descriptors to everything else in the process. */
static void set_limits(struct http_server *server)
{
    struct rlimit limit;
    struct http_server_options *options = &server->options;

    if (options->max_connections == 0)
        options->max_connections = DEFAULT_CONNECTIONS;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        if (limit.rlim_cur < limit.rlim_max && limit.rlim_cur < 3 * options->max_connections) {
            limit.rlim_cur = limit.rlim_max < 3 * options->max_connections
                                 ? limit.rlim_max
                                 : 3 * options->max_connections;
            setrlimit(RLIMIT_NOFILE, &limit); /* if it fails, the old limit counts */
            getrlimit(RLIMIT_NOFILE, &limit);
        }
        if (limit.rlim_cur / 3 < options->max_connections)
            options->max_connections = limit.rlim_cur / 3 < 16 ? 16 : limit.rlim_cur / 3;
    }
    if (options->max_body_bytes == 0)
        options->max_body_bytes = DEFAULT_BODY_BYTES;
}

static void free_server(struct http_server *server)
{
    if (server->listen_fd >= 0)
        close(server->listen_fd);
    if (server->shared.stop_fd >= 0)
        close(server->shared.stop_fd);
    tls_context_free(server->shared.tls);
    pthread_attr_destroy(&server->thread_attr);
    pthread_mutex_destroy(&server->lock);
    pthread_cond_destroy(&server->ended);
    conn_list_reset(&server->conns);
    free(server);
}

static int open_server(struct http_server *server, struct error **err)
{
    const struct http_server_options *options = &server->options;

    server->shared.stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (server->shared.stop_fd < 0)
        return error_sys(err, errno, "cannot make an event descriptor");
    if (options->cert_path != NULL) {
        server->shared.tls = tls_context_new(options->cert_path, options->key_path,
                                             options->client_ca_path, err);
        if (server->shared.tls == NULL)
            return -1;
    }
    if (open_socket(server, err) == -1)
        return -1;
    return thread_start(&server->acceptor, "http-accept", acceptor_main, server, err);
}

int http_server_start(const struct http_server_options *options, struct http_server **out,
                      struct error **err)
{
    struct http_server *server = xcalloc(1, sizeof(*server));

    server->options = *options;
    server->listen_fd = -1;
    server->shared.options = &server->options;
    pthread_mutex_init(&server->lock, NULL);
    cond_init(&server->ended);
    pthread_attr_init(&server->thread_attr);
    pthread_attr_setdetachstate(&server->thread_attr, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&server->thread_attr, STACK_BYTES);
    set_limits(server);
    if (open_server(server, err) == -1) {
        free_server(server);
        return error_wrap(err, "cannot start the HTTP server");
    }
    *out = server;
    return 0;
}

void http_server_stop(struct http_server *server)
{
    if (server == NULL)
        return;
    uint64_t one = 1;
    atomic_store(&server->shared.stopping, true);
    if (write(server->shared.stop_fd, &one, sizeof(one)) != sizeof(one))
        log_warn("cannot tell connections to stop: errno=%d", errno);
    thread_join(&server->acceptor);

    struct deadline deadline = deadline_after(STOP_MS);
    pthread_mutex_lock(&server->lock);
    while (server->conns.len > 0 && cond_wait(&server->ended, &server->lock, deadline))
        ;
    for (size_t i = 0; i < server->conns.len; i++)
        if (server->conns.ptr[i] != NULL)
            http_conn_shut(server->conns.ptr[i]);
    deadline = deadline_after(STOP_MS);
    while (server->conns.len > 0 && cond_wait(&server->ended, &server->lock, deadline))
        ;
    size_t left = server->conns.len;
    pthread_mutex_unlock(&server->lock);
    if (left > 0) {
        /* Their handlers hang in something of their own.  What they use is about to be freed, and
         * everything that was acknowledged is on disk: better to end here than to wait for ever. */
        log_error("requests do not end, ending without them: count=%zu", left);
        abort();
    }
    free_server(server);
}

int http_server_port(const struct http_server *server)
{
    return server->port;
}

void http_server_get_stats(struct http_server *server, struct http_server_stats *stats)
{
    LOCK_SCOPE(&server->lock);

    *stats = server->stats;
    stats->connections = server->conns.len;
}
