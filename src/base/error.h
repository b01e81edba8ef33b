/* One error object for the whole program: what happened, what to do, and what caused it.
 *
 * A function that can fail takes `struct error **err` last and returns 0 or -1, or a pointer or
 * NULL.  err is never NULL and *err is NULL on entry.  On failure *err is set and belongs to the
 * caller; on success it is untouched.  doc/design/errors.md has the whole convention.
 *
 * May use: base.  Threads: an error belongs to one thread at a time.
 */
#pragma once

#include "base/cleanup.h"

#include <stdbool.h>

enum error_code {
    ERROR_BUG,         /* our own mistake */
    ERROR_INVALID,     /* what was asked for cannot be right */
    ERROR_UNSUPPORTED, /* right, but not something we do */
    ERROR_DENIED,      /* not allowed, or not known who asks */
    ERROR_NOT_FOUND,
    ERROR_EXISTS,
    ERROR_CONFLICT,    /* somebody else changed it: read again at once */
    ERROR_EXPIRED,     /* what was referred to is gone: list again */
    ERROR_BUSY,        /* retry with growing delays, also the next two */
    ERROR_UNAVAILABLE,
    ERROR_TIMEOUT,
    ERROR_CORRUPT,     /* bad data from a peer or a disk */
    ERROR_IO,
    ERROR_CANCELED,    /* somebody asked us to stop */
    ERROR_CODE_COUNT,
};

struct error {
    enum error_code code; /* what callers branch on */
    int sys;              /* errno, or 0 */
    char *msg;            /* cannot open disk "vm1/0" */
    char *hint;           /* what the user can do, or NULL */
    struct error *cause;  /* owned; NULL at the bottom */
};

/* Starts a chain: one lower-case clause, names in double quotes, no full stop.  Returns -1. */
int error_set(struct error **err, enum error_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Starts a chain from an errno value; the code follows from it.  Returns -1. */
int error_sys(struct error **err, int sys, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts what this layer knows in front of *err, keeping its code and sys.  Returns -1. */
int error_wrap(struct error **err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Sets the hint of the outermost link, what the user can do next.  Returns -1. */
int error_hint(struct error **err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* They are functions, and these macros only let the compiler see that -1 comes back, so that it knows
 * which outputs are set after a call that succeeded. */
#define error_set(...)  ERROR_MINUS_ONE(error_set(__VA_ARGS__))
#define error_sys(...)  ERROR_MINUS_ONE(error_sys(__VA_ARGS__))
#define error_wrap(...) ERROR_MINUS_ONE(error_wrap(__VA_ARGS__))
#define error_hint(...) ERROR_MINUS_ONE(error_hint(__VA_ARGS__))
#define ERROR_MINUS_ONE(call)                                                                      \
    (__extension__({                                                                               \
        (void)(call);                                                                              \
        -1;                                                                                        \
    }))

/* Frees the chain; accepts NULL. */
void error_free(struct error *err);

/* Frees *err and sets it to NULL, for a caller that has handled the failure and goes on. */
void error_clear(struct error **err);

/* The whole chain as one line, outermost first, parted by ": ".  Owned by the caller. */
char *error_format(const struct error *err);

/* The first hint found from the outermost link on, or NULL.  Borrowed. */
const char *error_get_hint(const struct error *err);

/* The name of a code as logs show it: "NOT_FOUND". */
const char *error_code_name(enum error_code code);

/* True for the codes after which the same call may succeed later without a change. */
bool error_is_transient(const struct error *err);

DEFINE_CLEANUP(error, struct error *, error_free)
