#include "lang/rego/json.h"

#include "base/error.h"
#include "lang/rego/number.h"

#include <inttypes.h>
#include <math.h>

struct reader {
    struct arena *arena;
    const char *start, *p, *end;
    int depth;
    const char *why; /* set on failure */
};

static const struct rval *read_value(struct reader *r);

static const struct rval *fail(struct reader *r, const char *why)
{
    if (r->why == NULL)
        r->why = why;
    return NULL;
}

static void skip_space(struct reader *r)
{
    while (r->p < r->end && (*r->p == ' ' || *r->p == '\n' || *r->p == '\t' || *r->p == '\r'))
        r->p++;
}

static int hex4(const char *p)
{
    int value = 0;
    for (int i = 0; i < 4; i++) {
        char c = p[i];
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0)
            return -1;
        value = value * 16 + digit;
    }
    return value;
}

static char *put_utf8(char *out, uint32_t c)
{
    if (c < 0x80) {
        *out++ = (char)c;
    } else if (c < 0x800) {
        *out++ = (char)(0xC0 | c >> 6);
        *out++ = (char)(0x80 | (c & 0x3F));
    } else if (c < 0x10000) {
        *out++ = (char)(0xE0 | c >> 12);
        *out++ = (char)(0x80 | (c >> 6 & 0x3F));
        *out++ = (char)(0x80 | (c & 0x3F));
    } else {
        *out++ = (char)(0xF0 | c >> 18);
        *out++ = (char)(0x80 | (c >> 12 & 0x3F));
        *out++ = (char)(0x80 | (c >> 6 & 0x3F));
        *out++ = (char)(0x80 | (c & 0x3F));
    }
    return out;
}

/* The four digits behind \u, with a second half if there is one; lone halves become U+FFFD. */
static char *read_unicode(struct reader *r, char *out)
{
    if (r->end - r->p < 4)
        return NULL;
    int first = hex4(r->p);
    if (first < 0)
        return NULL;
    r->p += 4;
    uint32_t c = (uint32_t)first;
    if (c >= 0xD800 && c < 0xDC00 && r->end - r->p >= 6 && r->p[0] == '\\' && r->p[1] == 'u') {
        int second = hex4(r->p + 2);
        if (second >= 0xDC00 && second < 0xE000) {
            c = 0x10000 + ((c - 0xD800) << 10) + ((uint32_t)second - 0xDC00);
            r->p += 6;
        }
    }
    if (c >= 0xD800 && c < 0xE000)
        c = 0xFFFD;
    return put_utf8(out, c);
}

static const struct rval *read_string(struct reader *r)
{
    const char *start = ++r->p;
    const char *p = start;
    while (p < r->end && *p != '"' && *p != '\\' && (unsigned char)*p >= 0x20)
        p++;
    if (p < r->end && *p == '"') {
        r->p = p + 1;
        return rval_string(r->arena, start, (size_t)(p - start));
    }
    const char *close = p;
    while (close < r->end && *close != '"')
        close += *close == '\\' ? 2 : 1;
    if (close >= r->end)
        return fail(r, "a string does not end");
    char *text = (char *)arena_alloc(r->arena, (size_t)(close - start) + 1);
    char *out = text;
    r->p = start;
    while (*r->p != '"') {
        if ((unsigned char)*r->p < 0x20)
            return fail(r, "a control character in a string");
        if (*r->p != '\\') {
            *out++ = *r->p++;
            continue;
        }
        static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
        char c = r->p[1];
        const char *known = c != '\0' ? strchr(from, c) : NULL;
        r->p += 2;
        if (known != NULL) {
            *out++ = to[known - from];
        } else {
            out = c == 'u' ? read_unicode(r, out) : NULL;
            if (out == NULL)
                return fail(r, "an unknown escape in a string");
        }
    }
    *out = '\0';
    r->p++;
    return rval_string_borrow(r->arena, text, (size_t)(out - text));
}

static const struct rval *read_array(struct reader *r)
{
    struct rval_list list = {0};
    r->p++;
    skip_space(r);
    if (r->p < r->end && *r->p == ']') {
        r->p++;
        return &rval_empty_array;
    }
    for (;;) {
        const struct rval *item = read_value(r);
        if (item == NULL)
            return NULL;
        rval_list_push(r->arena, &list, item);
        skip_space(r);
        if (r->p < r->end && *r->p == ',')
            r->p++;
        else if (r->p < r->end && *r->p == ']')
            break;
        else
            return fail(r, "expected \",\" or \"]\"");
    }
    r->p++;
    return rval_array(r->arena, list.ptr, list.len);
}

static const struct rval *read_object(struct reader *r)
{
    struct rval_pair_list list = {0};
    r->p++;
    skip_space(r);
    if (r->p < r->end && *r->p == '}') {
        r->p++;
        return &rval_empty_object;
    }
    for (;;) {
        skip_space(r);
        if (r->p >= r->end || *r->p != '"')
            return fail(r, "expected a string as key");
        const struct rval *key = read_string(r);
        if (key == NULL)
            return NULL;
        skip_space(r);
        if (r->p >= r->end || *r->p != ':')
            return fail(r, "expected \":\"");
        r->p++;
        const struct rval *value = read_value(r);
        if (value == NULL)
            return NULL;
        rval_pair_list_push(r->arena, &list, key, value);
        skip_space(r);
        if (r->p < r->end && *r->p == ',')
            r->p++;
        else if (r->p < r->end && *r->p == '}')
            break;
        else
            return fail(r, "expected \",\" or \"}\"");
    }
    r->p++;
    return rval_object(r->arena, list.ptr, list.len);
}

static bool take_word(struct reader *r, const char *word)
{
    size_t len = strlen(word);
    if ((size_t)(r->end - r->p) < len || memcmp(r->p, word, len) != 0)
        return false;
    r->p += len;
    return true;
}

static const struct rval *read_number(struct reader *r)
{
    const char *start = r->p;
    while (r->p < r->end && strchr("+-.eE0123456789", *r->p) != NULL && *r->p != '\0')
        r->p++;
    const struct rval *v = rnum_parse(r->arena, start, (size_t)(r->p - start));
    if (v == NULL) {
        r->p = start;
        return fail(r, "not a JSON value");
    }
    return v;
}

static const struct rval *read_value(struct reader *r)
{
    const struct rval *v = NULL;

    skip_space(r);
    if (r->p >= r->end)
        return fail(r, "the text ends early");
    if (arena_is_over(r->arena))
        return fail(r, "the text needs more memory than allowed");
    switch (*r->p) {
    case '"':
        return read_string(r);
    case '[':
    case '{':
        if (++r->depth > RVAL_DEPTH_MAX)
            return fail(r, "nested too deeply");
        v = *r->p == '[' ? read_array(r) : read_object(r);
        r->depth--;
        return v;
    case 't':
        return take_word(r, "true") ? &rval_true : fail(r, "not a JSON value");
    case 'f':
        return take_word(r, "false") ? &rval_false : fail(r, "not a JSON value");
    case 'n':
        return take_word(r, "null") ? &rval_null : fail(r, "not a JSON value");
    default:
        return read_number(r);
    }
}

int rjson_read(struct arena *arena, struct span text, const struct rval **out, struct error **err)
{
    struct reader r = {arena, text.ptr, text.ptr, text.ptr + text.len, 0, NULL};
    const struct rval *v = NULL;

    if (text.len > RJSON_BYTES_MAX)
        return error_set(err, ERROR_INVALID, "a JSON text of %zu bytes: the limit is %d", text.len,
                         RJSON_BYTES_MAX);
    if (utf8_is_valid(text.ptr, text.len))
        v = read_value(&r);
    else
        r.why = "not valid UTF-8";
    skip_space(&r);
    if (v != NULL && r.p != r.end)
        v = fail(&r, "something follows the value");
    if (v != NULL) {
        *out = v;
        return 0;
    }
    size_t line = 1, col = 1;
    for (const char *p = r.start; p < r.p && p < r.end; p++) {
        col = *p == '\n' ? 1 : col + 1;
        line += *p == '\n';
    }
    return error_set(err, ERROR_INVALID, "line %zu, column %zu: %s", line, col, r.why);
}

static const struct rval *from_tree(struct arena *arena, const json_t *tree, int depth)
{
    if (depth > RVAL_DEPTH_MAX)
        return NULL;
    switch (json_typeof(tree)) {
    case JSON_NULL:
        return &rval_null;
    case JSON_TRUE:
        return &rval_true;
    case JSON_FALSE:
        return &rval_false;
    case JSON_INTEGER:
        return rval_int(arena, json_integer_value(tree));
    case JSON_STRING:
        return rval_string(arena, json_string_value(tree), json_string_length(tree));
    case JSON_REAL: {
        char digits[32], text[64];
        double real = json_real_value(tree);
        if (!isfinite(real))
            return NULL;
        if (real == 0)
            return rval_int(arena, 0);
        /* Through the shortest decimal text, as if the number had been read from JSON. */
        int exponent;
        rnum_shortest((long double)real, true, digits, &exponent);
        snprintf(text, sizeof(text), "%s%c%s%se%d", real < 0 ? "-" : "", digits[0],
                 digits[1] != '\0' ? "." : "", digits + 1, exponent);
        const struct rval *v = rnum_parse(arena, text, strlen(text));
        return v == NULL ? NULL : rnum_from_value(arena, rnum_value(v));
    }
    case JSON_ARRAY: {
        size_t len = json_array_size(tree);
        const struct rval **items =
            (const struct rval **)arena_alloc(arena, (len + 1) * sizeof(*items));
        for (size_t i = 0; i < len; i++)
            if ((items[i] = from_tree(arena, json_array_get(tree, i), depth + 1)) == NULL)
                return NULL;
        return rval_array(arena, items, len);
    }
    case JSON_OBJECT: {
        struct rval_pair_list list = {0};
        const char *key;
        json_t *value;
        json_object_foreach((json_t *)(uintptr_t)tree, key, value)
        {
            const struct rval *v = from_tree(arena, value, depth + 1);
            if (v == NULL)
                return NULL;
            rval_pair_list_push(arena, &list, rval_text(arena, key), v);
        }
        return rval_object(arena, list.ptr, list.len);
    }
    }
    return NULL;
}

const struct rval *rjson_from_tree(struct arena *arena, const json_t *tree)
{
    return from_tree(arena, tree, 0);
}
