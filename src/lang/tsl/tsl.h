/* The query language for inventories: specification "command line and console", part B, with the
 * decisions of B6 (null-tolerant, short circuit, NOT below comparisons).
 *
 *     select name, sum(disks[*].capacity) as size where size > 30Gi order by name limit 5
 *     name ~= '^web' and not isTemplate            ("where" may be left out)
 *
 * Compiled once, matched often, with a budget of steps and memory for each row.
 * May use: base, data, lang.  Threads: a compiled query is frozen.
 */
#pragma once

#include "base/cleanup.h"
#include "data/obj.h"

#include <stdbool.h>
#include <stddef.h>

struct error;
struct tsl;

enum {
    TSL_MAX_BYTES = 64 * 1024,               /* of a query's text */
    TSL_MAX_DEPTH = 200,                     /* expressions in one another */
    TSL_MAX_CHAIN = 5000,                    /* operators in a row, as in a or b or c */
    TSL_MAX_STEPS = 200 * 1000,              /* for one row */
    TSL_MAX_MEMORY = 16 * 1024 * 1024,       /* for one row */
    TSL_MAX_SORT_MEMORY = 256 * 1024 * 1024, /* for the keys that all rows are sorted by */
    TSL_RUN_STEPS = 20 * 1000 * 1000,        /* for all rows together, ... */
    TSL_RUN_STEPS_PER_ROW = 1000,            /* ... and so many more for each */
};

enum tsl_mode {
    TSL_LENIENT, /* with the decisions of B6 */
    TSL_STRICT,  /* as the old tool answers, its refusals included: column "upstream" of B5 */
};

/* Parses a query; the error gives line, column and a caret. */
int tsl_parse(const char *text, struct tsl **out, struct error **err);
int tsl_parse_mode(const char *text, enum tsl_mode mode, struct tsl **out, struct error **err);
void tsl_free(struct tsl *tsl);

/* True if ROW meets the where clause.  A clause that gives something else than a boolean or null,
 * operands of wrong types, and a budget that is used up are ERROR_INVALID. */
int tsl_match(const struct tsl *tsl, const json_t *row, bool *match, struct error **err);

/* The value of the where clause for ROW, for tests. */
int tsl_value(const struct tsl *tsl, const json_t *row, json_t **value, struct error **err);

/* The rows of an array that match, sorted and cut as the query says, as a new array.  A row that
 * cannot be judged fails the query, naming the row, unless SKIPPED is not NULL: then such rows are
 * left out and counted. */
int tsl_run(const struct tsl *tsl, const json_t *rows, json_t **result, size_t *skipped,
            struct error **err);

/* What a query that finds nothing may have been meant to be, for people; owned, or NULL. */
char *tsl_explain_nothing(const struct tsl *tsl);

/* The select clause: how many columns (0: none was given), their names, and a row's values (owned
 * by the caller). */
size_t tsl_column_count(const struct tsl *tsl);
const char *tsl_column_name(const struct tsl *tsl, size_t column);
int tsl_column_value(const struct tsl *tsl, size_t column, const json_t *row, json_t **value,
                     struct error **err);

DEFINE_CLEANUP(tsl, struct tsl *, tsl_free)
