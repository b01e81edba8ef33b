#include "lang/rego/builtins_table.h"

#include "base/error.h"
#include "data/yaml.h"
#include "lang/rego/json.h"

#include <stdlib.h>

/* --- text ------------------------------------------------------------------------------------- */

static const struct rval *finish(struct builtin_call *call, struct buf *out)
{
    if (out->full)
        return builtin_fail(call, "the result is too long");
    return rval_string(call->arena, out->ptr, out->len);
}

enum { TEXT_MAX = 64 * 1024 * 1024 };

BUILTIN(json_marshal)
{
    CLEANUP(buf) struct buf out = BUF_INIT(TEXT_MAX);
    rjson_write(&out, args[0], RJSON_COMPACT_HTML);
    return finish(call, &out);
}

/* Indents compact JSON, whose strings hold no line breaks. */
static void indent(struct buf *out, struct span compact, struct span prefix, struct span unit)
{
    int depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < compact.len; i++) {
        char c = compact.ptr[i];
        if (in_string) {
            buf_add_char(out, c);
            if (c == '\\')
                buf_add_char(out, compact.ptr[++i]);
            in_string = c != '"';
            continue;
        }
        bool opens = c == '{' || c == '[', closes = c == '}' || c == ']';
        bool empty = opens && (compact.ptr[i + 1] == '}' || compact.ptr[i + 1] == ']');
        depth += opens ? 1 : closes ? -1 : 0;
        bool after_open =
            closes && i > 0 && (compact.ptr[i - 1] == '{' || compact.ptr[i - 1] == '[');
        if (closes && !after_open) {
            buf_add_char(out, '\n');
            buf_add_span(out, prefix);
            for (int k = 0; k < depth; k++)
                buf_add_span(out, unit);
        }
        buf_add_char(out, c);
        in_string = c == '"';
        if (c == ':')
            buf_add_char(out, ' ');
        if ((opens && !empty) || c == ',') {
            buf_add_char(out, '\n');
            buf_add_span(out, prefix);
            for (int k = 0; k < depth; k++)
                buf_add_span(out, unit);
        }
    }
}

BUILTIN(json_marshal_with_options)
{
    CLEANUP(buf) struct buf compact = BUF_INIT(TEXT_MAX);
    CLEANUP(buf) struct buf out = BUF_INIT(TEXT_MAX);
    const struct rval *pretty = rval_get_str(args[1], "pretty");
    const struct rval *unit = rval_get_str(args[1], "indent");
    const struct rval *prefix = rval_get_str(args[1], "prefix");
    for (uint32_t i = 0; i < args[1]->len; i++) {
        const struct rval *value = args[1]->pairs[i].value;
        bool known = value == pretty
                         ? value->type == RVAL_BOOL
                         : (value == unit || value == prefix) && value->type == RVAL_STRING;
        if (!known)
            return builtin_type_fail(call,
                                     "operand 2 has an unknown option or one of a wrong type");
    }
    rjson_write(&compact, args[0], RJSON_COMPACT_HTML);
    bool wanted = pretty != NULL ? pretty->boolean : unit != NULL || prefix != NULL;
    if (!wanted)
        return finish(call, &compact);
    struct span prefix_text =
        prefix != NULL ? (struct span){prefix->string, prefix->len} : SPAN("");
    buf_add_span(&out, prefix_text);
    indent(&out, buf_span(&compact), prefix_text,
           unit != NULL ? (struct span){unit->string, unit->len} : SPAN("\t"));
    out.full |= compact.full;
    return finish(call, &out);
}

BUILTIN(json_unmarshal)
{
    const struct rval *value = NULL;
    CLEANUP(error) struct error *err = NULL;
    if (rjson_read(call->arena, (struct span){args[0]->string, args[0]->len}, &value, &err) == -1)
        return builtin_fail(call, "%s", err->msg);
    return value;
}

BUILTIN(json_is_valid)
{
    const struct rval *value = NULL;
    CLEANUP(error) struct error *err = NULL;
    return rval_bool(
        rjson_read(call->arena, (struct span){args[0]->string, args[0]->len}, &value, &err) == 0);
}

static const struct rval *read_yaml(struct builtin_call *call, const struct rval *text,
                                    struct error **err)
{
    json_auto_t *docs = obj_parse_yaml(text->string, text->len, err);
    if (docs == NULL)
        return NULL;
    if (json_array_size(docs) == 0)
        return &rval_null;
    const struct rval *value = rjson_from_tree(call->arena, json_array_get(docs, 0));
    if (value == NULL)
        error_set(err, ERROR_INVALID, "nested too deeply");
    return value;
}

BUILTIN(yaml_unmarshal)
{
    CLEANUP(error) struct error *err = NULL;
    const struct rval *value = read_yaml(call, args[0], &err);
    return value != NULL ? value : builtin_fail(call, "yaml: %s", err->msg);
}

BUILTIN(yaml_is_valid)
{
    CLEANUP(error) struct error *err = NULL;
    if (args[0]->type != RVAL_STRING)
        return &rval_false;
    return rval_bool(read_yaml(call, args[0], &err) != NULL);
}

static bool is_plain_scalar(const struct rval *v)
{
    static const char *const words[] = {"true", "false", "null", "yes", "no",
                                        "on",   "off",   "y",    "n",   "~"};
    if (v->len == 0 || v->string[0] == ' ' || v->string[v->len - 1] == ' ')
        return false;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strcasecmp(words[i], v->string) == 0)
            return false;
    for (uint32_t i = 0; i < v->len; i++) {
        unsigned char c = (unsigned char)v->string[i];
        if (c < 0x20 || strchr(":#{}[],&*!|>'\"%@`\\", c) != NULL)
            return false;
    }
    char first = v->string[0];
    return !((first >= '0' && first <= '9') || first == '-' || first == '+' || first == '.' ||
             first == '?' || first == '=' || first == '<');
}

static void write_yaml(struct buf *out, const struct rval *v, int depth, bool in_list)
{
    if (!rval_is_collection(v) || v->len == 0) {
        buf_add_char(out, ' ');
        if (v->type == RVAL_STRING && is_plain_scalar(v))
            buf_append(out, v->string, v->len);
        else
            rjson_write(out, v, RJSON_COMPACT);
        buf_add_char(out, '\n');
        return;
    }
    if (!in_list)
        buf_add_char(out, '\n');
    for (uint32_t i = 0; i < v->len; i++) {
        if (in_list && i == 0)
            buf_add_char(out, ' ');
        else
            for (int k = 0; k < depth; k++)
                buf_add(out, "  ");
        if (v->type == RVAL_OBJECT) {
            const struct rval *key = v->pairs[i].key;
            if (key->type == RVAL_STRING && is_plain_scalar(key))
                buf_append(out, key->string, key->len);
            else
                rjson_write(out, key, RJSON_COMPACT);
            buf_add_char(out, ':');
            bool list =
                v->pairs[i].value->type == RVAL_ARRAY || v->pairs[i].value->type == RVAL_SET;
            write_yaml(out, v->pairs[i].value, depth + (list ? 0 : 1), false);
        } else {
            buf_add_char(out, '-');
            write_yaml(out, v->items[i], depth + 1, true);
        }
    }
}

BUILTIN(yaml_marshal)
{
    CLEANUP(buf) struct buf out = BUF_INIT(TEXT_MAX);
    write_yaml(&out, args[0], 0, false);
    if (out.full)
        return builtin_fail(call, "the result is too long");
    /* The first break or blank belongs to a value behind a key. */
    return rval_string(call->arena, out.ptr + 1, out.len - 1);
}

/* --- paths ------------------------------------------------------------------------------------ */

/* Cuts "a/b~1c" into keys. */
static const struct rval *split_pointer(struct builtin_call *call, struct span text)
{
    struct rval_list keys = {0};
    struct span part;
    if (text.len > 0 && text.ptr[0] == '/') {
        text.ptr++;
        text.len--;
    } else if (text.len == 0) {
        return &rval_empty_array;
    }
    while (span_split(&text, '/', &part)) {
        CLEANUP(buf) struct buf key = BUF_INIT(part.len + 1);
        for (size_t i = 0; i < part.len; i++) {
            if (part.ptr[i] == '~' && i + 1 < part.len &&
                (part.ptr[i + 1] == '0' || part.ptr[i + 1] == '1'))
                buf_add_char(&key, part.ptr[++i] == '0' ? '~' : '/');
            else
                buf_add_char(&key, part.ptr[i]);
        }
        rval_list_push(call->arena, &keys, rval_string(call->arena, key.ptr, key.len));
    }
    return rval_array(call->arena, keys.ptr, keys.len);
}

static const struct rval *path_of(struct builtin_call *call, const struct rval *v)
{
    if (v->type == RVAL_STRING)
        return split_pointer(call, (struct span){v->string, v->len});
    if (v->type == RVAL_ARRAY)
        return v;
    return builtin_type_fail(call,
                             "operand 2 must be one of {set, array} containing string paths or "
                             "array of path segments but got %s",
                             rval_type_name((enum rval_type)v->type));
}

/* The index that KEY means in an array, or -1. */
static int64_t index_of(const struct rval *key)
{
    if (key->type == RVAL_NUMBER && key->is_int)
        return key->integer;
    uint64_t n;
    if (key->type == RVAL_STRING && span_u64((struct span){key->string, key->len}, &n) &&
        n < UINT32_MAX && (key->len == 1 || key->string[0] != '0'))
        return (int64_t)n;
    return -1;
}

static const struct rval *child(const struct rval *v, const struct rval *key)
{
    if (v->type == RVAL_ARRAY) {
        int64_t index = index_of(key);
        return index >= 0 && index < (int64_t)v->len ? v->items[index] : NULL;
    }
    return rval_is_collection(v) ? rval_get(v, key) : NULL;
}

/* V without what is at PATH; V itself if nothing is there. */
static const struct rval *without(struct builtin_call *call, const struct rval *v,
                                  const struct rval *path, uint32_t at)
{
    const struct rval *key = path->items[at];
    const struct rval *below = child(v, key);
    bool last = at + 1 == path->len;
    if (below == NULL)
        return v;
    const struct rval *kept = last ? NULL : without(call, below, path, at + 1);
    if (kept == below)
        return v;
    if (v->type == RVAL_OBJECT) {
        if (kept != NULL)
            return rval_object_with(call->arena, v, key, kept);
        struct rval_pair_list pairs = {0};
        for (uint32_t i = 0; i < v->len; i++)
            if (!rval_eq(v->pairs[i].key, key))
                rval_pair_list_push(call->arena, &pairs, v->pairs[i].key, v->pairs[i].value);
        return rval_object(call->arena, pairs.ptr, pairs.len);
    }
    struct rval_list items = {0};
    for (uint32_t i = 0; i < v->len; i++) {
        if (v->items[i] != below)
            rval_list_push(call->arena, &items, v->items[i]);
        else if (kept != NULL)
            rval_list_push(call->arena, &items, kept);
    }
    return v->type == RVAL_SET ? rval_set(call->arena, items.ptr, items.len)
                               : rval_array(call->arena, items.ptr, items.len);
}

/* Marks what is removed by position, so that indices mean the original array. */
struct removal {
    const struct rval *key; /* NULL at the root */
    struct removal *children, *next;
    bool whole;
};

static struct removal *removal_child(struct builtin_call *call, struct removal *at,
                                     const struct rval *key)
{
    for (struct removal *c = at->children; c != NULL; c = c->next)
        if (rval_eq(c->key, key))
            return c;
    struct removal *c = (struct removal *)arena_calloc(call->arena, 1, sizeof(*c));
    c->key = key;
    c->next = at->children;
    at->children = c;
    return c;
}

static bool add_paths(struct builtin_call *call, struct removal *root, const struct rval *paths)
{
    for (uint32_t i = 0; i < paths->len; i++) {
        const struct rval *path = path_of(call, paths->items[i]);
        if (path == NULL)
            return false;
        struct removal *at = root;
        for (uint32_t k = 0; k < path->len; k++)
            at = removal_child(call, at, path->items[k]);
        at->whole = path->len > 0;
    }
    return true;
}

static struct removal *find_removal(struct removal *at, const struct rval *key, int64_t index)
{
    for (struct removal *c = at->children; c != NULL; c = c->next)
        if (key != NULL ? rval_eq(c->key, key) : index_of(c->key) == index)
            return c;
    return NULL;
}

/* KEEP: only what is marked stays (json.filter); else what is marked goes (json.remove). */
static const struct rval *apply(struct builtin_call *call, const struct rval *v,
                                struct removal *marks, bool keep)
{
    if (v->type == RVAL_OBJECT) {
        struct rval_pair_list pairs = {0};
        for (uint32_t i = 0; i < v->len; i++) {
            struct removal *mark = find_removal(marks, v->pairs[i].key, 0);
            if (mark == NULL ? keep : (mark->whole && !keep))
                continue;
            const struct rval *value = v->pairs[i].value;
            if (mark != NULL && !mark->whole)
                value = apply(call, value, mark, keep);
            if (value != NULL)
                rval_pair_list_push(call->arena, &pairs, v->pairs[i].key, value);
        }
        return rval_object(call->arena, pairs.ptr, pairs.len);
    }
    if (v->type != RVAL_ARRAY && v->type != RVAL_SET)
        return v;
    struct rval_list items = {0};
    for (uint32_t i = 0; i < v->len; i++) {
        struct removal *mark = v->type == RVAL_ARRAY ? find_removal(marks, NULL, i)
                                                     : find_removal(marks, v->items[i], 0);
        if (mark == NULL ? keep : (mark->whole && !keep))
            continue;
        const struct rval *value = v->items[i];
        if (mark != NULL && !mark->whole)
            value = apply(call, value, mark, keep);
        rval_list_push(call->arena, &items, value);
    }
    return v->type == RVAL_SET ? rval_set(call->arena, items.ptr, items.len)
                               : rval_array(call->arena, items.ptr, items.len);
}

static const struct rval *mark_and_apply(struct builtin_call *call, const struct rval *const *args,
                                         bool keep)
{
    struct removal root = {0};
    if (!add_paths(call, &root, args[1]))
        return NULL;
    if (keep && args[1]->len == 0)
        return &rval_empty_object;
    return apply(call, args[0], &root, keep);
}

BUILTIN(json_remove)
{
    return mark_and_apply(call, args, false);
}

BUILTIN(json_filter)
{
    return mark_and_apply(call, args, true);
}

/* --- patches (RFC 6902) ----------------------------------------------------------------------- */

static const struct rval *at_path(const struct rval *v, const struct rval *path)
{
    for (uint32_t i = 0; i < path->len && v != NULL; i++)
        v = child(v, path->items[i]);
    return v;
}

/* V with VALUE put (INSERT: added in front of what an array has there) at PATH; NULL if that is
 * not possible. */
static const struct rval *put(struct builtin_call *call, const struct rval *v,
                              const struct rval *path, uint32_t at, const struct rval *value,
                              bool insert)
{
    if (at == path->len)
        return value;
    const struct rval *key = path->items[at];
    bool last = at + 1 == path->len;
    if (v->type == RVAL_OBJECT) {
        const struct rval *below = rval_get(v, key);
        if (below == NULL && !(last && insert))
            return NULL;
        const struct rval *inner = last ? value : put(call, below, path, at + 1, value, insert);
        return inner != NULL ? rval_object_with(call->arena, v, key, inner) : NULL;
    }
    if (v->type == RVAL_SET) {
        struct rval_list items = {0};
        const struct rval *below = rval_get(v, key);
        if (below == NULL && !(last && insert && rval_eq(key, value)))
            return NULL;
        for (uint32_t i = 0; i < v->len; i++)
            if (v->items[i] != below)
                rval_list_push(call->arena, &items, v->items[i]);
        const struct rval *inner = last ? value : put(call, below, path, at + 1, value, insert);
        if (inner == NULL)
            return NULL;
        rval_list_push(call->arena, &items, inner);
        return rval_set(call->arena, items.ptr, items.len);
    }
    if (v->type != RVAL_ARRAY)
        return NULL;
    int64_t index = index_of(key);
    if (last && insert && rval_str_is(key, "-"))
        index = v->len;
    bool inserting = last && insert;
    if (index < 0 || index > (int64_t)v->len || (!inserting && index == (int64_t)v->len))
        return NULL;
    struct rval_list items = {0};
    for (uint32_t i = 0; i <= v->len; i++) {
        if (i == index) {
            const struct rval *inner =
                last ? value : put(call, v->items[i], path, at + 1, value, insert);
            if (inner == NULL)
                return NULL;
            rval_list_push(call->arena, &items, inner);
            if (!inserting)
                continue;
        }
        if (i < v->len)
            rval_list_push(call->arena, &items, v->items[i]);
    }
    return rval_array(call->arena, items.ptr, items.len);
}

static const struct rval *remove_at(struct builtin_call *call, const struct rval *v,
                                    const struct rval *path)
{
    if (path->len == 0 || at_path(v, path) == NULL)
        return NULL;
    return without(call, v, path, 0);
}

static const struct rval *patch_once(struct builtin_call *call, const struct rval *v,
                                     const struct rval *patch)
{
    const struct rval *op = rval_get_str(patch, "op");
    const struct rval *path = rval_get_str(patch, "path");
    const struct rval *value = rval_get_str(patch, "value");
    const struct rval *from = rval_get_str(patch, "from");
    if (op == NULL || op->type != RVAL_STRING || path == NULL)
        return builtin_fail(call, "a patch needs \"op\" and \"path\"");
    path = path_of(call, path);
    from = from != NULL ? path_of(call, from) : NULL;
    if (path == NULL)
        return NULL;
    if (rval_str_is(op, "remove"))
        return remove_at(call, v, path);
    if (rval_str_is(op, "move") || rval_str_is(op, "copy")) {
        if (from == NULL)
            return builtin_fail(call, "this patch needs \"from\"");
        value = at_path(v, from);
        if (value == NULL)
            return NULL;
        const struct rval *rest = rval_str_is(op, "move") ? remove_at(call, v, from) : v;
        return rest != NULL ? put(call, rest, path, 0, value, true) : NULL;
    }
    if (value == NULL)
        return builtin_fail(call, "this patch needs \"value\"");
    if (rval_str_is(op, "add"))
        return put(call, v, path, 0, value, true);
    if (rval_str_is(op, "replace"))
        return at_path(v, path) != NULL ? put(call, v, path, 0, value, false) : NULL;
    if (rval_str_is(op, "test")) {
        const struct rval *found = at_path(v, path);
        return found != NULL && rval_eq(found, value) ? v : NULL;
    }
    return builtin_fail(call, "unknown operation \"%.40s\"", op->string);
}

BUILTIN(json_patch)
{
    const struct rval *v = args[0];
    for (uint32_t i = 0; i < args[1]->len && v != NULL; i++) {
        if (args[1]->items[i]->type != RVAL_OBJECT)
            return builtin_type_fail(
                call, "operand 2 must be array of objects but got array containing %s",
                rval_type_name((enum rval_type)args[1]->items[i]->type));
        v = patch_once(call, v, args[1]->items[i]);
    }
    return v;
}
