#include "apiserver/filter.h"

#include "apiserver/call.h"
#include "apiserver/object.h"
#include "base/array.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "kube/selector.h"

#include <stdlib.h>

struct filter {
    struct selector *labels;
    struct field_selector *fields; /* NULL: all */
    char *name;                    /* a watch of one object; or NULL */
    bool needs_object;             /* fields beyond name and namespace */
};

/* What built-in kinds can be selected by, besides metadata.name and metadata.namespace. */
/* clang-format off */
static const struct { const char *plural; const char *field; } selectable[] = {
    {"events", "involvedObject.kind"},       {"events", "involvedObject.namespace"},
    {"events", "involvedObject.name"},       {"events", "involvedObject.uid"},
    {"events", "involvedObject.apiVersion"}, {"events", "involvedObject.resourceVersion"},
    {"events", "involvedObject.fieldPath"},  {"events", "reason"},
    {"events", "reportingComponent"},        {"events", "source"},
    {"events", "type"},                      {"pods", "spec.nodeName"},
    {"pods", "spec.restartPolicy"},          {"pods", "spec.schedulerName"},
    {"pods", "spec.serviceAccountName"},     {"pods", "spec.hostNetwork"},
    {"pods", "status.phase"},                {"pods", "status.podIP"},
    {"pods", "status.nominatedNodeName"},    {"secrets", "type"},
    {"namespaces", "status.phase"},          {"nodes", "spec.unschedulable"},
    {"jobs", "status.successful"},
};
/* clang-format on */

static bool is_selectable(const struct call *call, const char *field)
{
    if (str_eq(field, "metadata.name") ||
        (str_eq(field, "metadata.namespace") && call->served->type->namespaced))
        return true;
    if (call->served->type->is_custom)
        return false;
    for (size_t i = 0; i < ARRAY_SIZE(selectable); i++)
        if (str_eq(selectable[i].plural, call->plural) && str_eq(selectable[i].field, field))
            return true;
    return false;
}

static int read_fields(struct call *call, struct filter *filter)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(str) char *text = http_request_query(call->request, "fieldSelector");
    const char *value;
    bool is_equal;

    if (str_is_empty(text))
        return 0;
    filter->fields = field_selector_parse(text, &err);
    if (filter->fields == NULL)
        return fail_error(&call->failure, err);
    for (size_t i = 0; i < field_selector_count(filter->fields); i++) {
        const char *field = field_selector_get(filter->fields, i, &value, &is_equal);
        if (!is_selectable(call, field))
            return fail_bad_request(&call->failure, "field label not supported: %s", field);
        if (!str_eq(field, "metadata.name") && !str_eq(field, "metadata.namespace"))
            filter->needs_object = true;
    }
    return 0;
}

struct filter *filter_new(struct call *call)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(filter) struct filter *filter = xcalloc(1, sizeof(*filter));
    CLEANUP(str) char *text = http_request_query(call->request, "labelSelector");

    filter->labels = selector_parse(text, &err);
    if (filter->labels == NULL) {
        fail_bad_request(&call->failure, "unable to parse requirement: %s", err->msg);
        return NULL;
    }
    if (read_fields(call, filter) == -1)
        return NULL;
    if (*call->name != '\0' && str_eq(call->verb, "watch"))
        filter->name = xstrdup(call->name);
    return steal(&filter);
}

void filter_free(struct filter *filter)
{
    if (filter == NULL)
        return;
    selector_free(filter->labels);
    field_selector_free(filter->fields);
    free(filter->name);
    free(filter);
}

/* Name and namespace are at hand; other fields need the parsed object. */
static bool fields_match(const struct filter *filter, const struct object *object)
{
    const char *value;
    bool is_equal;

    if (filter->needs_object) {
        json_auto_t *parsed = object_parse(object);
        return field_selector_matches(filter->fields, parsed);
    }
    for (size_t i = 0; i < field_selector_count(filter->fields); i++) {
        const char *field = field_selector_get(filter->fields, i, &value, &is_equal);
        const char *own = str_eq(field, "metadata.name") ? object->name : object->ns;
        if (str_eq(own, value) != is_equal)
            return false;
    }
    return true;
}

bool filter_matches(const struct filter *filter, const struct object *object)
{
    if (filter->name != NULL && !str_eq(filter->name, object->name))
        return false;
    if (!selector_matches(filter->labels, object->labels))
        return false;
    return filter->fields == NULL || fields_match(filter, object);
}

const char *filter_exact_label(const struct filter *filter, const char *label)
{
    return selector_exact(filter->labels, label);
}

bool filter_is_everything(const struct filter *filter)
{
    return filter->name == NULL && filter->fields == NULL &&
           selector_is_everything(filter->labels);
}
