#include "base/test.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/time.h"
#include "data/obj.h"
#include "kube/kinds.h"
#include "kube/meta.h"
#include "move/vm/fake_source.h"
#include "move/vm/plan.h"
#include "move/vm/scene.h"
#include "move/vm/vm_run.h"
#include "move/vm/vm_status.h"

static bool plan_has(struct scene *scene, const char *type)
{
    return object_has_condition(scene_plan(scene), type);
}

static void check_reason(const json_t *vm, const char *part)
{
    CLEANUP(str) char *text = obj_format(obj_at(vm, "error"));

    if (strstr(text, part) == NULL)
        test_fail(__FILE__, __LINE__, "\"%s\" is not in %s", part, text);
}

/* What its pipeline shows has PART in it. */
static void check_shown(const json_t *vm, const char *part)
{
    CLEANUP(str) char *text = obj_format(obj_arr(vm, "pipeline"));

    if (strstr(text, part) == NULL)
        test_fail(__FILE__, __LINE__, "\"%s\" is not in %s", part, text);
}

/* Nothing of the VM is on the target, and nothing that works for it runs. */
static void check_target_empty(struct scene *scene)
{
    CHECK_U64(scene_count(scene, &KIND_VM), 0);
    CHECK_U64(scene_count(scene, &KIND_PVC), 0);
    json_auto_t *pods = fake_cluster_list(scene->cluster, &KIND_POD);
    for (size_t i = 0; i < json_array_size(pods); i++)
        CHECK(meta_label(json_array_get(pods, i), "forklift.app") == NULL);
}

/* Steps and plays so often; each step must succeed. */
static void run_rounds(struct scene *scene, int rounds)
{
    for (int i = 0; i < rounds; i++) {
        CHECK(scene_step(scene));
        scene_play(scene);
    }
}

static void run_until(struct scene *scene, const char *phase)
{
    for (int i = 0; i < 200 && !str_eq(obj_str(scene_vm(scene, "1"), "phase", ""), phase); i++) {
        scene_step(scene);
        scene_play(scene);
    }
    CHECK_STR(obj_str(scene_vm(scene, "1"), "phase", ""), phase);
}

TEST(every_row_of_the_table_leads_to_the_end)
{
    for (int way = 0; way < ITINERARY_COUNT; way++)
        for (int start = 0; start < STEP_COUNT; start++) {
            enum step_id good = (enum step_id)start, bad = (enum step_id)start, found;
            CLEANUP(error) struct error *err = NULL;

            CHECK_OK(step_find(step_get((enum step_id)start)->name, &found, &err), err);
            CHECK_INT(found, start);
            if (!itinerary_get((enum itinerary)way, good)->is_used)
                continue;
            for (int i = 0; i < STEP_COUNT; i++) {
                const struct leg *leg = itinerary_get((enum itinerary)way, good);

                CHECK(leg->is_used);
                good = leg->forks ? leg->other : leg->next;
                bad = step_get(bad)->on_failure;
            }
            CHECK_INT(good, STEP_COMPLETED);
            CHECK_INT(bad, STEP_COMPLETED);
        }
}

TEST(an_unknown_phase_in_the_status_is_an_error)
{
    CLEANUP(error) struct error *err = NULL;
    enum step_id id;

    CHECK_FAILS(step_find("Teleport", &id, &err), err, ERROR_CORRUPT, "Teleport");
}

TEST(moves_a_machine_with_hooks_and_conversion)
{
    CLEANUP(scene) struct scene scene;

    scene_init(&scene, 1, 2, SCENE_HOOKS);
    scene_migrate(&scene, "m");
    scene_run(&scene);

    CHECK(plan_has(&scene, "Succeeded"));
    CHECK(plan_has(&scene, "Ready"));
    const json_t *vm = scene_vm(&scene, "1");
    CHECK(vm_status_is_succeeded(vm));
    CHECK_STR(obj_str(vm, "phase", ""), "Completed");
    static const char *const steps[] = {"Initialize", "PreHook", "DiskTransfer", "ImageConversion",
                                        "VirtualMachineCreation", "PostHook"};
    CHECK_U64(obj_count(vm, "pipeline"), ARRAY_SIZE(steps));
    for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
        const json_t *step = json_array_get(obj_arr(vm, "pipeline"), i);
        CHECK_STR(obj_str(step, "name", ""), steps[i]);
        CHECK_STR(obj_str(step, "phase", ""), "Completed");
        CHECK_INT(obj_int(step, "progress.completed", -1), obj_int(step, "progress.total", -2));
    }
    const json_t *transfer = vm_status_step(vm, "DiskTransfer");
    CHECK_INT(obj_int(transfer, "progress.total", 0), 8); /* two disks of 3 MiB and a bit */
    CHECK_STR(obj_str(transfer, "tasks[0].reason", ""), "Transfer completed.");
    CHECK_STR(step_annotation(json_array_get(obj_arr(transfer, "tasks"), 1), "sha256"), "12");

    const json_t *machine = fake_cluster_get(scene.cluster, &KIND_VM, "target", "vm-1");
    CHECK(machine != NULL);
    CHECK_STR(obj_str(machine, "spec.runStrategy", ""), "Always");
    CHECK_STR(meta_label(machine, "guestConverted"), "true");
    CHECK_STR(obj_str(machine, "spec.template.spec.domain.devices.disks[1].disk.bus", ""),
              "virtio");
    CHECK_STR(obj_str(machine, "spec.template.spec.domain.devices.interfaces[0].macAddress", ""),
              "52:54:00:00:00:31");
    CHECK_U64(scene_count(&scene, &KIND_PVC), 2);
    json_auto_t *claims = fake_cluster_list(scene.cluster, &KIND_PVC);
    CHECK(meta_is_owned_by(json_array_get(claims, 0), meta_uid(machine)));
    CHECK_STR(obj_str(json_array_get(claims, 0), "spec.resources.requests.storage", ""), "4Mi");
    CHECK(str_starts_with(meta_name(json_array_get(claims, 0)), "plan-vm-1-disk-0-"));
}

TEST(volumes_are_called_as_the_nearest_template_says)
{
    CLEANUP(scene) struct scene scene;

    scene_init(&scene, 2, 1, SCENE_RAW);
    obj_put_str(scene_plan(&scene), "spec.pvcNameTemplate",
                "{{.TargetVmName}}-{{if eq .DiskIndex 0}}root{{else}}data{{end}}");
    obj_put_bool(scene_plan(&scene), "spec.pvcNameTemplateUseGenerateName", false);
    obj_put_str(scene_plan(&scene), "spec.vms[1].pvcNameTemplate", " own-{{add .DiskIndex 7}}- ");
    scene_migrate(&scene, "m");
    scene_run(&scene);
    CHECK(plan_has(&scene, "Succeeded"));
    CHECK(fake_cluster_get(scene.cluster, &KIND_PVC, "target", "vm-1-root") != NULL);
    CHECK(fake_cluster_get(scene.cluster, &KIND_PVC, "target", "own-7") != NULL);
}

TEST(volumes_and_networks_of_the_machine_are_called_by_templates)
{
    CLEANUP(scene) struct scene scene;

    scene_init(&scene, 2, 2, SCENE_RAW);
    obj_put_bool(scene_plan(&scene), "spec.pvcNameTemplateUseGenerateName", false);
    obj_put_str(scene_plan(&scene), "spec.volumeNameTemplate",
                "{{trunc 6 .PVCName}}-v{{.VolumeIndex}}");
    obj_put_str(scene_plan(&scene), "spec.networkNameTemplate",
                "{{.TargetVmName}}-{{.NetworkType}}-{{.NetworkIndex}}");
    obj_put_str(scene_plan(&scene), "spec.vms[1].networkNameTemplate", "nic-{{.VmId}}");
    scene_migrate(&scene, "m");
    scene_run(&scene);
    CHECK(plan_has(&scene, "Succeeded"));
    const json_t *one = fake_cluster_get(scene.cluster, &KIND_VM, "target", "vm-1");
    const json_t *two = fake_cluster_get(scene.cluster, &KIND_VM, "target", "vm-2");
    CHECK_STR(obj_str(one, "spec.template.spec.volumes[1].name", ""), "plan-v-v1");
    CHECK_STR(obj_str(one, "spec.template.spec.domain.devices.disks[1].name", ""), "plan-v-v1");
    CHECK_STR(obj_str(one, "spec.template.spec.networks[0].name", ""), "vm-1-pod-0");
    CHECK_STR(obj_str(one, "spec.template.spec.domain.devices.interfaces[0].name", ""),
              "vm-1-pod-0");
    CHECK_STR(obj_str(two, "spec.template.spec.networks[0].name", ""), "nic-2");
}

TEST(keeps_what_a_hook_printed_and_how_it_ended)
{
    CLEANUP(scene) struct scene scene;

    scene_init(&scene, 1, 1, SCENE_HOOKS | SCENE_RAW);
    scene_migrate(&scene, "m");
    scene_run(&scene);

    const json_t *task =
        json_array_get(obj_arr(vm_status_step(scene_vm(&scene, "1"), "PreHook"), "tasks"), 0);
    CHECK_STR(obj_str(task, "name", ""), "ns/pre");
    CHECK_STR(step_annotation(task, "exitCode"), "0");
    CHECK_STR(step_annotation(task, "output"), "fine\n");
    CHECK(step_annotation(task, "job") != NULL);
    CHECK(obj_str(task, "started", NULL) != NULL);
    CHECK_STR(obj_str(task, "completed", ""), "2026-01-01T00:00:09Z");

    const json_t *job = fake_cluster_get(scene.cluster, &KIND_JOB, "ns",
                                         step_annotation(task, "job"));
    CHECK_STR(obj_str(job, "spec.template.spec.containers[0].image", ""),
              "quay.io/kubev2v/hook-runner");
    CHECK_STR(obj_str(job, "spec.template.spec.containers[0].command[5]", ""),
              "/tmp/hook/playbook.yml");
    CHECK_INT(obj_int(job, "spec.backoffLimit", -1), 1);
    json_auto_t *maps = fake_cluster_list(scene.cluster, &KIND_CONFIG_MAP);
    CHECK(meta_is_owned_by(json_array_get(maps, 0), meta_uid(job)));
    CHECK(str_starts_with(meta_name(job), "plan-1-prehook-"));
}

TEST(a_raw_copy_keeps_the_devices_the_guest_knows)
{
    CLEANUP(scene) struct scene scene;

    scene_init(&scene, 1, 1, SCENE_RAW);
    scene_migrate(&scene, "m");
    scene_run(&scene);

    const json_t *vm = fake_cluster_get(scene.cluster, &KIND_VM, "target", "vm-1");
    CHECK(vm_status_step(scene_vm(&scene, "1"), "ImageConversion") == NULL);
    CHECK_STR(meta_label(vm, "guestConverted"), "false");
    CHECK_STR(obj_str(vm, "spec.template.spec.domain.devices.disks[0].disk.bus", ""), "sata");
    CHECK_STR(obj_str(vm, "spec.template.spec.domain.devices.interfaces[0].model", ""), "e1000e");
}

TEST(a_failing_pre_hook_stops_the_vm_before_anything_is_touched)
{
    CLEANUP(scene) struct scene scene;

    scene_init(&scene, 1, 1, SCENE_HOOKS);
    scene.fail_hook = "PreHook";
    fake_source_set_power(true);
    scene_migrate(&scene, "m");
    scene_run(&scene);

    CHECK(plan_has(&scene, "Failed"));
    check_reason(scene_vm(&scene, "1"), "exit code 2: no such service");
    check_reason(scene_vm(&scene, "1"), "kubectl logs -n ns job/");
    check_target_empty(&scene);
    CHECK(fake_source_is_on());
}

TEST(a_failing_post_hook_keeps_the_machine_and_a_retry_runs_only_the_hook)
{
    CLEANUP(scene) struct scene scene;

    scene_init(&scene, 1, 1, SCENE_HOOKS | SCENE_RAW);
    scene.fail_hook = "PostHook";
    scene_migrate(&scene, "m");
    scene_run(&scene);

    CHECK(plan_has(&scene, "Failed"));
    const json_t *before = fake_cluster_get(scene.cluster, &KIND_VM, "target", "vm-1");
    CHECK(before != NULL);
    CLEANUP(str) char *uid = xstrdup(meta_uid(before));

    scene.fail_hook = NULL;
    scene_migrate(&scene, "again");
    scene_run(&scene);
    CHECK(plan_has(&scene, "Succeeded"));
    CHECK(!plan_has(&scene, "Failed"));
    CHECK_STR(meta_uid(fake_cluster_get(scene.cluster, &KIND_VM, "target", "vm-1")), uid);
    CHECK_U64(scene_count(&scene, &KIND_PVC), 1);
}

TEST(copies_again_when_an_importer_was_killed)
{
    CLEANUP(scene) struct scene scene;

    scene_init(&scene, 1, 1, SCENE_RAW);
    scene.kill_importers = 2;
    scene_migrate(&scene, "m");
    scene_run(&scene);

    CHECK(plan_has(&scene, "Succeeded"));
    const json_t *task =
        json_array_get(obj_arr(vm_status_step(scene_vm(&scene, "1"), "DiskTransfer"), "tasks"), 0);
    CHECK_STR(step_annotation(task, "restarts"), "2");
}

TEST(gives_up_when_importers_are_killed_again_and_again)
{
    CLEANUP(scene) struct scene scene;

    scene_init(&scene, 1, 1, SCENE_RAW);
    scene.kill_importers = 1000;
    scene_migrate(&scene, "m");
    scene_run(&scene);

    CHECK(plan_has(&scene, "Failed"));
    check_reason(scene_vm(&scene, "1"), "exit code 137");
    check_target_empty(&scene);
}

TEST(a_damaged_source_fails_at_once_and_leaves_nothing)
{
    CLEANUP(scene) struct scene scene;

    scene_init(&scene, 1, 2, SCENE_RAW);
    scene.fail_app = "importer";
    fake_source_set_power(true);
    scene_migrate(&scene, "m");
    scene_run(&scene);

    const json_t *vm = scene_vm(&scene, "1");
    CHECK(vm_status_is_failed(vm));
    CHECK_STR(obj_str(vm, "error.phase", ""), "CopyDisks");
    check_reason(vm, "disk \\\"/a.ova::disk-0\\\": bad grain (export it again)");
    check_target_empty(&scene);
    CHECK(fake_source_is_on()); /* it was switched off for the copy, and on again */
}

TEST(a_failing_conversion_leaves_nothing)
{
    CLEANUP(scene) struct scene scene;

    scene_init(&scene, 1, 1, 0);
    scene.fail_app = "virt-v2v";
    scene_migrate(&scene, "m");
    scene_run(&scene);

    check_reason(scene_vm(&scene, "1"), "guest conversion: bad grain");
    check_target_empty(&scene);
}

TEST(keeps_the_target_of_a_failure_when_asked_to)
{
    CLEANUP(scene) struct scene scene;

    scene_init(&scene, 1, 1, 0);
    obj_put_bool(scene_plan(&scene), "spec.deleteVmOnFailMigration", false);
    scene.fail_app = "virt-v2v";
    scene_migrate(&scene, "m");
    scene_run(&scene);

    CHECK(plan_has(&scene, "Failed"));
    CHECK_U64(scene_count(&scene, &KIND_PVC), 1);
}

TEST(a_machine_that_never_runs_fails_after_its_time)
{
    CLEANUP(scene) struct scene scene;

    scene_init(&scene, 1, 1, SCENE_RAW);
    scene.still = true;
    scene_migrate(&scene, "m");
    scene_run(&scene);

    check_reason(scene_vm(&scene, "1"), "does not run");
    check_target_empty(&scene);
}

TEST(one_failure_does_not_stop_the_others)
{
    CLEANUP(scene) struct scene scene;

    scene_init(&scene, 2, 1, SCENE_RAW);
    fake_source_add_vm("3", "broken", 1);
    obj_take(scene_plan(&scene), "spec.vms[]", obj_pack("{s:s}", "id", "3"));
    scene_migrate(&scene, "m");
    scene_step(&scene);
    CHECK(!plan_has(&scene, "Ready")); /* validation finds it first */
    json_array_remove(obj_arr(scene_plan(&scene), "spec.vms"), 2);
    scene_run(&scene);
    CHECK(plan_has(&scene, "Succeeded"));
}

TEST(cancels_a_vm_that_the_migration_names)
{
    CLEANUP(scene) struct scene scene;

    scene_init(&scene, 2, 1, SCENE_RAW);
    scene.stuck = true;
    fake_source_set_power(true);
    scene_migrate(&scene, "m");
    run_rounds(&scene, 5);
    CHECK_STR(obj_str(scene_vm(&scene, "1"), "phase", ""), "CopyDisks");
    CHECK(!fake_source_is_on());
    obj_take(fake_cluster_get(scene.cluster, &KIND_MIGRATION, "ns", "m"), "spec.cancel",
             obj_pack("[{s:s}]", "name", "vm-1"));
    scene_step(&scene);
    scene.stuck = false;
    scene_run(&scene);

    CHECK(vm_status_is_canceled(scene_vm(&scene, "1")));
    CHECK(vm_status_is_succeeded(scene_vm(&scene, "2")));
    CHECK(plan_has(&scene, "Succeeded"));
    CHECK(fake_source_is_on());
    CHECK_U64(scene_count(&scene, &KIND_VM), 1);
    CHECK_U64(scene_count(&scene, &KIND_PVC), 1);
}

TEST(deleting_the_migration_cancels_all_of_it)
{
    CLEANUP(scene) struct scene scene;

    scene_init(&scene, 2, 1, SCENE_HOOKS);
    scene.stuck = true;
    scene_migrate(&scene, "m");
    run_rounds(&scene, 5);
    fake_cluster_remove(scene.cluster, &KIND_MIGRATION, "ns", "m");
    scene_run(&scene);

    CHECK(plan_has(&scene, "Canceled"));
    CHECK(!plan_has(&scene, "Executing"));
    CHECK_STR(obj_str(scene_vm(&scene, "2"), "conditions[0].reason", ""), "Deleted");
    check_target_empty(&scene);
    CHECK_U64(scene_count(&scene, &KIND_JOB), 0);
}

TEST(a_second_migration_runs_only_what_failed)
{
    CLEANUP(scene) struct scene scene;

    scene_init(&scene, 2, 1, SCENE_RAW);
    scene.fail_app = "importer";
    scene.fail_vm = "1";
    scene_migrate(&scene, "m");
    scene_run(&scene);
    CHECK(plan_has(&scene, "Failed"));
    CHECK(vm_status_is_failed(scene_vm(&scene, "1")));
    CHECK(vm_status_is_succeeded(scene_vm(&scene, "2")));
    const json_t *good = fake_cluster_get(scene.cluster, &KIND_VM, "target", "vm-2");
    CLEANUP(str) char *uid = xstrdup(meta_uid(good));

    scene.fail_app = NULL;
    scene_migrate(&scene, "m2");
    scene_run(&scene);
    CHECK(plan_has(&scene, "Succeeded"));
    CHECK_STR(meta_uid(fake_cluster_get(scene.cluster, &KIND_VM, "target", "vm-2")), uid);
    CHECK_U64(scene_count(&scene, &KIND_VM), 2);
    CHECK_U64(scene_count(&scene, &KIND_PVC), 2);
    CHECK_U64(obj_count(scene_plan(&scene), "status.migration.history"), 2);
}

TEST(a_plan_that_succeeded_runs_what_was_added)
{
    CLEANUP(scene) struct scene scene;

    scene_init(&scene, 1, 1, SCENE_RAW);
    scene_migrate(&scene, "m");
    scene_run(&scene);
    CHECK(plan_has(&scene, "Succeeded"));

    scene_migrate(&scene, "nothing-to-do");
    scene_run(&scene);
    CHECK(plan_has(&scene, "Succeeded"));
    CHECK_U64(obj_count(scene_plan(&scene), "status.migration.history"), 2);

    fake_source_add_vm("2", "vm-2", 1);
    obj_take(scene_plan(&scene), "spec.vms[]", obj_pack("{s:s}", "id", "2"));
    scene_migrate(&scene, "more");
    scene_run(&scene);
    CHECK(plan_has(&scene, "Succeeded"));
    CHECK_U64(scene_count(&scene, &KIND_VM), 2);
}

TEST(runs_no_more_vms_at_once_than_the_setting_says)
{
    CLEANUP(scene) struct scene scene;

    scene_init(&scene, 5, 1, SCENE_RAW);
    fake_cluster_put(scene.cluster, &KIND_FORKLIFT_CONTROLLER,
                     obj_pack("{s:{s:s, s:s}, s:{s:s}}", "metadata", "namespace", "ns", "name",
                              "forklift-controller", "spec", "controller_max_vm_inflight", "2"));
    scene.stuck = true;
    scene_migrate(&scene, "m");
    run_rounds(&scene, 5);
    CHECK_U64(scene_count(&scene, &KIND_POD), 2);
    CHECK(conditions_is_true(scene_vm(&scene, "3"), "Pending"));
    scene.stuck = false;
    scene_run(&scene);
    CHECK(plan_has(&scene, "Succeeded"));
    CHECK_U64(scene_count(&scene, &KIND_VM), 5);
    CHECK(!conditions_is_true(scene_vm(&scene, "3"), "Pending"));
}

TEST(a_vm_that_the_source_lost_is_canceled)
{
    CLEANUP(scene) struct scene scene;

    scene_init(&scene, 1, 1, SCENE_RAW);
    scene.stuck = true;
    scene_migrate(&scene, "m");
    run_rounds(&scene, 5);
    fake_source_remove_vm("1");
    scene_run(&scene);
    CHECK(vm_status_is_canceled(scene_vm(&scene, "1")));
    CHECK_STR(obj_str(scene_vm(&scene, "1"), "conditions[0].reason", ""), "NotFound");
    check_target_empty(&scene);
}

TEST(a_machine_that_is_done_stays_when_the_source_loses_its_vm)
{
    CLEANUP(scene) struct scene scene;

    scene_init(&scene, 1, 1, SCENE_HOOKS);
    scene_migrate(&scene, "m");
    run_until(&scene, "PostHook");
    fake_source_remove_vm("1");
    scene_run(&scene);
    CHECK(vm_status_is_canceled(scene_vm(&scene, "1")));
    CHECK_U64(scene_count(&scene, &KIND_VM), 1);
    CHECK_U64(scene_count(&scene, &KIND_PVC), 1);
}

TEST(a_cancel_during_the_post_hook_keeps_the_machine_and_the_next_migration_runs_the_hook)
{
    CLEANUP(scene) struct scene scene;

    scene_init(&scene, 1, 1, SCENE_HOOKS);
    fake_source_set_power(true);
    scene_migrate(&scene, "m");
    run_until(&scene, "PostHook");
    obj_take(fake_cluster_get(scene.cluster, &KIND_MIGRATION, "ns", "m"), "spec.cancel",
             obj_pack("[{s:s}]", "id", "1"));
    scene_run(&scene);
    CHECK(vm_status_is_canceled(scene_vm(&scene, "1")));
    CLEANUP(str)
    char *said = obj_format(obj_arr(scene_vm(&scene, "1"), "conditions"));
    CHECK(strstr(said, "Its machine is done and stays") != NULL);
    CHECK(!fake_source_is_on()); /* two of the same machine would run */
    CHECK_U64(scene_count(&scene, &KIND_JOB), 0);
    CLEANUP(str) char *uid =
        xstrdup(meta_uid(fake_cluster_get(scene.cluster, &KIND_VM, "target", "vm-1")));
    CHECK_U64(scene_count(&scene, &KIND_PVC), 1);

    scene_migrate(&scene, "again");
    scene_run(&scene);
    CHECK(plan_has(&scene, "Succeeded"));
    CHECK_STR(meta_uid(fake_cluster_get(scene.cluster, &KIND_VM, "target", "vm-1")), uid);
}

TEST(archiving_or_deleting_a_plan_during_the_post_hook_keeps_the_machine)
{
    for (int deleting = 0; deleting < 2; deleting++) {
        CLEANUP(scene) struct scene scene;

        scene_init(&scene, 1, 1, SCENE_HOOKS);
        scene_migrate(&scene, "m");
        run_until(&scene, "PostHook");
        if (deleting)
            fake_cluster_remove(scene.cluster, &KIND_PLAN, "ns", "plan");
        else
            obj_put_bool(scene_plan(&scene), "spec.archived", true);
        for (int i = 0; i < 10 && scene_plan(&scene) != NULL && !plan_has(&scene, "Archived"); i++)
            scene_step(&scene);
        CHECK(deleting ? scene_plan(&scene) == NULL : plan_has(&scene, "Archived"));
        CHECK_U64(scene_count(&scene, &KIND_VM), 1);
        CHECK_U64(scene_count(&scene, &KIND_PVC), 1);
        CHECK_U64(scene_count(&scene, &KIND_JOB), 0);
    }
}

/* The mark was written, and then the controller died before it could say so in the status. */
TEST(a_machine_that_is_marked_as_done_stays_though_the_status_does_not_say_so)
{
    CLEANUP(scene) struct scene scene;

    scene_init(&scene, 1, 1, SCENE_RAW);
    fake_source_set_power(true);
    scene_migrate(&scene, "m");
    run_until(&scene, "CreateVM");
    json_t *machine = fake_cluster_get(scene.cluster, &KIND_VM, "target", "vm-1");
    meta_set_annotation(machine, "gantry.io/migration-done", "2026-01-01T00:00:00Z");
    fake_cluster_remove(scene.cluster, &KIND_MIGRATION, "ns", "m");
    scene_run(&scene);
    CHECK(vm_status_is_canceled(scene_vm(&scene, "1")));
    CHECK_U64(scene_count(&scene, &KIND_VM), 1);
    CHECK_U64(scene_count(&scene, &KIND_PVC), 1);
    CHECK(!fake_source_is_on());
}

TEST(a_lost_status_does_not_take_the_machine_of_an_earlier_migration)
{
    CLEANUP(scene) struct scene scene;

    scene_init(&scene, 1, 2, SCENE_RAW);
    scene_migrate(&scene, "m");
    scene_run(&scene);
    CHECK(plan_has(&scene, "Succeeded"));
    json_t *machine = fake_cluster_get(scene.cluster, &KIND_VM, "target", "vm-1");
    CHECK(meta_annotation(machine, "gantry.io/migration-done") != NULL);
    CLEANUP(str) char *uid = xstrdup(meta_uid(machine));

    fake_cluster_remove(scene.cluster, &KIND_MIGRATION, "ns", "m");
    obj_del(scene_plan(&scene), "status");
    scene_migrate(&scene, "again");
    scene_run(&scene);
    CHECK(plan_has(&scene, "Failed"));
    check_reason(scene_vm(&scene, "1"), "target/vm-1");
    check_reason(scene_vm(&scene, "1"), "is done, and is not removed");
    CHECK_STR(meta_uid(fake_cluster_get(scene.cluster, &KIND_VM, "target", "vm-1")), uid);
    CHECK_U64(scene_count(&scene, &KIND_PVC), 2);
}

TEST(a_machine_that_runs_stays_though_no_mark_says_that_it_is_done)
{
    CLEANUP(scene) struct scene scene;

    scene_init(&scene, 1, 1, SCENE_RAW);
    scene_migrate(&scene, "m");
    scene_run(&scene);
    meta_set_annotation(fake_cluster_get(scene.cluster, &KIND_VM, "target", "vm-1"),
                        "gantry.io/migration-done", NULL);
    obj_del(scene_plan(&scene), "status");
    fake_cluster_remove(scene.cluster, &KIND_MIGRATION, "ns", "m");
    scene_migrate(&scene, "again");
    scene_run(&scene);
    check_reason(scene_vm(&scene, "1"), "runs, and is not removed");
    CHECK_U64(scene_count(&scene, &KIND_VM), 1);
    CHECK_U64(scene_count(&scene, &KIND_PVC), 1);
}

TEST(a_source_that_is_gone_is_not_waited_for_to_be_switched_on)
{
    CLEANUP(scene) struct scene scene;

    scene_init(&scene, 1, 1, SCENE_RAW);
    scene.stuck = true;
    fake_source_set_power(true);
    scene_migrate(&scene, "m");
    run_until(&scene, "CopyDisks");
    int64_t before_ms = time_now_ms();
    fake_source_remove_vm("1");
    scene_run(&scene);
    CHECK(vm_status_is_canceled(scene_vm(&scene, "1")));
    CHECK(conditions_is_true(scene_vm(&scene, "1"), "SourceNotRestored"));
    CHECK(time_now_ms() - before_ms < 60 * 1000);
    check_target_empty(&scene);
}

TEST(a_blocker_that_lasts_fails_what_is_on_its_way)
{
    CLEANUP(scene) struct scene scene;

    scene_init(&scene, 1, 1, SCENE_RAW);
    scene.stuck = true;
    scene_migrate(&scene, "m");
    run_rounds(&scene, 5);
    fake_cluster_remove(scene.cluster, &KIND_STORAGE_MAP, "ns", "sto");
    CHECK(scene_step(&scene));
    CHECK(plan_has(&scene, "Executing"));
    CHECK(plan_has(&scene, "StorageRefNotValid"));
    check_shown(scene_vm(&scene, "1"), "there is no storage map");
    time_advance_fake(6 * 60 * 1000);
    scene_run(&scene);
    CHECK(plan_has(&scene, "Failed"));
    check_reason(scene_vm(&scene, "1"), "there is no storage map");
    check_target_empty(&scene);
}

/* The source's provider is not ready any more; its conditions from before are the caller's. */
static json_t *spoil_provider(struct scene *scene)
{
    json_t *provider = fake_cluster_get(scene->cluster, &KIND_PROVIDER, "ns", "src");
    json_t *good = obj_copy(obj_arr(provider, "status.conditions"));

    obj_take(provider, "status.conditions",
             obj_pack("[{s:s, s:s, s:s, s:s}]", "type", "ConnectionAuthFailed", "status", "True",
                      "category", "Critical", "message", "the password is wrong"));
    return good;
}

static void mend_provider(struct scene *scene, json_t *good)
{
    obj_take(fake_cluster_get(scene->cluster, &KIND_PROVIDER, "ns", "src"), "status.conditions",
             json_incref(good));
}

TEST(a_source_that_refuses_the_password_is_cleaned_up_once_it_takes_it)
{
    CLEANUP(scene) struct scene scene;

    scene_init(&scene, 1, 1, SCENE_RAW);
    scene.stuck = true;
    fake_source_set_power(true);
    scene_migrate(&scene, "m");
    run_until(&scene, "CopyDisks");
    CHECK(!fake_source_is_on());
    fake_source_lock(true);
    json_auto_t *good = spoil_provider(&scene);
    run_rounds(&scene, 2);
    for (int minutes = 0; minutes < 30; minutes += 6) {
        time_advance_fake(6 * 60 * 1000);
        run_rounds(&scene, 2);
    }
    check_reason(scene_vm(&scene, "1"), "the password is wrong");
    CHECK(!vm_status_is_completed(scene_vm(&scene, "1")));
    CHECK(!fake_source_is_on());
    fake_source_lock(false);
    mend_provider(&scene, good);
    scene_run(&scene);
    CHECK(plan_has(&scene, "Failed"));
    CHECK(fake_source_is_on());
    CHECK(!conditions_is_true(scene_vm(&scene, "1"), "CleanUpFailed"));
    check_target_empty(&scene);
}

TEST(what_a_provider_suffers_from_is_shown_at_the_vm_until_it_is_over)
{
    CLEANUP(scene) struct scene scene;

    scene_init(&scene, 1, 1, SCENE_RAW);
    scene.stuck = true;
    scene_migrate(&scene, "m");
    run_rounds(&scene, 5);
    json_auto_t *good = spoil_provider(&scene);
    run_rounds(&scene, 2);
    check_shown(scene_vm(&scene, "1"), "the password is wrong");
    mend_provider(&scene, good);
    run_rounds(&scene, 2);
    CLEANUP(str) char *pipeline = obj_format(obj_arr(scene_vm(&scene, "1"), "pipeline"));
    CHECK(strstr(pipeline, "password") == NULL);
    scene.stuck = false;
    scene_run(&scene);
    CHECK(plan_has(&scene, "Succeeded"));
}

TEST(a_replaced_map_cancels_the_migration)
{
    CLEANUP(scene) struct scene scene;

    scene_init(&scene, 1, 1, SCENE_RAW);
    scene.stuck = true;
    scene_migrate(&scene, "m");
    run_rounds(&scene, 5);
    obj_put_str(fake_cluster_get(scene.cluster, &KIND_NETWORK_MAP, "ns", "net"), "metadata.uid",
                "another");
    scene_run(&scene);
    CHECK(plan_has(&scene, "Canceled"));
    check_target_empty(&scene);
}

TEST(archiving_removes_what_is_left_and_ends_the_plan)
{
    CLEANUP(scene) struct scene scene;

    scene_init(&scene, 1, 1, SCENE_HOOKS);
    scene_migrate(&scene, "m");
    scene_run(&scene);
    obj_put_bool(scene_plan(&scene), "spec.archived", true);
    CHECK(scene_step(&scene));
    CHECK(scene_step(&scene));

    CHECK(plan_has(&scene, "Archived"));
    CHECK(!plan_has(&scene, "Ready"));
    CHECK_U64(scene_count(&scene, &KIND_JOB), 0);
    CHECK_U64(scene_count(&scene, &KIND_CONFIG_MAP), 0);
    CHECK_U64(scene_count(&scene, &KIND_VM), 1);
    CHECK_U64(scene_count(&scene, &KIND_PVC), 1);
}

TEST(deleting_a_running_plan_removes_all_it_made)
{
    CLEANUP(scene) struct scene scene;

    scene_init(&scene, 1, 2, SCENE_HOOKS);
    scene.stuck = true;
    scene_migrate(&scene, "m");
    run_rounds(&scene, 5);
    fake_cluster_remove(scene.cluster, &KIND_PLAN, "ns", "plan");
    CHECK(scene_plan(&scene) != NULL); /* its finalizer keeps it */
    for (int i = 0; i < 10 && scene_plan(&scene) != NULL; i++)
        scene_step(&scene);
    CHECK(scene_plan(&scene) == NULL);
    check_target_empty(&scene);
    CHECK_U64(scene_count(&scene, &KIND_JOB), 0);
}

/* The same migration, broken at each of its writes in turn: what was begun is found again, nothing
 * is made twice. */
static void break_at_each_write(enum fake_failure when)
{
    for (int at = 1; at < 200; at++) {
        CLEANUP(scene) struct scene scene;

        scene_init(&scene, 1, 2, SCENE_HOOKS);
        scene_migrate(&scene, "m");
        fake_cluster_fail_write(scene.cluster, at, when);
        scene_run(&scene);
        if (!plan_has(&scene, "Succeeded")) {
            CLEANUP(str) char *status = obj_format_pretty(obj_at(scene_plan(&scene), "status"));
            test_fail(__FILE__, __LINE__, "write %d: %s", at, status);
        }
        CHECK_U64(scene_count(&scene, &KIND_VM), 1);
        CHECK_U64(scene_count(&scene, &KIND_PVC), 2);
        CHECK_U64(scene_count(&scene, &KIND_JOB), 2);
        CHECK_U64(scene_count(&scene, &KIND_CONFIG_MAP), 2);
        if (fake_cluster_writes(scene.cluster) < at)
            return;
    }
    test_fail(__FILE__, __LINE__, "the migration has too many writes");
}

TEST(survives_a_failure_before_each_write)
{
    break_at_each_write(FAKE_FAIL_BEFORE);
}

TEST(survives_a_failure_after_each_write)
{
    break_at_each_write(FAKE_FAIL_AFTER);
}
