/* Sets of fields, as managedFields has them (FieldsV1), for apply.c only.
 *
 * A set is a JSON object, a tree: members are named by path elements, "f:spec" for a field,
 * "k:{"name":"a"}" for an item of a list by its keys, "v:"x"" for an item of a set.  An element
 * that is itself in the set has a member ".".  (On the wire an element without children leaves
 * the "." out; fields_parse puts it in, fields_format takes it out.)
 *
 * May use: base, data.  Threads: pure functions.
 */
#pragma once

#include "data/obj.h"

#include <stdbool.h>

struct buf;
struct schema;

/* From and to the wire form; new references.  Anything that is no set gives an empty one. */
json_t *fields_parse(const json_t *wire);
json_t *fields_format(const json_t *set);

/* The fields that VALUE sets.  WITH_MAPS also counts maps as fields of their own, as updates do;
 * an applied configuration owns what is in its maps only. */
json_t *fields_of(const struct schema *schema, const json_t *value, bool with_maps);

/* What differs between two values: *CHANGED is what NEW sets otherwise or newly, *REMOVED what it
 * has no more. */
void fields_compare(const struct schema *schema, const json_t *old, const json_t *value,
                    json_t **changed, json_t **removed);

bool fields_is_empty(const json_t *set);
void fields_add(json_t *set, const json_t *other);
void fields_subtract(json_t *set, const json_t *other);
json_t *fields_intersect(const json_t *a, const json_t *b);

/* Takes out what nobody owns: names, times and the like, which the server writes. */
void fields_strip(json_t *set);

/* The element that stands for an ITEM of a list that is a set or a map; owned text. */
char *fields_item_name(const struct schema *list, const json_t *item);

/* Calls SEE with the path of each field in the set, such as .spec.list[name="a"].x. */
void fields_each(const json_t *set, struct buf *path, void (*see)(void *arg, const char *path),
                 void *arg);
