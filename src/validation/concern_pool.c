#include "validation/concern_pool.h"

#include "base/map.h"
#include "base/mem.h"
#include "base/text.h"
#include "lang/rego/json.h"

#include <stdlib.h>

enum { TEXT_MAX = 1024 * 1024 };

struct concern_pool {
    struct map *known; /* a concern's text to its json_t */
    struct buf text;
};

static void drop(void *concern)
{
    json_decref((json_t *)concern);
}

struct concern_pool *concern_pool_new(void)
{
    struct concern_pool *pool = (struct concern_pool *)xcalloc(1, sizeof(*pool));

    pool->known = map_new();
    pool->text = (struct buf)BUF_INIT(TEXT_MAX);
    return pool;
}

void concern_pool_free(struct concern_pool *pool)
{
    if (pool == NULL)
        return;
    map_free(pool->known, drop);
    buf_reset(&pool->text);
    free(pool);
}

static json_t *take_one(struct concern_pool *pool, const struct rval *concern)
{
    buf_clear(&pool->text);
    rjson_write(&pool->text, concern, RJSON_COMPACT);
    if (pool->text.full || pool->text.len == 0)
        return rjson_to_tree(concern);

    json_t *known = (json_t *)map_find(pool->known, pool->text.ptr);
    if (known != NULL)
        return json_incref(known);
    if (map_count(pool->known) >= CONCERN_POOL_MAX) {
        map_free(pool->known, drop);
        pool->known = map_new();
    }
    known = rjson_to_tree(concern);
    map_put(pool->known, pool->text.ptr, json_incref(known));
    return known;
}

json_t *concern_pool_take(struct concern_pool *pool, const struct rval *concerns)
{
    json_t *list = json_array();

    if (!rval_is_collection(concerns) || concerns->type == RVAL_OBJECT)
        return list;
    for (uint32_t i = 0; i < concerns->len; i++)
        json_array_append_new(list, take_one(pool, concerns->items[i]));
    return list;
}
