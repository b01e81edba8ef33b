#include "lang/rego/number.h"

#include "base/mem.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* RFC 8259 section 6. */
static bool is_json_number(const char *text, size_t len, bool *whole)
{
    size_t i = 0;
    if (i < len && text[i] == '-')
        i++;
    if (i >= len || !is_digit(text[i]))
        return false;
    if (text[i] == '0')
        i++;
    else
        while (i < len && is_digit(text[i]))
            i++;
    *whole = i == len;
    if (i < len && text[i] == '.') {
        if (++i >= len || !is_digit(text[i]))
            return false;
        while (i < len && is_digit(text[i]))
            i++;
    }
    if (i < len && (text[i] == 'e' || text[i] == 'E')) {
        i++;
        if (i < len && (text[i] == '+' || text[i] == '-'))
            i++;
        if (i >= len || !is_digit(text[i]))
            return false;
        while (i < len && is_digit(text[i]))
            i++;
    }
    return i == len;
}

static const struct rval *new_number(struct arena *arena, long double value, const char *text,
                                     size_t len)
{
    struct rval_number *number =
        (struct rval_number *)arena_alloc(arena, sizeof(*number) + len + 1);
    number->value = value;
    memcpy(number->text, text, len);
    number->text[len] = '\0';
    struct rval *v = (struct rval *)arena_alloc(arena, sizeof(*v));
    *v = (struct rval){.type = RVAL_NUMBER, .len = (uint32_t)len, .number = number};
    return v;
}

const struct rval *rnum_parse(struct arena *arena, const char *text, size_t len)
{
    bool whole = false;
    if (len > RNUM_TEXT_MAX || !is_json_number(text, len, &whole))
        return NULL;
    bool negative = text[0] == '-';
    if (whole && len <= 18 + (size_t)negative && !(negative && text[1] == '0')) {
        int64_t value = 0;
        for (size_t i = negative; i < len; i++)
            value = value * 10 + (text[i] - '0');
        return rval_int(arena, negative ? -value : value);
    }
    char *copy = xstrndup(text, len);
    long double value = strtold(copy, NULL);
    free(copy);
    if (whole && !(negative && text[1] == '0') && value >= -0x1p63L && value < 0x1p63L)
        return rval_int(arena, (int64_t)value);
    return new_number(arena, value, text, len);
}

const char *rnum_text(const struct rval *v, char buf[RNUM_INT_TEXT], size_t *len)
{
    if (!v->is_int) {
        *len = v->len;
        return v->number->text;
    }
    char *end = buf + RNUM_INT_TEXT;
    char *p = end;
    uint64_t rest = v->integer < 0 ? 0 - (uint64_t)v->integer : (uint64_t)v->integer;
    *--p = '\0';
    do {
        *--p = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    if (v->integer < 0)
        *--p = '-';
    *len = (size_t)(end - 1 - p);
    return p;
}

long double rnum_value(const struct rval *v)
{
    return v->is_int ? (long double)v->integer : v->number->value;
}

void rnum_shortest(long double value, bool as_double, char digits[32], int *exponent)
{
    char text[64];
    int precision = as_double ? 15 : 18;

    /* Fewer digits are tried only if that many suffice; most results are short. */
    for (int p = 1; p < 22; p++) {
        snprintf(text, sizeof(text), "%.*Le", p - 1, value);
        bool same = as_double ? strtod(text, NULL) == (double)value : strtold(text, NULL) == value;
        if (same)
            break;
        if (p == 6) { /* not short: go on where the answer is */
            snprintf(text, sizeof(text), "%.*Le", precision - 1, value);
            bool enough =
                as_double ? strtod(text, NULL) == (double)value : strtold(text, NULL) == value;
            if (!enough)
                p = precision - 1;
        }
    }
    size_t n = 0;
    const char *p = text;
    for (; *p != '\0' && *p != 'e'; p++)
        if (is_digit(*p))
            digits[n++] = *p;
    while (n > 1 && digits[n - 1] == '0')
        n--;
    digits[n] = '\0';
    *exponent = *p == 'e' ? (int)strtol(p + 1, NULL, 10) : 0;
}

static const struct rval *format_integral(struct arena *arena, long double value,
                                          const char *digits, int exponent)
{
    size_t count = strlen(digits);
    size_t len = (size_t)exponent + 1;
    char *text = (char *)xmalloc(len + 3);
    char *p = text;
    if (value < 0)
        *p++ = '-';
    memset(p, '0', len);
    memcpy(p, digits, count < len ? count : len);
    p[len] = '\0';
    const struct rval *v = new_number(arena, value, text, strlen(text));
    free(text);
    return v;
}

const struct rval *rnum_from_value(struct arena *arena, long double value)
{
    if (!isfinite(value))
        return NULL;
    bool integral = truncl(value) == value;
    if (integral && value >= -0x1p63L && value < 0x1p63L)
        return rval_int(arena, (int64_t)value);

    char digits[32];
    int exponent = 0;
    rnum_shortest(value, false, digits, &exponent);
    if (integral)
        return format_integral(arena, value, digits, exponent);

    char text[96];
    const char *sign = value < 0 ? "-" : "";
    if (exponent < -4 || exponent >= 6) {
        snprintf(text, sizeof(text), "%s%c%s%se%c%02d", sign, digits[0],
                 digits[1] != '\0' ? "." : "", digits + 1, exponent < 0 ? '-' : '+', abs(exponent));
    } else if (exponent < 0) {
        static const char zeros[] = "0000";
        snprintf(text, sizeof(text), "%s0.%.*s%s", sign, -exponent - 1, zeros, digits);
    } else {
        snprintf(text, sizeof(text), "%s%.*s.%s", sign, exponent + 1, digits,
                 digits + exponent + 1);
    }
    return new_number(arena, value, text, strlen(text));
}

bool rnum_is_integral(const struct rval *v)
{
    return v->is_int ||
           (isfinite(v->number->value) && truncl(v->number->value) == v->number->value);
}

bool rnum_int64(const struct rval *v, int64_t *out)
{
    if (v->is_int) {
        *out = v->integer;
        return true;
    }
    long double value = v->number->value;
    if (!(value >= -0x1p63L && value < 0x1p63L) || truncl(value) != value)
        return false;
    *out = (int64_t)value;
    return true;
}

const struct rval *rnum_plus(struct arena *arena, const struct rval *a, const struct rval *b)
{
    int64_t sum;
    if (a->is_int && b->is_int && !__builtin_add_overflow(a->integer, b->integer, &sum))
        return rval_int(arena, sum);
    return rnum_from_value(arena, rnum_value(a) + rnum_value(b));
}

const struct rval *rnum_minus(struct arena *arena, const struct rval *a, const struct rval *b)
{
    int64_t sum;
    if (a->is_int && b->is_int && !__builtin_sub_overflow(a->integer, b->integer, &sum))
        return rval_int(arena, sum);
    return rnum_from_value(arena, rnum_value(a) - rnum_value(b));
}

const struct rval *rnum_times(struct arena *arena, const struct rval *a, const struct rval *b)
{
    int64_t product;
    if (a->is_int && b->is_int && !__builtin_mul_overflow(a->integer, b->integer, &product))
        return rval_int(arena, product);
    return rnum_from_value(arena, rnum_value(a) * rnum_value(b));
}

const struct rval *rnum_divide(struct arena *arena, const struct rval *a, const struct rval *b)
{
    if (a->is_int && b->is_int && b->integer > 0 && a->integer % b->integer == 0)
        return rval_int(arena, a->integer / b->integer);
    long double divisor = rnum_value(b);
    return divisor == 0 ? NULL : rnum_from_value(arena, rnum_value(a) / divisor);
}

bool rnum_to_mpz(const struct rval *v, mpz_t out)
{
    if (v->is_int) {
        char buf[RNUM_INT_TEXT];
        size_t len;
        return mpz_set_str(out, rnum_text(v, buf, &len), 10) == 0;
    }
    if (!rnum_is_integral(v))
        return false;
    if (strspn(v->number->text + (v->number->text[0] == '-'), "0123456789") + 1 >= v->len)
        return mpz_set_str(out, v->number->text, 10) == 0;
    /* Written with a point or an exponent: the digits of its value. */
    char *text = NULL;
    if (asprintf(&text, "%.0Lf", v->number->value) < 0)
        return false;
    bool ok = mpz_set_str(out, text, 10) == 0;
    free(text);
    return ok;
}

const struct rval *rnum_from_mpz(struct arena *arena, const mpz_t value)
{
    char *text = mpz_get_str(NULL, 10, value);
    const struct rval *v = rnum_parse(arena, text, strlen(text));
    free(text);
    return v;
}
