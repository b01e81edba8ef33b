#include "net/http_parse.h"

#include "base/array.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { MAX_CHUNK_LINE = 1024 };

static bool is_token_char(unsigned char c)
{
    static const char others[] = "!#$%&'*+-.^_`|~";

    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c != 0 && strchr(others, c) != NULL);
}

/* The length of the head including the empty line, or 0. */
static size_t find_end(const char *text, size_t len)
{
    const char *p = memmem(text, len, "\r\n\r\n", 4);

    return p == NULL ? 0 : (size_t)(p - text) + 4;
}

static int parse_request_line(char *line, struct http_head *head, struct error **err)
{
    char *target = strchr(line, ' ');
    if (target == NULL)
        return error_set(err, ERROR_INVALID, "request line without a target");
    *target++ = '\0';
    char *version = strchr(target, ' ');
    if (version == NULL)
        return error_set(err, ERROR_INVALID, "request line without a version");
    *version++ = '\0';

    for (const char *p = line; *p != '\0'; p++)
        if (!is_token_char((unsigned char)*p))
            return error_set(err, ERROR_INVALID, "method with a character that is not allowed");
    if (*line == '\0' || *target != '/')
        return error_set(err, ERROR_INVALID, "request target does not start with a slash");
    for (const char *p = target; *p != '\0'; p++)
        if ((unsigned char)*p <= ' ' || *p == 0x7f || *p == '#')
            return error_set(err, ERROR_INVALID, "request target with a character that is not "
                                                 "allowed");
    if (!str_eq(version, "HTTP/1.1") && !str_eq(version, "HTTP/1.0"))
        return error_set(err, ERROR_UNSUPPORTED, "protocol version other than HTTP/1.0 and 1.1");

    head->method = line;
    head->path = target;
    head->is_http_1_0 = str_eq(version, "HTTP/1.0");
    char *query = strchr(target, '?');
    if (query != NULL)
        *query++ = '\0';
    head->query = query == NULL ? "" : query;
    return 0;
}

static int parse_header(char *line, struct http_head *head, struct error **err)
{
    char *colon = strchr(line, ':');

    if (colon == NULL || colon == line)
        return error_set(err, ERROR_INVALID, "header line without a name");
    for (const char *p = line; p < colon; p++)
        if (!is_token_char((unsigned char)*p))
            return error_set(err, ERROR_INVALID, "header name with a character that is not "
                                                 "allowed");
    if (head->header_count == ARRAY_SIZE(head->headers))
        return error_set(err, ERROR_INVALID, "more than %d headers", HTTP_MAX_HEADERS);
    *colon = '\0';

    char *value = colon + 1;
    value += strspn(value, " \t");
    size_t len = strlen(value);
    while (len > 0 && (value[len - 1] == ' ' || value[len - 1] == '\t'))
        value[--len] = '\0';
    for (const char *p = value; *p != '\0'; p++)
        if (((unsigned char)*p < ' ' && *p != '\t') || *p == 0x7f)
            return error_set(err, ERROR_INVALID, "header \"%s\" holds a control character", line);

    head->headers[head->header_count++] = (struct http_header){.name = line, .value = value};
    return 0;
}

static bool has_token(const char *list, const char *token)
{
    struct span rest = span_of(list), part;

    while (span_split(&rest, ',', &part)) {
        struct span word = span_trim(part);
        if (word.len == strlen(token) && strncasecmp(word.ptr, token, word.len) == 0)
            return true;
    }
    return false;
}

/* What the headers say about the body and the connection. */
static int read_framing(struct http_head *head, struct error **err)
{
    head->keep_alive = !head->is_http_1_0;
    for (size_t i = 0; i < head->header_count; i++) {
        const char *name = head->headers[i].name, *value = head->headers[i].value;

        if (strcasecmp(name, "Content-Length") == 0) {
            if (head->has_length)
                return error_set(err, ERROR_INVALID, "Content-Length is given twice");
            if (!span_u64(span_of(value), &head->length))
                return error_set(err, ERROR_INVALID, "Content-Length is not a number");
            head->has_length = true;
        } else if (strcasecmp(name, "Transfer-Encoding") == 0) {
            if (head->chunked || strcasecmp(value, "chunked") != 0)
                return error_set(err, ERROR_UNSUPPORTED, "transfer encoding other than chunked");
            head->chunked = true;
        } else if (strcasecmp(name, "Connection") == 0) {
            if (has_token(value, "close"))
                head->keep_alive = false;
            else if (has_token(value, "keep-alive"))
                head->keep_alive = true;
        } else if (strcasecmp(name, "Expect") == 0) {
            head->expects_continue = strcasecmp(value, "100-continue") == 0;
        }
    }
    /* Both together are the classic way to smuggle a request past somebody (RFC 9112, 6.3). */
    if (head->chunked && (head->has_length || head->is_http_1_0))
        return error_set(err, ERROR_INVALID, "chunks beside a Content-Length or HTTP/1.0");
    return 0;
}

int http_parse_head(char *text, size_t len, struct http_head *head, size_t *consumed,
                    struct error **err)
{
    size_t end = find_end(text, len);

    *consumed = 0;
    if (end == 0) {
        if (len >= HTTP_MAX_HEAD_BYTES)
            return error_set(err, ERROR_INVALID, "headers larger than %d bytes",
                             HTTP_MAX_HEAD_BYTES);
        return 0;
    }
    if (end > HTTP_MAX_HEAD_BYTES)
        return error_set(err, ERROR_INVALID, "headers larger than %d bytes", HTTP_MAX_HEAD_BYTES);
    if (memchr(text, '\0', end) != NULL)
        return error_set(err, ERROR_INVALID, "head with a NUL byte");

    head->header_count = 0; /* not a memset: the table of headers is large */
    head->chunked = head->expects_continue = head->has_length = false;
    head->length = 0;

    char *line = text;
    bool first = true;
    while (line < text + end - 2) {
        char *stop = memmem(line, (size_t)(text + end - line), "\r\n", 2);
        assert(stop != NULL); /* find_end found one */
        *stop = '\0';
        if (first ? parse_request_line(line, head, err) == -1
                  : parse_header(line, head, err) == -1)
            return -1;
        first = false;
        line = stop + 2;
    }
    if (first)
        return error_set(err, ERROR_INVALID, "empty request line");
    if (read_framing(head, err) == -1)
        return -1;
    *consumed = end;
    return 0;
}

const char *http_header_find(const struct http_header *headers, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcasecmp(headers[i].name, name) == 0)
            return headers[i].value;
    return NULL;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

char *http_decode(const char *text, size_t len, bool plus)
{
    CLEANUP(str) char *out = xmalloc(len + 1);
    size_t n = 0;

    for (size_t i = 0; i < len; i++) {
        if (plus && text[i] == '+') {
            out[n++] = ' ';
        } else if (text[i] == '%') {
            if (len - i < 3)
                return NULL;
            int high = hex_value(text[i + 1]), low = hex_value(text[i + 2]);
            if (high < 0 || low < 0 || (high == 0 && low == 0))
                return NULL;
            out[n++] = (char)(high * 16 + low);
            i += 2;
        } else {
            out[n++] = text[i];
        }
    }
    out[n] = '\0';
    return utf8_is_valid(out, n) ? steal(&out) : NULL;
}

bool http_query_is_valid(const char *query)
{
    struct span rest = span_of(query), part;

    while (span_split(&rest, '&', &part)) {
        CLEANUP(str) char *text = http_decode(part.ptr, part.len, true);
        if (part.len > 0 && text == NULL)
            return false;
    }
    return true;
}

void http_query_each(const char *query, bool (*each)(void *arg, const char *name, const char *value),
                     void *arg)
{
    struct span rest = span_of(query), part;

    while (span_split(&rest, '&', &part)) {
        const char *equals = part.len == 0 ? NULL : memchr(part.ptr, '=', part.len);
        size_t name_len = equals == NULL ? part.len : (size_t)(equals - part.ptr);
        if (part.len == 0)
            continue;

        CLEANUP(str) char *name = http_decode(part.ptr, name_len, true);
        CLEANUP(str) char *value =
            equals == NULL ? xstrdup("") : http_decode(equals + 1, part.len - name_len - 1, true);
        if (name != NULL && value != NULL && !each(arg, name, value))
            return;
    }
}

struct query_search {
    const char *name;
    char *value;
};

static bool query_is(void *arg, const char *name, const char *value)
{
    struct query_search *search = arg;

    if (!str_eq(name, search->name))
        return true;
    search->value = xstrdup(value);
    return false;
}

char *http_query_get(const char *query, const char *name)
{
    struct query_search search = {.name = name};

    if (query != NULL && *query != '\0')
        http_query_each(query, query_is, &search);
    return search.value;
}

int http_parse_chunk_size(const char *text, size_t len, uint64_t *size, size_t *consumed,
                          struct error **err)
{
    const char *end = len == 0 ? NULL : memmem(text, len, "\r\n", 2);
    uint64_t value = 0;
    size_t digits = 0;

    *consumed = 0;
    if (end == NULL) {
        if (len > MAX_CHUNK_LINE)
            return error_set(err, ERROR_INVALID, "chunk size line is too long");
        return 0;
    }
    for (; text + digits < end && hex_value(text[digits]) >= 0; digits++) {
        if (digits == 15)
            return error_set(err, ERROR_INVALID, "chunk size does not fit");
        value = value * 16 + (uint64_t)hex_value(text[digits]);
    }
    if (digits == 0 || (text + digits < end && text[digits] != ';' && text[digits] != ' '))
        return error_set(err, ERROR_INVALID, "chunk size is not a hexadecimal number");
    /* Somebody in front of us may take a lone line feed for the end of the line. */
    for (const char *p = text + digits; p < end; p++)
        if (((unsigned char)*p < ' ' && *p != '\t') || *p == 0x7f)
            return error_set(err, ERROR_INVALID, "chunk extension with a control character");
    *size = value;
    *consumed = (size_t)(end - text) + 2;
    return 0;
}
