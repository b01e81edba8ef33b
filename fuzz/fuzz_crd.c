/* The first line is a CustomResourceDefinition, the rest an object of it: what is valid compiles, and
 * shows the object as a table. */
#include "base/error.h"
#include "base/text.h"
#include "data/obj.h"
#include "kube/schema.h"
#include "kube/table.h"
#include "kube/type.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void use(const struct kube_version *version, const json_t *object)
{
    json_auto_t *copy = obj_copy(object);
    json_auto_t *row = table_row(version->columns, copy, TABLE_OBJECT, 0);
    json_auto_t *definitions = table_definitions(version->columns);

    if (json_array_size(json_object_get(row, "cells")) != json_array_size(definitions))
        __builtin_trap();
    if (version->scale_spec_path != NULL)
        json_path_find(version->scale_spec_path, copy);
    if (version->schema == NULL)
        return;
    schema_prune(version->schema, copy, NULL);
    schema_default(version->schema, copy);
    CLEANUP(cause_list) struct cause_list causes = {0};
    schema_validate(version->schema, copy, NULL, &causes);
}

static void define(json_t *crd, const json_t *object)
{
    CLEANUP(schema_pool) struct schema_pool *pool = schema_pool_new();
    CLEANUP(cause_list) struct cause_list causes = {0};
    CLEANUP(cause_list) struct cause_list more = {0};

    crd_default(crd);
    crd_validate(crd, NULL, pool, &causes);
    CLEANUP(kube_type) struct kube_type *type = kube_type_new(pool, crd, &more);
    if ((causes.len == 0 && type == NULL) || (type == NULL) != (more.len > 0))
        __builtin_trap();
    crd_validate(crd, crd, pool, &causes);
    crd_set_status(crd, NULL, 0);
    for (size_t i = 0; type != NULL && i < type->version_count; i++)
        use(&type->versions[i], object);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(error) struct error *object_err = NULL;
    struct span rest = {(const char *)data, len}, first = {NULL, 0};

    if (!span_split(&rest, '\n', &first))
        return 0;
    json_auto_t *crd = obj_parse(first.ptr, first.len, &err);
    json_auto_t *object = obj_parse(rest.ptr, rest.len, &object_err);
    if (json_is_object(crd) && json_is_object(object))
        define(crd, object);
    return 0;
}
