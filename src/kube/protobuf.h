/* Bodies of Content-Type application/vnd.kubernetes.protobuf, as kubectl 1.32 and newer send them.
 *
 * Decoding only: answers are JSON.  The message tables are in protobuf_tables.c.
 *
 * May use: base, data.  Threads: pure functions.
 */
#pragma once

#include "data/obj.h"

#include <stddef.h>

struct error;

enum {
    PROTOBUF_MAX_DEPTH = 32,
    PROTOBUF_MAX_VALUES = 1000000, /* values that one body may decode to */
};

/* Decodes the envelope and the object in it.  A kind that we have no table for is
 * ERROR_UNSUPPORTED (415), whose hint tells how to send it as JSON; bytes that are no such message
 * are ERROR_INVALID (400). */
int protobuf_decode(const void *data, size_t len, json_t **out, struct error **err);
