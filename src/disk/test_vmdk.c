/* VMDK in the layouts that VMware's programs write, made here byte by byte from the format's
 * description, and damaged in the ways that matter. */
#include "disk/disk.h"
#include "disk/stream.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/test.h"
#include "base/text.h"

#include <libdeflate.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    SECTOR = 512,
    GRAIN = 65536,
    GRAINS = 40, /* the last one is short */
    DISK_BYTES = GRAINS * GRAIN - 3 * SECTOR,
    TABLE_ENTRIES = 16, /* small, so that there are several tables */
    TABLES = (GRAINS + TABLE_ENTRIES - 1) / TABLE_ENTRIES,
    MAX_FILE = 8 << 20,
};

/* An image file under construction. */
struct image {
    unsigned char *data;
    size_t len;
    uint32_t entries[TABLES * TABLE_ENTRIES]; /* sector of each grain */
};

static void image_reset(struct image *image)
{
    free(image->data);
}

DEFINE_CLEANUP_IN_PLACE(image, struct image, image_reset)

static void image_init(struct image *image)
{
    *image = (struct image){.data = xcalloc(1, MAX_FILE)};
}

static void put32(struct image *image, size_t at, uint32_t value)
{
    memcpy(image->data + at, &value, sizeof(value)); /* tests run on little-endian machines */
}

static void put64(struct image *image, size_t at, uint64_t value)
{
    memcpy(image->data + at, &value, sizeof(value));
}

/* Which grains hold something: the disk's content follows from the grain's number. */
static bool has_grain(size_t grain)
{
    return grain % 5 != 3 && !(grain >= TABLE_ENTRIES && grain < 2 * TABLE_ENTRIES);
}

static void fill_grain(size_t grain, unsigned char *data)
{
    for (size_t i = 0; i < GRAIN; i++)
        data[i] = has_grain(grain) ? (unsigned char)(grain * 7 + i / 3 % 31 + 1) : 0;
}

static void put_header(struct image *image, size_t at, uint32_t flags, uint64_t directory,
                       uint64_t overhead)
{
    memcpy(image->data + at, "KDMV", 4);
    put32(image, at + 4, 3);
    put32(image, at + 8, flags);
    put64(image, at + 12, DISK_BYTES / SECTOR);
    put64(image, at + 20, GRAIN / SECTOR);
    put64(image, at + 28, 1);
    put64(image, at + 36, 20);
    put32(image, at + 44, TABLE_ENTRIES);
    put64(image, at + 56, directory);
    put64(image, at + 64, overhead);
    memcpy(image->data + at + 73, "\n \r\n", 4);
    image->data[at + 77] = flags & 0x10000 ? 1 : 0;
}

static void put_descriptor(struct image *image, const char *type, uint32_t cid, uint32_t parent,
                           const char *hint)
{
    snprintf((char *)image->data + SECTOR, 20 * SECTOR,
             "# Disk DescriptorFile\nversion=1\nCID=%08x\nparentCID=%08x\ncreateType=\"%s\"\n"
             "%s%s%s\n# Extent description\nRW %d SPARSE \"disk.vmdk\"\n",
             cid, parent, type, hint ? "parentFileNameHint=\"" : "", hint ? hint : "",
             hint ? "\"" : "", DISK_BYTES / SECTOR);
}

static void pad(struct image *image)
{
    image->len = (image->len + SECTOR - 1) / SECTOR * SECTOR;
}

static void put_marker(struct image *image, uint64_t sectors, uint32_t type)
{
    put64(image, image->len, sectors);
    put32(image, image->len + 12, type);
    image->len += SECTOR;
}

static void put_packed_grain(struct image *image, struct libdeflate_compressor *compressor,
                             size_t grain)
{
    unsigned char data[GRAIN];

    fill_grain(grain, data);
    image->entries[grain] = (uint32_t)(image->len / SECTOR);
    size_t len = libdeflate_zlib_compress(compressor, data, GRAIN, image->data + image->len + 12,
                                          2 * GRAIN);
    put64(image, image->len, grain * GRAIN / SECTOR);
    put32(image, image->len + 8, (uint32_t)len);
    image->len += 12 + len;
    pad(image);
}

/* streamOptimized as vSphere and ovftool export it: grains, each table behind its grains, the
 * directory, a footer, the end marker. */
static void make_stream(struct image *image)
{
    struct libdeflate_compressor *compressor = libdeflate_alloc_compressor(6);
    uint32_t directory[TABLES] = {0};

    image_init(image);
    put_header(image, 0, 0x30001, UINT64_MAX, 128);
    put_descriptor(image, "streamOptimized", 0xfffffffe, UINT32_MAX, NULL);
    image->len = 128 * SECTOR;
    for (size_t table = 0; table < TABLES; table++) {
        bool used = false;
        for (size_t i = table * TABLE_ENTRIES; i < (table + 1) * TABLE_ENTRIES && i < GRAINS; i++)
            if (has_grain(i)) {
                put_packed_grain(image, compressor, i);
                used = true;
            }
        if (!used)
            continue;
        put_marker(image, 1, 1);
        directory[table] = (uint32_t)(image->len / SECTOR);
        memcpy(image->data + image->len, &image->entries[table * TABLE_ENTRIES],
               TABLE_ENTRIES * sizeof(uint32_t));
        image->len += SECTOR;
    }
    put_marker(image, 1, 2);
    uint64_t directory_sector = image->len / SECTOR;
    memcpy(image->data + image->len, directory, sizeof(directory));
    image->len += SECTOR;
    put_marker(image, 1, 3);
    put_header(image, image->len, 0x30001, directory_sector, 128);
    image->len += SECTOR;
    put_marker(image, 0, 0);
    libdeflate_free_compressor(compressor);
}

/* Tables in front, plain grains.  MINE chooses which grains are in this image. */
static void make_sparse(struct image *image, uint32_t cid, uint32_t parent, const char *hint,
                        bool (*mine)(size_t grain))
{
    image_init(image);
    put_header(image, 0, 1, 21, 128);
    put_descriptor(image, "monolithicSparse", cid, parent, hint);
    for (size_t table = 0; table < TABLES; table++)
        put32(image, 21 * SECTOR + table * 4, (uint32_t)(22 + table));
    image->len = 128 * SECTOR;
    for (size_t i = 0; i < GRAINS; i++) {
        if (!mine(i))
            continue;
        put32(image, (22 + i / TABLE_ENTRIES) * SECTOR + i % TABLE_ENTRIES * 4,
              (uint32_t)(image->len / SECTOR));
        fill_grain(i, image->data + image->len);
        image->len += GRAIN;
    }
}

/* ESXi's redo log: grains of a sector, tables of 4096 entries. */
static void make_cowd(struct image *image)
{
    image_init(image);
    memcpy(image->data, "COWD", 4);
    put32(image, 4, 1);
    put32(image, 8, 3);
    put32(image, 12, DISK_BYTES / SECTOR);
    put32(image, 16, 1);
    put32(image, 20, 4);
    put32(image, 24, 2);
    put32(image, 4 * SECTOR, 8);       /* table 0; table 1 is absent */
    put32(image, 8 * SECTOR + 5 * 4, 40); /* sector 5 of the disk */
    put32(image, 8 * SECTOR + 6 * 4, 41);
    memset(image->data + 40 * SECTOR, 0xc5, 2 * SECTOR);
    image->len = 42 * SECTOR;
}

/* VMFS 6: entries of 8 bytes, a kind in the top bits. */
static void make_sesparse(struct image *image)
{
    image_init(image);
    put64(image, 0, 0xcafebabe);
    put64(image, 8, 0x0000000200000001);
    put64(image, 16, DISK_BYTES / SECTOR);
    put64(image, 24, 8);
    put64(image, 32, 64);
    put64(image, 128, 10);  /* directory */
    put64(image, 144, 20);  /* tables */
    put64(image, 192, 200); /* grains */
    put64(image, 10 * SECTOR, UINT64_C(0x1000000000000000));
    put64(image, 20 * SECTOR, 0);                                /* grain 0: absent */
    put64(image, 20 * SECTOR + 8, UINT64_C(0x2000000000000000)); /* grain 1: zeroes */
    put64(image, 20 * SECTOR + 16, UINT64_C(0x3001000000000000)); /* grain 2 at place 1 */
    memset(image->data + 208 * SECTOR, 0x5e, 8 * SECTOR);
    image->len = 216 * SECTOR;
}

static char *store(const struct image *image, const char *name)
{
    CLEANUP(error) struct error *err = NULL;
    char *path = path_join(test_dir(), name);

    CHECK_OK(file_write(path, image->data, image->len, 0600, &err), err);
    return path;
}

static void check_disk(struct disk *disk)
{
    CLEANUP(error) struct error *err = NULL;
    static unsigned char got[3 * GRAIN];
    unsigned char want[GRAIN];

    CHECK_U64(disk_size(disk), DISK_BYTES);
    for (size_t i = 0; i < GRAINS; i++) { /* grain by grain */
        size_t len = i == GRAINS - 1 ? GRAIN - 3 * SECTOR : GRAIN;
        fill_grain(i, want);
        CHECK_OK(disk_read(disk, got, len, i * GRAIN, &err), err);
        if (memcmp(got, want, len) != 0)
            test_fail(__FILE__, __LINE__, "grain %zu differs", i);
    }
    CHECK_OK(disk_read(disk, got, sizeof(got), 100, &err), err); /* across grains, not aligned */
    fill_grain(1, want);
    CHECK(memcmp(got + GRAIN - 100, want, GRAIN) == 0);
    fill_grain(3, want);
    CHECK(memcmp(got + 3 * GRAIN - 100, want, 100) == 0);
}

static bool all_grains(size_t grain)
{
    return has_grain(grain);
}

static bool even_grains(size_t grain)
{
    return has_grain(grain) && grain % 2 == 0;
}

static bool odd_grains(size_t grain)
{
    return has_grain(grain) && grain % 2 == 1;
}

static void open_image(const char *path, struct disk **disk)
{
    CLEANUP(error) struct error *err = NULL;

    CHECK_OK(disk_open(path, &(struct disk_options){0}, disk, &err), err);
}

TEST(reads_stream_optimized_with_tables_behind)
{
    CLEANUP(image) struct image image;
    CLEANUP(disk) struct disk *disk = NULL;
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(extent_list) struct extent_list list = {0};

    make_stream(&image);
    CLEANUP(str) char *path = store(&image, "stream.vmdk");
    open_image(path, &disk);
    CHECK_STR(disk_format(disk), "vmdk streamOptimized");
    check_disk(disk);
    CHECK_OK(disk_extents(disk, 0, DISK_BYTES, &list, &err), err);
    CHECK_U64(list.ptr[0].length, 3 * GRAIN);
    CHECK_INT(list.ptr[1].kind, EXTENT_ABSENT);
    CHECK_U64(extent_list_end(&list, 0), DISK_BYTES);
}

TEST(reads_plain_grains_with_tables_in_front)
{
    CLEANUP(image) struct image image;
    CLEANUP(disk) struct disk *disk = NULL;

    make_sparse(&image, 1, UINT32_MAX, NULL, all_grains);
    CLEANUP(str) char *path = store(&image, "sparse.vmdk");
    open_image(path, &disk);
    check_disk(disk);
}

TEST(reads_a_chain_of_snapshots)
{
    CLEANUP(image) struct image base;
    CLEANUP(image) struct image delta;
    CLEANUP(disk) struct disk *disk = NULL;
    CLEANUP(error) struct error *err = NULL;

    make_sparse(&base, 17, UINT32_MAX, NULL, even_grains);
    make_sparse(&delta, 18, 17, "base.vmdk", odd_grains);
    CLEANUP(str) char *base_path = store(&base, "base.vmdk");
    CLEANUP(str) char *path = store(&delta, "delta.vmdk");
    open_image(path, &disk);
    check_disk(disk);

    base.data[SECTOR + strlen("# Disk DescriptorFile\nversion=1\nCID=")] = '9';
    free(store(&base, "base.vmdk"));
    struct disk *other = NULL;
    CHECK_FAILS(disk_open(path, &(struct disk_options){0}, &other, &err), err, ERROR_INVALID,
                "changed after the snapshot");
}

TEST(refuses_a_loop_of_parents)
{
    CLEANUP(image) struct image image;
    CLEANUP(error) struct error *err = NULL;
    struct disk *disk = NULL;

    make_sparse(&image, 5, 5, "loop.vmdk", all_grains);
    CLEANUP(str) char *path = store(&image, "loop.vmdk");
    CHECK_FAILS(disk_open(path, &(struct disk_options){0}, &disk, &err), err, ERROR_INVALID,
                "or a loop");
}

TEST(reads_redo_logs)
{
    CLEANUP(image) struct image image;
    CLEANUP(disk) struct disk *disk = NULL;
    CLEANUP(error) struct error *err = NULL;
    unsigned char data[4 * SECTOR];

    make_cowd(&image);
    CLEANUP(str) char *path = store(&image, "redo.vmdk");
    open_image(path, &disk);
    CHECK_OK(disk_read(disk, data, sizeof(data), 4 * SECTOR, &err), err);
    CHECK(data[SECTOR - 1] == 0 && data[SECTOR] == 0xc5 && data[3 * SECTOR - 1] == 0xc5 &&
          data[3 * SECTOR] == 0);
    CHECK_OK(disk_read(disk, data, sizeof(data), DISK_BYTES - sizeof(data), &err), err);
    CHECK(data[0] == 0);
}

TEST(reads_se_sparse)
{
    CLEANUP(image) struct image image;
    CLEANUP(disk) struct disk *disk = NULL;
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(extent_list) struct extent_list list = {0};
    unsigned char data[4 * 4096];

    make_sesparse(&image);
    CLEANUP(str) char *path = store(&image, "se.vmdk");
    open_image(path, &disk);
    CHECK_OK(disk_read(disk, data, sizeof(data), 0, &err), err);
    CHECK(data[8191] == 0 && data[8192] == 0x5e && data[12287] == 0x5e && data[12288] == 0);
    CHECK_OK(disk_extents(disk, 0, DISK_BYTES, &list, &err), err);
    CHECK_INT(list.ptr[0].kind, EXTENT_ABSENT);
    CHECK_INT(list.ptr[1].kind, EXTENT_ZERO);
    CHECK_INT(list.ptr[2].kind, EXTENT_DATA);
}

/* Reads all of an image whose file was damaged; the error, or NULL. */
static struct error *read_damaged(const struct image *image)
{
    CLEANUP(disk) struct disk *disk = NULL;
    CLEANUP(str) char *path = store(image, "damaged.vmdk");
    struct error *err = NULL;
    static unsigned char data[DISK_BYTES];

    if (disk_open(path, &(struct disk_options){0}, &disk, &err) == 0)
        disk_read(disk, data, sizeof(data), 0, &err);
    return err;
}

static void check_damaged(const struct image *image, const char *part)
{
    CLEANUP(error) struct error *err = read_damaged(image);

    CHECK(err != NULL);
    CLEANUP(str) char *text = error_format(err);
    if (strstr(text, part) == NULL)
        test_fail(__FILE__, __LINE__, "\"%s\" does not contain \"%s\"", text, part);
}

TEST(names_what_is_wrong_in_damaged_images)
{
    static const struct {
        size_t at; /* in the file; 0: the first grain's header */
        uint64_t value;
        size_t len;
        const char *part;
    } cases[] = {
        {4, 9, 4, "VMDK version 9"},
        {12, UINT64_C(1) << 62, 8, "a capacity of"},
        {73, 0, 1, "transferred as text"},
        {77, 2, 1, "compression 2"},
        {128 * SECTOR, 4096, 8, "its header names sector 4096"},
        {128 * SECTOR + 8, 0, 4, "names 0 packed bytes"},
        {128 * SECTOR + 8, 1 << 30, 4, "packed bytes"},
        {128 * SECTOR + 20, UINT64_MAX, 8, "cannot be inflated"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(image) struct image image;

        make_stream(&image);
        memcpy(image.data + cases[i].at, &cases[i].value, cases[i].len);
        check_damaged(&image, cases[i].part);
    }
}

TEST(refuses_grains_behind_the_end_and_a_missing_footer)
{
    CLEANUP(image) struct image sparse;
    CLEANUP(image) struct image stream;

    make_sparse(&sparse, 1, UINT32_MAX, NULL, all_grains);
    put32(&sparse, 22 * SECTOR, 0x7fffffff);
    check_damaged(&sparse, "behind its end");

    make_stream(&stream);
    stream.len -= SECTOR;
    check_damaged(&stream, "footer");
}

TEST(refuses_a_grain_that_inflates_to_more_than_a_grain)
{
    CLEANUP(image) struct image image;
    struct libdeflate_compressor *compressor = libdeflate_alloc_compressor(6);
    unsigned char *data = xcalloc(2, GRAIN);

    make_stream(&image);
    size_t len = libdeflate_zlib_compress(compressor, data, GRAIN + 1,
                                          image.data + 128 * SECTOR + 12, GRAIN);
    put32(&image, 128 * SECTOR + 8, (uint32_t)len);
    check_damaged(&image, "more than a grain");
    libdeflate_free_compressor(compressor);
    free(data);
}

static int read_stream(const char *path, unsigned char *disk, struct error **err)
{
    CLEANUP(stream) struct stream *stream = NULL;
    CLEANUP(str) char *buffer = xmalloc(STREAM_BUFFER_SIZE);
    struct stream_unpacker *unpacker = stream_unpacker_new();
    struct stream_piece pieces[8];
    size_t count;
    int more = stream_open(path, &(struct disk_options){0}, NULL, &stream, err) == 0 ? 1 : -1;

    while (more == 1 && (more = stream_next(stream, buffer, pieces, 8, &count, err)) == 1)
        for (size_t i = 0; i < count; i++)
            if (stream_unpack(unpacker, buffer, &pieces[i], disk + pieces[i].offset, err) == -1)
                more = -1;
    stream_unpacker_free(unpacker);
    return more;
}

TEST(reads_front_to_back_and_notices_an_early_end)
{
    CLEANUP(image) struct image image;
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(str) char *disk = xcalloc(1, DISK_BYTES);
    unsigned char want[GRAIN];

    make_stream(&image);
    CLEANUP(str) char *path = store(&image, "front.vmdk");
    CHECK_OK(read_stream(path, (unsigned char *)disk, &err), err);
    for (size_t i = 0; i < GRAINS; i++) {
        fill_grain(i, want);
        CHECK(memcmp(disk + i * GRAIN, want, i == GRAINS - 1 ? GRAIN - 3 * SECTOR : GRAIN) == 0);
    }
    image.len = image.len / 2 / SECTOR * SECTOR;
    free(store(&image, "front.vmdk"));
    CHECK_FAILS(read_stream(path, (unsigned char *)disk, &err), err, ERROR_CORRUPT, "ends early");
}
