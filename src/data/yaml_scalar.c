#include "data/yaml_scalar.h"

#include "base/array.h"
#include "base/text.h"

#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_NUMBER = 64 }; /* characters; longer ones are text */

/* clang-format off */
static const char *const nulls[] = {"", "~", "null", "Null", "NULL"};
static const char *const trues[] = {"y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE",
                                    "on", "On", "ON"};
static const char *const falses[] = {"n", "N", "no", "No", "NO", "false", "False", "FALSE",
                                     "off", "Off", "OFF"};
/* clang-format on */

static bool is_one_of(const char *text, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(text, words[i]) == 0)
            return true;
    return false;
}

/* TEXT without underscores, which may stand between digits. */
static bool strip_underscores(const char *text, size_t len, char out[MAX_NUMBER + 1])
{
    size_t count = 0;

    if (len > MAX_NUMBER)
        return false;
    for (size_t i = 0; i < len; i++)
        if (text[i] != '_')
            out[count++] = text[i];
    out[count] = '\0';
    return true;
}

/* 12, 0x1f, 0o17, 017, 0b101, with a sign. */
static json_t *resolve_integer(const char *text)
{
    const char *digits = text + (*text == '-' || *text == '+');
    int base = 10;
    char *end;

    if (digits[0] == '0' && digits[1] != '\0') {
        char mark = (char)(digits[1] | 0x20);
        base = mark == 'x' ? 16 : mark == 'b' ? 2 : 8;
        digits += mark == 'x' || mark == 'b' || mark == 'o' ? 2 : 1;
    }
    size_t allowed = strspn(digits, base == 16 ? "0123456789abcdefABCDEF" : "0123456789");
    if (allowed == 0 || digits[allowed] != '\0')
        return NULL;
    errno = 0;
    unsigned long long number = strtoull(digits, &end, base);
    bool negative = *text == '-';
    if (*end != '\0' || errno != 0 || number > (unsigned long long)INT64_MAX + negative)
        return NULL;
    return json_integer(negative ? (json_int_t)(0 - number) : (json_int_t)number);
}

/* [-+]? (digits [. digits?] | . digits) exponent? */
static json_t *resolve_real(const char *text)
{
    static const char digits[] = "0123456789";
    const char *p = text + (*text == '-' || *text == '+');
    size_t whole = strspn(p, digits), fraction = 0;

    p += whole;
    if (*p == '.') {
        fraction = strspn(p + 1, digits);
        p += 1 + fraction;
    }
    if (whole + fraction == 0)
        return NULL;
    if (*p == 'e' || *p == 'E') {
        p += p[1] == '-' || p[1] == '+' ? 2 : 1;
        size_t exponent = strspn(p, digits);
        if (exponent == 0)
            return NULL;
        p += exponent;
    }
    if (*p != '\0')
        return NULL;
    double number = strtod(text, NULL);
    return isfinite(number) ? json_real(number) : NULL;
}

json_t *yaml_resolve(const char *text, size_t len)
{
    char stripped[MAX_NUMBER + 1];
    json_t *number = NULL;

    if (strlen(text) != len)
        return NULL;
    if (is_one_of(text, nulls, ARRAY_SIZE(nulls)))
        return json_null();
    if (is_one_of(text, trues, ARRAY_SIZE(trues)))
        return json_true();
    if (is_one_of(text, falses, ARRAY_SIZE(falses)))
        return json_false();
    if (strchr("+-.0123456789", text[0]) != NULL && strip_underscores(text, len, stripped)) {
        number = resolve_integer(stripped);
        if (number == NULL)
            number = resolve_real(stripped);
    }
    return number != NULL ? number : json_stringn(text, len);
}
