#include "lang/rego/eval.h"

/* OLD with VALUE at PATH; what is no object on the way is replaced by one. */
static const struct rval *put_at(struct arena *arena, const struct rval *old,
                                 const struct rval *const *path, uint32_t len,
                                 const struct rval *value)
{
    if (len == 0)
        return value;
    if (old == NULL || old->type != RVAL_OBJECT)
        old = &rval_empty_object;
    const struct rval *below = put_at(arena, rval_get(old, path[0]), path + 1, len - 1, value);
    return rval_object_with(arena, old, path[0], below);
}

static void add_mask(struct rego_eval *e, struct context *context, const struct node *node)
{
    const struct node **masks =
        (const struct node **)arena_alloc(&e->arena, (context->mask_count + 1) * sizeof(*masks));
    if (context->mask_count > 0)
        memcpy(masks, context->masks, context->mask_count * sizeof(*masks));
    masks[context->mask_count++] = node;
    context->masks = masks;
}

/* The newest comes first and hides older ones for the same function. */
static void add_mock(struct rego_eval *e, struct context *context, struct mock mock)
{
    struct mock *mocks =
        (struct mock *)arena_alloc(&e->arena, (context->mock_count + 1) * sizeof(*mocks));
    mocks[0] = mock;
    if (context->mock_count > 0)
        memcpy(mocks + 1, context->mocks, context->mock_count * sizeof(*mocks));
    context->mocks = mocks;
    context->mock_count++;
}

static struct context *new_context(struct rego_eval *e)
{
    struct context *context = (struct context *)arena_alloc(&e->arena, sizeof(*context));
    *context = *e->context;
    context->parent = e->context;
    context->generation = ++e->generation;
    context->cache =
        (struct cached *)arena_calloc(&e->arena, e->rego->node_count, sizeof(*context->cache));
    return context;
}

static void replace(struct rego_eval *e, const struct rval **frame, struct context *context,
                    const struct with_plan *plan)
{
    const struct rval *value = NULL;
    if (plan->by_node == NULL && plan->by_builtin == NULL)
        value = eval_operand(frame, plan->value);
    switch (plan->kind) {
    case WITH_INPUT:
        context->input = put_at(&e->arena, context->input, plan->path, plan->path_len, value);
        break;
    case WITH_DATA:
        context->data = put_at(&e->arena, context->data, plan->path, plan->path_len, value);
        if (plan->node != NULL)
            add_mask(e, context, plan->node);
        break;
    case WITH_FUNCTION:
        add_mock(e, context,
                 (struct mock){plan->node, plan->builtin, value, plan->by_node, plan->by_builtin});
        break;
    }
}

int eval_with(struct rego_eval *e, const struct rval **frame, const struct step *step,
              struct cont *cont)
{
    struct context *outer = e->context;
    struct context *inner = new_context(e);
    for (uint32_t i = 0; i < step->arg_count; i++)
        replace(e, frame, inner, &step->withs[i]);
    e->context = inner;
    int r = eval_steps(e, frame, step + 1, cont);
    e->context = outer;
    return r;
}

const struct mock *eval_find_mock(const struct rego_eval *e, const struct node *node,
                                  const struct builtin *builtin)
{
    for (uint32_t i = 0; i < e->context->mock_count; i++) {
        const struct mock *mock = &e->context->mocks[i];
        if (node != NULL ? mock->node == node : mock->builtin == builtin)
            return mock;
    }
    return NULL;
}

/* Inside of a replacement the originals are in force. */
int eval_mock(struct rego_eval *e, const struct mock *mock, const struct rval *const *args,
              uint32_t count, struct loc loc, const struct rval **out)
{
    if (mock->value != NULL) {
        *out = mock->value;
        return GO_ON;
    }
    if (mock->by_builtin != NULL)
        return eval_builtin(e, mock->by_builtin, args, loc, out);
    struct context *outer = e->context;
    struct context *inner = new_context(e);
    inner->mock_count = 0;
    e->context = inner;
    int r = eval_function(e, mock->by_node, args, count, out);
    e->context = outer;
    return r;
}
