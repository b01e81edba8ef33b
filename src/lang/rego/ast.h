/* The syntax tree of Rego, as the parser builds it and the compiler rewrites it.
 *
 * Everything lives in the arena of the policy set.  Names are spans into the copied source text.
 * May use: base, lang.  Threads: one owner until the set is compiled, frozen afterwards.
 */
#pragma once

#include "base/text.h"
#include "lang/rego/value.h"

struct loc {
    uint32_t line, col; /* from 1 */
};

enum term_kind {
    TERM_VALUE, /* a scalar, or a ground composite after folding */
    TERM_VAR,
    TERM_REF, /* items[0] is the head: a variable, a call, or a composite */
    TERM_ARRAY,
    TERM_SET,
    TERM_OBJECT, /* items are key, value, key, value */
    TERM_CALL,   /* items[0] names the function (variable or ref), then the arguments */
    TERM_ARRAY_COMP,
    TERM_SET_COMP,
    TERM_OBJECT_COMP,
    TERM_TEMPLATE, /* $"a {x}": items are strings and terms in order */
};

/* Variables that are no locals. */
enum { VAR_UNRESOLVED = -1, VAR_DATA = -2, VAR_INPUT = -3 };

struct body;

struct term {
    enum term_kind kind;
    struct loc loc;
    const struct rval *value; /* TERM_VALUE */
    struct span name;         /* TERM_VAR; "_" for wildcards */
    int var;                  /* TERM_VAR: index of a local of the rule, or VAR_... */
    struct term **items;
    uint32_t len;
    struct term *head; /* comprehensions: what is collected */
    struct term *key;  /* object comprehensions */
    struct body *body;
    bool parenthesised;
};

struct with {
    struct term *target, *value;
};

enum expr_kind {
    EXPR_TERM,    /* a term that must be defined and not false; calls of "eq", "assign" too */
    EXPR_SOME,    /* some x, y */
    EXPR_SOME_IN, /* some x in xs: key (or NULL), value, term */
    EXPR_EVERY,   /* every k, v in xs { body } */
};

struct expr {
    enum expr_kind kind;
    struct loc loc;
    bool negated;
    struct term *term;
    struct term **vars; /* EXPR_SOME */
    uint32_t var_count;
    struct term *key, *val; /* EXPR_SOME_IN, EXPR_EVERY */
    struct body *body;      /* EXPR_EVERY */
    struct with *withs;
    uint32_t with_count;
    uint32_t id; /* for coverage, given by the compiler */
};

struct body {
    struct expr **exprs;
    uint32_t len, cap;
};

struct module;

enum rule_kind {
    RULE_VALUE, /* one value at a path, whose last parts may be variables */
    RULE_SET,   /* contains */
};

struct rule {
    enum rule_kind kind;
    const struct module *module;
    struct loc loc;
    struct term *ref; /* TERM_REF; items[0] is the name */
    struct term **args;
    uint32_t arg_count;
    bool is_function; /* has arguments */
    bool is_default;
    bool is_test_todo;
    struct term *element; /* RULE_SET */
    struct term *value;   /* RULE_VALUE */
    struct body *body;    /* never NULL */
    struct rule *or_else;
    uint32_t end_line;
};

struct import {
    struct loc loc;
    struct term *path; /* TERM_REF with head data, input, rego or future */
    struct span alias; /* the name it is known by */
};

struct module {
    const char *file; /* for messages */
    struct span text;
    bool is_v1;
    struct term *package; /* TERM_REF whose head is data; all parts are strings */
    struct import *imports;
    uint32_t import_count;
    struct rule **rules;
    uint32_t rule_count;
};

/* Constructors.  VARs get VAR_UNRESOLVED; "data" and "input" are resolved at once. */
struct term *ast_value(struct arena *arena, struct loc loc, const struct rval *value);
struct term *ast_var(struct arena *arena, struct loc loc, struct span name);
struct term *ast_items(struct arena *arena, struct loc loc, enum term_kind kind,
                       struct term *const *items, size_t len);
struct term *ast_call(struct arena *arena, struct loc loc, const char *op, struct term *a,
                      struct term *b);
struct expr *ast_expr(struct arena *arena, struct loc loc, struct term *term);
void ast_body_push(struct arena *arena, struct body *body, struct expr *expr);

/* True for a variable called "_". */
bool ast_is_wildcard(const struct term *term);
/* True for a call of the operator OP as the parser names it ("eq", "assign", "equal"). */
bool ast_is_call(const struct term *term, const char *op);
bool ast_is_string(const struct term *term);

/* The text of a ref or variable, as in "data.a.b[x]", for messages. */
void ast_print(struct buf *out, const struct term *term);
char *ast_text(struct arena *arena, const struct term *term);

/* Deep copies: the compiler rewrites its own. */
struct term *ast_copy(struct arena *arena, const struct term *term);
struct body *ast_copy_body(struct arena *arena, const struct body *body);
