/* Steps run in a loop.  A step that has several solutions (a ref with a variable, walk) runs the
 * rest of its body once per solution, by recursion; the end of the body calls a continuation, which
 * says whether it wants more.  Registers are overwritten in each round and never cleared: the
 * compiler knows which are set where. */
#include "lang/rego/eval.h"

#include "lang/rego/json.h"

#include <stdarg.h>
#include <stdio.h>

int eval_fail(struct rego_eval *e, const char *code, struct loc loc, const char *format, ...)
{
    char text[480];
    va_list args;

    if (e->failure->code != NULL)
        return FAILED;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    const char *file = e->rule != NULL ? e->rule->rule->module->file : "query";
    e->failure->code = code;
    snprintf(e->failure->text, sizeof(e->failure->text), "%.100s:%u: %s: %s", file, loc.line, code,
             text);
    return FAILED;
}

/* Names the rule, so that who reads the message knows which one is to be changed. */
static int fail_budget(struct rego_eval *e, struct loc loc, const char *what)
{
    CLEANUP(buf) struct buf name = BUF_INIT(256);
    if (e->rule != NULL)
        ast_print(&name, e->rule->rule->ref);
    return eval_fail(e, "eval_budget_error", loc, "rule %s: the evaluation has used up its %s",
                     name.ptr != NULL ? name.ptr : "query", what);
}

int eval_weigh(struct rego_eval *e, const struct rval *v, struct loc loc)
{
    if (v == NULL || v->type < RVAL_STRING)
        return GO_ON;
    e->steps += rval_size(v) / EVAL_PARTS_PER_STEP;
    if (rval_is_too_big(v))
        return fail_budget(e, loc, v->depth > RVAL_DEPTH_MAX ? "levels of nesting" : "size of a value");
    return GO_ON;
}

/* Counts the comparison of A and B as work. */
static inline void weigh_pair(struct rego_eval *e, const struct rval *a, const struct rval *b)
{
    if (a->type < RVAL_STRING || a->type != b->type || a == b)
        return;
    uint64_t x = rval_size(a), y = rval_size(b);
    e->steps += (x < y ? x : y) / EVAL_PARTS_PER_STEP;
}

const struct rval **eval_push(struct rego_eval *e, uint32_t size, struct loc loc)
{
    if (size > EVAL_STACK_SIZE - e->stack_len) {
        fail_budget(e, loc, "stack");
        return NULL;
    }
    const struct rval **frame = e->stack + e->stack_len;
    e->stack_len += size;
    return frame;
}

void eval_pop(struct rego_eval *e, uint32_t size)
{
    e->stack_len -= size;
}

int eval_stop_at_first(struct rego_eval *e, const struct rval **frame, struct cont *self)
{
    return STOP;
}

/* --- collecting ------------------------------------------------------------------------------- */

struct collect {
    struct cont cont;
    const struct step *step;
    struct rval_list items;
    struct rval_pair_list pairs;
};

static int collect_one(struct rego_eval *e, const struct rval **frame, struct cont *self)
{
    struct collect *c = (struct collect *)self;
    const struct rval *value = eval_operand(frame, c->step->a);
    if (c->step->index == RVAL_OBJECT)
        rval_pair_list_push(&e->arena, &c->pairs, eval_operand(frame, c->step->b), value);
    else
        rval_list_push(&e->arena, &c->items, value);
    return GO_ON;
}

/* An object whose keys must not have two values. */
static int unique_object(struct rego_eval *e, struct rval_pair_list *pairs, struct loc loc,
                         const struct rval **out)
{
    struct rval_pair *copy =
        (struct rval_pair *)arena_alloc(&e->arena, (pairs->len + 1) * sizeof(*copy));
    if (pairs->len > 0)
        memcpy(copy, pairs->ptr, pairs->len * sizeof(*copy));
    const struct rval *object = rval_object(&e->arena, copy, pairs->len);
    if (object->len < pairs->len)
        for (size_t i = 0; i < pairs->len; i++)
            if (!rval_eq(rval_get(object, pairs->ptr[i].key), pairs->ptr[i].value))
                return eval_fail(e, "eval_conflict_error", loc, "object keys must be unique");
    *out = object;
    return GO_ON;
}

static int run_collect(struct rego_eval *e, const struct rval **frame, const struct step *step)
{
    struct collect c = {.cont = {collect_one}, .step = step};
    if (eval_steps(e, frame, step->body, &c.cont) == FAILED)
        return FAILED;
    if (step->index == RVAL_OBJECT) {
        if (unique_object(e, &c.pairs, step->loc, &frame[step->dst]) == FAILED)
            return FAILED;
    } else {
        frame[step->dst] = step->index == RVAL_ARRAY
                               ? rval_array(&e->arena, c.items.ptr, c.items.len)
                               : rval_set(&e->arena, c.items.ptr, c.items.len);
    }
    return eval_weigh(e, frame[step->dst], step->loc);
}

/* --- single steps ----------------------------------------------------------------------------- */

static void make_composite(struct rego_eval *e, const struct rval **frame, const struct step *step)
{
    uint32_t n = step->arg_count;
    if (step->kind == STEP_OBJECT) {
        struct rval_pair *pairs =
            (struct rval_pair *)arena_alloc(&e->arena, (n / 2 + 1) * sizeof(*pairs));
        for (uint32_t i = 0; i < n; i += 2)
            pairs[i / 2] = (struct rval_pair){eval_operand(frame, step->args[i]),
                                              eval_operand(frame, step->args[i + 1])};
        frame[step->dst] = rval_object(&e->arena, pairs, n / 2);
        return;
    }
    const struct rval **items =
        (const struct rval **)arena_alloc(&e->arena, (n + 1) * sizeof(*items));
    for (uint32_t i = 0; i < n; i++)
        items[i] = eval_operand(frame, step->args[i]);
    frame[step->dst] =
        step->kind == STEP_ARRAY ? rval_array(&e->arena, items, n) : rval_set(&e->arena, items, n);
}

static bool is_member(const struct rval *item, const struct rval *collection)
{
    if (collection->type == RVAL_SET)
        return rval_has(collection, item);
    if (collection->type == RVAL_ARRAY)
        for (uint32_t i = 0; i < collection->len; i++)
            if (rval_eq(collection->items[i], item))
                return true;
    if (collection->type == RVAL_OBJECT)
        for (uint32_t i = 0; i < collection->len; i++)
            if (rval_eq(collection->pairs[i].value, item))
                return true;
    return false;
}

int eval_builtin(struct rego_eval *e, const struct builtin *builtin, const struct rval *const *args,
                 struct loc loc, const struct rval **out)
{
    for (uint32_t i = 0; i < builtin->arity; i++)
        e->steps += rval_size(args[i]) / EVAL_PARTS_PER_STEP;
    uint64_t left = e->steps < e->limits.steps ? e->limits.steps - e->steps : 0;
    struct builtin_call call = {.arena = &e->arena,
                                .name = builtin->name,
                                .now_ns = e->now_ns,
                                .regexes = e->regexes,
                                .steps_left = left};
    *out = builtin_run(builtin, &call, args);
    e->steps += left - call.steps_left;
    if (call.steps_left == 0)
        return fail_budget(e, loc, "steps");
    if (call.code == NULL)
        return eval_weigh(e, *out, loc);
    *out = NULL;
    if (!e->strict)
        return GO_ON;
    return eval_fail(e, call.code, loc, "%s", call.message);
}

static int run_call(struct rego_eval *e, const struct rval **frame, const struct step *step,
                    const struct rval **out)
{
    const struct rval *few[8];
    const struct rval **args = few;
    if (step->arg_count > 8)
        args = (const struct rval **)arena_alloc(&e->arena, step->arg_count * sizeof(*args));
    for (uint32_t i = 0; i < step->arg_count; i++)
        args[i] = eval_operand(frame, step->args[i]);
    if (e->context->mock_count > 0) {
        const struct mock *mock = eval_find_mock(e, step->node, step->builtin);
        if (mock != NULL)
            return eval_mock(e, mock, args, step->arg_count, step->loc, out);
    }
    if (step->node != NULL)
        return eval_function(e, step->node, args, step->arg_count, out);
    return eval_builtin(e, step->builtin, args, step->loc, out);
}

/* 1: holds for all; 0: does not; FAILED. */
static int run_every(struct rego_eval *e, const struct rval **frame, const struct step *step)
{
    const struct rval *domain = eval_operand(frame, step->a);
    struct cont first = {eval_stop_at_first};
    if (!rval_is_collection(domain))
        return 0;
    for (uint32_t i = 0; i < domain->len; i++) {
        const struct rval *key = domain->type == RVAL_ARRAY ? rval_int(&e->arena, i)
                                 : domain->type == RVAL_SET ? domain->items[i]
                                                            : domain->pairs[i].key;
        if (step->b.reg != NO_REG)
            frame[step->b.reg] = key;
        frame[step->dst] = domain->type == RVAL_OBJECT ? domain->pairs[i].value : domain->items[i];
        int r = eval_steps(e, frame, step->body, &first);
        if (r != STOP)
            return r;
    }
    return 1;
}

/* print: each argument is the set of its values; all combinations are shown. */
static void run_print(struct rego_eval *e, const struct rval **frame, const struct step *step)
{
    CLEANUP(buf) struct buf out = BUF_INIT(64 * 1024);
    if (e->hooks.on_print == NULL)
        return;
    for (uint32_t i = 0; i < step->arg_count; i++) {
        const struct rval *values = eval_operand(frame, step->args[i]);
        if (i > 0)
            buf_add_char(&out, ' ');
        if (values->len == 0)
            buf_add(&out, "<undefined>");
        else if (values->items[0]->type == RVAL_STRING)
            buf_append(&out, values->items[0]->string, values->items[0]->len);
        else
            rjson_write(&out, values->items[0], RJSON_REGO);
    }
    e->hooks.on_print(e->hooks.arg, e->rule != NULL ? e->rule->rule->module->file : "query",
                      step->loc.line, out.ptr != NULL ? out.ptr : "");
}

/* Runs the rest of the body for VALUE and, by path, for all that is inside of it. */
static int walk_value(struct rego_eval *e, const struct rval **frame, const struct step *step,
                      const struct rval *value, const struct rval **path, uint32_t depth,
                      struct cont *cont)
{
    const struct rval **keys =
        (const struct rval **)arena_alloc(&e->arena, (depth + 2) * sizeof(*keys));
    const struct rval **pair = (const struct rval **)arena_alloc(&e->arena, 2 * sizeof(*pair));
    if (depth > 0)
        memcpy(keys, path, depth * sizeof(*keys));
    pair[0] = rval_array(&e->arena, keys, depth);
    pair[1] = value;
    frame[step->dst] = rval_array(&e->arena, pair, 2);
    int r = eval_steps(e, frame, step + 1, cont);
    for (uint32_t i = 0; r == GO_ON && rval_is_collection(value) && i < value->len; i++) {
        const struct rval *child =
            value->type == RVAL_OBJECT ? value->pairs[i].value : value->items[i];
        const struct rval **below =
            (const struct rval **)arena_alloc(&e->arena, (depth + 1) * sizeof(*below));
        if (depth > 0)
            memcpy(below, keys, depth * sizeof(*below));
        below[depth] = value->type == RVAL_ARRAY    ? rval_int(&e->arena, i)
                       : value->type == RVAL_OBJECT ? value->pairs[i].key
                                                    : value->items[i];
        if (depth >= RVAL_DEPTH_MAX)
            return fail_budget(e, step->loc, "depth");
        r = walk_value(e, frame, step, child, below, depth + 1, cont);
    }
    return r;
}

/* Leaves the innermost replacement for the rest of the body. */
static int run_end_with(struct rego_eval *e, const struct rval **frame, const struct step *step,
                        struct cont *cont)
{
    struct context *inner = e->context;
    e->context = inner->parent;
    int r = eval_steps(e, frame, step + 1, cont);
    e->context = inner;
    return r;
}

static int run(struct rego_eval *e, const struct rval **frame, const struct step *step,
               struct cont *cont)
{
    const struct rval *a, *b;
    struct cont first = {eval_stop_at_first};
    int r;

#define A eval_operand(frame, step->a)
#define B eval_operand(frame, step->b)
    for (;; step++) {
        if (++e->steps > e->limits.steps)
            return fail_budget(e, step->loc, "steps");
        if (e->hooks.covered != NULL)
            e->hooks.covered[step->expr] = 1;
        switch (step->kind) {
        case STEP_YIELD:
            return cont->fn(e, frame, cont);
        case STEP_INPUT:
            if ((frame[step->dst] = eval_slot(e, step->index)) == NULL)
                return GO_ON;
            continue;
        case STEP_REF:
            return eval_ref(e, frame, step, 0, A, cont);
        case STEP_INPUT_REF:
            if (e->context->input == NULL)
                return GO_ON;
            return eval_ref(e, frame, step, 0, e->context->input, cont);
        case STEP_DATA_REF:
            return eval_data_ref(e, frame, step, cont);
        case STEP_RULE:
            if (e->context->mask_count > 0 && eval_is_masked(e, step->node))
                frame[step->dst] = eval_base(e, step->node);
            else if (eval_rule_value(e, step->node, &frame[step->dst]) == FAILED)
                return FAILED;
            if (frame[step->dst] == NULL)
                return GO_ON;
            continue;
        case STEP_ARRAY:
        case STEP_SET:
        case STEP_OBJECT:
            make_composite(e, frame, step);
            if (eval_weigh(e, frame[step->dst], step->loc) == FAILED)
                return FAILED;
            continue;
        case STEP_BUILTIN:
        case STEP_FUNCTION:
            if (run_call(e, frame, step, &frame[step->dst]) == FAILED)
                return FAILED;
            if (arena_is_over(&e->arena))
                return fail_budget(e, step->loc, "memory");
            if (frame[step->dst] == NULL)
                return GO_ON;
            continue;
        case STEP_WALK:
            return walk_value(e, frame, step, eval_operand(frame, step->args[0]), NULL, 0, cont);
        case STEP_MOVE:
            frame[step->dst] = A;
            continue;
        case STEP_EQUAL:
            a = A, b = B;
            weigh_pair(e, a, b);
            if (!rval_eq(a, b))
                return GO_ON;
            continue;
        case STEP_NOT_EQUAL:
            a = A, b = B;
            weigh_pair(e, a, b);
            if (rval_eq(a, b))
                return GO_ON;
            continue;
        case STEP_LESS:
            a = A, b = B;
            weigh_pair(e, a, b);
            if (rval_compare(a, b) >= 0)
                return GO_ON;
            continue;
        case STEP_LESS_EQUAL:
            a = A, b = B;
            weigh_pair(e, a, b);
            if (rval_compare(a, b) > 0)
                return GO_ON;
            continue;
        case STEP_GREATER:
            a = A, b = B;
            weigh_pair(e, a, b);
            if (rval_compare(a, b) <= 0)
                return GO_ON;
            continue;
        case STEP_GREATER_EQUAL:
            a = A, b = B;
            weigh_pair(e, a, b);
            if (rval_compare(a, b) < 0)
                return GO_ON;
            continue;
        case STEP_MEMBER:
            a = A, b = B;
            e->steps += (b->type == RVAL_SET ? rval_size(a) : rval_size(b)) / EVAL_PARTS_PER_STEP;
            if (!is_member(a, b))
                return GO_ON;
            continue;
        case STEP_TRUE:
            if (rval_is_false(A))
                return GO_ON;
            continue;
        case STEP_IS_ARRAY:
            a = A;
            if (a->type != RVAL_ARRAY || a->len != step->index)
                return GO_ON;
            continue;
        case STEP_ITEM:
            frame[step->dst] = A->items[step->index];
            continue;
        case STEP_IS_OBJECT:
            a = A;
            if (a->type != RVAL_OBJECT || a->len != step->index)
                return GO_ON;
            continue;
        case STEP_FIELD:
            a = A;
            b = rval_get(a, B);
            if (b == NULL)
                return GO_ON;
            frame[step->dst] = b;
            continue;
        case STEP_NOT:
            r = eval_steps(e, frame, step->body, &first);
            if (r != GO_ON)
                return r == STOP ? GO_ON : FAILED;
            continue;
        case STEP_EVERY:
            r = run_every(e, frame, step);
            if (r != 1)
                return r;
            continue;
        case STEP_COLLECT:
            if (run_collect(e, frame, step) == FAILED)
                return FAILED;
            if (arena_is_over(&e->arena))
                return fail_budget(e, step->loc, "memory");
            continue;
        case STEP_WITH:
            return eval_with(e, frame, step, cont);
        case STEP_END_WITH:
            return run_end_with(e, frame, step, cont);
        case STEP_PRINT:
            run_print(e, frame, step);
            frame[step->dst] = &rval_true;
            continue;
        case STEP_FAIL:
            return GO_ON;
        }
    }
#undef A
#undef B
}

int eval_steps(struct rego_eval *e, const struct rval **frame, const struct step *step,
               struct cont *cont)
{
    if (e->depth >= e->limits.depth)
        return fail_budget(e, step->loc, "depth");
    if (arena_is_over(&e->arena))
        return fail_budget(e, step->loc, "memory");
    e->depth++;
    int r = run(e, frame, step, cont);
    e->depth--;
    return r;
}
