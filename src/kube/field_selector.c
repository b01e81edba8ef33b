#include "kube/selector.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/vector.h"
#include "data/obj.h"

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct field_term {
    char *field; /* names parted by dots, safe as a path of data/obj.h */
    char *value;
    bool is_equal;
};

DEFINE_VECTOR(field_term_list, struct field_term)

struct field_selector {
    struct field_term_list terms;
};

void field_selector_free(struct field_selector *selector)
{
    if (selector == NULL)
        return;
    for (size_t i = 0; i < selector->terms.len; i++) {
        free(selector->terms.ptr[i].field);
        free(selector->terms.ptr[i].value);
    }
    field_term_list_reset(&selector->terms);
    free(selector);
}

/* Letters and digits, parted by single dots. */
static bool is_field(struct span text)
{
    bool after_dot = true;

    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        bool is_dot = c == '.';
        if (is_dot && after_dot)
            return false;
        if (!is_dot && !(c >= '0' && c <= '9') && !((c | 0x20) >= 'a' && (c | 0x20) <= 'z'))
            return false;
        after_dot = is_dot;
    }
    return !after_dot;
}

/* Cuts an escaped value up to the next ',' off *TEXT into OUT. */
static int take_value(const char **text, struct buf *out, struct error **err)
{
    const char *p = *text;

    for (; *p != '\0' && *p != ','; p++) {
        if (*p == '=')
            return error_set(err, ERROR_INVALID, "field selector: '=' in a value is written \\=");
        if (*p == '\\') {
            p++;
            if (*p == '\0' || strchr("\\,=", *p) == NULL)
                return error_set(err, ERROR_INVALID,
                                 "field selector: '\\' stands before '\\', ',' or '=' only");
        }
        buf_add_char(out, *p);
    }
    *text = p;
    return 0;
}

static int parse_term(struct field_selector *selector, const char **text, struct error **err)
{
    CLEANUP(buf) struct buf value = BUF_INIT(SELECTOR_MAX_TEXT);
    size_t len = strcspn(*text, "!=,\\");
    struct span field = {*text, len};
    bool is_equal = (*text)[len] != '!';

    if (!is_field(field))
        return error_set(err, ERROR_INVALID, "field selector: \"%.*s\" is not a field's name",
                         (int)field.len, field.ptr);
    *text += len + (is_equal ? 0 : 1);
    if (**text != '=')
        return error_set(err, ERROR_INVALID,
                         "field selector: \"%.*s\" is not followed by =, == or !=", (int)field.len,
                         field.ptr);
    ++*text;
    if (is_equal && **text == '=')
        ++*text;
    if (take_value(text, &value, err) == -1)
        return -1;
    struct field_term term = {span_dup(field), buf_take(&value), is_equal};
    field_term_list_push(&selector->terms, term);
    return 0;
}

struct field_selector *field_selector_parse(const char *text, struct error **err)
{
    CLEANUP(field_selector) struct field_selector *selector = xcalloc(1, sizeof(*selector));

    if (str_is_empty(text))
        return steal(&selector);
    if (strlen(text) > SELECTOR_MAX_TEXT) {
        error_set(err, ERROR_INVALID, "a field selector of more than %d bytes", SELECTOR_MAX_TEXT);
        return NULL;
    }
    while (*text != '\0') {
        if (selector->terms.len == SELECTOR_MAX_TERMS) {
            error_set(err, ERROR_INVALID, "a field selector of more than %d terms",
                      SELECTOR_MAX_TERMS);
            return NULL;
        }
        if (parse_term(selector, &text, err) == -1)
            return NULL;
        if (*text == ',')
            text++;
    }
    return steal(&selector);
}

/* The text of a scalar; NUMBER is room for one that is no string. */
static const char *field_text(const json_t *value, char number[32])
{
    if (json_is_string(value))
        return json_string_value(value);
    if (json_is_boolean(value))
        return json_is_true(value) ? "true" : "false";
    if (!json_is_integer(value))
        return "";
    snprintf(number, 32, "%" PRId64, (int64_t)json_integer_value(value));
    return number;
}

bool field_selector_matches(const struct field_selector *selector, const json_t *object)
{
    char number[32];

    for (size_t i = 0; i < selector->terms.len; i++) {
        const struct field_term *term = &selector->terms.ptr[i];
        const char *text = field_text(obj_at(object, term->field), number);
        if ((strcmp(text, term->value) == 0) != term->is_equal)
            return false;
    }
    return true;
}

size_t field_selector_count(const struct field_selector *selector)
{
    return selector->terms.len;
}

const char *field_selector_get(const struct field_selector *selector, size_t index,
                               const char **value, bool *is_equal)
{
    const struct field_term *term = &selector->terms.ptr[index];

    *value = term->value;
    *is_equal = term->is_equal;
    return term->field;
}

const char *field_selector_exact(const struct field_selector *selector, const char *field)
{
    for (size_t i = 0; i < selector->terms.len; i++)
        if (selector->terms.ptr[i].is_equal && strcmp(selector->terms.ptr[i].field, field) == 0)
            return selector->terms.ptr[i].value;
    return NULL;
}
