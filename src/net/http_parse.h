/* Reads the head of an HTTP/1.1 request (RFC 9112) and its query.  Bytes in, no I/O.
 *
 * May use: base.  Threads: pure functions.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;

enum {
    HTTP_MAX_HEAD_BYTES = 64 * 1024, /* request line and headers (a bearer token may be long) */
    HTTP_MAX_HEADERS = 100,
};

struct http_header {
    const char *name; /* as sent; compare with http_header_find */
    const char *value;
};

/* Points into the parsed bytes. */
struct http_head {
    const char *method;
    const char *path;  /* as sent, without the query */
    const char *query; /* as sent; "" if there is none */
    struct http_header headers[HTTP_MAX_HEADERS];
    size_t header_count;
    bool keep_alive;
    bool chunked;
    bool expects_continue;
    bool has_length;
    uint64_t length; /* of the body, if has_length */
    bool is_http_1_0;
};

/* Parses the head at TEXT, which it changes (it puts NULs behind each part).  *CONSUMED is the
 * head's length, 0 if its end is not there yet.  ERROR_INVALID for what no server should accept:
 * control characters, a length given twice, a length beside chunks, folded lines. */
int http_parse_head(char *text, size_t len, struct http_head *head, size_t *consumed,
                    struct error **err);

/* The value of header NAME in any case of letters, or NULL. */
const char *http_header_find(const struct http_header *headers, size_t count, const char *name);

/* Whether all of a query can be decoded.  What cannot is skipped by the two functions below, so who
 * acts on a parameter's absence asks this first. */
bool http_query_is_valid(const char *query);

/* The first value of NAME in a query ("a=1&b=2"), decoded and owned by the caller, or NULL. */
char *http_query_get(const char *query, const char *name);

/* Calls EACH for every parameter in order, decoded; stops when it returns false. */
void http_query_each(const char *query, bool (*each)(void *arg, const char *name, const char *value),
                     void *arg);

/* Decodes percent signs (and '+' as a space if PLUS) of LEN bytes; NULL if an escape is wrong or
 * gives a NUL, or the result is no UTF-8.  Owned by the caller. */
char *http_decode(const char *text, size_t len, bool plus);

/* Reads one line of a chunked body ("1a;ext\r\n") at TEXT.  *CONSUMED is 0 if the line's end is
 * not there yet. */
int http_parse_chunk_size(const char *text, size_t len, uint64_t *size, size_t *consumed,
                          struct error **err);
