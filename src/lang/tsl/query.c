#include "lang/tsl/tree.h"

#include "base/error.h"
#include "base/mem.h"
#include "data/obj.h"
#include "lang/caret.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Evaluates the where clause; the arena of EVAL keeps what OUT refers to. */
static int eval_where(struct tsl_eval *eval, struct tsl_val *out)
{
    *out = (struct tsl_val){.kind = TSL_BOOL, .b = true};
    return eval->tsl->where != NULL ? tsl_eval_node(eval, eval->tsl->where, out) : 0;
}

/* With an evaluation whose arena is used again from row to row. */
static int match_row(struct tsl_eval *eval, bool *match)
{
    struct tsl_val value;

    arena_clear(&eval->arena);
    tsl_eval_next_row(eval);
    if (eval_where(eval, &value) == -1)
        return -1;
    if (eval->tsl->strict && value.kind != TSL_BOOL) {
        *match = false; /* silently, as in the old tool */
        return 0;
    }
    if (value.kind != TSL_BOOL && value.kind != TSL_NULL)
        return caret_set(eval->err, ERROR_INVALID, "query",
                         (struct span){eval->tsl->text, eval->tsl->len}, eval->tsl->where->offset,
                         "this is not a condition: it gives %s",
                         value.kind == TSL_LIST ? "an array; use any(...) or all(...)" : "a value");
    *match = value.kind == TSL_BOOL && value.b;
    return 0;
}

int tsl_match(const struct tsl *tsl, const json_t *row, bool *match, struct error **err)
{
    struct tsl_eval eval;

    tsl_eval_init(&eval, tsl, row, err);
    int result = match_row(&eval, match);
    arena_reset(&eval.arena);
    return result;
}

int tsl_value(const struct tsl *tsl, const json_t *row, json_t **value, struct error **err)
{
    struct tsl_eval eval;
    struct tsl_val found;

    tsl_eval_init(&eval, tsl, row, err);
    int result = eval_where(&eval, &found);
    if (result == 0)
        *value = tsl_val_to_json(&found);
    arena_reset(&eval.arena);
    return result;
}

/* Sorting. */

struct keyed {
    const struct tsl *tsl;
    json_t *row;
    size_t index; /* keeps equal rows in order */
    struct tsl_val *keys;
};

static bool to_number(const struct tsl_val *val, double *number)
{
    char text[64];
    char *end;

    if (val->kind == TSL_NUMBER) {
        *number = val->n;
        return true;
    }
    if (val->kind != TSL_TEXT || val->text.len == 0 || val->text.len >= sizeof(text))
        return false;
    memcpy(text, val->text.ptr, val->text.len);
    text[val->text.len] = '\0';
    *number = strtod(text, &end);
    return *end == '\0';
}

static int compare_as_text(const struct tsl_val *a, const struct tsl_val *b)
{
    json_auto_t *x = tsl_val_to_json(a);
    json_auto_t *y = tsl_val_to_json(b);
    CLEANUP(str)
    char *x_text = a->kind == TSL_TEXT ? xstrndup(a->text.ptr, a->text.len) : obj_format(x);
    CLEANUP(str)
    char *y_text = b->kind == TSL_TEXT ? xstrndup(b->text.ptr, b->text.len) : obj_format(y);

    return strcmp(x_text, y_text);
}

static int compare_keys(const struct tsl_val *a, const struct tsl_val *b)
{
    double x, y;

    if (a->kind == TSL_NULL || b->kind == TSL_NULL)
        return (a->kind != TSL_NULL) - (b->kind != TSL_NULL);
    if (to_number(a, &x) && to_number(b, &y))
        return x < y ? -1 : x > y;
    return compare_as_text(a, b);
}

static int compare_rows(const void *a, const void *b)
{
    const struct keyed *x = a, *y = b;

    for (size_t i = 0; i < x->tsl->orders.len; i++) {
        int order = compare_keys(&x->keys[i], &y->keys[i]);
        if (order != 0)
            return x->tsl->orders.ptr[i].descending ? -order : order;
    }
    return x->index < y->index ? -1 : 1;
}

/* Sorts FOUND in place.  ARENA keeps the keys. */
static int sort_rows(const struct tsl *tsl, json_t *found, struct error **err)
{
    size_t count = json_array_size(found), i;
    struct keyed *rows = xcalloc(count, sizeof(*rows));
    struct tsl_eval eval;
    int result = 0;

    tsl_eval_init(&eval, tsl, NULL, err);
    eval.arena.limit = TSL_MAX_SORT_MEMORY;
    tsl_eval_set_rows(&eval, count);
    for (i = 0; i < count && result == 0; i++) {
        rows[i] = (struct keyed){tsl, json_incref(json_array_get(found, i)), i, NULL};
        rows[i].keys = arena_calloc(&eval.arena, tsl->orders.len, sizeof(struct tsl_val));
        eval.row = rows[i].row;
        tsl_eval_next_row(&eval);
        for (size_t j = 0; j < tsl->orders.len && result == 0; j++)
            result = tsl_eval_node(&eval, tsl->orders.ptr[j].node, &rows[i].keys[j]);
    }
    if (result == 0) {
        qsort(rows, count, sizeof(*rows), compare_rows);
        for (i = 0; i < count; i++)
            json_array_set(found, i, rows[i].row);
    }
    for (i = 0; i < count; i++)
        json_decref(rows[i].row);
    free(rows);
    arena_reset(&eval.arena);
    return result;
}

/* Puts the row in front of an error: its name, or its place. */
static int name_row(struct error **err, const json_t *row, size_t index)
{
    const char *name = obj_str(row, "name", NULL);

    if (name != NULL)
        return error_wrap(err, "\"%s\"", name);
    return error_wrap(err, "row %zu", index + 1);
}

static int collect(const struct tsl *tsl, const json_t *rows, json_t *found, size_t *skipped,
                   struct error **err)
{
    struct tsl_eval eval;
    size_t i;
    json_t *row;
    int result = 0;

    tsl_eval_init(&eval, tsl, NULL, err);
    tsl_eval_set_rows(&eval, json_array_size(rows));
    json_array_foreach(rows, i, row)
    {
        bool match = false;

        eval.row = row;
        if (match_row(&eval, &match) == -1) {
            if (skipped == NULL) {
                result = name_row(err, row, i);
                break;
            }
            ++*skipped;
            error_clear(err);
            continue;
        }
        if (match)
            json_array_append(found, row);
        /* without an order the first ones that match are the answer */
        if (tsl->orders.len == 0 && tsl->has_limit && json_array_size(found) >= tsl->limit)
            break;
    }
    arena_reset(&eval.arena);
    return result;
}

int tsl_run(const struct tsl *tsl, const json_t *rows, json_t **result, size_t *skipped,
            struct error **err)
{
    json_auto_t *found = json_array();

    if (skipped != NULL)
        *skipped = 0;
    if (collect(tsl, rows, found, skipped, err) == -1)
        return -1;
    if (tsl->orders.len > 0 && sort_rows(tsl, found, err) == -1)
        return -1;
    while (tsl->has_limit && json_array_size(found) > tsl->limit)
        json_array_remove(found, json_array_size(found) - 1);
    *result = steal(&found);
    return 0;
}

char *tsl_explain_nothing(const struct tsl *tsl)
{
    if (tsl->division.len == 0)
        return NULL;
    return xasprintf("\"%.*s\" is one name; write spaces around the \"/\" to divide",
                     (int)tsl->division.len, tsl->division.ptr);
}

size_t tsl_column_count(const struct tsl *tsl)
{
    return tsl->columns.len;
}

const char *tsl_column_name(const struct tsl *tsl, size_t column)
{
    return tsl->columns.ptr[column].name;
}

int tsl_column_value(const struct tsl *tsl, size_t column, const json_t *row, json_t **value,
                     struct error **err)
{
    struct tsl_eval eval;
    struct tsl_val found;

    tsl_eval_init(&eval, tsl, row, err);
    int result = tsl_eval_node(&eval, tsl->columns.ptr[column].node, &found);
    if (result == 0)
        *value = tsl_val_to_json(&found);
    arena_reset(&eval.arena);
    return result;
}
