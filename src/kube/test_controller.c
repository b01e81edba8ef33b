#include "kube/controller.h"

#include "base/cancel.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/test.h"
#include "base/text.h"
#include "base/thread.h"
#include "base/time.h"
#include "data/obj.h"
#include "kube/fake_api.h"
#include "kube/meta.h"

#include <stdatomic.h>
#include <stdio.h>

enum { PATIENCE_MS = 20000 };

/* A reconcile that counts, and does what the test says. */
struct work {
    _Atomic int runs, running, most_running, overlaps;
    _Atomic int fail_first; /* so many runs fail */
    enum error_code fail_code;
    _Atomic bool hold; /* runs wait until it is false */
    int64_t again_after_ms;
    _Atomic int on_key[4]; /* running now, by the last digit of the name */
    pthread_mutex_t lock;
    int64_t times_ms[16]; /* guarded by lock */
};

static int reconcile(void *arg, const char *ns, const char *name, struct cancel *cancel,
                     struct reconcile_result *result, struct error **err)
{
    struct work *work = arg;
    int run = work->runs++;
    int running = ++work->running;
    _Atomic int *on_key = &work->on_key[name[strlen(name) - 1] & 3];

    if (++*on_key > 1)
        work->overlaps++;
    if (running > work->most_running)
        work->most_running = running;
    pthread_mutex_lock(&work->lock);
    if (run < 16)
        work->times_ms[run] = time_mono_ms();
    pthread_mutex_unlock(&work->lock);
    while (work->hold && !cancel_wait(cancel, 1))
        ;
    --*on_key;
    work->running--;
    if (run < work->fail_first)
        return error_set(err, work->fail_code, "on purpose");
    result->again_after_ms = work->again_after_ms;
    return 0;
}

static void wait_for_runs(struct work *work, int count)
{
    struct deadline deadline = deadline_after(PATIENCE_MS);

    while (work->runs < count || (work->running > 0 && !work->hold)) {
        if (deadline_is_over(deadline))
            test_fail(__FILE__, __LINE__, "%d runs, not %d", work->runs, count);
        cancel_wait(NULL, 1);
    }
}

static struct controller *start(struct work *work, int workers)
{
    CLEANUP(error) struct error *err = NULL;
    struct controller_spec spec = {"test", workers, reconcile, work};
    struct controller *controller = controller_new(&spec);

    pthread_mutex_init(&work->lock, NULL);
    CHECK_OK(controller_start(controller, &err), err);
    return controller;
}

TEST(a_key_added_again_while_it_runs_runs_once_more)
{
    struct work work = {.hold = true};
    CLEANUP(controller) struct controller *controller = start(&work, 4);
    struct controller_stats stats;

    controller_add(controller, "a", "x");
    wait_for_runs(&work, 1);
    for (int i = 0; i < 5; i++)
        controller_add(controller, "a", "x");
    work.hold = false;
    wait_for_runs(&work, 2);
    controller_stop(controller);
    controller_get_stats(controller, &stats);
    CHECK_INT(work.runs, 2);
    CHECK_INT(work.most_running, 1);
    CHECK_U64(stats.runs, 2);
    CHECK_U64(stats.failures, 0);
    CHECK_U64(stats.ready + stats.running + stats.delayed, 0);
}

TEST(different_keys_run_side_by_side)
{
    struct work work = {.hold = true};
    CLEANUP(controller) struct controller *controller = start(&work, 3);

    controller_add(controller, "a", "x0");
    controller_add(controller, "a", "x1");
    controller_add(controller, NULL, "x2");
    controller_add(controller, "a", "x3");
    wait_for_runs(&work, 3);
    CHECK_INT(work.running, 3);
    work.hold = false;
    wait_for_runs(&work, 4);
}

TEST(failures_come_back_with_growing_delays)
{
    struct work work = {.fail_first = 4, .fail_code = ERROR_UNAVAILABLE};
    CLEANUP(controller) struct controller *controller = start(&work, 1);

    controller_add(controller, "a", "x");
    wait_for_runs(&work, 5);
    for (int i = 1; i < 5; i++)
        CHECK(work.times_ms[i] - work.times_ms[i - 1] >= (100 << (i - 1)));
    struct controller_stats stats;
    controller_stop(controller);
    controller_get_stats(controller, &stats);
    CHECK_U64(stats.failures, 4);
}

TEST(conflicts_come_back_at_once_but_not_for_ever)
{
    struct work work = {.fail_first = 5, .fail_code = ERROR_CONFLICT};
    CLEANUP(controller) struct controller *controller = start(&work, 1);

    controller_add(controller, "a", "x");
    wait_for_runs(&work, 6);
    CHECK(work.times_ms[4] - work.times_ms[3] >= 100);
    CHECK(work.times_ms[5] - work.times_ms[4] >= 200);
}

TEST(a_result_asks_for_another_run)
{
    struct work work = {.again_after_ms = 30};
    CLEANUP(controller) struct controller *controller = start(&work, 1);

    controller_add(controller, "a", "x");
    wait_for_runs(&work, 4);
    CHECK(work.times_ms[3] - work.times_ms[0] >= 90);
}

TEST(of_several_delays_the_shortest_counts)
{
    struct work work = {0};
    CLEANUP(controller) struct controller *controller = start(&work, 1);
    int64_t started_ms = time_mono_ms();

    controller_add_after(controller, "a", "x", 3600 * 1000);
    controller_add_after(controller, "a", "y", 80);
    controller_add_after(controller, "a", "x", 40);
    controller_add_after(controller, "a", "x", 50);
    wait_for_runs(&work, 2);
    CHECK(work.times_ms[0] - started_ms >= 40);
    CHECK(work.times_ms[1] - started_ms >= 80);
}

TEST(a_timer_survives_an_earlier_run)
{
    struct work work = {0};
    CLEANUP(controller) struct controller *controller = start(&work, 1);

    controller_add_after(controller, "a", "x", 60);
    controller_add(controller, "a", "x");
    wait_for_runs(&work, 2);
    CHECK(work.times_ms[1] - work.times_ms[0] >= 30);
}

TEST(stopping_cancels_what_runs_and_drops_the_rest)
{
    struct work work = {.hold = true};
    CLEANUP(controller) struct controller *controller = start(&work, 1);

    controller_add(controller, "a", "x");
    controller_add(controller, "a", "y");
    wait_for_runs(&work, 1);
    controller_stop(controller);
    controller_add(controller, "a", "z");
    controller_add_after(controller, "a", "z", 1);
    CHECK_INT(work.runs, 1);
}

TEST(many_adds_from_many_threads_never_overlap_on_a_key)
{
    struct work work = {.fail_first = 12, .fail_code = ERROR_CONFLICT};
    CLEANUP(controller) struct controller *controller = start(&work, 4);

    for (int i = 0; i < 5000; i++) {
        char name[] = {'x', (char)('0' + i % 4), '\0'};
        controller_add(controller, "a", name);
        if (i % 7 == 0)
            controller_add_after(controller, "a", name, i % 3);
    }
    wait_for_runs(&work, 16);
    controller_stop(controller);
    CHECK_INT(work.overlaps, 0);
}

/* A conflict storm against a server: many workers count the same objects up. */
struct counting {
    struct kube_client *client;
    struct kube_cache *cache;
    _Atomic int conflicts;
};

enum { GOAL = 20 };

static int count_up(void *arg, const char *ns, const char *name, struct cancel *cancel,
                    struct reconcile_result *result, struct error **err)
{
    struct counting *counting = arg;
    json_auto_t *frozen = kube_cache_get(counting->cache, ns, name);

    if (frozen == NULL || obj_int(frozen, "spec.count", 0) >= GOAL)
        return 0;
    json_auto_t *object = obj_copy(frozen);
    obj_put_int(object, "spec.count", obj_int(object, "spec.count", 0) + 1);
    if (kube_update(counting->client, &FAKE_KIND, object, NULL, err) == 0)
        return 0;
    if ((*err)->code == ERROR_CONFLICT)
        counting->conflicts++;
    return -1;
}

TEST(a_controller_reaches_its_goal_through_conflicts_and_breaks)
{
    CLEANUP(error) struct error *err = NULL;
    struct fake_api *api = fake_api_new();
    struct counting counting = {.client = fake_api_client(api)};
    struct controller_spec spec = {"count", 2, count_up, &counting};
    struct controller *controller = controller_new(&spec);

    fake_api_put(api, "a", "x0", "v");
    fake_api_put(api, "a", "x1", "v");
    counting.cache = kube_cache_new(counting.client, &FAKE_KIND, NULL, NULL);
    controller_watch(controller, counting.cache);
    CHECK_OK(controller_start(controller, &err), err);
    CHECK_OK(kube_cache_start(counting.cache, &err), err);

    struct deadline deadline = deadline_after(PATIENCE_MS);
    for (int i = 0;; i++) {
        json_auto_t *x0 = kube_cache_get(counting.cache, "a", "x0");
        json_auto_t *x1 = kube_cache_get(counting.cache, "a", "x1");
        if (obj_int(x0, "spec.count", 0) >= GOAL && obj_int(x1, "spec.count", 0) >= GOAL)
            break;
        if (deadline_is_over(deadline))
            test_fail(__FILE__, __LINE__, "only %d and %d", (int)obj_int(x0, "spec.count", 0),
                      (int)obj_int(x1, "spec.count", 0));
        if (i < 10) /* somebody else writes, so that the cache's copy is stale */
            fake_api_put(api, "a", i % 2 == 0 ? "x0" : "x1", "w");
        if (i == 4)
            fake_api_end_watches(api, true);
        cancel_wait(NULL, 3);
    }
    controller_stop(controller);
    kube_cache_free(counting.cache);
    controller_free(controller);
    kube_client_free(counting.client);
    fake_api_free(api);
}
