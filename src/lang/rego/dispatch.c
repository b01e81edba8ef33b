/* Hundreds of rules that differ in one constant ("input.kind == "a"", "b", ...) are one lookup: the
 * rules of a document are sorted by what they need the input path that most of them compare with a
 * constant to be.  An evaluation then walks those that need what is there, and those that need
 * nothing of that path, in the order they were written in. */
#include "lang/rego/dispatch.h"

#include "lang/rego/eval.h"

#include <stdlib.h>

enum { DISPATCH_MIN = 8 }; /* below, trying all rules is as quick */

/* --- making it ---------------------------------------------------------------------------------
 */

/* Rule RULE needs SLOT to be VALUE. */
struct need {
    uint32_t slot;
    struct dispatch_row row;
};

static int order_rows(const struct dispatch_row *a, const struct dispatch_row *b)
{
    int order = rval_compare(a->value, b->value);
    return order != 0 ? order : (a->rule > b->rule) - (a->rule < b->rule);
}

static int order_needs(const void *a, const void *b)
{
    const struct need *x = a, *y = b;
    if (x->slot != y->slot)
        return x->slot > y->slot ? 1 : -1;
    return order_rows(&x->row, &y->row);
}

static bool is_earlier(const struct rule_plan *plan, uint32_t guard)
{
    for (uint32_t i = 0; i < guard; i++)
        if (plan->guards[i].slot == plan->guards[guard].slot && plan->guards[i].value != NULL)
            return true;
    return false;
}

/* One need for each rule and slot; returns how many.  A rule with "else" needs nothing: where its
 * body has no solution, the next one is tried. */
static size_t list_needs(const struct node *node, struct need *needs, size_t max)
{
    size_t count = 0;
    for (uint32_t r = 0; r < node->rule_count; r++) {
        const struct rule_plan *plan = node->rules[r];
        for (uint32_t i = 0; plan->or_else == NULL && i < plan->guard_count && count < max; i++)
            if (plan->guards[i].value != NULL && !is_earlier(plan, i))
                needs[count++] = (struct need){plan->guards[i].slot, {plan->guards[i].value, r}};
    }
    return count;
}

/* The longest run of needs of one slot. */
static size_t find_run(const struct need *needs, size_t count, size_t *start)
{
    size_t longest = 0;
    for (size_t from = 0, to; from < count; from = to) {
        for (to = from + 1; to < count && needs[to].slot == needs[from].slot; to++)
            ;
        if (to - from > longest) {
            longest = to - from;
            *start = from;
        }
    }
    return longest;
}

static void fill(struct arena *arena, const struct node *node, struct dispatch *d)
{
    uint8_t *has_need = arena_calloc(arena, node->rule_count, 1);
    for (uint32_t i = 0; i < d->row_count; i++)
        has_need[d->rows[i].rule] = 1;
    d->others = arena_alloc(arena, (node->rule_count + 1) * sizeof(*d->others));
    for (uint32_t r = 0; r < node->rule_count; r++)
        if (!has_need[r])
            d->others[d->other_count++] = r;
}

void dispatch_make(struct arena *arena, struct node *node)
{
    size_t max = (size_t)node->rule_count * GUARDS_MAX, start = 0;

    if (node->rule_count < DISPATCH_MIN)
        return;
    struct arena scratch;
    arena_init(&scratch, 0);
    struct need *needs = arena_alloc(&scratch, max * sizeof(*needs));
    size_t count = list_needs(node, needs, max);
    qsort(needs, count, sizeof(*needs), order_needs);
    size_t run = find_run(needs, count, &start);
    if (run >= DISPATCH_MIN) {
        struct dispatch *d = arena_calloc(arena, 1, sizeof(*d));
        d->slot = needs[start].slot;
        d->row_count = (uint32_t)run;
        d->rows = arena_alloc(arena, run * sizeof(*d->rows));
        for (size_t i = 0; i < run; i++)
            d->rows[i] = needs[start + i].row;
        fill(arena, node, d);
        node->dispatch = d;
    }
    arena_reset(&scratch);
}

/* --- using it ----------------------------------------------------------------------------------
 */

/* The first row whose value is not below VALUE. */
static uint32_t lower_bound(const struct dispatch *d, const struct rval *value)
{
    uint32_t low = 0, high = d->row_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (rval_compare(d->rows[middle].value, value) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct rule_walk rule_walk_start(struct rego_eval *e, const struct node *node)
{
    const struct dispatch *d = e->rego->no_index ? NULL : node->dispatch;
    struct rule_walk walk = {.node = node, .dispatch = d};

    if (d == NULL)
        return walk;
    walk.value = eval_slot(e, d->slot);
    walk.row = walk.value != NULL ? lower_bound(d, walk.value) : d->row_count;
    return walk;
}

const struct rule_plan *rule_walk_next(struct rule_walk *walk)
{
    const struct dispatch *d = walk->dispatch;
    const struct node *node = walk->node;

    if (d == NULL)
        return walk->next < node->rule_count ? node->rules[walk->next++] : NULL;
    bool has_row =
        walk->row < d->row_count && rval_compare(d->rows[walk->row].value, walk->value) == 0;
    bool has_other = walk->next < d->other_count;
    if (has_row && (!has_other || d->rows[walk->row].rule < d->others[walk->next]))
        return node->rules[d->rows[walk->row++].rule];
    return has_other ? node->rules[d->others[walk->next++]] : NULL;
}
