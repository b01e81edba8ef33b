#include "inventory/model.h"

#include "base/mem.h"
#include "base/test.h"
#include "base/text.h"
#include "data/obj.h"
#include "inventory/routes.h"

#include <stdlib.h>

static struct model *new_model(void)
{
    return model_new("providers/ova/u", route_find_type("ova"));
}

static bool put(struct model *model, const char *id, const char *name, const char *path)
{
    json_auto_t *o = obj_pack("{s:s, s:s, s:s}", "id", id, "name", name, "path", path);

    return model_put(model, "VM", o);
}

/* The object with ID, else by NAME; owned by the caller. */
static json_t *find(struct model *model, const char *id, const char *name)
{
    CLEANUP(error) struct error *err = NULL;
    json_t *object = NULL;

    CHECK_OK(model_find(model, "VM", id, name, &object, &err), err);
    return object;
}

TEST(counts_the_changes_of_an_object)
{
    CLEANUP(model) struct model *model = new_model();

    CHECK(put(model, "1", "web", "a"));
    CHECK(!put(model, "1", "web", "a"));
    CHECK(put(model, "1", "web", "b"));
    json_auto_t *vm = find(model, "1", NULL);
    CHECK_INT(obj_int(vm, "revision", 0), 2);
    CHECK_STR(obj_str(vm, "selfLink", ""), "providers/ova/u/vms/1");
}

TEST(an_object_that_was_handed_out_stays_as_it_was)
{
    CLEANUP(model) struct model *model = new_model();

    put(model, "1", "web", "a");
    json_auto_t *before = find(model, "1", NULL);
    put(model, "1", "renamed", "a");
    CHECK(model_remove(model, "VM", "1"));
    CHECK_STR(obj_str(before, "name", ""), "web");
    CHECK(find(model, "1", NULL) == NULL);
}

TEST(a_round_removes_what_it_does_not_name)
{
    CLEANUP(model) struct model *model = new_model();

    model_begin(model);
    put(model, "1", "one", "");
    put(model, "2", "two", "");
    model_put_problem(model, "x.ova", "bad");
    CHECK(model_complete(model));

    model_begin(model);
    put(model, "2", "two", "");
    CHECK(model_complete(model));
    CHECK_U64(model_count(model, "VM"), 1);
    json_auto_t *problems = model_list_problems(model);
    CHECK_U64(json_array_size(problems), 0);

    model_begin(model);
    put(model, "2", "two", "");
    CHECK(!model_complete(model));
}

TEST(finds_by_name_and_by_the_end_of_a_path)
{
    CLEANUP(model) struct model *model = new_model();
    CLEANUP(error) struct error *err = NULL;
    json_t *none = NULL;

    put(model, "1", "web", "/dc1/vm/web");
    put(model, "2", "web", "/dc2/vm/web");
    put(model, "3", "db", "/dc1/vm/db");
    json_auto_t *db = find(model, NULL, "db");
    json_auto_t *web = find(model, NULL, "dc2/vm/web");
    CHECK_STR(obj_str(db, "id", ""), "3");
    CHECK_STR(obj_str(web, "id", ""), "2");
    CHECK(find(model, NULL, "nothing") == NULL);
    CHECK(find(model, NULL, "2/vm/web") == NULL);
    CHECK_FAILS(model_find(model, "VM", NULL, "web", &none, &err), err, ERROR_INVALID,
                "several objects of kind VM are called \"web\"");
}

TEST(validation_does_not_change_the_revision_and_survives_a_change)
{
    CLEANUP(model) struct model *model = new_model();
    json_auto_t *fields =
        obj_pack("{s:[{s:s}], s:i}", "concerns", "id", "ova.x", "revisionValidated", 1);

    put(model, "1", "web", "a");
    CHECK(!model_put_validation(model, "1", 7, fields));
    CHECK(model_put_validation(model, "1", 1, fields));
    CHECK(!model_put_validation(model, "9", 1, fields));
    put(model, "1", "web", "b");
    json_auto_t *vm = find(model, "1", NULL);
    CHECK_INT(obj_int(vm, "revision", 0), 2);
    CHECK_INT(obj_int(vm, "revisionValidated", 0), 1);
    CHECK_STR(obj_str(vm, "concerns[0].id", ""), "ova.x");
}

TEST(a_problem_is_news_only_when_its_words_change)
{
    CLEANUP(model) struct model *model = new_model();

    CHECK(model_put_problem(model, "a", "bad"));
    CHECK(!model_put_problem(model, "a", "bad"));
    CHECK(model_put_problem(model, "a", "worse"));
    CHECK(model_put_problem(model, "a", NULL));
    CHECK(!model_put_problem(model, "a", NULL));
}
