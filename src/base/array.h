/* The length of an array, and a check that it is one.  May use: nothing. */
#pragma once

/* The number of elements of array A.  Does not compile for a pointer. */
#define ARRAY_SIZE(a)                                                                              \
    (sizeof(a) / sizeof((a)[0]) +                                                                  \
     0 * sizeof(struct {                                                                           \
         _Static_assert(!__builtin_types_compatible_p(__typeof__(a), __typeof__(&(a)[0])),         \
                        "not an array");                                                           \
         int unused;                                                                               \
     }))
