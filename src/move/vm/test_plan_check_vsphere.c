#include "move/vm/plan_check_vsphere.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/test.h"
#include "base/text.h"
#include "data/obj.h"
#include "kube/conditions.h"
#include "kube/kinds.h"
#include "move/vm/fake_source.h"
#include "move/vm/plan_check.h"
#include "move/vm/scene.h"

/* A machine without faults. */
static json_t *sound_vm(void)
{
    return obj_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:b, s:[{s:s, s:i, s:s}], s:[{s:s}],"
                    " s:[{s:s, s:s}]}",
                    "id", "vm-1", "name", "web", "powerState", "poweredOff", "connectionState",
                    "connected", "host", "host-1", "toolsRunningStatus", "guestToolsRunning",
                    "changeTrackingEnabled", 1, "disks", "file", "[ds] web/web.vmdk", "capacity",
                    1 << 20, "mode", "persistent", "nics", "mac", "00:50:56:00:00:01",
                    "guestNetworks", "mac", "00:50:56:00:00:01", "ip", "10.0.0.7");
}

/* What is staged about VM in a plan of TYPE; owned by the caller. */
static json_t *check_machine(const json_t *vm, const struct machine *machine, const char *type)
{
    CLEANUP(error) struct error *err = NULL;
    json_auto_t *plan =
        obj_pack("{s:{s:s, s:s}, s:{s:s, s:b, s:[{s:s}]}}", "metadata", "namespace", "ns", "name",
                 "plan", "spec", "type", type, "preserveStaticIPs", 1, "vms", "id", "vm-1");
    json_t *status = json_object();
    struct room room = {0};
    struct plan_view view = {.room = &room,
                             .plan = plan,
                             .status = status,
                             .provider_ns = "ns",
                             .provider_name = "vc",
                             .provider_type = "vsphere"};

    conditions_begin(status);
    CHECK_OK(plan_check_vsphere(&view, vm, machine, &err), err);
    conditions_end(status);
    return status;
}

static json_t *check(const json_t *vm, const char *type)
{
    CLEANUP(machine) struct machine *machine = machine_new();

    return check_machine(vm, machine, type);
}

TEST(a_disk_that_nothing_can_read_is_told)
{
    CLEANUP(machine) struct machine *machine = machine_new();
    json_auto_t *vm = sound_vm();

    fake_source_reset();
    machine_disk_list_push(&machine->disks,
                           (struct machine_disk){.id = xstrdup("2000"),
                                                 .name = xstrdup("[vsan] web/web.vmdk"),
                                                 .storage_id = xstrdup("datastore-1"),
                                                 .unreadable = xstrdup("it lies on vSAN")});
    json_auto_t *status = check_machine(vm, machine, "cold");
    const json_t *condition = conditions_find(status, "VDDKInitImageUnavailable");
    CHECK(condition != NULL);
    CHECK_STR(obj_str(condition, "items[0]", ""), "web: [vsan] web/web.vmdk: it lies on vSAN");
}

TEST(a_sound_machine_has_no_findings)
{
    json_auto_t *vm = sound_vm();
    json_auto_t *cold = check(vm, "cold"), *warm = check(vm, "warm");

    fake_source_reset();
    CHECK_U64(obj_count(cold, "conditions"), 0);
    CHECK_U64(obj_count(warm, "conditions"), 0);
}

/* One change of the sound machine, and what a plan says of it. */
static const struct fault {
    const char *plan, *path, *value; /* JSON */
    const char *type, *category, *reason;
} faults[] = {
    {"cold", "isTemplate", "true", "NotValid", "Critical", "Template"},
    {"cold", "connectionState", "\"disconnected\"", "NotValid", "Critical", "NotConnected"},
    {"warm", "changeTrackingEnabled", "false", "VMMissingChangedBlockTracking", "Critical",
     "MissingChangedBlockTracking"},
    {"warm", "snapshot", "{\"kind\":\"VirtualMachineSnapshot\",\"id\":\"snapshot-1\"}",
     "VMHasSnapshots", "Critical", "NotValid"},
    {"warm", "consolidationNeeded", "true", "VMConsolidationNeeded", "Warn", "ConsolidationNeeded"},
    {"cold", "disks[0].rdm", "true", "RDMDiskWarning", "Warn", "NotSupported"},
    {"cold", "disks[0].mode", "\"independent_persistent\"", "IndependentDiskWarning", "Warn",
     "NotSupported"},
    {"warm", "disks[0].shared", "true", "SharedDisks", "Critical", "NotValid"},
    {"cold", "guestNetworks", "[]", "VMMissingGuestIPs", "Warn", "MissingGuestInformation"},
    {"cold", "host", "\"host-2\"", "HostNotReady", "Warn", "InMaintenanceMode"},
};

TEST(each_fault_of_a_machine_has_its_condition)
{
    fake_source_reset();
    fake_source_put(
        "Host", obj_pack("{s:s, s:s, s:b}", "id", "host-2", "name", "esx2", "inMaintenance", 1));
    for (size_t i = 0; i < ARRAY_SIZE(faults); i++) {
        CLEANUP(error) struct error *err = NULL;
        json_auto_t *vm = sound_vm();

        obj_take(vm, faults[i].path, obj_parse(faults[i].value, strlen(faults[i].value), &err));
        json_auto_t *status = check(vm, faults[i].plan);
        const json_t *condition = conditions_find(status, faults[i].type);
        if (condition == NULL || obj_count(status, "conditions") != 1) {
            CLEANUP(str) char *text = obj_format(status);
            test_fail(__FILE__, __LINE__, "%s: %s", faults[i].path, text);
        }
        CHECK_STR(obj_str(condition, "category", ""), faults[i].category);
        CHECK_STR(obj_str(condition, "reason", ""), faults[i].reason);
        CHECK_U64(obj_count(condition, "items"), 1);
    }
}

TEST(a_guest_that_runs_must_have_its_tools)
{
    static const struct {
        const char *power, *running;
        bool bad;
    } cases[] = {
        {"poweredOn", "guestToolsRunning", false},
        {"poweredOn", "guestToolsNotRunning", true},
        {"poweredOff", "guestToolsNotRunning", false},
    };

    fake_source_reset();
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        json_auto_t *vm = sound_vm();
        obj_put_str(vm, "powerState", cases[i].power);
        obj_put_str(vm, "toolsRunningStatus", cases[i].running);
        json_auto_t *status = check(vm, "cold");
        CHECK((conditions_find(status, "GuestToolsIssue") != NULL) == cases[i].bad);
    }
}

TEST(who_shares_a_disk_must_be_off)
{
    static const struct {
        const char *power, *file, *type; /* of the other machine; the finding or NULL */
    } cases[] = {
        {"poweredOn", "[ds] web/web.vmdk", "SharedDisks"},
        {"poweredOff", "[ds] web/web.vmdk", NULL},
        {"poweredOn", "[ds] db/db.vmdk", NULL},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        json_auto_t *vm = sound_vm();
        fake_source_reset();
        fake_source_put("VM",
                        obj_pack("{s:s, s:s, s:s, s:[{s:s}]}", "id", "vm-2", "name", "db",
                                 "powerState", cases[i].power, "disks", "file", cases[i].file));
        obj_put_bool(vm, "disks[0].shared", true);
        json_auto_t *status = check(vm, "cold");
        CHECK((conditions_find(status, "SharedDisks") != NULL) == (cases[i].type != NULL));
    }
}

/* ---- the target -------------------------------------------------------------------------- */

static void step_with(struct scene *scene, const char *path, json_t *value)
{
    obj_take(scene_plan(scene), path, value);
    scene_step(scene);
}

static bool plan_says(struct scene *scene, const char *type, const char *reason)
{
    const json_t *list = obj_arr(scene_plan(scene), "status.conditions");

    for (size_t i = 0; i < json_array_size(list); i++)
        if (str_eq(obj_str(json_array_get(list, i), "type", ""), type) &&
            str_eq(obj_str(json_array_get(list, i), "reason", ""), reason))
            return true;
    return false;
}

TEST(temporary_storage_must_be_whole_and_there)
{
    CLEANUP(scene) struct scene scene;

    scene_init(&scene, 1, 1, 0);
    step_with(&scene, "spec.conversionTempStorageClass", json_string("fast"));
    CHECK(plan_says(&scene, "NotValid", "TempStorage"));
    step_with(&scene, "spec.conversionTempStorageSize", json_string("much"));
    CHECK(plan_says(&scene, "NotValid", "TempStorageSize"));
    CHECK(plan_says(&scene, "NotValid", "TempStorageClass"));
    fake_cluster_put(scene.cluster, &KIND_STORAGE_CLASS,
                     obj_pack("{s:{s:s}}", "metadata", "name", "fast"));
    step_with(&scene, "spec.conversionTempStorageSize", json_string("10Gi"));
    CHECK(!object_has_condition(scene_plan(&scene), "NotValid"));
    CHECK(object_is_ready(scene_plan(&scene)));
}

TEST(a_layer_3_network_of_the_target_is_refused)
{
    CLEANUP(scene) struct scene scene;

    scene_init(&scene, 1, 1, 0);
    fake_cluster_put(scene.cluster, &KIND_NETWORK_ATTACHMENT,
                     obj_pack("{s:{s:s, s:s, s:{s:s}}, s:{s:s}}", "metadata", "namespace", "target",
                              "name", "net", "labels", "k8s.ovn.org/user-defined-network", "",
                              "spec", "config", "{\"topology\":\"layer3\",\"role\":\"primary\"}"));
    scene_step(&scene);
    CHECK(plan_says(&scene, "UnsupportedUserDefinedNetwork", "NotSupported"));
}

/* A plan whose machines keep their addresses (10.1.2.3), onto a network with SUBNETS. */
static void plan_onto(struct scene *scene, const char *subnets)
{
    CLEANUP(str)
    char *config =
        xasprintf("{\"topology\":\"layer2\",\"role\":\"primary\",\"subnets\":\"%s\"}", subnets);

    scene_init(scene, 1, 1, 0);
    fake_cluster_put(scene->cluster, &KIND_NETWORK_ATTACHMENT,
                     obj_pack("{s:{s:s, s:s, s:{s:s}}, s:{s:s}}", "metadata", "namespace", "target",
                              "name", "net", "labels", "k8s.ovn.org/user-defined-network", "",
                              "spec", "config", config));
    step_with(scene, "spec.preserveStaticIPs", json_true());
}

TEST(an_address_outside_of_the_user_defined_network_is_told)
{
    CLEANUP(scene) struct scene outside, inside;

    plan_onto(&outside, "10.2.0.0/16");
    CHECK(plan_says(&outside, "VMIpNotMatchingUdnSubnet", "NotValid"));
    CHECK(object_is_ready(scene_plan(&outside)));
    scene_reset(&outside);
    plan_onto(&inside, "10.2.0.0/16,10.1.0.0/16");
    CHECK(!object_has_condition(scene_plan(&inside), "VMIpNotMatchingUdnSubnet"));
}

TEST(a_namespace_that_is_restricted_is_told)
{
    CLEANUP(scene) struct scene scene;

    scene_init(&scene, 1, 1, 0);
    fake_cluster_put(scene.cluster, &KIND_NAMESPACE,
                     obj_pack("{s:{s:s, s:{s:s}}}", "metadata", "name", "ns", "labels",
                              "pod-security.kubernetes.io/enforce", "restricted"));
    scene_step(&scene);
    CHECK(object_has_condition(scene_plan(&scene), "RestrictedPodSecurity"));
    CHECK(object_is_ready(scene_plan(&scene)));
}

TEST(a_lock_with_two_keys_is_told)
{
    CLEANUP(scene) struct scene scene;

    scene_init(&scene, 1, 1, SCENE_RAW);
    obj_take(scene_plan(&scene), "spec.vms[0].luks", obj_pack("{s:s}", "name", "keys"));
    step_with(&scene, "spec.vms[0].nbdeClevis", json_true());
    CHECK(object_has_condition(scene_plan(&scene), "LuksAndClevisIncompatibility"));
}
