#include "move/vm/scheduler.h"

#include "base/mem.h"
#include "base/test.h"
#include "base/text.h"
#include "base/time.h"

#include <string.h>

static char kicked[64];

static void remember(void *arg, const char *plan)
{
    strncpy(kicked, plan, sizeof(kicked) - 1);
}

/* One VM of PLAN on HOST of provider "p" that costs one unit. */
static struct scheduler_request ask(const char *plan, const char *vm, const char *host)
{
    return (struct scheduler_request){
        .provider = "p", .plan = plan, .vm = vm, .host = host, .cost = 1};
}

static bool try_one(struct scheduler *scheduler, const char *plan, const char *vm, int64_t max)
{
    const struct scheduler_request request = ask(plan, vm, NULL);

    return scheduler_try(scheduler, &request, max);
}

static bool try_cost(struct scheduler *scheduler, const char *plan, const char *vm,
                     const char *host, int64_t cost, int64_t max)
{
    struct scheduler_request request = ask(plan, vm, host);

    request.cost = cost;
    return scheduler_try(scheduler, &request, max);
}

TEST(starts_no_more_than_the_limit_allows)
{
    CLEANUP(scheduler) struct scheduler *scheduler = scheduler_new(NULL, NULL);
    struct scheduler_request other = ask("ns/a", "3", NULL);

    other.provider = "other";
    CHECK(try_one(scheduler, "ns/a", "1", 2));
    CHECK(try_one(scheduler, "ns/a", "2", 2));
    CHECK(!try_one(scheduler, "ns/a", "3", 2));
    CHECK(try_one(scheduler, "ns/a", "2", 2)); /* has its place */
    CHECK(scheduler_try(scheduler, &other, 2));
    scheduler_release(scheduler, "p", "ns/a", "1");
    CHECK(try_one(scheduler, "ns/a", "3", 2));
}

TEST(gives_a_free_place_to_the_plan_that_has_fewest)
{
    CLEANUP(scheduler) struct scheduler *scheduler = scheduler_new(remember, NULL);

    CHECK(try_one(scheduler, "a", "1", 2));
    CHECK(try_one(scheduler, "a", "2", 2));
    CHECK(!try_one(scheduler, "a", "3", 2));
    CHECK(!try_one(scheduler, "b", "1", 2));
    scheduler_release(scheduler, "p", "a", "1");
    CHECK_STR(kicked, "b");
    CHECK(!try_one(scheduler, "a", "3", 2)); /* b is next */
    CHECK(try_one(scheduler, "b", "1", 2));
}

TEST(forgets_a_plan_that_stopped_asking)
{
    CLEANUP(scheduler) struct scheduler *scheduler = scheduler_new(NULL, NULL);

    time_set_fake(1000);
    CHECK(try_one(scheduler, "a", "1", 1));
    CHECK(!try_one(scheduler, "b", "1", 1));
    time_advance_fake(60 * 1000);
    scheduler_release(scheduler, "p", "a", "1");
    CHECK(try_one(scheduler, "a", "2", 2));
    CHECK(try_one(scheduler, "a", "3", 2));
}

TEST(counts_what_was_on_its_way_before_a_restart)
{
    CLEANUP(scheduler) struct scheduler *scheduler = scheduler_new(NULL, NULL);
    const struct scheduler_request request = ask("a", "1", NULL);

    scheduler_note(scheduler, &request);
    scheduler_note(scheduler, &request);
    CHECK(try_one(scheduler, "a", "2", 2));
    CHECK(!try_one(scheduler, "a", "3", 2));
}

TEST(each_host_has_room_of_its_own)
{
    CLEANUP(scheduler) struct scheduler *scheduler = scheduler_new(NULL, NULL);

    CHECK(try_cost(scheduler, "a", "1", "host-1", 3, 4));
    CHECK(!try_cost(scheduler, "a", "2", "host-1", 2, 4));
    CHECK(try_cost(scheduler, "a", "3", "host-2", 4, 4));
    CHECK_INT(scheduler_load(scheduler, "p", "host-1"), 3);
    CHECK_INT(scheduler_load(scheduler, "p", "host-2"), 4);
    CHECK_INT(scheduler_load(scheduler, "p", "host-3"), 0);
}

TEST(a_disk_that_is_copied_makes_room)
{
    CLEANUP(scheduler) struct scheduler *scheduler = scheduler_new(remember, NULL);

    kicked[0] = '\0';
    CHECK(try_cost(scheduler, "a", "1", "h", 3, 4));
    CHECK(!try_cost(scheduler, "b", "2", "h", 2, 4));
    scheduler_set_cost(scheduler, "p", "a", "1", 2);
    CHECK_STR(kicked, "b");
    CHECK(try_cost(scheduler, "b", "2", "h", 2, 4));
    scheduler_set_cost(scheduler, "p", "a", "1", 0); /* it is converted now */
    CHECK_INT(scheduler_load(scheduler, "p", "h"), 2);
    scheduler_release(scheduler, "p", "a", "1");
    CHECK_INT(scheduler_load(scheduler, "p", "h"), 2);
}

TEST(a_vm_that_costs_more_than_there_is_starts_on_an_idle_host)
{
    CLEANUP(scheduler) struct scheduler *scheduler = scheduler_new(NULL, NULL);

    CHECK(try_cost(scheduler, "a", "1", "h", 1, 4));
    CHECK(!try_cost(scheduler, "a", "2", "h", 9, 4));
    scheduler_release(scheduler, "p", "a", "1");
    CHECK(try_cost(scheduler, "a", "2", "h", 9, 4));
    CHECK(!try_cost(scheduler, "a", "3", "h", 1, 4));
}

TEST(a_vm_with_many_disks_is_not_passed_by_small_ones)
{
    CLEANUP(scheduler) struct scheduler *scheduler = scheduler_new(NULL, NULL);

    CHECK(try_cost(scheduler, "a", "1", "h", 2, 4));
    CHECK(try_cost(scheduler, "b", "1", "h", 1, 4));
    CHECK(!try_cost(scheduler, "c", "1", "h", 3, 4)); /* has nothing here yet: is next */
    CHECK(!try_cost(scheduler, "b", "2", "h", 1, 4)); /* would fit */
    scheduler_release(scheduler, "p", "a", "1");
    CHECK(!try_cost(scheduler, "b", "2", "h", 1, 4));
    CHECK(try_cost(scheduler, "c", "1", "h", 3, 4));
}

TEST(of_two_plans_with_as_much_the_one_with_fewer_bytes_is_next)
{
    CLEANUP(scheduler) struct scheduler *scheduler = scheduler_new(remember, NULL);
    struct scheduler_request request = ask("a", "1", "h");

    request.bytes = 1ULL << 40;
    CHECK(scheduler_try(scheduler, &request, 3));
    request = ask("b", "1", "h");
    request.bytes = 1ULL << 30;
    CHECK(scheduler_try(scheduler, &request, 3));
    CHECK(try_cost(scheduler, "c", "1", "h", 1, 3));
    CHECK(!try_cost(scheduler, "a", "2", "h", 1, 3)); /* waits longer, but had more */
    CHECK(!try_cost(scheduler, "b", "2", "h", 1, 3));
    scheduler_release(scheduler, "p", "c", "1");
    CHECK_STR(kicked, "b");
    CHECK(!try_cost(scheduler, "a", "2", "h", 1, 3));
    CHECK(try_cost(scheduler, "b", "2", "h", 1, 3));
}

TEST(heavy_vms_leave_half_of_a_host_to_the_others)
{
    CLEANUP(scheduler) struct scheduler *scheduler = scheduler_new(NULL, NULL);
    struct scheduler_request heavy = ask("a", "1", "h");

    heavy.is_heavy = true;
    CHECK(scheduler_try(scheduler, &heavy, 4));
    heavy.vm = "2";
    CHECK(scheduler_try(scheduler, &heavy, 4));
    heavy.vm = "3";
    CHECK(!scheduler_try(scheduler, &heavy, 4));
    CHECK(try_cost(scheduler, "a", "4", "h", 1, 4));
    CHECK(try_cost(scheduler, "a", "5", "h", 1, 4));
    scheduler_release(scheduler, "p", "a", "4");
    CHECK(!scheduler_try(scheduler, &heavy, 4));
    heavy.is_heavy = false; /* nothing lighter waits any more */
    CHECK(scheduler_try(scheduler, &heavy, 4));
}

TEST(a_single_heavy_vm_may_take_more_than_half)
{
    CLEANUP(scheduler) struct scheduler *scheduler = scheduler_new(NULL, NULL);
    struct scheduler_request heavy = ask("a", "1", "h");

    heavy.is_heavy = true;
    heavy.cost = 3;
    CHECK(scheduler_try(scheduler, &heavy, 4));
}

TEST(heavy_is_four_times_the_average)
{
    CHECK(scheduler_is_heavy(1000, 1200, 5));
    CHECK(!scheduler_is_heavy(1000, 1300, 5));
    CHECK(!scheduler_is_heavy(1000, 1000, 1)); /* there is nothing to compare with */
}

/* Twenty plans of fifty VMs ask for twenty places, again and again as VMs end. */
TEST(twenty_plans_have_the_same_part_at_any_time)
{
    enum { PLANS = 20, VMS = 50, MAX = 40 };
    CLEANUP(scheduler) struct scheduler *scheduler = scheduler_new(NULL, NULL);
    int started[PLANS] = {0}, ended[PLANS] = {0}, left = PLANS * VMS;

    for (int round = 0; left > 0 && round < 10000; round++) {
        for (int plan = 0; plan < PLANS; plan++) {
            CLEANUP(str) char *name = xasprintf("plan-%d", plan);
            CLEANUP(str) char *vm = xasprintf("%d", started[plan]);
            CLEANUP(str) char *done = xasprintf("%d", ended[plan]);

            if (started[plan] < VMS && try_one(scheduler, name, vm, MAX))
                started[plan]++;
            else if (ended[plan] < started[plan] && round % 2 == plan % 2) {
                scheduler_release(scheduler, "p", name, done);
                ended[plan]++;
                left--;
            }
        }
        CHECK(scheduler_load(scheduler, "p", NULL) <= MAX);
        for (int plan = 1; plan < PLANS; plan++)
            CHECK(started[plan] - started[0] <= 4 && started[0] - started[plan] <= 4);
    }
    CHECK_INT(left, 0);
}
