/* sprintf: Go's fmt on the values that OPA hands to it.
 *
 * Whole numbers are ints, other numbers are doubles, text is text; everything else is its Rego
 * notation, a text as well. */
#include "lang/rego/builtins_table.h"
#include "lang/rego/json.h"
#include "lang/rego/number.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { WIDTH_MAX = 1000000 };

struct directive {
    bool minus, plus, sharp, space, zero;
    bool has_width, has_precision;
    int width, precision;
    char verb[5]; /* one character */
};

struct printer {
    struct builtin_call *call;
    struct buf *out;
    const struct rval *args;
    uint32_t next;
    bool reordered;
};

static bool is_double(const struct rval *v)
{
    if (v->type != RVAL_NUMBER || v->is_int)
        return false;
    return strspn(v->number->text + (v->number->text[0] == '-'), "0123456789") +
               (v->number->text[0] == '-') <
           v->len;
}

/* A double as Go's %v: shortest digits, exponent form from 1e21 on. */
static void add_double(struct buf *out, double value)
{
    char digits[32];
    int exponent = 0;
    if (value == 0) {
        buf_add(out, signbit(value) ? "-0" : "0");
        return;
    }
    rnum_shortest((long double)value, true, digits, &exponent);
    int count = (int)strlen(digits);
    if (value < 0)
        buf_add_char(out, '-');
    if (exponent < -4 || exponent >= 21) {
        buf_printf(out, "%c%s%se%c%02d", digits[0], digits[1] != '\0' ? "." : "", digits + 1,
                   exponent < 0 ? '-' : '+', abs(exponent));
    } else if (exponent < 0) {
        buf_add(out, "0.");
        for (int i = exponent + 1; i < 0; i++)
            buf_add_char(out, '0');
        buf_add(out, digits);
    } else if (count <= exponent + 1) {
        buf_add(out, digits);
        for (int i = count; i < exponent + 1; i++)
            buf_add_char(out, '0');
    } else {
        buf_printf(out, "%.*s.%s", exponent + 1, digits, digits + exponent + 1);
    }
}

static void add_plain(struct buf *out, const struct rval *v)
{
    if (v->type == RVAL_STRING)
        buf_append(out, v->string, v->len);
    else if (is_double(v))
        add_double(out, (double)v->number->value);
    else
        rjson_write(out, v, RJSON_REGO);
}

/* Puts TEXT into the field of the directive. */
static void pad(struct printer *p, const struct directive *d, struct span text)
{
    int64_t chars = 0;
    for (size_t i = 0; i < text.len; i++)
        chars += ((unsigned char)text.ptr[i] & 0xC0) != 0x80;
    int64_t fill = d->has_width && d->width > chars ? d->width - chars : 0;
    if (d->minus) {
        buf_add_span(p->out, text);
        for (; fill > 0; fill--)
            buf_add_char(p->out, ' ');
        return;
    }
    if (d->zero && text.len > 0 && (text.ptr[0] == '-' || text.ptr[0] == '+')) {
        buf_add_char(p->out, text.ptr[0]);
        text.ptr++;
        text.len--;
    }
    for (; fill > 0; fill--)
        buf_add_char(p->out, d->zero ? '0' : ' ');
    buf_add_span(p->out, text);
}

static void add_bad(struct printer *p, const struct directive *d, const struct rval *v)
{
    CLEANUP(buf) struct buf text = BUF_INIT(1024 * 1024);
    const char *type = v->type != RVAL_NUMBER ? "string" : is_double(v) ? "float64" : "int";
    struct directive plain = *d;
    if (v->type == RVAL_NUMBER && !is_double(v) && !v->is_int)
        type = "*big.Int";
    add_plain(&text, v);
    buf_printf(p->out, "%%!%s(%s=", d->verb, type);
    plain.has_precision = false;
    if (v->type == RVAL_NUMBER && !is_double(v) && d->plus && v->is_int && v->integer >= 0)
        buf_add_char(p->out, '+');
    pad(p, &plain, buf_span(&text));
    buf_add_char(p->out, ')');
}

static void add_integer(struct printer *p, const struct directive *d, const struct rval *v)
{
    mpz_t value;
    CLEANUP(buf) struct buf text = BUF_INIT(64 * 1024);
    char verb = d->verb[0];
    int base = verb == 'b'                  ? 2
               : verb == 'o' || verb == 'O' ? 8
               : verb == 'x'                ? 16
               : verb == 'X'                ? -16
                                            : 10;
    mpz_init(value);
    if (rnum_to_mpz(v, value)) {
        char *digits = mpz_get_str(NULL, base, value);
        const char *body = digits + (digits[0] == '-');
        if (digits[0] == '-')
            buf_add_char(&text, '-');
        else if (d->plus || d->space)
            buf_add_char(&text, d->plus ? '+' : ' ');
        if (d->sharp || verb == 'O')
            buf_add(&text, verb == 'x'   ? "0x"
                           : verb == 'X' ? "0X"
                           : verb == 'b' ? "0b"
                           : verb == 'O' ? "0o"
                           : verb == 'o' ? "0"
                                         : "");
        for (int i = (int)strlen(body); d->has_precision && i < d->precision; i++)
            buf_add_char(&text, '0');
        buf_add(&text, body);
        free(digits);
    }
    mpz_clear(value);
    struct directive field = *d;
    field.zero = d->zero && !d->has_precision;
    pad(p, &field, buf_span(&text));
}

static void add_float(struct printer *p, const struct directive *d, const struct rval *v)
{
    CLEANUP(buf) struct buf text = BUF_INIT(1024 * 1024);
    double value = (double)v->number->value;
    char verb = d->verb[0] == 'F' ? 'f' : d->verb[0];
    if ((d->plus || d->space) && value >= 0)
        buf_add_char(&text, d->plus ? '+' : ' ');
    if (verb == 'v' || ((verb == 'g' || verb == 'G') && !d->has_precision)) {
        add_double(&text, value);
    } else {
        int precision = d->has_precision ? d->precision : 6;
        char small[512];
        /* The format is one of four literals that differ in the verb. */
        int len = verb == 'f'   ? snprintf(small, sizeof(small), "%.*f", precision, value)
                  : verb == 'e' ? snprintf(small, sizeof(small), "%.*e", precision, value)
                  : verb == 'E' ? snprintf(small, sizeof(small), "%.*E", precision, value)
                                : snprintf(small, sizeof(small), "%.*g", precision, value);
        buf_append(&text, small, len < (int)sizeof(small) ? (size_t)len : sizeof(small) - 1);
    }
    pad(p, d, buf_span(&text));
}

static void add_text(struct printer *p, const struct directive *d, const struct rval *v)
{
    CLEANUP(buf) struct buf plain = BUF_INIT(16 * 1024 * 1024);
    CLEANUP(buf) struct buf text = BUF_INIT(64 * 1024 * 1024);
    add_plain(&plain, v);
    struct span s = buf_span(&plain);
    char verb = d->verb[0];
    if (d->has_precision && verb != 'x' && verb != 'X') {
        size_t end = 0;
        for (int chars = 0; end < s.len; end++)
            if (((unsigned char)s.ptr[end] & 0xC0) != 0x80 && chars++ == d->precision)
                break;
        s.len = end;
    }
    if (verb == 'q') {
        rjson_write_string(&text, s.ptr, s.len, false);
        s = buf_span(&text);
    } else if (verb == 'x' || verb == 'X') {
        for (size_t i = 0; i < s.len; i++)
            buf_printf(&text, verb == 'x' ? "%02x" : "%02X", (unsigned char)s.ptr[i]);
        s = buf_span(&text);
    }
    struct directive field = *d;
    field.zero = d->zero && !d->minus;
    pad(p, &field, s);
}

static void add_value(struct printer *p, const struct directive *d, const struct rval *v)
{
    char verb = d->verb[0];
    bool number = v->type == RVAL_NUMBER;
    if (d->verb[1] != '\0') {
        add_bad(p, d, v);
    } else if (verb == 'T') {
        pad(p, d,
            span_of(!number        ? "string"
                    : is_double(v) ? "float64"
                    : v->is_int    ? "int"
                                   : "*big.Int"));
    } else if (number && is_double(v)) {
        if (strchr("vgGeEfF", verb) != NULL)
            add_float(p, d, v);
        else
            add_bad(p, d, v);
    } else if (number) {
        if (strchr("vdboOxX", verb) != NULL)
            add_integer(p, d, v);
        else if (verb == 'c' && v->is_int && v->integer >= 0 && v->integer < 0x80) {
            char c = (char)v->integer;
            pad(p, d, (struct span){&c, 1});
        } else
            add_bad(p, d, v);
    } else if (strchr("vsqxX", verb) != NULL) {
        add_text(p, d, v);
    } else {
        add_bad(p, d, v);
    }
}

/* "[n]" in front of a verb or a star; false if it is bad. */
static bool take_index(struct printer *p, struct span *f)
{
    if (f->len == 0 || f->ptr[0] != '[')
        return true;
    size_t i = 1;
    uint32_t n = 0;
    for (; i < f->len && f->ptr[i] >= '0' && f->ptr[i] <= '9' && n < 100000; i++)
        n = n * 10 + (uint32_t)(f->ptr[i] - '0');
    if (i >= f->len || f->ptr[i] != ']' || n == 0)
        return false;
    p->reordered = true;
    p->next = n - 1;
    f->ptr += i + 1;
    f->len -= i + 1;
    return true;
}

static bool take_number(struct printer *p, struct span *f, int *value)
{
    *value = 0;
    if (f->len > 0 && f->ptr[0] == '*') {
        f->ptr++;
        f->len--;
        int64_t n = 0;
        if (p->next >= p->args->len || p->args->items[p->next]->type != RVAL_NUMBER ||
            !rnum_int64(p->args->items[p->next], &n))
            return false;
        p->next++;
        *value = n > WIDTH_MAX ? WIDTH_MAX : (int)n;
        return true;
    }
    bool any = false;
    for (; f->len > 0 && f->ptr[0] >= '0' && f->ptr[0] <= '9'; f->ptr++, f->len--) {
        any = true;
        if (*value < WIDTH_MAX)
            *value = *value * 10 + (f->ptr[0] - '0');
    }
    return any;
}

static void take_flags(struct span *f, struct directive *d)
{
    for (; f->len > 0; f->ptr++, f->len--) {
        if (f->ptr[0] == '-')
            d->minus = true;
        else if (f->ptr[0] == '+')
            d->plus = true;
        else if (f->ptr[0] == '#')
            d->sharp = true;
        else if (f->ptr[0] == ' ')
            d->space = true;
        else if (f->ptr[0] == '0')
            d->zero = true;
        else
            return;
    }
}

static void print_directive(struct printer *p, struct span *f)
{
    struct directive d = {0};
    take_flags(f, &d);
    bool good = take_index(p, f);
    d.has_width = take_number(p, f, &d.width);
    if (d.width < 0) {
        d.minus = true;
        d.width = -d.width;
    }
    if (f->len > 0 && f->ptr[0] == '.') {
        f->ptr++;
        f->len--;
        d.has_precision = true;
        good = good && take_index(p, f);
        take_number(p, f, &d.precision);
    }
    good = good && take_index(p, f);
    if (f->len == 0) {
        buf_add(p->out, "%!(NOVERB)");
        return;
    }
    size_t n = (unsigned char)f->ptr[0] < 0x80   ? 1
               : (unsigned char)f->ptr[0] < 0xE0 ? 2
               : (unsigned char)f->ptr[0] < 0xF0 ? 3
                                                 : 4;
    memcpy(d.verb, f->ptr, n < f->len ? n : f->len);
    f->ptr += n;
    f->len -= n;
    if (d.verb[0] == '%')
        buf_add_char(p->out, '%');
    else if (!good)
        buf_printf(p->out, "%%!%s(BADINDEX)", d.verb);
    else if (p->next >= p->args->len)
        buf_printf(p->out, p->reordered ? "%%!%s(BADINDEX)" : "%%!%s(MISSING)", d.verb);
    else
        add_value(p, &d, p->args->items[p->next++]);
}

BUILTIN(string_sprintf)
{
    CLEANUP(buf) struct buf out = BUF_INIT(16 * 1024 * 1024);
    struct printer p = {call, &out, args[1], 0, false};
    struct span f = {args[0]->string, args[0]->len};
    while (f.len > 0 && !out.full) {
        const char *percent = (const char *)memchr(f.ptr, '%', f.len);
        size_t plain = percent != NULL ? (size_t)(percent - f.ptr) : f.len;
        buf_append(&out, f.ptr, plain);
        f.ptr += plain;
        f.len -= plain;
        if (f.len == 0)
            break;
        f.ptr++;
        f.len--;
        print_directive(&p, &f);
    }
    if (!p.reordered && p.next < args[1]->len) {
        buf_add(&out, "%!(EXTRA ");
        for (uint32_t i = p.next; i < args[1]->len; i++) {
            const struct rval *v = args[1]->items[i];
            buf_printf(&out, "%s%s=", i > p.next ? ", " : "",
                       v->type != RVAL_NUMBER ? "string"
                       : is_double(v)         ? "float64"
                                              : "int");
            add_plain(&out, v);
        }
        buf_add_char(&out, ')');
    }
    if (out.full)
        return builtin_fail(call, "the result is too long");
    return rval_string(call->arena, out.ptr, out.len);
}
