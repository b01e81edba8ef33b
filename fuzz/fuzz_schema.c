/* The first line is a schema, the rest an object.  Pruning and defaulting must settle at once. */
#include "base/error.h"
#include "base/text.h"
#include "data/obj.h"
#include "kube/schema.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void write_and_check(const struct schema *schema, json_t *object)
{
    CLEANUP(cause_list) struct cause_list causes = {0};
    struct str_list unknown = {0};

    schema_prune(schema, object, &unknown);
    schema_default(schema, object);
    schema_prune(schema, object, NULL);

    json_auto_t *once = obj_copy(object);

    schema_prune(schema, object, NULL);
    schema_default(schema, object);
    if (!obj_eq(once, object))
        __builtin_trap();
    schema_validate(schema, object, once, &causes);
    str_list_free_all(&unknown);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(error) struct error *object_err = NULL;
    CLEANUP(cause_list) struct cause_list causes = {0};
    struct span rest = {(const char *)data, len}, first = {NULL, 0};

    if (!span_split(&rest, '\n', &first))
        return 0;

    json_auto_t *openapi = obj_parse(first.ptr, first.len, &err);
    json_auto_t *object = obj_parse(rest.ptr, rest.len, &object_err);

    if (openapi == NULL || object == NULL)
        return 0;

    CLEANUP(schema_pool) struct schema_pool *pool = schema_pool_new();
    const struct schema *schema = schema_compile(pool, openapi, "schema", &causes);

    if (schema != NULL)
        write_and_check(schema, object);
    return 0;
}
