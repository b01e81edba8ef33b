/* A served kind: what a CustomResourceDefinition says, compiled.  Built-in kinds have the same form
 * (kube/builtin.h), so one code path serves both.
 *
 * May use: base, data.  Threads: a compiled type is frozen.
 */
#pragma once

#include "base/cleanup.h"
#include "base/vector.h"
#include "data/obj.h"
#include "kube/cause.h"

#include <stdbool.h>
#include <stddef.h>

struct builtin_rules;
struct json_path;
struct schema;
struct schema_pool;
struct table_columns;

enum type_verb {
    VERB_GET = 1 << 0,
    VERB_LIST = 1 << 1,
    VERB_WATCH = 1 << 2,
    VERB_CREATE = 1 << 3,
    VERB_UPDATE = 1 << 4,
    VERB_PATCH = 1 << 5,
    VERB_DELETE = 1 << 6,
    VERB_DELETE_COLLECTION = 1 << 7,
    VERB_ALL = (1 << 8) - 1,
};

struct kube_version {
    char *name; /* v1beta1 */
    bool served;
    bool storage;
    bool deprecated;
    char *deprecation_warning; /* the Warning header's text, when deprecated */
    const struct schema *schema;
    struct table_columns *columns;
    bool has_status;
    bool has_scale;
    struct json_path *scale_spec_path; /* NULL unless has_scale; the last may be NULL even then */
    struct json_path *scale_status_path;
    struct json_path *scale_selector_path;
    char *scale_spec_field; /* spec.replicas: for obj_put_int */
};

struct kube_type {
    char *group; /* "" for core */
    char *plural;
    char *singular;
    char *kind;
    char *list_kind;
    bool namespaced;
    bool is_custom;      /* comes from a CustomResourceDefinition object */
    bool has_generation; /* metadata.generation counts changes of what is wanted */
    unsigned verbs;      /* enum type_verb */
    struct str_list short_names;
    struct str_list categories;
    struct kube_version *versions; /* the preferred one first */
    size_t version_count;
    const struct builtin_rules *rules; /* NULL for custom kinds */
};

/* Compiles a definition; whatever is wrong with it adds causes (fields below "spec."), and NULL is
 * returned.  Does not keep CRD. */
struct kube_type *kube_type_new(struct schema_pool *pool, const json_t *crd,
                                struct cause_list *causes);
void kube_type_free(struct kube_type *type);

/* The version of that name, or NULL if there is none that is served. */
const struct kube_version *kube_type_version(const struct kube_type *type, const char *name);

/* Fills in what a definition may leave out: names.singular, names.listKind, conversion. */
void crd_default(json_t *crd);

/* Checks a definition against the one it replaces (NULL on create): names, versions, one storage
 * version, metadata.name, what must not change, and everything that kube_type_new checks. */
void crd_validate(const json_t *crd, const json_t *old, struct schema_pool *pool,
                  struct cause_list *causes);

/* Writes status: acceptedNames, storedVersions, and the conditions NamesAccepted and Established,
 * both True, or NamesAccepted False with CONFLICT's text. */
void crd_set_status(json_t *crd, const char *conflict, int64_t now_ms);

DEFINE_CLEANUP(kube_type, struct kube_type *, kube_type_free)
