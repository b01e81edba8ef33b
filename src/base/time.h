/* Time: what the clock says, how long something took, and when to give up.
 *
 * Tests turn the clock with time_set_fake.  May use: base.  Threads: safe anywhere, but
 * time_set_fake belongs to a test's start.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct error;

/* Milliseconds since 1970, UTC. */
int64_t time_now_ms(void);

/* Milliseconds of a clock that never jumps; only differences mean something. */
int64_t time_mono_ms(void);
int64_t time_mono_us(void);

enum { TIME_TEXT_SIZE = 40 };

/* Writes "2006-01-02T15:04:05Z" (RFC 3339, whole seconds) and returns TEXT. */
char *time_format(int64_t unix_ms, char text[TIME_TEXT_SIZE]);

/* The same with microseconds, as Kubernetes' MicroTime and log lines have it. */
char *time_format_micro(int64_t unix_ms, char text[TIME_TEXT_SIZE]);

/* Reads an RFC 3339 time with any offset and fraction. */
int time_parse(const char *text, int64_t *unix_ms, struct error **err);

/* A point of the monotonic clock at which a wait ends.  DEADLINE_NONE is for waits that only a
 * cancel ends. */
struct deadline {
    int64_t at_ms;
};
#define DEADLINE_NONE ((struct deadline){INT64_MAX})

struct deadline deadline_after(int64_t ms);
bool deadline_is_over(struct deadline deadline);

/* What is left, 0 when over, at most INT_MAX so that it fits poll(2). */
int deadline_left_ms(struct deadline deadline);

/* Makes both clocks stand at UNIX_MS until they are advanced, or run again.  For tests. */
void time_set_fake(int64_t unix_ms);
void time_advance_fake(int64_t ms);
void time_clear_fake(void);
