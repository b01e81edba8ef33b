/* rego.parse_module: what a policy's package, imports and rule names are, as data. */
#include "lang/rego/builtins_table.h"

#include "lang/rego/parser.h"

static const struct rval *pair_object(struct arena *arena, const char *a, const struct rval *x,
                                      const char *b, const struct rval *y)
{
    struct rval_pair_list pairs = {0};
    rval_pair_list_push(arena, &pairs, rval_text(arena, a), x);
    if (b != NULL)
        rval_pair_list_push(arena, &pairs, rval_text(arena, b), y);
    return rval_object(arena, pairs.ptr, pairs.len);
}

/* [{"type": "var", "value": "data"}, {"type": "string", "value": ...}, ...] */
static const struct rval *path_value(struct arena *arena, const struct term *path)
{
    struct rval_list parts = {0};
    for (uint32_t i = 0; i < path->len; i++) {
        const struct term *part = path->items[i];
        const struct rval *value = part->kind == TERM_VALUE
                                       ? part->value
                                       : rval_string(arena, part->name.ptr, part->name.len);
        const char *type =
            part->kind == TERM_VALUE ? rval_type_name((enum rval_type)part->value->type) : "var";
        rval_list_push(arena, &parts,
                       pair_object(arena, "type", rval_text(arena, type), "value", value));
    }
    return rval_array(arena, parts.ptr, parts.len);
}

BUILTIN(rego_parse_module_value)
{
    CLEANUP(lang_diags) struct lang_diags diags = {0};
    struct arena *arena = call->arena;
    struct module *module = rego_parse_module(
        arena, args[0]->string, (struct span){args[1]->string, args[1]->len}, REGO_AUTO, &diags);
    if (module == NULL)
        return builtin_fail(call, "%s: %s", diags.list[0].code, diags.list[0].msg);
    struct rval_list imports = {0}, rules = {0};
    for (uint32_t i = 0; i < module->import_count; i++)
        rval_list_push(arena, &imports,
                       pair_object(arena, "path",
                                   pair_object(arena, "type", rval_text(arena, "ref"), "value",
                                               path_value(arena, module->imports[i].path)),
                                   NULL, NULL));
    for (uint32_t i = 0; i < module->rule_count; i++) {
        struct span name = module->rules[i]->ref->items[0]->name;
        rval_list_push(arena, &rules,
                       pair_object(arena, "head",
                                   pair_object(arena, "name",
                                               rval_string(arena, name.ptr, name.len), NULL, NULL),
                                   NULL, NULL));
    }
    struct rval_pair_list pairs = {0};
    rval_pair_list_push(arena, &pairs, rval_text(arena, "package"),
                        pair_object(arena, "path", path_value(arena, module->package), NULL, NULL));
    rval_pair_list_push(arena, &pairs, rval_text(arena, "imports"),
                        rval_array(arena, imports.ptr, imports.len));
    rval_pair_list_push(arena, &pairs, rval_text(arena, "rules"),
                        rval_array(arena, rules.ptr, rules.len));
    return rval_object(arena, pairs.ptr, pairs.len);
}
