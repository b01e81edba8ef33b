#include "kube/conditions.h"

#include "base/test.h"
#include "base/time.h"
#include "data/obj.h"

static const struct condition not_found = {
    .type = "VMNotFound",
    .category = CONDITION_CRITICAL,
    .reason = "NotFound",
    .message = "VM not found.",
};

static const char *time_of(const json_t *status, size_t i)
{
    return obj_str(json_array_get(obj_arr(status, "conditions"), i), "lastTransitionTime", NULL);
}

TEST(a_finding_goes_away_when_it_is_not_staged_again)
{
    json_auto_t *status = json_object();

    conditions_begin(status);
    conditions_set(status, &not_found);
    conditions_end(status);
    CHECK(conditions_is_true(status, "VMNotFound"));
    CHECK(conditions_is_blocked(status));

    conditions_begin(status);
    CHECK(!conditions_is_true(status, "VMNotFound"));
    conditions_end(status);
    CHECK(!conditions_is_blocked(status));
    CHECK_U64(json_object_size(status), 0);
}

TEST(an_unchanged_finding_keeps_its_time)
{
    json_auto_t *status = json_object();

    time_set_fake(1000000000000);
    conditions_begin(status);
    conditions_set(status, &not_found);
    conditions_end(status);
    CHECK_STR(time_of(status, 0), "2001-09-09T01:46:40Z");

    time_advance_fake(5000);
    json_auto_t *before = obj_copy(status);
    conditions_begin(status);
    conditions_set(status, &not_found);
    conditions_end(status);
    CHECK(obj_eq(before, status));

    struct condition changed = not_found;
    changed.message = "VM was deleted.";
    conditions_begin(status);
    conditions_set(status, &changed);
    conditions_end(status);
    CHECK_STR(time_of(status, 0), "2001-09-09T01:46:45Z");
}

TEST(durable_findings_stay_until_they_are_deleted)
{
    json_auto_t *status = json_object();
    struct condition durable = {
        .type = "Succeeded", .category = CONDITION_ADVISORY, .message = "done", .durable = true};

    conditions_set(status, &durable);
    conditions_begin(status);
    CHECK(conditions_is_true(status, "Succeeded"));
    conditions_end(status);
    CHECK(conditions_is_true(status, "Succeeded"));
    CHECK(!conditions_is_blocked(status));
    conditions_delete(status, "Succeeded");
    CHECK(!conditions_is_true(status, "Succeeded"));
}

TEST(findings_of_one_type_do_not_hide_each_other)
{
    json_auto_t *status = json_object();
    const char *const first[] = {"vm-1", NULL};
    const char *const more[] = {"vm-2", "vm-1", NULL};
    struct condition unset = not_found, twice = not_found;

    unset.reason = "NotSet";
    unset.items = first;
    twice.items = first;
    conditions_begin(status);
    conditions_set(status, &unset);
    conditions_set(status, &twice);
    twice.items = more;
    conditions_set(status, &twice);
    conditions_add_item(status, "VMNotFound", "NotFound", "vm-3");
    conditions_end(status);

    CHECK_U64(obj_count(status, "conditions"), 2);
    CHECK_STR(obj_str(status, "conditions[0].reason", NULL), "NotSet");
    CHECK_U64(obj_count(status, "conditions[0].items"), 1);
    CHECK_U64(obj_count(status, "conditions[1].items"), 3);
    CHECK_STR(obj_str(status, "conditions[1].items[2]", NULL), "vm-3");
}

TEST(items_of_an_earlier_pass_do_not_linger)
{
    json_auto_t *status = json_object();
    const char *const two[] = {"vm-1", "vm-2", NULL};
    struct condition condition = not_found;

    condition.items = two;
    conditions_begin(status);
    conditions_set(status, &condition);
    conditions_end(status);

    condition.items = two + 1;
    conditions_begin(status);
    conditions_set(status, &condition);
    conditions_end(status);
    CHECK_U64(obj_count(status, "conditions[0].items"), 1);
    CHECK_STR(obj_str(status, "conditions[0].items[0]", NULL), "vm-2");
}

TEST(the_opposite_status_replaces_an_entry)
{
    json_auto_t *status = json_object();
    struct condition connected = {.type = "ConnectionTestSucceeded",
                                  .category = CONDITION_REQUIRED,
                                  .reason = "Tested",
                                  .message = "connected",
                                  .durable = true};

    conditions_set(status, &connected);
    connected.is_false = true;
    connected.reason = "TestFailed";
    conditions_set(status, &connected);
    CHECK_U64(obj_count(status, "conditions"), 1);
    CHECK(!conditions_is_true(status, "ConnectionTestSucceeded"));
    CHECK_STR(obj_str(status, "conditions[0].status", NULL), "False");
}
