#include "move/vm/scheduler.h"

#include "base/mem.h"
#include "base/text.h"
#include "base/thread.h"
#include "base/time.h"
#include "base/vector.h"

#include <stdlib.h>

enum { WAIT_LASTS_MS = 30 * 1000 /* a plan that waits asks again sooner than this */ };

struct place {
    char *provider, *plan, *vm;
};

struct waiter {
    char *provider, *plan;
    struct deadline until;
};

DEFINE_VECTOR(place_list, struct place)
DEFINE_VECTOR(waiter_list, struct waiter)

struct scheduler {
    void (*kick)(void *arg, const char *plan);
    void *arg;
    pthread_mutex_t lock;
    struct place_list places;   /* guarded by lock */
    struct waiter_list waiters; /* guarded by lock */
};

struct scheduler *scheduler_new(void (*kick)(void *arg, const char *plan), void *arg)
{
    struct scheduler *scheduler = xcalloc(1, sizeof(*scheduler));

    scheduler->kick = kick;
    scheduler->arg = arg;
    pthread_mutex_init(&scheduler->lock, NULL);
    return scheduler;
}

static void remove_place(struct scheduler *scheduler, size_t at)
{
    struct place *place = &scheduler->places.ptr[at];

    free(place->provider);
    free(place->plan);
    free(place->vm);
    *place = scheduler->places.ptr[--scheduler->places.len];
}

static void remove_waiter(struct scheduler *scheduler, size_t at)
{
    struct waiter *waiter = &scheduler->waiters.ptr[at];

    free(waiter->provider);
    free(waiter->plan);
    *waiter = scheduler->waiters.ptr[--scheduler->waiters.len];
}

void scheduler_free(struct scheduler *scheduler)
{
    if (scheduler == NULL)
        return;
    while (scheduler->places.len > 0)
        remove_place(scheduler, 0);
    while (scheduler->waiters.len > 0)
        remove_waiter(scheduler, 0);
    place_list_reset(&scheduler->places);
    waiter_list_reset(&scheduler->waiters);
    pthread_mutex_destroy(&scheduler->lock);
    free(scheduler);
}

/* ---- with the lock held ------------------------------------------------------------------ */

static bool find_place(const struct scheduler *scheduler, const char *provider, const char *plan,
                       const char *vm, size_t *at)
{
    for (size_t i = 0; i < scheduler->places.len; i++) {
        const struct place *place = &scheduler->places.ptr[i];
        if (str_eq(place->vm, vm) && str_eq(place->plan, plan) &&
            str_eq(place->provider, provider)) {
            *at = i;
            return true;
        }
    }
    return false;
}

/* Places of PROVIDER in use, by PLAN only unless that is NULL. */
static int64_t count_places(const struct scheduler *scheduler, const char *provider,
                            const char *plan)
{
    int64_t count = 0;

    for (size_t i = 0; i < scheduler->places.len; i++) {
        const struct place *place = &scheduler->places.ptr[i];
        if (str_eq(place->provider, provider) && (plan == NULL || str_eq(place->plan, plan)))
            count++;
    }
    return count;
}

static void take_place(struct scheduler *scheduler, const char *provider, const char *plan,
                       const char *vm)
{
    place_list_push(
        &scheduler->places,
        (struct place){.provider = xstrdup(provider), .plan = xstrdup(plan), .vm = xstrdup(vm)});
}

static void drop_late_waiters(struct scheduler *scheduler)
{
    for (size_t i = scheduler->waiters.len; i > 0; i--)
        if (deadline_is_over(scheduler->waiters.ptr[i - 1].until))
            remove_waiter(scheduler, i - 1);
}

static struct waiter *find_waiter(struct scheduler *scheduler, const char *provider,
                                  const char *plan)
{
    for (size_t i = 0; i < scheduler->waiters.len; i++)
        if (str_eq(scheduler->waiters.ptr[i].plan, plan) &&
            str_eq(scheduler->waiters.ptr[i].provider, provider))
            return &scheduler->waiters.ptr[i];
    return NULL;
}

/* The waiting plan with the fewest places, or NULL. */
static const struct waiter *neediest(struct scheduler *scheduler, const char *provider)
{
    const struct waiter *found = NULL;
    int64_t least = 0;

    for (size_t i = 0; i < scheduler->waiters.len; i++) {
        const struct waiter *waiter = &scheduler->waiters.ptr[i];
        if (!str_eq(waiter->provider, provider))
            continue;
        int64_t count = count_places(scheduler, provider, waiter->plan);
        if (found == NULL || count < least) {
            found = waiter;
            least = count;
        }
    }
    return found;
}

static void wait_for_place(struct scheduler *scheduler, const char *provider, const char *plan)
{
    struct waiter *waiter = find_waiter(scheduler, provider, plan);

    if (waiter == NULL) {
        waiter_list_push(&scheduler->waiters, (struct waiter){.provider = xstrdup(provider),
                                                              .plan = xstrdup(plan)});
        waiter = &scheduler->waiters.ptr[scheduler->waiters.len - 1];
    }
    waiter->until = deadline_after(WAIT_LASTS_MS);
}

static void stop_waiting(struct scheduler *scheduler, const char *provider, const char *plan)
{
    struct waiter *waiter = find_waiter(scheduler, provider, plan);

    if (waiter != NULL)
        remove_waiter(scheduler, (size_t)(waiter - scheduler->waiters.ptr));
}

/* Decides; *KICKED gets the plan that deserves a free place more, owned by the caller. */
static bool decide(struct scheduler *scheduler, const char *provider, const char *plan,
                   const char *vm, int64_t max, char **kicked)
{
    size_t at;

    if (find_place(scheduler, provider, plan, vm, &at))
        return true;
    drop_late_waiters(scheduler);
    wait_for_place(scheduler, provider, plan);
    if (count_places(scheduler, provider, NULL) >= max)
        return false;
    const struct waiter *next = neediest(scheduler, provider);
    if (count_places(scheduler, provider, next->plan) <
        count_places(scheduler, provider, plan)) {
        *kicked = xstrdup(next->plan);
        return false;
    }
    stop_waiting(scheduler, provider, plan);
    take_place(scheduler, provider, plan, vm);
    return true;
}

/* ---- without it -------------------------------------------------------------------------- */

static void kick(struct scheduler *scheduler, char *plan)
{
    if (plan != NULL && scheduler->kick != NULL)
        scheduler->kick(scheduler->arg, plan);
    free(plan);
}

bool scheduler_try(struct scheduler *scheduler, const char *provider, const char *plan,
                   const char *vm, int64_t max)
{
    char *kicked = NULL;
    bool granted;

    {
        LOCK_SCOPE(&scheduler->lock);
        granted = decide(scheduler, provider, plan, vm, max > 0 ? max : 1, &kicked);
    }
    kick(scheduler, kicked);
    return granted;
}

void scheduler_note(struct scheduler *scheduler, const char *provider, const char *plan,
                    const char *vm)
{
    LOCK_SCOPE(&scheduler->lock);
    size_t at;

    if (!find_place(scheduler, provider, plan, vm, &at))
        take_place(scheduler, provider, plan, vm);
}

void scheduler_release(struct scheduler *scheduler, const char *provider, const char *plan,
                       const char *vm)
{
    char *kicked = NULL;

    {
        LOCK_SCOPE(&scheduler->lock);
        size_t at;

        if (!find_place(scheduler, provider, plan, vm, &at))
            return;
        remove_place(scheduler, at);
        drop_late_waiters(scheduler);
        const struct waiter *next = neediest(scheduler, provider);
        if (next != NULL)
            kicked = xstrdup(next->plan);
    }
    kick(scheduler, kicked);
}
