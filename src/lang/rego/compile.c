#include "lang/rego/compiler.h"
#include "lang/rego/dispatch.h"
#include "lang/rego/query.h"
#include "lang/rego/rego.h"

#include <stdlib.h>

/* From so many files on a set takes more than the small chunks that an arena begins with. */
enum { FILES_THAT_FILL = 32 };

static void compile_node(struct compiler *c, struct node *node)
{
    node->rules =
        (struct rule_plan **)arena_alloc(c->arena, (node->source_count + 1) * sizeof(*node->rules));
    for (uint32_t i = 0; i < node->source_count; i++) {
        const struct rule *rule = node->sources[i];
        struct rule_plan *plan = compile_rule(c, node, rule);
        if (rule->is_default)
            node->fallback = plan;
        else
            node->rules[node->rule_count++] = plan;
    }
    bool same = node->rule_count > 0 && !node->is_set && !node->is_dynamic;
    for (uint32_t i = 0; i < node->rule_count && same; i++) {
        const struct rule_plan *plan = node->rules[i];
        same = plan->value_is_constant && plan->or_else == NULL &&
               rval_eq(plan->value.value, node->rules[0]->value.value);
    }
    node->has_one_value = same;
    dispatch_make(c->arena, node);
    for (uint32_t i = 0; i < node->child_count; i++)
        compile_node(c, node->children[i]);
}

static void check_imports(struct compiler *c, const struct module *module)
{
    for (uint32_t i = 0; i < module->import_count && module->is_v1; i++)
        for (uint32_t k = 0; k < i; k++)
            if (span_eq(module->imports[i].alias, module->imports[k].alias))
                lang_diag_add(c->diags, "rego_compile_error",
                              (struct lang_pos){module->file, module->imports[i].loc.line,
                                                module->imports[i].loc.col},
                              module->text, "import must not shadow import of %.*s",
                              (int)module->imports[i].alias.len, module->imports[i].alias.ptr);
}

/* FILE brings the policies above a limit. */
static void refuse(struct compiler *c, const char *file, const char *what, int limit)
{
    lang_diag_add(c->diags, "rego_parse_error", (struct lang_pos){file, 1, 1},
                  (struct span){NULL, 0}, "the policies have more than %d %s", limit, what);
}

static void parse_sources(struct compiler *c, const struct rego_source *sources, size_t count)
{
    size_t total = 0, rules = 0;
    for (size_t i = 0; i < count; i++) {
        const struct rego_source *source = &sources[i];
        const char *file = arena_strndup(c->arena, source->file, strlen(source->file));
        if (source->text.len > REGO_SOURCE_MAX - total) {
            refuse(c, file, "bytes", REGO_SOURCE_MAX);
            return;
        }
        total += source->text.len;
        struct span text = {arena_strndup(c->arena, source->text.ptr, source->text.len),
                            source->text.len};
        struct module *module = rego_parse_module(c->arena, file, text, source->version, c->diags);
        if (module == NULL)
            continue;
        rules += module->rule_count;
        if (rules > REGO_RULES_MAX) {
            refuse(c, file, "rules", REGO_RULES_MAX);
            return;
        }
        check_imports(c, module);
        module_list_push(&c->rego->modules, module);
    }
}

struct rego *rego_compile(const struct rego_source *sources, size_t count,
                          const struct rego_options *options, struct lang_diags *diags)
{
    struct rego *rego = (struct rego *)xcalloc(1, sizeof(*rego));
    struct compiler c = {rego, &rego->arena, diags};

    rego->refs = 1;
    arena_init(&rego->arena, 0);
    rego->arena.fills = count >= FILES_THAT_FILL;
    rego->data = &rval_empty_object;
    if (options != NULL && options->data != NULL)
        rego->data = rval_copy(&rego->arena, options->data);
    rego->no_index = options != NULL && options->no_index;
    expr_list_push(&rego->exprs, (struct expr_info){0}); /* what has no place */
    parse_sources(&c, sources, count);
    if (diags->count == 0)
        compile_tree(&c);
    if (diags->count == 0)
        compile_node(&c, rego->root);
    if (diags->count == 0)
        compile_check_recursion(&c);
    if (diags->count > 0) {
        rego_free(rego);
        return NULL;
    }
    return rego;
}

struct rego *rego_ref(struct rego *rego)
{
    __atomic_add_fetch(&rego->refs, 1, __ATOMIC_RELAXED);
    return rego;
}

void rego_free(struct rego *rego)
{
    if (rego == NULL || __atomic_sub_fetch(&rego->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    slot_list_reset(&rego->slots);
    expr_list_reset(&rego->exprs);
    module_list_reset(&rego->modules);
    arena_reset(&rego->arena);
    free(rego);
}

size_t rego_memory(const struct rego *rego)
{
    return arena_used(&rego->arena) + rego->slots.cap * sizeof(*rego->slots.ptr) +
           rego->exprs.cap * sizeof(*rego->exprs.ptr);
}

/* --- queries ---------------------------------------------------------------------------------- */

static void list_vars(struct unit *u, struct rego_query *query)
{
    struct arena *arena = u->c->arena;
    query->vars =
        (struct query_var *)arena_alloc(arena, (u->locals.len + 1) * sizeof(*query->vars));
    for (size_t i = 0; i < u->locals.len; i++) {
        const struct local *local = &u->locals.ptr[i];
        if (!local->generated && u->bound[i])
            query->vars[query->var_count++] = (struct query_var){
                rval_string(arena, local->name.ptr, local->name.len), (uint32_t)i};
    }
}

static void compile_query(struct compiler *c, struct rego_query *query, struct body *body)
{
    struct unit u = {.c = c};
    struct scope scope;
    struct plan_body steps = {0};
    struct expr *only = body->len == 1 ? body->exprs[0] : NULL;
    struct term *value = NULL;

    query->is_term = only != NULL && only->kind == EXPR_TERM && !only->negated &&
                     !ast_is_call(only->term, "eq") && !ast_is_call(only->term, "assign");
    if (query->is_term) {
        value = unit_new_var(&u, only->loc);
        only->term = ast_call(c->arena, only->loc, "eq", value, only->term);
    }
    scope_enter(&u, &scope);
    resolve_body(&u, body);
    scope_leave(&u);
    if (!u.failed)
        expand_body(&u, body);
    if (!u.failed) {
        uint8_t *bound = (uint8_t *)arena_calloc(c->arena, u.locals.len + 1, 1);
        uint8_t *outer = (uint8_t *)arena_calloc(c->arena, u.locals.len + 1, 1);
        order_body(&u, body, bound, outer);
    }
    if (!u.failed)
        plan_exprs(&u, &steps, body);
    if (!u.failed) {
        if (query->is_term)
            query->value = plan_value(&u, &steps, value);
        list_vars(&u, query);
    }
    query->body = plan_finish(&u, &steps);
    query->frame_size = (uint32_t)u.locals.len;
    unit_reset(&u);
}

struct rego_query *rego_query_new(struct rego *rego, struct span text, enum rego_version version,
                                  struct lang_diags *diags)
{
    struct rego_query *query = (struct rego_query *)xcalloc(1, sizeof(*query));
    query->rego = rego_ref(rego);
    arena_init(&query->arena, 0);
    struct compiler c = {rego, &query->arena, diags};
    struct span copy = {arena_strndup(&query->arena, text.ptr, text.len), text.len};
    struct body *body = rego_parse_query(&query->arena, copy, version, diags);
    if (body != NULL)
        compile_query(&c, query, body);
    if (diags->count > 0) {
        rego_query_free(query);
        return NULL;
    }
    return query;
}

struct rego_query *rego_query_path(struct rego *rego, const char *const *path, size_t len)
{
    CLEANUP(lang_diags) struct lang_diags diags = {0};
    struct rego_query *query = (struct rego_query *)xcalloc(1, sizeof(*query));
    struct loc loc = {1, 1};

    query->rego = rego_ref(rego);
    arena_init(&query->arena, 0);
    struct compiler c = {rego, &query->arena, &diags};
    struct term *ref = ast_items(&query->arena, loc, TERM_REF, NULL, 0);
    ref->items = (struct term **)arena_alloc(&query->arena, (len + 1) * sizeof(*ref->items));
    ref->items[0] = ast_var(&query->arena, loc, SPAN("data"));
    ref->items[0]->var = VAR_DATA;
    for (size_t i = 0; i < len; i++)
        ref->items[i + 1] = ast_value(&query->arena, loc, rval_text(&query->arena, path[i]));
    ref->len = (uint32_t)len + 1;
    struct body body = {0};
    ast_body_push(&query->arena, &body, ast_expr(&query->arena, loc, ref));
    compile_query(&c, query, &body);
    return query;
}

void rego_query_free(struct rego_query *query)
{
    if (query == NULL)
        return;
    rego_free(query->rego);
    arena_reset(&query->arena);
    free(query);
}

bool rego_query_is_term(const struct rego_query *query)
{
    return query->is_term;
}

/* --- looking into a set ----------------------------------------------------------------------- */

size_t rego_expr_count(const struct rego *rego)
{
    return rego->exprs.len;
}

bool rego_expr_where(const struct rego *rego, size_t index, const char **file, struct loc *loc)
{
    const struct expr_info *info = &rego->exprs.ptr[index];
    if (info->module == NULL)
        return false;
    *file = info->module->file;
    *loc = info->loc;
    return true;
}

static bool each_rule(const struct rego *rego, const struct node *node,
                      bool (*fn)(void *arg, const char *path, const struct rule *rule), void *arg)
{
    struct arena arena;
    arena_init(&arena, 0);
    const char *path = node->source_count > 0 ? node_path(&arena, node) : NULL;
    bool go_on = true;
    for (uint32_t i = 0; i < node->source_count && go_on; i++)
        go_on = fn(arg, path, node->sources[i]);
    arena_reset(&arena);
    for (uint32_t i = 0; i < node->child_count && go_on; i++)
        go_on = each_rule(rego, node->children[i], fn, arg);
    return go_on;
}

void rego_each_rule(const struct rego *rego,
                    bool (*fn)(void *arg, const char *path, const struct rule *rule), void *arg)
{
    each_rule(rego, rego->root, fn, arg);
}
