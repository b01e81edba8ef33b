/* Terms become operands: a constant, or a register and the steps that fill it. */
#include "lang/rego/compiler.h"

struct step *plan_emit(struct unit *u, struct plan_body *out, enum step_kind kind, struct loc loc)
{
    struct arena *arena = u->c->arena;
    if (out->len == out->cap) {
        size_t cap = out->cap == 0 ? 8 : out->cap * 2;
        struct step *ptr = (struct step *)arena_alloc(arena, cap * sizeof(*ptr));
        if (out->len > 0)
            memcpy(ptr, out->ptr, out->len * sizeof(*ptr));
        out->ptr = ptr;
        out->cap = cap;
    }
    struct step *step = &out->ptr[out->len++];
    *step = (struct step){.kind = kind, .dst = NO_REG, .expr = u->expr, .loc = loc};
    return step;
}

struct step *plan_finish(struct unit *u, struct plan_body *out)
{
    plan_emit(u, out, STEP_YIELD, (struct loc){0, 0});
    return out->ptr;
}

uint32_t plan_new_reg(struct unit *u)
{
    int reg = unit_new_local(u, SPAN("_"), (struct loc){0, 0}, true);
    u->bound[reg] = 1;
    return (uint32_t)reg;
}

static struct operand constant(const struct rval *value)
{
    return (struct operand){.value = value};
}

static struct operand in_reg(uint32_t reg)
{
    return (struct operand){.reg = reg};
}

static void add_dep(struct unit *u, struct node *node)
{
    for (size_t i = 0; i < u->deps.len; i++)
        if (u->deps.ptr[i] == node)
            return;
    node_list_push(&u->deps, node);
}

/* Notes what a ref into documents may read: a variable part means any child. */
static void add_deps(struct unit *u, struct node *node, const struct term *ref, uint32_t next)
{
    if (next == ref->len || node_has_rules(node)) {
        add_dep(u, node);
        return;
    }
    const struct term *part = ref->items[next];
    if (part->kind == TERM_VALUE) {
        struct node *child = ast_is_string(part) ? node_find(node, part->value) : NULL;
        if (child != NULL)
            add_deps(u, child, ref, next + 1);
        return;
    }
    for (uint32_t i = 0; i < node->child_count; i++)
        add_deps(u, node->children[i], ref, next + 1);
}

bool plan_find_function(struct unit *u, const struct term *name, struct node **node,
                        const struct builtin **builtin)
{
    *node = NULL;
    *builtin = NULL;
    if (name->kind == TERM_VAR) {
        *builtin = builtin_find(name->name);
        return *builtin != NULL;
    }
    if (name->kind != TERM_REF || name->items[0]->kind != TERM_VAR ||
        name->items[0]->var != VAR_DATA)
        return false;
    struct node *at = u->c->rego->root;
    for (uint32_t i = 1; i < name->len && at != NULL; i++)
        at = ast_is_string(name->items[i]) ? node_find(at, name->items[i]->value) : NULL;
    if (at == NULL || !at->is_function)
        return false;
    *node = at;
    return true;
}

/* --- refs ------------------------------------------------------------------------------------- */

static uint32_t find_slot(struct unit *u, int32_t parent, const struct rval *key)
{
    struct slot_list *slots = &u->c->rego->slots;
    for (size_t i = 0; i < slots->len; i++)
        if (slots->ptr[i].parent == parent && rval_eq(slots->ptr[i].key, key))
            return (uint32_t)i;
    slot_list_push(slots, (struct input_slot){parent, key});
    return (uint32_t)slots->len - 1;
}

struct ref_plan {
    struct unit *u;
    struct plan_body *out;
    struct term *term;
    uint32_t next; /* first part not planned yet */
    enum step_kind kind;
    struct operand head; /* STEP_REF */
    struct node *node;   /* STEP_DATA_REF */
};

/* One step over the parts that can be taken together; the rest goes on from its result. */
static void plan_parts(struct ref_plan *r)
{
    struct unit *u = r->u;
    struct term *term = r->term;
    struct part *parts =
        (struct part *)arena_alloc(u->c->arena, (term->len - r->next + 1) * sizeof(*parts));
    uint32_t count = 0;
    bool binds = false;
    struct term *pattern = NULL;
    uint32_t pattern_reg = 0;

    for (; r->next < term->len && pattern == NULL; r->next++) {
        struct term *part = term->items[r->next];
        if (part->kind == TERM_VALUE) {
            parts[count++] = (struct part){PART_KEY, constant(part->value)};
        } else if (part->kind == TERM_VAR && part->var >= 0 && !u->bound[part->var]) {
            u->bound[part->var] = 1;
            parts[count++] = (struct part){PART_BIND, in_reg((uint32_t)part->var)};
            binds = true;
        } else if ((part->kind == TERM_ARRAY || part->kind == TERM_OBJECT) &&
                   order_has_unbound(u, part)) {
            pattern = part;
            pattern_reg = plan_new_reg(u);
            parts[count++] = (struct part){PART_BIND, in_reg(pattern_reg)};
        } else {
            /* Its own steps must run after what it may use is bound. */
            if (binds && part->kind != TERM_VAR)
                break;
            parts[count++] = (struct part){PART_KEY, plan_value(u, r->out, part)};
        }
    }
    struct step *step = plan_emit(u, r->out, r->kind, term->loc);
    step->dst = plan_new_reg(u);
    step = &r->out->ptr[r->out->len - 1];
    step->a = r->head;
    step->node = r->node;
    step->parts = parts;
    step->arg_count = count;
    r->kind = STEP_REF;
    r->head = in_reg(step->dst);
    r->node = NULL;
    if (pattern != NULL)
        plan_pattern(u, r->out, pattern, in_reg(pattern_reg));
}

static void plan_input_head(struct ref_plan *r)
{
    struct unit *u = r->u;
    int32_t slot = -1;
    r->kind = STEP_INPUT_REF;
    if (u->module == NULL) /* queries come after the set was frozen */
        return;
    while (r->next < r->term->len && r->term->items[r->next]->kind == TERM_VALUE) {
        slot = (int32_t)find_slot(u, slot, r->term->items[r->next]->value);
        r->next++;
    }
    if (slot < 0)
        return;
    uint_list_push(&u->slots, (uint32_t)slot);
    uint32_t dst = plan_new_reg(u);
    struct step *step = plan_emit(u, r->out, STEP_INPUT, r->term->loc);
    step->dst = dst;
    step->index = (uint32_t)slot;
    r->kind = STEP_REF;
    r->head = in_reg(dst);
}

static void plan_data_head(struct ref_plan *r)
{
    struct unit *u = r->u;
    struct node *node = u->c->rego->root;
    while (r->next < r->term->len && !node_has_rules(node)) {
        struct term *part = r->term->items[r->next];
        struct node *child = ast_is_string(part) ? node_find(node, part->value) : NULL;
        if (child == NULL)
            break;
        node = child;
        r->next++;
    }
    add_deps(u, u->c->rego->root, r->term, 1);
    r->kind = STEP_DATA_REF;
    r->node = node;
    if (!node_has_rules(node))
        return;
    uint32_t dst = plan_new_reg(u);
    struct step *step =
        plan_emit(u, r->out, node->is_function ? STEP_FAIL : STEP_RULE, r->term->loc);
    step->dst = dst;
    step->node = node;
    r->kind = STEP_REF;
    r->head = in_reg(dst);
    r->node = NULL;
}

static struct operand plan_ref(struct unit *u, struct plan_body *out, struct term *term)
{
    struct ref_plan r = {.u = u, .out = out, .term = term, .next = 1, .kind = STEP_REF};
    struct term *head = term->items[0];

    if (head->kind == TERM_VAR && head->var == VAR_INPUT)
        plan_input_head(&r);
    else if (head->kind == TERM_VAR && head->var == VAR_DATA)
        plan_data_head(&r);
    else
        r.head = plan_value(u, out, head);
    while (r.next < term->len || r.kind != STEP_REF)
        plan_parts(&r);
    return r.head;
}

/* --- composites ------------------------------------------------------------------------------- */

static const struct rval *fold(struct unit *u, const struct term *term, const struct operand *args)
{
    struct arena *arena = u->c->arena;
    if (term->kind == TERM_OBJECT) {
        struct rval_pair *pairs =
            (struct rval_pair *)arena_alloc(arena, (term->len + 1) * sizeof(*pairs));
        for (uint32_t i = 0; i < term->len; i += 2)
            pairs[i / 2] = (struct rval_pair){args[i].value, args[i + 1].value};
        return rval_object(arena, pairs, term->len / 2);
    }
    const struct rval **items =
        (const struct rval **)arena_alloc(arena, (term->len + 1) * sizeof(*items));
    for (uint32_t i = 0; i < term->len; i++)
        items[i] = args[i].value;
    return term->kind == TERM_ARRAY ? rval_array(arena, items, term->len)
                                    : rval_set(arena, items, term->len);
}

static struct operand plan_composite(struct unit *u, struct plan_body *out, struct term *term)
{
    struct operand *args =
        (struct operand *)arena_alloc(u->c->arena, (term->len + 1) * sizeof(*args));
    bool is_constant = true;
    for (uint32_t i = 0; i < term->len; i++) {
        args[i] = plan_value(u, out, term->items[i]);
        is_constant &= args[i].value != NULL;
    }
    if (is_constant)
        return constant(fold(u, term, args));
    uint32_t dst = plan_new_reg(u);
    struct step *step = plan_emit(u, out,
                                  term->kind == TERM_ARRAY    ? STEP_ARRAY
                                  : term->kind == TERM_OBJECT ? STEP_OBJECT
                                                              : STEP_SET,
                                  term->loc);
    step->dst = dst;
    step->args = args;
    step->arg_count = term->len;
    return in_reg(dst);
}

static struct operand plan_comprehension(struct unit *u, struct plan_body *out, struct term *term)
{
    struct plan_body inner = {0};
    size_t count = u->locals.len;
    uint8_t *before = (uint8_t *)arena_alloc(u->c->arena, count + 1);
    struct operand key = {0};
    uint32_t expr = u->expr;

    if (count > 0)
        memcpy(before, u->bound, count);
    plan_exprs(u, &inner, term->body);
    if (term->key != NULL)
        key = plan_value(u, &inner, term->key);
    struct operand value = plan_value(u, &inner, term->head);
    plan_finish(u, &inner);
    if (count > 0)
        memcpy(u->bound, before, count);
    u->expr = expr;

    uint32_t dst = plan_new_reg(u);
    struct step *step = plan_emit(u, out, STEP_COLLECT, term->loc);
    step->dst = dst;
    step->index = term->kind == TERM_ARRAY_COMP ? RVAL_ARRAY
                  : term->kind == TERM_SET_COMP ? RVAL_SET
                                                : RVAL_OBJECT;
    step->a = value;
    step->b = key;
    step->body = inner.ptr;
    return in_reg(dst);
}

struct operand plan_value(struct unit *u, struct plan_body *out, struct term *term)
{
    switch (term->kind) {
    case TERM_VALUE:
        return constant(term->value);
    case TERM_VAR:
        if (term->var >= 0)
            return in_reg((uint32_t)term->var);
        {
            struct term *ref = ast_items(u->c->arena, term->loc, TERM_REF, &term, 1);
            return plan_ref(u, out, ref);
        }
    case TERM_REF:
        return plan_ref(u, out, term);
    case TERM_ARRAY:
    case TERM_SET:
    case TERM_OBJECT:
        return plan_composite(u, out, term);
    case TERM_CALL: {
        uint32_t dst = plan_new_reg(u);
        plan_call_into(u, out, term, dst);
        return in_reg(dst);
    }
    case TERM_ARRAY_COMP:
    case TERM_SET_COMP:
    case TERM_OBJECT_COMP:
        return plan_comprehension(u, out, term);
    case TERM_TEMPLATE:
        break;
    }
    unit_fail(u, "rego_compile_error", term->loc, "a template string cannot stand here");
    return constant(&rval_null);
}

/* --- unification ------------------------------------------------------------------------------ */

static void emit_equal(struct unit *u, struct plan_body *out, struct loc loc, struct operand a,
                       struct operand b)
{
    struct step *step = plan_emit(u, out, STEP_EQUAL, loc);
    step->a = a;
    step->b = b;
}

/* Register for an item of a pattern: the variable itself if it is to be bound. */
static uint32_t item_reg(struct unit *u, const struct term *item)
{
    if (item->kind == TERM_VAR && item->var >= 0 && !u->bound[item->var]) {
        u->bound[item->var] = 1;
        return (uint32_t)item->var;
    }
    return plan_new_reg(u);
}

static void match_item(struct unit *u, struct plan_body *out, struct term *item, uint32_t reg)
{
    if (item->kind != TERM_VAR || item->var != (int)reg)
        plan_pattern(u, out, item, in_reg(reg));
}

static void plan_array_pattern(struct unit *u, struct plan_body *out, struct term *term,
                               struct operand src)
{
    struct step *check = plan_emit(u, out, STEP_IS_ARRAY, term->loc);
    check->a = src;
    check->index = term->len;
    for (uint32_t i = 0; i < term->len; i++) {
        if (term->items[i]->kind == TERM_VAR && ast_is_wildcard(term->items[i]) &&
            !u->bound[term->items[i]->var])
            continue;
        uint32_t reg = item_reg(u, term->items[i]);
        struct step *step = plan_emit(u, out, STEP_ITEM, term->loc);
        step->a = src;
        step->index = i;
        step->dst = reg;
        match_item(u, out, term->items[i], reg);
    }
}

static void plan_object_pattern(struct unit *u, struct plan_body *out, struct term *term,
                                struct operand src)
{
    struct step *check = plan_emit(u, out, STEP_IS_OBJECT, term->loc);
    check->a = src;
    check->index = term->len / 2;
    for (uint32_t i = 0; i < term->len; i += 2) {
        struct operand key = plan_value(u, out, term->items[i]);
        uint32_t reg = item_reg(u, term->items[i + 1]);
        struct step *step = plan_emit(u, out, STEP_FIELD, term->loc);
        step->a = src;
        step->b = key;
        step->dst = reg;
        match_item(u, out, term->items[i + 1], reg);
    }
}

void plan_pattern(struct unit *u, struct plan_body *out, struct term *term, struct operand src)
{
    if (term->kind == TERM_VAR && term->var >= 0 && !u->bound[term->var]) {
        u->bound[term->var] = 1;
        struct step *step = plan_emit(u, out, STEP_MOVE, term->loc);
        step->dst = (uint32_t)term->var;
        step->a = src;
    } else if (term->kind == TERM_ARRAY && order_has_unbound(u, term)) {
        plan_array_pattern(u, out, term, src);
    } else if (term->kind == TERM_OBJECT && order_has_unbound(u, term)) {
        plan_object_pattern(u, out, term, src);
    } else {
        struct operand value = plan_value(u, out, term);
        emit_equal(u, out, term->loc, src, value);
    }
}

static struct term *partner(const struct term *b, const struct term *key)
{
    for (uint32_t i = 0; i < b->len; i += 2)
        if (b->items[i]->kind == TERM_VALUE && key->kind == TERM_VALUE &&
            rval_eq(b->items[i]->value, key->value))
            return b->items[i + 1];
    return NULL;
}

/* Two literals of one shape, part by part.  False if they have not the same shape. */
static bool plan_unify_parts(struct unit *u, struct plan_body *out, struct term *a, struct term *b)
{
    bool object = a->kind == TERM_OBJECT;
    if (a->kind != b->kind || a->len != b->len || (a->kind != TERM_ARRAY && !object))
        return false;
    uint32_t width = object ? 2 : 1, count = a->len / width;
    for (uint32_t i = 0; object && i < count; i++)
        if (partner(b, a->items[2 * i]) == NULL)
            return false;
    uint8_t *done = (uint8_t *)arena_calloc(u->c->arena, count + 1, 1);
    for (bool moved = true; moved;) {
        moved = false;
        for (uint32_t i = 0; i < count; i++) {
            struct term *x = a->items[i * width + width - 1];
            struct term *y = object ? partner(b, a->items[2 * i]) : b->items[i];
            if (done[i] || !order_can_unify(u, x, y))
                continue;
            plan_unify(u, out, x, y);
            done[i] = 1;
            moved = true;
        }
    }
    return true;
}

void plan_unify(struct unit *u, struct plan_body *out, struct term *a, struct term *b)
{
    if (plan_unify_parts(u, out, a, b))
        return;
    if (!order_can_compute(u, a)) {
        struct term *swap = a;
        a = b;
        b = swap;
    }
    struct operand src = plan_value(u, out, a);
    plan_pattern(u, out, b, src);
}
