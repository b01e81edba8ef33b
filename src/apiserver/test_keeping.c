/* The store's backups, its restores, damage and layouts; and the requests for them. */
#include "apiserver/test_home.h"
#include "apiserver/user.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/test.h"
#include "base/text.h"

#include <fcntl.h>
#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CM "/api/v1/namespaces/default/configmaps"
#define SECRETS "/api/v1/namespaces/default/secrets"
#define NM "/apis/forklift.konveyor.io/v1beta1/namespaces/default/networkmaps"
#define CRDS "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
#define THING                                                                                      \
    "{\"metadata\":{\"name\":\"things.example.com\"},\"spec\":{\"group\":\"example.com\","         \
    "\"scope\":\"Namespaced\",\"names\":{\"plural\":\"things\",\"kind\":\"Thing\"},\"versions\":[{" \
    "\"name\":\"v1\",\"served\":true,\"storage\":true,\"schema\":{\"openAPIV3Schema\":{\"type\":"    \
    "\"object\",\"x-kubernetes-preserve-unknown-fields\":true}}}]}}"

static struct answer as_root(struct apiserver *server, const char *method, const char *path,
                             const char *body)
{
    return home_ask(server, &(struct ask){.method = method, .path = path, .body = body,
                                          .user = "root", .groups = GROUP_MASTERS});
}

static void put(struct apiserver *server, const char *method, const char *name, const char *value)
{
    CLEANUP(str) char *path = str_eq(method, "POST") ? xstrdup(CM) : xasprintf(CM "/%s", name);
    CLEANUP(str) char *body = xasprintf(
        "{\"metadata\":{\"name\":\"%s\"},\"data\":{\"v\":\"%s\"}}", name, value);

    home_must(server, method, path, body, str_eq(method, "POST") ? 201 : 200);
}

/* The value of a config map, owned by the caller; "" if it is not there. */
static char *value_of(struct apiserver *server, const char *name)
{
    CLEANUP(str) char *path = xasprintf(CM "/%s", name);
    CLEANUP(answer) struct answer answer = as_root(server, "GET", path, NULL);

    return xstrdup(obj_str(answer.json, "data.v", ""));
}

#define HAS(server, name, want)                                                                    \
    do {                                                                                           \
        CLEANUP(str) char *got = value_of(server, name);                                           \
        CHECK_STR(got, want);                                                                      \
    } while (0)

static uint64_t version_now(struct apiserver *server)
{
    return store_version(server->store);
}

/* What POST /gantry/backup wrote, moved to where a restore finds it. */
static void backup_to_restore(struct apiserver *server)
{
    CLEANUP(str) char *from = path_join(server->dir, "backup");
    CLEANUP(str) char *to = path_join(server->dir, "restore");

    home_must(server, "POST", "/gantry/backup", NULL, 200);
    CHECK_INT(rename(from, to), 0);
}

TEST(a_restore_puts_everything_back_while_the_server_runs)
{
    CLEANUP(apiserver) struct apiserver *server = home_start("restore");

    put(server, "POST", "same", "1");
    put(server, "POST", "changed", "1");
    put(server, "POST", "removed", "1");
    put(server, "POST", "again", "1");
    home_must(server, "POST", SECRETS, "{\"metadata\":{\"name\":\"s\"},\"stringData\":{\"a\":\"b\"}}",
              201);
    home_must(server, "POST", CRDS, THING, 201);
    home_must(server, "POST", "/apis/example.com/v1/namespaces/default/things",
              "{\"metadata\":{\"name\":\"t\"}}", 201);
    backup_to_restore(server);

    put(server, "PUT", "changed", "2");
    put(server, "POST", "new", "2");
    home_must(server, "DELETE", CM "/removed", NULL, 200);
    home_must(server, "DELETE", CM "/again", NULL, 200);
    put(server, "POST", "again", "2"); /* another object of that name */
    home_must(server, "DELETE", SECRETS "/s", NULL, 200);
    home_must(server, "DELETE", CRDS "/things.example.com", NULL, 200);
    uint64_t before = version_now(server);

    CLEANUP(answer) struct answer answer = as_root(server, "POST", "/gantry/restore", NULL);
    CHECK_INT(answer.status, 200);
    CHECK(version_now(server) > before); /* it never goes back */
    HAS(server, "same", "1");
    HAS(server, "changed", "1");
    HAS(server, "removed", "1");
    HAS(server, "again", "1");
    HAS(server, "new", "");
    CLEANUP(answer) struct answer secret = as_root(server, "GET", SECRETS "/s", NULL);
    CHECK_STR(obj_str(secret.json, "data.a", ""), "Yg==");
    home_must(server, "GET", "/apis/example.com/v1/namespaces/default/things/t", NULL, 200);

    /* whoever watched since before the restore sees each change */
    CLEANUP(str) char *path =
        xasprintf(CM "?watch=true&timeoutSeconds=1&resourceVersion=%" PRIu64, before);
    CLEANUP(answer) struct answer watched = as_root(server, "GET", path, NULL);
    CHECK(strstr(watched.text, "\"type\":\"MODIFIED\"") != NULL);
    CHECK(strstr(watched.text, "\"type\":\"DELETED\"") != NULL);
    CHECK(strstr(watched.text, "\"name\":\"same\"") == NULL);
}

TEST(nothing_to_restore_is_said)
{
    CLEANUP(apiserver) struct apiserver *server = home_start("nothing");

    home_must(server, "POST", "/gantry/restore", NULL, 404);
    home_must(server, "GET", "/gantry/backup", NULL, 404);
    CLEANUP(answer) struct answer other =
        home_ask(server, &(struct ask){.method = "POST", .path = "/gantry/backup", .user = "ann"});
    CHECK_INT(other.status, 403);
}

TEST(a_backup_that_waits_takes_its_place_at_the_start)
{
    struct apiserver *server = home_start("waits");
    CLEANUP(str) char *state = path_join(server->dir, "state.db");

    put(server, "POST", "a", "1");
    home_must(server, "POST", SECRETS, "{\"metadata\":{\"name\":\"s\"},\"stringData\":{\"a\":\"b\"}}",
              201);
    backup_to_restore(server);
    home_must(server, "POST", "/gantry/rotate-key", NULL, 200); /* the backup has the old key */
    put(server, "PUT", "a", "2");
    apiserver_stop(server);

    /* and the database is damaged, so that nothing else would start */
    int fd = open(state, O_WRONLY);
    char noise[20000];
    memset(noise, 0x5a, sizeof(noise));
    CHECK(fd >= 0 && pwrite(fd, noise, sizeof(noise), 4096) == sizeof(noise));
    close(fd);
    server = home_start("waits");
    HAS(server, "a", "1");
    CLEANUP(answer) struct answer secret = as_root(server, "GET", SECRETS "/s", NULL);
    CHECK_STR(obj_str(secret.json, "data.a", ""), "Yg==");
    apiserver_stop(server);
    server = home_start("waits"); /* once */
    HAS(server, "a", "1");
    apiserver_stop(server);
}

TEST(key_rotation_keeps_secrets_and_forgets_the_old_key)
{
    struct apiserver *server = home_start("rotate");
    CLEANUP(str) char *path = path_join(server->dir, "pki/store.key");
    CLEANUP(str) char *before = NULL;
    CLEANUP(str) char *after = NULL;
    struct error *err = NULL;

    home_must(server, "POST", SECRETS, "{\"metadata\":{\"name\":\"s\"},\"stringData\":{\"a\":\"b\"}}",
              201);
    CHECK_OK(file_read(path, 4096, &before, NULL, &err), err);
    home_must(server, "POST", "/gantry/rotate-key", NULL, 200);
    CHECK_OK(file_read(path, 4096, &after, NULL, &err), err);
    CHECK(!str_eq(before, after) && strchr(after, '\n') == after + strlen(after) - 1);
    apiserver_stop(server);
    server = home_start("rotate");
    CLEANUP(answer) struct answer secret = as_root(server, "GET", SECRETS "/s", NULL);
    CHECK_STR(obj_str(secret.json, "data.a", ""), "Yg==");
    apiserver_stop(server);
}

/* --- Files ------------------------------------------------------------------------------------------ */

static char *made_dir(const char *name)
{
    char *dir = path_join(test_dir(), name);
    struct error *err = NULL;

    CHECK_OK(dir_make(dir, 0700, &err), err);
    return dir;
}

/* Opens the store in DIR; NULL and the error in *ERR. */
static struct store *open_in(const char *dir, struct error **err)
{
    CLEANUP(str) char *path = path_join(dir, "state.db");
    CLEANUP(str) char *key = path_join(dir, "store.key");
    const struct store_options options = {.path = path, .key_path = key};
    struct store *store = NULL;

    return store_open(&options, &store, err) == 0 ? store : NULL;
}

static void run_sql(const char *dir, const char *sql)
{
    CLEANUP(str) char *path = path_join(dir, "state.db");
    sqlite3 *db = NULL;
    char *why = NULL;

    CHECK_INT(sqlite3_open(path, &db), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, &why) != SQLITE_OK)
        test_fail(__FILE__, __LINE__, "%s", why);
    sqlite3_close(db);
}

TEST(opens_a_database_of_layout_1_as_it_was_first_written)
{
    /* Frozen: what the first release wrote.  Later layouts must be able to start from it. */
    static const char first_release[] =
        "PRAGMA journal_mode = WAL;"
        "CREATE TABLE meta(key TEXT PRIMARY KEY, value) WITHOUT ROWID;"
        "CREATE TABLE objects(id INTEGER PRIMARY KEY, resource TEXT NOT NULL, ns TEXT NOT NULL,"
        " name TEXT NOT NULL, uid TEXT NOT NULL, rv INTEGER NOT NULL, labels TEXT,"
        " key INTEGER NOT NULL, data BLOB NOT NULL);"
        "CREATE UNIQUE INDEX objects_by_name ON objects(resource, ns, name);"
        "INSERT INTO meta VALUES('version', 77);"
        "INSERT INTO objects VALUES(1, 'configmaps', 'default', 'old', 'u-1', 76, '{\"a\":\"b\"}', 0,"
        " '{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"old\",\"namespace\":"
        "\"default\",\"uid\":\"u-1\",\"resourceVersion\":\"76\",\"labels\":{\"a\":\"b\"}}}');"
        "PRAGMA user_version = 1;";
    CLEANUP(str) char *dir = made_dir("layout-1");
    struct error *err = NULL;

    run_sql(dir, first_release);
    CLEANUP(store) struct store *store = open_in(dir, &err);
    CHECK_OK(store == NULL ? -1 : 0, err);
    CHECK_U64(store_version(store), 77);
    CLEANUP(object) struct object *object =
        store_get(store_table(store, "configmaps", false), "default", "old");
    CHECK(object != NULL && object->rv == 76);
}

TEST(refuses_a_newer_layout_and_leaves_it_alone)
{
    CLEANUP(str) char *dir = made_dir("newer");
    struct error *err = NULL;

    store_close(open_in(dir, &err));
    run_sql(dir, "PRAGMA user_version = 99;");
    CHECK_FAILS(open_in(dir, &err) == NULL ? -1 : 0, err, ERROR_UNSUPPORTED, "has layout 99");
}

TEST(a_damaged_database_is_found_at_the_start_and_says_what_to_do)
{
    static const struct {
        off_t at;
        const char *name;
    } damages[] = {{0, "head"}, {30, "counters"}, {4096, "tables"}, {20000, "rows"}};

    for (size_t i = 0; i < ARRAY_SIZE(damages); i++) {
        CLEANUP(str) char *dir = made_dir(damages[i].name);
        CLEANUP(str) char *path = path_join(dir, "state.db");
        struct error *err = NULL;
        struct store *store = open_in(dir, &err);
        for (int j = 0; j < 100; j++) {
            CLEANUP(str) char *name = xasprintf("o-%d", j);
            json_auto_t *value =
                obj_pack("{s:s, s:s, s:{s:s, s:s}, s:s}", "apiVersion", "v1", "kind", "Thing",
                         "metadata", "name", name, "uid", name, "data", "some text of some length");
            const struct store_change change = {
                .table = store_table(store, "things", false), .ns = "n", .name = name,
                .value = value};
            CHECK_OK(store_write(store, &change, NULL, &err), err);
        }
        store_close(store);
        int fd = open(path, O_WRONLY);
        char noise[3000];
        memset(noise, 0xa5, sizeof(noise));
        CHECK(fd >= 0 && pwrite(fd, noise, sizeof(noise), damages[i].at) == sizeof(noise));
        close(fd);
        store = open_in(dir, &err);
        CHECK(store == NULL && err != NULL);
        CLEANUP(str) char *text = error_format(err);
        if (err->code != ERROR_CORRUPT)
            test_fail(__FILE__, __LINE__, "damaged %s: %s", damages[i].name, text);
        CHECK(strstr(error_get_hint(err), "gantry restore") != NULL);
        error_free(err);
    }
}
