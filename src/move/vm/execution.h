/* The execution of a plan by a migration: its beginning, one pass over its VMs, its end.
 *
 * All state is in the plan's status; a pass changes it in place and the caller saves it.  What must
 * outlast a crash at once, the pass itself puts on record.
 *
 * May use: base, data, kube, source, inventory, hook.  Threads: one worker per plan.
 */
#pragma once

#include "move/vm/plan_session.h"

/* What a pass may do. */
enum execution_mode {
    EXECUTION_RUN,      /* go on with everything */
    EXECUTION_CLEAN_UP, /* only undo: something blocks the plan */
};

/* Begins MIGRATION: history entry, target namespace, an entry for each VM that has not succeeded. */
int execution_begin(struct plan_view *view, const json_t *migration, struct error **err);

/* Does one pass for the active ENTRY, over the VMs that something happened to (all with
 * session->must_look).  *AGAIN_MS gets when the next one is due, 0: on a change. */
int execution_pass(struct plan_session *session, struct plan_view *view, json_t *entry,
                   enum execution_mode mode, int64_t *again_ms, struct error **err);

/* Cancels every VM that is not completed. */
void execution_cancel_all(struct plan_session *session, struct plan_view *view, json_t *entry,
                          const char *reason, const char *message);

/* Nothing goes on but what is being cleaned up: TEXT is shown at every VM that is on its way. */
void execution_hold_all(struct plan_session *session, struct plan_view *view, const char *text);

/* Fails every VM that is not completed, and then cleans up after it. */
void execution_fail_all(struct plan_session *session, struct plan_view *view, const char *text);
