/* The table of what a guest can notice, row by row: what libvirt's own check refuses, what it lets pass
 * and QEMU does not survive, and what may change. */
#include "hook/premigration/check.h"

#include "base/mem.h"
#include "base/test.h"
#include "base/text.h"
#include "data/dom.h"

#include <stdlib.h>
#include <string.h>

enum { RECORD_MAX = 64 * 1024 };

/* A machine with something of everything, in which each case replaces one text by another. */
static const char machine[] =
    "<domain type='qemu'><name>ns_vm</name><uuid>11111111-2222-3333-4444-555555555555</uuid>"
    "<title>old</title><metadata><u:a xmlns:u='urn:u'/></metadata><memory unit='KiB'>65536</memory>"
    "<vcpu placement='static'>2</vcpu><iothreads>1</iothreads>"
    "<cputune><vcpupin vcpu='0' cpuset='0'/></cputune>"
    "<numatune><memory mode='strict' nodeset='0'/></numatune>"
    "<memoryBacking><source type='memfd'/><access mode='private'/></memoryBacking>"
    "<os><type arch='x86_64' machine='pc-q35-7.2'>hvm</type><cmdline>quiet</cmdline></os>"
    "<features><acpi/><kvm><hidden state='on'/></kvm></features>"
    "<cpu mode='custom'><model>qemu64</model><topology sockets='1' cores='2' threads='1'/></cpu>"
    "<devices><emulator>/usr/bin/qemu</emulator>"
    "<disk type='file' device='disk'><driver name='qemu' type='raw' cache='none'/>"
    "<source file='/a/disk.img'/><target dev='vda' bus='virtio'/><serial>1</serial>"
    "<alias name='ua-root'/><address type='pci' slot='0x04'/></disk>"
    "<interface type='bridge'><mac address='52:54:00:00:00:01'/><source bridge='br-a'/>"
    "<target dev='tap1'/><model type='virtio'/><alias name='ua-net'/></interface>"
    "</devices></domain>";

static const struct {
    const char *from, *to;
    const char *refusal; /* part of the message; NULL: it may change */
} cases[] = {
    {"ns_vm", "other", "name"},
    {"11111111", "99999999", "uuid"},
    {"type='qemu'", "type='kvm'", "domain@type"},
    {"pc-q35-7.2", "pc-q35-6.0", "os/type"},
    {"65536", "131072", "memory"},
    {">2</vcpu>", ">4</vcpu>", "vcpu"},
    {"cores='2'", "cores='4'", "cpu/topology@cores"},
    {"sockets='1'", "sockets='2'", "cpu/topology@sockets"},
    {"threads='1'", "threads='2'", "cpu/topology@threads"},
    {"qemu64", "kvm64", "cpu/model"},
    {"mode='custom'", "mode='host-passthrough'", "cpu@mode"},
    {"<hidden state='on'/>", "<hidden state='on'/><hint-dedicated state='on'/>", "features/kvm"},
    {"type='memfd'", "type='file'", "memoryBacking/source"},
    {"mode='private'", "mode='shared'", "memoryBacking/access"},
    {"52:54:00:00:00:01", "52:54:00:00:00:02", "interface 0: mac@address"},
    {"<model type='virtio'/>", "<model type='e1000'/>", "interface 0: model@type"},
    {"<interface type='bridge'>", "<interface type='user'>", "interface 0: interface@type"},
    {"</interface>", "</interface><interface type='user'/>", "interface 1 would be added"},
    {"dev='vda'", "dev='vdb'", "disk 0: target@dev"},
    {"bus='virtio'", "bus='sata'", "disk 0: target@bus"},
    {"slot='0x04'", "slot='0x05'", "disk 0: address"},
    {"<serial>1</serial>", "<serial>2</serial>", "disk 0: serial"},
    {"<serial>1</serial>", "", "disk 0: serial"},
    {"device='disk'", "device='lun'", "disk 0: disk@device"},
    {"type='raw'", "type='qcow2'", "disk 0: driver@type"},
    {"<disk ", "<disk type='file'><target dev='vdz'/></disk><disk ", "disk"},
    {"/usr/bin/qemu", "/nowhere/qemu", "devices/emulator"},
    /* what libvirt and QEMU went on with */
    {"/a/disk.img", "/b/disk.img", NULL},
    {"<source file='/a/disk.img'/>",
     "<source file='/a/disk.img'><slices><slice type='storage' offset='0' size='1024'/></slices></source>",
     NULL},
    {"br-a", "br-b", NULL},
    {"tap1", "tapadd93534eeb", NULL},
    {"ua-net", "ua-other", NULL},
    {"ua-root", "ua-disk", NULL},
    {"cpuset='0'", "cpuset='7'", NULL},
    {"nodeset='0'", "nodeset='1'", NULL},
    {"<iothreads>1<", "<iothreads>2<", NULL},
    {"cache='none'", "cache='writeback'", NULL},
    {"urn:u", "urn:v", NULL},
    {"<title>old", "<title>new", NULL},
    {"quiet", "debug", NULL},
};

/* The machine with FROM, which is in it, replaced by TO once. */
static struct dom *changed(const char *from, const char *to, struct error **err)
{
    const char *at = strstr(machine, from);
    struct dom *dom = NULL;

    CHECK(at != NULL);
    CLEANUP(str) char *text = xasprintf("%.*s%s%s", (int)(at - machine), machine, to, at + strlen(from));
    CHECK_OK(dom_parse(text, strlen(text), &dom, err), *err);
    return dom;
}

TEST(judges_every_row_of_the_table)
{
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        CLEANUP(error) struct error *err = NULL;
        CLEANUP(dom) struct dom *before = changed("ns_vm", "ns_vm", &err);
        CLEANUP(dom) struct dom *after = changed(cases[i].from, cases[i].to, &err);
        CLEANUP(buf) struct buf was = BUF_INIT(RECORD_MAX);
        CLEANUP(buf) struct buf is = BUF_INIT(RECORD_MAX);
        int result = premigration_check(before, after, &err);

        /* the short way comes to the same: these cases change nothing else that it looks at */
        premigration_record(before, &was);
        premigration_record(after, &is);
        CHECK_INT(span_eq(buf_span(&was), buf_span(&is)), result == 0);
        if (cases[i].refusal == NULL) {
            CHECK_OK(result, err);
            continue;
        }
        if (result == 0)
            test_fail(__FILE__, __LINE__, "\"%s\" became \"%s\"", cases[i].from, cases[i].to);
        CLEANUP(str) char *text = error_format(err);
        if (strstr(text, cases[i].refusal) == NULL)
            test_fail(__FILE__, __LINE__, "\"%s\", without \"%s\"", text, cases[i].refusal);
    }
}

TEST(devices_may_not_go)
{
    const char *start = strstr(machine, "<interface"), *end = strstr(machine, "</interface>");
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(str) char *interface = xstrndup(start, (size_t)(end - start) + strlen("</interface>"));
    CLEANUP(dom) struct dom *before = changed("ns_vm", "ns_vm", &err);
    CLEANUP(dom) struct dom *after = changed(interface, "", &err);

    CHECK_FAILS(premigration_check(before, after, &err), err, ERROR_INVALID,
                "interface 0 of a running machine would be removed");
}
