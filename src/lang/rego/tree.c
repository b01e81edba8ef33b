#include "lang/rego/compiler.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

struct node *node_find(const struct node *node, const struct rval *key)
{
    size_t low = 0, high = node->child_count;
    while (low < high) {
        size_t mid = (low + high) / 2;
        int order = rval_compare(node->children[mid]->key, key);
        if (order == 0)
            return node->children[mid];
        if (order < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return NULL;
}

static void print_path(struct buf *out, const struct node *node)
{
    if (node->parent == NULL) {
        buf_add(out, "data");
        return;
    }
    print_path(out, node->parent);
    struct term key = {.kind = TERM_VALUE, .value = node->key};
    struct term head = {.kind = TERM_VAR};
    struct term *items[] = {&head, &key};
    struct term ref = {.kind = TERM_REF, .items = items, .len = 2};
    ast_print(out, &ref);
}

char *node_path(struct arena *arena, const struct node *node)
{
    CLEANUP(buf) struct buf out = BUF_INIT(8192);
    print_path(&out, node);
    return arena_strndup(arena, out.ptr, out.len);
}

/* Where KEY is, or would be, among the children, which are in order. */
static uint32_t child_place(const struct node *parent, const struct rval *key)
{
    uint32_t low = 0, high = parent->child_count;
    while (low < high) {
        uint32_t mid = (low + high) / 2;
        if (rval_compare(parent->children[mid]->key, key) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static struct node *add_child(struct compiler *c, struct node *parent, const struct rval *key)
{
    uint32_t at = child_place(parent, key);
    if (at < parent->child_count && rval_eq(parent->children[at]->key, key))
        return parent->children[at];
    if (parent->child_count == parent->child_cap) {
        uint32_t cap = parent->child_cap == 0 ? 4 : parent->child_cap * 2;
        struct node **grown = (struct node **)arena_alloc(c->arena, cap * sizeof(*grown));
        if (parent->child_count > 0)
            memcpy(grown, parent->children, parent->child_count * sizeof(*grown));
        parent->children = grown;
        parent->child_cap = cap;
    }
    struct node *node = (struct node *)arena_calloc(c->arena, 1, sizeof(*node));
    node->key = key;
    node->parent = parent;
    node->index = c->rego->node_count++;
    memmove(parent->children + at + 1, parent->children + at,
            (parent->child_count - at) * sizeof(*parent->children));
    parent->children[at] = node;
    parent->child_count++;
    return node;
}

uint32_t rule_static_len(const struct rule *rule)
{
    uint32_t len = 1;
    while (len < rule->ref->len && ast_is_string(rule->ref->items[len]))
        len++;
    return len;
}

static void tree_fail(struct compiler *c, const struct rule *rule, const char *code,
                      const char *format, ...) __attribute__((format(printf, 4, 5)));

static void tree_fail(struct compiler *c, const struct rule *rule, const char *code,
                      const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    lang_diag_add(c->diags, code,
                  (struct lang_pos){rule->module->file, rule->loc.line, rule->loc.col},
                  rule->module->text, "%s", text);
}

static void add_source(struct compiler *c, struct node *node, const struct rule *rule)
{
    if (node->source_count == node->source_cap) {
        uint32_t cap = node->source_cap == 0 ? 2 : node->source_cap * 2;
        const struct rule **grown =
            (const struct rule **)arena_alloc(c->arena, cap * sizeof(*grown));
        if (node->source_count > 0)
            memcpy(grown, node->sources, node->source_count * sizeof(*grown));
        node->sources = grown;
        node->source_cap = cap;
    }
    node->sources[node->source_count++] = rule;
}

static void add_rule(struct compiler *c, struct node *package, const struct rule *rule)
{
    struct span name = rule->ref->items[0]->name;
    struct node *node = add_child(c, package, rval_string(c->arena, name.ptr, name.len));
    uint32_t len = rule_static_len(rule);
    node->is_rule_name = true;
    for (uint32_t i = 1; i < len; i++)
        node = add_child(c, node, rule->ref->items[i]->value);

    bool first = node->source_count == 0;
    bool dynamic = len < rule->ref->len;
    if (rule->is_function) {
        if (dynamic)
            tree_fail(c, rule, "rego_compile_error", "a function's name must be constant");
        if ((!first && !node->is_function) || (node->is_function && node->arity != rule->arg_count))
            tree_fail(c, rule, "rego_type_error", "conflicting rules %s found",
                      node_path(c->arena, node));
        node->is_function = true;
        node->arity = rule->arg_count;
    } else {
        bool is_set = rule->kind == RULE_SET && !dynamic;
        bool is_value = rule->kind == RULE_VALUE && !dynamic;
        if (node->is_function || (is_set && (node->is_value || node->is_dynamic)) ||
            (is_value && (node->is_set || node->is_dynamic)) ||
            (dynamic && (node->is_set || node->is_value)))
            tree_fail(c, rule, "rego_type_error", "conflicting rules %s found",
                      node_path(c->arena, node));
        node->is_set |= is_set;
        node->is_value |= is_value;
        node->is_dynamic |= dynamic;
    }
    if (rule->is_default)
        for (uint32_t i = 0; i < node->source_count; i++)
            if (node->sources[i]->is_default)
                tree_fail(c, rule, "rego_type_error", "multiple default rules %s found",
                          node_path(c->arena, node));
    add_source(c, node, rule);
}

static bool has_rule_below(const struct node *node)
{
    for (uint32_t i = 0; i < node->child_count; i++)
        if (node->children[i]->source_count > 0 || has_rule_below(node->children[i]))
            return true;
    return false;
}

/* A rule's value cannot have parts that other rules or packages define. */
static void check_below(struct compiler *c, struct node *node)
{
    node->has_documents = !node->is_function;
    if (node->source_count > 0 && node->is_package)
        tree_fail(c, node->sources[0], "rego_compile_error", "rule %s conflicts with a package",
                  node_path(c->arena, node));
    else if ((node->is_value || node->is_set || node->is_function) && has_rule_below(node))
        tree_fail(c, node->sources[0], "rego_type_error", "rule %s conflicts with rules below it",
                  node_path(c->arena, node));
    for (uint32_t i = 0; i < node->child_count; i++)
        check_below(c, node->children[i]);
}

static struct node *find_package(struct compiler *c, const struct module *module)
{
    struct node *node = c->rego->root;
    for (uint32_t i = 1; i < module->package->len; i++)
        node = add_child(c, node, module->package->items[i]->value);
    return node;
}

void compile_tree(struct compiler *c)
{
    struct rego *rego = c->rego;
    rego->root = (struct node *)arena_calloc(c->arena, 1, sizeof(*rego->root));
    rego->root->key = &rval_empty_string;
    rego->root->is_package = true;
    rego->node_count = 1;
    for (size_t i = 0; i < rego->modules.len; i++) {
        struct module *module = rego->modules.ptr[i];
        struct node *package = find_package(c, module);
        for (struct node *n = package; n != NULL; n = n->parent)
            n->is_package = true;
        for (uint32_t r = 0; r < module->rule_count; r++)
            add_rule(c, package, module->rules[r]);
    }
    check_below(c, rego->root);
}
