#include "lang/template/tree.h"

#include "base/mem.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SMALL_EXPONENT = -4, LARGE_EXPONENT = 6 };

struct value value_of_json(const json_t *json)
{
    struct value value = {.kind = VALUE_NONE};

    if (json == NULL)
        return value;
    switch (json_typeof(json)) {
    case JSON_OBJECT:
        value.kind = VALUE_MAP;
        value.json = json;
        break;
    case JSON_ARRAY:
        value.kind = VALUE_LIST;
        value.json = json;
        value.to = json_array_size(json);
        break;
    case JSON_STRING:
        value.kind = VALUE_TEXT;
        value.text = (struct span){json_string_value(json), json_string_length(json)};
        break;
    case JSON_INTEGER:
        value.kind = VALUE_INT;
        value.i = json_integer_value(json);
        break;
    case JSON_REAL:
        value.kind = VALUE_FLOAT;
        value.f = json_real_value(json);
        break;
    case JSON_TRUE:
    case JSON_FALSE:
        value.kind = VALUE_BOOL;
        value.b = json_is_true(json);
        break;
    case JSON_NULL:
        value.kind = VALUE_NIL;
        break;
    }
    return value;
}

bool value_is_true(const struct value *value)
{
    switch (value->kind) {
    case VALUE_NONE:
    case VALUE_NIL:
        return false;
    case VALUE_BOOL:
        return value->b;
    case VALUE_INT:
        return value->i != 0;
    case VALUE_FLOAT:
        return value->f != 0;
    case VALUE_TEXT:
        return value->text.len > 0;
    case VALUE_LIST:
        return value->to > value->from;
    case VALUE_MAP:
        break;
    }
    return json_object_size(value->json) > 0;
}

const char *value_type(const struct value *value)
{
    static const char *const int_types[] = {
        [INT_PLAIN] = "int", [INT_64] = "int64", [INT_RUNE] = "int32", [INT_BYTE] = "uint8"};

    switch (value->kind) {
    case VALUE_NONE:
    case VALUE_NIL:
        return "<nil>";
    case VALUE_BOOL:
        return "bool";
    case VALUE_INT:
        return int_types[value->int_type];
    case VALUE_FLOAT:
        return "float64";
    case VALUE_TEXT:
        return "string";
    case VALUE_LIST:
        return "[]interface {}";
    case VALUE_MAP:
        break;
    }
    return "map[string]interface {}";
}

/* The fewest digits that read back as VALUE, as "d.ddde±xx". */
static void shortest(double value, char text[40])
{
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, 40, "%.*e", digits - 1, value);
        if (strtod(text, NULL) == value)
            return;
    }
}

void value_print_float(double value, struct buf *out)
{
    char text[40];

    if (!isfinite(value)) {
        buf_add(out, isnan(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf");
        return;
    }
    shortest(value, text);
    char *e = strchr(text, 'e');
    int exponent = (int)strtol(e + 1, NULL, 10); /* we printed it */
    char *digits_end = e;
    while (digits_end[-1] == '0')
        digits_end--;
    if (digits_end[-1] == '.')
        digits_end--;
    if (exponent < SMALL_EXPONENT || exponent >= LARGE_EXPONENT) {
        buf_append(out, text, (size_t)(digits_end - text));
        buf_printf(out, "e%c%02d", exponent < 0 ? '-' : '+', abs(exponent));
        return;
    }
    size_t count = (size_t)(digits_end - text) - (value < 0 || (value == 0 && signbit(value)));
    int digits = count > 1 ? (int)count - 1 : 1; /* without the point */
    buf_printf(out, "%.*f", digits - 1 > exponent ? digits - 1 - exponent : 0, value);
}

static int compare_keys(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void print_map(const json_t *map, struct buf *out)
{
    size_t count = json_object_size(map), i = 0;
    const char **keys = xcalloc(count, sizeof(*keys));
    const char *key;
    json_t *element;

    json_object_foreach((json_t *)(uintptr_t)map, key, element) keys[i++] = key;
    qsort(keys, count, sizeof(*keys), compare_keys);
    buf_add(out, "map[");
    for (i = 0; i < count; i++) {
        struct value value = value_of_json(json_object_get(map, keys[i]));

        buf_printf(out, "%s%s:", i > 0 ? " " : "", keys[i]);
        value_print(&value, out);
    }
    buf_add_char(out, ']');
    free(keys);
}

void value_print(const struct value *value, struct buf *out)
{
    switch (value->kind) {
    case VALUE_NONE:
    case VALUE_NIL:
        buf_add(out, "<nil>");
        break;
    case VALUE_BOOL:
        buf_add(out, value->b ? "true" : "false");
        break;
    case VALUE_INT:
        buf_printf(out, "%" PRId64, value->i);
        break;
    case VALUE_FLOAT:
        value_print_float(value->f, out);
        break;
    case VALUE_TEXT:
        buf_add_span(out, value->text);
        break;
    case VALUE_LIST:
        buf_add_char(out, '[');
        for (size_t i = value->from; i < value->to; i++) {
            struct value element = value_of_json(json_array_get(value->json, i));

            if (i > value->from)
                buf_add_char(out, ' ');
            value_print(&element, out);
        }
        buf_add_char(out, ']');
        break;
    case VALUE_MAP:
        print_map(value->json, out);
        break;
    }
}
