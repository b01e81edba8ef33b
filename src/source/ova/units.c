#include "source/ova/units.h"

#include "base/array.h"
#include "base/error.h"
#include "base/text.h"

#include <string.h>
#include <strings.h>

/* clang-format off */
static const struct {
    const char *name;
    uint64_t bytes;
} words[] = {
    {"byte", 1},               {"bytes", 1},
    {"kilobyte", 1ULL << 10},  {"kilobytes", 1ULL << 10}, {"kb", 1ULL << 10},
    {"megabyte", 1ULL << 20},  {"megabytes", 1ULL << 20}, {"mb", 1ULL << 20},
    {"gigabyte", 1ULL << 30},  {"gigabytes", 1ULL << 30}, {"gb", 1ULL << 30},
    {"terabyte", 1ULL << 40},  {"terabytes", 1ULL << 40}, {"tb", 1ULL << 40},
};
/* clang-format on */

static bool find_word(struct span word, uint64_t *bytes)
{
    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        if (word.len == strlen(words[i].name) &&
            strncasecmp(word.ptr, words[i].name, word.len) == 0) {
            *bytes = words[i].bytes;
            return true;
        }
    return false;
}

/* A factor: "1024" or "2^30". */
static bool parse_factor(struct span text, uint64_t *factor)
{
    struct span rest = text, base = {0};
    uint64_t number = 0, exponent = 1;

    if (!span_split(&rest, '^', &base) || !span_u64(span_trim(base), &number))
        return false;
    if (base.len < text.len && (!span_u64(span_trim(rest), &exponent) || exponent > 63))
        return false;
    *factor = 1;
    for (uint64_t i = 0; i < exponent; i++)
        if (__builtin_mul_overflow(*factor, number, factor))
            return false;
    return true;
}

int units_parse(const char *text, uint64_t *bytes, struct error **err)
{
    struct span rest = span_trim(span_of(text)), part = {0};
    uint64_t result = 1;

    if (rest.len == 0) {
        *bytes = 1;
        return 0;
    }
    if (!span_split(&rest, '*', &part) || !find_word(span_trim(part), &result))
        return error_set(err, ERROR_UNSUPPORTED, "unknown unit \"%s\"", text);
    while (span_split(&rest, '*', &part)) {
        uint64_t factor = 0;

        if (!parse_factor(span_trim(part), &factor) || factor == 0 ||
            __builtin_mul_overflow(result, factor, &result))
            return error_set(err, ERROR_UNSUPPORTED, "unknown unit \"%s\"", text);
    }
    *bytes = result;
    return 0;
}

int units_apply(const char *number, const char *units, uint64_t *bytes, struct error **err)
{
    uint64_t count = 0, unit = 1;

    if (!span_u64(span_trim(span_of(number)), &count))
        return error_set(err, ERROR_INVALID, "\"%s\" is not a whole number", number ? number : "");
    if (units_parse(units, &unit, err) == -1)
        return -1;
    if (__builtin_mul_overflow(count, unit, &count))
        return error_set(err, ERROR_INVALID, "%s × %s does not fit in 64 bits", number, units);
    *bytes = count;
    return 0;
}
