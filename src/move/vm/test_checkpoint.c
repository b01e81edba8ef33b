#include "move/vm/checkpoint.h"

#include "base/test.h"

static struct extent_list every(uint64_t step, size_t count)
{
    struct extent_list list = {0};

    for (size_t i = 0; i < count; i++)
        extent_list_push(&list, (struct extent){i * step, 4096, EXTENT_DATA});
    return list;
}

TEST(a_short_list_of_areas_stays_as_it_is)
{
    CLEANUP(extent_list) struct extent_list list = every(8192, 10);

    checkpoint_coarsen(&list, 10);
    CHECK_U64(list.len, 10);
    CHECK_U64(list.ptr[9].offset, 9 * 8192);
}

TEST(a_long_list_is_made_coarser_and_loses_nothing)
{
    CLEANUP(extent_list) struct extent_list list = every(1 << 20, 5000);

    checkpoint_coarsen(&list, 100);
    CHECK(list.len <= 100);
    CHECK_U64(list.ptr[0].offset, 0);
    CHECK_U64(extent_list_end(&list, 0), 4999ULL * (1 << 20) + 4096);
    for (size_t i = 0, at = 0; i < 5000; i++) { /* each is inside one of what is left */
        uint64_t offset = (uint64_t)i << 20;

        while (list.ptr[at].offset + list.ptr[at].length <= offset)
            at++;
        CHECK(list.ptr[at].offset <= offset);
        CHECK(list.ptr[at].offset + list.ptr[at].length >= offset + 4096);
    }
}

TEST(small_gaps_go_before_large_ones)
{
    CLEANUP(extent_list) struct extent_list list = {0};

    extent_list_push(&list, (struct extent){0, 4096, EXTENT_DATA});
    extent_list_push(&list, (struct extent){8192, 4096, EXTENT_DATA});
    extent_list_push(&list, (struct extent){1ULL << 40, 4096, EXTENT_DATA});
    checkpoint_coarsen(&list, 2);
    CHECK_U64(list.len, 2);
    CHECK_U64(list.ptr[0].length, 12288);
    CHECK_U64(list.ptr[1].offset, 1ULL << 40);
}
