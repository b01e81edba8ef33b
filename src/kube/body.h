/* The body of a write: parsing that reports duplicate fields instead of refusing them, and the
 * words of fieldValidation.
 *
 * May use: base, data.  Threads: pure functions.
 */
#pragma once

#include "base/vector.h"
#include "data/obj.h"

#include <stddef.h>

struct error;

enum field_validation { FIELD_WARN, FIELD_STRICT, FIELD_IGNORE };

/* Reads the query parameter's text; NULL or "" is Warn. */
int field_validation_parse(const char *text, enum field_validation *value, struct error **err);

/* Parses JSON within obj_parse's limits.  Of a duplicate field the last one counts, and its path
 * is added to DUPLICATES ("spec.a"). */
int body_parse(const char *text, size_t len, json_t **out, struct str_list *duplicates,
               struct error **err);

/* The message of the 400 for Strict: NetworkMap in version "v1beta1" cannot be handled as a
 * NetworkMap: strict decoding error: unknown field "spec.a", duplicate field "spec.b".
 * Owned by the caller; NULL if both lists are empty. */
char *body_strict_message(const char *kind, const char *version, const struct str_list *unknown,
                          const struct str_list *duplicates);

/* Adds one Warning text per field to WARNINGS: unknown field "spec.a". */
void body_warnings(const struct str_list *unknown, const struct str_list *duplicates,
                   struct str_list *warnings);
