/* One lexer and one parser for clauses and expressions, so text in quotes is never taken for a
 * keyword, and a field may be called like one. */
#include "lang/tsl/lex.h"
#include "lang/tsl/tree.h"

#include "base/array.h"
#include "base/error.h"
#include "base/mem.h"
#include "lang/caret.h"
#include "lang/regex.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { MAX_ITEMS = 10000 };

struct parser {
    struct tsl *tsl;
    struct span text;
    struct tsl_token token; /* looked at */
    size_t pos;             /* behind it */
    size_t before;          /* end of the token taken last */
    int depth;
    struct error **err;
};

DEFINE_VECTOR(node_ptr_list, struct tsl_node *)

static struct tsl_node *parse_or(struct parser *p);

static void advance(struct parser *p)
{
    p->before = p->pos;
    p->token = tsl_token_next(p->text, &p->pos, p->tsl->strict);
}

static size_t offset_of(const struct parser *p)
{
    return (size_t)(p->token.text.ptr - p->text.ptr);
}

/* Fails at OFFSET; HELP, unless NULL, is added. */
static struct tsl_node *fail(struct parser *p, size_t offset, const char *what, const char *help)
{
    caret_set(p->err, ERROR_INVALID, "query", p->text, offset, "%s%s%s", what,
              help != NULL ? "; " : "", help != NULL ? help : "");
    return NULL;
}

static struct tsl_node *unexpected(struct parser *p, const char *wanted)
{
    if (p->token.kind == TSL_TOKEN_WRONG)
        return fail(p, offset_of(p), p->token.problem, NULL);
    CLEANUP(str)
    char *what = p->token.kind == TSL_TOKEN_END
                     ? xasprintf("%s is missing at the end", wanted)
                     : xasprintf("syntax error: expected %s, found \"%.*s\"", wanted,
                                 (int)p->token.text.len, p->token.text.ptr);
    return fail(p, offset_of(p), what, NULL);
}

static bool is_word(const struct parser *p, const char *word)
{
    return p->token.kind == TSL_TOKEN_NAME && p->token.text.len == strlen(word) &&
           strncasecmp(p->token.text.ptr, word, p->token.text.len) == 0;
}

static bool is_sign(const struct parser *p, const char *sign)
{
    return p->token.kind == TSL_TOKEN_SIGN && span_eq_str(p->token.text, sign);
}

static bool take_word(struct parser *p, const char *word)
{
    if (!is_word(p, word))
        return false;
    advance(p);
    return true;
}

static bool take_sign(struct parser *p, const char *sign)
{
    if (!is_sign(p, sign))
        return false;
    advance(p);
    return true;
}

static struct tsl_node *new_node(struct parser *p, enum tsl_op op, size_t offset)
{
    struct tsl_node *node = arena_calloc(&p->tsl->arena, 1, sizeof(*node));

    node->op = op;
    node->offset = offset;
    return node;
}

static struct tsl_node *binary(struct parser *p, enum tsl_op op, size_t offset,
                               struct tsl_node *left, struct tsl_node *right)
{
    if (left == NULL || right == NULL)
        return NULL;
    struct tsl_node *node = new_node(p, op, offset);
    node->left = left;
    node->right = right;
    return node;
}

/* Names and literals. */

static bool is_reserved(const struct parser *p)
{
    static const char *const words[] = {"like", "ilike", "and", "or", "between", "in", "is"};

    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        if (is_word(p, words[i]))
            return true;
    return false;
}

/* Reads "[...]" at the start of *REST into STEP. */
static void parse_bracket(struct span *rest, struct tsl_step *step)
{
    const char *close = memchr(rest->ptr, ']', rest->len); /* the lexer has seen it */
    struct span inner = span_trim((struct span){rest->ptr + 1, (size_t)(close - rest->ptr) - 1});
    uint64_t index;

    *rest = (struct span){close + 1, rest->len - (size_t)(close + 1 - rest->ptr)};
    *step = (struct tsl_step){.kind = TSL_STEP_KEY, .key = inner};
    if (span_eq_str(inner, "*")) {
        step->kind = TSL_STEP_ALL;
    } else if (span_u64(inner, &index)) {
        step->kind = TSL_STEP_INDEX;
        step->index = (size_t)index;
    } else if (inner.len >= 2 && (inner.ptr[0] == '\'' || inner.ptr[0] == '"') &&
               inner.ptr[inner.len - 1] == inner.ptr[0]) {
        step->key = (struct span){inner.ptr + 1, inner.len - 2};
    }
}

/* A path: names parted by dots, and brackets. */
static struct tsl_node *make_path(struct parser *p, struct span text, size_t offset)
{
    struct tsl_node *node = new_node(p, TSL_OP_PATH, offset);
    struct span rest = text;

    node->steps = arena_calloc(&p->tsl->arena, text.len + 1, sizeof(*node->steps));
    while (rest.len > 0) {
        struct tsl_step *step = &node->steps[node->step_count];
        size_t len = 0;

        if (rest.ptr[0] == '[') {
            parse_bracket(&rest, step);
            node->step_count++;
        } else {
            while (len < rest.len && rest.ptr[len] != '.' && rest.ptr[len] != '[')
                len++;
            *step = (struct tsl_step){.kind = TSL_STEP_KEY, .key = {rest.ptr, len}};
            node->step_count += len > 0;
            rest = (struct span){rest.ptr + len, rest.len - len};
        }
        if (rest.len > 0 && rest.ptr[0] == '.')
            rest = (struct span){rest.ptr + 1, rest.len - 1};
    }
    return node;
}

static struct tsl_node *parse_name(struct parser *p)
{
    size_t offset = offset_of(p);
    struct span text = p->token.text;

    for (size_t i = 0; i < p->tsl->columns.len; i++)
        if (span_eq_str(text, p->tsl->columns.ptr[i].name)) {
            advance(p);
            return p->tsl->columns.ptr[i].node;
        }
    advance(p);
    /* "web-01" without quotes is a subtraction that nobody means */
    bool glued = is_sign(p, "-") && p->before == offset_of(p) && p->pos < p->text.len;
    if (glued && !p->tsl->strict) {
        size_t next = p->pos;
        struct tsl_token after = tsl_token_next(p->text, &next, false);
        if (after.kind == TSL_TOKEN_NAME && after.text.ptr == p->text.ptr + p->pos)
            return fail(p, offset, "a name has no '-' in it",
                        "quote text, write a - b to subtract");
    }
    if (p->tsl->division.len == 0 && tsl_name_is_division(text))
        p->tsl->division = text;
    return make_path(p, text, offset);
}

static struct tsl_node *parse_literal(struct parser *p)
{
    struct tsl_node *node = new_node(p, TSL_OP_LITERAL, offset_of(p));
    CLEANUP(buf) struct buf text = BUF_INIT(TSL_MAX_BYTES);

    if (p->token.kind == TSL_TOKEN_NUMBER) {
        node->literal = (struct tsl_val){.kind = TSL_NUMBER, .n = p->token.number};
    } else if (p->token.kind == TSL_TOKEN_NAME) {
        node->literal = (struct tsl_val){.kind = TSL_BOOL, .b = p->token.text.len == 4};
    } else {
        if (p->token.kind == TSL_TOKEN_TEXT)
            tsl_token_text(p->token.text, &text);
        else
            buf_add_span(&text, p->token.text);
        char *copy = arena_strndup(&p->tsl->arena, text.ptr != NULL ? text.ptr : "", text.len);
        node->literal = (struct tsl_val){.kind = TSL_TEXT, .text = {copy, text.len}};
    }
    advance(p);
    return node;
}

static struct tsl_node *parse_array(struct parser *p)
{
    struct tsl_node *node = new_node(p, TSL_OP_ARRAY, offset_of(p));
    struct node_ptr_list items = {0};
    struct tsl_node *item = node;

    advance(p);
    while (item != NULL && !is_sign(p, "]")) {
        item = parse_or(p);
        if (item != NULL)
            node_ptr_list_push(&items, item);
        if (!take_sign(p, ","))
            break;
    }
    node->item_count = items.len;
    node->items = arena_calloc(&p->tsl->arena, items.len + 1, sizeof(struct tsl_node *));
    if (items.len > 0)
        memcpy(node->items, items.ptr, items.len * sizeof(struct tsl_node *));
    node_ptr_list_reset(&items);
    if (item == NULL)
        return NULL;
    return take_sign(p, "]") ? node : unexpected(p, "']'");
}

static struct tsl_node *parse_parentheses(struct parser *p)
{
    advance(p);
    struct tsl_node *node = parse_or(p);
    if (node == NULL)
        return NULL;
    if (is_sign(p, ","))
        return fail(p, offset_of(p), "syntax error: ',' in parentheses", "lists are written [ ]");
    return take_sign(p, ")") ? node : unexpected(p, "')'");
}

static struct tsl_node *parse_unary(struct parser *p)
{
    if (is_sign(p, "-") || is_sign(p, "+")) {
        size_t offset = offset_of(p);
        bool negative = is_sign(p, "-");
        if (++p->depth > TSL_MAX_DEPTH)
            return fail(p, offset, "nested too deeply", NULL);
        advance(p);
        struct tsl_node *inner = parse_unary(p);
        p->depth--;
        if (!negative || inner == NULL)
            return inner;
        struct tsl_node *node = new_node(p, TSL_OP_NEG, offset);
        node->left = inner;
        return node;
    }
    if (is_sign(p, "("))
        return parse_parentheses(p);
    if (is_sign(p, "["))
        return parse_array(p);
    if (p->token.kind == TSL_TOKEN_TEXT || p->token.kind == TSL_TOKEN_DATE ||
        p->token.kind == TSL_TOKEN_NUMBER || is_word(p, "true") || is_word(p, "false"))
        return parse_literal(p);
    if (is_word(p, "null"))
        return fail(p, offset_of(p), "syntax error: null stands behind IS only", "write: is null");
    if (p->token.kind == TSL_TOKEN_NAME && !is_reserved(p))
        return parse_name(p);
    return unexpected(p, "a value");
}

/* The functions of arrays; where NOT stands as low as in the old tool, it is one more of them. */
static struct tsl_node *parse_prefix(struct parser *p)
{
    static const struct {
        const char *word;
        enum tsl_op op;
    } words[] = {{"len", TSL_OP_LEN},
                 {"any", TSL_OP_ANY},
                 {"all", TSL_OP_ALL},
                 {"sum", TSL_OP_SUM},
                 {"not", TSL_OP_NOT}};

    for (size_t i = 0; i < ARRAY_SIZE(words) - !p->tsl->strict; i++) {
        size_t offset = offset_of(p);
        if (!is_word(p, words[i].word))
            continue;
        if (++p->depth > TSL_MAX_DEPTH)
            return fail(p, offset, "nested too deeply", NULL);
        advance(p);
        struct tsl_node *inner = parse_prefix(p);
        p->depth--;
        if (inner == NULL)
            return NULL;
        struct tsl_node *node = new_node(p, words[i].op, offset);
        node->left = inner;
        return node;
    }
    return parse_unary(p);
}

struct sign_op {
    const char *sign;
    enum tsl_op op;
};

static const struct sign_op *find_sign(const struct parser *p, const struct sign_op *ops,
                                       size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (is_sign(p, ops[i].sign))
            return &ops[i];
    return NULL;
}

static struct tsl_node *parse_product(struct parser *p)
{
    static const struct sign_op ops[] = {{"*", TSL_OP_MUL}, {"/", TSL_OP_DIV}, {"%", TSL_OP_MOD}};
    struct tsl_node *node = parse_prefix(p);
    const struct sign_op *op;

    while (node != NULL && (op = find_sign(p, ops, ARRAY_SIZE(ops))) != NULL) {
        size_t offset = offset_of(p);
        advance(p);
        node = binary(p, op->op, offset, node, parse_prefix(p));
    }
    return node;
}

static struct tsl_node *parse_sum(struct parser *p)
{
    static const struct sign_op ops[] = {{"+", TSL_OP_ADD}, {"-", TSL_OP_SUB}};
    struct tsl_node *node = parse_product(p);
    const struct sign_op *op;

    while (node != NULL && (op = find_sign(p, ops, ARRAY_SIZE(ops))) != NULL) {
        size_t offset = offset_of(p);
        advance(p);
        node = binary(p, op->op, offset, node, parse_product(p));
    }
    return node;
}

/* Prepares the pattern of a ~= that is a literal. */
static struct tsl_node *set_pattern(struct parser *p, struct tsl_node *node)
{
    if (node == NULL || node->right->op != TSL_OP_LITERAL || node->right->literal.kind != TSL_TEXT)
        return node;
    struct span pattern = node->right->literal.text, part = pattern;
    if (regex_compile(pattern, &node->regex, p->err) == -1) {
        CLEANUP(str) char *why = error_format(*p->err);
        error_clear(p->err);
        return fail(p, node->right->offset, why, NULL);
    }
    tsl_regex_list_push(&p->tsl->regexes, node->regex);
    /* an unanchored ".*x.*" finds what "x" finds */
    if (span_starts_with(part, ".*"))
        part = (struct span){part.ptr + 2, part.len - 2};
    if (part.len >= 2 && memcmp(part.ptr + part.len - 2, ".*", 2) == 0 &&
        (part.len == 2 || part.ptr[part.len - 3] != '\\'))
        part.len -= 2;
    size_t plain = 0;
    while (plain < part.len && strchr("\\^$.|?*+()[]{}", part.ptr[plain]) == NULL)
        plain++;
    if (plain == part.len)
        node->part = part;
    return node;
}

static struct tsl_node *parse_right(struct parser *p)
{
    size_t start = offset_of(p);
    bool is_name = p->token.kind == TSL_TOKEN_NAME;
    size_t end = p->pos;

    if (is_name && !p->tsl->strict && end + 1 < p->text.len && p->text.ptr[end] == '-' &&
        p->text.ptr[end + 1] >= '0' && p->text.ptr[end + 1] <= '9')
        return fail(p, start, "a name has no '-' in it", "quote text, write a - b to subtract");
    return parse_sum(p);
}

static struct tsl_node *parse_between(struct parser *p, struct tsl_node *left, size_t offset)
{
    struct tsl_node *low = parse_sum(p);

    if (low == NULL)
        return NULL;
    if (!take_word(p, "and"))
        return unexpected(p, "AND of BETWEEN");
    struct tsl_node *high = parse_sum(p);
    struct tsl_node *node = binary(p, TSL_OP_BETWEEN, offset, left, low);
    if (node == NULL || high == NULL)
        return NULL;
    node->third = high;
    return node;
}

static struct tsl_node *parse_is(struct parser *p, struct tsl_node *left, size_t offset)
{
    struct tsl_node *node = new_node(p, TSL_OP_IS_NULL, offset);

    node->left = left;
    node->negated = take_word(p, "not");
    return take_word(p, "null") ? node : unexpected(p, "NULL");
}

/* LIKE, ILIKE, IN, BETWEEN behind an optional NOT.  *FOUND is false if there is none. */
static struct tsl_node *parse_word_operator(struct parser *p, struct tsl_node *left, bool *found)
{
    size_t offset = offset_of(p);
    struct parser saved = *p;
    bool negated = take_word(p, "not");
    struct tsl_node *node;

    *found = true;
    if (take_word(p, "like"))
        node = binary(p, TSL_OP_LIKE, offset, left, parse_sum(p));
    else if (take_word(p, "ilike"))
        node = binary(p, TSL_OP_ILIKE, offset, left, parse_sum(p));
    else if (take_word(p, "in"))
        node = binary(p, TSL_OP_IN, offset, left, parse_sum(p));
    else if (take_word(p, "between"))
        node = parse_between(p, left, offset);
    else {
        *p = saved;
        *found = false;
        return left;
    }
    if (node != NULL)
        node->negated = negated;
    return node;
}

static struct tsl_node *parse_comparison(struct parser *p)
{
    static const struct sign_op ops[] = {
        {"=", TSL_OP_EQ},     {"==", TSL_OP_EQ},   {"!=", TSL_OP_NE}, {"<>", TSL_OP_NE},
        {"<", TSL_OP_LT},     {"<=", TSL_OP_LE},   {">", TSL_OP_GT},  {">=", TSL_OP_GE},
        {"~=", TSL_OP_MATCH}, {"~!", TSL_OP_MATCH}};
    struct tsl_node *node = parse_sum(p);
    bool found = true;

    while (node != NULL && found) {
        const struct sign_op *op = find_sign(p, ops, ARRAY_SIZE(ops));
        size_t offset = offset_of(p);

        if (op != NULL) {
            advance(p);
            node = binary(p, op->op, offset, node, parse_right(p));
            if (node != NULL && op->op == TSL_OP_MATCH) {
                node->negated = op->sign[1] == '!';
                node = set_pattern(p, node);
            }
        } else if (take_word(p, "is")) {
            node = parse_is(p, node, offset);
        } else {
            node = parse_word_operator(p, node, &found);
        }
    }
    return node;
}

static struct tsl_node *parse_not(struct parser *p)
{
    size_t offset = offset_of(p);

    if (p->tsl->strict || !take_word(p, "not"))
        return parse_comparison(p);
    if (++p->depth > TSL_MAX_DEPTH)
        return fail(p, offset, "nested too deeply", NULL);
    struct tsl_node *inner = parse_not(p);
    p->depth--;
    if (inner == NULL)
        return NULL;
    struct tsl_node *node = new_node(p, TSL_OP_NOT, offset);
    node->left = inner;
    return node;
}

static struct tsl_node *parse_and(struct parser *p)
{
    struct tsl_node *node = parse_not(p);

    while (node != NULL && is_word(p, "and")) {
        size_t offset = offset_of(p);
        advance(p);
        node = binary(p, TSL_OP_AND, offset, node, parse_not(p));
    }
    return node;
}

static struct tsl_node *parse_or(struct parser *p)
{
    if (++p->depth > TSL_MAX_DEPTH)
        return fail(p, offset_of(p), "nested too deeply", NULL);
    struct tsl_node *node = parse_and(p);

    while (node != NULL && is_word(p, "or")) {
        size_t offset = offset_of(p);
        advance(p);
        node = binary(p, TSL_OP_OR, offset, node, parse_and(p));
    }
    p->depth--;
    return node;
}

/* Clauses. */

static int missing(struct parser *p, const char *wanted)
{
    unexpected(p, wanted);
    return -1;
}

static int parse_select(struct parser *p)
{
    do {
        size_t start = offset_of(p);
        struct tsl_node *node = parse_or(p);
        if (node == NULL)
            return -1;
        node->is_column = true;
        struct span name = span_trim((struct span){p->text.ptr + start, p->before - start});
        if (take_word(p, "as")) {
            if (p->token.kind != TSL_TOKEN_NAME)
                return missing(p, "a name behind AS");
            name = p->token.text;
            advance(p);
        }
        tsl_column_list_push(&p->tsl->columns, (struct tsl_column){span_dup(name), node});
        if (p->tsl->columns.len > MAX_ITEMS)
            return missing(p, "fewer columns");
    } while (take_sign(p, ","));
    return 0;
}

static int parse_order(struct parser *p)
{
    if (!take_word(p, "by"))
        return missing(p, "BY");
    do {
        struct tsl_node *node = parse_sum(p);
        if (node == NULL)
            return -1;
        bool descending = take_word(p, "desc");
        if (!descending)
            take_word(p, "asc");
        tsl_order_list_push(&p->tsl->orders, (struct tsl_order){node, descending});
    } while (take_sign(p, ","));
    return 0;
}

static int parse_limit(struct parser *p)
{
    if (p->tsl->strict && p->token.kind == TSL_TOKEN_NAME) {
        advance(p); /* the old tool goes on without a limit */
        return 0;
    }
    if (p->token.kind != TSL_TOKEN_NUMBER || !span_u64(p->token.text, &p->tsl->limit))
        return missing(p, "a whole number behind LIMIT");
    p->tsl->has_limit = true;
    advance(p);
    return 0;
}

enum clause { CLAUSE_SELECT, CLAUSE_WHERE, CLAUSE_ORDER, CLAUSE_LIMIT, CLAUSE_NONE };

static enum clause find_clause(const struct parser *p)
{
    static const struct {
        const char *word;
        enum clause clause;
    } words[] = {{"select", CLAUSE_SELECT},
                 {"where", CLAUSE_WHERE},
                 {"order", CLAUSE_ORDER},
                 {"sort", CLAUSE_ORDER},
                 {"limit", CLAUSE_LIMIT}};

    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        if (is_word(p, words[i].word))
            return words[i].clause;
    return CLAUSE_NONE;
}

static int parse_clause(struct parser *p, enum clause clause)
{
    switch (clause) {
    case CLAUSE_SELECT:
        return parse_select(p);
    case CLAUSE_WHERE:
        p->tsl->where = parse_or(p);
        return p->tsl->where != NULL ? 0 : -1;
    case CLAUSE_ORDER:
        return parse_order(p);
    case CLAUSE_LIMIT:
        return parse_limit(p);
    case CLAUSE_NONE:
        break;
    }
    return -1;
}

/* What stands where a clause or the end should. */
static int refuse_clause(struct parser *p, enum clause clause, enum clause last)
{
    if (clause == CLAUSE_NONE)
        unexpected(p, "an operator, ORDER BY, LIMIT or the end");
    else if (clause == last)
        fail(p, offset_of(p), "this clause is there twice, or conflicts with one like it", NULL);
    else
        fail(p, offset_of(p), "the clauses are in the wrong order",
             "SELECT, WHERE, ORDER BY, LIMIT");
    return -1;
}

static int parse_query(struct parser *p)
{
    enum clause last = CLAUSE_NONE;

    if (p->token.kind == TSL_TOKEN_END)
        return 0;
    if (find_clause(p) == CLAUSE_NONE) {
        if (parse_clause(p, CLAUSE_WHERE) == -1)
            return -1;
        last = CLAUSE_WHERE;
    }
    while (p->token.kind != TSL_TOKEN_END) {
        enum clause clause = find_clause(p);
        if (clause == CLAUSE_NONE || (last != CLAUSE_NONE && clause <= last))
            return refuse_clause(p, clause, last);
        advance(p);
        if (parse_clause(p, clause) == -1)
            return -1;
        last = clause;
    }
    return 0;
}

int tsl_parse(const char *text, struct tsl **out, struct error **err)
{
    return tsl_parse_mode(text, TSL_LENIENT, out, err);
}

int tsl_parse_mode(const char *text, enum tsl_mode mode, struct tsl **out, struct error **err)
{
    CLEANUP(tsl) struct tsl *tsl = xcalloc(1, sizeof(*tsl));
    size_t len = strlen(text);

    if (len > TSL_MAX_BYTES)
        return error_set(err, ERROR_INVALID, "a query of more than %d bytes", TSL_MAX_BYTES);
    if (!utf8_is_valid(text, len))
        return error_set(err, ERROR_INVALID, "a query is not valid UTF-8");
    tsl->text = xstrdup(text);
    tsl->len = len;
    tsl->strict = mode == TSL_STRICT;
    arena_init(&tsl->arena, 0);
    struct parser p = {.tsl = tsl, .text = {tsl->text, len}, .err = err};
    if (tsl->strict && tsl_check_strict(p.text, err) == -1)
        return -1;
    advance(&p);
    if (parse_query(&p) == -1)
        return -1;
    *out = steal(&tsl);
    return 0;
}

void tsl_free(struct tsl *tsl)
{
    if (tsl == NULL)
        return;
    for (size_t i = 0; i < tsl->columns.len; i++)
        free(tsl->columns.ptr[i].name);
    tsl_column_list_reset(&tsl->columns);
    tsl_order_list_reset(&tsl->orders);
    for (size_t i = 0; i < tsl->regexes.len; i++)
        regex_free(tsl->regexes.ptr[i]);
    tsl_regex_list_reset(&tsl->regexes);
    arena_reset(&tsl->arena);
    free(tsl->text);
    free(tsl);
}
