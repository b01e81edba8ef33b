/* A value of the vSphere API as a tree: what a managed object's properties are made of.
 *
 * May use: base.  Threads: a tree belongs to one thread.
 */
#pragma once

#include "base/cleanup.h"
#include "base/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct value {
    char *name;
    const char *type;  /* xsi:type, or NULL: the field's own */
    const char *array; /* the type of an array's elements, or NULL: no array */
    const char *ref;   /* the type of the object whose id is the text, or NULL */
    char *text;        /* of a leaf, or NULL */
    struct value *first, *last, *next;
};

struct value *value_new(const char *name, const char *type);
void value_free(struct value *value);

/* New last children, borrowed.  Types are string literals. */
struct value *value_add(struct value *parent, const char *name, const char *type);
struct value *value_add_array(struct value *parent, const char *name, const char *element_type);
void value_add_text(struct value *parent, const char *name, const char *type, const char *text);
void value_add_string(struct value *parent, const char *name, const char *text);
void value_add_int(struct value *parent, const char *name, int64_t number);
void value_add_long(struct value *parent, const char *name, int64_t number);
void value_add_bool(struct value *parent, const char *name, bool yes);
void value_add_ref(struct value *parent, const char *name, const char *type, const char *id);

/* The value at PATH ("config.hardware.device"), or NULL. */
struct value *value_find(struct value *root, const char *path);

/* Appends VALUE as a field, or as the element NAME that holds a property's value. */
void value_format(const struct value *value, struct buf *buf);
void value_format_property(const struct value *value, const char *name, struct buf *buf);

/* Appends TEXT with XML's special characters escaped. */
void value_add_escaped(struct buf *buf, const char *text);

DEFINE_CLEANUP(value, struct value *, value_free)
