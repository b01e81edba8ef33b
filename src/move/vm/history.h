/* The history of a plan's migrations: status.migration.history[], the last entry being the active
 * one while it has the condition Executing.
 *
 * May use: base, data, kube.  Threads: pure functions.
 */
#pragma once

#include "move/vm/plan_view.h"

enum { HISTORY_KEPT = 20 };

/* The active entry of a plan's STATUS, or NULL. */
json_t *history_active(const json_t *status);

/* The entry of the migration with UID, or NULL. */
json_t *history_find(const json_t *status, const char *migration_uid);

/* Appends an entry for MIGRATION with who and what takes part, Executing, and drops the oldest ones
 * beyond HISTORY_KEPT. */
json_t *history_begin(const struct plan_view *view, json_t *status, const json_t *migration);

/* Ends an entry: not Executing any more, and TYPE (Succeeded, Failed, Canceled). */
void history_end(json_t *entry, const char *type, const char *reason, const char *message);

/* True if the plan, a provider or a map is another object than when ENTRY began. */
bool history_is_modified(const json_t *entry, const struct plan_view *view);

/* Makes the plan's own Executing, Succeeded, Failed and Canceled those of its last entry. */
void history_mirror(json_t *status);
