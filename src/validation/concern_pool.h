/* Concerns, kept once: thousands of machines share few different ones.
 *
 * May use: base, data, lang.  Threads: one owner; what it gives out is frozen.
 */
#pragma once

#include "base/cleanup.h"
#include "data/obj.h"
#include "lang/rego/value.h"

struct concern_pool;

/* Most different concerns that are kept; more begin anew. */
enum { CONCERN_POOL_MAX = 20000 };

struct concern_pool *concern_pool_new(void);
void concern_pool_free(struct concern_pool *pool);

/* The elements of CONCERNS, a set or array, as a new array of frozen objects. */
json_t *concern_pool_take(struct concern_pool *pool, const struct rval *concerns);

DEFINE_CLEANUP(concern_pool, struct concern_pool *, concern_pool_free)
