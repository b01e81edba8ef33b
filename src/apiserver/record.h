/* What is kept of a request once it is answered: counters (metrics.h) and a line in the log.
 *
 * In the log is, with the id that the answer's Audit-Id header has: at level info what outsiders
 * changed or were not allowed, and what took long, at most RECORD_LINES_PER_S lines a second; at
 * level warn what failed on our side; at level debug all the rest.
 *
 * May use: base, net.  Threads: safe anywhere.
 */
#pragma once

#include <stdint.h>

struct call;
struct record;

enum { RECORD_LINES_PER_S = 50, RECORD_SLOW_US = 1000 * 1000 };

struct record *record_new(void);
void record_free(struct record *record);

/* A request begins (1) or ends (-1) to be worked on. */
void record_in_flight(const struct call *call, int change);

/* CALL begins to be handled (1), or is over (-1): counted if it is one that stays open. */
void record_stays_open(struct call *call, int change);

/* CALL was answered after US microseconds. */
void record_answered(struct call *call, int64_t us);
