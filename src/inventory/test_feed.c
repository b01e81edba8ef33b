#include "inventory/feed.h"

#include "base/test.h"
#include "data/obj.h"
#include "inventory/model.h"

#include <poll.h>

static bool is_readable(const struct feed_reader *reader)
{
    struct pollfd fd = {.fd = feed_reader_fd(reader), .events = POLLIN};

    return poll(&fd, 1, 0) == 1;
}

static void put(struct model *model, const char *id, const char *name)
{
    json_auto_t *object = obj_pack("{s:s, s:s}", "id", id, "name", name);

    model_put(model, "VM", object);
}

TEST(a_reader_gets_what_happens_after_its_list)
{
    CLEANUP(model) struct model *model = model_new("providers/ova/u", NULL);
    json_auto_t *objects = NULL;
    CLEANUP(feed_change) struct feed_change change = {0};

    put(model, "1", "before");
    struct feed_reader *reader = model_watch(model, "VM", &objects);
    CHECK_U64(json_array_size(objects), 1);
    CHECK(!is_readable(reader));
    CHECK_INT(feed_next(reader, &change), FEED_NOTHING);

    put(model, "1", "after");
    put(model, "1", "after"); /* no change */
    CHECK(is_readable(reader));
    CHECK_INT(feed_next(reader, &change), FEED_CHANGE);
    CHECK_INT(change.action, FEED_UPDATED);
    CHECK_STR(obj_str(change.before, "name", ""), "before");
    CHECK_STR(obj_str(change.after, "name", ""), "after");
    CHECK(!change.by_validation);
    feed_change_reset(&change);
    CHECK_INT(feed_next(reader, &change), FEED_NOTHING);
    CHECK(!is_readable(reader));
    feed_unsubscribe(reader);
}

TEST(a_round_tells_what_is_new_and_what_is_gone)
{
    static const enum feed_action expected[] = {FEED_CREATED, FEED_DELETED};
    CLEANUP(model) struct model *model = model_new("providers/ova/u", NULL);
    json_auto_t *objects = NULL;

    put(model, "1", "old");
    struct feed_reader *reader = model_watch(model, "VM", &objects);
    model_begin(model);
    put(model, "2", "new");
    model_complete(model);
    for (size_t i = 0; i < 2; i++) {
        CLEANUP(feed_change) struct feed_change change = {0};
        CHECK_INT(feed_next(reader, &change), FEED_CHANGE);
        CHECK_INT(change.action, expected[i]);
    }
    feed_unsubscribe(reader);
}

TEST(a_verdict_is_told_as_validations)
{
    CLEANUP(model) struct model *model = model_new("providers/ova/u", NULL);
    json_auto_t *objects = NULL, *fields = obj_pack("{s:i}", "policyVersion", 5);
    CLEANUP(feed_change) struct feed_change change = {0};

    put(model, "1", "web");
    struct feed_reader *reader = model_watch(model, "VM", &objects);
    CHECK(model_put_validation(model, "1", 1, fields));
    CHECK_INT(feed_next(reader, &change), FEED_CHANGE);
    CHECK(change.by_validation);
    CHECK_INT(obj_int(change.after, "policyVersion", 0), 5);
    feed_unsubscribe(reader);
}

TEST(other_kinds_are_not_told)
{
    CLEANUP(model) struct model *model = model_new("providers/ova/u", NULL);
    json_auto_t *objects = NULL;
    CLEANUP(feed_change) struct feed_change change = {0};
    struct feed_reader *reader = model_watch(model, "Network", &objects);

    put(model, "1", "web");
    CHECK_INT(feed_next(reader, &change), FEED_NOTHING);
    feed_unsubscribe(reader);
}

TEST(a_reader_that_falls_behind_is_cut_off_and_nothing_is_kept_for_it)
{
    struct feed *feed = feed_new();
    struct feed_reader *slow = feed_subscribe(feed, "VM"), *fast = feed_subscribe(feed, "VM");
    json_auto_t *object = obj_pack("{s:s}", "id", "1");
    const struct feed_change told = {.action = FEED_CREATED, .after = object};
    CLEANUP(feed_change) struct feed_change change = {0};

    for (int i = 0; i <= FEED_BEHIND_MAX; i++) {
        CLEANUP(feed_change) struct feed_change read = {0};
        feed_tell(feed, "VM", &told);
        CHECK_INT(feed_next(fast, &read), FEED_CHANGE);
    }
    CHECK_INT(feed_next(slow, &change), FEED_BEHIND);
    CHECK_U64(object->refcount, 1);
    feed_tell(feed, "VM", &told);
    CHECK_INT(feed_next(slow, &change), FEED_BEHIND);
    CHECK_INT(feed_next(fast, &change), FEED_CHANGE);
    feed_unsubscribe(slow);
    feed_unsubscribe(fast);
    feed_free(feed);
}

TEST(readers_are_told_of_the_end)
{
    CLEANUP(model) struct model *model = model_new("providers/ova/u", NULL);
    json_auto_t *objects = NULL;
    CLEANUP(feed_change) struct feed_change change = {0};
    struct feed_reader *reader = model_watch(model, "VM", &objects);

    model_end_watches(model);
    CHECK(is_readable(reader));
    CHECK_INT(feed_next(reader, &change), FEED_ENDED);
    feed_unsubscribe(reader);
}
