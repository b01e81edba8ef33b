#include "apiserver/test_home.h"
#include "apiserver/user.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/test.h"
#include "base/text.h"
#include "base/time.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CM "/api/v1/namespaces/default/configmaps"
enum { WAIT_MS = 10 * 1000, LOOK_EVERY_MS = 5 };

static json_t *get(struct apiserver *server, const char *path)
{
    CLEANUP(answer) struct answer answer = home_ask(
        server, &(struct ask){.method = "GET", .path = path, .user = "root",
                              .groups = GROUP_MASTERS});

    return answer.status == 200 ? json_incref(answer.json) : NULL;
}

static bool exists(struct apiserver *server, const char *path)
{
    json_auto_t *found = get(server, path);

    return found != NULL;
}

/* Waits until PATH is there, or gone; the test fails after ten seconds. */
static void wait_for(struct apiserver *server, const char *path, bool there)
{
    struct deadline deadline = deadline_after(WAIT_MS);

    while (exists(server, path) != there) {
        if (deadline_is_over(deadline))
            test_fail(__FILE__, __LINE__, "%s is %s", path, there ? "not there" : "still there");
        poll(NULL, 0, LOOK_EVERY_MS);
    }
}

/* A config map, owned by the config map OWNER unless that is NULL.  FIELDS as in
 * ",\"blockOwnerDeletion\":true". */
static void make(struct apiserver *server, const char *name, const char *owner, const char *fields)
{
    CLEANUP(str) char *owner_path = xasprintf(CM "/%s", owner == NULL ? "" : owner);
    json_auto_t *owner_object = owner == NULL ? NULL : get(server, owner_path);
    CLEANUP(str) char *reference =
        owner == NULL
            ? xstrdup("")
            : xasprintf("{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"name\":\"%s\",\"uid\":"
                        "\"%s\"%s}",
                        owner, obj_str(owner_object, "metadata.uid", "no-such-uid"), fields);
    CLEANUP(str) char *body = xasprintf(
        "{\"metadata\":{\"name\":\"%s\",\"ownerReferences\":[%s]}}", name, reference);

    home_must(server, "POST", CM, body, 201);
}

TEST(dependents_go_with_their_last_owner)
{
    CLEANUP(apiserver) struct apiserver *server = home_start("background");

    make(server, "owner", NULL, "");
    make(server, "child", "owner", "");
    make(server, "grandchild", "child", "");
    make(server, "stranger", NULL, "");
    int64_t start_ms = time_mono_ms();
    home_must(server, "DELETE", CM "/owner", NULL, 200);
    wait_for(server, CM "/child", false);
    wait_for(server, CM "/grandchild", false);
    printf("# both went within %lld ms\n", (long long)(time_mono_ms() - start_ms));
    CHECK(exists(server, CM "/stranger"));
}

TEST(an_owner_of_the_same_name_with_another_uid_is_none)
{
    CLEANUP(apiserver) struct apiserver *server = home_start("uid");

    make(server, "child", "owner", ""); /* of an owner that never was */
    wait_for(server, CM "/child", false);
}

TEST(in_the_foreground_the_owner_waits_for_those_that_block_it)
{
    CLEANUP(apiserver) struct apiserver *server = home_start("foreground");

    make(server, "owner", NULL, "");
    make(server, "child", "owner", ",\"blockOwnerDeletion\":true");
    CLEANUP(answer) struct answer held = home_ask(
        server, &(struct ask){.method = "PATCH", .path = CM "/child",
                              .type = "application/merge-patch+json", .user = "root",
                              .groups = GROUP_MASTERS,
                              .body = "{\"metadata\":{\"finalizers\":[\"example.com/hold\"]}}"});
    CHECK_INT(held.status, 200);
    home_must(server, "DELETE", CM "/owner", "{\"propagationPolicy\":\"Foreground\"}", 200);

    struct deadline deadline = deadline_after(WAIT_MS);
    for (;;) { /* the child is asked to go, and held; its owner stays as long */
        json_auto_t *child = get(server, CM "/child");
        if (obj_at(child, "metadata.deletionTimestamp") != NULL)
            break;
        CHECK(child != NULL && !deadline_is_over(deadline));
        poll(NULL, 0, LOOK_EVERY_MS);
    }
    CHECK(exists(server, CM "/owner"));
    CLEANUP(answer) struct answer let_go = home_ask(
        server, &(struct ask){.method = "PATCH", .path = CM "/child",
                              .type = "application/merge-patch+json", .user = "root",
                              .groups = GROUP_MASTERS,
                              .body = "{\"metadata\":{\"finalizers\":null}}"});
    CHECK_INT(let_go.status, 200);
    wait_for(server, CM "/child", false);
    wait_for(server, CM "/owner", false);
}

TEST(orphans_stay_without_the_reference)
{
    CLEANUP(apiserver) struct apiserver *server = home_start("orphan");

    make(server, "owner", NULL, "");
    make(server, "child", "owner", "");
    home_must(server, "DELETE", CM "/owner", "{\"propagationPolicy\":\"Orphan\"}", 200);
    wait_for(server, CM "/owner", false);
    json_auto_t *child = get(server, CM "/child");
    CHECK(child != NULL);
    CHECK_U64(obj_count(child, "metadata.ownerReferences"), 0);
}

TEST(a_namespace_has_its_things_and_takes_all_with_it)
{
    CLEANUP(apiserver) struct apiserver *server = home_start("namespace");

    home_must(server, "POST", "/api/v1/namespaces", "{\"metadata\":{\"name\":\"n\"}}", 201);
    wait_for(server, "/api/v1/namespaces/n/serviceaccounts/default", true);
    wait_for(server, "/api/v1/namespaces/n/configmaps/kube-root-ca.crt", true);
    home_must(server, "POST", "/api/v1/namespaces/n/secrets", "{\"metadata\":{\"name\":\"s\"}}",
              201);
    home_must(server, "DELETE", "/api/v1/namespaces/n", NULL, 200);
    CHECK_INT(home_do(server, "POST", "/api/v1/namespaces/n/secrets",
                      "{\"metadata\":{\"name\":\"late\"}}") == 201, 0);
    wait_for(server, "/api/v1/namespaces/n", false);
    CHECK(!exists(server, "/api/v1/namespaces/n/secrets/s"));
    /* its name can be had again, and is empty */
    home_must(server, "POST", "/api/v1/namespaces", "{\"metadata\":{\"name\":\"n\"}}", 201);
    CHECK(!exists(server, "/api/v1/namespaces/n/secrets/s"));
}

TEST(a_definition_takes_its_objects_with_it)
{
    static const char crd[] =
        "{\"metadata\":{\"name\":\"things.example.com\"},\"spec\":{\"group\":\"example.com\","
        "\"scope\":\"Namespaced\",\"names\":{\"plural\":\"things\",\"kind\":\"Thing\"},\"versions\":"
        "[{\"name\":\"v1\",\"served\":true,\"storage\":true,\"schema\":{\"openAPIV3Schema\":{"
        "\"type\":\"object\",\"x-kubernetes-preserve-unknown-fields\":true}}}]}}";
    static const char crds[] = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    static const char things[] = "/apis/example.com/v1/namespaces/default/things";
    CLEANUP(apiserver) struct apiserver *server = home_start("definition");

    home_must(server, "POST", crds, crd, 201);
    home_must(server, "POST", things, "{\"metadata\":{\"name\":\"a\"}}", 201);
    CLEANUP(str) char *path = xasprintf("%s/things.example.com", crds);
    home_must(server, "DELETE", path, NULL, 200);
    wait_for(server, path, false);
    wait_for(server, things, false); /* no longer served, a moment later */
    home_must(server, "POST", crds, crd, 201);
    CLEANUP(str) char *thing = xasprintf("%s/a", things);
    CHECK(!exists(server, thing));
}

TEST(what_a_crash_left_undone_is_done_at_the_next_start)
{
    struct apiserver *server = home_start("crash");

    make(server, "owner", NULL, "");
    make(server, "held", NULL, "");
    home_must(server, "POST", "/api/v1/namespaces/default/events",
              "{\"metadata\":{\"name\":\"old\"},\"involvedObject\":{\"namespace\":\"default\"},"
              "\"lastTimestamp\":\"2020-01-01T00:00:00Z\"}",
              201);
    home_must(server, "POST", "/api/v1/namespaces/default/events",
              "{\"metadata\":{\"name\":\"new\"},\"involvedObject\":{\"namespace\":\"default\"}}",
              201);
    CHECK(exists(server, "/api/v1/namespaces/default/events/old"));
    apiserver_stop(server);

    server = home_start("crash");
    wait_for(server, "/api/v1/namespaces/default/events/old", false);
    CHECK(exists(server, "/api/v1/namespaces/default/events/new"));
    CHECK(exists(server, CM "/held"));
    apiserver_stop(server);
}
