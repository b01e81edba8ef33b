/* Inside of the template parser: parse.c finds actions and builds nodes, parse_expr.c reads what
 * stands in an action.
 *
 * May use: base, lang.  Threads: one owner.
 */
#pragma once

#include "base/vector.h"
#include "lang/template/lex.h"
#include "lang/template/tree.h"

struct error;
struct regex;

enum { TEMPLATE_MAX_VARIABLES = 100, TEMPLATE_MAX_ARGS = 100 };

DEFINE_VECTOR(regex_list, struct regex *)

struct parser {
    struct template *template;
    struct span text;
    size_t pos; /* in text: where the next item starts */

    struct span action; /* what is left of the current action */
    struct token token; /* looked at, not taken */
    bool has_token;

    struct span variables[TEMPLATE_MAX_VARIABLES]; /* in scope, "$" first */
    size_t variable_count;
    size_t most_variables;
    int depth;
    int range_depth;
    struct regex_list regexes;
    struct error **err;
};

/* Errors at OFFSET of the whole text, or at the place of a token; all return -1. */
int template_parse_fail_at(struct parser *p, size_t offset, const char *what);
int template_parse_fail_named(struct parser *p, size_t offset, const char *what, struct span name);
int template_parse_unexpected(struct parser *p, const struct token *token, const char *context);

/* Zeroed memory that lives as long as the template. */
void *template_parse_alloc(struct parser *p, size_t count, size_t size);

/* Tokens of the current action. */
struct token *template_parse_peek(struct parser *p);
struct token template_parse_take(struct parser *p);
void template_parse_skip_space(struct parser *p);
size_t template_parse_offset_of(const struct parser *p, const struct token *token);
/* Fails unless the action ends here. */
int template_parse_expect_end(struct parser *p, const char *context);

/* The text of a token that is a string, in the template's memory. */
int template_parse_string(struct parser *p, const struct token *token, struct span *out);

/* A pipeline to the end of the action or, IN_PARENTHESES, to its ")".  CONTEXT is what errors call
 * it; "range" may declare two variables.  NULL after a failure. */
struct pipe *template_parse_pipe(struct parser *p, bool in_parentheses, const char *context);
