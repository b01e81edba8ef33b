#include "disk/extent_file.h"

#include "base/error.h"
#include "base/text.h"
#include "data/obj.h"

/* Adds an area; false if it is empty or ends where no disk does. */
static bool add(struct extent_list *list, uint64_t offset, uint64_t length)
{
    uint64_t end;

    if (length == 0 || __builtin_add_overflow(offset, length, &end) || end > INT64_MAX)
        return false;
    extent_list_add(list, offset, length, EXTENT_DATA);
    return true;
}

static int parse_json(const char *text, size_t len, struct extent_list *list, struct error **err)
{
    json_auto_t *array = obj_parse(text, len, err);
    json_t *item;
    size_t i;

    if (array == NULL)
        return -1;
    if (!json_is_array(array))
        return error_set(err, ERROR_INVALID, "not a JSON array");
    json_array_foreach (array, i, item) {
        int64_t offset;
        int64_t length;

        if (obj_need_int(item, obj_at(item, "start") != NULL ? "start" : "offset", &offset, err) ==
                -1 ||
            obj_need_int(item, "length", &length, err) == -1)
            return error_wrap(err, "area %zu", i + 1);
        if (offset < 0 || length < 0 || !add(list, (uint64_t)offset, (uint64_t)length))
            return error_set(err, ERROR_INVALID, "area %zu is empty, negative or too far out",
                             i + 1);
    }
    return 0;
}

static int parse_lines(const char *text, size_t len, struct extent_list *list, struct error **err)
{
    struct span rest = {text, len};
    struct span line;

    for (size_t number = 1; span_split(&rest, '\n', &line); number++) {
        struct span word;
        uint64_t offset;
        uint64_t length;

        line = span_trim(line);
        if (line.len == 0 || line.ptr[0] == '#')
            continue;
        if (!span_split(&line, ' ', &word) || !span_u64(word, &offset) ||
            !span_u64(span_trim(line), &length))
            return error_set(err, ERROR_INVALID, "line %zu is not \"OFFSET LENGTH\"", number);
        if (!add(list, offset, length))
            return error_set(err, ERROR_INVALID, "the area in line %zu is empty or too far out",
                             number);
    }
    return 0;
}

int extent_list_parse(const char *text, size_t len, struct extent_list *list, struct error **err)
{
    struct span trimmed = span_trim((struct span){text, len});

    return trimmed.len > 0 && trimmed.ptr[0] == '['
               ? parse_json(trimmed.ptr, trimmed.len, list, err)
               : parse_lines(text, len, list, err);
}
