#include "lang/tsl/tree.h"

#include "base/error.h"
#include "base/time.h"
#include "data/obj.h"
#include "lang/utf8.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { TIME_MAX = 40 };

bool tsl_time(struct span text, int64_t *ms)
{
    struct error *err = NULL;
    char full[TIME_MAX + 16];

    if (text.len < 10 || text.len > TIME_MAX || text.ptr[0] < '0' || text.ptr[0] > '9' ||
        text.ptr[4] != '-' || text.ptr[7] != '-')
        return false;
    snprintf(full, sizeof(full), "%.*s%s", (int)text.len, text.ptr,
             text.len == 10 ? "T00:00:00Z" : "");
    if (time_parse(full, ms, &err) == 0)
        return true;
    error_clear(&err); /* then it is text */
    return false;
}

struct tsl_val tsl_val_of_json(struct arena *arena, const json_t *json)
{
    struct tsl_val val = {.kind = TSL_NULL};
    size_t i;
    json_t *item;

    if (json_is_string(json)) {
        val.kind = TSL_TEXT;
        val.text = (struct span){json_string_value(json), json_string_length(json)};
    } else if (json_is_number(json)) {
        val.kind = TSL_NUMBER;
        val.n = json_number_value(json);
    } else if (json_is_boolean(json)) {
        val.kind = TSL_BOOL;
        val.b = json_is_true(json);
    } else if (json_is_object(json)) {
        val.kind = TSL_OBJECT;
        val.json = json;
    } else if (json_is_array(json)) {
        val.kind = TSL_LIST;
        val.count = json_array_size(json);
        val.items = arena_calloc(arena, val.count + 1, sizeof(*val.items));
        json_array_foreach(json, i, item) val.items[i] = tsl_val_of_json(arena, item);
    }
    return val;
}

json_t *tsl_val_to_json(const struct tsl_val *val)
{
    json_t *list;

    switch (val->kind) {
    case TSL_NULL:
        break;
    case TSL_BOOL:
        return json_boolean(val->b);
    case TSL_NUMBER:
        if (val->n == trunc(val->n) && fabs(val->n) < 9e15)
            return json_integer((json_int_t)val->n);
        return json_real(val->n);
    case TSL_TEXT:
        return json_stringn(val->text.ptr, val->text.len);
    case TSL_LIST:
        list = json_array();
        for (size_t i = 0; i < val->count; i++)
            json_array_append_new(list, tsl_val_to_json(&val->items[i]));
        return list;
    case TSL_OBJECT:
        return json_incref((json_t *)(uintptr_t)val->json);
    }
    return json_null();
}

/* Paths. */

/* Values that a path leads to when it fans out over arrays. */
struct fan {
    struct tsl_val *items;
    size_t count, cap;
};

static void add_to_fan(struct arena *arena, struct fan *fan, struct tsl_val val)
{
    if (fan->count == fan->cap) {
        size_t cap = fan->cap == 0 ? 8 : fan->cap * 2;
        struct tsl_val *items = arena_calloc(arena, cap, sizeof(*items));
        if (fan->count > 0)
            memcpy(items, fan->items, fan->count * sizeof(*items));
        fan->items = items;
        fan->cap = cap;
    }
    fan->items[fan->count++] = val;
}

static void walk_fan(struct arena *arena, const json_t *at, const struct tsl_step *steps,
                     size_t count, struct fan *fan);

/* Follows STEPS from AT; *FANS is set if they lead to several values, which go to FAN. */
static const json_t *walk(struct arena *arena, const json_t *at, const struct tsl_step *steps,
                          size_t count, bool *fans, struct fan *fan)
{
    for (size_t i = 0; i < count && at != NULL; i++) {
        const struct tsl_step *step = &steps[i];
        bool each = step->kind == TSL_STEP_ALL || (step->kind == TSL_STEP_KEY && json_is_array(at));

        if (each && json_is_array(at)) {
            size_t behind = i + (step->kind == TSL_STEP_ALL), index;
            json_t *item;

            *fans = true;
            json_array_foreach(at, index, item)
                walk_fan(arena, item, steps + behind, count - behind, fan);
            return NULL;
        }
        at = step->kind == TSL_STEP_KEY     ? json_object_getn(at, step->key.ptr, step->key.len)
             : step->kind == TSL_STEP_INDEX ? json_array_get(at, step->index)
                                            : NULL;
    }
    return at;
}

static void walk_fan(struct arena *arena, const json_t *at, const struct tsl_step *steps,
                     size_t count, struct fan *fan)
{
    bool fans = false;
    const json_t *end = walk(arena, at, steps, count, &fans, fan);
    size_t i;
    json_t *item;

    if (fans || end == NULL || json_is_null(end))
        return;
    if (!json_is_array(end)) {
        add_to_fan(arena, fan, tsl_val_of_json(arena, end));
        return;
    }
    json_array_foreach(end, i, item) if (!json_is_null(item))
        add_to_fan(arena, fan, tsl_val_of_json(arena, item));
}

void tsl_eval_path(struct tsl_eval *eval, const struct tsl_node *node, struct tsl_val *out)
{
    struct fan fan = {0};
    bool fans = false;
    const json_t *end = walk(&eval->arena, eval->row, node->steps, node->step_count, &fans, &fan);

    if (fans && fan.count == 0 && eval->tsl->strict)
        *out = (struct tsl_val){.kind = TSL_NULL};
    else if (fans)
        *out = (struct tsl_val){.kind = TSL_LIST, .items = fan.items, .count = fan.count};
    else
        *out = tsl_val_of_json(&eval->arena, end);
}

/* Patterns. */

static uint32_t char_at(struct span text, size_t at, bool fold, size_t *size)
{
    uint32_t c = utf8_decode(text.ptr + at, text.len - at, size);

    return fold ? utf8_lower(c) : c;
}

/* '%' is any run, '_' any character.  Only the last '%' is ever tried again, so this takes at most
 * the product of both lengths. */
bool tsl_like(struct span text, struct span pattern, bool fold, bool one_line)
{
    size_t t = 0, p = 0, star = SIZE_MAX, star_t = 0, size, pattern_size;

    while (t < text.len) {
        if (p < pattern.len && pattern.ptr[p] == '%') {
            star = ++p;
            star_t = t;
            continue;
        }
        uint32_t c = char_at(text, t, fold, &size);
        bool matches = p < pattern.len &&
                       (char_at(pattern, p, fold, &pattern_size) == c ||
                        (pattern.ptr[p] == '_' && !(one_line && c == '\n')));
        if (matches) {
            t += size;
            p += pattern_size;
        } else if (star != SIZE_MAX && !(one_line && text.ptr[star_t] == '\n')) {
            char_at(text, star_t, fold, &size);
            star_t += size;
            t = star_t;
            p = star;
        } else {
            return false;
        }
    }
    while (p < pattern.len && pattern.ptr[p] == '%')
        p++;
    return p == pattern.len;
}
