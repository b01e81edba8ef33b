/* Finds the end of an XML document in a stream: the end tag of its root element is the frame of the
 * hook's wire protocol, since KubeVirt's client neither says how much it sends nor half-closes.
 *
 * Follows tags, quotes, comments, CDATA and processing instructions; it does not check the document,
 * that is the parser's job.  May use: nothing.  Threads: one owner.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum frame_state {
    FRAME_TEXT,
    FRAME_OPEN,        /* behind "<" */
    FRAME_BANG,        /* behind "<!": a comment, CDATA, or a declaration */
    FRAME_TAG,         /* inside a start or empty tag */
    FRAME_QUOTE,       /* inside an attribute's value */
    FRAME_END_TAG,
    FRAME_UNTIL,       /* inside something that ends with a fixed text */
    FRAME_DECLARATION, /* inside another "<!...>" */
    FRAME_DONE,
};

/* Zeroed, it is at the start of a stream. */
struct frame {
    enum frame_state state;
    size_t depth;      /* open elements */
    char quote;
    char last;         /* the byte before, inside a tag */
    char bang[8];      /* what followed "<!" */
    size_t bang_len;
    const char *until; /* "-->", "]]>", "?>" */
    size_t until_seen; /* how much of it was just read */
};

/* Looks at LEN more bytes.  Returns how many belong to the document; once frame_is_done, what is behind
 * does not. */
size_t frame_feed(struct frame *frame, const char *data, size_t len);
bool frame_is_done(const struct frame *frame);
