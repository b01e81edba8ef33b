/* What a target finds out about itself before a machine comes: where its disks are here and whether
 * they have room, its bridges, its folder.  It becomes the context of the pre-migration hooks. */
#include "base/error.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "data/obj.h"
#include "kube/meta.h"
#include "node/agent.h"
#include "node/domain.h"
#include "node/live/internal.h"
#include "node/machine_resources.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#define BOOT_ID              "/proc/sys/kernel/random/boot_id"
#define UNPRIVILEGED_SETTING "/proc/sys/vm/unprivileged_userfaultfd"

/* One disk of the machine that comes, and what is there for it here. */
struct place {
    const char *name, *path;
    bool block;
    int64_t size; /* of what is here */
    struct stat st;
};

static bool is_same_boot(const json_t *machine)
{
    CLEANUP(str) char *boot = NULL;
    CLEANUP(error) struct error *ignored = NULL; /* then nothing counts as shared */

    return file_read(BOOT_ID, 64, &boot, NULL, &ignored) == 0 &&
           str_eq(boot, obj_str(machine, "bootID", ""));
}

static bool is_shared(const json_t *machine, const json_t *disk, const struct place *place)
{
    bool block = S_ISBLK(place->st.st_mode);

    return is_same_boot(machine) &&
           obj_int(disk, "device", -1) == (int64_t)(block ? place->st.st_rdev : place->st.st_dev) &&
           obj_int(disk, "inode", -1) == (block ? 0 : (int64_t)place->st.st_ino);
}

/* Room for what the source has allocated, beyond what the file has already. */
static int check_room(const json_t *disk, const struct place *place, struct error **err)
{
    struct statvfs fs;
    int64_t more = obj_int(disk, "allocatedBytes", 0) - (int64_t)place->st.st_blocks * 512;

    if (place->block || more <= 0)
        return 0;
    if (statvfs(place->path, &fs) == -1)
        return error_sys(err, errno, "cannot look at \"%s\"", place->path);
    int64_t left = (int64_t)fs.f_bavail * (int64_t)fs.f_frsize;
    return more <= left ? 0
                        : error_set(err, ERROR_UNSUPPORTED,
                                    "%" PRId64 " bytes are needed and %" PRId64 " are free", more, left);
}

static int find_place(const json_t *volumes, const json_t *disk, struct place *place,
                      struct error **err)
{
    const json_t *volume = json_object_get(volumes, obj_str(disk, "name", ""));

    *place = (struct place){.name = obj_str(disk, "name", ""),
                            .path = obj_str(volume, "path", NULL),
                            .block = obj_bool(volume, "block", false)};
    if (place->path == NULL)
        return error_set(err, ERROR_UNSUPPORTED, "the target's instance has no volume of that name");
    CLEANUP(fd) int fd = open(place->path, O_RDONLY | O_CLOEXEC);
    if (fd == -1 || fstat(fd, &place->st) == -1)
        return error_sys(err, errno, "cannot open \"%s\"", place->path);
    place->size = lseek(fd, 0, SEEK_END);
    return 0;
}

/* Adds the fact for one disk, and to COPIED its target if its data must come along. */
static int add_disk(const json_t *machine, const json_t *disk, const json_t *volumes, json_t *facts,
                    json_t *copied, struct error **err)
{
    int64_t size = obj_int(disk, "sizeBytes", -1);
    struct place place;

    if (find_place(volumes, disk, &place, err) == -1)
        return -1;
    if (size < 0)
        return error_set(err, ERROR_UNSUPPORTED, "the source cannot tell its size");
    json_t *fact = obj_pack("{s:s,s:s}", "name", place.name, place.block ? "block" : "file",
                            place.path);
    obj_take(facts, "volumes[]", fact);
    if (is_shared(machine, disk, &place))
        return 0;
    if (place.size < size)
        return error_set(err, ERROR_UNSUPPORTED,
                         "it has %" PRId64 " bytes at the source, and \"%s\" only %" PRId64, size,
                         place.path, place.size);
    /* a disk must not grow under its guest */
    if (place.size > size)
        obj_put_int(fact, "sliceBytes", size);
    if (obj_bool(disk, "readOnly", false))
        return 0;
    if (check_room(disk, &place, err) == -1)
        return -1;
    json_array_append_new(copied, obj_new_str(obj_str(disk, "target", "")));
    return 0;
}

static int add_networks(struct live *live, const json_t *vmi, json_t *facts, struct error **err)
{
    json_t *networks = NULL;

    if (machine_networks(live->agent, vmi, &networks, err) == -1)
        return -1;
    json_auto_t *owned = networks;
    const char *name;
    json_t *network;
    json_object_foreach(owned, name, network)
    {
        json_t *fact = obj_pack("{s:s}", "name", name);

        obj_put_str(fact, "bridge", obj_str(network, "bridge", NULL));
        obj_take(facts, "networks[]", fact);
    }
    return 0;
}

/* MemAvailable covers what can be freed, and nothing else tells whether QEMU would be killed. */
static int check_memory(const json_t *machine, struct error **err)
{
    CLEANUP(str) char *text = NULL;
    uint64_t wanted = 0, available = 0;
    struct span line;

    if (!span_u64(span_of(obj_str(machine, "memoryKiB", "")), &wanted))
        return error_set(err, ERROR_INVALID, "the machine's memory \"%s\" is no number",
                         obj_str(machine, "memoryKiB", ""));
    if (file_read("/proc/meminfo", 65536, &text, NULL, err) == -1)
        return -1;
    for (struct span rest = span_of(text); span_split(&rest, '\n', &line);) {
        CLEANUP(str) char *copy = span_dup(line);

        if (sscanf(copy, "MemAvailable: %" SCNu64 " kB", &available) == 1)
            break;
    }
    return available == 0 || wanted <= available
               ? 0
               : error_set(err, ERROR_BUSY,
                           "the machine has %" PRIu64 " KiB of memory and %" PRIu64 " are free here",
                           wanted, available);
}

int live_arrival_post_copy(struct error **err)
{
    CLEANUP(str) char *text = NULL;
    CLEANUP(error) struct error *ignored = NULL; /* before Linux 5.2 there was no such setting */
    CLEANUP(fd) int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);

    if (fd == -1)
        return error_sys(err, errno, "this kernel has no userfaultfd");
    if (file_read(UNPRIVILEGED_SETTING, 16, &text, NULL, &ignored) == -1 ||
        span_eq(span_trim(span_of(text)), span_of("1")))
        return 0;
    error_set(err, ERROR_UNSUPPORTED, "QEMU has no capabilities here, and vm.unprivileged_userfaultfd is 0");
    return error_hint(err, "sysctl vm.unprivileged_userfaultfd=1");
}

int live_arrival_gather(struct live *live, const json_t *vmi, const json_t *says, json_t **facts,
                        json_t **copied, struct error **err)
{
    const json_t *machine = obj_obj(says, "machine"), *disk;
    CLEANUP(str) char *dir = machine_dir(live->agent, vmi);
    json_auto_t *list = json_array();
    json_t *volumes = NULL;
    size_t i;

    json_auto_t *out = obj_pack(
        "{s:{s:s,s:s,s:s},s:s,s:{s:s,s:s,s:s},s:{s:s,s:s,s:s},s:[],s:[]}", "vm", "namespace",
        meta_ns(vmi), "name", meta_name(vmi), "uid", meta_uid(vmi), "node", live->agent->name, "source",
        "domainNamespace", obj_str(says, "namespace", ""), "vmiUID", obj_str(says, "vmiUID", ""),
        "folder", obj_str(says, "folder", ""), "target", "domainNamespace", meta_ns(vmi), "vmiUID",
        meta_uid(vmi), "folder", dir, "volumes", "networks");
    if (check_memory(machine, err) == -1 || dir_make(dir, 0700, err) == -1 ||
        machine_unmark_migrated(dir, err) == -1 || machine_volumes(live->agent, vmi, &volumes, err) == -1)
        return -1;
    json_auto_t *owned = volumes;
    json_array_foreach(obj_arr(machine, "disks"), i, disk)
    {
        if (add_disk(machine, disk, owned, out, list, err) == -1)
            return error_wrap(err, "disk \"%s\"", obj_str(disk, "name", ""));
    }
    if (add_networks(live, vmi, out, err) == -1)
        return -1;
    *facts = json_incref(out);
    *copied = json_incref(list);
    return 0;
}
