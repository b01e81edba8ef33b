#include "kube/patch.h"

#include "base/array.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/vector.h"
#include "data/obj.h"

#include <stdlib.h>
#include <string.h>

/* The result shares parts with both. */
static json_t *merge(const json_t *target, const json_t *patch)
{
    const char *key;
    json_t *value;

    if (!json_is_object(patch))
        return json_incref((json_t *)(uintptr_t)patch);

    json_t *merged =
        json_is_object(target) ? json_copy((json_t *)(uintptr_t)target) : json_object();

    json_object_foreach((json_t *)(uintptr_t)patch, key, value)
    {
        if (json_is_null(value))
            json_object_del(merged, key);
        else
            json_object_set_new(merged, key, merge(json_object_get(target, key), value));
    }
    return merged;
}

json_t *patch_merge(const json_t *target, const json_t *patch)
{
    json_auto_t *merged = merge(target, patch);

    return obj_copy(merged);
}

/* A JSON pointer (RFC 6901), taken apart. */
struct pointer {
    struct str_list parts;
    const char *text;
};

struct patcher {
    json_t *document; /* owned */
    size_t copied;    /* bytes */
    struct error **err;
};

static int malformed(struct error **err, const char *what)
{
    error_set(err, ERROR_INVALID, "%s", what);
    return error_hint(err, "malformed");
}

static int pointer_parse(const char *text, struct pointer *out, struct error **err)
{
    out->text = text;
    if (text[0] != '\0' && text[0] != '/')
        return malformed(err, "a path does not begin with \"/\"");
    while (*text == '/') {
        CLEANUP(buf) struct buf part = BUF_INIT(64 * 1024);

        for (text++; *text != '\0' && *text != '/'; text++) {
            if (*text != '~') {
                buf_add_char(&part, *text);
                continue;
            }
            text++;
            if (*text != '0' && *text != '1')
                return malformed(err, "a path has a \"~\" that is not followed by 0 or 1");
            buf_add_char(&part, *text == '0' ? '~' : '/');
        }
        str_list_push(&out->parts, buf_take(&part));
        if (out->parts.len > OBJ_MAX_DEPTH)
            return malformed(err, "a path has too many parts");
    }
    return 0;
}

static int absent(struct patcher *p, const char *path)
{
    return error_set(p->err, ERROR_INVALID, "nothing at \"%s\"", path);
}

/* The index that TEXT means in a list of COUNT; -1 if none. */
static long index_of(const char *text, size_t count)
{
    uint64_t index = 0;

    if (!span_u64(span_of(text), &index) || (text[0] == '0' && text[1] != '\0') || index > count)
        return -1;
    return (long)index;
}

static json_t *step(const json_t *value, const char *part)
{
    if (json_is_array(value)) {
        long index = index_of(part, json_array_size(value));

        return index < 0 ? NULL : json_array_get(value, (size_t)index);
    }
    return json_object_get(value, part);
}

/* What is at the first COUNT parts, or NULL. */
static json_t *walk(const struct patcher *p, const struct pointer *at, size_t count)
{
    json_t *value = p->document;

    for (size_t i = 0; value != NULL && i < count; i++)
        value = step(value, at->parts.ptr[i]);
    return value;
}

static bool fits_depth(const json_t *value, size_t left)
{
    const char *key;
    size_t i;
    json_t *item;

    if (left == 0)
        return false;
    json_array_foreach(value, i, item) if (!fits_depth(item, left - 1)) return false;
    json_object_foreach((json_t *)(uintptr_t)value, key,
                        item) if (!fits_depth(item, left - 1)) return false;
    return true;
}

/* Takes VALUE. */
static int put(struct patcher *p, const struct pointer *at, bool replaces, json_t *value)
{
    json_auto_t *owned = value;
    size_t count = at->parts.len;

    if (!fits_depth(value, OBJ_MAX_DEPTH - count))
        return error_set(p->err, ERROR_INVALID, "the value for \"%s\" nests too deeply", at->text);
    if (count == 0) {
        json_decref(p->document);
        p->document = steal(&owned);
        return 0;
    }

    json_t *parent = walk(p, at, count - 1);
    const char *last = at->parts.ptr[count - 1];

    if (json_is_object(parent)) {
        if (replaces && json_object_get(parent, last) == NULL)
            return absent(p, at->text);
        json_object_set(parent, last, owned);
        return 0;
    }
    if (!json_is_array(parent))
        return absent(p, at->text);

    size_t size = json_array_size(parent);
    long index = strcmp(last, "-") == 0 && !replaces ? (long)size : index_of(last, size);

    if (index < 0 || (replaces && (size_t)index == size))
        return absent(p, at->text);
    if (replaces)
        json_array_set(parent, (size_t)index, owned);
    else
        json_array_insert(parent, (size_t)index, owned);
    return 0;
}

static int take_away(struct patcher *p, const struct pointer *at)
{
    size_t count = at->parts.len;
    json_t *parent = count > 0 ? walk(p, at, count - 1) : NULL;

    if (parent == NULL || step(parent, at->parts.ptr[count - 1]) == NULL)
        return absent(p, at->text);
    if (json_is_object(parent))
        json_object_del(parent, at->parts.ptr[count - 1]);
    else
        json_array_remove(parent,
                          (size_t)index_of(at->parts.ptr[count - 1], json_array_size(parent)));
    return 0;
}

static int copy_from(struct patcher *p, const struct pointer *from, bool moves, json_t **out)
{
    json_t *value = walk(p, from, from->parts.len);

    if (value == NULL)
        return absent(p, from->text);
    if (moves) {
        *out = json_incref(value);
        if (take_away(p, from) == -1) {
            json_decref(value);
            return -1;
        }
        return 0;
    }

    CLEANUP(str) char *text = obj_format(value);

    p->copied += strlen(text);
    if (p->copied > PATCH_MAX_BYTES)
        return error_set(p->err, ERROR_INVALID, "the copies of the patch have more than %d bytes",
                         PATCH_MAX_BYTES);
    *out = obj_copy(value);
    return 0;
}

static int check_equal(struct patcher *p, const struct pointer *at, const json_t *value)
{
    json_t *found = walk(p, at, at->parts.len);

    if (found == NULL)
        return absent(p, at->text);
    if (!obj_eq(found, value))
        return error_set(p->err, ERROR_INVALID, "test: value at \"%s\" differs", at->text);
    return 0;
}

/* Is FROM a proper part of the way to AT?  Then it cannot be moved there. */
static bool is_inside(const struct pointer *at, const struct pointer *from)
{
    if (from->parts.len >= at->parts.len)
        return false;
    for (size_t i = 0; i < from->parts.len; i++)
        if (strcmp(at->parts.ptr[i], from->parts.ptr[i]) != 0)
            return false;
    return true;
}

static int run_transfer(struct patcher *p, const json_t *operation, const struct pointer *at,
                        bool moves)
{
    const char *text = obj_str(operation, "from", NULL);
    struct pointer from = {0};
    json_t *value = NULL;
    int result = text == NULL ? malformed(p->err, "an operation has no \"from\"")
                              : pointer_parse(text, &from, p->err);

    if (result == 0 && moves && is_inside(at, &from))
        result = error_set(p->err, ERROR_INVALID, "\"%s\" cannot be moved into itself", text);
    if (result == 0)
        result = copy_from(p, &from, moves, &value);
    if (result == 0)
        result = put(p, at, false, value);
    str_list_free_all(&from.parts);
    return result;
}

static int run_operation(struct patcher *p, const json_t *operation, const struct pointer *at)
{
    const char *op = obj_str(operation, "op", "");
    json_t *value = json_object_get(operation, "value");
    bool needs_value = str_eq(op, "add") || str_eq(op, "replace") || str_eq(op, "test");

    if (needs_value && value == NULL)
        return malformed(p->err, "an operation has no \"value\"");
    if (str_eq(op, "add"))
        return put(p, at, false, obj_copy(value));
    if (str_eq(op, "replace"))
        return put(p, at, true, obj_copy(value));
    if (str_eq(op, "test"))
        return check_equal(p, at, value);
    if (str_eq(op, "remove"))
        return take_away(p, at);
    if (str_eq(op, "move") || str_eq(op, "copy"))
        return run_transfer(p, operation, at, str_eq(op, "move"));
    return malformed(p->err, "an operation's \"op\" is none of add, remove, replace, move, copy "
                             "and test");
}

static int run(struct patcher *p, const json_t *operation)
{
    const char *path = obj_str(operation, "path", NULL);
    struct pointer at = {0};
    int result = path == NULL ? malformed(p->err, "an operation has no \"path\"")
                              : pointer_parse(path, &at, p->err);

    if (result == 0)
        result = run_operation(p, operation, &at);
    str_list_free_all(&at.parts);
    return result;
}

int patch_json(const json_t *target, const json_t *operations, json_t **out, struct error **err)
{
    struct patcher p = {.document = NULL, .err = err};
    size_t i;
    json_t *operation;

    if (!json_is_array(operations) || json_array_size(operations) > PATCH_MAX_OPERATIONS)
        return malformed(err, json_is_array(operations) ? "a JSON patch has too many operations"
                                                        : "a JSON patch is not a list");
    p.document = obj_copy(target);
    json_array_foreach(operations, i, operation) if (run(&p, operation) == -1)
    {
        const char *hint = error_get_hint(*err);
        bool is_malformed = hint != NULL;

        json_decref(p.document);
        error_wrap(err, "operation %zu", i + 1);
        return is_malformed ? error_hint(err, "malformed") : -1;
    }
    *out = p.document;
    return 0;
}
