#include "lang/rego/parser.h"

#include "lang/rego/parser_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

DEFINE_CLEANUP_IN_PLACE(token_list, struct token_list, token_list_reset)

bool parser_is_punct(const struct parser *p, const char *punct)
{
    return peek(p)->kind == TOKEN_PUNCT && strcmp(peek(p)->punct, punct) == 0;
}

bool parser_take_punct(struct parser *p, const char *punct)
{
    if (!parser_is_punct(p, punct))
        return false;
    p->pos++;
    return true;
}

bool parser_is_ref_head(const struct parser *p)
{
    const struct token *next = peek(p) + 1;
    return peek(p)->kind == TOKEN_NAME && next->kind == TOKEN_PUNCT && !next->after_space &&
           next->punct[0] == '.';
}

bool parser_is_word(const struct parser *p, const char *word)
{
    return peek(p)->kind == TOKEN_NAME && span_eq_str(peek(p)->text, word) &&
           !parser_is_ref_head(p);
}

bool parser_take_word(struct parser *p, const char *word)
{
    if (!parser_is_word(p, word))
        return false;
    p->pos++;
    return true;
}

void *parser_fail(struct parser *p, const char *format, ...)
{
    va_list args;

    if (p->error != NULL && (p->pos <= p->error_pos || p->over_limit))
        return NULL;
    char text[300];
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    p->error = arena_strndup(p->arena, text, strlen(text));
    p->error_pos = p->pos;
    return NULL;
}

bool parser_expect(struct parser *p, const char *punct)
{
    if (parser_take_punct(p, punct))
        return true;
    const struct token *token = peek(p);
    if (token->kind == TOKEN_NAME)
        parser_fail(p, "unexpected identifier %.*s: expected \"%s\"",
                    (int)(token->text.len < 60 ? token->text.len : 60), token->text.ptr, punct);
    else if (token->kind == TOKEN_END)
        parser_fail(p, "unexpected eof token: expected \"%s\"", punct);
    else
        parser_fail(p, "unexpected %s token: expected \"%s\"",
                    token->kind == TOKEN_PUNCT    ? token->punct
                    : token->kind == TOKEN_NUMBER ? "number"
                                                  : "string",
                    punct);
    return false;
}

bool parser_is_keyword(const struct parser *p, struct span name)
{
    static const char *const always[] = {"as",  "default", "else", "false", "import", "package",
                                         "not", "null",    "true", "with",  "some"};
    for (size_t i = 0; i < sizeof(always) / sizeof(always[0]); i++)
        if (span_eq_str(name, always[i]))
            return true;
    return (p->word_in && span_eq_str(name, "in")) || (p->word_if && span_eq_str(name, "if")) ||
           (p->word_every && span_eq_str(name, "every")) ||
           (p->word_contains && span_eq_str(name, "contains"));
}

static void set_words(struct parser *p, bool on)
{
    p->word_in = p->word_every = p->word_if = p->word_contains = on;
}

/* A path of names and string subscripts behind "package" or "import". */
static struct term *parse_path(struct parser *p)
{
    const struct token *token = peek(p);
    if (token->kind != TOKEN_NAME)
        return (struct term *)parser_fail(p, "expected a path");
    p->pos++;
    struct term *head = ast_var(p->arena, token->loc, token->text);
    struct term *path = parser_suffix(p, head, true);
    if (path == NULL)
        return NULL;
    if (path->len > PARSER_PATH_MAX)
        return (struct term *)parser_fail(p, "a path of more than %d parts", PARSER_PATH_MAX);
    if (path->kind == TERM_VAR)
        return ast_items(p->arena, token->loc, TERM_REF, &path, 1);
    for (uint32_t i = 1; i < path->len; i++)
        if (!ast_is_string(path->items[i]))
            return (struct term *)parser_fail(p, "a path may hold strings only");
    return path;
}

static bool parse_package(struct parser *p, struct module *module)
{
    if (!parser_take_word(p, "package"))
        return parser_fail(p, "package expected") != NULL;
    if (peek(p)->after_newline)
        return parser_fail(p, "expected a path behind \"package\"") != NULL;
    struct term *path = parse_path(p);
    if (path == NULL)
        return false;
    /* data, then the name that the head is, then the rest. */
    struct term **items = (struct term **)arena_alloc(p->arena, (path->len + 1) * sizeof(*items));
    items[0] = ast_var(p->arena, path->loc, SPAN("data"));
    items[0]->var = VAR_DATA;
    struct span head = path->items[0]->name;
    items[1] = ast_value(p->arena, path->loc, rval_string(p->arena, head.ptr, head.len));
    for (uint32_t i = 1; i < path->len; i++)
        items[i + 1] = path->items[i];
    module->package = ast_items(p->arena, path->loc, TERM_REF, items, path->len + 1);
    return true;
}

/* import future.keywords[.word], import rego.v1: switches words on.  False if the path is none. */
static bool apply_language_import(struct parser *p, const struct term *path, struct module *module)
{
    struct span head = path->items[0]->name;
    if (span_eq_str(head, "rego")) {
        if (path->len != 2 || !rval_str_is(path->items[1]->value, "v1"))
            return false;
        set_words(p, true);
        p->v1 = module->is_v1 = true;
        return true;
    }
    if (path->len < 2 || path->len > 3 || !rval_str_is(path->items[1]->value, "keywords"))
        return false;
    if (path->len == 2) {
        set_words(p, true);
        return true;
    }
    const struct rval *word = path->items[2]->value;
    if (rval_str_is(word, "in"))
        p->word_in = true;
    else if (rval_str_is(word, "every"))
        p->word_every = p->word_in = true;
    else if (rval_str_is(word, "if"))
        p->word_if = true;
    else if (rval_str_is(word, "contains"))
        p->word_contains = true;
    else
        return false;
    return true;
}

static bool parse_import(struct parser *p, struct module *module)
{
    struct import import = {.loc = peek(p)->loc};
    size_t start = p->pos++;

    import.path = parse_path(p);
    if (import.path == NULL)
        return false;
    struct span head = import.path->items[0]->name;
    bool language = span_eq_str(head, "rego") || span_eq_str(head, "future");
    if (!language && !span_eq_str(head, "data") && !span_eq_str(head, "input")) {
        p->pos = start + 1;
        return parser_fail(p, "unexpected import path, must begin with one of: "
                              "{data, future, input, rego}") != NULL;
    }
    import.path->items[0]->var = span_eq_str(head, "input") ? VAR_INPUT : VAR_DATA;
    const struct term *last = import.path->items[import.path->len - 1];
    import.alias =
        ast_is_string(last) ? (struct span){last->value->string, last->value->len} : head;
    if (parser_take_word(p, "as")) {
        const struct token *token = peek(p);
        if (language)
            return parser_fail(p, "this import cannot have an alias") != NULL;
        if (token->kind != TOKEN_NAME || parser_is_keyword(p, token->text))
            return parser_fail(p, "expected a name behind \"as\"") != NULL;
        import.alias = token->text;
        p->pos++;
    }
    if (language) {
        size_t end = p->pos;
        p->pos = start + 1;
        if (!apply_language_import(p, import.path, module))
            return parser_fail(p, "unexpected import, must be one of future.keywords, "
                                  "future.keywords.{contains, every, if, in} and rego.v1") != NULL;
        p->pos = end;
        return true;
    }
    struct import *grown =
        (struct import *)arena_alloc(p->arena, (module->import_count + 1) * sizeof(import));
    if (module->import_count > 0)
        memcpy(grown, module->imports, module->import_count * sizeof(import));
    grown[module->import_count++] = import;
    module->imports = grown;
    return true;
}

static bool parse_module(struct parser *p, struct module *module)
{
    if (!parse_package(p, module))
        return false;
    while (peek(p)->kind != TOKEN_END) {
        if (parser_take_punct(p, ";"))
            continue;
        bool ok = parser_is_word(p, "import") ? parse_import(p, module) : parser_rule(p, module);
        if (!ok)
            return false;
    }
    return true;
}

static void report(const struct parser *p, struct lang_diags *diags)
{
    const struct token *token = &p->tokens[p->error_pos];
    lang_diag_add(diags, "rego_parse_error",
                  (struct lang_pos){p->file, token->loc.line, token->loc.col}, p->text, "%s",
                  p->error != NULL ? p->error : "unexpected text");
}

static struct parser new_parser(struct arena *arena, const char *file, struct span text,
                                const struct token_list *tokens, enum rego_version version)
{
    struct parser p = {.arena = arena, .file = file, .text = text, .tokens = tokens->ptr};
    p.work_max = PARSER_WORK_LEAST + PARSER_WORK_PER_BYTE * (uint64_t)text.len;
    p.v1 = version != REGO_V0;
    set_words(&p, p.v1);
    return p;
}

static bool has_rego_v1_import(const struct token_list *tokens)
{
    for (size_t i = 0; i + 3 < tokens->len; i++) {
        const struct token *t = &tokens->ptr[i];
        if (t[0].kind == TOKEN_NAME && span_eq_str(t[0].text, "import") &&
            t[1].kind == TOKEN_NAME && span_eq_str(t[1].text, "rego") && t[3].kind == TOKEN_NAME &&
            span_eq_str(t[3].text, "v1"))
            return true;
    }
    return false;
}

struct module *rego_parse_module(struct arena *arena, const char *file, struct span text,
                                 enum rego_version version, struct lang_diags *diags)
{
    CLEANUP(token_list) struct token_list tokens = {0};

    if (!rego_lex(arena, file, text, &tokens, NULL, diags))
        return NULL;
    struct module *module = (struct module *)arena_calloc(arena, 1, sizeof(*module));
    *module = (struct module){.file = file, .text = text, .is_v1 = version != REGO_V0};
    struct parser p = new_parser(arena, file, text, &tokens, version);
    if (parse_module(&p, module))
        return module;
    if (version == REGO_AUTO && !has_rego_v1_import(&tokens)) {
        struct parser old = new_parser(arena, file, text, &tokens, REGO_V0);
        *module = (struct module){.file = file, .text = text, .is_v1 = false};
        if (parse_module(&old, module))
            return module;
        /* Who writes v0 gets the message about v0. */
        if (old.error_pos > p.error_pos)
            p = old;
    }
    report(&p, diags);
    return NULL;
}

struct body *rego_parse_query(struct arena *arena, struct span text, enum rego_version version,
                              struct lang_diags *diags)
{
    CLEANUP(token_list) struct token_list tokens = {0};

    if (!rego_lex(arena, "query", text, &tokens, NULL, diags))
        return NULL;
    struct parser p = new_parser(arena, "query", text, &tokens, version);
    struct body *body = parser_body(&p, "");
    if (body == NULL)
        report(&p, diags);
    return body;
}

struct term *rego_parse_term(struct arena *arena, struct span text, struct lang_diags *diags)
{
    CLEANUP(token_list) struct token_list tokens = {0};

    if (!rego_lex(arena, "term", text, &tokens, NULL, diags))
        return NULL;
    struct parser p = new_parser(arena, "term", text, &tokens, REGO_V1);
    struct term *term = parser_term_in(&p, true);
    if (term != NULL && peek(&p)->kind != TOKEN_END)
        term = (struct term *)parser_fail(&p, "unexpected text behind the term");
    if (term == NULL)
        report(&p, diags);
    return term;
}
