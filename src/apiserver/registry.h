/* The kinds that are served: built-in ones and those of CustomResourceDefinitions.
 *
 * May use: base, data, net, kube.  Threads: all functions may be called from any thread.
 */
#pragma once

#include "base/cleanup.h"
#include "base/vector.h"
#include "kube/type.h"

#include <stdatomic.h>
#include <stdint.h>

struct error;
struct registry;
struct store;
struct store_table;

/* A served kind.  Counted: one that is replaced or removed stays until its last user is done. */
struct served {
    atomic_uint refs;
    struct kube_type *type;
    struct store_table *table;
    bool is_terminating;  /* its CustomResourceDefinition is being deleted: nothing new */
};

void served_unref(struct served *served);

struct registry *registry_new(struct store *store);
void registry_free(struct registry *registry);

struct schema_pool *registry_pool(struct registry *registry);

/* Adds or replaces the kind of a definition; what is wrong with it goes to CAUSES, -1 then. */
int registry_put(struct registry *registry, const json_t *definition, bool is_terminating,
                 struct cause_list *causes);
void registry_remove(struct registry *registry, const char *group, const char *plural);

/* The served kind, a reference, or NULL.  VERSION NULL: any; else *FOUND is that version, or the
 * kind is not found. */
struct served *registry_find(struct registry *registry, const char *group, const char *version,
                             const char *plural, const struct kube_version **found);
/* By kind instead of plural. */
struct served *registry_find_kind(struct registry *registry, const char *group, const char *kind);

/* References to all, sorted by group (core first) and plural. */
DEFINE_VECTOR(served_list, struct served *)
void registry_list(struct registry *registry, struct served_list *out);
void served_list_free_all(struct served_list *list);

/* Counts up with every change; for caches of what is derived from the kinds. */
uint64_t registry_generation(struct registry *registry);

DEFINE_CLEANUP(served, struct served *, served_unref)
DEFINE_CLEANUP_IN_PLACE(served_list, struct served_list, served_list_free_all)
