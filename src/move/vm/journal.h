/* The journal of a large plan: a ConfigMap for each VM whose entry in the plan's status went on
 * since the status was last written.
 *
 * Writing the status of a plan costs as much as the plan is large, a journal does not.  An entry is
 * written before a step whose effects would make the entry in the status misleading, and goes once
 * the status was written.  What a crash leaves is put into the status when the plan is read again;
 * a journal that is older than the status is known by its base, the marks of the entry that it
 * follows.
 *
 * May use: base, data, kube.  Threads: the worker of the plan.
 */
#pragma once

#include "data/obj.h"

#include <stdbool.h>

struct error;
struct room;

/* The marks of an entry: its phase and what tells apart two times at the same phase.  Owned by the
 * caller. */
char *journal_marks(const json_t *vm);

/* Writes the entry VM, which follows one with the marks BASE.  EXISTS: there is a journal already.
 */
int journal_write(struct room *room, const json_t *plan, const json_t *vm, const char *base,
                  bool exists, struct error **err);

/* Puts what the journals of PLAN say into its status; *FOUND journals were newer.  Others go. */
int journal_apply(struct room *room, json_t *plan, size_t *found, struct error **err);

/* Removes one; absent is success. */
int journal_remove(struct room *room, const json_t *plan, const char *vm_id, struct error **err);
