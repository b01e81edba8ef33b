#include "kube/body.h"

#include "base/error.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/text.h"
#include "data/obj.h"
#include "kube/field_path.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_REPORTED = 100, MESSAGE_MAX = 64 * 1024 };

/* Looks for duplicate keys in text that a parser has refused; it need not find out more. */
struct scanner {
    const char *at, *end;
    struct str_list *duplicates;
    struct buf path;
    unsigned depth;
};

static bool scan_value(struct scanner *s);

int field_validation_parse(const char *text, enum field_validation *value, struct error **err)
{
    if (str_is_empty(text) || strcmp(text, "Warn") == 0)
        *value = FIELD_WARN;
    else if (strcmp(text, "Strict") == 0)
        *value = FIELD_STRICT;
    else if (strcmp(text, "Ignore") == 0)
        *value = FIELD_IGNORE;
    else
        return error_set(err, ERROR_INVALID,
                         "fieldValidation: Unsupported value: \"%s\": supported values: "
                         "\"Ignore\", \"Strict\", \"Warn\"",
                         text);
    return 0;
}

static void skip_space(struct scanner *s)
{
    while (s->at < s->end && strchr(" \t\r\n", *s->at) != NULL && *s->at != '\0')
        s->at++;
}

static bool take(struct scanner *s, char c)
{
    skip_space(s);
    if (s->at >= s->end || *s->at != c)
        return false;
    s->at++;
    return true;
}

/* The text between the quotes, as it is written. */
static bool scan_string(struct scanner *s, struct span *text)
{
    if (!take(s, '"'))
        return false;
    text->ptr = s->at;
    while (s->at < s->end && *s->at != '"')
        s->at += *s->at == '\\' ? 2 : 1;
    if (s->at >= s->end)
        return false;
    text->len = (size_t)(s->at - text->ptr);
    s->at++;
    return true;
}

static bool scan_members(struct scanner *s, struct map *seen)
{
    static char mark[] = "";

    do {
        struct span key;

        if (!scan_string(s, &key) || !take(s, ':'))
            return false;

        CLEANUP(str) char *name = span_dup(key);
        size_t outer = field_push_name(&s->path, name);

        if (map_put(seen, name, mark) != NULL && s->duplicates->len < MAX_REPORTED)
            str_list_push(s->duplicates, xstrdup(field_text(&s->path)));
        if (!scan_value(s))
            return false;
        field_pop(&s->path, outer);
    } while (take(s, ','));
    return take(s, '}');
}

static bool scan_items(struct scanner *s)
{
    size_t i = 0;

    do {
        size_t outer = field_push_index(&s->path, i++);

        if (!scan_value(s))
            return false;
        field_pop(&s->path, outer);
    } while (take(s, ','));
    return take(s, ']');
}

static bool scan_value(struct scanner *s)
{
    struct span ignored;
    bool good;

    if (++s->depth > OBJ_MAX_DEPTH)
        return false;
    skip_space(s);
    if (s->at < s->end && *s->at == '"') {
        good = scan_string(s, &ignored);
    } else if (take(s, '{')) {
        struct map *seen = map_new();

        good = take(s, '}') || scan_members(s, seen);
        map_free(seen, NULL);
    } else if (take(s, '[')) {
        good = take(s, ']') || scan_items(s);
    } else {
        const char *start = s->at;

        while (s->at < s->end && *s->at != '\0' && strchr(",]} \t\r\n", *s->at) == NULL)
            s->at++;
        good = s->at > start;
    }
    s->depth--;
    return good;
}

int body_parse(const char *text, size_t len, json_t **out, struct str_list *duplicates,
               struct error **err)
{
    struct error *problem = NULL;
    json_t *value = obj_parse(text, len, &problem);

    if (value == NULL && len <= OBJ_MAX_BYTES) {
        struct scanner s = {
            .at = text, .end = text + len, .duplicates = duplicates, .path = FIELD_PATH_INIT};
        size_t before = duplicates->len;

        if (scan_value(&s) && duplicates->len > before)
            value = json_loadb(text, len, 0, NULL);
        buf_reset(&s.path);
    }
    if (value == NULL) {
        *err = problem;
        return -1;
    }
    error_free(problem);
    *out = value;
    return 0;
}

static void add_words(struct buf *out, const char *what, const struct str_list *fields)
{
    for (size_t i = 0; i < fields->len; i++)
        buf_printf(out, "%s%s field \"%s\"", out->len > 0 ? ", " : "", what, fields->ptr[i]);
}

char *body_strict_message(const char *kind, const char *version, const struct str_list *unknown,
                          const struct str_list *duplicates)
{
    CLEANUP(buf) struct buf fields = BUF_INIT(MESSAGE_MAX);

    add_words(&fields, "unknown", unknown);
    add_words(&fields, "duplicate", duplicates);
    if (fields.len == 0)
        return NULL;
    return xasprintf("%s in version \"%s\" cannot be handled as a %s: strict decoding error: %s",
                     kind, version, kind, fields.ptr);
}

void body_warnings(const struct str_list *unknown, const struct str_list *duplicates,
                   struct str_list *warnings)
{
    for (size_t i = 0; i < unknown->len; i++)
        str_list_push(warnings, xasprintf("unknown field \"%s\"", unknown->ptr[i]));
    for (size_t i = 0; i < duplicates->len; i++)
        str_list_push(warnings, xasprintf("duplicate field \"%s\"", duplicates->ptr[i]));
}
