#include "lang/rego/value.h"

#include <assert.h>
#include <stdlib.h>

static_assert(sizeof(struct rval) == 16, "values are what memory goes to");

const struct rval rval_null = {.type = RVAL_NULL};
const struct rval rval_true = {.type = RVAL_BOOL, .boolean = true};
const struct rval rval_false = {.type = RVAL_BOOL, .boolean = false};
const struct rval rval_empty_array = {.type = RVAL_ARRAY};
const struct rval rval_empty_object = {.type = RVAL_OBJECT};
const struct rval rval_empty_set = {.type = RVAL_SET};
const struct rval rval_empty_string = {.type = RVAL_STRING, .string = ""};

static struct rval *new_value(struct arena *arena, enum rval_type type, size_t len)
{
    struct rval *v = (struct rval *)arena_alloc(arena, sizeof(*v));
    *v = (struct rval){.type = (uint32_t)type & 7, .len = (uint32_t)len};
    return v;
}

/* A number of 19 bits that stands for SIZE or a little more: as floating point, rounded up. */
static uint32_t bulk_of(uint64_t size)
{
    enum { ONE = 1 << RVAL_BULK_BITS, MAX = 31 };
    uint32_t exponent = 0;

    if (size < ONE)
        return (uint32_t)size;
    while (size >= 2 * ONE) {
        size = (size + 1) / 2;
        exponent++;
    }
    return exponent < MAX ? (exponent + 1) << RVAL_BULK_BITS | ((uint32_t)size - ONE)
                          : (1U << 19) - 1;
}

/* What a collection is told of its parts. */
struct weight {
    uint64_t size;
    uint32_t depth;
};

static void add_weight(struct weight *w, const struct rval *part)
{
    w->size += rval_size(part);
    if (part->depth > w->depth)
        w->depth = part->depth;
}

static void set_weight(struct rval *v, const struct weight *w)
{
    enum { DEPTH_MAX = (1 << 9) - 1 };

    v->bulk = bulk_of(w->size) & ((1U << 19) - 1);
    v->depth = (w->depth < DEPTH_MAX ? w->depth + 1 : DEPTH_MAX) & DEPTH_MAX;
}

static struct rval *new_items(struct arena *arena, enum rval_type type, const struct rval **items,
                              size_t len)
{
    struct rval *v = new_value(arena, type, len);
    struct weight w = {0, 0};

    for (size_t i = 0; i < len; i++)
        add_weight(&w, items[i]);
    v->items = items;
    set_weight(v, &w);
    return v;
}

const struct rval *rval_int(struct arena *arena, int64_t value)
{
    enum { SMALL = 257 };
#define ROW1(n)                                                                                    \
    {                                                                                              \
        .type = RVAL_NUMBER, .is_int = true, .integer = (n)                                        \
    }
#define ROW4(n)  ROW1(n), ROW1((n) + 1), ROW1((n) + 2), ROW1((n) + 3)
#define ROW16(n) ROW4(n), ROW4((n) + 4), ROW4((n) + 8), ROW4((n) + 12)
#define ROW64(n) ROW16(n), ROW16((n) + 16), ROW16((n) + 32), ROW16((n) + 48)
    static const struct rval small[SMALL] = {ROW64(0), ROW64(64), ROW64(128), ROW64(192),
                                             ROW1(256)};

    if (value >= 0 && value < SMALL)
        return &small[value];
    struct rval *v = new_value(arena, RVAL_NUMBER, 0);
    v->is_int = true;
    v->integer = value;
    return v;
}

const struct rval *rval_string_borrow(struct arena *arena, const char *text, size_t len)
{
    struct rval *v = new_value(arena, RVAL_STRING, len);
    v->string = text;
    return v;
}

const struct rval *rval_string(struct arena *arena, const char *text, size_t len)
{
    if (len == 0)
        return &rval_empty_string;
    return rval_string_borrow(arena, arena_strndup(arena, text, len), len);
}

const struct rval *rval_text(struct arena *arena, const char *text)
{
    return rval_string(arena, text, strlen(text));
}

const struct rval *rval_array(struct arena *arena, const struct rval **items, size_t len)
{
    if (len == 0)
        return &rval_empty_array;
    return new_items(arena, RVAL_ARRAY, items, len);
}

/* Whole numbers beyond the mantissa differ in their digits only; X and Y have one sign. */
static int compare_digits(const char *x, const char *y)
{
    bool negative = x[0] == '-';
    x += negative;
    y += y[0] == '-';
    size_t n = strspn(x, "0123456789"), m = strspn(y, "0123456789");
    if (x[n] != '\0' || y[m] != '\0')
        return 0;
    int order = n != m ? (n < m ? -1 : 1) : strcmp(x, y);
    return negative ? -order : order;
}

static int compare_numbers(const struct rval *a, const struct rval *b)
{
    if (a->is_int && b->is_int)
        return (a->integer > b->integer) - (a->integer < b->integer);
    long double x = a->is_int ? (long double)a->integer : a->number->value;
    long double y = b->is_int ? (long double)b->integer : b->number->value;
    if (x != y || a->is_int || b->is_int)
        return (x > y) - (x < y);
    return compare_digits(a->number->text, b->number->text);
}

static int compare_strings(const struct rval *a, const struct rval *b)
{
    uint32_t len = a->len < b->len ? a->len : b->len;
    int order = len > 0 ? memcmp(a->string, b->string, len) : 0;
    if (order != 0)
        return order;
    return (a->len > b->len) - (a->len < b->len);
}

static int compare_items(const struct rval *a, const struct rval *b)
{
    for (uint32_t i = 0; i < a->len && i < b->len; i++) {
        int order = rval_compare(a->items[i], b->items[i]);
        if (order != 0)
            return order;
    }
    return (a->len > b->len) - (a->len < b->len);
}

static int compare_objects(const struct rval *a, const struct rval *b)
{
    for (uint32_t i = 0; i < a->len && i < b->len; i++) {
        int order = rval_compare(a->pairs[i].key, b->pairs[i].key);
        if (order == 0)
            order = rval_compare(a->pairs[i].value, b->pairs[i].value);
        if (order != 0)
            return order;
    }
    return (a->len > b->len) - (a->len < b->len);
}

int rval_compare(const struct rval *a, const struct rval *b)
{
    if (a == b)
        return 0;
    if (a->type != b->type)
        return a->type < b->type ? -1 : 1;
    switch ((enum rval_type)a->type) {
    case RVAL_BOOL:
        return (int)a->boolean - (int)b->boolean;
    case RVAL_NUMBER:
        return compare_numbers(a, b);
    case RVAL_STRING:
        return compare_strings(a, b);
    case RVAL_ARRAY:
    case RVAL_SET:
        return compare_items(a, b);
    case RVAL_OBJECT:
        return compare_objects(a, b);
    case RVAL_NULL:
    case RVAL_TYPE_COUNT:
        break;
    }
    return 0;
}

bool rval_eq(const struct rval *a, const struct rval *b)
{
    if (a == b)
        return true;
    if (a->type != b->type || (a->type >= RVAL_STRING && a->len != b->len))
        return false;
    return rval_compare(a, b) == 0;
}

static int order_items(const void *a, const void *b)
{
    return rval_compare(*(const struct rval *const *)a, *(const struct rval *const *)b);
}

/* Insertion sort for what is short or nearly sorted (most sets come in order), else qsort. */
static void sort_items(const struct rval **items, size_t len)
{
    if (len > 24) {
        for (size_t i = 1; i < len; i++)
            if (rval_compare(items[i - 1], items[i]) > 0) {
                qsort(items, len, sizeof(*items), order_items);
                return;
            }
        return;
    }
    for (size_t i = 1; i < len; i++) {
        const struct rval *item = items[i];
        size_t k = i;
        for (; k > 0 && rval_compare(items[k - 1], item) > 0; k--)
            items[k] = items[k - 1];
        items[k] = item;
    }
}

const struct rval *rval_set(struct arena *arena, const struct rval **items, size_t len)
{
    if (len == 0)
        return &rval_empty_set;
    sort_items(items, len);
    size_t kept = 1;
    for (size_t i = 1; i < len; i++)
        if (!rval_eq(items[kept - 1], items[i]))
            items[kept++] = items[i];
    return new_items(arena, RVAL_SET, items, kept);
}

/* Merge sort keeps equal keys in order, so that the last one written wins. */
static void sort_pairs(struct rval_pair *pairs, struct rval_pair *room, size_t len)
{
    if (len <= 12) {
        for (size_t i = 1; i < len; i++) {
            struct rval_pair pair = pairs[i];
            size_t k = i;
            for (; k > 0 && rval_compare(pairs[k - 1].key, pair.key) > 0; k--)
                pairs[k] = pairs[k - 1];
            pairs[k] = pair;
        }
        return;
    }
    size_t half = len / 2;
    sort_pairs(pairs, room, half);
    sort_pairs(pairs + half, room, len - half);
    if (rval_compare(pairs[half - 1].key, pairs[half].key) <= 0)
        return;
    memcpy(room, pairs, half * sizeof(*pairs));
    size_t a = 0, b = half, out = 0;
    while (a < half && b < len)
        pairs[out++] = rval_compare(room[a].key, pairs[b].key) <= 0 ? room[a++] : pairs[b++];
    while (a < half)
        pairs[out++] = room[a++];
}

const struct rval *rval_object(struct arena *arena, struct rval_pair *pairs, size_t len)
{
    if (len == 0)
        return &rval_empty_object;
    struct rval_pair *room = NULL;
    if (len > 12)
        room = (struct rval_pair *)arena_alloc(arena, len / 2 * sizeof(*room) + sizeof(*room));
    sort_pairs(pairs, room, len);
    size_t kept = 0;
    for (size_t i = 0; i < len; i++) {
        if (kept > 0 && rval_eq(pairs[kept - 1].key, pairs[i].key))
            pairs[kept - 1].value = pairs[i].value;
        else
            pairs[kept++] = pairs[i];
    }
    struct rval *v = new_value(arena, RVAL_OBJECT, kept);
    struct weight w = {0, 0};
    for (size_t i = 0; i < kept; i++) {
        add_weight(&w, pairs[i].key);
        add_weight(&w, pairs[i].value);
    }
    v->pairs = pairs;
    set_weight(v, &w);
    return v;
}

int64_t rval_find_pair(const struct rval *object, const struct rval *key)
{
    size_t low = 0, high = object->len;
    while (low < high) {
        size_t mid = (low + high) / 2;
        int order = rval_compare(object->pairs[mid].key, key);
        if (order == 0)
            return (int64_t)mid;
        if (order < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return -1;
}

static int64_t find_item(const struct rval *set, const struct rval *item)
{
    size_t low = 0, high = set->len;
    while (low < high) {
        size_t mid = (low + high) / 2;
        int order = rval_compare(set->items[mid], item);
        if (order == 0)
            return (int64_t)mid;
        if (order < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return -1;
}

bool rval_has(const struct rval *set, const struct rval *item)
{
    return find_item(set, item) >= 0;
}

const struct rval *rval_get(const struct rval *collection, const struct rval *key)
{
    if (collection->type == RVAL_OBJECT) {
        int64_t at = rval_find_pair(collection, key);
        return at >= 0 ? collection->pairs[at].value : NULL;
    }
    if (collection->type == RVAL_ARRAY) {
        if (key->type != RVAL_NUMBER)
            return NULL;
        int64_t index = key->integer;
        /* 1.0 is no index, as in OPA. */
        if (!key->is_int || index < 0 || index >= (int64_t)collection->len)
            return NULL;
        return collection->items[index];
    }
    if (collection->type == RVAL_SET) {
        int64_t at = find_item(collection, key);
        return at >= 0 ? collection->items[at] : NULL;
    }
    return NULL;
}

const struct rval *rval_get_str(const struct rval *object, const char *key)
{
    struct rval name = {.type = RVAL_STRING, .len = (uint32_t)strlen(key), .string = key};
    return object->type == RVAL_OBJECT ? rval_get(object, &name) : NULL;
}

const char *rval_type_name(enum rval_type type)
{
    static const char *const names[RVAL_TYPE_COUNT] = {
        [RVAL_NULL] = "null",     [RVAL_BOOL] = "boolean", [RVAL_NUMBER] = "number",
        [RVAL_STRING] = "string", [RVAL_ARRAY] = "array",  [RVAL_OBJECT] = "object",
        [RVAL_SET] = "set",
    };
    return names[type];
}

const struct rval *rval_copy(struct arena *arena, const struct rval *v)
{
    struct rval *copy;

    switch ((enum rval_type)v->type) {
    case RVAL_NULL:
        return &rval_null;
    case RVAL_BOOL:
        return rval_bool(v->boolean);
    case RVAL_NUMBER:
        if (v->is_int)
            return rval_int(arena, v->integer);
        copy = new_value(arena, RVAL_NUMBER, v->len);
        {
            size_t size = sizeof(struct rval_number) + v->len + 1;
            void *number = arena_alloc(arena, size);
            memcpy(number, v->number, size);
            copy->number = (const struct rval_number *)number;
        }
        return copy;
    case RVAL_STRING:
        return rval_string(arena, v->string, v->len);
    case RVAL_ARRAY:
    case RVAL_SET: {
        copy = new_value(arena, (enum rval_type)v->type, v->len);
        copy->depth = v->depth;
        copy->bulk = v->bulk;
        const struct rval **items =
            (const struct rval **)arena_alloc(arena, (v->len + 1) * sizeof(*items));
        for (uint32_t i = 0; i < v->len; i++)
            items[i] = rval_copy(arena, v->items[i]);
        copy->items = items;
        return copy;
    }
    case RVAL_OBJECT: {
        copy = new_value(arena, RVAL_OBJECT, v->len);
        copy->depth = v->depth;
        copy->bulk = v->bulk;
        struct rval_pair *pairs =
            (struct rval_pair *)arena_alloc(arena, (v->len + 1) * sizeof(*pairs));
        for (uint32_t i = 0; i < v->len; i++)
            pairs[i] = (struct rval_pair){rval_copy(arena, v->pairs[i].key),
                                          rval_copy(arena, v->pairs[i].value)};
        copy->pairs = pairs;
        return copy;
    }
    case RVAL_TYPE_COUNT:
        break;
    }
    return &rval_null;
}

void rval_list_push(struct arena *arena, struct rval_list *list, const struct rval *v)
{
    if (list->len == list->cap) {
        size_t cap = list->cap == 0 ? 8 : list->cap * 2;
        const struct rval **ptr = (const struct rval **)arena_alloc(arena, cap * sizeof(*ptr));
        if (list->len > 0)
            memcpy(ptr, list->ptr, list->len * sizeof(*ptr));
        list->ptr = ptr;
        list->cap = cap;
    }
    list->ptr[list->len++] = v;
}

void rval_pair_list_push(struct arena *arena, struct rval_pair_list *list, const struct rval *key,
                         const struct rval *value)
{
    if (list->len == list->cap) {
        size_t cap = list->cap == 0 ? 8 : list->cap * 2;
        struct rval_pair *ptr = (struct rval_pair *)arena_alloc(arena, cap * sizeof(*ptr));
        if (list->len > 0)
            memcpy(ptr, list->ptr, list->len * sizeof(*ptr));
        list->ptr = ptr;
        list->cap = cap;
    }
    list->ptr[list->len++] = (struct rval_pair){key, value};
}

const struct rval *rval_object_with(struct arena *arena, const struct rval *object,
                                    const struct rval *key, const struct rval *value)
{
    struct rval_pair *pairs =
        (struct rval_pair *)arena_alloc(arena, (object->len + 1) * sizeof(*pairs));
    if (object->len > 0)
        memcpy(pairs, object->pairs, object->len * sizeof(*pairs));
    pairs[object->len] = (struct rval_pair){key, value};
    return rval_object(arena, pairs, object->len + 1);
}
