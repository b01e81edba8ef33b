/* The tokens of a query.  May use: base. */
#pragma once

#include "base/text.h"

enum tsl_token_kind {
    TSL_TOKEN_END,
    TSL_TOKEN_WRONG,
    TSL_TOKEN_NAME,
    TSL_TOKEN_TEXT, /* decoded by tsl_token_text */
    TSL_TOKEN_DATE, /* bare */
    TSL_TOKEN_NUMBER,
    TSL_TOKEN_SIGN, /* operators and brackets, by their text */
};

struct tsl_token {
    enum tsl_token_kind kind;
    struct span text;
    double number;
    const char *problem;
};

/* The token at *POS of TEXT; moves *POS behind it.  If STRICT, a malformed number is 0, as in the
 * old tool. */
struct tsl_token tsl_token_next(struct span text, size_t *pos, bool strict);

/* Decodes the escapes of a TSL_TOKEN_TEXT into OUT. */
void tsl_token_text(struct span quoted, struct buf *out);

/* "a/1024": one name by the rules of the language, and hardly meant as one. */
bool tsl_name_is_division(struct span name);
