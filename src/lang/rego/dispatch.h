/* Finding the rules of a document that can apply by one lookup instead of trying each.
 *
 * May use: base, lang.  Threads: a dispatch is frozen once made; a walk has one owner.
 */
#pragma once

#include "lang/rego/plan.h"

struct rego_eval;

struct dispatch_row {
    const struct rval *value;
    uint32_t rule; /* index in the node's rules */
};

struct dispatch {
    uint32_t slot;             /* the input path that is looked up */
    struct dispatch_row *rows; /* sorted by value, then by rule */
    uint32_t row_count;
    uint32_t *others; /* rules that need no value there, in order */
    uint32_t other_count;
};

/* Makes NODE's dispatch, if enough of its compiled rules compare one input path with constants. */
void dispatch_make(struct arena *arena, struct node *node);

/* A walk over the rules of a document that can apply, in the order of their sources. */
struct rule_walk {
    const struct node *node;
    const struct dispatch *dispatch; /* NULL: all rules */
    const struct rval *value;        /* of its slot, or NULL */
    uint32_t row, next;
};

struct rule_walk rule_walk_start(struct rego_eval *e, const struct node *node);
/* The next one, or NULL. */
const struct rule_plan *rule_walk_next(struct rule_walk *walk);
