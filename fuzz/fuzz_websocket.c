/* Frames of a client, one behind the other. */
#include "base/error.h"
#include "base/mem.h"
#include "net/websocket.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(str) char *text = xmemdup(data, len);
    size_t at = 0, consumed;

    do {
        struct websocket_frame frame = {0};
        if (websocket_parse(text + at, len - at, &frame, &consumed, &err) == -1) {
            if (err == NULL)
                __builtin_trap();
            return 0;
        }
        if (consumed > len - at || (consumed > 0 && (frame.len > WEBSOCKET_MAX_FRAME ||
                                                     frame.data + frame.len > text + len)))
            __builtin_trap();
        at += consumed;
    } while (consumed > 0);
    return 0;
}
