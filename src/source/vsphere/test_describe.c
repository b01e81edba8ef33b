#include "source/vsphere/describe.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/test.h"
#include "base/text.h"
#include "source/machine.h"

static char *same(void *arg, const char *id)
{
    return xstrdup(id);
}

static json_t *new_vm(void)
{
    return obj_pack("{s:s, s:s, s:s, s:i, s:i, s:i, s:s, s:s, s:[]}", "id", "vm-7", "name", "web",
                    "uuid", "422c5a7e-9f01-a2b3-39c4-d5e6f7081929", "cpuCount", 8, "coresPerSocket",
                    4, "memoryMB", 2048, "host", "host-3", "guestId", "rhel9_64Guest", "disks");
}

static void add_disk(json_t *vm, int key, const char *bus, int controller, int unit)
{
    CLEANUP(str) char *file = xasprintf("[ds] web/%d.vmdk", key);

    obj_take(vm, "disks[]",
             obj_pack("{s:i, s:s, s:i, s:i, s:s, s:i}", "key", key, "bus", bus, "controllerKey",
                      controller, "unitNumber", unit, "file", file, "capacity", 1 << 20));
}

static struct machine *describe(const json_t *vm)
{
    CLEANUP(error) struct error *err = NULL;
    struct machine *machine = NULL;

    CHECK_OK(vsphere_describe_vm(vm, same, NULL, &machine, &err), err);
    return machine;
}

TEST(counts_sockets_and_cores_and_knows_its_host)
{
    json_auto_t *vm = new_vm();
    CLEANUP(machine) struct machine *machine = describe(vm);

    CHECK_U64(machine->sockets, 2);
    CHECK_U64(machine->cores, 4);
    CHECK_U64(machine->memory_bytes, 2ULL << 30);
    CHECK_STR(machine->host_id, "host-3");
}

TEST(orders_disks_as_a_guest_counts_them)
{
    static const char *const order[] = {"2001", "2000", "3001", "3000", "16000"};
    json_auto_t *vm = new_vm();

    add_disk(vm, 16000, "sata", 15000, 0);
    add_disk(vm, 3000, "scsi", 1001, 1);
    add_disk(vm, 2000, "scsi", 1000, 1);
    add_disk(vm, 3001, "scsi", 1001, 0);
    add_disk(vm, 2001, "scsi", 1000, 0);
    CLEANUP(machine) struct machine *machine = describe(vm);
    CHECK_U64(machine->disks.len, ARRAY_SIZE(order));
    for (size_t i = 0; i < ARRAY_SIZE(order); i++)
        CHECK_STR(machine->disks.ptr[i].id, order[i]);
}

TEST(makes_serials_that_a_target_takes)
{
    static const struct {
        const char *serial, *want;
    } cases[] = {
        {"6000c29a-1b2c", "6000c29a-1b2c"},
        {"60 00:c2/9a", "6000c29a"},
        {"12345678901234567890xyz", "12345678901234567890"},
        {"", ""},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        json_auto_t *vm = new_vm();
        add_disk(vm, 2000, "scsi", 1000, 0);
        obj_put_str(vm, "disks[0].serial", cases[i].serial);
        CLEANUP(machine) struct machine *machine = describe(vm);
        if (cases[i].serial[0] != '\0')
            CHECK_STR(machine->disks.ptr[0].serial, cases[i].want);
        else
            CHECK_U64(strlen(machine->disks.ptr[0].serial), 20); /* made from the VM and the disk */
    }
}

/* Entries of guestNetworks and guestIpStacks as the collector writes them. */
static void add_address(json_t *vm, const char *ip, int prefix, const char *origin)
{
    if (obj_arr(vm, "guestNetworks") == NULL)
        obj_take(vm, "guestNetworks", json_array());
    json_array_append_new(obj_arr(vm, "guestNetworks"),
                          obj_pack("{s:s, s:s, s:s, s:s, s:i, s:[s, s]}", "device", "0", "mac",
                                   "00:50:56:00:00:01", "ip", ip, "origin", origin, "prefix",
                                   prefix, "dns", "10.0.0.2", "10.0.0.3"));
}

TEST(hands_over_the_addresses_that_a_guest_has)
{
    json_auto_t *vm = new_vm();

    obj_take(vm, "guestIpStacks",
             obj_pack("[{s:s, s:s, s:s, s:i}, {s:s, s:s, s:s, s:i}]", "device", "0", "gateway",
                      "10.0.0.1", "network", "0.0.0.0", "prefix", 0, "device", "0", "gateway",
                      "10.0.0.9", "network", "10.1.0.0", "prefix", 16));
    add_address(vm, "fe80::1", 64, "linklayer");
    add_address(vm, "fd00::7", 64, "manual");
    add_address(vm, "169.254.3.4", 16, "");
    add_address(vm, "10.0.0.7", 24, "dhcp");
    CLEANUP(machine) struct machine *machine = describe(vm);
    CHECK_U64(machine->static_ips.len, 2);
    CHECK_STR(machine->static_ips.ptr[0],
              "00:50:56:00:00:01:ip:10.0.0.7,10.0.0.1,24,10.0.0.2,10.0.0.3");
    CHECK_STR(machine->static_ips.ptr[1], "00:50:56:00:00:01:ip:fd00::7,,64,10.0.0.2,10.0.0.3");
}

TEST(of_windows_only_what_was_typed_in)
{
    json_auto_t *vm = new_vm();

    obj_put_str(vm, "guestId", "windows2019srv_64Guest");
    add_address(vm, "10.0.0.7", 24, "dhcp");
    add_address(vm, "10.0.0.8", 24, "manual");
    CLEANUP(machine) struct machine *machine = describe(vm);
    CHECK_U64(machine->static_ips.len, 1);
    CHECK(str_starts_with(machine->static_ips.ptr[0], "00:50:56:00:00:01:ip:10.0.0.8,"));
}

TEST(what_a_guest_made_up_is_no_address)
{
    json_auto_t *vm = new_vm();

    add_address(vm, "10.0.0.7,--root", 24, "manual");
    add_address(vm, "", 24, "manual");
    CLEANUP(machine) struct machine *machine = describe(vm);
    CHECK_U64(machine->static_ips.len, 0);
}

TEST(raw_devices_and_shared_disks_are_known)
{
    json_auto_t *vm = new_vm();

    add_disk(vm, 2000, "scsi", 1000, 0);
    obj_put_bool(vm, "disks[0].rdm", true);
    obj_put_bool(vm, "disks[0].shared", true);
    CLEANUP(machine) struct machine *machine = describe(vm);
    CHECK(machine->disks.ptr[0].raw_device);
    CHECK(machine->disks.ptr[0].shared);
}
