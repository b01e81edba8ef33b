/* SPDY/3.1, the server's side, over an upgraded connection: what kubectl before 1.30 speaks for
 * exec.  As much as that needs: streams that the client opens, data, pings.  No windows and no
 * priorities; clients that stream this way send none.
 *
 * Parsing takes bytes and does no I/O; formatting appends to a buffer that the caller sends.  Both
 * ways compress headers with a state that lasts as long as the connection, so every frame is parsed
 * once and in order, and what was formatted is sent in that order.
 *
 * May use: base.  Threads: a session has one owner.
 */
#pragma once

#include "base/cleanup.h"
#include "base/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;
struct http_request;
struct http_response;
struct spdy;

enum {
    SPDY_MAX_DATA = 1024 * 1024,  /* of one frame */
    SPDY_MAX_HEADERS = 16 * 1024, /* of one stream, before and after compression */
    SPDY_MAX_PAIRS = 64,
};

enum spdy_kind {
    SPDY_OPENED, /* a stream begins; spdy_header has what it is for */
    SPDY_DATA,
    SPDY_RESET,   /* a stream is given up */
    SPDY_PINGED,  /* wants spdy_format_ping with its id */
    SPDY_GOODBYE, /* no stream begins any more */
    SPDY_NOTHING, /* settings and the like */
};

struct spdy_frame {
    enum spdy_kind kind;
    uint32_t id;      /* of the stream, or of the ping */
    bool is_last;     /* nothing more comes on this stream */
    const char *data; /* within the parsed bytes */
    size_t len;
};

struct spdy *spdy_new(void);
void spdy_free(struct spdy *spdy);

/* Answers the upgrade; PROTOCOLS (NULL at the end) are those we speak, the best first, and
 * *PROTOCOL becomes the first of them that the client offers.  False: it is no upgrade to SPDY/3.1
 * or offers none of them, nothing was sent. */
bool spdy_accept(const struct http_request *request, struct http_response *response,
                 const char *const *protocols, const char **protocol);

/* Takes one frame off the LEN bytes at DATA.  *CONSUMED is 0 if it is not complete yet.
 * ERROR_INVALID: not a frame that a client may send; the session is of no use any more. */
int spdy_parse(struct spdy *spdy, const char *data, size_t len, struct spdy_frame *frame,
               size_t *consumed, struct error **err);

/* A header of the stream that was opened last, by its name in small letters; empty if it has none.
 * Valid until the next spdy_parse. */
struct span spdy_header(const struct spdy *spdy, const char *name);

void spdy_format_accept(struct spdy *spdy, uint32_t stream, struct buf *out); /* SYN_REPLY */
void spdy_format_data(uint32_t stream, const void *data, size_t len, bool is_last, struct buf *out);
void spdy_format_reset(uint32_t stream, struct buf *out); /* refuses it */
void spdy_format_ping(uint32_t id, struct buf *out);
void spdy_format_goodbye(uint32_t last_stream, struct buf *out);

DEFINE_CLEANUP(spdy, struct spdy *, spdy_free)
