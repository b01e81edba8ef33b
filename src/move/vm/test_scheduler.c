#include "move/vm/scheduler.h"

#include "base/test.h"
#include "base/text.h"
#include "base/time.h"

static char kicked[64];

static void remember(void *arg, const char *plan)
{
    strncpy(kicked, plan, sizeof(kicked) - 1);
}

TEST(starts_no_more_than_the_limit_allows)
{
    CLEANUP(scheduler) struct scheduler *scheduler = scheduler_new(NULL, NULL);

    CHECK(scheduler_try(scheduler, "ns/p", "ns/a", "1", 2));
    CHECK(scheduler_try(scheduler, "ns/p", "ns/a", "2", 2));
    CHECK(!scheduler_try(scheduler, "ns/p", "ns/a", "3", 2));
    CHECK(scheduler_try(scheduler, "ns/p", "ns/a", "2", 2)); /* has its place */
    CHECK(scheduler_try(scheduler, "ns/other", "ns/a", "3", 2));
    scheduler_release(scheduler, "ns/p", "ns/a", "1");
    CHECK(scheduler_try(scheduler, "ns/p", "ns/a", "3", 2));
}

TEST(gives_a_free_place_to_the_plan_that_has_fewest)
{
    CLEANUP(scheduler) struct scheduler *scheduler = scheduler_new(remember, NULL);

    CHECK(scheduler_try(scheduler, "p", "a", "1", 2));
    CHECK(scheduler_try(scheduler, "p", "a", "2", 2));
    CHECK(!scheduler_try(scheduler, "p", "a", "3", 2));
    CHECK(!scheduler_try(scheduler, "p", "b", "1", 2));
    scheduler_release(scheduler, "p", "a", "1");
    CHECK_STR(kicked, "b");
    CHECK(!scheduler_try(scheduler, "p", "a", "3", 2)); /* b is next */
    CHECK(scheduler_try(scheduler, "p", "b", "1", 2));
}

TEST(forgets_a_plan_that_stopped_asking)
{
    CLEANUP(scheduler) struct scheduler *scheduler = scheduler_new(NULL, NULL);

    time_set_fake(1000);
    CHECK(scheduler_try(scheduler, "p", "a", "1", 1));
    CHECK(!scheduler_try(scheduler, "p", "b", "1", 1));
    time_advance_fake(60 * 1000);
    scheduler_release(scheduler, "p", "a", "1");
    CHECK(scheduler_try(scheduler, "p", "a", "2", 2));
    CHECK(scheduler_try(scheduler, "p", "a", "3", 2));
}

TEST(counts_what_was_on_its_way_before_a_restart)
{
    CLEANUP(scheduler) struct scheduler *scheduler = scheduler_new(NULL, NULL);

    scheduler_note(scheduler, "p", "a", "1");
    scheduler_note(scheduler, "p", "a", "1");
    CHECK(scheduler_try(scheduler, "p", "a", "2", 2));
    CHECK(!scheduler_try(scheduler, "p", "a", "3", 2));
}
