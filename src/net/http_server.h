/* An HTTP/1.1 server over TLS: one thread per connection, handlers may block.
 *
 * A handler reads a request and writes a response.  What it writes is collected; if it stays small
 * it goes out with a Content-Length when the handler returns, otherwise (or after a flush) in
 * chunks.  The same handler can be called without a connection: the response then goes into a
 * `struct http_sink` of the caller (an in-process client).
 *
 * May use: base, data.  Threads: the server's functions may be called from any thread; a response
 * belongs to its handler's thread.
 */
#pragma once

#include "base/cleanup.h"
#include "base/text.h"
#include "base/time.h"
#include "net/http_parse.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct cancel;
struct error;
struct http_response;
struct http_server;

/* Who sent a request, once that is known.  Lists are borrowed. */
struct http_user {
    const char *name;
    const char *uid; /* or NULL */
    const char *const *groups;
    size_t group_count;
};

struct http_request {
    const char *method; /* GET */
    const char *path;   /* as sent, without the query */
    const char *query;  /* as sent, "" if none */
    const struct http_header *headers;
    size_t header_count;
    const char *body;
    size_t body_len;
    const char *peer;                /* address, or "in-process" */
    const struct http_user *cert;    /* from a verified client certificate, or NULL */
    const struct http_user *user;    /* who asks, set by who authenticates; NULL before */
};

/* The value of a header in any case of letters, or NULL. */
const char *http_request_header(const struct http_request *request, const char *name);
/* A query parameter, decoded and owned by the caller, or NULL. */
char *http_request_query(const struct http_request *request, const char *name);

/* --- Answering ------------------------------------------------------------------------------ */

/* 200 unless set.  After the first chunk is out, both do nothing. */
void http_response_set_status(struct http_response *response, int status);
void http_response_add_header(struct http_response *response, const char *name,
                              const char *value);
int http_response_get_status(const struct http_response *response);
bool http_response_is_started(const struct http_response *response); /* its headers are out */

/* Breaks the connection off once the handler returns, so that the reader does not take what it has for
 * the whole body. */
void http_response_abort(struct http_response *response);

/* Appends to the body.  False once the reader is gone: stop then. */
bool http_response_write(struct http_response *response, const void *data, size_t len);

/* Sends the headers and everything written so far at once. */
bool http_response_flush(struct http_response *response);

enum http_wait { HTTP_WAIT_READY, HTTP_WAIT_TIMEOUT, HTTP_WAIT_GONE };

/* Waits until FD (-1: none) is readable, the deadline is over, or the reader is gone or the server
 * stops.  May run on another thread than the one that writes. */
enum http_wait http_response_wait(struct http_response *response, int fd,
                                  struct deadline deadline);

/* Answers 101 with what was set as headers; from then on the two functions below move bytes of the
 * upgraded protocol.  False if this response cannot be upgraded. */
bool http_response_upgrade(struct http_response *response);
/* Bytes read (at least 1), 0 at the end, -1 if nothing came within TIMEOUT_MS. */
ssize_t http_response_read_raw(struct http_response *response, void *data, size_t len,
                               int64_t timeout_ms);
bool http_response_write_raw(struct http_response *response, const void *data, size_t len);
/* A descriptor that polls readable when read_raw may find something. */
int http_response_raw_fd(struct http_response *response);
bool http_response_has_raw(struct http_response *response); /* bytes are buffered already */

/* --- Without a connection --------------------------------------------------------------------- */

/* Where a response goes.  All functions are required. */
struct http_sink {
    /* Status and headers are known; called once, before write. */
    bool (*start)(void *arg, int status, const struct http_header *headers, size_t count);
    bool (*write)(void *arg, const void *data, size_t len);
    void *arg;
    struct cancel *cancel; /* the reader wants no more, or NULL */
    struct deadline deadline;
};

struct http_response *http_response_new(const struct http_sink *sink);
/* Sends what is left. */
void http_response_finish(struct http_response *response);
void http_response_free(struct http_response *response);

/* --- The server -------------------------------------------------------------------------------- */

struct http_server_options {
    const char *listen;    /* "127.0.0.1:0", "[::1]:6443" */
    const char *cert_path; /* NULL: no TLS (for tests) */
    const char *key_path;
    const char *client_ca_path; /* client certificates are checked against it; may be NULL */
    size_t max_connections;     /* 0: 4096, less if descriptors are short */
    size_t max_body_bytes;      /* 0: 3 MiB; more is a 413 */
    void (*handle)(void *arg, const struct http_request *request, struct http_response *response);
    /* Answers what never becomes a request: STATUS 400, 408, 413, 431, 501 with MESSAGE. */
    void (*refuse)(void *arg, int status, const char *message, struct http_response *response);
    void *arg;
};

int http_server_start(const struct http_server_options *options, struct http_server **out,
                      struct error **err);
/* Stops listening, ends streams, lets running handlers finish (10 s, and 10 s more without their
 * connections), frees.  A handler that does not come back even then ends the program. */
void http_server_stop(struct http_server *server);
int http_server_port(const struct http_server *server);

struct http_server_stats {
    size_t connections;        /* now */
    uint64_t accepted;         /* since the start */
    uint64_t refused;          /* closed at once because there were too many */
    uint64_t evicted;          /* idle ones closed to make room */
};
void http_server_get_stats(struct http_server *server, struct http_server_stats *stats);

DEFINE_CLEANUP(http_response, struct http_response *, http_response_free)
