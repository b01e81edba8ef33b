#include "data/dom_stream.h"

#include "base/mem.h"
#include "base/test.h"
#include "base/text.h"

#include <stdlib.h>

static const char *const names[] = {"item", NULL};

struct seen {
    struct buf texts;
    int count;
    int fail_at; /* 0: never */
};

static int on_item(void *arg, struct dom_node *node, struct error **err)
{
    struct seen *seen = arg;
    CLEANUP(str) char *text = dom_text(node);

    buf_printf(&seen->texts, "%s,", text);
    if (++seen->count == seen->fail_at)
        return error_set(err, ERROR_CANCELED, "enough");
    return 0;
}

static int feed_in_pieces(struct dom_stream *stream, const char *text, size_t size,
                          struct error **err)
{
    for (size_t at = 0; at < strlen(text); at += size) {
        size_t left = strlen(text) - at;

        if (dom_stream_feed(stream, text + at, left < size ? left : size, err) == -1)
            return -1;
    }
    return 0;
}

TEST(hands_out_elements_whatever_the_pieces_are)
{
    static const char text[] = "<a><v>1</v><item>one<x/></item> <b><item>t&amp;o</item></b>"
                               "<item/><v>2</v></a>";

    for (size_t size = 1; size < sizeof(text); size += 3) {
        CLEANUP(error) struct error *err = NULL;
        CLEANUP(dom) struct dom *rest = NULL;
        CLEANUP(str) char *left = NULL;
        struct seen seen = {.texts = BUF_INIT(1000)};
        CLEANUP(dom_stream) struct dom_stream *stream = dom_stream_new(names, on_item, &seen);

        CHECK_OK(feed_in_pieces(stream, text, size, &err), err);
        CHECK_OK(dom_stream_finish(stream, &rest, &err), err);
        CHECK_STR(seen.texts.ptr, "one,t&o,,");
        left = dom_format(rest);
        CHECK_STR(left, "<a><v>1</v> <b/><v>2</v></a>\n");
        buf_reset(&seen.texts);
    }
}

TEST(needs_no_memory_for_what_it_handed_out)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(dom) struct dom *rest = NULL;
    struct seen seen = {.texts = BUF_INIT(10)};
    CLEANUP(dom_stream) struct dom_stream *stream = dom_stream_new(names, on_item, &seen);
    char *piece = xmalloc(100001);

    memset(piece, 'x', 100000);
    piece[100000] = '\0';
    CHECK_OK(dom_stream_feed(stream, "<a>", 3, &err), err);
    for (int i = 0; i < 1000; i++) { /* 100 MB, more than may be pending */
        CHECK_OK(dom_stream_feed(stream, "<item>", 6, &err), err);
        CHECK_OK(dom_stream_feed(stream, piece, 100000, &err), err);
        CHECK_OK(dom_stream_feed(stream, "</item>", 7, &err), err);
    }
    CHECK_OK(dom_stream_feed(stream, "</a>", 4, &err), err);
    CHECK_OK(dom_stream_finish(stream, &rest, &err), err);
    CHECK_INT(seen.count, 1000);
    buf_reset(&seen.texts);
    free(piece);
}

TEST(refuses_what_is_no_document)
{
    static const struct {
        const char *text, *part;
    } cases[] = {
        {"<a><item>", "not well-formed XML"},
        {"<a></b>", "not well-formed XML"},
        {"", "not well-formed XML"},
        {"<!DOCTYPE a [<!ENTITY x \"y\">]><a>&x;</a>", "document type declaration"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(error) struct error *err = NULL;
        CLEANUP(dom) struct dom *rest = NULL;
        struct seen seen = {.texts = BUF_INIT(10)};
        CLEANUP(dom_stream) struct dom_stream *stream = dom_stream_new(names, on_item, &seen);
        int result = dom_stream_feed(stream, cases[i].text, strlen(cases[i].text), &err);

        if (result == 0)
            result = dom_stream_finish(stream, &rest, &err);
        CHECK_FAILS(result, err, ERROR_INVALID, cases[i].part);
    }
}

TEST(bounds_the_depth)
{
    CLEANUP(error) struct error *err = NULL;
    struct seen seen = {.texts = BUF_INIT(10)};
    CLEANUP(dom_stream) struct dom_stream *stream = dom_stream_new(names, on_item, &seen);
    int result = 0;

    for (int i = 0; i < 1000 && result == 0; i++)
        result = dom_stream_feed(stream, "<a>", 3, &err);
    CHECK_FAILS(result, err, ERROR_INVALID, "deeper than 128");
}

TEST(stops_when_its_reader_fails)
{
    CLEANUP(error) struct error *err = NULL;
    struct seen seen = {.texts = BUF_INIT(1000), .fail_at = 2};
    CLEANUP(dom_stream) struct dom_stream *stream = dom_stream_new(names, on_item, &seen);
    static const char text[] = "<a><item/><item/><item/></a>";

    CHECK_FAILS(dom_stream_feed(stream, text, strlen(text), &err), err, ERROR_CANCELED, "enough");
    CHECK_INT(seen.count, 2);
    buf_reset(&seen.texts);
}
