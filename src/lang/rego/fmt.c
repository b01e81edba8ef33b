#include "lang/rego/fmt.h"

#include "lang/rego/lexer.h"

struct formatter {
    struct span text;
    const struct token_list *tokens;
    const struct comment_list *comments;
    struct buf *out;
    size_t comment; /* next one */
    int depth;
    uint32_t line; /* of the source, where the last thing written ended */
};

static bool is_one_of(const struct token *t, const char *chars)
{
    return t->kind == TOKEN_PUNCT && t->punct[1] == '\0' && strchr(chars, t->punct[0]) != NULL;
}

static bool is_operator(const struct token *t)
{
    return t->kind == TOKEN_PUNCT &&
           (t->punct[1] != '\0' || strchr("=<>+*/%&|", t->punct[0]) != NULL);
}

/* Does a space stand between two tokens of a line? */
static bool wants_space(const struct token *before, const struct token *t)
{
    if (is_one_of(t, ",;:)]") || is_one_of(before, "(["))
        return false;
    if (is_one_of(t, ".") || is_one_of(before, "."))
        return false;
    if (is_operator(t) || is_operator(before) || is_one_of(before, ",;:"))
        return true;
    return t->after_space;
}

static void start_line(struct formatter *f, uint32_t line, int depth)
{
    if (f->out->len > 0) {
        buf_add_char(f->out, '\n');
        if (line > f->line + 1)
            buf_add_char(f->out, '\n');
    }
    for (int i = 0; i < depth; i++)
        buf_add_char(f->out, '\t');
}

/* Comments in front of source position LIMIT. */
static void put_comments(struct formatter *f, const char *limit)
{
    for (; f->comment < f->comments->len; f->comment++) {
        const struct comment *c = &f->comments->ptr[f->comment];
        if (c->text.ptr >= limit)
            return;
        if (c->loc.line == f->line && f->out->len > 0)
            buf_add_char(f->out, ' ');
        else
            start_line(f, c->loc.line, f->depth);
        struct span text = c->text;
        while (text.len > 0 && strchr(" \t\r", text.ptr[text.len - 1]) != NULL)
            text.len--;
        buf_add_span(f->out, text);
        f->line = c->loc.line;
    }
}

static uint32_t end_line(const struct formatter *f, const struct token *t)
{
    uint32_t line = t->loc.line;
    for (uint32_t i = t->start; i < t->end; i++)
        line += f->text.ptr[i] == '\n';
    return line;
}

bool rego_format(const char *file, struct span text, enum rego_version version, struct buf *out,
                 struct lang_diags *diags)
{
    CLEANUP(arena) struct arena arena = {0};
    struct token_list tokens = {0};
    struct comment_list comments = {0};
    bool ok = rego_parse_module(&arena, file, text, version, diags) != NULL &&
              rego_lex(&arena, file, text, &tokens, &comments, diags);
    struct formatter f = {text, &tokens, &comments, out, 0, 0, 0};

    for (size_t i = 0; ok && i + 1 < tokens.len; i++) {
        const struct token *t = &tokens.ptr[i];
        put_comments(&f, text.ptr + t->start);
        bool closes = is_one_of(t, ")]}"), opens = is_one_of(t, "([{");
        bool fresh = out->len == 0 || t->loc.line > f.line;
        f.depth -= closes && f.depth > 0;
        if (fresh)
            start_line(&f, t->loc.line, f.depth);
        else if (wants_space(&tokens.ptr[i - 1], t))
            buf_add_char(out, ' ');
        buf_append(out, text.ptr + t->start, t->end - t->start);
        f.depth += opens;
        f.line = end_line(&f, t);
    }
    if (ok)
        put_comments(&f, text.ptr + text.len + 1);
    if (ok && out->len > 0)
        buf_add_char(out, '\n');
    token_list_reset(&tokens);
    comment_list_reset(&comments);
    return ok;
}
