/* Structural schemas (OpenAPI v3 as CustomResourceDefinitions use it): compiled small, then used to
 * default, prune and validate objects.
 *
 * A pool shares equal strings and equal subtrees between all schemas compiled into it, which makes
 * the 16,500 nodes of 63 CRDs a few megabytes.  Descriptions are not kept: kube/openapi.h takes
 * them from the definitions themselves.  Nodes live as long as their pool.
 *
 * The order on a write: body_parse, schema_prune, schema_default, builtin rules, schema_validate.
 *
 * The root of a kind, and embedded resources, have apiVersion, kind and metadata (ObjectMeta)
 * whatever the schema says about them.
 *
 * May use: base, data.  Threads: schema_compile takes the pool's lock; compiled schemas are frozen
 * and may be used by any number of threads.
 */
#pragma once

#include "base/cleanup.h"
#include "base/vector.h"
#include "data/obj.h"
#include "kube/cause.h"

#include <stdbool.h>
#include <stddef.h>

struct error;
struct schema;
struct schema_pool;

enum {
    SCHEMA_MAX_DEPTH = 48,     /* nesting of a schema; objects are bounded by OBJ_MAX_DEPTH */
    SCHEMA_MAX_NODES = 100000, /* nodes of one schema */
    SCHEMA_MAX_UNKNOWN = 100,  /* unknown fields reported of one object */
};

struct schema_pool *schema_pool_new(void);
void schema_pool_free(struct schema_pool *pool);

/* What the pool holds, for figures: bytes of memory, different nodes, nodes asked for. */
struct schema_pool_stats {
    size_t bytes;
    size_t nodes;
    size_t nodes_seen;
};
void schema_pool_get_stats(struct schema_pool *pool, struct schema_pool_stats *stats);

/* Compiles the openAPIV3Schema of one version of a kind.  What is not structural, a pattern or a
 * CEL rule that we cannot evaluate adds causes with fields below FIELD
 * ("spec.versions[0].schema.openAPIV3Schema").  NULL if there were causes. */
const struct schema *schema_compile(struct schema_pool *pool, const json_t *openapi,
                                    const char *field, struct cause_list *causes);

/* Removes what the schema does not know, in place.  UNKNOWN, unless NULL, gets the paths of what
 * was removed ("spec.map[0].typo"), to be freed with str_list_free_all. */
void schema_prune(const struct schema *schema, json_t *object, struct str_list *unknown);

/* Fills in defaults in place; nulls of fields that have a default and are not nullable are
 * replaced. */
void schema_default(const struct schema *schema, json_t *object);

/* Adds a cause for each violation, with the API server's wording.  OLD is the object before an
 * update, or NULL: rules that compare with it (oldSelf) run on updates only. */
void schema_validate(const struct schema *schema, const json_t *object, const json_t *old,
                     struct cause_list *causes);

/* How lists and maps merge; for kube/patch.h and kube/apply.h. */
enum schema_merge {
    SCHEMA_MERGE_ATOMIC, /* scalars; lists by default; maps when they say so */
    SCHEMA_MERGE_DEEP,   /* objects: field by field */
    SCHEMA_MERGE_SET,
    SCHEMA_MERGE_MAP, /* a list whose items have keys */
};

/* All of these accept NULL (nothing is known: objects merge deep, the rest is atomic). */
enum schema_merge schema_merge(const struct schema *schema, const json_t *value);
/* The schema of a member or of the items; NULL if unknown. */
const struct schema *schema_field(const struct schema *schema, const char *name);
const struct schema *schema_items(const struct schema *schema);
/* The keys of a list that merges as a map: the I-th, or NULL behind the last. */
const char *schema_map_key(const struct schema *schema, size_t i);
/* The default of a member, borrowed, or NULL. */
const json_t *schema_field_default(const struct schema *schema, const char *name);
/* The strategic merge patch's own hints: the key or NULL; true if the strategy has that word
 * ("merge", "replace", "retainKeys"). */
const char *schema_patch_key(const struct schema *schema);
bool schema_patch_has(const struct schema *schema, const char *strategy);

DEFINE_CLEANUP(schema_pool, struct schema_pool *, schema_pool_free)
