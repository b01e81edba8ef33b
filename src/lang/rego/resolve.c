/* Names become what they stand for: a register of the rule, a document, a function.
 *
 * Names declared in a body (":=", "some") hide rules and imports in the whole of it, also before
 * the declaration, where using them is an error; all others are rules of the package, imports, or
 * variables that unification binds, one per name and rule. */
#include "lang/rego/compiler.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void unit_fail(struct unit *u, const char *code, struct loc loc, const char *format, ...)
{
    char text[512];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    u->failed = true;
    lang_diag_add(
        u->c->diags, code,
        (struct lang_pos){u->module != NULL ? u->module->file : "query", loc.line, loc.col},
        u->module != NULL ? u->module->text : (struct span){NULL, 0}, "%s", text);
}

void unit_reset(struct unit *u)
{
    local_list_reset(&u->locals);
    uint_list_reset(&u->slots);
    node_list_reset(&u->deps);
}

int unit_new_local(struct unit *u, struct span name, struct loc loc, bool generated)
{
    local_list_push(&u->locals, (struct local){.name = name, .loc = loc, .generated = generated});
    if (u->locals.len > u->bound_cap) {
        size_t cap = u->bound_cap == 0 ? 64 : u->bound_cap * 2;
        uint8_t *grown = (uint8_t *)arena_calloc(u->c->arena, cap, 1);
        if (u->bound_cap > 0)
            memcpy(grown, u->bound, u->bound_cap);
        u->bound = grown;
        u->bound_cap = cap;
    }
    return (int)u->locals.len - 1;
}

struct term *unit_new_var(struct unit *u, struct loc loc)
{
    struct term *var = ast_var(u->c->arena, loc, SPAN("_"));
    var->var = unit_new_local(u, var->name, loc, true);
    return var;
}

void scope_enter(struct unit *u, struct scope *scope)
{
    *scope = (struct scope){.parent = u->scope};
    u->scope = scope;
}

void scope_leave(struct unit *u)
{
    u->scope = u->scope->parent;
}

static int scope_index(const struct scope *scope, struct span name)
{
    for (size_t i = 0; i < scope->names.len; i++)
        if (span_eq(scope->names.ptr[i], name))
            return (int)i;
    return -1;
}

static size_t scope_add(struct unit *u, struct scope *scope, struct span name, int var)
{
    if (scope->names.len == scope->names.cap) {
        size_t cap = scope->names.cap == 0 ? 8 : scope->names.cap * 2;
        struct span *ptr = (struct span *)arena_alloc(u->c->arena, cap * sizeof(*ptr));
        int *vars = (int *)arena_alloc(u->c->arena, cap * sizeof(*vars));
        if (scope->names.len > 0) {
            memcpy(ptr, scope->names.ptr, scope->names.len * sizeof(*ptr));
            memcpy(vars, scope->names.var, scope->names.len * sizeof(*vars));
        }
        scope->names.ptr = ptr;
        scope->names.var = vars;
        scope->names.cap = cap;
    }
    scope->names.ptr[scope->names.len] = name;
    scope->names.var[scope->names.len] = var;
    return scope->names.len++;
}

/* -1: not declared yet; -2: used before its declaration. */
enum { NAME_PENDING = -1, NAME_USED_EARLY = -2 };

/* Notes the names that a pattern will declare. */
static void announce(struct unit *u, struct term *term)
{
    if (term == NULL)
        return;
    if (term->kind == TERM_VAR && !ast_is_wildcard(term) && scope_index(u->scope, term->name) < 0)
        scope_add(u, u->scope, term->name, NAME_PENDING);
    if (term->kind == TERM_ARRAY)
        for (uint32_t i = 0; i < term->len; i++)
            announce(u, term->items[i]);
    if (term->kind == TERM_OBJECT)
        for (uint32_t i = 1; i < term->len; i += 2)
            announce(u, term->items[i]);
}

static void announce_body(struct unit *u, const struct body *body)
{
    for (uint32_t i = 0; i < body->len; i++) {
        const struct expr *expr = body->exprs[i];
        if (expr->kind == EXPR_SOME)
            for (uint32_t k = 0; k < expr->var_count; k++)
                announce(u, expr->vars[k]);
        if (expr->kind == EXPR_SOME_IN) {
            announce(u, expr->key);
            announce(u, expr->val);
        }
        if (expr->kind == EXPR_TERM && ast_is_call(expr->term, "assign"))
            announce(u, expr->term->items[1]);
    }
}

static void declare(struct unit *u, struct term *term, bool by_some)
{
    if (ast_is_wildcard(term)) {
        term->var = unit_new_local(u, term->name, term->loc, true);
        return;
    }
    if (term->var == VAR_DATA || term->var == VAR_INPUT) {
        if (u->module == NULL || u->module->is_v1) {
            unit_fail(u, "rego_compile_error", term->loc, "variables must not shadow %.*s",
                      (int)term->name.len, term->name.ptr);
            return;
        }
        term->var = VAR_UNRESOLVED;
    }
    int at = scope_index(u->scope, term->name);
    if (at < 0)
        at = (int)scope_add(u, u->scope, term->name, NAME_PENDING);
    int *var = &u->scope->names.var[at];
    if (*var == NAME_USED_EARLY)
        unit_fail(u, "rego_compile_error", term->loc, "var %.*s referenced above",
                  (int)term->name.len, term->name.ptr);
    else if (*var >= 0 && u->locals.ptr[*var].is_arg)
        unit_fail(u, "rego_compile_error", term->loc, "arg %.*s redeclared", (int)term->name.len,
                  term->name.ptr);
    else if (*var >= 0)
        unit_fail(u, "rego_compile_error", term->loc, "var %.*s %s above", (int)term->name.len,
                  term->name.ptr, u->locals.ptr[*var].by_some ? "declared" : "assigned");
    *var = unit_new_local(u, term->name, term->loc, false);
    u->locals.ptr[*var].by_some = by_some;
    term->var = *var;
}

void resolve_declare_pattern(struct unit *u, struct term *term, bool by_some)
{
    if (term->kind == TERM_VAR) {
        declare(u, term, by_some);
    } else if (term->kind == TERM_ARRAY) {
        for (uint32_t i = 0; i < term->len; i++)
            resolve_declare_pattern(u, term->items[i], by_some);
    } else if (term->kind == TERM_OBJECT) {
        for (uint32_t i = 0; i < term->len; i += 2) {
            resolve_term(u, &term->items[i]);
            resolve_declare_pattern(u, term->items[i + 1], by_some);
        }
    }
}

void resolve_declare_arg(struct unit *u, struct term *term)
{
    if (term->kind == TERM_VAR && !ast_is_wildcard(term)) {
        int at = scope_index(u->scope, term->name);
        if (at >= 0) {
            term->var = u->scope->names.var[at]; /* f(x, x) */
            return;
        }
        declare(u, term, false);
        if (term->var >= 0)
            u->locals.ptr[term->var].is_arg = true;
    } else if (term->kind == TERM_ARRAY || term->kind == TERM_OBJECT) {
        uint32_t step = term->kind == TERM_ARRAY ? 1 : 2;
        for (uint32_t i = step - 1; i < term->len; i += step)
            resolve_declare_arg(u, term->items[i]);
    } else {
        resolve_term(u, &term);
    }
}

/* --- names ------------------------------------------------------------------------------------ */

static int plain_var(struct unit *u, const struct term *term)
{
    for (size_t i = 0; i < u->plain.len; i++)
        if (span_eq(u->plain.ptr[i], term->name))
            return u->plain.var[i];
    if (u->plain.len == u->plain.cap) {
        size_t cap = u->plain.cap == 0 ? 8 : u->plain.cap * 2;
        struct span *ptr = (struct span *)arena_alloc(u->c->arena, cap * sizeof(*ptr));
        int *vars = (int *)arena_alloc(u->c->arena, cap * sizeof(*vars));
        if (u->plain.len > 0) {
            memcpy(ptr, u->plain.ptr, u->plain.len * sizeof(*ptr));
            memcpy(vars, u->plain.var, u->plain.len * sizeof(*vars));
        }
        u->plain.ptr = ptr;
        u->plain.var = vars;
        u->plain.cap = cap;
    }
    int var = unit_new_local(u, term->name, term->loc, false);
    u->plain.ptr[u->plain.len] = term->name;
    u->plain.var[u->plain.len++] = var;
    return var;
}

/* True if a local of this name is visible; sets term->var. */
static bool find_local(struct unit *u, struct term *term)
{
    for (struct scope *s = u->scope; s != NULL; s = s->parent) {
        int at = scope_index(s, term->name);
        if (at < 0)
            continue;
        int var = s->names.var[at];
        if (var < 0 && s != u->scope)
            continue; /* declared later, outside: not the same variable */
        if (var < 0) {
            s->names.var[at] = NAME_USED_EARLY;
            term->var = plain_var(u, term);
            return true;
        }
        u->locals.ptr[var].used = true;
        term->var = var;
        return true;
    }
    return false;
}

/* The document that a name stands for by import or as a rule of the package, as a new ref. */
static struct term *find_document(struct unit *u, const struct term *term)
{
    if (u->module == NULL)
        return NULL;
    struct arena *arena = u->c->arena;
    for (uint32_t i = 0; i < u->module->import_count; i++) {
        const struct import *import = &u->module->imports[i];
        if (span_eq(import->alias, term->name))
            return ast_items(arena, term->loc, TERM_REF, import->path->items, import->path->len);
    }
    struct rval key = {
        .type = RVAL_STRING, .len = (uint32_t)term->name.len, .string = term->name.ptr};
    const struct node *node = node_find(u->package, &key);
    if (node == NULL || !node->is_rule_name)
        return NULL;
    const struct term *package = u->module->package;
    struct term *ref = ast_items(arena, term->loc, TERM_REF, package->items, package->len);
    struct term **items = (struct term **)arena_alloc(arena, (package->len + 1) * sizeof(*items));
    memcpy(items, ref->items, package->len * sizeof(*items));
    items[package->len] = ast_value(arena, term->loc, node->key);
    ref->items = items;
    ref->len = package->len + 1;
    return ref;
}

static void splice(struct unit *u, struct term *ref, const struct term *head)
{
    struct term **items =
        (struct term **)arena_alloc(u->c->arena, (head->len + ref->len) * sizeof(*items));
    memcpy(items, head->items, head->len * sizeof(*items));
    memcpy(items + head->len, ref->items + 1, (ref->len - 1) * sizeof(*items));
    ref->items = items;
    ref->len += head->len - 1;
}

static void resolve_var(struct unit *u, struct term **slot)
{
    struct term *term = *slot;
    if (ast_is_wildcard(term)) {
        if (term->var == VAR_UNRESOLVED)
            term->var = unit_new_local(u, term->name, term->loc, true);
        return;
    }
    if (term->var >= 0)
        return;
    int root = term->var;
    if (find_local(u, term))
        return;
    term->var = root;
    if (root != VAR_UNRESOLVED)
        return;
    struct term *document = find_document(u, term);
    if (document != NULL)
        *slot = document;
    else
        term->var = plain_var(u, term);
}

/* The name of a called function: a ref into data, or a variable with the built-in's name. */
static void resolve_function(struct unit *u, struct term **slot)
{
    struct term *name = *slot;
    if (name->kind == TERM_VAR) {
        struct term *document = find_document(u, name);
        if (document != NULL)
            *slot = document;
        return;
    }
    struct term *head = name->items[0];
    if (head->kind != TERM_VAR || head->var != VAR_UNRESOLVED)
        return;
    struct term *document = find_document(u, head);
    if (document != NULL) {
        splice(u, name, document);
        return;
    }
    CLEANUP(buf) struct buf text = BUF_INIT(1024);
    ast_print(&text, name);
    char *copy = arena_strndup(u->c->arena, text.ptr, text.len);
    *slot = ast_var(u->c->arena, name->loc, span_of(copy));
}

static void resolve_ref(struct unit *u, struct term *ref)
{
    struct term *head = ref->items[0];
    resolve_term(u, &head);
    if (head != ref->items[0] && head->kind == TERM_REF)
        splice(u, ref, head);
    else
        ref->items[0] = head;
    for (uint32_t i = 1; i < ref->len; i++)
        if (ref->items[i]->kind != TERM_VALUE)
            resolve_term(u, &ref->items[i]);
}

static void resolve_comprehension(struct unit *u, struct term *term)
{
    struct scope scope;
    scope_enter(u, &scope);
    resolve_body(u, term->body);
    resolve_term(u, &term->head);
    if (term->key != NULL)
        resolve_term(u, &term->key);
    scope_leave(u);
}

void resolve_term(struct unit *u, struct term **slot)
{
    struct term *term = *slot;
    switch (term->kind) {
    case TERM_VALUE:
        break;
    case TERM_VAR:
        resolve_var(u, slot);
        break;
    case TERM_REF:
        resolve_ref(u, term);
        break;
    case TERM_CALL:
        resolve_function(u, &term->items[0]);
        for (uint32_t i = 1; i < term->len; i++)
            resolve_term(u, &term->items[i]);
        break;
    case TERM_ARRAY:
    case TERM_SET:
    case TERM_OBJECT:
    case TERM_TEMPLATE:
        for (uint32_t i = 0; i < term->len; i++)
            resolve_term(u, &term->items[i]);
        break;
    case TERM_ARRAY_COMP:
    case TERM_SET_COMP:
    case TERM_OBJECT_COMP:
        resolve_comprehension(u, term);
        break;
    }
}

/* --- bodies ----------------------------------------------------------------------------------- */

static void resolve_withs(struct unit *u, struct expr *expr)
{
    for (uint32_t i = 0; i < expr->with_count; i++) {
        struct with *with = &expr->withs[i];
        if (with->target->kind == TERM_VAR && with->target->var == VAR_UNRESOLVED)
            resolve_function(u, &with->target);
        else if (with->target->kind == TERM_REF)
            resolve_function(u, &with->target);
        struct node *node;
        const struct builtin *builtin;
        struct term *value = with->value;
        bool names = value->kind == TERM_VAR || value->kind == TERM_REF;
        if (names && value->kind == TERM_VAR && value->var == VAR_UNRESOLVED) {
            struct term probe = *value;
            if (find_local(u, &probe)) {
                with->value = value;
                value->var = probe.var;
                continue;
            }
        }
        if (names) {
            struct term *copy =
                ast_items(u->c->arena, value->loc, value->kind, value->items, value->len);
            copy->name = value->name;
            copy->var = value->var;
            resolve_function(u, &copy);
            if (plan_find_function(u, copy, &node, &builtin)) {
                with->value = copy;
                continue;
            }
        }
        resolve_term(u, &with->value);
    }
}

static void resolve_assign(struct unit *u, struct expr *expr)
{
    struct term *call = expr->term;
    struct term *left = call->items[1];
    if (expr->negated) {
        unit_fail(u, "rego_compile_error", expr->loc,
                  "cannot assign vars inside negated expression");
        return;
    }
    if (left->kind != TERM_VAR && left->kind != TERM_ARRAY && left->kind != TERM_OBJECT) {
        unit_fail(u, "rego_compile_error", left->loc, "cannot assign to %s",
                  left->kind == TERM_REF ? "ref" : "value");
        return;
    }
    resolve_term(u, &call->items[2]);
    resolve_declare_pattern(u, left, false);
    call->items[0] = ast_var(u->c->arena, call->loc, SPAN("eq"));
}

static void resolve_some_in(struct unit *u, struct expr *expr)
{
    struct arena *arena = u->c->arena;
    if (expr->term->kind == TERM_VALUE && expr->term->value->type < RVAL_ARRAY) {
        unit_fail(u, "rego_type_error", expr->loc, "cannot iterate over a %s",
                  rval_type_name((enum rval_type)expr->term->value->type));
        return;
    }
    resolve_term(u, &expr->term);
    size_t first = u->locals.len;
    struct term *key = expr->key;
    if (key == NULL)
        key = unit_new_var(u, expr->loc);
    else if (key->kind == TERM_VAR || key->kind == TERM_ARRAY || key->kind == TERM_OBJECT)
        resolve_declare_pattern(u, key, true);
    else
        resolve_term(u, &key);
    struct term *val = expr->val;
    if (val->kind == TERM_VAR || val->kind == TERM_ARRAY || val->kind == TERM_OBJECT)
        resolve_declare_pattern(u, val, true);
    else
        resolve_term(u, &val);
    /* Being matched is use enough. */
    for (size_t i = first; i < u->locals.len; i++)
        u->locals.ptr[i].used = true;
    struct term *parts[] = {expr->term, key};
    struct term *ref = ast_items(arena, expr->loc, TERM_REF, parts, 2);
    expr->kind = EXPR_TERM;
    expr->term = ast_call(arena, expr->loc, "eq", val, ref);
}

static void resolve_every(struct unit *u, struct expr *expr)
{
    struct scope scope;
    resolve_term(u, &expr->term);
    scope_enter(u, &scope);
    if (expr->key != NULL)
        declare(u, expr->key, false);
    declare(u, expr->val, false);
    struct scope inner;
    scope_enter(u, &inner);
    resolve_body(u, expr->body);
    scope_leave(u);
    scope_leave(u);
}

void resolve_body(struct unit *u, struct body *body)
{
    announce_body(u, body);
    for (uint32_t i = 0; i < body->len; i++) {
        struct expr *expr = body->exprs[i];
        resolve_withs(u, expr);
        if (expr->kind == EXPR_SOME) {
            for (uint32_t k = 0; k < expr->var_count; k++)
                declare(u, expr->vars[k], true);
        } else if (expr->kind == EXPR_SOME_IN) {
            resolve_some_in(u, expr);
        } else if (expr->kind == EXPR_EVERY) {
            resolve_every(u, expr);
        } else if (ast_is_call(expr->term, "assign")) {
            resolve_assign(u, expr);
        } else {
            resolve_term(u, &expr->term);
        }
    }
}

void resolve_check_unused(struct unit *u)
{
    for (size_t i = 0; i < u->locals.len; i++) {
        const struct local *local = &u->locals.ptr[i];
        if (local->by_some && !local->used)
            unit_fail(u, "rego_compile_error", local->loc, "declared var %.*s unused",
                      (int)local->name.len, local->name.ptr);
    }
}
