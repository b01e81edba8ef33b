#include "lang/rego/builtins_table.h"

#include "base/error.h"
#include "base/map.h"
#include "lang/regex.h"
#include "lang/rego/number.h"

#include <stdlib.h>

enum {
    REGEX_CACHE_MAX = 200,
    GROUPS = REGEX_MAX_GROUPS + 1,
    RESULT_MAX = 64 * 1024 * 1024,
    WORK_PER_STEP = 256, /* bytes times instructions */
};

static void free_regex(void *regex)
{
    regex_free((struct regex *)regex);
}

/* The compiled PATTERN, kept by the evaluator; NULL after noting the failure. */
static const struct regex *compiled(struct builtin_call *call, const char *pattern, size_t len)
{
    struct regex *regex =
        strlen(pattern) == len ? (struct regex *)map_find(call->regexes, pattern) : NULL;
    if (regex != NULL)
        return regex;
    CLEANUP(error) struct error *err = NULL;
    if (strlen(pattern) != len || regex_compile((struct span){pattern, len}, &regex, &err) == -1) {
        builtin_fail(call, "error parsing regexp: %s",
                     err != NULL ? err->msg : "a pattern holds a NUL");
        return NULL;
    }
    if (map_count(call->regexes) >= REGEX_CACHE_MAX) {
        /* Patterns made at run time must not fill the memory. */
        const char *key;
        void *value;
        for (size_t pos = 0; (key = map_next(call->regexes, &pos, &value)) != NULL;) {
            map_remove(call->regexes, key);
            free_regex(value);
        }
    }
    map_put(call->regexes, pattern, regex);
    return regex;
}

static bool search(struct builtin_call *call, const struct regex *regex, const struct rval *text,
                   size_t start, struct regex_range *ranges, size_t count, bool *found)
{
    CLEANUP(error) struct error *err = NULL;
    if (!builtin_spend(call, regex_work(regex, text->len - start) / WORK_PER_STEP))
        return false;
    if (regex_search(regex, (struct span){text->string, text->len}, start, found, ranges, count,
                     &err) == 0)
        return true;
    builtin_fail(call, "%s", err->msg);
    return false;
}

/* The next match that does not repeat an empty one where the last ended, as Go steps. */
struct matches {
    struct builtin_call *call;
    const struct regex *regex;
    const struct rval *text;
    size_t pos;
    size_t last_end;
    bool any;
    struct regex_range ranges[GROUPS];
    size_t count;
};

static bool next_match(struct matches *m)
{
    while (m->pos <= m->text->len) {
        bool found = false;
        if (!search(m->call, m->regex, m->text, m->pos, m->ranges, m->count, &found) || !found)
            return false;
        struct regex_range whole = m->ranges[0];
        bool repeats = whole.end == whole.start && m->any && whole.start == m->last_end;
        if (whole.end > whole.start)
            m->pos = whole.end;
        else {
            m->pos = whole.end + 1;
            while (m->pos < m->text->len && ((unsigned char)m->text->string[m->pos] & 0xC0) == 0x80)
                m->pos++;
        }
        if (repeats)
            continue;
        m->any = true;
        m->last_end = whole.end;
        return true;
    }
    return false;
}

static const struct rval *part(struct builtin_call *call, const struct rval *text,
                               struct regex_range range)
{
    if (range.start == REGEX_UNSET)
        return &rval_empty_string;
    return rval_string(call->arena, text->string + range.start, range.end - range.start);
}

BUILTIN(regex_match_text)
{
    const struct regex *regex = compiled(call, args[0]->string, args[0]->len);
    bool found = false;
    if (regex == NULL || !search(call, regex, args[1], 0, NULL, 0, &found))
        return NULL;
    return rval_bool(found);
}

BUILTIN(regex_is_valid)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(regex) struct regex *regex = NULL;
    if (args[0]->type != RVAL_STRING)
        return &rval_false;
    return rval_bool(regex_compile((struct span){args[0]->string, args[0]->len}, &regex, &err) ==
                     0);
}

BUILTIN(regex_find_n)
{
    int64_t n;
    struct rval_list list = {0};
    const struct regex *regex = compiled(call, args[0]->string, args[0]->len);
    if (regex == NULL || !builtin_int(call, 3, args[2], &n))
        return NULL;
    struct matches m = {.call = call, .regex = regex, .text = args[1], .count = 1};
    while ((n < 0 || (int64_t)list.len < n) && next_match(&m))
        rval_list_push(call->arena, &list, part(call, args[1], m.ranges[0]));
    return call->code != NULL ? NULL : rval_array(call->arena, list.ptr, list.len);
}

BUILTIN(regex_find_all_submatch)
{
    int64_t n;
    struct rval_list list = {0};
    const struct regex *regex = compiled(call, args[0]->string, args[0]->len);
    if (regex == NULL || !builtin_int(call, 3, args[2], &n))
        return NULL;
    struct matches m = {
        .call = call, .regex = regex, .text = args[1], .count = regex_groups(regex) + 1};
    while ((n < 0 || (int64_t)list.len < n) && next_match(&m)) {
        struct rval_list groups = {0};
        for (size_t i = 0; i < m.count; i++)
            rval_list_push(call->arena, &groups, part(call, args[1], m.ranges[i]));
        rval_list_push(call->arena, &list, rval_array(call->arena, groups.ptr, groups.len));
    }
    return call->code != NULL ? NULL : rval_array(call->arena, list.ptr, list.len);
}

BUILTIN(regex_split_text)
{
    struct rval_list list = {0};
    const struct regex *regex = compiled(call, args[0]->string, args[0]->len);
    size_t from = 0;
    if (regex == NULL)
        return NULL;
    if (args[1]->len == 0) {
        rval_list_push(call->arena, &list, args[1]);
        return rval_array(call->arena, list.ptr, list.len);
    }
    struct matches m = {.call = call, .regex = regex, .text = args[1], .count = 1};
    while (next_match(&m)) {
        struct regex_range whole = m.ranges[0];
        if (whole.end == 0)
            continue;
        rval_list_push(call->arena, &list,
                       rval_string(call->arena, args[1]->string + from, whole.start - from));
        from = whole.end;
        if (whole.start == args[1]->len)
            break;
    }
    if (call->code != NULL)
        return NULL;
    if (from != args[1]->len || !m.any || m.ranges[0].start != args[1]->len)
        rval_list_push(call->arena, &list,
                       rval_string(call->arena, args[1]->string + from, args[1]->len - from));
    return rval_array(call->arena, list.ptr, list.len);
}

/* Go's Expand: $1, $name, ${name}, $$. */
static void expand(struct buf *out, const struct matches *m, struct span t)
{
    for (size_t i = 0; i < t.len; i++) {
        if (t.ptr[i] != '$' || i + 1 >= t.len) {
            buf_add_char(out, t.ptr[i]);
            continue;
        }
        if (t.ptr[i + 1] == '$') {
            buf_add_char(out, '$');
            i++;
            continue;
        }
        bool braces = t.ptr[i + 1] == '{';
        size_t from = i + 1 + braces, to = from;
        while (to < t.len &&
               (t.ptr[to] == '_' || (t.ptr[to] >= '0' && t.ptr[to] <= '9') ||
                (t.ptr[to] >= 'a' && t.ptr[to] <= 'z') || (t.ptr[to] >= 'A' && t.ptr[to] <= 'Z')))
            to++;
        if (to == from || (braces && (to >= t.len || t.ptr[to] != '}'))) {
            buf_add_char(out, '$');
            continue;
        }
        char name[64];
        uint64_t number = REGEX_MAX_GROUPS + 1;
        struct span text = {t.ptr + from, to - from};
        if (!span_u64(text, &number) && text.len < sizeof(name)) {
            memcpy(name, text.ptr, text.len);
            name[text.len] = '\0';
            number = regex_group_number(m->regex, name);
            number = number == 0 ? REGEX_MAX_GROUPS + 1 : number;
        }
        if (number < m->count && m->ranges[number].start != REGEX_UNSET)
            buf_append(out, m->text->string + m->ranges[number].start,
                       m->ranges[number].end - m->ranges[number].start);
        i = to - 1 + braces;
    }
}

BUILTIN(regex_replace_text)
{
    CLEANUP(buf) struct buf out = BUF_INIT(RESULT_MAX);
    const struct rval *text = args[0];
    const struct regex *regex = compiled(call, args[1]->string, args[1]->len);
    size_t from = 0;
    if (regex == NULL)
        return NULL;
    struct matches m = {
        .call = call, .regex = regex, .text = text, .count = regex_groups(regex) + 1};
    while (!out.full && next_match(&m)) {
        buf_append(&out, text->string + from, m.ranges[0].start - from);
        expand(&out, &m, (struct span){args[2]->string, args[2]->len});
        from = m.ranges[0].end;
    }
    buf_append(&out, text->string + from, text->len - from);
    if (out.full)
        return builtin_fail(call, "the result is too long");
    return call->code != NULL ? NULL : rval_string(call->arena, out.ptr, out.len);
}

static void quote(struct buf *out, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (strchr("\\.+*?()|[]{}^$", text[i]) != NULL && text[i] != '\0')
            buf_add_char(out, '\\');
        buf_add_char(out, text[i]);
    }
}

static const struct rval *match_built(struct builtin_call *call, struct buf *pattern,
                                      const struct rval *text)
{
    bool found = false;
    if (pattern->full)
        return builtin_fail(call, "the pattern is too long");
    const struct regex *regex = compiled(call, pattern->ptr, pattern->len);
    if (regex == NULL || !search(call, regex, text, 0, NULL, 0, &found))
        return NULL;
    return rval_bool(found);
}

BUILTIN(regex_template_match)
{
    CLEANUP(buf) struct buf out = BUF_INIT(REGEX_MAX_PATTERN);
    const struct rval *t = args[0];
    if (args[2]->len != 1 || args[3]->len != 1)
        return builtin_fail(call, "delimiters must have one character");
    char open = args[2]->string[0], close = args[3]->string[0];
    size_t from = 0;
    int depth = 0;
    buf_add_char(&out, '^');
    for (size_t i = 0; i < t->len; i++) {
        if (t->string[i] == open && depth++ == 0) {
            quote(&out, t->string + from, i - from);
            from = i + 1;
        } else if (t->string[i] == close) {
            if (--depth == 0) {
                buf_add_char(&out, '(');
                buf_append(&out, t->string + from, i - from);
                buf_add_char(&out, ')');
                from = i + 1;
            } else if (depth < 0) {
                return builtin_fail(call, "unbalanced braces in the template");
            }
        }
    }
    if (depth != 0)
        return builtin_fail(call, "unbalanced braces in the template");
    quote(&out, t->string + from, t->len - from);
    buf_add_char(&out, '$');
    return match_built(call, &out, args[1]);
}

/* --- globs ------------------------------------------------------------------------------------ */

struct glob {
    struct span p;
    size_t at;
    struct buf *out;
    struct buf outside; /* a class of all but the delimiters */
    int depth;
};

static void add_class_char(struct buf *out, char c)
{
    if (strchr("\\]^-[&~", c) != NULL && c != '\0')
        buf_add_char(out, '\\');
    buf_add_char(out, c);
}

/* "[abc]", "[!a-z]" behind the bracket. */
static bool glob_class(struct glob *g)
{
    bool any = false;
    buf_add_char(g->out, '[');
    if (g->at < g->p.len && (g->p.ptr[g->at] == '!' || g->p.ptr[g->at] == '^')) {
        buf_add_char(g->out, '^');
        g->at++;
    }
    for (; g->at < g->p.len && g->p.ptr[g->at] != ']'; g->at++) {
        char c = g->p.ptr[g->at];
        any = true;
        if (c == '\\' && g->at + 1 < g->p.len)
            add_class_char(g->out, g->p.ptr[++g->at]);
        else if (c == '-')
            buf_add_char(g->out, '-');
        else
            add_class_char(g->out, c);
    }
    buf_add_char(g->out, ']');
    return any && g->at < g->p.len;
}

static bool translate_glob(struct glob *g)
{
    for (; g->at < g->p.len; g->at++) {
        char c = g->p.ptr[g->at];
        if (c == '*') {
            bool twice = g->at + 1 < g->p.len && g->p.ptr[g->at + 1] == '*';
            if (twice) {
                g->at++;
                buf_add(g->out, "(?s:.*)");
            } else {
                buf_add_span(g->out, buf_span(&g->outside));
                buf_add_char(g->out, '*');
            }
        } else if (c == '?') {
            buf_add_span(g->out, buf_span(&g->outside));
        } else if (c == '[') {
            g->at++;
            if (!glob_class(g))
                return false;
        } else if (c == '{') {
            g->depth++;
            buf_add(g->out, "(?:");
        } else if (c == '}' && g->depth > 0) {
            g->depth--;
            buf_add_char(g->out, ')');
        } else if (c == ',' && g->depth > 0) {
            buf_add_char(g->out, '|');
        } else if (c == '\\' && g->at + 1 < g->p.len) {
            quote(g->out, g->p.ptr + ++g->at, 1);
        } else {
            quote(g->out, &c, 1);
        }
    }
    return g->depth == 0;
}

BUILTIN(glob_match)
{
    CLEANUP(buf) struct buf out = BUF_INIT(REGEX_MAX_PATTERN);
    struct glob g = {.p = {args[0]->string, args[0]->len}, .out = &out, .outside = BUF_INIT(4096)};
    /* No list of delimiters: a dot; an empty one: none. */
    if (args[1]->type == RVAL_ARRAY && args[1]->len > 0) {
        buf_add(&g.outside, "[^");
        for (uint32_t i = 0; i < args[1]->len; i++) {
            if (args[1]->items[i]->type != RVAL_STRING) {
                buf_reset(&g.outside);
                return builtin_type_fail(call, "operand 2 must be array of strings");
            }
            for (uint32_t k = 0; k < args[1]->items[i]->len; k++)
                add_class_char(&g.outside, args[1]->items[i]->string[k]);
        }
        buf_add_char(&g.outside, ']');
    } else {
        buf_add(&g.outside, args[1]->type == RVAL_ARRAY ? "[^.]" : "(?s:.)");
    }
    buf_add(&out, "^(?:");
    bool ok = translate_glob(&g);
    buf_add(&out, ")$");
    buf_reset(&g.outside);
    if (!ok)
        return builtin_fail(call, "syntax error in pattern");
    return match_built(call, &out, args[2]);
}

BUILTIN(glob_quote_meta)
{
    CLEANUP(buf) struct buf out = BUF_INIT(RESULT_MAX);
    for (uint32_t i = 0; i < args[0]->len; i++) {
        char c = args[0]->string[i];
        if (strchr("*?\\[]{}", c) != NULL && c != '\0')
            buf_add_char(&out, '\\');
        buf_add_char(&out, c);
    }
    return rval_string(call->arena, out.ptr, out.len);
}
