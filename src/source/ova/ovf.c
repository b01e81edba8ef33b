#include "source/ova/ovf_internal.h"

#include "base/array.h"
#include "base/error.h"
#include "base/file.h"
#include "base/map.h"
#include "base/text.h"
#include "source/ova/units.h"

#include <string.h>
#include <strings.h>

/* The descriptor is read from top to bottom, but its sections in the order of their references:
 * files, disks (which name files), networks, machines (which name disks and networks).  Namespaces
 * are not looked at: 0.9, 1.x, 2.x and the tools' dialects differ in prefixes and in the spelling
 * of a few names, not in structure.  In 0.9 (and oVirt) a section is <Section xsi:type=
 * "ovf:DiskSection_Type"> and a machine <Content xsi:type="ovf:VirtualSystem_Type">. */

int ovf_wrap_at(struct dom_node *node, const char *label, struct error **err)
{
    return error_wrap(err, "%s \"%s\" (line %d)", dom_name(node), label ? label : "",
                      dom_line(node));
}

char *ovf_text(const struct dom_node *node)
{
    CLEANUP(str) char *text = node ? dom_text(node) : NULL;

    return text ? span_dup(span_trim(span_of(text))) : NULL;
}

int ovf_check_text(const char *text, const char *what, struct error **err)
{
    if (text != NULL && strlen(text) > OVF_MAX_TEXT)
        return error_set(err, ERROR_INVALID, "%s has more than %d bytes", what, OVF_MAX_TEXT);
    return 0;
}

static bool section_is(struct dom_node *node, const char *name)
{
    if (dom_is(node, name))
        return true;
    if (!dom_is(node, "Section") && !dom_is(node, "Content"))
        return false;

    CLEANUP(str) char *type = dom_attr(node, "type");
    const char *local = type ? strrchr(type, ':') : NULL;
    size_t len = strlen(name);

    local = local ? local + 1 : type;
    return local != NULL && strncmp(local, name, len) == 0 && strcmp(local + len, "_Type") == 0;
}

static struct dom_node *find_section(struct dom_node *parent, const char *name)
{
    struct dom_node *node = dom_first(parent, NULL);

    while (node != NULL && !section_is(node, name))
        node = dom_next(node, NULL);
    return node;
}

size_t ovf_find_file(const struct ovf *ovf, const char *id)
{
    for (size_t i = 0; i < ovf->files.len; i++)
        if (str_eq(ovf->files.ptr[i].id, id))
            return i;
    return OVF_NONE;
}

size_t ovf_find_disk(const struct ovf *ovf, const char *id)
{
    for (size_t i = 0; i < ovf->disks.len; i++)
        if (str_eq(ovf->disks.ptr[i].id, id))
            return i;
    return OVF_NONE;
}

size_t ovf_find_network(const struct ovf *ovf, const char *name)
{
    for (size_t i = 0; i < ovf->networks.len; i++)
        if (str_eq(ovf->networks.ptr[i].name, name))
            return i;
    return OVF_NONE;
}

size_t ovf_need_network(struct ovf *ovf, const char *name)
{
    size_t index = ovf_find_network(ovf, name);

    if (index != OVF_NONE || ovf->networks.len == OVF_MAX_NETWORKS)
        return index;
    ovf_network_list_push(&ovf->networks, (struct ovf_network){.name = xstrdup(name)});
    return ovf->networks.len - 1;
}

/* The attribute NAME of a size; absent is 0. */
static int attr_u64(struct dom_node *node, const char *name, uint64_t *value, struct error **err)
{
    CLEANUP(str) char *text = dom_attr(node, name);

    if (text == NULL || *text == '\0')
        return 0;
    if (!span_u64(span_of(text), value))
        return error_set(err, ERROR_INVALID, "%s \"%.40s\" is not a whole number", name, text);
    return 0;
}

static int check_href(const char *href, struct error **err)
{
    if (str_is_empty(href))
        return error_set(err, ERROR_INVALID, "no href");
    if (strstr(href, "://") != NULL)
        return error_set(err, ERROR_UNSUPPORTED, "href \"%.200s\" is not a file of the package",
                         href);
    if (!path_is_plain_relative(href, strlen(href)))
        return error_set(err, ERROR_INVALID, "href \"%.200s\" leaves the package's folder", href);
    return ovf_check_text(href, "href", err);
}

static int parse_file(struct dom_node *node, struct ovf_file *file, struct error **err)
{
    CLEANUP(str) char *compression = dom_attr(node, "compression");

    file->href = dom_attr(node, "href");
    if (check_href(file->href, err) == -1 || ovf_check_text(file->id, "id", err) == -1)
        return -1;
    if (!str_is_empty(compression) && strcasecmp(compression, "identity") != 0) {
        if (strcasecmp(compression, "gzip") != 0)
            return error_set(err, ERROR_UNSUPPORTED, "unknown compression \"%.40s\"", compression);
        file->gzip = true;
    }
    if (attr_u64(node, "size", &file->size, err) == -1)
        return -1;
    return attr_u64(node, "chunkSize", &file->chunk_size, err);
}

static int parse_files(struct dom_node *section, struct ovf *ovf, struct error **err)
{
    for (struct dom_node *node = section ? dom_first(section, NULL) : NULL; node != NULL;
         node = dom_next(node, NULL)) {
        if (!dom_is(node, "File"))
            continue;
        struct ovf_file file = {.id = dom_attr(node, "id")};
        size_t same = ovf_find_file(ovf, file.id);

        if (file.id == NULL)
            file.id = xstrdup("");
        ovf_file_list_push(&ovf->files, file);
        if (ovf->files.len > OVF_MAX_FILES)
            return error_set(err, ERROR_INVALID, "more than %d files", OVF_MAX_FILES);
        if (same != OVF_NONE)
            error_set(err, ERROR_INVALID, "the id is used twice");
        if (same != OVF_NONE || parse_file(node, &ovf->files.ptr[ovf->files.len - 1], err) == -1)
            return ovf_wrap_at(node, file.id, err);
    }
    return 0;
}

static int parse_disk(struct dom_node *node, struct ovf *ovf, struct ovf_disk *disk,
                      struct error **err)
{
    CLEANUP(str) char *file_ref = dom_attr(node, "fileRef");

    disk->format = dom_attr(node, "format");
    disk->capacity = dom_attr(node, "capacity");
    disk->capacity_units = dom_attr(node, "capacityAllocationUnits");
    disk->parent = dom_attr(node, "parentRef");
    if (ovf_check_text(disk->id, "diskId", err) == -1 ||
        ovf_check_text(disk->format, "format", err) == -1 ||
        ovf_check_text(disk->capacity_units, "capacityAllocationUnits", err) == -1)
        return -1;
    if (str_is_empty(disk->capacity))
        return error_set(err, ERROR_INVALID, "no capacity");
    if (disk->capacity[0] == '$')
        return error_set(err, ERROR_UNSUPPORTED, "capacity \"%.60s\" is left to the deployment",
                         disk->capacity);
    if (units_apply(disk->capacity, disk->capacity_units, &disk->capacity_bytes, err) == -1)
        return error_wrap(err, "capacity");
    if (disk->capacity_bytes == 0)
        return error_set(err, ERROR_INVALID, "the capacity is zero bytes");
    if (attr_u64(node, "populatedSize", &disk->populated_bytes, err) == -1)
        return -1;
    if (str_is_empty(file_ref))
        return 0;
    disk->file = ovf_find_file(ovf, file_ref);
    if (disk->file == OVF_NONE)
        return error_set(err, ERROR_INVALID, "fileRef \"%.100s\" names no File in References",
                         file_ref);
    return 0;
}

/* A chain of parents ends, and every link exists. */
static int check_parents(const struct ovf *ovf, struct error **err)
{
    size_t parents[OVF_MAX_DISKS];

    for (size_t i = 0; i < ovf->disks.len; i++) {
        const struct ovf_disk *disk = &ovf->disks.ptr[i];

        parents[i] = OVF_NONE;
        if (str_is_empty(disk->parent))
            continue;
        parents[i] = ovf_find_disk(ovf, disk->parent);
        if (parents[i] == OVF_NONE)
            return error_set(err, ERROR_INVALID, "Disk \"%s\": parentRef \"%.100s\" names no Disk",
                             disk->id, disk->parent);
    }
    for (size_t i = 0; i < ovf->disks.len; i++) {
        size_t at = parents[i];

        for (size_t steps = 0; at != OVF_NONE; steps++, at = parents[at])
            if (steps == ovf->disks.len)
                return error_set(err, ERROR_INVALID, "Disk \"%s\": its parents form a circle",
                                 ovf->disks.ptr[i].id);
    }
    return 0;
}

static int parse_disks(struct dom_node *section, struct ovf *ovf, struct error **err)
{
    for (struct dom_node *node = section ? dom_first(section, NULL) : NULL; node != NULL;
         node = dom_next(node, NULL)) {
        if (!dom_is(node, "Disk"))
            continue;
        struct ovf_disk disk = {.id = dom_attr(node, "diskId"), .file = OVF_NONE};
        size_t same = ovf_find_disk(ovf, disk.id);

        if (disk.id == NULL)
            disk.id = xstrdup("");
        ovf_disk_list_push(&ovf->disks, disk);
        if (ovf->disks.len > OVF_MAX_DISKS)
            return error_set(err, ERROR_INVALID, "more than %d disks", OVF_MAX_DISKS);
        if (same != OVF_NONE)
            error_set(err, ERROR_INVALID, "the diskId is used twice");
        if (same != OVF_NONE || parse_disk(node, ovf, &ovf->disks.ptr[ovf->disks.len - 1], err))
            return ovf_wrap_at(node, disk.id, err);
    }
    return check_parents(ovf, err);
}

static int parse_networks(struct dom_node *section, struct ovf *ovf, struct error **err)
{
    for (struct dom_node *node = section ? dom_first(section, NULL) : NULL; node != NULL;
         node = dom_next(node, NULL)) {
        if (!dom_is(node, "Network"))
            continue;
        struct ovf_network network = {
            .name = dom_attr(node, "name"),
            .description = ovf_text(dom_first(node, "Description")),
        };
        bool known = ovf_find_network(ovf, network.name) != OVF_NONE;

        if (network.name == NULL)
            network.name = xstrdup("");
        ovf_network_list_push(&ovf->networks, network);
        if (ovf->networks.len > OVF_MAX_NETWORKS)
            return error_set(err, ERROR_INVALID, "more than %d networks", OVF_MAX_NETWORKS);
        if (known || *network.name == '\0')
            error_set(err, ERROR_INVALID, known ? "the name is used twice" : "no name");
        if (known || *network.name == '\0' || ovf_check_text(network.name, "name", err) == -1 ||
            ovf_check_text(network.description, "Description", err) == -1)
            return ovf_wrap_at(node, network.name, err);
    }
    return 0;
}

/* The id of the configuration that is deployed when nobody chooses: the one marked as default,
 * else the first; NULL without a DeploymentOptionSection. */
static char *find_configuration(struct dom_node *section)
{
    char *first = NULL;

    for (struct dom_node *node = section ? dom_first(section, NULL) : NULL; node != NULL;
         node = dom_next(node, NULL)) {
        if (!dom_is(node, "Configuration"))
            continue;
        CLEANUP(str) char *chosen = dom_attr(node, "default");

        if (first == NULL)
            first = dom_attr(node, "id");
        if (str_eq(chosen, "true") || str_eq(chosen, "1")) {
            free(first);
            return dom_attr(node, "id");
        }
    }
    return first;
}

static void parse_os(struct dom_node *section, struct ovf_system *system)
{
    if (section == NULL)
        return;
    system->os_type = dom_attr(section, "osType");
    if (str_is_empty(system->os_type)) {
        free(system->os_type);
        system->os_type = ovf_text(dom_first(section, "OSType")); /* VirtualBox */
    }
    if (str_is_empty(system->os_type)) {
        free(system->os_type);
        system->os_type = ovf_text(dom_first(section, "Description"));
    }
    if (str_is_empty(system->os_type)) {
        free(system->os_type);
        system->os_type = NULL;
    }
}

static int parse_system(struct dom_node *node, const char *configuration, struct ovf *ovf,
                        struct error **err)
{
    if (ovf->systems.len == OVF_MAX_SYSTEMS)
        return error_set(err, ERROR_INVALID, "more than %d machines", OVF_MAX_SYSTEMS);
    ovf_system_list_push(&ovf->systems, (struct ovf_system){.id = dom_attr(node, "id")});

    struct ovf_system *system = &ovf->systems.ptr[ovf->systems.len - 1];
    struct dom_node *hardware = find_section(node, "VirtualHardwareSection");
    struct dom_node *machine = dom_first(node, "Machine");

    if (system->id == NULL)
        system->id = xstrdup("");
    system->name = ovf_text(dom_first(node, "Name"));
    if (str_is_empty(system->name)) {
        free(system->name);
        system->name = xstrdup(system->id);
    }
    if (*system->name == '\0') {
        error_set(err, ERROR_INVALID, "neither a Name nor an id");
        return ovf_wrap_at(node, "", err);
    }
    parse_os(find_section(node, "OperatingSystemSection"), system);
    if (hardware == NULL)
        error_set(err, ERROR_INVALID, "no VirtualHardwareSection");
    if (hardware == NULL || ovf_check_text(system->id, "id", err) == -1 ||
        ovf_check_text(system->name, "Name", err) == -1 ||
        ovf_check_text(system->os_type, "osType", err) == -1 ||
        ovf_hardware_parse(hardware, configuration, ovf, system, err) == -1)
        return ovf_wrap_at(node, system->id, err);
    if (machine != NULL)
        ovf_virtualbox_parse(machine, system);
    return 0;
}

/* Machines of an Envelope or a VirtualSystemCollection. */
static int parse_content(struct dom_node *parent, const char *configuration, int depth,
                         struct ovf *ovf, struct error **err)
{
    if (depth > OVF_MAX_NESTING)
        return error_set(err, ERROR_INVALID, "collections are nested deeper than %d",
                         OVF_MAX_NESTING);
    for (struct dom_node *node = dom_first(parent, NULL); node != NULL;
         node = dom_next(node, NULL)) {
        int result = 0;

        if (section_is(node, "VirtualSystemCollection"))
            result = parse_content(node, configuration, depth + 1, ovf, err);
        else if (section_is(node, "VirtualSystem"))
            result = parse_system(node, configuration, ovf, err);
        if (result == -1)
            return -1;
    }
    return 0;
}

/* Which tool wrote the package, by the namespaces it declares. */
static const char *guess_source(struct dom_node *envelope)
{
    static const struct {
        const char *part, *name;
    } sources[] = {
        {"citrix", "Xen"},
        {"xenclient", "Xen"},
        {"virtualbox", "VirtualBox"},
        {"ovirt.org", "oVirt"},
        {"vmware.com/schema", "VMware"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(sources); i++)
        if (dom_declares(envelope, sources[i].part))
            return sources[i].name;
    return "Unknown";
}

int ovf_parse(const char *text, size_t len, struct ovf **out, struct error **err)
{
    CLEANUP(dom) struct dom *dom = NULL;
    CLEANUP(ovf) struct ovf *ovf = NULL;
    CLEANUP(str) char *configuration = NULL;

    if (len > OVF_MAX_BYTES)
        return error_set(err, ERROR_INVALID, "descriptor has %zu bytes, more than %d", len,
                         OVF_MAX_BYTES);
    if (dom_parse(text, len, &dom, err) == -1)
        return -1;

    struct dom_node *envelope = dom_root(dom);
    if (!dom_is(envelope, "Envelope"))
        return error_set(err, ERROR_INVALID, "not an OVF: the outermost element is \"%.60s\"",
                         dom_name(envelope));
    ovf = xcalloc(1, sizeof(*ovf));
    ovf->export_source = guess_source(envelope);
    configuration = find_configuration(find_section(envelope, "DeploymentOptionSection"));
    if (parse_files(dom_first(envelope, "References"), ovf, err) == -1 ||
        parse_disks(find_section(envelope, "DiskSection"), ovf, err) == -1 ||
        parse_networks(find_section(envelope, "NetworkSection"), ovf, err) == -1 ||
        parse_content(envelope, configuration, 0, ovf, err) == -1)
        return -1;
    if (ovf->systems.len == 0)
        return error_set(err, ERROR_INVALID, "no VirtualSystem: the package has no machine");
    *out = steal(&ovf);
    return 0;
}

static void free_system(struct ovf_system *system)
{
    for (size_t i = 0; i < system->drives.len; i++)
        free(system->drives.ptr[i].name);
    for (size_t i = 0; i < system->nics.len; i++) {
        struct ovf_nic *nic = &system->nics.ptr[i];

        for (size_t j = 0; j < nic->config.len; j++) {
            free(nic->config.ptr[j].key);
            free(nic->config.ptr[j].value);
        }
        ovf_config_list_reset(&nic->config);
        free(nic->name);
        free(nic->mac);
        free(nic->model);
    }
    ovf_drive_list_reset(&system->drives);
    ovf_nic_list_reset(&system->nics);
    str_list_free_all(&system->devices);
    free(system->id);
    free(system->name);
    free(system->os_type);
    free(system->cpu_units);
    free(system->memory_units);
}

void ovf_free(struct ovf *ovf)
{
    if (ovf == NULL)
        return;
    for (size_t i = 0; i < ovf->files.len; i++) {
        free(ovf->files.ptr[i].id);
        free(ovf->files.ptr[i].href);
    }
    for (size_t i = 0; i < ovf->disks.len; i++) {
        struct ovf_disk *disk = &ovf->disks.ptr[i];

        free(disk->id);
        free(disk->format);
        free(disk->capacity);
        free(disk->capacity_units);
        free(disk->parent);
    }
    for (size_t i = 0; i < ovf->networks.len; i++) {
        free(ovf->networks.ptr[i].name);
        free(ovf->networks.ptr[i].description);
    }
    for (size_t i = 0; i < ovf->systems.len; i++)
        free_system(&ovf->systems.ptr[i]);
    ovf_file_list_reset(&ovf->files);
    ovf_disk_list_reset(&ovf->disks);
    ovf_network_list_reset(&ovf->networks);
    ovf_system_list_reset(&ovf->systems);
    free(ovf);
}
