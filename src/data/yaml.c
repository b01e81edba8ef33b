/* Walks libyaml's events, one function per kind of node.  An anchor's value is kept by name and
 * copied for each alias; the copies count against the limit, so aliases of aliases cannot grow
 * without bound. */
#include "data/yaml.h"

#include "base/error.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/text.h"
#include "data/obj.h"
#include "data/yaml_scalar.h"

#include <stdlib.h>
#include <string.h>
#include <yaml.h>

struct reader {
    yaml_parser_t parser;
    yaml_event_t event;
    bool has_event;
    struct map *anchors; /* name to json_t */
    size_t values;
    struct error **err;
};

static json_t *read_node(struct reader *r, unsigned depth);

static int fail(struct reader *r, const char *what)
{
    return error_set(r->err, ERROR_INVALID, "YAML line %zu: %s", r->event.start_mark.line + 1,
                     what);
}

static int next(struct reader *r)
{
    if (r->has_event)
        yaml_event_delete(&r->event);
    r->has_event = yaml_parser_parse(&r->parser, &r->event) == 1;
    if (r->has_event)
        return 0;
    return error_set(r->err, ERROR_INVALID, "YAML line %zu: %s", r->parser.problem_mark.line + 1,
                     r->parser.problem != NULL ? r->parser.problem : "cannot be read");
}

static json_t *read_scalar(struct reader *r)
{
    const char *text = (const char *)r->event.data.scalar.value;
    const char *tag = (const char *)r->event.data.scalar.tag;
    size_t len = r->event.data.scalar.length;
    bool is_text =
        r->event.data.scalar.style != YAML_PLAIN_SCALAR_STYLE || str_eq(tag, YAML_STR_TAG);
    json_t *value = strlen(text) != len ? NULL
                    : is_text           ? json_stringn(text, len)
                                        : yaml_resolve(text, len);

    if (value == NULL)
        fail(r, "text that is not UTF-8 or has a NUL in it");
    return value;
}

static json_t *read_sequence(struct reader *r, unsigned depth)
{
    json_auto_t *list = json_array();

    for (;;) {
        if (next(r) == -1)
            return NULL;
        if (r->event.type == YAML_SEQUENCE_END_EVENT)
            return steal(&list);

        json_t *item = read_node(r, depth);

        if (item == NULL)
            return NULL;
        json_array_append_new(list, item);
    }
}

/* Lays what a merge key names under what is there. */
static int merge_under(struct reader *r, json_t *object, const json_t *merged)
{
    size_t i;
    json_t *item;

    if (json_is_array(merged)) {
        json_array_foreach(merged, i, item)
        {
            if (!json_is_object(item))
                return fail(r, "a merge key needs mappings");
            json_object_update_missing(object, item);
        }
        return 0;
    }
    if (!json_is_object(merged))
        return fail(r, "a merge key needs a mapping");
    json_object_update_missing(object, (json_t *)(uintptr_t)merged);
    return 0;
}

/* The key that the current scalar is: text, or the text of a boolean or whole number.  Owned by the
 * caller; NULL for what cannot be a key. */
static char *read_key(struct reader *r)
{
    json_auto_t *value = read_scalar(r);

    if (value == NULL)
        return NULL;
    if (json_is_string(value))
        return xstrdup(json_string_value(value));
    if (json_is_boolean(value) || json_is_integer(value))
        return obj_format(value);
    return xstrdup((const char *)r->event.data.scalar.value);
}

static json_t *read_mapping(struct reader *r, unsigned depth)
{
    json_auto_t *object = json_object();
    json_auto_t *merged = NULL;

    for (;;) {
        if (next(r) == -1)
            return NULL;
        if (r->event.type == YAML_MAPPING_END_EVENT)
            break;
        if (r->event.type != YAML_SCALAR_EVENT) {
            fail(r, "a key must be plain text");
            return NULL;
        }

        CLEANUP(str) char *key = read_key(r);
        if (key == NULL)
            return NULL;
        bool is_merge =
            strcmp(key, "<<") == 0 && r->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE;

        if (json_object_get(object, key) != NULL) {
            fail(r, "a key is there twice");
            return NULL;
        }
        if (next(r) == -1)
            return NULL;

        json_t *value = read_node(r, depth);

        if (value == NULL)
            return NULL;
        if (is_merge) {
            json_decref(merged);
            merged = value;
        } else if (json_object_set_new(object, key, value) == -1) {
            fail(r, "a key that is not UTF-8");
            return NULL;
        }
    }
    if (merged != NULL && merge_under(r, object, merged) == -1)
        return NULL;
    return steal(&object);
}

static size_t count_values(const json_t *value)
{
    const char *key;
    size_t i, count = 1;
    json_t *item;

    json_array_foreach(value, i, item) count += count_values(item);
    json_object_foreach((json_t *)(uintptr_t)value, key, item) count += count_values(item);
    return count;
}

static json_t *read_alias(struct reader *r)
{
    json_t *value = map_find(r->anchors, (const char *)r->event.data.alias.anchor);

    if (value == NULL) {
        fail(r, "an alias of an anchor that is not there");
        return NULL;
    }
    r->values += count_values(value);
    if (r->values > YAML_DOC_MAX_VALUES) {
        fail(r, "too many values");
        return NULL;
    }
    return obj_copy(value);
}

static void keep_anchor(struct reader *r, const char *anchor, json_t *value)
{
    json_decref(map_put(r->anchors, anchor, json_incref(value)));
}

static json_t *read_node(struct reader *r, unsigned depth)
{
    const yaml_char_t *anchor =
        r->event.type == YAML_SCALAR_EVENT           ? r->event.data.scalar.anchor
        : r->event.type == YAML_SEQUENCE_START_EVENT ? r->event.data.sequence_start.anchor
        : r->event.type == YAML_MAPPING_START_EVENT  ? r->event.data.mapping_start.anchor
                                                     : NULL;
    CLEANUP(str) char *name = anchor != NULL ? xstrdup((const char *)anchor) : NULL;
    json_t *value;

    if (depth >= YAML_DOC_MAX_DEPTH || ++r->values > YAML_DOC_MAX_VALUES) {
        fail(r, depth >= YAML_DOC_MAX_DEPTH ? "too many levels" : "too many values");
        return NULL;
    }
    if (r->event.type == YAML_ALIAS_EVENT)
        return read_alias(r);
    if (r->event.type == YAML_SCALAR_EVENT)
        value = read_scalar(r);
    else if (r->event.type == YAML_SEQUENCE_START_EVENT)
        value = read_sequence(r, depth + 1);
    else
        value = read_mapping(r, depth + 1);
    if (value != NULL && name != NULL)
        keep_anchor(r, name, value);
    return value;
}

static void free_value(void *value)
{
    json_decref(value);
}

static int read_documents(struct reader *r, json_t *documents)
{
    for (;;) {
        if (next(r) == -1)
            return -1;
        if (r->event.type == YAML_STREAM_END_EVENT)
            return 0;
        if (r->event.type == YAML_STREAM_START_EVENT || r->event.type == YAML_DOCUMENT_END_EVENT)
            continue;
        if (r->event.type == YAML_DOCUMENT_START_EVENT) {
            map_free(r->anchors, free_value);
            r->anchors = map_new();
            continue;
        }

        json_t *value = read_node(r, 0);

        if (value == NULL)
            return -1;
        if (json_is_null(value))
            json_decref(value);
        else
            json_array_append_new(documents, value);
    }
}

json_t *obj_parse_yaml(const char *text, size_t len, struct error **err)
{
    struct reader r = {.err = err};
    json_auto_t *documents = json_array();

    if (len > YAML_DOC_MAX_BYTES) {
        error_set(err, ERROR_INVALID, "YAML has more than %d bytes", YAML_DOC_MAX_BYTES);
        return NULL;
    }
    if (yaml_parser_initialize(&r.parser) != 1) {
        error_set(err, ERROR_BUG, "cannot start to read YAML");
        return NULL;
    }
    r.anchors = map_new();
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, len);

    int result = read_documents(&r, documents);

    if (r.has_event)
        yaml_event_delete(&r.event);
    yaml_parser_delete(&r.parser);
    map_free(r.anchors, free_value);
    return result == 0 ? steal(&documents) : NULL;
}
