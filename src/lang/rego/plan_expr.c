/* Expressions become steps. */
#include "lang/rego/compiler.h"

/* --- calls ------------------------------------------------------------------------------------ */

static const char *mask_text(struct arena *arena, uint8_t mask)
{
    CLEANUP(buf) struct buf out = BUF_INIT(200);
    int count = __builtin_popcount(mask);
    if (count != 1)
        buf_add(&out, "one of {");
    for (int t = 0, n = 0; t < RVAL_TYPE_COUNT; t++)
        if (mask & (1 << t))
            buf_printf(&out, "%s%s", n++ > 0 ? ", " : "", rval_type_name((enum rval_type)t));
    if (count != 1)
        buf_add_char(&out, '}');
    return arena_strndup(arena, out.ptr, out.len);
}

/* What an argument written as a literal is; 0 if that shows only when it runs. */
static uint8_t literal_type(const struct term *term)
{
    switch (term->kind) {
    case TERM_VALUE:
        return (uint8_t)(1 << term->value->type);
    case TERM_ARRAY:
    case TERM_ARRAY_COMP:
        return M_ARR;
    case TERM_SET:
    case TERM_SET_COMP:
        return M_SET;
    case TERM_OBJECT:
    case TERM_OBJECT_COMP:
        return M_OBJ;
    case TERM_VAR:
    case TERM_REF:
    case TERM_CALL:
    case TERM_TEMPLATE:
        break;
    }
    return 0;
}

static void check_literals(struct unit *u, const struct term *call, const struct builtin *builtin)
{
    for (uint32_t i = 1; i < call->len && i <= builtin->arity; i++) {
        uint8_t type = literal_type(call->items[i]);
        if (type != 0 && !(type & builtin->masks[i - 1]))
            unit_fail(u, "rego_type_error", call->items[i]->loc,
                      "%s: invalid argument(s): argument %u must be %s", builtin->name, i,
                      mask_text(u->c->arena, builtin->masks[i - 1]));
    }
}

void plan_call_into(struct unit *u, struct plan_body *out, struct term *call, uint32_t dst)
{
    struct node *node = NULL;
    const struct builtin *builtin = NULL;
    bool is_v1 = u->module != NULL && u->module->is_v1;

    if (!plan_find_function(u, call->items[0], &node, &builtin)) {
        unit_fail(u, "rego_type_error", call->loc, "undefined function %s",
                  ast_text(u->c->arena, call->items[0]));
        return;
    }
    uint32_t arity = node != NULL ? node->arity : builtin->arity;
    bool any_count = builtin != NULL && (builtin->flags & BUILTIN_PRINT);
    if (call->len - 1 != arity && !any_count) {
        unit_fail(u, "rego_type_error", call->loc, "%s: arity mismatch: has %u arguments, wants %u",
                  ast_text(u->c->arena, call->items[0]), call->len - 1, arity);
        return;
    }
    if (builtin != NULL && is_v1 && (builtin->flags & BUILTIN_V0_ONLY)) {
        unit_fail(u, "rego_type_error", call->loc,
                  "deprecated built-in function calls in "
                  "expression: %s",
                  builtin->name);
        return;
    }
    if (builtin != NULL && !any_count)
        check_literals(u, call, builtin);
    struct operand *args =
        (struct operand *)arena_alloc(u->c->arena, (call->len + 1) * sizeof(*args));
    for (uint32_t i = 1; i < call->len; i++)
        args[i - 1] = plan_value(u, out, call->items[i]);
    enum step_kind kind = node != NULL                        ? STEP_FUNCTION
                          : any_count                         ? STEP_PRINT
                          : builtin->flags & BUILTIN_RELATION ? STEP_WALK
                                                              : STEP_BUILTIN;
    struct step *step = plan_emit(u, out, kind, call->loc);
    step->dst = dst;
    step->node = node;
    step->builtin = builtin;
    step->args = args;
    step->arg_count = call->len - 1;
    if (node != NULL) {
        for (size_t i = 0; i < u->deps.len; i++)
            if (u->deps.ptr[i] == node)
                return;
        node_list_push(&u->deps, node);
    }
}

/* Comparisons have steps of their own. */
static bool find_comparison(const struct term *call, enum step_kind *kind)
{
    static const struct {
        const char *name;
        enum step_kind kind;
    } rows[] = {
        {"eq", STEP_EQUAL},          {"equal", STEP_EQUAL},
        {"neq", STEP_NOT_EQUAL},     {"lt", STEP_LESS},
        {"lte", STEP_LESS_EQUAL},    {"gt", STEP_GREATER},
        {"gte", STEP_GREATER_EQUAL}, {"internal.member_2", STEP_MEMBER},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (call->len == 3 && ast_is_call(call, rows[i].name)) {
            *kind = rows[i].kind;
            return true;
        }
    return false;
}

static void emit_true(struct unit *u, struct plan_body *out, struct loc loc, struct operand value)
{
    if (value.value != NULL && !rval_is_false(value.value))
        return;
    struct step *step = plan_emit(u, out, value.value != NULL ? STEP_FAIL : STEP_TRUE, loc);
    step->a = value;
}

static void plan_test(struct unit *u, struct plan_body *out, struct term *term)
{
    enum step_kind kind;
    if (term->kind == TERM_CALL && find_comparison(term, &kind)) {
        struct operand a = plan_value(u, out, term->items[1]);
        struct operand b = plan_value(u, out, term->items[2]);
        struct step *step = plan_emit(u, out, kind, term->loc);
        step->a = a;
        step->b = b;
        return;
    }
    emit_true(u, out, term->loc, plan_value(u, out, term));
}

/* --- negation --------------------------------------------------------------------------------- */

/* The operand, computed outside of the negation, as a term. */
static struct term *hoist(struct unit *u, struct plan_body *out, struct term *term)
{
    struct operand value = plan_value(u, out, term);
    if (value.value != NULL)
        return ast_value(u->c->arena, term->loc, value.value);
    struct term *var = ast_var(u->c->arena, term->loc, SPAN("_"));
    var->var = (int)value.reg;
    return var;
}

/* A ref stays inside, what stands in its brackets does not. */
static void hoist_parts(struct unit *u, struct plan_body *out, struct term *ref)
{
    bool is_root = ref->items[0]->kind == TERM_VAR;
    if (!is_root)
        ref->items[0] = hoist(u, out, ref->items[0]);
    for (uint32_t i = 1; i < ref->len; i++)
        if (ref->items[i]->kind != TERM_VALUE && ref->items[i]->kind != TERM_VAR)
            ref->items[i] = hoist(u, out, ref->items[i]);
}

/* True for a call with one argument more than the function takes: the last is the result. */
static bool has_output(struct unit *u, const struct term *call)
{
    struct node *node;
    const struct builtin *builtin;
    if (!plan_find_function(u, call->items[0], &node, &builtin))
        return false;
    return call->len == (node != NULL ? node->arity : builtin->arity) + 2 &&
           !(builtin != NULL && (builtin->flags & BUILTIN_PRINT));
}

/* Which operands are computed before a negation is OPA's rule: refs that are a direct operand of
 * an equality, or the whole expression, stay inside; everything else that a call or a literal
 * needs comes first, so that an undefined part makes the expression undefined, not true. */
static void plan_negated(struct unit *u, struct plan_body *out, struct expr *expr)
{
    struct plan_body inner = {0};
    struct term *term = expr->term;
    bool equality = (ast_is_call(term, "eq") || ast_is_call(term, "equal")) && term->len == 3;

    if (term->kind == TERM_REF) {
        hoist_parts(u, out, term);
    } else if (term->kind == TERM_CALL) {
        for (uint32_t i = 1; i < term->len; i++) {
            struct term *arg = term->items[i];
            if (equality && arg->kind == TERM_REF)
                hoist_parts(u, out, arg);
            else if (arg->kind != TERM_VAR || arg->var < 0)
                term->items[i] = hoist(u, out, arg);
        }
    } else if (term->kind != TERM_VAR) {
        term = hoist(u, out, term);
    }
    if (term->kind == TERM_CALL && has_output(u, term)) {
        struct term *output = term->items[--term->len];
        struct operand result = plan_value(u, &inner, term);
        plan_pattern(u, &inner, output, result);
    } else {
        plan_test(u, &inner, term);
    }
    plan_finish(u, &inner);
    plan_emit(u, out, STEP_NOT, expr->loc)->body = inner.ptr;
}

/* --- the rest --------------------------------------------------------------------------------- */

static void plan_every(struct unit *u, struct plan_body *out, struct expr *expr)
{
    struct operand domain = plan_value(u, out, expr->term);
    struct plan_body inner = {0};
    size_t count = u->locals.len;
    uint8_t *before = (uint8_t *)arena_alloc(u->c->arena, count + 1);
    uint32_t number = u->expr;

    if (count > 0)
        memcpy(before, u->bound, count);
    u->bound[expr->val->var] = 1;
    if (expr->key != NULL)
        u->bound[expr->key->var] = 1;
    plan_exprs(u, &inner, expr->body);
    plan_finish(u, &inner);
    if (count > 0)
        memcpy(u->bound, before, count);
    u->expr = number;

    struct step *step = plan_emit(u, out, STEP_EVERY, expr->loc);
    step->a = domain;
    step->dst = (uint32_t)expr->val->var;
    step->b.reg = expr->key != NULL ? (uint32_t)expr->key->var : NO_REG;
    step->body = inner.ptr;
}

static void plan_equation(struct unit *u, struct plan_body *out, struct term *call)
{
    struct term *a = call->items[1], *b = call->items[2];
    if (b->kind != TERM_CALL) {
        plan_unify(u, out, a, b);
        return;
    }
    bool fresh = a->kind == TERM_VAR && a->var >= 0 && !u->bound[a->var];
    if (fresh) {
        plan_call_into(u, out, b, (uint32_t)a->var);
        u->bound[a->var] = 1;
        return;
    }
    struct operand result = plan_value(u, out, b);
    plan_pattern(u, out, a, result);
}

static void plan_expr(struct unit *u, struct plan_body *out, struct expr *expr)
{
    u->expr = expr->id;
    if (expr->with_count > 0)
        plan_with(u, out, expr);
    if (expr->kind == EXPR_EVERY)
        plan_every(u, out, expr);
    else if (expr->negated)
        plan_negated(u, out, expr);
    else if (ast_is_call(expr->term, "eq") && expr->term->len == 3)
        plan_equation(u, out, expr->term);
    else
        plan_test(u, out, expr->term);
    if (expr->with_count > 0)
        plan_emit(u, out, STEP_END_WITH, expr->loc);
}

void plan_exprs(struct unit *u, struct plan_body *out, const struct body *body)
{
    for (uint32_t i = 0; i < body->len && !u->failed; i++)
        plan_expr(u, out, body->exprs[i]);
}

/* --- with ------------------------------------------------------------------------------------- */

static bool plan_with_path(struct unit *u, const struct term *target, struct with_plan *plan)
{
    uint32_t count = target->kind == TERM_REF ? target->len - 1 : 0;
    plan->path = (const struct rval **)arena_alloc(u->c->arena, (count + 1) * sizeof(*plan->path));
    for (uint32_t i = 0; i < count; i++) {
        if (target->items[i + 1]->kind != TERM_VALUE) {
            unit_fail(u, "rego_type_error", target->loc,
                      "with keyword target must not contain variables");
            return false;
        }
        plan->path[i] = target->items[i + 1]->value;
    }
    plan->path_len = count;
    return true;
}

static bool plan_with_data(struct unit *u, const struct term *target, struct with_plan *plan)
{
    struct node *node = u->c->rego->root;
    for (uint32_t i = 0; i < plan->path_len && node != NULL; i++) {
        if (i > 0 && (node->is_value || node->is_set)) {
            unit_fail(u, "rego_compile_error", target->loc,
                      "with keyword cannot partially replace virtual document(s)");
            return false;
        }
        node = node_find(node, plan->path[i]);
    }
    plan->node = node;
    if (node != NULL && node->is_function)
        plan->kind = WITH_FUNCTION;
    return true;
}

static void plan_with_one(struct unit *u, struct plan_body *out, const struct with *with,
                          struct with_plan *plan)
{
    const struct term *target = with->target;
    const struct term *head = target->kind == TERM_REF ? target->items[0] : target;
    if (head->kind == TERM_VAR && (head->var == VAR_INPUT || head->var == VAR_DATA)) {
        plan->kind = head->var == VAR_INPUT ? WITH_INPUT : WITH_DATA;
        if (!plan_with_path(u, target, plan))
            return;
        if (plan->kind == WITH_DATA && !plan_with_data(u, target, plan))
            return;
    } else {
        plan->kind = WITH_FUNCTION;
        plan->builtin = target->kind == TERM_VAR ? builtin_find(target->name) : NULL;
        if (plan->builtin == NULL) {
            unit_fail(u, "rego_type_error", target->loc, "undefined function %s",
                      ast_text(u->c->arena, target));
            return;
        }
    }
    bool by_function = plan->kind == WITH_FUNCTION && with->value->kind != TERM_VALUE &&
                       !(with->value->kind == TERM_VAR && with->value->var >= 0);
    if (by_function && plan_find_function(u, with->value, &plan->by_node, &plan->by_builtin)) {
        uint32_t want = plan->node != NULL ? plan->node->arity : plan->builtin->arity;
        uint32_t have = plan->by_node != NULL ? plan->by_node->arity : plan->by_builtin->arity;
        if (want != have)
            unit_fail(u, "rego_type_error", target->loc, "%s: arity mismatch",
                      ast_text(u->c->arena, with->value));
        if (plan->by_node != NULL)
            node_list_push(&u->deps, plan->by_node);
        return;
    }
    plan->value = plan_value(u, out, with->value);
}

void plan_with(struct unit *u, struct plan_body *out, const struct expr *expr)
{
    struct with_plan *plans =
        (struct with_plan *)arena_calloc(u->c->arena, expr->with_count, sizeof(*plans));
    for (uint32_t i = 0; i < expr->with_count; i++)
        plan_with_one(u, out, &expr->withs[i], &plans[i]);
    struct step *step = plan_emit(u, out, STEP_WITH, expr->loc);
    step->withs = plans;
    step->arg_count = expr->with_count;
}
