/* No document may depend on itself. */
#include "lang/rego/compiler.h"
#include "lang/rego/rego.h"

enum { WHITE, GREY, BLACK };

struct walk {
    struct compiler *c;
    struct node_list path;
    bool is_too_deep; /* and it was told */
};

static void visit(struct walk *w, struct node *node);

/* A reference to a document depends on all that is below it. */
static void visit_below(struct walk *w, struct node *node)
{
    if (node_has_rules(node))
        visit(w, node);
    for (uint32_t i = 0; i < node->child_count; i++)
        visit_below(w, node->children[i]);
}

static void report(struct walk *w, const struct node *node)
{
    CLEANUP(buf) struct buf out = BUF_INIT(4096);
    size_t from = 0;
    while (from < w->path.len && w->path.ptr[from] != node)
        from++;
    for (size_t i = from; i < w->path.len; i++)
        buf_printf(&out, "%s -> ", node_path(w->c->arena, w->path.ptr[i]));
    const char *name = node_path(w->c->arena, node);
    const struct rule *rule = node->sources[0];
    lang_diag_add(w->c->diags, "rego_recursion_error",
                  (struct lang_pos){rule->module->file, rule->loc.line, rule->loc.col},
                  rule->module->text, "rule %s is recursive: %s%s", name,
                  out.ptr != NULL ? out.ptr : "", name);
}

static void visit_plan(struct walk *w, const struct rule_plan *plan)
{
    for (; plan != NULL; plan = plan->or_else)
        for (uint32_t i = 0; i < plan->dep_count; i++)
            visit_below(w, plan->deps[i]);
}

static void visit(struct walk *w, struct node *node)
{
    if (node->color == BLACK)
        return;
    if (node->color == GREY) {
        report(w, node);
        return;
    }
    if (w->path.len >= REGO_DEPTH_MAX) {
        const struct rule *rule = node->sources[0];
        if (!w->is_too_deep)
            lang_diag_add(w->c->diags, "rego_compile_error",
                          (struct lang_pos){rule->module->file, rule->loc.line, rule->loc.col},
                          rule->module->text, "rules depend on each other more than %d deep",
                          REGO_DEPTH_MAX);
        w->is_too_deep = true;
        return;
    }
    node->color = GREY;
    node_list_push(&w->path, node);
    for (uint32_t i = 0; i < node->rule_count; i++)
        visit_plan(w, node->rules[i]);
    if (node->fallback != NULL)
        visit_plan(w, node->fallback);
    w->path.len--;
    node->color = BLACK;
}

void compile_check_recursion(struct compiler *c)
{
    struct walk w = {.c = c};
    visit_below(&w, c->rego->root);
    node_list_reset(&w.path);
}
