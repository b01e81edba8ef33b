/* How many requests a copy has in flight with a server, and how large they are: found by trying.
 *
 * The number climbs while the copy becomes faster by it, and goes back to the best; now and then the
 * next larger or smaller one is tried again, as networks change.  Requests are smaller than their
 * most only where that would take long for one: so that progress, retries, and what is lost by a
 * failure stay small on a slow line.
 *
 * Time is given by the caller.  May use: base.  Threads: no locks; one owner or a caller's lock.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TUNE_MAX_REQUESTS = 32, TUNE_MIN_BYTES = 64 << 10 };

enum tune_phase {
    TUNE_CLIMB, /* trying more than what was best so far */
    TUNE_HOLD,  /* at what was best */
    TUNE_MORE,  /* trying whether more is better now */
    TUNE_LESS,  /* or fewer, as good */
};

struct tune {
    unsigned requests; /* to have in flight */
    size_t bytes;      /* of one at most; a power of two */

    /* Its own. */
    enum tune_phase phase;
    unsigned max_requests;
    size_t max_bytes;
    size_t step;         /* of the ladder: what REQUESTS is from */
    size_t best_step;
    double best_rate;    /* bytes in a microsecond, there */
    unsigned settling;   /* answers that belong to the step before */
    uint64_t window_bytes;
    unsigned window_count;
    int64_t window_start_us;
    unsigned hold_windows; /* until the next trial */
    unsigned patience;     /* windows to hold; doubled by trials that bring nothing */
    bool tries_less;       /* next time */
};

/* Begins with about START requests of MAX_BYTES (a power of two), never to be more than
 * MAX_REQUESTS. */
void tune_init(struct tune *tune, unsigned start, unsigned max_requests, size_t max_bytes,
               int64_t now_us);

/* Notes that a request of LENGTH bytes was done; true if REQUESTS or BYTES were changed. */
bool tune_note(struct tune *tune, uint64_t length, int64_t now_us);
