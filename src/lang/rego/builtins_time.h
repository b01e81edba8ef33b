/* What the built-ins for times share.
 *
 * May use: base, lang.  Threads: one owner, as builtins.h.
 */
#pragma once

#include "lang/rego/builtins.h"

/* Reads operand N, V: a number, or an array of a number, a zone and, unless LAYOUT is NULL, a
 * layout (of any type).  False after noting why not. */
bool builtin_take_time(struct builtin_call *call, const struct rval *v, int n, int64_t *ns,
                       const struct rval **layout);
