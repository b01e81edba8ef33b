#include "lang/rego/builtins.h"

#include "lang/rego/builtins_table.h"
#include "lang/rego/number.h"

#include <stdarg.h>
#include <stdio.h>

static const struct builtin table[] = {
#define ROW(text, function, count, bits, ...)                                                      \
    {.name = (text),                                                                               \
     .arity = (count),                                                                             \
     .flags = (bits),                                                                              \
     .masks = {__VA_ARGS__},                                                                       \
     .fn = builtin_##function},
    BUILTIN_LIST(ROW)
#undef ROW
};
enum { TABLE_SIZE = sizeof(table) / sizeof(table[0]) };

/* The table is sorted by name; a test checks that. */
const struct builtin *builtin_find(struct span name)
{
    size_t low = 0, high = TABLE_SIZE;
    while (low < high) {
        size_t mid = (low + high) / 2;
        size_t len = strlen(table[mid].name);
        size_t common = len < name.len ? len : name.len;
        int order = memcmp(table[mid].name, name.ptr, common);
        if (order == 0)
            order = (len > name.len) - (len < name.len);
        if (order == 0)
            return &table[mid];
        if (order < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return NULL;
}

const struct builtin *builtin_all(size_t *count)
{
    *count = TABLE_SIZE;
    return table;
}

__attribute__((format(printf, 3, 0))) static const struct rval *
fail(struct builtin_call *call, const char *code, const char *format, va_list args)
{
    char text[400];
    int len = snprintf(text, sizeof(text), "%s: ", call->name);
    vsnprintf(text + len, sizeof(text) - (size_t)len, format, args);
    call->code = code;
    call->message = arena_strndup(call->arena, text, strlen(text));
    return NULL;
}

const struct rval *builtin_fail(struct builtin_call *call, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const struct rval *none = fail(call, "eval_builtin_error", format, args);
    va_end(args);
    return none;
}

const struct rval *builtin_type_fail(struct builtin_call *call, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const struct rval *none = fail(call, "eval_type_error", format, args);
    va_end(args);
    return none;
}

const struct rval *builtin_operand_fail(struct builtin_call *call, int n, const char *want,
                                        const struct rval *got)
{
    return builtin_type_fail(call, "operand %d must be %s but got %s", n, want,
                             rval_type_name((enum rval_type)got->type));
}

bool builtin_int(struct builtin_call *call, int n, const struct rval *v, int64_t *out)
{
    if (v->type == RVAL_NUMBER && rnum_int64(v, out))
        return true;
    if (v->type == RVAL_NUMBER)
        builtin_type_fail(call, "operand %d must be integer number but got floating-point number",
                          n);
    else
        builtin_operand_fail(call, n, "number", v);
    return false;
}

bool builtin_room(struct builtin_call *call, size_t bytes)
{
    if (arena_has_room(call->arena, bytes))
        return true;
    builtin_fail(call, "the result would need more memory than an evaluation may use");
    return false;
}

bool builtin_spend(struct builtin_call *call, uint64_t steps)
{
    if (steps <= call->steps_left) {
        call->steps_left -= steps;
        return true;
    }
    call->steps_left = 0;
    builtin_fail(call, "it takes more steps than the evaluation has left");
    return false;
}

static void describe_mask(uint8_t mask, char *text, size_t size)
{
    /* OPA's order of names in its messages. */
    static const enum rval_type order[] = {RVAL_STRING, RVAL_NUMBER, RVAL_BOOL, RVAL_NULL,
                                           RVAL_OBJECT, RVAL_SET,    RVAL_ARRAY};
    bool many = __builtin_popcount(mask) > 1;
    int len = snprintf(text, size, "%s", many ? "one of {" : "");
    for (size_t i = 0, n = 0; i < sizeof(order) / sizeof(order[0]); i++)
        if (mask & (1 << order[i]))
            len += snprintf(text + len, size - (size_t)len, "%s%s", n++ > 0 ? ", " : "",
                            rval_type_name(order[i]));
    if (many)
        snprintf(text + len, size - (size_t)len, "}");
}

const struct rval *builtin_run(const struct builtin *builtin, struct builtin_call *call,
                               const struct rval *const *args)
{
    for (int i = 0; i < builtin->arity; i++) {
        if (builtin->masks[i] & (1 << args[i]->type))
            continue;
        char want[120];
        describe_mask(builtin->masks[i], want, sizeof(want));
        return builtin_operand_fail(call, i + 1, want, args[i]);
    }
    return builtin->fn(call, args);
}
