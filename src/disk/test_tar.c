#include "disk/tar.h"

#include "base/test.h"

#include <stdio.h>
#include <stdlib.h>

/* A tar file under construction in memory. */
struct maker {
    char data[64 * 1024];
    size_t len;
};

static int read_memory(void *arg, void *data, size_t len, uint64_t offset, struct error **err)
{
    struct maker *maker = arg;

    if (offset > maker->len || len > maker->len - offset)
        return error_set(err, ERROR_CORRUPT, "read behind the end");
    memcpy(data, maker->data + offset, len);
    return 0;
}

static int read_index(struct maker *maker, struct tar_index *index, struct error **err)
{
    return tar_index_read(
        &(struct tar_input){.arg = maker, .size = maker->len, .read = read_memory}, index, err);
}

static void put_checksum(char *header)
{
    unsigned sum = 0;

    memset(header + 148, ' ', 8);
    for (size_t i = 0; i < 512; i++)
        sum += (unsigned char)header[i];
    snprintf(header + 148, 8, "%06o", sum);
}

/* Appends a header with MAGIC ("ustar" or "ustar  ") and content, padded to a block. */
static char *put(struct maker *maker, const char *name, char type, const char *content, size_t len)
{
    char *header = maker->data + maker->len;

    memset(header, 0, 512);
    snprintf(header, 100, "%s", name);
    snprintf(header + 124, 12, "%011o", (unsigned)len);
    header[156] = type;
    snprintf(header + 257, 8, "ustar");
    put_checksum(header);
    memcpy(header + 512, content, len);
    maker->len += 512 + (len + 511) / 512 * 512;
    return header;
}

static void put_end(struct maker *maker)
{
    maker->len += 1024; /* the memory is zeroed */
}

static struct maker *maker_new(void)
{
    return calloc(1, sizeof(struct maker));
}

DEFINE_CLEANUP(maker, struct maker *, free)

TEST(lists_members_with_offsets_and_sizes)
{
    CLEANUP(maker) struct maker *maker = maker_new();
    CLEANUP(tar_index) struct tar_index index = {0};
    CLEANUP(error) struct error *err = NULL;

    put(maker, "vm.ovf", '0', "<ovf/>", 6);
    put(maker, "folder/", '5', "", 0);
    put(maker, "./folder/disk.vmdk", '0', "0123456789", 10);
    put_end(maker);
    CHECK_OK(read_index(maker, &index, &err), err);
    CHECK_U64(index.len, 2);
    CHECK_STR(index.ptr[0].name, "vm.ovf");
    CHECK_U64(index.ptr[0].offset, 512);
    CHECK_U64(index.ptr[0].size, 6);
    CHECK_U64(tar_index_find(&index, "folder/disk.vmdk")->offset, 2048);
    CHECK(tar_index_find(&index, "disk.vmdk") == NULL);
}

TEST(reads_pax_and_gnu_long_names_and_pax_sizes)
{
    CLEANUP(maker) struct maker *maker = maker_new();
    CLEANUP(tar_index) struct tar_index index = {0};
    CLEANUP(error) struct error *err = NULL;

    put(maker, "x", 'x', "17 path=long/name\n9 size=4\n", 27);
    put(maker, "short", '0', "abcd", 4);
    put(maker, "././@LongLink", 'L', "gnu-long-name", 14);
    put(maker, "short", '0', "", 0);
    put_end(maker);
    /* "17 path=long/name\n" is 18 bytes long: a wrong length must be refused. */
    CHECK_FAILS(read_index(maker, &index, &err), err, ERROR_CORRUPT, "wrong length");

    memcpy(maker->data + 512, "18 path=long/name\n9 size=4\n", 27);
    CHECK_OK(read_index(maker, &index, &err), err);
    CHECK_U64(index.len, 2);
    CHECK_STR(index.ptr[0].name, "long/name");
    CHECK_U64(index.ptr[0].size, 4);
    CHECK_STR(index.ptr[1].name, "gnu-long-name");
}

TEST(reads_base_256_sizes)
{
    CLEANUP(maker) struct maker *maker = maker_new();
    CLEANUP(tar_index) struct tar_index index = {0};
    CLEANUP(error) struct error *err = NULL;
    char *header = put(maker, "big", '0', "abc", 3);

    memset(header + 124, 0, 12);
    header[124] = (char)0x80;
    header[135] = 3;
    put_checksum(header);
    put_end(maker);
    CHECK_OK(read_index(maker, &index, &err), err);
    CHECK_U64(index.ptr[0].size, 3);
}

TEST(accepts_a_file_without_the_final_zeroes_and_padding)
{
    CLEANUP(maker) struct maker *maker = maker_new();
    CLEANUP(tar_index) struct tar_index index = {0};
    CLEANUP(error) struct error *err = NULL;

    put(maker, "vm.ovf", '0', "<ovf/>", 6);
    maker->len = 512 + 6;
    CHECK_OK(read_index(maker, &index, &err), err);
    CHECK_U64(index.len, 1);
}

TEST(refuses_names_that_leave_the_folder)
{
    static const char *const names[] = {"../x", "/etc/passwd", "a/../../b", "a//b", ""};

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        CLEANUP(maker) struct maker *maker = maker_new();
        CLEANUP(tar_index) struct tar_index index = {0};
        CLEANUP(error) struct error *err = NULL;

        put(maker, names[i], '0', "x", 1);
        put_end(maker);
        CHECK_FAILS(read_index(maker, &index, &err), err, ERROR_INVALID, "leaves the folder");
    }
}

TEST(refuses_a_name_that_appears_twice)
{
    CLEANUP(maker) struct maker *maker = maker_new();
    CLEANUP(tar_index) struct tar_index index = {0};
    CLEANUP(error) struct error *err = NULL;

    put(maker, "a", '0', "x", 1);
    put(maker, "./a", '0', "y", 1);
    put_end(maker);
    CHECK_FAILS(read_index(maker, &index, &err), err, ERROR_INVALID, "\"a\" appears twice");
}

TEST(names_the_place_of_damage)
{
    CLEANUP(maker) struct maker *maker = maker_new();
    CLEANUP(tar_index) struct tar_index index = {0};
    CLEANUP(error) struct error *err = NULL;

    put(maker, "a", '0', "x", 1);
    put(maker, "b", '0', "y", 1)[0] = 'c';
    put_end(maker);
    CHECK_FAILS(read_index(maker, &index, &err), err, ERROR_CORRUPT, "byte 1024: header checksum");
}

TEST(refuses_a_file_that_is_cut_short)
{
    CLEANUP(maker) struct maker *maker = maker_new();
    CLEANUP(tar_index) struct tar_index index = {0};
    CLEANUP(error) struct error *err = NULL;

    put(maker, "a", '0', "0123456789", 10);
    maker->len = 515;
    CHECK_FAILS(read_index(maker, &index, &err), err, ERROR_CORRUPT, "behind the end of the file");
    maker->len = 100;
    CHECK_FAILS(read_index(maker, &index, &err), err, ERROR_CORRUPT, "within a header at byte 0");
    maker->len = 0;
    CHECK_FAILS(read_index(maker, &index, &err), err, ERROR_CORRUPT, "within a header at byte 0");
}

TEST(refuses_sizes_that_do_not_fit)
{
    CLEANUP(maker) struct maker *maker = maker_new();
    CLEANUP(tar_index) struct tar_index index = {0};
    CLEANUP(error) struct error *err = NULL;
    char *header = put(maker, "a", '0', "x", 1);

    memset(header + 124, 0xff, 12);
    header[124] = (char)0x80;
    put_checksum(header);
    CHECK_FAILS(read_index(maker, &index, &err), err, ERROR_CORRUPT, "not a number");
    memcpy(header + 124, "77777777777", 12);
    put_checksum(header);
    CHECK_FAILS(read_index(maker, &index, &err), err, ERROR_CORRUPT, "behind the end");
}
