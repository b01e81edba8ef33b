#include "lang/rego/number.h"
#include "lang/rego/parser_internal.h"

DEFINE_VECTOR(term_list, struct term *)
DEFINE_CLEANUP_IN_PLACE(term_list, struct term_list, term_list_reset)

/* Alternatives are tried in turn; a text in which that multiplies is refused.  Once a limit is met
 * no alternative is tried any more. */
static bool enter(struct parser *p)
{
    if (p->over_limit)
        return false;
    if (++p->work > p->work_max) {
        p->error = NULL; /* of alternatives: the limit is what counts */
        parser_fail(p, "the text has too many readings: use parentheses or fewer levels");
        p->over_limit = true;
        return false;
    }
    if (p->depth >= PARSER_DEPTH_MAX) {
        p->error = NULL;
        parser_fail(p, "max nesting depth of %d reached", PARSER_DEPTH_MAX);
        p->over_limit = true;
        return false;
    }
    p->depth++;
    return true;
}

/* Items up to the punct END, which is consumed.  A comma before it is accepted. */
static bool parse_items(struct parser *p, const char *end, struct term_list *items)
{
    while (!parser_is_punct(p, end)) {
        struct term *item = parser_term_in(p, str_eq(end, ")"));
        if (item == NULL)
            return false;
        term_list_push(items, item);
        if (!parser_take_punct(p, ","))
            break;
    }
    return parser_expect(p, end);
}

/* What stands behind the "|" of a comprehension, with its end. */
static struct body *parse_comprehension(struct parser *p, const char *end)
{
    p->pos++;
    struct body *body = parser_body(p, end);
    if (body == NULL || !parser_take_punct(p, end))
        return NULL;
    return body;
}

static struct term *new_comprehension(struct parser *p, struct loc loc, enum term_kind kind,
                                      struct term *key, struct term *head, struct body *body)
{
    struct term *term = ast_items(p->arena, loc, kind, NULL, 0);
    term->key = key;
    term->head = head;
    term->body = body;
    return term;
}

/* HEAD, read in search of a comprehension, is the first item if it ends like one. */
static bool take_first(struct parser *p, struct term *head, const char *end,
                       struct term_list *items)
{
    if (!parser_is_punct(p, ",") && !parser_is_punct(p, end))
        return false;
    parser_take_punct(p, ",");
    term_list_push(items, head);
    return true;
}

static struct term *parse_array(struct parser *p)
{
    CLEANUP(term_list) struct term_list items = {0};
    struct loc loc = peek(p)->loc;
    size_t start = ++p->pos;

    if (!parser_is_punct(p, "]")) {
        struct term *head = parser_infix(p, true);
        if (head == NULL)
            return NULL;
        if (parser_is_punct(p, "|")) {
            struct body *body = parse_comprehension(p, "]");
            if (body != NULL)
                return new_comprehension(p, loc, TERM_ARRAY_COMP, NULL, head, body);
            p->pos = start;
        } else if (!take_first(p, head, "]", &items))
            p->pos = start;
    }
    if (!parse_items(p, "]", &items))
        return NULL;
    return ast_items(p->arena, loc, TERM_ARRAY, items.ptr, items.len);
}

/* The rest of an object behind its first pair, KEY and VALUE, unless these are NULL. */
static struct term *parse_object(struct parser *p, struct loc loc, struct term *key_read,
                                 struct term *value_read)
{
    CLEANUP(term_list) struct term_list items = {0};

    if (key_read != NULL) {
        term_list_push(&items, key_read);
        term_list_push(&items, value_read);
        parser_take_punct(p, ",");
    }
    while (!parser_is_punct(p, "}")) {
        struct term *key = parser_infix(p, false);
        if (key == NULL || !parser_expect(p, ":"))
            return NULL;
        struct term *value = parser_term_in(p, false);
        if (value == NULL)
            return NULL;
        term_list_push(&items, key);
        term_list_push(&items, value);
        if (!parser_take_punct(p, ","))
            break;
    }
    if (!parser_expect(p, "}"))
        return NULL;
    return ast_items(p->arena, loc, TERM_OBJECT, items.ptr, items.len);
}

static struct term *parse_set(struct parser *p, struct loc loc)
{
    CLEANUP(term_list) struct term_list items = {0};
    if (!parse_items(p, "}", &items))
        return NULL;
    return ast_items(p->arena, loc, TERM_SET, items.ptr, items.len);
}

static struct term *parse_braces(struct parser *p)
{
    CLEANUP(term_list) struct term_list items = {0};
    struct loc loc = peek(p)->loc;
    size_t start = ++p->pos;

    if (parser_take_punct(p, "}"))
        return ast_items(p->arena, loc, TERM_OBJECT, NULL, 0);
    struct term *head = parser_infix(p, true);
    if (head == NULL)
        return NULL;
    if (parser_is_punct(p, "|")) {
        struct body *body = parse_comprehension(p, "}");
        if (body != NULL)
            return new_comprehension(p, loc, TERM_SET_COMP, NULL, head, body);
        p->pos = start;
        return parse_set(p, loc);
    }
    if (parser_take_punct(p, ":")) {
        struct term *value = parser_infix(p, true);
        if (value == NULL)
            return NULL;
        if (parser_is_punct(p, "|")) {
            struct body *body = parse_comprehension(p, "}");
            if (body != NULL)
                return new_comprehension(p, loc, TERM_OBJECT_COMP, head, value, body);
        } else if (parser_is_punct(p, ",") || parser_is_punct(p, "}"))
            return parse_object(p, loc, head, value);
        p->pos = start;
        return parse_object(p, loc, NULL, NULL);
    }
    if (take_first(p, head, "}", &items))
        return parse_items(p, "}", &items)
                   ? ast_items(p->arena, loc, TERM_SET, items.ptr, items.len)
                   : NULL;
    p->pos = start;
    return parse_set(p, loc);
}

static struct term *parse_call(struct parser *p, struct term *op)
{
    CLEANUP(term_list) struct term_list items = {0};

    p->pos++;
    term_list_push(&items, op);
    if (!parse_items(p, ")", &items))
        return NULL;
    return ast_items(p->arena, op->loc, TERM_CALL, items.ptr, items.len);
}

/* One ".name" or "[term]". */
static struct term *parse_part(struct parser *p)
{
    const struct token *token = peek(p);
    if (parser_take_punct(p, ".")) {
        token = peek(p);
        if (token->kind != TOKEN_NAME || token->after_space)
            return (struct term *)parser_fail(p, "expected a name behind \".\"");
        p->pos++;
        return ast_value(p->arena, token->loc,
                         rval_string(p->arena, token->text.ptr, token->text.len));
    }
    p->pos++;
    struct term *part = parser_term_in(p, true);
    if (part == NULL || !parser_expect(p, "]"))
        return NULL;
    return part;
}

struct term *parser_suffix(struct parser *p, struct term *head, bool no_call)
{
    CLEANUP(term_list) struct term_list parts = {0};
    struct term *term = head;

    for (;;) {
        if (peek(p)->after_space)
            return term;
        if (parser_is_punct(p, ".") || parser_is_punct(p, "[")) {
            parts.len = 0;
            term_list_push(&parts, term);
            while (!peek(p)->after_space && (parser_is_punct(p, ".") || parser_is_punct(p, "["))) {
                struct term *part = parse_part(p);
                if (part == NULL)
                    return NULL;
                term_list_push(&parts, part);
            }
            term = ast_items(p->arena, head->loc, TERM_REF, parts.ptr, parts.len);
        } else if (parser_is_punct(p, "(") && !no_call &&
                   (term->kind == TERM_VAR || term->kind == TERM_REF)) {
            term = parse_call(p, term);
            if (term == NULL)
                return NULL;
        } else {
            return term;
        }
    }
}

static struct term *parse_name(struct parser *p)
{
    const struct token *token = peek(p);

    if (parser_is_ref_head(p)) {
        /* not a keyword, not a constant */
    } else if (span_eq_str(token->text, "true") || span_eq_str(token->text, "false")) {
        p->pos++;
        return ast_value(p->arena, token->loc, rval_bool(token->text.ptr[0] == 't'));
    }
    if (!parser_is_ref_head(p) && span_eq_str(token->text, "null")) {
        p->pos++;
        return ast_value(p->arena, token->loc, &rval_null);
    }
    if (!parser_is_ref_head(p) && parser_is_keyword(p, token->text) &&
        !span_eq_str(token->text, "contains"))
        return (struct term *)parser_fail(p, "unexpected %.*s keyword", (int)token->text.len,
                                          token->text.ptr);
    p->pos++;
    if (span_eq_str(token->text, "set") && parser_is_punct(p, "(") && !peek(p)->after_space) {
        const struct token *close = &p->tokens[p->pos + 1];
        if (close->kind == TOKEN_PUNCT && close->punct[0] == ')') {
            p->pos += 2;
            return ast_value(p->arena, token->loc, &rval_empty_set);
        }
    }
    struct term *var = ast_var(p->arena, token->loc, token->text);
    if (span_eq_str(token->text, "data"))
        var->var = VAR_DATA;
    else if (span_eq_str(token->text, "input"))
        var->var = VAR_INPUT;
    return var;
}

static struct term *parse_negative(struct parser *p)
{
    struct loc loc = peek(p)->loc;
    p->pos++;
    const struct token *token = peek(p);
    if (token->kind != TOKEN_NUMBER || token->after_space)
        return (struct term *)parser_fail(p, "expected a number behind \"-\"");
    p->pos++;
    struct arena *arena = p->arena;
    char *text = (char *)arena_alloc(arena, token->text.len + 2);
    text[0] = '-';
    memcpy(text + 1, token->text.ptr, token->text.len);
    const struct rval *value = rnum_parse(arena, text, token->text.len + 1);
    return value != NULL ? ast_value(arena, loc, value)
                         : (struct term *)parser_fail(p, "illegal number format");
}

static struct term *parse_primary(struct parser *p)
{
    const struct token *token = peek(p);

    switch (token->kind) {
    case TOKEN_NUMBER:
    case TOKEN_STRING:
        p->pos++;
        return ast_value(p->arena, token->loc, token->value);
    case TOKEN_NAME:
        return parse_name(p);
    case TOKEN_TEMPLATE:
        return parser_template(p);
    case TOKEN_PUNCT:
        if (parser_is_punct(p, "["))
            return parse_array(p);
        if (parser_is_punct(p, "{"))
            return parse_braces(p);
        if (parser_is_punct(p, "-"))
            return parse_negative(p);
        if (parser_take_punct(p, "(")) {
            struct term *inner = parser_term_in(p, true);
            if (inner == NULL || !parser_expect(p, ")"))
                return NULL;
            inner->parenthesised = true;
            return inner;
        }
        return (struct term *)parser_fail(p, "unexpected %s token", token->punct);
    case TOKEN_END:
        break;
    }
    return (struct term *)parser_fail(p, "unexpected eof token");
}

struct term *parser_term(struct parser *p)
{
    if (!enter(p))
        return NULL;
    struct term *term = parse_primary(p);
    if (term != NULL)
        term = parser_suffix(p, term, false);
    p->depth--;
    return term;
}

/* Operators by level, from the loosest; all are left associative. */
/* clang-format off */
static const struct level { const char *punct[7], *names[7]; } levels[] = {
    {{"==", "!=", "<", "<=", ">", ">=", NULL}, {"equal", "neq", "lt", "lte", "gt", "gte", NULL}},
    {{"|", NULL}, {"or", NULL}},
    {{"&", NULL}, {"and", NULL}},
    {{"+", "-", NULL}, {"plus", "minus", NULL}},
    {{"*", "/", "%", NULL}, {"mul", "div", "rem", NULL}},
};
/* clang-format on */
enum { LEVEL_COUNT = sizeof(levels) / sizeof(levels[0]), LEVEL_OR = 1 };

static const char *match_level(const struct parser *p, const struct level *level)
{
    if (peek(p)->kind != TOKEN_PUNCT)
        return NULL;
    for (int i = 0; level->punct[i] != NULL; i++)
        if (strcmp(peek(p)->punct, level->punct[i]) == 0)
            return level->names[i];
    return NULL;
}

static struct term *parse_level(struct parser *p, int at, bool no_or)
{
    if (at == LEVEL_COUNT)
        return parser_term(p);
    struct term *left = parse_level(p, at + 1, no_or);
    while (left != NULL && !(no_or && at == LEVEL_OR)) {
        const char *name = match_level(p, &levels[at]);
        if (name == NULL)
            break;
        struct loc loc = peek(p)->loc;
        p->pos++;
        struct term *right = parse_level(p, at + 1, no_or);
        left = right != NULL ? ast_call(p->arena, loc, name, left, right) : NULL;
    }
    return left;
}

struct term *parser_infix(struct parser *p, bool no_or)
{
    if (!enter(p))
        return NULL;
    struct term *term = parse_level(p, 0, no_or);
    p->depth--;
    return term;
}

/* "k, v in xs", or NULL with the position where it was. */
static struct term *parse_pair_in(struct parser *p, struct term *key)
{
    size_t start = p->pos++;
    struct term *value = parser_infix(p, false);
    if (value == NULL || !parser_is_word(p, "in")) {
        p->pos = start;
        return NULL;
    }
    struct loc loc = peek(p)->loc;
    p->pos++;
    struct term *xs = parser_infix(p, false);
    if (xs == NULL)
        return NULL;
    struct term *items[] = {ast_var(p->arena, loc, SPAN("internal.member_3")), key, value, xs};
    return ast_items(p->arena, key->loc, TERM_CALL, items, 4);
}

struct term *parser_term_in(struct parser *p, bool pair)
{
    struct term *left = parser_infix(p, false);
    if (left == NULL || !p->word_in)
        return left;
    if (pair && parser_is_punct(p, ",")) {
        struct term *call = parse_pair_in(p, left);
        if (call == NULL)
            return left;
        left = call;
    }
    while (parser_is_word(p, "in")) {
        struct loc loc = peek(p)->loc;
        p->pos++;
        struct term *xs = parser_infix(p, false);
        if (xs == NULL)
            return NULL;
        left = ast_call(p->arena, loc, "internal.member_2", left, xs);
    }
    return left;
}
