/* The inside of a response: shared by http_response.c and http_conn.c, nobody else.
 *
 * May use: base.  Threads: one owner.
 */
#pragma once

#include "net/http_server.h"

enum {
    HTTP_MAX_RESPONSE_HEADERS = 24,
    HTTP_FLUSH_BYTES = 32 * 1024, /* collected before a chunk goes out */
};

/* What a response is written to. */
struct http_out_ops {
    bool (*start)(void *self, struct http_response *response, bool complete);
    bool (*write)(void *self, struct http_response *response, const void *data, size_t len);
    bool (*end)(void *self, struct http_response *response);
    enum http_wait (*wait)(void *self, int fd, struct deadline deadline);
};

struct http_response {
    const struct http_out_ops *ops;
    void *self;
    int status;
    struct http_header headers[HTTP_MAX_RESPONSE_HEADERS]; /* owned text */
    size_t header_count;
    struct buf body; /* what is not sent yet */
    bool started;    /* headers are out */
    bool gone;       /* nobody reads any more */
    bool upgraded;
    bool head_only; /* HEAD: the body is counted, not sent */
};

void http_response_init(struct http_response *response, const struct http_out_ops *ops, void *self);
void http_response_reset(struct http_response *response);
