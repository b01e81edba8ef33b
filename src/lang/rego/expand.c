/* Calls leave the terms they stand in: f(g(x)) + 1 becomes v1 = g(x); v2 = f(v1); v2 + 1.
 *
 * What is pulled out stands in front, is not negated, and has the same replacements ("with"). */
#include "lang/rego/compiler.h"

struct expander {
    struct unit *u;
    struct body *out;
    const struct expr *from; /* whose "with" the new expressions get */
};

static void expand_in(struct expander *x, struct term **slot);

static void push_statement(struct expander *x, struct loc loc, struct term *term)
{
    struct expr *expr = ast_expr(x->u->c->arena, loc, term);
    if (x->from != NULL) {
        expr->withs = x->from->withs;
        expr->with_count = x->from->with_count;
        expr->id = x->from->id;
    }
    ast_body_push(x->u->c->arena, x->out, expr);
}

static void expand_items(struct expander *x, struct term *term, uint32_t from)
{
    for (uint32_t i = from; i < term->len; i++)
        expand_in(x, &term->items[i]);
}

static bool is_print(const struct term *call)
{
    return call->items[0]->kind == TERM_VAR && span_eq_str(call->items[0]->name, "print");
}

/* print's arguments may be undefined: each becomes the set of its values. */
static void wrap_print_args(struct unit *u, struct term *call)
{
    struct arena *arena = u->c->arena;
    for (uint32_t i = 1; i < call->len; i++) {
        struct term *arg = call->items[i];
        struct term *var = unit_new_var(u, arg->loc);
        struct term *comp = ast_items(arena, arg->loc, TERM_SET_COMP, NULL, 0);
        comp->head = var;
        comp->body = (struct body *)arena_calloc(arena, 1, sizeof(*comp->body));
        ast_body_push(arena, comp->body,
                      ast_expr(arena, arg->loc, ast_call(arena, arg->loc, "eq", var, arg)));
        call->items[i] = comp;
    }
}

/* A template's terms may be undefined as well. */
static void wrap_template(struct unit *u, struct term **slot)
{
    struct arena *arena = u->c->arena;
    struct term *term = *slot;
    struct term *list = ast_items(arena, term->loc, TERM_ARRAY, term->items, term->len);
    for (uint32_t i = 0; i < list->len; i++) {
        struct term *part = list->items[i];
        if (part->kind == TERM_VALUE && !part->parenthesised)
            continue;
        struct term *items[] = {part, part};
        struct term *call = ast_items(arena, part->loc, TERM_CALL, items, 2);
        wrap_print_args(u, call);
        list->items[i] = call->items[1];
    }
    *slot = ast_call(arena, term->loc, "internal.template_string", list, NULL);
}

static void expand_comprehension(struct expander *x, struct term *term)
{
    expand_body(x->u, term->body);
    struct expander inner = {x->u, term->body, NULL};
    expand_in(&inner, &term->head);
    if (term->key != NULL)
        expand_in(&inner, &term->key);
}

static void expand_in(struct expander *x, struct term **slot)
{
    struct term *term = *slot;
    switch (term->kind) {
    case TERM_VALUE:
    case TERM_VAR:
        break;
    case TERM_TEMPLATE:
        wrap_template(x->u, slot);
        expand_in(x, slot);
        break;
    case TERM_REF:
    case TERM_ARRAY:
    case TERM_SET:
    case TERM_OBJECT:
        expand_items(x, term, 0);
        break;
    case TERM_CALL: {
        expand_items(x, term, 1);
        struct term *var = unit_new_var(x->u, term->loc);
        push_statement(x, term->loc, ast_call(x->u->c->arena, term->loc, "eq", var, term));
        *slot = var;
        break;
    }
    case TERM_ARRAY_COMP:
    case TERM_SET_COMP:
    case TERM_OBJECT_COMP:
        expand_comprehension(x, term);
        break;
    }
}

void expand_term(struct unit *u, struct term **term, struct body *body)
{
    struct expander x = {u, body, NULL};
    expand_in(&x, term);
}

/* A call with one argument too many unifies the last with the result: plus(1, 2, x). */
static void split_output(struct unit *u, struct expr *expr)
{
    struct term *call = expr->term;
    struct node *node = NULL;
    const struct builtin *builtin = NULL;
    if (!plan_find_function(u, call->items[0], &node, &builtin))
        return;
    uint32_t arity = node != NULL ? node->arity : builtin->arity;
    if (builtin != NULL && (builtin->flags & BUILTIN_PRINT))
        return;
    if (call->len != arity + 2)
        return;
    struct term *output = call->items[--call->len];
    expr->term = ast_call(u->c->arena, expr->loc, "eq", output, call);
}

static void expand_equation(struct expander *x, struct expr *expr)
{
    struct term *call = expr->term;
    struct term **left = &call->items[1], **right = &call->items[2];
    if (!expr->negated && (*right)->kind != TERM_CALL && (*left)->kind == TERM_CALL) {
        struct term *swap = *left;
        *left = *right;
        *right = swap;
    }
    expand_in(x, left);
    if (!expr->negated && (*right)->kind == TERM_CALL)
        expand_items(x, *right, 1);
    else
        expand_in(x, right);
}

static void expand_expr(struct unit *u, struct expr *expr, struct body *out)
{
    struct expander plain = {u, out, NULL};
    for (uint32_t i = 0; i < expr->with_count; i++)
        expand_in(&plain, &expr->withs[i].value);

    struct expander x = {u, out, expr};
    if (expr->kind == EXPR_SOME)
        return;
    if (expr->kind == EXPR_EVERY) {
        expand_in(&x, &expr->term);
        expand_body(u, expr->body);
    } else if (expr->term->kind == TERM_CALL) {
        if (is_print(expr->term))
            wrap_print_args(u, expr->term);
        else if (!expr->negated)
            split_output(u, expr);
        if (ast_is_call(expr->term, "eq") && expr->term->len == 3)
            expand_equation(&x, expr);
        else
            expand_items(&x, expr->term, 1);
    } else {
        expand_in(&x, &expr->term);
    }
    ast_body_push(u->c->arena, out, expr);
}

static uint32_t number_expr(struct unit *u, const struct expr *expr)
{
    struct expr_list *list = &u->c->rego->exprs;
    if (u->module == NULL)
        return 0;
    expr_list_push(list, (struct expr_info){u->module, expr->loc});
    return (uint32_t)list->len - 1;
}

void expand_body(struct unit *u, struct body *body)
{
    struct body out = {0};
    for (uint32_t i = 0; i < body->len; i++) {
        if (body->exprs[i]->kind != EXPR_SOME)
            body->exprs[i]->id = number_expr(u, body->exprs[i]);
        expand_expr(u, body->exprs[i], &out);
    }
    *body = out;
}
