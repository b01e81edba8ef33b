#define LOG_COMPONENT "node"

#include "node/machine_resources.h"

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "data/obj.h"
#include "kube/kinds.h"
#include "kube/meta.h"
#include "kube/quantity.h"
#include "node/accel.h"
#include "node/agent.h"
#include "node/volumes.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CONSOLE_MAX = 16 * 1024 * 1024, UUID_MAX = 256 };

const char *machine_uid(const json_t *vmi)
{
    const json_t *owner = meta_controller_of(vmi);

    return owner != NULL && str_eq(obj_str(owner, "kind", ""), "VirtualMachine")
               ? obj_str(owner, "uid", meta_uid(vmi))
               : meta_uid(vmi);
}

char *machine_dir(const struct agent *agent, const json_t *vmi)
{
    return xasprintf("%s/machines/%s", agent->dir, machine_uid(vmi));
}

int machine_unmark_migrated(const char *dir, struct error **err)
{
    CLEANUP(str) char *path = path_join(dir, MACHINE_MIGRATED_MARKER);

    if (unlink(path) == -1 && errno != ENOENT)
        return error_sys(err, errno, "cannot remove \"%s\"", path);
    return 0;
}

const char *machine_uuid(const json_t *vmi)
{
    const char *uuid = obj_str(vmi, "spec.domain.firmware.uuid", "");

    return uuid[0] != '\0' ? uuid : machine_uid(vmi);
}

int machine_note_uuid(const char *dir, const json_t *vmi, struct error **err)
{
    CLEANUP(str) char *path = path_join(dir, "uuid");
    const char *uuid = machine_uuid(vmi);

    return file_write(path, uuid, strlen(uuid), 0600, err);
}

int machine_forget(const struct agent *agent, const char *uid, struct error **err)
{
    CLEANUP(str) char *dir = xasprintf("%s/machines/%s", agent->dir, uid);
    CLEANUP(str) char *path = path_join(dir, "uuid");
    CLEANUP(str) char *uuid = NULL;
    CLEANUP(error) struct error *ignored = NULL; /* it never ran */

    if (file_read(path, UUID_MAX, &uuid, NULL, &ignored) == 0 &&
        path_is_plain_relative(uuid, strlen(uuid))) {
        CLEANUP(str) char *tpm = xasprintf("%s/libvirt/lib/swtpm/%s", agent->dir, uuid);
        if (dir_remove(tpm, err) == -1)
            return -1;
    }
    return dir_remove(dir, err);
}

bool machine_has_kvm(const struct agent *agent)
{
    CLEANUP(str) char *cache = path_join(agent->dir, "kvm");
    CLEANUP(str) char *why = NULL;
    bool known = file_exists(cache);
    bool works = accel_kvm_works(MACHINE_EMULATOR, cache, &why);

    if (!known)
        log_info("machines run by %s: %s", works ? "KVM" : "emulation", why);
    return works;
}

/* A sparse file of SIZE bytes, unless PATH is there. */
static int make_sparse(const char *path, uint64_t size, struct error **err)
{
    if (file_exists(path))
        return 0;
    if (size == 0 || size > INT64_MAX)
        return error_set(err, ERROR_INVALID, "a disk needs a capacity");
    CLEANUP(fd) int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd == -1 || ftruncate(fd, (off_t)size) == -1)
        return error_sys(err, errno, "cannot make disk \"%s\"", path);
    return 0;
}

static json_t *disk(const char *path, bool block, bool read_only)
{
    return obj_pack("{s:s,s:b,s:b}", "path", path, "block", block, "readOnly", read_only);
}

static json_t *claim_disk(struct agent *agent, const char *ns, const char *claim, bool read_only,
                          struct error **err)
{
    CLEANUP(str) char *path = NULL;
    CLEANUP(str) char *made = NULL;
    bool block = false;
    uint64_t capacity = 0;

    if (volumes_find(agent, ns, claim, &path, &block, &capacity, err) == -1)
        return NULL;
    if (block) {
        if (volumes_attach(path, &made, err) == -1)
            return NULL;
    } else {
        made = path_join(path, "disk.img");
        if (make_sparse(made, capacity, err) == -1)
            return NULL;
    }
    return disk(made, block, read_only);
}

static json_t *empty_disk(struct agent *agent, const json_t *vmi, const char *name,
                          const char *capacity, struct error **err)
{
    CLEANUP(str) char *dir = machine_dir(agent, vmi);
    CLEANUP(str) char *path = xasprintf("%s/%s.img", dir, name);
    uint64_t size = 0;

    if (quantity_parse_bytes(capacity, &size, err) == -1 || dir_make(dir, 0700, err) == -1 ||
        make_sparse(path, size, err) == -1)
        return NULL;
    return disk(path, false, false);
}

static json_t *host_disk(const json_t *source, struct error **err)
{
    const char *path = obj_str(source, "path", "");
    uint64_t size = 0;

    if (str_eq(obj_str(source, "type", ""), "DiskOrCreate") &&
        (quantity_parse_bytes(obj_str(source, "capacity", "0"), &size, err) == -1 ||
         make_sparse(path, size, err) == -1))
        return NULL;
    if (!file_exists(path)) {
        error_set(err, ERROR_NOT_FOUND, "host disk \"%s\" not found", path);
        return NULL;
    }
    return disk(path, false, false);
}

static json_t *make_disk(struct agent *agent, const json_t *vmi, const json_t *volume,
                         struct error **err)
{
    const json_t *source;

    if ((source = obj_obj(volume, "persistentVolumeClaim")) != NULL)
        return claim_disk(agent, meta_ns(vmi), obj_str(source, "claimName", ""),
                          obj_bool(source, "readOnly", false), err);
    if ((source = obj_obj(volume, "dataVolume")) != NULL)
        return claim_disk(agent, meta_ns(vmi), obj_str(source, "name", ""), false, err);
    if ((source = obj_obj(volume, "emptyDisk")) != NULL)
        return empty_disk(agent, vmi, obj_str(volume, "name", ""), obj_str(source, "capacity", ""),
                          err);
    if ((source = obj_obj(volume, "hostDisk")) != NULL)
        return host_disk(source, err);
    error_set(err, ERROR_UNSUPPORTED,
              "volume type is not served at home: there are persistentVolumeClaim, dataVolume, "
              "emptyDisk and hostDisk");
    return NULL;
}

int machine_volumes(struct agent *agent, const json_t *vmi, json_t **out, struct error **err)
{
    json_auto_t *disks = json_object();
    const json_t *volume;
    size_t i;

    json_array_foreach(obj_arr(vmi, "spec.volumes"), i, volume)
    {
        const char *name = obj_str(volume, "name", "");
        json_t *made = make_disk(agent, vmi, volume, err);

        if (made == NULL)
            return error_wrap(err, "volume \"%s\"", name);
        json_object_set_new(disks, name, made);
    }
    *out = json_incref(disks);
    return 0;
}

static bool is_bridge(const char *name)
{
    CLEANUP(str) char *path = xasprintf("/sys/class/net/%s/bridge", name);

    return path_is_plain_relative(name, strlen(name)) && file_exists(path);
}

/* The bridge that a NetworkAttachmentDefinition's configuration names; owned by the caller. */
static char *bridge_of(const json_t *definition, struct error **err)
{
    const char *text = obj_str(definition, "spec.config", "");

    if (text[0] == '\0')
        return xstrdup(meta_name(definition));
    json_auto_t *config = obj_parse(text, strlen(text), err);
    if (config == NULL) {
        error_wrap(err, "configuration of network \"%s\"", meta_name(definition));
        return NULL;
    }
    return xstrdup(obj_str(config, "bridge",
                           obj_str(config, "plugins[0].bridge", meta_name(definition))));
}

static int multus_bridge(struct agent *agent, const json_t *vmi, const char *reference, char **out,
                         struct error **err)
{
    const char *slash = strchr(reference, '/');
    CLEANUP(str) char *ns = slash == NULL
                                ? xstrdup(meta_ns(vmi))
                                : xstrndup(reference, (size_t)(slash - reference));
    const char *name = slash == NULL ? reference : slash + 1;
    json_t *definition = NULL;

    if (kube_get(agent->client, &KIND_NETWORK_ATTACHMENT, ns, name, &definition, err) == -1)
        return -1;
    json_auto_t *owned = definition;
    CLEANUP(str) char *bridge = owned == NULL ? xstrdup(name) : bridge_of(owned, err);
    if (bridge == NULL)
        return -1;
    if (!is_bridge(bridge)) {
        error_set(err, ERROR_NOT_FOUND, "network \"%s\": this machine has no bridge \"%s\"",
                  reference, bridge);
        return error_hint(err, "make one: ip link add %s type bridge && ip link set %s up", bridge,
                          bridge);
    }
    *out = steal(&bridge);
    return 0;
}

int machine_networks(struct agent *agent, const json_t *vmi, json_t **out, struct error **err)
{
    json_auto_t *networks = json_object();
    const json_t *network;
    size_t i;

    json_array_foreach(obj_arr(vmi, "spec.networks"), i, network)
    {
        const char *reference = obj_str(network, "multus.networkName", NULL);
        CLEANUP(str) char *bridge = NULL;
        json_t *made = json_object();

        json_object_set_new(networks, obj_str(network, "name", ""), made);
        if (reference == NULL)
            continue;
        if (multus_bridge(agent, vmi, reference, &bridge, err) == -1)
            return -1;
        obj_put_str(made, "bridge", bridge);
    }
    *out = json_incref(networks);
    return 0;
}

/* QEMU appends to the file, so it may be cut off under its hands. */
void machine_trim_console(const char *dir)
{
    CLEANUP(str) char *path = path_join(dir, "console.log");
    CLEANUP(str) char *old = path_join(dir, "console.log.1");
    CLEANUP(fd) int from = open(path, O_RDWR | O_CLOEXEC);
    struct stat st;

    if (from == -1 || fstat(from, &st) == -1 || st.st_size <= CONSOLE_MAX)
        return;
    CLEANUP(fd) int to = open(old, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    off_t pos = st.st_size - CONSOLE_MAX;
    /* The last part is kept; if it cannot be, the disk is full and cutting matters more. */
    while (to != -1 && pos < st.st_size &&
           sendfile(to, from, &pos, (size_t)(st.st_size - pos)) > 0)
        continue;
    if (ftruncate(from, 0) == -1)
        return;
}
