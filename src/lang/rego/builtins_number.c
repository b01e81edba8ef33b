#include "lang/rego/builtins_table.h"
#include "lang/rego/number.h"

#include <math.h>
#include <stdlib.h>

enum { SHIFT_MAX = 64 * 1024 };

static const struct rval *checked(struct builtin_call *call, const struct rval *v)
{
    return v != NULL ? v : builtin_fail(call, "the result is not a finite number");
}

BUILTIN(number_plus)
{
    return checked(call, rnum_plus(call->arena, args[0], args[1]));
}

BUILTIN(number_minus)
{
    if (args[0]->type == RVAL_SET && args[1]->type == RVAL_SET)
        return builtin_set_diff(call, args);
    if (args[0]->type != args[1]->type)
        return builtin_operand_fail(call, 2, rval_type_name((enum rval_type)args[0]->type),
                                    args[1]);
    return checked(call, rnum_minus(call->arena, args[0], args[1]));
}

BUILTIN(number_mul)
{
    return checked(call, rnum_times(call->arena, args[0], args[1]));
}

BUILTIN(number_div)
{
    if (rnum_value(args[1]) == 0)
        return builtin_fail(call, "divide by zero");
    return checked(call, rnum_divide(call->arena, args[0], args[1]));
}

BUILTIN(number_rem)
{
    if (!rnum_is_integral(args[0]) || !rnum_is_integral(args[1]))
        return builtin_fail(call, "modulo on floating-point number");
    if (rnum_value(args[1]) == 0)
        return builtin_fail(call, "modulo by zero");
    if (args[0]->is_int && args[1]->is_int && args[1]->integer != -1)
        return rval_int(call->arena, args[0]->integer % args[1]->integer);
    mpz_t a, b;
    const struct rval *result = NULL;
    mpz_inits(a, b, NULL);
    if (rnum_to_mpz(args[0], a) && rnum_to_mpz(args[1], b)) {
        mpz_tdiv_r(a, a, b);
        result = rnum_from_mpz(call->arena, a);
    }
    mpz_clears(a, b, NULL);
    return checked(call, result);
}

BUILTIN(number_abs)
{
    if (rnum_value(args[0]) >= 0)
        return args[0];
    return checked(call, rnum_minus(call->arena, rval_int(call->arena, 0), args[0]));
}

BUILTIN(number_ceil)
{
    if (args[0]->is_int)
        return args[0];
    return checked(call, rnum_from_value(call->arena, ceill(rnum_value(args[0]))));
}

BUILTIN(number_floor)
{
    if (args[0]->is_int)
        return args[0];
    return checked(call, rnum_from_value(call->arena, floorl(rnum_value(args[0]))));
}

BUILTIN(number_round)
{
    if (args[0]->is_int)
        return args[0];
    return checked(call, rnum_from_value(call->arena, roundl(rnum_value(args[0]))));
}

/* --- ranges ----------------------------------------------------------------------------------- */

static const struct rval *range(struct builtin_call *call, const struct rval *from,
                                const struct rval *to, const struct rval *by)
{
    int64_t first, last, step;
    /* A step beyond 64 bits gives the first number, as the largest one within them does. */
    if (rnum_is_integral(by) && rnum_value(by) >= 0x1p63L)
        by = rval_int(call->arena, INT64_MAX);
    if (!rnum_is_integral(from) || !builtin_int(call, 1, from, &first) ||
        !builtin_int(call, 2, to, &last) || !builtin_int(call, 3, by, &step)) {
        if (call->code == NULL)
            builtin_int(call, 1, from, &first);
        return NULL;
    }
    if (step <= 0)
        return builtin_fail(call, "step must be a positive integer");
    uint64_t distance =
        first <= last ? (uint64_t)last - (uint64_t)first : (uint64_t)first - (uint64_t)last;
    uint64_t count = distance / (uint64_t)step + 1;
    if (count > UINT32_MAX || !builtin_room(call, count * (sizeof(void *) + sizeof(struct rval))))
        return call->code != NULL ? NULL : builtin_fail(call, "the range is too long");
    const struct rval **items =
        (const struct rval **)arena_alloc(call->arena, count * sizeof(*items));
    for (uint64_t i = 0; i < count; i++) {
        int64_t offset = (int64_t)(i * (uint64_t)step);
        items[i] = rval_int(call->arena, first <= last ? first + offset : first - offset);
    }
    return rval_array(call->arena, items, count);
}

BUILTIN(numbers_range)
{
    return range(call, args[0], args[1], rval_int(call->arena, 1));
}

BUILTIN(numbers_range_step)
{
    return range(call, args[0], args[1], args[2]);
}

/* --- bits ------------------------------------------------------------------------------------- */

typedef void (*bits_fn)(mpz_t out, const mpz_t a, const mpz_t b);

static const struct rval *bits(struct builtin_call *call, const struct rval *const *args,
                               bits_fn fn)
{
    mpz_t a, b;
    const struct rval *result = NULL;
    for (int i = 0; i < 2; i++)
        if (!rnum_is_integral(args[i]))
            return builtin_type_fail(
                call, "operand %d must be integer number but got floating-point number", i + 1);
    mpz_inits(a, b, NULL);
    if (rnum_to_mpz(args[0], a) && rnum_to_mpz(args[1], b)) {
        fn(a, a, b);
        result = rnum_from_mpz(call->arena, a);
    }
    mpz_clears(a, b, NULL);
    return checked(call, result);
}

static void do_and(mpz_t out, const mpz_t a, const mpz_t b)
{
    mpz_and(out, a, b);
}

static void do_or(mpz_t out, const mpz_t a, const mpz_t b)
{
    mpz_ior(out, a, b);
}

static void do_xor(mpz_t out, const mpz_t a, const mpz_t b)
{
    mpz_xor(out, a, b);
}

static void do_negate(mpz_t out, const mpz_t a, const mpz_t b)
{
    mpz_com(out, a);
}

static void do_lsh(mpz_t out, const mpz_t a, const mpz_t b)
{
    mpz_mul_2exp(out, a, mpz_get_ui(b));
}

static void do_rsh(mpz_t out, const mpz_t a, const mpz_t b)
{
    mpz_fdiv_q_2exp(out, a, mpz_get_ui(b));
}

BUILTIN(bits_and)
{
    return bits(call, args, do_and);
}

BUILTIN(bits_or)
{
    return bits(call, args, do_or);
}

BUILTIN(bits_xor)
{
    return bits(call, args, do_xor);
}

BUILTIN(bits_negate)
{
    const struct rval *twice[] = {args[0], args[0]};
    return bits(call, twice, do_negate);
}

static const struct rval *shift(struct builtin_call *call, const struct rval *const *args,
                                bits_fn fn)
{
    int64_t by;
    if (!rnum_is_integral(args[0]))
        return bits(call, args, fn);
    if (!builtin_int(call, 2, args[1], &by))
        return NULL;
    if (by < 0)
        return builtin_type_fail(
            call, "operand 2 must be an unsigned integer number but got a negative integer");
    if (by > SHIFT_MAX)
        return builtin_fail(call, "a shift by more than %d bits", SHIFT_MAX);
    return bits(call, args, fn);
}

BUILTIN(bits_lsh)
{
    return shift(call, args, do_lsh);
}

BUILTIN(bits_rsh)
{
    return shift(call, args, do_rsh);
}

/* --- text ------------------------------------------------------------------------------------- */

BUILTIN(number_format_int)
{
    int64_t base;
    if (!builtin_int(call, 2, args[1], &base))
        return NULL;
    if (base != 2 && base != 8 && base != 10 && base != 16)
        return builtin_type_fail(call, "operand 2 must be one of {2, 8, 10, 16}");
    mpz_t value;
    const struct rval *floored = builtin_number_floor(call, args);
    if (floored == NULL)
        return NULL;
    if (rnum_value(args[0]) < 0 && !rnum_is_integral(args[0]))
        floored = rnum_plus(call->arena, floored, rval_int(call->arena, 1)); /* toward zero */
    mpz_init(value);
    bool ok = rnum_to_mpz(floored, value);
    char *text = ok ? mpz_get_str(NULL, (int)base, value) : NULL;
    mpz_clear(value);
    const struct rval *result = ok ? rval_text(call->arena, text) : NULL;
    free(text);
    return checked(call, result);
}

BUILTIN(number_to_number)
{
    const struct rval *v = args[0];
    if (v->type == RVAL_NULL)
        return rval_int(call->arena, 0);
    if (v->type == RVAL_BOOL)
        return rval_int(call->arena, v->boolean);
    if (v->type == RVAL_NUMBER)
        return v;
    const struct rval *number = rnum_parse(call->arena, v->string, v->len);
    return number != NULL ? number : builtin_fail(call, "\"%.60s\" is not a number", v->string);
}

/* The same text gives the same number within an evaluation and a process. */
BUILTIN(rand_intn)
{
    int64_t n;
    if (!builtin_int(call, 2, args[1], &n))
        return NULL;
    if (n == 0)
        return rval_int(call->arena, 0);
    uint64_t limit = n < 0 ? 0 - (uint64_t)n : (uint64_t)n;
    uint64_t hash = 14695981039346656037ULL ^ (uint64_t)call->now_ns ^ limit;
    for (uint32_t i = 0; i < args[0]->len; i++)
        hash = (hash ^ (unsigned char)args[0]->string[i]) * 1099511628211ULL;
    hash ^= hash >> 31;
    hash *= 0x9E3779B97F4A7C15ULL;
    hash ^= hash >> 29;
    return rval_int(call->arena, (int64_t)(hash % limit));
}
