/* Hosts have shares, one for each plan that runs or waits there; VMs that run have places.
 *
 *     host (provider, ESXi host) ── share (plan) ── place (VM)
 *
 * Everything is found by key in a map.  The plans of a host are walked, the VMs never. */
#include "move/vm/scheduler.h"

#include "base/map.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/thread.h"
#include "base/time.h"

#include <stdlib.h>

enum {
    WAIT_LASTS_MS = 30 * 1000, /* a plan that waits asks again sooner than this */
    HEAVY_FACTOR = 4,          /* times the average */
    HEAVY_SHARE = 2,           /* one of so many parts of a host is for heavy VMs */
};

struct share {
    char *plan;
    int64_t cost; /* of its places here */
    size_t places;
    uint64_t bytes; /* given since it came */
    bool waits;
    struct deadline until; /* it counts as waiting */
    uint64_t since;        /* turn in which it began to wait */
};

struct host {
    char *key;
    int64_t cost, heavy_cost;
    size_t places;
    struct map *shares; /* by plan */
};

struct place {
    struct host *host;
    struct share *share;
    int64_t cost;
    bool is_heavy;
};

struct scheduler {
    void (*kick)(void *arg, const char *plan);
    void *arg;
    pthread_mutex_t lock;
    struct map *hosts;  /* guarded by lock, as the rest */
    struct map *places; /* by VM */
    uint64_t turn;
};

struct scheduler *scheduler_new(void (*kick)(void *arg, const char *plan), void *arg)
{
    struct scheduler *scheduler = xcalloc(1, sizeof(*scheduler));

    scheduler->kick = kick;
    scheduler->arg = arg;
    scheduler->hosts = map_new();
    scheduler->places = map_new();
    pthread_mutex_init(&scheduler->lock, NULL);
    return scheduler;
}

static void share_free(void *arg)
{
    struct share *share = arg;

    free(share->plan);
    free(share);
}

static void host_free(void *arg)
{
    struct host *host = arg;

    map_free(host->shares, share_free);
    free(host->key);
    free(host);
}

void scheduler_free(struct scheduler *scheduler)
{
    if (scheduler == NULL)
        return;
    map_free(scheduler->places, free);
    map_free(scheduler->hosts, host_free);
    pthread_mutex_destroy(&scheduler->lock);
    free(scheduler);
}

bool scheduler_is_heavy(uint64_t bytes, uint64_t total, size_t count)
{
    return count > 1 && bytes / HEAVY_FACTOR > total / count;
}

/* ---- with the lock held ------------------------------------------------------------------ */

/* Names have no line breaks. */
static char *host_key(const char *provider, const char *host)
{
    return xasprintf("%s\n%s", provider, host != NULL ? host : "");
}

static char *place_key(const char *provider, const char *plan, const char *vm)
{
    return xasprintf("%s\n%s\n%s", provider, plan, vm);
}

static int64_t at_least_one(int64_t number)
{
    return number > 0 ? number : 1;
}

static struct host *need_host(struct scheduler *scheduler, const struct scheduler_request *request)
{
    CLEANUP(str) char *key = host_key(request->provider, request->host);
    struct host *host = map_find(scheduler->hosts, key);

    if (host == NULL) {
        host = xcalloc(1, sizeof(*host));
        host->key = xstrdup(key);
        host->shares = map_new();
        map_put(scheduler->hosts, key, host);
    }
    return host;
}

static struct share *need_share(struct host *host, const char *plan)
{
    struct share *share = map_find(host->shares, plan);

    if (share == NULL) {
        share = xcalloc(1, sizeof(*share));
        share->plan = xstrdup(plan);
        map_put(host->shares, plan, share);
    }
    return share;
}

/* Forgets who neither runs nor waits, and a host without anybody. */
static void tidy(struct scheduler *scheduler, struct host *host)
{
    void *item = NULL;
    const char *key;

    for (size_t pos = 0; (key = map_next(host->shares, &pos, &item)) != NULL;) {
        struct share *share = item;
        share->waits = share->waits && !deadline_is_over(share->until);
        if (share->places == 0 && !share->waits)
            share_free(map_remove(host->shares, key));
    }
    if (map_count(host->shares) == 0)
        host_free(map_remove(scheduler->hosts, host->key));
}

/* True if A is before B among those that wait. */
static bool is_before(const struct share *a, const struct share *b)
{
    if (a->cost != b->cost)
        return a->cost < b->cost;
    if (a->bytes != b->bytes)
        return a->bytes < b->bytes;
    return a->since < b->since;
}

/* The plan that is next, or NULL if none waits. */
static const struct share *find_next(const struct host *host)
{
    const struct share *next = NULL;
    void *item = NULL;

    for (size_t pos = 0; map_next(host->shares, &pos, &item) != NULL;) {
        const struct share *share = item;
        if (share->waits && !deadline_is_over(share->until) &&
            (next == NULL || is_before(share, next)))
            next = share;
    }
    return next;
}

static void begin_to_wait(struct scheduler *scheduler, struct share *share)
{
    if (!share->waits)
        share->since = ++scheduler->turn;
    share->waits = true;
    share->until = deadline_after(WAIT_LASTS_MS);
}

static bool fits(const struct host *host, const struct scheduler_request *request, int64_t cost,
                 int64_t max)
{
    int64_t part = at_least_one(max / HEAVY_SHARE);

    if (request->is_heavy && host->heavy_cost > 0 && host->heavy_cost + cost > part)
        return false;
    return cost > max ? host->cost == 0 : host->cost + cost <= max;
}

static void add_cost(struct place *place, int64_t cost)
{
    place->cost += cost;
    place->share->cost += cost;
    place->host->cost += cost;
    if (place->is_heavy)
        place->host->heavy_cost += cost;
}

static void take_place(struct scheduler *scheduler, struct host *host, struct share *share,
                       const struct scheduler_request *request, const char *key)
{
    struct place *place = xcalloc(1, sizeof(*place));

    *place = (struct place){.host = host, .share = share, .is_heavy = request->is_heavy};
    add_cost(place, at_least_one(request->cost));
    share->bytes += request->bytes;
    share->places++;
    host->places++;
    map_put(scheduler->places, key, place);
}

/* Decides; *KICKED gets the plan that is before this one, owned by the caller. */
static bool decide(struct scheduler *scheduler, const struct scheduler_request *request,
                   int64_t max, char **kicked)
{
    CLEANUP(str) char *key = place_key(request->provider, request->plan, request->vm);

    if (map_find(scheduler->places, key) != NULL)
        return true;
    struct host *host = need_host(scheduler, request);
    struct share *share = need_share(host, request->plan);
    begin_to_wait(scheduler, share);
    if (!fits(host, request, at_least_one(request->cost), max))
        return false;
    const struct share *next = find_next(host);
    if (next != NULL && next != share) {
        *kicked = xstrdup(next->plan);
        return false;
    }
    share->waits = false;
    take_place(scheduler, host, share, request, key);
    return true;
}

static char *next_plan(const struct host *host)
{
    const struct share *next = find_next(host);

    return next != NULL ? xstrdup(next->plan) : NULL;
}

/* ---- without it -------------------------------------------------------------------------- */

static void kick(struct scheduler *scheduler, char *plan)
{
    if (plan != NULL && scheduler->kick != NULL)
        scheduler->kick(scheduler->arg, plan);
    free(plan);
}

bool scheduler_try(struct scheduler *scheduler, const struct scheduler_request *request,
                   int64_t max)
{
    char *kicked = NULL;
    bool granted;

    {
        LOCK_SCOPE(&scheduler->lock);
        granted = decide(scheduler, request, at_least_one(max), &kicked);
    }
    kick(scheduler, kicked);
    return granted;
}

void scheduler_note(struct scheduler *scheduler, const struct scheduler_request *request)
{
    CLEANUP(str) char *key = place_key(request->provider, request->plan, request->vm);
    LOCK_SCOPE(&scheduler->lock);

    if (map_find(scheduler->places, key) != NULL)
        return;
    struct host *host = need_host(scheduler, request);
    take_place(scheduler, host, need_share(host, request->plan), request, key);
}

void scheduler_set_cost(struct scheduler *scheduler, const char *provider, const char *plan,
                        const char *vm, int64_t cost)
{
    CLEANUP(str) char *key = place_key(provider, plan, vm);
    char *kicked = NULL;

    {
        LOCK_SCOPE(&scheduler->lock);
        struct place *place = map_find(scheduler->places, key);
        int64_t wanted = cost > 0 ? cost : 0;
        if (place == NULL || place->cost == wanted)
            return;
        bool is_less = wanted < place->cost;
        add_cost(place, wanted - place->cost);
        if (is_less)
            kicked = next_plan(place->host);
    }
    kick(scheduler, kicked);
}

void scheduler_release(struct scheduler *scheduler, const char *provider, const char *plan,
                       const char *vm)
{
    CLEANUP(str) char *key = place_key(provider, plan, vm);
    char *kicked = NULL;

    {
        LOCK_SCOPE(&scheduler->lock);
        struct place *place = map_remove(scheduler->places, key);
        if (place == NULL)
            return;
        struct host *host = place->host;
        add_cost(place, -place->cost);
        place->share->places--;
        host->places--;
        free(place);
        kicked = next_plan(host);
        tidy(scheduler, host);
    }
    kick(scheduler, kicked);
}

int64_t scheduler_load(struct scheduler *scheduler, const char *provider, const char *host)
{
    CLEANUP(str) char *key = host_key(provider, host);
    LOCK_SCOPE(&scheduler->lock);
    const struct host *found = map_find(scheduler->hosts, key);

    return found != NULL ? found->cost : 0;
}
