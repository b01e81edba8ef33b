#include "lang/rego/builtins_table.h"
#include "lang/rego/number.h"

#include <stdlib.h>

static const struct rval **new_items(struct builtin_call *call, size_t count)
{
    return (const struct rval **)arena_alloc(call->arena, (count + 1) * sizeof(struct rval *));
}

static struct rval_pair *new_pairs(struct builtin_call *call, size_t count)
{
    return (struct rval_pair *)arena_alloc(call->arena, (count + 1) * sizeof(struct rval_pair));
}

/* --- comparison and types --------------------------------------------------------------------- */

BUILTIN(compare_eq)
{
    return rval_bool(rval_eq(args[0], args[1]));
}

BUILTIN(compare_neq)
{
    return rval_bool(!rval_eq(args[0], args[1]));
}

BUILTIN(compare_lt)
{
    return rval_bool(rval_compare(args[0], args[1]) < 0);
}

BUILTIN(compare_lte)
{
    return rval_bool(rval_compare(args[0], args[1]) <= 0);
}

BUILTIN(compare_gt)
{
    return rval_bool(rval_compare(args[0], args[1]) > 0);
}

BUILTIN(compare_gte)
{
    return rval_bool(rval_compare(args[0], args[1]) >= 0);
}

#define IS_TYPE(name, wanted)                                                                      \
    BUILTIN(name)                                                                                  \
    {                                                                                              \
        return rval_bool(args[0]->type == (wanted));                                               \
    }
IS_TYPE(is_array_value, RVAL_ARRAY)
IS_TYPE(is_boolean_value, RVAL_BOOL)
IS_TYPE(is_null_value, RVAL_NULL)
IS_TYPE(is_number_value, RVAL_NUMBER)
IS_TYPE(is_object_value, RVAL_OBJECT)
IS_TYPE(is_set_value, RVAL_SET)
IS_TYPE(is_string_value, RVAL_STRING)

BUILTIN(type_name_value)
{
    return rval_text(call->arena, rval_type_name((enum rval_type)args[0]->type));
}

#define CAST(name, wanted, text)                                                                   \
    BUILTIN(name)                                                                                  \
    {                                                                                              \
        return args[0]->type == (wanted) ? args[0] : builtin_operand_fail(call, 1, text, args[0]); \
    }
CAST(cast_boolean, RVAL_BOOL, "boolean")
CAST(cast_null, RVAL_NULL, "null")
CAST(cast_object, RVAL_OBJECT, "object")
CAST(cast_string, RVAL_STRING, "string")

BUILTIN(cast_array)
{
    if (args[0]->type == RVAL_SET)
        return rval_array(call->arena, (const struct rval **)(uintptr_t)args[0]->items,
                          args[0]->len);
    return args[0]->type == RVAL_ARRAY
               ? args[0]
               : builtin_operand_fail(call, 1, "one of {array, set}", args[0]);
}

static const struct rval *set_of(struct builtin_call *call, const struct rval *v)
{
    if (v->type == RVAL_SET)
        return v;
    const struct rval **items = new_items(call, v->len);
    for (uint32_t i = 0; i < v->len; i++)
        items[i] = v->items[i];
    return rval_set(call->arena, items, v->len);
}

BUILTIN(cast_set)
{
    if (args[0]->type != RVAL_ARRAY && args[0]->type != RVAL_SET)
        return builtin_operand_fail(call, 1, "one of {array, set}", args[0]);
    return set_of(call, args[0]);
}

BUILTIN(member_2)
{
    const struct rval *v = args[1];
    for (uint32_t i = 0; rval_is_collection(v) && i < v->len; i++)
        if (rval_eq(v->type == RVAL_OBJECT ? v->pairs[i].value : v->items[i], args[0]))
            return &rval_true;
    return &rval_false;
}

BUILTIN(member_3)
{
    const struct rval *found = rval_is_collection(args[2]) ? rval_get(args[2], args[0]) : NULL;
    return rval_bool(found != NULL && rval_eq(found, args[1]));
}

/* --- aggregates ------------------------------------------------------------------------------- */

BUILTIN(collection_count)
{
    if (args[0]->type != RVAL_STRING)
        return rval_int(call->arena, args[0]->len);
    int64_t count = 0;
    for (uint32_t i = 0; i < args[0]->len; i++)
        count += ((unsigned char)args[0]->string[i] & 0xC0) != 0x80;
    return rval_int(call->arena, count);
}

static const struct rval *fold(struct builtin_call *call, const struct rval *v, int64_t start,
                               const struct rval *(*fn)(struct arena *, const struct rval *,
                                                        const struct rval *))
{
    const struct rval *total = rval_int(call->arena, start);
    for (uint32_t i = 0; i < v->len; i++) {
        if (v->items[i]->type != RVAL_NUMBER)
            return builtin_type_fail(
                call, "operand 1 must be %s of numbers but got %s containing %s",
                rval_type_name((enum rval_type)v->type), rval_type_name((enum rval_type)v->type),
                rval_type_name((enum rval_type)v->items[i]->type));
        total = fn(call->arena, total, v->items[i]);
        if (total == NULL)
            return builtin_fail(call, "the result is not a finite number");
    }
    return total;
}

BUILTIN(collection_sum)
{
    return fold(call, args[0], 0, rnum_plus);
}

BUILTIN(collection_product)
{
    return fold(call, args[0], 1, rnum_times);
}

static const struct rval *extreme(const struct rval *v, int sign)
{
    const struct rval *best = NULL;
    for (uint32_t i = 0; i < v->len; i++)
        if (best == NULL || rval_compare(v->items[i], best) * sign > 0)
            best = v->items[i];
    return best;
}

BUILTIN(collection_max)
{
    return extreme(args[0], 1);
}

BUILTIN(collection_min)
{
    return extreme(args[0], -1);
}

static int order(const void *a, const void *b)
{
    return rval_compare(*(const struct rval *const *)a, *(const struct rval *const *)b);
}

BUILTIN(collection_sort)
{
    const struct rval **items = new_items(call, args[0]->len);
    for (uint32_t i = 0; i < args[0]->len; i++)
        items[i] = args[0]->items[i];
    if (args[0]->len > 1)
        qsort(items, args[0]->len, sizeof(*items), order);
    return rval_array(call->arena, items, args[0]->len);
}

BUILTIN(collection_all)
{
    for (uint32_t i = 0; i < args[0]->len; i++)
        if (!rval_eq(args[0]->items[i], &rval_true))
            return &rval_false;
    return &rval_true;
}

BUILTIN(collection_any)
{
    for (uint32_t i = 0; i < args[0]->len; i++)
        if (rval_eq(args[0]->items[i], &rval_true))
            return &rval_true;
    return &rval_false;
}

/* --- sets ------------------------------------------------------------------------------------- */

/* Elements of A by whether B has them. */
static const struct rval *pick(struct builtin_call *call, const struct rval *a,
                               const struct rval *b, bool in_both)
{
    const struct rval **items = new_items(call, a->len);
    size_t count = 0;
    for (uint32_t i = 0; i < a->len; i++)
        if (rval_has(b, a->items[i]) == in_both)
            items[count++] = a->items[i];
    return rval_set(call->arena, items, count);
}

static const struct rval *join(struct builtin_call *call, const struct rval *a,
                               const struct rval *b)
{
    const struct rval **items = new_items(call, (size_t)a->len + b->len);
    if (a->len > 0)
        memcpy(items, a->items, a->len * sizeof(*items));
    if (b->len > 0)
        memcpy(items + a->len, b->items, b->len * sizeof(*items));
    return rval_set(call->arena, items, (size_t)a->len + b->len);
}

BUILTIN(collection_and)
{
    return pick(call, args[0], args[1], true);
}

BUILTIN(collection_or)
{
    return join(call, args[0], args[1]);
}

BUILTIN(set_diff)
{
    return pick(call, args[0], args[1], false);
}

static bool are_sets(struct builtin_call *call, const struct rval *v)
{
    for (uint32_t i = 0; i < v->len; i++)
        if (v->items[i]->type != RVAL_SET) {
            builtin_type_fail(call, "operand 1 must be set of sets but got set containing %s",
                              rval_type_name((enum rval_type)v->items[i]->type));
            return false;
        }
    return true;
}

BUILTIN(collection_intersection)
{
    if (!are_sets(call, args[0]))
        return NULL;
    const struct rval *result = args[0]->len > 0 ? args[0]->items[0] : &rval_empty_set;
    for (uint32_t i = 1; i < args[0]->len; i++)
        result = pick(call, result, args[0]->items[i], true);
    return result;
}

BUILTIN(collection_union)
{
    if (!are_sets(call, args[0]))
        return NULL;
    const struct rval *result = &rval_empty_set;
    for (uint32_t i = 0; i < args[0]->len; i++)
        result = join(call, result, args[0]->items[i]);
    return result;
}

/* --- arrays ----------------------------------------------------------------------------------- */

BUILTIN(array_concat)
{
    const struct rval **items = new_items(call, (size_t)args[0]->len + args[1]->len);
    if (args[0]->len > 0)
        memcpy(items, args[0]->items, args[0]->len * sizeof(*items));
    if (args[1]->len > 0)
        memcpy(items + args[0]->len, args[1]->items, args[1]->len * sizeof(*items));
    return rval_array(call->arena, items, (size_t)args[0]->len + args[1]->len);
}

BUILTIN(array_reverse)
{
    const struct rval **items = new_items(call, args[0]->len);
    for (uint32_t i = 0; i < args[0]->len; i++)
        items[i] = args[0]->items[args[0]->len - 1 - i];
    return rval_array(call->arena, items, args[0]->len);
}

BUILTIN(array_slice)
{
    int64_t from, to, len = args[0]->len;
    if (!builtin_int(call, 2, args[1], &from) || !builtin_int(call, 3, args[2], &to))
        return NULL;
    from = from < 0 ? 0 : from;
    to = to > len ? len : to;
    if (from >= to)
        return &rval_empty_array;
    return rval_array(call->arena, (const struct rval **)(uintptr_t)(args[0]->items + from),
                      (size_t)(to - from));
}

BUILTIN(array_flatten)
{
    struct rval_list list = {0};
    for (uint32_t i = 0; i < args[0]->len; i++) {
        const struct rval *item = args[0]->items[i];
        if (item->type != RVAL_ARRAY) {
            rval_list_push(call->arena, &list, item);
            continue;
        }
        for (uint32_t k = 0; k < item->len; k++)
            rval_list_push(call->arena, &list, item->items[k]);
    }
    return rval_array(call->arena, list.ptr, list.len);
}

/* --- objects ---------------------------------------------------------------------------------- */

BUILTIN(object_get)
{
    const struct rval *found = args[0];
    if (args[1]->type != RVAL_ARRAY) {
        found = rval_get(args[0], args[1]);
        return found != NULL ? found : args[2];
    }
    for (uint32_t i = 0; i < args[1]->len; i++) {
        found = rval_is_collection(found) ? rval_get(found, args[1]->items[i]) : NULL;
        if (found == NULL)
            return args[2];
    }
    return found;
}

BUILTIN(object_keys)
{
    const struct rval **items = new_items(call, args[0]->len);
    for (uint32_t i = 0; i < args[0]->len; i++)
        items[i] = args[0]->pairs[i].key;
    return rval_set(call->arena, items, args[0]->len);
}

/* The keys that an object, array or set names, as a set. */
static const struct rval *key_set(struct builtin_call *call, const struct rval *v)
{
    return v->type == RVAL_OBJECT ? builtin_object_keys(call, &v) : set_of(call, v);
}

static const struct rval *pick_pairs(struct builtin_call *call, const struct rval *object,
                                     const struct rval *keys, bool keep)
{
    struct rval_pair *pairs = new_pairs(call, object->len);
    size_t count = 0;
    for (uint32_t i = 0; i < object->len; i++)
        if (rval_has(keys, object->pairs[i].key) == keep)
            pairs[count++] = object->pairs[i];
    return rval_object(call->arena, pairs, count);
}

BUILTIN(object_filter)
{
    return pick_pairs(call, args[0], key_set(call, args[1]), true);
}

BUILTIN(object_remove)
{
    return pick_pairs(call, args[0], key_set(call, args[1]), false);
}

static const struct rval *merge(struct builtin_call *call, const struct rval *a,
                                const struct rval *b)
{
    if (a->type != RVAL_OBJECT || b->type != RVAL_OBJECT)
        return b;
    struct rval_pair *pairs = new_pairs(call, (size_t)a->len + b->len);
    size_t count = 0;
    for (uint32_t i = 0; i < a->len; i++) {
        const struct rval *other = rval_get(b, a->pairs[i].key);
        pairs[count++] = (struct rval_pair){a->pairs[i].key,
                                            other != NULL ? merge(call, a->pairs[i].value, other)
                                                          : a->pairs[i].value};
    }
    for (uint32_t i = 0; i < b->len; i++)
        if (rval_get(a, b->pairs[i].key) == NULL)
            pairs[count++] = b->pairs[i];
    return rval_object(call->arena, pairs, count);
}

BUILTIN(object_union)
{
    return merge(call, args[0], args[1]);
}

BUILTIN(object_union_n)
{
    const struct rval *result = &rval_empty_object;
    for (uint32_t i = 0; i < args[0]->len; i++) {
        if (args[0]->items[i]->type != RVAL_OBJECT)
            return builtin_type_fail(
                call, "operand 1 must be array of objects but got array containing %s",
                rval_type_name((enum rval_type)args[0]->items[i]->type));
        result = merge(call, result, args[0]->items[i]);
    }
    return result;
}

static bool is_subset(const struct rval *super, const struct rval *sub)
{
    if (super->type == RVAL_OBJECT && sub->type == RVAL_OBJECT) {
        for (uint32_t i = 0; i < sub->len; i++) {
            const struct rval *found = rval_get(super, sub->pairs[i].key);
            if (found == NULL || !is_subset(found, sub->pairs[i].value))
                return false;
        }
        return true;
    }
    if (super->type == RVAL_SET && sub->type == RVAL_SET) {
        for (uint32_t i = 0; i < sub->len; i++)
            if (!rval_has(super, sub->items[i]))
                return false;
        return true;
    }
    return rval_eq(super, sub);
}

static bool has_run(const struct rval *super, const struct rval *sub)
{
    for (uint32_t at = 0; at + sub->len <= super->len; at++) {
        uint32_t i = 0;
        while (i < sub->len && rval_eq(super->items[at + i], sub->items[i]))
            i++;
        if (i == sub->len)
            return true;
    }
    return false;
}

BUILTIN(object_subset)
{
    const struct rval *super = args[0], *sub = args[1];
    if (super->type == RVAL_ARRAY && sub->type == RVAL_ARRAY &&
        !builtin_spend(call, (uint64_t)super->len * sub->len))
        return NULL;
    if (super->type == RVAL_ARRAY && sub->type == RVAL_ARRAY)
        return rval_bool(has_run(super, sub));
    if (super->type == RVAL_ARRAY && sub->type == RVAL_SET)
        return rval_bool(is_subset(set_of(call, super), sub));
    if (super->type != sub->type)
        return builtin_type_fail(call, "both arguments must be of one type");
    return rval_bool(is_subset(super, sub));
}
