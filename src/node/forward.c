#define LOG_COMPONENT "supervisor"

#include "node/forward.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/thread.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PIECE = 64 * 1024, MAX_CONNECTIONS = 64 };

struct listener {
    int netns_fd;
    int fd;
    uint16_t port;
    struct error *err;
    int connections; /* atomic */
};

struct connection {
    struct listener *listener;
    int fds[2]; /* in the container, to the server */
};

static struct sockaddr_in address_of(uint32_t host, uint16_t port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(host)};
}

/* Passes on what FROM has; false when it has ended. */
static bool pass_on(int from, int to, char *piece)
{
    CLEANUP(error) struct error *ignored = NULL;
    ssize_t got = recv(from, piece, PIECE, 0);

    if (got > 0 && fd_write_all(to, piece, (size_t)got, "connection", &ignored) == 0)
        return true;
    shutdown(to, SHUT_WR);
    return false;
}

static void *connection_run(void *arg)
{
    struct connection *c = arg;
    char *piece = xmalloc(PIECE);
    struct pollfd fds[2] = {{.fd = c->fds[0], .events = POLLIN}, {.fd = c->fds[1], .events = POLLIN}};
    int open_ends = 2;

    while (open_ends > 0 && poll(fds, 2, -1) != -1)
        for (int i = 0; i < 2; i++)
            if (fds[i].fd != -1 && fds[i].revents != 0 && !pass_on(c->fds[i], c->fds[1 - i], piece)) {
                fds[i].fd = -1;
                open_ends--;
            }
    close(c->fds[0]);
    close(c->fds[1]);
    __atomic_sub_fetch(&c->listener->connections, 1, __ATOMIC_RELAXED);
    free(piece);
    free(c);
    return NULL;
}

static void serve(struct listener *listener, int client)
{
    struct sockaddr_in address = address_of(INADDR_LOOPBACK, listener->port);
    CLEANUP(fd) int in = client;
    CLEANUP(fd) int out = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CLEANUP(error) struct error *err = NULL;
    struct thread thread = {0};

    if (out == -1 || connect(out, (struct sockaddr *)&address, sizeof(address)) == -1)
        return; /* the container sees its connection closed */
    if (__atomic_add_fetch(&listener->connections, 1, __ATOMIC_RELAXED) > MAX_CONNECTIONS) {
        __atomic_sub_fetch(&listener->connections, 1, __ATOMIC_RELAXED);
        return;
    }

    struct connection *c = xcalloc(1, sizeof(*c));

    c->listener = listener;
    c->fds[0] = steal_fd(&in);
    c->fds[1] = steal_fd(&out);
    if (thread_start(&thread, "forward", connection_run, c, &err) == -1) {
        log_write_error(LOG_LEVEL_WARN, LOG_COMPONENT, err, "cannot forward a connection");
        close(c->fds[0]);
        close(c->fds[1]);
        free(c);
        return;
    }
    pthread_detach(thread.id);
}

static void *accept_run(void *arg)
{
    struct listener *listener = arg;

    for (;;) {
        int client = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC);

        if (client != -1)
            serve(listener, client);
        else if (errno != EINTR && errno != ECONNABORTED)
            return NULL;
    }
}

/* Only this thread enters the container's namespace, and then it ends. */
static void *listen_inside(void *arg)
{
    struct listener *listener = arg;
    struct sockaddr_in address = address_of(INADDR_ANY, listener->port);

    if (setns(listener->netns_fd, CLONE_NEWNET) == -1) {
        error_sys(&listener->err, errno, "cannot enter the container's network");
        return NULL;
    }
    listener->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener->fd == -1 ||
        bind(listener->fd, (struct sockaddr *)&address, sizeof(address)) == -1 ||
        listen(listener->fd, SOMAXCONN) == -1)
        error_sys(&listener->err, errno, "cannot listen in the container on port %d", listener->port);
    return NULL;
}

int forward_start(pid_t pid, uint16_t port, struct error **err)
{
    char path[64];
    struct thread thread = {0};

    snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)pid);
    CLEANUP(fd) int netns_fd = open(path, O_RDONLY | O_CLOEXEC);
    if (netns_fd == -1)
        return error_sys(err, errno, "cannot open \"%s\"", path);

    struct listener *listener = xcalloc(1, sizeof(*listener)); /* lives as long as the process */

    listener->netns_fd = netns_fd;
    listener->fd = -1;
    listener->port = port;
    if (thread_start(&thread, "listen", listen_inside, listener, err) == -1) {
        free(listener);
        return -1;
    }
    thread_join(&thread);
    if (listener->err != NULL) {
        *err = listener->err;
        cleanup_fd(&listener->fd);
        free(listener);
        return -1;
    }
    if (thread_start(&thread, "accept", accept_run, listener, err) == -1)
        return -1;
    pthread_detach(thread.id);
    return 0;
}
