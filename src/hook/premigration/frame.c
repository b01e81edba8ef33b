#include "hook/premigration/frame.h"

#include <string.h>

bool frame_is_done(const struct frame *frame)
{
    return frame->state == FRAME_DONE;
}

static void skip_until(struct frame *frame, const char *end)
{
    frame->state = FRAME_UNTIL;
    frame->until = end;
    frame->until_seen = 0;
}

/* Behind an end tag or an empty tag. */
static void element_ended(struct frame *frame)
{
    frame->state = frame->depth == 0 ? FRAME_DONE : FRAME_TEXT;
}

static void after_open(struct frame *frame, char c)
{
    if (c == '!') {
        frame->state = FRAME_BANG;
        frame->bang_len = 0;
    } else if (c == '?') {
        skip_until(frame, "?>");
    } else if (c == '/') {
        frame->state = FRAME_END_TAG;
    } else {
        frame->state = FRAME_TAG;
        frame->last = c;
    }
}

static void after_bang(struct frame *frame, char c)
{
    static const char cdata[] = "[CDATA[";

    frame->bang[frame->bang_len++] = c;
    if (frame->bang_len == 2 && memcmp(frame->bang, "--", 2) == 0)
        skip_until(frame, "-->");
    else if (frame->bang_len == strlen(cdata) && memcmp(frame->bang, cdata, strlen(cdata)) == 0)
        skip_until(frame, "]]>");
    else if (!(frame->bang_len == 1 && c == '-') &&
             memcmp(frame->bang, cdata, frame->bang_len) != 0)
        frame->state = c == '>' ? FRAME_TEXT : FRAME_DECLARATION;
}

static void in_tag(struct frame *frame, char c)
{
    if (c == '"' || c == '\'') {
        frame->state = FRAME_QUOTE;
        frame->quote = c;
    } else if (c == '>') {
        if (frame->last != '/')
            frame->depth++;
        element_ended(frame);
        return;
    }
    frame->last = c;
}

static void in_skipped(struct frame *frame, char c)
{
    /* in "--->" the first hyphen is not the end's: fall back as far as what was read allows */
    while (frame->until_seen > 0 && c != frame->until[frame->until_seen]) {
        if (frame->until_seen == 2 && frame->until[0] == frame->until[1] && c == frame->until[1])
            return;
        frame->until_seen = frame->until_seen == 2 && frame->until[0] == frame->until[1] ? 1 : 0;
    }
    if (c == frame->until[frame->until_seen])
        frame->until_seen++;
    if (frame->until[frame->until_seen] == '\0')
        frame->state = FRAME_TEXT;
}

static void step(struct frame *frame, char c)
{
    switch (frame->state) {
    case FRAME_TEXT:
        if (c == '<')
            frame->state = FRAME_OPEN;
        break;
    case FRAME_OPEN:
        after_open(frame, c);
        break;
    case FRAME_BANG:
        after_bang(frame, c);
        break;
    case FRAME_TAG:
        in_tag(frame, c);
        break;
    case FRAME_QUOTE:
        if (c == frame->quote)
            frame->state = FRAME_TAG;
        break;
    case FRAME_END_TAG:
        if (c != '>')
            break;
        if (frame->depth > 0)
            frame->depth--;
        element_ended(frame);
        break;
    case FRAME_UNTIL:
        in_skipped(frame, c);
        break;
    case FRAME_DECLARATION:
        if (c == '>')
            frame->state = FRAME_TEXT;
        break;
    case FRAME_DONE:
        break;
    }
}

size_t frame_feed(struct frame *frame, const char *data, size_t len)
{
    size_t used = 0;

    while (used < len && frame->state != FRAME_DONE)
        step(frame, data[used++]);
    return used;
}
