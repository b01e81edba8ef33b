/* The validation rules of schemas: the part of CEL that the supported CRDs use.
 *
 *     self.mode == 'Pull' ? ... is not in it; these are:
 *     self, oldSelf, member access, [index], has(x.y), ! && || == != < <= > >= in, [a, b],
 *     list.all(v, e), list.exists(v, e), size(x) and x.size(), x.startsWith(s), x.endsWith(s),
 *     x.contains(s), x.matches(re), text, integer, bool and null literals, c ? a : b
 *
 * Everything else is refused when the rule is compiled, with a message that names it.
 * Errors at run time (no such member) follow CEL: || and && absorb them when the other side
 * decides.
 *
 * May use: base, data.  Threads: a compiled rule is frozen.
 */
#pragma once

#include "base/cleanup.h"
#include "data/obj.h"

#include <stdbool.h>
#include <stddef.h>

struct cel_rule;
struct error;

enum {
    CEL_MAX_LENGTH = 4096,   /* bytes of a rule */
    CEL_MAX_DEPTH = 32,      /* nesting of a rule */
    CEL_MAX_STEPS = 1000000, /* operations of one evaluation; more is a failure */
};

/* Compiles RULE; the error says where and what is not understood. */
struct cel_rule *cel_compile(const char *rule, struct error **err);
void cel_free(struct cel_rule *rule);

/* True if the rule needs oldSelf, that is, runs on updates only. */
bool cel_uses_old(const struct cel_rule *rule);

/* Evaluates; OLD_SELF may be NULL.  The result must be a bool. */
int cel_eval(const struct cel_rule *rule, const json_t *self, const json_t *old_self, bool *result,
             struct error **err);

/* Bytes that the rule holds. */
size_t cel_size(const struct cel_rule *rule);

DEFINE_CLEANUP(cel_rule, struct cel_rule *, cel_free)
