/* Writing jansson's values as JSON text.
 *
 * jansson's own writer prints reals with 17 digits (0.1 as 0.10000000000000001); this one prints
 * the fewest that read back as the same value, and appends to a struct buf without a copy. */
#include "data/obj.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { INDENT = 2 };

struct writer {
    struct buf *buf;
    bool pretty; /* indented, keys sorted */
};

static void write_value(struct writer *w, const json_t *value, int depth);

static void add_escaped_char(struct buf *buf, unsigned char c)
{
    switch (c) {
    case '"':
        buf_append(buf, "\\\"", 2);
        break;
    case '\\':
        buf_append(buf, "\\\\", 2);
        break;
    case '\n':
        buf_append(buf, "\\n", 2);
        break;
    case '\r':
        buf_append(buf, "\\r", 2);
        break;
    case '\t':
        buf_append(buf, "\\t", 2);
        break;
    default:
        buf_printf(buf, "\\u%04x", c);
    }
}

static void write_text(struct buf *buf, const char *text, size_t len)
{
    size_t start = 0;

    buf_add_char(buf, '"');
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c >= 0x20 && c != '"' && c != '\\' && c != 0x7f)
            continue;
        buf_append(buf, text + start, i - start);
        add_escaped_char(buf, c);
        start = i + 1;
    }
    buf_append(buf, text + start, len - start);
    buf_add_char(buf, '"');
}

static void write_integer(struct buf *buf, int64_t value)
{
    char text[24];
    char *p = text + sizeof(text);
    uint64_t left = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;

    do {
        *--p = (char)('0' + left % 10);
        left /= 10;
    } while (left > 0);
    if (value < 0)
        *--p = '-';
    buf_append(buf, p, (size_t)(text + sizeof(text) - p));
}

static void write_real(struct buf *buf, double value)
{
    char text[40];

    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    buf_add(buf, text);
    if (strpbrk(text, ".en") == NULL) /* stays a real when it is read again */
        buf_add(buf, ".0");
}

static void new_line(struct writer *w, int depth)
{
    if (!w->pretty)
        return;
    buf_add_char(w->buf, '\n');
    for (int i = 0; i < depth * INDENT; i++)
        buf_add_char(w->buf, ' ');
}

static void write_member(struct writer *w, const char *key, size_t key_len, const json_t *value,
                         bool first, int depth)
{
    if (!first)
        buf_add_char(w->buf, ',');
    new_line(w, depth);
    write_text(w->buf, key, key_len);
    buf_append(w->buf, ": ", w->pretty ? 2 : 1);
    write_value(w, value, depth);
}

static int compare_keys(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void write_sorted(struct writer *w, const json_t *object, int depth)
{
    size_t count = json_object_size(object);
    const char **keys = xcalloc(count, sizeof(*keys));
    size_t i = 0;
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)object, key, value) keys[i++] = key;
    qsort(keys, count, sizeof(*keys), compare_keys);
    for (i = 0; i < count; i++)
        write_member(w, keys[i], strlen(keys[i]), json_object_get(object, keys[i]), i == 0, depth);
    free(keys);
}

static void write_object(struct writer *w, const json_t *object, int depth)
{
    bool first = true;
    const char *key;
    size_t key_len;
    json_t *value;

    buf_add_char(w->buf, '{');
    if (w->pretty) {
        write_sorted(w, object, depth + 1);
    } else {
        json_object_keylen_foreach((json_t *)(uintptr_t)object, key, key_len, value)
        {
            write_member(w, key, key_len, value, first, depth + 1);
            first = false;
        }
    }
    if (json_object_size(object) > 0)
        new_line(w, depth);
    buf_add_char(w->buf, '}');
}

static void write_array(struct writer *w, const json_t *array, int depth)
{
    size_t i;
    json_t *value;

    buf_add_char(w->buf, '[');
    json_array_foreach(array, i, value)
    {
        if (i > 0)
            buf_add_char(w->buf, ',');
        new_line(w, depth + 1);
        write_value(w, value, depth + 1);
    }
    if (i > 0)
        new_line(w, depth);
    buf_add_char(w->buf, ']');
}

static void write_value(struct writer *w, const json_t *value, int depth)
{
    assert(depth <= OBJ_MAX_WALK);
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        write_object(w, value, depth);
        break;
    case JSON_ARRAY:
        write_array(w, value, depth);
        break;
    case JSON_STRING:
        write_text(w->buf, json_string_value(value), json_string_length(value));
        break;
    case JSON_INTEGER:
        write_integer(w->buf, json_integer_value(value));
        break;
    case JSON_REAL:
        write_real(w->buf, json_real_value(value));
        break;
    case JSON_TRUE:
        buf_append(w->buf, "true", 4);
        break;
    case JSON_FALSE:
        buf_append(w->buf, "false", 5);
        break;
    case JSON_NULL:
        buf_append(w->buf, "null", 4);
        break;
    }
}

void obj_format_to(const json_t *o, struct buf *buf)
{
    struct writer w = {.buf = buf};

    write_value(&w, o, 0);
}

char *obj_format(const json_t *o)
{
    struct buf buf = BUF_INIT(SIZE_MAX / 2);

    obj_format_to(o, &buf);
    return buf_take(&buf);
}

char *obj_format_pretty(const json_t *o)
{
    struct buf buf = BUF_INIT(SIZE_MAX / 2);
    struct writer w = {.buf = &buf, .pretty = true};

    write_value(&w, o, 0);
    return buf_take(&buf);
}
