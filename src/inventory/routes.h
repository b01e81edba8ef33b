/* Which collections the REST service has for each provider type, and what a list shows of an
 * object.
 *
 * May use: nothing else.  Threads: constant.
 */
#pragma once

#include "data/obj.h"

#include <stdbool.h>

struct route_collection {
    const char *path;               /* vms */
    const char *kind;               /* VM: as collectors put it */
    const char *const *base_keys;   /* shown at detail 0; NULL at the end; NULL: all */
    const char *const *middle_keys; /* shown in addition at detail 1; NULL: all */
    /* Not shown in lists; or NULL. */
    bool (*is_hidden)(const json_t *object);
};

/* A tree: its root's children are the objects of ROOT_KIND; below an object are those that name it
 * as their parent. */
struct route_tree {
    const char *path; /* host, vm, namespace */
    const char *root_kind;
    const char *const *kinds; /* of all other nodes, NULL at the end */
};

struct route_type {
    const char *type;
    const struct route_collection *collections; /* path NULL at the end */
    const char *const *hidden_keys;             /* in the model, not in answers; NULL at the end */
    const char *const *counts; /* pairs: key of the Provider, kind; NULL at the end */
    bool has_workloads;
    const struct route_tree *trees; /* path NULL at the end */
};

const struct route_type *route_find_type(const char *type);
const struct route_collection *route_find_collection(const struct route_type *type,
                                                     const char *path);

const struct route_tree *route_find_tree(const struct route_type *type, const char *path);

/* The path of the collection that has KIND, or NULL. */
const char *route_plural(const struct route_type *type, const char *kind);

/* All types that GET /providers answers with, NULL at the end. */
extern const char *const route_provider_types[];
