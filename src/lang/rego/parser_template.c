/* Template strings: $"a {x}".  What stands in braces is a term of its own. */
#include "lang/rego/parser_internal.h"

#include <stdio.h>

DEFINE_VECTOR(piece_list, struct term *)
DEFINE_CLEANUP_IN_PLACE(piece_list, struct piece_list, piece_list_reset)
DEFINE_CLEANUP_IN_PLACE(token_list, struct token_list, token_list_reset)

/* "x with input as y": the first value of [v | v := x with input as y]. */
static struct term *parse_replacements(struct parser *p, struct term *term)
{
    char name[32];

    if (!parser_is_word(p, "with"))
        return term;
    snprintf(name, sizeof(name), "$with%llu", (unsigned long long)p->work);
    char *copy = arena_strndup(p->arena, name, strlen(name));
    struct term *var = ast_var(p->arena, term->loc, span_of(copy));
    struct term *list = ast_items(p->arena, term->loc, TERM_ARRAY_COMP, NULL, 0);
    struct expr *expr = ast_expr(
        p->arena, term->loc,
        ast_call(p->arena, term->loc, "assign", ast_var(p->arena, term->loc, span_of(copy)), term));
    if (!parser_withs(p, expr))
        return NULL;
    list->head = var;
    list->body = (struct body *)arena_calloc(p->arena, 1, sizeof(*list->body));
    ast_body_push(p->arena, list->body, expr);
    struct term *parts[] = {list, ast_value(p->arena, term->loc, rval_int(p->arena, 0))};
    return ast_items(p->arena, term->loc, TERM_REF, parts, 2);
}

static struct term *parse_inside(struct parser *p, struct loc loc, struct span text)
{
    CLEANUP(token_list) struct token_list tokens = {0};
    CLEANUP(lang_diags) struct lang_diags diags = {0};
    if (!rego_lex(p->arena, p->file, text, &tokens, NULL, &diags))
        return (struct term *)parser_fail(p, "template string: %s", diags.list[0].msg);
    for (size_t i = 0; i < tokens.len; i++)
        tokens.ptr[i].loc = loc;
    struct parser inner = *p;
    inner.tokens = tokens.ptr;
    inner.pos = 0;
    inner.error = NULL;
    struct term *term = parser_term_in(&inner, true);
    if (term != NULL)
        term = parse_replacements(&inner, term);
    p->work = inner.work;
    p->over_limit = inner.over_limit;
    if (term != NULL && peek(&inner)->kind == TOKEN_END)
        return term;
    return (struct term *)parser_fail(p, "template string: %s",
                                      inner.error != NULL ? inner.error : "unexpected text");
}

static bool add_text(struct parser *p, struct loc loc, struct span text, bool raw,
                     struct piece_list *pieces)
{
    CLEANUP(buf) struct buf plain = BUF_INIT(text.len + 1);
    if (text.len == 0)
        return true;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '\\' && i + 1 < text.len && text.ptr[i + 1] == '{')
            continue; /* an escaped brace */
        if (text.ptr[i] == '\\' && i + 1 < text.len && !raw)
            buf_add_char(&plain, text.ptr[i++]);
        buf_add_char(&plain, text.ptr[i]);
    }
    const struct rval *value = raw ? rval_string(p->arena, plain.ptr, plain.len)
                                   : rego_decode_string(p->arena, buf_span(&plain));
    if (value == NULL)
        return parser_fail(p, "illegal string escape sequence") != NULL;
    piece_list_push(pieces, ast_value(p->arena, loc, value));
    return true;
}

struct term *parser_template(struct parser *p)
{
    CLEANUP(piece_list) struct piece_list pieces = {0};
    const struct token *token = peek(p);
    struct span text = token->text;
    size_t from = 0;

    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '\\') {
            i++;
            continue;
        }
        if (text.ptr[i] != '{')
            continue;
        size_t end = rego_skip_braces(text, i + 1, TEMPLATE_DEPTH_MAX);
        if (end == text.len)
            return (struct term *)parser_fail(p, "template string: a brace is not closed");
        if (!add_text(p, token->loc, (struct span){text.ptr + from, i - from}, token->raw, &pieces))
            return NULL;
        struct term *term =
            parse_inside(p, token->loc, (struct span){text.ptr + i + 1, end - i - 1});
        if (term == NULL)
            return NULL;
        if (term->kind == TERM_VALUE)
            term->parenthesised = true; /* a value, not text of the template */
        piece_list_push(&pieces, term);
        i = end;
        from = end + 1;
    }
    if (!add_text(p, token->loc, (struct span){text.ptr + from, text.len - from}, token->raw,
                  &pieces))
        return NULL;
    p->pos++;
    return ast_items(p->arena, token->loc, TERM_TEMPLATE, pieces.ptr, pieces.len);
}
