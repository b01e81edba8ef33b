/* Rego's numbers: text that passes through unchanged, 64-bit integers, and arithmetic on binary
 * floats with a 64-bit mantissa, as OPA does with Go's big.Float.
 *
 * A C long double has that mantissa on x86-64; elsewhere it has more, and the last digits of a
 * division may differ.  Whole numbers of any size, where an operation is exact on them, go through
 * libgmp (this file and number.c are its door).
 *
 * May use: base, lang/arena.  Threads: pure functions.
 */
#pragma once

#include "lang/rego/value.h"

#include <gmp.h>

/* Longest number that is read, in bytes. */
enum { RNUM_TEXT_MAX = 16 * 1024, RNUM_INT_TEXT = 24 };

/* Reads a JSON number that fills TEXT; NULL if it is none. */
const struct rval *rnum_parse(struct arena *arena, const char *text, size_t len);

/* The text of number V: its own, or BUF filled.  *LEN is its length. */
const char *rnum_text(const struct rval *v, char buf[RNUM_INT_TEXT], size_t *len);

long double rnum_value(const struct rval *v);

/* The number for VALUE, printed as OPA prints results; NULL if it is not finite. */
const struct rval *rnum_from_value(struct arena *arena, long double value);

/* True if V is integral and fits 64 bits ("1e3" does); sets *OUT. */
bool rnum_int64(const struct rval *v, int64_t *out);
bool rnum_is_integral(const struct rval *v);

/* NULL where the result is not finite (for division: also by zero). */
const struct rval *rnum_plus(struct arena *arena, const struct rval *a, const struct rval *b);
const struct rval *rnum_minus(struct arena *arena, const struct rval *a, const struct rval *b);
const struct rval *rnum_times(struct arena *arena, const struct rval *a, const struct rval *b);
const struct rval *rnum_divide(struct arena *arena, const struct rval *a, const struct rval *b);

/* OUT must be initialised; false if V is not integral or too large (RNUM_TEXT_MAX digits). */
bool rnum_to_mpz(const struct rval *v, mpz_t out);
const struct rval *rnum_from_mpz(struct arena *arena, const mpz_t value);

/* Shortest digits that identify VALUE (finite, not zero) among floats of 64 bits mantissa, or of
 * 53 if AS_DOUBLE: DIGITS gets them without a point, *EXPONENT the power of ten of the first. */
void rnum_shortest(long double value, bool as_double, char digits[32], int *exponent);
