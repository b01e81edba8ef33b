/* Rego's built-in functions: one table, families in builtins_*.c.
 *
 * May use: base, data, lang.  Threads: functions have no state but what their call brings.
 */
#pragma once

#include "base/text.h"
#include "lang/rego/value.h"

#include <stdbool.h>

/* What a built-in may use and how it fails. */
struct builtin_call {
    struct arena *arena;
    const char *name;
    int64_t now_ns;      /* the evaluation's one time */
    struct map *regexes; /* compiled patterns by text, kept by the evaluator */
    uint64_t steps_left; /* of the evaluation; see builtin_spend */
    const char *code;    /* set on failure: "eval_type_error" or "eval_builtin_error" */
    char *message;       /* in the arena */
};

typedef const struct rval *(*builtin_fn)(struct builtin_call *call, const struct rval *const *args);

enum { BUILTIN_ARGS_MAX = 6 };

enum builtin_mask {
    M_NULL = 1 << RVAL_NULL,
    M_BOOL = 1 << RVAL_BOOL,
    M_NUM = 1 << RVAL_NUMBER,
    M_STR = 1 << RVAL_STRING,
    M_ARR = 1 << RVAL_ARRAY,
    M_OBJ = 1 << RVAL_OBJECT,
    M_SET = 1 << RVAL_SET,
    M_ANY = 0x7F,
};

enum builtin_flag {
    BUILTIN_V0_ONLY = 1,  /* refused in v1 files */
    BUILTIN_RELATION = 2, /* walk */
    BUILTIN_PRINT = 4,
};

struct builtin {
    const char *name;
    uint8_t arity;
    uint8_t flags;
    uint8_t masks[BUILTIN_ARGS_MAX]; /* accepted types, checked before the call */
    builtin_fn fn;                   /* NULL for what the evaluator does itself */
};

/* Looks a name up; NULL if there is none. */
const struct builtin *builtin_find(struct span name);
/* All of them, for listings; *COUNT is their number. */
const struct builtin *builtin_all(size_t *count);

/* Calls it after checking the arguments.  NULL is undefined, or a failure if call->code is set. */
const struct rval *builtin_run(const struct builtin *builtin, struct builtin_call *call,
                               const struct rval *const *args);

/* Failures; both return NULL. */
const struct rval *builtin_fail(struct builtin_call *call, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
const struct rval *builtin_type_fail(struct builtin_call *call, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* "operand N must be WANT but got TYPE". */
const struct rval *builtin_operand_fail(struct builtin_call *call, int n, const char *want,
                                        const struct rval *got);
/* An integral operand that fits 64 bits; false after noting the failure. */
bool builtin_int(struct builtin_call *call, int n, const struct rval *v, int64_t *out);
/* Takes STEPS, about 20 ns of work each, from what the evaluation has left; false after noting the
 * failure if that is less.  Only for work beyond what the size of arguments and result shows. */
bool builtin_spend(struct builtin_call *call, uint64_t steps);
/* True if BYTES more may be made; else notes the failure. */
bool builtin_room(struct builtin_call *call, size_t bytes);
