/* The pool: one copy of each string and of each subtree.
 *
 * Children are shared before their parent, so two nodes are equal when their own fields are equal
 * and their strings and children are the same pointers.  Both tables use open addressing, are
 * never shrunk, and nothing is taken out of them.
 */
#include "kube/schema_node.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/thread.h"
#include "data/obj.h"
#include "kube/cel.h"
#include "kube/embed.h"
#include "lang/regex.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { TABLE_START = 256 };

/* Pointers found by hash; the owner compares. */
struct table {
    void **slots;
    uint64_t *hashes;
    size_t cap, count;
};

struct pattern {
    const char *text;
    struct regex *regex;
};

DEFINE_VECTOR(pattern_list, struct pattern)

struct schema_pool {
    pthread_mutex_t lock;
    struct table strings; /* guarded by lock, also what follows */
    struct table nodes;
    struct pattern_list patterns; /* a handful: searched one by one */
    size_t bytes;
    size_t nodes_seen;
    const struct schema *meta, *text; /* set by schema_pool_new */
};

/* FNV-1a over eight bytes at a time is enough here: tables are private, inputs trusted to be few.
 */
static uint64_t hash_bytes(uint64_t hash, const void *data, size_t len)
{
    const unsigned char *p = data;

    for (size_t i = 0; i < len; i++)
        hash = (hash ^ p[i]) * 0x100000001b3ULL;
    return hash ^ (hash >> 29);
}

static void table_place(struct table *table, uint64_t hash, void *item)
{
    size_t i = hash & (table->cap - 1);

    while (table->slots[i] != NULL)
        i = (i + 1) & (table->cap - 1);
    table->slots[i] = item;
    table->hashes[i] = hash;
}

static void table_add(struct table *table, uint64_t hash, void *item)
{
    if ((table->count + 1) * 4 > table->cap * 3) {
        struct table old = *table;

        table->cap = old.cap == 0 ? TABLE_START : old.cap * 2;
        table->slots = xcalloc(table->cap, sizeof(*table->slots));
        table->hashes = xcalloc(table->cap, sizeof(*table->hashes));
        for (size_t i = 0; i < old.cap; i++)
            if (old.slots[i] != NULL)
                table_place(table, old.hashes[i], old.slots[i]);
        free(old.slots);
        free(old.hashes);
    }
    table_place(table, hash, item);
    table->count++;
}

static void *table_find(const struct table *table, uint64_t hash,
                        bool (*equal)(const void *item, const void *key), const void *key)
{
    if (table->cap == 0)
        return NULL;
    for (size_t i = hash & (table->cap - 1); table->slots[i] != NULL;
         i = (i + 1) & (table->cap - 1))
        if (table->hashes[i] == hash && equal(table->slots[i], key))
            return table->slots[i];
    return NULL;
}

static bool string_equal(const void *item, const void *key)
{
    return strcmp(item, key) == 0;
}

const char *schema_pool_intern(struct schema_pool *pool, const char *text)
{
    if (text == NULL)
        return NULL;

    size_t len = strlen(text);
    uint64_t hash = hash_bytes(14695981039346656037ULL, text, len);
    char *found = table_find(&pool->strings, hash, string_equal, text);

    if (found == NULL) {
        found = xstrdup(text);
        table_add(&pool->strings, hash, found);
        pool->bytes += len + 1;
    }
    return found;
}

int schema_pool_regex(struct schema_pool *pool, const char *pattern, const struct regex **out,
                      struct error **err)
{
    for (size_t i = 0; i < pool->patterns.len; i++)
        if (pool->patterns.ptr[i].text == pattern) {
            *out = pool->patterns.ptr[i].regex;
            return 0;
        }

    struct regex *regex = NULL;

    if (regex_compile(span_of(pattern), &regex, err) == -1)
        return -1;
    pattern_list_push(&pool->patterns, (struct pattern){pattern, regex});
    pool->bytes += regex_size(regex);
    *out = regex;
    return 0;
}

static bool json_same(const json_t *a, const json_t *b)
{
    return a == b || (a != NULL && b != NULL && json_equal(a, b));
}

static bool branches_same(const struct schema_branches *a, const struct schema_branches *b)
{
    return a->len == b->len &&
           (a->len == 0 || memcmp(a->ptr, b->ptr, a->len * sizeof(*a->ptr)) == 0);
}

static size_t count_keys(const char **keys)
{
    size_t n = 0;

    while (keys != NULL && keys[n] != NULL)
        n++;
    return n;
}

static bool rules_same(const struct schema_extra *a, const struct schema_extra *b)
{
    if (a->rule_count != b->rule_count)
        return false;
    for (size_t i = 0; i < a->rule_count; i++)
        if (a->rules[i].source != b->rules[i].source ||
            a->rules[i].message != b->rules[i].message ||
            a->rules[i].field_path != b->rules[i].field_path ||
            a->rules[i].reason != b->rules[i].reason)
            return false;
    return true;
}

static bool extra_same(const struct schema_extra *a, const struct schema_extra *b)
{
    if (a == NULL || b == NULL)
        return a == b;

    size_t keys = count_keys(a->keys);

    return a->minimum == b->minimum && a->maximum == b->maximum && a->min_length == b->min_length &&
           a->max_length == b->max_length && a->min_items == b->min_items &&
           a->max_items == b->max_items && a->min_properties == b->min_properties &&
           a->max_properties == b->max_properties && a->multiple_of == b->multiple_of &&
           json_same(a->enumeration, b->enumeration) && a->pattern == b->pattern &&
           a->negated == b->negated && a->patch_key == b->patch_key &&
           a->patch_strategy == b->patch_strategy && branches_same(&a->all_of, &b->all_of) &&
           branches_same(&a->any_of, &b->any_of) && branches_same(&a->one_of, &b->one_of) &&
           keys == count_keys(b->keys) &&
           (keys == 0 || memcmp(a->keys, b->keys, keys * sizeof(*a->keys)) == 0) &&
           rules_same(a, b);
}

static bool node_same(const void *item, const void *key)
{
    const struct schema *a = item, *b = key;

    return a->type == b->type && a->merge == b->merge && a->flags == b->flags &&
           a->property_count == b->property_count && a->required_count == b->required_count &&
           a->format == b->format && a->items == b->items && a->additional == b->additional &&
           (a->property_count == 0 || memcmp(a->properties, b->properties,
                                             a->property_count * sizeof(*a->properties)) == 0) &&
           (a->required_count == 0 ||
            memcmp(a->required, b->required, a->required_count * sizeof(*a->required)) == 0) &&
           json_same(a->fallback, b->fallback) && extra_same(a->extra, b->extra);
}

static size_t node_bytes(const struct schema *node)
{
    size_t bytes = sizeof(*node) + node->property_count * sizeof(*node->properties) +
                   node->required_count * sizeof(*node->required);

    if (node->extra != NULL) {
        bytes += sizeof(*node->extra) + node->extra->rule_count * sizeof(*node->extra->rules);
        for (size_t i = 0; i < node->extra->rule_count; i++)
            bytes += cel_size(node->extra->rules[i].rule);
    }
    return bytes;
}

const struct schema *schema_pool_share(struct schema_pool *pool, struct schema *node)
{
    uint64_t hash = node->type | (uint64_t)node->merge << 8 | (uint64_t)node->flags << 16;

    hash = hash_bytes(hash, node->properties, node->property_count * sizeof(*node->properties));
    hash = hash_bytes(hash, node->required, node->required_count * sizeof(*node->required));
    hash = hash_bytes(hash, &node->items, sizeof(node->items));
    hash = hash_bytes(hash, &node->additional, sizeof(node->additional));
    hash = hash_bytes(hash, &node->format, sizeof(node->format));
    pool->nodes_seen++;

    struct schema *found = table_find(&pool->nodes, hash, node_same, node);

    if (found != NULL) {
        schema_node_free(node);
        return found;
    }
    table_add(&pool->nodes, hash, node);
    pool->bytes += node_bytes(node);
    return node;
}

void schema_node_free(struct schema *node)
{
    struct schema_extra *extra = node->extra;

    free(node->properties);
    free(node->required);
    json_decref(node->fallback);
    if (extra != NULL) {
        json_decref(extra->enumeration);
        free(extra->all_of.ptr);
        free(extra->any_of.ptr);
        free(extra->one_of.ptr);
        free(extra->keys);
        for (size_t i = 0; i < extra->rule_count; i++)
            cel_free(extra->rules[i].rule);
        free(extra->rules);
        free(extra);
    }
    free(node);
}

const struct schema *schema_pool_meta(struct schema_pool *pool)
{
    return pool->meta;
}

const struct schema *schema_pool_text(struct schema_pool *pool)
{
    return pool->text;
}

void schema_pool_lock(struct schema_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
}

void schema_pool_unlock(struct schema_pool *pool)
{
    pthread_mutex_unlock(&pool->lock);
}

struct schema_pool *schema_pool_new(void)
{
    struct schema_pool *pool = xcalloc(1, sizeof(*pool));
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(cause_list) struct cause_list causes = {0};

    pthread_mutex_init(&pool->lock, NULL);

    json_auto_t *meta = obj_parse(embed_object_meta.text, embed_object_meta.len, &err);
    json_auto_t *text = obj_pack("{s:s}", "type", "string");

    assert(meta != NULL);
    pool->meta = schema_compile_node(pool, meta, false, "metadata", &causes);
    pool->text = schema_compile_node(pool, text, false, "kind", &causes);
    assert(causes.len == 0); /* our own data, which a test reads too */
    return pool;
}

void schema_pool_free(struct schema_pool *pool)
{
    if (pool == NULL)
        return;
    for (size_t i = 0; i < pool->nodes.cap; i++)
        if (pool->nodes.slots[i] != NULL)
            schema_node_free(pool->nodes.slots[i]);
    for (size_t i = 0; i < pool->strings.cap; i++)
        free(pool->strings.slots[i]);
    for (size_t i = 0; i < pool->patterns.len; i++)
        regex_free(pool->patterns.ptr[i].regex);
    pattern_list_reset(&pool->patterns);
    free(pool->nodes.slots);
    free(pool->nodes.hashes);
    free(pool->strings.slots);
    free(pool->strings.hashes);
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}

void schema_pool_get_stats(struct schema_pool *pool, struct schema_pool_stats *stats)
{
    schema_pool_lock(pool);
    stats->bytes = pool->bytes + (pool->nodes.cap + pool->strings.cap) * 2 * sizeof(void *);
    stats->nodes = pool->nodes.count;
    stats->nodes_seen = pool->nodes_seen;
    schema_pool_unlock(pool);
}
