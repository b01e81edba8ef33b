#include "kube/selector.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/vector.h"
#include "data/obj.h"
#include "kube/names.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum op { OP_IN, OP_NOT_IN, OP_EXISTS, OP_ABSENT, OP_GREATER, OP_LESS };

struct term {
    char *key;
    enum op op;
    struct str_list values; /* owned */
    int64_t number;         /* for OP_GREATER and OP_LESS */
};

DEFINE_VECTOR(term_list, struct term)

struct selector {
    struct term_list terms;
    size_t value_count;
};

static void term_reset(struct term *term)
{
    free(term->key);
    str_list_free_all(&term->values);
}

void selector_free(struct selector *selector)
{
    if (selector == NULL)
        return;
    for (size_t i = 0; i < selector->terms.len; i++)
        term_reset(&selector->terms.ptr[i]);
    term_list_reset(&selector->terms);
    free(selector);
}

/* What is left to read; positions in errors are characters from 1. */
struct cursor {
    const char *start;
    const char *pos;
};

static void skip_space(struct cursor *c)
{
    while (*c->pos == ' ' || *c->pos == '\t')
        c->pos++;
}

/* A run of what keys and values are made of; may be empty. */
static struct span take_word(struct cursor *c)
{
    skip_space(c);

    const char *start = c->pos;
    while (*c->pos != '\0' && strchr(" \t,()=!<>", *c->pos) == NULL)
        c->pos++;
    return (struct span){start, (size_t)(c->pos - start)};
}

static bool take_char(struct cursor *c, char want)
{
    skip_space(c);
    if (*c->pos != want)
        return false;
    c->pos++;
    return true;
}

static int fail(const struct cursor *c, const char *what, struct error **err)
{
    return error_set(err, ERROR_INVALID, "label selector, character %zu: %s",
                     (size_t)(c->pos - c->start) + 1, what);
}

/* Puts a copy of VALUE into TERM, checked. */
static int add_value(struct selector *selector, struct term *term, struct span value,
                     struct error **err)
{
    if (++selector->value_count > SELECTOR_MAX_TERMS)
        return error_set(err, ERROR_INVALID, "a label selector of more than %d values",
                         SELECTOR_MAX_TERMS);
    if (!name_is_label_value(value.ptr, value.len))
        return error_set(err, ERROR_INVALID, "\"%.*s\" is not a label's value", (int)value.len,
                         value.ptr);
    str_list_push(&term->values, span_dup(value));
    return 0;
}

static int set_key(struct term *term, struct span key, struct error **err)
{
    if (!name_is_qualified(key.ptr, key.len))
        return error_set(err, ERROR_INVALID, "\"%.*s\" is not a label's key", (int)key.len,
                         key.ptr);
    term->key = span_dup(key);
    return 0;
}

/* "(a, b)" behind in and notin. */
static int parse_set(struct selector *selector, struct cursor *c, struct term *term,
                     struct error **err)
{
    if (!take_char(c, '('))
        return fail(c, "'(' is missing", err);
    do {
        if (add_value(selector, term, take_word(c), err) == -1)
            return -1;
    } while (take_char(c, ','));
    if (!take_char(c, ')'))
        return fail(c, "')' is missing", err);
    return 0;
}

static int set_number(struct term *term, const char *text, struct error **err)
{
    char *end = NULL;

    term->number = strtoll(text, &end, 10);
    if (*text == '\0' || *end != '\0')
        return error_set(err, ERROR_INVALID, "\"%s\" is not a whole number to compare with", text);
    return 0;
}

/* What follows the key. */
static int parse_condition(struct selector *selector, struct cursor *c, struct term *term,
                           struct error **err)
{
    if (take_char(c, '=')) {
        take_char(c, '=');
        term->op = OP_IN;
    } else if (take_char(c, '!')) {
        if (!take_char(c, '='))
            return fail(c, "'=' is missing behind '!'", err);
        term->op = OP_NOT_IN;
    } else if (take_char(c, '>')) {
        term->op = OP_GREATER;
    } else if (take_char(c, '<')) {
        term->op = OP_LESS;
    } else {
        struct span word = take_word(c);
        if (word.len == 0) {
            term->op = OP_EXISTS;
            return 0;
        }
        if (!span_eq_str(word, "in") && !span_eq_str(word, "notin"))
            return fail(c, "expected =, ==, !=, in, notin, > or <", err);
        term->op = span_eq_str(word, "in") ? OP_IN : OP_NOT_IN;
        return parse_set(selector, c, term, err);
    }
    if (add_value(selector, term, take_word(c), err) == -1)
        return -1;
    if (term->op == OP_GREATER || term->op == OP_LESS)
        return set_number(term, term->values.ptr[0], err);
    return 0;
}

static int parse_term(struct selector *selector, struct cursor *c, struct term *term,
                      struct error **err)
{
    bool absent = take_char(c, '!');

    if (set_key(term, take_word(c), err) == -1)
        return -1;
    if (absent) {
        term->op = OP_ABSENT;
        return 0;
    }
    return parse_condition(selector, c, term, err);
}

/* A new term at the end, to be filled in; the selector owns it. */
static struct term *new_term(struct selector *selector, struct error **err)
{
    if (selector->terms.len == SELECTOR_MAX_TERMS) {
        error_set(err, ERROR_INVALID, "a label selector of more than %d terms", SELECTOR_MAX_TERMS);
        return NULL;
    }
    term_list_push(&selector->terms, (struct term){0});
    return &selector->terms.ptr[selector->terms.len - 1];
}

struct selector *selector_parse(const char *text, struct error **err)
{
    CLEANUP(selector) struct selector *selector = xcalloc(1, sizeof(*selector));
    struct cursor c = {text, text};

    if (text == NULL)
        return steal(&selector);
    if (strlen(text) > SELECTOR_MAX_TEXT) {
        error_set(err, ERROR_INVALID, "a label selector of more than %d bytes", SELECTOR_MAX_TEXT);
        return NULL;
    }
    skip_space(&c);
    if (*c.pos == '\0')
        return steal(&selector);
    do {
        struct term *term = new_term(selector, err);
        if (term == NULL || parse_term(selector, &c, term, err) == -1)
            return NULL;
    } while (take_char(&c, ','));
    skip_space(&c);
    if (*c.pos != '\0') {
        fail(&c, "',' is missing", err);
        return NULL;
    }
    return steal(&selector);
}

static int add_expression(struct selector *selector, const json_t *expression, struct error **err)
{
    static const struct {
        const char *name;
        enum op op;
    } ops[] = {
        {"In", OP_IN}, {"NotIn", OP_NOT_IN}, {"Exists", OP_EXISTS}, {"DoesNotExist", OP_ABSENT}};
    const char *key, *name;
    struct term *term = new_term(selector, err);
    size_t found = 0, i;
    json_t *value;

    if (term == NULL || obj_need_str(expression, "key", &key, err) == -1 ||
        obj_need_str(expression, "operator", &name, err) == -1 ||
        set_key(term, span_of(key), err) == -1)
        return -1;
    while (found < 4 && !str_eq(ops[found].name, name))
        found++;
    if (found == 4)
        return error_set(err, ERROR_INVALID, "unknown operator \"%s\" in a label selector", name);
    term->op = ops[found].op;

    json_t *values = obj_arr(expression, "values");
    bool wants_values = term->op == OP_IN || term->op == OP_NOT_IN;
    if (wants_values != (json_array_size(values) > 0))
        return error_set(err, ERROR_INVALID, "operator \"%s\" %s", name,
                         wants_values ? "needs values" : "takes no values");
    json_array_foreach(values, i, value)
    {
        if (!json_is_string(value))
            return error_set(err, ERROR_INVALID, "a value of a label selector is not a string");
        if (add_value(selector, term, span_of(json_string_value(value)), err) == -1)
            return -1;
    }
    return 0;
}

struct selector *selector_from_json(const json_t *object, struct error **err)
{
    CLEANUP(selector) struct selector *selector = xcalloc(1, sizeof(*selector));
    const char *key;
    json_t *value;
    size_t i;

    json_object_foreach(obj_obj(object, "matchLabels"), key, value)
    {
        struct term *term = new_term(selector, err);
        if (term == NULL || set_key(term, span_of(key), err) == -1)
            return NULL;
        if (!json_is_string(value)) {
            error_set(err, ERROR_INVALID, "matchLabels: \"%s\" is not a string", key);
            return NULL;
        }
        if (add_value(selector, term, span_of(json_string_value(value)), err) == -1)
            return NULL;
    }
    json_array_foreach(obj_arr(object, "matchExpressions"), i,
                       value) if (add_expression(selector, value, err) == -1)
    {
        error_wrap(err, "matchExpressions[%zu]", i);
        return NULL;
    }
    return steal(&selector);
}

static bool has_value(const struct term *term, const char *value)
{
    for (size_t i = 0; i < term->values.len; i++)
        if (strcmp(term->values.ptr[i], value) == 0)
            return true;
    return false;
}

static bool compares(const struct term *term, const char *value)
{
    char *end = NULL;

    if (value == NULL || *value == '\0')
        return false;
    int64_t number = strtoll(value, &end, 10);
    if (*end != '\0')
        return false;
    return term->op == OP_GREATER ? number > term->number : number < term->number;
}

static bool term_matches(const struct term *term, const char *value)
{
    switch (term->op) {
    case OP_IN:
        return value != NULL && has_value(term, value);
    case OP_NOT_IN:
        return value == NULL || !has_value(term, value);
    case OP_EXISTS:
        return value != NULL;
    case OP_ABSENT:
        return value == NULL;
    case OP_GREATER:
    case OP_LESS:
        break;
    }
    return compares(term, value);
}

bool selector_matches(const struct selector *selector, const json_t *labels)
{
    for (size_t i = 0; i < selector->terms.len; i++) {
        const struct term *term = &selector->terms.ptr[i];
        if (!term_matches(term, obj_map_str(labels, term->key)))
            return false;
    }
    return true;
}

const char *selector_exact(const struct selector *selector, const char *key)
{
    for (size_t i = 0; i < selector->terms.len; i++) {
        const struct term *term = &selector->terms.ptr[i];
        if (term->op == OP_IN && term->values.len == 1 && str_eq(term->key, key))
            return term->values.ptr[0];
    }
    return NULL;
}

bool selector_is_everything(const struct selector *selector)
{
    return selector->terms.len == 0;
}

static void format_term(const struct term *term, struct buf *out)
{
    bool is_set = term->values.len > 1;

    if (term->op == OP_ABSENT)
        buf_add_char(out, '!');
    buf_add(out, term->key);
    switch (term->op) {
    case OP_IN:
        buf_add(out, is_set ? " in (" : "=");
        break;
    case OP_NOT_IN:
        buf_add(out, is_set ? " notin (" : "!=");
        break;
    case OP_GREATER:
        buf_add_char(out, '>');
        break;
    case OP_LESS:
        buf_add_char(out, '<');
        break;
    case OP_EXISTS:
    case OP_ABSENT:
        break;
    }
    for (size_t i = 0; i < term->values.len; i++) {
        if (i > 0)
            buf_add_char(out, ',');
        buf_add(out, term->values.ptr[i]);
    }
    if (is_set)
        buf_add_char(out, ')');
}

char *selector_format(const struct selector *selector)
{
    struct buf out = BUF_INIT(SIZE_MAX / 2);

    for (size_t i = 0; i < selector->terms.len; i++) {
        if (i > 0)
            buf_add_char(&out, ',');
        format_term(&selector->terms.ptr[i], &out);
    }
    return buf_take(&out);
}
