#include "apiserver/test_home.h"
#include "apiserver/user.h"
#include "base/mem.h"
#include "base/test.h"
#include "base/text.h"
#include "base/thread.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define CM "/api/v1/namespaces/default/configmaps"

/* The events of a watch's text as lines "TYPE name=VALUE", names of bookmarks empty.  Owned by the
 * caller. */
static char *events_of(const char *text)
{
    CLEANUP(buf) struct buf out = BUF_INIT(64 * 1024);
    struct span rest = span_of(text), line;

    while (span_split(&rest, '\n', &line)) {
        CLEANUP(error) struct error *err = NULL;
        if (line.len == 0)
            continue;
        json_auto_t *event = obj_parse(line.ptr, line.len, &err);
        CHECK(event != NULL);
        buf_printf(&out, "%s %s=%s\n", obj_str(event, "type", "-"),
                   obj_str(event, "object.metadata.name", ""), obj_str(event, "object.data.v", ""));
    }
    return buf_take(&out);
}

static struct answer watch(struct apiserver *server, const char *query, const char *accept)
{
    CLEANUP(str) char *path = xasprintf(CM "?watch=true&timeoutSeconds=1&%s", query);

    return home_ask(server, &(struct ask){.method = "GET", .path = path, .user = "root",
                                          .groups = GROUP_MASTERS,
                                          .headers = {{accept == NULL ? NULL : "Accept", accept}}});
}

static char *watched(struct apiserver *server, const char *query)
{
    CLEANUP(answer) struct answer answer = watch(server, query, NULL);

    CHECK_INT(answer.status, 200);
    return events_of(answer.text);
}

/* Writes a config map; its resourceVersion. */
static int64_t put(struct apiserver *server, const char *method, const char *name,
                   const char *labels, const char *value)
{
    CLEANUP(str) char *path = str_eq(method, "POST") ? xstrdup(CM) : xasprintf(CM "/%s", name);
    CLEANUP(str) char *body = xasprintf(
        "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"%s\",\"labels\":%s},"
        "\"data\":{\"v\":\"%s\"}}", name, labels, value);
    CLEANUP(answer) struct answer answer =
        home_ask(server, &(struct ask){.method = method, .path = path, .body = body,
                                       .user = "root", .groups = GROUP_MASTERS});

    CHECK(answer.status == 200 || answer.status == 201);
    return strtoll(obj_str(answer.json, "metadata.resourceVersion", "0"), NULL, 10);
}

TEST(a_watch_goes_on_after_a_version_in_order)
{
    CLEANUP(apiserver) struct apiserver *server = home_start("order");
    int64_t from = put(server, "POST", "a", "{}", "1");
    CLEANUP(str) char *query = xasprintf("resourceVersion=%" PRId64, from);

    put(server, "PUT", "a", "{}", "2");
    put(server, "POST", "b", "{}", "3");
    put(server, "PUT", "a", "{}", "2"); /* the same again is no event */
    home_must(server, "DELETE", CM "/a", NULL, 200);
    CLEANUP(str) char *events = watched(server, query);
    CHECK_STR(events, "MODIFIED a=2\nADDED b=3\nDELETED a=2\n");
}

TEST(a_selector_turns_changes_into_comings_and_goings)
{
    CLEANUP(apiserver) struct apiserver *server = home_start("selector");
    int64_t from = put(server, "POST", "a", "{\"x\":\"no\"}", "1");
    CLEANUP(str) char *query =
        xasprintf("labelSelector=x%%3Dyes&resourceVersion=%" PRId64, from);

    put(server, "PUT", "a", "{\"x\":\"no\"}", "2");
    put(server, "PUT", "a", "{\"x\":\"yes\"}", "3");
    put(server, "PUT", "a", "{\"x\":\"yes\"}", "4");
    put(server, "PUT", "a", "{\"x\":\"no\"}", "5");
    home_must(server, "DELETE", CM "/a", NULL, 200);
    CLEANUP(str) char *events = watched(server, query);
    /* what goes away is shown as it last matched */
    CHECK_STR(events, "ADDED a=3\nMODIFIED a=4\nDELETED a=4\n");
}

TEST(without_a_version_what_is_there_comes_first)
{
    CLEANUP(apiserver) struct apiserver *server = home_start("initial");

    put(server, "POST", "a", "{\"mine\":\"1\"}", "1");
    put(server, "POST", "b", "{\"mine\":\"1\"}", "2");
    CLEANUP(str) char *events = watched(server, "labelSelector=mine");
    CHECK_STR(events, "ADDED a=1\nADDED b=2\n");

    CLEANUP(answer) struct answer listed =
        watch(server, "labelSelector=mine&sendInitialEvents=true&resourceVersionMatch=NotOlderThan"
                      "&allowWatchBookmarks=true", NULL);
    CLEANUP(str) char *with_mark = events_of(listed.text);
    CHECK(str_starts_with(with_mark, "ADDED a=1\nADDED b=2\nBOOKMARK =\n"));
    CHECK(strstr(listed.text, "\"k8s.io/initial-events-end\":\"true\"") != NULL);
    CLEANUP(answer) struct answer refused = watch(server, "sendInitialEvents=true", NULL);
    CHECK_INT(refused.status, 422);
}

TEST(a_watch_of_a_table_names_its_columns_once)
{
    CLEANUP(apiserver) struct apiserver *server = home_start("table");

    put(server, "POST", "a", "{\"mine\":\"1\"}", "1");
    put(server, "POST", "b", "{\"mine\":\"1\"}", "2");
    CLEANUP(answer) struct answer answer =
        watch(server, "labelSelector=mine", "application/json;as=Table;v=v1;g=meta.k8s.io");
    char *second = strchr(answer.text, '\n');
    CHECK(second != NULL);
    *second++ = '\0';
    CHECK(strstr(answer.text, "\"columnDefinitions\":[{") != NULL);
    CHECK(strstr(second, "\"kind\":\"Table\"") != NULL);
    CHECK(strstr(second, "columnDefinitions\":[{") == NULL);
}

TEST(a_version_of_the_future_stays_silent_and_nonsense_is_refused)
{
    CLEANUP(apiserver) struct apiserver *server = home_start("future");
    CLEANUP(str) char *silent = watched(server, "resourceVersion=999999");
    CLEANUP(answer) struct answer refused = watch(server, "resourceVersion=abc", NULL);

    CHECK_STR(silent, "");
    CHECK_INT(refused.status, 400);
}

struct writer {
    struct apiserver *server;
    int count;
};

static void *write_many(void *arg)
{
    const struct writer *writer = arg;

    for (int i = 0; i < writer->count; i++) {
        CLEANUP(str) char *value = xasprintf("%d", i);
        put(writer->server, "PUT", "a", "{}", value);
    }
    return NULL;
}

TEST(a_watch_sees_every_change_that_is_made_meanwhile_once_and_in_order)
{
    enum { COUNT = 100 };
    CLEANUP(apiserver) struct apiserver *server = home_start("meanwhile");
    struct writer writer = {server, COUNT};
    struct error *err = NULL;
    struct thread thread;
    int64_t from = put(server, "POST", "a", "{}", "start");
    CLEANUP(str) char *query = xasprintf("resourceVersion=%" PRId64, from);

    CHECK_OK(thread_start(&thread, "writer", write_many, &writer, &err), err);
    CLEANUP(buf) struct buf seen = BUF_INIT(64 * 1024);
    /* one watch after the other, each from where the last one was: no gap, nothing twice */
    int64_t at = from;
    for (int tries = 0; tries < 20 && strstr(seen.len > 0 ? seen.ptr : "", "a=99\n") == NULL;
         tries++) {
        free(query);
        query = xasprintf("resourceVersion=%" PRId64, at);
        CLEANUP(answer) struct answer answer = watch(server, query, NULL);
        CLEANUP(str) char *events = events_of(answer.text);
        buf_add(&seen, events);
        struct span rest = span_of(answer.text), line;
        while (span_split(&rest, '\n', &line)) {
            CLEANUP(error) struct error *ignored = NULL;
            json_auto_t *event = line.len == 0 ? NULL : obj_parse(line.ptr, line.len, &ignored);
            if (event != NULL)
                at = strtoll(obj_str(event, "object.metadata.resourceVersion", "0"), NULL, 10);
        }
    }
    thread_join(&thread);
    CLEANUP(buf) struct buf wanted = BUF_INIT(64 * 1024);
    for (int i = 0; i < COUNT; i++)
        buf_printf(&wanted, "MODIFIED a=%d\n", i);
    CHECK_STR(seen.ptr, wanted.ptr);
}
