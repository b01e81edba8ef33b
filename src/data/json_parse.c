/* Reading JSON text (RFC 8259) into jansson's values.
 *
 * jansson's own reader fetches byte by byte through a callback, has no depth limit of its own
 * choosing, and turns large integers into an error.  This one walks the text once: a string without
 * escapes goes from the text straight into its value.  Integers that do not fit 64 bits become
 * reals, as in Kubernetes. */
#include "data/obj.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_NUMBER = 1024 }; /* characters of one number */

struct reader {
    const char *start;
    const char *pos;
    const char *end;
    struct buf scratch; /* a string with escapes, decoded */
    struct error **err;
};

static json_t *read_value(struct reader *r, int depth);

/* Fails at AT: counts lines only now.  Columns are bytes, from 1. */
static json_t *fail_at(struct reader *r, const char *at, const char *what)
{
    size_t line = 1;
    const char *line_start = r->start;

    for (const char *p = r->start; p < at; p++)
        if (*p == '\n') {
            line++;
            line_start = p + 1;
        }
    error_set(r->err, ERROR_INVALID, "line %zu, column %zu: %s", line,
              (size_t)(at - line_start) + 1, what);
    return NULL;
}

static json_t *fail(struct reader *r, const char *what)
{
    return fail_at(r, r->pos, r->pos == r->end ? "the text ends too early" : what);
}

static void skip_space(struct reader *r)
{
    while (r->pos < r->end &&
           (*r->pos == ' ' || *r->pos == '\n' || *r->pos == '\t' || *r->pos == '\r'))
        r->pos++;
}

static bool next_is(const struct reader *r, char c)
{
    return r->pos < r->end && *r->pos == c;
}

/* Four hexadecimal digits, or -1. */
static int read_hex4(struct reader *r)
{
    int value = 0;

    if (r->end - r->pos < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        char c = r->pos[i];
        int digit;

        if (c >= '0' && c <= '9')
            digit = c - '0';
        else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
            digit = (c | 0x20) - 'a' + 10;
        else
            return -1;
        value = value * 16 + digit;
    }
    r->pos += 4;
    return value;
}

static void add_utf8(struct buf *buf, uint32_t c)
{
    if (c < 0x80) {
        buf_add_char(buf, (char)c);
    } else if (c < 0x800) {
        buf_add_char(buf, (char)(0xc0 | c >> 6));
        buf_add_char(buf, (char)(0x80 | (c & 0x3f)));
    } else if (c < 0x10000) {
        buf_add_char(buf, (char)(0xe0 | c >> 12));
        buf_add_char(buf, (char)(0x80 | (c >> 6 & 0x3f)));
        buf_add_char(buf, (char)(0x80 | (c & 0x3f)));
    } else {
        buf_add_char(buf, (char)(0xf0 | c >> 18));
        buf_add_char(buf, (char)(0x80 | (c >> 12 & 0x3f)));
        buf_add_char(buf, (char)(0x80 | (c >> 6 & 0x3f)));
        buf_add_char(buf, (char)(0x80 | (c & 0x3f)));
    }
}

/* Behind "\u".  NULL, or what is wrong. */
static const char *read_unicode_escape(struct reader *r)
{
    int high = read_hex4(r);

    if (high == -1)
        return "\\u needs four hexadecimal digits";
    if (high == 0)
        return "\\u0000 is not accepted in text";
    if (high < 0xd800 || high > 0xdfff) {
        add_utf8(&r->scratch, (uint32_t)high);
        return NULL;
    }
    if (high > 0xdbff || r->end - r->pos < 6 || r->pos[0] != '\\' || r->pos[1] != 'u')
        return "half of a surrogate pair";
    r->pos += 2;

    int low = read_hex4(r);
    if (low < 0xdc00 || low > 0xdfff)
        return "half of a surrogate pair";
    add_utf8(&r->scratch, 0x10000 + ((uint32_t)(high - 0xd800) << 10) + (uint32_t)(low - 0xdc00));
    return NULL;
}

/* Behind a backslash.  NULL, or what is wrong. */
static const char *read_escape(struct reader *r)
{
    static const char from[] = "\"\\/bfnrt";
    static const char to[] = "\"\\/\b\f\n\r\t";

    if (r->pos == r->end)
        return "the text ends too early";
    char c = *r->pos++;
    if (c == 'u')
        return read_unicode_escape(r);
    const char *found = c == '\0' ? NULL : strchr(from, c);
    if (found == NULL)
        return "unknown escape in a string";
    buf_add_char(&r->scratch, to[found - from]);
    return NULL;
}

/* Bytes from P on that need no attention: everything but control characters, '"' and '\\'. */
static const char *skip_plain(const char *p, const char *end, bool *ascii)
{
    unsigned char high = 0;

    for (; p < end; p++) {
        unsigned char c = (unsigned char)*p;
        if (c < 0x20 || c == '"' || c == '\\')
            break;
        high |= c;
    }
    if (high & 0x80)
        *ascii = false;
    return p;
}

/* Reads a string whose opening quote is next.  *TEXT points into the input or the scratch buffer
 * and holds until the next string. */
static bool read_string(struct reader *r, struct span *text)
{
    const char *open = r->pos++;
    const char *piece = r->pos;
    bool ascii = true, escaped = false;

    for (;;) {
        r->pos = skip_plain(r->pos, r->end, &ascii);
        if (r->pos == r->end)
            return fail_at(r, open, "the string has no end") != NULL;
        if (*r->pos == '"')
            break;
        if (*r->pos != '\\')
            return fail(r, "a control character in a string must be escaped") != NULL;
        if (!escaped)
            buf_clear(&r->scratch);
        escaped = true;
        buf_append(&r->scratch, piece, (size_t)(r->pos - piece));

        const char *escape = r->pos++;
        const char *wrong = read_escape(r);
        if (wrong != NULL)
            return fail_at(r, escape, wrong) != NULL;
        piece = r->pos;
    }
    *text = (struct span){piece, (size_t)(r->pos - piece)};
    if (escaped) {
        buf_append(&r->scratch, piece, text->len);
        *text = buf_span(&r->scratch);
    }
    if (!ascii && !utf8_is_valid(text->ptr, text->len))
        return fail_at(r, open, "the string is not valid UTF-8") != NULL;
    r->pos++;
    return true;
}

static bool skip_digits(struct reader *r)
{
    const char *start = r->pos;

    while (r->pos < r->end && *r->pos >= '0' && *r->pos <= '9')
        r->pos++;
    return r->pos > start;
}

static json_t *make_real(struct reader *r, const char *start)
{
    char text[MAX_NUMBER + 1];
    size_t len = (size_t)(r->pos - start);

    if (len > MAX_NUMBER)
        return fail_at(r, start, "a number of more than 1024 characters");
    memcpy(text, start, len);
    text[len] = '\0';

    json_t *real = json_real(strtod(text, NULL)); /* NULL for infinity */
    return real != NULL ? real : fail_at(r, start, "the number is too large");
}

static json_t *read_number(struct reader *r)
{
    const char *start = r->pos;
    bool negative = next_is(r, '-');
    bool whole = true;
    int64_t value = 0;

    if (negative)
        r->pos++;
    const char *digits = r->pos;
    if (!skip_digits(r))
        return fail(r, "a value is missing or misspelt");
    if (*digits == '0' && r->pos - digits > 1)
        return fail_at(r, digits, "a number has no leading zeros");
    const char *digits_end = r->pos;

    if (next_is(r, '.')) {
        r->pos++;
        whole = false;
        if (!skip_digits(r))
            return fail(r, "digits are missing behind the decimal point");
    }
    if (next_is(r, 'e') || next_is(r, 'E')) {
        r->pos++;
        whole = false;
        if (next_is(r, '+') || next_is(r, '-'))
            r->pos++;
        if (!skip_digits(r))
            return fail(r, "digits are missing in the exponent");
    }
    for (const char *p = digits; whole && p < digits_end; p++) {
        int digit = negative ? '0' - *p : *p - '0';
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, digit, &value))
            whole = false;
    }
    return whole ? json_integer(value) : make_real(r, start);
}

static json_t *read_word(struct reader *r)
{
    size_t left = (size_t)(r->end - r->pos);

    if (left >= 4 && memcmp(r->pos, "true", 4) == 0) {
        r->pos += 4;
        return json_true();
    }
    if (left >= 5 && memcmp(r->pos, "false", 5) == 0) {
        r->pos += 5;
        return json_false();
    }
    if (left >= 4 && memcmp(r->pos, "null", 4) == 0) {
        r->pos += 4;
        return json_null();
    }
    return fail(r, "a value is missing or misspelt");
}

static json_t *read_array(struct reader *r, int depth)
{
    json_auto_t *array = json_array();

    r->pos++;
    skip_space(r);
    if (next_is(r, ']')) {
        r->pos++;
        return steal(&array);
    }
    for (;;) {
        json_t *value = read_value(r, depth);
        if (value == NULL)
            return NULL;
        json_array_append_new(array, value);
        skip_space(r);
        if (next_is(r, ']')) {
            r->pos++;
            return steal(&array);
        }
        if (!next_is(r, ','))
            return fail(r, "',' or ']' is missing");
        r->pos++;
    }
}

/* One `"key": value` of OBJECT. */
static bool read_member(struct reader *r, json_t *object, int depth)
{
    struct span key;
    char small[128];
    CLEANUP(str) char *large = NULL;

    skip_space(r);
    const char *key_start = r->pos;
    if (!next_is(r, '"'))
        return fail(r, "a key in double quotes is missing") != NULL;
    if (!read_string(r, &key))
        return false;
    if (key.ptr == r->scratch.ptr) { /* the value may need the scratch buffer */
        if (key.len <= sizeof(small))
            memcpy(small, key.ptr, key.len);
        else
            large = span_dup(key);
        key.ptr = large != NULL ? large : small;
    }
    skip_space(r);
    if (!next_is(r, ':'))
        return fail(r, "':' is missing behind a key") != NULL;
    r->pos++;

    json_t *value = read_value(r, depth);
    if (value == NULL)
        return false;
    size_t before = json_object_size(object);
    json_object_setn_new_nocheck(object, key.ptr, key.len, value);
    if (json_object_size(object) == before)
        return fail_at(r, key_start, "the key is there twice") != NULL;
    return true;
}

static json_t *read_object(struct reader *r, int depth)
{
    json_auto_t *object = json_object();

    r->pos++;
    skip_space(r);
    if (next_is(r, '}')) {
        r->pos++;
        return steal(&object);
    }
    for (;;) {
        if (!read_member(r, object, depth))
            return NULL;
        skip_space(r);
        if (next_is(r, '}')) {
            r->pos++;
            return steal(&object);
        }
        if (!next_is(r, ','))
            return fail(r, "',' or '}' is missing");
        r->pos++;
    }
}

/* DEPTH counts the arrays and objects around the value. */
static json_t *read_value(struct reader *r, int depth)
{
    struct span text;

    skip_space(r);
    if (r->pos == r->end)
        return fail(r, "");
    switch (*r->pos) {
    case '{':
    case '[':
        if (depth == OBJ_MAX_DEPTH)
            return fail(r, "nested more than 64 deep");
        return *r->pos == '{' ? read_object(r, depth + 1) : read_array(r, depth + 1);
    case '"':
        return read_string(r, &text) ? json_stringn_nocheck(text.ptr, text.len) : NULL;
    case 't':
    case 'f':
    case 'n':
        return read_word(r);
    default:
        return read_number(r);
    }
}

json_t *obj_parse(const char *text, size_t len, struct error **err)
{
    const char *start = text != NULL ? text : ""; /* an empty body may come without a place */
    struct reader r = {.start = start, .pos = start, .end = start + len, .err = err};

    if (len > OBJ_MAX_BYTES) {
        error_set(err, ERROR_INVALID, "%zu bytes of JSON, more than %d", len, OBJ_MAX_BYTES);
        return NULL;
    }
    if (len == 0) {
        error_set(err, ERROR_INVALID, "the text is empty");
        return NULL;
    }
    r.scratch.max = len;

    json_t *value = read_value(&r, 0);
    buf_reset(&r.scratch);
    if (value == NULL)
        return NULL;
    skip_space(&r);
    if (r.pos < r.end) {
        json_decref(value);
        return fail(&r, "there is text behind the value");
    }
    return value;
}
