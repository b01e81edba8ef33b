/* A pattern in the first line, searched for in the rest. */
#include "base/error.h"
#include "lang/regex.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(regex) struct regex *regex = NULL;
    struct regex_range ranges[REGEX_MAX_GROUPS + 1];
    struct span rest = {(const char *)data, size}, pattern;
    bool found = false;

    span_split(&rest, '\n', &pattern);
    if (regex_compile(pattern, &regex, &err) == -1) {
        if (err == NULL)
            __builtin_trap();
        return 0;
    }
    size_t count = regex_groups(regex) + 1;
    if (regex_search(regex, rest, 0, &found, ranges, count, &err) == -1 || !found)
        return 0;
    for (size_t i = 0; i < count; i++)
        if (ranges[i].start != REGEX_UNSET &&
            (ranges[i].start > ranges[i].end || ranges[i].end > rest.len))
            __builtin_trap();
    return 0;
}
