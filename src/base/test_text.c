#include "base/text.h"

#include "base/test.h"

#include <stdlib.h>

TEST(splits_every_part_also_empty_ones)
{
    struct span rest = SPAN("a,,b,"), part;
    const char *const want[] = {"a", "", "b", ""};

    for (size_t i = 0; i < ARRAY_SIZE(want); i++) {
        CHECK(span_split(&rest, ',', &part));
        CHECK(span_eq_str(part, want[i]));
    }
    CHECK(!span_split(&rest, ',', &part));
}

TEST(reads_numbers_that_fit_and_no_others)
{
    uint64_t value = 7;

    CHECK(span_u64(SPAN("18446744073709551615"), &value));
    CHECK_U64(value, UINT64_MAX);
    CHECK(!span_u64(SPAN("18446744073709551616"), &value));
    CHECK(!span_u64(SPAN(""), &value));
    CHECK(!span_u64(SPAN("1a"), &value));
    CHECK_U64(value, UINT64_MAX);
}

TEST(knows_well_formed_utf8)
{
    static const struct {
        const char *text;
        bool valid;
    } cases[] = {{"", true},           {"gr\xc3\xbc\xc3\x9f", true}, {"\xf0\x9f\x9a\x80", true},
                 {"\xc0\x80", false},  {"\xed\xa0\x80", false},      {"\xf4\x90\x80\x80", false},
                 {"\xe2\x82", false},  {"\x80", false},              {"\xe0\x80\x80", false}};

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        CHECK_INT(utf8_is_valid(cases[i].text, strlen(cases[i].text)), cases[i].valid);
}

TEST(a_buffer_stops_at_its_maximum_and_says_so)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(buf) struct buf buf = BUF_INIT(8);

    buf_add(&buf, "12345");
    CHECK_OK(buf_check(&buf, &err), err);
    buf_printf(&buf, "%d", 6789);
    buf_add(&buf, "x");
    CHECK_STR(buf.ptr, "12345");
    CHECK_FAILS(buf_check(&buf, &err), err, ERROR_INVALID, "larger than 8 bytes");
}

TEST(a_buffer_grows_and_gives_its_text_away)
{
    CLEANUP(buf) struct buf buf = BUF_INIT(100000);

    for (int i = 0; i < 1000; i++)
        buf_printf(&buf, "%03d,", i);
    CHECK_U64(buf.len, 4000);
    CLEANUP(str) char *text = buf_take(&buf);

    CHECK_U64(strlen(text), 4000);
    CHECK(buf.ptr == NULL);
}
