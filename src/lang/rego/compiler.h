/* What the stages of the compiler share.
 *
 * Stages for a set: tree (which rules make which documents), then for each rule resolve (names to
 * registers and documents), expand (calls out of terms), order (so that each expression finds its
 * variables bound) and plan (steps); last the search for recursion.
 *
 * May use: base, lang.  Threads: one owner.
 */
#pragma once

#include "base/vector.h"
#include "lang/diag.h"
#include "lang/rego/parser.h"
#include "lang/rego/plan.h"

struct compiler {
    struct rego *rego;
    struct arena *arena;
    struct lang_diags *diags;
};

struct local {
    struct span name;
    struct loc loc;
    bool generated; /* wildcard or made by us: never shown */
    bool by_some, is_arg;
    bool used;
};

DEFINE_VECTOR(local_list, struct local)

/* A body's names. */
struct scope {
    struct scope *parent;
    struct {
        struct span *ptr;
        int *var; /* -1 until declared */
        size_t len, cap;
    } names;
};

DEFINE_VECTOR(uint_list, uint32_t)
DEFINE_VECTOR(node_list, struct node *)

/* One rule (or query) on its way through the stages. */
struct unit {
    struct compiler *c;
    const struct module *module; /* NULL for queries */
    struct node *package;        /* NULL for queries */
    struct local_list locals;
    struct {
        struct span *ptr;
        int *var;
        size_t len, cap;
    } plain; /* variables that were never declared, by name */
    struct scope *scope;
    uint8_t *bound; /* by variable, while planning */
    size_t bound_cap;
    struct uint_list slots;
    struct node_list deps;
    uint32_t expr;
    bool failed;
};

void unit_fail(struct unit *u, const char *code, struct loc loc, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
void unit_reset(struct unit *u);
int unit_new_local(struct unit *u, struct span name, struct loc loc, bool generated);
struct term *unit_new_var(struct unit *u, struct loc loc);

/* tree.c: puts all rules into the tree and checks what may stand beside what. */
void compile_tree(struct compiler *c);
/* How many leading parts of a rule's ref are its static path. */
uint32_t rule_static_len(const struct rule *rule);

/* resolve.c */
void scope_enter(struct unit *u, struct scope *scope);
void scope_leave(struct unit *u);
void resolve_body(struct unit *u, struct body *body);
void resolve_term(struct unit *u, struct term **term);
void resolve_declare_pattern(struct unit *u, struct term *term, bool by_some);
/* The same for an argument of a function, where a name may stand twice. */
void resolve_declare_arg(struct unit *u, struct term *term);
/* Says which variables declared by "some" were never used. */
void resolve_check_unused(struct unit *u);

/* expand.c: pulls calls out of terms.  Statements for TERM go to BODY. */
void expand_body(struct unit *u, struct body *body);
void expand_term(struct unit *u, struct term **term, struct body *body);

/* order.c: reorders BODY and all bodies inside so that each expression finds its variables bound.
 * BOUND is by variable and updated; OUTER has the variables of the enclosing bodies.  Both must
 * have room for all locals.  False after a diagnostic. */
bool order_body(struct unit *u, struct body *body, uint8_t *bound, const uint8_t *outer);
/* False, with a diagnostic, if TERM of a head has variables that are not bound. */
bool order_check_head(struct unit *u, struct term *term, const uint8_t *bound);
void order_add_vars(const struct term *term, uint8_t *set);
/* Without a diagnostic, with what the unit has bound: can TERM be computed, has it variables that
 * are not bound, can A and B be unified. */
bool order_can_compute(struct unit *u, struct term *term);
bool order_has_unbound(struct unit *u, const struct term *term);
bool order_can_unify(struct unit *u, struct term *a, struct term *b);

/* plan_*.c.  Registers are numbered like variables; those made while planning are variables too. */
struct plan_body {
    struct step *ptr;
    size_t len, cap;
};
struct step *plan_emit(struct unit *u, struct plan_body *out, enum step_kind kind, struct loc loc);
uint32_t plan_new_reg(struct unit *u);
struct operand plan_value(struct unit *u, struct plan_body *out, struct term *term);
void plan_unify(struct unit *u, struct plan_body *out, struct term *a, struct term *b);
void plan_pattern(struct unit *u, struct plan_body *out, struct term *term, struct operand src);
void plan_exprs(struct unit *u, struct plan_body *out, const struct body *body);
struct step *plan_finish(struct unit *u, struct plan_body *out);
void plan_call_into(struct unit *u, struct plan_body *out, struct term *call, uint32_t dst);
/* The operation of a call's name: a function's node or a built-in; false if there is none. */
bool plan_find_function(struct unit *u, const struct term *name, struct node **node,
                        const struct builtin **builtin);
void plan_with(struct unit *u, struct plan_body *out, const struct expr *expr);

/* compile_rule.c */
struct rule_plan *compile_rule(struct compiler *c, struct node *node, const struct rule *rule);

/* graph.c */
void compile_check_recursion(struct compiler *c);
