/* Values that release themselves when their block ends.
 *
 * A type defines its cleanup beside its free function, a function declares its local with it:
 *
 *     DEFINE_CLEANUP(plan, struct plan *, plan_free)
 *     CLEANUP(plan) struct plan *plan = NULL;
 *     ...
 *     return steal(&plan);
 *
 * May use: nothing.  Undoing work in a cluster is never hidden in a cleanup.
 */
#pragma once

#include <stddef.h>

/* Defines the cleanup NAME for TYPE, a pointer type; FN is called unless the value is NULL. */
#define DEFINE_CLEANUP(name, type, fn)                                                             \
    static inline void cleanup_##name(type *p)                                                     \
    {                                                                                              \
        if (*p != NULL)                                                                            \
            fn(*p);                                                                                \
    }

/* The same for a struct kept in place; FN takes its address and must accept a zeroed one. */
#define DEFINE_CLEANUP_IN_PLACE(name, type, fn)                                                    \
    static inline void cleanup_##name(type *p)                                                     \
    {                                                                                              \
        fn(p);                                                                                     \
    }

/* Unused: some values are held only to be released. */
#define CLEANUP(name) __attribute__((cleanup(cleanup_##name), unused))

/* Takes the pointer out of *PP, which becomes NULL. */
#define steal(pp)                                                                                  \
    (__extension__({                                                                               \
        __typeof__(pp) steal_from = (pp);                                                          \
        __typeof__(*steal_from) steal_value = *steal_from;                                         \
        *steal_from = NULL;                                                                        \
        steal_value;                                                                               \
    }))

/* Closes a file descriptor; negative ones are left alone.  For CLEANUP(fd) int fd = -1; */
void cleanup_fd(int *fd);

/* Takes the descriptor out of *FD, which becomes -1. */
int steal_fd(int *fd);

/* Frees text: CLEANUP(str) char *s = NULL; */
void cleanup_str(char **text);
