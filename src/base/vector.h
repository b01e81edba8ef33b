/* Typed vectors.
 *
 *     DEFINE_VECTOR(extent_list, struct extent)
 *     struct extent_list list = {0};
 *     extent_list_push(&list, extent);
 *     for (size_t i = 0; i < list.len; i++) use(list.ptr[i]);
 *     extent_list_reset(&list);
 *
 * The elements are not released: a vector of owned pointers says so and has its own reset.
 * May use: base.
 */
#pragma once

#include "base/mem.h"

#include <stddef.h>
#include <stdlib.h>

#define DEFINE_VECTOR(name, type)                                                                  \
    struct name {                                                                                  \
        type *ptr;                                                                                 \
        size_t len;                                                                                \
        size_t cap;                                                                                \
    };                                                                                             \
                                                                                                   \
    __attribute__((unused)) static inline void name##_reserve(struct name *v, size_t more)         \
    {                                                                                              \
        if (v->cap - v->len >= more)                                                               \
            return;                                                                                \
        size_t cap = v->cap < 8 ? 8 : v->cap * 2;                                                  \
        if (cap - v->len < more)                                                                   \
            cap = v->len + more;                                                                   \
        v->ptr = (type *)xreallocarray(v->ptr, cap, sizeof(type));                                 \
        v->cap = cap;                                                                              \
    }                                                                                              \
                                                                                                   \
    __attribute__((unused)) static inline void name##_push(struct name *v, type item)              \
    {                                                                                              \
        name##_reserve(v, 1);                                                                      \
        v->ptr[v->len++] = item;                                                                   \
    }                                                                                              \
                                                                                                   \
    __attribute__((unused)) static inline void name##_reset(struct name *v)                        \
    {                                                                                              \
        free(v->ptr);                                                                              \
        v->ptr = NULL;                                                                             \
        v->len = v->cap = 0;                                                                       \
    }

DEFINE_VECTOR(str_list, char *)

/* Frees the strings and the vector. */
void str_list_free_all(struct str_list *list);
