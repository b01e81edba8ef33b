/* How much one caller may ask: so many requests a second, and so many at once, so that none of them
 * keeps the others from being answered.  A caller is a user name; those without one share an
 * allowance that is a tenth of it.  Administrators (system:masters) are not limited.
 *
 * May use: base.  Threads: all functions may be called from any thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct rate;
struct user;

enum {
    RATE_DEFAULT_PER_S = 1000,  /* requests a second that a caller may send for long */
    RATE_BURST_S = 2,           /* and so many seconds' worth at once */
    RATE_MAX_AT_ONCE = 512,     /* requests under way, watches and logs that are followed included */
    RATE_MAX_CALLERS = 10000,   /* remembered; who asks more seldom is forgotten first */
};

/* PER_S 0: the default. */
struct rate *rate_new(unsigned per_s);
void rate_free(struct rate *rate);

/* Takes one request of USER's allowance; false: too many, ask again after *RETRY_S seconds.  What
 * was taken is given back by rate_end when the answer is out. */
bool rate_begin(struct rate *rate, const struct user *user, int *retry_s);
void rate_end(struct rate *rate, const struct user *user);

/* What rate_new was told. */
unsigned rate_per_s(const struct rate *rate);

/* Requests that were refused so far. */
uint64_t rate_refused(struct rate *rate);
