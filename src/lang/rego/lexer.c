#include "lang/rego/lexer.h"

#include "base/error.h"
#include "lang/rego/json.h"
#include "lang/rego/number.h"

#include <stdlib.h>

struct lexer {
    struct arena *arena;
    const char *file;
    struct span text;
    struct token_list *tokens;
    struct comment_list *comments;
    struct lang_diags *diags;
    size_t pos;
    uint32_t line;
    size_t line_start;
    bool newline, space;
};

static struct loc here(const struct lexer *lx)
{
    return (struct loc){lx->line, (uint32_t)(lx->pos - lx->line_start + 1)};
}

static bool lex_fail(struct lexer *lx, struct loc loc, const char *what)
{
    lang_diag_add(lx->diags, "rego_parse_error", (struct lang_pos){lx->file, loc.line, loc.col},
                  lx->text, "%s", what);
    return false;
}

static char at(const struct lexer *lx, size_t ahead)
{
    return lx->pos + ahead < lx->text.len ? lx->text.ptr[lx->pos + ahead] : '\0';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static void skip_space(struct lexer *lx)
{
    for (; lx->pos < lx->text.len; lx->pos++) {
        char c = lx->text.ptr[lx->pos];
        if (c == '\n') {
            lx->line++;
            lx->line_start = lx->pos + 1;
            lx->newline = true;
        } else if (c == '#') {
            struct comment comment = {.loc = here(lx), .text.ptr = lx->text.ptr + lx->pos};
            while (lx->pos + 1 < lx->text.len && lx->text.ptr[lx->pos + 1] != '\n')
                lx->pos++;
            comment.text.len = (size_t)(lx->text.ptr + lx->pos + 1 - comment.text.ptr);
            if (lx->comments != NULL)
                comment_list_push(lx->comments, comment);
        } else if (c != ' ' && c != '\t' && c != '\r') {
            return;
        }
        lx->space = true;
    }
}

const struct rval *rego_decode_string(struct arena *arena, struct span text)
{
    if (memchr(text.ptr, '\\', text.len) == NULL)
        return rval_string(arena, text.ptr, text.len);
    char *quoted = (char *)arena_alloc(arena, text.len + 2);
    const struct rval *value = NULL;
    struct error *err = NULL;
    quoted[0] = '"';
    memcpy(quoted + 1, text.ptr, text.len);
    quoted[text.len + 1] = '"';
    if (rjson_read(arena, (struct span){quoted, text.len + 2}, &value, &err) == -1) {
        error_free(err); /* the caller says where the string is */
        return NULL;
    }
    return value;
}

static size_t skip_quoted(struct span text, size_t pos, bool is_template, int depth);

size_t rego_skip_braces(struct span text, size_t pos, int depth)
{
    int open = 0;
    for (; pos < text.len && depth > 0; pos++) {
        char c = text.ptr[pos];
        if (c == '"' || c == '`')
            pos = skip_quoted(text, pos, pos > 0 && text.ptr[pos - 1] == '$', depth - 1);
        else if (c == '{')
            open++;
        else if (c == '}' && open-- == 0)
            return pos;
    }
    return text.len;
}

/* The closing quote of the string that opens at POS, or the text's length. */
static size_t skip_quoted(struct span text, size_t pos, bool is_template, int depth)
{
    char quote = text.ptr[pos++];
    for (; pos < text.len && text.ptr[pos] != quote; pos++) {
        if (text.ptr[pos] == '\\' && (quote == '"' || is_template))
            pos++;
        else if (text.ptr[pos] == '{' && is_template)
            pos = rego_skip_braces(text, pos + 1, depth);
    }
    return pos < text.len ? pos : text.len;
}

static bool lex_template(struct lexer *lx, struct token *token)
{
    size_t start = lx->pos + 1;
    size_t end = skip_quoted(lx->text, lx->pos, true, TEMPLATE_DEPTH_MAX);
    if (end >= lx->text.len)
        return lex_fail(lx, token->loc, "non-terminated string");
    token->kind = TOKEN_TEMPLATE;
    token->raw = at(lx, 0) == '`';
    token->text = (struct span){lx->text.ptr + start, end - start};
    for (size_t i = start; i < end; i++)
        if (lx->text.ptr[i] == '\n') {
            lx->line++;
            lx->line_start = i + 1;
        }
    lx->pos = end + 1;
    return true;
}

static bool lex_string(struct lexer *lx, struct token *token)
{
    size_t start = ++lx->pos;
    while (lx->pos < lx->text.len && lx->text.ptr[lx->pos] != '"') {
        if (lx->text.ptr[lx->pos] == '\n')
            break;
        lx->pos += lx->text.ptr[lx->pos] == '\\' ? 2 : 1;
    }
    if (at(lx, 0) != '"')
        return lex_fail(lx, token->loc, "non-terminated string");
    struct span inside = {lx->text.ptr + start, lx->pos - start};
    lx->pos++;
    token->text = inside;
    token->kind = TOKEN_STRING;
    token->value = rego_decode_string(lx->arena, inside);
    return token->value != NULL || lex_fail(lx, token->loc, "illegal string escape sequence");
}

static bool lex_raw_string(struct lexer *lx, struct token *token)
{
    size_t start = ++lx->pos;
    for (; lx->pos < lx->text.len && lx->text.ptr[lx->pos] != '`'; lx->pos++)
        if (lx->text.ptr[lx->pos] == '\n') {
            lx->line++;
            lx->line_start = lx->pos + 1;
        }
    if (lx->pos >= lx->text.len)
        return lex_fail(lx, token->loc, "non-terminated string");
    token->text = (struct span){lx->text.ptr + start, lx->pos - start};
    token->raw = true;
    lx->pos++;
    token->kind = TOKEN_STRING;
    token->value = rval_string(lx->arena, token->text.ptr, token->text.len);
    return true;
}

static bool lex_number(struct lexer *lx, struct token *token)
{
    size_t start = lx->pos;
    while (is_digit(at(lx, 0)))
        lx->pos++;
    if (at(lx, 0) == '.' && is_digit(at(lx, 1))) {
        lx->pos++;
        while (is_digit(at(lx, 0)))
            lx->pos++;
    }
    if (at(lx, 0) == 'e' || at(lx, 0) == 'E') {
        lx->pos++;
        if (at(lx, 0) == '+' || at(lx, 0) == '-')
            lx->pos++;
        if (!is_digit(at(lx, 0)))
            return lex_fail(lx, token->loc, "illegal number format: exponent without digits");
        while (is_digit(at(lx, 0)))
            lx->pos++;
    }
    if (is_letter(at(lx, 0)))
        return lex_fail(lx, token->loc, "illegal number format");
    token->kind = TOKEN_NUMBER;
    token->text = (struct span){lx->text.ptr + start, lx->pos - start};
    token->value = rnum_parse(lx->arena, token->text.ptr, token->text.len);
    return token->value != NULL ||
           lex_fail(lx, token->loc, "illegal number format: leading zero or too many digits");
}

static bool lex_punct(struct lexer *lx, struct token *token)
{
    static const char *const two[] = {":=", "==", "!=", "<=", ">="};
    static const char one[] = "{}[]().,;:=<>+-*/%&|";

    token->kind = TOKEN_PUNCT;
    for (size_t i = 0; i < sizeof(two) / sizeof(two[0]); i++)
        if (at(lx, 0) == two[i][0] && at(lx, 1) == two[i][1]) {
            memcpy(token->punct, two[i], 3);
            lx->pos += 2;
            return true;
        }
    char c = at(lx, 0);
    if (c == '\0' || strchr(one, c) == NULL)
        return lex_fail(lx, token->loc, "illegal token");
    token->punct[0] = c;
    lx->pos++;
    return true;
}

static bool lex_token(struct lexer *lx, struct token *token)
{
    char c = at(lx, 0);

    if (is_letter(c)) {
        token->kind = TOKEN_NAME;
        token->text.ptr = lx->text.ptr + lx->pos;
        while (is_letter(at(lx, 0)) || is_digit(at(lx, 0)))
            lx->pos++;
        token->text.len = (size_t)(lx->text.ptr + lx->pos - token->text.ptr);
        return true;
    }
    if (is_digit(c))
        return lex_number(lx, token);
    if (c == '"')
        return lex_string(lx, token);
    if (c == '`')
        return lex_raw_string(lx, token);
    if (c == '$' && (at(lx, 1) == '"' || at(lx, 1) == '`')) {
        lx->pos++;
        return lex_template(lx, token);
    }
    return lex_punct(lx, token);
}

bool rego_lex(struct arena *arena, const char *file, struct span text, struct token_list *tokens,
              struct comment_list *comments, struct lang_diags *diags)
{
    struct lexer lx = {arena, file, text, tokens, comments, diags, 0, 1, 0, true, true};

    if (text.len > UINT32_MAX / 2 || !utf8_is_valid(text.ptr, text.len)) {
        lang_diag_add(diags, "rego_parse_error", (struct lang_pos){file, 1, 1},
                      (struct span){NULL, 0}, "the text is not valid UTF-8 or too long");
        return false;
    }
    for (;;) {
        skip_space(&lx);
        struct token token = {.kind = TOKEN_END,
                              .after_newline = lx.newline,
                              .after_space = lx.space,
                              .loc = here(&lx),
                              .start = (uint32_t)lx.pos};
        if (tokens->len >= LEXER_TOKENS_MAX)
            return lex_fail(&lx, token.loc, "too many tokens in one file");
        if (lx.pos < text.len && !lex_token(&lx, &token))
            return false;
        token.end = (uint32_t)lx.pos;
        token_list_push(tokens, token);
        if (token.kind == TOKEN_END)
            return true;
        lx.newline = lx.space = false;
    }
}
