#include "base/text.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/vector.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct span span_of(const char *text)
{
    return (struct span){text, text == NULL ? 0 : strlen(text)};
}

bool span_eq(struct span a, struct span b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

bool span_eq_str(struct span a, const char *text)
{
    return span_eq(a, span_of(text));
}

bool span_starts_with(struct span a, const char *prefix)
{
    size_t len = strlen(prefix);

    return a.len >= len && memcmp(a.ptr, prefix, len) == 0;
}

static bool is_white(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

struct span span_trim(struct span a)
{
    while (a.len > 0 && is_white(a.ptr[0]))
        a = (struct span){a.ptr + 1, a.len - 1};
    while (a.len > 0 && is_white(a.ptr[a.len - 1]))
        a.len--;
    return a;
}

char *span_dup(struct span a)
{
    return xstrndup(a.ptr, a.len);
}

bool span_split(struct span *rest, char sep, struct span *part)
{
    if (rest->ptr == NULL)
        return false;

    const char *end = rest->len == 0 ? NULL : memchr(rest->ptr, sep, rest->len);

    if (end == NULL) {
        *part = *rest;
        *rest = (struct span){NULL, 0};
        return true;
    }
    size_t len = (size_t)(end - rest->ptr);
    *part = (struct span){rest->ptr, len};
    *rest = (struct span){end + 1, rest->len - len - 1};
    return true;
}

bool span_u64(struct span a, uint64_t *value)
{
    uint64_t number = 0;

    if (a.len == 0)
        return false;
    for (size_t i = 0; i < a.len; i++) {
        if (a.ptr[i] < '0' || a.ptr[i] > '9')
            return false;
        if (__builtin_mul_overflow(number, 10, &number) ||
            __builtin_add_overflow(number, a.ptr[i] - '0', &number))
            return false;
    }
    *value = number;
    return true;
}

bool str_eq(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

bool str_starts_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

bool str_ends_with(const char *text, const char *suffix)
{
    size_t len = strlen(text);
    size_t suffix_len = strlen(suffix);

    return len >= suffix_len && strcmp(text + len - suffix_len, suffix) == 0;
}

bool str_is_empty(const char *text)
{
    return text == NULL || text[0] == '\0';
}

/* The length of the well-formed sequence at P, 0 if there is none. */
static size_t utf8_sequence(const unsigned char *p, size_t left)
{
    if (p[0] < 0x80)
        return 1;

    size_t len = p[0] >= 0xc2 && p[0] <= 0xdf   ? 2
                 : p[0] >= 0xe0 && p[0] <= 0xef ? 3
                 : p[0] >= 0xf0 && p[0] <= 0xf4 ? 4
                                                : 0;

    if (len == 0 || len > left)
        return 0;
    for (size_t i = 1; i < len; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    /* overlong forms, surrogates, and what lies above U+10FFFF */
    if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
        (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
        return 0;
    return len;
}

bool utf8_is_valid(const char *text, size_t len)
{
    const unsigned char *p = (const unsigned char *)text;

    for (size_t pos = 0; pos < len;) {
        size_t step = utf8_sequence(p + pos, len - pos);

        if (step == 0)
            return false;
        pos += step;
    }
    return true;
}

char *buf_reserve(struct buf *buf, size_t len)
{
    if (buf->full || buf->max < buf->len || len > buf->max - buf->len) {
        buf->full = true;
        return NULL;
    }

    size_t need = buf->len + len + 1;

    if (need > buf->cap) {
        size_t cap = buf->cap < 64 ? 64 : buf->cap * 2;

        buf->cap = cap < need ? need : cap;
        buf->ptr = xreallocarray(buf->ptr, buf->cap, 1);
    }
    return buf->ptr + buf->len;
}

void buf_extend(struct buf *buf, size_t len)
{
    buf->len += len;
    buf->ptr[buf->len] = '\0';
}

void buf_append(struct buf *buf, const void *data, size_t len)
{
    char *to = buf_reserve(buf, len);

    if (to == NULL)
        return;
    if (len > 0)
        memcpy(to, data, len);
    buf_extend(buf, len);
}

void buf_add(struct buf *buf, const char *text)
{
    buf_append(buf, text, strlen(text));
}

void buf_add_char(struct buf *buf, char c)
{
    buf_append(buf, &c, 1);
}

void buf_add_span(struct buf *buf, struct span text)
{
    buf_append(buf, text.ptr, text.len);
}

void buf_printf(struct buf *buf, const char *format, ...)
{
    char small[256];
    va_list args;

    va_start(args, format);
    int len = vsnprintf(small, sizeof(small), format, args);
    va_end(args);
    if (len >= 0 && (size_t)len < sizeof(small)) {
        buf_append(buf, small, (size_t)len);
        return;
    }
    va_start(args, format);
    char *text = xvasprintf(format, args);
    va_end(args);
    buf_add(buf, text);
    free(text);
}

struct span buf_span(const struct buf *buf)
{
    return (struct span){buf->ptr == NULL ? "" : buf->ptr, buf->len};
}

void buf_clear(struct buf *buf)
{
    buf->len = 0;
    buf->full = false;
    if (buf->ptr != NULL)
        buf->ptr[0] = '\0';
}

void buf_reset(struct buf *buf)
{
    free(buf->ptr);
    *buf = (struct buf){.max = buf->max};
}

int buf_check(const struct buf *buf, struct error **err)
{
    if (buf->full)
        return error_set(err, ERROR_INVALID, "text is larger than %zu bytes", buf->max);
    return 0;
}

char *buf_take(struct buf *buf)
{
    char *text = buf->ptr == NULL ? xstrdup("") : buf->ptr;

    *buf = (struct buf){.max = buf->max};
    return text;
}

void str_list_free_all(struct str_list *list)
{
    for (size_t i = 0; i < list->len; i++)
        free(list->ptr[i]);
    str_list_reset(list);
}
