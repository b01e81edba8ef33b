#include "net/http_parse.h"

#include "base/mem.h"
#include "base/test.h"
#include "net/websocket.h"

#include <stdlib.h>

static int parse(const char *text, struct http_head *head, size_t *consumed, char **copy,
                 struct error **err)
{
    *copy = xstrdup(text);
    return http_parse_head(*copy, strlen(text), head, consumed, err);
}

TEST(takes_a_request_apart)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(str) char *copy = NULL;
    struct http_head head;
    size_t consumed = 0;

    CHECK_OK(parse("GET /api?watch=1 HTTP/1.1\r\nHost: a\r\nX-A:  b \r\n\r\nrest", &head, &consumed,
                   &copy, &err),
             err);
    CHECK_U64(consumed, 48);
    CHECK_STR(head.method, "GET");
    CHECK_STR(head.path, "/api");
    CHECK_STR(head.query, "watch=1");
    CHECK_STR(http_header_find(head.headers, head.header_count, "x-a"), "b");
    CHECK(head.keep_alive && !head.chunked && !head.has_length);
}

TEST(waits_for_the_end_of_the_head)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(str) char *copy = NULL;
    struct http_head head;
    size_t consumed = 1;

    CHECK_OK(parse("GET / HTTP/1.1\r\nHost: a\r\n", &head, &consumed, &copy, &err), err);
    CHECK_U64(consumed, 0);
}

TEST(refuses_what_could_smuggle_a_request)
{
    static const char *const bad[] = {
        "GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "GET / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        "GET / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        "GET / HTTP/1.1\r\nA: b\r\n folded\r\n\r\n",
        "GET / HTTP/1.1\r\nA : b\r\n\r\n",
        "GET / HTTP/2.0\r\n\r\n",
        "GET relative HTTP/1.1\r\n\r\n",
        "G(T / HTTP/1.1\r\n\r\n",
        "GET /a\x01 HTTP/1.1\r\n\r\n",
        "\r\n\r\n",
    };

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        CLEANUP(error) struct error *err = NULL;
        CLEANUP(str) char *copy = NULL;
        struct http_head *head = xmalloc(sizeof(*head));
        size_t consumed = 0;
        int result = parse(bad[i], head, &consumed, &copy, &err);
        free(head);
        CHECK(result == -1);
    }
}

TEST(decodes_queries_and_refuses_wrong_escapes)
{
    CLEANUP(str) char *value = http_query_get("a=1&label=x%3Dy+z&b", "label");
    CLEANUP(str) char *empty = http_query_get("a=1&b", "b");
    CLEANUP(str) char *bad = http_query_get("a=%zz", "a");

    CHECK_STR(value, "x=y z");
    CHECK_STR(empty, "");
    CHECK(bad == NULL);
    CHECK(http_decode("%00", 3, false) == NULL);
    CHECK(http_decode("%4", 2, false) == NULL);
    CHECK(http_decode("%ff", 3, false) == NULL);
    CHECK(http_query_is_valid("") && http_query_is_valid("a=%C3%A9&&b"));
    CHECK(!http_query_is_valid("a=1&b=%ff") && !http_query_is_valid("%00") &&
          !http_query_is_valid("a=%4"));
}

TEST(reads_chunk_sizes)
{
    CLEANUP(error) struct error *err = NULL;
    uint64_t size = 0;
    size_t consumed = 0;

    CHECK_OK(http_parse_chunk_size("1a;x=y\r\n", 8, &size, &consumed, &err), err);
    CHECK_U64(size, 26);
    CHECK_U64(consumed, 8);
    CHECK_FAILS(http_parse_chunk_size("xyz\r\n", 5, &size, &consumed, &err), err, ERROR_INVALID,
                "hexadecimal");
    CHECK_FAILS(http_parse_chunk_size("11111111111111111\r\n", 19, &size, &consumed, &err), err,
                ERROR_INVALID, "does not fit");
    CHECK_FAILS(http_parse_chunk_size("1;\n2\r\n", 6, &size, &consumed, &err), err, ERROR_INVALID,
                "control character");
}

TEST(takes_websocket_frames_apart)
{
    /* The masked "Hello" of RFC 6455, section 5.7. */
    char bytes[] = "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";
    char unmasked[] = "\x81\x05Hello";
    CLEANUP(error) struct error *err = NULL;
    struct websocket_frame frame;
    size_t consumed = 0;

    CHECK_OK(websocket_parse(bytes, 10, &frame, &consumed, &err), err);
    CHECK_U64(consumed, 0);
    CHECK_OK(websocket_parse(bytes, 11, &frame, &consumed, &err), err);
    CHECK_U64(consumed, 11);
    CHECK(frame.is_final && frame.opcode == WEBSOCKET_TEXT && frame.len == 5);
    CHECK(memcmp(frame.data, "Hello", 5) == 0);
    CHECK_FAILS(websocket_parse(unmasked, 7, &frame, &consumed, &err), err, ERROR_INVALID, "mask");
}
