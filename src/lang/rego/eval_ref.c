#include "lang/rego/eval.h"

const struct rval *eval_slot(struct rego_eval *e, uint32_t index)
{
    struct slot_value *slot = &e->slots[index];
    if (slot->generation == e->context->generation && !e->rego->no_index)
        return slot->value;
    const struct input_slot *plan = &e->rego->slots.ptr[index];
    const struct rval *parent =
        plan->parent < 0 ? e->context->input : eval_slot(e, (uint32_t)plan->parent);
    slot->value = parent != NULL ? rval_get(parent, plan->key) : NULL;
    slot->generation = e->context->generation;
    return slot->value;
}

/* Puts VALUE, what all parts led to, where the step wants it and runs the rest. */
static int finish(struct rego_eval *e, const struct rval **frame, const struct step *step,
                  const struct rval *value, struct cont *cont)
{
    frame[step->dst] = value;
    return eval_steps(e, frame, step + 1, cont);
}

int eval_ref(struct rego_eval *e, const struct rval **frame, const struct step *step, uint32_t part,
             const struct rval *value, struct cont *cont)
{
    for (; part < step->arg_count; part++) {
        const struct part *p = &step->parts[part];
        if (p->kind == PART_KEY) {
            const struct rval *key = eval_operand(frame, p->key);
            if (rval_is_collection(key))
                e->steps += rval_size(key) / EVAL_PARTS_PER_STEP;
            value = rval_get(value, key);
            if (value == NULL)
                return GO_ON;
            continue;
        }
        if (!rval_is_collection(value))
            return GO_ON;
        for (uint32_t i = 0; i < value->len; i++) {
            const struct rval *child;
            if (value->type == RVAL_OBJECT) {
                frame[p->key.reg] = value->pairs[i].key;
                child = value->pairs[i].value;
            } else {
                child = value->items[i];
                frame[p->key.reg] = value->type == RVAL_ARRAY ? rval_int(&e->arena, i) : child;
            }
            int r = eval_ref(e, frame, step, part + 1, child, cont);
            if (r != GO_ON)
                return r;
        }
        return GO_ON;
    }
    return finish(e, frame, step, value, cont);
}

bool eval_is_masked(const struct rego_eval *e, const struct node *node)
{
    for (; node != NULL; node = node->parent)
        for (uint32_t i = 0; i < e->context->mask_count; i++)
            if (e->context->masks[i] == node)
                return true;
    return false;
}

const struct rval *eval_base(struct rego_eval *e, const struct node *node)
{
    if (node->parent == NULL)
        return e->context->data;
    const struct rval *parent = eval_base(e, node->parent);
    return parent != NULL && parent->type == RVAL_OBJECT ? rval_get(parent, node->key) : NULL;
}

static int walk_document(struct rego_eval *e, const struct rval **frame, const struct step *step,
                         uint32_t part, const struct node *node, const struct rval *base,
                         struct cont *cont);

/* The child of a document under KEY: made by rules, or a base document. */
static int walk_child(struct rego_eval *e, const struct rval **frame, const struct step *step,
                      uint32_t part, const struct node *node, const struct rval *base,
                      const struct rval *key, struct cont *cont)
{
    const struct node *child = node_find(node, key);
    const struct rval *below =
        base != NULL && rval_is_collection(base) ? rval_get(base, key) : NULL;
    if (child != NULL && eval_is_masked(e, child))
        child = NULL;
    if (child == NULL)
        return below != NULL ? eval_ref(e, frame, step, part + 1, below, cont) : GO_ON;
    if (!node_has_rules(child))
        return walk_document(e, frame, step, part + 1, child, below, cont);
    const struct rval *value = NULL;
    if (eval_document(e, child, below, &value) == FAILED)
        return FAILED;
    return value != NULL ? eval_ref(e, frame, step, part + 1, value, cont) : GO_ON;
}

static int walk_document(struct rego_eval *e, const struct rval **frame, const struct step *step,
                         uint32_t part, const struct node *node, const struct rval *base,
                         struct cont *cont)
{
    if (part == step->arg_count) {
        const struct rval *value = NULL;
        if (eval_document(e, node, base, &value) == FAILED)
            return FAILED;
        return value != NULL ? finish(e, frame, step, value, cont) : GO_ON;
    }
    const struct part *p = &step->parts[part];
    if (p->kind == PART_KEY)
        return walk_child(e, frame, step, part, node, base, eval_operand(frame, p->key), cont);

    for (uint32_t i = 0; i < node->child_count; i++) {
        if (!node->children[i]->has_documents)
            continue;
        frame[p->key.reg] = node->children[i]->key;
        int r = walk_child(e, frame, step, part, node, base, node->children[i]->key, cont);
        if (r != GO_ON)
            return r;
    }
    for (uint32_t i = 0; base != NULL && base->type == RVAL_OBJECT && i < base->len; i++) {
        const struct rval *key = base->pairs[i].key;
        const struct node *child = node_find(node, key);
        if (child != NULL && child->has_documents)
            continue;
        frame[p->key.reg] = key;
        int r = walk_child(e, frame, step, part, node, base, key, cont);
        if (r != GO_ON)
            return r;
    }
    return GO_ON;
}

int eval_data_ref(struct rego_eval *e, const struct rval **frame, const struct step *step,
                  struct cont *cont)
{
    const struct rval *base = eval_base(e, step->node);
    if (e->context->mask_count > 0 && eval_is_masked(e, step->node))
        return base != NULL ? eval_ref(e, frame, step, 0, base, cont) : GO_ON;
    return walk_document(e, frame, step, 0, step->node, base, cont);
}
