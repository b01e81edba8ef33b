/* The work queue: entries by key, a list of those that are ready, and a heap of alarms.
 *
 *     idle --add--> ready --worker--> running --end--> idle
 *                                        |
 *                       add meanwhile: dirty, so ready again at the end
 *
 * An entry has two times: `again_ms` is set by a run's result or failure and forgotten when the key
 * runs before; `timer_ms` is set by controller_add_after and kept until it comes.  An alarm is
 * pushed only if none rings by then; one that rings too early for its entry's times is pushed anew,
 * which is cheaper than moving alarms in the heap.  An entry without state is freed. */
#define LOG_COMPONENT "controller"
#include "kube/controller.h"

#include "base/cancel.h"
#include "base/error.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/thread.h"
#include "base/time.h"
#include "base/vector.h"
#include "kube/meta.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    DELAY_MIN_MS = 100,
    DELAY_MAX_MS = 60 * 1000,
    CONFLICTS_AT_ONCE = 3,
};

struct entry {
    char *key;
    bool ready, running, dirty;
    unsigned failures; /* in a row */
    unsigned conflicts;
    int64_t again_ms, timer_ms; /* on the monotonic clock, 0: none */
    int64_t alarm_ms;           /* the earliest alarm in the heap, 0: none is known */
    size_t alarms;              /* in the heap that point here */
    struct entry *next;         /* in the list of ready ones */
};

struct alarm {
    int64_t at_ms;
    struct entry *entry;
};

DEFINE_VECTOR(alarm_heap, struct alarm)

struct watcher; /* what ties a cache's handler to a controller */

struct controller {
    char *name;
    struct controller_spec spec;
    struct cancel *cancel;
    struct thread *workers;
    struct watcher *watchers; /* changed before the caches start */

    pthread_mutex_t lock; /* guards the rest */
    pthread_cond_t work;  /* something is ready, or an earlier alarm, or the end */
    struct map *entries;
    struct entry *first, *last;
    struct alarm_heap alarms;
    bool stopped;
    struct controller_stats stats;
};

struct watcher {
    struct controller *controller;
    void (*map)(struct controller *controller, const json_t *object, void *arg);
    void *arg;
    struct watcher *next;
};

struct controller *controller_new(const struct controller_spec *spec)
{
    struct controller *controller = xcalloc(1, sizeof(*controller));

    controller->name = xstrdup(spec->name);
    controller->spec = *spec;
    if (controller->spec.workers < 1)
        controller->spec.workers = 1;
    controller->cancel = cancel_new();
    controller->workers = xcalloc((size_t)controller->spec.workers, sizeof(struct thread));
    pthread_mutex_init(&controller->lock, NULL);
    cond_init(&controller->work);
    controller->entries = map_new();
    return controller;
}

/* The heap of alarms, earliest first. */

static void swap_alarms(struct alarm *a, struct alarm *b)
{
    struct alarm c = *a;

    *a = *b;
    *b = c;
}

static void push_alarm(struct controller *controller, struct entry *entry, int64_t at_ms)
{
    struct alarm_heap *heap = &controller->alarms;

    entry->alarms++;
    entry->alarm_ms = at_ms;
    alarm_heap_push(heap, (struct alarm){at_ms, entry});
    for (size_t i = heap->len - 1; i > 0 && heap->ptr[i].at_ms < heap->ptr[(i - 1) / 2].at_ms;
         i = (i - 1) / 2)
        swap_alarms(&heap->ptr[i], &heap->ptr[(i - 1) / 2]);
    if (heap->ptr[0].entry == entry)
        pthread_cond_signal(&controller->work);
}

static struct alarm pop_alarm(struct alarm_heap *heap)
{
    struct alarm first = heap->ptr[0];

    heap->ptr[0] = heap->ptr[--heap->len];
    for (size_t i = 0;;) {
        size_t least = i, left = 2 * i + 1;
        for (size_t child = left; child < left + 2 && child < heap->len; child++)
            if (heap->ptr[child].at_ms < heap->ptr[least].at_ms)
                least = child;
        if (least == i)
            break;
        swap_alarms(&heap->ptr[i], &heap->ptr[least]);
        i = least;
    }
    first.entry->alarms--;
    return first;
}

/* Entries.  All functions below here are called under the lock unless they say otherwise. */

static struct entry *get_entry(struct controller *controller, const char *key)
{
    struct entry *entry = map_find(controller->entries, key);

    if (entry != NULL)
        return entry;
    entry = xcalloc(1, sizeof(*entry));
    entry->key = xstrdup(key);
    map_put(controller->entries, key, entry);
    return entry;
}

static void free_entry(void *value)
{
    struct entry *entry = value;

    free(entry->key);
    free(entry);
}

static void free_if_idle(struct controller *controller, struct entry *entry)
{
    if (entry->ready || entry->running || entry->alarms > 0 || entry->failures > 0)
        return;
    map_remove(controller->entries, entry->key);
    free_entry(entry);
}

static void make_ready(struct controller *controller, struct entry *entry)
{
    if (entry->running) {
        entry->dirty = true;
        return;
    }
    if (entry->ready)
        return;
    entry->ready = true;
    entry->next = NULL;
    if (controller->first == NULL)
        controller->first = entry;
    else
        controller->last->next = entry;
    controller->last = entry;
    controller->stats.ready++;
    pthread_cond_signal(&controller->work);
}

/* Sees to it that an alarm rings at the earlier of the entry's times. */
static void set_alarm(struct controller *controller, struct entry *entry)
{
    int64_t at_ms = entry->again_ms;

    if (at_ms == 0 || (entry->timer_ms != 0 && entry->timer_ms < at_ms))
        at_ms = entry->timer_ms;
    if (at_ms != 0 && (entry->alarm_ms == 0 || at_ms < entry->alarm_ms))
        push_alarm(controller, entry, at_ms);
}

/* True, once, if the time has come. */
static bool take_time(int64_t *time_ms, int64_t now_ms)
{
    if (*time_ms == 0 || *time_ms > now_ms)
        return false;
    *time_ms = 0;
    return true;
}

/* Makes ready what the alarms that are over ask for. */
static void ring_alarms(struct controller *controller)
{
    int64_t now_ms = time_mono_ms();

    while (controller->alarms.len > 0 && controller->alarms.ptr[0].at_ms <= now_ms) {
        struct alarm alarm = pop_alarm(&controller->alarms);
        struct entry *entry = alarm.entry;
        bool again = take_time(&entry->again_ms, now_ms);
        bool timer = take_time(&entry->timer_ms, now_ms);

        if (alarm.at_ms == entry->alarm_ms)
            entry->alarm_ms = 0;
        if (again || timer)
            make_ready(controller, entry);
        set_alarm(controller, entry);
        free_if_idle(controller, entry);
    }
}

/* The next entry to run, or NULL at the end. */
static struct entry *take_ready(struct controller *controller)
{
    for (;;) {
        ring_alarms(controller);
        if (controller->stopped)
            return NULL;
        if (controller->first != NULL)
            break;
        struct deadline deadline = DEADLINE_NONE;
        if (controller->alarms.len > 0)
            deadline.at_ms = controller->alarms.ptr[0].at_ms;
        cond_wait(&controller->work, &controller->lock, deadline);
    }
    struct entry *entry = controller->first;
    controller->first = entry->next;
    entry->ready = false;
    entry->running = true;
    entry->again_ms = 0;
    controller->stats.ready--;
    controller->stats.running++;
    return entry;
}

static void run_again_after(struct controller *controller, struct entry *entry, int64_t ms)
{
    entry->again_ms = time_mono_ms() + ms;
    set_alarm(controller, entry);
}

static void note_failure(struct controller *controller, struct entry *entry,
                         const struct error *err)
{
    bool is_stale = err->code == ERROR_CONFLICT || err->code == ERROR_EXPIRED;

    controller->stats.failures++;
    if (is_stale && entry->conflicts++ < CONFLICTS_AT_ONCE) {
        entry->dirty = true;
        return;
    }
    unsigned doublings = entry->failures < 10 ? entry->failures : 10;
    int64_t delay_ms = (int64_t)DELAY_MIN_MS << doublings;

    entry->failures++;
    run_again_after(controller, entry, delay_ms < DELAY_MAX_MS ? delay_ms : DELAY_MAX_MS);
}

static void finish(struct controller *controller, struct entry *entry,
                   const struct reconcile_result *result, const struct error *err)
{
    entry->running = false;
    controller->stats.running--;
    controller->stats.runs++;
    if (err != NULL) {
        note_failure(controller, entry, err);
    } else {
        entry->failures = entry->conflicts = 0;
        if (result->again_after_ms > 0)
            run_again_after(controller, entry, result->again_after_ms);
    }
    if (entry->dirty) {
        entry->dirty = false;
        make_ready(controller, entry);
    }
    free_if_idle(controller, entry);
}

/* Without the lock. */
static int reconcile(struct controller *controller, const char *key,
                     struct reconcile_result *result, struct error **err)
{
    CLEANUP(str) char *ns = NULL;
    const char *name = meta_key_split(key, &ns);

    if (controller->spec.reconcile(controller->spec.arg, ns, name, controller->cancel, result,
                                   err) == 0)
        return 0;
    if ((*err)->code == ERROR_CONFLICT || (*err)->code == ERROR_CANCELED) {
        log_debug("reconcile interrupted: controller=%s key=%s code=%s", controller->name, key,
                  error_code_name((*err)->code));
        return -1;
    }
    CLEANUP(str) char *what = xasprintf("%s %s", controller->name, key);
    log_write_error(LOG_LEVEL_WARN, LOG_COMPONENT, *err, what);
    return -1;
}

static void *work(void *arg)
{
    struct controller *controller = arg;
    struct entry *entry;

    pthread_mutex_lock(&controller->lock);
    while ((entry = take_ready(controller)) != NULL) {
        CLEANUP(error) struct error *err = NULL;
        struct reconcile_result result = {0};
        int64_t started_us = time_mono_us();

        pthread_mutex_unlock(&controller->lock);
        reconcile(controller, entry->key, &result, &err);
        pthread_mutex_lock(&controller->lock);
        controller->stats.busy_us += (uint64_t)(time_mono_us() - started_us);
        finish(controller, entry, &result, err);
    }
    pthread_mutex_unlock(&controller->lock);
    return NULL;
}

void controller_add(struct controller *controller, const char *ns, const char *name)
{
    CLEANUP(str) char *key = meta_key(ns, name);
    LOCK_SCOPE(&controller->lock);

    if (!controller->stopped)
        make_ready(controller, get_entry(controller, key));
}

void controller_add_after(struct controller *controller, const char *ns, const char *name,
                          int64_t ms)
{
    CLEANUP(str) char *key = meta_key(ns, name);
    int64_t at_ms = time_mono_ms() + ms;
    LOCK_SCOPE(&controller->lock);

    if (controller->stopped)
        return;
    struct entry *entry = get_entry(controller, key);
    if (entry->timer_ms != 0 && entry->timer_ms <= at_ms)
        return;
    entry->timer_ms = at_ms;
    set_alarm(controller, entry);
}

static void add_itself(struct controller *controller, const json_t *object, void *arg)
{
    controller_add(controller, meta_ns(object), meta_name(object));
}

static void handle(void *arg, enum kube_change change, const json_t *old, const json_t *object)
{
    struct watcher *watcher = arg;

    watcher->map(watcher->controller, object, watcher->arg);
    /* what an object concerned before it changed is concerned, too */
    if (change == KUBE_MODIFIED && watcher->map != add_itself)
        watcher->map(watcher->controller, old, watcher->arg);
}

void controller_watch(struct controller *controller, struct kube_cache *cache)
{
    controller_watch_map(controller, cache, add_itself, NULL);
}

void controller_watch_map(struct controller *controller, struct kube_cache *cache,
                          void (*map)(struct controller *controller, const json_t *object,
                                      void *arg),
                          void *arg)
{
    struct watcher *watcher = xcalloc(1, sizeof(*watcher));

    *watcher = (struct watcher){controller, map, arg, controller->watchers};
    controller->watchers = watcher;
    kube_cache_add_handler(cache, handle, watcher);
}

int controller_start(struct controller *controller, struct error **err)
{
    CLEANUP(str) char *name = xasprintf("ctl-%s", controller->name);

    for (int i = 0; i < controller->spec.workers; i++)
        if (thread_start(&controller->workers[i], name, work, controller, err) == -1) {
            controller_stop(controller);
            return -1;
        }
    return 0;
}

void controller_stop(struct controller *controller)
{
    pthread_mutex_lock(&controller->lock);
    controller->stopped = true;
    pthread_cond_broadcast(&controller->work);
    pthread_mutex_unlock(&controller->lock);
    cancel_request(controller->cancel);
    for (int i = 0; i < controller->spec.workers; i++)
        thread_join(&controller->workers[i]);
}

void controller_free(struct controller *controller)
{
    if (controller == NULL)
        return;
    controller_stop(controller);
    map_free(controller->entries, free_entry);
    alarm_heap_reset(&controller->alarms);
    for (struct watcher *next, *watcher = controller->watchers; watcher != NULL; watcher = next) {
        next = watcher->next;
        free(watcher);
    }
    cancel_free(controller->cancel);
    pthread_mutex_destroy(&controller->lock);
    pthread_cond_destroy(&controller->work);
    free(controller->workers);
    free(controller->name);
    free(controller);
}

void controller_get_stats(struct controller *controller, struct controller_stats *stats)
{
    LOCK_SCOPE(&controller->lock);

    *stats = controller->stats;
    stats->delayed = controller->alarms.len;
}
