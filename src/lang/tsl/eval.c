#include "lang/tsl/tree.h"

#include "base/array.h"
#include "base/error.h"
#include "base/mem.h"
#include "lang/caret.h"
#include "lang/regex.h"
#include "lang/utf8.h"

#include <math.h>
#include <string.h>

enum { SHORT_DATE = 10 }; /* length of "2024-03-10" */

/* In strict mode a date is no text. */
static bool is_time(const struct tsl_eval *e, const struct tsl_val *val)
{
    int64_t ms;

    return e->tsl->strict && val->kind == TSL_TEXT && tsl_time(val->text, &ms);
}

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
    *eval = (struct tsl_eval){.tsl = tsl, .row = row, .err = err, .run_steps_max = UINT64_MAX};
    arena_init(&eval->arena, TSL_MAX_MEMORY);
}

void tsl_eval_set_rows(struct tsl_eval *eval, size_t count)
{
    eval->run_steps_max = TSL_RUN_STEPS + TSL_RUN_STEPS_PER_ROW * (uint64_t)count;
}

void tsl_eval_next_row(struct tsl_eval *eval)
{
    eval->run_steps += eval->steps;
    eval->steps = 0;
}

static int fail(struct tsl_eval *e, const struct tsl_node *node, const char *what)
{
    return caret_set(e->err, ERROR_INVALID, "query", (struct span){e->tsl->text, e->tsl->len},
                     node->offset, "%s", what);
}

/* Counts STEPS more of work at NODE. */
static int spend(struct tsl_eval *e, const struct tsl_node *node, uint64_t steps)
{
    e->steps += steps;
    if (e->steps <= TSL_MAX_STEPS && e->run_steps + e->steps <= e->run_steps_max)
        return 0;
    return fail(e, node, e->steps > TSL_MAX_STEPS ? "the query takes too many steps for one row"
                                                  : "the query takes too many steps for its rows");
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
        if (spend(e, node, text.len / 64) == -1)
            return -1;
        *found = node->part.len == 0 ||
                 memmem(text.ptr, text.len, node->part.ptr, node->part.len) != NULL;
        return 0;
    }
    enum { COMPILE_STEPS = 1000, WORK_PER_STEP = 256 };
    int result = 0;
    if (regex == NULL) {
        if (spend(e, node, COMPILE_STEPS) == -1)
            return -1;
        result = regex_compile(pattern, &own, &err);
    }
    if (result == 0 &&
        spend(e, node, regex_work(regex != NULL ? regex : own, text.len) / WORK_PER_STEP) == -1) {
        regex_free(own);
        return -1;
    }
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
        if (is_time(e, a))
            return fail(e, node, "type mismatch: expected string, got time.Time");
        if (spend(e, node, a->text.len * b->text.len / 64) == -1)
            return -1;
        if (node->op != TSL_OP_MATCH)
            found = tsl_like(a->text, b->text, node->op == TSL_OP_ILIKE, e->tsl->strict);
        else if (search(e, node, a->text, b->text, &found) == -1)
            return -1;
    }
    return give_bool(out, found != node->negated);
}

/* In strict mode a date among the items stays text, a full time does not. */
static bool is_item(const struct tsl_eval *e, const struct tsl_val *a, const struct tsl_val *item)
{
    if (is_time(e, a) && (item->kind != TSL_TEXT || item->text.len <= SHORT_DATE))
        return false;
    return is_equal(a, item);
}

static int is_in(struct tsl_eval *e, const struct tsl_node *node, const struct tsl_val *a,
                 const struct tsl_val *b, struct tsl_val *out)
{
    bool found = false;

    if (b->kind != TSL_LIST && b->kind != TSL_NULL)
        return mismatch(e, node, "array", b);
    if (a->kind == TSL_OBJECT)
        return mismatch(e, node, "string, number or boolean", a);
    if (b->kind == TSL_LIST && spend(e, node, b->count) == -1)
        return -1;
    if (b->kind == TSL_LIST && a->kind != TSL_NULL)
        for (size_t i = 0; i < b->count && !found; i++)
            found = is_item(e, a, &b->items[i]);
    return give_bool(out, found != node->negated);
}

/* Arithmetic. */

static int calculate(struct tsl_eval *e, const struct tsl_node *node, const struct tsl_val *a,
                     const struct tsl_val *b, struct tsl_val *out)
{
    if (!e->tsl->strict && (a->kind == TSL_NULL || b->kind == TSL_NULL)) {
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
        if (spend(e, node, a->count) == -1)
            return -1;
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

/* Strict mode: numbers, or times of which the bounds are written in full. */
static int check_bounds(struct tsl_eval *e, const struct tsl_node *node, const struct tsl_val *a,
                        const struct tsl_val *low, const struct tsl_val *high)
{
    const struct tsl_val *sides[] = {a, low, high};

    for (size_t i = 0; i < ARRAY_SIZE(sides); i++) {
        if (sides[i]->kind != TSL_NUMBER && sides[i]->kind != TSL_TEXT)
            return mismatch(e, node, "numeric or time.Time values", sides[i]);
        if (sides[i]->kind == TSL_TEXT &&
            (!is_time(e, sides[i]) || (i > 0 && sides[i]->text.len <= SHORT_DATE)))
            return mismatch(e, node, "time.Time values", sides[i]);
    }
    return 0;
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
    if (e->tsl->strict && check_bounds(e, node, a, low, high) == -1)
        return -1;
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

    if (!e->tsl->strict && (a->kind == TSL_LIST || b->kind == TSL_LIST)) {
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
        if (sides[i]->kind != TSL_BOOL && (sides[i]->kind != TSL_NULL || e->tsl->strict))
            return mismatch(e, node, "boolean", sides[i]);
        truth[i] = sides[i]->kind == TSL_BOOL && sides[i]->b;
    }
    return give_bool(out, is_and ? truth[0] && truth[1] : truth[0] || truth[1]);
}

static int eval_logic(struct tsl_eval *e, const struct tsl_node *node, struct tsl_val *out)
{
    struct tsl_val a, b;

    if (e->tsl->strict) /* no short circuit, and the right side first */
        return tsl_eval_node(e, node->right, &b) == -1 || tsl_eval_node(e, node->left, &a) == -1
                   ? -1
                   : combine(e, node, &a, &b, out);
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
        if (a->kind != TSL_BOOL && (a->kind != TSL_NULL || e->tsl->strict))
            return mismatch(e, node, "boolean", a);
        return give_bool(out, a->kind == TSL_NULL || !a->b);
    }
    if (a->kind == TSL_NULL && !e->tsl->strict) {
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

/* Strict mode knows lists only, but a column passes null on. */
static int reduce_no_list(struct tsl_eval *e, const struct tsl_node *node, const struct tsl_val *a,
                          struct tsl_val *out)
{
    if (e->in_column && a->kind == TSL_NULL) {
        *out = *a;
        return 0;
    }
    return fail(e, node,
                node->op == TSL_OP_LEN   ? "unexpected operator: LEN"
                : node->op == TSL_OP_ANY ? "unexpected operator: ANY"
                : node->op == TSL_OP_ALL ? "unexpected operator: ALL"
                                         : "unexpected operator: SUM");
}

static int reduce(struct tsl_eval *e, const struct tsl_node *node, const struct tsl_val *a,
                  struct tsl_val *out)
{
    bool all = a->kind == TSL_LIST && a->count > 0, any = false;
    double sum = 0;

    if (e->tsl->strict && a->kind != TSL_LIST)
        return reduce_no_list(e, node, a, out);

    if (node->op == TSL_OP_LEN && a->kind == TSL_TEXT)
        return give_number(out, (double)count_chars(a->text));
    bool is_quantor = node->op == TSL_OP_ANY || node->op == TSL_OP_ALL;
    if (is_quantor && (a->kind == TSL_BOOL || a->kind == TSL_NULL))
        return give_bool(out, a->kind == TSL_BOOL && a->b);
    if (a->kind != TSL_LIST && a->kind != TSL_NULL)
        return mismatch(e, node, "array", a);
    size_t count = a->kind == TSL_LIST ? a->count : 0;
    if (spend(e, node, count) == -1)
        return -1;
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

static int eval_node(struct tsl_eval *e, const struct tsl_node *node, struct tsl_val *out)
{
    struct tsl_val a, b, c;

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

int tsl_eval_node(struct tsl_eval *e, const struct tsl_node *node, struct tsl_val *out)
{
    bool in_column = e->in_column;

    if (arena_is_over(&e->arena))
        return fail(e, node, "the query takes too much memory");
    if (spend(e, node, 1) == -1)
        return -1;
    if (e->depth >= TSL_MAX_CHAIN)
        return fail(e, node, "too many operators in a row; lists are shorter, as in: name in [...]");
    e->depth++;
    e->in_column |= node->is_column;
    int result = eval_node(e, node, out);
    e->in_column = in_column;
    e->depth--;
    return result;
}
