#include "base/map.h"

#include "base/mem.h"
#include "base/test.h"

#include <stdio.h>
#include <stdlib.h>

TEST(keeps_thousands_through_removal_and_growth)
{
    struct map *map = map_new();
    char key[16];
    int value = 0;

    for (int i = 0; i < 5000; i++) {
        snprintf(key, sizeof(key), "k%d", i);
        CHECK(map_put(map, key, &value) == NULL);
        if (i % 3 == 0)
            CHECK(map_remove(map, key) == &value);
    }
    CHECK_U64(map_count(map), 3333);
    for (int i = 0; i < 5000; i++) {
        snprintf(key, sizeof(key), "k%d", i);
        CHECK((map_find(map, key) != NULL) == (i % 3 != 0));
    }
    map_free(map, NULL);
}

TEST(put_and_remove_without_end_does_not_grow)
{
    struct map *map = map_new();
    int value = 0;

    for (int i = 0; i < 100000; i++) {
        map_put(map, "same", &value);
        map_remove(map, "same");
    }
    CHECK_U64(map_count(map), 0);
    CHECK(map_find(map, "same") == NULL);
    map_free(map, NULL);
}

TEST(walks_in_order_of_insertion)
{
    struct map *map = map_new();
    size_t pos = 0;
    void *value = NULL;

    map_put(map, "b", xstrdup("1"));
    map_put(map, "a", xstrdup("2"));
    free(map_put(map, "b", xstrdup("3")));
    CHECK_STR(map_next(map, &pos, &value), "b");
    CHECK_STR(value, "3");
    CHECK_STR(map_next(map, &pos, &value), "a");
    CHECK(map_next(map, &pos, &value) == NULL);
    map_free(map, free);
}
