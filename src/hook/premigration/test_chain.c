#include "hook/premigration/chain.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/test.h"
#include "base/text.h"
#include "base/time.h"
#include "data/dom.h"
#include "hook/premigration/facts.h"
#include "hook/premigration/user_hooks.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define DOMAIN(inside)                                                                             \
    "<domain type=\"kvm\">\n  <name>demo_web</name>\n"                                             \
    "  <uuid>11111111-2222-3333-4444-555555555555</uuid>\n"                                        \
    "  <vcpu placement=\"static\">2</vcpu>\n" inside "</domain>\n"

#define DEVICES(inside) DOMAIN("  <devices>" inside "</devices>\n")

#define TOPOLOGY(more)                                                                             \
    "{\"cpu\": {\"dedicated\": true, \"sockets\": 1, \"cores\": 2, \"threads\": 1,"                \
    " \"cpuset\": [4, 5, 6], \"topology\": {\"cells\": [{\"id\": 0, \"cpus\": [{\"id\": 4},"       \
    " {\"id\": 5}, {\"id\": 6}]}]}" more "}}"

/* set by the tests of users' hooks */
static struct user_hooks *user_hooks;

static char *run(const char *context, const char *xml, struct error **err)
{
    struct facts *parsed = NULL;
    char *out = NULL;

    CHECK_OK(facts_parse(context, strlen(context), &parsed, err), *err);
    CLEANUP(facts) struct facts *facts = parsed;
    const struct chain chain = {.facts = facts, .user_hooks = user_hooks};

    if (chain_run(&chain, xml, strlen(xml), &out, err) == -1)
        return NULL;
    return out;
}

/* Before and after, as KubeVirt's own hooks do it. */
static const struct {
    const char *context, *before, *after;
} pairs[] = {
    /* disk paths across namespaces */
    {"{\"source\": {\"domainNamespace\": \"demo\"}, \"target\": {\"domainNamespace\": \"prod\"}}",
     DEVICES("<disk type=\"file\"><source file=\"/pods/demo/claim/disk.img\"/></disk>"),
     DEVICES("<disk type=\"file\"><source file=\"/pods/prod/claim/disk.img\"/></disk>")},
    {"{\"source\": {\"domainNamespace\": \"demo\"}, \"target\": {\"domainNamespace\": \"prod\"}}",
     DEVICES("<disk type=\"file\"><source file=\"/pods/demography/x.img\"/></disk>"),
     DEVICES("<disk type=\"file\"><source file=\"/pods/demography/x.img\"/></disk>")},
    {"{\"source\": {\"domainNamespace\": \"demo\"}, \"target\": {\"domainNamespace\": \"prod\"}}",
     DEVICES("<disk type=\"file\"><source file=\"/o/demo/q\"><dataStore type=\"file\">"
             "<source file=\"/d/demo/r\"/></dataStore></source></disk>"),
     DEVICES("<disk type=\"file\"><source file=\"/o/prod/q\"><dataStore type=\"file\">"
             "<source file=\"/d/prod/r\"/></dataStore></source></disk>")},
    {"{\"source\": {\"domainNamespace\": \"demo\"}, \"target\": {\"domainNamespace\": \"demo\"}}",
     DEVICES("<disk type=\"file\"><source file=\"/pods/demo/x\"/></disk>"),
     DEVICES("<disk type=\"file\"><source file=\"/pods/demo/x\"/></disk>")},
    {"{\"source\": {\"domainNamespace\": \"demo\"}, \"target\": {\"domainNamespace\": \"prod\"}}",
     DEVICES("<disk type=\"block\"><source dev=\"/dev/demo/x\"/></disk>"),
     DEVICES("<disk type=\"block\"><source dev=\"/dev/demo/x\"/></disk>")},
    {"{\"source\": {\"domainNamespace\": \"demo\"}, \"target\": {\"domainNamespace\": \"prod\"}}",
     DOMAIN(""), DOMAIN("")},
    {"{\"target\": {\"domainNamespace\": \"prod\"}}",
     DEVICES("<disk type=\"file\"><source file=\"/pods/demo/x\"/></disk>"),
     DEVICES("<disk type=\"file\"><source file=\"/pods/demo/x\"/></disk>")},
    /* file to block, block to file, slices, drivers */
    {"{\"volumes\": [{\"name\": \"root\", \"block\": \"/dev/root\", \"sliceBytes\": 1048576}]}",
     DEVICES("<disk type=\"file\"><source file=\"/a\"/><alias name=\"ua-root\"/></disk>"),
     DEVICES("<disk type=\"block\"><source dev=\"/dev/root\"><slices><slice type=\"storage\" "
             "offset=\"0\" size=\"1048576\"/></slices></source><alias name=\"ua-root\"/></disk>")},
    {"{\"volumes\": [{\"name\": \"root\", \"file\": \"/b\", \"cache\": \"none\"}]}",
     DEVICES("<disk type=\"block\"><driver type=\"raw\"/><source dev=\"/dev/x\"/>"
             "<alias name=\"ua-root\"/></disk>"),
     DEVICES("<disk type=\"file\"><driver type=\"raw\" cache=\"none\"/><source file=\"/b\"/>"
             "<alias name=\"ua-root\"/></disk>")},
    {"{\"volumes\": [{\"name\": \"other\", \"file\": \"/b\"}]}",
     DEVICES("<disk type=\"block\"><source dev=\"/x\"/><alias name=\"ua-root\"/></disk>"),
     DEVICES("<disk type=\"block\"><source dev=\"/x\"/><alias name=\"ua-root\"/></disk>")},
    /* tap names: VEP 111's worked example */
    {"{\"hashTapNames\": true, \"networks\": [{\"name\": \"sec\"}]}",
     DEVICES("<interface type=\"bridge\"><target dev=\"tap1\"/><alias name=\"ua-sec\"/>"
             "</interface>"),
     DEVICES("<interface type=\"bridge\"><target dev=\"tapadd93534eeb\"/><alias name=\"ua-sec\"/>"
             "</interface>")},
    {"{\"hashTapNames\": true, \"networks\": [{\"name\": \"sec\"}]}",
     DEVICES("<interface type=\"bridge\"><target dev=\"tap0\"/><alias name=\"ua-default\"/>"
             "</interface><interface type=\"bridge\"><target dev=\"tapadd93534eeb\"/>"
             "<alias name=\"ua-sec\"/></interface>"),
     DEVICES("<interface type=\"bridge\"><target dev=\"tap0\"/><alias name=\"ua-default\"/>"
             "</interface><interface type=\"bridge\"><target dev=\"tapadd93534eeb\"/>"
             "<alias name=\"ua-sec\"/></interface>")},
    /* a bridge of another name */
    {"{\"networks\": [{\"name\": \"sec\", \"bridge\": \"br-b\"}]}",
     DEVICES("<interface type=\"bridge\"><source bridge=\"br-a\"/><alias name=\"ua-sec\"/>"
             "</interface>"),
     DEVICES("<interface type=\"bridge\"><source bridge=\"br-b\"/><alias name=\"ua-sec\"/>"
             "</interface>")},
    /* vGPU */
    {"{\"gpus\": [{\"mdev\": \"new\"}]}",
     DEVICES("<hostdev type=\"mdev\"><source><address uuid=\"old\"/></source></hostdev>"),
     DEVICES("<hostdev type=\"mdev\"><source><address uuid=\"new\"/></source></hostdev>")},
    /* a PCI device */
    {"{\"hostDevices\": [{\"alias\": \"gpu0\", \"address\": \"0000:65:1f.7\"}]}",
     DEVICES("<hostdev type=\"pci\"><source><address domain=\"0x0000\" bus=\"0x03\" "
             "slot=\"0x00\" function=\"0x0\"/></source><alias name=\"ua-gpu0\"/></hostdev>"),
     DEVICES("<hostdev type=\"pci\"><source><address domain=\"0x0000\" bus=\"0x65\" "
             "slot=\"0x1f\" function=\"0x7\"/></source><alias name=\"ua-gpu0\"/></hostdev>")},
    /* the instance's UID wherever it stands */
    {"{\"source\": {\"vmiUID\": \"aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa\"},"
     " \"target\": {\"vmiUID\": \"bbbbbbbb-bbbb-bbbb-bbbb-bbbbbbbbbbbb\"}}",
     DOMAIN("  <metadata><uid>aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa</uid></metadata>\n"),
     DOMAIN("  <metadata><uid>bbbbbbbb-bbbb-bbbb-bbbb-bbbbbbbbbbbb</uid></metadata>\n")},
    /* dedicated processors */
    {TOPOLOGY(""),
     DOMAIN("  <cputune><vcpupin vcpu=\"0\" cpuset=\"0\"/></cputune>\n"
            "  <numatune><memory mode=\"strict\" nodeset=\"1\"/></numatune>\n"
            "  <cpu><topology sockets=\"1\" cores=\"2\" threads=\"1\"/></cpu>\n"),
     DOMAIN("  <cputune><vcpupin vcpu=\"0\" cpuset=\"4\"/><vcpupin vcpu=\"1\" cpuset=\"5\"/>"
            "</cputune>\n"
            "  <cpu><topology sockets=\"1\" cores=\"2\" threads=\"1\"/></cpu>\n")},
    {TOPOLOGY(", \"isolateEmulatorThread\": true"),
     DOMAIN("  <iothreads>1</iothreads><cputune/>\n"
            "  <cpu><topology sockets=\"1\" cores=\"2\" threads=\"1\"/></cpu>\n"),
     DOMAIN("  <iothreads>1</iothreads><cputune><vcpupin vcpu=\"0\" cpuset=\"4\"/>"
            "<vcpupin vcpu=\"1\" cpuset=\"5\"/><emulatorpin cpuset=\"6\"/>"
            "<iothreadpin iothread=\"1\" cpuset=\"6\"/></cputune>\n"
            "  <cpu><topology sockets=\"1\" cores=\"2\" threads=\"1\"/></cpu>\n")},
};

TEST(edits_as_the_pairs_say_and_twice_is_once)
{
    for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
        CLEANUP(error) struct error *err = NULL;
        CLEANUP(str) char *once = run(pairs[i].context, pairs[i].before, &err);

        if (once == NULL)
            test_fail(__FILE__, __LINE__, "pair %zu: %s", i, error_format(err));
        if (strcmp(once, pairs[i].after) != 0)
            test_fail(__FILE__, __LINE__, "pair %zu:\n%s, not\n%s", i, once, pairs[i].after);
        CLEANUP(str) char *twice = run(pairs[i].context, once, &err);

        CHECK_STR(twice, once);
    }
}

TEST(refuses_what_cannot_work_with_the_hook_and_the_reason)
{
    static const struct {
        const char *context, *xml, *message;
    } cases[] = {
        {"{}", "<pool/>", "the root element is \"pool\""},
        {"{}", "<domain><oops>", "not well-formed"},
        {"{}", DOMAIN("") "x", "not well-formed"},
        {"{\"hashTapNames\": true}",
         DEVICES("<interface type=\"bridge\"><target dev=\"tap1\"/></interface>"),
         "hook \"tap-name\": the interface of \"tap1\" has no alias"},
        {"{\"hashTapNames\": true}",
         DEVICES("<interface type=\"bridge\"><target dev=\"tap1\"/><alias name=\"ua-x\"/>"
                 "</interface>"),
         "on network \"x\", which the machine does not have"},
        {"{\"networks\": [{\"name\": \"sec\", \"bridge\": \"br-b\"}]}",
         DEVICES("<interface type=\"user\"><alias name=\"ua-sec\"/></interface>"),
         "its interface is not of type bridge"},
        {"{\"gpus\": [{\"mdev\": \"a\"}, {\"mdev\": \"b\"}]}",
         DEVICES("<hostdev type=\"mdev\"><source><address uuid=\"o\"/></source></hostdev>"),
         "hook \"mdev\": more than one vGPU"},
        {"{\"gpus\": [{}]}",
         DEVICES("<hostdev type=\"mdev\"><source><address uuid=\"o\"/></source></hostdev>"),
         "GPU is no mediated device"},
        {"{\"gpus\": [{\"mdev\": \"a\"}]}", DEVICES("<hostdev type=\"pci\"/>"),
         "host device is no mediated device"},
        {"{\"hostDevices\": [{\"alias\": \"g\", \"address\": \"65:00\"}]}",
         DEVICES("<hostdev type=\"pci\"><alias name=\"ua-g\"/></hostdev>"), "no PCI address"},
        {"{\"cpu\": {\"dedicated\": true, \"cores\": 2, \"cpuset\": [4], \"topology\": {\"cells\":"
         " [{\"id\": 0, \"cpus\": [{\"id\": 4}]}]}}}",
         DOMAIN(""), "do not fit on 1 host threads"},
        {TOPOLOGY(", \"architecture\": \"amd64\""),
         DOMAIN("  <cputune/><cpu><topology sockets=\"1\" cores=\"2\" threads=\"1\"/></cpu>\n"),
         "hook \"dedicated-cpu\": features/kvm of a running machine would change"},
        {"{\"cpu\": {\"dedicated\": true}}", DOMAIN(""), "no cpuset or no topology"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(error) struct error *err = NULL;
        char *out = run(cases[i].context, cases[i].xml, &err);

        CHECK(out == NULL);
        CLEANUP(str) char *text = error_format(err);
        if (strstr(text, cases[i].message) == NULL)
            test_fail(__FILE__, __LINE__, "case %zu: \"%s\", without \"%s\"", i, text,
                      cases[i].message);
    }
}

TEST(refuses_a_context_of_the_wrong_form)
{
    static const struct {
        const char *context, *message;
    } cases[] = {{"[]", "no JSON object"},
                 {"{\"node\": 1}", "\"node\" is no text"},
                 {"{\"cpu\": {\"cpuset\": [-1]}}", "\"cpu.cpuset[0]\" is no processor number"},
                 {"{\"cpu\": {\"cores\": 0}}", "start at 1"},
                 {"{\"volumes\": [{}]}", "volumes[0]"},
                 {"{\"volumes\": [{\"name\": \"a\", \"file\": \"f\", \"block\": \"b\"}]}",
                  "both a file and a block device"},
                 {"{\"networks\": {}}", "\"networks\" is no list"}};

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(error) struct error *err = NULL;
        struct facts *facts = NULL;

        CHECK_FAILS(facts_parse(cases[i].context, strlen(cases[i].context), &facts, &err), err,
                    ERROR_INVALID, cases[i].message);
    }
}

TEST(leaves_a_mark_that_a_second_run_keeps)
{
    CLEANUP(error) struct error *err = NULL;
    static const char context[] = "{\"node\": \"b\", \"hashTapNames\": true}";

    time_set_fake(1772323199000);
    CLEANUP(str) char *once = run(context, DOMAIN(""), &err);

    CHECK(strstr(once, "<gantry:edited xmlns:gantry=\"urn:gantry:premigration:1\" node=\"b\" "
                       "hooks=\"tap-name\" time=\"2026-02-28T23:59:59Z\"/>") != NULL);
    time_advance_fake(60000);
    CLEANUP(str) char *twice = run(context, once, &err);

    time_clear_fake();
    CHECK_STR(twice, once);
}

/* --- users' hooks ------------------------------------------------------------------------------------ */

static void write_hook(const char *name, const char *text, unsigned mode)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(str) char *dir = path_join(test_dir(), "hooks");
    CLEANUP(str) char *path = path_join(dir, name);

    CHECK_OK(dir_make(dir, 0755, &err), err);
    CHECK_OK(file_write(path, text, strlen(text), mode, &err), err);
}

/* Runs the one hook NAME on a definition; *OUT is NULL if it was refused, with the reason in ERR. */
static void run_hook_file(const char *name, const char *text, unsigned mode, char **out,
                          struct error **err)
{
    CLEANUP(str) char *dir = path_join(test_dir(), "hooks");

    write_hook(name, text, mode);
    CHECK_OK(user_hooks_load(dir, &user_hooks, err), *err);
    *out = run("{\"node\": \"b\"}", DEVICES("<disk><driver cache=\"none\"/></disk>"), err);
    user_hooks_free(user_hooks);
    user_hooks = NULL;
    CHECK_OK(dir_remove(dir, err), *err);
}

TEST(users_edit_by_xpath)
{
    static const struct {
        const char *hook, *want;
    } cases[] = {
        {"edits:\n- xpath: //disk/driver\n  action: set-attribute\n  attribute: cache\n"
         "  value: writeback\n", "cache=\"writeback\""},
        {"edits: [{xpath: //driver/@cache, action: set-text, value: directsync}]",
         "cache=\"directsync\""},
        {"edits: [{xpath: //driver, action: remove}]", "<disk/>"},
        {"edits: [{xpath: /domain, action: add, value: '<title>a &amp; b</title>'}]",
         "<title>a &amp; b</title>"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(error) struct error *err = NULL;
        CLEANUP(str) char *out = NULL;

        run_hook_file("10-mine.yaml", cases[i].hook, 0644, &out, &err);
        if (out == NULL || strstr(out, cases[i].want) == NULL)
            test_fail(__FILE__, __LINE__, "case %zu: %s", i,
                      out == NULL ? error_format(err) : out);
        CHECK(strstr(out, "hooks=\"10-mine.yaml\"") != NULL);
    }
}

TEST(users_programs_edit_or_refuse)
{
    static const struct {
        const char *program, *want, *refusal;
    } cases[] = {
        {"#!/bin/sh\nsed s/none/unsafe/", "cache=\"unsafe\"", NULL},
        {"#!/bin/sh\ncat >/dev/null\n", "cache=\"none\"", NULL},
        {"#!/bin/sh\ngrep -q '\"node\": \"b\"' $GANTRY_CONTEXT && sed s/none/unsafe/",
         "cache=\"unsafe\"", NULL},
        {"#!/bin/sh\necho 'not today' >&2\nexit 3\n", NULL, "not today (exit status 3)"},
        {"#!/bin/sh\necho '<domain>'\n", NULL, "what it printed"},
        {"#!/bin/sh\nsed s/demo_web/other/\n", NULL, "name of a running machine would change"},
        {"#!/bin/sh\nsleep 60\n", NULL, "deadline is over"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(error) struct error *err = NULL;
        CLEANUP(str) char *out = NULL;

        run_hook_file("20-program", cases[i].program, 0755, &out, &err);
        CLEANUP(str) char *text = out != NULL ? xstrdup(out) : error_format(err);
        const char *want = cases[i].want != NULL ? cases[i].want : cases[i].refusal;

        if ((out != NULL) != (cases[i].want != NULL) || strstr(text, want) == NULL)
            test_fail(__FILE__, __LINE__, "case %zu: %s", i, text);
        if (out == NULL)
            CHECK(strstr(text, "hook \"20-program\"") != NULL);
    }
}

TEST(users_programs_have_no_network_no_files_and_no_powers)
{
    static const char program[] = "#!/bin/sh\n"
                                  "touch /usr/gantry-was-here 2>/dev/null && exit 11\n"
                                  "[ ! -e /root ] && [ ! -e /home ] && [ ! -e /run ] || exit 12\n"
                                  "[ $(wc -l </proc/net/dev) -le 3 ] || exit 13\n"
                                  "grep -q '^CapEff:.0*$' /proc/self/status || exit 14\n"
                                  "[ $(ls -d /proc/[0-9]* | wc -l) -lt 10 ] || exit 15\n"
                                  "sed s/none/unsafe/\n";
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(str) char *out = NULL;

    if (access("/usr/bin/bwrap", X_OK) == -1)
        test_skip("bubblewrap is not installed");
    run_hook_file("20-program", program, 0755, &out, &err);
    if (out == NULL || strstr(out, "cache=\"unsafe\"") == NULL)
        test_fail(__FILE__, __LINE__, "%s", out == NULL ? error_format(err) : out);
}

TEST(refuses_hooks_that_are_not_understood_when_loading)
{
    static const struct {
        const char *name, *text;
        unsigned mode;
        const char *message;
    } cases[] = {{"a.yaml", "edits: [{xpath: /d, action: jump}]", 0644, "action \"jump\""},
                 {"a.yaml", "edits: [{action: remove}]", 0644, "edits[0]"},
                 {"a.json", "{\"edit\": []}", 0644, "edits"},
                 {"plain", "#!/bin/sh\n", 0644, "neither a program nor"}};

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(error) struct error *err = NULL;
        CLEANUP(str) char *dir = path_join(test_dir(), "hooks");
        struct user_hooks *hooks = NULL;

        write_hook(cases[i].name, cases[i].text, cases[i].mode);
        CHECK_FAILS(user_hooks_load(dir, &hooks, &err), err, ERROR_INVALID, cases[i].message);
        CHECK_OK(dir_remove(dir, &err), err);
    }
}

/* --- documents of every shape ---------------------------------------------------------------------- */

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13; /* xorshift64 */
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static void add_random(struct buf *xml, uint64_t *state, int depth)
{
    static const char *const names[] = {"devices", "disk",    "source", "interface", "q:arg",
                                        "target",  "unknown", "alias",  "hostdev",   "x-y.z"};
    static const char *const texts[] = {"text", "&amp;&lt;", "<!-- c -->", "<![CDATA[<]]>", "\n  ",
                                        "\xc3\xbc"};
    size_t children = next_random(state) % 5;

    for (size_t i = 0; i < children; i++) {
        const char *name = names[next_random(state) % ARRAY_SIZE(names)];

        if (next_random(state) % 3 == 0) {
            buf_add(xml, texts[next_random(state) % ARRAY_SIZE(texts)]);
            continue;
        }
        buf_printf(xml, "<%s", name);
        if (next_random(state) % 2 == 0)
            buf_printf(xml, " name=\"ua-n%u\"", (unsigned)(next_random(state) % 4));
        if (next_random(state) % 2 == 0)
            buf_printf(xml, " dev=\"tap%u\" type='b&quot;'", (unsigned)(next_random(state) % 3));
        buf_add(xml, ">");
        if (depth < 5)
            add_random(xml, state, depth + 1);
        buf_printf(xml, "</%s>", name);
    }
}

TEST(an_empty_context_changes_nothing_in_500_documents)
{
    uint64_t state = 88172645463325252u;

    for (int i = 0; i < 500; i++) {
        CLEANUP(error) struct error *err = NULL;
        CLEANUP(buf) struct buf xml = BUF_INIT(1 << 20);
        struct dom *parsed = NULL;

        buf_add(&xml, "<domain xmlns:q=\"http://q\" type=\"kvm\">");
        add_random(&xml, &state, 0);
        buf_add(&xml, "</domain>");
        CHECK_OK(dom_parse(xml.ptr, xml.len, &parsed, &err), err);
        CLEANUP(dom) struct dom *dom = parsed;
        CLEANUP(str) char *canonical = dom_format(dom);
        CLEANUP(str) char *once = run("{}", xml.ptr, &err);

        CHECK_STR(once, canonical);
        CLEANUP(str) char *twice = run("{}", once, &err);

        CHECK_STR(twice, once);
    }
}
