/* What the files of the parser share.  May use: base, lang. */
#pragma once

#include "lang/rego/lexer.h"
#include "lang/rego/parser.h"

struct parser {
    struct arena *arena;
    const char *file;
    struct span text;
    const struct token *tokens;
    size_t pos;
    int depth;
    uint64_t work, work_max; /* terms entered, alternatives included */
    bool over_limit;
    bool v1;
    bool word_in, word_every, word_if, word_contains;
    /* The failure that got furthest: alternatives are tried in turn. */
    size_t error_pos;
    char *error; /* in the arena */
};

static inline const struct token *peek(const struct parser *p)
{
    return &p->tokens[p->pos];
}

bool parser_is_punct(const struct parser *p, const char *punct);
bool parser_take_punct(struct parser *p, const char *punct);
bool parser_is_word(const struct parser *p, const char *word);
/* True at a name with a dot behind it: no keyword, whatever the name is. */
bool parser_is_ref_head(const struct parser *p);
bool parser_take_word(struct parser *p, const char *word);
/* Notes a failure at the current token; returns NULL. */
void *parser_fail(struct parser *p, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool parser_expect(struct parser *p, const char *punct);
/* True if NAME may not be used as a variable here. */
bool parser_is_keyword(const struct parser *p, struct span name);

/* Terms.  parser_infix is everything but "in", ":=" and "="; with NO_OR also without "|".
 * parser_term_in adds "in", and "k, v in xs" if PAIR. */
struct term *parser_term(struct parser *p);
struct term *parser_infix(struct parser *p, bool no_or);
struct term *parser_term_in(struct parser *p, bool pair);
/* The parts behind a name or other head, "." and "[": stops at "(" if NO_CALL. */
struct term *parser_suffix(struct parser *p, struct term *head, bool no_call);
struct term *parser_template(struct parser *p);

/* A body up to the closing punct END ("" for the end of the text), which is not consumed. */
struct body *parser_body(struct parser *p, const char *end);
struct expr *parser_literal(struct parser *p);
/* The replacements behind an expression, if there are any; false on failure. */
bool parser_withs(struct parser *p, struct expr *expr);

/* Rules; false on failure. */
bool parser_rule(struct parser *p, struct module *module);
