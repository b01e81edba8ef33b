#include "data/obj.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"

#include <assert.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* jansson allocates through xmalloc, so that no call of it can fail for want of memory. */
__attribute__((constructor)) static void hook_jansson(void)
{
    json_set_alloc_funcs(xmalloc, free);
}

/* One part of a path: a name, or an index. */
struct part {
    const char *name; /* NULL for an index */
    size_t len;
    size_t index;
    bool append; /* "[]" */
};

/* Cuts the next part off *PATH, which is not empty. */
static void next_part(const char **path, struct part *part)
{
    const char *p = *path;

    if (*p == '[') {
        part->name = NULL;
        part->index = 0;
        part->append = *++p == ']';
        for (; *p >= '0' && *p <= '9'; p++)
            part->index = part->index * 10 + (size_t)(*p - '0');
        assert(*p == ']');
        p++;
    } else {
        part->name = p;
        part->append = false;
        while (*p != '\0' && *p != '.' && *p != '[')
            p++;
        part->len = (size_t)(p - part->name);
        assert(part->len > 0);
    }
    if (*p == '.')
        p++;
    *path = p;
}

static json_t *child(const json_t *o, const struct part *part)
{
    return part->name != NULL ? json_object_getn(o, part->name, part->len)
                              : json_array_get(o, part->index);
}

json_t *obj_at(const json_t *o, const char *path)
{
    json_t *at = (json_t *)(uintptr_t)o;

    while (at != NULL && *path != '\0') {
        struct part part = {0};

        next_part(&path, &part);
        at = child(at, &part);
    }
    return at;
}

const char *obj_str(const json_t *o, const char *path, const char *fallback)
{
    const json_t *value = obj_at(o, path);

    return json_is_string(value) ? json_string_value(value) : fallback;
}

int64_t obj_int(const json_t *o, const char *path, int64_t fallback)
{
    const json_t *value = obj_at(o, path);

    return json_is_integer(value) ? json_integer_value(value) : fallback;
}

bool obj_bool(const json_t *o, const char *path, bool fallback)
{
    const json_t *value = obj_at(o, path);

    return json_is_boolean(value) ? json_is_true(value) : fallback;
}

json_t *obj_arr(const json_t *o, const char *path)
{
    json_t *value = obj_at(o, path);

    return json_is_array(value) ? value : NULL;
}

json_t *obj_obj(const json_t *o, const char *path)
{
    json_t *value = obj_at(o, path);

    return json_is_object(value) ? value : NULL;
}

size_t obj_count(const json_t *o, const char *path)
{
    return json_array_size(obj_at(o, path));
}

const char *obj_type_name(const json_t *value)
{
    if (value == NULL)
        return "absent";
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return "an object";
    case JSON_ARRAY:
        return "a list";
    case JSON_STRING:
        return "a string";
    case JSON_INTEGER:
        return "a whole number";
    case JSON_REAL:
        return "a number";
    case JSON_TRUE:
    case JSON_FALSE:
        return "a boolean";
    case JSON_NULL:
        break;
    }
    return "null";
}

static int wrong_type(const char *path, const json_t *value, const char *want, struct error **err)
{
    if (value == NULL)
        return error_set(err, ERROR_INVALID, "\"%s\" is missing", path);
    return error_set(err, ERROR_INVALID, "\"%s\" is %s, not %s", path, obj_type_name(value), want);
}

int obj_need_str(const json_t *o, const char *path, const char **value, struct error **err)
{
    const json_t *at = obj_at(o, path);

    if (!json_is_string(at))
        return wrong_type(path, at, "a string", err);
    *value = json_string_value(at);
    return 0;
}

int obj_need_int(const json_t *o, const char *path, int64_t *value, struct error **err)
{
    const json_t *at = obj_at(o, path);

    if (!json_is_integer(at))
        return wrong_type(path, at, "a whole number", err);
    *value = json_integer_value(at);
    return 0;
}

int obj_need_bool(const json_t *o, const char *path, bool *value, struct error **err)
{
    const json_t *at = obj_at(o, path);

    if (!json_is_boolean(at))
        return wrong_type(path, at, "a boolean", err);
    *value = json_is_true(at);
    return 0;
}

int obj_need_arr(const json_t *o, const char *path, json_t **value, struct error **err)
{
    json_t *at = obj_at(o, path);

    if (!json_is_array(at))
        return wrong_type(path, at, "a list", err);
    *value = at;
    return 0;
}

int obj_need_obj(const json_t *o, const char *path, json_t **value, struct error **err)
{
    json_t *at = obj_at(o, path);

    if (!json_is_object(at))
        return wrong_type(path, at, "an object", err);
    *value = at;
    return 0;
}

const char *obj_map_str(const json_t *map, const char *key)
{
    return json_string_value(json_object_get(map, key));
}

/* Puts VALUE, which it takes, under PART of AT; false if there is no such place. */
static bool put_child(json_t *at, const struct part *part, json_t *value)
{
    if (part->name != NULL)
        return json_object_setn_new_nocheck(at, part->name, part->len, value) == 0;
    if (part->append)
        return json_array_append_new(at, value) == 0;
    return json_array_set_new(at, part->index, value) == 0;
}

void obj_take(json_t *o, const char *path, json_t *value)
{
    json_t *at = o;

    if (value == NULL)
        return;
    for (;;) {
        struct part part = {0};

        next_part(&path, &part);
        if (*path == '\0') {
            put_child(at, &part, value);
            return;
        }
        json_t *next = part.append ? NULL : child(at, &part);
        bool want_array = *path == '[';
        if (want_array ? !json_is_array(next) : !json_is_object(next)) {
            next = want_array ? json_array() : json_object();
            if (!put_child(at, &part, next)) {
                json_decref(value);
                return;
            }
        }
        at = next;
    }
}

json_t *obj_new_str(const char *text)
{
    size_t len = strlen(text);
    struct buf buf = BUF_INIT(SIZE_MAX / 2);

    if (utf8_is_valid(text, len))
        return json_stringn_nocheck(text, len);
    for (size_t i = 0; i < len;) {
        size_t n = 1;

        while (n < 4 && i + n <= len && !utf8_is_valid(text + i, n))
            n++;
        if (i + n <= len && utf8_is_valid(text + i, n)) {
            buf_append(&buf, text + i, n);
            i += n;
        } else {
            buf_add(&buf, "\xef\xbf\xbd");
            i++;
        }
    }
    json_t *string = json_stringn_nocheck(buf.ptr, buf.len);
    buf_reset(&buf);
    return string;
}

void obj_put_str(json_t *o, const char *path, const char *value)
{
    if (value != NULL)
        obj_take(o, path, obj_new_str(value));
}

void obj_put_int(json_t *o, const char *path, int64_t value)
{
    obj_take(o, path, json_integer(value));
}

void obj_put_bool(json_t *o, const char *path, bool value)
{
    obj_take(o, path, json_boolean(value));
}

void obj_del(json_t *o, const char *path)
{
    json_t *at = o;

    while (at != NULL) {
        struct part part = {0};

        next_part(&path, &part);
        if (*path == '\0') {
            if (part.name != NULL)
                json_object_deln(at, part.name, part.len);
            else
                json_array_remove(at, part.index);
            return;
        }
        at = child(at, &part);
    }
}

bool obj_is_deeper_than(const json_t *o, int depth)
{
    const char *key;
    json_t *value;
    size_t i;

    if (!json_is_object(o) && !json_is_array(o))
        return false;
    if (depth == 0)
        return true;
    json_object_foreach((json_t *)(uintptr_t)o, key,
                        value) if (obj_is_deeper_than(value, depth - 1)) return true;
    json_array_foreach(o, i, value) if (obj_is_deeper_than(value, depth - 1)) return true;
    return false;
}

static json_t *copy(const json_t *o, int depth)
{
    const char *key;
    size_t key_len, i;
    json_t *value, *result;

    assert(depth <= OBJ_MAX_WALK);
    if (json_is_object(o)) {
        result = json_object();
        json_object_keylen_foreach((json_t *)(uintptr_t)o, key, key_len, value)
            json_object_setn_new_nocheck(result, key, key_len, copy(value, depth + 1));
        return result;
    }
    if (json_is_array(o)) {
        result = json_array();
        json_array_foreach(o, i, value) json_array_append_new(result, copy(value, depth + 1));
        return result;
    }
    return json_incref((json_t *)(uintptr_t)o);
}

json_t *obj_copy(const json_t *o)
{
    return o == NULL ? NULL : copy(o, 0);
}

static bool objects_eq(const json_t *a, const json_t *b)
{
    const char *key;
    size_t key_len;
    json_t *value;

    if (json_object_size(a) != json_object_size(b))
        return false;
    json_object_keylen_foreach((json_t *)(uintptr_t)a, key, key_len, value)
    {
        const json_t *other = json_object_getn(b, key, key_len);
        if (other == NULL || !obj_eq(value, other))
            return false;
    }
    return true;
}

static bool arrays_eq(const json_t *a, const json_t *b)
{
    size_t i;
    json_t *value;

    if (json_array_size(a) != json_array_size(b))
        return false;
    json_array_foreach(a, i, value) if (!obj_eq(value, json_array_get(b, i))) return false;
    return true;
}

static bool numbers_eq(const json_t *a, const json_t *b)
{
    if (json_is_integer(a) && json_is_integer(b))
        return json_integer_value(a) == json_integer_value(b);
    return json_number_value(a) == json_number_value(b);
}

bool obj_eq(const json_t *a, const json_t *b)
{
    if (a == b)
        return true;
    if (a == NULL || b == NULL)
        return false;
    if (json_is_number(a) && json_is_number(b))
        return numbers_eq(a, b);
    if (json_typeof(a) != json_typeof(b))
        return false;
    if (json_is_object(a))
        return objects_eq(a, b);
    if (json_is_array(a))
        return arrays_eq(a, b);
    if (json_is_string(a))
        return json_string_length(a) == json_string_length(b) &&
               memcmp(json_string_value(a), json_string_value(b), json_string_length(a)) == 0;
    return true;
}

json_t *obj_pack(const char *format, ...)
{
    json_error_t why;
    va_list args;

    va_start(args, format);
    json_t *value = json_vpack_ex(&why, 0, format, args);
    va_end(args);
    assert(value != NULL && "a format that does not fit its arguments, or text that is not UTF-8");
    return value;
}
