/* Recursive descent over the text: actions are found first, then each is cut into tokens. Variables
 * become slots of a frame here, so that rendering looks nothing up by name. */
#include "lang/template/lex.h"
#include "lang/template/tree.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/vector.h"
#include "lang/caret.h"
#include "lang/regex.h"
#include "lang/utf8.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_VARIABLES = 100, MAX_ARGS = 100 };

DEFINE_VECTOR(expr_list, struct expr)
DEFINE_VECTOR(command_list, struct command)
DEFINE_VECTOR(span_list, struct span)
DEFINE_VECTOR(regex_list, struct regex *)

struct parser {
    struct template *template;
    struct span text;
    size_t pos; /* in text: where the next item starts */

    struct span action; /* what is left of the current action */
    struct token token; /* looked at, not taken */
    bool has_token;

    struct span variables[MAX_VARIABLES]; /* in scope, "$" first */
    size_t variable_count;
    size_t most_variables;
    int depth;
    int range_depth;
    struct regex_list regexes;
    struct error **err;
};

/* What ends a list of nodes. */
enum list_end { END_FILE, END_END, END_ELSE };

static int parse_list(struct parser *p, bool top, struct node_list *list, enum list_end *end);
static struct pipe *parse_pipe(struct parser *p, bool in_parentheses, const char *context);

static int fail_at(struct parser *p, size_t offset, const char *what)
{
    return caret_set(p->err, ERROR_INVALID, p->template->what, p->text, offset, "%s", what);
}

static int fail_named(struct parser *p, size_t offset, const char *what, struct span name)
{
    return caret_set(p->err, ERROR_INVALID, p->template->what, p->text, offset, "%s \"%.*s\"", what,
                     (int)name.len, name.ptr);
}

static void *alloc(struct parser *p, size_t count, size_t size)
{
    return arena_calloc(&p->template->arena, count, size);
}

/* Moves a vector's elements into the template's memory. */
static void *keep(struct parser *p, const void *data, size_t count, size_t size)
{
    void *copy = alloc(p, count > 0 ? count : 1, size);

    if (count > 0)
        memcpy(copy, data, count * size);
    return copy;
}

/* Tokens of the current action. */

static struct token *peek(struct parser *p)
{
    if (!p->has_token) {
        p->token = template_token_next(&p->action);
        p->has_token = true;
    }
    return &p->token;
}

static struct token take(struct parser *p)
{
    struct token token = *peek(p);

    p->has_token = false;
    return token;
}

static void skip_space(struct parser *p)
{
    while (peek(p)->kind == TOKEN_SPACE)
        take(p);
}

static size_t offset_of(const struct parser *p, const struct token *token)
{
    return (size_t)(token->text.ptr - p->text.ptr);
}

static int unexpected(struct parser *p, const struct token *token, const char *context)
{
    size_t offset = offset_of(p, token);

    if (token->kind == TOKEN_ERROR)
        return fail_at(p, offset, token->problem);
    if (token->kind == TOKEN_END)
        return caret_set(p->err, ERROR_INVALID, p->template->what, p->text, offset,
                         "the action ends too early in %s", context);
    return caret_set(p->err, ERROR_INVALID, p->template->what, p->text, offset,
                     "unexpected \"%.*s\" in %s", (int)token->text.len, token->text.ptr, context);
}

static int expect_end(struct parser *p, const char *context)
{
    skip_space(p);
    if (peek(p)->kind != TOKEN_END)
        return unexpected(p, peek(p), context);
    return 0;
}

/* Variables. */

static int declare(struct parser *p, struct span name, size_t *slot)
{
    if (p->variable_count == MAX_VARIABLES)
        return fail_named(p, (size_t)(name.ptr - p->text.ptr), "too many variables at", name);
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
    return fail_named(p, (size_t)(name.ptr - p->text.ptr), "undefined variable", name);
}

/* Expressions. */

static int decode_string(struct parser *p, const struct token *token, struct span *out)
{
    CLEANUP(buf) struct buf text = BUF_INIT(TEMPLATE_MAX_BYTES);

    if (!template_literal_decode(token->text, &text))
        return fail_at(p, offset_of(p, token), "a wrong escape in a quoted text");
    *out = (struct span){
        arena_strndup(&p->template->arena, text.ptr != NULL ? text.ptr : "", text.len), text.len};
    return 0;
}

static int decode_char(struct parser *p, const struct token *token, struct number *number)
{
    CLEANUP(buf) struct buf text = BUF_INIT(16);
    size_t size = 0;

    if (!template_literal_decode(token->text, &text) || text.len == 0)
        return fail_at(p, offset_of(p, token), "a wrong character constant");
    uint32_t c = utf8_decode(text.ptr, text.len, &size);
    if (size != text.len)
        return fail_at(p, offset_of(p, token), "a character constant is one character");
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
        return fail_named(p, offset_of(p, token), "there is no function", token->text);
    return 0;
}

static int parse_number(struct parser *p, const struct token *token, struct expr *expr)
{
    expr->kind = EXPR_NUMBER;
    if (!template_number_parse(token->text, &expr->number))
        return fail_named(p, offset_of(p, token), "this is not a number:", token->text);
    return 0;
}

static int parse_parentheses(struct parser *p, const struct token *token, struct expr *expr)
{
    if (++p->depth > TEMPLATE_MAX_DEPTH)
        return fail_at(p, offset_of(p, token), "nested too deeply");
    expr->kind = EXPR_PIPE;
    expr->pipe = parse_pipe(p, true, "parentheses");
    p->depth--;
    return expr->pipe != NULL ? 0 : -1;
}

/* One operand without the fields that follow it.  *FOUND is false if the next token starts none. */
static int parse_term(struct parser *p, struct expr *expr, bool *found)
{
    struct token token = *peek(p);

    *expr = (struct expr){.offset = offset_of(p, &token)};
    *found = true;
    switch (token.kind) {
    case TOKEN_WORD:
        take(p);
        return parse_word(p, &token, expr);
    case TOKEN_DOT:
        take(p);
        expr->kind = EXPR_DOT;
        return 0;
    case TOKEN_VARIABLE:
        take(p);
        expr->kind = EXPR_VARIABLE;
        return find_variable(p, token.text, &expr->slot);
    case TOKEN_FIELD:
        expr->kind = EXPR_FIELD; /* the fields are taken by the caller */
        return 0;
    case TOKEN_NUMBER:
        take(p);
        return parse_number(p, &token, expr);
    case TOKEN_CHAR:
        take(p);
        expr->kind = EXPR_NUMBER;
        return decode_char(p, &token, &expr->number);
    case TOKEN_STRING:
        take(p);
        expr->kind = EXPR_TEXT;
        return decode_string(p, &token, &expr->text);
    case TOKEN_OPEN:
        take(p);
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
    if (!*found || peek(p)->kind != TOKEN_FIELD)
        return 0;
    if (expr->kind == EXPR_PIPE)
        expr->kind = EXPR_CHAIN;
    else if (expr->kind != EXPR_FIELD && expr->kind != EXPR_VARIABLE)
        return unexpected(p, peek(p), "an operand");
    while (peek(p)->kind == TOKEN_FIELD)
        span_list_push(&fields, take(p).text);
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

        skip_space(p);
        result = parse_operand(p, &expr, &found);
        if (result == -1 || !found)
            break;
        expr_list_push(&args, expr);
        enum token_kind next = peek(p)->kind;
        if (args.len > MAX_ARGS)
            result = fail_at(p, expr.offset, "too many arguments");
        else if (next != TOKEN_SPACE)
            break;
    }
    struct token *next = peek(p);
    if (result == 0 && next->kind == TOKEN_PIPE)
        take(p);
    else if (result == 0 && next->kind != TOKEN_END && next->kind != TOKEN_CLOSE)
        result = unexpected(p, next, "an operand");
    else if (result == 0 && args.len == 0)
        result = unexpected(p, next, "a command");
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
    struct token saved = *peek(p);

    while (peek(p)->kind == TOKEN_VARIABLE && count < 2) {
        names[count++] = take(p).text;
        skip_space(p);
        if (peek(p)->kind != TOKEN_COMMA)
            break;
        take(p);
        skip_space(p);
        if (!in_range || count == 2)
            return fail_at(p, offset_of(p, &saved), "too many variables are declared");
    }
    enum token_kind sign = peek(p)->kind;
    if (count == 0 || (sign != TOKEN_DECLARE && sign != TOKEN_ASSIGN)) {
        if (count == 2)
            return unexpected(p, peek(p), "a declaration");
        p->action = saved_action;
        p->token = saved;
        p->has_token = true;
        return 0;
    }
    take(p);
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

        skip_space(p);
        if (peek(p)->kind == end) {
            take(p);
            return 0;
        }
        if (parse_command(p, &command) == -1)
            return -1;
        if (command.count == 0)
            return unexpected(p, peek(p), context);
        if (commands->len > 0 && is_literal(&command.args[0]))
            return fail_at(p, command.args[0].offset, "only a function may follow '|'");
        command_list_push(commands, command);
    }
}

static struct pipe *parse_pipe(struct parser *p, bool in_parentheses, const char *context)
{
    struct pipe *pipe = alloc(p, 1, sizeof(*pipe));
    struct command_list commands = {0};

    skip_space(p);
    pipe->offset = offset_of(p, peek(p));
    if (parse_declaration(p, strcmp(context, "range") == 0, pipe) == -1)
        return NULL;
    int result = parse_commands(p, &commands, in_parentheses ? TOKEN_CLOSE : TOKEN_END, context);
    if (result == 0 && commands.len == 0)
        result = caret_set(p->err, ERROR_INVALID, p->template->what, p->text, pipe->offset,
                           "a value is missing for %s", context);
    pipe->commands = keep(p, commands.ptr, commands.len, sizeof(*commands.ptr));
    pipe->count = commands.len;
    command_list_reset(&commands);
    return result == 0 ? pipe : NULL;
}

/* Statements. */

static struct node *add_node(struct parser *p, struct node_list *list, enum node_kind kind,
                             size_t offset)
{
    struct node *node = alloc(p, 1, sizeof(*node));

    node->kind = kind;
    node->offset = offset;
    if (list->first == NULL)
        list->first = node;
    else
        list->last->next = node;
    list->last = node;
    return node;
}

static int parse_control(struct parser *p, struct node *node, const char *word);

/* Behind the word else: "if ..." or "with ..." make a node of their own that shares the end. */
static int parse_else(struct parser *p, struct node *node, const char *word)
{
    enum list_end end;

    skip_space(p);
    struct token token = *peek(p);
    bool chains =
        token.kind == TOKEN_WORD && span_eq_str(token.text, word) && node->kind != NODE_RANGE;
    if (chains) {
        take(p);
        return parse_control(p, add_node(p, &node->otherwise, node->kind, offset_of(p, &token)),
                             word);
    }
    if (expect_end(p, "else") == -1 || parse_list(p, false, &node->otherwise, &end) == -1)
        return -1;
    return end == END_END ? expect_end(p, "end")
                          : fail_at(p, node->offset, "expected {{end}}, found another {{else}}");
}

/* The rest of an if, with or range, up to its end. */
static int parse_control(struct parser *p, struct node *node, const char *word)
{
    size_t variables = p->variable_count;
    enum list_end end;

    if (++p->depth > TEMPLATE_MAX_DEPTH)
        return fail_at(p, node->offset, "nested too deeply");
    node->pipe = parse_pipe(p, false, word);
    if (node->pipe == NULL)
        return -1;
    p->range_depth += node->kind == NODE_RANGE;
    int result = parse_list(p, false, &node->body, &end);
    p->range_depth -= node->kind == NODE_RANGE;
    if (result == 0)
        result = end == END_ELSE ? parse_else(p, node, word) : expect_end(p, "end");
    p->variable_count = variables;
    p->depth--;
    return result;
}

static int parse_name(struct parser *p, const char *context, struct span *name)
{
    skip_space(p);
    struct token token = take(p);
    if (token.kind != TOKEN_STRING)
        return unexpected(p, &token, context);
    return decode_string(p, &token, name);
}

static bool is_blank(const struct node_list *list)
{
    for (const struct node *node = list->first; node != NULL; node = node->next)
        if (node->kind != NODE_TEXT || span_trim(node->text).len > 0)
            return false;
    return true;
}

static int add_tree(struct parser *p, struct span name, struct tree *tree, size_t offset)
{
    CLEANUP(str) char *key = span_dup(name);
    const struct tree *old = map_find(p->template->trees, key);

    tree->is_empty = is_blank(&tree->body);
    if (old != NULL && !old->is_empty && tree->is_empty)
        return 0;
    if (old != NULL && !old->is_empty)
        return fail_named(p, offset, "a second definition of", name);
    map_put(p->template->trees, key, tree);
    return 0;
}

/* The body of a define or block: variables of its own, up to its end. */
static int parse_tree(struct parser *p, struct span name, size_t offset)
{
    struct tree *tree = alloc(p, 1, sizeof(*tree));
    struct span outer[MAX_VARIABLES];
    size_t outer_count = p->variable_count, outer_most = p->most_variables;
    int outer_range = p->range_depth;
    enum list_end end;

    memcpy(outer, p->variables, sizeof(outer));
    p->variable_count = p->most_variables = 1;
    p->range_depth = 0;
    if (++p->depth > TEMPLATE_MAX_DEPTH)
        return fail_at(p, offset, "nested too deeply");
    if (parse_list(p, false, &tree->body, &end) == -1)
        return -1;
    if (end != END_END)
        return fail_at(p, offset, "expected {{end}}, found {{else}}");
    p->depth--;
    tree->slot_count = p->most_variables;
    memcpy(p->variables, outer, sizeof(outer));
    p->variable_count = outer_count;
    p->most_variables = outer_most;
    p->range_depth = outer_range;
    if (expect_end(p, "end") == -1)
        return -1;
    return add_tree(p, name, tree, offset);
}

static int parse_define(struct parser *p, bool top, size_t offset)
{
    struct span name;

    if (!top)
        return fail_at(p, offset, "define is allowed outside of other blocks only");
    if (parse_name(p, "define", &name) == -1 || expect_end(p, "define") == -1)
        return -1;
    return parse_tree(p, name, offset);
}

static int parse_template_call(struct parser *p, struct node_list *list, size_t offset,
                               bool is_block)
{
    struct node *node = add_node(p, list, NODE_TEMPLATE, offset);
    const char *context = is_block ? "block" : "template";

    if (parse_name(p, context, &node->text) == -1)
        return -1;
    skip_space(p);
    if (is_block || peek(p)->kind != TOKEN_END) {
        node->pipe = parse_pipe(p, false, context);
        if (node->pipe == NULL)
            return -1;
    }
    return is_block ? parse_tree(p, node->text, offset) : 0;
}

static int parse_jump(struct parser *p, struct node_list *list, enum node_kind kind, size_t offset)
{
    if (p->range_depth == 0)
        return fail_at(p, offset, "break and continue are allowed inside of range only");
    add_node(p, list, kind, offset);
    return expect_end(p, "break or continue");
}

static int parse_plain_action(struct parser *p, struct node_list *list, size_t offset)
{
    struct node *node = add_node(p, list, NODE_ACTION, offset);

    node->pipe = parse_pipe(p, false, "an action");
    return node->pipe != NULL ? 0 : -1;
}

/* One action.  *ENDS tells if it ends the list around it. */
static int parse_action(struct parser *p, bool top, struct node_list *list, bool *ends,
                        enum list_end *end)
{
    skip_space(p);
    struct token token = *peek(p);
    size_t offset = offset_of(p, &token);

    *ends = false;
    if (token.kind != TOKEN_WORD)
        return parse_plain_action(p, list, offset);
    static const struct {
        const char *word;
        enum node_kind kind;
    } controls[] = {{"if", NODE_IF}, {"with", NODE_WITH}, {"range", NODE_RANGE}};
    for (size_t i = 0; i < 3; i++)
        if (span_eq_str(token.text, controls[i].word)) {
            take(p);
            return parse_control(p, add_node(p, list, controls[i].kind, offset), controls[i].word);
        }
    bool is_block = span_eq_str(token.text, "block");
    if (is_block || span_eq_str(token.text, "template")) {
        take(p);
        return parse_template_call(p, list, offset, is_block);
    }
    if (span_eq_str(token.text, "define")) {
        take(p);
        return parse_define(p, top, offset);
    }
    if (span_eq_str(token.text, "break") || span_eq_str(token.text, "continue")) {
        take(p);
        return parse_jump(p, list, token.text.len == 5 ? NODE_BREAK : NODE_CONTINUE, offset);
    }
    bool is_else = span_eq_str(token.text, "else");
    if (!is_else && !span_eq_str(token.text, "end"))
        return parse_plain_action(p, list, offset);
    if (top)
        return fail_named(p, offset, "nothing is open for", token.text);
    take(p);
    *ends = true;
    *end = is_else ? END_ELSE : END_END;
    return 0;
}

/* The text between actions. */

static struct span trim_left(struct span text)
{
    while (text.len > 0 && strchr(" \t\r\n", text.ptr[0]) != NULL)
        text = (struct span){text.ptr + 1, text.len - 1};
    return text;
}

static struct span trim_right(struct span text)
{
    while (text.len > 0 && strchr(" \t\r\n", text.ptr[text.len - 1]) != NULL)
        text.len--;
    return text;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Reads the comment at the start of BODY, what follows "{{" or "{{- ".  *LEN is what lies before
 * the closing braces. */
static int parse_comment(struct parser *p, struct span body, size_t *len, bool *trims_after)
{
    const char *close = memmem(body.ptr + 2, body.len - 2, "*/", 2);
    size_t offset = (size_t)(body.ptr - p->text.ptr);

    if (close == NULL)
        return fail_at(p, offset, "a comment has no end");
    struct span rest = {close + 2, body.len - (size_t)(close + 2 - body.ptr)};
    *trims_after = rest.len >= 4 && is_space(rest.ptr[0]) &&
                   span_starts_with((struct span){rest.ptr + 1, rest.len - 1}, "-}}");
    if (!*trims_after && !span_starts_with(rest, "}}"))
        return fail_at(p, (size_t)(rest.ptr - p->text.ptr), "a comment must fill its action");
    *len = (size_t)(rest.ptr - body.ptr) + (*trims_after ? 2 : 0);
    return 0;
}

/* Where the text up to the next action is; sets p->action and moves on.  *IS_ACTION is false at the
 * end and for comments. */
static int next_piece(struct parser *p, struct span *before, bool *is_action)
{
    struct span rest = {p->text.ptr + p->pos, p->text.len - p->pos};
    const char *open = rest.len >= 2 ? memmem(rest.ptr, rest.len, "{{", 2) : NULL;
    bool trims_after = false;
    size_t len = 0;

    *is_action = false;
    if (open == NULL) {
        *before = rest;
        p->pos = p->text.len;
        return 0;
    }
    *before = (struct span){rest.ptr, (size_t)(open - rest.ptr)};
    struct span body = {open + 2, rest.len - before->len - 2};
    if (body.len >= 2 && body.ptr[0] == '-' && is_space(body.ptr[1])) {
        *before = trim_right(*before);
        body = (struct span){body.ptr + 2, body.len - 2};
    }
    struct span comment = body;
    if (span_starts_with(comment, "/*")) {
        if (parse_comment(p, comment, &len, &trims_after) == -1)
            return -1;
    } else {
        if (!template_action_find_end(body, &len))
            return fail_at(p, (size_t)(open - p->text.ptr), "the action has no end");
        *is_action = true;
        p->action = (struct span){body.ptr, len};
        p->has_token = false;
        trims_after = len >= 2 && body.ptr[len - 1] == '-' && is_space(body.ptr[len - 2]);
        if (trims_after)
            p->action.len--;
    }
    p->pos = (size_t)(body.ptr - p->text.ptr) + len + 2;
    if (p->pos > p->text.len)
        p->pos = p->text.len;
    if (trims_after) {
        struct span after = {p->text.ptr + p->pos, p->text.len - p->pos};
        p->pos += after.len - trim_left(after).len;
    }
    return 0;
}

static int parse_list(struct parser *p, bool top, struct node_list *list, enum list_end *end)
{
    size_t opened = p->pos;

    while (p->pos < p->text.len) {
        struct span before;
        bool is_action, ends;

        if (next_piece(p, &before, &is_action) == -1)
            return -1;
        if (before.len > 0)
            add_node(p, list, NODE_TEXT, (size_t)(before.ptr - p->text.ptr))->text = before;
        if (!is_action)
            continue;
        if (parse_action(p, top, list, &ends, end) == -1)
            return -1;
        if (ends)
            return 0;
    }
    *end = END_FILE;
    return top ? 0 : fail_at(p, opened, "{{end}} is missing for what was opened before");
}

static int parse_all(struct parser *p)
{
    struct template *template = p->template;
    enum list_end end;

    p->variables[0] = SPAN("$");
    p->variable_count = p->most_variables = 1;
    template->main = alloc(p, 1, sizeof(*template->main));
    if (parse_list(p, true, &template->main->body, &end) == -1)
        return -1;
    template->main->slot_count = p->most_variables;
    return 0;
}

int template_parse(const char *what, const char *text, size_t len, struct template **out,
                   struct error **err)
{
    CLEANUP(template) struct template *template = xcalloc(1, sizeof(*template));

    if (len > TEMPLATE_MAX_BYTES)
        return error_set(err, ERROR_INVALID, "%s: a template of more than %d bytes", what,
                         TEMPLATE_MAX_BYTES);
    template->what = xstrdup(what);
    template->text = xstrndup(text, len);
    template->len = len;
    template->trees = map_new();
    arena_init(&template->arena, 0);

    struct parser parser = {.template = template, .text = {template->text, len}, .err = err};
    int result = parse_all(&parser);
    template->regexes = parser.regexes.ptr;
    template->regex_count = parser.regexes.len;
    if (result == -1)
        return -1;
    *out = steal(&template);
    return 0;
}

void template_free(struct template *template)
{
    if (template == NULL)
        return;
    for (size_t i = 0; i < template->regex_count; i++)
        regex_free(template->regexes[i]);
    free(template->regexes);
    arena_reset(&template->arena);
    map_free(template->trees, NULL);
    free(template->what);
    free(template->text);
    free(template);
}
