#include "kube/builtin_rules.h"

#include "base/mem.h"
#include "base/text.h"
#include "data/obj.h"
#include "kube/meta.h"
#include "kube/names.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { ANNOTATIONS_MAX = 256 * 1024 };

static const char subdomain_words[] =
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "
    "'.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used "
    "for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
static const char label_words[] =
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and "
    "must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used "
    "for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
static const char label_1035_words[] =
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an "
    "alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', "
    "regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
static const char key_words[] =
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end "
    "with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for "
    "validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
static const char value_words[] =
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or "
    "'.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value', "
    " or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

/* What is wrong with a name, or NULL. */
static const char *name_problem(const char *name, enum name_style style)
{
    size_t len = strlen(name);

    switch (style) {
    case NAME_SUBDOMAIN:
        if (len > NAME_SUBDOMAIN_MAX)
            return "must be no more than 253 characters";
        return name_is_subdomain(name, len) ? NULL : subdomain_words;
    case NAME_LABEL:
        if (len > NAME_LABEL_MAX)
            return "must be no more than 63 characters";
        return name_is_label(name, len) ? NULL : label_words;
    case NAME_LABEL_1035:
        if (len > NAME_LABEL_MAX)
            return "must be no more than 63 characters";
        return name_is_label_1035(name, len) ? NULL : label_1035_words;
    case NAME_SEGMENT:
        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
            return "may not be '.' or '..'";
        return strpbrk(name, "/%") != NULL ? "may not contain '/' or '%'" : NULL;
    }
    return NULL;
}

static void check_name(const json_t *object, const json_t *old, enum name_style names,
                       struct cause_list *causes)
{
    const char *name = obj_str(object, "metadata.name", "");
    const char *problem = name_problem(name, names);

    if (name[0] == '\0')
        cause_add(causes, CAUSE_REQUIRED, "metadata.name", NULL,
                  "name or generateName is required");
    else if (old != NULL && !str_eq(name, meta_name(old)))
        cause_add(causes, CAUSE_INVALID, "metadata.name", obj_at(object, "metadata.name"),
                  "field is immutable");
    else if (old == NULL && problem != NULL)
        cause_add(causes, CAUSE_INVALID, "metadata.name", obj_at(object, "metadata.name"), "%s",
                  problem);
}

static void check_labels(const json_t *object, struct cause_list *causes)
{
    const char *key;
    json_t *value;

    json_object_foreach(obj_obj(object, "metadata.labels"), key, value)
    {
        const char *text = json_string_value(value);
        json_auto_t *shown = json_string(key);

        if (!name_is_qualified(key, strlen(key)))
            cause_add(causes, CAUSE_INVALID, "metadata.labels", shown, "%s", key_words);
        if (text != NULL && strlen(text) > NAME_LABEL_MAX)
            cause_add(causes, CAUSE_INVALID, "metadata.labels", value,
                      "must be no more than 63 characters");
        else if (text != NULL && !name_is_label_value(text, strlen(text)))
            cause_add(causes, CAUSE_INVALID, "metadata.labels", value, "%s", value_words);
    }
}

static void check_annotations(const json_t *object, struct cause_list *causes)
{
    const char *key;
    json_t *value;
    size_t total = 0;

    json_object_foreach(obj_obj(object, "metadata.annotations"), key, value)
    {
        json_auto_t *shown = json_string(key);

        if (!name_is_qualified(key, strlen(key)))
            cause_add(causes, CAUSE_INVALID, "metadata.annotations", shown, "%s", key_words);
        total += strlen(key) + json_string_length(value);
    }
    if (total > ANNOTATIONS_MAX)
        cause_add(causes, CAUSE_TOO_LONG, "metadata.annotations", NULL,
                  "may not be more than %d bytes", ANNOTATIONS_MAX);
}

static void check_owners(const json_t *object, struct cause_list *causes)
{
    static const char *const needed[] = {"apiVersion", "kind", "name", "uid"};
    json_t *owner, *first = NULL;
    size_t i;

    json_array_foreach(obj_arr(object, "metadata.ownerReferences"), i, owner)
    {
        for (size_t n = 0; n < sizeof(needed) / sizeof(*needed); n++)
            if (str_eq(obj_str(owner, needed[n], NULL), "")) {
                CLEANUP(str)
                char *field = xasprintf("metadata.ownerReferences[%zu].%s", i, needed[n]);

                cause_add(causes, CAUSE_INVALID, field, json_object_get(owner, needed[n]),
                          "must not be empty");
            }
        if (!obj_bool(owner, "controller", false))
            continue;
        if (first != NULL)
            cause_add(causes, CAUSE_INVALID, "metadata.ownerReferences", owner,
                      "Only one reference can have Controller set to true. Found \"true\" in "
                      "references for %s and %s",
                      obj_str(first, "name", ""), obj_str(owner, "name", ""));
        first = owner;
    }
}

static bool has_text(const json_t *list, const char *text)
{
    json_t *item;
    size_t i;

    json_array_foreach(list, i, item) if (str_eq(json_string_value(item), text)) return true;
    return false;
}

static void check_finalizers(const json_t *object, const json_t *old, struct cause_list *causes)
{
    json_t *before = obj_arr(old, "metadata.finalizers"), *item;
    CLEANUP(buf) struct buf added = BUF_INIT(4096);
    size_t i;

    json_array_foreach(obj_arr(object, "metadata.finalizers"), i, item)
    {
        const char *name = json_string_value(item);

        if (name == NULL)
            continue;
        if (!name_is_qualified(name, strlen(name)))
            cause_add(causes, CAUSE_INVALID, "metadata.finalizers", item, "%s", key_words);
        if (!has_text(before, name))
            buf_printf(&added, "%s\"%s\"", added.len > 0 ? ", " : "", name);
    }
    if (old != NULL && added.len > 0 && meta_is_deleting(old))
        cause_add(causes, CAUSE_FORBIDDEN, "metadata.finalizers", NULL,
                  "no new finalizers can be added if the object is being deleted, found new "
                  "finalizers []string{%s}",
                  added.ptr);
}

void meta_validate(const json_t *object, const json_t *old, enum name_style names,
                   struct cause_list *causes)
{
    check_name(object, old, names, causes);
    check_labels(object, causes);
    check_annotations(object, causes);
    check_owners(object, causes);
    check_finalizers(object, old, causes);
}
