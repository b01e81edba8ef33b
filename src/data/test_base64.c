#include "data/base64.h"

#include "base/random.h"
#include "base/test.h"

#include <stdlib.h>

TEST(encodes_and_decodes_the_vectors_of_the_specification)
{
    static const struct {
        const char *plain, *coded;
    } cases[] = {{"", ""},          {"f", "Zg=="},         {"fo", "Zm8="},       {"foo", "Zm9v"},
                 {"foob", "Zm9vYg=="}, {"fooba", "Zm9vYmE="}, {"foobar", "Zm9vYmFy"}};

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(error) struct error *err = NULL;
        CLEANUP(str) char *coded = base64_encode(cases[i].plain, strlen(cases[i].plain));
        CLEANUP(str) char *plain = NULL;
        size_t len = 0;

        CHECK_STR(coded, cases[i].coded);
        CHECK_OK(base64_decode(coded, strlen(coded), &plain, &len, &err), err);
        CHECK_U64(len, strlen(cases[i].plain));
        CHECK_STR(plain, cases[i].plain);
    }
}

TEST(passes_over_line_ends_and_missing_padding)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(str) char *plain = NULL;
    size_t len = 0;

    CHECK_OK(base64_decode("Zm9v\nYg", 7, &plain, &len, &err), err);
    CHECK_STR(plain, "foob");
}

TEST(refuses_what_is_not_base64)
{
    static const char *const cases[] = {"Z", "Zg=", "Zg===", "Zm9v=", "Zg==Zg==", "Zm9*", "-A==", "="};

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(error) struct error *err = NULL;
        char *plain = NULL;
        size_t len = 0;

        CHECK_FAILS(base64_decode(cases[i], strlen(cases[i]), &plain, &len, &err), err,
                    ERROR_INVALID, "base64");
    }
}

TEST(brings_back_any_bytes)
{
    char data[200];

    random_bytes(data, sizeof(data));
    for (size_t n = 0; n <= sizeof(data); n++) {
        CLEANUP(error) struct error *err = NULL;
        CLEANUP(str) char *coded = base64_encode(data, n);
        CLEANUP(str) char *plain = NULL;
        size_t len = 0;

        CHECK_OK(base64_decode(coded, strlen(coded), &plain, &len, &err), err);
        CHECK_U64(len, n);
        CHECK(memcmp(plain, data, n) == 0);
    }
}
