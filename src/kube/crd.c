/* CustomResourceDefinitions as objects: defaults, validation, status. */
#include "kube/type.h"

#include "base/array.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/time.h"
#include "data/obj.h"
#include "kube/names.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

void crd_default(json_t *crd)
{
    CLEANUP(str) char *singular = NULL;
    CLEANUP(str) char *list_kind = NULL;
    json_t *spec = obj_obj(crd, "spec");

    if (spec == NULL)
        return;

    const char *kind = obj_str(spec, "names.kind", NULL);

    if (kind != NULL && obj_obj(spec, "names") != NULL) {
        singular = xstrdup(kind);
        for (char *c = singular; *c != '\0'; c++)
            *c = (char)tolower((unsigned char)*c);
        list_kind = xasprintf("%sList", kind);
        if (obj_str(spec, "names.singular", "")[0] == '\0')
            obj_put_str(spec, "names.singular", singular);
        if (obj_str(spec, "names.listKind", "")[0] == '\0')
            obj_put_str(spec, "names.listKind", list_kind);
    }
    if (obj_obj(spec, "conversion") == NULL)
        obj_take(spec, "conversion", obj_pack("{s:s}", "strategy", "None"));
}

static const char *need(const json_t *crd, const char *field, struct cause_list *causes)
{
    const char *text = obj_str(crd, field, "");

    if (text[0] == '\0')
        cause_add(causes, CAUSE_REQUIRED, field, NULL, NULL);
    return text;
}

static const char label_words[] =
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an "
    "alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', "
    "regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";

static void check_label(const json_t *crd, const char *field, struct cause_list *causes)
{
    const char *text = need(crd, field, causes);

    if (text[0] != '\0' && !name_is_label_1035(text, strlen(text)))
        cause_add(causes, CAUSE_INVALID, field, obj_at(crd, field), "%s", label_words);
}

/* Kinds may have capitals. */
static void check_kind(const json_t *crd, const char *field, struct cause_list *causes)
{
    CLEANUP(str) char *text = xstrdup(need(crd, field, causes));

    for (char *c = text; *c != '\0'; c++)
        *c = (char)tolower((unsigned char)*c);
    if (text[0] != '\0' && !name_is_label_1035(text, strlen(text)))
        cause_add(causes, CAUSE_INVALID, field, obj_at(crd, field),
                  "may have mixed case, but "
                  "should otherwise match: %s",
                  label_words);
}

static void check_names(const json_t *crd, struct cause_list *causes)
{
    const char *group = need(crd, "spec.group", causes);
    const char *plural = obj_str(crd, "spec.names.plural", "");
    CLEANUP(str) char *name = xasprintf("%s.%s", plural, group);

    if (group[0] != '\0' && !name_is_subdomain(group, strlen(group)))
        cause_add(causes, CAUSE_INVALID, "spec.group", obj_at(crd, "spec.group"),
                  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric "
                  "characters, '-' or '.', and must start and end with an alphanumeric character");
    else if (group[0] != '\0' && strchr(group, '.') == NULL)
        cause_add(causes, CAUSE_INVALID, "spec.group", obj_at(crd, "spec.group"),
                  "should be a domain with at least one dot");
    check_label(crd, "spec.names.plural", causes);
    check_label(crd, "spec.names.singular", causes);
    check_kind(crd, "spec.names.kind", causes);
    check_kind(crd, "spec.names.listKind", causes);
    if (plural[0] != '\0' && group[0] != '\0' && !str_eq(obj_str(crd, "metadata.name", ""), name))
        cause_add(causes, CAUSE_INVALID, "metadata.name", obj_at(crd, "metadata.name"),
                  "must be spec.names.plural+\".\"+spec.group");
}

static void check_scope(const json_t *crd, struct cause_list *causes)
{
    const char *scope = need(crd, "spec.scope", causes);
    const char *strategy = obj_str(crd, "spec.conversion.strategy", "None");

    if (scope[0] != '\0' && !str_eq(scope, "Namespaced") && !str_eq(scope, "Cluster"))
        cause_add(causes, CAUSE_NOT_SUPPORTED, "spec.scope", obj_at(crd, "spec.scope"),
                  "supported values: \"Cluster\", \"Namespaced\"");
    if (!str_eq(strategy, "None"))
        cause_add(causes, CAUSE_NOT_SUPPORTED, "spec.conversion.strategy",
                  obj_at(crd, "spec.conversion.strategy"), "supported values: \"None\"");
    if (obj_bool(crd, "spec.preserveUnknownFields", false))
        cause_add(causes, CAUSE_INVALID, "spec.preserveUnknownFields",
                  obj_at(crd, "spec.preserveUnknownFields"),
                  "must be false in order to use defaults in the schema");
}

static bool has_version(const json_t *crd, const char *name, size_t below)
{
    json_t *version;
    size_t i;

    json_array_foreach(obj_arr(crd, "spec.versions"), i,
                       version) if (i < below &&
                                    str_eq(obj_str(version, "name", ""), name)) return true;
    return false;
}

static void check_versions(const json_t *crd, struct cause_list *causes)
{
    json_t *versions = obj_arr(crd, "spec.versions"), *version, *stored;
    size_t i, storage = 0;

    if (json_array_size(versions) == 0) {
        cause_add(causes, CAUSE_REQUIRED, "spec.versions", NULL, NULL);
        return;
    }
    json_array_foreach(versions, i, version)
    {
        CLEANUP(str) char *field = xasprintf("spec.versions[%zu].name", i);
        const char *name = obj_str(version, "name", "");

        storage += obj_bool(version, "storage", false);
        if (!name_is_label_1035(name, strlen(name)))
            cause_add(causes, CAUSE_INVALID, field, json_object_get(version, "name"), "%s",
                      label_words);
        if (has_version(crd, name, i))
            cause_add(causes, CAUSE_INVALID, field, json_object_get(version, "name"),
                      "must be unique");
    }
    if (storage != 1)
        cause_add(causes, CAUSE_INVALID, "spec.versions", NULL,
                  "must have exactly one version marked as storage version");
    json_array_foreach(obj_arr(crd, "status.storedVersions"), i,
                       stored) if (!has_version(crd, json_string_value(stored), SIZE_MAX))
    {
        CLEANUP(str) char *field = xasprintf("status.storedVersions[%zu]", i);

        cause_add(causes, CAUSE_INVALID, field, stored,
                  "missing from spec.versions; %s was previously a storage version, and must "
                  "remain in spec.versions until a storage migration ensures no data remains "
                  "persisted in %s and removes %s from status.storedVersions",
                  json_string_value(stored), json_string_value(stored), json_string_value(stored));
    }
}

static void check_fixed(const json_t *crd, const json_t *old, struct cause_list *causes)
{
    static const char *const fields[] = {"spec.group", "spec.scope", "spec.names.plural",
                                         "spec.names.kind"};

    for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
        if (!str_eq(obj_str(crd, fields[i], ""), obj_str(old, fields[i], "")))
            cause_add(causes, CAUSE_INVALID, fields[i], obj_at(crd, fields[i]),
                      "field is immutable");
}

void crd_validate(const json_t *crd, const json_t *old, struct schema_pool *pool,
                  struct cause_list *causes)
{
    check_names(crd, causes);
    check_scope(crd, causes);
    check_versions(crd, causes);
    if (old != NULL)
        check_fixed(crd, old, causes);

    /* made only for the causes it finds */
    kube_type_free(kube_type_new(pool, crd, causes));
}

static void set_condition(json_t *list, const char *type, bool is_true, const char *reason,
                          const char *message, const char *now)
{
    const char *status = is_true ? "True" : "False";
    json_t *condition, *found = NULL;
    size_t i;

    json_array_foreach(list, i, condition) if (str_eq(obj_str(condition, "type", ""), type)) found =
        condition;
    if (found == NULL) {
        found = obj_pack("{s:s}", "type", type);
        json_array_append_new(list, found);
    }
    if (!str_eq(obj_str(found, "status", ""), status))
        obj_put_str(found, "lastTransitionTime", now);
    obj_put_str(found, "status", status);
    obj_put_str(found, "reason", reason);
    obj_put_str(found, "message", message);
}

void crd_set_status(json_t *crd, const char *conflict, int64_t now_ms)
{
    char now[TIME_TEXT_SIZE];
    json_t *names = obj_obj(crd, "spec.names"), *version, *list;
    size_t i;

    time_format(now_ms, now);
    if (obj_arr(crd, "status.conditions") == NULL)
        obj_take(crd, "status.conditions", json_array());
    if (obj_arr(crd, "status.storedVersions") == NULL)
        obj_take(crd, "status.storedVersions", json_array());
    list = obj_arr(crd, "status.conditions");
    set_condition(list, "NamesAccepted", conflict == NULL,
                  conflict == NULL ? "NoConflicts" : "NameConflict",
                  conflict == NULL ? "no conflicts found" : conflict, now);
    set_condition(list, "Established", conflict == NULL,
                  conflict == NULL ? "InitialNamesAccepted" : "NotAccepted",
                  conflict == NULL ? "the initial names have been accepted"
                                   : "not all names are accepted",
                  now);
    obj_take(crd, "status.acceptedNames",
             conflict == NULL && names != NULL ? obj_copy(names) : json_object());
    json_array_foreach(obj_arr(crd, "spec.versions"), i, version)
    {
        json_t *stored = obj_arr(crd, "status.storedVersions"), *item;
        bool known = false;
        size_t j;

        json_array_foreach(stored, j, item) known |=
            str_eq(json_string_value(item), obj_str(version, "name", ""));
        if (obj_bool(version, "storage", false) && !known)
            json_array_append_new(stored, json_string(obj_str(version, "name", "")));
    }
}
