#include "node/domain_internal.h"

#include "base/array.h"
#include "base/error.h"
#include "base/mem.h"
#include "data/obj.h"

#include <inttypes.h>
#include <string.h>

enum { MAX_DISKS = 256 };

/* How a KubeVirt bus is called in libvirt, and how its disks are named. */
static const struct bus {
    const char *name, *libvirt, *prefix;
} buses[] = {
    {"virtio", "virtio", "vd"},
    {"sata", "sata", "sd"},
    {"scsi", "scsi", "sd"},
    {"usb", "usb", "sd"},
};

static const struct bus *find_bus(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(buses); i++)
        if (str_eq(buses[i].name, name))
            return &buses[i];
    return NULL;
}

/* vda, ..., vdz, vdaa, ...; owned by the caller. */
static char *target_name(const char *prefix, unsigned index)
{
    char letters[8];
    size_t n = sizeof(letters);

    letters[--n] = '\0';
    for (unsigned i = index + 1; i > 0; i = (i - 1) / 26)
        letters[--n] = (char)('a' + (i - 1) % 26);
    return xasprintf("%s%s", prefix, letters + n);
}

/* Numbers that names are made from, one per prefix. */
struct counters {
    unsigned vd, sd;
};

static bool has_boot_order(const json_t *domain)
{
    static const char *const lists[] = {"devices.disks", "devices.interfaces"};

    for (size_t list = 0; list < 2; list++) {
        const json_t *device;
        size_t i;

        json_array_foreach(obj_arr(domain, lists[list]), i, device)
            if (obj_int(device, "bootOrder", 0) > 0)
                return true;
    }
    return false;
}

/* Which of the three forms a disk has: "disk", "cdrom" or "lun". */
static const char *disk_form(const json_t *disk)
{
    return obj_obj(disk, "cdrom") != NULL ? "cdrom" : obj_obj(disk, "lun") != NULL ? "lun" : "disk";
}

static void add_disk_tail(struct buf *out, const json_t *disk, const char *form, int64_t order,
                          bool read_only)
{
    const char *serial = obj_str(disk, "serial", NULL);

    if (order > 0)
        buf_printf(out, "      <boot order='%" PRId64 "'/>\n", order);
    if (read_only)
        buf_add(out, "      <readonly/>\n");
    if (obj_bool(disk, "shareable", false))
        buf_add(out, "      <shareable/>\n");
    if (!str_is_empty(serial)) {
        buf_add(out, "      <serial>");
        domain_add_escaped(out, serial);
        buf_add(out, "</serial>\n");
    }
    buf_add(out, "      <alias");
    CLEANUP(str) char *alias = xasprintf("ua-%s", obj_str(disk, "name", form));
    domain_add_attribute(out, "name", alias);
    buf_add(out, "/>\n    </disk>\n");
}

/* Emptied blocks go back to the sparse file; its buffers are the host's page cache. */
static void add_driver(struct buf *out, const json_t *disk, bool cdrom)
{
    const char *cache = obj_str(disk, "cache", NULL);

    buf_add(out, "      <driver name='qemu' type='raw'");
    domain_add_attribute(out, "cache", !str_is_empty(cache)                      ? cache
                                       : obj_bool(disk, "shareable", false) ? "none"
                                                                            : "writeback");
    domain_add_attribute(out, "error_policy", obj_str(disk, "errorPolicy", "stop"));
    domain_add_attribute(out, "io", obj_str(disk, "io", NULL));
    buf_add(out, cdrom ? "/>\n" : " discard='unmap'/>\n");
}

static int add_disk(struct buf *out, const struct domain_input *in, const json_t *disk,
                    int64_t order, struct counters *counters, struct error **err)
{
    const char *name = obj_str(disk, "name", ""), *form = disk_form(disk);
    const json_t *details = obj_obj(disk, form);
    const json_t *volume = json_object_get(in->volumes, name);
    bool cdrom = str_eq(form, "cdrom");
    const char *bus_name = obj_str(details, "bus", "");
    const struct bus *bus = find_bus(bus_name[0] != '\0' ? bus_name : "sata");

    if (volume == NULL)
        return error_set(err, ERROR_INVALID, "disk \"%s\" has no volume", name);
    if (bus == NULL)
        return error_set(err, ERROR_UNSUPPORTED, "disk \"%s\": unknown bus \"%s\"", name, bus_name);

    bool block = obj_bool(volume, "block", false);
    unsigned *counter = str_eq(bus->prefix, "vd") ? &counters->vd : &counters->sd;
    CLEANUP(str) char *target = target_name(bus->prefix, (*counter)++);

    /* A LUN passes SCSI commands through, which needs a block device behind it. */
    buf_printf(out, "    <disk type='%s' device='%s'>\n", block ? "block" : "file",
               str_eq(form, "lun") && !block ? "disk" : form);
    add_driver(out, disk, cdrom);
    buf_add(out, "      <source");
    domain_add_attribute(out, block ? "dev" : "file", obj_str(volume, "path", ""));
    buf_add(out, "/>\n      <target");
    domain_add_attribute(out, "dev", target);
    domain_add_attribute(out, "bus", bus->libvirt);
    buf_add(out, "/>\n");
    add_disk_tail(out, disk, form, order,
                  cdrom || obj_bool(details, "readonly", false) ||
                      obj_bool(volume, "readOnly", false));
    return 0;
}

static int add_disks(struct buf *out, const struct domain_input *in, const json_t *domain,
                     struct error **err)
{
    const json_t *disks = obj_arr(domain, "devices.disks"), *disk;
    bool ordered = has_boot_order(domain);
    struct counters counters = {0};
    size_t i;

    if (json_array_size(disks) > MAX_DISKS)
        return error_set(err, ERROR_INVALID, "more than %d disks", MAX_DISKS);
    json_array_foreach(disks, i, disk)
    {
        int64_t order = ordered ? obj_int(disk, "bootOrder", 0) : (int64_t)i + 1;

        if (add_disk(out, in, disk, order, &counters, err) == -1)
            return error_wrap(err, "spec.domain.devices.disks[%zu]", i);
    }
    return 0;
}

static const json_t *find_named(const json_t *list, const char *name)
{
    const json_t *entry;
    size_t i;

    json_array_foreach(list, i, entry)
        if (str_eq(obj_str(entry, "name", ""), name))
            return entry;
    return NULL;
}

static int add_interface(struct buf *out, const struct domain_input *in, const json_t *nic,
                         struct error **err)
{
    const char *name = obj_str(nic, "name", ""), *model = obj_str(nic, "model", "virtio");
    const char *mac = obj_str(nic, "macAddress", NULL);
    const char *bridge = obj_str(json_object_get(in->networks, name), "bridge", NULL);
    int64_t order = obj_int(nic, "bootOrder", 0);
    CLEANUP(str) char *alias = xasprintf("ua-%s", name);

    if (find_named(obj_arr(in->vmi, "spec.networks"), name) == NULL)
        return error_set(err, ERROR_INVALID, "interface \"%s\" has no network", name);
    if (str_eq(obj_str(nic, "state", ""), "absent"))
        return 0;
    if (obj_obj(nic, "sriov") != NULL)
        return error_set(err, ERROR_UNSUPPORTED, "interface \"%s\": no SR-IOV at home", name);

    buf_printf(out, "    <interface type='%s'>\n", bridge == NULL ? "user" : "bridge");
    if (!str_is_empty(mac)) {
        buf_add(out, "      <mac");
        domain_add_attribute(out, "address", mac);
        buf_add(out, "/>\n");
    }
    if (bridge != NULL) {
        buf_add(out, "      <source");
        domain_add_attribute(out, "bridge", bridge);
        buf_add(out, "/>\n");
    }
    buf_add(out, "      <model");
    domain_add_attribute(out, "type", model[0] == '\0' ? "virtio" : model);
    buf_add(out, "/>\n");
    if (str_eq(obj_str(nic, "state", ""), "down"))
        buf_add(out, "      <link state='down'/>\n");
    if (order > 0)
        buf_printf(out, "      <boot order='%" PRId64 "'/>\n", order);
    else
        buf_add(out, "      <rom enabled='no'/>\n");
    buf_add(out, "      <alias");
    domain_add_attribute(out, "name", alias);
    buf_add(out, "/>\n    </interface>\n");
    return 0;
}

static bool uses_bus(const json_t *domain, const char *bus)
{
    const json_t *disk;
    size_t i;

    json_array_foreach(obj_arr(domain, "devices.disks"), i, disk)
        if (str_eq(obj_str(obj_obj(disk, disk_form(disk)), "bus", ""), bus))
            return true;
    return false;
}

static bool needs_usb(const json_t *domain)
{
    const json_t *input;
    size_t i;

    json_array_foreach(obj_arr(domain, "devices.inputs"), i, input)
        if (!str_eq(obj_str(input, "bus", "usb"), "virtio"))
            return true;
    return uses_bus(domain, "usb");
}

static void add_inputs(struct buf *out, const json_t *domain)
{
    const json_t *input;
    size_t i;

    json_array_foreach(obj_arr(domain, "devices.inputs"), i, input)
    {
        const char *bus = obj_str(input, "bus", "usb");

        buf_add(out, "    <input");
        domain_add_attribute(out, "type", obj_str(input, "type", "tablet"));
        domain_add_attribute(out, "bus", bus[0] == '\0' ? "usb" : bus);
        buf_add(out, "/>\n");
    }
}

/* The console is a terminal that somebody may open, and a file that keeps all of it. */
static void add_console(struct buf *out, const struct domain_input *in)
{
    buf_add(out, "    <serial type='pty'>\n      <log file='");
    domain_add_escaped(out, in->dir);
    buf_add(out, "/console.log' append='on'/>\n      <target port='0'/>\n    </serial>\n"
                 "    <console type='pty'>\n      <target type='serial' port='0'/>\n"
                 "    </console>\n");
}

static bool is_wanted(const json_t *domain, const char *device)
{
    const json_t *entry = obj_obj(domain, device);

    return entry != NULL && obj_bool(entry, "enabled", true);
}

int domain_add_devices(struct buf *out, const struct domain_input *in, const json_t *domain,
                       struct error **err)
{
    const json_t *nic;
    size_t i;

    buf_add(out, "  <devices>\n    <emulator>");
    domain_add_escaped(out, in->emulator);
    buf_add(out, "</emulator>\n");
    if (add_disks(out, in, domain, err) == -1)
        return -1;
    if (uses_bus(domain, "scsi"))
        buf_add(out, "    <controller type='scsi' index='0' model='virtio-scsi'/>\n");
    buf_printf(out, "    <controller type='usb' model='%s'/>\n",
               needs_usb(domain) ? "qemu-xhci" : "none");
    json_array_foreach(obj_arr(domain, "devices.interfaces"), i, nic)
    {
        if (add_interface(out, in, nic, err) == -1)
            return error_wrap(err, "spec.domain.devices.interfaces[%zu]", i);
    }
    if (obj_bool(domain, "devices.autoattachSerialConsole", true))
        add_console(out, in);
    buf_add(out, "    <channel type='unix'>\n      <target type='virtio' "
                 "name='org.qemu.guest_agent.0'/>\n    </channel>\n");
    add_inputs(out, domain);
    if (is_wanted(domain, "devices.tpm"))
        buf_printf(out,
                   "    <tpm model='%s'>\n      <backend type='emulator' version='2.0'%s/>\n"
                   "    </tpm>\n",
                   domain_is_efi(domain) ? "tpm-crb" : "tpm-tis",
                   obj_bool(domain, "devices.tpm.persistent", false) ? " persistent_state='yes'"
                                                                     : "");
    if (obj_bool(domain, "devices.autoattachGraphicsDevice", true))
        buf_add(out, "    <graphics type='vnc'>\n      <listen type='socket'/>\n    </graphics>\n"
                     "    <video>\n      <model type='vga' vram='16384'/>\n    </video>\n");
    if (obj_obj(domain, "devices.rng") != NULL)
        buf_add(out, "    <rng model='virtio'>\n      <backend model='random'>/dev/urandom"
                     "</backend>\n    </rng>\n");
    buf_printf(out, "    <memballoon model='%s'/>\n  </devices>\n",
               obj_bool(domain, "devices.autoattachMemBalloon", true) ? "virtio" : "none");
    return 0;
}
