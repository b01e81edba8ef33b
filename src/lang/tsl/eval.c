#include "lang/tsl/tree.h"

#include "base/error.h"
#include "base/mem.h"
#include "lang/caret.h"
#include "lang/regex.h"
#include "lang/utf8.h"

#include <math.h>
#include <string.h>

static const char *kind_name(const struct tsl_val *val)
{
    static const char *const names[] = {
        [TSL_NULL] = "null",   [TSL_BOOL] = "boolean", [TSL_NUMBER] = "number",
        [TSL_TEXT] = "string", [TSL_LIST] = "array",   [TSL_OBJECT] = "object",
    };

    return names[val->kind];
}

void tsl_eval_init(struct tsl_eval *eval, const struct tsl *tsl, const json_t *row,
                   struct error **err)
{
    *eval = (struct tsl_eval){.tsl = tsl, .row = row, .err = err};
    arena_init(&eval->arena, TSL_MAX_MEMORY);
}

static int fail(struct tsl_eval *e, const struct tsl_node *node, const char *what)
{
    return caret_set(e->err, ERROR_INVALID, "query", (struct span){e->tsl->text, e->tsl->len},
                     node->offset, "%s", what);
}

static int mismatch(struct tsl_eval *e, const struct tsl_node *node, const char *wanted,
                    const struct tsl_val *got)
{
    return caret_set(e->err, ERROR_INVALID, "query", (struct span){e->tsl->text, e->tsl->len},
                     node->offset, "type mismatch: expected %s, got %s", wanted, kind_name(got));
}

static int give_bool(struct tsl_val *out, bool b)
{
    *out = (struct tsl_val){.kind = TSL_BOOL, .b = b};
    return 0;
}

static int give_number(struct tsl_val *out, double n)
{
    *out = (struct tsl_val){.kind = TSL_NUMBER, .n = n};
    return 0;
}

/* Comparing. */

static int text_order(struct span a, struct span b)
{
    size_t shared = a.len < b.len ? a.len : b.len;
    int order = shared > 0 ? memcmp(a.ptr, b.ptr, shared) : 0;
    int64_t a_ms, b_ms;

    if (tsl_time(a, &a_ms) && tsl_time(b, &b_ms))
        return a_ms < b_ms ? -1 : a_ms > b_ms;
    return order != 0 ? order : a.len < b.len ? -1 : a.len > b.len;
}

static bool is_equal(const struct tsl_val *a, const struct tsl_val *b)
{
    if (a->kind != b->kind)
        return false;
    switch (a->kind) {
    case TSL_NULL:
        return true;
    case TSL_BOOL:
        return a->b == b->b;
    case TSL_NUMBER:
        return a->n == b->n;
    case TSL_TEXT:
        return text_order(a->text, b->text) == 0;
    case TSL_LIST:
    case TSL_OBJECT:
        break;
    }
    return false;
}

static int get_order(struct tsl_eval *e, const struct tsl_node *node, const struct tsl_val *a,
                     const struct tsl_val *b, int *order)
{
    if (a->kind == TSL_NUMBER && b->kind == TSL_NUMBER) {
        *order = a->n < b->n ? -1 : a->n > b->n;
        return 0;
    }
    if (a->kind == TSL_TEXT && b->kind == TSL_TEXT) {
        *order = text_order(a->text, b->text);
        return 0;
    }
    if (a->kind == TSL_NUMBER || a->kind == TSL_TEXT)
        return mismatch(e, node, kind_name(a), b);
    return mismatch(e, node, "something that has an order", a);
}

static int compare(struct tsl_eval *e, const struct tsl_node *node, const struct tsl_val *a,
                   const struct tsl_val *b, struct tsl_val *out)
{
    int order;

    if (node->op == TSL_OP_EQ || node->op == TSL_OP_NE) {
        if (a->kind == TSL_OBJECT && b->kind == TSL_OBJECT)
            return fail(e, node, "objects are not comparable");
        return give_bool(out, is_equal(a, b) == (node->op == TSL_OP_EQ));
    }
    if (a->kind == TSL_NULL || b->kind == TSL_NULL)
        return give_bool(out, false);
    if (get_order(e, node, a, b, &order) == -1)
        return -1;
    return give_bool(out, node->op == TSL_OP_LT   ? order < 0
                          : node->op == TSL_OP_LE ? order <= 0
                          : node->op == TSL_OP_GT ? order > 0
                                                  : order >= 0);
}

/* Text. */

static int search(struct tsl_eval *e, const struct tsl_node *node, struct span text,
                  struct span pattern, bool *found)
{
    struct regex *regex = node->regex, *own = NULL;
    CLEANUP(error) struct error *err = NULL;

    if (node->part.ptr != NULL) {
        *found = node->part.len == 0 ||
                 memmem(text.ptr, text.len, node->part.ptr, node->part.len) != NULL;
        return 0;
    }
    int result = regex == NULL ? regex_compile(pattern, &own, &err) : 0;
    if (result == 0)
        result = regex_search(regex != NULL ? regex : own, text, 0, found, NULL, 0, &err);
    regex_free(own);
    if (result == 0)
        return 0;
    CLEANUP(str) char *why = error_format(err);
    return fail(e, node, why);
}

static int match_text(struct tsl_eval *e, const struct tsl_node *node, const struct tsl_val *a,
                      const struct tsl_val *b, struct tsl_val *out)
{
    bool found = false;

    if (a->kind != TSL_NULL && b->kind != TSL_NULL) {
        if (a->kind != TSL_TEXT || b->kind != TSL_TEXT)
            return mismatch(e, node, "string", a->kind != TSL_TEXT ? a : b);
        if (node->op != TSL_OP_MATCH)
            found = tsl_like(a->text, b->text, node->op == TSL_OP_ILIKE);
        else if (search(e, node, a->text, b->text, &found) == -1)
            return -1;
    }
    return give_bool(out, found != node->negated);
}

static int is_in(struct tsl_eval *e, const struct tsl_node *node, const struct tsl_val *a,
                 const struct tsl_val *b, struct tsl_val *out)
{
    bool found = false;

    if (b->kind != TSL_LIST && b->kind != TSL_NULL)
        return mismatch(e, node, "array", b);
    if (a->kind == TSL_OBJECT)
        return mismatch(e, node, "string, number or boolean", a);
    if (b->kind == TSL_LIST && a->kind != TSL_NULL)
        for (size_t i = 0; i < b->count && !found; i++)
            found = is_equal(a, &b->items[i]);
    return give_bool(out, found != node->negated);
}

/* Arithmetic. */

static int calculate(struct tsl_eval *e, const struct tsl_node *node, const struct tsl_val *a,
                     const struct tsl_val *b, struct tsl_val *out)
{
    if (a->kind == TSL_NULL || b->kind == TSL_NULL) {
        *out = (struct tsl_val){.kind = TSL_NULL};
        return 0;
    }
    if (a->kind != TSL_NUMBER || b->kind != TSL_NUMBER)
        return mismatch(e, node, "number", a->kind != TSL_NUMBER ? a : b);
    if (node->op == TSL_OP_ADD)
        return give_number(out, a->n + b->n);
    if (node->op == TSL_OP_SUB)
        return give_number(out, a->n - b->n);
    if (node->op == TSL_OP_MUL)
        return give_number(out, a->n * b->n);
    if (node->op == TSL_OP_DIV)
        return b->n == 0 ? fail(e, node, "division by zero") : give_number(out, a->n / b->n);
    double divisor = trunc(b->n);
    return divisor == 0 ? fail(e, node, "modulus by zero")
                        : give_number(out, fmod(trunc(a->n), divisor));
}

/* Applies a two-sided operator to A, element by element if it is an array. */
static int apply(struct tsl_eval *e, const struct tsl_node *node, const struct tsl_val *a,
                 const struct tsl_val *b, struct tsl_val *out)
{
    if (a->kind == TSL_LIST) {
        struct tsl_val list = {.kind = TSL_LIST, .count = a->count};
        list.items = arena_calloc(&e->arena, a->count + 1, sizeof(*list.items));
        for (size_t i = 0; i < a->count; i++)
            if (apply(e, node, &a->items[i], b, &list.items[i]) == -1)
                return -1;
        *out = list;
        return 0;
    }
    switch ((int)node->op) {
    case TSL_OP_MATCH:
    case TSL_OP_LIKE:
    case TSL_OP_ILIKE:
        return match_text(e, node, a, b, out);
    case TSL_OP_IN:
        return is_in(e, node, a, b, out);
    case TSL_OP_ADD:
    case TSL_OP_SUB:
    case TSL_OP_MUL:
    case TSL_OP_DIV:
    case TSL_OP_MOD:
        return calculate(e, node, a, b, out);
    default:
        return compare(e, node, a, b, out);
    }
}

static int between(struct tsl_eval *e, const struct tsl_node *node, const struct tsl_val *a,
                   const struct tsl_val *low, const struct tsl_val *high, struct tsl_val *out)
{
    int above, below;

    if (a->kind == TSL_LIST) {
        struct tsl_val list = {.kind = TSL_LIST, .count = a->count};
        list.items = arena_calloc(&e->arena, a->count + 1, sizeof(*list.items));
        for (size_t i = 0; i < a->count; i++)
            if (between(e, node, &a->items[i], low, high, &list.items[i]) == -1)
                return -1;
        *out = list;
        return 0;
    }
    if (a->kind == TSL_NULL || low->kind == TSL_NULL || high->kind == TSL_NULL)
        return give_bool(out, node->negated);
    if (get_order(e, node, a, low, &above) == -1 || get_order(e, node, a, high, &below) == -1)
        return -1;
    return give_bool(out, (above >= 0 && below <= 0) != node->negated);
}

/* Logic: null is false. */

static int combine(struct tsl_eval *e, const struct tsl_node *node, const struct tsl_val *a,
                   const struct tsl_val *b, struct tsl_val *out)
{
    bool is_and = node->op == TSL_OP_AND;

    if (a->kind == TSL_LIST || b->kind == TSL_LIST) {
        bool both = a->kind == TSL_LIST && b->kind == TSL_LIST;
        struct tsl_val list = {.kind = TSL_LIST,
                               .count = a->kind == TSL_LIST ? a->count : b->count};

        if (both && a->count != b->count)
            return fail(e, node, "arrays of different lengths");
        list.items = arena_calloc(&e->arena, list.count + 1, sizeof(*list.items));
        for (size_t i = 0; i < list.count; i++)
            if (combine(e, node, a->kind == TSL_LIST ? &a->items[i] : a,
                        b->kind == TSL_LIST ? &b->items[i] : b, &list.items[i]) == -1)
                return -1;
        *out = list;
        return 0;
    }
    const struct tsl_val *sides[] = {a, b};
    bool truth[2];
    for (int i = 0; i < 2; i++) {
        if (sides[i]->kind != TSL_BOOL && sides[i]->kind != TSL_NULL)
            return mismatch(e, node, "boolean", sides[i]);
        truth[i] = sides[i]->kind == TSL_BOOL && sides[i]->b;
    }
    return give_bool(out, is_and ? truth[0] && truth[1] : truth[0] || truth[1]);
}

static int eval_logic(struct tsl_eval *e, const struct tsl_node *node, struct tsl_val *out)
{
    struct tsl_val a, b;

    if (tsl_eval_node(e, node->left, &a) == -1)
        return -1;
    bool decided = a.kind == TSL_BOOL ? a.b == (node->op == TSL_OP_OR)
                                      : a.kind == TSL_NULL && node->op == TSL_OP_AND;
    if (decided)
        return give_bool(out, node->op == TSL_OP_OR);
    if (tsl_eval_node(e, node->right, &b) == -1)
        return -1;
    return combine(e, node, &a, &b, out);
}

/* NOT and the sign, element by element. */
static int apply_unary(struct tsl_eval *e, const struct tsl_node *node, const struct tsl_val *a,
                       struct tsl_val *out)
{
    if (a->kind == TSL_LIST) {
        struct tsl_val list = {.kind = TSL_LIST, .count = a->count};
        list.items = arena_calloc(&e->arena, a->count + 1, sizeof(*list.items));
        for (size_t i = 0; i < a->count; i++)
            if (apply_unary(e, node, &a->items[i], &list.items[i]) == -1)
                return -1;
        *out = list;
        return 0;
    }
    if (node->op == TSL_OP_NOT) {
        if (a->kind != TSL_BOOL && a->kind != TSL_NULL)
            return mismatch(e, node, "boolean", a);
        return give_bool(out, a->kind == TSL_NULL || !a->b);
    }
    if (a->kind == TSL_NULL) {
        *out = *a;
        return 0;
    }
    return a->kind == TSL_NUMBER ? give_number(out, -a->n) : mismatch(e, node, "number", a);
}

/* Functions of arrays. */

static size_t count_chars(struct span text)
{
    size_t count = 0;

    for (size_t i = 0; i < text.len; i++)
        count += ((unsigned char)text.ptr[i] & 0xc0) != 0x80;
    return count;
}

static int reduce(struct tsl_eval *e, const struct tsl_node *node, const struct tsl_val *a,
                  struct tsl_val *out)
{
    bool all = a->kind == TSL_LIST && a->count > 0, any = false;
    double sum = 0;

    if (node->op == TSL_OP_LEN && a->kind == TSL_TEXT)
        return give_number(out, (double)count_chars(a->text));
    bool is_quantor = node->op == TSL_OP_ANY || node->op == TSL_OP_ALL;
    if (is_quantor && (a->kind == TSL_BOOL || a->kind == TSL_NULL))
        return give_bool(out, a->kind == TSL_BOOL && a->b);
    if (a->kind != TSL_LIST && a->kind != TSL_NULL)
        return mismatch(e, node, "array", a);
    size_t count = a->kind == TSL_LIST ? a->count : 0;
    if (node->op == TSL_OP_LEN)
        return give_number(out, (double)count);
    for (size_t i = 0; i < count; i++) {
        const struct tsl_val *item = &a->items[i];
        bool truth = item->kind == TSL_BOOL && item->b;

        any |= truth;
        all &= truth;
        if (node->op == TSL_OP_SUM && item->kind != TSL_NUMBER)
            return mismatch(e, node, "number", item);
        sum += item->kind == TSL_NUMBER ? item->n : 0;
    }
    if (node->op == TSL_OP_SUM)
        return give_number(out, sum);
    return give_bool(out, node->op == TSL_OP_ANY ? any : all);
}

static int eval_array(struct tsl_eval *e, const struct tsl_node *node, struct tsl_val *out)
{
    struct tsl_val list = {.kind = TSL_LIST, .count = node->item_count};

    list.items = arena_calloc(&e->arena, node->item_count + 1, sizeof(*list.items));
    for (size_t i = 0; i < node->item_count; i++)
        if (tsl_eval_node(e, node->items[i], &list.items[i]) == -1)
            return -1;
    *out = list;
    return 0;
}

int tsl_eval_node(struct tsl_eval *e, const struct tsl_node *node, struct tsl_val *out)
{
    struct tsl_val a, b, c;

    if (arena_is_over(&e->arena))
        return fail(e, node, "the query takes too much memory");
    switch (node->op) {
    case TSL_OP_LITERAL:
        *out = node->literal;
        return 0;
    case TSL_OP_PATH:
        tsl_eval_path(e, node, out);
        return 0;
    case TSL_OP_ARRAY:
        return eval_array(e, node, out);
    case TSL_OP_OR:
    case TSL_OP_AND:
        return eval_logic(e, node, out);
    case TSL_OP_IS_NULL:
        return tsl_eval_node(e, node->left, &a) == -1
                   ? -1
                   : give_bool(out, (a.kind == TSL_NULL) != node->negated);
    case TSL_OP_NOT:
    case TSL_OP_NEG:
        return tsl_eval_node(e, node->left, &a) == -1 ? -1 : apply_unary(e, node, &a, out);
    case TSL_OP_LEN:
    case TSL_OP_ANY:
    case TSL_OP_ALL:
    case TSL_OP_SUM:
        return tsl_eval_node(e, node->left, &a) == -1 ? -1 : reduce(e, node, &a, out);
    case TSL_OP_BETWEEN:
        if (tsl_eval_node(e, node->left, &a) == -1 || tsl_eval_node(e, node->right, &b) == -1 ||
            tsl_eval_node(e, node->third, &c) == -1)
            return -1;
        return between(e, node, &a, &b, &c, out);
    case TSL_OP_EQ:
    case TSL_OP_NE:
    case TSL_OP_LT:
    case TSL_OP_LE:
    case TSL_OP_GT:
    case TSL_OP_GE:
    case TSL_OP_MATCH:
    case TSL_OP_LIKE:
    case TSL_OP_ILIKE:
    case TSL_OP_IN:
    case TSL_OP_ADD:
    case TSL_OP_SUB:
    case TSL_OP_MUL:
    case TSL_OP_DIV:
    case TSL_OP_MOD:
        break;
    }
    if (tsl_eval_node(e, node->left, &a) == -1 || tsl_eval_node(e, node->right, &b) == -1)
        return -1;
    return apply(e, node, &a, &b, out);
}
