#include "source/ova/ovf_internal.h"

#include "base/array.h"
#include "base/error.h"
#include "base/text.h"
#include "source/ova/units.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

/* Resource types of CIM_ResourceAllocationSettingData (DSP0004) that matter to us. */
enum {
    RESOURCE_CPU = 3,
    RESOURCE_MEMORY = 4,
    RESOURCE_IDE = 5,
    RESOURCE_SCSI = 6,
    RESOURCE_NIC = 10,
    RESOURCE_DISK = 17,
    RESOURCE_OTHER_STORAGE = 20,
    RESOURCE_USB = 23,
};

enum { MAX_CPUS = 4096 };

/* An Item, StorageItem or EthernetPortItem; texts are owned, absent ones NULL. */
struct item {
    struct dom_node *node;
    uint64_t type;
    char *instance_id;
    char *sub_type;
    char *name;
    char *description;
    char *parent;
    char *mac;
    char *host_resource;
    char *connection;
    char *quantity;
    char *units;
    char *cores_per_socket;
    char *sockets; /* oVirt */
};

DEFINE_VECTOR(item_list, struct item)

/* clang-format off */
static const struct field {
    const char *element;
    size_t offset;
} fields[] = {
    {"InstanceID", offsetof(struct item, instance_id)},
    {"InstanceId", offsetof(struct item, instance_id)}, /* 0.9, oVirt */
    {"ResourceSubType", offsetof(struct item, sub_type)},
    {"ElementName", offsetof(struct item, name)},
    {"Caption", offsetof(struct item, name)},
    {"Description", offsetof(struct item, description)},
    {"Parent", offsetof(struct item, parent)},
    {"Address", offsetof(struct item, mac)},
    {"MACAddress", offsetof(struct item, mac)}, /* oVirt */
    {"HostResource", offsetof(struct item, host_resource)},
    {"Connection", offsetof(struct item, connection)},
    {"VirtualQuantity", offsetof(struct item, quantity)},
    {"AllocationUnits", offsetof(struct item, units)},
    {"CoresPerSocket", offsetof(struct item, cores_per_socket)},
    {"cpu_per_socket", offsetof(struct item, cores_per_socket)}, /* oVirt */
    {"num_of_sockets", offsetof(struct item, sockets)},
};
/* clang-format on */

static char **item_field(struct item *item, size_t offset)
{
    return (char **)(void *)((char *)item + offset);
}

static void item_list_free_all(struct item_list *items)
{
    for (size_t i = 0; i < items->len; i++)
        for (size_t j = 0; j < ARRAY_SIZE(fields); j++) {
            char **field = item_field(&items->ptr[i], fields[j].offset);

            free(*field);
            *field = NULL;
        }
    item_list_reset(items);
}

DEFINE_CLEANUP_IN_PLACE(items, struct item_list, item_list_free_all)

/* Reads one child of an item; the first of several spellings counts. */
static int read_field(struct dom_node *child, struct item *item, struct error **err)
{
    if (dom_is(child, "ResourceType")) {
        CLEANUP(str) char *text = ovf_text(child);

        if (!span_u64(span_of(text), &item->type))
            return error_set(err, ERROR_INVALID, "ResourceType \"%.40s\" is not a number", text);
        return 0;
    }
    for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
        char **field = item_field(item, fields[i].offset);

        if (!dom_is(child, fields[i].element))
            continue;
        if (*field == NULL || **field == '\0') {
            free(*field);
            *field = ovf_text(child);
        }
        return ovf_check_text(*field, fields[i].element, err);
    }
    return 0;
}

static int read_item(struct dom_node *node, struct item *item, struct error **err)
{
    item->node = node;
    for (struct dom_node *child = dom_first(node, NULL); child != NULL;
         child = dom_next(child, NULL))
        if (read_field(child, item, err) == -1)
            return ovf_wrap_at(node, item->name, err);
    return 0;
}

/* Items may be for one configuration only, or say bounds of another item: neither is hardware that
 * the machine has. */
static bool item_applies(struct dom_node *node, const char *configuration)
{
    CLEANUP(str) char *only = dom_attr(node, "configuration");
    CLEANUP(str) char *bound = dom_attr(node, "bound");

    if (!str_is_empty(bound) && !str_eq(bound, "normal"))
        return false;
    if (str_is_empty(only) || configuration == NULL)
        return true;

    struct span rest = span_of(only), part = {0};
    while (span_split(&rest, ' ', &part))
        if (span_eq_str(part, configuration))
            return true;
    return false;
}

static bool is_item(struct dom_node *node)
{
    return dom_is(node, "Item") || dom_is(node, "StorageItem") || dom_is(node, "EthernetPortItem");
}

static int read_items(struct dom_node *section, const char *configuration, struct item_list *items,
                      struct error **err)
{
    for (struct dom_node *node = dom_first(section, NULL); node != NULL;
         node = dom_next(node, NULL)) {
        if (!is_item(node) || !item_applies(node, configuration))
            continue;
        if (items->len == OVF_MAX_ITEMS)
            return error_set(err, ERROR_INVALID, "more than %d items of hardware", OVF_MAX_ITEMS);
        item_list_push(items, (struct item){0});
        if (read_item(node, &items->ptr[items->len - 1], err) == -1)
            return -1;
    }
    return 0;
}

static int add_cpu(const struct item *item, struct ovf_system *system, struct error **err)
{
    uint64_t count = 0, cores = 1, sockets = 0;

    if (!span_u64(span_of(item->quantity), &count) || count == 0)
        if (!span_u64(span_of(item->sockets), &sockets) || sockets == 0)
            return error_set(err, ERROR_INVALID, "\"%.40s\" is no number of CPUs",
                             item->quantity ? item->quantity : "");
    if (!str_is_empty(item->cores_per_socket) &&
        (!span_u64(span_of(item->cores_per_socket), &cores) || cores == 0))
        return error_set(err, ERROR_INVALID, "\"%.40s\" is no number of cores per socket",
                         item->cores_per_socket);
    if (cores > MAX_CPUS || sockets > MAX_CPUS)
        return error_set(err, ERROR_INVALID, "more than %d CPUs", MAX_CPUS);
    if (count == 0)
        count = sockets * cores;
    if (count > MAX_CPUS)
        return error_set(err, ERROR_INVALID, "more than %d CPUs", MAX_CPUS);
    system->cpu_count = (uint32_t)count;
    system->cores_per_socket = (uint32_t)cores;
    free(system->cpu_units);
    system->cpu_units = item->units ? xstrdup(item->units) : NULL;
    return 0;
}

static int add_memory(const struct item *item, struct ovf_system *system, struct error **err)
{
    const char *units = str_is_empty(item->units) ? "byte * 2^20" : item->units;

    if (units_apply(item->quantity, units, &system->memory_bytes, err) == -1)
        return error_wrap(err, "memory");
    if (system->memory_bytes == 0)
        return error_set(err, ERROR_INVALID, "the memory is zero bytes");
    span_u64(span_of(item->quantity), &system->memory_quantity);
    free(system->memory_units);
    system->memory_units = xstrdup(units);
    return 0;
}

static enum machine_bus controller_bus(const struct item *controller)
{
    const char *sub_type = controller->sub_type ? controller->sub_type : "";

    switch (controller->type) {
    case RESOURCE_SCSI:
        return MACHINE_BUS_SCSI;
    case RESOURCE_USB:
        return MACHINE_BUS_USB;
    case RESOURCE_OTHER_STORAGE: /* AHCI, vmware.sata.ahci, vmware.nvme.controller, VirtioSCSI */
        return strcasestr(sub_type, "scsi") ? MACHINE_BUS_SCSI : MACHINE_BUS_SATA;
    default: /* IDE */
        return MACHINE_BUS_SATA;
    }
}

static bool is_no_parent(const char *parent)
{
    return str_is_empty(parent) || strspn(parent, "0-") == 36; /* oVirt: a UUID of zeros */
}

/* The bus of a drive, from the controller its Parent names. */
static int find_bus(const struct item *drive, const struct item_list *items, enum machine_bus *bus,
                    struct error **err)
{
    if (is_no_parent(drive->parent)) {
        *bus = MACHINE_BUS_VIRTIO;
        return 0;
    }
    for (size_t i = 0; i < items->len; i++)
        if (str_eq(items->ptr[i].instance_id, drive->parent)) {
            *bus = controller_bus(&items->ptr[i]);
            return 0;
        }
    return error_set(err, ERROR_INVALID, "Parent \"%.60s\" names no item of the machine",
                     drive->parent);
}

/* The disk that HostResource names: "ovf:/disk/ID", "ovf://disk/ID", "/disk/ID", "disk/ID". */
static int find_host_disk(const struct item *item, const struct ovf *ovf, size_t *disk,
                          struct error **err)
{
    const char *resource = item->host_resource ? item->host_resource : "";
    const char *path = str_starts_with(resource, "ovf:") ? resource + 4 : resource;

    path += strspn(path, "/");
    if (!str_starts_with(path, "disk/"))
        return error_set(err, ERROR_INVALID, "HostResource \"%.100s\" is not ovf:/disk/...",
                         resource);
    *disk = ovf_find_disk(ovf, path + 5);
    if (*disk == OVF_NONE)
        return error_set(err, ERROR_INVALID, "HostResource \"%.100s\" names no Disk in DiskSection",
                         resource);
    return 0;
}

static int add_drive(const struct item *item, const struct item_list *items, const struct ovf *ovf,
                     struct ovf_system *system, struct error **err)
{
    struct ovf_drive drive = {0};

    if (find_host_disk(item, ovf, &drive.disk, err) == -1 ||
        find_bus(item, items, &drive.bus, err) == -1)
        return -1;
    for (size_t i = 0; i < system->drives.len; i++)
        if (system->drives.ptr[i].disk == drive.disk)
            return error_set(err, ERROR_INVALID, "Disk \"%s\" is in the machine twice",
                             ovf->disks.ptr[drive.disk].id);
    drive.name = xstrdup(item->name ? item->name : ovf->disks.ptr[drive.disk].id);
    ovf_drive_list_push(&system->drives, drive);
    return 0;
}

char *ovf_format_mac(const char *text)
{
    char digits[12];
    size_t len = 0;

    for (const char *p = text ? text : ""; *p != '\0'; p++) {
        if (*p == ':' || *p == '-')
            continue;
        if (len == sizeof(digits) || !isxdigit((unsigned char)*p))
            return NULL;
        digits[len++] = (char)tolower((unsigned char)*p);
    }
    if (len != sizeof(digits))
        return NULL;

    struct buf mac = BUF_INIT(18);
    for (size_t i = 0; i < sizeof(digits); i += 2)
        buf_printf(&mac, "%s%c%c", i ? ":" : "", digits[i], digits[i + 1]);
    return buf_take(&mac);
}

/* vmw:Config and vmw:ExtraConfig among the children of NODE. */
static void read_config(struct dom_node *node, struct ovf_config_list *config)
{
    for (struct dom_node *child = dom_first(node, NULL); child != NULL;
         child = dom_next(child, NULL)) {
        if (!dom_is(child, "Config") && !dom_is(child, "ExtraConfig"))
            continue;
        struct ovf_config entry = {dom_attr(child, "key"), dom_attr(child, "value")};

        if (entry.key == NULL || entry.value == NULL || strlen(entry.key) > OVF_MAX_TEXT ||
            strlen(entry.value) > OVF_MAX_TEXT || config->len == OVF_MAX_ITEMS) {
            free(entry.key);
            free(entry.value);
            continue;
        }
        ovf_config_list_push(config, entry);
    }
}

static int add_nic(const struct item *item, struct ovf *ovf, struct ovf_system *system,
                   struct error **err)
{
    struct ovf_nic nic = {.network = OVF_NONE};

    if (!str_is_empty(item->connection)) {
        nic.network = ovf_need_network(ovf, item->connection);
        if (nic.network == OVF_NONE)
            return error_set(err, ERROR_INVALID, "more than %d networks", OVF_MAX_NETWORKS);
    }
    nic.name = xstrdup(item->name ? item->name : "");
    nic.mac = ovf_format_mac(item->mac);
    nic.model = item->sub_type ? xstrdup(item->sub_type) : NULL;
    read_config(item->node, &nic.config);
    ovf_nic_list_push(&system->nics, nic);
    return 0;
}

/* What the inventory calls the device: its name without a number at the end. */
static void add_device(const struct item *item, struct ovf_system *system)
{
    struct span kind = span_of(item->name);

    while (kind.len > 0 && strchr("0123456789 ", kind.ptr[kind.len - 1]) != NULL)
        kind.len--;
    if (kind.len == 0)
        kind = span_of(str_is_empty(item->description) ? "Unknown" : item->description);
    str_list_push(&system->devices, span_dup(kind));
    if (item->sub_type != NULL && strcasestr(item->sub_type, "tpm") != NULL)
        system->tpm = true;
}

static int add_item(const struct item *item, const struct item_list *items, struct ovf *ovf,
                    struct ovf_system *system, struct error **err)
{
    switch (item->type) {
    case RESOURCE_CPU:
        return add_cpu(item, system, err);
    case RESOURCE_MEMORY:
        return add_memory(item, system, err);
    case RESOURCE_NIC:
        return add_nic(item, ovf, system, err);
    case RESOURCE_DISK:
        add_device(item, system);
        return add_drive(item, items, ovf, system, err);
    default:
        add_device(item, system);
        return 0;
    }
}

static void apply_config(const struct ovf_config_list *config, struct ovf_system *system)
{
    for (size_t i = 0; i < config->len; i++) {
        const char *key = config->ptr[i].key;
        bool yes = strcasecmp(config->ptr[i].value, "true") == 0;

        if (str_eq(key, "firmware"))
            system->efi = strcasecmp(config->ptr[i].value, "efi") == 0;
        else if (str_eq(key, "bootOptions.efiSecureBootEnabled") ||
                 str_eq(key, "uefi.secureBoot.enabled"))
            system->secure_boot = system->secure_boot || yes;
        else if (str_eq(key, "cpuHotAddEnabled"))
            system->cpu_hot_add = yes;
        else if (str_eq(key, "cpuHotRemoveEnabled"))
            system->cpu_hot_remove = yes;
        else if (str_eq(key, "memoryHotAddEnabled"))
            system->memory_hot_add = yes;
    }
}

int ovf_hardware_parse(struct dom_node *section, const char *configuration, struct ovf *ovf,
                       struct ovf_system *system, struct error **err)
{
    CLEANUP(items) struct item_list items = {0};
    struct ovf_config_list config = {0};

    if (read_items(section, configuration, &items, err) == -1)
        return -1;
    for (size_t i = 0; i < items.len; i++)
        if (add_item(&items.ptr[i], &items, ovf, system, err) == -1)
            return ovf_wrap_at(items.ptr[i].node, items.ptr[i].name, err);
    read_config(section, &config);
    apply_config(&config, system);
    for (size_t i = 0; i < config.len; i++) {
        free(config.ptr[i].key);
        free(config.ptr[i].value);
    }
    ovf_config_list_reset(&config);
    if (system->cpu_count == 0)
        return error_set(err, ERROR_INVALID, "no item says how many CPUs (ResourceType 3)");
    if (system->memory_bytes == 0)
        return error_set(err, ERROR_INVALID, "no item says how much memory (ResourceType 4)");
    return 0;
}

/* Adapters have a slot; those that are enabled are the NICs in that order. */
static void read_adapters(struct dom_node *network, struct ovf_system *system)
{
    size_t at = 0;

    for (struct dom_node *node = dom_first(network, NULL); node != NULL && at < system->nics.len;
         node = dom_next(node, NULL)) {
        CLEANUP(str) char *enabled = dom_attr(node, "enabled");
        CLEANUP(str) char *address = dom_attr(node, "MACAddress");

        if (!dom_is(node, "Adapter") || !str_eq(enabled, "true"))
            continue;
        struct ovf_nic *nic = &system->nics.ptr[at++];
        if (nic->mac == NULL)
            nic->mac = ovf_format_mac(address);
    }
}

void ovf_virtualbox_parse(struct dom_node *machine, struct ovf_system *system)
{
    struct dom_node *hardware = dom_first(machine, "Hardware");

    if (hardware == NULL)
        return;
    for (struct dom_node *node = dom_first(hardware, NULL); node != NULL;
         node = dom_next(node, NULL)) {
        CLEANUP(str) char *type = dom_attr(node, "type");

        if (dom_is(node, "Firmware"))
            system->efi = type != NULL && strncmp(type, "EFI", 3) == 0;
        else if (dom_is(node, "TrustedPlatformModule"))
            system->tpm = !str_is_empty(type) && !str_eq(type, "None");
        else if (dom_is(node, "Network"))
            read_adapters(node, system);
    }
}
