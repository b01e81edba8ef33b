#include "kube/cache.h"

#include "base/cancel.h"
#include "base/mem.h"
#include "base/test.h"
#include "base/text.h"
#include "base/thread.h"
#include "base/time.h"
#include "data/obj.h"
#include "kube/fake_api.h"
#include "kube/meta.h"

#include <stdio.h>
#include <stdlib.h>

enum { PATIENCE_MS = 20000 };

/* What the handlers were told, as text: "+a/x=1 *a/x=2 -a/x=2 ". */
struct record {
    pthread_mutex_t lock;
    struct buf text;
};

static void take_change(void *arg, enum kube_change change, const json_t *old, const json_t *object)
{
    struct record *record = arg;
    LOCK_SCOPE(&record->lock);

    buf_printf(&record->text, "%c%s/%s=%s ", "+*-"[change], meta_ns(object), meta_name(object),
               obj_str(object, "spec.value", ""));
}

static bool has_heard(struct record *record, const char *part)
{
    LOCK_SCOPE(&record->lock);

    return record->text.ptr != NULL && strstr(record->text.ptr, part) != NULL;
}

/* Waits until the record contains PART. */
static void expect(struct record *record, const char *part)
{
    struct deadline deadline = deadline_after(PATIENCE_MS);

    while (!has_heard(record, part)) {
        if (deadline_is_over(deadline))
            test_fail(__FILE__, __LINE__, "\"%s\" does not come up in \"%s\"", part,
                      record->text.ptr);
        cancel_wait(NULL, 2);
    }
}

static void expect_all(struct record *record, const char *want)
{
    expect(record, want);
    LOCK_SCOPE(&record->lock);
    CHECK_STR(record->text.ptr, want);
}

struct bench {
    struct fake_api *api;
    struct kube_client *client;
    struct kube_cache *cache;
    struct record record;
};

static void start(struct bench *b, const char *ns, const struct kube_list_options *options)
{
    CLEANUP(error) struct error *err = NULL;

    b->client = fake_api_client(b->api);
    b->record.text = BUF_INIT(1 << 20);
    pthread_mutex_init(&b->record.lock, NULL);
    b->cache = kube_cache_new(b->client, &FAKE_KIND, ns, options);
    kube_cache_add_handler(b->cache, take_change, &b->record);
    CHECK_OK(kube_cache_start(b->cache, &err), err);
    CHECK_OK(kube_cache_wait(b->cache, PATIENCE_MS, NULL, &err), err);
}

static void finish(struct bench *b)
{
    kube_cache_free(b->cache);
    kube_client_free(b->client);
    fake_api_free(b->api);
    buf_reset(&b->record.text);
}

TEST(lists_then_follows_changes)
{
    struct bench b = {.api = fake_api_new()};

    fake_api_put(b.api, "a", "x", "1");
    fake_api_set_piece(b.api, 7);
    start(&b, NULL, NULL);
    fake_api_put(b.api, "a", "x", "2");
    fake_api_put(b.api, "b", "y", "1");
    fake_api_remove(b.api, "a", "x");
    expect_all(&b.record, "+a/x=1 *a/x=2 +b/y=1 -a/x=2 ");

    json_auto_t *y = kube_cache_get(b.cache, "b", "y");
    CHECK_STR(obj_str(y, "spec.value", NULL), "1");
    CHECK(kube_cache_get(b.cache, "a", "x") == NULL);
    finish(&b);
}

TEST(lists_by_namespace_and_label)
{
    struct bench b = {.api = fake_api_new()};

    fake_api_put(b.api, "a", "x", "1");
    fake_api_put(b.api, "ab", "x", "1");
    fake_api_put(b.api, "a", "y", "2");
    start(&b, NULL, NULL);
    json_auto_t *all = kube_cache_list(b.cache, NULL, NULL);
    json_auto_t *of_a = kube_cache_list(b.cache, "a", NULL);
    json_auto_t *ones = kube_cache_list(b.cache, NULL, "value=1");
    json_auto_t *one = kube_cache_list(b.cache, "a", "value in (1)");
    json_auto_t *wrong = kube_cache_list(b.cache, "a", "value in");
    CHECK_U64(json_array_size(all), 3);
    CHECK_U64(json_array_size(of_a), 2);
    CHECK_U64(json_array_size(ones), 2);
    CHECK_U64(json_array_size(one), 1);
    CHECK_U64(json_array_size(wrong), 0);
    finish(&b);
}

TEST(an_orderly_end_of_the_stream_goes_on_where_it_was)
{
    struct bench b = {.api = fake_api_new()};

    fake_api_put(b.api, "a", "x", "1");
    start(&b, NULL, NULL);
    fake_api_put(b.api, "a", "x", "2");
    expect(&b.record, "*a/x=2 ");
    fake_api_end_watches(b.api, false);
    fake_api_put(b.api, "a", "x", "3");
    expect_all(&b.record, "+a/x=1 *a/x=2 *a/x=3 ");
    CHECK_INT(fake_api_lists(b.api), 1);
    finish(&b);
}

TEST(a_broken_stream_lists_again_and_tells_differences_only)
{
    struct bench b = {.api = fake_api_new()};

    fake_api_put(b.api, "a", "gone", "1");
    fake_api_put(b.api, "a", "same", "1");
    fake_api_put(b.api, "a", "new", "1");
    start(&b, NULL, NULL);
    fake_api_fail(b.api, "WATCH", 3, 0);
    fake_api_end_watches(b.api, true);
    fake_api_remove(b.api, "a", "gone");
    fake_api_put(b.api, "a", "new", "2");
    expect(&b.record, "-a/gone=1 ");
    expect(&b.record, "*a/new=2 ");
    fake_api_put(b.api, "a", "last", "1");
    expect_all(&b.record, "+a/gone=1 +a/same=1 +a/new=1 -a/gone=1 *a/new=2 +a/last=1 ");
    finish(&b);
}

TEST(a_version_that_is_too_old_lists_again)
{
    struct bench b = {.api = fake_api_new()};

    fake_api_put(b.api, "a", "x", "1");
    start(&b, NULL, NULL);
    fake_api_put(b.api, "a", "y", "1");
    expect(&b.record, "+a/y=1 ");
    fake_api_compact(b.api);
    fake_api_end_watches(b.api, false);
    fake_api_put(b.api, "a", "x", "2");
    expect_all(&b.record, "+a/x=1 +a/y=1 *a/x=2 ");
    CHECK_INT(fake_api_lists(b.api), 2);
    finish(&b);
}

TEST(a_server_that_is_away_at_the_start_is_awaited)
{
    struct bench b = {.api = fake_api_new()};

    fake_api_put(b.api, "a", "x", "1");
    fake_api_fail(b.api, "GET", 3, 503);
    start(&b, "a", NULL);
    expect_all(&b.record, "+a/x=1 ");
    CHECK(fake_api_requests(b.api) >= 4);
    finish(&b);
}

TEST(waiting_tells_why_there_is_no_list)
{
    CLEANUP(error) struct error *err = NULL;
    struct fake_api *api = fake_api_new();
    struct kube_client *client = fake_api_client(api);
    CLEANUP(cancel) struct cancel *cancel = cancel_new();

    fake_api_fail(api, "GET", 1000000, 403);
    struct kube_cache *cache = kube_cache_new(client, &FAKE_KIND, NULL, NULL);
    CHECK_OK(kube_cache_start(cache, &err), err);
    CHECK_FAILS(kube_cache_wait(cache, 300, NULL, &err), err, ERROR_TIMEOUT,
                "the list of things is not there yet (cannot list things: OnPurpose)");
    cancel_request(cancel);
    CHECK_FAILS(kube_cache_wait(cache, PATIENCE_MS, cancel, &err), err, ERROR_CANCELED, "");
    kube_cache_free(cache);
    kube_client_free(client);
    fake_api_free(api);
}

TEST(objects_outlive_the_cache)
{
    struct bench b = {.api = fake_api_new()};

    fake_api_put(b.api, "a", "x", "1");
    start(&b, NULL, NULL);
    json_auto_t *x = kube_cache_get(b.cache, "a", "x");
    finish(&b);
    CHECK_STR(meta_name(x), "x");
}

struct storm {
    struct kube_cache *cache;
    struct cancel *stop;
    bool torn;
};

static void *read_all_the_time(void *arg)
{
    struct storm *storm = arg;

    while (!cancel_is_requested(storm->stop)) {
        json_auto_t *list = kube_cache_list(storm->cache, "a", NULL);
        size_t i;
        json_t *object;

        json_array_foreach(list, i, object) if (!str_eq(meta_label(object, "value"),
                                                        obj_str(object, "spec.value", "")))
            storm->torn = true;
        json_decref(kube_cache_get(storm->cache, "a", "n1"));
    }
    return NULL;
}

TEST(readers_and_breaking_streams_do_not_disturb_each_other)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(cancel) struct cancel *stop = cancel_new();
    struct bench b = {.api = fake_api_new()};
    struct thread threads[2] = {0};

    start(&b, NULL, NULL);
    struct storm storm = {b.cache, stop, false};
    for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
        CHECK_OK(thread_start(&threads[i], "reader", read_all_the_time, &storm, &err), err);
    for (int i = 0; i < 300; i++) {
        char name[16], value[16];

        snprintf(name, sizeof(name), "n%d", i % 10);
        snprintf(value, sizeof(value), "%d", i);
        fake_api_put(b.api, "a", name, value);
        if (i % 50 == 25)
            fake_api_end_watches(b.api, i % 100 == 25);
        if (i % 70 == 35)
            fake_api_compact(b.api);
        if (i % 30 == 15)
            fake_api_remove(b.api, "a", name);
    }
    fake_api_put(b.api, "a", "end", "1");
    expect(&b.record, "+a/end=1 ");
    cancel_request(stop);
    for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
        thread_join(&threads[i]);
    CHECK(!storm.torn);

    json_auto_t *last = kube_cache_get(b.cache, "a", "n9");
    CHECK_STR(obj_str(last, "spec.value", NULL), "299");
    finish(&b);
}
