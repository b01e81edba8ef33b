/* regex.globs_match: do two patterns have a text in common?
 *
 * The patterns know literals, ".", sets in brackets, and the flags "*" and "+" behind one of
 * these.  Both are walked together; a pair of positions is visited once, so the work is bounded by
 * the product of the lengths. */
#include "lang/rego/builtins_table.h"

enum { TOKENS_MAX = 1000 };

struct token {
    bool any;          /* "." */
    uint64_t chars[4]; /* bytes it accepts */
    char flag;         /* '*', '+' or 0 */
};

struct pattern {
    struct token *tokens;
    size_t len;
};

static void accept(struct token *t, unsigned char c)
{
    t->chars[c / 64] |= 1ULL << (c % 64);
}

/* A set behind its "["; *POS moves to the "]". */
static bool read_set(const struct rval *v, size_t *pos, struct token *t)
{
    size_t i = *pos;
    bool any = false;
    while (i < v->len && v->string[i] != ']') {
        unsigned char c = (unsigned char)v->string[i];
        if (c == '\\' && i + 1 < v->len)
            c = (unsigned char)v->string[++i];
        if (i + 2 < v->len && v->string[i + 1] == '-' && v->string[i + 2] != ']') {
            unsigned char to = (unsigned char)v->string[i + 2];
            if (to < c)
                return false;
            for (unsigned k = c; k <= to; k++)
                accept(t, (unsigned char)k);
            i += 2;
        } else {
            accept(t, c);
        }
        any = true;
        i++;
    }
    *pos = i;
    return any && i < v->len;
}

static bool read_pattern(struct builtin_call *call, const struct rval *v, struct pattern *p)
{
    p->tokens = (struct token *)arena_calloc(call->arena, v->len + 1, sizeof(*p->tokens));
    p->len = 0;
    for (size_t i = 0; i < v->len; i++) {
        char c = v->string[i];
        struct token *t = &p->tokens[p->len];
        if (c == '*' || c == '+') {
            if (p->len == 0 || p->tokens[p->len - 1].flag != 0) {
                builtin_fail(call,
                             "input:%.60s, pos:%zu, flag '%c' must be preceded by a "
                             "non-flag: the input provided is invalid",
                             v->string, i + 1, c);
                return false;
            }
            p->tokens[p->len - 1].flag = c;
            continue;
        }
        p->len++;
        if (c == '.') {
            t->any = true;
        } else if (c == ']') {
            builtin_fail(call,
                         "input:%.60s, pos:%zu, set-close ']' with no preceding '[': the "
                         "input provided is invalid",
                         v->string, i + 1);
            return false;
        } else if (c == '[') {
            size_t start = i++;
            if (!read_set(v, &i, t)) {
                builtin_fail(call,
                             "input:%.60s, pos:%zu, found [ without matching ]: the input "
                             "provided is invalid",
                             v->string, start + 1);
                return false;
            }
        } else {
            if (c == '\\' && i + 1 < v->len)
                c = v->string[++i];
            accept(t, (unsigned char)c);
        }
    }
    return true;
}

static bool share(const struct token *a, const struct token *b)
{
    if (a->any || b->any)
        return true;
    for (int i = 0; i < 4; i++)
        if (a->chars[i] & b->chars[i])
            return true;
    return false;
}

/* May the tokens from I on match nothing? */
static bool can_end(const struct pattern *p, size_t i)
{
    while (i < p->len && p->tokens[i].flag == '*')
        i++;
    return i == p->len;
}

struct search {
    const struct pattern *a, *b;
    uint8_t *seen;
    uint32_t *queue;
    size_t head, tail;
};

static void reach(struct search *s, size_t i, size_t k)
{
    size_t at = i * (s->b->len + 1) + k;
    if (s->seen[at])
        return;
    s->seen[at] = 1;
    s->queue[s->tail++] = (uint32_t)at;
    if (i < s->a->len && s->a->tokens[i].flag == '*')
        reach(s, i + 1, k);
    if (k < s->b->len && s->b->tokens[k].flag == '*')
        reach(s, i, k + 1);
}

/* States are positions; "+" behaves as the token followed by a starred one. */
static struct pattern without_plus(struct builtin_call *call, const struct pattern *p)
{
    struct pattern out = {
        (struct token *)arena_calloc(call->arena, 2 * p->len + 1, sizeof(struct token)), 0};
    for (size_t i = 0; i < p->len; i++) {
        struct token t = p->tokens[i];
        if (t.flag == '+') {
            struct token once = t;
            once.flag = 0;
            out.tokens[out.len++] = once;
            t.flag = '*';
        }
        out.tokens[out.len++] = t;
    }
    return out;
}

BUILTIN(regex_globs_match)
{
    struct pattern a, b;
    if (!read_pattern(call, args[0], &a) || !read_pattern(call, args[1], &b))
        return NULL;
    if (a.len > TOKENS_MAX || b.len > TOKENS_MAX)
        return builtin_fail(call, "a pattern has more than %d parts", TOKENS_MAX);
    a = without_plus(call, &a);
    b = without_plus(call, &b);
    size_t states = (a.len + 1) * (b.len + 1);
    struct search s = {.a = &a, .b = &b};
    s.seen = (uint8_t *)arena_calloc(call->arena, states, 1);
    s.queue = (uint32_t *)arena_alloc(call->arena, states * sizeof(*s.queue));
    reach(&s, 0, 0);
    while (s.head < s.tail) {
        size_t at = s.queue[s.head++];
        size_t i = at / (b.len + 1), k = at % (b.len + 1);
        if (can_end(&a, i) && can_end(&b, k))
            return &rval_true;
        if (i == a.len || k == b.len || !share(&a.tokens[i], &b.tokens[k]))
            continue;
        bool stay_a = a.tokens[i].flag == '*', stay_b = b.tokens[k].flag == '*';
        reach(&s, i + 1, k + 1);
        if (stay_a)
            reach(&s, i, k + 1);
        if (stay_b)
            reach(&s, i + 1, k);
    }
    return &rval_false;
}
