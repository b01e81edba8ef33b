/* Where a request of the pre-migration protocol ends. */
#include "base/error.h"
#include "data/dom.h"
#include "hook/premigration/frame.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct frame whole = {0}, pieces = {0};
    const char *text = (const char *)data;
    size_t end = frame_feed(&whole, text, len), at = 0;

    /* however the stream is cut, it ends at the same byte */
    while (at < len && !frame_is_done(&pieces))
        at += frame_feed(&pieces, text + at, 1);
    if (frame_is_done(&whole) != frame_is_done(&pieces) || end > len ||
        (frame_is_done(&whole) && at != end))
        __builtin_trap();

    /* what a parser takes for a document has an end; in UTF-8, which the hook's documents are in */
    CLEANUP(dom) struct dom *dom = NULL;
    CLEANUP(error) struct error *err = NULL;
    if (len > 0 && data[0] == '<' && memchr(data, 0, len) == NULL &&
        memmem(data, len, "encoding", 8) == NULL && dom_parse(text, len, &dom, &err) == 0 &&
        !frame_is_done(&whole))
        __builtin_trap();
    return 0;
}
