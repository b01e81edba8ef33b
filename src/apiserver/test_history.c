/* What a watch may ask for after a restart, and databases of earlier layouts. */
#include "apiserver/store.h"

#include "apiserver/test_things.h"
#include "base/array.h"
#include "base/mem.h"
#include "base/test.h"
#include "base/text.h"
#include "base/vector.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OBJECTS = 12, STEPS = 400, STEPS_MANY = STORE_HISTORY_EVENTS + 3000 };

DEFINE_VECTOR(line_list, char *)

static void free_lines(struct line_list *lines)
{
    for (size_t i = 0; i < lines->len; i++)
        free(lines->ptr[i]);
    line_list_reset(lines);
}

/* Everything that a watch from VERSION sees, a line for each event with both states. */
static int read_events(struct store_table *table, uint64_t version, struct line_list *lines,
                       struct error **err)
{
    CLEANUP(object_list) struct object_list initial = {0};
    CLEANUP(store_watch) struct store_watch *watch = NULL;
    const struct store_event *event = NULL;
    uint64_t at = 0;

    if (store_watch_open(table, NULL, version, &initial, &at, &watch, err) == -1)
        return -1;
    while (store_watch_next(watch, &event, err) == 0 && event != NULL)
        line_list_push(lines, xasprintf("%d %llu %s %s", (int)event->type,
                                        (unsigned long long)event->object->rv, event->object->text,
                                        event->old == NULL ? "" : event->old->text));
    return *err == NULL ? 0 : -1;
}

static void check_events(struct store_table *table, uint64_t version,
                         const struct line_list *before)
{
    struct error *err = NULL;
    struct line_list now = {0};

    CHECK_OK(read_events(table, version, &now, &err), err);
    CHECK_U64(now.len, before->len);
    for (size_t i = 0; i < now.len; i++)
        CHECK_STR(now.ptr[i], before->ptr[i]);
    free_lines(&now);
}

/* Makes, changes and removes things, without an end to it. */
struct worker {
    struct store *store;
    struct store_table *table;
    struct object *now[OBJECTS];
};

static void work(struct worker *worker, int steps)
{
    for (int i = 0; i < steps; i++) {
        size_t which = (size_t)(i * 7 + i / 5) % OBJECTS;
        CLEANUP(str) char *name = xasprintf("t-%zu", which);
        CLEANUP(str) char *data = xasprintf("step %d", i);
        struct object *old = worker->now[which];
        if (old != NULL && i % 4 == 0) {
            object_unref(things_remove(worker->store, worker->table, old));
            worker->now[which] = NULL;
        } else {
            worker->now[which] = things_put(worker->store, worker->table, name, old, data);
        }
        object_unref(old);
    }
}

static void drop(struct worker *worker)
{
    for (size_t i = 0; i < OBJECTS; i++)
        object_unref(worker->now[i]);
}

TEST(watches_go_on_over_a_restart_where_they_were)
{
    struct error *err = NULL;
    struct store_options options = things_options("over");
    struct store *store = NULL;
    struct line_list before[8] = {0};

    CHECK_OK(store_open(&options, &store, &err), err);
    uint64_t first = store_version(store);
    struct worker worker = {store, store_table(store, "things", false), {0}};
    struct worker sealed = {store, store_table(store, "secrets", true), {0}};
    work(&worker, STEPS);
    work(&sealed, STEPS / 4);
    uint64_t last = store_version(store), step = (last - first) / ARRAY_SIZE(before);
    for (size_t i = 0; i < ARRAY_SIZE(before); i++)
        CHECK_OK(read_events(i % 2 == 0 ? worker.table : sealed.table, first + i * step,
                             &before[i], &err),
                 err);
    store_close(store);

    CHECK_OK(store_open(&options, &store, &err), err);
    for (size_t i = 0; i < ARRAY_SIZE(before); i++) {
        check_events(i % 2 == 0 ? store_table(store, "things", false)
                                : store_table(store, "secrets", true),
                     first + i * step, &before[i]);
        free_lines(&before[i]);
    }
    /* a kind that nobody wrote to has no change to miss */
    CHECK_OK(read_events(store_table(store, "never", false), first, &before[0], &err), err);
    CHECK_U64(before[0].len, 0);
    store_close(store);
    drop(&worker);
    drop(&sealed);
}

static int64_t ask_number(const char *path, const char *sql)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *statement = NULL;

    CHECK_INT(sqlite3_open(path, &db), SQLITE_OK);
    CHECK_INT(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
    CHECK_INT(sqlite3_step(statement), SQLITE_ROW);
    int64_t number = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    sqlite3_close(db);
    return number;
}

TEST(the_history_is_bounded_on_disk_as_well)
{
    struct error *err = NULL;
    struct store_options options = things_options("bounded");
    struct store *store = NULL;
    struct line_list events = {0};

    CHECK_OK(store_open(&options, &store, &err), err);
    uint64_t first = store_version(store);
    struct worker worker = {store, store_table(store, "things", false), {0}};
    work(&worker, STEPS_MANY);
    uint64_t last = store_version(store);
    store_close(store);
    CHECK(ask_number(options.path, "SELECT count(*) FROM history") < STORE_HISTORY_EVENTS + 1100);

    CHECK_OK(store_open(&options, &store, &err), err);
    worker.table = store_table(store, "things", false);
    CHECK_FAILS(read_events(worker.table, first + 10, &events, &err), err, ERROR_EXPIRED,
                "too old");
    CHECK_OK(read_events(worker.table, last - 1000, &events, &err), err);
    CHECK_U64(events.len, 1000);
    free_lines(&events);
    store_close(store);
    drop(&worker);
}

TEST(a_large_old_version_is_not_kept_and_hides_what_was_before_it)
{
    struct error *err = NULL;
    struct store_options options = things_options("large");
    struct store *store = NULL;
    struct line_list events = {0};
    CLEANUP(str) char *data = xmalloc(100001);

    memset(data, 'x', 100000);
    data[100000] = '\0';
    CHECK_OK(store_open(&options, &store, &err), err);
    struct store_table *table = store_table(store, "things", false);
    CLEANUP(object) struct object *a = things_put(store, table, "a", NULL, "one");
    CLEANUP(object) struct object *large = things_put(store, table, "a", a, data);
    CLEANUP(object) struct object *small = things_put(store, table, "a", large, "two");
    CLEANUP(object) struct object *b = things_put(store, table, "b", NULL, "one");
    store_close(store);

    CHECK_OK(store_open(&options, &store, &err), err);
    table = store_table(store, "things", false);
    CHECK_FAILS(read_events(table, a->rv, &events, &err), err, ERROR_EXPIRED, "too old");
    CHECK_FAILS(read_events(table, large->rv, &events, &err), err, ERROR_EXPIRED, "too old");
    CHECK_OK(read_events(table, small->rv, &events, &err), err);
    CHECK_U64(events.len, 1);
    free_lines(&events);
    store_close(store);
}

TEST(sealed_old_versions_go_with_their_key)
{
    struct error *err = NULL;
    struct store_options options = things_options("rotated");
    struct store *store = NULL;
    struct line_list events = {0};

    CHECK_OK(store_open(&options, &store, &err), err);
    struct store_table *table = store_table(store, "secrets", true);
    CLEANUP(object) struct object *a = things_put(store, table, "a", NULL, "one");
    CLEANUP(object) struct object *two = things_put(store, table, "a", a, "two");
    CHECK_OK(store_rotate_key(store, &err), err);
    CLEANUP(object) struct object *three = things_put(store, table, "a", two, "three");
    CLEANUP(object) struct object *gone = things_remove(store, table, three);
    store_close(store);

    CHECK_OK(store_open(&options, &store, &err), err);
    table = store_table(store, "secrets", true);
    CHECK_FAILS(read_events(table, a->rv, &events, &err), err, ERROR_EXPIRED, "too old");
    CHECK_OK(read_events(table, two->rv, &events, &err), err);
    CHECK_U64(events.len, 2);
    free_lines(&events);
    store_close(store);
}

TEST(an_advanced_store_gives_out_new_versions_and_remembers_none)
{
    struct error *err = NULL;
    struct store_options options = things_options("advanced");
    struct store *store = NULL;
    struct line_list events = {0};

    CHECK_OK(store_open(&options, &store, &err), err);
    struct store_table *table = store_table(store, "things", false);
    CLEANUP(object) struct object *a = things_put(store, table, "a", NULL, "one");
    CHECK_OK(store_advance(store, &err), err);
    store_close(store);

    CHECK_OK(store_open(&options, &store, &err), err);
    table = store_table(store, "things", false);
    CHECK_FAILS(read_events(table, a->rv + 1000, &events, &err), err, ERROR_EXPIRED, "too old");
    CLEANUP(object) struct object *b = things_put(store, table, "b", NULL, "one");
    CHECK(b->rv > a->rv + 1000 * 1000);
    store_close(store);
}

/* --- Layouts ---------------------------------------------------------------------------------- */

/* Databases as the programs of their time made them, by layout; what is here never changes. */
static const char *const made_by[] = {
    "CREATE TABLE meta(key TEXT PRIMARY KEY, value) WITHOUT ROWID;"
    "CREATE TABLE objects( id INTEGER PRIMARY KEY, resource TEXT NOT NULL, ns TEXT NOT NULL,"
    " name TEXT NOT NULL, uid TEXT NOT NULL, rv INTEGER NOT NULL, labels TEXT,"
    " key INTEGER NOT NULL, data BLOB NOT NULL);"
    "CREATE UNIQUE INDEX objects_by_name ON objects(resource, ns, name);"
    "INSERT INTO meta VALUES('version', 40);"
    "INSERT INTO objects VALUES(1, 'things', 'ns', 'a', 'u-1', 12, '{\"app\":\"a\"}', 0,"
    " '{\"apiVersion\":\"v1\",\"kind\":\"Thing\",\"metadata\":{\"name\":\"a\",\"uid\":\"u-1\","
    "\"labels\":{\"app\":\"a\"},\"resourceVersion\":\"12\"},\"data\":\"x\"}');"
    "INSERT INTO objects VALUES(7, 'things', 'ns', 'b', 'u-2', 40, NULL, 0,"
    " '{\"apiVersion\":\"v1\",\"kind\":\"Thing\",\"metadata\":{\"name\":\"b\",\"uid\":\"u-2\","
    "\"resourceVersion\":\"40\"}}');"
    "PRAGMA user_version = 1;",
};
enum { LAYOUT_NOW = 2 };

static void make_database(const char *path, const char *sql)
{
    sqlite3 *db = NULL;

    CHECK_INT(sqlite3_open(path, &db), SQLITE_OK);
    CHECK_INT(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

TEST(databases_of_all_layouts_open_and_are_brought_forward)
{
    for (size_t i = 0; i < ARRAY_SIZE(made_by); i++) {
        struct error *err = NULL;
        CLEANUP(str) char *name = xasprintf("layout-%zu", i + 1);
        struct store_options options = things_options(name);
        struct store *store = NULL;
        struct line_list events = {0};

        make_database(options.path, made_by[i]);
        CHECK_OK(store_open(&options, &store, &err), err);
        struct store_table *table = store_table(store, "things", false);
        CHECK_U64(store_version(store), 40);
        CHECK_U64(store_count(table), 2);
        CLEANUP(object) struct object *a = store_get(table, "ns", "a");
        CHECK_U64(a->rv, 12);
        CHECK_STR(obj_map_str(a->labels, "app"), "a");
        CLEANUP(object) struct object *next = things_put(store, table, "a", a, "two");
        CHECK_U64(next->rv, 41);
        store_close(store);
        CHECK_INT(ask_number(options.path, "PRAGMA user_version"), LAYOUT_NOW);

        CHECK_OK(store_open(&options, &store, &err), err);
        table = store_table(store, "things", false);
        CHECK_FAILS(read_events(table, 39, &events, &err), err, ERROR_EXPIRED, "too old");
        CHECK_OK(read_events(table, 40, &events, &err), err);
        CHECK_U64(events.len, 1);
        free_lines(&events);
        store_close(store);
    }
}

TEST(a_newer_layout_is_left_alone)
{
    struct error *err = NULL;
    struct store_options options = things_options("newer");
    struct store *store = NULL;

    make_database(options.path, "CREATE TABLE future(x); PRAGMA user_version = 999;");
    CHECK_FAILS(store_open(&options, &store, &err), err, ERROR_UNSUPPORTED, "layout 999");
    CHECK_INT(ask_number(options.path, "SELECT count(*) FROM sqlite_master"), 1);
}
