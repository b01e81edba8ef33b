#include "disk/tune.h"

#include "base/array.h"
#include "base/test.h"

#define MIB (UINT64_C(1) << 20)

/* A line: each request waits DELAY_US, all share BYTES_PER_US; more than USEFUL requests make it
 * slower, as caches overflow. */
struct line {
    int64_t delay_us;
    double bytes_per_us;
    unsigned useful;
};

/* Lets a copy of TOTAL bytes run over the line from *NOW on. */
static void run(struct tune *tune, const struct line *line, uint64_t total, int64_t *now)
{
    for (uint64_t done = 0; done < total; done += tune->bytes) {
        double by_delay = (double)tune->bytes * tune->requests /
                          ((double)line->delay_us + (double)tune->bytes / line->bytes_per_us);
        double rate = by_delay < line->bytes_per_us ? by_delay : line->bytes_per_us;

        if (tune->requests > line->useful)
            rate *= 0.9;
        *now += (int64_t)((double)tune->bytes / rate) + 1;
        tune_note(tune, tune->bytes, *now);
    }
}

TEST(has_few_in_flight_where_an_answer_comes_at_once)
{
    const struct line line = {.delay_us = 50, .bytes_per_us = 1500, .useful = 12};
    struct tune tune;
    int64_t now = 0;

    tune_init(&tune, 8, TUNE_MAX_REQUESTS, MIB, now);
    run(&tune, &line, 200 * MIB, &now);
    CHECK_U64(tune.requests, 8);
    CHECK_U64(tune.bytes, MIB);
}

TEST(has_as_many_in_flight_as_the_delay_needs)
{
    static const struct {
        int64_t delay_us;
        unsigned least, most;
    } cases[] = {{2000, 4, 8}, {5000, 8, 16}, {20000, 24, 32}, {80000, 32, 32}};

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const struct line line = {
            .delay_us = cases[i].delay_us, .bytes_per_us = 1000, .useful = 100};
        struct tune tune;
        int64_t now = 0;

        tune_init(&tune, 4, TUNE_MAX_REQUESTS, MIB, now);
        run(&tune, &line, 400 * MIB, &now);
        CHECK(tune.requests >= cases[i].least && tune.requests <= cases[i].most);
    }
}

TEST(follows_a_line_that_changes)
{
    struct line line = {.delay_us = 50, .bytes_per_us = 1000, .useful = 100};
    struct tune tune;
    int64_t now = 0;

    tune_init(&tune, 8, TUNE_MAX_REQUESTS, MIB, now);
    run(&tune, &line, 4096 * MIB, &now);
    CHECK(tune.requests <= 8);
    line.delay_us = 40000;
    run(&tune, &line, 64 * 1024 * MIB, &now);
    CHECK(tune.requests >= 24);
    line.delay_us = 50;
    run(&tune, &line, 512 * 1024 * MIB, &now);
    CHECK(tune.requests <= 16);
}

TEST(asks_for_less_at_once_on_a_slow_line)
{
    const struct line line = {.delay_us = 30000, .bytes_per_us = 2, .useful = 100}; /* 2 MB/s */
    struct tune tune;
    int64_t now = 0;

    tune_init(&tune, 8, TUNE_MAX_REQUESTS, MIB, now);
    run(&tune, &line, 64 * MIB, &now);
    CHECK(tune.bytes <= MIB / 4);
    CHECK(tune.bytes >= TUNE_MIN_BYTES);
    CHECK_U64(tune.bytes & (tune.bytes - 1), 0);
}

TEST(keeps_to_the_most_that_is_allowed)
{
    const struct line line = {.delay_us = 100000, .bytes_per_us = 1000, .useful = 100};
    struct tune tune;
    int64_t now = 0;

    tune_init(&tune, 32, 20, MIB, now);
    CHECK_U64(tune.requests, 20);
    run(&tune, &line, 2048 * MIB, &now);
    CHECK_U64(tune.requests, 20);
    tune_init(&tune, 1, 3, MIB, now);
    run(&tune, &line, 2048 * MIB, &now);
    CHECK_U64(tune.requests, 3);
}
