/* Conditions as Forklift's kinds have them: one finding, one entry.
 *
 * An entry is {type, status, category, reason, message, suggestion, items[], durable,
 * lastTransitionTime}.  Staging: conditions_begin un-stages all entries that are not durable,
 * conditions_set stages one, conditions_end drops those that were not staged again.  So a condition
 * goes away when its check no longer fails.
 *
 * Two findings of the same type are two entries if their reasons differ; the same type and reason
 * with further items is one entry with more items.
 *
 * May use: base, data.  Threads: one owner.
 */
#pragma once

#include "data/obj.h"

#include <stdbool.h>

enum condition_category {
    CONDITION_CRITICAL, /* blocks */
    CONDITION_ERROR,    /* blocks */
    CONDITION_WARN,
    CONDITION_REQUIRED, /* must be true for Ready */
    CONDITION_ADVISORY,
};

struct condition {
    const char *type;
    bool is_false; /* status "False" instead of "True" */
    enum condition_category category;
    const char *reason;
    const char *message;
    const char *suggestion;   /* or NULL */
    const char *const *items; /* NULL at the end, or NULL */
    bool durable;
};

/* STATUS is the object that holds `conditions`; all functions change it in place. */
void conditions_begin(json_t *status);
void conditions_set(json_t *status, const struct condition *condition);
void conditions_end(json_t *status);

/* Ends staging as if it had not begun; nothing if it has not.  STATUS may be a shallow copy, whose
 * original is then still being staged. */
void conditions_abort(json_t *status);

/* Adds one item to the entry of that type and reason, which must have been set. */
void conditions_add_item(json_t *status, const char *type, const char *reason, const char *item);

/* Removes every entry of TYPE, staged or durable. */
void conditions_delete(json_t *status, const char *type);

/* The first entry of TYPE, whatever its status, or NULL; borrowed. */
const json_t *conditions_find(const json_t *status, const char *type);

/* Staged entries only while staging. */
bool conditions_is_true(const json_t *status, const char *type);
/* True if an entry of category Critical or Error is true. */
bool conditions_is_blocked(const json_t *status);
