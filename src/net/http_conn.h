/* One connection of the HTTP server, from the handshake to the close.  For http_server.c.
 *
 * May use: base.  Threads: a connection belongs to its thread; http_conn_wake and http_conn_idle_ms
 * may be called from others while the server's lock is held.
 */
#pragma once

#include "net/http_server.h"

#include <stdatomic.h>

struct tls_context;

struct http_conn_shared {
    const struct http_server_options *options;
    struct tls_context *tls; /* NULL: plain */
    int stop_fd;             /* polls readable when the server stops */
    atomic_bool stopping;
};

struct http_conn;

/* Takes FD, a non-blocking socket. */
struct http_conn *http_conn_new(struct http_conn_shared *shared, int fd, const char *peer);
void http_conn_run(struct http_conn *conn);
void http_conn_free(struct http_conn *conn);

/* Milliseconds since which the connection waits for a request; -1 while one is being answered. */
int64_t http_conn_idle_ms(const struct http_conn *conn);
/* Ends the connection: its thread finds the socket closed. */
void http_conn_shut(struct http_conn *conn);
