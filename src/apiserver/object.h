/* One version of a stored object: its JSON text and what is needed to find and filter it.
 *
 * Reference counted and frozen.  The text starts with {"apiVersion":"...", so that another version
 * of the kind is served by replacing that part.
 *
 * May use: base, data.  Threads: references may be taken and dropped anywhere.
 */
#pragma once

#include "base/cleanup.h"
#include "base/vector.h"
#include "data/obj.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

struct object {
    atomic_uint refs;
    int64_t row;      /* in the database */
    uint64_t rv;      /* metadata.resourceVersion */
    json_t *labels;   /* frozen, or NULL if there are none */
    const char *key;  /* "namespace/name" */
    const char *ns;   /* "" for cluster-scoped */
    const char *name; /* points into key */
    const char *uid;
    const char *text; /* compact JSON */
    size_t len;
    size_t rest; /* where the text goes on behind the apiVersion's value */
};

/* TEXT has the form above; LABELS (or NULL) is taken. */
struct object *object_new(const char *ns, const char *name, const char *uid, uint64_t rv,
                          const char *text, size_t len, json_t *labels);
struct object *object_ref(struct object *object);
void object_unref(struct object *object); /* accepts NULL */

/* The parsed text, owned by the caller.  Text that does not parse is our own mistake. */
json_t *object_parse(const struct object *object);

DEFINE_VECTOR(object_list, struct object *)
void object_list_free_all(struct object_list *list); /* drops the references, too */

DEFINE_CLEANUP(object, struct object *, object_unref)
DEFINE_CLEANUP_IN_PLACE(object_list, struct object_list, object_list_free_all)
