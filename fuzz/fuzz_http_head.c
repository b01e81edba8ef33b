/* The parser of requests' heads, of queries and of the sizes of chunks. */
#include "base/error.h"
#include "base/mem.h"
#include "net/http_parse.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static bool see(void *arg, const char *name, const char *value)
{
    *(size_t *)arg += strlen(name) + strlen(value);
    return true;
}

static void try_query(const char *query)
{
    CLEANUP(str) char *limit = http_query_get(query, "limit");
    size_t total = 0;

    http_query_each(query, see, &total);
    if (!http_query_is_valid(query))
        return;
    if (total > strlen(query) || (limit != NULL && strlen(limit) > strlen(query)))
        __builtin_trap();
}

static void try_head(const char *data, size_t len)
{
    static struct http_head head; /* a large one */
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(str) char *text = xmemdup(data, len);
    size_t consumed = 0;

    if (http_parse_head(text, len, &head, &consumed, &err) == -1) {
        if (err == NULL)
            __builtin_trap();
        return;
    }
    if (consumed > len || head.header_count > HTTP_MAX_HEADERS)
        __builtin_trap();
    if (consumed == 0)
        return;
    if (head.path[0] != '/' || (head.chunked && head.has_length))
        __builtin_trap();
    free(http_decode(head.path, strlen(head.path), false));
    http_header_find(head.headers, head.header_count, "Authorization");
    try_query(head.query);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    CLEANUP(error) struct error *err = NULL;
    uint64_t size = 0;
    size_t consumed = 0;

    if (len == 0)
        return 0;
    try_head((const char *)data, len);
    if (http_parse_chunk_size((const char *)data, len, &size, &consumed, &err) == 0 &&
        consumed > len)
        __builtin_trap();
    return 0;
}
