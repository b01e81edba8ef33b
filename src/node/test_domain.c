/* Golden files: tests/golden/domain/NAME.json becomes NAME.xml.  UPDATE_GOLDEN=1 rewrites them. */
#include "node/domain.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/process.h"
#include "base/test.h"
#include "base/text.h"
#include "data/obj.h"

#include <stdlib.h>
#include <unistd.h>

enum { GOLDEN_MAX = 1 << 20, VALIDATE_MS = 30000 };

static const char *const cases[] = {"bios",
                                    "efi-secure-tpm",
                                    "efi-insecure-no-tpm",
                                    "compatible-devices",
                                    "all-buses",
                                    "hostile-text"};

static char *golden_path(const char *name, const char *extension)
{
    return xasprintf("%s/tests/golden/domain/%s.%s", SOURCE_ROOT, name, extension);
}

static char *format_case(const char *name)
{
    CLEANUP(str) char *path = golden_path(name, "json");
    CLEANUP(str) char *text = NULL;
    CLEANUP(error) struct error *err = NULL;
    size_t len = 0;

    CHECK_OK(file_read(path, GOLDEN_MAX, &text, &len, &err), err);
    json_auto_t *input = obj_parse(text, len, &err);
    CHECK_OK(input == NULL ? -1 : 0, err);
    struct domain_input in = {
        .vmi = obj_obj(input, "vmi"),
        .uuid = "99999999-2222-4333-8444-555555555555",
        .dir = "/d/machines/1",
        .emulator = "/usr/bin/qemu-system-x86_64",
        .kvm = obj_bool(input, "kvm", false),
        .volumes = obj_obj(input, "volumes"),
        .networks = obj_obj(input, "networks"),
    };
    char *xml = domain_format(&in, &err);
    CHECK_OK(xml == NULL ? -1 : 0, err);
    return xml;
}

TEST(formats_machines_as_the_golden_files_say)
{
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(str) char *xml = format_case(cases[i]);
        CLEANUP(str) char *path = golden_path(cases[i], "xml");
        CLEANUP(str) char *want = NULL;
        CLEANUP(error) struct error *err = NULL;

        if (getenv("UPDATE_GOLDEN") != NULL)
            CHECK_OK(file_write(path, xml, strlen(xml), 0644, &err), err);
        CHECK_OK(file_read(path, GOLDEN_MAX, &want, NULL, &err), err);
        CHECK_STR(xml, want);
    }
}

TEST(formats_what_libvirt_s_schema_accepts)
{
    if (access("/usr/bin/virt-xml-validate", X_OK) == -1 || access("/usr/bin/xmllint", X_OK) == -1)
        test_skip("virt-xml-validate or xmllint is not installed");
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(str) char *xml = format_case(cases[i]);
        CLEANUP(str) char *path = path_join(test_dir(), "domain.xml");
        CLEANUP(error) struct error *err = NULL;
        CLEANUP(process_result) struct process_result result = {0};
        struct process_options options = {
            .argv = (const char *const[]){"virt-xml-validate", path, "domain", NULL}};

        if (str_eq(cases[i], "hostile-text"))
            continue; /* well-formed, but no model of a network card is called so */
        CHECK_OK(file_write(path, xml, strlen(xml), 0644, &err), err);
        CHECK_OK(process_run(&options, NULL, 0, GOLDEN_MAX, deadline_after(VALIDATE_MS), NULL,
                             &result, &err),
                 err);
        if (result.status != 0)
            test_fail(__FILE__, __LINE__, "%s: %s", cases[i], result.errors);
    }
}

TEST(names_the_field_that_cannot_be_done)
{
    static const struct {
        const char *spec, *part;
    } bad[] = {
        {"{}", "spec.domain is missing"},
        {"{\"domain\":{\"devices\":{}}}", "spec.domain.memory.guest"},
        {"{\"domain\":{\"memory\":{\"guest\":\"64Mi\"},\"cpu\":{\"sockets\":600}}}", "spec.domain.cpu"},
        {"{\"domain\":{\"memory\":{\"guest\":\"64Mi\"},\"devices\":{\"disks\":[{\"name\":\"d\","
         "\"disk\":{\"bus\":\"virtio\"}}]}}}",
         "disk \"d\" has no volume"},
        {"{\"domain\":{\"memory\":{\"guest\":\"64Mi\"},\"devices\":{\"interfaces\":[{\"name\":\"n\","
         "\"masquerade\":{}}]}}}",
         "interface \"n\" has no network"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        CLEANUP(error) struct error *err = NULL;
        json_auto_t *spec = obj_parse(bad[i].spec, strlen(bad[i].spec), &err);
        json_auto_t *vmi = obj_pack("{s:{s:s,s:s},s:O}", "metadata", "name", "x", "namespace", "y",
                                    "spec", spec);
        struct domain_input in = {.vmi = vmi, .uuid = "u", .dir = "/d", .emulator = "/q"};
        char *xml = domain_format(&in, &err);

        CHECK_FAILS(xml == NULL ? -1 : 0, err, ERROR_INVALID, bad[i].part);
    }
}
