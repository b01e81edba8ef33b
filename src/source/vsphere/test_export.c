/* Export leases against the fake vCenter: every byte, the lease's life, and what ends it. */
#include "source/vsphere/export.h"

#include "base/cancel.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/secret.h"
#include "base/test.h"
#include "base/text.h"
#include "base/thread.h"
#include "disk/disk.h"
#include "fake_vcenter.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { MIB = 1 << 20 };

struct stage {
    struct fake_vcenter *fake;
    struct secret *password;
    struct vsphere_export export;
    char *path;
};

static void stage_init(struct stage *stage)
{
    static int count;
    CLEANUP(error) struct error *err = NULL;
    const struct fake_vcenter_options options = {
        .listen = "127.0.0.1:0", .dir = test_dir(), .task_ms = 40};
    CLEANUP(str) char *spec = xasprintf("name=web%d,disk=3Mi,disk=70Mi,power=off", ++count);

    CHECK_OK(fake_vcenter_start(&options, &stage->fake, &err), err);
    CHECK_OK(fake_vcenter_add(stage->fake, spec, &err), err);
    stage->path = xasprintf("%s/exported-%d.vmdk", test_dir(), count);
    stage->password =
        secret_new(FAKE_VCENTER_PASSWORD, strlen(FAKE_VCENTER_PASSWORD));
    stage->export = (struct vsphere_export){.url = fake_vcenter_url(stage->fake),
                                            .user = FAKE_VCENTER_USER,
                                            .password = stage->password,
                                            .machine = "vm-1",
                                            .disk = "2000",
                                            .timeout_ms = 5000};
}

static void stage_reset(struct stage *stage)
{
    fake_vcenter_stop(stage->fake);
    secret_free(stage->password);
    free(stage->path);
}

static int export_to_file(struct stage *stage, struct error **err)
{
    CLEANUP(fd) int fd = open(stage->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    CHECK(fd != -1);
    return vsphere_export_disk(&stage->export, fd, NULL, err);
}

static void scribble(struct stage *stage, size_t disk, uint64_t offset, char byte)
{
    char data[5000];
    CLEANUP(error) struct error *err = NULL;

    memset(data, byte, sizeof(data));
    CHECK_OK(fake_vcenter_write(stage->fake, 1, disk, data, sizeof(data), offset, &err), err);
}

static void check_bytes(struct disk *disk, uint64_t offset, char byte)
{
    char got[5000], want[5000];
    CLEANUP(error) struct error *err = NULL;

    memset(want, byte, sizeof(want));
    CHECK_OK(disk_read(disk, got, sizeof(got), offset, &err), err);
    CHECK(memcmp(got, want, sizeof(got)) == 0);
}

TEST(exports_every_byte_of_the_disk_that_was_named)
{
    struct stage stage = {0};
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(disk) struct disk *disk = NULL;

    stage_init(&stage);
    stage.export.disk = "2001";
    scribble(&stage, 0, 0, 'a');
    scribble(&stage, 1, 64 * 1024 - 100, 'b');
    scribble(&stage, 1, 70 * MIB - 5000, 'c');
    CHECK_OK(export_to_file(&stage, &err), err);
    CHECK_OK(disk_open(stage.path, &(struct disk_options){0}, &disk, &err), err);
    CHECK_STR(disk_format(disk), "vmdk streamOptimized");
    CHECK_U64(disk_size(disk), 70 * MIB);
    check_bytes(disk, 64 * 1024 - 100, 'b');
    check_bytes(disk, 70 * MIB - 5000, 'c');
    check_bytes(disk, 0, 0);
    check_bytes(disk, 40 * MIB, 0);
    CHECK_INT(fake_vcenter_leases(stage.fake).completed, 1);
    CHECK_INT(fake_vcenter_leases(stage.fake).open, 0);
    stage_reset(&stage);
}

TEST(keeps_a_lease_alive_that_would_be_forgotten)
{
    struct stage stage = {0};
    CLEANUP(error) struct error *err = NULL;

    stage_init(&stage);
    CHECK(fake_vcenter_set_fault(stage.fake, "lease-short"));
    fake_vcenter_set_latency(stage.fake, 3); /* before each answer, and each grain */
    stage.export.disk = "2001";              /* 1,120 grains */
    stage.export.keep_ms = 50;
    CHECK_OK(export_to_file(&stage, &err), err);
    CHECK(fake_vcenter_leases(stage.fake).progress > 10);
    CHECK_INT(fake_vcenter_leases(stage.fake).completed, 1);
    stage_reset(&stage);
}

TEST(says_so_when_the_lease_is_lost)
{
    struct stage stage = {0};
    CLEANUP(error) struct error *err = NULL;

    stage_init(&stage);
    CHECK(fake_vcenter_set_fault(stage.fake, "lease-short"));
    fake_vcenter_set_latency(stage.fake, 3);
    stage.export.disk = "2001";
    stage.export.keep_ms = 9000; /* too late */
    CHECK(export_to_file(&stage, &err) == -1); /* by the connection or the lease, as it happens */
    CHECK(strstr(err->msg, "export of disk 2001") != NULL);
    CHECK_INT(fake_vcenter_leases(stage.fake).completed, 0);
    CHECK_INT(fake_vcenter_leases(stage.fake).open, 0);
    stage_reset(&stage);
}

TEST(gives_the_lease_up_when_the_connection_breaks)
{
    struct stage stage = {0};
    CLEANUP(error) struct error *err = NULL;

    stage_init(&stage);
    for (int i = 0; i < 3 * MIB; i += 64 * 1024)
        scribble(&stage, 0, (uint64_t)i, 'd');
    CHECK(fake_vcenter_set_fault(stage.fake, "export-cut@1"));
    CHECK_FAILS(export_to_file(&stage, &err), err, ERROR_UNAVAILABLE, "export of disk 2000");
    CHECK_INT(fake_vcenter_leases(stage.fake).aborted, 1);
    CHECK_INT(fake_vcenter_leases(stage.fake).open, 0);
    CHECK_OK(export_to_file(&stage, &err), err); /* nothing is in the way */
    stage_reset(&stage);
}

TEST(gives_the_lease_up_when_nobody_reads)
{
    struct stage stage = {0};
    CLEANUP(error) struct error *err = NULL;
    int fds[2];

    stage_init(&stage);
    CHECK(pipe2(fds, O_CLOEXEC) == 0);
    close(fds[0]);
    signal(SIGPIPE, SIG_IGN);
    CHECK_FAILS(vsphere_export_disk(&stage.export, fds[1], NULL, &err), err, ERROR_UNAVAILABLE,
                "the reader");
    close(fds[1]);
    CHECK_INT(fake_vcenter_leases(stage.fake).aborted, 1);
    stage_reset(&stage);
}

TEST(tells_why_there_is_no_lease)
{
    struct stage stage = {0};
    CLEANUP(error) struct error *err = NULL;

    stage_init(&stage);
    CHECK(fake_vcenter_set_fault(stage.fake, "export-refused@1"));
    CHECK_FAILS(export_to_file(&stage, &err), err, ERROR_TIMEOUT, "Timedout: the lease has expired");
    stage.export.disk = "2009";
    CHECK_FAILS(export_to_file(&stage, &err), err, ERROR_NOT_FOUND, "no disk with key 2009");
    stage.export.machine = "vm-7";
    CHECK_FAILS(export_to_file(&stage, &err), err, ERROR_NOT_FOUND, "vm-7");
    stage_reset(&stage);
}

static void *export_other(void *arg)
{
    struct stage *stage = arg;
    struct vsphere_export export = stage->export;
    CLEANUP(fd) int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    struct error *err = NULL;

    export.disk = "2001";
    vsphere_export_disk(&export, fd, NULL, &err);
    return err;
}

TEST(waits_for_another_export_of_the_machine)
{
    struct stage stage = {0};
    CLEANUP(error) struct error *err = NULL;
    pthread_t other;
    void *failure = NULL;

    stage_init(&stage);
    fake_vcenter_set_latency(stage.fake, 1);
    CHECK(pthread_create(&other, NULL, export_other, &stage) == 0);
    CHECK_OK(export_to_file(&stage, &err), err);
    pthread_join(other, &failure);
    CHECK_OK(failure == NULL ? 0 : -1, failure);
    CHECK_INT(fake_vcenter_leases(stage.fake).completed, 2);
    stage_reset(&stage);
}
