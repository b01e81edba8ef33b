/* Shapes: how a Go program's YAML encoder that knows no JSON tags would print an object.
 *
 * A shape is text; its words, parted by blanks, are the members in order:
 *
 *     name:s name:i name:b   text, whole number, boolean; absent is "", 0, false
 *     name:p                 a scalar behind a pointer; absent is null
 *     name:m name:l          a map or a list of scalars; absent is {} or []
 *     name:x                 anything, with keys in lower case all the way down; absent is null
 *     name( ... )            a struct under that key; absent is a struct of absent members
 *     name?( ... )           a pointer to a struct; absent is null
 *     name@( ... )           an embedded struct: its members are read from where we are
 *     name[ ... ]            a list of structs
 *
 * Names are in lower case; the object's keys are compared without regard to case.
 *
 * May use: base, data.  Threads: pure functions.
 */
#pragma once

#include "data/obj.h"

/* OBJECT in the form of SHAPE; owned by the caller.  A malformed shape ends the program. */
json_t *shape_apply(const char *shape, const json_t *object);

/* A copy of VALUE with the keys of its objects in lower case. */
json_t *shape_lower_keys(const json_t *value);
