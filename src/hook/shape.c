#include "hook/shape.h"

#include "base/mem.h"
#include "base/text.h"
#include "data/obj.h"

#include <assert.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* A word of a shape: the NAME, and the character behind it that says what it is. */
struct word {
    struct span name;
    char kind; /* ':' '(' '?' '@' '[' */
    char type; /* of ':' words */
};

static void skip_blanks(const char **at)
{
    while (**at == ' ' || **at == '\n')
        (*at)++;
}

static struct word next_word(const char **at)
{
    struct word word = {.name = {*at, strcspn(*at, ":(?@[ ])")}};

    *at += word.name.len;
    word.kind = *(*at)++;
    assert(word.name.len > 0 && strchr(":(?@[", word.kind) != NULL);
    if (word.kind == ':')
        word.type = *(*at)++;
    if (word.kind == '?' || word.kind == '@') {
        assert(**at == '(');
        (*at)++;
    }
    return word;
}

/* Steps over the members of a struct or list, to behind its closing bracket. */
static void skip_members(const char **at)
{
    for (int depth = 1; depth > 0; (*at)++) {
        assert(**at != '\0');
        if (**at == '(' || **at == '[')
            depth++;
        else if (**at == ')' || **at == ']')
            depth--;
    }
}

static json_t *find_member(const json_t *object, struct span name)
{
    const char *key;
    json_t *value;

    json_object_foreach ((json_t *)(uintptr_t)object, key, value)
        if (strlen(key) == name.len && strncasecmp(key, name.ptr, name.len) == 0)
            return json_is_null(value) ? NULL : value;
    return NULL;
}

static json_t *scalar(char type, const json_t *value)
{
    switch (type) {
    case 's':
        return json_is_string(value) ? json_deep_copy(value) : json_string("");
    case 'i':
        return json_is_number(value) ? json_deep_copy(value) : json_integer(0);
    case 'b':
        return json_boolean(json_is_true(value));
    case 'p':
        return value != NULL ? json_deep_copy(value) : json_null();
    case 'm':
        return json_is_object(value) ? json_deep_copy(value) : json_object();
    case 'l':
        return json_is_array(value) ? json_deep_copy(value) : json_array();
    case 'x':
        return value != NULL ? shape_lower_keys(value) : json_null();
    default:
        abort();
    }
}

/* Applies the members up to the closing bracket or the end; *AT is then behind it. */
static json_t *apply_members(const char **at, const json_t *object);

static json_t *apply_list(const char **at, const json_t *value)
{
    json_t *list = json_array();
    const char *start = *at;
    size_t count = json_array_size(value);

    for (size_t i = 0; i < count; i++) {
        *at = start;
        json_array_append_new(list, apply_members(at, json_array_get(value, i)));
    }
    if (count == 0)
        skip_members(at);
    return list;
}

static json_t *apply_word(const struct word *word, const char **at, const json_t *object)
{
    json_t *value = find_member(object, word->name);

    switch (word->kind) {
    case ':':
        return scalar(word->type, value);
    case '@':
        return apply_members(at, object);
    case '[':
        return apply_list(at, value);
    case '?':
        if (value == NULL) {
            skip_members(at);
            return json_null();
        }
        return apply_members(at, value);
    default:
        return apply_members(at, value);
    }
}

static json_t *apply_members(const char **at, const json_t *object)
{
    json_t *out = json_object();

    for (;;) {
        skip_blanks(at);
        if (**at == '\0')
            return out;
        if (**at == ')' || **at == ']') {
            (*at)++;
            return out;
        }
        struct word word = next_word(at);
        char *name = span_dup(word.name);
        json_object_set_new(out, name, apply_word(&word, at, object));
        free(name);
    }
}

json_t *shape_apply(const char *shape, const json_t *object)
{
    return apply_members(&shape, object);
}

json_t *shape_lower_keys(const json_t *value)
{
    if (json_is_array(value)) {
        json_t *list = json_array();
        for (size_t i = 0; i < json_array_size(value); i++)
            json_array_append_new(list, shape_lower_keys(json_array_get(value, i)));
        return list;
    }
    if (!json_is_object(value))
        return json_deep_copy(value);

    json_t *out = json_object();
    const char *key;
    json_t *member;
    json_object_foreach ((json_t *)(uintptr_t)value, key, member) {
        char *lower = xstrdup(key);
        for (char *c = lower; *c != '\0'; c++)
            *c = (char)tolower((unsigned char)*c);
        json_object_set_new(out, lower, shape_lower_keys(member));
        free(lower);
    }
    return out;
}
