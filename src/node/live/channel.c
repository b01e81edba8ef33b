#include "node/live/channel.h"

#include "base/error.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/random.h"
#include "base/text.h"
#include "net/tls.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define COMMON_NAME "gantry live migration"
#define SOCKET_NAME "sock"
#define UNIX_PREFIX "unix:"

enum {
    BACKLOG = 64,
    PIECE = 256 * 1024,
    TURNS = 16,
    DEAD_PEER_MS = 30000, /* a peer that acknowledges nothing for so long is gone */
};

struct live_channel {
    int fd;
    struct tls_conn *tls; /* NULL: a Unix socket */
    struct tls_context *context;
};

void live_channel_free(struct live_channel *channel)
{
    if (channel == NULL)
        return;
    tls_conn_free(channel->tls);
    tls_context_free(channel->context);
    close(channel->fd);
    free(channel);
}

int live_channel_fd(const struct live_channel *channel)
{
    return channel->fd;
}

static struct live_channel *channel_new(int fd)
{
    struct live_channel *channel = xcalloc(1, sizeof(*channel));

    channel->fd = fd;
    return channel;
}

/* --- bytes ----------------------------------------------------------------------------------------- */

enum { END = 0, AGAIN_READ = TLS_WANT_READ, AGAIN_WRITE = TLS_WANT_WRITE, FAILED = TLS_FAILED };

/* As tls_read and tls_write, also for plain sockets. */
static ssize_t get(int fd, struct tls_conn *tls, void *data, size_t len)
{
    ssize_t got;

    if (tls != NULL)
        return tls_read(tls, data, len);
    do
        got = recv(fd, data, len, 0);
    while (got == -1 && errno == EINTR);
    return got >= 0 ? got : errno == EAGAIN ? AGAIN_READ : FAILED;
}

static ssize_t put(int fd, struct tls_conn *tls, const void *data, size_t len)
{
    ssize_t done;

    if (tls != NULL)
        return tls_write(tls, data, len);
    do
        done = send(fd, data, len, MSG_NOSIGNAL);
    while (done == -1 && errno == EINTR);
    return done >= 0 ? done : errno == EAGAIN ? AGAIN_WRITE : FAILED;
}

/* Waits for what RESULT asks for. */
static int wait_more(int fd, ssize_t result, struct deadline deadline, struct error **err)
{
    struct pollfd poll_fd = {.fd = fd, .events = result == AGAIN_WRITE ? POLLOUT : POLLIN};
    int got;

    if (result == END)
        return error_set(err, ERROR_UNAVAILABLE, "the other home has closed the connection");
    if (result == FAILED)
        return error_set(err, ERROR_UNAVAILABLE, "the connection to the other home broke");
    do
        got = poll(&poll_fd, 1, deadline_left_ms(deadline));
    while (got == -1 && errno == EINTR);
    if (got == 0)
        return error_set(err, ERROR_TIMEOUT, "the other home does not answer in time");
    return got == -1 ? error_sys(err, errno, "cannot wait for the other home") : 0;
}

int live_send(struct live_channel *channel, const json_t *message, struct deadline deadline,
              struct error **err)
{
    CLEANUP(str) char *text = obj_format(message);
    CLEANUP(str) char *line = xasprintf("%s\n", text);
    size_t len = strlen(line);

    for (size_t at = 0; at < len;) {
        ssize_t done = put(channel->fd, channel->tls, line + at, len - at);

        if (done > 0)
            at += (size_t)done;
        else if (wait_more(channel->fd, done, deadline, err) == -1)
            return -1;
    }
    return 0;
}

/* Byte by byte: what follows the line belongs to somebody else. */
int live_receive(struct live_channel *channel, json_t **out, struct deadline deadline,
                 struct error **err)
{
    CLEANUP(buf) struct buf line = BUF_INIT(LIVE_LINE_MAX);

    for (;;) {
        char c;
        ssize_t got = get(channel->fd, channel->tls, &c, 1);

        if (got == 1 && c == '\n')
            break;
        if (got == 1)
            buf_add_char(&line, c);
        else if (wait_more(channel->fd, got, deadline, err) == -1)
            return -1;
        if (buf_check(&line, err) == -1)
            return error_wrap(err, "a message of the other home");
    }
    *out = obj_parse(buf_span(&line).ptr, line.len, err);
    return *out == NULL ? error_wrap(err, "a message of the other home") : 0;
}

/* One direction of a relay. */
struct flow {
    int from, to;
    struct tls_conn *from_tls, *to_tls;
    char *piece;
    size_t start, len;
    bool at_end, is_over;
};

static void pass_end(struct flow *flow)
{
    flow->is_over = true;
    if (flow->to_tls != NULL)
        tls_close(flow->to_tls);
    else
        shutdown(flow->to, SHUT_WR);
}

/* Moves what can be moved without waiting, a few pieces at most: the other direction's turn comes.
 * EVENTS gets what to wait for: [0] on the channel, [1] on the socket, as FROM_INDEX says.  True if there
 * is more to move at once. */
static bool pump(struct flow *flow, short events[2], int from_index)
{
    for (int turn = 0; !flow->is_over && turn < TURNS; turn++) {
        ssize_t result;

        if (flow->len == 0) {
            if (flow->at_end) {
                pass_end(flow);
                return false;
            }
            result = get(flow->from, flow->from_tls, flow->piece, PIECE);
            if (result == AGAIN_READ || result == AGAIN_WRITE) {
                events[from_index] |= result == AGAIN_READ ? POLLIN : POLLOUT;
                return false;
            }
            flow->at_end = result <= 0;
            flow->start = 0;
            flow->len = result > 0 ? (size_t)result : 0;
            continue;
        }
        result = put(flow->to, flow->to_tls, flow->piece + flow->start, flow->len);
        if (result == AGAIN_READ || result == AGAIN_WRITE) {
            events[1 - from_index] |= result == AGAIN_READ ? POLLIN : POLLOUT;
            return false;
        }
        if (result <= 0) { /* nobody reads any more: neither need we */
            flow->is_over = true;
            shutdown(flow->from, SHUT_RD);
            return false;
        }
        flow->start += (size_t)result;
        flow->len -= (size_t)result;
    }
    return !flow->is_over;
}

void live_relay(struct live_channel *channel, int fd)
{
    CLEANUP(error) struct error *ignored = NULL; /* then it blocks, and only one way moves */
    struct flow flows[2] = {
        {.from = channel->fd, .from_tls = channel->tls, .to = fd, .piece = xmalloc(PIECE)},
        {.from = fd, .to = channel->fd, .to_tls = channel->tls, .piece = xmalloc(PIECE)},
    };

    fd_set_nonblocking(fd, &ignored);
    for (;;) {
        short events[2] = {0};

        bool more = pump(&flows[0], events, 0);
        more |= pump(&flows[1], events, 1);
        if (flows[0].is_over && flows[1].is_over)
            break;
        struct pollfd fds[2] = {{.fd = events[0] == 0 ? -1 : channel->fd, .events = events[0]},
                                {.fd = events[1] == 0 ? -1 : fd, .events = events[1]}};
        if (poll(fds, 2, more ? 0 : -1) == -1 && errno != EINTR)
            break;
    }
    free(flows[0].piece);
    free(flows[1].piece);
}

/* --- Unix sockets ------------------------------------------------------------------------------------ */

/* Socket addresses are short and folders' paths long, so a folder is named by its descriptor. */
static void address_in(int dir_fd, const char *name, struct sockaddr_un *addr)
{
    *addr = (struct sockaddr_un){.sun_family = AF_UNIX};
    snprintf(addr->sun_path, sizeof(addr->sun_path), "/proc/self/fd/%d/%s", dir_fd, name);
}

int live_listen_in(int dir_fd, const char *name, struct error **err)
{
    CLEANUP(fd) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct sockaddr_un addr;

    address_in(dir_fd, name, &addr);
    unlinkat(dir_fd, name, 0);
    if (fd == -1 || fchmod(fd, 0600) == -1 ||
        bind(fd, (struct sockaddr *)&addr, sizeof(addr)) == -1 || listen(fd, BACKLOG) == -1)
        return error_sys(err, errno, "cannot listen on socket \"%s\"", name);
    return steal_fd(&fd);
}

int live_connect_in(int dir_fd, const char *name, struct error **err)
{
    CLEANUP(fd) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_un addr;

    address_in(dir_fd, name, &addr);
    if (fd == -1 || connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == -1)
        return error_sys(err, errno, "cannot connect to socket \"%s\"", name);
    return steal_fd(&fd);
}

static int open_folder(const char *path, struct error **err)
{
    int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

    return fd == -1 ? error_sys(err, errno, "cannot open \"%s\"", path) : fd;
}

/* --- between machines ------------------------------------------------------------------------------- */

int live_identity_make(const char *folder, struct error **err)
{
    CLEANUP(str) char *ca = path_join(folder, "ca.crt");
    CLEANUP(str) char *ca_key = path_join(folder, "ca.key");

    char suffix[9];

    /* names differ, so that a bundle of several authorities is searched by them */
    random_name(suffix, sizeof(suffix) - 1);
    CLEANUP(str) char *name = xasprintf(COMMON_NAME " %s", suffix);
    if (dir_make(folder, 0700, err) == -1 || tls_ensure_ca(ca, ca_key, name, err) == -1)
        return -1;
    for (int client = 0; client < 2; client++) {
        CLEANUP(str) char *cert = xasprintf("%s/%s.crt", folder, client ? "client" : "server");
        CLEANUP(str) char *key = xasprintf("%s/%s.key", folder, client ? "client" : "server");
        const struct tls_cert_spec spec = {.common_name = COMMON_NAME, .client = client};

        if (tls_ensure_cert(ca, ca_key, cert, key, &spec, err) == -1)
            return -1;
    }
    return 0;
}

static struct tls_context *context_for(const char *folder, bool client, struct error **err)
{
    CLEANUP(str) char *cert = xasprintf("%s/%s.crt", folder, client ? "client" : "server");
    CLEANUP(str) char *key = xasprintf("%s/%s.key", folder, client ? "client" : "server");
    CLEANUP(str) char *peers = path_join(folder, "peers.crt");

    if (!file_exists(peers)) {
        error_set(err, ERROR_DENIED, "no other home is trusted");
        error_hint(err, "put the other home's ConfigMap kubevirt/kubevirt-ca into "
                        "kubevirt/kubevirt-external-ca here, and ours there");
        return NULL;
    }
    return client ? tls_context_new_client(cert, key, peers, err)
                  : tls_context_new(cert, key, peers, err);
}

static int secure(struct live_channel *channel, const char *folder, bool client,
                  struct deadline deadline, struct error **err)
{
    char **organizations = NULL;
    size_t count = 0;
    ssize_t result;

    channel->context = context_for(folder, client, err);
    if (channel->context == NULL)
        return -1;
    channel->tls = tls_conn_new(channel->context, channel->fd);
    if (channel->tls == NULL)
        return error_set(err, ERROR_BUG, "cannot start TLS");
    while ((result = tls_handshake(channel->tls)) != 1) {
        if (result == FAILED)
            return error_set(err, ERROR_DENIED, "no TLS with the other home: it is not trusted here, "
                                                "or we are not there");
        if (wait_more(channel->fd, result, deadline, err) == -1)
            return -1;
    }
    CLEANUP(str) char *name = tls_peer_name(channel->tls, &organizations, &count);
    for (size_t i = 0; i < count; i++)
        free(organizations[i]);
    free(organizations);
    return name != NULL ? 0 : error_set(err, ERROR_DENIED, "the other home shows no certificate");
}

/* A dead peer must not hold a migration up for hours. */
static void tune(int fd)
{
    int on = 1, dead_ms = DEAD_PEER_MS;

    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &dead_ms, sizeof(dead_ms));
}

/* "HOST:PORT" or "[HOST]:PORT" as addresses, for freeaddrinfo. */
static struct addrinfo *resolve(const char *where, bool passive, struct error **err)
{
    const char *colon = strrchr(where, ':');
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                                   .ai_flags = AI_NUMERICSERV | (passive ? AI_PASSIVE : 0)};
    struct addrinfo *list = NULL;

    if (colon == NULL || colon == where || colon[1] == '\0') {
        error_set(err, ERROR_INVALID, "\"%s\" is neither unix:PATH nor HOST:PORT", where);
        return NULL;
    }
    bool bracketed = where[0] == '[' && colon[-1] == ']' && colon - where > 2;
    CLEANUP(str) char *host = bracketed ? xstrndup(where + 1, (size_t)(colon - where) - 2)
                                        : xstrndup(where, (size_t)(colon - where));
    int failure = getaddrinfo(host, colon + 1, &hints, &list);
    if (failure != 0)
        error_set(err, ERROR_UNAVAILABLE, "\"%s\": %s", where, gai_strerror(failure));
    return failure == 0 ? list : NULL;
}

static char *url_of(int fd, const char *where)
{
    struct sockaddr_storage addr;
    socklen_t len = sizeof(addr);
    uint16_t port = 0;

    if (getsockname(fd, (struct sockaddr *)&addr, &len) == 0)
        port = ntohs(addr.ss_family == AF_INET6
                         ? ((const struct sockaddr_in6 *)(const void *)&addr)->sin6_port
                         : ((const struct sockaddr_in *)(const void *)&addr)->sin_port);
    return xasprintf("%.*s:%d", (int)(strrchr(where, ':') - where), where, port);
}

static int listen_tcp(const char *where, char **url, struct error **err)
{
    struct addrinfo *list = resolve(where, true, err);
    int on = 1;

    if (list == NULL)
        return -1;
    CLEANUP(fd) int fd = socket(list->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool listens = fd != -1 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
                   bind(fd, list->ai_addr, list->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0;
    int sys = errno;
    freeaddrinfo(list);
    if (!listens)
        return error_sys(err, sys, "cannot listen on \"%s\" for live migrations", where);
    *url = url_of(fd, where);
    return steal_fd(&fd);
}

int live_listen(const char *folder, const char *where, char **url, struct error **err)
{
    if (where != NULL)
        return listen_tcp(where, url, err);

    CLEANUP(fd) int dir_fd = open_folder(folder, err);
    if (dir_fd == -1)
        return -1;
    int fd = live_listen_in(dir_fd, SOCKET_NAME, err);
    if (fd != -1)
        *url = xasprintf(UNIX_PREFIX "%s/" SOCKET_NAME, folder);
    return fd;
}

static int dial_unix(const char *path, struct error **err)
{
    const char *base = path_base(path);
    CLEANUP(str) char *dir = base == path ? xstrdup(".") : xstrndup(path, (size_t)(base - path));
    CLEANUP(fd) int dir_fd = open_folder(dir, err);

    return dir_fd == -1 ? -1 : live_connect_in(dir_fd, base, err);
}

static int connect_one(const struct addrinfo *addr, struct deadline deadline, struct error **err)
{
    CLEANUP(fd) int fd = socket(addr->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int sys = 0;
    socklen_t len = sizeof(sys);

    if (fd == -1)
        return error_sys(err, errno, "cannot make a socket");
    if (connect(fd, addr->ai_addr, addr->ai_addrlen) == -1 && errno != EINPROGRESS)
        return error_sys(err, errno, "cannot connect");
    if (wait_more(fd, AGAIN_WRITE, deadline, err) == -1)
        return -1;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &sys, &len) == -1 || sys != 0)
        return error_sys(err, sys != 0 ? sys : errno, "cannot connect");
    return steal_fd(&fd);
}

static int dial_tcp(const char *where, struct deadline deadline, struct error **err)
{
    struct addrinfo *list = resolve(where, false, err);
    int fd = -1;

    if (list == NULL)
        return -1;
    for (const struct addrinfo *addr = list; addr != NULL && fd == -1; addr = addr->ai_next) {
        error_clear(err);
        fd = connect_one(addr, deadline, err);
    }
    freeaddrinfo(list);
    return fd;
}

int live_dial(const char *folder, const char *url, struct deadline deadline,
              struct live_channel **out, struct error **err)
{
    bool local = str_starts_with(url, UNIX_PREFIX);
    int fd = local ? dial_unix(url + strlen(UNIX_PREFIX), err) : dial_tcp(url, deadline, err);

    if (fd == -1)
        return error_wrap(err, "home \"%s\"", url);
    CLEANUP(live_channel) struct live_channel *channel = channel_new(fd);
    if (fd_set_nonblocking(fd, err) == -1)
        return -1;
    if (!local) {
        tune(fd);
        if (secure(channel, folder, true, deadline, err) == -1)
            return error_wrap(err, "home \"%s\"", url);
    }
    *out = steal(&channel);
    return 0;
}

static int check_user(int fd, struct error **err)
{
    struct ucred peer;
    socklen_t len = sizeof(peer);

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == -1)
        return error_sys(err, errno, "cannot tell who connected");
    return peer.uid == 0 || peer.uid == geteuid()
               ? 0
               : error_set(err, ERROR_DENIED, "user %u may send no machines", peer.uid);
}

int live_accept(const char *folder, int fd, struct deadline deadline, struct live_channel **out,
                struct error **err)
{
    CLEANUP(live_channel) struct live_channel *channel = channel_new(fd);
    int family = 0;
    socklen_t len = sizeof(family);

    if (fd_set_nonblocking(fd, err) == -1)
        return -1;
    if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &len) == -1)
        return error_sys(err, errno, "cannot look at a connection");
    if (family == AF_UNIX) {
        if (check_user(fd, err) == -1)
            return -1;
    } else {
        tune(fd);
        if (secure(channel, folder, false, deadline, err) == -1)
            return -1;
    }
    *out = steal(&channel);
    return 0;
}
