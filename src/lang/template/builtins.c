#include "lang/template/builtins.h"

#include "lang/template/tree.h"

#include "base/array.h"
#include "lang/utf8.h"

#include <ctype.h>
#include <string.h>

#define ARGS                                                                                       \
    struct render *r, const struct command *command, struct value *args, size_t count,             \
        struct value *result

static int give_bool(struct value *result, bool b)
{
    *result = (struct value){.kind = VALUE_BOOL, .b = b};
    return 0;
}

static bool is_nothing(const struct value *value)
{
    return value->kind == VALUE_NONE || value->kind == VALUE_NIL;
}

/* Comparing. */

static int wrong_kinds(struct render *r, const struct value *a, const struct value *b)
{
    return render_fail(r, "%s and %s cannot be compared", value_type(a), value_type(b));
}

static int is_equal(struct render *r, const struct value *a, const struct value *b, bool *equal)
{
    *equal = false;
    if (is_nothing(a) || is_nothing(b)) {
        *equal = is_nothing(a) && is_nothing(b);
        return 0;
    }
    if (a->kind != b->kind)
        return wrong_kinds(r, a, b);
    switch (a->kind) {
    case VALUE_BOOL:
        *equal = a->b == b->b;
        return 0;
    case VALUE_INT:
        *equal = a->i == b->i;
        return 0;
    case VALUE_FLOAT:
        *equal = a->f == b->f;
        return 0;
    case VALUE_TEXT:
        *equal = span_eq(a->text, b->text);
        return 0;
    case VALUE_NONE:
    case VALUE_NIL:
    case VALUE_LIST:
    case VALUE_MAP:
        break;
    }
    return wrong_kinds(r, a, b);
}

static int call_eq(ARGS)
{
    bool equal = false;

    for (size_t i = 1; i < count && !equal; i++)
        if (is_equal(r, &args[0], &args[i], &equal) == -1)
            return -1;
    return give_bool(result, equal);
}

static int call_ne(ARGS)
{
    bool equal;

    if (is_equal(r, &args[0], &args[1], &equal) == -1)
        return -1;
    return give_bool(result, !equal);
}

static int compare(struct render *r, const struct value *a, const struct value *b, int *order)
{
    if (a->kind != b->kind ||
        (a->kind != VALUE_INT && a->kind != VALUE_FLOAT && a->kind != VALUE_TEXT))
        return wrong_kinds(r, a, b);
    if (a->kind == VALUE_INT) {
        *order = a->i < b->i ? -1 : a->i > b->i;
    } else if (a->kind == VALUE_FLOAT) {
        *order = a->f < b->f ? -1 : a->f > b->f;
    } else {
        size_t shared = a->text.len < b->text.len ? a->text.len : b->text.len;
        *order = shared > 0 ? memcmp(a->text.ptr, b->text.ptr, shared) : 0;
        if (*order == 0)
            *order = a->text.len < b->text.len ? -1 : a->text.len > b->text.len;
    }
    return 0;
}

static int call_lt(ARGS)
{
    int order = 0;

    return compare(r, &args[0], &args[1], &order) == -1 ? -1 : give_bool(result, order < 0);
}

static int call_le(ARGS)
{
    int order = 0;

    return compare(r, &args[0], &args[1], &order) == -1 ? -1 : give_bool(result, order <= 0);
}

static int call_gt(ARGS)
{
    int order = 0;

    return compare(r, &args[0], &args[1], &order) == -1 ? -1 : give_bool(result, order > 0);
}

static int call_ge(ARGS)
{
    int order = 0;

    return compare(r, &args[0], &args[1], &order) == -1 ? -1 : give_bool(result, order >= 0);
}

static int call_not(ARGS)
{
    return give_bool(result, !value_is_true(&args[0]));
}

/* Parts. */

/* The number of elements or bytes, or -1. */
static int64_t length_of(const struct value *value)
{
    if (value->kind == VALUE_TEXT)
        return (int64_t)value->text.len;
    if (value->kind == VALUE_LIST)
        return (int64_t)(value->to - value->from);
    if (value->kind == VALUE_MAP)
        return (int64_t)json_object_size(value->json);
    return -1;
}

static int call_len(ARGS)
{
    int64_t len = length_of(&args[0]);

    if (len < 0)
        return render_fail(r, "len of %s", value_type(&args[0]));
    *result = (struct value){.kind = VALUE_INT, .i = len};
    return 0;
}

static int index_map(struct render *r, const struct value *map, const struct value *key,
                     struct value *result)
{
    if (key->kind != VALUE_TEXT)
        return render_fail(r, "a map is indexed by text, not by %s", value_type(key));
    *result = value_of_json(json_object_getn(map->json, key->text.ptr, key->text.len));
    return 0;
}

static int index_one(struct render *r, const struct value *of, const struct value *index,
                     struct value *result)
{
    int64_t len = length_of(of);

    if (of->kind == VALUE_MAP)
        return index_map(r, of, index, result);
    if (len < 0)
        return render_fail(r, "index of %s", value_type(of));
    if (index->kind != VALUE_INT)
        return render_fail(r, "an index is an int, not %s", value_type(index));
    if (index->i < 0 || index->i >= len)
        return render_fail(r, "index %lld is out of range, there are %lld", (long long)index->i,
                           (long long)len);
    if (of->kind == VALUE_LIST)
        *result = value_of_json(json_array_get(of->json, of->from + (size_t)index->i));
    else
        *result = (struct value){
            .kind = VALUE_INT, .int_type = INT_BYTE, .i = (unsigned char)of->text.ptr[index->i]};
    return 0;
}

static int call_index(ARGS)
{
    struct value at = args[0];

    if (is_nothing(&at))
        return render_fail(r, "index of nothing");
    for (size_t i = 1; i < count; i++) {
        struct value inner;

        if (index_one(r, &at, &args[i], &inner) == -1)
            return -1;
        at = inner;
    }
    *result = at;
    return 0;
}

static int call_slice(ARGS)
{
    int64_t len = length_of(&args[0]);
    int64_t ends[2] = {0, len};

    if (len < 0 || args[0].kind == VALUE_MAP)
        return render_fail(r, "slice of %s", value_type(&args[0]));
    if (count > (args[0].kind == VALUE_TEXT ? 3 : 4))
        return render_fail(r, "too many indexes of a slice");
    for (size_t i = 1; i < count; i++) {
        if (args[i].kind != VALUE_INT)
            return render_fail(r, "an index is an int, not %s", value_type(&args[i]));
        if (args[i].i < 0 || args[i].i > len)
            return render_fail(r, "index %lld is out of range, there are %lld",
                               (long long)args[i].i, (long long)len);
        if (i < 3)
            ends[i - 1] = args[i].i;
    }
    if (ends[0] > ends[1])
        return render_fail(r, "a slice from %lld to %lld", (long long)ends[0], (long long)ends[1]);
    *result = args[0];
    if (result->kind == VALUE_TEXT) {
        result->text.ptr += ends[0];
        result->text.len = (size_t)(ends[1] - ends[0]);
    } else {
        result->to = result->from + (size_t)ends[1];
        result->from += (size_t)ends[0];
    }
    return 0;
}

/* Printing. */

/* As fmt.Sprint: blanks between two operands of which neither is text. */
static void print_all(const struct value *args, size_t count, struct buf *out)
{
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && args[i].kind != VALUE_TEXT && args[i - 1].kind != VALUE_TEXT)
            buf_add_char(out, ' ');
        value_print(&args[i], out);
    }
}

static int call_print(ARGS)
{
    CLEANUP(buf) struct buf out = BUF_INIT(TEMPLATE_MAX_OUTPUT);

    print_all(args, count, &out);
    return value_take_buf(r, &out, result);
}

static int call_println(ARGS)
{
    CLEANUP(buf) struct buf out = BUF_INIT(TEMPLATE_MAX_OUTPUT);

    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            buf_add_char(&out, ' ');
        value_print(&args[i], &out);
    }
    buf_add_char(&out, '\n');
    return value_take_buf(r, &out, result);
}

static int call_printf(ARGS)
{
    CLEANUP(buf) struct buf out = BUF_INIT(TEMPLATE_MAX_OUTPUT);

    template_printf(args[0].text, args + 1, count - 1, &out);
    return value_take_buf(r, &out, result);
}

/* Escaping. */

static int escape_html(struct buf *out, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        static const char from[] = "\"'&<>";
        static const char *const to[] = {"&#34;", "&#39;", "&amp;", "&lt;", "&gt;"};
        const char *found = text[i] != '\0' ? strchr(from, text[i]) : NULL;

        if (text[i] == '\0')
            buf_add(out, "\xef\xbf\xbd");
        else if (found != NULL)
            buf_add(out, to[found - from]);
        else
            buf_add_char(out, text[i]);
    }
    return 0;
}

static int escape_js(struct buf *out, const char *text, size_t len)
{
    size_t size;

    for (size_t at = 0; at < len; at += size) {
        uint32_t c = utf8_decode(text + at, len - at, &size);

        if (c == '\\' || c == '\'' || c == '"')
            buf_printf(out, "\\%c", (char)c);
        else if (c < ' ' || (c < 0x80 && strchr("<>&=", (int)c) != NULL) ||
                 (c >= 0x80 && c < 0x10000 && !utf8_is_print(c)))
            buf_printf(out, "\\u%04X", c);
        else
            buf_append(out, text + at, size);
    }
    return 0;
}

static int escape_query(struct buf *out, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];

        if (c == ' ')
            buf_add_char(out, '+');
        else if ((c < 0x80 && isalnum(c)) || (c != '\0' && strchr("-_.~", c) != NULL))
            buf_add_char(out, (char)c);
        else
            buf_printf(out, "%%%02X", c);
    }
    return 0;
}

static int escape(struct render *r, const struct value *args, size_t count,
                  int (*add)(struct buf *out, const char *text, size_t len), struct value *result)
{
    CLEANUP(buf) struct buf plain = BUF_INIT(TEMPLATE_MAX_OUTPUT);
    CLEANUP(buf) struct buf out = BUF_INIT(TEMPLATE_MAX_OUTPUT);

    print_all(args, count, &plain);
    add(&out, plain.ptr != NULL ? plain.ptr : "", plain.len);
    return value_take_buf(r, &out, result);
}

static int call_html(ARGS)
{
    return escape(r, args, count, escape_html, result);
}

static int call_js(ARGS)
{
    return escape(r, args, count, escape_js, result);
}

static int call_urlquery(ARGS)
{
    return escape(r, args, count, escape_query, result);
}

static int call_call(ARGS)
{
    return render_fail(r, "%s is not a function", value_type(&args[0]));
}

/* clang-format off */
static const struct function builtins[] = {
    {"and", "v*", NULL},
    {"or", "v*", NULL},
    {"eq", "vvv*", call_eq},
    {"ne", "vv", call_ne},
    {"not", "v", call_not},
    {"lt", "vv", call_lt},
    {"le", "vv", call_le},
    {"gt", "vv", call_gt},
    {"ge", "vv", call_ge},
    {"index", "vv*", call_index},
    {"slice", "vv*", call_slice},
    {"len", "v", call_len},
    {"print", "a*", call_print},
    {"printf", "sa*", call_printf},
    {"println", "a*", call_println},
    {"html", "a*", call_html},
    {"js", "a*", call_js},
    {"urlquery", "a*", call_urlquery},
    {"call", "vv*", call_call},
};
/* clang-format on */

const struct function *template_builtin_find(struct span name)
{
    for (size_t i = 0; i < ARRAY_SIZE(builtins); i++)
        if (span_eq_str(name, builtins[i].name))
            return &builtins[i];
    return NULL;
}
