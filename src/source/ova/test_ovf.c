#include "source/ova/ovf.h"

#include "base/test.h"
#include "base/text.h"

/* Descriptors in the shape of the tools that write them, in words of our own. */

#define ENVELOPE_1                                                                                 \
    "<?xml version=\"1.0\"?><Envelope xmlns=\"http://schemas.dmtf.org/ovf/envelope/1\""            \
    " xmlns:ovf=\"http://schemas.dmtf.org/ovf/envelope/1\" xmlns:rasd=\"urn:rasd\""                \
    " xmlns:vmw=\"http://www.vmware.com/schema/ovf\" xmlns:xsi=\"urn:xsi\">"
#define FILES                                                                                      \
    "<References><File ovf:id=\"f1\" ovf:href=\"a-1.vmdk\" ovf:size=\"1000\"/>"                    \
    "<File ovf:id=\"f2\" ovf:href=\"a-2.vmdk.gz\" ovf:compression=\"gzip\"/>"                      \
    "<File ovf:id=\"f3\" ovf:href=\"a-3.vmdk\" ovf:chunkSize=\"2000000\"/></References>"
#define DISKS                                                                                      \
    "<DiskSection><Info/>"                                                                         \
    "<Disk ovf:diskId=\"d1\" ovf:capacity=\"16\" ovf:capacityAllocationUnits=\"byte * 2^30\""      \
    " ovf:fileRef=\"f1\" ovf:populatedSize=\"12345\""                                              \
    " ovf:format=\"http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized\"/>"  \
    "<Disk ovf:diskId=\"d2\" ovf:capacity=\"1048576\" ovf:fileRef=\"f2\"/>"                        \
    "<Disk ovf:diskId=\"d3\" ovf:capacity=\"5\" ovf:capacityAllocationUnits=\"MegaBytes\"/>"       \
    "</DiskSection>"
#define NETWORKS                                                                                   \
    "<NetworkSection><Info/><Network ovf:name=\"VM Network\"><Description>The net</Description>"   \
    "</Network></NetworkSection>"

#define ITEM(type, id, rest)                                                                       \
    "<Item><rasd:InstanceID>" id "</rasd:InstanceID><rasd:ResourceType>" type                      \
    "</rasd:ResourceType>" rest "</Item>"
#define CPU(n) ITEM("3", "1", "<rasd:VirtualQuantity>" n "</rasd:VirtualQuantity>")
#define MEMORY(n, units)                                                                           \
    ITEM("4", "2",                                                                                 \
         "<rasd:AllocationUnits>" units "</rasd:AllocationUnits><rasd:VirtualQuantity>" n          \
         "</rasd:VirtualQuantity>")
#define NAMED(name) "<rasd:ElementName>" name "</rasd:ElementName>"
#define DISK(id, parent, resource)                                                                 \
    ITEM("17", id,                                                                                 \
         NAMED("Hard disk " id) "<rasd:Parent>" parent                                             \
                                "</rasd:Parent><rasd:HostResource>" resource                       \
                                "</rasd:HostResource>")
#define SMALL CPU("1") MEMORY("64", "byte * 2^20")

#define SYSTEM(id, name, hardware)                                                                 \
    "<VirtualSystem ovf:id=\"" id "\"><Info/><Name>" name "</Name>"                                \
    "<OperatingSystemSection ovf:id=\"96\" vmw:osType=\"debian11_64Guest\"><Info/>"                \
    "</OperatingSystemSection><VirtualHardwareSection>" hardware                                   \
    "</VirtualHardwareSection></VirtualSystem>"

static struct ovf *parse(const char *text)
{
    CLEANUP(error) struct error *err = NULL;
    struct ovf *ovf = NULL;

    CHECK_OK(ovf_parse(text, strlen(text), &ovf, &err), err);
    return ovf;
}

static void check_refused(const char *text, enum error_code code, const char *part)
{
    CLEANUP(error) struct error *err = NULL;
    struct ovf *ovf = NULL;

    CHECK_FAILS(ovf_parse(text, strlen(text), &ovf, &err), err, code, part);
    CHECK(ovf == NULL);
}

TEST(reads_a_vsphere_export)
{
    CLEANUP(ovf)
    struct ovf *ovf = parse(ENVELOPE_1 FILES DISKS NETWORKS SYSTEM(
        "web", "web server",
        CPU("4") MEMORY("2048", "byte * 2^20") ITEM("6", "3", NAMED("SCSI Controller 0"))
            ITEM("20", "4", "<rasd:ResourceSubType>vmware.sata.ahci</rasd:ResourceSubType>")
                DISK("10", "3", "ovf:/disk/d1") DISK("11", "4", "ovf:/disk/d2")
                    ITEM("10", "12",
                         "<rasd:Address>00:50:56:AA:00:01</rasd:Address>" NAMED(
                             "Ethernet 1") "<rasd:Connection>VM "
                                           "Network</rasd:Connection>"
                                           "<rasd:ResourceSubType>VmxNet3</"
                                           "rasd:ResourceSubType>"
                                           "<vmw:Config vmw:key=\"slot\" "
                                           "vmw:value=\"160\"/>") "<vmw:Config "
                                                                  "vmw:key="
                                                                  "\"firmware\" "
                                                                  "vmw:value=\"efi\"/>"
                                                                  "<vmw:Config "
                                                                  "vmw:key="
                                                                  "\"bootOptions."
                                                                  "efiSecureBootEnabled"
                                                                  "\" "
                                                                  "vmw:value=\"true\"/>"
                                                                  "<vmw:Config "
                                                                  "vmw:key="
                                                                  "\"cpuHotAddEnabled\""
                                                                  " vmw:value=\"true\"/"
                                                                  ">") "</Envelope>");
    const struct ovf_system *vm = &ovf->systems.ptr[0];

    CHECK_STR(ovf->export_source, "VMware");
    CHECK_STR(vm->name, "web server");
    CHECK_STR(vm->os_type, "debian11_64Guest");
    CHECK(vm->efi && vm->secure_boot && vm->cpu_hot_add && !vm->memory_hot_add);
    CHECK_U64(vm->cpu_count, 4);
    CHECK_U64(vm->memory_bytes, 2048ULL << 20);
    CHECK_U64(vm->drives.len, 2);
    CHECK_INT(vm->drives.ptr[0].bus, MACHINE_BUS_SCSI);
    CHECK_INT(vm->drives.ptr[1].bus, MACHINE_BUS_SATA);
    CHECK_U64(ovf->disks.ptr[0].capacity_bytes, 16ULL << 30);
    CHECK_U64(ovf->disks.ptr[0].file, 0);
    CHECK_U64(ovf->disks.ptr[0].populated_bytes, 12345);
    CHECK(ovf->disks.ptr[2].file == OVF_NONE);
    CHECK(ovf->files.ptr[1].gzip);
    CHECK_U64(ovf->files.ptr[2].chunk_size, 2000000);
    CHECK_U64(vm->nics.len, 1);
    CHECK_STR(vm->nics.ptr[0].mac, "00:50:56:aa:00:01");
    CHECK_STR(vm->nics.ptr[0].config.ptr[0].value, "160");
    CHECK_STR(ovf->networks.ptr[vm->nics.ptr[0].network].description, "The net");
    CHECK_STR(vm->devices.ptr[0], "SCSI Controller");
}

TEST(reads_a_virtualbox_export)
{
    CLEANUP(ovf)
    struct ovf *ovf = parse(
        "<Envelope ovf:version=\"2.0\" xmlns=\"http://schemas.dmtf.org/ovf/envelope/2\""
        " xmlns:ovf=\"http://schemas.dmtf.org/ovf/envelope/2\" xmlns:rasd=\"urn:r\""
        " xmlns:vbox=\"http://www.virtualbox.org/ovf/machine\" xmlns:sasd=\"urn:s\" "
        "xmlns:epasd=\"urn:e\">"
        "<References><File ovf:id=\"f1\" ovf:href=\"box-disk001.vmdk\"/></References>"
        "<DiskSection><Disk ovf:capacity=\"8589934592\" ovf:diskId=\"vmdisk1\""
        " ovf:fileRef=\"f1\" vbox:uuid=\"x\"/></DiskSection>"
        "<NetworkSection><Network ovf:name=\"NAT\"/></NetworkSection>"
        "<VirtualSystem ovf:id=\"box\"><OperatingSystemSection ovf:id=\"96\">"
        "<Description>Debian_64</Description><vbox:OSType>Debian12_64</vbox:OSType>"
        "</OperatingSystemSection><VirtualHardwareSection>" ITEM(
            "3", "1",
            "<rasd:Caption>2 virtual CPU</rasd:Caption>"
            "<rasd:VirtualQuantity>2</rasd:VirtualQuantity>") MEMORY("512", "MegaBytes")
            ITEM(
                "20", "3",
                "<rasd:ResourceSubType>AHCI</rasd:ResourceSubType>") "<StorageItem><sasd:Caption>"
                                                                     "disk1</"
                                                                     "sasd:Caption><sasd:"
                                                                     "HostResource>/disk/vmdisk1"
                                                                     "</"
                                                                     "sasd:HostResource><sasd:"
                                                                     "InstanceID>4</"
                                                                     "sasd:InstanceID><sasd:Parent>"
                                                                     "3</sasd:Parent>"
                                                                     "<sasd:ResourceType>17</"
                                                                     "sasd:ResourceType></"
                                                                     "StorageItem>"
                                                                     "<EthernetPortItem><epasd:"
                                                                     "Caption>Adapter</"
                                                                     "epasd:Caption>"
                                                                     "<epasd:Connection>NAT</"
                                                                     "epasd:Connection><epasd:"
                                                                     "InstanceID>5</"
                                                                     "epasd:InstanceID>"
                                                                     "<epasd:ResourceSubType>E1000<"
                                                                     "/epasd:ResourceSubType>"
                                                                     "<epasd:ResourceType>10</"
                                                                     "epasd:ResourceType></"
                                                                     "EthernetPortItem>"
                                                                     "</"
                                                                     "VirtualHardwareSection><vbox:"
                                                                     "Machine><Hardware><Firmware "
                                                                     "type=\"EFI\"/>"
                                                                     "<Network><Adapter slot=\"0\" "
                                                                     "enabled=\"false\" "
                                                                     "MACAddress=\"080027000001\"/>"
                                                                     "<Adapter slot=\"1\" "
                                                                     "enabled=\"true\" "
                                                                     "MACAddress=\"080027000002\"/"
                                                                     "></Network>"
                                                                     "</Hardware></vbox:Machine></"
                                                                     "VirtualSystem></Envelope>");
    const struct ovf_system *vm = &ovf->systems.ptr[0];

    CHECK_STR(ovf->export_source, "VirtualBox");
    CHECK_STR(vm->name, "box");
    CHECK_STR(vm->os_type, "Debian12_64");
    CHECK(vm->efi);
    CHECK_U64(vm->memory_bytes, 512ULL << 20);
    CHECK_U64(vm->drives.len, 1);
    CHECK_INT(vm->drives.ptr[0].bus, MACHINE_BUS_SATA);
    CHECK_STR(vm->nics.ptr[0].mac, "08:00:27:00:00:02");
}

TEST(reads_the_sections_of_version_0_9)
{
    CLEANUP(ovf)
    struct ovf *ovf =
        parse(ENVELOPE_1 FILES
              "<Section xsi:type=\"ovf:DiskSection_Type\"><Disk ovf:diskId=\"d\" "
              "ovf:capacity=\"512\" ovf:fileRef=\"f1\"/></Section>"
              "<Content ovf:id=\"old\" xsi:type=\"ovf:VirtualSystem_Type\"><Name>old</Name>"
              "<Section xsi:type=\"ovf:VirtualHardwareSection_Type\">" SMALL ITEM("5", "3", "")
                  DISK("4", "3", "disk/d") "</Section></Content></Envelope>");

    CHECK_U64(ovf->systems.ptr[0].drives.len, 1);
    CHECK_INT(ovf->systems.ptr[0].drives.ptr[0].bus, MACHINE_BUS_SATA);
}

TEST(finds_the_machines_of_collections)
{
    CLEANUP(ovf)
    struct ovf *ovf = parse(ENVELOPE_1 "<VirtualSystemCollection ovf:id=\"c\">" SYSTEM(
        "a", "one",
        SMALL) "<VirtualSystemCollection ovf:id=\"d\">" SYSTEM("b", "two",
                                                               SMALL) "</VirtualSystemCollection></"
                                                                      "VirtualSystemCollection></"
                                                                      "Envelope>");

    CHECK_U64(ovf->systems.len, 2);
    CHECK_STR(ovf->systems.ptr[1].name, "two");
}

TEST(takes_the_hardware_of_the_default_configuration)
{
    CLEANUP(ovf)
    struct ovf *ovf = parse(
        ENVELOPE_1
        "<DeploymentOptionSection><Configuration ovf:id=\"small\"/>"
        "<Configuration ovf:id=\"big\" ovf:default=\"true\"/></DeploymentOptionSection>" SYSTEM(
            "a", "a",
            CPU("1") MEMORY(
                "64",
                "MB") "<Item ovf:configuration=\"small\"><rasd:ResourceType>3</rasd:ResourceType>"
                      "<rasd:VirtualQuantity>2</rasd:VirtualQuantity></Item>"
                      "<Item ovf:configuration=\"other "
                      "big\"><rasd:ResourceType>3</rasd:ResourceType>"
                      "<rasd:VirtualQuantity>16</rasd:VirtualQuantity></Item>"
                      "<Item ovf:bound=\"max\"><rasd:ResourceType>3</rasd:ResourceType>"
                      "<rasd:VirtualQuantity>99</rasd:VirtualQuantity></Item>") "</Envelope>");

    CHECK_U64(ovf->systems.ptr[0].cpu_count, 16);
}

TEST(adds_a_network_that_only_a_nic_names)
{
    CLEANUP(ovf)
    struct ovf *ovf = parse(ENVELOPE_1 NETWORKS SYSTEM(
        "a", "a",
        SMALL ITEM("10", "5", "<rasd:Connection>bridged</rasd:Connection>")) "</Envelope>");

    CHECK_U64(ovf->networks.len, 2);
    CHECK_U64(ovf->systems.ptr[0].nics.ptr[0].network, 1);
    CHECK(ovf->systems.ptr[0].nics.ptr[0].mac == NULL);
}

TEST(names_references_that_lead_nowhere)
{
    check_refused(ENVELOPE_1 "<DiskSection><Disk ovf:diskId=\"d9\" ovf:capacity=\"1\" "
                             "ovf:fileRef=\"nope\"/></DiskSection></Envelope>",
                  ERROR_INVALID, "Disk \"d9\" (line 1): fileRef \"nope\" names no File");
    check_refused(
        ENVELOPE_1 FILES DISKS SYSTEM("a", "a", SMALL DISK("4", "", "ovf:/disk/d77")) "</Envelope>",
        ERROR_INVALID,
        "VirtualSystem \"a\" (line 1): Item \"Hard disk 4\" (line 1): HostResource "
        "\"ovf:/disk/d77\" names no Disk");
    check_refused(ENVELOPE_1 FILES DISKS SYSTEM(
                      "a", "a", SMALL DISK("4", "30", "ovf:/disk/d1")) "</Envelope>",
                  ERROR_INVALID, "Parent \"30\" names no item");
    check_refused(ENVELOPE_1 FILES DISKS SYSTEM("a", "a",
                                                SMALL DISK("4", "", "/disk/d1")
                                                    DISK("5", "", "/disk/d1")) "</Envelope>",
                  ERROR_INVALID, "Disk \"d1\" is in the machine twice");
}

TEST(refuses_parents_that_form_a_circle)
{
    check_refused(ENVELOPE_1 "<DiskSection>"
                             "<Disk ovf:diskId=\"a\" ovf:capacity=\"1\" ovf:parentRef=\"b\"/>"
                             "<Disk ovf:diskId=\"b\" ovf:capacity=\"1\" ovf:parentRef=\"a\"/>"
                             "</DiskSection></Envelope>",
                  ERROR_INVALID, "Disk \"a\": its parents form a circle");
}

TEST(refuses_what_cannot_be_a_disk)
{
    check_refused(ENVELOPE_1 "<DiskSection><Disk ovf:diskId=\"z\" ovf:capacity=\"0\"/>"
                             "</DiskSection></Envelope>",
                  ERROR_INVALID, "Disk \"z\" (line 1): the capacity is zero bytes");
    check_refused(ENVELOPE_1 "<DiskSection><Disk ovf:diskId=\"z\" ovf:capacity=\"${size}\"/>"
                             "</DiskSection></Envelope>",
                  ERROR_UNSUPPORTED, "capacity \"${size}\" is left to the deployment");
    check_refused(ENVELOPE_1 "<DiskSection><Disk ovf:diskId=\"z\" ovf:capacity=\"1\"/>"
                             "<Disk ovf:diskId=\"z\" ovf:capacity=\"1\"/></DiskSection></Envelope>",
                  ERROR_INVALID, "the diskId is used twice");
}

TEST(refuses_files_outside_of_the_package)
{
    static const struct {
        const char *href, *part;
        enum error_code code;
    } cases[] = {
        {"../x.vmdk", "leaves the package's folder", ERROR_INVALID},
        {"/etc/passwd", "leaves the package's folder", ERROR_INVALID},
        {"a/../../x", "leaves the package's folder", ERROR_INVALID},
        {"http://example.org/x.vmdk", "is not a file of the package", ERROR_UNSUPPORTED},
        {"", "no href", ERROR_INVALID},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct buf text = BUF_INIT(4096);

        buf_printf(&text,
                   ENVELOPE_1 "<References><File ovf:id=\"f\" ovf:href=\"%s\"/></References>"
                              "</Envelope>",
                   cases[i].href);
        check_refused(text.ptr, cases[i].code, cases[i].part);
        buf_reset(&text);
    }
}

TEST(refuses_entities_without_expanding_them)
{
    static const char laughs[] =
        "<?xml version=\"1.0\"?><!DOCTYPE Envelope [<!ENTITY a \"ha\">"
        "<!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;\"><!ENTITY c \"&b;&b;&b;&b;&b;&b;&b;&b;\">"
        "<!ENTITY d \"&c;&c;&c;&c;&c;&c;&c;&c;\"><!ENTITY e \"&d;&d;&d;&d;&d;&d;&d;&d;\">"
        "<!ENTITY f \"&e;&e;&e;&e;&e;&e;&e;&e;\"><!ENTITY g \"&f;&f;&f;&f;&f;&f;&f;&f;\">]>"
        "<Envelope>&g;&g;&g;&g;</Envelope>";
    static const char external[] =
        "<!DOCTYPE Envelope [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><Envelope>&x;</Envelope>";

    check_refused(laughs, ERROR_INVALID, "");
    check_refused(external, ERROR_INVALID, "document type declaration");
}

TEST(says_where_the_text_is_broken)
{
    check_refused("<Envelope>\n<a>\n</Envelope>", ERROR_INVALID, "line 3: not well-formed XML");
    check_refused("", ERROR_INVALID, "not well-formed XML");
    check_refused("<html/>", ERROR_INVALID, "not an OVF: the outermost element is \"html\"");
    check_refused(ENVELOPE_1 "</Envelope>", ERROR_INVALID, "the package has no machine");
}

TEST(bounds_the_depth_of_elements_and_collections)
{
    struct buf deep = BUF_INIT(1 << 20), nested = BUF_INIT(1 << 20);

    buf_add(&deep, "<Envelope>");
    for (int i = 0; i < 200; i++)
        buf_add(&deep, "<a>");
    for (int i = 0; i < 200; i++)
        buf_add(&deep, "</a>");
    buf_add(&deep, "</Envelope>");
    check_refused(deep.ptr, ERROR_INVALID, "128");

    buf_add(&nested, "<Envelope>");
    for (int i = 0; i < 12; i++)
        buf_add(&nested, "<VirtualSystemCollection>");
    for (int i = 0; i < 12; i++)
        buf_add(&nested, "</VirtualSystemCollection>");
    buf_add(&nested, "</Envelope>");
    check_refused(nested.ptr, ERROR_INVALID, "collections are nested deeper than 8");
    buf_reset(&deep);
    buf_reset(&nested);
}

TEST(bounds_the_number_of_disks)
{
    struct buf text = BUF_INIT(1 << 20);

    buf_add(&text, "<Envelope><DiskSection>");
    for (int i = 0; i <= OVF_MAX_DISKS; i++)
        buf_printf(&text, "<Disk diskId=\"d%d\" capacity=\"1\"/>", i);
    buf_add(&text, "</DiskSection></Envelope>");
    check_refused(text.ptr, ERROR_INVALID, "more than 1024 disks");
    buf_reset(&text);
}

TEST(a_machine_says_its_cpus_and_memory)
{
    check_refused(ENVELOPE_1 SYSTEM("a", "a", CPU("1")) "</Envelope>", ERROR_INVALID,
                  "no item says how much memory");
    check_refused(ENVELOPE_1 SYSTEM("a", "a", MEMORY("1", "GB")) "</Envelope>", ERROR_INVALID,
                  "no item says how many CPUs");
    check_refused(ENVELOPE_1 SYSTEM("a", "a", CPU("100000") MEMORY("1", "GB")) "</Envelope>",
                  ERROR_INVALID, "more than 4096 CPUs");
}
