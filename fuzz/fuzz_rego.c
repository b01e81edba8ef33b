/* A policy, a query and an input, parted by lines "---": compiled, laid out, and evaluated with a
 * small budget.  Where parts are missing the whole document is asked for with an input of its own. */
#include "base/error.h"
#include "text_parts.h"
#include "lang/rego/fmt.h"
#include "lang/rego/json.h"
#include "lang/rego/rego.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct rego_limits limits = {.steps = 20000, .memory_bytes = 4 << 20, .depth = 200};

static void evaluate(struct rego *set, struct span query_text, struct span input_text, bool strict)
{
    CLEANUP(lang_diags) struct lang_diags diags = {0};
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(rego_query)
    struct rego_query *query = query_text.len > 0
                                   ? rego_query_new(set, query_text, REGO_V1, &diags)
                                   : rego_query_path(set, NULL, 0);
    const struct rval *result = NULL, *input = NULL;
    struct rego_failure failure;

    if (query == NULL) {
        if (diags.count == 0)
            __builtin_trap();
        return;
    }
    CLEANUP(rego_eval) struct rego_eval *eval = rego_eval_new(set, &limits);
    rego_eval_set_strict(eval, strict);
    if (rjson_read(rego_eval_arena(eval), input_text, &input, &err) == -1)
        input = NULL;
    if (rego_eval_run(eval, query, input, &result, &failure) == -1) {
        if (failure.code == NULL || failure.text[0] == '\0')
            __builtin_trap();
        return;
    }
    CLEANUP(buf) struct buf out = BUF_INIT(1 << 20);
    if (result != NULL)
        rjson_write(&out, result, RJSON_PRETTY);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(lang_diags) struct lang_diags diags = {0};
    struct span rest = {(const char *)data, size};
    struct span text = next_part(&rest), query = next_part(&rest), input = rest;
    const struct rego_source source = {"fuzz.rego", text, REGO_AUTO};

    if (input.len == 0)
        input = SPAN("{\"name\": \"vm\", \"n\": 3, \"big\": 1e400, \"list\": [1, 2.5, \"x\", null],"
                     " \"o\": {\"a\": {\"b\": [true]}}}");
    CLEANUP(rego) struct rego *set = rego_compile(&source, 1, NULL, &diags);
    if (set == NULL) {
        CLEANUP(buf) struct buf out = BUF_INIT(64 * 1024);
        if (diags.count == 0)
            __builtin_trap();
        lang_diag_print(&diags.list[0], &out);
        return 0;
    }
    CLEANUP(buf) struct buf laid_out = BUF_INIT(1 << 20);
    rego_format("fuzz.rego", text, REGO_AUTO, &laid_out, &diags);
    evaluate(set, query, input, size % 2 == 1);
    return 0;
}
