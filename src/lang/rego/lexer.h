/* Rego's tokens.
 *
 * May use: base, lang.  Threads: no shared state.
 */
#pragma once

#include "base/vector.h"
#include "lang/diag.h"
#include "lang/rego/ast.h"

enum token_kind {
    TOKEN_END,
    TOKEN_NAME, /* also keywords: which words are ones depends on imports */
    TOKEN_NUMBER,
    TOKEN_STRING,
    TOKEN_TEMPLATE, /* $"...": `text` is what stands between the quotes, not decoded */
    TOKEN_PUNCT,
};

struct token {
    enum token_kind kind;
    char punct[3];      /* TOKEN_PUNCT: "{" or ":=" */
    bool after_newline; /* a line break (or the start) stands before it */
    bool after_space;   /* any white space does */
    bool raw;           /* TOKEN_TEMPLATE with backquotes */
    struct loc loc;
    uint32_t start, end;      /* offsets in the source */
    struct span text;         /* TOKEN_NAME */
    const struct rval *value; /* TOKEN_NUMBER, TOKEN_STRING */
};

DEFINE_VECTOR(token_list, struct token)

struct comment {
    struct loc loc;
    struct span text; /* from the # on */
};

DEFINE_VECTOR(comment_list, struct comment)

/* Most tokens of one file. */
enum { LEXER_TOKENS_MAX = 4 * 1024 * 1024 };

/* Cuts TEXT, which must outlive the tokens, into TOKENS, which end with a TOKEN_END, and COMMENTS
 * (NULL if they are not wanted).  False with a diagnostic on failure. */
bool rego_lex(struct arena *arena, const char *file, struct span text, struct token_list *tokens,
              struct comment_list *comments, struct lang_diags *diags);

/* Deepest nesting of templates in templates. */
enum { TEMPLATE_DEPTH_MAX = 32 };

/* The brace that closes what POS, behind an open brace, is in; the text's length if there is none.
 * DEPTH is how many further templates may be inside. */
size_t rego_skip_braces(struct span text, size_t pos, int depth);

/* Decodes what stands between the quotes of a string.  NULL if an escape is wrong. */
const struct rval *rego_decode_string(struct arena *arena, struct span text);
