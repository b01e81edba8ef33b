#include "hook/premigration/source_side.h"

#include "base/array.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/test.h"
#include "base/text.h"
#include "hook/premigration/chain.h"
#include "hook/premigration/facts.h"
#include "hook/premigration/gate.h"

#include <string.h>

#define UID_A "aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa"
#define UID_B "bbbbbbbb-bbbb-bbbb-bbbb-bbbbbbbbbbbb"

#define DISK(type, source, name)                                                                   \
    "<disk type=\"" type "\"><source " source "/><alias name=\"ua-" name "\"/></disk>"
#define SLICED(type, source, name, size)                                                           \
    "<disk type=\"" type "\"><source " source "><slices><slice type=\"storage\" offset=\"0\" "       \
    "size=\"" size "\"/></slices></source><alias name=\"ua-" name "\"/></disk>"
#define DOMAIN(pins, disks)                                                                        \
    "<domain type=\"kvm\"><vcpu placement=\"static\">2</vcpu>"                                     \
    "<cpu><topology sockets=\"1\" cores=\"2\" threads=\"1\"/></cpu>" pins "<devices>" disks        \
    "</devices></domain>\n"
#define PINS(a, b)                                                                                 \
    "<cputune><vcpupin vcpu=\"0\" cpuset=\"" a "\"/><vcpupin vcpu=\"1\" cpuset=\"" b "\"/></cputune>"

static char *edit(const struct source_side *side, const char *xml, struct error **err)
{
    char *out = NULL;

    if (source_side_edit(side, xml, strlen(xml), &out, err) == -1)
        return NULL;
    return out;
}

/* What the target's hooks make of XML. */
static char *target(const char *context, const char *xml)
{
    CLEANUP(error) struct error *err = NULL;
    struct facts *parsed = NULL;
    char *out = NULL;

    CHECK_OK(facts_parse(context, strlen(context), &parsed, &err), err);
    CLEANUP(facts) struct facts *facts = parsed;
    const struct chain chain = {.facts = facts};
    CHECK_OK(chain_run(&chain, xml, strlen(xml), &out, &err), err);
    return out;
}

TEST(copied_volumes_get_a_slice_and_the_targets_kind)
{
    static const struct {
        struct source_volume volume;
        const char *before, *after;
    } cases[] = {
        {{"root", NULL, "/dev/root", 4096}, DISK("file", "file=\"/a\"", "root"),
         SLICED("block", "dev=\"/dev/root\"", "root", "4096")},
        {{"root", "/d/root/disk.img", NULL, 4096}, DISK("block", "dev=\"/dev/x\"", "root"),
         SLICED("file", "file=\"/d/root/disk.img\"", "root", "4096")},
        /* the same kind: the path stays */
        {{"root", "/d/root/disk.img", NULL, 4096}, DISK("file", "file=\"/a\"", "root"),
         SLICED("file", "file=\"/a\"", "root", "4096")},
        /* slices that are there stay */
        {{"root", NULL, "/dev/root", 4096}, SLICED("file", "file=\"/a\"", "root", "77"),
         SLICED("block", "dev=\"/dev/root\"", "root", "77")},
        /* another volume */
        {{"data", NULL, "/dev/data", 4096}, DISK("file", "file=\"/a\"", "root"),
         DISK("file", "file=\"/a\"", "root")},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(error) struct error *err = NULL;
        CLEANUP(str) char *before = xasprintf(DOMAIN("", "%s"), cases[i].before);
        CLEANUP(str) char *after = xasprintf(DOMAIN("", "%s"), cases[i].after);
        const struct source_side side = {
            .volumes = &cases[i].volume, .volume_count = 1, .target_has_hooks = true};
        CLEANUP(str) char *once = edit(&side, before, &err);

        CHECK_STR(once, after);
        CLEANUP(str) char *twice = edit(&side, once, &err);
        CHECK_STR(twice, after);
    }
}

TEST(the_uid_is_replaced_wherever_it_stands)
{
    CLEANUP(error) struct error *err = NULL;
    const struct source_side side = {.uid = UID_A, .target_uid = UID_B, .target_has_hooks = true};
    CLEANUP(str) char *out =
        edit(&side, DOMAIN("<metadata><u>" UID_A "</u></metadata>",
                           DISK("file", "file=\"/p/" UID_A "/x\"", "root")), &err);

    CHECK_STR(out, DOMAIN("<metadata><u>" UID_B "</u></metadata>",
                          DISK("file", "file=\"/p/" UID_B "/x\"", "root")));
}

#define CPU      "{\"sockets\": 1, \"cores\": 2, \"threads\": 1}"
#define TOPOLOGY "{\"cells\": [{\"id\": 0, \"memory\": {\"amount\": 1}, \"cpus\": [{\"id\": 4}, {\"id\": 5}]}]}"
#define CONTEXT                                                                                    \
    "{\"source\": {\"domainNamespace\": \"demo\"}, \"target\": {\"domainNamespace\": \"prod\"},"     \
    " \"cpu\": {\"dedicated\": true, \"sockets\": 1, \"cores\": 2, \"threads\": 1,"                  \
    " \"cpuset\": [4, 5], \"topology\": " TOPOLOGY "}}"
#define BEFORE DOMAIN(PINS("0", "1"), DISK("file", "file=\"/p/demo/x\"", "root"))
#define AFTER  DOMAIN(PINS("4", "5"), DISK("file", "file=\"/p/prod/x\"", "root"))

TEST(old_and_new_sides_mix)
{
    CLEANUP(error) struct error *err = NULL;
    static const char *const files[] = {"/p/prod/x"};
    json_auto_t *cpu = json_loads(CPU, 0, NULL);
    json_auto_t *cpuset = json_loads("[4, 5]", 0, NULL);
    struct source_side side = {.cpu = cpu, .target_cpuset = cpuset, .target_topology = TOPOLOGY,
                               .disk_files = files, .disk_count = 1};

    /* an old source edits everything: an old target takes it, a new one makes the same again */
    CLEANUP(str) char *old = edit(&side, BEFORE, &err);
    CHECK_STR(old, AFTER);
    CLEANUP(str) char *old_new = target(CONTEXT, old);
    CHECK_STR(old_new, AFTER);

    /* a new source leaves it to the target's hooks */
    side.target_has_hooks = true;
    CLEANUP(str) char *new = edit(&side, BEFORE, &err);
    CHECK_STR(new, BEFORE);
    CLEANUP(str) char *new_new = target(CONTEXT, new);
    CHECK_STR(new_new, AFTER);
}

TEST(refuses_what_the_target_cannot_take)
{
    static const char *const files[] = {"/a", "/b"};
    json_auto_t *cpu = json_loads(CPU, 0, NULL);
    json_auto_t *one = json_loads("[4]", 0, NULL);
    const struct {
        struct source_side side;
        const char *reason;
    } cases[] = {
        {{.disk_files = files, .disk_count = 2}, "has 1 disks, the target 2"},
        {{.cpu = cpu}, "no targetCPUSet"},
        {{.cpu = cpu, .target_cpuset = one, .target_topology = "{"}, "targetNodeTopology"},
        {{.cpu = cpu, .target_cpuset = one, .target_topology = TOPOLOGY}, "dedicated-cpu"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(error) struct error *err = NULL;
        CLEANUP(str) char *out = edit(&cases[i].side, BEFORE, &err);
        CLEANUP(str) char *text = err == NULL ? xstrdup("") : error_format(err);

        CHECK(out == NULL);
        CHECK(strstr(text, cases[i].reason) != NULL);
    }
}

TEST(the_gate_has_two_names_and_is_on_by_itself)
{
    static const struct {
        const char *gates;
        bool on;
    } cases[] = {
        {"", true},
        {"Snapshot,HotplugVolumes=false", true},
        {"LibvirtHooksServerAndClient", true},
        {"LibvirtHooksServerAndClient=false", false},
        {"Snapshot, TargetSideMigrationHooks = false", false},
        {"TargetSideMigrationHooks=false,LibvirtHooksServerAndClient=true", true},
    };
    CLEANUP(error) struct error *err = NULL;

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        bool on = !cases[i].on;

        CHECK_OK(premigration_gate(cases[i].gates, &on, &err), err);
        CHECK(on == cases[i].on);
    }
    bool on;
    CHECK(premigration_gate("LibvirtHooksServerAndClient=no", &on, &err) == -1);
}
