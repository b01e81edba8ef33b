#include "base/file.h"

#include "base/mem.h"
#include "base/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

TEST(replaces_a_file_whole_with_its_mode)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(str) char *path = path_join(test_dir(), "file");
    CLEANUP(str) char *data = NULL;
    size_t len = 0;
    struct stat st;

    CHECK_OK(file_write(path, "old", 3, 0644, &err), err);
    CHECK_OK(file_write(path, "a\0b", 3, 0600, &err), err);
    CHECK_OK(file_read(path, 3, &data, &len, &err), err);
    CHECK_U64(len, 3);
    CHECK(memcmp(data, "a\0b", 4) == 0);
    CHECK(stat(path, &st) == 0);
    CHECK_INT(st.st_mode & 0777, 0600);
}

TEST(refuses_a_file_over_the_limit)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(str) char *path = path_join(test_dir(), "large");
    char *data = NULL;

    CHECK_OK(file_write(path, "12345", 5, 0644, &err), err);
    CHECK_FAILS(file_read(path, 4, &data, NULL, &err), err, ERROR_INVALID, "larger than 4 bytes");
    CHECK(data == NULL);
}

TEST(removes_a_tree_but_not_what_links_point_to)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(str) char *outside = path_join(test_dir(), "outside");
    CLEANUP(str) char *tree = path_join(test_dir(), "tree");
    CLEANUP(str) char *deep = path_join(tree, "a/b/c");
    CLEANUP(str) char *link = path_join(deep, "link");

    CHECK_OK(file_write(outside, "x", 1, 0644, &err), err);
    CHECK_OK(dir_make(deep, 0755, &err), err);
    CHECK_OK(dir_make(deep, 0755, &err), err);
    CHECK(symlink(outside, link) == 0);
    CHECK_OK(dir_remove(tree, &err), err);
    CHECK(!file_exists(tree));
    CHECK(file_exists(outside));
    CHECK_OK(dir_remove(tree, &err), err);
}

TEST(a_short_file_is_corrupt_and_says_where)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(str) char *path = path_join(test_dir(), "short");
    char data[8];

    CHECK_OK(file_write(path, "12345", 5, 0644, &err), err);
    FILE *f = fopen(path, "r");
    CHECK(f != NULL);
    CHECK_FAILS(fd_pread_all(fileno(f), data, 8, 2, "disk", &err), err, ERROR_CORRUPT,
                "ends at 5, 5 bytes early");
    fclose(f);
}

TEST(knows_paths_that_stay_inside)
{
    static const struct {
        const char *path;
        bool plain;
    } cases[] = {{"a", true},     {"a/b.vmdk", true}, {"..x/y", true}, {"", false},
                 {"/etc", false}, {"a/../b", false},  {"a//b", false}, {"./a", false}};

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        CHECK_INT(path_is_plain_relative(cases[i].path, strlen(cases[i].path)), cases[i].plain);
}
