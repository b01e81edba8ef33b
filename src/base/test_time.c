#include "base/time.h"

#include "base/cancel.h"
#include "base/test.h"

TEST(reads_what_it_writes_and_any_offset)
{
    static const struct {
        const char *text;
        int64_t unix_ms;
    } cases[] = {{"1970-01-01T00:00:00Z", 0},
                 {"2026-02-28T23:59:59.5Z", 1772323199500},
                 {"2026-02-28T23:59:59.123456789+01:00", 1772319599123},
                 {"2024-02-29T00:00:00-00:30", 1709166600000}};

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(error) struct error *err = NULL;
        int64_t ms = -1;

        CHECK_OK(time_parse(cases[i].text, &ms, &err), err);
        CHECK_INT(ms, cases[i].unix_ms);
    }

    char text[TIME_TEXT_SIZE];
    CHECK_STR(time_format(1772323199500, text), "2026-02-28T23:59:59Z");
    CHECK_STR(time_format_micro(1772323199500, text), "2026-02-28T23:59:59.500000Z");
}

TEST(refuses_times_that_do_not_exist)
{
    static const char *const cases[] = {"", "2026-02-30T00:00:00Z", "2026-13-01T00:00:00Z",
                                        "2026-01-01T24:00:00Z", "2026-01-01T00:00:00",
                                        "2026-01-01", "2026-01-01T00:00:00+1:00"};

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(error) struct error *err = NULL;
        int64_t ms = 0;

        CHECK_FAILS(time_parse(cases[i], &ms, &err), err, ERROR_INVALID, "is not a time");
    }
}

TEST(a_cancelled_wait_ends_at_once)
{
    CLEANUP(cancel) struct cancel *cancel = cancel_new();
    CLEANUP(error) struct error *err = NULL;
    int64_t before = time_mono_ms();

    CHECK(!cancel_wait(cancel, 10));
    cancel_request(cancel);
    cancel_request(cancel);
    CHECK(cancel_wait(cancel, 60000));
    CHECK(time_mono_ms() - before < 30000);
    CHECK_FAILS(cancel_check(cancel, DEADLINE_NONE, &err), err, ERROR_CANCELED, "canceled");
}
