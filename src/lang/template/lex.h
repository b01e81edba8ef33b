/* The tokens inside {{ }}.  May use: base. */
#pragma once

#include "base/text.h"
#include "lang/template/tree.h"

enum token_kind {
    TOKEN_END, /* of the action */
    TOKEN_ERROR,
    TOKEN_SPACE,
    TOKEN_WORD,  /* identifier or keyword */
    TOKEN_FIELD, /* .name; the text is without the dot */
    TOKEN_DOT,
    TOKEN_VARIABLE, /* $ or $name */
    TOKEN_NUMBER,
    TOKEN_STRING, /* "..." or `...`, as written */
    TOKEN_CHAR,   /* '...' */
    TOKEN_PIPE,
    TOKEN_OPEN,
    TOKEN_CLOSE,
    TOKEN_COMMA,
    TOKEN_DECLARE, /* := */
    TOKEN_ASSIGN,  /* = */
};

struct token {
    enum token_kind kind;
    struct span text;
    const char *problem; /* of a TOKEN_ERROR */
};

/* Cuts the next token off *REST. */
struct token template_token_next(struct span *rest);

/* Finds the end of an action in TEXT, which begins behind "{{" (and its trim mark): its length, or
 * false if it has none.  Quotes are respected. */
bool template_action_find_end(struct span text, size_t *len);

/* Reads a Go number.  False if it is none. */
bool template_number_parse(struct span text, struct number *number);

/* Decodes a Go string or character literal, quotes included, into OUT.  False if it is wrong. */
bool template_literal_decode(struct span text, struct buf *out);
