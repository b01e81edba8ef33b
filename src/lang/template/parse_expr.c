/* What stands in an action: pipelines of commands of operands.  Variables become slots of a frame
 * here, so that rendering looks nothing up by name. */
#include "lang/template/parse.h"

#include "base/error.h"
#include "base/mem.h"
#include "lang/caret.h"
#include "lang/regex.h"
#include "lang/utf8.h"

#include <stdlib.h>
#include <string.h>

DEFINE_VECTOR(expr_list, struct expr)
DEFINE_VECTOR(command_list, struct command)
DEFINE_VECTOR(span_list, struct span)

int template_parse_fail_at(struct parser *p, size_t offset, const char *what)
{
    return caret_set(p->err, ERROR_INVALID, p->template->what, p->text, offset, "%s", what);
}

int template_parse_fail_named(struct parser *p, size_t offset, const char *what, struct span name)
{
    return caret_set(p->err, ERROR_INVALID, p->template->what, p->text, offset, "%s \"%.*s\"", what,
                     (int)name.len, name.ptr);
}

void *template_parse_alloc(struct parser *p, size_t count, size_t size)
{
    return arena_calloc(&p->template->arena, count, size);
}

/* Moves a vector's elements into the template's memory. */
static void *keep(struct parser *p, const void *data, size_t count, size_t size)
{
    void *copy = template_parse_alloc(p, count > 0 ? count : 1, size);

    if (count > 0)
        memcpy(copy, data, count * size);
    return copy;
}

/* Tokens of the current action. */

struct token *template_parse_peek(struct parser *p)
{
    if (!p->has_token) {
        p->token = template_token_next(&p->action);
        p->has_token = true;
    }
    return &p->token;
}

struct token template_parse_take(struct parser *p)
{
    struct token token = *template_parse_peek(p);

    p->has_token = false;
    return token;
}

void template_parse_skip_space(struct parser *p)
{
    while (template_parse_peek(p)->kind == TOKEN_SPACE)
        template_parse_take(p);
}

size_t template_parse_offset_of(const struct parser *p, const struct token *token)
{
    return (size_t)(token->text.ptr - p->text.ptr);
}

int template_parse_unexpected(struct parser *p, const struct token *token, const char *context)
{
    size_t offset = template_parse_offset_of(p, token);

    if (token->kind == TOKEN_ERROR)
        return template_parse_fail_at(p, offset, token->problem);
    if (token->kind == TOKEN_END)
        return caret_set(p->err, ERROR_INVALID, p->template->what, p->text, offset,
                         "the action ends too early in %s", context);
    return caret_set(p->err, ERROR_INVALID, p->template->what, p->text, offset,
                     "unexpected \"%.*s\" in %s", (int)token->text.len, token->text.ptr, context);
}

int template_parse_expect_end(struct parser *p, const char *context)
{
    template_parse_skip_space(p);
    if (template_parse_peek(p)->kind != TOKEN_END)
        return template_parse_unexpected(p, template_parse_peek(p), context);
    return 0;
}

/* Variables. */

static int declare(struct parser *p, struct span name, size_t *slot)
{
    if (p->variable_count == TEMPLATE_MAX_VARIABLES)
        return template_parse_fail_named(p, (size_t)(name.ptr - p->text.ptr),
                                         "too many variables at", name);
    *slot = p->variable_count;
    p->variables[p->variable_count++] = name;
    if (p->variable_count > p->most_variables)
        p->most_variables = p->variable_count;
    return 0;
}

static int find_variable(struct parser *p, struct span name, size_t *slot)
{
    for (size_t i = p->variable_count; i-- > 0;)
        if (span_eq(p->variables[i], name)) {
            *slot = i;
            return 0;
        }
    return template_parse_fail_named(p, (size_t)(name.ptr - p->text.ptr), "undefined variable",
                                     name);
}

/* Expressions. */

int template_parse_string(struct parser *p, const struct token *token, struct span *out)
{
    CLEANUP(buf) struct buf text = BUF_INIT(TEMPLATE_MAX_BYTES);

    if (!template_literal_decode(token->text, &text))
        return template_parse_fail_at(p, template_parse_offset_of(p, token),
                                      "a wrong escape in a quoted text");
    *out = (struct span){
        arena_strndup(&p->template->arena, text.ptr != NULL ? text.ptr : "", text.len), text.len};
    return 0;
}

static int decode_char(struct parser *p, const struct token *token, struct number *number)
{
    CLEANUP(buf) struct buf text = BUF_INIT(16);
    size_t size = 0;

    if (!template_literal_decode(token->text, &text) || text.len == 0)
        return template_parse_fail_at(p, template_parse_offset_of(p, token),
                                      "a wrong character constant");
    uint32_t c = utf8_decode(text.ptr, text.len, &size);
    if (size != text.len)
        return template_parse_fail_at(p, template_parse_offset_of(p, token),
                                      "a character constant is one character");
    *number = (struct number){true, true, true, false, c, c};
    return 0;
}

static int parse_word(struct parser *p, const struct token *token, struct expr *expr)
{
    if (span_eq_str(token->text, "true") || span_eq_str(token->text, "false")) {
        expr->kind = EXPR_BOOL;
        expr->b = token->text.len == 4;
        return 0;
    }
    if (span_eq_str(token->text, "nil")) {
        expr->kind = EXPR_NIL;
        return 0;
    }
    expr->kind = EXPR_FUNCTION;
    expr->function = template_function_find(token->text);
    if (expr->function == NULL)
        return template_parse_fail_named(p, template_parse_offset_of(p, token),
                                         "there is no function", token->text);
    return 0;
}

static int parse_number(struct parser *p, const struct token *token, struct expr *expr)
{
    expr->kind = EXPR_NUMBER;
    if (!template_number_parse(token->text, &expr->number))
        return template_parse_fail_named(p, template_parse_offset_of(p, token),
                                         "this is not a number:", token->text);
    return 0;
}

static int parse_parentheses(struct parser *p, const struct token *token, struct expr *expr)
{
    if (++p->depth > TEMPLATE_MAX_DEPTH)
        return template_parse_fail_at(p, template_parse_offset_of(p, token), "nested too deeply");
    expr->kind = EXPR_PIPE;
    expr->pipe = template_parse_pipe(p, true, "parentheses");
    p->depth--;
    return expr->pipe != NULL ? 0 : -1;
}

/* One operand without the fields that follow it.  *FOUND is false if the next token starts none. */
static int parse_term(struct parser *p, struct expr *expr, bool *found)
{
    struct token token = *template_parse_peek(p);

    *expr = (struct expr){.offset = template_parse_offset_of(p, &token)};
    *found = true;
    switch (token.kind) {
    case TOKEN_WORD:
        template_parse_take(p);
        return parse_word(p, &token, expr);
    case TOKEN_DOT:
        template_parse_take(p);
        expr->kind = EXPR_DOT;
        return 0;
    case TOKEN_VARIABLE:
        template_parse_take(p);
        expr->kind = EXPR_VARIABLE;
        return find_variable(p, token.text, &expr->slot);
    case TOKEN_FIELD:
        expr->kind = EXPR_FIELD; /* the fields are taken by the caller */
        return 0;
    case TOKEN_NUMBER:
        template_parse_take(p);
        return parse_number(p, &token, expr);
    case TOKEN_CHAR:
        template_parse_take(p);
        expr->kind = EXPR_NUMBER;
        return decode_char(p, &token, &expr->number);
    case TOKEN_STRING:
        template_parse_take(p);
        expr->kind = EXPR_TEXT;
        return template_parse_string(p, &token, &expr->text);
    case TOKEN_OPEN:
        template_parse_take(p);
        return parse_parentheses(p, &token, expr);
    case TOKEN_END:
    case TOKEN_ERROR:
    case TOKEN_SPACE:
    case TOKEN_PIPE:
    case TOKEN_CLOSE:
    case TOKEN_COMMA:
    case TOKEN_DECLARE:
    case TOKEN_ASSIGN:
        break;
    }
    *found = false;
    return 0;
}

/* An operand with the fields behind it. */
static int parse_operand(struct parser *p, struct expr *expr, bool *found)
{
    struct span_list fields = {0};

    if (parse_term(p, expr, found) == -1)
        return -1;
    if (!*found || template_parse_peek(p)->kind != TOKEN_FIELD)
        return 0;
    if (expr->kind == EXPR_PIPE)
        expr->kind = EXPR_CHAIN;
    else if (expr->kind != EXPR_FIELD && expr->kind != EXPR_VARIABLE)
        return template_parse_unexpected(p, template_parse_peek(p), "an operand");
    while (template_parse_peek(p)->kind == TOKEN_FIELD)
        span_list_push(&fields, template_parse_take(p).text);
    expr->fields = keep(p, fields.ptr, fields.len, sizeof(*fields.ptr));
    expr->field_count = fields.len;
    span_list_reset(&fields);
    return 0;
}

/* Compiles the pattern of mustRegexReplaceAll if it is a literal; one that is wrong is reported
 * when it is used, as in Go. */
static void compile_literal(struct parser *p, struct command *command)
{
    struct error *err = NULL;

    if (command->count < 2 || command->args[0].kind != EXPR_FUNCTION ||
        strcmp(command->args[0].function->name, "mustRegexReplaceAll") != 0 ||
        command->args[1].kind != EXPR_TEXT)
        return;
    if (regex_compile(command->args[1].text, &command->regex, &err) == -1)
        error_clear(&err);
    else
        regex_list_push(&p->regexes, command->regex);
}

/* Operands parted by blanks, up to a '|' (taken), ')' or the end. */
static int parse_command(struct parser *p, struct command *command)
{
    struct expr_list args = {0};
    bool found = true;
    int result = 0;

    *command = (struct command){0};
    while (result == 0) {
        struct expr expr;

        template_parse_skip_space(p);
        result = parse_operand(p, &expr, &found);
        if (result == -1 || !found)
            break;
        expr_list_push(&args, expr);
        enum token_kind next = template_parse_peek(p)->kind;
        if (args.len > TEMPLATE_MAX_ARGS)
            result = template_parse_fail_at(p, expr.offset, "too many arguments");
        else if (next != TOKEN_SPACE)
            break;
    }
    struct token *next = template_parse_peek(p);
    if (result == 0 && next->kind == TOKEN_PIPE)
        template_parse_take(p);
    else if (result == 0 && next->kind != TOKEN_END && next->kind != TOKEN_CLOSE)
        result = template_parse_unexpected(p, next, "an operand");
    else if (result == 0 && args.len == 0)
        result = template_parse_unexpected(p, next, "a command");
    command->args = keep(p, args.ptr, args.len, sizeof(*args.ptr));
    command->count = args.len;
    expr_list_reset(&args);
    if (result == 0)
        compile_literal(p, command);
    return result;
}

/* "$x :=", "$x =", and in a range "$i, $x :=".  What looks like it but is none is left alone. */
static int parse_declaration(struct parser *p, bool in_range, struct pipe *pipe)
{
    struct span names[2];
    int count = 0;
    struct span saved_action = p->action;
    struct token saved = *template_parse_peek(p);

    while (template_parse_peek(p)->kind == TOKEN_VARIABLE && count < 2) {
        names[count++] = template_parse_take(p).text;
        template_parse_skip_space(p);
        if (template_parse_peek(p)->kind != TOKEN_COMMA)
            break;
        template_parse_take(p);
        template_parse_skip_space(p);
        if (!in_range || count == 2)
            return template_parse_fail_at(p, template_parse_offset_of(p, &saved),
                                          "too many variables are declared");
    }
    enum token_kind sign = template_parse_peek(p)->kind;
    if (count == 0 || (sign != TOKEN_DECLARE && sign != TOKEN_ASSIGN)) {
        if (count == 2)
            return template_parse_unexpected(p, template_parse_peek(p), "a declaration");
        p->action = saved_action;
        p->token = saved;
        p->has_token = true;
        return 0;
    }
    template_parse_take(p);
    pipe->is_assign = sign == TOKEN_ASSIGN;
    pipe->slot_count = count;
    for (int i = 0; i < count; i++)
        if ((pipe->is_assign ? find_variable(p, names[i], &pipe->slots[i])
                             : declare(p, names[i], &pipe->slots[i])) == -1)
            return -1;
    return 0;
}

static bool is_literal(const struct expr *expr)
{
    return expr->kind == EXPR_BOOL || expr->kind == EXPR_DOT || expr->kind == EXPR_NIL ||
           expr->kind == EXPR_NUMBER || expr->kind == EXPR_TEXT;
}

static int parse_commands(struct parser *p, struct command_list *commands, enum token_kind end,
                          const char *context)
{
    for (;;) {
        struct command command;

        template_parse_skip_space(p);
        if (template_parse_peek(p)->kind == end) {
            template_parse_take(p);
            return 0;
        }
        if (parse_command(p, &command) == -1)
            return -1;
        if (command.count == 0)
            return template_parse_unexpected(p, template_parse_peek(p), context);
        if (commands->len > 0 && is_literal(&command.args[0]))
            return template_parse_fail_at(p, command.args[0].offset,
                                          "only a function may follow '|'");
        command_list_push(commands, command);
    }
}

/* What PIPE declares has no name yet in its own commands: "$x := $x" means the $x from before. */
static void hide_declared(struct parser *p, const struct pipe *pipe, struct span names[2])
{
    for (int i = 0; i < pipe->slot_count && !pipe->is_assign; i++) {
        names[i] = p->variables[pipe->slots[i]];
        p->variables[pipe->slots[i]] = (struct span){0};
    }
}

static void show_declared(struct parser *p, const struct pipe *pipe, const struct span names[2])
{
    for (int i = 0; i < pipe->slot_count && !pipe->is_assign; i++)
        p->variables[pipe->slots[i]] = names[i];
}

struct pipe *template_parse_pipe(struct parser *p, bool in_parentheses, const char *context)
{
    struct pipe *pipe = template_parse_alloc(p, 1, sizeof(*pipe));
    struct command_list commands = {0};
    struct span names[2];

    template_parse_skip_space(p);
    pipe->offset = template_parse_offset_of(p, template_parse_peek(p));
    if (parse_declaration(p, strcmp(context, "range") == 0, pipe) == -1)
        return NULL;
    hide_declared(p, pipe, names);
    int result = parse_commands(p, &commands, in_parentheses ? TOKEN_CLOSE : TOKEN_END, context);
    show_declared(p, pipe, names);
    if (result == 0 && commands.len == 0)
        result = caret_set(p->err, ERROR_INVALID, p->template->what, p->text, pipe->offset,
                           "a value is missing for %s", context);
    pipe->commands = keep(p, commands.ptr, commands.len, sizeof(*commands.ptr));
    pipe->count = commands.len;
    command_list_reset(&commands);
    return result == 0 ? pipe : NULL;
}
