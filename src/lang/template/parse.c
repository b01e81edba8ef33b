/* Recursive descent over the text: actions are found first, then each is cut into tokens. */
#include "lang/template/parse.h"

#include "base/error.h"
#include "base/mem.h"
#include "lang/caret.h"
#include "lang/regex.h"

#include <stdlib.h>
#include <string.h>

/* What ends a list of nodes. */
enum list_end { END_FILE, END_END, END_ELSE };

static int parse_list(struct parser *p, bool top, struct node_list *list, enum list_end *end);

/* Statements. */

static struct node *add_node(struct parser *p, struct node_list *list, enum node_kind kind,
                             size_t offset)
{
    struct node *node = template_parse_alloc(p, 1, sizeof(*node));

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

    template_parse_skip_space(p);
    struct token token = *template_parse_peek(p);
    bool chains =
        token.kind == TOKEN_WORD && span_eq_str(token.text, word) && node->kind != NODE_RANGE;
    if (chains) {
        template_parse_take(p);
        return parse_control(p, add_node(p, &node->otherwise, node->kind, template_parse_offset_of(p, &token)),
                             word);
    }
    if (template_parse_expect_end(p, "else") == -1 || parse_list(p, false, &node->otherwise, &end) == -1)
        return -1;
    return end == END_END ? template_parse_expect_end(p, "end")
                          : template_parse_fail_at(p, node->offset, "expected {{end}}, found another {{else}}");
}

/* The rest of an if, with or range, up to its end. */
static int parse_control(struct parser *p, struct node *node, const char *word)
{
    size_t variables = p->variable_count;
    enum list_end end;

    if (++p->depth > TEMPLATE_MAX_DEPTH)
        return template_parse_fail_at(p, node->offset, "nested too deeply");
    node->pipe = template_parse_pipe(p, false, word);
    if (node->pipe == NULL)
        return -1;
    p->range_depth += node->kind == NODE_RANGE;
    int result = parse_list(p, false, &node->body, &end);
    p->range_depth -= node->kind == NODE_RANGE;
    if (result == 0)
        result = end == END_ELSE ? parse_else(p, node, word) : template_parse_expect_end(p, "end");
    p->variable_count = variables;
    p->depth--;
    return result;
}

static int parse_name(struct parser *p, const char *context, struct span *name)
{
    template_parse_skip_space(p);
    struct token token = template_parse_take(p);
    if (token.kind != TOKEN_STRING)
        return template_parse_unexpected(p, &token, context);
    return template_parse_string(p, &token, name);
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
        return template_parse_fail_named(p, offset, "a second definition of", name);
    map_put(p->template->trees, key, tree);
    return 0;
}

/* The body of a define or block: variables of its own, up to its end. */
static int parse_tree(struct parser *p, struct span name, size_t offset)
{
    struct tree *tree = template_parse_alloc(p, 1, sizeof(*tree));
    struct span outer[TEMPLATE_MAX_VARIABLES];
    size_t outer_count = p->variable_count, outer_most = p->most_variables;
    int outer_range = p->range_depth;
    enum list_end end;

    memcpy(outer, p->variables, sizeof(outer));
    p->variable_count = p->most_variables = 1;
    p->range_depth = 0;
    if (++p->depth > TEMPLATE_MAX_DEPTH)
        return template_parse_fail_at(p, offset, "nested too deeply");
    if (parse_list(p, false, &tree->body, &end) == -1)
        return -1;
    if (end != END_END)
        return template_parse_fail_at(p, offset, "expected {{end}}, found {{else}}");
    p->depth--;
    tree->slot_count = p->most_variables;
    memcpy(p->variables, outer, sizeof(outer));
    p->variable_count = outer_count;
    p->most_variables = outer_most;
    p->range_depth = outer_range;
    if (template_parse_expect_end(p, "end") == -1)
        return -1;
    return add_tree(p, name, tree, offset);
}

static int parse_define(struct parser *p, bool top, size_t offset)
{
    struct span name;

    if (!top)
        return template_parse_fail_at(p, offset, "define is allowed outside of other blocks only");
    if (parse_name(p, "define", &name) == -1 || template_parse_expect_end(p, "define") == -1)
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
    template_parse_skip_space(p);
    if (is_block || template_parse_peek(p)->kind != TOKEN_END) {
        node->pipe = template_parse_pipe(p, false, context);
        if (node->pipe == NULL)
            return -1;
    }
    return is_block ? parse_tree(p, node->text, offset) : 0;
}

static int parse_jump(struct parser *p, struct node_list *list, enum node_kind kind, size_t offset)
{
    if (p->range_depth == 0)
        return template_parse_fail_at(p, offset, "break and continue are allowed inside of range only");
    add_node(p, list, kind, offset);
    return template_parse_expect_end(p, "break or continue");
}

static int parse_plain_action(struct parser *p, struct node_list *list, size_t offset)
{
    struct node *node = add_node(p, list, NODE_ACTION, offset);

    node->pipe = template_parse_pipe(p, false, "an action");
    return node->pipe != NULL ? 0 : -1;
}

/* One action.  *ENDS tells if it ends the list around it. */
static int parse_action(struct parser *p, bool top, struct node_list *list, bool *ends,
                        enum list_end *end)
{
    template_parse_skip_space(p);
    struct token token = *template_parse_peek(p);
    size_t offset = template_parse_offset_of(p, &token);

    *ends = false;
    if (token.kind != TOKEN_WORD)
        return parse_plain_action(p, list, offset);
    static const struct {
        const char *word;
        enum node_kind kind;
    } controls[] = {{"if", NODE_IF}, {"with", NODE_WITH}, {"range", NODE_RANGE}};
    for (size_t i = 0; i < 3; i++)
        if (span_eq_str(token.text, controls[i].word)) {
            template_parse_take(p);
            return parse_control(p, add_node(p, list, controls[i].kind, offset), controls[i].word);
        }
    bool is_block = span_eq_str(token.text, "block");
    if (is_block || span_eq_str(token.text, "template")) {
        template_parse_take(p);
        return parse_template_call(p, list, offset, is_block);
    }
    if (span_eq_str(token.text, "define")) {
        template_parse_take(p);
        return parse_define(p, top, offset);
    }
    if (span_eq_str(token.text, "break") || span_eq_str(token.text, "continue")) {
        template_parse_take(p);
        return parse_jump(p, list, token.text.len == 5 ? NODE_BREAK : NODE_CONTINUE, offset);
    }
    bool is_else = span_eq_str(token.text, "else");
    if (!is_else && !span_eq_str(token.text, "end"))
        return parse_plain_action(p, list, offset);
    if (top)
        return template_parse_fail_named(p, offset, "nothing is open for", token.text);
    template_parse_take(p);
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
        return template_parse_fail_at(p, offset, "a comment has no end");
    struct span rest = {close + 2, body.len - (size_t)(close + 2 - body.ptr)};
    *trims_after = rest.len >= 4 && is_space(rest.ptr[0]) &&
                   span_starts_with((struct span){rest.ptr + 1, rest.len - 1}, "-}}");
    if (!*trims_after && !span_starts_with(rest, "}}"))
        return template_parse_fail_at(p, (size_t)(rest.ptr - p->text.ptr), "a comment must fill its action");
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
            return template_parse_fail_at(p, (size_t)(open - p->text.ptr), "the action has no end");
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
    return top ? 0 : template_parse_fail_at(p, opened, "{{end}} is missing for what was opened before");
}

static int parse_all(struct parser *p)
{
    struct template *template = p->template;
    enum list_end end;

    p->variables[0] = SPAN("$");
    p->variable_count = p->most_variables = 1;
    template->main = template_parse_alloc(p, 1, sizeof(*template->main));
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
