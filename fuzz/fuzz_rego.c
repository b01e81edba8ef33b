/* Any text as a policy, evaluated with a small budget if it compiles. */
#include "lang/rego/fmt.h"
#include "lang/rego/rego.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(lang_diags) struct lang_diags diags = {0};
    const struct rego_source source = {"fuzz.rego", {(const char *)data, size}, REGO_AUTO};
    const struct rego_limits limits = {.steps = 20000, .memory_bytes = 4 << 20, .depth = 200};
    CLEANUP(rego) struct rego *set = rego_compile(&source, 1, NULL, &diags);

    if (set == NULL)
        return 0;
    CLEANUP(rego_query) struct rego_query *query = rego_query_path(set, NULL, 0);
    CLEANUP(rego_eval) struct rego_eval *eval = rego_eval_new(set, &limits);
    const struct rval *result = NULL;
    struct rego_failure failure;
    rego_eval_run(eval, query, NULL, &result, &failure);
    return 0;
}
