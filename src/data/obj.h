/* JSON objects: reading by path, building, copying, parsing within limits.
 *
 * Values are jansson's json_t.  Getters borrow, obj_take_* setters take, owning locals are
 * json_auto_t *.  An object in a cache or a queue is frozen: obj_copy it to change it.
 * A path is literal text: names parted by dots, [n] for an element of an array
 * ("status.conditions[0].type").  Keys that are data (labels, annotations) never go in a path.
 *
 * May use: base.  Threads: reading a frozen object is safe anywhere, jansson's counts are atomic.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct error;

enum {
    OBJ_MAX_DEPTH = 64,               /* nesting accepted by obj_parse */
    OBJ_MAX_WALK = 1024,              /* nesting of what copies and formatters are given */
    OBJ_MAX_BYTES = 64 * 1024 * 1024, /* text accepted by obj_parse */
};

/* Parses LEN bytes of JSON.  Refuses duplicate keys, more depth or bytes than the limits, invalid
 * UTF-8, NUL in a string and text behind the value; the error gives line and column.  Integers that
 * do not fit 64 bits become reals. */
json_t *obj_parse(const char *text, size_t len, struct error **err);

/* Compact text; owned by the caller.  Keys stay in the order they were put in. */
char *obj_format(const json_t *o);
/* Indented, keys sorted: for people and golden files. */
char *obj_format_pretty(const json_t *o);
/* Appends the compact text. */
void obj_format_to(const json_t *o, struct buf *buf);

/* What is at PATH, or NULL.  Borrowed. */
json_t *obj_at(const json_t *o, const char *path);

/* For objects that the API server has validated: absent, null or of another type gives FALLBACK. */
const char *obj_str(const json_t *o, const char *path, const char *fallback);
int64_t obj_int(const json_t *o, const char *path, int64_t fallback);
bool obj_bool(const json_t *o, const char *path, bool fallback);
/* The array or object at PATH, or NULL if there is none of that type. */
json_t *obj_arr(const json_t *o, const char *path);
json_t *obj_obj(const json_t *o, const char *path);
/* The length of the array at PATH, 0 if there is none. */
size_t obj_count(const json_t *o, const char *path);

/* For what others send: absent or of another type is ERROR_INVALID naming the path. */
int obj_need_str(const json_t *o, const char *path, const char **value, struct error **err);
int obj_need_int(const json_t *o, const char *path, int64_t *value, struct error **err);
int obj_need_bool(const json_t *o, const char *path, bool *value, struct error **err);
int obj_need_arr(const json_t *o, const char *path, json_t **value, struct error **err);
int obj_need_obj(const json_t *o, const char *path, json_t **value, struct error **err);

/* The text under KEY of a map whose keys are data, or NULL. */
const char *obj_map_str(const json_t *map, const char *key);

/* Puts a value at PATH, making the objects on the way and replacing what is not one (arrays must be
 * there; "list[]" at the end appends, making the array).  obj_take takes VALUE, even if PATH leads
 * past the end of an array and nothing is put; a VALUE of NULL puts nothing. */
void obj_take(json_t *o, const char *path, json_t *value);
void obj_put_str(json_t *o, const char *path, const char *value); /* NULL puts nothing */
void obj_put_int(json_t *o, const char *path, int64_t value);
void obj_put_bool(json_t *o, const char *path, bool value);
/* Removes what is at PATH, if anything. */
void obj_del(json_t *o, const char *path);

/* A string; bytes that are not UTF-8 become U+FFFD. */
json_t *obj_new_str(const char *text);

/* What VALUE is, for messages: "a string", "a list", "absent" for NULL. */
const char *obj_type_name(const json_t *value);

/* True if more than DEPTH objects and arrays lie in one another (0: if O is one at all).  For who
 * builds from outside data by other means than a parser, as patches do. */
bool obj_is_deeper_than(const json_t *o, int depth);

/* A deep copy, owned by the caller.  Strings and numbers are shared with the original, so nobody
 * changes those in place (json_string_set, json_integer_set): put a new value. */
json_t *obj_copy(const json_t *o);
/* Deep equality; numbers by value, key order ignored. */
bool obj_eq(const json_t *a, const json_t *b);

/* Builds from a format as jansson's json_pack; a format that does not fit is our mistake and ends
 * the program; so does text that is not UTF-8 (obj_new_str and "o" where it may be such). */
json_t *obj_pack(const char *format, ...);
