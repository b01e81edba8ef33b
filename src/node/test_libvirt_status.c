#include "node/libvirt_status.h"

#include "base/error.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/test.h"
#include "base/text.h"

#include <string.h>

#define COMMENT "<!--\nWARNING: THIS IS AN AUTO-GENERATED FILE.\n-->\n\n"

TEST(drops_machines_without_a_process_and_no_others)
{
    static const struct {
        const char *name, *text;
        bool stays;
    } notes[] = {
        {"starting.xml", COMMENT "<domstatus state='paused' reason='starting up' pid='0'>\n", false},
        {"running.xml", COMMENT "<domstatus state='running' reason='booted' pid='4711'>\n"
                                "<x pid='0'/>\n", true},
        {"cut.xml", COMMENT "<domstatus state='paused' reason='starting up' pid='0'", true},
        {"empty.xml", "", true},
        {"autostarted", COMMENT "<domstatus pid='0' state='paused'>\n", true},
    };
    const char *dir = test_dir();
    CLEANUP(error) struct error *err = NULL;

    for (size_t i = 0; i < ARRAY_SIZE(notes); i++) {
        CLEANUP(str) char *path = path_join(dir, notes[i].name);

        CHECK_OK(file_write(path, notes[i].text, strlen(notes[i].text), 0600, &err), err);
    }
    CHECK_U64(libvirt_status_drop_unborn(dir), 1);
    for (size_t i = 0; i < ARRAY_SIZE(notes); i++) {
        CLEANUP(str) char *path = path_join(dir, notes[i].name);

        CHECK(file_exists(path) == notes[i].stays);
    }
    CHECK_U64(libvirt_status_drop_unborn("/nowhere"), 0);
}
