/* Column paths: a list of steps, each narrowing the value.
 *
 *     .spec.x   ['a.b']   [0]   [-1]   [*]   [?(@.type=='Ready')]   [?(@.a.b=="x")]
 */
#include "kube/table.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/vector.h"

#include <stdlib.h>
#include <string.h>

enum { PATH_MAX_BYTES = 1024 };

enum step_kind { STEP_NAME, STEP_INDEX, STEP_ALL, STEP_FILTER };

struct step {
    enum step_kind kind;
    char *name;  /* STEP_NAME; the dotted path of a filter */
    char *value; /* what a filter compares with */
    long index;
};

DEFINE_VECTOR(step_list, struct step)

struct json_path {
    struct step_list steps;
};

static int bad(const char *text, const char *at, struct error **err)
{
    return error_set(err, ERROR_INVALID, "JSON path \"%s\": not understood at character %zu", text,
                     (size_t)(at - text) + 1);
}

static struct step *add_step(struct json_path *path, enum step_kind kind)
{
    step_list_push(&path->steps, (struct step){.kind = kind});
    return &path->steps.ptr[path->steps.len - 1];
}

/* Quoted text at *AT; NULL if there is none. */
static char *take_quoted(const char **at)
{
    char quote = **at;
    const char *end = quote == '\'' || quote == '"' ? strchr(*at + 1, quote) : NULL;

    if (end == NULL)
        return NULL;

    char *text = xstrndup(*at + 1, (size_t)(end - *at) - 1);

    *at = end + 1;
    return text;
}

/* Behind "[?(": @.a.b=='x')] */
static bool compile_filter(struct json_path *path, const char **at)
{
    const char *p = *at;

    if (p[0] != '@' || p[1] != '.')
        return false;
    p += 2;

    size_t len = strcspn(p, "=! )");
    struct step *step = add_step(path, STEP_FILTER);

    step->name = xstrndup(p, len);
    p += len;
    p += strspn(p, " ");
    if (p[0] != '=' || p[1] != '=')
        return false;
    p += 2;
    p += strspn(p, " ");
    step->value = take_quoted(&p);
    if (step->value == NULL) {
        len = strcspn(p, " )");
        if (len == 0)
            return false;
        step->value = xstrndup(p, len);
        p += len;
    }
    p += strspn(p, " ");
    if (p[0] != ')' || p[1] != ']')
        return false;
    *at = p + 2;
    return true;
}

static bool compile_bracket(struct json_path *path, const char **at)
{
    const char *p = *at + 1;
    char *end;

    if (str_starts_with(p, "?(")) {
        *at = p + 2;
        return compile_filter(path, at);
    }
    if (str_starts_with(p, "*]")) {
        add_step(path, STEP_ALL);
        *at = p + 2;
        return true;
    }
    if (*p == '\'' || *p == '"') {
        char *name = take_quoted(&p);

        if (name == NULL)
            return false;
        add_step(path, STEP_NAME)->name = name;
        *at = p + 1;
        return *p == ']';
    }

    long index = strtol(p, &end, 10);

    if (end == p || *end != ']')
        return false;
    add_step(path, STEP_INDEX)->index = index;
    *at = end + 1;
    return true;
}

/* A name behind a dot; "\." stands for a dot in it. */
static bool compile_name(struct json_path *path, const char **at)
{
    CLEANUP(buf) struct buf name = BUF_INIT(PATH_MAX_BYTES);
    const char *p = *at + 1;

    if (*p == '*') {
        add_step(path, STEP_ALL);
        *at = p + 1;
        return true;
    }
    for (; *p != '\0' && *p != '.' && *p != '['; p++) {
        if (*p == '\\' && p[1] != '\0')
            p++;
        buf_add_char(&name, *p);
    }
    if (name.len == 0)
        return false;
    add_step(path, STEP_NAME)->name = buf_take(&name);
    *at = p;
    return true;
}

struct json_path *json_path_compile(const char *text, struct error **err)
{
    CLEANUP(json_path) struct json_path *path = xcalloc(1, sizeof(*path));
    const char *at = text;

    if (strlen(text) > PATH_MAX_BYTES) {
        error_set(err, ERROR_INVALID, "a JSON path has more than %d bytes", PATH_MAX_BYTES);
        return NULL;
    }
    if (strcmp(text, ".") == 0)
        return steal(&path);
    while (*at != '\0')
        if (*at == '.'   ? !compile_name(path, &at)
            : *at == '[' ? !compile_bracket(path, &at)
                         : true) {
            bad(text, at, err);
            return NULL;
        }
    if (path->steps.len == 0) {
        bad(text, at, err);
        return NULL;
    }
    return steal(&path);
}

void json_path_free(struct json_path *path)
{
    if (path == NULL)
        return;
    for (size_t i = 0; i < path->steps.len; i++) {
        free(path->steps.ptr[i].name);
        free(path->steps.ptr[i].value);
    }
    step_list_reset(&path->steps);
    free(path);
}

static bool filter_accepts(const struct step *step, const json_t *item)
{
    struct span rest = span_of(step->name), part;

    while (item != NULL && span_split(&rest, '.', &part)) {
        CLEANUP(str) char *name = span_dup(part);

        item = json_object_get(item, name);
    }
    if (json_is_string(item))
        return strcmp(json_string_value(item), step->value) == 0;
    if (json_is_boolean(item))
        return strcmp(json_is_true(item) ? "true" : "false", step->value) == 0;
    if (json_is_integer(item)) {
        CLEANUP(str) char *text = xasprintf("%" JSON_INTEGER_FORMAT, json_integer_value(item));

        return strcmp(text, step->value) == 0;
    }
    return false;
}

static json_t *find(const struct json_path *path, size_t from, const json_t *value)
{
    const char *key;
    size_t i;
    json_t *item, *found = NULL;

    if (value == NULL || from == path->steps.len)
        return (json_t *)(uintptr_t)value;

    const struct step *step = &path->steps.ptr[from];

    switch (step->kind) {
    case STEP_NAME:
        return find(path, from + 1, json_object_get(value, step->name));
    case STEP_INDEX: {
        long index = step->index < 0 ? step->index + (long)json_array_size(value) : step->index;

        return index < 0 ? NULL : find(path, from + 1, json_array_get(value, (size_t)index));
    }
    case STEP_ALL:
    case STEP_FILTER:
        json_array_foreach(value, i, item) if (found == NULL && (step->kind == STEP_ALL ||
                                                                 filter_accepts(step, item)))
            found = find(path, from + 1, item);
        if (step->kind == STEP_ALL)
            json_object_foreach((json_t *)(uintptr_t)value, key, item) if (found == NULL) found =
                find(path, from + 1, item);
        return found;
    }
    return NULL;
}

json_t *json_path_find(const struct json_path *path, const json_t *object)
{
    return find(path, 0, object);
}
