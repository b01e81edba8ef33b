#include "move/vm/source_labels.h"

#include "base/mem.h"
#include "base/text.h"
#include "kube/meta.h"
#include "kube/names.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define PREFIX             "vsphere.forklift.konveyor.io/"
#define ANNOTATION_RENAMED "forklift.konveyor.io/sanitized-metadata"

char *source_labels_fix(const char *text)
{
    char *fixed = xstrdup(text);
    size_t len = 0, first = 0;

    for (const char *c = text; *c != '\0'; c++) {
        bool good = isalnum((unsigned char)*c) || strchr("-_.", *c) != NULL;
        if (good || len == 0 || fixed[len - 1] != '_')
            fixed[len++] = good ? *c : '_';
    }
    first = 0;
    while (first < len && strchr("_.-", fixed[first]) != NULL)
        first++;
    len = len - first > NAME_LABEL_MAX ? first + NAME_LABEL_MAX : len;
    while (len > first && strchr("_.-", fixed[len - 1]) != NULL)
        len--;
    memmove(fixed, fixed + first, len - first);
    fixed[len - first] = '\0';
    return fixed;
}

/* True if the plan names no tags, or this one. */
static bool is_mapped(const json_t *plan, const char *name)
{
    const json_t *wanted = obj_arr(plan, "spec.tagMapping.labelTags");

    for (size_t i = 0; i < json_array_size(wanted); i++) {
        const char *one = json_string_value(json_array_get(wanted, i));
        if (one != NULL && strcasecmp(one, name) == 0)
            return true;
    }
    return json_array_size(wanted) == 0;
}

/* Remembers in RENAMED what a name or value was. */
static void note_renamed(json_t *renamed, const char *key, const char *name, const char *fixed_name,
                         const char *value, const char *fixed_value)
{
    if (!str_eq(name, fixed_name) || !str_eq(value, fixed_value))
        json_object_set_new(renamed, key, obj_pack("{s:s, s:s}", "name", name, "value", value));
}

static void put_tags(const json_t *plan, const json_t *source, json_t *vm, json_t *renamed)
{
    const json_t *tags = obj_arr(source, "tags");

    for (size_t i = 0; i < json_array_size(tags); i++) {
        const json_t *tag = json_array_get(tags, i);
        const char *name = obj_str(tag, "name", ""), *text = obj_str(tag, "description", "");
        CLEANUP(str) char *fixed = source_labels_fix(name);
        CLEANUP(str) char *value = source_labels_fix(text);
        CLEANUP(str) char *key = xasprintf(PREFIX "%s", fixed);

        if (*fixed == '\0' || !is_mapped(plan, name))
            continue;
        meta_set_label(vm, key, value);
        note_renamed(renamed, key, name, fixed, text, value);
    }
}

/* The name of the custom attribute with this number, or NULL. */
static const char *attribute_name(const json_t *source, int64_t number)
{
    const json_t *definitions = obj_arr(source, "customDef");

    for (size_t i = 0; i < json_array_size(definitions); i++)
        if (obj_int(json_array_get(definitions, i), "key", -1) == number)
            return obj_str(json_array_get(definitions, i), "name", NULL);
    return NULL;
}

static void put_attributes(const json_t *source, json_t *vm, json_t *renamed)
{
    const json_t *values = obj_arr(source, "customValues");

    for (size_t i = 0; i < json_array_size(values); i++) {
        const json_t *value = json_array_get(values, i);
        const char *name = attribute_name(source, obj_int(value, "key", -2));
        const char *text = obj_str(value, "value", "");
        CLEANUP(str) char *fixed = source_labels_fix(name != NULL ? name : "");
        CLEANUP(str) char *key = xasprintf(PREFIX "%s", fixed);

        if (*fixed == '\0')
            continue;
        meta_set_annotation(vm, key, text);
        note_renamed(renamed, key, name, fixed, text, text);
    }
}

void source_labels_put(const json_t *plan, const json_t *source, json_t *vm)
{
    json_auto_t *renamed = json_object();

    if (source == NULL)
        return;
    if (!obj_bool(plan, "spec.tagMapping.disabled", false))
        put_tags(plan, source, vm, renamed);
    put_attributes(source, vm, renamed);
    if (json_object_size(renamed) == 0)
        return;
    CLEANUP(str) char *text = obj_format(renamed);
    meta_set_annotation(vm, ANNOTATION_RENAMED, text);
}
