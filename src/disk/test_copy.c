/* The library face: a disk is opened, asked for its areas and read; a copy is started, followed,
 * stopped. */
#include "disk/copy.h"
#include "disk/disk.h"
#include "disk/target.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/test.h"

#include <stdlib.h>
#include <unistd.h>

enum { BLOCK = 65536, BLOCKS = 64, HOLE = 5 };

/* A folder with a raw disk: blocks of their number, but for a hole and a block of zeroes behind it. */
struct fixture {
    char *dir;
    char *path;
    struct disk *disk;
};

static void fixture_reset(struct fixture *fixture)
{
    CLEANUP(error) struct error *ignored = NULL; /* of a test's folder */

    disk_close(fixture->disk);
    dir_remove(fixture->dir, &ignored);
    free(fixture->dir);
    free(fixture->path);
}

DEFINE_CLEANUP_IN_PLACE(fixture, struct fixture, fixture_reset)

static unsigned char block_byte(uint64_t offset)
{
    uint64_t block = offset / BLOCK;

    return block == HOLE || block == HOLE + 1 ? 0 : (unsigned char)(block + 1);
}

static void fixture_init(struct fixture *fixture)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(str) char *data = xcalloc(BLOCKS, BLOCK);

    fixture->dir = dir_make_temp("/tmp/gantry-test-", &err);
    CHECK(fixture->dir != NULL);
    fixture->path = path_join(fixture->dir, "disk");
    for (size_t i = 0; i < (size_t)BLOCKS * BLOCK; i++)
        data[i] = (char)block_byte(i);
    CHECK_OK(file_write(fixture->path, data, (size_t)BLOCKS * BLOCK, 0600, &err), err);
    CHECK_OK(disk_open(fixture->path, &(struct disk_options){0}, &fixture->disk, &err), err);
}

/* Runs a copy of the disk into a file until its end; the result of copy_finish. */
static int copy_to(struct fixture *fixture, const char *name, struct copy_options options,
                   struct copy_result *result, struct error **err)
{
    CLEANUP(str) char *path = path_join(fixture->dir, name);
    CLEANUP(target) struct target *target = NULL;
    struct copy *copy;

    options.disk = fixture->disk;
    options.target = NULL;
    if (target_open(path, disk_size(fixture->disk), &(struct target_options){0}, &target, err) == -1)
        return -1;
    options.target = target;
    if (copy_start(&options, &copy, err) == -1)
        return -1;
    CHECK(copy_wait(copy, deadline_after(20000)));
    return copy_finish(copy, result, err);
}

TEST(a_disk_tells_its_size_format_and_areas)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(fixture) struct fixture fixture = {0};
    CLEANUP(extent_list) struct extent_list list = {0};
    unsigned char data[3];

    fixture_init(&fixture);
    CHECK_U64(disk_size(fixture.disk), (uint64_t)BLOCKS * BLOCK);
    CHECK_STR(disk_format(fixture.disk), "raw");
    CHECK(!disk_is_remote(fixture.disk) && !disk_is_packed(fixture.disk));
    for (uint64_t at = 0; at < disk_size(fixture.disk); at = extent_list_end(&list, 0))
        CHECK_OK(disk_extents(fixture.disk, at, disk_size(fixture.disk) - at, &list, &err), err);
    CHECK_U64(extent_list_end(&list, 0), disk_size(fixture.disk));
    CHECK_OK(disk_read(fixture.disk, data, 3, BLOCK - 1, &err), err);
    CHECK(data[0] == 1 && data[1] == 2 && data[2] == 2);
}

TEST(a_range_behind_the_end_is_refused)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(fixture) struct fixture fixture = {0};
    CLEANUP(extent_list) struct extent_list list = {0};
    char data[2];

    fixture_init(&fixture);
    CHECK_FAILS(disk_read(fixture.disk, data, 2, disk_size(fixture.disk) - 1, &err), err,
                ERROR_INVALID, "of a disk of 4194304 bytes");
    CHECK_FAILS(disk_extents(fixture.disk, UINT64_MAX, 2, &list, &err), err, ERROR_INVALID,
                "of a disk of");
}

TEST(a_copy_is_followed_to_its_end)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(fixture) struct fixture fixture = {0};
    CLEANUP(disk) struct disk *made = NULL;
    CLEANUP(str) char *path = NULL;
    struct copy_result result;

    fixture_init(&fixture);
    CHECK_OK(copy_to(&fixture, "out", (struct copy_options){.request_bytes = BLOCK}, &result, &err),
             err);
    CHECK_U64(result.size_bytes, disk_size(fixture.disk));
    CHECK(result.shared_bytes > 0 || result.written_bytes == (uint64_t)(BLOCKS - 2) * BLOCK);
    CHECK(result.side == COPY_SIDE_NONE);
    path = path_join(fixture.dir, "out");
    CHECK_OK(disk_open(path, &(struct disk_options){0}, &made, &err), err);
    for (uint64_t at = 0; at < disk_size(made); at += BLOCK) {
        unsigned char byte;
        CHECK_OK(disk_read(made, &byte, 1, at + BLOCK / 2, &err), err);
        CHECK_U64(byte, block_byte(at));
    }
}

TEST(a_copy_that_is_stopped_fails_as_canceled)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(fixture) struct fixture fixture = {0};
    CLEANUP(target) struct target *target = target_null_open();
    struct copy_result result;
    struct copy_progress progress;
    struct copy *copy;

    fixture_init(&fixture);
    struct copy_options options = {.disk = fixture.disk,
                                   .target = target,
                                   .request_bytes = BLOCK,
                                   .bandwidth = BLOCK}; /* a minute's work */
    CHECK_OK(copy_start(&options, &copy, &err), err);
    CHECK(!copy_wait(copy, deadline_after(50)));
    copy_get_progress(copy, &progress);
    CHECK_U64(progress.total_bytes, disk_size(fixture.disk));
    CHECK(progress.done_bytes < progress.total_bytes);
    copy_cancel(copy);
    CHECK(copy_wait(copy, deadline_after(10000)));
    CHECK_FAILS(copy_finish(copy, &result, &err), err, ERROR_CANCELED, "stopped");
}

TEST(areas_out_of_order_or_out_of_the_disk_are_refused)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(fixture) struct fixture fixture = {0};
    CLEANUP(extent_list) struct extent_list areas = {0};
    struct copy_result result;

    fixture_init(&fixture);
    extent_list_add(&areas, BLOCK, BLOCK, EXTENT_DATA);
    extent_list_add(&areas, 0, BLOCK, EXTENT_DATA);
    CHECK_FAILS(copy_to(&fixture, "out", (struct copy_options){.areas = &areas}, &result, &err), err,
                ERROR_INVALID, "area 2 at byte 0 does not follow");
    areas.len = 0;
    extent_list_add(&areas, disk_size(fixture.disk) - 1, 2, EXTENT_DATA);
    CHECK_FAILS(copy_to(&fixture, "out", (struct copy_options){.areas = &areas}, &result, &err), err,
                ERROR_INVALID, "reaches behind the disk's end");
}
