/* Why an object was refused: the causes of a 422 Status, with the API's own wording.
 *
 *     cause_add(&causes, CAUSE_REQUIRED, "spec.map[0].source", NULL);
 *
 * May use: base, data.  Threads: a list has one owner.
 */
#pragma once

#include "base/cleanup.h"
#include "base/vector.h"
#include "data/obj.h"

enum cause_reason {
    CAUSE_REQUIRED,
    CAUSE_INVALID,
    CAUSE_TYPE_INVALID,
    CAUSE_NOT_SUPPORTED,
    CAUSE_FORBIDDEN,
    CAUSE_DUPLICATE,
    CAUSE_TOO_LONG,
    CAUSE_TOO_MANY,
    CAUSE_NOT_FOUND,
    CAUSE_CONFLICT, /* FieldManagerConflict of server-side apply */
    CAUSE_COUNT,
};

struct cause {
    enum cause_reason reason;
    char *message; /* Invalid value: "x": must be ... */
    char *field;   /* spec.map[0].destination.type */
};

DEFINE_VECTOR(cause_list, struct cause)

enum { CAUSE_MAX = 100 }; /* further causes are dropped: a list never grows without bound */

/* Adds a cause.  VALUE is the bad value (NULL where the reason shows none), FORMAT the detail
 * behind the reason's own words (NULL for none). */
void cause_add(struct cause_list *list, enum cause_reason reason, const char *field,
               const json_t *value, const char *format, ...) __attribute__((format(printf, 5, 6)));

/* "FieldValueInvalid" and so on. */
const char *cause_reason_name(enum cause_reason reason);

/* The array for a Status' details.causes: {reason, message, field}. */
json_t *cause_list_to_json(const struct cause_list *list);

/* What stands behind "... is invalid: " in a Status' message: "field: message", and in brackets
 * when there are several.  Owned by the caller. */
char *cause_list_format(const struct cause_list *list);

/* Frees the causes and the vector. */
void cause_list_free_all(struct cause_list *list);

DEFINE_CLEANUP_IN_PLACE(cause_list, struct cause_list, cause_list_free_all)
