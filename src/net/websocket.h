/* WebSocket (RFC 6455), the server's side, over an upgraded connection.
 *
 * The frame parser takes bytes and does no I/O; the rest sends and receives whole messages.
 *
 * May use: base, data.  Threads: one thread reads, one at a time writes: with TLS both share the
 * connection, so the caller holds a lock around every call.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct error;
struct http_request;
struct http_response;

enum websocket_opcode {
    WEBSOCKET_CONTINUATION = 0,
    WEBSOCKET_TEXT = 1,
    WEBSOCKET_BINARY = 2,
    WEBSOCKET_CLOSE = 8,
    WEBSOCKET_PING = 9,
    WEBSOCKET_PONG = 10,
};

enum { WEBSOCKET_MAX_FRAME = 1024 * 1024 };

struct websocket_frame {
    bool is_final;
    enum websocket_opcode opcode;
    const char *data; /* unmasked, within the parsed bytes */
    size_t len;
};

/* Takes one frame of a client off the LEN bytes at TEXT, which it unmasks in place.  *CONSUMED is
 * 0 if the frame is not complete yet.  ERROR_INVALID: not a frame that a client may send. */
int websocket_parse(char *text, size_t len, struct websocket_frame *frame, size_t *consumed,
                    struct error **err);

/* Answers the handshake; PROTOCOLS (NULL at the end) are those we speak, the best first, and
 * *PROTOCOL becomes the first of them that the client offers.  PROTOCOLS NULL: no subprotocol is
 * spoken, whatever is offered, and PROTOCOL may be NULL.  False: the request is no handshake or
 * offers none of them, nothing was sent. */
bool websocket_accept(const struct http_request *request, struct http_response *response,
                      const char *const *protocols, const char **protocol);

/* Sends one whole frame; false when the client is gone. */
bool websocket_send(struct http_response *response, enum websocket_opcode opcode, const void *data,
                    size_t len);
