#include "node/sub_path.h"

#include "base/error.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/test.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* A volume with file "f", folder "d", and links that lead out of it. */
static char *new_volume(const char *name)
{
    CLEANUP(error) struct error *err = NULL;
    char *volume = path_join(test_dir(), name);
    CLEANUP(str) char *file = path_join(volume, "f");
    CLEANUP(str) char *folder = path_join(volume, "d");
    CLEANUP(str) char *link = path_join(volume, "out");

    CHECK_OK(dir_make(folder, 0755, &err), err);
    CHECK_OK(file_write(file, "inside", 6, 0644, &err), err);
    CHECK_INT(symlink("/etc", link), 0);
    return volume;
}

static bool may_mount(const char *volume)
{
    CLEANUP(error) struct error *ignored = NULL;
    CLEANUP(str) char *at = path_join(test_dir(), "probe-at");
    bool works = sub_path_bind(volume, "d", at, &ignored) == 0;

    sub_path_release(at, &ignored);
    return works;
}

TEST(refuses_links_and_what_is_outside)
{
    static const struct {
        const char *sub;
        enum error_code code;
        const char *part;
    } cases[] = {{"out", ERROR_DENIED, "symbolic link"},
                 {"out/ssl", ERROR_DENIED, "symbolic link"},
                 {"out/new", ERROR_DENIED, "symbolic link"},
                 {"d/../../x", ERROR_INVALID, "leaves its volume"}};
    CLEANUP(str) char *volume = new_volume("refused");
    CLEANUP(str) char *at = path_join(test_dir(), "refused-at");

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(error) struct error *err = NULL;
        CHECK_FAILS(sub_path_bind(volume, cases[i].sub, at, &err), err, cases[i].code,
                    cases[i].part);
        CHECK(!file_exists(at));
    }
}

TEST(what_is_bound_stays_when_its_name_becomes_a_link)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(str) char *volume = new_volume("still");
    CLEANUP(str) char *at = path_join(test_dir(), "still-at");
    CLEANUP(str) char *sub = path_join(volume, "a/b");
    CLEANUP(str) char *moved = path_join(volume, "moved");
    CLEANUP(str) char *inside = path_join(at, "mine");
    CLEANUP(str) char *seen = path_join(moved, "mine");
    struct stat st;

    if (!may_mount(volume))
        test_skip("mounts are not allowed here");
    CHECK_OK(sub_path_bind(volume, "a/b", at, &err), err);
    CHECK_INT(stat(sub, &st), 0);
    CHECK_INT(st.st_mode & 0777, 0777);
    CHECK_INT(rename(sub, moved), 0);
    CHECK_INT(symlink("/etc", sub), 0);
    CHECK_OK(file_write(inside, "x", 1, 0644, &err), err);
    CHECK(file_exists(seen));

    CHECK_OK(sub_path_release(at, &err), err);
    CHECK(!file_exists(inside));
    CHECK_OK(sub_path_release(at, &err), err); /* nothing is bound there */
}

TEST(binds_a_file_and_binds_again)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(str) char *volume = new_volume("file");
    CLEANUP(str) char *at = path_join(test_dir(), "file-at");
    CLEANUP(str) char *text = NULL;

    if (!may_mount(volume))
        test_skip("mounts are not allowed here");
    for (int i = 0; i < 2; i++)
        CHECK_OK(sub_path_bind(volume, "f", at, &err), err);
    CHECK_OK(file_read(at, 100, &text, NULL, &err), err);
    CHECK_STR(text, "inside");
    CHECK_OK(sub_path_release(at, &err), err);
}
