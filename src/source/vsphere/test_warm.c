#include "source/vsphere/vsphere.h"

#include "base/array.h"
#include "base/cancel.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/test.h"
#include "base/text.h"
#include "base/time.h"
#include "data/obj.h"
#include "source/vsphere/internal.h"

#include "fake_vcenter.h"

#include <stdlib.h>
#include <string.h>

/* Snapshots, changed areas and ways to read a disk, against a fake vCenter whose disks have content.
 */

enum { BLOCK = 64 * 1024 };

struct stage {
    char *dir;
    struct fake_vcenter *fake;
    struct source *source;
};

/* With the provider's SETTINGS, taken. */
static void stage_init_with(struct stage *stage, const char *machine, json_t *settings)
{
    CLEANUP(error) struct error *err = NULL;

    *stage = (struct stage){.dir = dir_make_temp("/tmp/gantry-warm.", &err)};
    const struct fake_vcenter_options options = {.listen = "127.0.0.1:0", .dir = stage->dir};
    CHECK_OK(fake_vcenter_start(&options, &stage->fake, &err), err);
    CHECK_OK(fake_vcenter_add(stage->fake, machine, &err), err);
    json_auto_t *provider =
        obj_pack("{s:{s:s}, s:{s:s, s:s, s:o}}", "metadata", "name", "vc", "spec", "type",
                 "vsphere", "url", fake_vcenter_url(stage->fake), "settings", settings);
    json_auto_t *secret = obj_pack("{s:{s:s, s:s}}", "data", "user", FAKE_VCENTER_USER, "password",
                                   FAKE_VCENTER_PASSWORD);
    const struct source_config config = {.provider = provider, .secret = secret};
    CHECK_OK(vsphere_source_ops.open(&config, &stage->source, &err), err);
    CHECK_OK(vsphere_source_ops.test(stage->source, NULL, &err), err);
}

static void stage_init(struct stage *stage, const char *machine)
{
    stage_init_with(stage, machine, json_object());
}

static void stage_reset(struct stage *stage)
{
    CLEANUP(error) struct error *ignored = NULL;

    vsphere_source_ops.close(stage->source);
    fake_vcenter_stop(stage->fake);
    dir_remove(stage->dir, &ignored);
    free(stage->dir);
}

/* Waits for TASK; its result is owned by the caller. */
static int wait_task(struct stage *stage, const char *task, char **result, struct error **err)
{
    CLEANUP(cancel) struct cancel *cancel = cancel_new();
    struct deadline deadline = deadline_after(10000);

    for (;;) {
        enum source_task state;

        if (vsphere_warm_ops.task_get(stage->source, task, &state, result, NULL, err) == -1)
            return -1;
        if (state == SOURCE_TASK_DONE)
            return 0;
        CHECK(!deadline_is_over(deadline));
        cancel_wait(cancel, 5);
    }
}

static char *snapshot(struct stage *stage, const char *name)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(str) char *task = NULL;
    char *id = NULL;

    CHECK_OK(vsphere_warm_ops.snapshot_create(stage->source, "vm-1", name, "what <it> is", true,
                                              &task, NULL, &err),
             err);
    CHECK_OK(wait_task(stage, task, &id, &err), err);
    return id;
}

static char *change_id(struct stage *stage, const char *id)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(source_snapshot_disk_list) struct source_snapshot_disk_list disks = {0};

    CHECK_OK(vsphere_warm_ops.snapshot_disks(stage->source, id, &disks, NULL, &err), err);
    CHECK_U64(disks.len, 1);
    return xstrdup(disks.ptr[0].change_id);
}

static void write_block(struct stage *stage, size_t block)
{
    static const char data[BLOCK] = "changed";
    CLEANUP(error) struct error *err = NULL;

    CHECK_OK(fake_vcenter_write(stage->fake, 1, 0, data, sizeof(data), (uint64_t)block * BLOCK,
                                &err),
             err);
}

TEST(tells_what_changed_between_two_snapshots_over_many_answers)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(extent_list) struct extent_list areas = {0};
    struct stage stage;

    stage_init(&stage, "name=web,disk=64Mi");
    CLEANUP(str) char *first = snapshot(&stage, "one");
    CLEANUP(str) char *since = change_id(&stage, first);
    for (size_t i = 0; i < 1000; i += 2)
        write_block(&stage, i);
    CLEANUP(str) char *second = snapshot(&stage, "two");
    write_block(&stage, 1);
    CHECK_OK(vsphere_warm_ops.disk_changes(stage.source, "vm-1", second, "2000", since, 64 << 20,
                                           &areas, NULL, &err),
             err);
    CHECK_U64(areas.len, 500);
    for (size_t i = 0; i < areas.len; i++) {
        CHECK_U64(areas.ptr[i].offset, (uint64_t)i * 2 * BLOCK);
        CHECK_U64(areas.ptr[i].length, BLOCK);
    }
    stage_reset(&stage);
}

TEST(says_when_a_change_id_is_of_another_history)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(extent_list) struct extent_list areas = {0};
    struct stage stage;

    stage_init(&stage, "name=web,disk=1Mi");
    CLEANUP(str) char *id = snapshot(&stage, "one");
    CHECK_FAILS(vsphere_warm_ops.disk_changes(stage.source, "vm-1", id, "2000",
                                              "52 aa bb cc dd ee ff 00-11 22 33 44 55 66 77 88/1",
                                              1 << 20, &areas, NULL, &err),
                err, ERROR_EXPIRED, "anew");
    error_clear(&err);
    CLEANUP(str) char *own = change_id(&stage, id);
    CHECK(fake_vcenter_set_fault(stage.fake, "changes-refused@1"));
    CHECK_FAILS(vsphere_warm_ops.disk_changes(stage.source, "vm-1", id, "2000", own, 1 << 20,
                                              &areas, NULL, &err),
                err, ERROR_EXPIRED, "does not know what changed");
    stage_reset(&stage);
}

TEST(lists_and_removes_snapshots_and_knows_those_that_have_gone)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(source_snapshot_list) struct source_snapshot_list list = {0};
    struct stage stage;

    stage_init(&stage, "name=web,disk=1Mi");
    CLEANUP(str) char *one = snapshot(&stage, "one");
    CLEANUP(str) char *two = snapshot(&stage, "two");
    CHECK_OK(vsphere_warm_ops.snapshot_list(stage.source, "vm-1", &list, NULL, &err), err);
    CHECK_U64(list.len, 2);
    CHECK_STR(list.ptr[0].name, "one");
    CHECK_STR(list.ptr[0].description, "what <it> is");
    CHECK_STR(list.ptr[1].id, two);
    CLEANUP(str) char *task = NULL;
    CHECK_OK(vsphere_warm_ops.snapshot_remove(stage.source, "vm-1", one, &task, NULL, &err), err);
    CHECK_OK(wait_task(&stage, task, NULL, &err), err);
    CHECK_U64(fake_vcenter_snapshots(stage.fake, 1), 1);
    CLEANUP(str) char *none = NULL;
    CHECK_OK(vsphere_warm_ops.snapshot_remove(stage.source, "vm-1", one, &none, NULL, &err), err);
    CHECK(none == NULL);
    stage_reset(&stage);
}

TEST(a_task_that_failed_is_not_worth_another_look)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(str) char *task = NULL;
    struct stage stage;

    stage_init(&stage, "name=web,disk=1Mi");
    CHECK(fake_vcenter_set_fault(stage.fake, "snapshot-refused@1"));
    CHECK_OK(vsphere_warm_ops.snapshot_create(stage.source, "vm-1", "s", "", false, &task, NULL,
                                              &err),
             err);
    CHECK_FAILS(wait_task(&stage, task, NULL, &err), err, ERROR_IO, "SnapshotFault");
    stage_reset(&stage);
}

TEST(calls_that_only_look_survive_a_lost_connection)
{
    CLEANUP(error) struct error *err = NULL;
    enum source_power state = SOURCE_POWER_UNKNOWN;
    struct stage stage;

    stage_init(&stage, "name=web,disk=1Mi");
    CHECK(fake_vcenter_set_fault(stage.fake, "lose-call:RetrievePropertiesEx@1"));
    CHECK(fake_vcenter_set_fault(stage.fake, "lose-answer:RetrievePropertiesEx@1"));
    CHECK_OK(vsphere_source_ops.power_get(stage.source, "vm-1", &state, &err), err);
    CHECK_INT(state, SOURCE_POWER_ON);
    stage_reset(&stage);
}

/* The inventory's VM with one disk. */
static json_t *vm_of(const char *datastore)
{
    return obj_pack("{s:s, s:[{s:i, s:s, s:{s:s}}]}", "id", "vm-1", "disks", "key", 2000, "file",
                    "[ds] web/web.vmdk", "datastore", "id", datastore);
}

static int access_of(struct stage *stage, const json_t *vm, const char *datastore,
                     const char *at, struct source_disk_access *access, struct error **err)
{
    CLEANUP(machine) struct machine *machine = machine_new();

    machine_disk_list_push(&machine->disks,
                           (struct machine_disk){.id = xstrdup("2000"),
                                                 .name = xstrdup("[ds] web/web.vmdk"),
                                                 .storage_id = xstrdup(datastore)});
    return vsphere_source_ops.disk_access(stage->source, vm, machine, 0, at, access, err);
}

TEST(a_disk_is_read_from_its_datastore_while_it_is_one_file)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(source_disk_access) struct source_disk_access access = {0};
    CLEANUP(source_disk_access) struct source_disk_access refused = {0};
    json_auto_t *vm = vm_of("datastore-1");
    struct stage stage;

    stage_init(&stage, "name=web,disk=1Mi");
    CLEANUP(str) char *one = snapshot(&stage, "one");
    CHECK_OK(access_of(&stage, vm, "datastore-1", one, &access, &err), err);
    CHECK(str_ends_with(access.uri, "/folder/web/web-flat.vmdk?dcPath=DC&dsName=ds"));
    CHECK_STR(obj_map_str(access.credentials, "user"), FAKE_VCENTER_USER);
    CHECK(strstr(access.uri, FAKE_VCENTER_PASSWORD) == NULL);
    CLEANUP(str) char *two = snapshot(&stage, "two");
    CHECK_FAILS(access_of(&stage, vm, "datastore-1", two, &refused, &err), err, ERROR_UNSUPPORTED,
                "other snapshots than the migration's");
    error_clear(&err);
    CLEANUP(source_disk_access) struct source_disk_access export = {0};
    CHECK_OK(access_of(&stage, vm, "datastore-1", NULL, &export, &err), err);
    CHECK(str_starts_with(export.uri, "export:"));
    CHECK(str_ends_with(export.uri, "/sdk?machine=vm-1&disk=2000"));
    CHECK(strstr(export.reason, "an export lease: the provider names no vddkInitImage") != NULL);
    CHECK_FAILS(access_of(&stage, vm, "datastore-2", one, &refused, &err), err, ERROR_UNSUPPORTED,
                "it lies on vSAN");
    stage_reset(&stage);
}

/* True if OPTIONS has NAME followed by VALUE. */
static bool has_option(const json_t *options, const char *name, const char *value)
{
    for (size_t i = 0; i + 1 < json_array_size(options); i++)
        if (str_eq(json_string_value(json_array_get(options, i)), name) &&
            str_eq(json_string_value(json_array_get(options, i + 1)), value))
            return true;
    return false;
}

TEST(a_disk_is_read_through_vmwares_library_where_the_provider_has_it)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(source_disk_access) struct source_disk_access folder = {0}, far = {0};
    json_auto_t *vm = vm_of("datastore-1"), *vsan = vm_of("datastore-2");
    struct stage stage;

    stage_init_with(&stage, "name=web,disk=1Mi",
                    obj_pack("{s:s, s:s}", "vddkInitImage", "/opt/vddk", "useVddkAioOptimization",
                             "true"));
    CLEANUP(str) char *one = snapshot(&stage, "one");
    CLEANUP(str) char *two = snapshot(&stage, "two");
    CHECK_OK(access_of(&stage, vm, "datastore-1", two, &folder, &err), err);
    CHECK(strstr(folder.uri, "vddk://127.0.0.1:") == folder.uri);
    CHECK(strstr(folder.uri, "/vm-1?disk=%5Bds%5D%20web%2Fweb-000001.vmdk&snapshot=snapshot-2"));
    CHECK(folder.init_image == NULL);
    CHECK_STR(obj_str(folder.volume, "hostPath.path", ""), "/opt/vddk");
    CHECK(has_option(folder.options, "--vddk-dir", folder.mount_path));
    CHECK(has_option(folder.options, "--vddk-setting",
                     "VixDiskLib.nfcAio.Session.BufSizeIn64KB=16"));
    CHECK(has_option(folder.options, "--vddk-transports", "nbdssl:nbd"));
    CHECK_OK(access_of(&stage, vsan, "datastore-2", one, &far, &err), err);
    CHECK(str_starts_with(far.reason, "VMware's library (VDDK)"));
    stage_reset(&stage);
}

TEST(vmwares_library_is_sent_to_a_host_with_the_hosts_own_ids)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(source_disk_access) struct source_disk_access access = {0};
    json_auto_t *vm = vm_of("datastore-1");
    json_auto_t *secret =
        obj_pack("{s:s, s:s}", "user", FAKE_VCENTER_USER, "password", FAKE_VCENTER_PASSWORD);
    const struct fake_vcenter_options options = {.listen = "127.0.0.1:0", .is_host = true};
    CLEANUP(fake_vcenter) struct fake_vcenter *host = NULL;
    struct stage stage;

    stage_init_with(&stage, "name=web,disk=1Mi", obj_pack("{s:s}", "vddkInitImage", "/opt/vddk"));
    CLEANUP(str) char *one = snapshot(&stage, "one");
    CHECK_OK(access_of(&stage, vm, "datastore-1", one, &access, &err), err);
    CHECK_OK(fake_vcenter_start(&options, &host, &err), err);
    CLEANUP(str) char *base = xstrdup(fake_vcenter_url(host));
    base[strlen(base) - strlen("/sdk")] = '\0';
    CHECK_FAILS(vsphere_source_ops.reroute(stage.source, base, secret, NULL, &access, &err), err,
                ERROR_NOT_FOUND, "the host has no machine with instance UUID 50000000");
    /* the vCenter answers for its host, too */
    CLEANUP(str) char *own = xstrdup(fake_vcenter_url(stage.fake));
    own[strlen(own) - strlen("/sdk")] = '\0';
    CHECK_OK(vsphere_source_ops.reroute(stage.source, own, secret, NULL, &access, &err), err);
    CHECK(strstr(access.uri, "/vm-1?disk=%5Bds%5D%20web%2Fweb.vmdk&snapshot=snapshot-1") != NULL);
    CHECK(strstr(access.reason, "by way of host http://127.0.0.1") != NULL);
    CHECK_STR(obj_map_str(access.credentials, "user"), FAKE_VCENTER_USER);
    stage_reset(&stage);
}

TEST(what_the_user_says_of_access_counts)
{
    static const struct {
        const char *setting, *library, *datastore, *uri, *why;
    } cases[] = {
        {"https", "an/image:8", "datastore-1", "http:", NULL},
        {"https", NULL, "datastore-2", NULL, "it lies on vSAN"},
        {"export", "an/image:8", "datastore-2", "export:", NULL},
        {"vddk", "an/image:8", "datastore-1", "vddk:", NULL},
        {"vddk", NULL, "datastore-1", NULL, "the provider names no vddkInitImage"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(error) struct error *err = NULL;
        CLEANUP(source_disk_access) struct source_disk_access access = {0};
        json_auto_t *vm = vm_of(cases[i].datastore);
        json_t *settings = obj_pack("{s:s}", "diskAccess", cases[i].setting);
        struct stage stage;

        if (cases[i].library != NULL)
            obj_put_str(settings, "vddkInitImage", cases[i].library);
        stage_init_with(&stage, "name=web,disk=1Mi,power=off", settings);
        int result = access_of(&stage, vm, cases[i].datastore, NULL, &access, &err);
        if (cases[i].uri == NULL) {
            CHECK_FAILS(result, err, ERROR_UNSUPPORTED, cases[i].why);
        } else {
            CHECK_OK(result, err);
            CHECK(str_starts_with(access.uri, cases[i].uri));
            CHECK(strstr(access.reason, "settings.diskAccess says so") != NULL);
        }
        stage_reset(&stage);
    }
}

TEST(the_number_of_a_snapshot_is_no_part_of_a_disks_name)
{
    CLEANUP(str) char *above = vsphere_base_file("[ds] a/a-000002.vmdk", true);
    CLEANUP(str) char *called_so = vsphere_base_file("[ds] a-000002/a-000002.vmdk", false);
    CLEANUP(str) char *short_one = vsphere_base_file("x.vmdk", true);

    CHECK_STR(above, "[ds] a/a.vmdk");
    CHECK_STR(called_so, "[ds] a-000002/a-000002.vmdk");
    CHECK_STR(short_one, "x.vmdk");
}
