/* Rego: policies compiled once, evaluated many times, each time within a budget.
 *
 *     struct rego *set = rego_compile(sources, count, NULL, &diags);
 *     struct rego_query *query = rego_query_new(set, SPAN("data.a.validate"), REGO_V1, &diags);
 *     struct rego_eval *eval = rego_eval_new(set, NULL);
 *     rego_eval_clear(eval);
 *     rjson_read(rego_eval_arena(eval), text, &input, &err);
 *     rego_eval_run(eval, query, input, &result, &failure);
 *
 * May use: base, data, lang.  Threads: a compiled set and its queries are frozen and may be used
 * by any number of evaluators; an evaluator belongs to one thread at a time.
 */
#pragma once

#include "base/cleanup.h"
#include "lang/diag.h"
#include "lang/rego/parser.h"

struct node;
struct rego;
struct rego_query;
struct rego_eval;

struct rego_source {
    const char *file; /* name for messages; copied */
    struct span text; /* copied */
    enum rego_version version;
};

struct rego_options {
    const struct rval *data; /* base documents, an object, copied; NULL for none */
    bool no_index;           /* straightforward evaluation, to measure what the index gains */
};

/* Most bytes of source text, and rules, in one set. */
enum { REGO_SOURCE_MAX = 64 * 1024 * 1024, REGO_RULES_MAX = 50 * 1000 };

/* Compiles SOURCES together; NULL with diagnostics if anything is wrong in any. */
struct rego *rego_compile(const struct rego_source *sources, size_t count,
                          const struct rego_options *options, struct lang_diags *diags);

struct rego *rego_ref(struct rego *rego);
void rego_free(struct rego *rego); /* drops one reference */

/* Bytes that the set keeps. */
size_t rego_memory(const struct rego *rego);

/* A query holds a reference to its set.  NULL with diagnostics. */
struct rego_query *rego_query_new(struct rego *rego, struct span text, enum rego_version version,
                                  struct lang_diags *diags);
void rego_query_free(struct rego_query *query);

/* A query for the document at data.PATH[0].PATH[1]...; any strings are fine. */
struct rego_query *rego_query_path(struct rego *rego, const char *const *path, size_t len);

/* True if the query is one term, whose value is the result; else results are bindings. */
bool rego_query_is_term(const struct rego_query *query);

struct rego_limits {
    uint64_t steps;      /* 0: REGO_STEPS_MAX */
    size_t memory_bytes; /* 0: REGO_MEMORY_MAX */
    uint32_t depth;      /* 0: REGO_DEPTH_MAX */
};
enum {
    REGO_STEPS_MAX = 50 * 1000 * 1000,
    REGO_MEMORY_MAX = 256 * 1024 * 1024,
    REGO_DEPTH_MAX = 2500
};

/* Why an evaluation failed. */
struct rego_failure {
    const char *code; /* "eval_conflict_error"; NULL for none */
    char text[640];   /* "FILE:LINE: CODE: MESSAGE" */
};

/* What evaluations tell while they run; any may be NULL. */
struct rego_hooks {
    void *arg;
    void (*on_print)(void *arg, const char *file, uint32_t line, const char *text);
    /* A rule made VALUE: for sets an element. */
    void (*on_rule)(void *arg, const struct rule *rule, const struct rval *value);
    uint8_t *covered; /* one byte per expression, set to 1 when it was reached */
};

struct rego_eval *rego_eval_new(struct rego *rego, const struct rego_limits *limits);
void rego_eval_free(struct rego_eval *eval);
void rego_eval_set_hooks(struct rego_eval *eval, const struct rego_hooks *hooks);
/* Makes failures of built-ins failures of the evaluation; they are "undefined" otherwise. */
void rego_eval_set_strict(struct rego_eval *eval, bool strict);
/* Moves to another set, if it is another; keeps memory and compiled patterns. */
void rego_eval_use(struct rego_eval *eval, struct rego *rego);

/* The set it evaluates.  Borrowed. */
struct rego *rego_eval_get(struct rego_eval *eval);

/* Forgets all values of the last evaluation, its input and result. */
void rego_eval_clear(struct rego_eval *eval);
/* Where inputs are made and results live. */
struct arena *rego_eval_arena(struct rego_eval *eval);

/* Evaluates QUERY, of the evaluator's set, with INPUT (NULL: undefined).  On success *RESULT is the
 * term's value or NULL if undefined; for other queries an array of objects with the bindings.
 * Fails (-1) with *FAILURE filled. */
int rego_eval_run(struct rego_eval *eval, const struct rego_query *query, const struct rval *input,
                  const struct rval **result, struct rego_failure *failure);

/* Steps of the last evaluation. */
uint64_t rego_eval_steps(const struct rego_eval *eval);

/* --- looking into a set ----------------------------------------------------------------------- */

size_t rego_expr_count(const struct rego *rego);
/* Where expression INDEX stands; false for those that are not in a file. */
bool rego_expr_where(const struct rego *rego, size_t index, const char **file, struct loc *loc);

/* Calls FN for each rule of the set in order of its documents; PATH is "data.a.b".  Stops when FN
 * returns false. */
void rego_each_rule(const struct rego *rego,
                    bool (*fn)(void *arg, const char *path, const struct rule *rule), void *arg);

/* Calls FN for each input path that RULE reads, itself or through other rules. */
void rego_rule_inputs(const struct rego *rego, const struct rule *rule,
                      void (*fn)(void *arg, const struct rval *const *path, size_t len), void *arg);

DEFINE_CLEANUP(rego, struct rego *, rego_free)
DEFINE_CLEANUP(rego_query, struct rego_query *, rego_query_free)
DEFINE_CLEANUP(rego_eval, struct rego_eval *, rego_eval_free)
