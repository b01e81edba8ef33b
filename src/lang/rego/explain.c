/* What a rule looks at: the input paths that it and the rules it uses read. */
#include "lang/rego/plan.h"
#include "lang/rego/rego.h"

#include "base/mem.h"

#include <stdlib.h>

struct inputs {
    const struct rego *rego;
    uint8_t *slots; /* by slot: read */
    uint8_t *nodes; /* by node: visited */
};

static void add_node(struct inputs *in, const struct node *node);

static void add_plan(struct inputs *in, const struct rule_plan *plan)
{
    for (; plan != NULL; plan = plan->or_else) {
        for (uint32_t i = 0; i < plan->slot_count; i++)
            in->slots[plan->slots[i]] = 1;
        for (uint32_t i = 0; i < plan->dep_count; i++)
            add_node(in, plan->deps[i]);
    }
}

static void add_node(struct inputs *in, const struct node *node)
{
    if (in->nodes[node->index])
        return;
    in->nodes[node->index] = 1;
    for (uint32_t i = 0; i < node->rule_count; i++)
        add_plan(in, node->rules[i]);
    if (node->fallback != NULL)
        add_plan(in, node->fallback);
    for (uint32_t i = 0; i < node->child_count; i++)
        add_node(in, node->children[i]);
}

static const struct rule_plan *find_plan(const struct node *node, const struct rule *rule)
{
    for (uint32_t i = 0; i < node->rule_count; i++)
        for (const struct rule_plan *p = node->rules[i]; p != NULL; p = p->or_else)
            if (p->rule == rule)
                return p;
    for (uint32_t i = 0; i < node->child_count; i++) {
        const struct rule_plan *plan = find_plan(node->children[i], rule);
        if (plan != NULL)
            return plan;
    }
    return NULL;
}

/* The path of a slot, written backwards from the end of PATH; returns its length. */
static size_t slot_path(const struct rego *rego, int32_t slot, const struct rval **end)
{
    size_t len = 0;
    for (; slot >= 0; slot = rego->slots.ptr[slot].parent)
        end[-(ptrdiff_t)++len] = rego->slots.ptr[slot].key;
    return len;
}

void rego_rule_inputs(const struct rego *rego, const struct rule *rule,
                      void (*fn)(void *arg, const struct rval *const *path, size_t len), void *arg)
{
    struct inputs in = {rego, (uint8_t *)xcalloc(rego->slots.len + 1, 1),
                        (uint8_t *)xcalloc(rego->node_count + 1, 1)};
    const struct rval **room = (const struct rval **)xcalloc(rego->slots.len + 1, sizeof(*room));
    const struct rval **end = room + rego->slots.len + 1;

    add_plan(&in, find_plan(rego->root, rule));
    for (size_t i = 0; i < rego->slots.len; i++) {
        if (!in.slots[i])
            continue;
        size_t len = slot_path(rego, (int32_t)i, end);
        fn(arg, end - len, len);
    }
    free(room);
    free(in.slots);
    free(in.nodes);
}
