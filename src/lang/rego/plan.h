/* A compiled policy set: a tree of documents, and for each rule a list of steps.
 *
 * Which variables are bound where is decided by the compiler, so steps either assign a register or
 * compare with it and nothing is ever unbound.  A body is a vector of steps that ends with
 * STEP_YIELD; steps that iterate run the rest of the vector once per element (eval.c).
 *
 * May use: base, lang.  Threads: frozen once compiled.
 */
#pragma once

#include "base/vector.h"
#include "lang/rego/ast.h"
#include "lang/rego/builtins.h"

/* Where a step finds a value: a constant, or else a register of the frame. */
struct operand {
    const struct rval *value;
    uint32_t reg;
};

enum part_kind {
    PART_KEY,  /* look this key up */
    PART_BIND, /* try all keys, each is put into a register */
};

struct part {
    enum part_kind kind;
    struct operand key; /* PART_BIND: its reg */
};

enum step_kind {
    STEP_YIELD,
    STEP_INPUT,     /* dst = the input path of slot `index`; fails if undefined */
    STEP_REF,       /* dst = parts applied to a */
    STEP_INPUT_REF, /* dst = parts applied to the input */
    STEP_DATA_REF,  /* dst = parts applied to the document `node` */
    STEP_RULE,      /* dst = the value of the rule at `node` */
    STEP_ARRAY,     /* dst = [args...] */
    STEP_SET,
    STEP_OBJECT, /* args are key, value, ... */
    STEP_BUILTIN,
    STEP_FUNCTION,
    STEP_WALK,  /* the one built-in that yields many values */
    STEP_MOVE,  /* dst = a */
    STEP_EQUAL, /* fails unless a == b, and so on */
    STEP_NOT_EQUAL,
    STEP_LESS,
    STEP_LESS_EQUAL,
    STEP_GREATER,
    STEP_GREATER_EQUAL,
    STEP_MEMBER,   /* fails unless a is a value in b */
    STEP_TRUE,     /* fails if a is false */
    STEP_IS_ARRAY, /* fails unless a is an array of `index` items */
    STEP_ITEM,     /* dst = item `index` of array a */
    STEP_IS_OBJECT,
    STEP_FIELD,   /* dst = a[b] of an object; fails if absent */
    STEP_NOT,     /* fails if `body` has a solution */
    STEP_EVERY,   /* for all of a, keys in register b.reg, values in dst: `body` has a solution */
    STEP_COLLECT, /* dst = all solutions of `body`: an array, set or object by `index` */
    STEP_WITH,    /* replaces documents and functions until STEP_END_WITH */
    STEP_END_WITH,
    STEP_PRINT,
    STEP_FAIL, /* never succeeds */
};

enum { NO_REG = UINT32_MAX };

struct node;

enum with_kind { WITH_INPUT, WITH_DATA, WITH_FUNCTION };

struct with_plan {
    enum with_kind kind;
    const struct rval **path; /* below input or data */
    uint32_t path_len;
    struct node *node;             /* WITH_DATA: the document replaced, if rules define any there;
                                      WITH_FUNCTION: the function replaced, unless a built-in */
    const struct builtin *builtin; /* WITH_FUNCTION */
    struct operand value;
    struct node *by_node; /* WITH_FUNCTION: replaced by this, unless by a value */
    const struct builtin *by_builtin;
};

struct step {
    enum step_kind kind;
    uint32_t dst;
    uint32_t index;
    uint32_t expr; /* number of the expression it comes from, for coverage */
    struct operand a, b;
    union {
        struct operand *args;
        struct part *parts;
        struct with_plan *withs;
        struct step **bodies; /* STEP_PRINT: one per argument */
    };
    uint32_t arg_count;
    struct node *node;
    const struct builtin *builtin;
    struct step *body;
    struct loc loc;
};

/* A test that can be made before a body is entered: the input path of SLOT must be defined and,
 * unless VALUE is NULL, equal to it. */
struct guard {
    uint32_t slot;
    const struct rval *value;
};

enum { GUARDS_MAX = 4 }; /* of one rule */

struct rule_plan {
    const struct rule *rule;
    struct rule_plan *or_else;
    uint32_t frame_size;
    uint32_t arg_count;   /* arguments are in the first registers */
    struct step *body;    /* unification of arguments included */
    struct operand value; /* or element */
    struct operand *keys; /* the dynamic parts of the head */
    uint32_t key_count;
    struct guard *guards;
    uint32_t guard_count;
    bool value_is_constant; /* the first solution says it all */
    uint32_t *slots;        /* the input paths it reads, for explanations */
    uint32_t slot_count;
    struct node **deps; /* documents it reads */
    uint32_t dep_count;
};

/* A document that packages and rules make: data.a.b. */
struct node {
    const struct rval *key; /* last part of its path; a string */
    struct node *parent;
    struct node **children; /* sorted by key */
    uint32_t child_count, child_cap;
    uint32_t index;
    bool is_package;
    bool is_rule_name;  /* a rule's first name stands here */
    bool has_documents; /* it is no function */

    /* Rules whose static path ends here. */
    bool is_function, is_set, is_value, is_dynamic;
    uint32_t arity;
    const struct rule **sources;
    uint32_t source_count, source_cap;
    struct rule_plan **rules;
    uint32_t rule_count;
    struct dispatch *dispatch;  /* which of them can apply (dispatch.h), or NULL */
    struct rule_plan *fallback; /* the default rule */
    bool has_one_value;         /* all rules give the same constant: one solution is enough */
    uint8_t color;              /* of the search for recursion */
};

struct input_slot {
    int32_t parent; /* another slot, or -1 for the input itself */
    const struct rval *key;
};

struct expr_info {
    const struct module *module;
    struct loc loc;
};

DEFINE_VECTOR(slot_list, struct input_slot)
DEFINE_VECTOR(expr_list, struct expr_info)
DEFINE_VECTOR(module_list, struct module *)

struct rego {
    int refs; /* atomic */
    struct arena arena;
    struct node *root;
    uint32_t node_count;
    const struct rval *data; /* the base document, an object */
    struct slot_list slots;
    struct expr_list exprs;
    struct module_list modules;
    bool no_index;
};

/* The child of NODE under KEY, or NULL. */
struct node *node_find(const struct node *node, const struct rval *key);
/* "data.a.b"; in the arena. */
char *node_path(struct arena *arena, const struct node *node);

static inline bool node_has_rules(const struct node *node)
{
    return node->is_value || node->is_set || node->is_dynamic || node->is_function;
}
