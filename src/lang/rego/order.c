/* Expressions of a body are put into an order in which each finds its variables bound; where there
 * is none, the variables that stay are unsafe.
 *
 * A term can be computed when its variables are bound; variables that stand as parts of a ref are
 * bound by it.  Bodies inside (comprehensions, every) bind nothing outside, and need from outside
 * every variable that also stands outside. */
#include "lang/rego/compiler.h"

enum { MARK_BOUND = 1, MARK_NEW = 2 };

struct order {
    struct unit *u;
    uint8_t *mark; /* by variable */
    const uint8_t *outer;
    struct uint_list fresh; /* variables marked MARK_NEW, in order */
};

static bool is_comprehension(const struct term *term)
{
    return term->kind == TERM_ARRAY_COMP || term->kind == TERM_SET_COMP ||
           term->kind == TERM_OBJECT_COMP;
}

static bool is_marked(const struct order *o, const struct term *var)
{
    return var->var < 0 || o->mark[var->var] != 0;
}

static void mark_new(struct order *o, const struct term *var)
{
    if (is_marked(o, var))
        return;
    o->mark[var->var] = MARK_NEW;
    uint_list_push(&o->fresh, (uint32_t)var->var);
}

static void roll_back(struct order *o, size_t len)
{
    while (o->fresh.len > len)
        o->mark[o->fresh.ptr[--o->fresh.len]] = 0;
}

/* --- variables of terms ----------------------------------------------------------------------- */

void order_add_vars(const struct term *term, uint8_t *set)
{
    if (term->kind == TERM_VAR && term->var >= 0)
        set[term->var] = 1;
    uint32_t from = term->kind == TERM_CALL ? 1 : 0;
    for (uint32_t i = from; i < term->len; i++)
        order_add_vars(term->items[i], set);
}

static void add_body_vars(const struct body *body, uint8_t *set)
{
    for (uint32_t i = 0; i < body->len; i++) {
        const struct expr *expr = body->exprs[i];
        if (expr->term != NULL)
            order_add_vars(expr->term, set);
        for (uint32_t k = 0; k < expr->with_count; k++)
            order_add_vars(expr->withs[k].value, set);
    }
}

typedef bool (*var_fn)(struct order *o, const struct term *var);

static bool all_in_body(struct order *o, const struct body *body, var_fn fn);

static bool all_in_term(struct order *o, const struct term *term, var_fn fn)
{
    if (term == NULL)
        return true;
    if (term->kind == TERM_VAR)
        return fn(o, term);
    for (uint32_t i = term->kind == TERM_CALL ? 1 : 0; i < term->len; i++)
        if (!all_in_term(o, term->items[i], fn))
            return false;
    if (!is_comprehension(term))
        return true;
    return all_in_term(o, term->head, fn) && all_in_term(o, term->key, fn) &&
           all_in_body(o, term->body, fn);
}

static bool all_in_body(struct order *o, const struct body *body, var_fn fn)
{
    for (uint32_t i = 0; i < body->len; i++) {
        const struct expr *expr = body->exprs[i];
        if (!all_in_term(o, expr->term, fn) ||
            (expr->body != NULL && !all_in_body(o, expr->body, fn)))
            return false;
        for (uint32_t k = 0; k < expr->with_count; k++)
            if (!all_in_term(o, expr->withs[k].value, fn))
                return false;
    }
    return true;
}

static bool is_bound_or_inner(struct order *o, const struct term *var)
{
    return is_marked(o, var) || !o->outer[var->var];
}

/* --- what can be computed --------------------------------------------------------------------- */

static bool compute(struct order *o, struct term *term);

/* TERM is matched against a known value: its variables are bound by that. */
static bool match(struct order *o, struct term *term)
{
    if (term->kind == TERM_VAR) {
        mark_new(o, term);
        return true;
    }
    if (term->kind == TERM_ARRAY) {
        for (uint32_t i = 0; i < term->len; i++)
            if (!match(o, term->items[i]))
                return false;
        return true;
    }
    if (term->kind == TERM_OBJECT) {
        for (uint32_t i = 0; i < term->len; i += 2)
            if (!compute(o, term->items[i]) || !match(o, term->items[i + 1]))
                return false;
        return true;
    }
    return compute(o, term);
}

static bool compute(struct order *o, struct term *term)
{
    switch (term->kind) {
    case TERM_VALUE:
        return true;
    case TERM_VAR:
        return is_marked(o, term);
    case TERM_REF:
        if (!compute(o, term->items[0]))
            return false;
        for (uint32_t i = 1; i < term->len; i++)
            if (!match(o, term->items[i]))
                return false;
        return true;
    case TERM_ARRAY:
    case TERM_SET:
    case TERM_OBJECT:
    case TERM_CALL:
    case TERM_TEMPLATE:
        for (uint32_t i = term->kind == TERM_CALL ? 1 : 0; i < term->len; i++)
            if (!compute(o, term->items[i]))
                return false;
        return true;
    case TERM_ARRAY_COMP:
    case TERM_SET_COMP:
    case TERM_OBJECT_COMP:
        return all_in_term(o, term, is_bound_or_inner);
    }
    return false;
}

static bool unify(struct order *o, struct term *a, struct term *b);

/* The value under the same constant key in object B, or NULL. */
static struct term *same_key(const struct term *b, const struct term *key)
{
    for (uint32_t i = 0; i < b->len; i += 2)
        if (b->items[i]->kind == TERM_VALUE && key->kind == TERM_VALUE &&
            rval_eq(b->items[i]->value, key->value))
            return b->items[i + 1];
    return NULL;
}

/* Part by part, in whatever order works. */
static bool unify_parts(struct order *o, struct term *a, struct term *b)
{
    bool object = a->kind == TERM_OBJECT;
    uint32_t width = object ? 2 : 1;
    uint32_t count = a->len / width;
    uint8_t *done = (uint8_t *)arena_calloc(o->u->c->arena, count + 1, 1);
    uint32_t left = count;
    for (bool moved = true; left > 0 && moved;) {
        moved = false;
        for (uint32_t i = 0; i < count; i++) {
            struct term *other = object ? same_key(b, a->items[2 * i]) : b->items[i];
            if (done[i] || other == NULL || !unify(o, a->items[i * width + width - 1], other))
                continue;
            done[i] = 1;
            left--;
            moved = true;
        }
    }
    return left == 0;
}

static bool have_same_keys(const struct term *a, const struct term *b)
{
    for (uint32_t i = 0; i < a->len; i += 2)
        if (same_key(b, a->items[i]) == NULL)
            return false;
    return true;
}

static bool unify(struct order *o, struct term *a, struct term *b)
{
    size_t before = o->fresh.len;
    if (a->len == b->len && a->kind == b->kind &&
        (a->kind == TERM_ARRAY || (a->kind == TERM_OBJECT && have_same_keys(a, b)))) {
        if (unify_parts(o, a, b))
            return true;
        roll_back(o, before);
        return false;
    }
    if (compute(o, a) && match(o, b))
        return true;
    roll_back(o, before);
    if (compute(o, b) && match(o, a))
        return true;
    roll_back(o, before);
    return false;
}

bool order_can_compute(struct unit *u, struct term *term)
{
    struct order o = {u, u->bound, u->bound, {0}};
    size_t none = 0;
    bool ok = compute(&o, term);
    roll_back(&o, none);
    uint_list_reset(&o.fresh);
    return ok;
}

bool order_can_unify(struct unit *u, struct term *a, struct term *b)
{
    struct order o = {u, u->bound, u->bound, {0}};
    bool ok = unify(&o, a, b);
    roll_back(&o, 0);
    uint_list_reset(&o.fresh);
    return ok;
}

bool order_has_unbound(struct unit *u, const struct term *term)
{
    if (term->kind == TERM_VAR)
        return term->var >= 0 && !u->bound[term->var];
    for (uint32_t i = 0; i < term->len; i++)
        if (order_has_unbound(u, term->items[i]))
            return true;
    return false;
}

/* --- bodies ----------------------------------------------------------------------------------- */

static bool is_ready(struct order *o, struct expr *expr)
{
    size_t before = o->fresh.len;
    bool ok = true;
    for (uint32_t i = 0; ok && i < expr->with_count; i++)
        ok = compute(o, expr->withs[i].value);
    if (ok && expr->kind == EXPR_EVERY) {
        ok = compute(o, expr->term) && all_in_body(o, expr->body, is_bound_or_inner);
    } else if (ok && ast_is_call(expr->term, "eq") && expr->term->len == 3 && !expr->negated) {
        ok = unify(o, expr->term->items[1], expr->term->items[2]);
    } else if (ok) {
        ok = compute(o, expr->term);
    }
    if (ok && expr->negated)
        ok = o->fresh.len == before;
    if (!ok)
        roll_back(o, before);
    return ok;
}

static bool order_inside(struct order *o, struct term *term)
{
    if (term == NULL)
        return true;
    for (uint32_t i = 0; i < term->len; i++)
        if (!order_inside(o, term->items[i]))
            return false;
    if (!is_comprehension(term))
        return true;
    size_t size = o->u->locals.len;
    uint8_t *bound = (uint8_t *)arena_alloc(o->u->c->arena, size);
    memcpy(bound, o->mark, size);
    if (!order_body(o->u, term->body, bound, o->outer))
        return false;
    struct order inner = {o->u, bound, o->outer, {0}};
    bool ok = compute(&inner, term->head) && (term->key == NULL || compute(&inner, term->key));
    uint_list_reset(&inner.fresh);
    if (!ok)
        return order_check_head(o->u, term->head, bound) &&
               (term->key == NULL || order_check_head(o->u, term->key, bound));
    return order_inside(&inner, term->head) && order_inside(&inner, term->key);
}

static bool order_nested(struct order *o, struct expr *expr)
{
    if (!order_inside(o, expr->term))
        return false;
    for (uint32_t i = 0; i < expr->with_count; i++)
        if (!order_inside(o, expr->withs[i].value))
            return false;
    if (expr->kind != EXPR_EVERY)
        return true;
    size_t size = o->u->locals.len;
    uint8_t *bound = (uint8_t *)arena_alloc(o->u->c->arena, size);
    memcpy(bound, o->mark, size);
    bound[expr->val->var] = MARK_BOUND;
    if (expr->key != NULL)
        bound[expr->key->var] = MARK_BOUND;
    return order_body(o->u, expr->body, bound, o->outer);
}

static void report_unsafe(struct order *o, const struct term *term, bool *reported)
{
    if (term == NULL)
        return;
    if (term->kind == TERM_VAR && term->var >= 0 && !o->mark[term->var]) {
        const struct local *local = &o->u->locals.ptr[term->var];
        if (!local->generated || !*reported)
            unit_fail(o->u, "rego_unsafe_var_error", term->loc, "var %.*s is unsafe",
                      (int)local->name.len, local->name.ptr);
        *reported = true;
        o->mark[term->var] = MARK_BOUND; /* once is enough */
    }
    for (uint32_t i = term->kind == TERM_CALL ? 1 : 0; i < term->len; i++)
        report_unsafe(o, term->items[i], reported);
    if (is_comprehension(term)) {
        report_unsafe(o, term->head, reported);
        report_unsafe(o, term->key, reported);
        for (uint32_t i = 0; i < term->body->len; i++)
            report_unsafe(o, term->body->exprs[i]->term, reported);
    }
}

bool order_check_head(struct unit *u, struct term *term, const uint8_t *bound)
{
    size_t size = u->locals.len;
    uint8_t *mark = (uint8_t *)arena_alloc(u->c->arena, size + 1);
    uint8_t *outer = (uint8_t *)arena_calloc(u->c->arena, size + 1, 1);
    memcpy(mark, bound, size);
    struct order o = {u, mark, outer, {0}};
    bool reported = false;
    /* A wildcard in a ref of a head iterates; a named variable must come from the body. */
    if (!compute(&o, term)) {
        memcpy(mark, bound, size);
        report_unsafe(&o, term, &reported);
    }
    for (size_t i = 0; i < o.fresh.len && !reported; i++)
        if (!u->locals.ptr[o.fresh.ptr[i]].generated) {
            memcpy(mark, bound, size);
            report_unsafe(&o, term, &reported);
        }
    if (!reported && !order_inside(&o, term))
        reported = true;
    uint_list_reset(&o.fresh);
    return !reported;
}

bool order_body(struct unit *u, struct body *body, uint8_t *bound, const uint8_t *outer_vars)
{
    struct arena *arena = u->c->arena;
    size_t size = u->locals.len;
    uint8_t *outer = (uint8_t *)arena_alloc(arena, size + 1);
    memcpy(outer, outer_vars, size);
    add_body_vars(body, outer);

    struct order o = {u, bound, outer, {0}};
    struct expr **sorted = (struct expr **)arena_alloc(arena, (body->len + 1) * sizeof(*sorted));
    uint32_t count = 0, left = body->len;
    bool ok = true;
    while (left > 0 && ok) {
        bool moved = false;
        for (uint32_t i = 0; i < body->len && ok; i++) {
            struct expr *expr = body->exprs[i];
            if (expr == NULL || !is_ready(&o, expr))
                continue;
            ok = order_nested(&o, expr);
            sorted[count++] = expr;
            body->exprs[i] = NULL;
            left--;
            moved = true;
        }
        if (!moved)
            break;
    }
    if (ok && left > 0) {
        bool reported = false;
        for (uint32_t i = 0; i < body->len; i++)
            if (body->exprs[i] != NULL)
                report_unsafe(&o, body->exprs[i]->term, &reported);
        if (!reported)
            unit_fail(u, "rego_unsafe_var_error",
                      body->exprs[0] != NULL ? body->exprs[0]->loc : sorted[0]->loc,
                      "an expression cannot be ordered so that its variables are bound");
        ok = false;
    }
    uint_list_reset(&o.fresh);
    if (ok)
        memcpy(body->exprs, sorted, count * sizeof(*sorted));
    return ok;
}
