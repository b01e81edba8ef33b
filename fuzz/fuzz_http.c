/* What one client sends on one connection, to a whole API server: framing, pipelining, routing and
 * handlers.  The first byte tells who asks: 'a' an administrator, others who their headers say.
 *
 * No input may be answered with a 500, nor with anything but HTTP. */
#include "home.h"
#include "net/http_conn.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { MAX_INPUT = 64 * 1024, MAX_BODY = 3 * 1024 * 1024 }; /* it fits into the socket as a whole */

static bool as_admin;

static void handle(void *arg, const struct http_request *request, struct http_response *response)
{
    server_handle(arg, request, response, as_admin ? home_admin() : NULL);
    if (http_response_get_status(response) == 500)
        __builtin_trap();
}

static void refuse(void *arg, int status, const char *message, struct http_response *response)
{
    http_response_write(response, message, strlen(message));
}

/* Reads what is answered, so that the connection never waits for its client. */
static int drain_in[2], drained;

static void *drain(void *arg)
{
    static char into[64 * 1024];
    int fd;

    while (read(drain_in[0], &fd, sizeof(fd)) == sizeof(fd)) {
        ssize_t n = recv(fd, into, sizeof(into), 0);
        if (n > 0 && (n < 9 || memcmp(into, "HTTP/1.1 ", 9) != 0))
            __builtin_trap();
        while (n > 0)
            n = recv(fd, into, sizeof(into), 0);
        eventfd_write(drained, 1);
    }
    return NULL;
}

static void start_drain(void)
{
    pthread_t thread;

    drained = eventfd(0, EFD_CLOEXEC);
    if (drained == -1 || pipe2(drain_in, O_CLOEXEC) == -1 ||
        pthread_create(&thread, NULL, drain, NULL) != 0)
        abort();
    pthread_detach(thread);
}

/* One connection that sends DATA and no more. */
static void serve(struct http_conn_shared *shared, const uint8_t *data, size_t len)
{
    int fds[2];
    eventfd_t count;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == -1 ||
        fcntl(fds[0], F_SETFL, O_NONBLOCK) == -1)
        abort();
    if (write(fds[1], data, len) != (ssize_t)len || shutdown(fds[1], SHUT_WR) == -1 ||
        write(drain_in[1], &fds[1], sizeof(int)) != sizeof(int))
        abort();
    struct http_conn *conn = http_conn_new(shared, fds[0], "fuzz");
    http_conn_run(conn);
    http_conn_free(conn);
    if (eventfd_read(drained, &count) == -1)
        abort();
    close(fds[1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    const struct http_server_options options = {
        .max_body_bytes = MAX_BODY, .handle = handle, .refuse = refuse, .arg = home_get()};
    struct http_conn_shared shared = {.options = &options, .stop_fd = -1};

    if (drained == 0)
        start_drain();
    if (len < 2 || len > MAX_INPUT)
        return 0;
    as_admin = data[0] == 'a';
    serve(&shared, data + 1, len - 1);
    return 0;
}
