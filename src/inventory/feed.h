/* Who listens to a model's changes: a queue for each reader.
 *
 * Whoever changes the model never waits for a reader.  A reader that falls behind by more than
 * FEED_BEHIND_MAX changes is cut off: it has to list again.  Where nobody reads, a change costs
 * nothing and nothing is kept.
 *
 * May use: base, data.  Threads: all functions may be called from any thread; a reader belongs to
 * one.
 */
#pragma once

#include "base/cleanup.h"
#include "data/obj.h"

#include <stdbool.h>

struct feed;
struct feed_reader;

enum { FEED_BEHIND_MAX = 32768 };

enum feed_action { FEED_CREATED, FEED_UPDATED, FEED_DELETED };

struct feed_change {
    enum feed_action action;
    json_t *before; /* frozen; NULL for CREATED */
    json_t *after;  /* frozen; NULL for DELETED */
    bool by_validation;
};

struct feed *feed_new(void);
/* Every reader must be closed. */
void feed_free(struct feed *feed);

/* Tells the readers of KIND; borrows the objects. */
void feed_tell(struct feed *feed, const char *kind, const struct feed_change *change);

/* No more changes will come: readers get FEED_ENDED. */
void feed_end(struct feed *feed);

/* NULL without a descriptor for it. */
struct feed_reader *feed_subscribe(struct feed *feed, const char *kind);
void feed_unsubscribe(struct feed_reader *reader);

/* Polls readable when feed_next may have something. */
int feed_reader_fd(const struct feed_reader *reader);

enum feed_state { FEED_CHANGE, FEED_NOTHING, FEED_BEHIND, FEED_ENDED };

/* The next change, which the caller resets, or why there is none.  BEHIND and ENDED stay. */
enum feed_state feed_next(struct feed_reader *reader, struct feed_change *change);

void feed_change_reset(struct feed_change *change);

DEFINE_CLEANUP(feed_reader, struct feed_reader *, feed_unsubscribe)
DEFINE_CLEANUP_IN_PLACE(feed_change, struct feed_change, feed_change_reset)
