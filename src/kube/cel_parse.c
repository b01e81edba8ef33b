/* The lexer and the parser of CEL rules: recursive descent by precedence, weakest first.
 *
 *     choose = or ["?" or ":" choose]
 *     or     = and {"||" and}          and  = relation {"&&" relation}
 *     relation = unary [("==" | "!=" | "<" | "<=" | ">" | ">=" | "in") unary]
 *     unary  = {"!" | "-"} member      member = primary {"." name ["(" args ")"] | "[" choose "]"}
 */
#include "kube/cel_node.h"

#include "base/array.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "lang/regex.h"

#include <assert.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum token { T_END, T_NAME, T_TEXT, T_INT, T_REAL, T_SIGN };

struct parser {
    const char *source, *at;
    enum token token;
    struct span span; /* of the token */
    char *text;       /* a T_TEXT token's content, owned */
    struct cel_rule *rule;
    struct str_list variables; /* of the macros we are in; borrowed names */
    unsigned depth;
    struct error **err;
};

static int fail(struct parser *p, const char *what)
{
    if (p->token == T_END)
        return error_set(p->err, ERROR_INVALID, "%s at the end of the rule", what);
    return error_set(p->err, ERROR_INVALID, "%s at character %zu: \"%.*s\"", what,
                     (size_t)(p->span.ptr - p->source) + 1, (int)p->span.len, p->span.ptr);
}

static int escape(char c)
{
    static const char from[] = "\\'\"`nrtabfv?", to[] = "\\'\"`\n\r\t\a\b\f\v?";
    const char *found = c != '\0' ? strchr(from, c) : NULL;

    return found != NULL ? to[found - from] : -1;
}

static int lex_text(struct parser *p, bool raw)
{
    const char *start = p->at;
    char quote = *start;
    CLEANUP(buf) struct buf text = BUF_INIT(CEL_MAX_LENGTH);

    p->token = T_TEXT;
    p->span = (struct span){start, 1};
    for (p->at++; *p->at != quote; p->at++) {
        char c = *p->at;

        if (c == '\0' || c == '\n')
            return fail(p, "text without an end");
        if (c == '\\' && !raw) {
            int meant = escape(*++p->at);

            if (meant < 0)
                return fail(p, "an escape that is not supported in the text");
            c = (char)meant;
        }
        buf_add_char(&text, c);
    }
    p->at++;
    p->span.len = (size_t)(p->at - start);
    free(p->text);
    p->text = buf_take(&text);
    return 0;
}

static int lex_number(struct parser *p)
{
    size_t digits = strspn(p->at, "0123456789");

    p->token = T_INT;
    if (p->at[digits] == '.' && isdigit((unsigned char)p->at[digits + 1])) {
        p->token = T_REAL;
        digits += 1 + strspn(p->at + digits + 1, "0123456789");
    }
    p->span = (struct span){p->at, digits};
    p->at += digits;
    if (isalnum((unsigned char)*p->at) || *p->at == '_')
        return fail(p, "a number that is not supported");
    return 0;
}

static int next(struct parser *p)
{
    static const char *const signs[] = {"&&", "||", "==", "!=", "<=", ">=", "!", "<", ">",
                                        "(",  ")",  "[",  "]",  ",",  ".",  "?", ":", "-"};

    while (isspace((unsigned char)*p->at))
        p->at++;
    p->span = (struct span){p->at, 1};

    unsigned char c = (unsigned char)*p->at;

    if (c == '\0') {
        p->token = T_END;
        p->span.len = 0;
        return 0;
    }
    if (c == '\'' || c == '"')
        return lex_text(p, false);
    if ((c == 'r' || c == 'R') && (p->at[1] == '\'' || p->at[1] == '"')) {
        p->at++;
        return lex_text(p, true);
    }
    if (isdigit(c))
        return lex_number(p);
    if (isalpha(c) || c == '_') {
        while (isalnum((unsigned char)*p->at) || *p->at == '_')
            p->at++;
        p->token = T_NAME;
        p->span.len = (size_t)(p->at - p->span.ptr);
        return 0;
    }
    p->token = T_SIGN;
    for (size_t i = 0; i < ARRAY_SIZE(signs); i++)
        if (str_starts_with(p->at, signs[i])) {
            p->span.len = strlen(signs[i]);
            p->at += p->span.len;
            return 0;
        }
    return fail(p, "a sign that is not supported");
}

static bool is_sign(const struct parser *p, const char *sign)
{
    return p->token == T_SIGN && span_eq_str(p->span, sign);
}

static int expect(struct parser *p, const char *sign)
{
    if (!is_sign(p, sign)) {
        CLEANUP(str) char *what = xasprintf("expected \"%s\"", sign);

        return fail(p, what);
    }
    return next(p);
}

static uint16_t add(struct parser *p, struct cel_node node)
{
    assert(p->rule->nodes.len < CEL_NONE); /* at most one per byte of the rule */
    cel_node_list_push(&p->rule->nodes, node);
    return (uint16_t)(p->rule->nodes.len - 1);
}

static uint16_t add_op(struct parser *p, enum cel_op op, uint16_t a, uint16_t b)
{
    return add(p, (struct cel_node){.op = op, .a = a, .b = b, .c = CEL_NONE, .next = CEL_NONE});
}

static struct cel_node *node_at(struct parser *p, uint16_t index)
{
    return &p->rule->nodes.ptr[index];
}

static int parse_choose(struct parser *p, uint16_t *out);

static int parse_list(struct parser *p, const char *end, uint16_t *first)
{
    uint16_t last = CEL_NONE;

    *first = CEL_NONE;
    while (!is_sign(p, end)) {
        uint16_t item;

        if (last != CEL_NONE && expect(p, ",") == -1)
            return -1;
        if (parse_choose(p, &item) == -1)
            return -1;
        if (last == CEL_NONE)
            *first = item;
        else
            node_at(p, last)->next = item;
        last = item;
    }
    return next(p);
}

static int parse_literal(struct parser *p, uint16_t *out)
{
    json_t *value = NULL;

    if (p->token == T_TEXT) {
        value = json_string(p->text);
        if (value == NULL)
            return fail(p, "text that is not UTF-8");
    } else if (p->token == T_INT) {
        uint64_t number = 0;

        if (!span_u64(p->span, &number) || number > INT64_MAX)
            return fail(p, "a number that does not fit in 64 bits");
        value = json_integer((json_int_t)number);
    } else {
        CLEANUP(str) char *digits = span_dup(p->span);

        value = json_real(strtod(digits, NULL));
    }
    *out = add_op(p, CEL_LITERAL, CEL_NONE, CEL_NONE);
    node_at(p, *out)->literal = value;
    return next(p);
}

/* has(x.y) and size(x); other functions are not known. */
static int parse_call(struct parser *p, struct span name, uint16_t *out)
{
    uint16_t argument;

    if (!span_eq_str(name, "has") && !span_eq_str(name, "size"))
        return error_set(p->err, ERROR_INVALID, "the function \"%.*s\" is not supported",
                         (int)name.len, name.ptr);
    if (next(p) == -1 || parse_choose(p, &argument) == -1 || expect(p, ")") == -1)
        return -1;
    if (span_eq_str(name, "size")) {
        *out = add_op(p, CEL_SIZE, argument, CEL_NONE);
        return 0;
    }
    if (node_at(p, argument)->op != CEL_MEMBER)
        return error_set(p->err, ERROR_INVALID, "has() takes a member, as in has(self.name)");
    node_at(p, argument)->op = CEL_HAS;
    *out = argument;
    return 0;
}

static bool is_known(const struct parser *p, struct span name)
{
    if (span_eq_str(name, "self") || span_eq_str(name, "oldSelf"))
        return true;
    for (size_t i = 0; i < p->variables.len; i++)
        if (span_eq_str(name, p->variables.ptr[i]))
            return true;
    return false;
}

static int parse_name(struct parser *p, uint16_t *out)
{
    struct span name = p->span;
    json_t *literal = span_eq_str(name, "true")    ? json_true()
                      : span_eq_str(name, "false") ? json_false()
                      : span_eq_str(name, "null")  ? json_null()
                                                   : NULL;

    if (literal != NULL) {
        *out = add_op(p, CEL_LITERAL, CEL_NONE, CEL_NONE);
        node_at(p, *out)->literal = literal;
        return next(p);
    }
    if (next(p) == -1)
        return -1;
    if (is_sign(p, "("))
        return parse_call(p, name, out);
    if (!is_known(p, name))
        return error_set(p->err, ERROR_INVALID, "the name \"%.*s\" is not known", (int)name.len,
                         name.ptr);
    if (span_eq_str(name, "oldSelf"))
        p->rule->uses_old = true;
    *out = add_op(p, CEL_NAME, CEL_NONE, CEL_NONE);
    node_at(p, *out)->text = span_dup(name);
    return 0;
}

static int parse_primary(struct parser *p, uint16_t *out)
{
    uint16_t first;

    if (p->token == T_TEXT || p->token == T_INT || p->token == T_REAL)
        return parse_literal(p, out);
    if (p->token == T_NAME)
        return parse_name(p, out);
    if (is_sign(p, "("))
        return next(p) == -1 || parse_choose(p, out) == -1 || expect(p, ")") == -1 ? -1 : 0;
    if (!is_sign(p, "["))
        return fail(p, "expected a value");
    if (next(p) == -1 || parse_list(p, "]", &first) == -1)
        return -1;
    *out = add_op(p, CEL_LIST, first, CEL_NONE);
    return 0;
}

/* list.all(v, e) and list.exists(v, e), behind the parenthesis. */
static int parse_macro(struct parser *p, enum cel_op op, uint16_t list, uint16_t *out)
{
    uint16_t body;

    if (p->token != T_NAME)
        return fail(p, "expected the name of a variable");

    char *variable = span_dup(p->span);

    *out = add_op(p, op, list, CEL_NONE);
    node_at(p, *out)->text = variable;
    str_list_push(&p->variables, variable);
    if (next(p) == -1 || expect(p, ",") == -1 || parse_choose(p, &body) == -1 ||
        expect(p, ")") == -1)
        return -1;
    p->variables.len--;
    node_at(p, *out)->b = body;
    return 0;
}

static int parse_matches(struct parser *p, uint16_t text, uint16_t *out)
{
    if (p->token != T_TEXT)
        return fail(p, "matches() takes a pattern as literal text");
    *out = add_op(p, CEL_MATCHES, text, CEL_NONE);
    if (regex_compile(span_of(p->text), &node_at(p, *out)->regex, p->err) == -1)
        return -1;
    return next(p) == -1 ? -1 : expect(p, ")");
}

static const struct {
    const char *name;
    enum cel_op op;
} methods[] = {
    {"startsWith", CEL_STARTS_WITH}, {"endsWith", CEL_ENDS_WITH},
    {"contains", CEL_CONTAINS},      {"size", CEL_SIZE},
    {"matches", CEL_MATCHES},        {"all", CEL_ALL},
    {"exists", CEL_EXISTS},
};

static int parse_method(struct parser *p, struct span name, uint16_t target, uint16_t *out)
{
    size_t i = 0;
    uint16_t argument = CEL_NONE;

    while (i < ARRAY_SIZE(methods) && !span_eq_str(name, methods[i].name))
        i++;
    if (i == ARRAY_SIZE(methods))
        return error_set(p->err, ERROR_INVALID, "the function \"%.*s\" is not supported",
                         (int)name.len, name.ptr);
    if (next(p) == -1)
        return -1;
    if (methods[i].op == CEL_ALL || methods[i].op == CEL_EXISTS)
        return parse_macro(p, methods[i].op, target, out);
    if (methods[i].op == CEL_MATCHES)
        return parse_matches(p, target, out);
    if (methods[i].op != CEL_SIZE && parse_choose(p, &argument) == -1)
        return -1;
    if (expect(p, ")") == -1)
        return -1;
    *out = add_op(p, methods[i].op, target, argument);
    return 0;
}

static int parse_member(struct parser *p, uint16_t *out)
{
    if (parse_primary(p, out) == -1)
        return -1;
    while (is_sign(p, ".") || is_sign(p, "[")) {
        bool is_index = is_sign(p, "[");

        if (next(p) == -1)
            return -1;
        if (is_index) {
            uint16_t index;

            if (parse_choose(p, &index) == -1 || expect(p, "]") == -1)
                return -1;
            *out = add_op(p, CEL_INDEX, *out, index);
            continue;
        }
        if (p->token != T_NAME)
            return fail(p, "expected a name");

        struct span name = p->span;

        if (next(p) == -1)
            return -1;
        if (is_sign(p, "(")) {
            if (parse_method(p, name, *out, out) == -1)
                return -1;
            continue;
        }
        *out = add_op(p, CEL_MEMBER, *out, CEL_NONE);
        node_at(p, *out)->text = span_dup(name);
    }
    return 0;
}

static int parse_unary(struct parser *p, uint16_t *out)
{
    bool is_not = is_sign(p, "!");

    if (!is_not && !is_sign(p, "-"))
        return parse_member(p, out);
    if (++p->depth > CEL_MAX_DEPTH)
        return fail(p, "too many levels of nesting");
    if (next(p) == -1 || parse_unary(p, out) == -1)
        return -1;
    p->depth--;
    *out = add_op(p, is_not ? CEL_NOT : CEL_NEGATE, *out, CEL_NONE);
    return 0;
}

static int parse_relation(struct parser *p, uint16_t *out)
{
    static const struct {
        const char *sign;
        enum cel_op op;
    } relations[] = {{"==", CEL_EQ}, {"!=", CEL_NE}, {"<", CEL_LT},
                     {"<=", CEL_LE}, {">", CEL_GT},  {">=", CEL_GE}};
    size_t i = 0;
    uint16_t right;
    enum cel_op op = CEL_IN;

    if (parse_unary(p, out) == -1)
        return -1;
    if (p->token != T_NAME || !span_eq_str(p->span, "in")) {
        while (i < ARRAY_SIZE(relations) && !is_sign(p, relations[i].sign))
            i++;
        if (i == ARRAY_SIZE(relations))
            return 0;
        op = relations[i].op;
    }
    if (next(p) == -1 || parse_unary(p, &right) == -1)
        return -1;
    *out = add_op(p, op, *out, right);
    return 0;
}

static int parse_chain(struct parser *p, const char *sign, enum cel_op op,
                       int (*part)(struct parser *p, uint16_t *out), uint16_t *out)
{
    if (part(p, out) == -1)
        return -1;
    while (is_sign(p, sign)) {
        uint16_t right;

        if (next(p) == -1 || part(p, &right) == -1)
            return -1;
        *out = add_op(p, op, *out, right);
    }
    return 0;
}

static int parse_and(struct parser *p, uint16_t *out)
{
    return parse_chain(p, "&&", CEL_AND, parse_relation, out);
}

static int parse_or(struct parser *p, uint16_t *out)
{
    return parse_chain(p, "||", CEL_OR, parse_and, out);
}

static int parse_choose(struct parser *p, uint16_t *out)
{
    uint16_t yes, no;

    if (++p->depth > CEL_MAX_DEPTH)
        return fail(p, "too many levels of nesting");
    if (parse_or(p, out) == -1)
        return -1;
    if (is_sign(p, "?")) {
        if (next(p) == -1 || parse_or(p, &yes) == -1 || expect(p, ":") == -1 ||
            parse_choose(p, &no) == -1)
            return -1;
        *out = add_op(p, CEL_CHOOSE, *out, yes);
        node_at(p, *out)->c = no;
    }
    p->depth--;
    return 0;
}

struct cel_rule *cel_compile(const char *rule, struct error **err)
{
    CLEANUP(cel_rule) struct cel_rule *made = xcalloc(1, sizeof(*made));
    struct parser p = {.source = rule, .at = rule, .rule = made, .err = err};
    int result = -1;

    if (strlen(rule) > CEL_MAX_LENGTH)
        error_set(err, ERROR_INVALID, "a rule has more than %d bytes", CEL_MAX_LENGTH);
    else
        result = next(&p) == -1 || parse_choose(&p, &made->root) == -1 ? -1 : 0;
    if (result == 0 && p.token != T_END)
        result = fail(&p, "not supported here");
    free(p.text);
    str_list_reset(&p.variables);
    return result == 0 ? steal(&made) : NULL;
}

void cel_free(struct cel_rule *rule)
{
    if (rule == NULL)
        return;
    for (size_t i = 0; i < rule->nodes.len; i++) {
        free(rule->nodes.ptr[i].text);
        json_decref(rule->nodes.ptr[i].literal);
        regex_free(rule->nodes.ptr[i].regex);
    }
    cel_node_list_reset(&rule->nodes);
    free(rule);
}

bool cel_uses_old(const struct cel_rule *rule)
{
    return rule->uses_old;
}

size_t cel_size(const struct cel_rule *rule)
{
    return rule == NULL ? 0 : sizeof(*rule) + rule->nodes.cap * sizeof(*rule->nodes.ptr);
}
