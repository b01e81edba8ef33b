#include "move/vm/plan_concern.h"

#include "base/mem.h"
#include "base/test.h"
#include "base/text.h"

#include <stdlib.h>

static json_t *plan(const char *name, const char *provider, int generation)
{
    return obj_pack("{s:{s:s, s:s, s:s, s:i}, s:{s:{s:{s:s, s:s}, s:{s:s, s:s}}, s:[{s:s}, {s:s}]}}",
                    "metadata", "namespace", "ns", "name", name, "uid", name, "generation",
                    generation, "spec", "provider", "source", "namespace", "ns", "name", provider,
                    "destination", "namespace", "ns", "name", "host", "vms", "id", "vm-7", "name",
                    "/dc/vm/web");
}

static void tell(void *arg, const char *key)
{
    struct buf *told = arg;

    buf_printf(told, "%s ", key);
}

static char *told_of(struct plan_concern *concern, const char *id, const char *name)
{
    struct buf told = BUF_INIT(1024);

    plan_concern_of_provider(concern, "ns/a", id, name, tell, &told);
    return told.len > 0 ? buf_take(&told) : xstrdup("");
}

static void check_told(struct plan_concern *concern, const char *id, const char *name,
                       const char *want)
{
    CLEANUP(str) char *told = told_of(concern, id, name);

    CHECK_STR(told, want);
}

TEST(tells_the_plans_that_name_a_machine_of_their_provider)
{
    CLEANUP(plan_concern) struct plan_concern *concern = plan_concern_new();
    json_auto_t *one = plan("one", "a", 1), *other = plan("other", "b", 1);

    plan_concern_put(concern, one);
    plan_concern_put(concern, other);
    check_told(concern, "vm-7", "db", "ns/one ");
    check_told(concern, "vm-8", "web", "ns/one "); /* by the last part of its path */
    check_told(concern, "vm-8", "db", "");
    check_told(concern, NULL, NULL, "ns/one ");
}

TEST(tells_the_plans_that_lead_to_a_provider)
{
    CLEANUP(plan_concern) struct plan_concern *concern = plan_concern_new();
    json_auto_t *one = plan("one", "a", 1);
    struct buf told = BUF_INIT(1024);

    plan_concern_put(concern, one);
    plan_concern_of_destination(concern, "ns/a", tell, &told);
    CHECK_INT(told.len, 0);
    plan_concern_of_destination(concern, "ns/host", tell, &told);
    CLEANUP(str) char *keys = buf_take(&told);
    CHECK_STR(keys, "ns/one ");
}

TEST(follows_plans_that_change_and_go)
{
    CLEANUP(plan_concern) struct plan_concern *concern = plan_concern_new();
    json_auto_t *before = plan("one", "b", 1), *after = plan("one", "a", 2);

    plan_concern_put(concern, before);
    plan_concern_put(concern, before);
    check_told(concern, "vm-7", "", "");
    plan_concern_put(concern, after);
    check_told(concern, "vm-7", "", "ns/one ");
    CLEANUP(str) char *key = plan_concern_find(concern, "one");
    CHECK_STR(key, "ns/one");
    plan_concern_remove(concern, after);
    check_told(concern, "vm-7", "", "");
    CHECK(plan_concern_find(concern, "one") == NULL);
}
