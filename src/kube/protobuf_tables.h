/* The messages of Kubernetes' API that protobuf.c decodes: field numbers and their JSON names. */
#pragma once

#include <stdint.h>

enum pb_type {
    PB_STR,
    PB_BYTES, /* base64 in JSON */
    PB_INT,
    PB_BOOL,
    PB_MSG,
    PB_INLINE,    /* a message whose members are those of the outer object */
    PB_MAP,       /* text to text */
    PB_MAP_BYTES, /* text to bytes */
    PB_MAP_QUANTITY,
    PB_QUANTITY,
    PB_INT_OR_STR,
    PB_TIME,
    PB_MICRO_TIME,
    PB_SKIP, /* known, and of no use to us */
};

enum pb_flag {
    PB_REPEATED = 1 << 0,
    PB_OPTIONAL = 1 << 1, /* zero and "" are values; otherwise they mean absent */
};

struct pb_message;

struct pb_field {
    uint8_t number;
    uint8_t type;  /* enum pb_type */
    uint8_t flags; /* enum pb_flag */
    const char *name;
    const struct pb_message *message; /* of PB_MSG and PB_INLINE */
};

struct pb_message {
    const char *name;
    const struct pb_field *fields; /* number 0 at the end */
};

struct pb_kind {
    const char *api_version, *kind;
    const struct pb_message *message;
};

extern const struct pb_kind pb_kinds[]; /* kind NULL at the end */
