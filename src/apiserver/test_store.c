#include "apiserver/store.h"

#include "apiserver/test_things.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/test.h"
#include "base/text.h"
#include "base/thread.h"
#include "base/vector.h"
#include "data/obj.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

TEST(keeps_objects_and_versions_over_a_restart)
{
    struct error *err = NULL;
    struct store_options options = things_options("restart");
    struct store *store = NULL;

    CHECK_OK(store_open(&options, &store, &err), err);
    struct store_table *table = store_table(store, "things", false);
    CLEANUP(object) struct object *first = things_put(store, table, "a", NULL, "one");
    CLEANUP(object) struct object *second = things_put(store, table, "a", first, "two");
    CLEANUP(object) struct object *gone = NULL;
    CLEANUP(object) struct object *other = things_put(store, table, "b", NULL, "x");
    struct store_change remove = {.table = table, .ns = "ns", .name = "b", .old = other,
                                  .remove = true};
    json_auto_t *value = things_value("b", "x");
    remove.value = value;
    CHECK_OK(store_write(store, &remove, &gone, &err), err);
    CHECK(second->rv > first->rv && gone->rv > other->rv);
    store_close(store);

    CHECK_OK(store_open(&options, &store, &err), err);
    table = store_table(store, "things", false);
    CHECK_U64(store_version(store), gone->rv);
    CHECK_U64(store_count(table), 1);
    CLEANUP(object) struct object *found = store_get(table, "ns", "a");
    CHECK(found != NULL);
    CHECK_STR(found->text, second->text);
    CHECK_STR(obj_map_str(found->labels, "app"), "a");
    json_auto_t *parsed = object_parse(found);
    CLEANUP(str) char *version = xasprintf("%llu", (unsigned long long)second->rv);
    CHECK_STR(obj_str(parsed, "metadata.resourceVersion", ""), version);
    store_close(store);
}

TEST(refuses_writes_that_are_based_on_something_else)
{
    struct error *err = NULL;
    struct store_options options = things_options("conflicts");
    CLEANUP(store) struct store *store = NULL;

    CHECK_OK(store_open(&options, &store, &err), err);
    struct store_table *table = store_table(store, "things", false);
    CLEANUP(object) struct object *first = things_put(store, table, "a", NULL, "one");
    CLEANUP(object) struct object *second = things_put(store, table, "a", first, "two");
    json_auto_t *value = things_value("a", "three");
    struct store_change change = {.table = table, .ns = "ns", .name = "a", .value = value};

    CHECK_FAILS(store_write(store, &change, NULL, &err), err, ERROR_EXISTS, "already exists");
    change.old = first;
    CHECK_FAILS(store_write(store, &change, NULL, &err), err, ERROR_CONFLICT, "somebody else");
    change.old = second;
    change.name = "z";
    CHECK_FAILS(store_write(store, &change, NULL, &err), err, ERROR_NOT_FOUND, "not found");
    CHECK_U64(store_version(store), second->rv);
}

TEST(watches_see_every_change_once_and_in_order)
{
    struct error *err = NULL;
    struct store_options options = things_options("watch");
    CLEANUP(store) struct store *store = NULL;

    CHECK_OK(store_open(&options, &store, &err), err);
    struct store_table *table = store_table(store, "things", false);
    struct store_table *other = store_table(store, "others", false);
    CLEANUP(object) struct object *a = things_put(store, table, "a", NULL, "one");
    CLEANUP(object) struct object *x = things_put(store, other, "x", NULL, "one");
    CLEANUP(object) struct object *b = things_put(store, table, "b", NULL, "one");

    CLEANUP(object_list) struct object_list initial = {0};
    CLEANUP(store_watch) struct store_watch *now = NULL, *from = NULL;
    const struct store_event *event = NULL;
    uint64_t at = 0;
    CHECK_OK(store_watch_open(table, NULL, 0, &initial, &at, &now, &err), err);
    CHECK_U64(initial.len, 2);
    CHECK_U64(at, b->rv);
    CHECK_OK(store_watch_next(now, &event, &err), err);
    CHECK(event == NULL);
    CHECK_OK(store_watch_open(table, NULL, a->rv, &initial, &at, &from, &err), err);
    CHECK_OK(store_watch_next(from, &event, &err), err);
    CHECK(event != NULL && event->type == STORE_ADDED && event->object->rv == b->rv);

    CLEANUP(object) struct object *a2 = things_put(store, table, "a", a, "two");
    CHECK_OK(store_watch_next(now, &event, &err), err);
    CHECK(event != NULL && event->type == STORE_MODIFIED && event->object->rv == a2->rv);
    CHECK(event->old->rv == a->rv);
    CHECK_OK(store_watch_next(now, &event, &err), err);
    CHECK(event == NULL);
    CHECK_OK(store_watch_next(from, &event, &err), err);
    CHECK(event != NULL && event->object->rv == a2->rv);
}

TEST(lists_an_earlier_version_and_says_when_it_is_too_old)
{
    struct error *err = NULL;
    struct store_options options = things_options("past");
    CLEANUP(store) struct store *store = NULL;

    CHECK_OK(store_open(&options, &store, &err), err);
    struct store_table *table = store_table(store, "things", false);
    CLEANUP(object) struct object *a = things_put(store, table, "a", NULL, "one");
    CLEANUP(object) struct object *b = things_put(store, table, "b", NULL, "one");
    CLEANUP(object) struct object *a2 = things_put(store, table, "a", a, "two");
    CLEANUP(object) struct object *a3 = things_put(store, table, "a", a2, "three");
    CLEANUP(object_list) struct object_list then = {0};
    uint64_t version = b->rv;

    CHECK_OK(store_list(table, "ns", "", &version, &then, &err), err);
    CHECK_U64(then.len, 2);
    CHECK_U64(then.ptr[0]->rv, a->rv);
    CHECK_U64(then.ptr[1]->rv, b->rv);

    /* Four changes of 5 MB are more than the history keeps. */
    CLEANUP(str) char *large = xmalloc(5 << 20);
    memset(large, 'x', (5 << 20) - 1);
    large[(5 << 20) - 1] = '\0';
    struct object *last = object_ref(a3);
    for (size_t i = 0; i < 5; i++) {
        struct object *next = things_put(store, table, "a", last, large);
        object_unref(last);
        last = next;
    }
    object_unref(last);
    version = b->rv;
    CHECK_FAILS(store_list(table, "ns", "", &version, &then, &err), err, ERROR_EXPIRED, "too old");
    CLEANUP(store_watch) struct store_watch *watch = NULL;
    uint64_t at = 0;
    CHECK_FAILS(store_watch_open(table, NULL, b->rv, &then, &at, &watch, &err), err, ERROR_EXPIRED,
                "too old");
}

TEST(finds_a_damaged_database_and_says_what_to_do)
{
    struct error *err = NULL;
    struct store_options options = things_options("damaged");
    struct store *store = NULL;

    CHECK_OK(store_open(&options, &store, &err), err);
    struct store_table *table = store_table(store, "things", false);
    for (int i = 0; i < 50; i++) {
        CLEANUP(str) char *name = xasprintf("n%d", i);
        object_unref(
            things_put(store, table, name, NULL, "0123456789012345678901234567890123456789"));
    }
    store_close(store);

    FILE *file = fopen(options.path, "r+");
    CHECK(file != NULL);
    CHECK(fseek(file, 4096, SEEK_SET) == 0);
    for (int i = 0; i < 8192; i++)
        CHECK(fputc(0x5a, file) != EOF);
    CHECK(fclose(file) == 0);
    CHECK_FAILS(store_open(&options, &store, &err), err, ERROR_CORRUPT, "damaged");
}

static bool file_contains(const char *path, const char *text)
{
    struct error *err = NULL;
    CLEANUP(str) char *data = NULL;
    size_t len = 0;

    if (!file_exists(path))
        return false;
    CHECK_OK(file_read(path, 1 << 26, &data, &len, &err), err);
    return memmem(data, len, text, strlen(text)) != NULL;
}

TEST(seals_secrets_and_reads_them_after_a_key_rotation)
{
    struct error *err = NULL;
    struct store_options options = things_options("sealed");
    CLEANUP(str) char *wal = xasprintf("%s-wal", options.path);
    struct store *store = NULL;

    CHECK_OK(store_open(&options, &store, &err), err);
    struct store_table *table = store_table(store, "secrets", true);
    object_unref(things_put(store, table, "s", NULL, "correct horse battery staple"));
    CHECK(!file_contains(options.path, "battery staple"));
    CHECK(!file_contains(wal, "battery staple"));

    CLEANUP(str) char *key_before = NULL;
    CLEANUP(str) char *key_after = NULL;
    CHECK_OK(file_read(options.key_path, 4096, &key_before, NULL, &err), err);
    CHECK_OK(store_rotate_key(store, &err), err);
    CHECK_OK(file_read(options.key_path, 4096, &key_after, NULL, &err), err);
    CHECK(!str_eq(key_before, key_after));
    store_close(store);

    CHECK_OK(store_open(&options, &store, &err), err);
    CLEANUP(object) struct object *found = store_get(store_table(store, "secrets", true), "ns", "s");
    CHECK(found != NULL && strstr(found->text, "battery staple") != NULL);
    store_close(store);
}

TEST(a_backup_opens_as_a_store)
{
    struct error *err = NULL;
    struct store_options options = things_options("backup");
    CLEANUP(str) char *copy = xasprintf("%s.copy", options.path);
    CLEANUP(str) char *key = xasprintf("%s.copy.key", options.path);
    struct store *store = NULL;

    CHECK_OK(store_open(&options, &store, &err), err);
    object_unref(things_put(store, store_table(store, "things", false), "a", NULL, "one"));
    CHECK_OK(store_backup(store, copy, key, &err), err);
    CHECK_FAILS(store_backup(store, copy, key, &err), err, ERROR_EXISTS, "there already");
    object_unref(things_put(store, store_table(store, "things", false), "b", NULL, "two"));
    store_close(store);

    struct store_options from_copy = {.path = copy, .key_path = key};
    CHECK_OK(store_open(&from_copy, &store, &err), err);
    CHECK_U64(store_count(store_table(store, "things", false)), 1);
    store_close(store);
}

enum { WRITERS = 8, WRITES = 50 };

struct writer {
    struct store *store;
    int number;
};

static void *write_many(void *arg)
{
    struct writer *writer = arg;
    struct store_table *table = store_table(writer->store, "things", false);

    for (int i = 0; i < WRITES; i++) {
        CLEANUP(str) char *name = xasprintf("w%d-%d", writer->number, i);
        CLEANUP(object) struct object *object = things_put(writer->store, table, name, NULL, "x");
        CLEANUP(object) struct object *found = store_get(table, "ns", name);
        CHECK(found != NULL && found->rv == object->rv); /* acknowledged is visible */
    }
    return NULL;
}

TEST(many_writers_share_commits)
{
    struct error *err = NULL;
    struct store_options options = things_options("group");
    CLEANUP(store) struct store *store = NULL;
    struct thread threads[WRITERS] = {0};
    struct writer writers[WRITERS];
    struct store_stats stats;

    CHECK_OK(store_open(&options, &store, &err), err);
    for (int i = 0; i < WRITERS; i++) {
        writers[i] = (struct writer){store, i};
        CHECK_OK(thread_start(&threads[i], "writer", write_many, &writers[i], &err), err);
    }
    for (int i = 0; i < WRITERS; i++)
        thread_join(&threads[i]);
    store_get_stats(store, &stats);
    CHECK_U64(stats.writes, WRITERS * WRITES);
    CHECK_U64(stats.objects, WRITERS * WRITES);
    CHECK(stats.commits <= stats.writes);
}
