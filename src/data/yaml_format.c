/* YAML as kubectl prints it: blocks, keys sorted, lists not indented under their key, text quoted
 * where it would mean something else. */
#include "data/yaml.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "data/obj.h"
#include "data/yaml_scalar.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { INDENT = 2 };

static void write_value(struct buf *buf, const json_t *value, int depth, bool in_list);

static void indent(struct buf *buf, int depth)
{
    for (int i = 0; i < depth * INDENT; i++)
        buf_add_char(buf, ' ');
}

/* The length of the character at TEXT if YAML knows it only as an escape: control characters, line
 * and paragraph separators, the byte order mark, and what is no character.  Else 0. */
static size_t special_len(const char *text, size_t len)
{
    const unsigned char *p = (const unsigned char *)text;

    if (p[0] < ' ' || p[0] == 0x7f)
        return 1;
    if (len >= 2 && p[0] == 0xc2 && p[1] < 0xa0)
        return 2;
    if (len >= 3 && p[0] == 0xe2 && p[1] == 0x80 && (p[2] == 0xa8 || p[2] == 0xa9))
        return 3;
    if (len >= 3 && p[0] == 0xef &&
        ((p[1] == 0xbb && p[2] == 0xbf) || (p[1] == 0xbf && p[2] >= 0xbe)))
        return 3;
    return 0;
}

static bool has_special(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (special_len(text + i, len - i) > 0)
            return true;
    return false;
}

/* True if TEXT means itself without quotes. */
static bool is_plain(const char *text, size_t len)
{
    if (len == 0 || strchr(" -?:,[]{}#&*!|>'\"%@`=<", text[0]) != NULL || text[len - 1] == ' ' ||
        text[len - 1] == ':' || has_special(text, len) || strstr(text, ": ") != NULL ||
        strstr(text, " #") != NULL)
        return false;
    json_auto_t *meant = yaml_resolve(text, len);
    return json_is_string(meant);
}

/* True if TEXT is lines that a literal block can hold. */
static bool is_block(const char *text, size_t len)
{
    if (memchr(text, '\n', len) == NULL || text[0] == ' ' || text[0] == '\n' || text[0] == '\t')
        return false;
    for (size_t i = 0; i < len; i++)
        if (text[i] != '\n' && text[i] != '\t' && special_len(text + i, len - i) > 0)
            return false;
    return true;
}

static void write_escape(struct buf *buf, const char *text, size_t len)
{
    const unsigned char *p = (const unsigned char *)text;

    if (*p == '\n' || *p == '\t' || *p == '\r')
        buf_printf(buf, "\\%c", *p == '\n' ? 'n' : *p == '\t' ? 't' : 'r');
    else if (len == 1)
        buf_printf(buf, "\\x%02X", *p);
    else if (len == 2)
        buf_printf(buf, "\\x%02X", (p[0] & 0x1fU) << 6 | (p[1] & 0x3fU));
    else
        buf_printf(buf, "\\u%04X", (p[0] & 0xfU) << 12 | (p[1] & 0x3fU) << 6 | (p[2] & 0x3fU));
}

static void write_double_quoted(struct buf *buf, const char *text, size_t len)
{
    buf_add_char(buf, '"');
    for (size_t i = 0; i < len;) {
        size_t special = special_len(text + i, len - i);
        if (special > 0) {
            write_escape(buf, text + i, special);
            i += special;
            continue;
        }
        if (text[i] == '"' || text[i] == '\\')
            buf_add_char(buf, '\\');
        buf_add_char(buf, text[i++]);
    }
    buf_add_char(buf, '"');
}

static void write_single_quoted(struct buf *buf, const char *text, size_t len)
{
    buf_add_char(buf, '\'');
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '\'')
            buf_add_char(buf, '\'');
        buf_add_char(buf, text[i]);
    }
    buf_add_char(buf, '\'');
}

static void write_block(struct buf *buf, const char *text, size_t len, int depth)
{
    struct span rest = {text, len}, line;
    bool ends_line = text[len - 1] == '\n';
    bool ends_twice = ends_line && len > 1 && text[len - 2] == '\n';

    buf_add(buf, !ends_line ? "|-" : ends_twice ? "|+" : "|");
    if (ends_line)
        rest.len--;
    while (span_split(&rest, '\n', &line)) {
        buf_add_char(buf, '\n');
        if (line.len > 0)
            indent(buf, depth);
        buf_add_span(buf, line);
    }
}

/* DEPTH is that of a block's lines. */
static void write_text(struct buf *buf, const char *text, size_t len, int depth)
{
    if (is_plain(text, len)) {
        buf_append(buf, text, len);
        return;
    }
    if (is_block(text, len)) {
        write_block(buf, text, len, depth);
        return;
    }
    json_auto_t *meant = yaml_resolve(text, len);
    if (has_special(text, len) || !json_is_string(meant))
        write_double_quoted(buf, text, len);
    else
        write_single_quoted(buf, text, len);
}

static int compare_keys(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void write_key(struct buf *buf, const char *key)
{
    size_t len = strlen(key);

    if (is_plain(key, len))
        buf_append(buf, key, len);
    else
        write_double_quoted(buf, key, len);
    buf_add_char(buf, ':');
}

/* The first key follows what is on the line already; the others start their own. */
static void write_object(struct buf *buf, const json_t *object, int depth)
{
    size_t count = json_object_size(object), i = 0;
    const char **keys = xcalloc(count, sizeof(*keys));
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)object, key, value) keys[i++] = key;
    qsort(keys, count, sizeof(*keys), compare_keys);
    for (i = 0; i < count; i++) {
        if (i > 0)
            indent(buf, depth);
        write_key(buf, keys[i]);
        write_value(buf, json_object_get(object, keys[i]), depth, false);
    }
    free(keys);
}

static void write_list(struct buf *buf, const json_t *list, int depth)
{
    size_t i;
    json_t *value;

    json_array_foreach(list, i, value)
    {
        if (i > 0)
            indent(buf, depth);
        buf_add_char(buf, '-');
        write_value(buf, value, depth, true);
    }
}

/* VALUE behind a key or dash at DEPTH, and the end of the line. */
static void write_value(struct buf *buf, const json_t *value, int depth, bool in_list)
{
    assert(depth <= OBJ_MAX_WALK);
    bool is_empty = json_object_size(value) == 0 && json_array_size(value) == 0;

    if (json_is_object(value) && !is_empty) {
        buf_add_char(buf, in_list ? ' ' : '\n');
        if (!in_list)
            indent(buf, depth + 1);
        write_object(buf, value, depth + 1);
        return;
    }
    if (json_is_array(value) && !is_empty) {
        buf_add_char(buf, in_list ? ' ' : '\n');
        if (!in_list)
            indent(buf, depth);
        write_list(buf, value, in_list ? depth + 1 : depth);
        return;
    }
    buf_add_char(buf, ' ');
    if (json_is_string(value))
        write_text(buf, json_string_value(value), json_string_length(value), depth + 1);
    else
        obj_format_to(value, buf);
    buf_add_char(buf, '\n');
}

char *obj_format_yaml(const json_t *o)
{
    struct buf buf = BUF_INIT(SIZE_MAX / 2);

    if (json_is_object(o) && json_object_size(o) > 0)
        write_object(&buf, o, 0);
    else if (json_is_array(o) && json_array_size(o) > 0)
        write_list(&buf, o, 0);
    else if (json_is_string(o)) {
        write_text(&buf, json_string_value(o), json_string_length(o), 1);
        buf_add_char(&buf, '\n');
    } else {
        obj_format_to(o, &buf);
        buf_add_char(&buf, '\n');
    }
    return buf_take(&buf);
}
