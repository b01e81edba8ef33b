/* Answers of the REST service that are made of several objects.
 *
 * May use: base, data.  Threads: no shared state.
 */
#pragma once

#include "data/obj.h"

struct model;
struct route_collection;
struct route_tree;
struct route_type;

/* What an answer at DETAIL shows of OBJECT; owned by the caller. */
json_t *rest_show(const struct route_type *type, const struct route_collection *collection,
                  const json_t *object, int detail);

/* Puts the host, with its cluster, into the workload VM where its provider has such. */
void rest_complete_workload(struct model *model, const struct route_type *type, json_t *vm);

/* The whole tree, {kind, object, children}; machines as DETAIL says, other nodes with their base.
 */
json_t *rest_make_tree(struct model *model, const struct route_type *type,
                       const struct route_tree *tree, int detail);
