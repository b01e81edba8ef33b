#include "lang/rego/ast.h"

#include "lang/rego/json.h"

#include <stdlib.h>

struct term *ast_value(struct arena *arena, struct loc loc, const struct rval *value)
{
    struct term *term = (struct term *)arena_calloc(arena, 1, sizeof(*term));
    term->kind = TERM_VALUE;
    term->loc = loc;
    term->value = value;
    return term;
}

struct term *ast_var(struct arena *arena, struct loc loc, struct span name)
{
    struct term *term = (struct term *)arena_calloc(arena, 1, sizeof(*term));
    term->kind = TERM_VAR;
    term->loc = loc;
    term->name = name;
    term->var = VAR_UNRESOLVED;
    return term;
}

struct term *ast_items(struct arena *arena, struct loc loc, enum term_kind kind,
                       struct term *const *items, size_t len)
{
    struct term *term = (struct term *)arena_calloc(arena, 1, sizeof(*term));
    term->kind = kind;
    term->loc = loc;
    term->items = (struct term **)arena_alloc(arena, (len + 1) * sizeof(*term->items));
    if (len > 0)
        memcpy(term->items, items, len * sizeof(*items));
    term->len = (uint32_t)len;
    return term;
}

struct term *ast_call(struct arena *arena, struct loc loc, const char *op, struct term *a,
                      struct term *b)
{
    struct term *items[] = {ast_var(arena, loc, span_of(op)), a, b};
    return ast_items(arena, loc, TERM_CALL, items, b != NULL ? 3 : 2);
}

struct expr *ast_expr(struct arena *arena, struct loc loc, struct term *term)
{
    struct expr *expr = (struct expr *)arena_calloc(arena, 1, sizeof(*expr));
    expr->kind = EXPR_TERM;
    expr->loc = loc;
    expr->term = term;
    return expr;
}

void ast_body_push(struct arena *arena, struct body *body, struct expr *expr)
{
    if (body->len == body->cap) {
        uint32_t cap = body->cap == 0 ? 4 : body->cap * 2;
        struct expr **exprs = (struct expr **)arena_alloc(arena, cap * sizeof(*exprs));
        if (body->len > 0)
            memcpy(exprs, body->exprs, body->len * sizeof(*exprs));
        body->exprs = exprs;
        body->cap = cap;
    }
    body->exprs[body->len++] = expr;
}

bool ast_is_wildcard(const struct term *term)
{
    return term->kind == TERM_VAR && term->name.len == 1 && term->name.ptr[0] == '_';
}

bool ast_is_call(const struct term *term, const char *op)
{
    return term->kind == TERM_CALL && term->items[0]->kind == TERM_VAR &&
           span_eq_str(term->items[0]->name, op);
}

bool ast_is_string(const struct term *term)
{
    return term->kind == TERM_VALUE && term->value->type == RVAL_STRING;
}

static bool is_plain_name(const struct rval *v)
{
    for (uint32_t i = 0; i < v->len; i++) {
        char c = v->string[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        if (!letter && (i == 0 || c < '0' || c > '9'))
            return false;
    }
    return v->len > 0;
}

static void print_list(struct buf *out, const struct term *term, uint32_t from)
{
    for (uint32_t i = from; i < term->len; i++) {
        if (i > from)
            buf_add(out, term->kind == TERM_OBJECT && (i & 1) ? ": " : ", ");
        ast_print(out, term->items[i]);
    }
}

void ast_print(struct buf *out, const struct term *term)
{
    switch (term->kind) {
    case TERM_VALUE:
        rjson_write(out, term->value, RJSON_REGO);
        break;
    case TERM_VAR:
        buf_add_span(out, term->name);
        break;
    case TERM_REF:
        ast_print(out, term->items[0]);
        for (uint32_t i = 1; i < term->len; i++) {
            const struct term *part = term->items[i];
            if (ast_is_string(part) && is_plain_name(part->value)) {
                buf_add_char(out, '.');
                buf_append(out, part->value->string, part->value->len);
            } else {
                buf_add_char(out, '[');
                ast_print(out, part);
                buf_add_char(out, ']');
            }
        }
        break;
    case TERM_CALL:
        ast_print(out, term->items[0]);
        buf_add_char(out, '(');
        print_list(out, term, 1);
        buf_add_char(out, ')');
        break;
    case TERM_ARRAY:
        buf_add_char(out, '[');
        print_list(out, term, 0);
        buf_add_char(out, ']');
        break;
    case TERM_SET:
    case TERM_OBJECT:
        buf_add_char(out, '{');
        print_list(out, term, 0);
        buf_add_char(out, '}');
        break;
    case TERM_ARRAY_COMP:
        buf_add(out, "[... | ...]");
        break;
    case TERM_SET_COMP:
    case TERM_OBJECT_COMP:
        buf_add(out, "{... | ...}");
        break;
    case TERM_TEMPLATE:
        buf_add(out, "$\"...\"");
        break;
    }
}

char *ast_text(struct arena *arena, const struct term *term)
{
    CLEANUP(buf) struct buf out = BUF_INIT(4096);
    ast_print(&out, term);
    return arena_strndup(arena, out.ptr != NULL ? out.ptr : "", out.len);
}

struct term *ast_copy(struct arena *arena, const struct term *term)
{
    if (term == NULL)
        return NULL;
    struct term *copy = (struct term *)arena_alloc(arena, sizeof(*copy));
    *copy = *term;
    if (term->items != NULL) {
        copy->items = (struct term **)arena_alloc(arena, (term->len + 1) * sizeof(*copy->items));
        for (uint32_t i = 0; i < term->len; i++)
            copy->items[i] = ast_copy(arena, term->items[i]);
    }
    copy->head = ast_copy(arena, term->head);
    copy->key = ast_copy(arena, term->key);
    if (term->body != NULL)
        copy->body = ast_copy_body(arena, term->body);
    return copy;
}

static struct expr *copy_expr(struct arena *arena, const struct expr *expr)
{
    struct expr *copy = (struct expr *)arena_alloc(arena, sizeof(*copy));
    *copy = *expr;
    copy->term = ast_copy(arena, expr->term);
    copy->key = ast_copy(arena, expr->key);
    copy->val = ast_copy(arena, expr->val);
    if (expr->var_count > 0) {
        copy->vars = (struct term **)arena_alloc(arena, expr->var_count * sizeof(*copy->vars));
        for (uint32_t i = 0; i < expr->var_count; i++)
            copy->vars[i] = ast_copy(arena, expr->vars[i]);
    }
    if (expr->body != NULL)
        copy->body = ast_copy_body(arena, expr->body);
    if (expr->with_count > 0) {
        copy->withs = (struct with *)arena_alloc(arena, expr->with_count * sizeof(*copy->withs));
        for (uint32_t i = 0; i < expr->with_count; i++)
            copy->withs[i] = (struct with){ast_copy(arena, expr->withs[i].target),
                                           ast_copy(arena, expr->withs[i].value)};
    }
    return copy;
}

struct body *ast_copy_body(struct arena *arena, const struct body *body)
{
    struct body *copy = (struct body *)arena_calloc(arena, 1, sizeof(*copy));
    for (uint32_t i = 0; i < body->len; i++)
        ast_body_push(arena, copy, copy_expr(arena, body->exprs[i]));
    return copy;
}
