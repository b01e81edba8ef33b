#include "data/size.h"

#include "base/test.h"

TEST(reads_numbers_and_units)
{
    static const struct {
        const char *text;
        uint64_t bytes;
    } cases[] = {{"0", 0}, {"512", 512}, {"64Mi", 67108864}, {"2Pi", 2251799813685248}};

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(error) struct error *err = NULL;
        uint64_t bytes = 1;

        CHECK_OK(size_parse(cases[i].text, strlen(cases[i].text), &bytes, &err), err);
        CHECK_U64(bytes, cases[i].bytes);
    }
}

TEST(refuses_what_is_no_size_and_leaves_the_result_alone)
{
    static const struct {
        const char *text;
        const char *part;
    } cases[] = {{"10MB", "unknown unit at character 3"},
                 {"", "starts with a digit"},
                 {"-1", "starts with a digit"},
                 {"99999999999999999999", "does not fit"},
                 {"16384Pi", "does not fit"}};

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(error) struct error *err = NULL;
        uint64_t bytes = 7;

        CHECK_FAILS(size_parse(cases[i].text, strlen(cases[i].text), &bytes, &err), err,
                    ERROR_INVALID, cases[i].part);
        CHECK_U64(bytes, 7);
    }
}

TEST(shows_sizes_to_people)
{
    char text[SIZE_TEXT_SIZE];

    CHECK_STR(size_format(0, text), "0 B");
    CHECK_STR(size_format(1023, text), "1023 B");
    CHECK_STR(size_format(1536, text), "1.5 KiB");
    CHECK_STR(size_format(UINT64_MAX, text), "16384.0 PiB");
}
