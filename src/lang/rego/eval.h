/* Inside of the evaluator: eval.c runs steps, eval_ref.c walks refs and documents, eval_rule.c
 * makes the values of rules, eval_with.c replaces documents and functions.
 *
 * May use: base, lang.  Threads: one owner.
 */
#pragma once

#include "base/map.h"
#include "lang/rego/plan.h"
#include "lang/rego/query.h"
#include "lang/rego/rego.h"

/* What running steps comes to: all solutions were tried, somebody has enough, or a failure. */
enum { GO_ON = 0, STOP = 1, FAILED = -1 };

enum cache_state { CACHE_NONE, CACHE_BUSY, CACHE_UNDEFINED, CACHE_DEFINED };

struct cached {
    enum cache_state state;
    const struct rval *value;
};

struct mock {
    const struct node *node; /* what is replaced: a function, or else a built-in */
    const struct builtin *builtin;
    const struct rval *value; /* by what: a value, a function, or a built-in */
    const struct node *by_node;
    const struct builtin *by_builtin;
};

/* The documents an expression sees; "with" makes a new one. */
struct context {
    struct context *parent;
    const struct rval *input; /* NULL: undefined */
    const struct rval *data;
    struct cached *cache;      /* by node index */
    const struct node **masks; /* documents replaced by base documents */
    uint32_t mask_count;
    struct mock *mocks;
    uint32_t mock_count;
    uint32_t generation;
};

struct slot_value {
    uint32_t generation;
    const struct rval *value; /* NULL: undefined */
};

/* Called at the end of a body, once per solution. */
struct cont {
    int (*fn)(struct rego_eval *e, const struct rval **frame, struct cont *self);
};

struct rego_eval {
    struct rego *rego; /* a reference */
    struct arena arena;
    struct rego_limits limits;
    struct rego_hooks hooks;
    bool strict;

    struct context *context;
    uint32_t generation;
    struct slot_value *slots;
    size_t slot_cap;
    const struct rval **stack; /* frames */
    size_t stack_len;
    uint64_t steps;
    uint32_t depth;
    const struct rule_plan *rule; /* being evaluated */
    struct rego_failure *failure;

    int64_t now_ns;
    struct map *regexes;
};

enum { EVAL_STACK_SIZE = 256 * 1024 };

static inline const struct rval *eval_operand(const struct rval **frame, struct operand operand)
{
    return operand.value != NULL ? operand.value : frame[operand.reg];
}

/* Notes a failure at LOC of the current rule; returns FAILED. */
int eval_fail(struct rego_eval *e, const char *code, struct loc loc, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Counts V, just made or about to be read, as work, and fails if it is above the limits of values.
 * A step is about as much work as eight parts of a value. */
enum { EVAL_PARTS_PER_STEP = 8 };
int eval_weigh(struct rego_eval *e, const struct rval *v, struct loc loc);

/* Runs steps; CONT gets each solution. */
int eval_steps(struct rego_eval *e, const struct rval **frame, const struct step *step,
               struct cont *cont);
/* A cont that takes the first solution and nothing else. */
int eval_stop_at_first(struct rego_eval *e, const struct rval **frame, struct cont *self);

/* A frame for SIZE registers, or NULL after a failure; eval_pop gives it back. */
const struct rval **eval_push(struct rego_eval *e, uint32_t size, struct loc loc);
void eval_pop(struct rego_eval *e, uint32_t size);

/* eval_ref.c: STEP_REF and its kin; go on with the step behind. */
int eval_ref(struct rego_eval *e, const struct rval **frame, const struct step *step, uint32_t part,
             const struct rval *value, struct cont *cont);
int eval_data_ref(struct rego_eval *e, const struct rval **frame, const struct step *step,
                  struct cont *cont);
/* The value of a slot, or NULL. */
const struct rval *eval_slot(struct rego_eval *e, uint32_t index);
/* The base document at a node's path in the current context, or NULL. */
const struct rval *eval_base(struct rego_eval *e, const struct node *node);
bool eval_is_masked(const struct rego_eval *e, const struct node *node);

/* eval_rule.c.  *OUT is NULL if undefined; GO_ON or FAILED. */
int eval_document(struct rego_eval *e, const struct node *node, const struct rval *base,
                  const struct rval **out);
int eval_rule_value(struct rego_eval *e, const struct node *node, const struct rval **out);
int eval_function(struct rego_eval *e, const struct node *node, const struct rval *const *args,
                  uint32_t count, const struct rval **out);

/* eval_partial.c: documents that rules with variable paths make. */
int eval_partial_object(struct rego_eval *e, const struct node *node, const struct rval **out);

/* eval_with.c */
int eval_with(struct rego_eval *e, const struct rval **frame, const struct step *step,
              struct cont *cont);
const struct mock *eval_find_mock(const struct rego_eval *e, const struct node *node,
                                  const struct builtin *builtin);
/* Calls what MOCK says.  *OUT is NULL if undefined. */
int eval_mock(struct rego_eval *e, const struct mock *mock, const struct rval *const *args,
              uint32_t count, struct loc loc, const struct rval **out);
int eval_builtin(struct rego_eval *e, const struct builtin *builtin, const struct rval *const *args,
                 struct loc loc, const struct rval **out);
