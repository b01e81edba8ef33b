/* What a compiled schema is made of; shared by the schema_*.c files only.
 *
 * A node is frozen once schema_pool_share returned it.  Its strings and children belong to the
 * pool, its arrays, JSON values and `extra` to the node.
 */
#pragma once

#include "kube/schema.h"

#include <stdint.h>

struct cel_rule;
struct regex;

enum schema_type {
    SCHEMA_ANY,
    SCHEMA_OBJECT,
    SCHEMA_ARRAY,
    SCHEMA_STRING,
    SCHEMA_INTEGER,
    SCHEMA_NUMBER,
    SCHEMA_BOOLEAN,
    SCHEMA_INT_OR_STRING,
};

enum schema_flag {
    SCHEMA_NULLABLE = 1 << 0,
    SCHEMA_PRESERVE = 1 << 1,     /* unknown members stay */
    SCHEMA_RESOURCE = 1 << 2,     /* has apiVersion, kind, metadata */
    SCHEMA_OPEN = 1 << 3,         /* additionalProperties: true */
    SCHEMA_HAS_RULES = 1 << 4,    /* a CEL rule here or below */
    SCHEMA_HAS_DEFAULTS = 1 << 5, /* a default below */
    SCHEMA_EXCLUSIVE_MIN = 1 << 6,
    SCHEMA_EXCLUSIVE_MAX = 1 << 7,
    SCHEMA_HAS_MIN = 1 << 8,
    SCHEMA_HAS_MAX = 1 << 9,
    SCHEMA_HAS_LISTS = 1 << 10, /* a list of type set or map here or below */
};

struct schema_property {
    const char *name;
    const struct schema *schema;
};

struct schema_rule {
    struct cel_rule *rule;
    const char *source;
    const char *message;    /* or NULL */
    const char *field_path; /* relative to the node, or NULL */
    enum cause_reason reason;
};

struct schema_branches {
    const struct schema **ptr;
    size_t len;
};

/* What few nodes have. */
struct schema_extra {
    double minimum, maximum;
    int64_t min_length, max_length; /* these are -1 when absent */
    int64_t min_items, max_items;
    int64_t min_properties, max_properties;
    double multiple_of; /* 0 when absent */
    json_t *enumeration;
    const char *pattern;
    const struct regex *regex; /* the pool's */
    struct schema_branches all_of, any_of, one_of;
    const struct schema *negated;
    const char **keys; /* of a list that merges as a map; NULL at the end */
    const char *patch_key, *patch_strategy;
    struct schema_rule *rules;
    size_t rule_count;
};

struct schema {
    uint8_t type;   /* enum schema_type */
    uint8_t merge;  /* enum schema_merge */
    uint16_t flags; /* enum schema_flag */
    uint16_t property_count;
    uint16_t required_count;
    const char *format;                 /* or NULL */
    struct schema_property *properties; /* sorted by name */
    const char **required;
    const struct schema *items;
    const struct schema *additional;
    json_t *fallback; /* the default, or NULL */
    struct schema_extra *extra;
};

/* The pool's one copy of TEXT; NULL gives NULL. */
const char *schema_pool_intern(struct schema_pool *pool, const char *text);

/* The compiled expression for an interned PATTERN, made when first asked for. */
int schema_pool_regex(struct schema_pool *pool, const char *pattern, const struct regex **out,
                      struct error **err);

/* Takes NODE and returns the pool's equal of it, which may be NODE itself. */
const struct schema *schema_pool_share(struct schema_pool *pool, struct schema *node);

/* Frees what a node owns, and the node. */
void schema_node_free(struct schema *node);

/* ObjectMeta, and the schema of apiVersion and kind. */
const struct schema *schema_pool_meta(struct schema_pool *pool);
const struct schema *schema_pool_text(struct schema_pool *pool);

void schema_pool_lock(struct schema_pool *pool);
void schema_pool_unlock(struct schema_pool *pool);

/* Compiles without taking the lock; the root is a resource if IS_RESOURCE. */
const struct schema *schema_compile_node(struct schema_pool *pool, const json_t *openapi,
                                         bool is_resource, const char *field,
                                         struct cause_list *causes);

/* Does TEXT have FORMAT?  Formats that we do not know accept everything. */
bool schema_format_accepts(const char *format, const char *text);

/* The duplicates of lists of type set and map: schema_lists.c. */
void schema_check_lists(const struct schema *schema, const json_t *value,
                        struct cause_list *causes);
