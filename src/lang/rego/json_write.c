#include "lang/rego/json.h"
#include "lang/rego/number.h"

void rjson_write_string(struct buf *out, const char *text, size_t len, bool html)
{
    buf_add_char(out, '"');
    size_t start = 0;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        /* Go escapes U+2028 and U+2029 as well. */
        bool separator = html && c == 0xE2 && i + 2 < len && (unsigned char)text[i + 1] == 0x80 &&
                         ((unsigned char)text[i + 2] | 1) == 0xA9;
        if (c >= 0x20 && c != '"' && c != '\\' && !separator &&
            !(html && (c == '<' || c == '>' || c == '&')))
            continue;
        buf_append(out, text + start, i - start);
        start = i + 1;
        if (separator) {
            buf_printf(out, "\\u202%x", (unsigned)((unsigned char)text[i + 2] - 0xA0));
            i += 2;
            start = i + 1;
        } else if (c == '"' || c == '\\') {
            buf_add_char(out, '\\');
            buf_add_char(out, (char)c);
        } else if (c == '\n') {
            buf_add(out, "\\n");
        } else if (c == '\r') {
            buf_add(out, "\\r");
        } else if (c == '\t') {
            buf_add(out, "\\t");
        } else if (c == '\b') {
            buf_add(out, "\\b");
        } else if (c == '\f') {
            buf_add(out, "\\f");
        } else {
            buf_printf(out, "\\u%04x", c);
        }
    }
    buf_append(out, text + start, len - start);
    buf_add_char(out, '"');
}

static void new_line(struct buf *out, enum rjson_style style, int depth)
{
    if (style != RJSON_PRETTY)
        return;
    buf_add_char(out, '\n');
    for (int i = 0; i < depth; i++)
        buf_add(out, "  ");
}

static void write_value(struct buf *out, const struct rval *v, enum rjson_style style, int depth);

static void write_items(struct buf *out, const struct rval *v, enum rjson_style style, int depth)
{
    bool braces = style == RJSON_REGO && v->type == RVAL_SET;
    if (braces && v->len == 0) {
        buf_add(out, "set()");
        return;
    }
    buf_add_char(out, braces ? '{' : '[');
    for (uint32_t i = 0; i < v->len; i++) {
        if (i > 0)
            buf_add(out, style == RJSON_REGO ? ", " : ",");
        new_line(out, style, depth + 1);
        write_value(out, v->items[i], style, depth + 1);
    }
    if (v->len > 0)
        new_line(out, style, depth);
    buf_add_char(out, braces ? '}' : ']');
}

/* JSON keys are strings: others are written as the text of their own JSON. */
static void write_key(struct buf *out, const struct rval *key, enum rjson_style style)
{
    if (key->type == RVAL_STRING || style == RJSON_REGO) {
        write_value(out, key, style, 0);
        return;
    }
    CLEANUP(buf) struct buf text = BUF_INIT(out->max);
    write_value(&text, key, RJSON_COMPACT, 0);
    rjson_write_string(out, text.ptr, text.len, style == RJSON_COMPACT_HTML);
}

static void write_object(struct buf *out, const struct rval *v, enum rjson_style style, int depth)
{
    buf_add_char(out, '{');
    for (uint32_t i = 0; i < v->len; i++) {
        if (i > 0)
            buf_add(out, style == RJSON_REGO ? ", " : ",");
        new_line(out, style, depth + 1);
        write_key(out, v->pairs[i].key, style);
        buf_add(out, style == RJSON_REGO || style == RJSON_PRETTY ? ": " : ":");
        write_value(out, v->pairs[i].value, style, depth + 1);
    }
    if (v->len > 0)
        new_line(out, style, depth);
    buf_add_char(out, '}');
}

static void write_value(struct buf *out, const struct rval *v, enum rjson_style style, int depth)
{
    char number[RNUM_INT_TEXT];
    size_t len;

    if (out->full)
        return; /* what does not fit need not be walked */
    switch ((enum rval_type)v->type) {
    case RVAL_NULL:
        buf_add(out, "null");
        break;
    case RVAL_BOOL:
        buf_add(out, v->boolean ? "true" : "false");
        break;
    case RVAL_NUMBER: {
        const char *text = rnum_text(v, number, &len);
        buf_append(out, text, len);
        break;
    }
    case RVAL_STRING:
        rjson_write_string(out, v->string, v->len, style == RJSON_COMPACT_HTML);
        break;
    case RVAL_ARRAY:
    case RVAL_SET:
        write_items(out, v, style, depth);
        break;
    case RVAL_OBJECT:
        write_object(out, v, style, depth);
        break;
    case RVAL_TYPE_COUNT:
        break;
    }
}

void rjson_write(struct buf *out, const struct rval *v, enum rjson_style style)
{
    write_value(out, v, style, 0);
}

json_t *rjson_to_tree(const struct rval *v)
{
    switch ((enum rval_type)v->type) {
    case RVAL_NULL:
        return json_null();
    case RVAL_BOOL:
        return json_boolean(v->boolean);
    case RVAL_NUMBER:
        return v->is_int ? json_integer(v->integer) : json_real((double)v->number->value);
    case RVAL_STRING:
        return json_stringn(v->string, v->len);
    case RVAL_ARRAY:
    case RVAL_SET: {
        json_t *array = json_array();
        for (uint32_t i = 0; i < v->len; i++)
            json_array_append_new(array, rjson_to_tree(v->items[i]));
        return array;
    }
    case RVAL_OBJECT: {
        json_t *object = json_object();
        for (uint32_t i = 0; i < v->len; i++) {
            CLEANUP(buf) struct buf key = BUF_INIT(SIZE_MAX / 2);
            if (v->pairs[i].key->type == RVAL_STRING)
                buf_append(&key, v->pairs[i].key->string, v->pairs[i].key->len);
            else
                rjson_write(&key, v->pairs[i].key, RJSON_COMPACT);
            json_object_set_new(object, key.ptr != NULL ? key.ptr : "",
                                rjson_to_tree(v->pairs[i].value));
        }
        return object;
    }
    case RVAL_TYPE_COUNT:
        break;
    }
    return json_null();
}
