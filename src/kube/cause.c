#include "kube/cause.h"

#include "base/array.h"
#include "base/text.h"
#include "data/obj.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum {
    VALUE_MAX = 4096,   /* bytes of a bad value that a message shows */
    MESSAGE_MAX = 8192, /* bytes of one message */
    FORMAT_MAX = 64 * 1024,
};

static const struct {
    const char *name;
    const char *words;
    bool shows_value;
} reasons[] = {
    [CAUSE_REQUIRED] = {"FieldValueRequired", "Required value", false},
    [CAUSE_INVALID] = {"FieldValueInvalid", "Invalid value", true},
    [CAUSE_TYPE_INVALID] = {"FieldValueTypeInvalid", "Invalid value", true},
    [CAUSE_NOT_SUPPORTED] = {"FieldValueNotSupported", "Unsupported value", true},
    [CAUSE_FORBIDDEN] = {"FieldValueForbidden", "Forbidden", false},
    [CAUSE_DUPLICATE] = {"FieldValueDuplicate", "Duplicate value", true},
    [CAUSE_TOO_LONG] = {"FieldValueTooLong", "Too long", false},
    [CAUSE_TOO_MANY] = {"FieldValueTooMany", "Too many", true},
    [CAUSE_NOT_FOUND] = {"FieldValueNotFound", "Not found", true},
    [CAUSE_CONFLICT] = {"FieldManagerConflict", NULL, false},
};
static_assert(ARRAY_SIZE(reasons) == CAUSE_COUNT, "every reason has a row");

const char *cause_reason_name(enum cause_reason reason)
{
    return reasons[reason].name;
}

/* Quotes as Go's %q does for what JSON text can hold. */
static void add_quoted(struct buf *out, const char *text)
{
    buf_add_char(out, '"');
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;

        if (c == '"' || c == '\\')
            buf_printf(out, "\\%c", c);
        else if (c == '\n')
            buf_add(out, "\\n");
        else if (c == '\t')
            buf_add(out, "\\t");
        else if (c == '\r')
            buf_add(out, "\\r");
        else if (c < 0x20 || c == 0x7f)
            buf_printf(out, "\\x%02x", c);
        else
            buf_add_char(out, (char)c);
    }
    buf_add_char(out, '"');
}

/* The API server shows values as Go source would have them; bounded by obj_parse's depth. */
static void add_value(struct buf *out, const json_t *value, bool nested)
{
    size_t i;
    const char *key;
    json_t *item;
    bool first = true;

    switch (json_typeof(value)) {
    case JSON_STRING:
        add_quoted(out, json_string_value(value));
        return;
    case JSON_INTEGER:
        buf_printf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        return;
    case JSON_REAL:
        buf_printf(out, "%.17g", json_real_value(value));
        return;
    case JSON_TRUE:
    case JSON_FALSE:
        buf_add(out, json_is_true(value) ? "true" : "false");
        return;
    case JSON_NULL:
        buf_add(out, nested ? "interface {}(nil)" : "\"null\"");
        return;
    case JSON_ARRAY:
        buf_add(out, "[]interface {}{");
        json_array_foreach(value, i, item)
        {
            buf_add(out, i > 0 ? ", " : "");
            add_value(out, item, true);
        }
        buf_add_char(out, '}');
        return;
    case JSON_OBJECT:
        buf_add(out, "map[string]interface {}{");
        /* jansson's macro is not const-correct; nothing is changed */
        json_object_foreach((json_t *)(uintptr_t)value, key, item)
        {
            buf_add(out, first ? "" : ", ");
            first = false;
            add_quoted(out, key);
            buf_add_char(out, ':');
            add_value(out, item, true);
        }
        buf_add_char(out, '}');
        return;
    }
}

void cause_add(struct cause_list *list, enum cause_reason reason, const char *field,
               const json_t *value, const char *format, ...)
{
    if (list->len >= CAUSE_MAX)
        return;

    CLEANUP(buf) struct buf text = BUF_INIT(MESSAGE_MAX);
    const char *between = "";

    if (reasons[reason].words != NULL) {
        buf_add(&text, reasons[reason].words);
        between = ": ";
    }
    if (reasons[reason].shows_value && value != NULL) {
        CLEANUP(buf) struct buf shown = BUF_INIT(VALUE_MAX);

        add_value(&shown, value, false);
        buf_add(&text, between);
        buf_add_span(&text, buf_span(&shown));
    }
    if (format != NULL) {
        va_list args;

        va_start(args, format);
        char *detail = xvasprintf(format, args);

        va_end(args);
        if (detail[0] != '\0') {
            buf_add(&text, between);
            buf_add(&text, detail);
        }
        free(detail);
    }
    cause_list_push(list, (struct cause){reason, buf_take(&text), xstrdup(field)});
}

json_t *cause_list_to_json(const struct cause_list *list)
{
    json_t *array = json_array();

    for (size_t i = 0; i < list->len; i++)
        json_array_append_new(array, obj_pack("{s:s, s:s, s:s}", "reason",
                                              reasons[list->ptr[i].reason].name, "message",
                                              list->ptr[i].message, "field", list->ptr[i].field));
    return array;
}

static bool said_before(const struct cause_list *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(list->ptr[i].message, list->ptr[n].message) == 0 &&
            strcmp(list->ptr[i].field, list->ptr[n].field) == 0)
            return true;
    return false;
}

char *cause_list_format(const struct cause_list *list)
{
    struct buf text = BUF_INIT(FORMAT_MAX);
    size_t count = 0;

    for (size_t i = 0; i < list->len; i++) {
        if (said_before(list, i))
            continue;
        if (count++ > 0)
            buf_add(&text, ", ");
        buf_printf(&text, "%s: %s", list->ptr[i].field, list->ptr[i].message);
    }
    if (count < 2)
        return buf_take(&text);

    char *inner = buf_take(&text);
    char *all = xasprintf("[%s]", inner);

    free(inner);
    return all;
}

void cause_list_free_all(struct cause_list *list)
{
    for (size_t i = 0; i < list->len; i++) {
        free(list->ptr[i].message);
        free(list->ptr[i].field);
    }
    cause_list_reset(list);
}
