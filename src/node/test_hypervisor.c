/* A real machine under a libvirtd of our own: needs root, libvirtd and QEMU. */
#include "node/hypervisor.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/random.h"
#include "base/test.h"
#include "base/text.h"
#include "base/time.h"
#include "data/obj.h"
#include "node/accel.h"
#include "node/domain.h"
#include "node/libvirt_keeper.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

enum { WAIT_MS = 60000, FILE_MAX = 1 << 20, SECTOR = 512 };

#define NAME "test_tiny"

static int changes; /* atomic */

static void count_change(void *arg, const char *name)
{
    __atomic_add_fetch(&changes, 1, __ATOMIC_RELAXED);
}

static void require(void)
{
    if (geteuid() != 0)
        test_skip("a private libvirtd needs root");
    if (getenv("GANTRY_PROGRAM_DIR") == NULL)
        test_skip("GANTRY_PROGRAM_DIR does not name the folder of gantry-libvirtd");
    if (access("/usr/sbin/libvirtd", X_OK) == -1)
        test_skip("libvirtd is not installed");
    if (access("/usr/bin/qemu-system-x86_64", X_OK) == -1)
        test_skip("QEMU is not installed");
}

static void wait_until(bool (*is_so)(void *arg), void *arg, const char *what)
{
    struct deadline deadline = deadline_after(WAIT_MS);

    while (!is_so(arg)) {
        if (deadline_is_over(deadline))
            test_fail(__FILE__, __LINE__, "not within %d s: %s", WAIT_MS / 1000, what);
        usleep(10000);
    }
}

/* A disk whose boot sector prints a line on the serial port and halts. */
static void make_disk(const char *path)
{
    static const unsigned char code[] = {0x31, 0xc0, 0x8e, 0xd8, 0xbe, 0x15, 0x7c,
                                         0xba, 0xf8, 0x03, 0xac, 0x84, 0xc0, 0x74,
                                         0x03, 0xee, 0xeb, 0xf8, 0xf4, 0xeb, 0xfd};
    unsigned char sector[SECTOR] = {0};
    CLEANUP(error) struct error *err = NULL;

    memcpy(sector, code, sizeof(code));
    memcpy(sector + sizeof(code), "GANTRY GUEST\r\n", 14);
    sector[510] = 0x55;
    sector[511] = 0xaa;
    CHECK_OK(file_write(path, sector, sizeof(sector), 0600, &err), err);
    CHECK(truncate(path, 1 << 20) == 0);
}

static bool console_has_line(void *arg)
{
    CLEANUP(error) struct error *ignored = NULL;
    CLEANUP(str) char *text = NULL;

    return file_read(arg, FILE_MAX, &text, NULL, &ignored) == 0 &&
           strstr(text, "GANTRY GUEST") != NULL;
}

static bool keeper_is_gone(void *arg)
{
    return libvirt_keeper_find(arg) == 0;
}

static enum machine_state look(struct hypervisor *hypervisor)
{
    CLEANUP(error) struct error *err = NULL;
    enum machine_state state;

    CHECK_OK(hypervisor_look(hypervisor, NAME, &state, &err), err);
    return state;
}

static char *machine_xml(const char *dir, const char *disk)
{
    char uuid[UUID_TEXT_SIZE];
    CLEANUP(error) struct error *err = NULL;
    json_auto_t *vmi = obj_pack(
        "{s:{s:s,s:s,s:s},s:{s:{s:{s:s},s:{s:[{s:s,s:{s:s}}],s:[{s:s,s:{}}],s:b}},s:[{s:s,s:{}}]}}",
        "metadata", "name", "tiny", "namespace", "test", "uid", random_uuid(uuid), "spec", "domain",
        "memory", "guest", "32Mi", "devices", "disks", "name", "d", "disk", "bus", "virtio",
        "interfaces", "name", "n", "masquerade", "autoattachGraphicsDevice", 1, "networks", "name",
        "n", "pod");
    json_auto_t *volumes = obj_pack("{s:{s:s}}", "d", "path", disk);
    json_auto_t *networks = obj_pack("{s:{}}", "n");
    struct domain_input input = {.vmi = vmi,
                                 .uuid = uuid,
                                 .dir = dir,
                                 .emulator = "/usr/bin/qemu-system-x86_64",
                                 .volumes = volumes,
                                 .networks = networks};
    char *xml = domain_format(&input, &err);

    CHECK_OK(xml == NULL ? -1 : 0, err);
    return xml;
}

TEST(keeps_a_machine_running_while_libvirtd_and_its_keeper_are_killed)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(hypervisor) struct hypervisor *hypervisor = NULL;
    CLEANUP(str) char *dir = path_join(test_dir(), "libvirt");
    CLEANUP(str) char *machine = path_join(test_dir(), "machine");
    CLEANUP(str) char *console = path_join(machine, "console.log");
    CLEANUP(str) char *disk = path_join(test_dir(), "disk.img");

    require();
    struct hypervisor_options options = {.dir = dir,
                                         .helper_dir = getenv("GANTRY_PROGRAM_DIR"),
                                         .on_change = count_change};
    CHECK_OK(dir_make(machine, 0700, &err), err);
    make_disk(disk);
    CHECK_OK(hypervisor_new(&options, &hypervisor, &err), err);
    CHECK(!hypervisor_was_used(hypervisor));
    CLEANUP(str) char *xml = machine_xml(machine, disk);
    CHECK_OK(hypervisor_start(hypervisor, NAME, xml, &err), err);
    CHECK_INT(look(hypervisor), MACHINE_RUNNING);
    wait_until(console_has_line, console, "the guest's line on its console");

    /* libvirtd dies: its keeper starts it again */
    CLEANUP(str) char *pid_path = xasprintf("%s/run/libvirtd.pid", dir);
    CLEANUP(str) char *pid_text = NULL;
    CHECK_OK(file_read(pid_path, 64, &pid_text, NULL, &err), err);
    CHECK(kill((pid_t)strtol(pid_text, NULL, 10), SIGKILL) == 0);
    CHECK_INT(look(hypervisor), MACHINE_RUNNING);

    /* the keeper dies, and libvirtd with it: we start another */
    CHECK(kill(libvirt_keeper_find(dir), SIGKILL) == 0);
    wait_until(keeper_is_gone, dir, "the end of the keeper");
    CHECK_INT(look(hypervisor), MACHINE_RUNNING);

    CHECK_OK(hypervisor_pause(hypervisor, NAME, true, &err), err);
    CHECK_INT(look(hypervisor), MACHINE_PAUSED);
    CHECK_OK(hypervisor_pause(hypervisor, NAME, false, &err), err);
    CHECK(__atomic_load_n(&changes, __ATOMIC_RELAXED) > 0);

    CHECK_OK(hypervisor_remove(hypervisor, NAME, &err), err);
    CHECK_INT(look(hypervisor), MACHINE_ABSENT);
    CHECK_OK(hypervisor_remove(hypervisor, NAME, &err), err);
    CHECK_OK(hypervisor_shut_down_all(hypervisor, &err), err);
    CHECK_INT(libvirt_keeper_find(dir), 0);
}

TEST(says_what_was_found_about_kvm_and_remembers_it)
{
    CLEANUP(str) char *cache = path_join(test_dir(), "kvm");
    CLEANUP(str) char *first = NULL;
    CLEANUP(str) char *second = NULL;

    require();
    bool works = accel_kvm_works("/usr/bin/qemu-system-x86_64", cache, &first);
    CHECK(first[0] != '\0');
    CHECK(works == accel_kvm_works("/nonexistent", cache, &second));
    CHECK_STR(second, first);
}
