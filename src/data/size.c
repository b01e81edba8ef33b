#include "data/size.h"

#include "base/array.h"
#include "base/error.h"

#include <stdio.h>
#include <string.h>

/* clang-format off */
static const struct unit { const char *suffix; uint64_t bytes; } units[] = {
    {"", 1},            {"Ki", 1ULL << 10}, {"Mi", 1ULL << 20},
    {"Gi", 1ULL << 30}, {"Ti", 1ULL << 40}, {"Pi", 1ULL << 50},
};
/* clang-format on */

static const struct unit *find_unit(const char *suffix, size_t len)
{
    for (size_t i = 0; i < ARRAY_SIZE(units); i++)
        if (strlen(units[i].suffix) == len && memcmp(units[i].suffix, suffix, len) == 0)
            return &units[i];
    return NULL;
}

int size_parse(const char *text, size_t len, uint64_t *bytes, struct error **err)
{
    uint64_t count = 0;
    size_t pos = 0;

    for (; pos < len && text[pos] >= '0' && text[pos] <= '9'; pos++)
        if (__builtin_mul_overflow(count, 10, &count) ||
            __builtin_add_overflow(count, text[pos] - '0', &count))
            return error_set(err, ERROR_INVALID, "number does not fit in 64 bits");
    if (pos == 0)
        return error_set(err, ERROR_INVALID, "a size starts with a digit, as in 64Mi");

    const struct unit *unit = find_unit(text + pos, len - pos);
    if (unit == NULL) {
        error_set(err, ERROR_INVALID, "unknown unit at character %zu", pos + 1);
        return error_hint(err, "Ki, Mi, Gi, Ti or Pi");
    }
    if (__builtin_mul_overflow(count, unit->bytes, &count))
        return error_set(err, ERROR_INVALID, "size does not fit in 64 bits");

    *bytes = count;
    return 0;
}

char *size_format(uint64_t bytes, char text[SIZE_TEXT_SIZE])
{
    size_t i = 0;

    while (i + 1 < ARRAY_SIZE(units) && bytes >= units[i + 1].bytes)
        i++;
    if (i == 0)
        snprintf(text, SIZE_TEXT_SIZE, "%u B", (unsigned)bytes);
    else
        snprintf(text, SIZE_TEXT_SIZE, "%.1f %sB", (double)bytes / (double)units[i].bytes,
                 units[i].suffix);
    return text;
}
