#include "kube/quantity.h"

#include "base/array.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum {
    MAX_TEXT = 256, /* characters of a quantity */
    NANO_DIGITS = 9,
    MAX_EXPONENT = 36, /* beyond this every value but 0 is at a limit */
};

#define NANO     ((__int128)1000000000)
#define NANO_MAX ((__int128)INT64_MAX * NANO)

/* clang-format off */
static const struct suffix {
    const char *text;
    int power; /* of 10, or of 1024 */
    bool binary;
} suffixes[] = {
    {"", 0, false},   {"n", -9, false}, {"u", -6, false}, {"m", -3, false}, {"k", 3, false},
    {"M", 6, false},  {"G", 9, false},  {"T", 12, false}, {"P", 15, false}, {"E", 18, false},
    {"Ki", 1, true},  {"Mi", 2, true},  {"Gi", 3, true},  {"Ti", 4, true},  {"Pi", 5, true},
    {"Ei", 6, true},
};
/* clang-format on */

/* A number in parts: digits of both sides of the point in one row. */
struct decimal {
    bool negative;
    char digits[MAX_TEXT];
    int count;
    int point; /* digits in front of the point */
};

static const struct suffix *find_suffix(struct span text)
{
    for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++)
        if (span_eq_str(text, suffixes[i].text))
            return &suffixes[i];
    return NULL;
}

/* Cuts sign and digits off *TEXT; false if there are no digits. */
static bool take_decimal(struct span *text, struct decimal *d)
{
    size_t i = 0;
    bool seen_point = false;

    *d = (struct decimal){0};
    if (i < text->len && (text->ptr[i] == '-' || text->ptr[i] == '+'))
        d->negative = text->ptr[i++] == '-';
    for (; i < text->len; i++) {
        char c = text->ptr[i];
        if (c >= '0' && c <= '9')
            d->digits[d->count++] = c;
        else if (c == '.' && !seen_point)
            seen_point = true, d->point = d->count;
        else
            break;
    }
    if (!seen_point)
        d->point = d->count;
    *text = (struct span){text->ptr + i, text->len - i};
    return d->count > 0;
}

/* Reads "e5", "E-3".  False if TEXT is no exponent. */
static bool read_exponent(struct span text, int *exponent)
{
    if (text.len < 2 || (text.ptr[0] != 'e' && text.ptr[0] != 'E'))
        return false;
    bool negative = text.ptr[1] == '-';
    size_t i = text.ptr[1] == '-' || text.ptr[1] == '+' ? 2 : 1;
    int value = 0;

    if (i == text.len)
        return false;
    for (; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return false;
        value = value * 10 + (text.ptr[i] - '0');
        if (value > 1000)
            value = 1000; /* far beyond both limits already */
    }
    *exponent = negative ? -value : value;
    return true;
}

/* VALUE * 10 + DIGIT, staying at NANO_MAX once it is passed. */
static __int128 push_digit(__int128 value, int digit)
{
    value = value * 10 + digit;
    return value > NANO_MAX ? NANO_MAX : value;
}

/* The decimal times 10^EXPONENT in billionths; what is finer is rounded up. */
static __int128 to_nano(const struct decimal *d, int exponent)
{
    int wanted = d->point + exponent + NANO_DIGITS; /* how many digits count */
    __int128 value = 0;
    bool rest = false;

    for (int i = 0; i < d->count; i++) {
        if (i < wanted)
            value = push_digit(value, d->digits[i] - '0');
        else if (d->digits[i] != '0')
            rest = true;
    }
    for (int i = d->count; i < wanted && value > 0 && value < NANO_MAX; i++)
        value = push_digit(value, 0);
    if (rest && value < NANO_MAX)
        value++;
    return value;
}

/* VALUE times 1024^POWER, at most NANO_MAX. */
static __int128 scale_binary(__int128 value, int power)
{
    for (; power > 0; power--) {
        value *= 1024;
        if (value > NANO_MAX)
            return NANO_MAX;
    }
    return value;
}

/* A binary suffix multiplies before billionths are cut off: 0.0000000001Ki is 103 of them. */
static __int128 to_nano_binary(const struct decimal *d, int power)
{
    __int128 whole = 0, fraction = 0, unit = 1;
    int fraction_digits = d->count - d->point;

    for (int i = 0; i < d->point; i++)
        whole = push_digit(whole, d->digits[i] - '0');
    if (fraction_digits > 18)
        fraction_digits = 18;
    for (int i = 0; i < fraction_digits; i++) {
        fraction = fraction * 10 + (d->digits[d->point + i] - '0');
        unit *= 10;
    }
    if (whole > INT64_MAX)
        return NANO_MAX;
    __int128 value = scale_binary(whole * NANO, power);
    __int128 factor = scale_binary(1, power);

    /* fraction < 10^18 and factor <= 2^60: the product needs 120 bits; NANO comes in after. */
    __int128 scaled = fraction * factor;
    value += scaled / unit * NANO + (scaled % unit * NANO + unit - 1) / unit;
    return value > NANO_MAX ? NANO_MAX : value;
}

int quantity_parse(const char *text, size_t len, struct quantity *quantity, struct error **err)
{
    struct span rest = {text, len};
    struct decimal d;
    int exponent = 0;
    __int128 nano;

    if (len > MAX_TEXT)
        return error_set(err, ERROR_INVALID, "a quantity of %zu characters", len);
    if (!take_decimal(&rest, &d))
        return error_set(err, ERROR_INVALID, "\"%.*s\" is not a quantity as in 500m, 1.5 or 10Gi",
                         (int)len, text);

    const struct suffix *suffix = find_suffix(rest);
    if (suffix == NULL && !read_exponent(rest, &exponent))
        return error_set(err, ERROR_INVALID, "unknown unit \"%.*s\" in the quantity \"%.*s\"",
                         (int)rest.len, rest.ptr, (int)len, text);
    if (suffix != NULL && suffix->binary)
        nano = to_nano_binary(&d, suffix->power);
    else
        nano = to_nano(&d, suffix != NULL ? suffix->power : exponent);
    quantity->nano = d.negative ? -nano : nano;
    return 0;
}

int quantity_from_json(const json_t *value, struct quantity *quantity, struct error **err)
{
    char text[40];

    if (json_is_string(value))
        return quantity_parse(json_string_value(value), json_string_length(value), quantity, err);
    if (json_is_integer(value)) {
        quantity->nano = (__int128)json_integer_value(value) * NANO;
        return 0;
    }
    if (!json_is_real(value))
        return error_set(err, ERROR_INVALID, "a quantity is a string or a number");
    snprintf(text, sizeof(text), "%.15g", json_real_value(value));
    return quantity_parse(text, strlen(text), quantity, err);
}

int quantity_to_u64(struct quantity quantity, uint64_t *value, struct error **err)
{
    if (quantity.nano < 0)
        return error_set(err, ERROR_INVALID, "the quantity is negative");
    *value = (uint64_t)((quantity.nano + NANO - 1) / NANO);
    return 0;
}

int quantity_parse_bytes(const char *text, uint64_t *bytes, struct error **err)
{
    struct quantity quantity;

    if (quantity_parse(text, strlen(text), &quantity, err) == -1)
        return -1;
    if (quantity_to_u64(quantity, bytes, err) == -1)
        return error_wrap(err, "\"%s\"", text);
    return 0;
}

int64_t quantity_to_milli(struct quantity quantity)
{
    __int128 unit = NANO / 1000;
    __int128 milli = quantity.nano / unit + (quantity.nano % unit > 0);

    return milli > INT64_MAX ? INT64_MAX : milli < INT64_MIN ? INT64_MIN : (int64_t)milli;
}

int quantity_cmp(struct quantity a, struct quantity b)
{
    return a.nano < b.nano ? -1 : a.nano > b.nano;
}

char *quantity_format_bytes(uint64_t bytes)
{
    const char *units[] = {"", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"};
    size_t unit = 0;

    while (bytes != 0 && bytes % 1024 == 0 && unit + 1 < ARRAY_SIZE(units)) {
        bytes /= 1024;
        unit++;
    }
    return xasprintf("%" PRIu64 "%s", bytes, units[unit]);
}
