#include "lang/rego/builtins_table.h"
#include "lang/rego/json.h"

#include <ctype.h>

static struct span text_of(const struct rval *v)
{
    return (struct span){v->string, v->len};
}

static const struct rval *text_value(struct builtin_call *call, struct span s)
{
    return rval_string(call->arena, s.ptr, s.len);
}

/* The first NEEDLE at or behind FROM, or -1. */
static int64_t find(struct span text, struct span needle, size_t from)
{
    if (needle.len > text.len || from > text.len - needle.len)
        return -1;
    if (needle.len == 0)
        return (int64_t)from;
    const char *at = (const char *)memmem(text.ptr + from, text.len - from, needle.ptr, needle.len);
    return at != NULL ? at - text.ptr : -1;
}

static bool starts_with(struct span text, struct span prefix)
{
    return prefix.len <= text.len && memcmp(text.ptr, prefix.ptr, prefix.len) == 0;
}

static bool ends_with(struct span text, struct span suffix)
{
    return suffix.len <= text.len &&
           memcmp(text.ptr + text.len - suffix.len, suffix.ptr, suffix.len) == 0;
}

/* Bytes of the character at P. */
static size_t char_len(const char *p)
{
    unsigned char c = (unsigned char)*p;
    return c < 0x80 ? 1 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;
}

static int64_t count_chars(struct span s)
{
    int64_t count = 0;
    for (size_t i = 0; i < s.len; i++)
        count += ((unsigned char)s.ptr[i] & 0xC0) != 0x80;
    return count;
}

/* --- tests ------------------------------------------------------------------------------------ */

BUILTIN(string_contains)
{
    return rval_bool(find(text_of(args[0]), text_of(args[1]), 0) >= 0);
}

BUILTIN(string_startswith)
{
    return rval_bool(starts_with(text_of(args[0]), text_of(args[1])));
}

BUILTIN(string_endswith)
{
    return rval_bool(ends_with(text_of(args[0]), text_of(args[1])));
}

static bool check_strings(struct builtin_call *call, int n, const struct rval *v)
{
    for (uint32_t i = 0; v->type != RVAL_STRING && i < v->len; i++)
        if (v->items[i]->type != RVAL_STRING) {
            builtin_type_fail(call, "operand %d must be array of strings but got %s containing %s",
                              n, rval_type_name((enum rval_type)v->type),
                              rval_type_name((enum rval_type)v->items[i]->type));
            return false;
        }
    return true;
}

static const struct rval *any_match(struct builtin_call *call, const struct rval *const *args,
                                    bool (*fn)(struct span, struct span))
{
    if (!check_strings(call, 1, args[0]) || !check_strings(call, 2, args[1]))
        return NULL;
    uint32_t texts = args[0]->type == RVAL_STRING ? 1 : args[0]->len;
    uint32_t parts = args[1]->type == RVAL_STRING ? 1 : args[1]->len;
    if (!builtin_spend(call, (uint64_t)texts * parts))
        return NULL;
    for (uint32_t i = 0; i < texts; i++)
        for (uint32_t k = 0; k < parts; k++)
            if (fn(text_of(args[0]->type == RVAL_STRING ? args[0] : args[0]->items[i]),
                   text_of(args[1]->type == RVAL_STRING ? args[1] : args[1]->items[k])))
                return &rval_true;
    return &rval_false;
}

BUILTIN(strings_any_prefix_match)
{
    return any_match(call, args, starts_with);
}

BUILTIN(strings_any_suffix_match)
{
    return any_match(call, args, ends_with);
}

/* --- positions -------------------------------------------------------------------------------- */

BUILTIN(string_indexof)
{
    if (args[1]->len == 0)
        return builtin_fail(call, "empty search character");
    int64_t at = find(text_of(args[0]), text_of(args[1]), 0);
    if (at < 0)
        return rval_int(call->arena, -1);
    return rval_int(call->arena, count_chars((struct span){args[0]->string, (size_t)at}));
}

BUILTIN(string_indexof_n)
{
    struct rval_list list = {0};
    if (args[1]->len == 0)
        return builtin_fail(call, "empty search character");
    for (int64_t at = find(text_of(args[0]), text_of(args[1]), 0); at >= 0;
         at = find(text_of(args[0]), text_of(args[1]), (size_t)at + 1)) {
        if (!builtin_spend(call, (size_t)at / 64))
            return NULL;
        int64_t chars = count_chars((struct span){args[0]->string, (size_t)at});
        rval_list_push(call->arena, &list, rval_int(call->arena, chars));
    }
    return rval_array(call->arena, list.ptr, list.len);
}

BUILTIN(strings_count)
{
    struct span text = text_of(args[0]), part = text_of(args[1]);
    if (part.len == 0)
        return rval_int(call->arena, count_chars(text) + 1);
    int64_t count = 0;
    for (int64_t at = find(text, part, 0); at >= 0; at = find(text, part, (size_t)at + part.len))
        count++;
    return rval_int(call->arena, count);
}

BUILTIN(string_substring)
{
    int64_t start, len;
    struct span text = text_of(args[0]);
    if (!builtin_int(call, 2, args[1], &start) || !builtin_int(call, 3, args[2], &len))
        return NULL;
    if (start < 0)
        return builtin_fail(call, "negative offset");
    const char *p = text.ptr, *end = text.ptr + text.len;
    for (; start > 0 && p < end; start--)
        p += char_len(p);
    if (len < 0)
        return text_value(call, (struct span){p, (size_t)(end - p)});
    const char *from = p;
    for (; len > 0 && p < end; len--)
        p += char_len(p);
    return text_value(call, (struct span){from, (size_t)(p - from)});
}

/* --- making ----------------------------------------------------------------------------------- */

BUILTIN(string_concat)
{
    const struct rval *sep = args[0], *parts = args[1];
    size_t total = 0;
    if (!check_strings(call, 2, parts))
        return NULL;
    for (uint32_t i = 0; i < parts->len; i++)
        total += parts->items[i]->len + (i > 0 ? sep->len : 0);
    if (total >= UINT32_MAX || !builtin_room(call, total))
        return call->code != NULL ? NULL : builtin_fail(call, "the result is too long");
    char *text = (char *)arena_alloc(call->arena, total + 1);
    char *p = text;
    for (uint32_t i = 0; i < parts->len; i++) {
        if (i > 0 && sep->len > 0)
            p = (char *)mempcpy(p, sep->string, sep->len);
        if (parts->items[i]->len > 0)
            p = (char *)mempcpy(p, parts->items[i]->string, parts->items[i]->len);
    }
    *p = '\0';
    return rval_string_borrow(call->arena, text, total);
}

static const struct rval *finish(struct builtin_call *call, struct buf *out)
{
    if (out->full)
        return builtin_fail(call, "the result is too long");
    return rval_string(call->arena, out->ptr, out->len);
}

static size_t room_left(const struct builtin_call *call)
{
    size_t used = arena_used(call->arena);
    size_t limit = call->arena->limit == 0 ? UINT32_MAX : call->arena->limit;
    return used < limit ? limit - used : 1;
}

BUILTIN(string_replace)
{
    CLEANUP(buf) struct buf out = BUF_INIT(room_left(call));
    struct span text = text_of(args[0]), old = text_of(args[1]), new_text = text_of(args[2]);
    size_t from = 0;
    if (old.len == 0) { /* before each character, and at the end, as Go does */
        while (from < text.len) {
            size_t n = char_len(text.ptr + from);
            buf_add_span(&out, new_text);
            buf_append(&out, text.ptr + from, n);
            from += n;
        }
        buf_add_span(&out, new_text);
        return finish(call, &out);
    }
    for (int64_t at = find(text, old, 0); at >= 0; at = find(text, old, from)) {
        buf_append(&out, text.ptr + from, (size_t)at - from);
        buf_add_span(&out, new_text);
        from = (size_t)at + old.len;
    }
    buf_append(&out, text.ptr + from, text.len - from);
    return finish(call, &out);
}

BUILTIN(strings_replace_n)
{
    CLEANUP(buf) struct buf out = BUF_INIT(room_left(call));
    const struct rval *patterns = args[0];
    struct span text = text_of(args[1]);
    for (uint32_t i = 0; i < patterns->len; i++)
        if (patterns->pairs[i].key->type != RVAL_STRING ||
            patterns->pairs[i].value->type != RVAL_STRING)
            return builtin_type_fail(call, "operand 1 must be object of strings to strings");
    for (size_t at = 0; at <= text.len;) {
        uint32_t i = 0;
        struct span rest = {text.ptr + at, text.len - at};
        while (i < patterns->len && !(patterns->pairs[i].key->len > 0 &&
                                      starts_with(rest, text_of(patterns->pairs[i].key))))
            i++;
        if (i < patterns->len) {
            buf_add_span(&out, text_of(patterns->pairs[i].value));
            at += patterns->pairs[i].key->len;
        } else {
            if (at < text.len)
                buf_add_char(&out, text.ptr[at]);
            at++;
        }
    }
    return finish(call, &out);
}

BUILTIN(string_split)
{
    struct span text = text_of(args[0]), sep = text_of(args[1]);
    struct rval_list list = {0};
    size_t from = 0;
    if (sep.len == 0) {
        while (from < text.len) {
            size_t n = char_len(text.ptr + from);
            rval_list_push(call->arena, &list, rval_string(call->arena, text.ptr + from, n));
            from += n;
        }
        return rval_array(call->arena, list.ptr, list.len);
    }
    for (int64_t at = find(text, sep, 0); at >= 0; at = find(text, sep, from)) {
        rval_list_push(call->arena, &list,
                       rval_string(call->arena, text.ptr + from, (size_t)at - from));
        from = (size_t)at + sep.len;
    }
    rval_list_push(call->arena, &list, rval_string(call->arena, text.ptr + from, text.len - from));
    return rval_array(call->arena, list.ptr, list.len);
}

BUILTIN(strings_reverse)
{
    char *text = (char *)arena_alloc(call->arena, args[0]->len + 1);
    char *p = text + args[0]->len;
    *p = '\0';
    for (uint32_t i = 0; i < args[0]->len;) {
        size_t n = char_len(args[0]->string + i);
        p -= n;
        memcpy(p, args[0]->string + i, n);
        i += (uint32_t)n;
    }
    return rval_string_borrow(call->arena, text, args[0]->len);
}

/* --- letters ---------------------------------------------------------------------------------- */

/* Simple case mapping of the two-byte range (Latin, Greek, Cyrillic): what Go maps one to one and
 * to the same length; every other character stays. */
static uint32_t map_case(uint32_t c, bool upper)
{
    if (c < 0x80)
        return upper ? (uint32_t)toupper((int)c) : (uint32_t)tolower((int)c);
    if (c == 0xDF || c == 0xD7 || c == 0xF7 || c == 0xFF || c == 0x131 || c == 0x130)
        return c;
    if (c >= 0xC0 && c <= 0xFE)
        return upper ? (c >= 0xE0 ? c - 32 : c) : (c < 0xE0 ? c + 32 : c);
    if ((c >= 0x100 && c <= 0x137) || (c >= 0x14A && c <= 0x177) || (c >= 0x460 && c <= 0x481))
        return upper ? c & ~1u : c | 1u;
    if ((c >= 0x139 && c <= 0x148) || (c >= 0x179 && c <= 0x17E))
        return upper ? ((c & 1) ? c : c - 1) : ((c & 1) ? c + 1 : c);
    if (c >= 0x391 && c <= 0x3A9 && c != 0x3A2)
        return upper ? c : c + 32;
    if (c >= 0x3B1 && c <= 0x3C9 && c != 0x3C2)
        return upper ? c - 32 : c;
    if (c >= 0x410 && c <= 0x42F)
        return upper ? c : c + 32;
    if (c >= 0x430 && c <= 0x44F)
        return upper ? c - 32 : c;
    if (c >= 0x400 && c <= 0x40F)
        return upper ? c : c + 80;
    if (c >= 0x450 && c <= 0x45F)
        return upper ? c - 80 : c;
    return c;
}

static const struct rval *change_case(struct builtin_call *call, const struct rval *v, bool upper)
{
    char *text = (char *)arena_alloc(call->arena, v->len + 1);
    for (uint32_t i = 0; i < v->len;) {
        size_t n = char_len(v->string + i);
        if (n == 1) {
            text[i] = (char)map_case((unsigned char)v->string[i], upper);
        } else if (n == 2) {
            uint32_t c = ((uint32_t)(unsigned char)v->string[i] & 0x1F) << 6 |
                         ((unsigned char)v->string[i + 1] & 0x3F);
            c = map_case(c, upper);
            text[i] = (char)(0xC0 | c >> 6);
            text[i + 1] = (char)(0x80 | (c & 0x3F));
        } else {
            memcpy(text + i, v->string + i, n);
        }
        i += (uint32_t)n;
    }
    text[v->len] = '\0';
    return rval_string_borrow(call->arena, text, v->len);
}

BUILTIN(string_lower)
{
    return change_case(call, args[0], false);
}

BUILTIN(string_upper)
{
    return change_case(call, args[0], true);
}

/* --- trimming --------------------------------------------------------------------------------- */

static bool is_in(const char *p, size_t n, struct span set)
{
    for (size_t i = 0; i < set.len; i += char_len(set.ptr + i))
        if (char_len(set.ptr + i) == n && memcmp(set.ptr + i, p, n) == 0)
            return true;
    return false;
}

static struct span cut(struct span text, struct span set, bool left, bool right)
{
    while (left && text.len > 0) {
        size_t n = char_len(text.ptr);
        if (n > text.len || !is_in(text.ptr, n, set))
            break;
        text.ptr += n;
        text.len -= n;
    }
    while (right && text.len > 0) {
        size_t n = 1;
        while (n < text.len && ((unsigned char)text.ptr[text.len - n] & 0xC0) == 0x80)
            n++;
        if (!is_in(text.ptr + text.len - n, n, set))
            break;
        text.len -= n;
    }
    return text;
}

BUILTIN(string_trim)
{
    return text_value(call, cut(text_of(args[0]), text_of(args[1]), true, true));
}

BUILTIN(string_trim_left)
{
    return text_value(call, cut(text_of(args[0]), text_of(args[1]), true, false));
}

BUILTIN(string_trim_right)
{
    return text_value(call, cut(text_of(args[0]), text_of(args[1]), false, true));
}

BUILTIN(string_trim_space)
{
    /* White space of Unicode, with NEL, NBSP, and the wide ones. */
    static const char spaces[] = " \t\n\v\f\r\xc2\x85\xc2\xa0\xe1\x9a\x80\xe2\x80\x80\xe2\x80\x81"
                                 "\xe2\x80\x82\xe2\x80\x83\xe2\x80\x84\xe2\x80\x85\xe2\x80\x86"
                                 "\xe2\x80\x87\xe2\x80\x88\xe2\x80\x89\xe2\x80\x8a\xe2\x80\xa8"
                                 "\xe2\x80\xa9\xe2\x80\xaf\xe2\x81\x9f\xe3\x80\x80";
    return text_value(call, cut(text_of(args[0]), span_of(spaces), true, true));
}

BUILTIN(string_trim_prefix)
{
    struct span text = text_of(args[0]);
    if (!starts_with(text, text_of(args[1])))
        return args[0];
    return text_value(call, (struct span){text.ptr + args[1]->len, text.len - args[1]->len});
}

BUILTIN(string_trim_suffix)
{
    struct span text = text_of(args[0]);
    if (!ends_with(text, text_of(args[1])))
        return args[0];
    return text_value(call, (struct span){text.ptr, text.len - args[1]->len});
}

/* --- notes ------------------------------------------------------------------------------------ */

BUILTIN(trace_note)
{
    return &rval_true;
}

/* Parts are texts, or sets with the one value of a term (empty: undefined). */
BUILTIN(template_string)
{
    CLEANUP(buf) struct buf out = BUF_INIT(room_left(call));
    for (uint32_t i = 0; i < args[0]->len; i++) {
        const struct rval *part = args[0]->items[i];
        if (part->type == RVAL_SET) {
            if (part->len > 1)
                return builtin_fail(call, "a term of the template has more than one value");
            part = part->len == 1 ? part->items[0] : NULL;
        }
        if (part == NULL)
            buf_add(&out, "<undefined>");
        else if (part->type == RVAL_STRING)
            buf_append(&out, part->string, part->len);
        else
            rjson_write(&out, part, RJSON_REGO);
    }
    return finish(call, &out);
}
