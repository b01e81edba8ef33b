/* Golden pairs, before and after, for the rows of KubeVirt's mutation tables that are not in
 * test_chain.c: all that belongs to dedicated processors, disks that change their kind, firmware and
 * console files, and the feature gate. */
#include "hook/premigration/chain.h"

#include "base/mem.h"
#include "base/test.h"
#include "hook/premigration/facts.h"

#include <stdlib.h>
#include <string.h>

#define DOMAIN(vcpus, inside)                                                                      \
    "<domain type=\"kvm\">\n  <name>demo_web</name>\n  <vcpu placement=\"static\">" vcpus             \
    "</vcpu>\n" inside "</domain>\n"
#define DEVICES(inside) DOMAIN("2", "  <devices>" inside "</devices>\n")
#define DISK(type, inside)                                                                         \
    DEVICES("<disk type=\"" type "\">" inside "<alias name=\"ua-root\"/></disk>")
#define TOPOLOGY(sockets, cores, threads)                                                          \
    "  <cpu><topology sockets=\"" sockets "\" cores=\"" cores "\" threads=\"" threads "\"/></cpu>\n"

/* Two cells of two cores with two threads each: 0+4, 1+5 in the first, 2+6, 3+7 in the second. */
#define CELLS                                                                                      \
    "\"topology\": {\"cells\": [{\"id\": 0, \"cpus\": [{\"id\": 0, \"siblings\": [0, 4]},"         \
    " {\"id\": 4, \"siblings\": [0, 4]}, {\"id\": 1, \"siblings\": [1, 5]},"                       \
    " {\"id\": 5, \"siblings\": [1, 5]}]}, {\"id\": 1, \"cpus\": [{\"id\": 2, \"siblings\":"      \
    " [2, 6]}, {\"id\": 6, \"siblings\": [2, 6]}, {\"id\": 3, \"siblings\": [3, 7]},"              \
    " {\"id\": 7, \"siblings\": [3, 7]}]}]}"
#define CPU(more, cpuset)                                                                          \
    "{\"cpu\": {\"dedicated\": true, " more ", \"cpuset\": [" cpuset "], " CELLS "}}"
#define SHAPE(sockets, cores, threads)                                                             \
    "\"sockets\": " sockets ", \"cores\": " cores ", \"threads\": " threads

static const struct {
    const char *what, *context, *before, *after;
} pairs[] = {
    {"realtime switches the performance counters off",
     CPU(SHAPE("1", "1", "1") ", \"realtime\": true", "0"),
     DOMAIN("1", "  <cputune/>\n  <features><acpi/></features>\n" TOPOLOGY("1", "1", "1")),
     DOMAIN("1", "  <cputune><vcpupin vcpu=\"0\" cpuset=\"0\"/></cputune>\n"
                 "  <features><acpi/><pmu state=\"off\"/></features>\n" TOPOLOGY("1", "1", "1"))},
    {"the hint stays where the source has it, beside features that we do not know",
     CPU(SHAPE("1", "1", "1") ", \"architecture\": \"amd64\"", "1"),
     DOMAIN("1", "  <cputune/>\n  <features><x:y xmlns:x=\"urn:x\"/><kvm><hint-dedicated "
                 "state=\"on\"/></kvm></features>\n" TOPOLOGY("1", "1", "1")),
     DOMAIN("1", "  <cputune><vcpupin vcpu=\"0\" cpuset=\"1\"/></cputune>\n"
                 "  <features><x:y xmlns:x=\"urn:x\"/><kvm><hint-dedicated state=\"on\"/></kvm>"
                 "</features>\n" TOPOLOGY("1", "1", "1"))},
    {"threads of one core stay together",
     CPU(SHAPE("1", "1", "2"), "0, 1, 5"),
     DOMAIN("2", "  <cputune/>\n" TOPOLOGY("1", "1", "2")),
     DOMAIN("2", "  <cputune><vcpupin vcpu=\"0\" cpuset=\"1\"/><vcpupin vcpu=\"1\" cpuset=\"5\"/>"
                 "</cputune>\n" TOPOLOGY("1", "1", "2"))},
    {"what was there is replaced as a whole",
     CPU(SHAPE("1", "2", "1"), "2, 3"),
     DOMAIN("2", "  <cputune><shares>7</shares><vcpupin vcpu=\"0\" cpuset=\"9\"/><emulatorpin "
                 "cpuset=\"9\"/></cputune>\n  <numatune><memory mode=\"strict\" nodeset=\"5\"/></numatune>\n" TOPOLOGY("1", "2", "1")),
     DOMAIN("2", "  <cputune><vcpupin vcpu=\"0\" cpuset=\"2\"/><vcpupin vcpu=\"1\" cpuset=\"3\"/>"
                 "</cputune>\n" TOPOLOGY("1", "2", "1"))},
    {"NUMA pass-through names the cells, guest cells are left alone",
     CPU(SHAPE("1", "2", "2") ", \"numaPassthrough\": true", "2, 3, 6, 7"),
     DOMAIN("4", "  <cputune/>\n  <numatune><memory mode=\"strict\" nodeset=\"0\"/></numatune>\n"
                 "  <cpu><topology sockets=\"1\" cores=\"2\" threads=\"2\"/><numa><cell id=\"0\" "
                 "cpus=\"0-3\" memory=\"65536\"/></numa></cpu>\n"),
     DOMAIN("4", "  <cputune><vcpupin vcpu=\"0\" cpuset=\"2\"/><vcpupin vcpu=\"1\" cpuset=\"6\"/>"
                 "<vcpupin vcpu=\"2\" cpuset=\"3\"/><vcpupin vcpu=\"3\" cpuset=\"7\"/></cputune>\n"
                 "  <numatune><memory mode=\"strict\" nodeset=\"1\"/><memnode cellid=\"0\" "
                 "mode=\"strict\" nodeset=\"1\"/></numatune>\n"
                 "  <cpu><topology sockets=\"1\" cores=\"2\" threads=\"2\"/><numa><cell id=\"0\" "
                 "cpus=\"0-3\" memory=\"65536\"/></numa></cpu>\n")},
    {"disabled vCPUs need no thread, sockets that may be plugged count",
     CPU(SHAPE("1", "1", "1") ", \"maxSockets\": 2", "3"),
     DOMAIN("2", "  <vcpus><vcpu id=\"0\" enabled=\"yes\"/><vcpu id=\"1\" enabled=\"no\"/></vcpus>\n"
                 "  <cputune/>\n" TOPOLOGY("2", "1", "1")),
     DOMAIN("2", "  <vcpus><vcpu id=\"0\" enabled=\"yes\"/><vcpu id=\"1\" enabled=\"no\"/></vcpus>\n"
                 "  <cputune><vcpupin vcpu=\"0\" cpuset=\"3\"/></cputune>\n" TOPOLOGY("2", "1", "1"))},
    {"a pool for IO threads is theirs",
     CPU(SHAPE("1", "1", "1") ", \"ioThreadCpuset\": [6, 7]", "3"),
     DOMAIN("1", "  <iothreads>2</iothreads>\n  <cputune/>\n" TOPOLOGY("1", "1", "1")),
     DOMAIN("1", "  <iothreads>2</iothreads>\n  <cputune><vcpupin vcpu=\"0\" cpuset=\"3\"/>"
                 "<iothreadpin iothread=\"1\" cpuset=\"6,7\"/><iothreadpin iothread=\"2\" "
                 "cpuset=\"6,7\"/></cputune>\n" TOPOLOGY("1", "1", "1"))},
    {"a file becomes a block device below a dataStore",
     "{\"volumes\": [{\"name\": \"root\", \"block\": \"/dev/root\"}]}",
     DISK("file", "<source file=\"/overlay\"><dataStore type=\"file\"><source file=\"/a\"/>"
                  "</dataStore></source>"),
     DISK("file", "<source file=\"/overlay\"><dataStore type=\"block\"><source dev=\"/dev/root\"/>"
                  "</dataStore></source>")},
    {"slices that are there stay",
     "{\"volumes\": [{\"name\": \"root\", \"file\": \"/b\", \"sliceBytes\": 7}]}",
     DISK("file", "<source file=\"/a\"><slices><slice type=\"storage\" offset=\"0\" size=\"5\"/>"
                  "</slices></source>"),
     DISK("file", "<source file=\"/b\"><slices><slice type=\"storage\" offset=\"0\" size=\"5\"/>"
                  "</slices></source>")},
    {"cache, discard and io as the target's storage wants it",
     "{\"volumes\": [{\"name\": \"root\", \"cache\": \"none\", \"discard\": \"unmap\", \"io\": "
     "\"native\"}]}",
     DISK("file", "<driver name=\"qemu\" type=\"raw\" cache=\"writeback\"/><source file=\"/a\"/>"),
     DISK("file", "<driver name=\"qemu\" type=\"raw\" cache=\"none\" discard=\"unmap\" "
                  "io=\"native\"/><source file=\"/a\"/>")},
    {"a hot-plugged volume's path",
     "{\"volumes\": [{\"name\": \"root\", \"file\": \"/var/run/kubevirt/hotplug-disks/root.img\"}]}",
     DISK("block", "<source dev=\"/var/run/kubevirt/hotplug-disks/root\"/>"),
     DISK("file", "<source file=\"/var/run/kubevirt/hotplug-disks/root.img\"/>")},
    {"two secondary networks, one of them hashed already",
     "{\"hashTapNames\": true, \"networks\": [{\"name\": \"sec\"}, {\"name\": \"third\"}]}",
     DEVICES("<interface type=\"ethernet\"><target dev=\"tapadd93534eeb\"/><alias name=\"ua-sec\"/>"
             "</interface><interface type=\"ethernet\"><target dev=\"tap2\"/><alias "
             "name=\"ua-third\"/></interface>"),
     DEVICES("<interface type=\"ethernet\"><target dev=\"tapadd93534eeb\"/><alias name=\"ua-sec\"/>"
             "</interface><interface type=\"ethernet\"><target dev=\"tapb1e99324505\"/><alias "
             "name=\"ua-third\"/></interface>")},
    {"the machine's own files",
     "{\"source\": {\"folder\": \"/a/machines/1\"}, \"target\": {\"folder\": \"/b/machines/7\"}}",
     DOMAIN("2", "  <os><nvram>/a/machines/1/nvram.fd</nvram></os>\n  <devices><serial type=\"pty\">"
                 "<log file=\"/a/machines/1/console.log\"/></serial></devices>\n"),
     DOMAIN("2", "  <os><nvram>/b/machines/7/nvram.fd</nvram></os>\n  <devices><serial type=\"pty\">"
                 "<log file=\"/b/machines/7/console.log\"/></serial></devices>\n")},
    {"the gate is off",
     "{\"featureGates\": {\"LibvirtHooksServerAndClient\": false}, \"node\": \"b\","
     " \"source\": {\"domainNamespace\": \"demo\"}, \"target\": {\"domainNamespace\": \"prod\"}}",
     DISK("file", "<source file=\"/demo/x\"/>"), DISK("file", "<source file=\"/demo/x\"/>")},
    {"the gate is off under its older name",
     "{\"featureGates\": {\"TargetSideMigrationHooks\": false}, \"networks\": [{\"name\": \"n\","
     " \"bridge\": \"b\"}]}",
     DEVICES("<interface type=\"bridge\"><source bridge=\"a\"/><alias name=\"ua-n\"/></interface>"),
     DEVICES("<interface type=\"bridge\"><source bridge=\"a\"/><alias name=\"ua-n\"/></interface>")},
};

static char *run(const char *context, const char *xml, struct error **err)
{
    struct facts *parsed = NULL;
    char *out = NULL;

    CHECK_OK(facts_parse(context, strlen(context), &parsed, err), *err);
    CLEANUP(facts) struct facts *facts = parsed;
    const struct chain chain = {.facts = facts};
    return chain_run(&chain, xml, strlen(xml), &out, err) == -1 ? NULL : out;
}

TEST(edits_as_the_tables_say_and_twice_is_once)
{
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        CLEANUP(error) struct error *err = NULL;
        CLEANUP(str) char *once = run(pairs[i].context, pairs[i].before, &err);

        if (once == NULL)
            test_fail(__FILE__, __LINE__, "%s: %s", pairs[i].what, error_format(err));
        if (strcmp(once, pairs[i].after) != 0)
            test_fail(__FILE__, __LINE__, "%s:\n%s, not\n%s", pairs[i].what, once, pairs[i].after);
        CLEANUP(str) char *twice = run(pairs[i].context, once, &err);

        CHECK_STR(twice, once);
    }
}

TEST(refuses_folders_that_lie_in_each_other)
{
    CLEANUP(error) struct error *err = NULL;
    char *out = run("{\"source\": {\"folder\": \"/a\"}, \"target\": {\"folder\": \"/a/b\"}}",
                    DOMAIN("1", ""), &err);

    CHECK(out == NULL);
    CHECK(strstr(err->cause->msg, "lies in the source's") != NULL);
}

TEST(refuses_another_number_of_cells_than_the_guest_has)
{
    CLEANUP(error) struct error *err = NULL;
    char *out = run(CPU(SHAPE("1", "2", "1") ", \"numaPassthrough\": true", "0, 1"),
                    DOMAIN("2", "  <cpu><topology sockets=\"1\" cores=\"2\" threads=\"1\"/><numa>"
                                "<cell id=\"0\"/><cell id=\"1\"/></numa></cpu>\n"),
                    &err);

    CHECK(out == NULL);
    CHECK(strstr(err->cause->msg, "the guest has 2 NUMA cells") != NULL);
}
