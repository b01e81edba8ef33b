#include "lang/rego/parser_internal.h"

DEFINE_VECTOR(part_list, struct term *)
DEFINE_CLEANUP_IN_PLACE(part_list, struct part_list, part_list_reset)

/* --- bodies ----------------------------------------------------------------------------------- */

bool parser_withs(struct parser *p, struct expr *expr)
{
    while (parser_take_word(p, "with")) {
        struct with *grown =
            (struct with *)arena_alloc(p->arena, (expr->with_count + 1) * sizeof(*grown));
        if (expr->with_count > 0)
            memcpy(grown, expr->withs, expr->with_count * sizeof(*grown));
        struct term *target = parser_term(p);
        if (target == NULL)
            return false;
        if (target->kind != TERM_VAR && target->kind != TERM_REF)
            return parser_fail(p, "with target must be a reference") != NULL;
        if (!parser_take_word(p, "as"))
            return parser_fail(p, "expected \"as\"") != NULL;
        struct term *value = parser_term_in(p, false);
        if (value == NULL)
            return false;
        grown[expr->with_count++] = (struct with){target, value};
        expr->withs = grown;
    }
    return true;
}

static struct expr *parse_some(struct parser *p, struct loc loc)
{
    CLEANUP(part_list) struct part_list vars = {0};
    struct expr *expr = ast_expr(p->arena, loc, NULL);
    size_t start = p->pos;

    if (p->word_in) {
        struct term *term = parser_term_in(p, true);
        bool pair = term != NULL && ast_is_call(term, "internal.member_3");
        if (pair || (term != NULL && ast_is_call(term, "internal.member_2"))) {
            expr->kind = EXPR_SOME_IN;
            expr->key = pair ? term->items[1] : NULL;
            expr->val = term->items[pair ? 2 : 1];
            expr->term = term->items[pair ? 3 : 2];
            return expr;
        }
        p->pos = start;
    }
    expr->kind = EXPR_SOME;
    do {
        const struct token *token = peek(p);
        if (token->kind != TOKEN_NAME || parser_is_keyword(p, token->text))
            return (struct expr *)parser_fail(p, "expected a variable behind \"some\"");
        p->pos++;
        part_list_push(&vars, ast_var(p->arena, token->loc, token->text));
    } while (parser_take_punct(p, ","));
    expr->vars = ast_items(p->arena, loc, TERM_ARRAY, vars.ptr, vars.len)->items;
    expr->var_count = (uint32_t)vars.len;
    return expr;
}

static struct term *parse_every_var(struct parser *p)
{
    const struct token *token = peek(p);
    if (token->kind != TOKEN_NAME || parser_is_keyword(p, token->text))
        return (struct term *)parser_fail(p, "expected a variable behind \"every\"");
    p->pos++;
    return ast_var(p->arena, token->loc, token->text);
}

static struct expr *parse_every(struct parser *p, struct loc loc)
{
    struct expr *expr = ast_expr(p->arena, loc, NULL);
    expr->kind = EXPR_EVERY;
    expr->val = parse_every_var(p);
    if (expr->val != NULL && parser_take_punct(p, ",")) {
        expr->key = expr->val;
        expr->val = parse_every_var(p);
    }
    if (expr->val == NULL)
        return NULL;
    if (!parser_take_word(p, "in"))
        return (struct expr *)parser_fail(p, "expected \"in\"");
    expr->term = parser_infix(p, false);
    if (expr->term == NULL || !parser_expect(p, "{"))
        return NULL;
    expr->body = parser_body(p, "}");
    if (expr->body == NULL || !parser_expect(p, "}"))
        return NULL;
    return expr;
}

static struct expr *parse_plain(struct parser *p, struct loc loc)
{
    struct term *left = parser_term_in(p, true);
    if (left == NULL)
        return NULL;
    const char *op = parser_is_punct(p, ":=") ? "assign" : parser_is_punct(p, "=") ? "eq" : NULL;
    if (op != NULL) {
        struct loc op_loc = peek(p)->loc;
        p->pos++;
        struct term *right = parser_term_in(p, true);
        if (right == NULL)
            return NULL;
        left = ast_call(p->arena, op_loc, op, left, right);
    }
    return ast_expr(p->arena, loc, left);
}

struct expr *parser_literal(struct parser *p)
{
    struct loc loc = peek(p)->loc;
    struct expr *expr;

    if (parser_take_word(p, "some")) {
        expr = parse_some(p, loc);
    } else {
        bool negated = parser_take_word(p, "not");
        if (p->word_every && parser_is_word(p, "every")) {
            if (negated)
                return (struct expr *)parser_fail(p, "every cannot be negated");
            p->pos++;
            expr = parse_every(p, loc);
        } else {
            expr = parse_plain(p, loc);
        }
        if (expr != NULL)
            expr->negated = negated;
    }
    if (expr == NULL || !parser_withs(p, expr))
        return NULL;
    if (expr->kind == EXPR_SOME && expr->with_count > 0)
        return (struct expr *)parser_fail(p, "unexpected with keyword");
    return expr;
}

static bool at_end(const struct parser *p, const char *end)
{
    return end[0] == '\0' ? peek(p)->kind == TOKEN_END : parser_is_punct(p, end);
}

static struct body *read_body(struct parser *p, const char *end)
{
    struct body *body = (struct body *)arena_calloc(p->arena, 1, sizeof(*body));

    if (at_end(p, end))
        return (struct body *)parser_fail(p, "found empty body");
    for (;;) {
        struct expr *expr = parser_literal(p);
        if (expr == NULL)
            return NULL;
        ast_body_push(p->arena, body, expr);
        if (body->len > PARSER_BODY_MAX)
            return (struct body *)parser_fail(p, "a body of more than %d expressions",
                                              PARSER_BODY_MAX);
        bool parted = false;
        while (parser_take_punct(p, ";"))
            parted = true;
        if (at_end(p, end))
            break;
        if (!parted && !peek(p)->after_newline)
            return (struct body *)parser_fail(p, "unexpected token: expected \\n or ;%s%s",
                                              end[0] != '\0' ? " or " : "", end);
    }
    return body;
}

struct body *parser_body(struct parser *p, const char *end)
{
    if (p->over_limit)
        return NULL;
    if (p->depth >= PARSER_DEPTH_MAX)
        return (struct body *)parser_fail(p, "max nesting depth of %d reached", PARSER_DEPTH_MAX);
    p->depth++;
    struct body *body = read_body(p, end);
    p->depth--;
    return body;
}

/* --- rules ------------------------------------------------------------------------------------ */

static struct body *true_body(struct parser *p, struct loc loc)
{
    struct body *body = (struct body *)arena_calloc(p->arena, 1, sizeof(*body));
    ast_body_push(p->arena, body, ast_expr(p->arena, loc, ast_value(p->arena, loc, &rval_true)));
    return body;
}

static void push_rule(struct parser *p, struct module *module, struct rule *rule)
{
    if ((module->rule_count & (module->rule_count - 1)) == 0) {
        size_t cap = module->rule_count == 0 ? 1 : module->rule_count * 2;
        struct rule **grown = (struct rule **)arena_alloc(p->arena, cap * sizeof(*grown));
        if (module->rule_count > 0)
            memcpy(grown, module->rules, module->rule_count * sizeof(*grown));
        module->rules = grown;
    }
    module->rules[module->rule_count++] = rule;
}

static struct rule *new_rule(struct parser *p, const struct module *module, struct loc loc)
{
    struct rule *rule = (struct rule *)arena_calloc(p->arena, 1, sizeof(*rule));
    rule->module = module;
    rule->loc = loc;
    return rule;
}

static bool parse_args(struct parser *p, struct rule *rule)
{
    CLEANUP(part_list) struct part_list args = {0};

    while (!parser_is_punct(p, ")")) {
        struct term *arg = parser_term_in(p, false);
        if (arg == NULL)
            return false;
        part_list_push(&args, arg);
        if (!parser_take_punct(p, ","))
            break;
    }
    rule->args = ast_items(p->arena, rule->loc, TERM_ARRAY, args.ptr, args.len)->items;
    rule->arg_count = (uint32_t)args.len;
    rule->is_function = args.len > 0; /* f() is the rule f */
    return parser_expect(p, ")");
}

/* "= value" or ":= value" of a head or an else. */
static bool parse_value(struct parser *p, struct term **value)
{
    if (!parser_take_punct(p, ":=") && !parser_take_punct(p, "="))
        return true;
    *value = parser_term_in(p, false);
    return *value != NULL;
}

static bool parse_head(struct parser *p, struct rule *rule)
{
    const struct token *token = peek(p);
    if (token->kind != TOKEN_NAME)
        return parser_fail(p, "unexpected token: expected a rule") != NULL;
    if (parser_is_keyword(p, token->text) && !parser_is_ref_head(p))
        return parser_fail(p, "unexpected %.*s keyword: expected a rule name", (int)token->text.len,
                           token->text.ptr) != NULL;
    p->pos++;
    struct term *name = ast_var(p->arena, token->loc, token->text);
    struct term *ref = parser_suffix(p, name, true);
    if (ref == NULL)
        return false;
    if (ref->kind == TERM_REF && ref->len > PARSER_PATH_MAX)
        return parser_fail(p, "a rule's name has more than %d parts", PARSER_PATH_MAX) != NULL;
    rule->ref = ref->kind == TERM_REF ? ref : ast_items(p->arena, token->loc, TERM_REF, &ref, 1);
    if (parser_is_punct(p, "(") && !peek(p)->after_space) {
        p->pos++;
        if (!parse_args(p, rule))
            return false;
    }
    if (p->word_contains && parser_is_word(p, "contains")) {
        if (rule->is_function)
            return parser_fail(p, "the contains keyword can only be used with multi-value rule "
                                  "definitions") != NULL;
        p->pos++;
        rule->kind = RULE_SET;
        rule->element = parser_term_in(p, false);
        return rule->element != NULL;
    }
    return parse_value(p, &rule->value);
}

/* v0's p[x] without a value and without "if" is a set. */
static void take_key_as_element(struct parser *p, struct rule *rule)
{
    rule->kind = RULE_SET;
    rule->element = rule->ref->items[1];
    rule->ref = ast_items(p->arena, rule->ref->loc, TERM_REF, rule->ref->items, 1);
}

/* The body behind a head or an else; *BRACES tells whether further bodies may follow. */
static bool parse_rule_body(struct parser *p, struct rule *rule, bool has_if, bool *braces)
{
    *braces = false;
    if (parser_is_punct(p, "{")) {
        if (!has_if && p->v1)
            return parser_fail(p, "`if` keyword is required before rule body") != NULL;
        size_t start = p->pos++;
        int depth = p->depth;
        rule->body = parser_body(p, "}");
        if (rule->body != NULL && parser_expect(p, "}")) {
            *braces = true;
            return true;
        }
        if (!has_if)
            return false;
        /* Not a body: a term in braces, such as a comprehension. */
        p->pos = start;
        p->depth = depth;
    }
    if (!has_if) {
        rule->body = true_body(p, rule->loc);
        return true;
    }
    struct expr *expr = parser_literal(p);
    if (expr == NULL)
        return false;
    rule->body = (struct body *)arena_calloc(p->arena, 1, sizeof(*rule->body));
    ast_body_push(p->arena, rule->body, expr);
    return true;
}

static bool parse_else(struct parser *p, const struct module *module, struct rule *rule)
{
    for (int count = 0; parser_is_word(p, "else"); count++) {
        if (count == PARSER_ELSE_MAX)
            return parser_fail(p, "a rule with more than %d else", PARSER_ELSE_MAX) != NULL;
        struct rule *next = new_rule(p, module, peek(p)->loc);
        if (rule->kind == RULE_SET)
            return parser_fail(p, "else keyword cannot be used on multi-value rules") != NULL;
        p->pos++;
        next->kind = rule->kind;
        next->ref = rule->ref;
        next->args = rule->args;
        next->arg_count = rule->arg_count;
        next->is_function = rule->is_function;
        if (!parse_value(p, &next->value))
            return false;
        bool has_if = p->word_if && parser_take_word(p, "if");
        bool braces;
        if (next->value == NULL && !has_if && !parser_is_punct(p, "{"))
            return parser_fail(p, "expected a value or a body behind \"else\"") != NULL;
        if (next->value == NULL)
            next->value = ast_value(p->arena, next->loc, &rval_true);
        if (!parse_rule_body(p, next, has_if, &braces))
            return false;
        next->end_line = p->tokens[p->pos - 1].loc.line;
        rule->or_else = next;
        rule = next;
    }
    return true;
}

static bool parse_default(struct parser *p, struct module *module, struct loc loc)
{
    struct rule *rule = new_rule(p, module, loc);
    rule->is_default = true;
    if (!parse_head(p, rule))
        return false;
    if (rule->kind == RULE_SET || rule->value == NULL)
        return parser_fail(p, "default rule must have a value") != NULL;
    if (parser_is_punct(p, "{") || (p->word_if && parser_is_word(p, "if")))
        return parser_fail(p, "default rule must not have a body") != NULL;
    rule->body = true_body(p, loc);
    rule->end_line = p->tokens[p->pos - 1].loc.line;
    push_rule(p, module, rule);
    return true;
}

/* Further bodies behind the first one: rules with the same head. */
static bool parse_more_bodies(struct parser *p, struct module *module, const struct rule *first)
{
    while (parser_is_punct(p, "{")) {
        struct rule *rule = new_rule(p, module, peek(p)->loc);
        struct loc loc = rule->loc;
        bool braces;
        *rule = *first;
        rule->loc = loc;
        rule->or_else = NULL;
        if (!parse_rule_body(p, rule, true, &braces))
            return false;
        push_rule(p, module, rule);
    }
    return true;
}

bool parser_rule(struct parser *p, struct module *module)
{
    struct loc loc = peek(p)->loc;

    if (parser_take_word(p, "default"))
        return parse_default(p, module, loc);

    struct rule *rule = new_rule(p, module, loc);
    if (!parse_head(p, rule))
        return false;
    bool has_if = p->word_if && parser_take_word(p, "if");
    bool bare = rule->kind == RULE_VALUE && rule->value == NULL && !rule->is_function;
    bool has_body = has_if || parser_is_punct(p, "{");
    if (bare && !has_if && rule->ref->len == 2) {
        if (p->v1)
            return parser_fail(p, "`contains` keyword is required for partial set rules") != NULL;
        take_key_as_element(p, rule);
    } else if (bare && !has_body) {
        return parser_fail(p, "var cannot be used for rule name") != NULL;
    }
    if (rule->kind == RULE_VALUE && rule->value == NULL)
        rule->value = ast_value(p->arena, rule->loc, &rval_true);
    bool braces;
    if (!parse_rule_body(p, rule, has_if, &braces))
        return false;
    rule->end_line = p->tokens[p->pos - 1].loc.line;
    push_rule(p, module, rule);
    if (!parse_else(p, module, rule))
        return false;
    return !braces || rule->or_else != NULL || parse_more_bodies(p, module, rule);
}
