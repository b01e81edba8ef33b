/* A parsed query.  Internal to lang/tsl.  May use: base, data, lang. */
#pragma once

#include "base/text.h"
#include "base/vector.h"
#include "lang/arena.h"
#include "lang/tsl/tsl.h"

#include <stdint.h>

struct regex;

enum tsl_kind { TSL_NULL, TSL_BOOL, TSL_NUMBER, TSL_TEXT, TSL_LIST, TSL_OBJECT };

struct tsl_val {
    enum tsl_kind kind;
    union {
        bool b;
        double n;
        struct span text;
        struct {
            struct tsl_val *items;
            size_t count;
        };
        const json_t *json; /* OBJECT */
    };
};

enum tsl_op {
    TSL_OP_LITERAL,
    TSL_OP_PATH,
    TSL_OP_ARRAY,
    TSL_OP_OR,
    TSL_OP_AND,
    TSL_OP_NOT,
    TSL_OP_EQ,
    TSL_OP_NE,
    TSL_OP_LT,
    TSL_OP_LE,
    TSL_OP_GT,
    TSL_OP_GE,
    TSL_OP_MATCH, /* ~= */
    TSL_OP_LIKE,
    TSL_OP_ILIKE,
    TSL_OP_IN,
    TSL_OP_BETWEEN,
    TSL_OP_IS_NULL,
    TSL_OP_ADD,
    TSL_OP_SUB,
    TSL_OP_MUL,
    TSL_OP_DIV,
    TSL_OP_MOD,
    TSL_OP_NEG,
    TSL_OP_LEN,
    TSL_OP_ANY,
    TSL_OP_ALL,
    TSL_OP_SUM,
};

enum tsl_step_kind { TSL_STEP_KEY, TSL_STEP_INDEX, TSL_STEP_ALL };

struct tsl_step {
    enum tsl_step_kind kind;
    struct span key;
    size_t index;
};

struct tsl_node {
    enum tsl_op op;
    bool negated; /* NOT LIKE, NOT IN, IS NOT NULL, ~! */
    size_t offset;
    struct tsl_node *left, *right, *third;
    struct tsl_val literal;
    struct tsl_step *steps; /* PATH */
    size_t step_count;
    struct tsl_node **items; /* ARRAY */
    size_t item_count;
    bool is_column;          /* of the select clause */
    struct regex *regex; /* MATCH with a literal */
    struct span part;    /* MATCH that only looks for this; ptr NULL otherwise */
};

struct tsl_column {
    char *name;
    struct tsl_node *node;
};

struct tsl_order {
    struct tsl_node *node;
    bool descending;
};

DEFINE_VECTOR(tsl_column_list, struct tsl_column)
DEFINE_VECTOR(tsl_order_list, struct tsl_order)
DEFINE_VECTOR(tsl_regex_list, struct regex *)

struct tsl {
    char *text;
    size_t len;
    struct arena arena;
    struct tsl_node *where; /* or NULL */
    struct tsl_column_list columns;
    struct tsl_order_list orders;
    struct tsl_regex_list regexes;
    struct span division; /* a name like "memoryMB/1024", as written, or empty */
    bool has_limit;
    uint64_t limit;
    bool strict;
};

/* Evaluation. */

struct tsl_eval {
    const struct tsl *tsl;
    const json_t *row;
    struct arena arena;
    uint64_t steps;                /* of this row */
    uint64_t run_steps, run_steps_max; /* of all rows before it */
    uint32_t depth;
    bool in_column; /* strict: reducers there pass null on */
    struct error **err;
};

void tsl_eval_init(struct tsl_eval *eval, const struct tsl *tsl, const json_t *row,
                   struct error **err);
/* Gives the evaluation a budget for COUNT rows instead of one. */
void tsl_eval_set_rows(struct tsl_eval *eval, size_t count);
/* Begins with the next row: its steps are counted from zero, and those of all go on. */
void tsl_eval_next_row(struct tsl_eval *eval);
int tsl_eval_node(struct tsl_eval *eval, const struct tsl_node *node, struct tsl_val *out);
void tsl_eval_path(struct tsl_eval *eval, const struct tsl_node *node, struct tsl_val *out);
struct tsl_val tsl_val_of_json(struct arena *arena, const json_t *json);
json_t *tsl_val_to_json(const struct tsl_val *val);

/* TEXT matches a pattern of LIKE; with FOLD letters of both cases are the same, with ONE_LINE
 * wildcards do not match a line break. */
bool tsl_like(struct span text, struct span pattern, bool fold, bool one_line);
/* True if TEXT is a date or an RFC 3339 time. */
bool tsl_time(struct span text, int64_t *ms);

/* Refuses what the old tool refuses before it parses. */
int tsl_check_strict(struct span text, struct error **err);
