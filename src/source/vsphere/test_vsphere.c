#include "source/vsphere/vsphere.h"

#include "base/array.h"
#include "base/cancel.h"
#include "base/mem.h"
#include "base/secret.h"
#include "base/test.h"
#include "base/text.h"
#include "base/thread.h"
#include "base/time.h"
#include "data/obj.h"
#include "source/vsphere/internal.h"
#include "source/vsphere/tags.h"
#include "source/vsphere/vim.h"

#include "fake_vcenter.h"

#include <stdlib.h>

/* The provider against the fake vCenter. */

static int open_source(const char *url, const char *password, const char *endpoint,
                       struct source **out, struct error **err)
{
    json_auto_t *provider = obj_pack("{s:{s:s}, s:{s:s, s:s}}", "metadata", "name", "vc", "spec",
                                     "type", "vsphere", "url", url);
    json_auto_t *secret =
        obj_pack("{s:{s:s, s:s}}", "data", "user", FAKE_VCENTER_USER, "password", password);
    const struct source_config config = {.provider = provider, .secret = secret};

    obj_put_str(provider, "spec.settings.sdkEndpoint", endpoint);
    return vsphere_source_ops.open(&config, out, err);
}

static struct fake_vcenter *start_fake(size_t count)
{
    CLEANUP(error) struct error *err = NULL;
    struct fake_vcenter *fake = NULL;

    const struct fake_vcenter_options options = {.listen = "127.0.0.1:0", .count = count};

    CHECK_OK(fake_vcenter_start(&options, &fake, &err), err);
    return fake;
}

/* What the collector said, by id. */
struct kept {
    pthread_mutex_t lock;
    json_t *objects; /* guarded by lock, as all below */
    int rounds;
    int puts;
};

static void keep_put(void *arg, const char *kind, const json_t *object)
{
    struct kept *kept = arg;
    LOCK_SCOPE(&kept->lock);

    json_object_set_new(kept->objects, obj_str(object, "id", ""), obj_copy(object));
    kept->puts++;
}

static void keep_remove(void *arg, const char *kind, const char *id)
{
    struct kept *kept = arg;
    LOCK_SCOPE(&kept->lock);

    json_object_del(kept->objects, id);
}

static void keep_begin(void *arg)
{
    struct kept *kept = arg;
    LOCK_SCOPE(&kept->lock);

    json_object_clear(kept->objects);
}

static void keep_complete(void *arg)
{
    struct kept *kept = arg;
    LOCK_SCOPE(&kept->lock);

    kept->rounds++;
}

static void keep_problem(void *arg, const char *where, const char *what)
{
}

struct running {
    struct fake_vcenter *fake;
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

    vsphere_source_ops.collect(running->source, &sink, running->cancel, &running->err);
    return NULL;
}

static void start(struct running *running, size_t count)
{
    CLEANUP(error) struct error *err = NULL;

    *running = (struct running){.fake = start_fake(count), .cancel = cancel_new()};
    running->kept.objects = json_object();
    pthread_mutex_init(&running->kept.lock, NULL);
    CHECK_OK(open_source(fake_vcenter_url(running->fake), FAKE_VCENTER_PASSWORD, "vcenter",
                         &running->source, &err),
             err);
    CHECK_OK(thread_start(&running->thread, "collect", run_collect, running, &err), err);
}

/* The object with ID, with a reference, or NULL. */
static json_t *get(struct running *running, const char *id)
{
    LOCK_SCOPE(&running->kept.lock);

    return json_incref(json_object_get(running->kept.objects, id));
}

static bool has_read_all(struct running *running)
{
    LOCK_SCOPE(&running->kept.lock);

    return running->kept.rounds > 0;
}

/* Waits until everything was read and object ID is called NAME (NULL: has gone). */
static void wait_for(struct running *running, const char *id, const char *name)
{
    struct deadline deadline = deadline_after(20000);

    for (;;) {
        json_auto_t *object = get(running, id);

        if (has_read_all(running) && str_eq(object ? obj_str(object, "name", "") : NULL, name))
            return;
        CHECK(!deadline_is_over(deadline));
        cancel_wait(running->cancel, 5);
    }
}

static void stop(struct running *running)
{
    cancel_request(running->cancel);
    thread_join(&running->thread);
    error_free(running->err);
    vsphere_source_ops.close(running->source);
    cancel_free(running->cancel);
    json_decref(running->kept.objects);
    fake_vcenter_stop(running->fake);
}

TEST(reads_the_whole_inventory_in_batches)
{
    struct running running;

    start(&running, 1203);
    wait_for(&running, "vm-1203", "machine 1203");
    json_auto_t *vm = get(&running, "vm-7");
    json_auto_t *group = get(&running, "dvportgroup-1");
    json_auto_t *host = get(&running, "host-1");
    CHECK_INT(fake_vcenter_batches(running.fake), 3);
    CHECK_STR(obj_str(vm, "path", ""), "/DC/vm/machine 7");
    CHECK_STR(obj_str(vm, "parent.kind", ""), "Folder");
    CHECK_STR(obj_str(vm, "host", ""), "host-1");
    CHECK_STR(obj_str(vm, "disks[0].file", ""), "[ds] m7/d.vmdk");
    CHECK_STR(obj_str(vm, "disks[0].bus", ""), "scsi");
    CHECK_INT(obj_int(vm, "disks[0].capacity", 0), 1073741824);
    CHECK(obj_bool(vm, "disks[0].changeTrackingEnabled", false));
    CHECK(!obj_bool(vm, "disks[0].shared", true));
    CHECK_STR(obj_str(vm, "nics[0].mac", ""), "00:50:56:aa:00:07");
    CHECK_STR(obj_str(vm, "nics[0].network.id", ""), "pg-key");
    CHECK_STR(obj_str(group, "name", ""), "LAN/1");
    CHECK_STR(obj_str(host, "cluster", ""), "domain-c1");
    stop(&running);
}

TEST(follows_changes_without_reading_all_again)
{
    struct running running;

    start(&running, 50);
    wait_for(&running, "vm-50", "machine 50");
    int before = running.kept.puts;
    fake_vcenter_rename(running.fake, 3, "other");
    wait_for(&running, "vm-3", "other");
    CHECK_INT(running.kept.puts, before + 1);
    fake_vcenter_remove(running.fake, 4);
    wait_for(&running, "vm-4", NULL);
    CHECK_INT(running.kept.rounds, 1);
    stop(&running);
}

TEST(a_lost_connection_is_gone_on_with_where_it_was)
{
    struct running running;

    start(&running, 50);
    wait_for(&running, "vm-50", "machine 50");
    int batches = fake_vcenter_batches(running.fake);
    CHECK(fake_vcenter_set_fault(running.fake, "lose-answer:WaitForUpdatesEx@2"));
    fake_vcenter_rename(running.fake, 3, "first"); /* ends the wait that is open */
    wait_for(&running, "vm-3", "first");
    fake_vcenter_rename(running.fake, 3, "second");
    wait_for(&running, "vm-3", "second");
    CHECK_INT(running.kept.rounds, 1);
    CHECK(fake_vcenter_batches(running.fake) <= batches + 4); /* changes, not everything */
    stop(&running);
}

TEST(a_restarted_server_ends_collecting_with_a_reason)
{
    struct running running;

    start(&running, 2);
    wait_for(&running, "vm-2", "machine 2");
    fake_vcenter_restart(running.fake);
    thread_join(&running.thread);
    running.thread = (struct thread){0};
    CHECK(running.err != NULL && running.err->code == ERROR_NOT_FOUND);
    stop(&running);
}

TEST(describes_a_machine)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(machine) struct machine *machine = NULL;
    struct running running;

    start(&running, 1);
    wait_for(&running, "vm-1", "machine 1");
    json_auto_t *vm = get(&running, "vm-1");
    CHECK_OK(vsphere_source_ops.describe(running.source, vm, &machine, &err), err);
    CHECK(machine->efi && machine->powered_on);
    CHECK_U64(machine->sockets, 2);
    CHECK_U64(machine->memory_bytes, 2048ULL << 20);
    CHECK_STR(machine->disks.ptr[0].storage_id, "datastore-1");
    CHECK_INT(machine->disks.ptr[0].bus, MACHINE_BUS_SCSI);
    CHECK_STR(machine->nics.ptr[0].network_id, "dvportgroup-1");
    CHECK_STR(machine->nics.ptr[0].model, "virtio");
    stop(&running);
}

TEST(reads_the_tags_of_machines)
{
    CLEANUP(error) struct error *err = NULL;
    struct fake_vcenter *fake = start_fake(2);
    struct source *source = NULL;
    json_auto_t *tags = NULL;

    fake_vcenter_tag(fake, "machine 2", "tier", "gold");
    fake_vcenter_tag(fake, "machine 2", "backup", "");
    fake_vcenter_tag(fake, "nobody", "unused", "");
    CHECK_OK(open_source(fake_vcenter_url(fake), FAKE_VCENTER_PASSWORD, NULL, &source, &err), err);
    CHECK_OK(vsphere_tags_read(vsphere_of(source), NULL, &tags, &err), err);
    CHECK_U64(json_object_size(tags), 1);
    const json_t *own = json_object_get(tags, "vm-2");
    CHECK_U64(json_array_size(own), 2);
    CHECK_STR(obj_str(json_array_get(own, 0), "name", ""), "backup");
    CHECK_STR(obj_str(json_array_get(own, 1), "description", ""), "gold");
    vsphere_source_ops.close(source);
    fake_vcenter_stop(fake);
}

TEST(a_wrong_password_reads_no_tags)
{
    CLEANUP(error) struct error *err = NULL;
    struct fake_vcenter *fake = start_fake(1);
    struct source *source = NULL;
    json_t *tags = NULL;

    CHECK_OK(open_source(fake_vcenter_url(fake), "wrong-password", NULL, &source, &err), err);
    CHECK_INT(vsphere_tags_read(vsphere_of(source), NULL, &tags, &err), -1);
    CHECK_INT(err->code, ERROR_DENIED);
    CLEANUP(str) char *text = error_format(err);
    CHECK(strstr(text, "wrong-password") == NULL);
    vsphere_source_ops.close(source);
    fake_vcenter_stop(fake);
}

TEST(names_the_privileges_that_the_account_lacks)
{
    CLEANUP(error) struct error *err = NULL;
    struct fake_vcenter *fake = start_fake(1);
    struct source *source = NULL;
    struct str_list missing = {0};

    CHECK_OK(open_source(fake_vcenter_url(fake), FAKE_VCENTER_PASSWORD, NULL, &source, &err), err);
    CHECK_OK(vsphere_source_ops.test(source, NULL, &err), err);
    CHECK_OK(vsphere_source_ops.list_missing(source, &missing, NULL, &err), err);
    CHECK_U64(missing.len, 0);
    CHECK(fake_vcenter_set_fault(fake, "no-privilege:VirtualMachine.Config.ChangeTracking"));
    CHECK_OK(vsphere_source_ops.list_missing(source, &missing, NULL, &err), err);
    CHECK_U64(missing.len, 1);
    CHECK_STR(missing.ptr[0], "VirtualMachine.Config.ChangeTracking");
    str_list_free_all(&missing);
    vsphere_source_ops.close(source);
    fake_vcenter_stop(fake);
}

TEST(a_wrong_password_is_told_and_not_shown)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(fake_vcenter) struct fake_vcenter *fake = start_fake(1);
    struct source *source = NULL;

    CHECK_OK(open_source(fake_vcenter_url(fake), "wrong-one", NULL, &source, &err), err);
    int result = vsphere_source_ops.test(source, NULL, &err);
    CLEANUP(str) char *text = err ? error_format(err) : xstrdup("");
    CHECK(strstr(text, "wrong-one") == NULL);
    CHECK_FAILS(result, err, ERROR_DENIED,
                "cannot log in as \"" FAKE_VCENTER_USER "\": InvalidLogin");
    vsphere_source_ops.close(source);
}

TEST(a_session_that_is_open_is_used_again)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(fake_vcenter) struct fake_vcenter *fake = start_fake(1);
    struct source *source = NULL;

    CHECK_OK(open_source(fake_vcenter_url(fake), FAKE_VCENTER_PASSWORD, NULL, &source, &err), err);
    for (int i = 0; i < 3; i++)
        CHECK_OK(vsphere_source_ops.test(source, NULL, &err), err);
    CHECK_INT(fake_vcenter_logins(fake), 1);
    fake_vcenter_restart(fake);
    CHECK_OK(vsphere_source_ops.test(source, NULL, &err), err);
    CHECK_INT(fake_vcenter_logins(fake), 2);
    vsphere_source_ops.close(source);
}

/* A secret with SESSION, and PASSWORD or NULL. */
static int open_with_session(const char *url, const char *session, const char *password,
                             struct source **out, struct error **err)
{
    json_auto_t *provider = obj_pack("{s:{s:s}, s:{s:s, s:s}}", "metadata", "name", "vc", "spec",
                                     "type", "vsphere", "url", url);
    json_auto_t *secret = obj_pack("{s:{s:s}}", "data", "session", session);
    const struct source_config config = {.provider = provider, .secret = secret};

    if (password != NULL) {
        obj_put_str(secret, "data.user", FAKE_VCENTER_USER);
        obj_put_str(secret, "data.password", password);
    }
    return vsphere_source_ops.open(&config, out, err);
}

TEST(a_given_session_stands_for_a_password_until_it_is_over)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(fake_vcenter) struct fake_vcenter *fake = start_fake(1);
    struct source *owner = NULL, *guest = NULL;
    enum source_power state = SOURCE_POWER_UNKNOWN;

    CHECK_OK(open_source(fake_vcenter_url(fake), FAKE_VCENTER_PASSWORD, NULL, &owner, &err), err);
    CHECK_OK(vsphere_source_ops.test(owner, NULL, &err), err);
    CLEANUP(secret) struct secret *cookie = vim_cookie(vsphere_of(owner)->vim);
    const char *value = strstr(secret_get(cookie), "vmware_soap_session=");
    CHECK(value != NULL);
    CHECK_OK(open_with_session(fake_vcenter_url(fake), value, NULL, &guest, &err), err);
    CHECK_OK(vsphere_source_ops.test(guest, NULL, &err), err);
    CHECK_OK(vsphere_source_ops.power_get(guest, "vm-1", &state, &err), err);
    CHECK_INT(fake_vcenter_logins(fake), 1);

    fake_vcenter_expire(fake);
    int result = vsphere_source_ops.power_get(guest, "vm-1", &state, &err);
    CLEANUP(str) char *text = err ? error_format(err) : xstrdup("");
    CHECK(strstr(text, "secret-cookie") == NULL);
    CHECK_FAILS(result, err, ERROR_DENIED, "does not know the session");
    vsphere_source_ops.close(guest);
    vsphere_source_ops.close(owner);
}

TEST(a_given_session_that_is_over_gives_way_to_the_password)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(fake_vcenter) struct fake_vcenter *fake = start_fake(1);
    struct source *source = NULL;

    CHECK_OK(open_with_session(fake_vcenter_url(fake), "long-gone", FAKE_VCENTER_PASSWORD, &source,
                               &err),
             err);
    CHECK_OK(vsphere_source_ops.test(source, NULL, &err), err);
    CHECK_INT(fake_vcenter_logins(fake), 1);
    vsphere_source_ops.close(source);
    source = NULL;
    CHECK_FAILS(open_with_session(fake_vcenter_url(fake), "a; Path=/\r\nX: y", NULL, &source, &err),
                err, ERROR_INVALID, "not the value of a cookie");
}

TEST(the_kind_of_server_must_be_the_one_that_was_asked_for)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(fake_vcenter) struct fake_vcenter *fake = start_fake(1);
    struct source *source = NULL;

    CHECK_OK(open_source(fake_vcenter_url(fake), FAKE_VCENTER_PASSWORD, "esxi", &source, &err),
             err);
    CHECK_FAILS(vsphere_source_ops.test(source, NULL, &err), err, ERROR_INVALID,
                "settings.sdkEndpoint is esxi, but the server is a vCenter");
    vsphere_source_ops.close(source);
}

TEST(changes_power_whatever_happens_to_the_session)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(fake_vcenter) struct fake_vcenter *fake = start_fake(2);
    struct source *source = NULL;
    enum source_power state = SOURCE_POWER_UNKNOWN;

    CHECK_OK(open_source(fake_vcenter_url(fake), FAKE_VCENTER_PASSWORD, NULL, &source, &err), err);
    CHECK_OK(vsphere_source_ops.test(source, NULL, &err), err);
    fake_vcenter_expire(fake);
    CHECK_OK(vsphere_source_ops.power_set(source, "vm-1", SOURCE_POWER_OFF, false, NULL, &err),
             err);
    CHECK(!fake_vcenter_is_on(fake, 1));
    CHECK_INT(fake_vcenter_logins(fake), 2);
    fake_vcenter_expire(fake);
    CHECK_OK(vsphere_source_ops.power_set(source, "vm-1", SOURCE_POWER_ON, false, NULL, &err), err);
    CHECK_OK(vsphere_source_ops.power_get(source, "vm-1", &state, &err), err);
    CHECK_INT(state, SOURCE_POWER_ON);
    vsphere_source_ops.close(source);
}

TEST(says_why_power_cannot_be_changed)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(fake_vcenter) struct fake_vcenter *fake = start_fake(1);
    struct source *source = NULL;

    CHECK_OK(open_source(fake_vcenter_url(fake), FAKE_VCENTER_PASSWORD, NULL, &source, &err), err);
    CHECK_OK(vsphere_source_ops.test(source, NULL, &err), err);
    fake_vcenter_set_tools(fake, false);
    CHECK_FAILS(vsphere_source_ops.power_set(source, "vm-1", SOURCE_POWER_OFF, false, NULL, &err),
                err, ERROR_UNSUPPORTED, "ShutdownGuest: ToolsUnavailable");
    fake_vcenter_fail_task(fake, "TaskInProgress");
    CHECK_FAILS(vsphere_source_ops.power_set(source, "vm-1", SOURCE_POWER_OFF, true, NULL, &err),
                err, ERROR_BUSY, "PowerOffVM_Task: TaskInProgress: not now");
    CHECK_FAILS(vsphere_source_ops.power_set(source, "vm-9", SOURCE_POWER_OFF, true, NULL, &err),
                err, ERROR_NOT_FOUND, "ManagedObjectNotFound");
    CHECK_FAILS(vsphere_source_ops.power_set(source, "a<b", SOURCE_POWER_OFF, true, NULL, &err),
                err, ERROR_INVALID, "is no id of an object");
    vsphere_source_ops.close(source);
}

TEST(refuses_settings_that_cannot_be_right)
{
    CLEANUP(error) struct error *err = NULL;
    struct source *source = NULL;

    CHECK_FAILS(open_source("vcenter", "x", NULL, &source, &err), err, ERROR_INVALID, "url");
    CHECK_FAILS(open_source("ftp://vcenter", "x", NULL, &source, &err), err, ERROR_INVALID,
                "does not begin with https://");
    CHECK_FAILS(open_source("https://vcenter", "x", "cloud", &source, &err), err, ERROR_INVALID,
                "neither vcenter nor esxi");
}
