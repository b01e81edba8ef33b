#include "kube/meta.h"

#include "base/mem.h"
#include "base/test.h"
#include "data/obj.h"
#include "kube/kinds.h"

TEST(reads_what_is_there_and_defaults_to_nothing)
{
    json_auto_t *o =
        obj_pack("{s:{s:s,s:s,s:s,s:i,s:s,s:{s:s}}}", "metadata", "name", "web", "namespace",
                 "prod", "uid", "u1", "generation", 3, "creationTimestamp", "2001-09-09T01:46:40Z",
                 "labels", "app.io/x", "y");

    CHECK_STR(meta_name(o), "web");
    CHECK_STR(meta_ns(o), "prod");
    CHECK_STR(meta_uid(o), "u1");
    CHECK_STR(meta_resource_version(o), "");
    CHECK_INT(meta_generation(o), 3);
    CHECK_INT(meta_created_ms(o), 1000000000000);
    CHECK_INT(meta_deleted_ms(o), 0);
    CHECK(!meta_is_deleting(o));
    CHECK_STR(meta_label(o, "app.io/x"), "y");
    CHECK(meta_annotation(o, "app.io/x") == NULL);
}

TEST(sets_and_removes_labels_and_annotations)
{
    json_auto_t *o = meta_new(&KIND_PLAN, "prod", "web");

    meta_set_label(o, "a.b/c", "d");
    meta_set_annotation(o, "x.y[0]", "z");
    CHECK_STR(meta_label(o, "a.b/c"), "d");
    CHECK_STR(meta_annotation(o, "x.y[0]"), "z");
    meta_set_label(o, "a.b/c", NULL);
    meta_set_label(o, "absent", NULL);
    CHECK(meta_label(o, "a.b/c") == NULL);
}

TEST(makes_bare_objects)
{
    json_auto_t *plan = meta_new(&KIND_PLAN, "prod", "web");
    json_auto_t *node = meta_new(&KIND_NODE, NULL, "n1");
    json_auto_t *pod = meta_new_generated(&KIND_POD, "prod", "web-");
    CLEANUP(str) char *plan_text = obj_format(plan);
    CLEANUP(str) char *node_text = obj_format(node);

    CHECK_STR(plan_text, "{\"apiVersion\":\"forklift.konveyor.io/v1beta1\",\"kind\":\"Plan\","
                         "\"metadata\":{\"name\":\"web\",\"namespace\":\"prod\"}}");
    CHECK_STR(node_text,
              "{\"apiVersion\":\"v1\",\"kind\":\"Node\",\"metadata\":{\"name\":\"n1\"}}");
    CHECK_STR(obj_str(pod, "metadata.generateName", NULL), "web-");
}

TEST(what_is_empty_goes)
{
    CLEANUP(error) struct error *err = NULL;
    static const char text[] = "{\"metadata\":{\"name\":\"web\",\"labels\":{},\"annotations\":{"
                               "\"a\":\"b\"},\"finalizers\":null,\"ownerReferences\":[]}}";
    json_auto_t *o = obj_parse(text, strlen(text), &err);

    meta_drop_empty(o);
    CLEANUP(str) char *left = obj_format(o);
    CHECK_STR(left, "{\"metadata\":{\"name\":\"web\",\"annotations\":{\"a\":\"b\"}}}");
}

TEST(finalizers_are_a_set)
{
    json_auto_t *o = meta_new(&KIND_PLAN, "prod", "web");

    CHECK(meta_add_finalizer(o, "a/b"));
    CHECK(!meta_add_finalizer(o, "a/b"));
    CHECK(meta_has_finalizer(o, "a/b"));
    CHECK(meta_remove_finalizer(o, "a/b"));
    CHECK(!meta_remove_finalizer(o, "a/b"));
    CHECK(!meta_has_finalizer(o, "a/b"));
}

TEST(an_owner_is_entered_once)
{
    json_auto_t *plan = meta_new(&KIND_PLAN, "prod", "web");
    json_auto_t *pod = meta_new(&KIND_POD, "prod", "p");

    obj_put_str(plan, "metadata.uid", "u1");
    meta_add_owner(pod, &KIND_PLAN, plan, true);
    meta_add_owner(pod, &KIND_PLAN, plan, true);
    CHECK_U64(obj_count(pod, "metadata.ownerReferences"), 1);
    CHECK(meta_is_owned_by(pod, "u1"));
    CHECK(!meta_is_owned_by(pod, "u2"));
    CHECK_STR(obj_str(meta_controller_of(pod), "name", NULL), "web");
    CHECK(meta_controller_of(plan) == NULL);
}

TEST(keys_go_both_ways)
{
    CLEANUP(str) char *key = meta_key("prod", "web");
    CLEANUP(str) char *bare = meta_key(NULL, "node");
    CLEANUP(str) char *ns = NULL;
    char *no_ns = NULL;

    CHECK_STR(key, "prod/web");
    CHECK_STR(meta_key_split(key, &ns), "web");
    CHECK_STR(ns, "prod");
    CHECK_STR(meta_key_split(bare, &no_ns), "node");
    CHECK(no_ns == NULL);
}
