/* One rule through all stages. */
#include "lang/rego/compiler.h"

#include <stdio.h>

/* The input paths without which the body cannot have a solution: those that its own steps (not
 * those of bodies inside, nor under "with") need defined, or equal to a constant. */
static void find_guards(struct unit *u, struct rule_plan *plan, const struct plan_body *steps)
{
    struct guard *guards = (struct guard *)arena_calloc(u->c->arena, GUARDS_MAX, sizeof(*guards));
    uint32_t count = 0;

    for (size_t i = 0; i < steps->len && count < GUARDS_MAX; i++) {
        const struct step *step = &steps->ptr[i];
        if (step->kind == STEP_WITH)
            break;
        if (step->kind != STEP_INPUT)
            continue;
        struct guard *guard = &guards[count++];
        guard->slot = step->index;
        const struct step *next = step + 1;
        if (next->kind != STEP_EQUAL)
            continue;
        if (next->a.value == NULL && next->a.reg == step->dst)
            guard->value = next->b.value;
        else if (next->b.value == NULL && next->b.reg == step->dst)
            guard->value = next->a.value;
    }
    plan->guards = guards;
    plan->guard_count = count;
}

static uint32_t *copy_slots(struct unit *u)
{
    uint32_t *copy = (uint32_t *)arena_alloc(u->c->arena, (u->slots.len + 1) * sizeof(*copy));
    if (u->slots.len > 0)
        memcpy(copy, u->slots.ptr, u->slots.len * sizeof(*copy));
    return copy;
}

/* The parts of a head as the compiler's own copies. */
struct head {
    struct term **args;
    struct term **keys;
    uint32_t key_count;
    struct term *value;
    struct body *body;
};

/* An argument that is a template string is compared when the body has bound what it is made of. */
static void move_template(struct compiler *c, struct head *head, uint32_t arg)
{
    struct term *term = head->args[arg];
    char name[32];

    if (term->kind != TERM_TEMPLATE)
        return;
    snprintf(name, sizeof(name), "$arg%u", arg);
    struct span text = {arena_strndup(c->arena, name, strlen(name)), strlen(name)};
    head->args[arg] = ast_var(c->arena, term->loc, text);
    ast_body_push(c->arena, head->body,
                  ast_expr(c->arena, term->loc,
                           ast_call(c->arena, term->loc, "eq", ast_var(c->arena, term->loc, text),
                                    term)));
}

static struct head copy_head(struct compiler *c, const struct rule *rule)
{
    uint32_t static_len = rule_static_len(rule);
    struct head head = {.key_count = rule->ref->len - static_len};

    head.args = (struct term **)arena_alloc(c->arena, (rule->arg_count + 1) * sizeof(*head.args));
    for (uint32_t i = 0; i < rule->arg_count; i++)
        head.args[i] = ast_copy(c->arena, rule->args[i]);
    head.keys = (struct term **)arena_alloc(c->arena, (head.key_count + 1) * sizeof(*head.keys));
    for (uint32_t i = 0; i < head.key_count; i++)
        head.keys[i] = ast_copy(c->arena, rule->ref->items[static_len + i]);
    head.value = ast_copy(c->arena, rule->kind == RULE_SET ? rule->element : rule->value);
    head.body = ast_copy_body(c->arena, rule->body);
    for (uint32_t i = 0; i < rule->arg_count; i++)
        move_template(c, &head, i);
    return head;
}

static void resolve_head(struct unit *u, const struct rule *rule, struct head *head)
{
    struct scope scope;
    scope_enter(u, &scope);
    for (uint32_t i = 0; i < rule->arg_count; i++)
        unit_new_local(u, SPAN("_"), rule->loc, true); /* registers of the arguments */
    for (uint32_t i = 0; i < rule->arg_count; i++)
        resolve_declare_arg(u, head->args[i]);
    resolve_body(u, head->body);
    for (uint32_t i = 0; i < head->key_count; i++)
        resolve_term(u, &head->keys[i]);
    resolve_term(u, &head->value);
    scope_leave(u);
    resolve_check_unused(u);

    expand_body(u, head->body);
    for (uint32_t i = 0; i < head->key_count; i++)
        expand_term(u, &head->keys[i], head->body);
    expand_term(u, &head->value, head->body);
}

static void order_head(struct unit *u, const struct rule *rule, struct head *head)
{
    size_t size = u->locals.len + 1;
    uint8_t *bound = (uint8_t *)arena_calloc(u->c->arena, size, 1);
    uint8_t *outer = (uint8_t *)arena_calloc(u->c->arena, size, 1);

    for (uint32_t i = 0; i < rule->arg_count; i++) {
        bound[i] = 1;
        order_add_vars(head->args[i], bound);
    }
    memcpy(outer, bound, size);
    for (uint32_t i = 0; i < head->key_count; i++)
        order_add_vars(head->keys[i], outer);
    order_add_vars(head->value, outer);
    if (!order_body(u, head->body, bound, outer))
        return;
    for (uint32_t i = 0; i < head->key_count; i++)
        order_check_head(u, head->keys[i], bound);
    order_check_head(u, head->value, bound);
}

static void plan_head(struct unit *u, const struct rule *rule, struct head *head,
                      struct rule_plan *plan)
{
    struct plan_body steps = {0};

    for (uint32_t i = 0; i < rule->arg_count; i++)
        u->bound[i] = 1;
    for (uint32_t i = 0; i < rule->arg_count; i++)
        plan_pattern(u, &steps, head->args[i], (struct operand){.reg = i});
    plan_exprs(u, &steps, head->body);
    plan->keys =
        (struct operand *)arena_alloc(u->c->arena, (head->key_count + 1) * sizeof(*plan->keys));
    for (uint32_t i = 0; i < head->key_count && !u->failed; i++)
        plan->keys[i] = plan_value(u, &steps, head->keys[i]);
    plan->key_count = head->key_count;
    if (!u->failed)
        plan->value = plan_value(u, &steps, head->value);
    plan_finish(u, &steps);
    plan->body = steps.ptr;
    find_guards(u, plan, &steps);
}

struct rule_plan *compile_rule(struct compiler *c, struct node *node, const struct rule *rule)
{
    struct rule_plan *plan = (struct rule_plan *)arena_calloc(c->arena, 1, sizeof(*plan));
    struct unit u = {.c = c, .module = rule->module};
    struct node *package = c->rego->root;

    for (uint32_t i = 1; i < rule->module->package->len; i++)
        package = node_find(package, rule->module->package->items[i]->value);
    u.package = package;
    plan->rule = rule;
    plan->arg_count = rule->arg_count;

    struct head head = copy_head(c, rule);
    resolve_head(&u, rule, &head);
    if (!u.failed)
        order_head(&u, rule, &head);
    if (!u.failed)
        plan_head(&u, rule, &head, plan);
    plan->value_is_constant = plan->value.value != NULL && plan->key_count == 0;
    plan->frame_size = (uint32_t)u.locals.len;
    plan->slots = copy_slots(&u);
    plan->slot_count = (uint32_t)u.slots.len;
    plan->dep_count = (uint32_t)u.deps.len;
    plan->deps = (struct node **)arena_alloc(c->arena, (u.deps.len + 1) * sizeof(*plan->deps));
    if (u.deps.len > 0)
        memcpy(plan->deps, u.deps.ptr, u.deps.len * sizeof(*plan->deps));
    unit_reset(&u);
    if (rule->or_else != NULL)
        plan->or_else = compile_rule(c, node, rule->or_else);
    return plan;
}
