#include "move/vm/plan_session.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/test.h"
#include "base/text.h"
#include "base/time.h"
#include "kube/conditions.h"
#include "kube/controller.h"
#include "kube/kinds.h"
#include "kube/meta.h"
#include "move/vm/journal.h"
#include "move/vm/plan.h"
#include "move/vm/scene.h"
#include "move/vm/vm_status.h"

#include <string.h>

enum { FAST_MS = 10 /* a round; a status is written every 100 ms */ };

static bool plan_has(struct scene *scene, const char *type)
{
    return object_has_condition(scene_plan(scene), type);
}

static void open_scene(struct scene *scene, size_t vms)
{
    scene_init(scene, vms, 2, SCENE_HOOKS);
    scene->round_ms = FAST_MS;
    scene_keep_sessions(scene);
    scene_migrate(scene, "m");
}

static void check_moved(struct scene *scene, size_t vms)
{
    if (!plan_has(scene, "Succeeded")) {
        CLEANUP(str) char *status = obj_format_pretty(obj_at(scene_plan(scene), "status"));
        test_fail(__FILE__, __LINE__, "%s", status);
    }
    CHECK_U64(scene_count(scene, &KIND_VM), vms);
    CHECK_U64(scene_count(scene, &KIND_PVC), 2 * vms);
    CHECK_U64(scene_count(scene, &KIND_POD), vms + 2 * vms);  /* conversions and hooks */
    CHECK_U64(scene_count(scene, &KIND_CONFIG_MAP), 2 * vms); /* the hooks': no journal is left */
}

TEST(moves_machines_though_the_status_is_written_seldom)
{
    CLEANUP(scene) struct scene scene;
    int behind = 0;

    open_scene(&scene, 3);
    for (int i = 0; i < 100 && !plan_has(&scene, "Succeeded"); i++) {
        scene_step(&scene);
        CLEANUP(str) char *before = xstrdup(meta_resource_version(scene_plan(&scene)));
        scene_play(&scene);
        scene_step(&scene);
        behind += str_eq(before, meta_resource_version(scene_plan(&scene)));
    }
    check_moved(&scene, 3);
    CHECK(behind > 5);
}

/* The process is killed after each number of writes in turn, and another one goes on. */
static void break_at_each_write(enum fake_failure when)
{
    for (int at = 1; at < 200; at++) {
        CLEANUP(scene) struct scene scene;
        bool broken = false;

        open_scene(&scene, 1);
        fake_cluster_fail_write(scene.cluster, at, when);
        for (int i = 0; i < 200 && !plan_has(&scene, "Succeeded"); i++) {
            if (!scene_step(&scene) && !broken) {
                broken = true;
                scene_keep_sessions(&scene);
            }
            scene_play(&scene);
        }
        for (int i = 0; i < 3; i++)
            scene_step(&scene);
        check_moved(&scene, 1);
        if (fake_cluster_writes(scene.cluster) < at)
            return;
    }
    test_fail(__FILE__, __LINE__, "the migration has too many writes");
}

TEST(a_crash_before_each_write_is_survived)
{
    break_at_each_write(FAKE_FAIL_BEFORE);
}

TEST(a_crash_after_each_write_is_survived)
{
    break_at_each_write(FAKE_FAIL_AFTER);
}

TEST(a_crash_at_any_moment_is_survived)
{
    static const int lives[] = {1, 2, 3, 4, 5, 7, 11, 16, 25, 40}; /* of a process, in rounds */

    for (size_t k = 0; k < ARRAY_SIZE(lives); k++) {
        CLEANUP(scene) struct scene scene;

        open_scene(&scene, 2);
        for (int i = 1; i < 300 && !plan_has(&scene, "Succeeded"); i++) {
            if (i % lives[k] == 0)
                scene_keep_sessions(&scene);
            scene_step(&scene);
            scene_play(&scene);
            if (lives[k] < 5) /* else it never lives long enough to write */
                time_advance_fake(200);
        }
        scene_step(&scene);
        check_moved(&scene, 2);
    }
}

TEST(what_a_journal_says_is_newer_than_the_status)
{
    CLEANUP(scene) struct scene scene;
    CLEANUP(error) struct error *err = NULL;
    size_t found = 0;

    scene_init(&scene, 2, 1, SCENE_RAW);
    scene_migrate(&scene, "m");
    scene.stuck = true;
    for (int i = 0; i < 5; i++) {
        scene_step(&scene);
        scene_play(&scene);
    }
    json_auto_t *plan = obj_copy(scene_plan(&scene));
    json_auto_t *vm = obj_copy(scene_vm(&scene, "2"));
    CLEANUP(str) char *base = journal_marks(vm);
    obj_put_str(vm, "phase", "CreateVM");
    CHECK_OK(journal_write(&scene.room, plan, vm, base, false, &err), err);
    CHECK_OK(journal_apply(&scene.room, plan, &found, &err), err);
    CHECK_U64(found, 1);
    CHECK_STR(obj_str(plan, "status.migration.vms[1].phase", ""), "CreateVM");
    CHECK_U64(scene_count(&scene, &KIND_CONFIG_MAP), 1);

    /* The status has it now: the journal is old, and goes. */
    CHECK_OK(journal_apply(&scene.room, plan, &found, &err), err);
    CHECK_U64(found, 0);
    CHECK_U64(scene_count(&scene, &KIND_CONFIG_MAP), 0);
}

TEST(a_journal_of_another_migration_says_nothing)
{
    CLEANUP(scene) struct scene scene;
    CLEANUP(error) struct error *err = NULL;
    size_t found = 1;

    scene_init(&scene, 1, 1, SCENE_RAW);
    scene_migrate(&scene, "m");
    scene.stuck = true;
    for (int i = 0; i < 5; i++)
        scene_step(&scene);
    json_auto_t *plan = obj_copy(scene_plan(&scene));
    json_auto_t *vm = obj_copy(scene_vm(&scene, "1"));
    CLEANUP(str) char *base = journal_marks(vm);
    CHECK_OK(journal_write(&scene.room, plan, vm, base, false, &err), err);
    obj_put_str(plan, "status.migration.history[0].migration.uid", "another");
    CHECK_OK(journal_apply(&scene.room, plan, &found, &err), err);
    CHECK_U64(found, 0);
    CHECK_U64(scene_count(&scene, &KIND_CONFIG_MAP), 0);
}

TEST(a_change_of_the_plan_by_somebody_else_is_not_lost)
{
    CLEANUP(scene) struct scene scene;

    open_scene(&scene, 2);
    scene.stuck = true;
    for (int i = 0; i < 6; i++) {
        scene_step(&scene);
        scene_play(&scene);
    }
    json_t *changed = obj_copy(scene_plan(&scene));
    meta_set_annotation(changed, "example.org/owner", "somebody");
    fake_cluster_put(scene.cluster, &KIND_PLAN, changed);
    scene.stuck = false;
    for (int i = 0; i < 200 && !plan_has(&scene, "Succeeded"); i++) {
        scene_step(&scene);
        scene_play(&scene);
    }
    check_moved(&scene, 2);
    CHECK_STR(meta_annotation(scene_plan(&scene), "example.org/owner"), "somebody");
}

TEST(only_machines_that_something_happened_to_are_looked_at)
{
    CLEANUP(scene) struct scene scene;
    CLEANUP(error) struct error *err = NULL;
    struct reconcile_result result = {0};

    open_scene(&scene, 2);
    for (int i = 0; i < 30 && scene_count(&scene, &KIND_POD) < 4; i++) {
        scene_step(&scene);
        scene_play(&scene);
    }
    for (int i = 0; i < 3; i++) { /* to where both wait for their hooks' or importers' pods */
        scene_play(&scene);
        sessions_wake(scene.room.sessions, "ns/plan", "1");
        CHECK_OK(plan_reconcile(&scene.room, "ns", "plan", NULL, &result, &err), err);
    }
    time_advance_fake(200);
    CHECK_OK(plan_reconcile(&scene.room, "ns", "plan", NULL, &result, &err), err);
    scene_run(&scene);
    check_moved(&scene, 2);
}
