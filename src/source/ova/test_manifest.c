#include "source/ova/manifest.h"
#include "source/ova/units.h"

#include "base/test.h"

static const char sha1[] = "SHA1(a.ovf)= 0123456789abcdef0123456789ABCDEF01234567\r\n"
                           "SHA256 (disk (1).vmdk) = "
                           "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n\n"
                           "SHA1(disk (1).vmdk)= 0000000000000000000000000000000000000000";

TEST(reads_lines_as_the_tools_write_them)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(manifest) struct manifest manifest = {0};

    CHECK_OK(manifest_parse(sha1, strlen(sha1), &manifest, &err), err);
    CHECK_U64(manifest.len, 3);
    CHECK_STR(manifest_find(&manifest, "a.ovf")->hex, "0123456789abcdef0123456789abcdef01234567");
    CHECK(manifest_find(&manifest, "b.ovf") == NULL);
}

TEST(prefers_the_strongest_digest_of_a_file)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(manifest) struct manifest manifest = {0};
    CLEANUP(str) char *digest = NULL;

    CHECK_OK(manifest_parse(sha1, strlen(sha1), &manifest, &err), err);
    digest = manifest_format_digest(manifest_find(&manifest, "disk (1).vmdk"));
    CHECK_STR(digest, "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef");
}

TEST(names_the_line_that_is_wrong)
{
    static const struct {
        const char *text, *part;
        enum error_code code;
    } cases[] = {
        {"\n\nhello", "manifest line 3: not of the form", ERROR_INVALID},
        {"MD5(a)= 00", "line 1: unknown digest algorithm \"MD5\"", ERROR_UNSUPPORTED},
        {"SHA1(a)= 00", "a SHA1 digest has 40", ERROR_INVALID},
        {"SHA1(a)= g123456789abcdef0123456789abcdef01234567", "40 hexadecimal", ERROR_INVALID},
        {"SHA1(a) 0123456789abcdef0123456789abcdef01234567", "no \"=\"", ERROR_INVALID},
        {"SHA1()= 0123456789abcdef0123456789abcdef01234567", "not of the form", ERROR_INVALID},
        {")(", "not of the form", ERROR_INVALID},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(error) struct error *err = NULL;
        CLEANUP(manifest) struct manifest manifest = {0};

        CHECK_FAILS(manifest_parse(cases[i].text, strlen(cases[i].text), &manifest, &err), err,
                    cases[i].code, cases[i].part);
        CHECK_U64(manifest.len, 0);
    }
}

TEST(knows_the_units_of_every_tool)
{
    static const struct {
        const char *units;
        uint64_t bytes;
    } cases[] = {
        {NULL, 1},
        {"byte", 1},
        {"byte * 2^30", 1ULL << 30},
        {"byte*2^20", 1ULL << 20},
        {" byte * 10^9 ", 1000000000},
        {"byte * 1024 * 1024", 1ULL << 20},
        {"MegaBytes", 1ULL << 20},
        {"GB", 1ULL << 30},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(error) struct error *err = NULL;
        uint64_t bytes = 0;

        CHECK_OK(units_parse(cases[i].units, &bytes, &err), err);
        CHECK_U64(bytes, cases[i].bytes);
    }
}

TEST(refuses_units_and_sizes_that_make_no_sense)
{
    static const struct {
        const char *number, *units, *part;
        enum error_code code;
    } cases[] = {
        {"1", "bit", "unknown unit \"bit\"", ERROR_UNSUPPORTED},
        {"1", "byte * 2^64", "unknown unit", ERROR_UNSUPPORTED},
        {"1", "byte * 2^2^2", "unknown unit", ERROR_UNSUPPORTED},
        {"1", "byte * 0", "unknown unit", ERROR_UNSUPPORTED},
        {"1", "byte *", "unknown unit", ERROR_UNSUPPORTED},
        {"1", "byte * 2^40 * 2^40", "unknown unit", ERROR_UNSUPPORTED},
        {"1.5", "GB", "\"1.5\" is not a whole number", ERROR_INVALID},
        {"", "GB", "\"\" is not a whole number", ERROR_INVALID},
        {"17179869184", "GB", "does not fit in 64 bits", ERROR_INVALID},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(error) struct error *err = NULL;
        uint64_t bytes = 7;

        CHECK_FAILS(units_apply(cases[i].number, cases[i].units, &bytes, &err), err, cases[i].code,
                    cases[i].part);
        CHECK_U64(bytes, 7);
    }
}
