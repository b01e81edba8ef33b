#include "lang/rego/dispatch.h"
#include "lang/rego/eval.h"

#include <stdlib.h>

/* False if an input path that the rule needs says that it has no solution. */
static bool can_apply(struct rego_eval *e, const struct rule_plan *plan)
{
    for (uint32_t i = 0; i < plan->guard_count; i++) {
        const struct guard *guard = &plan->guards[i];
        const struct rval *value = eval_slot(e, guard->slot);
        if (value == NULL || (guard->value != NULL && !rval_eq(guard->value, value)))
            return false;
    }
    return true;
}

/* Runs the body of a rule with its arguments in the first registers. */
static int run_body(struct rego_eval *e, const struct rule_plan *plan,
                    const struct rval *const *args, struct cont *cont)
{
    if (plan->guard_count > 0 && !e->rego->no_index && !can_apply(e, plan))
        return GO_ON;
    const struct rval **frame = eval_push(e, plan->frame_size, plan->rule->loc);
    if (frame == NULL)
        return FAILED;
    for (uint32_t i = 0; i < plan->arg_count; i++)
        frame[i] = args[i];
    const struct rule_plan *outer = e->rule;
    e->rule = plan;
    int r = eval_steps(e, frame, plan->body, cont);
    if (r != FAILED)
        e->rule = outer;
    eval_pop(e, plan->frame_size);
    return r;
}

/* --- single values ---------------------------------------------------------------------------- */

struct one_value {
    struct cont cont;
    const struct rule_plan *plan;
    const struct rval *value;
    bool found; /* by this body */
};

static int take_value(struct rego_eval *e, const struct rval **frame, struct cont *self)
{
    struct one_value *v = (struct one_value *)self;
    const struct rval *value = eval_operand(frame, v->plan->value);
    v->found = true;
    if (v->value != NULL && !rval_eq(v->value, value))
        return eval_fail(e, "eval_conflict_error", v->plan->rule->loc,
                         v->plan->rule->is_function
                             ? "functions must not produce multiple outputs for same inputs"
                             : "complete rules must not produce multiple outputs");
    v->value = value;
    if (e->hooks.on_rule != NULL)
        e->hooks.on_rule(e->hooks.arg, v->plan->rule, value);
    return v->plan->value_is_constant ? STOP : GO_ON;
}

/* The body and, while there was no solution, its elses. */
static int run_chain(struct rego_eval *e, const struct rule_plan *plan,
                     const struct rval *const *args, struct one_value *v)
{
    v->found = false;
    for (; plan != NULL && !v->found; plan = plan->or_else) {
        v->plan = plan;
        if (run_body(e, plan, args, &v->cont) == FAILED)
            return FAILED;
    }
    return GO_ON;
}

static int run_single(struct rego_eval *e, const struct node *node, const struct rval *const *args,
                      const struct rval **out)
{
    struct one_value v = {.cont = {take_value}};
    struct rule_walk walk = rule_walk_start(e, node);
    for (const struct rule_plan *plan; (plan = rule_walk_next(&walk)) != NULL;) {
        if (run_chain(e, plan, args, &v) == FAILED)
            return FAILED;
        if (v.value != NULL && node->has_one_value)
            break;
    }
    if (v.value == NULL && node->fallback != NULL &&
        run_chain(e, node->fallback, args, &v) == FAILED)
        return FAILED;
    *out = v.value;
    return GO_ON;
}

int eval_function(struct rego_eval *e, const struct node *node, const struct rval *const *args,
                  uint32_t count, const struct rval **out)
{
    return run_single(e, node, args, out);
}

/* --- sets ------------------------------------------------------------------------------------- */

struct set_elements {
    struct cont cont;
    const struct rule_plan *plan;
    struct rval_list list;
};

static int take_element(struct rego_eval *e, const struct rval **frame, struct cont *self)
{
    struct set_elements *s = (struct set_elements *)self;
    const struct rval *value = eval_operand(frame, s->plan->value);
    rval_list_push(&e->arena, &s->list, value);
    if (e->hooks.on_rule != NULL)
        e->hooks.on_rule(e->hooks.arg, s->plan->rule, value);
    return s->plan->value_is_constant ? STOP : GO_ON;
}

static int run_set(struct rego_eval *e, const struct node *node, const struct rval **out)
{
    struct set_elements s = {.cont = {take_element}};
    struct rule_walk walk = rule_walk_start(e, node);
    while ((s.plan = rule_walk_next(&walk)) != NULL)
        if (run_body(e, s.plan, NULL, &s.cont) == FAILED)
            return FAILED;
    *out = rval_set(&e->arena, s.list.ptr, s.list.len);
    return eval_weigh(e, *out, node->sources[0]->loc);
}

/* --- partial objects -------------------------------------------------------------------------- */

/* What rules with variables in their paths make: (path, leaf), later put together. */
struct entry {
    const struct rval **keys;
    uint32_t key_count;
    bool is_element; /* the leaf is an element of a set, or NULL for an empty one */
    const struct rval *leaf;
};

struct entries {
    struct cont cont;
    const struct rule_plan *plan;
    struct entry *ptr;
    size_t len, cap;
};

static struct entry *add_entry(struct rego_eval *e, struct entries *list)
{
    if (list->len == list->cap) {
        size_t cap = list->cap == 0 ? 8 : list->cap * 2;
        struct entry *ptr = (struct entry *)arena_alloc(&e->arena, cap * sizeof(*ptr));
        if (list->len > 0)
            memcpy(ptr, list->ptr, list->len * sizeof(*ptr));
        list->ptr = ptr;
        list->cap = cap;
    }
    return &list->ptr[list->len++];
}

static int take_entry(struct rego_eval *e, const struct rval **frame, struct cont *self)
{
    struct entries *list = (struct entries *)self;
    const struct rule_plan *plan = list->plan;
    struct entry *entry = add_entry(e, list);
    entry->key_count = plan->key_count;
    entry->keys =
        (const struct rval **)arena_alloc(&e->arena, plan->key_count * sizeof(*entry->keys));
    for (uint32_t i = 0; i < plan->key_count; i++)
        entry->keys[i] = eval_operand(frame, plan->keys[i]);
    entry->is_element = plan->rule->kind == RULE_SET;
    entry->leaf = eval_operand(frame, plan->value);
    if (e->hooks.on_rule != NULL)
        e->hooks.on_rule(e->hooks.arg, plan->rule, entry->leaf);
    return GO_ON;
}

static int order_entries(const void *a, const void *b)
{
    const struct entry *x = (const struct entry *)a, *y = (const struct entry *)b;
    for (uint32_t i = 0; i < x->key_count && i < y->key_count; i++) {
        int order = rval_compare(x->keys[i], y->keys[i]);
        if (order != 0)
            return order;
    }
    return (x->key_count > y->key_count) - (x->key_count < y->key_count);
}

static int fail_keys(struct rego_eval *e, const struct node *node)
{
    return eval_fail(e, "eval_conflict_error", node->sources[0]->loc, "object keys must be unique");
}

/* The value of the entries, which agree in their first DEPTH keys. */
static int join(struct rego_eval *e, const struct node *node, const struct entry *list, size_t len,
                uint32_t depth, const struct rval **out)
{
    if (list[0].key_count == depth) {
        if (list[len - 1].key_count != depth)
            return fail_keys(e, node);
        struct rval_list items = {0};
        for (size_t i = 0; i < len; i++) {
            if (list[i].is_element != list[0].is_element ||
                (!list[0].is_element && !rval_eq(list[0].leaf, list[i].leaf)))
                return fail_keys(e, node);
            if (list[i].leaf != NULL)
                rval_list_push(&e->arena, &items, list[i].leaf);
        }
        *out = list[0].is_element ? rval_set(&e->arena, items.ptr, items.len) : list[0].leaf;
        return GO_ON;
    }
    struct rval_pair_list pairs = {0};
    for (size_t from = 0; from < len;) {
        size_t to = from + 1;
        while (to < len && rval_eq(list[to].keys[depth], list[from].keys[depth]))
            to++;
        const struct rval *value = NULL;
        if (join(e, node, list + from, to - from, depth + 1, &value) == FAILED)
            return FAILED;
        rval_pair_list_push(&e->arena, &pairs, list[from].keys[depth], value);
        from = to;
    }
    *out = rval_object(&e->arena, pairs.ptr, pairs.len);
    return GO_ON;
}

/* A document from rules with static paths below: its parts may be joined with dynamic ones. */
static void add_static(struct rego_eval *e, struct entries *list, const struct node *node,
                       const struct rval *value, const struct rval **path, uint32_t depth)
{
    bool is_inner = !node->is_value && !node->is_set && value->type == RVAL_OBJECT && depth < 16;
    for (uint32_t i = 0; is_inner && i < value->len; i++) {
        const struct node *child = node_find(node, value->pairs[i].key);
        const struct rval **below =
            (const struct rval **)arena_alloc(&e->arena, (depth + 1) * sizeof(*below));
        memcpy(below, path, depth * sizeof(*below));
        below[depth] = value->pairs[i].key;
        static const struct node leaf = {.is_value = true};
        add_static(e, list, child != NULL ? child : &leaf, value->pairs[i].value, below, depth + 1);
    }
    for (uint32_t i = 0; node->is_set && i < value->len; i++)
        *add_entry(e, list) = (struct entry){path, depth, true, value->items[i]};
    if (!is_inner && !(node->is_set && value->len > 0))
        *add_entry(e, list) =
            (struct entry){path, depth, node->is_set, node->is_set ? NULL : value};
}

int eval_partial_object(struct rego_eval *e, const struct node *node, const struct rval **out)
{
    struct entries list = {.cont = {take_entry}};
    struct rule_walk walk = rule_walk_start(e, node);
    while ((list.plan = rule_walk_next(&walk)) != NULL)
        if (run_body(e, list.plan, NULL, &list.cont) == FAILED)
            return FAILED;
    for (uint32_t i = 0; i < node->child_count; i++) {
        const struct node *child = node->children[i];
        const struct rval *value = NULL;
        if (!child->has_documents)
            continue;
        if (eval_document(e, child, NULL, &value) == FAILED)
            return FAILED;
        const struct rval **path = (const struct rval **)arena_alloc(&e->arena, sizeof(*path));
        path[0] = child->key;
        if (value != NULL)
            add_static(e, &list, child, value, path, 1);
    }
    *out = &rval_empty_object;
    if (list.len == 0)
        return GO_ON;
    qsort(list.ptr, list.len, sizeof(*list.ptr), order_entries);
    if (join(e, node, list.ptr, list.len, 0, out) == FAILED)
        return FAILED;
    return eval_weigh(e, *out, node->sources[0]->loc);
}

/* --- documents -------------------------------------------------------------------------------- */

int eval_rule_value(struct rego_eval *e, const struct node *node, const struct rval **out)
{
    struct cached *cached = &e->context->cache[node->index];
    int r = GO_ON;

    *out = NULL;
    if (cached->state == CACHE_DEFINED)
        *out = cached->value;
    if (cached->state == CACHE_BUSY)
        return eval_fail(e, "eval_recursion_error", node->sources[0]->loc,
                         "a rule depends on itself");
    if (cached->state != CACHE_NONE)
        return GO_ON;
    cached->state = CACHE_BUSY;
    if (node->is_value)
        r = run_single(e, node, NULL, out);
    else if (node->is_set)
        r = run_set(e, node, out);
    else if (node->is_dynamic)
        r = eval_partial_object(e, node, out);
    cached->state = *out != NULL ? CACHE_DEFINED : CACHE_UNDEFINED;
    cached->value = *out;
    return r;
}

int eval_document(struct rego_eval *e, const struct node *node, const struct rval *base,
                  const struct rval **out)
{
    *out = NULL;
    if (node_has_rules(node))
        return eval_rule_value(e, node, out);
    struct rval_pair_list pairs = {0};
    for (uint32_t i = 0; i < node->child_count; i++) {
        const struct node *child = node->children[i];
        const struct rval *below =
            base != NULL && base->type == RVAL_OBJECT ? rval_get(base, child->key) : NULL;
        const struct rval *value = below;
        if (!child->has_documents)
            continue;
        /* Where a base document and a rule are at one path, the whole shows the base document. */
        bool by_rules = below == NULL || !node_has_rules(child);
        if (by_rules && !eval_is_masked(e, child) &&
            eval_document(e, child, below, &value) == FAILED)
            return FAILED;
        if (value != NULL)
            rval_pair_list_push(&e->arena, &pairs, child->key, value);
    }
    for (uint32_t i = 0; base != NULL && base->type == RVAL_OBJECT && i < base->len; i++) {
        const struct node *child = node_find(node, base->pairs[i].key);
        if (child == NULL || !child->has_documents)
            rval_pair_list_push(&e->arena, &pairs, base->pairs[i].key, base->pairs[i].value);
    }
    *out = rval_object(&e->arena, pairs.ptr, pairs.len);
    return eval_weigh(e, *out, (struct loc){1, 1});
}
