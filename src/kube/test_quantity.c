#include "kube/quantity.h"

#include "base/mem.h"
#include "base/test.h"

#include <stdio.h>

static struct quantity parse(const char *text)
{
    CLEANUP(error) struct error *err = NULL;
    struct quantity quantity;

    CHECK_OK(quantity_parse(text, strlen(text), &quantity, &err), err);
    return quantity;
}

TEST(reads_every_suffix)
{
    static const struct {
        const char *text;
        int64_t nano_high, nano; /* units and billionths */
    } cases[] = {
        {"0", 0, 0},
        {"1", 1, 0},
        {"+1", 1, 0},
        {"1.5", 1, 500000000},
        {"1.", 1, 0},
        {".5", 0, 500000000},
        {"500m", 0, 500000000},
        {"1n", 0, 1},
        {"1u", 0, 1000},
        {"0.1n", 0, 1},
        {"3k", 3000, 0},
        {"2M", 2000000, 0},
        {"1G", 1000000000, 0},
        {"1T", 1000000000000, 0},
        {"1P", 1000000000000000, 0},
        {"1E", 1000000000000000000, 0},
        {"1e3", 1000, 0},
        {"1.5E3", 1500, 0},
        {"12e-1", 1, 200000000},
        {"1Ki", 1024, 0},
        {"1.5Gi", 1610612736, 0},
        {"0.1Ki", 102, 400000000},
        {"0.0000000001Ki", 0, 103},
        {"7Ei", 8070450532247928832, 0},
        {"8Ei", INT64_MAX, 0},
        {"99999999999999999999999999", INT64_MAX, 0},
        {"1e400", INT64_MAX, 0},
        {"0e400", 0, 0},
        {"1e-400", 0, 1},
        {"5000000000000000000Ei", INT64_MAX, 0},
        {"99999999999999999999Ei", INT64_MAX, 0},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct quantity got = parse(cases[i].text);
        if (got.nano != (__int128)cases[i].nano_high * 1000000000 + cases[i].nano)
            test_fail(__FILE__, __LINE__, "%s is %lld + %lld/10^9", cases[i].text,
                      (long long)(got.nano / 1000000000), (long long)(got.nano % 1000000000));
    }
    CHECK(parse("-1.5").nano == -1500000000);
}

TEST(refuses_what_is_no_quantity)
{
    static const char *const cases[] = {"",    "abc", "1 Gi",  "Gi",   "1gi",  "1K",  "1e",
                                        "1e+", "--1", "1.2.3", "0x10", "1Gi ", "1mi", "."};

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(error) struct error *err = NULL;
        struct quantity got;

        CHECK_FAILS(quantity_parse(cases[i], strlen(cases[i]), &got, &err), err, ERROR_INVALID,
                    "quantity");
    }
}

TEST(counts_bytes_and_thousandths_upwards)
{
    CLEANUP(error) struct error *err = NULL;
    uint64_t bytes = 7;

    CHECK_OK(quantity_parse_bytes("1.5", &bytes, &err), err);
    CHECK_U64(bytes, 2);
    CHECK_OK(quantity_parse_bytes("10Gi", &bytes, &err), err);
    CHECK_U64(bytes, 10737418240);
    CHECK_FAILS(quantity_parse_bytes("-1", &bytes, &err), err, ERROR_INVALID, "negative");
    CHECK_U64(bytes, 10737418240);
    CHECK_INT(quantity_to_milli(parse("0.1")), 100);
    CHECK_INT(quantity_to_milli(parse("1u")), 1);
    CHECK_INT(quantity_to_milli(parse("-1500u")), -1);
    CHECK(quantity_cmp(parse("1Gi"), parse("1G")) > 0);
    CHECK(quantity_cmp(parse("1000m"), parse("1")) == 0);
}

TEST(reads_json_strings_and_numbers)
{
    CLEANUP(error) struct error *err = NULL;
    struct quantity got;
    json_auto_t *text = json_string("2Ki"), *whole = json_integer(3), *real = json_real(1.25);

    CHECK_OK(quantity_from_json(text, &got, &err), err);
    CHECK(got.nano == (__int128)2048 * 1000000000);
    CHECK_OK(quantity_from_json(whole, &got, &err), err);
    CHECK(got.nano == 3000000000);
    CHECK_OK(quantity_from_json(real, &got, &err), err);
    CHECK(got.nano == 1250000000);
    CHECK_FAILS(quantity_from_json(json_null(), &got, &err), err, ERROR_INVALID, "quantity");
}

TEST(writes_bytes_with_the_largest_unit_that_divides)
{
    static const struct {
        uint64_t bytes;
        const char *want;
    } cases[] = {{0, "0"},
                 {1000, "1000"},
                 {1024, "1Ki"},
                 {10737418240, "10Gi"},
                 {10737418241, "10737418241"},
                 {1ULL << 63, "8Ei"}};

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(str) char *got = quantity_format_bytes(cases[i].bytes);
        CHECK_STR(got, cases[i].want);
    }
}
