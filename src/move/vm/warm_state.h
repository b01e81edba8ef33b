/* What a VM's status keeps of its warm migration, in Forklift's form: warm.precopies[] with the
 * snapshot of each copy, the tasks that made and removed it, and the state of each disk then.
 *
 * A copy is open until it has an end.  The list is the ledger of our snapshots; those that a crash
 * kept out of it are found again by the mark in their description.
 *
 * May use: base, data, source.  Threads: one owner.
 */
#pragma once

#include "move/vm/vm_run.h"

#include <stddef.h>

/* The last copy, or NULL.  Borrowed. */
json_t *warm_last(const struct vm_run *run);
bool warm_is_open(const json_t *precopy);
/* How many there are. */
size_t warm_count(const struct vm_run *run);

/* Begins one; borrowed. */
json_t *warm_begin(struct vm_run *run);
/* Ends the last one, which succeeded; the next is due INTERVAL_MS later. */
void warm_end(struct vm_run *run, int64_t interval_ms);
void warm_count_failure(struct vm_run *run);

/* When the next is due, milliseconds since 1970. */
int64_t warm_next_ms(const struct vm_run *run);

/* The state of disk NAME in the last copy that came to its end, or NULL. */
const char *warm_previous_state(const struct vm_run *run, const char *name);

/* The description that a snapshot of the copy NUMBER gets; owned by the caller. */
char *warm_describe_snapshot(const struct vm_run *run, size_t number);
/* True for any snapshot that a migration of this plan made. */
bool warm_is_ours(const struct vm_run *run, const struct source_snapshot *snapshot);
