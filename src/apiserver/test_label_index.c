#include "apiserver/label_index.h"

#include "base/test.h"

static struct object *make(const char *ns, const char *name, const char *vm)
{
    json_t *labels = vm != NULL ? obj_pack("{s:s, s:s}", LABEL_INDEXED, vm, "plan", "p") : NULL;

    return object_new(ns, name, "uid", 1, "{\"apiVersion\":\"v1\"}", 19, labels);
}

TEST(finds_the_objects_of_a_machine_in_the_order_of_their_keys)
{
    struct label_index index = {0};
    CLEANUP(object) struct object *b = make("ns", "b", "7");
    CLEANUP(object) struct object *a = make("ns", "a", "7");
    CLEANUP(object) struct object *elsewhere = make("other", "a", "7");
    CLEANUP(object) struct object *another = make("ns", "c", "8");
    CLEANUP(object) struct object *without = make("ns", "d", NULL);
    struct object *const all[] = {b, a, elsewhere, another, without};
    CLEANUP(object_list) struct object_list found = {0}, everywhere = {0}, none = {0};

    for (size_t i = 0; i < ARRAY_SIZE(all); i++)
        label_index_add(&index, all[i]);
    label_index_collect(&index, "7", "ns/", &found);
    CHECK_U64(found.len, 2);
    CHECK(found.ptr[0] == a && found.ptr[1] == b);
    label_index_collect(&index, "7", "", &everywhere);
    CHECK_U64(everywhere.len, 3);
    label_index_collect(&index, "9", "", &none);
    CHECK_U64(none.len, 0);
    label_index_reset(&index);
}

TEST(forgets_what_was_removed_and_a_label_that_changed)
{
    struct label_index index = {0};
    CLEANUP(object) struct object *before = make("ns", "a", "7");
    CLEANUP(object) struct object *after = make("ns", "a", "8");
    CLEANUP(object_list) struct object_list old = {0}, now = {0};

    label_index_add(&index, before);
    label_index_remove(&index, before);
    label_index_add(&index, after);
    label_index_collect(&index, "7", "", &old);
    CHECK_U64(old.len, 0);
    label_index_collect(&index, "8", "", &now);
    CHECK_U64(now.len, 1);
    label_index_remove(&index, after);
    label_index_remove(&index, after); /* again is nothing */
    label_index_reset(&index);
}
