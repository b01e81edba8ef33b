/* The first line is the target's context, the rest is a machine's definition. */
#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "hook/premigration/chain.h"
#include "hook/premigration/facts.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* The edited definition, or NULL with a reason. */
static char *run(const struct facts *facts, const char *xml, size_t len)
{
    CLEANUP(error) struct error *err = NULL;
    const struct chain chain = {.facts = facts};
    char *out = NULL;

    if (chain_run(&chain, xml, len, &out, &err) == -1 && (err == NULL || out != NULL))
        __builtin_trap();
    return out;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    CLEANUP(error) struct error *err = NULL;
    struct span rest = {(const char *)data, len}, context = {NULL, 0};
    struct facts *parsed = NULL;

    if (!span_split(&rest, '\n', &context))
        return 0;
    if (facts_parse(context.ptr, context.len, &parsed, &err) == -1) {
        if (err == NULL)
            __builtin_trap();
        return 0;
    }

    CLEANUP(facts) struct facts *facts = parsed;
    CLEANUP(facts) struct facts *none = xcalloc(1, sizeof(*none));
    CLEANUP(str) char *edited = run(facts, rest.ptr, rest.len);
    CLEANUP(str) char *same = edited == NULL ? NULL : run(none, edited, strlen(edited));

    /* what the chain wrote can be read, and without facts nothing is changed */
    if (edited != NULL && (same == NULL || strcmp(same, edited) != 0))
        __builtin_trap();
    return 0;
}
