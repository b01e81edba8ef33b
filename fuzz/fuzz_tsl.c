/* A query, asked of a few rows in both modes: which stay, in which order, and their columns. */
#include "base/error.h"
#include "base/mem.h"
#include "data/obj.h"
#include "lang/tsl/tsl.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* Under the names of the conformance table, so that its queries reach the evaluator. */
static const char rows_text[] =
    "[{\"name\": \"web-01\", \"powerState\": \"poweredOn\", \"cpuCount\": 4, \"memoryMB\": 8192,"
    " \"created\": \"2024-03-10\", \"modified\": \"2024-03-10T12:00:00Z\", \"isTemplate\": false,"
    " \"tags\": [\"fiction\", \"best\"], \"numbers\": [1, 2.5, -3], \"bools\": [true, false],"
    " \"empty\": [], \"nul\": null, \"labels\": {\"a/b.c\": \"x\"}, \"multi\": \"a\\nb\","
    " \"disks\": [{\"capacity\": 10737418240, \"shared\": false, \"datastore\": {\"id\": \"d\"}},"
    " {\"capacity\": 1, \"shared\": true}], \"concerns\": [{\"category\": \"Warning\"}]},"
    " {\"name\": \"db\", \"cpuCount\": 8, \"memoryMB\": 1e300, \"disks\": []}, {}]";

static void show_columns(const struct tsl *tsl, const json_t *rows)
{
    for (size_t r = 0; r < json_array_size(rows); r++)
        for (size_t i = 0; i < tsl_column_count(tsl); i++) {
            CLEANUP(error) struct error *err = NULL;
            json_auto_t *value = NULL;
            if (tsl_column_value(tsl, i, json_array_get(rows, r), &value, &err) == -1 &&
                err == NULL)
                __builtin_trap();
        }
}

static void ask(const char *text, enum tsl_mode mode, const json_t *rows)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(tsl) struct tsl *tsl = NULL;
    json_auto_t *result = NULL;
    size_t skipped = 0;

    if (tsl_parse_mode(text, mode, &tsl, &err) == -1) {
        if (err == NULL)
            __builtin_trap();
        return;
    }
    if (tsl_run(tsl, rows, &result, &skipped, &err) == -1 && err == NULL)
        __builtin_trap();
    show_columns(tsl, result);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static json_t *rows; /* read once, never changed */
    CLEANUP(str) char *text = xstrndup((const char *)data, len);
    CLEANUP(error) struct error *err = NULL;

    if (rows == NULL)
        rows = obj_parse(rows_text, sizeof(rows_text) - 1, &err);
    if (rows == NULL)
        __builtin_trap();
    ask(text, TSL_LENIENT, rows);
    ask(text, TSL_STRICT, rows);
    return 0;
}
