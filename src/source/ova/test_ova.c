#include "source/source.h"

#include "base/cancel.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/test.h"
#include "base/text.h"
#include "base/thread.h"
#include "base/time.h"
#include "data/obj.h"
#include "source/ova/catalog.h"
#include "source/ova/ova.h"
#include "source/ova/share.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

/* Packages are written here, in a share that is a folder. */

static char *new_share(void)
{
    static int count;
    CLEANUP(error) struct error *err = NULL;
    char *dir = xasprintf("%s/share%d", test_dir(), ++count);

    CHECK_OK(dir_make(dir, 0700, &err), err);
    return dir;
}

/* An age that no writer has any more. */
static void make_old(const char *path)
{
    struct timespec times[2] = {{.tv_sec = 1700000000}, {.tv_sec = 1700000000}};

    CHECK(utimensat(AT_FDCWD, path, times, 0) == 0);
}

static void write_file(const char *dir, const char *name, const char *data, size_t len)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(str) char *path = path_join(dir, name);
    CLEANUP(str) char *folder = xstrndup(path, (size_t)(path_base(path) - path));

    CHECK_OK(dir_make(folder, 0700, &err), err);
    CHECK_OK(file_write(path, data, len, 0600, &err), err);
    make_old(path);
}

/* A descriptor of machine NAME with disks of files FILE... in the shape of ovftool. */
static char *descriptor(const char *id, const char *name, const char *const *files, size_t count)
{
    struct buf text = BUF_INIT(1 << 20);

    buf_add(&text, "<Envelope xmlns:vmw=\"http://www.vmware.com/schema/ovf\"><References>");
    for (size_t i = 0; i < count; i++)
        buf_printf(&text, "<File id=\"f%zu\" href=\"%s\"/>", i, files[i]);
    buf_add(&text, "</References><DiskSection>");
    for (size_t i = 0; i < count; i++)
        buf_printf(&text,
                   "<Disk diskId=\"d%zu\" capacity=\"%zu\" capacityAllocationUnits=\"byte * 2^20\" "
                   "fileRef=\"f%zu\" "
                   "format=\"http://www.vmware.com/interfaces/specifications/vmdk.html\"/>",
                   i, i + 1, i);
    buf_printf(&text,
               "</DiskSection><NetworkSection><Network name=\"VM Network\"/></NetworkSection>"
               "<VirtualSystem id=\"%s\"><Name>%s</Name><OperatingSystemSection "
               "osType=\"centos7_64Guest\"/><VirtualHardwareSection>"
               "<Item><ResourceType>3</ResourceType><VirtualQuantity>4</VirtualQuantity>"
               "<CoresPerSocket>2</CoresPerSocket></Item>"
               "<Item><AllocationUnits>byte * 2^20</AllocationUnits><ResourceType>4</ResourceType>"
               "<VirtualQuantity>2048</VirtualQuantity></Item>"
               "<Item><InstanceID>3</InstanceID><ResourceType>6</ResourceType></Item>",
               id, name);
    for (size_t i = 0; i < count; i++)
        buf_printf(&text,
                   "<Item><ElementName>Hard disk %zu</ElementName><HostResource>ovf:/disk/d%zu"
                   "</HostResource><Parent>3</Parent><ResourceType>17</ResourceType></Item>",
                   i, i);
    buf_add(&text, "<Item><Address>00:50:56:01:02:03</Address><Connection>VM Network</Connection>"
                   "<ElementName>Ethernet 1</ElementName><ResourceSubType>VmxNet3</ResourceSubType>"
                   "<ResourceType>10</ResourceType></Item><vmw:Config vmw:key=\"firmware\" "
                   "vmw:value=\"efi\"/></VirtualHardwareSection></VirtualSystem></Envelope>");
    return buf_take(&text);
}

/* Appends a ustar member. */
static void add_member(struct buf *tar, const char *name, const char *data, size_t len)
{
    char header[512] = "";
    unsigned sum = 0;

    snprintf(header, 100, "%s", name);
    snprintf(header + 100, 8, "%07o", 0644);
    snprintf(header + 108, 8, "%07o", 0);
    snprintf(header + 116, 8, "%07o", 0);
    snprintf(header + 124, 12, "%011o", (unsigned)len);
    snprintf(header + 136, 12, "%011o", 0);
    memset(header + 148, ' ', 8);
    header[156] = '0';
    memcpy(header + 257, "ustar\00000", 8);
    for (size_t i = 0; i < sizeof(header); i++)
        sum += (unsigned char)header[i];
    snprintf(header + 148, 8, "%06o", sum);
    buf_append(tar, header, sizeof(header));
    buf_append(tar, data, len);
    while (tar->len % 512 != 0)
        buf_add_char(tar, '\0');
}

/* An archive of machine NAME with one disk of 4 bytes. */
static struct buf archive(const char *id, const char *name, const char *manifest)
{
    static const char *const files[] = {"disk-1.vmdk"};
    CLEANUP(str) char *ovf = descriptor(id, name, files, 1);
    struct buf tar = BUF_INIT(1 << 20);
    char end[1024] = "";

    add_member(&tar, "vm.ovf", ovf, strlen(ovf));
    if (manifest != NULL)
        add_member(&tar, "vm.mf", manifest, strlen(manifest));
    add_member(&tar, "disk-1.vmdk", "data", 4);
    buf_append(&tar, end, sizeof(end));
    return tar;
}

static void write_archive(const char *dir, const char *file, const char *id, const char *name)
{
    CLEANUP(buf) struct buf tar = archive(id, name, NULL);

    write_file(dir, file, tar.ptr, tar.len);
}

/* A sink that keeps everything: kind to objects, where to what. */

struct kept {
    pthread_mutex_t lock;
    json_t *objects; /* guarded by lock, as all below */
    json_t *problems;
    int rounds;
};

static void keep_put(void *arg, const char *kind, const json_t *object)
{
    struct kept *kept = arg;
    LOCK_SCOPE(&kept->lock);

    if (json_object_get(kept->objects, kind) == NULL)
        json_object_set_new(kept->objects, kind, json_array());
    json_array_append_new(json_object_get(kept->objects, kind), obj_copy(object));
}

static void keep_remove(void *arg, const char *kind, const char *id)
{
    test_fail(__FILE__, __LINE__, "nothing is removed outside of rounds");
}

static void keep_begin(void *arg)
{
    struct kept *kept = arg;
    LOCK_SCOPE(&kept->lock);

    json_object_clear(kept->objects);
    json_object_clear(kept->problems);
}

static void keep_complete(void *arg)
{
    struct kept *kept = arg;
    LOCK_SCOPE(&kept->lock);

    kept->rounds++;
}

static void keep_problem(void *arg, const char *where, const char *what)
{
    struct kept *kept = arg;
    LOCK_SCOPE(&kept->lock);

    json_object_set_new(kept->problems, path_base(where), json_string(what));
}

/* A provider with its collector. */

struct running {
    struct source *source;
    struct cancel *cancel;
    struct kept kept;
    struct thread thread;
    struct error *err;
};

static void *run_collect(void *arg)
{
    struct running *running = arg;
    const struct source_sink sink = {&running->kept, keep_put,      keep_remove,
                                     keep_begin,     keep_complete, keep_problem};

    ova_source_ops.collect(running->source, &sink, running->cancel, &running->err);
    return NULL;
}

static void start(struct running *running, const char *url)
{
    CLEANUP(error) struct error *err = NULL;
    json_auto_t *provider = obj_pack("{s:{s:s, s:s}, s:{s:s, s:s}}", "metadata", "name", "share",
                                     "uid", "u-1", "spec", "type", "ova", "url", url);
    const struct source_config config = {.provider = provider};

    *running = (struct running){.cancel = cancel_new()};
    running->kept.objects = json_object();
    running->kept.problems = json_object();
    pthread_mutex_init(&running->kept.lock, NULL);
    CHECK_OK(ova_source_ops.open(&config, &running->source, &err), err);
    CHECK_OK(thread_start(&running->thread, "collect", run_collect, running, &err), err);
}

static int rounds(struct running *running)
{
    LOCK_SCOPE(&running->kept.lock);

    return running->kept.rounds;
}

static void wait_for_round(struct running *running, int round)
{
    struct deadline deadline = deadline_after(20000);

    while (rounds(running) < round) {
        CHECK(!deadline_is_over(deadline));
        cancel_wait(running->cancel, 10);
    }
}

static void stop(struct running *running)
{
    cancel_request(running->cancel);
    thread_join(&running->thread);
    CHECK(running->err != NULL && running->err->code == ERROR_CANCELED);
    error_free(running->err);
    ova_source_ops.close(running->source);
    cancel_free(running->cancel);
    json_decref(running->kept.objects);
    json_decref(running->kept.problems);
}

/* The object of KIND called NAME, or NULL. */
static const json_t *find(const struct running *running, const char *kind, const char *name)
{
    const json_t *object = NULL;
    size_t i = 0;

    json_array_foreach(json_object_get(running->kept.objects, kind), i,
                       object) if (str_eq(obj_str(object, "name", ""), name)) return object;
    return NULL;
}

TEST(lists_what_an_archive_holds)
{
    CLEANUP(str) char *dir = new_share();
    struct running running;

    write_archive(dir, "web.ova", "9f1b0c3e-1111-4222-8333-444455556666", "web");
    start(&running, dir);
    wait_for_round(&running, 1);

    const json_t *vm = find(&running, "VM", "web");
    CLEANUP(str) char *path = path_join(dir, "web.ova");
    CHECK_STR(obj_str(vm, "id", ""), "9f1b0c3e-1111-4222-8333-444455556666");
    CHECK_STR(obj_str(vm, "uuid", ""), "9f1b0c3e-1111-4222-8333-444455556666");
    CHECK_STR(obj_str(vm, "ovfPath", ""), path);
    CHECK_STR(obj_str(vm, "exportSource", ""), "VMware");
    CHECK_STR(obj_str(vm, "firmware", ""), "efi");
    CHECK_INT(obj_int(vm, "memoryMB", 0), 2048);
    CHECK_STR(obj_str(vm, "memoryUnits", ""), "byte * 2^20");
    CHECK_STR(obj_str(vm, "disks[0].FilePath", ""), path);
    CHECK_STR(obj_str(vm, "nics[0].Network", ""), "VM Network");
    CHECK_STR(obj_str(vm, "networks[0].ID", ""),
              obj_str(find(&running, "Network", "VM Network"), "id", "-"));
    CHECK_STR(obj_str(find(&running, "Disk", "disk-1.vmdk"), "id", ""),
              obj_str(vm, "disks[0].ID", "-"));
    CHECK(find(&running, "Storage", "disk-1.vmdk") != NULL);
    CHECK_STR(
        obj_str(find(&running, "Storage", "Dummy storage for source provider share"), "id", ""),
        "u-1");
    stop(&running);
}

TEST(describes_a_machine_and_where_its_disk_is)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(str) char *dir = new_share();
    CLEANUP(machine) struct machine *machine = NULL;
    CLEANUP(source_disk_access) struct source_disk_access access = {0};
    CLEANUP(buf)
    struct buf tar = archive(
        "web", "web",
        "SHA256(disk-1.vmdk)= 3a6eb0790f39ac87c94f3856b2dd2c5d110e6811602261a9a923d3bb23adc8b7\n");
    struct running running;

    write_file(dir, "a/web.ova", tar.ptr, tar.len);
    start(&running, dir);
    wait_for_round(&running, 1);
    const json_t *vm = find(&running, "VM", "web");

    CHECK_OK(ova_source_ops.describe(running.source, vm, &machine, &err), err);
    CHECK_STR(machine->name, "web");
    CHECK_INT(strlen(machine->id), 36);
    CHECK_INT(machine->uuid[14], '8');
    CHECK(machine->efi && !machine->secure_boot);
    CHECK_U64(machine->sockets, 2);
    CHECK_U64(machine->cores, 2);
    CHECK_U64(machine->memory_bytes, 2048ULL << 20);
    CHECK_U64(machine->disks.len, 1);
    CHECK_U64(machine->disks.ptr[0].capacity_bytes, 1 << 20);
    CHECK_INT(machine->disks.ptr[0].bus, MACHINE_BUS_SCSI);
    CHECK_STR(machine->disks.ptr[0].storage_group_id, "u-1");
    CHECK_STR(machine->nics.ptr[0].model, "virtio");
    CHECK_STR(machine->nics.ptr[0].mac, "00:50:56:01:02:03");

    CHECK_OK(ova_source_ops.disk_access(running.source, vm, machine, 0, NULL, &access, &err), err);
    CHECK_STR(access.uri, "ova:/ova/a/web.ova#disk-1.vmdk");
    CHECK_STR(access.format, "vmdk");
    CHECK_STR(access.mount_path, "/ova");
    CHECK_STR(obj_str(access.volume, "hostPath.path", ""), dir);
    CHECK_STR(access.digest,
              "sha256:3a6eb0790f39ac87c94f3856b2dd2c5d110e6811602261a9a923d3bb23adc8b7");
    stop(&running);
}

TEST(reads_folders_with_files_beside_the_descriptor)
{
    static const char *const files[] = {"my%20disk.vmdk", "two.vmdk"};
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(str) char *dir = new_share();
    CLEANUP(str) char *ovf = descriptor("x", "box", files, 2);
    CLEANUP(source_disk_access) struct source_disk_access access = {0};
    struct running running;

    write_file(dir, "one/two/box.ovf", ovf, strlen(ovf));
    write_file(dir, "one/two/my disk.vmdk", "1", 1);
    write_file(dir, "one/two/two.vmdk", "2", 1);
    start(&running, dir);
    wait_for_round(&running, 1);
    const json_t *vm = find(&running, "VM", "box");

    CLEANUP(str) char *folder = xasprintf("%s/one/two/", dir);
    CHECK_STR(obj_str(vm, "disks[1].FilePath", ""), folder);
    CHECK_OK(ova_source_ops.disk_access(running.source, vm, NULL, 0, NULL, &access, &err), err);
    CHECK_STR(access.uri, "/ova/one/two/my disk.vmdk");
    stop(&running);
}

TEST(finds_disks_that_are_cut_into_chunks_or_compressed)
{
    static const char text[] =
        "<Envelope><References><File id=\"f\" href=\"a.vmdk\" chunkSize=\"2\"/>"
        "<File id=\"g\" href=\"b.vmdk\" compression=\"gzip\"/></References><DiskSection>"
        "<Disk diskId=\"d\" capacity=\"1\" fileRef=\"f\" format=\"x/vmdk.html\"/>"
        "<Disk diskId=\"e\" capacity=\"1\" fileRef=\"g\" format=\"x/vmdk.html\"/></DiskSection>"
        "<VirtualSystem id=\"v\"><Name>cut</Name><VirtualHardwareSection>"
        "<Item><ResourceType>3</ResourceType><VirtualQuantity>1</VirtualQuantity></Item>"
        "<Item><ResourceType>4</ResourceType><VirtualQuantity>64</VirtualQuantity></Item>"
        "<Item><HostResource>ovf:/disk/d</HostResource><ResourceType>17</ResourceType></Item>"
        "<Item><HostResource>ovf:/disk/e</HostResource><ResourceType>17</ResourceType></Item>"
        "</VirtualHardwareSection></VirtualSystem></Envelope>";
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(str) char *dir = new_share();
    CLEANUP(source_disk_access) struct source_disk_access cut = {0};
    CLEANUP(source_disk_access) struct source_disk_access packed = {0};
    CLEANUP(buf) struct buf tar = BUF_INIT(1 << 20);
    char end[1024] = "";
    struct running running;

    add_member(&tar, "cut.ovf", text, strlen(text));
    add_member(&tar, "a.vmdk.000000000", "12", 2);
    add_member(&tar, "a.vmdk.000000001", "3", 1);
    add_member(&tar, "b.vmdk", "4", 1);
    buf_append(&tar, end, sizeof(end));
    write_file(dir, "cut.ova", tar.ptr, tar.len);
    start(&running, dir);
    wait_for_round(&running, 1);
    const json_t *vm = find(&running, "VM", "cut");

    CHECK_OK(ova_source_ops.disk_access(running.source, vm, NULL, 0, NULL, &cut, &err), err);
    CHECK_STR(cut.uri, "ova:/ova/cut.ova#a.vmdk");
    CHECK_OK(ova_source_ops.disk_access(running.source, vm, NULL, 1, NULL, &packed, &err), err);
    CHECK_STR(packed.uri, "ova:/ova/cut.ova#b.vmdk");
    CHECK(packed.format == NULL);
    CHECK_FAILS(ova_source_ops.disk_access(running.source, vm, NULL, 2, NULL, &cut, &err), err,
                ERROR_NOT_FOUND, "no disk 2");
    stop(&running);
}

/* A descriptor of machine "cut" with a disk in chunks, of which it says that they have SIZE bytes,
 * and one without a file. */
static char *chunked_descriptor(unsigned size)
{
    return xasprintf(
        "<Envelope><References><File id=\"f\" href=\"a.vmdk\" chunkSize=\"2\" size=\"%u\"/></References>"
        "<DiskSection><Disk diskId=\"d\" capacity=\"1\" fileRef=\"f\" format=\"x/vmdk.html\"/>"
        "<Disk diskId=\"new\" capacity=\"3\" capacityAllocationUnits=\"byte * 2^20\"/></DiskSection>"
        "<VirtualSystem id=\"v\"><Name>cut</Name><VirtualHardwareSection>"
        "<Item><ResourceType>3</ResourceType><VirtualQuantity>1</VirtualQuantity></Item>"
        "<Item><ResourceType>4</ResourceType><VirtualQuantity>64</VirtualQuantity></Item>"
        "<Item><HostResource>ovf:/disk/d</HostResource><ResourceType>17</ResourceType></Item>"
        "<Item><HostResource>ovf:/disk/new</HostResource><ResourceType>17</ResourceType></Item>"
        "</VirtualHardwareSection></VirtualSystem></Envelope>",
        size);
}

TEST(finds_chunks_beside_a_descriptor_and_disks_without_a_file)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(str) char *dir = new_share();
    CLEANUP(str) char *ovf = chunked_descriptor(3);
    CLEANUP(source_disk_access) struct source_disk_access cut = {0};
    CLEANUP(source_disk_access) struct source_disk_access empty = {0};
    struct running running;

    write_file(dir, "cut/cut.ovf", ovf, strlen(ovf));
    write_file(dir, "cut/a.vmdk.000000000", "12", 2);
    write_file(dir, "cut/a.vmdk.000000001", "3", 1);
    start(&running, dir);
    wait_for_round(&running, 1);
    const json_t *vm = find(&running, "VM", "cut");

    CHECK_OK(ova_source_ops.disk_access(running.source, vm, NULL, 0, NULL, &cut, &err), err);
    CHECK_STR(cut.uri, "/ova/cut/a.vmdk");
    CHECK_OK(ova_source_ops.disk_access(running.source, vm, NULL, 1, NULL, &empty, &err), err);
    CHECK_STR(empty.uri, "zero:3145728");
    CHECK(empty.volume == NULL);
    stop(&running);
}

TEST(looks_only_as_deep_as_packages_may_lie)
{
    static const char *const none[] = {NULL};
    CLEANUP(str) char *dir = new_share();
    CLEANUP(str) char *ovf = descriptor("deep", "deep", none, 0);
    struct running running;

    write_archive(dir, "d/two.OVA", "a", "two");
    write_archive(dir, "d/e/three.ova", "b", "three");
    write_archive(dir, ".hidden/x.ova", "c", "hidden");
    write_file(dir, "d/e/three.ovf", ovf, strlen(ovf));
    write_file(dir, "d/e/f/four.ovf", ovf, strlen(ovf));
    start(&running, dir);
    wait_for_round(&running, 1);
    CHECK(find(&running, "VM", "two") != NULL);
    CHECK(find(&running, "VM", "deep") != NULL);
    CHECK_U64(json_array_size(json_object_get(running.kept.objects, "VM")), 2);
    CHECK_U64(json_object_size(running.kept.problems), 0);
    stop(&running);
}

static const char *problem(const struct running *running, const char *file)
{
    const char *text = json_string_value(json_object_get(running->kept.problems, file));

    return text ? text : "no problem";
}

#define CHECK_PROBLEM(running, file, part)                                                         \
    do {                                                                                           \
        const char *check_text = problem(&(running), file);                                        \
        if (strstr(check_text, part) == NULL)                                                      \
            test_fail(__FILE__, __LINE__, "problem of %s is: %s", file, check_text);               \
    } while (0)

TEST(misses_a_chunk)
{
    CLEANUP(str) char *dir = new_share();
    CLEANUP(str) char *ovf = chunked_descriptor(3);
    struct running running;

    write_file(dir, "cut/cut.ovf", ovf, strlen(ovf));
    write_file(dir, "cut/a.vmdk.000000000", "12", 2);
    start(&running, dir);
    wait_for_round(&running, 1);
    CHECK(find(&running, "VM", "cut") == NULL);
    CHECK_PROBLEM(running, "cut.ovf", "the chunks of \"a.vmdk\" have 2 bytes, not 3");
    stop(&running);
}

TEST(says_what_is_wrong_with_bad_packages_and_goes_on_with_the_good_ones)
{
    static const char *const missing[] = {"gone.vmdk"}, *const empty[] = {"empty.vmdk"};
    CLEANUP(str) char *dir = new_share();
    CLEANUP(str) char *gone_ovf = descriptor("g", "gone", missing, 1);
    CLEANUP(str) char *empty_ovf = descriptor("e", "empty", empty, 1);
    CLEANUP(str) char *link = path_join(dir, "link.ova");
    CLEANUP(buf) struct buf whole = archive("cut", "cut", NULL);
    CLEANUP(buf) struct buf wrong = archive("mf", "mf", "MD5(disk-1.vmdk)= 00\n");
    CLEANUP(buf) struct buf escape = BUF_INIT(1 << 16);
    CLEANUP(buf)
    struct buf lie =
        archive("lie", "lie", "SHA1(vm.ovf)= 0000000000000000000000000000000000000000\n");
    static const char laughs[] = "<!DOCTYPE a [<!ENTITY a \"ha\">]><Envelope>&a;</Envelope>";
    struct running running;

    write_archive(dir, "good.ova", "good", "good");
    write_file(dir, "cut.ova", whole.ptr, whole.len - 1534); /* half of the disk */
    write_file(dir, "text.ova", "this is no archive", 18);
    write_file(dir, "mf.ova", wrong.ptr, wrong.len);
    write_file(dir, "lie.ova", lie.ptr, lie.len);
    add_member(&escape, "../vm.ovf", "x", 1);
    write_file(dir, "escape.ova", escape.ptr, escape.len);
    write_file(dir, "gone.ovf", gone_ovf, strlen(gone_ovf));
    write_file(dir, "empty.ovf", empty_ovf, strlen(empty_ovf));
    write_file(dir, "empty.vmdk", "", 0);
    write_file(dir, "laughs.ovf", laughs, strlen(laughs));
    CHECK(symlink("/etc/passwd", link) == 0);
    start(&running, dir);
    wait_for_round(&running, 1);

    CHECK(find(&running, "VM", "good") != NULL);
    CHECK_U64(json_array_size(json_object_get(running.kept.objects, "VM")), 1);
    CHECK_PROBLEM(running, "gone.ovf", "disk \"d0\": the file \"gone.vmdk\" is not in the folder");
    CHECK_PROBLEM(running, "empty.ovf", "the file \"empty.vmdk\" is empty");
    CHECK_PROBLEM(running, "laughs.ovf", "document type declaration");
    CHECK_PROBLEM(running, "link.ova", "a symbolic link");
    CHECK_PROBLEM(running, "mf.ova", "manifest line 1: unknown digest algorithm \"MD5\"");
    CHECK_PROBLEM(running, "lie.ova", "\"vm.ovf\" has the sha1 digest");
    CHECK_PROBLEM(running, "cut.ova", "ends behind the end of the file");
    CHECK_PROBLEM(running, "text.ova", "tar");
    CHECK_PROBLEM(running, "escape.ova", "../vm.ovf");
    stop(&running);
}

TEST(follows_packages_that_come_change_and_go)
{
    CLEANUP(str) char *dir = new_share();
    CLEANUP(str) char *path = path_join(dir, "web.ova");
    struct running running;

    start(&running, dir);
    wait_for_round(&running, 1);
    CHECK(find(&running, "VM", "web") == NULL);

    write_archive(dir, "web.ova", "web", "web");
    wait_for_round(&running, 2);
    CLEANUP(str) char *id = xstrdup(obj_str(find(&running, "VM", "web"), "id", ""));

    write_archive(dir, "web.ova", "web", "renamed");
    wait_for_round(&running, 3);
    CHECK(find(&running, "VM", "web") == NULL);
    CHECK_STR(obj_str(find(&running, "VM", "renamed"), "id", ""), id);

    CHECK(unlink(path) == 0);
    wait_for_round(&running, 4);
    CHECK(find(&running, "VM", "renamed") == NULL);
    stop(&running);
}

TEST(leaves_a_file_alone_until_its_writer_is_done)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(str) char *dir = new_share();
    CLEANUP(str) char *path = path_join(dir, "slow.ova");
    CLEANUP(buf) struct buf tar = archive("slow", "slow", NULL);
    CLEANUP(fd) int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    CLEANUP(fd) int root = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CLEANUP(ova_catalog) struct ova_catalog *catalog = ova_catalog_new();
    bool changed = false, pending = false;

    CHECK_OK(fd_write_all(fd, tar.ptr, tar.len - 1400, path, &err), err);
    CHECK_OK(ova_catalog_scan(catalog, root, &changed, &pending, &err), err);
    CHECK(!changed && pending);
    CHECK_OK(fd_write_all(fd, tar.ptr + tar.len - 1400, 1400, path, &err), err);
    CHECK_OK(ova_catalog_scan(catalog, root, &changed, &pending, &err), err);
    CHECK(!changed && pending);
    make_old(path);
    CHECK_OK(ova_catalog_scan(catalog, root, &changed, &pending, &err), err);
    CHECK(changed && !pending);
    CHECK_OK(ova_catalog_scan(catalog, root, &changed, &pending, &err), err);
    CHECK(!changed && !pending);
}

TEST(gives_ids_that_are_the_same_after_a_restart_and_never_twice)
{
    static const char uuid[] = "9f1b0c3e-1111-4222-8333-444455556666";
    CLEANUP(str) char *dir = new_share();
    CLEANUP(str) char *first = NULL;
    struct running running;

    write_archive(dir, "a.ova", uuid, "a");
    write_archive(dir, "b.ova", uuid, "b");
    for (int i = 0; i < 2; i++) {
        start(&running, dir);
        wait_for_round(&running, 1);
        CHECK_STR(obj_str(find(&running, "VM", "a"), "id", ""), uuid);
        if (first == NULL)
            first = xstrdup(obj_str(find(&running, "VM", "b"), "id", ""));
        CHECK_STR(obj_str(find(&running, "VM", "b"), "id", ""), first);
        CHECK(!str_eq(first, uuid));
        stop(&running);
    }
}

TEST(reads_a_share_that_has_no_place_in_the_folder_tree)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(ova_catalog) struct ova_catalog *catalog = ova_catalog_new();
    CLEANUP(buf) struct buf tar = archive("web", "web", NULL);
    bool changed = false, pending = false;
    CLEANUP(fd) int context = geteuid() == 0 ? fsopen("tmpfs", FSOPEN_CLOEXEC) : -1;

    if (context == -1 || fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == -1)
        test_skip("cannot mount a tmpfs");
    CLEANUP(fd) int root = fsmount(context, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID);
    CHECK(root != -1);
    CLEANUP(fd) int fd = openat(root, "web.ova", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    CHECK_OK(fd_write_all(fd, tar.ptr, tar.len, "web.ova", &err), err);
    struct timespec old[2] = {{.tv_sec = 1700000000}, {.tv_sec = 1700000000}};
    CHECK(futimens(fd, old) == 0);

    CHECK_OK(ova_catalog_scan(catalog, root, &changed, &pending, &err), err);
    CHECK(changed);
}

TEST(knows_the_forms_of_urls)
{
    static const struct {
        const char *url, *server, *path;
    } good[] = {
        {"nfs.example.org:/export/ova", "nfs.example.org", "/export/ova"},
        {"10.0.0.1:/x", "10.0.0.1", "/x"},
        {"/srv/ova", NULL, "/srv/ova"},
        {"file:///srv/ova", NULL, "/srv/ova"},
    };
    static const char *const bad[] = {NULL, "", "nfs", "nfs:", "nfs:x", ":/x", "nfs://x", "a:/:x"};

    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        CLEANUP(error) struct error *err = NULL;
        CLEANUP(ova_share) struct ova_share share = OVA_SHARE_INIT;

        CHECK_OK(ova_share_parse(good[i].url, &share, &err), err);
        CHECK_STR(share.server, good[i].server);
        CHECK_STR(share.path, good[i].path);
    }
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        CLEANUP(error) struct error *err = NULL;
        CLEANUP(ova_share) struct ova_share share = OVA_SHARE_INIT;

        CHECK_FAILS(ova_share_parse(bad[i], &share, &err), err, ERROR_INVALID, "url");
    }
}

TEST(says_that_a_folder_or_a_server_cannot_be_reached)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(ova_share) struct ova_share folder = OVA_SHARE_INIT;
    CLEANUP(ova_share) struct ova_share server = OVA_SHARE_INIT;

    CHECK_OK(ova_share_parse("/no/such/folder", &folder, &err), err);
    CHECK_FAILS(ova_share_attach(&folder, NULL, &err), err, ERROR_NOT_FOUND, "/no/such/folder");
    CHECK_OK(ova_share_parse("127.0.0.1:/x", &server, &err), err);
    if (geteuid() == 0)
        CHECK_FAILS(ova_share_attach(&server, NULL, &err), err, ERROR_UNAVAILABLE,
                    "cannot reach the NFS server \"127.0.0.1\" on port 2049");
    else
        CHECK_FAILS(ova_share_attach(&server, NULL, &err), err, ERROR_DENIED, "only be mounted by");
}
