/* A bucket for each caller: it holds RATE_BURST_S seconds' worth of requests, fills at the rate, and
 * each request takes one out. */
#include "apiserver/rate.h"

#include "apiserver/user.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/thread.h"
#include "base/time.h"

#include <stdlib.h>

enum { ANONYMOUS_SHARE = 10 };

struct bucket {
    double tokens;
    int64_t filled_ms;
    unsigned at_once;
};

struct rate {
    unsigned per_s;
    pthread_mutex_t lock;
    struct map *buckets; /* user name -> struct bucket; guarded by lock, as the next */
    uint64_t refused;
};

struct rate *rate_new(unsigned per_s)
{
    struct rate *rate = xcalloc(1, sizeof(*rate));

    rate->per_s = per_s == 0 ? RATE_DEFAULT_PER_S : per_s;
    rate->buckets = map_new();
    pthread_mutex_init(&rate->lock, NULL);
    return rate;
}

void rate_free(struct rate *rate)
{
    if (rate == NULL)
        return;
    map_free(rate->buckets, free);
    pthread_mutex_destroy(&rate->lock);
    free(rate);
}

static bool is_limited(const struct user *user)
{
    return !user_has_group(user, GROUP_MASTERS);
}

static double rate_of(const struct rate *rate, const struct user *user)
{
    return user_has_group(user, GROUP_AUTHENTICATED) ? rate->per_s
                                                     : (double)rate->per_s / ANONYMOUS_SHARE;
}

/* Drops the buckets that nothing is under way of: who comes back starts with a full one, which is
 * what a pause of RATE_BURST_S seconds gives as well.  Needs the lock. */
static void forget_idle(struct rate *rate)
{
    struct map *kept = map_new();
    const char *name;
    size_t pos = 0;
    void *value = NULL;

    while ((name = map_next(rate->buckets, &pos, &value)) != NULL) {
        struct bucket *bucket = value;
        if (bucket->at_once > 0)
            map_put(kept, name, bucket);
        else
            free(bucket);
    }
    map_free(rate->buckets, NULL);
    rate->buckets = kept;
}

/* Needs the lock. */
static struct bucket *find_bucket(struct rate *rate, const char *name, double capacity)
{
    struct bucket *bucket = map_find(rate->buckets, name);

    if (bucket != NULL)
        return bucket;
    if (map_count(rate->buckets) >= RATE_MAX_CALLERS)
        forget_idle(rate);
    bucket = xcalloc(1, sizeof(*bucket));
    *bucket = (struct bucket){.tokens = capacity, .filled_ms = time_mono_ms()};
    map_put(rate->buckets, name, bucket);
    return bucket;
}

static void fill(struct bucket *bucket, double per_s, double capacity)
{
    int64_t now_ms = time_mono_ms();

    bucket->tokens += (double)(now_ms - bucket->filled_ms) * per_s / 1000;
    if (bucket->tokens > capacity)
        bucket->tokens = capacity;
    bucket->filled_ms = now_ms;
}

bool rate_begin(struct rate *rate, const struct user *user, int *retry_s)
{
    if (!is_limited(user))
        return true;
    double per_s = rate_of(rate, user), capacity = per_s * RATE_BURST_S;
    LOCK_SCOPE(&rate->lock);
    struct bucket *bucket = find_bucket(rate, user->name, capacity);

    fill(bucket, per_s, capacity);
    if (bucket->tokens < 1 || bucket->at_once >= RATE_MAX_AT_ONCE) {
        rate->refused++;
        *retry_s = 1;
        return false;
    }
    bucket->tokens -= 1;
    bucket->at_once++;
    return true;
}

void rate_end(struct rate *rate, const struct user *user)
{
    if (!is_limited(user))
        return;
    LOCK_SCOPE(&rate->lock);
    struct bucket *bucket = map_find(rate->buckets, user->name);

    bucket->at_once--; /* it is there: rate_begin put it, and those in use are kept */
}

unsigned rate_per_s(const struct rate *rate)
{
    return rate->per_s;
}

uint64_t rate_refused(struct rate *rate)
{
    LOCK_SCOPE(&rate->lock);

    return rate->refused;
}
