#include "move/vm/builder.h"

#include "base/mem.h"
#include "base/test.h"
#include "base/text.h"
#include "data/obj.h"

/* The rows of the mapping from vSphere, one by one: what differs in the source machine or the plan,
 * and what the target gets. */

#define DOMAIN "spec.template.spec.domain"

struct case_ {
    json_t *plan, *status, *claims, *vm;
    struct plan_view view;
    struct vm_run run;
    struct source_ops ops;
};

static struct machine *new_machine(void)
{
    struct machine *machine = machine_new();

    machine->id = xstrdup("vm-7");
    machine->name = xstrdup("web");
    machine->uuid = xstrdup("422C5A7E-9F01-A2B3-39C4-D5E6F7081929");
    machine->sockets = 2;
    machine->cores = 4;
    machine->threads = 1;
    machine->memory_bytes = 3ULL << 30;
    machine->knows_tpm = true;
    for (int i = 0; i < 2; i++)
        machine_disk_list_push(&machine->disks,
                               (struct machine_disk){.id = xasprintf("%d", 2000 + i),
                                                     .name = xasprintf("[ds] web/%d.vmdk", i),
                                                     .storage_id = xstrdup("ds-1"),
                                                     .capacity_bytes = 1 << 20,
                                                     .serial = xasprintf("serial-%d", i)});
    machine_nic_list_push(&machine->nics, (struct machine_nic){.name = xstrdup("nic0"),
                                                               .mac = xstrdup("00:50:56:00:00:01"),
                                                               .network_id = xstrdup("net-1")});
    return machine;
}

static void open_case(struct case_ *c)
{
    *c = (struct case_){
        .plan = obj_pack("{s:{s:s, s:s, s:s}, s:{s:s}}", "metadata", "namespace", "ns", "name",
                         "plan", "uid", "u", "spec", "targetNamespace", "target"),
        .status =
            obj_pack("{s:s, s:s, s:s}", "id", "vm-7", "name", "web", "restorePowerState", "On"),
        .claims = obj_pack("[{s:{s:s}}, {s:{s:s}}]", "metadata", "name", "claim-0", "metadata",
                           "name", "claim-1"),
        .ops = {.type = "vsphere", .needs_conversion = true},
    };
    c->view = (struct plan_view){.plan = c->plan, .provider_type = "vsphere", .ops = &c->ops};
    c->view.settings.vmware_serial = true;
    c->run = (struct vm_run){.view = &c->view, .status = c->status, .machine = new_machine()};
}

static void build(struct case_ *c)
{
    CLEANUP(error) struct error *err = NULL;

    CHECK_OK(builder_make(&c->run, c->claims, &c->vm, &err), err);
}

static void close_case(struct case_ *c)
{
    json_decref(c->plan);
    json_decref(c->status);
    json_decref(c->claims);
    json_decref(c->vm);
    machine_free(c->run.machine);
    mapping_reset(&c->view.networks);
}
DEFINE_CLEANUP_IN_PLACE(case, struct case_, close_case)

static void check_text(struct case_ *c, const char *path, const char *want)
{
    CHECK_STR(obj_str(c->vm, path, "-"), want);
}

TEST(bios_topology_memory_and_serial)
{
    CLEANUP(case) struct case_ c;

    open_case(&c);
    build(&c);
    check_text(&c, DOMAIN ".firmware.serial",
               "VMware-42 2c 5a 7e 9f 01 a2 b3-39 c4 d5 e6 f7 08 19 29");
    CHECK(obj_obj(c.vm, DOMAIN ".firmware.bootloader.bios") != NULL);
    CHECK(obj_at(c.vm, DOMAIN ".firmware.uuid") == NULL);
    CHECK_INT(obj_int(c.vm, DOMAIN ".cpu.sockets", 0), 2);
    CHECK_INT(obj_int(c.vm, DOMAIN ".cpu.cores", 0), 4);
    check_text(&c, DOMAIN ".memory.guest", "3Gi");
    check_text(&c, "spec.runStrategy", "Always");
}

TEST(the_serial_is_the_uuid_where_the_setting_says_so)
{
    CLEANUP(case) struct case_ c;

    open_case(&c);
    c.view.settings.vmware_serial = false;
    build(&c);
    check_text(&c, DOMAIN ".firmware.serial", "422C5A7E-9F01-A2B3-39C4-D5E6F7081929");
}

TEST(efi_with_secure_boot_needs_smm)
{
    CLEANUP(case) struct case_ c;

    open_case(&c);
    c.run.machine->efi = c.run.machine->secure_boot = true;
    build(&c);
    CHECK(obj_bool(c.vm, DOMAIN ".firmware.bootloader.efi.secureBoot", false));
    CHECK(obj_bool(c.vm, DOMAIN ".features.smm.enabled", false));
}

TEST(the_firmware_that_the_conversion_found_wins)
{
    CLEANUP(case) struct case_ c;

    open_case(&c);
    obj_put_str(c.status, "firmware", "uefi");
    build(&c);
    CHECK(obj_obj(c.vm, DOMAIN ".firmware.bootloader.efi") != NULL);
    CHECK(!obj_bool(c.vm, DOMAIN ".firmware.bootloader.efi.secureBoot", true));
}

TEST(a_tpm_is_kept_and_none_is_added)
{
    CLEANUP(case) struct case_ with, without;

    open_case(&with);
    open_case(&without);
    with.run.machine->tpm = true;
    build(&with);
    build(&without);
    CHECK(obj_bool(with.vm, DOMAIN ".devices.tpm.persistent", false));
    CHECK(!obj_bool(without.vm, DOMAIN ".devices.tpm.enabled", true));
}

TEST(the_clock_has_the_time_zone_of_the_host)
{
    CLEANUP(case) struct case_ c;

    open_case(&c);
    c.run.machine->timezone = xstrdup("Europe/Berlin");
    build(&c);
    check_text(&c, DOMAIN ".clock.timezone", "Europe/Berlin");
}

TEST(an_instance_type_stands_for_cpu_and_memory)
{
    CLEANUP(case) struct case_ c;

    open_case(&c);
    obj_put_str(c.status, "instanceType", "u1.large");
    build(&c);
    check_text(&c, "spec.instancetype.name", "u1.large");
    CHECK(obj_at(c.vm, DOMAIN ".cpu") == NULL);
    CHECK(obj_at(c.vm, DOMAIN ".memory") == NULL);
}

TEST(nested_virtualization_is_that_of_the_vm_the_plan_or_the_source)
{
    static const struct {
        bool source;
        int plan, vm; /* -1: not said */
        const char *policy;
    } cases[] = {
        {false, -1, -1, "-"},     {true, -1, -1, "optional"}, {true, 0, -1, "disable"},
        {true, 0, 1, "optional"}, {false, 1, -1, "optional"}, {false, 1, 0, "disable"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(case) struct case_ c;

        open_case(&c);
        c.run.machine->nested = cases[i].source;
        if (cases[i].plan >= 0)
            obj_put_bool(c.plan, "spec.enableNestedVirtualization", cases[i].plan);
        if (cases[i].vm >= 0)
            obj_put_bool(c.status, "enableNestedVirtualization", cases[i].vm);
        build(&c);
        check_text(&c, DOMAIN ".cpu.features[0].policy", cases[i].policy);
        check_text(&c, DOMAIN ".cpu.features[1].policy", cases[i].policy);
    }
}

TEST(disks_are_virtio_and_start_from_the_root_disk)
{
    static const struct {
        const char *root;
        int detected; /* -1: nothing */
        int boot;
    } cases[] = {{"", -1, 0}, {"", 1, 1}, {"/dev/sdb", 0, 1}, {"/dev/sdb2", -1, 1}, {"", 9, 0}};

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(case) struct case_ c;
        const char *path = cases[i].boot == 0 ? DOMAIN ".devices.disks[0].bootOrder"
                                              : DOMAIN ".devices.disks[1].bootOrder";

        open_case(&c);
        obj_put_str(c.status, "rootDisk", cases[i].root);
        if (cases[i].detected >= 0)
            obj_put_int(c.status, "detectedBootDisk", cases[i].detected);
        build(&c);
        check_text(&c, DOMAIN ".devices.disks[0].disk.bus", "virtio");
        check_text(&c, DOMAIN ".devices.disks[1].serial", "serial-1");
        CHECK_INT(obj_int(c.vm, path, 0), 1);
    }
}

TEST(shared_disks_are_shareable_without_a_cache)
{
    CLEANUP(case) struct case_ c;

    open_case(&c);
    c.run.machine->disks.ptr[1].shared = true;
    build(&c);
    CHECK(obj_bool(c.vm, DOMAIN ".devices.disks[1].shareable", false));
    check_text(&c, DOMAIN ".devices.disks[1].cache", "none");
    CHECK(obj_at(c.vm, DOMAIN ".devices.disks[0].shareable") == NULL);
}

TEST(a_raw_device_becomes_a_lun_where_that_is_wanted)
{
    CLEANUP(case) struct case_ plain, lun;

    open_case(&plain);
    open_case(&lun);
    plain.run.machine->disks.ptr[1].raw_device = true;
    lun.run.machine->disks.ptr[1].raw_device = lun.run.machine->disks.ptr[1].shared = true;
    obj_put_bool(lun.plan, "spec.rdmAsLun", true);
    obj_put_bool(lun.status, "scsiReservation", true);
    build(&plain);
    build(&lun);
    check_text(&plain, DOMAIN ".devices.disks[1].disk.bus", "virtio");
    check_text(&lun, DOMAIN ".devices.disks[1].lun.bus", "scsi");
    CHECK(obj_bool(lun.vm, DOMAIN ".devices.disks[1].lun.reservation", false));
    check_text(&lun, DOMAIN ".devices.disks[1].errorPolicy", "report");
    check_text(&lun, DOMAIN ".devices.disks[0].disk.bus", "virtio");
}

TEST(compatibility_mode_has_devices_that_the_guest_knows)
{
    CLEANUP(case) struct case_ c, off;

    open_case(&c);
    open_case(&off);
    obj_put_bool(c.plan, "spec.skipGuestConversion", true);
    obj_put_bool(off.plan, "spec.skipGuestConversion", true);
    obj_put_bool(off.plan, "spec.useCompatibilityMode", false);
    build(&c);
    build(&off);
    check_text(&c, DOMAIN ".devices.disks[0].disk.bus", "sata");
    check_text(&c, DOMAIN ".devices.inputs[0].bus", "usb");
    check_text(&c, "metadata.labels.guestConverted", "false");
    check_text(&off, DOMAIN ".devices.disks[0].disk.bus", "virtio");
    check_text(&off, DOMAIN ".devices.inputs[0].bus", "virtio");
}

TEST(the_plan_says_where_and_under_which_labels_it_runs)
{
    CLEANUP(case) struct case_ c;

    open_case(&c);
    obj_take(c.plan, "spec.targetLabels", obj_pack("{s:s, s:s}", "tier", "gold", "app", "mine"));
    obj_take(c.plan, "spec.targetNodeSelector", obj_pack("{s:s}", "zone", "a"));
    obj_take(c.plan, "spec.targetAffinity", obj_pack("{s:{}}", "podAffinity"));
    build(&c);
    check_text(&c, "spec.template.metadata.labels.tier", "gold");
    check_text(&c, "spec.template.metadata.labels.app", "web"); /* ours wins */
    check_text(&c, "spec.template.spec.nodeSelector.zone", "a");
    CHECK(obj_obj(c.vm, "spec.template.spec.affinity.podAffinity") != NULL);
}

TEST(tags_become_labels_and_attributes_annotations)
{
    CLEANUP(case) struct case_ c;

    open_case(&c);
    c.run.vm = obj_pack("{s:[{s:s, s:s}, {s:s, s:s}], s:[{s:i, s:s}], s:[{s:i, s:s}]}", "tags",
                        "name", "tier", "description", "gold & silver!", "name", "old",
                        "description", "x", "customDef", "key", 7, "name", "Cost Center",
                        "customValues", "key", 7, "value", "4711 / 12");
    obj_take(c.plan, "spec.tagMapping.labelTags", obj_pack("[s]", "TIER"));
    build(&c);
    const json_t *labels = obj_obj(c.vm, "metadata.labels");
    const json_t *annotations = obj_obj(c.vm, "metadata.annotations");
    CHECK_STR(obj_map_str(labels, "vsphere.forklift.konveyor.io/tier"), "gold_silver");
    CHECK(obj_map_str(labels, "vsphere.forklift.konveyor.io/old") == NULL);
    CHECK_STR(obj_map_str(annotations, "vsphere.forklift.konveyor.io/Cost_Center"), "4711 / 12");
    CHECK(strstr(obj_map_str(annotations, "forklift.konveyor.io/sanitized-metadata"),
                 "gold & silver!") != NULL);
    json_decref(c.run.vm);
}

TEST(no_tag_becomes_a_label_where_the_plan_says_so)
{
    CLEANUP(case) struct case_ c;

    open_case(&c);
    c.run.vm = obj_pack("{s:[{s:s, s:s}]}", "tags", "name", "tier", "description", "gold");
    obj_put_bool(c.plan, "spec.tagMapping.disabled", true);
    build(&c);
    CHECK(obj_map_str(obj_obj(c.vm, "metadata.labels"), "vsphere.forklift.konveyor.io/tier") ==
          NULL);
    json_decref(c.run.vm);
}

TEST(the_power_state_is_what_the_plan_wants_or_the_source_had)
{
    static const struct {
        const char *wish, *was, *strategy;
    } cases[] = {
        {"", "On", "Always"},    {"auto", "On", "Always"}, {"auto", "Off", "Halted"},
        {"on", "Off", "Always"}, {"off", "On", "Halted"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(case) struct case_ c;

        open_case(&c);
        obj_put_str(c.plan, "spec.targetPowerState", cases[i].wish);
        obj_put_str(c.status, "restorePowerState", cases[i].was);
        CHECK_STR(builder_run_strategy(&c.run), cases[i].strategy);
    }
}

/* ---- NICs -------------------------------------------------------------------------------- */

#define NIC0 DOMAIN ".devices.interfaces[0]"
#define NIC1 DOMAIN ".devices.interfaces[1]"

/* Maps the network NET to TYPE, of multus to ns/NAME. */
static void map_network(struct case_ *c, const char *net, const char *type, const char *name)
{
    json_t *destination = obj_pack("{s:s}", "type", type);

    if (name != NULL) {
        obj_put_str(destination, "namespace", "ns");
        obj_put_str(destination, "name", name);
    }
    obj_take(c->plan, "spec.destinations[]", destination); /* who keeps what pairs borrow */
    mapping_pair_list_push(&c->view.networks.pairs,
                           (struct mapping_pair){.source_id = xstrdup(net),
                                                 .destination = destination});
}

static void add_nic(struct case_ *c, const char *mac, const char *net)
{
    machine_nic_list_push(&c->run.machine->nics,
                          (struct machine_nic){.name = xstrdup("nic"),
                                               .mac = xstrdup(mac),
                                               .network_id = xstrdup(net)});
}

TEST(a_nic_on_the_pod_network_is_masqueraded_and_keeps_its_address)
{
    CLEANUP(case) struct case_ c;

    open_case(&c);
    map_network(&c, "net-1", "pod", NULL);
    build(&c);
    CHECK_INT(obj_count(c.vm, DOMAIN ".devices.interfaces"), 1);
    check_text(&c, NIC0 ".name", "net-0");
    check_text(&c, NIC0 ".model", "virtio");
    check_text(&c, NIC0 ".macAddress", "00:50:56:00:00:01");
    CHECK(obj_obj(c.vm, NIC0 ".masquerade") != NULL);
    CHECK(obj_at(c.vm, NIC0 ".state") == NULL);
    check_text(&c, "spec.template.spec.networks[0].name", "net-0");
    CHECK(obj_obj(c.vm, "spec.template.spec.networks[0].pod") != NULL);
}

TEST(nics_on_other_networks_are_bridged_and_counted_without_the_ignored)
{
    CLEANUP(case) struct case_ c;

    open_case(&c);
    map_network(&c, "net-1", "ignored", NULL);
    map_network(&c, "net-2", "multus", "blue");
    map_network(&c, "net-3", "multus", "red");
    add_nic(&c, "00:50:56:00:00:02", "net-3");
    add_nic(&c, "00:50:56:00:00:03", "net-2");
    build(&c);
    CHECK_INT(obj_count(c.vm, DOMAIN ".devices.interfaces"), 2);
    check_text(&c, NIC0 ".name", "net-0");
    check_text(&c, NIC0 ".macAddress", "00:50:56:00:00:02");
    CHECK(obj_obj(c.vm, NIC0 ".bridge") != NULL);
    check_text(&c, "spec.template.spec.networks[0].multus.networkName", "ns/red");
    check_text(&c, NIC1 ".name", "net-1");
    check_text(&c, "spec.template.spec.networks[1].multus.networkName", "ns/blue");
}

TEST(two_nics_on_one_network_take_a_pair_each_or_share_the_only_one)
{
    CLEANUP(case) struct case_ each, shared;

    open_case(&each);
    map_network(&each, "net-1", "multus", "blue");
    map_network(&each, "net-1", "multus", "red");
    add_nic(&each, "00:50:56:00:00:02", "net-1");
    build(&each);
    check_text(&each, "spec.template.spec.networks[0].multus.networkName", "ns/blue");
    check_text(&each, "spec.template.spec.networks[1].multus.networkName", "ns/red");

    open_case(&shared);
    map_network(&shared, "net-1", "multus", "blue");
    add_nic(&shared, "00:50:56:00:00:02", "net-1");
    build(&shared);
    CHECK_INT(obj_count(shared.vm, DOMAIN ".devices.interfaces"), 2);
    check_text(&shared, "spec.template.spec.networks[1].multus.networkName", "ns/blue");
}

TEST(a_nic_that_was_not_connected_is_down_and_an_unconverted_guest_keeps_its_driver)
{
    CLEANUP(case) struct case_ c;

    open_case(&c);
    map_network(&c, "net-1", "pod", NULL);
    obj_put_bool(c.plan, "spec.skipGuestConversion", true);
    c.run.machine->nics.ptr[0].link_down = true;
    build(&c);
    check_text(&c, NIC0 ".state", "down");
    check_text(&c, NIC0 ".model", "e1000e");
}

TEST(a_user_defined_network_in_the_pod_networks_place_is_bound_by_its_plugin_and_told_addresses)
{
    CLEANUP(case) struct case_ c, plain;

    open_case(&c);
    map_network(&c, "net-1", "pod", NULL);
    c.view.udn.has_primary = c.view.settings.static_udn = true;
    obj_put_bool(c.plan, "spec.preserveStaticIPs", true);
    str_list_push(&c.run.machine->static_ips,
                  xstrdup("00:50:56:00:00:01:ip:10.1.2.3,10.1.0.1,16,10.1.0.2"));
    str_list_push(&c.run.machine->static_ips, xstrdup("00:50:56:00:00:99:ip:10.9.9.9,,16"));
    build(&c);
    check_text(&c, NIC0 ".binding.name", "l2bridge");
    CHECK(obj_at(c.vm, NIC0 ".masquerade") == NULL);
    const json_t *annotations = obj_obj(c.vm, "spec.template.metadata.annotations");
    CHECK_STR(obj_map_str(annotations, "network.kubevirt.io/addresses"),
              "{\"net-0\":[\"10.1.2.3\"]}");

    open_case(&plain);
    map_network(&plain, "net-1", "pod", NULL);
    plain.view.udn.has_primary = plain.view.settings.static_udn = true;
    build(&plain);
    annotations = obj_obj(plain.vm, "spec.template.metadata.annotations");
    CHECK(obj_map_str(annotations, "network.kubevirt.io/addresses") == NULL);
}
