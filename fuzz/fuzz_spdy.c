/* Frames of a SPDY client: however they are cut, they are the same frames. */
#include "base/error.h"
#include "net/spdy.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* How many frames there are, with STEP bytes more each time; -1 if one is none. */
static long count_frames(const char *text, size_t len, size_t step, size_t *at)
{
    CLEANUP(spdy) struct spdy *spdy = spdy_new();
    long count = 0;

    *at = 0;
    for (size_t end = step; *at < len; end += step) {
        CLEANUP(error) struct error *err = NULL;
        struct spdy_frame frame;
        size_t there = end < len ? end : len, consumed = 0;
        if (there < *at)
            continue;
        if (spdy_parse(spdy, text + *at, there - *at, &frame, &consumed, &err) == -1) {
            if (err == NULL)
                __builtin_trap();
            return -1;
        }
        if (consumed > there - *at || spdy_header(spdy, "streamtype").len > SPDY_MAX_HEADERS)
            __builtin_trap();
        *at += consumed;
        count += consumed > 0 ? 1 : 0;
        if (consumed == 0 && there == len)
            break;
    }
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    const char *text = (const char *)data;
    size_t whole_end, pieces_end;
    long whole = count_frames(text, len, SIZE_MAX, &whole_end);
    long pieces = count_frames(text, len, 1, &pieces_end);

    if (whole != pieces || whole_end != pieces_end)
        __builtin_trap();
    return 0;
}
