/* Selectors: which objects a list, a watch or a deletion means.
 *
 * Compiled once, matched many times.  An empty text matches everything.
 * May use: base, data.  Threads: frozen after creation.
 */
#pragma once

#include "base/cleanup.h"
#include "data/obj.h"

#include <stdbool.h>
#include <stddef.h>

struct error;

enum {
    SELECTOR_MAX_TEXT = 64 * 1024, /* bytes of a selector's text */
    SELECTOR_MAX_TERMS = 1000,     /* terms, and values in all of them */
};

/* Labels: "a=b,c!=d,e in (f,g),h notin (i),j,!k,l>1". */
struct selector;

/* TEXT may be NULL for everything. */
struct selector *selector_parse(const char *text, struct error **err);

/* A LabelSelector object: {matchLabels, matchExpressions}; NULL matches everything. */
struct selector *selector_from_json(const json_t *object, struct error **err);

void selector_free(struct selector *selector);

/* LABELS is metadata.labels, or NULL for none. */
bool selector_matches(const struct selector *selector, const json_t *labels);

bool selector_is_everything(const struct selector *selector);

/* The value that KEY must have, or NULL if it may have several or none. */
const char *selector_exact(const struct selector *selector, const char *key);

/* As text that selector_parse reads.  Owned by the caller. */
char *selector_format(const struct selector *selector);

/* Fields: "metadata.name=web,status.phase!=Running"; '\' escapes ',', '=' and itself. */
struct field_selector;

/* Any field name is accepted here: which ones a kind supports is for the caller to check, with
 * field_selector_get. */
struct field_selector *field_selector_parse(const char *text, struct error **err);
void field_selector_free(struct field_selector *selector);

/* An absent field is like an empty one. */
bool field_selector_matches(const struct field_selector *selector, const json_t *object);

size_t field_selector_count(const struct field_selector *selector);

/* One term; returns its field's name, sets *VALUE and *IS_EQUAL.  All borrowed. */
const char *field_selector_get(const struct field_selector *selector, size_t index,
                               const char **value, bool *is_equal);

/* The value that FIELD must have, or NULL if it may have several. */
const char *field_selector_exact(const struct field_selector *selector, const char *field);

DEFINE_CLEANUP(selector, struct selector *, selector_free)
DEFINE_CLEANUP(field_selector, struct field_selector *, field_selector_free)
