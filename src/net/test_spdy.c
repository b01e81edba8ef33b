#include "net/spdy.h"

#include "base/array.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/test.h"

#define ZLIB_CONST
#include <zlib.h>

#include <string.h>

enum { MAX = 4 * 1024 * 1024 };

/* The client's side, as far as a server has to understand it.  The dictionary is found out from the
 * server's own first answer: it names the checksum of the one that both must have. */
struct client {
    z_stream deflater;
    struct buf out;
};

static void client_start(struct client *client)
{
    *client = (struct client){.out = BUF_INIT(MAX)};
    CHECK_INT(deflateInit(&client->deflater, Z_DEFAULT_COMPRESSION), Z_OK);
}

static void client_reset(struct client *client)
{
    deflateEnd(&client->deflater);
    buf_reset(&client->out);
}

static void add_number(struct buf *out, uint32_t number, size_t bytes)
{
    for (size_t i = bytes; i > 0; i--)
        buf_add_char(out, (char)(unsigned char)(number >> (8 * (i - 1))));
}

static void add_text(struct buf *out, const char *text)
{
    add_number(out, (uint32_t)strlen(text), 4);
    buf_add(out, text);
}

/* A control frame of TYPE around BODY. */
static void add_frame(struct buf *out, uint32_t type, const struct buf *body)
{
    add_number(out, 0x8003, 2);
    add_number(out, type, 2);
    add_number(out, (uint32_t)body->len, 4);
    buf_append(out, body->ptr, body->len);
}

/* SYN_STREAM with the headers in PLAIN, which need not be sound. */
static void client_open_raw(struct client *client, uint32_t id, const void *plain, size_t len)
{
    CLEANUP(buf) struct buf body = BUF_INIT(MAX);
    CLEANUP(str) char *packed = xmalloc(len + 1024);
    z_stream *z = &client->deflater;

    z->next_in = plain;
    z->avail_in = (uInt)len;
    z->next_out = (Bytef *)packed;
    z->avail_out = (uInt)len + 1024;
    CHECK_INT(deflate(z, Z_SYNC_FLUSH), Z_OK);
    add_number(&body, id, 4);
    add_number(&body, 0, 4);
    add_number(&body, 0, 2);
    buf_append(&body, packed, len + 1024 - z->avail_out);
    add_frame(&client->out, 1, &body);
}

static void client_open(struct client *client, uint32_t id, const char *type)
{
    CLEANUP(buf) struct buf plain = BUF_INIT(MAX);

    add_number(&plain, 2, 4);
    add_text(&plain, "streamtype");
    add_text(&plain, type);
    add_text(&plain, "port");
    add_text(&plain, "");
    client_open_raw(client, id, plain.ptr, plain.len);
}

/* Parses all that the client sent, giving STEP bytes more each time; returns how many frames. */
static size_t parse_all(struct spdy *spdy, const struct buf *sent, size_t step,
                        struct spdy_frame *frames, size_t max)
{
    size_t at = 0, count = 0, consumed = 0;

    for (size_t end = step; at < sent->len; end += step) {
        CLEANUP(error) struct error *err = NULL;
        size_t len = (end < sent->len ? end : sent->len) - at;
        CHECK(count < max);
        CHECK_OK(spdy_parse(spdy, sent->ptr + at, len, &frames[count], &consumed, &err), err);
        count += consumed > 0 ? 1 : 0;
        at += consumed;
    }
    return count;
}

TEST(streams_open_with_their_headers_and_carry_data)
{
    CLEANUP(spdy) struct spdy *spdy = spdy_new();
    struct client client;
    struct spdy_frame frames[8];
    size_t consumed = 0;
    CLEANUP(error) struct error *err = NULL;

    client_start(&client);
    client_open(&client, 1, "error");
    CHECK_OK(spdy_parse(spdy, client.out.ptr, client.out.len, &frames[0], &consumed, &err), err);
    CHECK_INT(frames[0].kind, SPDY_OPENED);
    CHECK_U64(frames[0].id, 1);
    CHECK_U64(consumed, client.out.len);
    CHECK(span_eq_str(spdy_header(spdy, "streamtype"), "error"));
    CHECK(spdy_header(spdy, "port").len == 0 && spdy_header(spdy, "none").len == 0);

    buf_clear(&client.out);
    client_open(&client, 3, "stdin"); /* in the same window */
    spdy_format_data(3, "hello", 5, true, &client.out);
    spdy_format_ping(7, &client.out);
    spdy_format_reset(3, &client.out);
    spdy_format_goodbye(0, &client.out);
    CHECK_U64(parse_all(spdy, &client.out, 1, frames, ARRAY_SIZE(frames)), 5);
    CHECK(span_eq_str(spdy_header(spdy, "streamtype"), "stdin"));
    CHECK(frames[1].kind == SPDY_DATA && frames[1].id == 3 && frames[1].is_last);
    CHECK(frames[1].len == 5 && memcmp(frames[1].data, "hello", 5) == 0);
    CHECK(frames[2].kind == SPDY_PINGED && frames[2].id == 7);
    CHECK(frames[3].kind == SPDY_RESET && frames[3].id == 3);
    CHECK_INT(frames[4].kind, SPDY_GOODBYE);
    client_reset(&client);
}

TEST(answers_name_the_dictionary_of_the_protocol)
{
    CLEANUP(spdy) struct spdy *spdy = spdy_new();
    CLEANUP(buf) struct buf out = BUF_INIT(MAX);
    static const unsigned char id[] = {0xe3, 0xc6, 0xa7, 0xc2};

    spdy_format_accept(spdy, 5, &out);
    CHECK(out.len > 18 && memcmp(out.ptr, "\x80\x03\x00\x02", 4) == 0);
    CHECK(memcmp(out.ptr + 8, "\0\0\0\x05", 4) == 0);
    /* zlib's two bytes of header, then the checksum */
    CHECK(memcmp(out.ptr + 14, id, sizeof(id)) == 0);
}

static void fails_with(const struct buf *sent, const char *message)
{
    CLEANUP(spdy) struct spdy *spdy = spdy_new();
    size_t at = 0, consumed = 1;
    int result = 0;

    while (result == 0 && at < sent->len && consumed > 0) {
        CLEANUP(error) struct error *err = NULL;
        struct spdy_frame frame;
        result = spdy_parse(spdy, sent->ptr + at, sent->len - at, &frame, &consumed, &err);
        at += consumed;
        if (result == -1)
            CHECK_STR(err->msg, message);
    }
    CHECK_INT(result, -1);
}

TEST(refuses_headers_that_are_not_sound)
{
    static const char many[] = "\0\0\0\x41", cut[] = "\0\0\0\x01\0\0\0\x09short",
                      huge[] = "\0\0\0\x01\xff\xff\xff\xff";
    static const struct {
        const char *plain;
        size_t len;
        const char *message;
    } cases[] = {
        {"\0", 1, "a stream without a sound number of headers"},
        {many, 4, "a stream without a sound number of headers"},
        {cut, sizeof(cut) - 1, "header 1 of a stream is cut"},
        {huge, sizeof(huge) - 1, "header 1 of a stream is cut"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct client client;
        client_start(&client);
        client_open_raw(&client, 1, cases[i].plain, cases[i].len);
        fails_with(&client.out, cases[i].message);
        client_reset(&client);
    }
}

TEST(refuses_a_few_bytes_that_become_very_many)
{
    struct client client;
    CLEANUP(str) char *zeros = xcalloc(1, 1024 * 1024);

    client_start(&client);
    client_open_raw(&client, 1, zeros, 1024 * 1024);
    CHECK(client.out.len < SPDY_MAX_HEADERS);
    fails_with(&client.out, "headers of a stream of more than 16384 bytes");
    client_reset(&client);
}

TEST(refuses_streams_that_a_client_may_not_open_and_frames_that_are_none)
{
    static const struct {
        const char *bytes;
        size_t len;
        const char *message;
    } cases[] = {
        {"\x80\x03\0\x01\0\0\0\x0a\0\0\0\x02\0\0\0\0\0\0", 18, "a client may not open stream 2"},
        {"\x80\x03\0\x01\0\0\0\x01\0", 9, "frame of type 1 is too short"},
        {"\x80\x03\0\x06\0\0\0\x02\0\0", 10, "frame of type 6 is too short"},
        {"\x80\x02\0\x06\0\0\0\x04\0\0\0\x01", 12, "frame of an unknown version"},
        {"\x80\x03\0\x7f\0\0\0\x04\0\0\0\x01", 12, "frame of unknown type 127"},
        {"\0\0\0\x01\0\xff\xff\xff", 8, "frame of 16777215 bytes; at most 1048576 are taken"},
        {"\x80\x03\0\x01\0\0\0\x0e\0\0\0\x01\0\0\0\0\0\0zzzz", 22,
         "headers of a stream do not decompress"},
    };
    struct client client;

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(buf) struct buf sent = BUF_INIT(MAX);
        buf_append(&sent, cases[i].bytes, cases[i].len);
        fails_with(&sent, cases[i].message);
    }
    client_start(&client);
    client_open(&client, 3, "stdin");
    client_open(&client, 3, "stdout");
    fails_with(&client.out, "a client may not open stream 3");
    client_reset(&client);
}
