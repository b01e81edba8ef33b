#include "source/vsphere/describe.h"

#include "base/array.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "data/obj.h"
#include "net/crypto.h"
#include "source/machine.h"
#include "source/vsphere/internal.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* The order in which guests number disks under libvirt. */
static const char *const bus_order[] = {"scsi", "sata", "ide", "nvme"};

static size_t bus_rank(const char *bus)
{
    for (size_t i = 0; i < ARRAY_SIZE(bus_order); i++)
        if (str_eq(bus_order[i], bus))
            return i;
    return ARRAY_SIZE(bus_order);
}

static int compare(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

static int compare_disks(const void *a, const void *b)
{
    const json_t *const *x = a, *const *y = b;
    static const char *const keys[] = {"controllerKey", "unitNumber", "key"};
    int order = compare((int64_t)bus_rank(obj_str(*x, "bus", "")),
                        (int64_t)bus_rank(obj_str(*y, "bus", "")));

    for (size_t i = 0; i < ARRAY_SIZE(keys) && order == 0; i++)
        order = compare(obj_int(*x, keys[i], 0), obj_int(*y, keys[i], 0));
    return order;
}

/* The source's serial without what may not be in one; where nothing is left, digits that stay the
 * same for this disk. */
static char *make_serial(const char *vm_id, const json_t *disk)
{
    enum { SERIAL_MAX = 20 };
    const char *text = obj_str(disk, "serial", "");
    CLEANUP(buf) struct buf serial = BUF_INIT(256);
    unsigned char digest[CRYPTO_SHA256_SIZE];

    for (const char *p = text; *p != '\0' && serial.len < SERIAL_MAX; p++)
        if (isalnum((unsigned char)*p) || *p == '-')
            buf_add_char(&serial, *p);
    if (serial.len == 0) {
        CLEANUP(str)
        char *name = xasprintf("%s:%lld", vm_id, (long long)obj_int(disk, "key", 0));

        crypto_sha256(name, strlen(name), digest);
        for (size_t i = 0; i < SERIAL_MAX / 2; i++)
            buf_printf(&serial, "%02x", digest[i]);
    }
    return buf_take(&serial);
}

static void add_disk(struct machine *machine, const json_t *disk)
{
    const char *bus = obj_str(disk, "bus", "");
    const char *file = obj_str(disk, "file", "");
    const char *datastore = obj_str(disk, "datastore.id", "");

    machine_disk_list_push(&machine->disks,
                           (struct machine_disk){
                               .id = xasprintf("%lld", (long long)obj_int(disk, "key", 0)),
                               .name = vsphere_base_file(file, obj_str(disk, "parent", "")[0] != '\0'),
                               .storage_id = xstrdup(datastore),
                               .capacity_bytes = (uint64_t)obj_int(disk, "capacity", 0),
                               .bus = str_eq(bus, "scsi")  ? MACHINE_BUS_SCSI
                                      : str_eq(bus, "usb") ? MACHINE_BUS_USB
                                                           : MACHINE_BUS_SATA,
                               .shared = obj_bool(disk, "shared", false),
                               .raw_device = obj_bool(disk, "rdm", false),
                               .serial = make_serial(machine->id, disk),
                           });
}

static int describe_disks(const json_t *vm, struct machine *machine, struct error **err)
{
    enum { MAX_DISKS = 1024 };
    const json_t *disks[MAX_DISKS], *disk = NULL;
    size_t i = 0, count = 0;

    json_array_foreach(obj_arr(vm, "disks"), i, disk)
    {
        if (count == MAX_DISKS)
            return error_set(err, ERROR_UNSUPPORTED, "more than %d disks", MAX_DISKS);
        if (obj_int(disk, "capacity", 0) <= 0)
            return error_set(err, ERROR_INVALID, "disk \"%s\" has no capacity",
                             obj_str(disk, "file", ""));
        disks[count++] = disk;
    }
    qsort(disks, count, sizeof(*disks), compare_disks);
    for (i = 0; i < count; i++)
        add_disk(machine, disks[i]);
    return 0;
}

static const char *nic_model(const json_t *vm, int64_t key)
{
    static const struct {
        const char *vim, *model;
    } models[] = {
        {"VirtualVmxnet", "virtio"}, {"VirtualVmxnet2", "virtio"}, {"VirtualVmxnet3", "virtio"},
        {"VirtualE1000e", "e1000e"}, {"VirtualE1000", "e1000"},    {"VirtualPCNet32", "pcnet"},
    };
    const json_t *device = NULL;
    size_t i = 0;

    json_array_foreach(obj_arr(vm, "devices"), i, device)
    {
        if (obj_int(device, "key", -1) != key)
            continue;
        for (size_t j = 0; j < ARRAY_SIZE(models); j++)
            if (str_eq(obj_str(device, "kind", ""), models[j].vim))
                return models[j].model;
    }
    return NULL;
}

static void describe_nics(const json_t *vm, char *(*resolve)(void *arg, const char *id), void *arg,
                          struct machine *machine)
{
    const json_t *nic = NULL;
    size_t i = 0;

    json_array_foreach(obj_arr(vm, "nics"), i, nic)
    {
        const char *model = nic_model(vm, obj_int(nic, "deviceKey", 0));
        const char *mac = obj_str(nic, "mac", "");

        machine_nic_list_push(&machine->nics,
                              (struct machine_nic){
                                  .name = xasprintf("nic%zu", i),
                                  .mac = *mac ? xstrdup(mac) : NULL,
                                  .network_id = resolve(arg, obj_str(nic, "network.id", "")),
                                  .model = model ? xstrdup(model) : NULL,
                                  .link_down = !obj_bool(nic, "startConnected", true),
                              });
    }
}

/* ---- static addresses -------------------------------------------------------------------- */

static bool is_ipv6(const char *ip)
{
    return strchr(ip, ':') != NULL;
}

static bool is_link_local(const char *ip)
{
    return strncasecmp(ip, "fe80:", 5) == 0 || str_starts_with(ip, "169.254.");
}

/* The gateway of the default route over the NIC with this number, "" if there is none. */
static const char *gateway_of(const json_t *vm, const char *device, bool ipv6)
{
    const json_t *route = NULL;
    size_t i = 0;

    json_array_foreach(obj_arr(vm, "guestIpStacks"), i, route)
    {
        const char *gateway = obj_str(route, "gateway", "");
        if (obj_int(route, "prefix", -1) == 0 && is_ipv6(gateway) == ipv6 &&
            str_eq(obj_str(route, "device", ""), device))
            return gateway;
    }
    return "";
}

static char *format_address(const json_t *vm, const json_t *net)
{
    const char *ip = obj_str(net, "ip", "");
    struct buf text = BUF_INIT(4096);
    const json_t *dns = NULL;
    size_t i = 0;

    buf_printf(&text, "%s:ip:%s,%s,%lld", obj_str(net, "mac", ""), ip,
               gateway_of(vm, obj_str(net, "device", ""), is_ipv6(ip)),
               (long long)obj_int(net, "prefix", 0));
    json_array_foreach(obj_arr(net, "dns"), i, dns)
        buf_printf(&text, ",%s", json_string_value(dns) ? json_string_value(dns) : "");
    return buf_take(&text);
}

/* Texts from guests go into an argument that is taken apart at commas and colons. */
static bool is_plain(const char *text)
{
    return *text != '\0' && text[strspn(text, "0123456789abcdefABCDEF:.%")] == '\0';
}

static bool is_kept(const json_t *vm, const json_t *net)
{
    const char *ip = obj_str(net, "ip", "");
    bool windows = str_starts_with(obj_str(vm, "guestId", ""), "win");
    const json_t *dns = NULL;
    size_t i = 0;

    json_array_foreach(obj_arr(net, "dns"), i, dns)
        if (json_string_value(dns) == NULL || !is_plain(json_string_value(dns)))
            return false;
    return is_plain(ip) && is_plain(obj_str(net, "mac", "")) && !is_link_local(ip) &&
           obj_int(net, "prefix", 0) > 0 &&
           (!windows || str_eq(obj_str(net, "origin", ""), "manual"));
}

/* Linux guests get what they have, by whatever way they got it; Windows what was typed in. */
static void describe_addresses(const json_t *vm, struct machine *machine)
{
    const json_t *net = NULL;
    size_t i = 0;

    for (int ipv6 = 0; ipv6 < 2; ipv6++)
        json_array_foreach(obj_arr(vm, "guestNetworks"), i, net)
            if (is_ipv6(obj_str(net, "ip", "")) == (ipv6 == 1) && is_kept(vm, net))
                str_list_push(&machine->static_ips, format_address(vm, net));
}

int vsphere_describe_vm(const json_t *vm, char *(*resolve)(void *arg, const char *id), void *arg,
                        struct machine **out, struct error **err)
{
    CLEANUP(machine) struct machine *machine = machine_new();
    int64_t cpus = obj_int(vm, "cpuCount", 0), cores = obj_int(vm, "coresPerSocket", 0);
    const char *uuid = obj_str(vm, "uuid", "");

    if (cpus <= 0 || obj_int(vm, "memoryMB", 0) <= 0)
        return error_set(err, ERROR_INVALID, "the machine has no CPUs or no memory");
    if (cores <= 0 || cpus % cores != 0)
        cores = 1;
    machine->id = xstrdup(obj_str(vm, "id", ""));
    machine->name = xstrdup(obj_str(vm, "name", ""));
    machine->uuid = *uuid ? xstrdup(uuid) : NULL;
    machine->os = xstrdup(obj_str(vm, "guestId", ""));
    machine->efi = str_eq(obj_str(vm, "firmware", ""), "efi");
    machine->secure_boot = obj_bool(vm, "secureBoot", false);
    machine->tpm = obj_bool(vm, "tpmEnabled", false);
    machine->knows_tpm = true;
    machine->nested = obj_bool(vm, "nestedHVEnabled", false);
    machine->sockets = (uint32_t)(cpus / cores);
    machine->cores = (uint32_t)cores;
    machine->threads = 1;
    machine->memory_bytes = (uint64_t)obj_int(vm, "memoryMB", 0) << 20;
    machine->host_id = *obj_str(vm, "host", "") ? xstrdup(obj_str(vm, "host", "")) : NULL;
    machine->powered_on = str_eq(obj_str(vm, "powerState", ""), "poweredOn");
    if (describe_disks(vm, machine, err) == -1)
        return -1;
    describe_nics(vm, resolve, arg, machine);
    describe_addresses(vm, machine);
    *out = steal(&machine);
    return 0;
}
