/* A fuzz input of several texts, parted by lines "---". */
#pragma once

#include "base/text.h"

#include <string.h>

/* Cuts the text before the next line "---" from REST. */
static inline struct span next_part(struct span *rest)
{
    const char *end = rest->len > 0 ? memmem(rest->ptr, rest->len, "\n---\n", 5) : NULL;
    struct span part = *rest;

    if (end == NULL) {
        *rest = (struct span){rest->ptr + rest->len, 0};
        return part;
    }
    part.len = (size_t)(end - part.ptr) + 1;
    *rest = (struct span){end + 5, rest->len - part.len - 4};
    return part;
}
