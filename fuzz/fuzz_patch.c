/* The first line is an object, the rest a patch, taken as each kind of patch in turn. */
#include "base/error.h"
#include "base/text.h"
#include "data/obj.h"
#include "kube/apply.h"
#include "kube/builtin.h"
#include "kube/patch.h"
#include "kube/schema.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static const struct schema *pod_schema(void)
{
    static const struct schema *schema;
    static struct schema_pool *pool;

    for (size_t i = 0; schema == NULL; i++) {
        CLEANUP(cause_list) struct cause_list causes = {0};
        json_auto_t *definition = builtin_definition(i);

        if (pool == NULL)
            pool = schema_pool_new();
        if (str_eq(obj_str(definition, "spec.names.kind", ""), "Pod"))
            schema = schema_compile(
                pool, obj_at(definition, "spec.versions[0].schema.openAPIV3Schema"), "", &causes);
    }
    return schema;
}

static void run_all(const json_t *target, const json_t *patch)
{
    CLEANUP(error) struct error *json_err = NULL;
    CLEANUP(error) struct error *strategic_err = NULL;
    json_t *patched = NULL, *merged = NULL;

    json_decref(patch_merge(target, patch));
    if (patch_json(target, patch, &patched, &json_err) == 0)
        json_decref(patched);
    if (patch_strategic(pod_schema(), target, patch, &merged, &strategic_err) == 0)
        json_decref(merged);
}

static void run_apply(json_t *live, const json_t *config)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(cause_list) struct cause_list causes = {0};
    struct apply_as as = {.manager = "fuzz", .api_version = "v1", .force = true};
    json_t *once = NULL, *twice = NULL;

    if (apply_config(pod_schema(), live, config, &as, &once, &causes, &err) == -1)
        return;
    /* applying the same again changes nothing */
    as.now_ms = 1000;
    if (apply_config(pod_schema(), once, config, &as, &twice, &causes, &err) == -1)
        __builtin_trap();
    apply_track(pod_schema(), once, twice, &as);
    json_decref(once);
    json_decref(twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(error) struct error *patch_err = NULL;
    struct span rest = {(const char *)data, len}, first = {NULL, 0};

    if (!span_split(&rest, '\n', &first))
        return 0;

    json_auto_t *target = obj_parse(first.ptr, first.len, &err);
    json_auto_t *patch = obj_parse(rest.ptr, rest.len, &patch_err);

    if (target == NULL || patch == NULL)
        return 0;
    run_all(target, patch);
    if (json_is_object(target) && json_is_object(patch))
        run_apply(target, patch);
    return 0;
}
