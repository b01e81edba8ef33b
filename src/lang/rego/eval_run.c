#include "base/mem.h"
#include "base/time.h"
#include "lang/regex.h"
#include "lang/rego/eval.h"

#include <stdlib.h>

static void free_regex(void *regex)
{
    regex_free((struct regex *)regex);
}

static void make_room(struct rego_eval *e)
{
    size_t count = e->rego->slots.len + 1;
    if (count <= e->slot_cap)
        return;
    e->slots = (struct slot_value *)xreallocarray(e->slots, count, sizeof(*e->slots));
    memset(e->slots, 0, count * sizeof(*e->slots));
    e->slot_cap = count;
}

struct rego_eval *rego_eval_new(struct rego *rego, const struct rego_limits *limits)
{
    struct rego_eval *e = (struct rego_eval *)xcalloc(1, sizeof(*e));
    if (limits != NULL)
        e->limits = *limits;
    if (e->limits.steps == 0)
        e->limits.steps = REGO_STEPS_MAX;
    if (e->limits.memory_bytes == 0)
        e->limits.memory_bytes = REGO_MEMORY_MAX;
    if (e->limits.depth == 0)
        e->limits.depth = REGO_DEPTH_MAX;
    e->rego = rego_ref(rego);
    arena_init(&e->arena, e->limits.memory_bytes);
    e->stack = (const struct rval **)xcalloc(EVAL_STACK_SIZE, sizeof(*e->stack));
    e->regexes = map_new();
    make_room(e);
    return e;
}

void rego_eval_free(struct rego_eval *e)
{
    if (e == NULL)
        return;
    rego_free(e->rego);
    arena_reset(&e->arena);
    map_free(e->regexes, free_regex);
    free(e->slots);
    free(e->stack);
    free(e);
}

void rego_eval_set_hooks(struct rego_eval *e, const struct rego_hooks *hooks)
{
    e->hooks = *hooks;
}

void rego_eval_set_strict(struct rego_eval *e, bool strict)
{
    e->strict = strict;
}

void rego_eval_use(struct rego_eval *e, struct rego *rego)
{
    if (e->rego == rego)
        return;
    rego_ref(rego);
    rego_free(e->rego);
    e->rego = rego;
    make_room(e);
}

struct rego *rego_eval_get(struct rego_eval *e)
{
    return e->rego;
}

void rego_eval_clear(struct rego_eval *e)
{
    arena_clear(&e->arena);
}

struct arena *rego_eval_arena(struct rego_eval *e)
{
    return &e->arena;
}

uint64_t rego_eval_steps(const struct rego_eval *e)
{
    return e->steps;
}

/* --- solutions -------------------------------------------------------------------------------- */

struct solutions {
    struct cont cont;
    const struct rego_query *query;
    struct rval_list list;
};

static int take_solution(struct rego_eval *e, const struct rval **frame, struct cont *self)
{
    struct solutions *s = (struct solutions *)self;
    const struct rego_query *query = s->query;
    if (query->is_term) {
        rval_list_push(&e->arena, &s->list, eval_operand(frame, query->value));
        return GO_ON;
    }
    struct rval_pair *pairs =
        (struct rval_pair *)arena_alloc(&e->arena, (query->var_count + 1) * sizeof(*pairs));
    for (size_t i = 0; i < query->var_count; i++)
        pairs[i] = (struct rval_pair){query->vars[i].name, frame[query->vars[i].reg]};
    rval_list_push(&e->arena, &s->list, rval_object(&e->arena, pairs, query->var_count));
    return GO_ON;
}

int rego_eval_run(struct rego_eval *e, const struct rego_query *query, const struct rval *input,
                  const struct rval **result, struct rego_failure *failure)
{
    struct solutions s = {.cont = {take_solution}, .query = query};
    struct context context = {.input = input, .data = e->rego->data, .generation = ++e->generation};

    failure->code = NULL;
    failure->text[0] = '\0';
    if (e->generation > UINT32_MAX / 2) { /* numbers that slots remember must not come back */
        memset(e->slots, 0, e->slot_cap * sizeof(*e->slots));
        e->generation = context.generation = 1;
    }
    context.cache =
        (struct cached *)arena_calloc(&e->arena, e->rego->node_count, sizeof(*context.cache));
    e->failure = failure;
    e->context = &context;
    e->rule = NULL;
    e->steps = 0;
    e->depth = 0;
    e->stack_len = 0;
    e->now_ns = time_now_ms() * 1000000;
    const struct rval **frame = eval_push(e, query->frame_size, (struct loc){1, 1});
    int r = frame != NULL ? eval_steps(e, frame, query->body, &s.cont) : FAILED;
    e->context = NULL;
    if (r == FAILED)
        return -1;
    if (query->is_term)
        *result = s.list.len > 0 ? s.list.ptr[0] : NULL;
    else
        *result = rval_array(&e->arena, s.list.ptr, s.list.len);
    return 0;
}
