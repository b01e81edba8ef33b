/* A request to stop, seen by everything that waits.
 *
 * Reference counted: whoever starts long work holds one, the work holds one.
 * May use: base.  Threads: all functions may be called from any thread.
 */
#pragma once

#include "base/cleanup.h"
#include "base/time.h"

#include <stdbool.h>

struct cancel;
struct error;

struct cancel *cancel_new(void);
struct cancel *cancel_ref(struct cancel *cancel);
void cancel_free(struct cancel *cancel); /* drops one reference */

/* Asks to stop.  Repeating it does nothing. */
void cancel_request(struct cancel *cancel);

/* NULL is never requested, for calls that cannot be cancelled. */
bool cancel_is_requested(const struct cancel *cancel);

/* A descriptor that polls readable once stopping is requested.  Borrowed. */
int cancel_fd(const struct cancel *cancel);

/* Waits MS milliseconds; true at once if stopping is requested meanwhile. */
bool cancel_wait(const struct cancel *cancel, int64_t ms);

/* Fails with ERROR_CANCELED if requested, with ERROR_TIMEOUT if the deadline is over. */
int cancel_check(const struct cancel *cancel, struct deadline deadline, struct error **err);

/* For programs: from now on SIGINT and SIGTERM request CANCEL instead of ending the process.  To be
 * called before other threads start, which inherit that the signals are blocked; CANCEL must stay
 * until the program ends. */
int cancel_on_signals(struct cancel *cancel, struct error **err);

DEFINE_CLEANUP(cancel, struct cancel *, cancel_free)
