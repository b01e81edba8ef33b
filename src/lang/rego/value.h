/* Rego values: JSON plus sets, never changed once made, with OPA's order.
 *
 * Values live in an arena and point to each other freely: whoever keeps one keeps its arena.
 * Objects and sets are sorted vectors.  Integers that fit 64 bits are kept as such; every other
 * number keeps its text and its value with a 64-bit mantissa, on which arithmetic works.
 *
 * May use: base, lang/arena.  Threads: frozen values may be read from anywhere.
 */
#pragma once

#include "lang/arena.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* In OPA's sorting order. */
enum rval_type {
    RVAL_NULL,
    RVAL_BOOL,
    RVAL_NUMBER,
    RVAL_STRING,
    RVAL_ARRAY,
    RVAL_OBJECT,
    RVAL_SET,
    RVAL_TYPE_COUNT,
};

struct rval;

struct rval_pair {
    const struct rval *key, *value;
};

/* A number that is not a 64-bit integer. */
struct rval_number {
    long double value;
    char text[]; /* as written or as computed; terminated */
};

struct rval {
    uint32_t type : 3;
    bool is_int : 1;     /* numbers: `integer` holds the value */
    uint32_t depth : 9;  /* collections: levels below, 511 for that and more */
    uint32_t bulk : 19;  /* collections: what is inside, coded; see rval_size */
    uint32_t len;
    union {
        bool boolean;
        int64_t integer;
        const struct rval_number *number; /* len is the length of its text */
        const char *string;               /* len bytes, terminated as well */
        const struct rval *const *items;  /* arrays; sets, sorted and without doubles */
        const struct rval_pair *pairs;    /* sorted by key, without doubles */
    };
};

/* Walks over values recurse, and parts of a value may be shared: [x, x] of [y, y] of ... is short to
 * write and long to read.  Values above these limits are refused when they are read, and end the
 * evaluation that makes them. */
enum {
    RVAL_DEPTH_MAX = 500,
    RVAL_SIZE_MAX = 16 * 1024 * 1024, /* rval_size */
};

enum { RVAL_BULK_BITS = 14 };

/* About how many values a walk over V meets, shared ones each time, with 64 bytes of a string
 * counted as one.  Never too small. */
static inline uint64_t rval_size(const struct rval *v)
{
    if (v->type < RVAL_ARRAY)
        return v->type == RVAL_STRING ? 1 + v->len / 64 : 1;
    uint32_t exponent = v->bulk >> RVAL_BULK_BITS, low = v->bulk & ((1U << RVAL_BULK_BITS) - 1);
    if (exponent == 0)
        return 1 + (uint64_t)low;
    return 1 + ((uint64_t)(low | 1U << RVAL_BULK_BITS) << (exponent - 1));
}

static inline bool rval_is_too_big(const struct rval *v)
{
    return v->depth > RVAL_DEPTH_MAX || rval_size(v) > RVAL_SIZE_MAX;
}

extern const struct rval rval_null, rval_true, rval_false, rval_empty_array, rval_empty_object,
    rval_empty_set, rval_empty_string;

static inline const struct rval *rval_bool(bool b)
{
    return b ? &rval_true : &rval_false;
}

const struct rval *rval_int(struct arena *arena, int64_t value);
/* Copies the bytes. */
const struct rval *rval_string(struct arena *arena, const char *text, size_t len);
/* Borrows the bytes, which must be followed by a NUL and live as long as the arena. */
const struct rval *rval_string_borrow(struct arena *arena, const char *text, size_t len);
const struct rval *rval_text(struct arena *arena, const char *text);

/* The vectors must live in ARENA (or longer); those of sets and objects are sorted in place.  Of
 * equal keys the last wins. */
const struct rval *rval_array(struct arena *arena, const struct rval **items, size_t len);
const struct rval *rval_set(struct arena *arena, const struct rval **items, size_t len);
const struct rval *rval_object(struct arena *arena, struct rval_pair *pairs, size_t len);

/* Less than, equal to or greater than zero in OPA's order. */
int rval_compare(const struct rval *a, const struct rval *b);
bool rval_eq(const struct rval *a, const struct rval *b);

/* The value of an object's key, an array's index or a set's member (itself), or NULL. */
const struct rval *rval_get(const struct rval *collection, const struct rval *key);
const struct rval *rval_get_str(const struct rval *object, const char *key);
/* Index of KEY in a sorted vector of pairs or items, or -1. */
int64_t rval_find_pair(const struct rval *object, const struct rval *key);
bool rval_has(const struct rval *set, const struct rval *item);

static inline bool rval_is(const struct rval *v, enum rval_type type)
{
    return v->type == type;
}

static inline bool rval_is_false(const struct rval *v)
{
    return v->type == RVAL_BOOL && !v->boolean;
}

static inline bool rval_is_collection(const struct rval *v)
{
    return v->type >= RVAL_ARRAY;
}

static inline bool rval_str_is(const struct rval *v, const char *text)
{
    return v->type == RVAL_STRING && strlen(text) == v->len && memcmp(v->string, text, v->len) == 0;
}

/* "null", "boolean", "number", "string", "array", "object", "set". */
const char *rval_type_name(enum rval_type type);

/* A copy in another arena that points to nothing outside it. */
const struct rval *rval_copy(struct arena *arena, const struct rval *v);

/* Growing vectors in an arena. */
struct rval_list {
    const struct rval **ptr;
    size_t len, cap;
};
void rval_list_push(struct arena *arena, struct rval_list *list, const struct rval *v);

struct rval_pair_list {
    struct rval_pair *ptr;
    size_t len, cap;
};
void rval_pair_list_push(struct arena *arena, struct rval_pair_list *list, const struct rval *key,
                         const struct rval *value);

/* OBJECT with KEY set to VALUE. */
const struct rval *rval_object_with(struct arena *arena, const struct rval *object,
                                    const struct rval *key, const struct rval *value);
