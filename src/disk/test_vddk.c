/* Disks through VMware's library, played by tests/fakes/vixdisklib in the helper process. */
#include "disk/disk.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/secret.h"
#include "base/test.h"
#include "base/text.h"
#include "base/thread.h"
#include "base/time.h"
#include "disk/extent.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { MIB = 1 << 20, BLOCK = 64 * 1024 };

#define BASE_URL "vddk://127.0.0.1:4443/vm-7?disk=%5Bds%5D%20web/web.vmdk"
#define DELTA_URL "vddk://127.0.0.1:4443/vm-7?disk=%5Bds%5D%20web/web-000001.vmdk&snapshot=snapshot-3"

/* A folder as VMware's, with CONF for the dummy; borrowed until the next call. */
static const char *make_library(const char *conf)
{
    static int count;
    static char dir[256];
    CLEANUP(error) struct error *err = NULL;

    snprintf(dir, sizeof(dir), "%s/vddk-%d", test_dir(), ++count);
    CLEANUP(str) char *lib = path_join(dir, "lib64");
    CLEANUP(str) char *link = path_join(lib, "libvixDiskLib.so.8");
    CLEANUP(str) char *conf_path = path_join(dir, "dummy.conf");
    CLEANUP(str) char *web = path_join(dir, "content/web");
    CHECK_OK(dir_make(lib, 0700, &err), err);
    CHECK_OK(dir_make(web, 0700, &err), err);
    CHECK(symlink(DUMMY_VDDK, link) == 0);
    CHECK_OK(file_write(conf_path, conf, strlen(conf), 0600, &err), err);
    return dir;
}

/* The content: byte i of block b is b + i + 1, in data blocks; others are holes. */
static void fill(char *data, size_t block, unsigned salt)
{
    for (size_t i = 0; i < BLOCK; i++)
        data[i] = (char)(block + i + 1 + salt);
}

static void make_file(const char *dir, const char *name, size_t blocks, size_t every, unsigned salt)
{
    CLEANUP(str) char *path = xasprintf("%s/content/web/%s", dir, name);
    CLEANUP(str) char *data = xmalloc(BLOCK);
    CLEANUP(fd) int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    CLEANUP(error) struct error *err = NULL;

    CHECK(fd != -1 && ftruncate(fd, (off_t)blocks * BLOCK) == 0);
    for (size_t i = 0; i < blocks; i += every) {
        fill(data, i, salt);
        CHECK_OK(fd_pwrite_all(fd, data, BLOCK, (uint64_t)i * BLOCK, path, &err), err);
    }
}

static struct disk *open_disk(const char *dir, const char *url, struct error **err)
{
    const struct disk_options options = {.vddk_dir = dir, .timeout_ms = 5000};
    struct disk *disk = NULL;

    return disk_open(url, &options, &disk, err) == 0 ? disk : NULL;
}

static struct disk *must_open(const char *dir, const char *url)
{
    CLEANUP(error) struct error *err = NULL;
    struct disk *disk = open_disk(dir, url, &err);

    CHECK_OK(disk == NULL ? -1 : 0, err);
    return disk;
}

static void check_block(struct disk *disk, size_t block, bool is_data, unsigned salt)
{
    CLEANUP(str) char *got = xmalloc(BLOCK);
    CLEANUP(str) char *want = xcalloc(1, BLOCK);
    CLEANUP(error) struct error *err = NULL;

    if (is_data)
        fill(want, block, salt);
    CHECK_OK(disk_read(disk, got, BLOCK, (uint64_t)block * BLOCK, &err), err);
    CHECK(memcmp(got, want, BLOCK) == 0);
}

TEST(reads_a_disk_and_asks_first_what_is_stored)
{
    const char *dir = make_library("");
    CLEANUP(extent_list) struct extent_list list = {0};
    CLEANUP(error) struct error *err = NULL;

    make_file(dir, "web-flat.vmdk", 64, 4, 0);
    CLEANUP(disk) struct disk *disk = must_open(dir, BASE_URL);
    CHECK_U64(disk_size(disk), 64 * BLOCK);
    CHECK_STR(disk_format(disk), "vddk");
    CHECK(disk_is_remote(disk));
    check_block(disk, 0, true, 0);
    check_block(disk, 1, false, 0);
    check_block(disk, 60, true, 0);
    CHECK_OK(disk_extents(disk, 0, disk_size(disk), &list, &err), err);
    CHECK_U64(list.len, 32);
    CHECK_U64(list.ptr[0].length, BLOCK);
    CHECK_INT(list.ptr[0].kind, EXTENT_DATA);
    CHECK_U64(list.ptr[1].length, 3 * BLOCK);
    CHECK_INT(list.ptr[1].kind, EXTENT_ABSENT);
    CHECK_U64(extent_list_end(&list, 0), disk_size(disk));
}

TEST(reads_at_any_byte_and_more_than_the_library_takes_at_once)
{
    const char *dir = make_library("");
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(str) char *all = xmalloc(8 * MIB);
    CLEANUP(str) char *want = xmalloc(BLOCK);

    make_file(dir, "web-flat.vmdk", 8 * MIB / BLOCK, 1, 0);
    CLEANUP(disk) struct disk *disk = must_open(dir, BASE_URL);
    CHECK_OK(disk_read(disk, all, 8 * MIB - 1001, 777, &err), err);
    for (size_t i = 1; i < 8 * MIB / BLOCK - 1; i++) {
        fill(want, i, 0);
        CHECK(memcmp(all + i * BLOCK - 777, want, BLOCK) == 0);
    }
}

TEST(reads_a_snapshot_with_the_deltas_below_it)
{
    const char *dir = make_library("");
    static const char description[] =
        "parent=web.vmdk\ndata=web-000001-delta.vmdk\npresent=web-000001.present\n";
    char present[16] = {0};
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(str) char *text = xasprintf("%s/content/web/web-000001.vmdk", dir);
    CLEANUP(str) char *bitmap = xasprintf("%s/content/web/web-000001.present", dir);
    CLEANUP(extent_list) struct extent_list list = {0};

    present[2] = present[4] = 1;
    make_file(dir, "web-flat.vmdk", 16, 4, 0);
    make_file(dir, "web-000001-delta.vmdk", 16, 2, 9);
    CHECK_OK(file_write(text, description, strlen(description), 0600, &err), err);
    CHECK_OK(file_write(bitmap, present, sizeof(present), 0600, &err), err);
    CLEANUP(disk) struct disk *disk = must_open(dir, DELTA_URL);
    check_block(disk, 0, true, 0);
    check_block(disk, 1, false, 0);
    check_block(disk, 2, true, 9);
    check_block(disk, 4, true, 9);
    check_block(disk, 6, false, 0);
    check_block(disk, 8, true, 0);
    CHECK_OK(disk_extents(disk, BLOCK, 4 * BLOCK, &list, &err), err);
    CHECK_U64(list.len, 4); /* a hole, 2, a hole, 4 */
    CHECK_U64(list.ptr[1].offset, 2 * BLOCK);
}

TEST(tells_the_library_what_it_was_told)
{
    CLEANUP(str) char *log = xasprintf("%s/calls", test_dir());
    CLEANUP(str)
    char *conf = xasprintf("user=root\npassword=a<b&c\"d\nlog=%s\ntransports=san:nbdssl\n", log);
    const char *dir = make_library(conf);
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(str) char *calls = NULL;
    CLEANUP(secret) struct secret *password = secret_new("a<b&c\"d", 7);
    CLEANUP(secret) struct secret *wrong = secret_new("a", 1);
    struct disk_options options = {.vddk_dir = dir,
                                   .user = "root",
                                   .password = password,
                                   .thumbprint = "AA:BB",
                                   .vddk_transports = "nbdssl:nbd",
                                   .vddk_settings = "VixDiskLib.nfcAio.Session.BufCount=4\n"};
    struct disk *disk = NULL;

    make_file(dir, "web-flat.vmdk", 4, 1, 0);
    CHECK_OK(disk_open(BASE_URL "&snapshot=snapshot-3", &options, &disk, &err), err);
    disk_close(disk);
    CHECK_OK(file_read(log, 65536, &calls, NULL, &err), err);
    CHECK(strstr(calls, "config VixDiskLib.nfcAio.Session.BufCount=4\n") != NULL);
    CHECK(strstr(calls, "connect moref=vm-7 server=127.0.0.1:4443 thumbprint=AA:BB "
                        "snapshot=snapshot-3 transports=nbdssl:nbd\n") != NULL);
    CHECK(strstr(calls, "open [ds] web/web.vmdk flags=4\n") != NULL);
    CHECK(strstr(calls, "exit reads=") != NULL);
    options.password = wrong;
    CHECK_FAILS(disk_open(BASE_URL, &options, &disk, &err), err, ERROR_IO,
                "Insufficient permissions in the host operating system (3014); the library said: "
                "dummy: Cannot complete login");
    options.password = password;
    options.vddk_transports = "hotadd";
    CHECK_FAILS(disk_open(BASE_URL, &options, &disk, &err), err, ERROR_IO,
                "it can use the transports san:nbdssl");
}

TEST(fails_with_the_librarys_words)
{
    const char *dir = make_library("fail-read=5\n");
    CLEANUP(error) struct error *err = NULL;
    char byte;

    make_file(dir, "web-flat.vmdk", 16, 1, 0);
    CLEANUP(disk) struct disk *disk = must_open(dir, BASE_URL); /* three reads for the latency */
    CHECK_OK(disk_read(disk, &byte, 1, 0, &err), err);
    CHECK_FAILS(disk_read(disk, &byte, 1, 3 * BLOCK, &err), err, ERROR_IO,
                "byte 196608: VMware's library cannot read: Unknown error (1)");
    CHECK_OK(disk_read(disk, &byte, 1, 0, &err), err);
    CHECK(open_disk(dir, "vddk://127.0.0.1/vm-7?disk=%5Bds%5D%20web/none.vmdk", &err) == NULL);
    CHECK(strstr(err->cause->msg, "A file was not found") != NULL);
}

TEST(survives_a_library_that_crashes)
{
    const char *dir = make_library("crash-read=4\n");
    CLEANUP(error) struct error *err = NULL;
    char byte;

    make_file(dir, "web-flat.vmdk", 16, 1, 0);
    CLEANUP(disk) struct disk *disk = must_open(dir, BASE_URL);
    CHECK_FAILS(disk_read(disk, &byte, 1, 0, &err), err, ERROR_IO,
                "the process with VMware's library has ended: signal 6");
    CHECK_FAILS(disk_read(disk, &byte, 1, 0, &err), err, ERROR_IO, "has ended");
}

TEST(gives_up_a_read_that_does_not_end)
{
    const char *dir = make_library("hang-read=4\n");
    const struct disk_options options = {.vddk_dir = dir, .timeout_ms = 300};
    CLEANUP(error) struct error *err = NULL;
    struct disk *disk = NULL;
    char byte;

    make_file(dir, "web-flat.vmdk", 16, 1, 0);
    CHECK_OK(disk_open(BASE_URL, &options, &disk, &err), err);
    CHECK_FAILS(disk_read(disk, &byte, 1, 0, &err), err, ERROR_TIMEOUT, "byte 0");
    CHECK_OK(disk_read(disk, &byte, 1, 0, &err), err); /* another slot */
    disk_close(disk); /* ends the helper by force */
}

TEST(reads_everything_where_the_library_does_not_tell_what_is_stored)
{
    const char *dir = make_library("no-extents=1\n");
    CLEANUP(extent_list) struct extent_list list = {0};
    CLEANUP(error) struct error *err = NULL;

    make_file(dir, "web-flat.vmdk", 16, 4, 0);
    CLEANUP(disk) struct disk *disk = must_open(dir, BASE_URL);
    CHECK_OK(disk_extents(disk, 0, disk_size(disk), &list, &err), err);
    CHECK_U64(list.len, 1);
    CHECK_INT(list.ptr[0].kind, EXTENT_DATA);
}

/* Reads by several threads at once. */
struct reader {
    struct disk *disk;
    size_t first;
    struct thread thread;
    struct error *err;
    bool same;
};

static void *read_blocks(void *arg)
{
    struct reader *reader = arg;
    CLEANUP(str) char *got = xmalloc(BLOCK);
    CLEANUP(str) char *want = xmalloc(BLOCK);

    reader->same = true;
    for (size_t i = reader->first; i < reader->first + 8; i++) {
        if (disk_read(reader->disk, got, BLOCK, (uint64_t)i * BLOCK, &reader->err) == -1)
            return NULL;
        fill(want, i, 0);
        reader->same = reader->same && memcmp(got, want, BLOCK) == 0;
    }
    return NULL;
}

static void read_with_threads(struct disk *disk)
{
    struct reader readers[16] = {0};
    CLEANUP(error) struct error *err = NULL;

    for (size_t i = 0; i < ARRAY_SIZE(readers); i++) {
        readers[i].disk = disk;
        readers[i].first = i * 8;
        CHECK_OK(thread_start(&readers[i].thread, "reader", read_blocks, &readers[i], &err), err);
    }
    for (size_t i = 0; i < ARRAY_SIZE(readers); i++)
        thread_join(&readers[i].thread);
    for (size_t i = 0; i < ARRAY_SIZE(readers); i++) {
        CHECK_OK(readers[i].err != NULL ? -1 : 0, readers[i].err);
        CHECK(readers[i].same);
    }
}

/* The number behind KEY in what the dummy noted. */
static long noted(const char *log, const char *key)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(str) char *calls = NULL;

    CHECK_OK(file_read(log, 65536, &calls, NULL, &err), err);
    const char *at = strstr(calls, key);
    CHECK(at != NULL);
    return strtol(at + strlen(key), NULL, 10);
}

TEST(has_many_reads_in_flight_on_one_handle)
{
    CLEANUP(str) char *log = xasprintf("%s/many", test_dir());
    CLEANUP(str) char *conf = xasprintf("latency-ms=20\nlog=%s\n", log);
    const char *dir = make_library(conf);

    make_file(dir, "web-flat.vmdk", 128, 1, 0);
    struct disk *disk = must_open(dir, BASE_URL);
    CHECK(disk_latency_us(disk) >= 20000);
    read_with_threads(disk);
    disk_close(disk);
    CHECK(noted(log, " most=") >= 12);
}

TEST(asks_for_less_where_the_librarys_memory_is_small)
{
    CLEANUP(str) char *log = xasprintf("%s/few", test_dir());
    CLEANUP(str) char *conf = xasprintf("latency-ms=2\nmax-flight=3\nlog=%s\n", log);
    const char *dir = make_library(conf);
    CLEANUP(error) struct error *err = NULL;

    make_file(dir, "web-flat.vmdk", 128, 1, 0);
    struct disk *disk = must_open(dir, BASE_URL);
    read_with_threads(disk);
    disk_close(disk);
    CHECK_INT(noted(log, " most="), 3);
    dir = make_library("max-request=4096\n");
    make_file(dir, "web-flat.vmdk", 16, 1, 0);
    CHECK(open_disk(dir, BASE_URL, &err) == NULL);
    CHECK(strstr(err->cause->msg, "has no memory for a read") != NULL);
}

TEST(says_what_is_missing)
{
    static const char *const urls[] = {
        "vddk://host/vm-7",          "vddk://host/?disk=x",       "vddk://host/a/b?disk=x",
        "vddk://host/vm-7?disk=x&colour=red", "vddk:///vm-7?disk=x",
    };
    CLEANUP(error) struct error *err = NULL;
    struct disk *disk = NULL;

    for (size_t i = 0; i < ARRAY_SIZE(urls); i++)
        CHECK_FAILS(disk_open(urls[i], &(struct disk_options){.vddk_dir = test_dir()}, &disk, &err),
                    err, ERROR_INVALID, "vddk://");
    CHECK_FAILS(disk_open(BASE_URL, &(struct disk_options){0}, &disk, &err), err, ERROR_INVALID,
                "needs VMware's library");
    CHECK_FAILS(disk_open(BASE_URL, &(struct disk_options){.vddk_dir = "/nowhere"}, &disk, &err),
                err, ERROR_IO, "there is no lib64/libvixDiskLib.so in \"/nowhere\"");
}
