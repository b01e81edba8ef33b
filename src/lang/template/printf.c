/* Go's fmt.Printf for the kinds of values that templates have. */
#include "lang/template/tree.h"

#include "lang/utf8.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WIDTH_MAX = 10000, NUMBER_TEXT = 512 };

struct spec {
    bool minus, plus, space, zero, sharp;
    bool has_width, has_precision, wrong_index;
    int width, precision;
};

struct printer {
    struct span rest; /* of the format */
    const struct value *args;
    size_t count, next;
    bool reordered;
    struct buf *out;
};

static void pad(struct buf *out, const struct spec *spec, struct span text, size_t width)
{
    size_t fill = spec->has_width && (size_t)spec->width > width ? (size_t)spec->width - width : 0;
    char with = spec->zero && !spec->minus ? '0' : ' ';

    if (!spec->minus)
        for (size_t i = 0; i < fill; i++)
            buf_add_char(out, with);
    buf_add_span(out, text);
    if (spec->minus)
        for (size_t i = 0; i < fill; i++)
            buf_add_char(out, ' ');
}

static size_t count_chars(struct span text)
{
    size_t count = 0, size;

    for (size_t at = 0; at < text.len; at += size, count++)
        utf8_decode(text.ptr + at, text.len - at, &size);
    return count;
}

static struct span cut_chars(struct span text, size_t max)
{
    size_t at = 0, size;

    for (size_t count = 0; at < text.len && count < max; at += size, count++)
        utf8_decode(text.ptr + at, text.len - at, &size);
    return (struct span){text.ptr, at};
}

static void print_text(struct printer *p, const struct spec *spec, struct span text)
{
    if (spec->has_precision)
        text = cut_chars(text, (size_t)spec->precision);
    pad(p->out, spec, text, count_chars(text));
}

/* A sign, zeros and digits; zero padding goes between sign and digits. */
static void print_number(struct printer *p, const struct spec *spec, bool negative,
                         const char *prefix, const char *digits)
{
    char text[NUMBER_TEXT];
    const char *sign = negative ? "-" : spec->plus ? "+" : spec->space ? " " : "";
    int zeros = spec->has_precision ? spec->precision - (int)strlen(digits) : 0;

    if (zeros < 0)
        zeros = 0;
    if (spec->zero && !spec->minus && !spec->has_precision && spec->has_width) {
        int used = (int)(strlen(sign) + strlen(prefix) + strlen(digits));
        zeros = spec->width > used ? spec->width - used : 0;
    }
    if (zeros > NUMBER_TEXT / 2)
        zeros = NUMBER_TEXT / 2;
    int len = snprintf(text, sizeof(text), "%s%s%0*d%s", sign, prefix, zeros, 0, digits);
    if (zeros == 0)
        len = snprintf(text, sizeof(text), "%s%s%s", sign, prefix, digits);
    struct spec blanks = *spec;
    blanks.zero = false;
    pad(p->out, &blanks, (struct span){text, (size_t)len}, (size_t)len);
}

static void to_base(uint64_t value, unsigned base, bool upper, char digits[70])
{
    const char *set = upper ? "0123456789ABCDEF" : "0123456789abcdef";
    char reversed[70];
    size_t len = 0;

    do {
        reversed[len++] = set[value % base];
        value /= base;
    } while (value > 0);
    for (size_t i = 0; i < len; i++)
        digits[i] = reversed[len - 1 - i];
    digits[len] = '\0';
}

/* "..." in Go's syntax. */
static void quote(struct buf *out, struct span text, char mark)
{
    static const char from[] = "\a\b\f\n\r\t\v\\";
    static const char to[] = "abfnrtv\\";
    size_t size;

    buf_add_char(out, mark);
    for (size_t at = 0; at < text.len; at += size) {
        uint32_t c = utf8_decode(text.ptr + at, text.len - at, &size);
        const char *found = c != 0 && c < 0x80 ? strchr(from, (int)c) : NULL;

        if (found != NULL)
            buf_printf(out, "\\%c", to[found - from]);
        else if (c == (uint32_t)(unsigned char)mark)
            buf_printf(out, "\\%c", mark);
        else if (c == UTF8_WRONG && size == 1)
            buf_printf(out, "\\x%02x", (unsigned char)text.ptr[at]);
        else if (utf8_is_print(c))
            buf_append(out, text.ptr + at, size);
        else if (c < 0x80)
            buf_printf(out, "\\x%02x", c);
        else
            buf_printf(out, c < 0x10000 ? "\\u%04x" : "\\U%08x", c);
    }
    buf_add_char(out, mark);
}

static void print_quoted(struct printer *p, const struct spec *spec, struct span text, char mark)
{
    CLEANUP(buf) struct buf quoted = BUF_INIT(TEMPLATE_MAX_OUTPUT);

    quote(&quoted, text, mark);
    pad(p->out, spec, buf_span(&quoted), count_chars(buf_span(&quoted)));
}

static void print_hex_text(struct printer *p, const struct spec *spec, struct span text, bool upper)
{
    CLEANUP(buf) struct buf hex = BUF_INIT(TEMPLATE_MAX_OUTPUT);

    for (size_t i = 0; i < text.len; i++) {
        if (spec->space && i > 0)
            buf_add_char(&hex, ' ');
        buf_printf(&hex, upper ? "%02X" : "%02x", (unsigned char)text.ptr[i]);
    }
    pad(p->out, spec, buf_span(&hex), hex.len);
}

static void print_char(struct printer *p, const struct spec *spec, int64_t code, char verb)
{
    CLEANUP(buf) struct buf text = BUF_INIT(64);
    uint32_t c = code < 0 || code > 0x10ffff || (code >= 0xd800 && code < 0xe000) ? UTF8_WRONG
                                                                                  : (uint32_t)code;

    if (verb == 'U') {
        buf_printf(&text, "U+%04" PRIX64, (uint64_t)code);
        pad(p->out, spec, buf_span(&text), text.len);
        return;
    }
    utf8_add(&text, c);
    if (verb == 'q')
        print_quoted(p, spec, buf_span(&text), '\'');
    else
        pad(p->out, spec, buf_span(&text), 1);
}

static bool print_int(struct printer *p, const struct spec *spec, int64_t value, char verb)
{
    uint64_t size = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    unsigned base = verb == 'b'                  ? 2
                    : verb == 'o' || verb == 'O' ? 8
                    : verb == 'x' || verb == 'X' ? 16
                                                 : 10;
    char digits[70];
    const char *prefix = "";

    if (strchr("cqU", verb) != NULL) {
        print_char(p, spec, value, verb);
        return true;
    }
    if (strchr("vdboOxX", verb) == NULL)
        return false;
    to_base(size, base, verb == 'X', digits);
    if (spec->sharp && base != 10)
        prefix = base == 2 ? "0b" : base == 8 ? "0" : verb == 'X' ? "0X" : "0x";
    if (verb == 'O')
        prefix = "0o";
    print_number(p, spec, value < 0, prefix, digits);
    return true;
}

static bool print_float(struct printer *p, const struct spec *spec, double value, char verb)
{
    char digits[NUMBER_TEXT];
    CLEANUP(buf) struct buf plain = BUF_INIT(NUMBER_TEXT);
    double size = fabs(value);
    int precision = spec->has_precision ? spec->precision : 6;

    if (strchr("veEfFgG", verb) == NULL)
        return false;
    if (precision > 100)
        precision = 100;
    if ((verb == 'v' || verb == 'g' || verb == 'G') && !spec->has_precision) {
        value_print_float(size, &plain);
        snprintf(digits, sizeof(digits), "%s", plain.ptr);
    } else {
        char format[8] = {'%', '.', '*', verb == 'v' ? 'g' : verb == 'F' ? 'f' : verb, '\0'};
        /* the verb is one of those above */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        snprintf(digits, sizeof(digits), format, precision, size);
#pragma GCC diagnostic pop
    }
    struct spec number = *spec;
    number.has_precision = false;
    print_number(p, &number, signbit(value) != 0, "", digits);
    return true;
}

static bool print_string(struct printer *p, const struct spec *spec, struct span text, char verb)
{
    switch (verb) {
    case 'v':
    case 's':
        print_text(p, spec, text);
        return true;
    case 'q':
        print_quoted(p, spec, spec->has_precision ? cut_chars(text, (size_t)spec->precision) : text,
                     '"');
        return true;
    case 'x':
    case 'X':
        print_hex_text(p, spec, text, verb == 'X');
        return true;
    default:
        return false;
    }
}

static void print_bad_verb(struct printer *p, const struct value *value, struct span verb)
{
    buf_printf(p->out, "%%!%.*s(", (int)verb.len, verb.ptr);
    if (value->kind == VALUE_NONE || value->kind == VALUE_NIL) {
        buf_add(p->out, "<nil>");
    } else {
        buf_printf(p->out, "%s=", value_type(value));
        value_print(value, p->out);
    }
    buf_add_char(p->out, ')');
}

static void print_value(struct printer *p, const struct spec *spec, const struct value *value,
                        struct span verb)
{
    bool done = false;

    if (verb.len == 1 && verb.ptr[0] == 'T') {
        print_text(p, spec, span_of(value_type(value)));
        return;
    }
    if (verb.len == 1) {
        char v = verb.ptr[0];
        CLEANUP(buf) struct buf text = BUF_INIT(TEMPLATE_MAX_OUTPUT);

        switch (value->kind) {
        case VALUE_BOOL:
            done = v == 'v' || v == 't';
            if (done)
                print_text(p, spec, span_of(value->b ? "true" : "false"));
            break;
        case VALUE_INT:
            done = print_int(p, spec, value->i, v);
            break;
        case VALUE_FLOAT:
            done = print_float(p, spec, value->f, v);
            break;
        case VALUE_TEXT:
            done = print_string(p, spec, value->text, v);
            break;
        case VALUE_NONE:
        case VALUE_NIL:
        case VALUE_LIST:
        case VALUE_MAP:
            done = v == 'v';
            if (done) {
                value_print(value, &text);
                pad(p->out, spec, buf_span(&text), count_chars(buf_span(&text)));
            }
            break;
        }
    }
    if (!done)
        print_bad_verb(p, value, verb);
}

/* Cuts digits off the format; -1 if there are none or too many. */
static int take_number(struct printer *p, bool *found)
{
    int number = 0;

    *found = false;
    while (p->rest.len > 0 && p->rest.ptr[0] >= '0' && p->rest.ptr[0] <= '9') {
        number = number * 10 + (p->rest.ptr[0] - '0');
        if (number > WIDTH_MAX)
            number = WIDTH_MAX;
        p->rest = (struct span){p->rest.ptr + 1, p->rest.len - 1};
        *found = true;
    }
    return number;
}

static bool take_char(struct printer *p, char c)
{
    if (p->rest.len == 0 || p->rest.ptr[0] != c)
        return false;
    p->rest = (struct span){p->rest.ptr + 1, p->rest.len - 1};
    return true;
}

/* "[n]": the next argument is the n-th. */
static void take_index(struct printer *p, struct spec *spec)
{
    bool found;

    if (p->rest.len == 0 || p->rest.ptr[0] != '[')
        return;
    p->reordered = true;
    const char *close = memchr(p->rest.ptr, ']', p->rest.len);
    if (close == NULL) {
        spec->wrong_index = true;
        take_char(p, '[');
        return;
    }
    take_char(p, '[');
    int number = take_number(p, &found);
    spec->wrong_index = !found || p->rest.ptr != close || number < 1 || (size_t)number > p->count;
    p->rest = (struct span){close + 1, p->rest.len - (size_t)(close + 1 - p->rest.ptr)};
    if (!spec->wrong_index)
        p->next = (size_t)number - 1;
}

static void take_flags(struct printer *p, struct spec *spec)
{
    for (;;) {
        if (take_char(p, '-'))
            spec->minus = true;
        else if (take_char(p, '+'))
            spec->plus = true;
        else if (take_char(p, ' '))
            spec->space = true;
        else if (take_char(p, '0'))
            spec->zero = true;
        else if (take_char(p, '#'))
            spec->sharp = true;
        else
            return;
    }
}

/* A number, or '*' for the next argument.  WHAT is said of an argument that is no number. */
static int take_size(struct printer *p, bool *found, const char *what)
{
    if (!take_char(p, '*'))
        return take_number(p, found);
    const struct value *arg = p->next < p->count ? &p->args[p->next++] : NULL;
    *found = arg != NULL && arg->kind == VALUE_INT && arg->i >= -WIDTH_MAX && arg->i <= WIDTH_MAX;
    if (!*found)
        buf_printf(p->out, "%%!(%s)", what);
    return *found ? (int)arg->i : 0;
}

static void take_sizes(struct printer *p, struct spec *spec)
{
    spec->width = take_size(p, &spec->has_width, "BADWIDTH");
    if (spec->has_width && spec->width < 0) {
        spec->minus = true;
        spec->width = -spec->width;
    }
    if (!take_char(p, '.'))
        return;
    take_index(p, spec);
    spec->precision = take_size(p, &spec->has_precision, "BADPREC");
    if (spec->precision < 0)
        spec->has_precision = false;
    else
        spec->has_precision = true; /* "%.d" has a precision of 0 */
}

/* Behind a '%'. */
static void print_directive(struct printer *p)
{
    struct spec spec = {0};
    size_t size;

    take_flags(p, &spec);
    take_index(p, &spec);
    take_sizes(p, &spec);
    take_index(p, &spec);
    if (p->rest.len == 0) {
        buf_add(p->out, "%!(NOVERB)");
        return;
    }
    utf8_decode(p->rest.ptr, p->rest.len, &size);
    struct span verb = {p->rest.ptr, size};
    p->rest = (struct span){p->rest.ptr + size, p->rest.len - size};
    if (span_eq_str(verb, "%"))
        buf_add_char(p->out, '%');
    else if (spec.wrong_index)
        buf_printf(p->out, "%%!%.*s(BADINDEX)", (int)verb.len, verb.ptr);
    else if (p->next >= p->count)
        buf_printf(p->out, "%%!%.*s(MISSING)", (int)verb.len, verb.ptr);
    else
        print_value(p, &spec, &p->args[p->next++], verb);
}

static void print_extra(struct printer *p)
{
    buf_add(p->out, "%!(EXTRA ");
    for (size_t i = p->next; i < p->count; i++) {
        const struct value *value = &p->args[i];

        if (i > p->next)
            buf_add(p->out, ", ");
        buf_add(p->out, value_type(value));
        if (value->kind != VALUE_NONE && value->kind != VALUE_NIL) {
            buf_add_char(p->out, '=');
            value_print(value, p->out);
        }
    }
    buf_add_char(p->out, ')');
}

void template_printf(struct span format, const struct value *args, size_t count, struct buf *out)
{
    struct printer p = {.rest = format, .args = args, .count = count, .out = out};

    while (p.rest.len > 0 && !out->full) {
        const char *percent = memchr(p.rest.ptr, '%', p.rest.len);
        size_t plain = percent != NULL ? (size_t)(percent - p.rest.ptr) : p.rest.len;

        buf_append(out, p.rest.ptr, plain);
        p.rest = (struct span){p.rest.ptr + plain, p.rest.len - plain};
        if (take_char(&p, '%'))
            print_directive(&p);
    }
    if (!p.reordered && p.next < p.count)
        print_extra(&p);
}
