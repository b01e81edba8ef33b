#include "kube/names.h"

#include "base/mem.h"
#include "base/test.h"
#include "base/text.h"

TEST(knows_labels_subdomains_and_label_values)
{
    static const struct {
        const char *text;
        bool label, subdomain, value, qualified;
    } cases[] = {
        {"web", true, true, true, true},
        {"web-1", true, true, true, true},
        {"1web", true, true, true, true},
        {"", false, false, true, false},
        {"-web", false, false, false, false},
        {"web-", false, false, false, false},
        {"Web", false, false, true, true},
        {"web.example.org", false, true, true, true},
        {"web..org", false, false, true, true},
        {"web.", false, false, false, false},
        {".web", false, false, false, false},
        {"a_b", false, false, true, true},
        {"a b", false, false, false, false},
        {"example.org/a_B", false, false, false, true},
        {"Example.org/a", false, false, false, false},
        {"example.org/", false, false, false, false},
        {"/a", false, false, false, false},
        {"a/b/c", false, false, false, false},
        {"w\xc3\xa4", false, false, false, false},
        {"a123456789012345678901234567890123456789012345678901234567890123", false, true, false,
         false},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        size_t len = strlen(cases[i].text);
        bool got[] = {name_is_label(cases[i].text, len), name_is_subdomain(cases[i].text, len),
                      name_is_label_value(cases[i].text, len),
                      name_is_qualified(cases[i].text, len)};

        if (got[0] != cases[i].label || got[1] != cases[i].subdomain || got[2] != cases[i].value ||
            got[3] != cases[i].qualified)
            test_fail(__FILE__, __LINE__, "\"%s\": label %d, subdomain %d, value %d, qualified %d",
                      cases[i].text, got[0], got[1], got[2], got[3]);
    }
    CHECK(name_is_label_1035("a1", 2));
    CHECK(!name_is_label_1035("1a", 2));
}

TEST(a_refused_name_is_shown_with_the_rule)
{
    CLEANUP(error) struct error *err = NULL;

    CHECK_FAILS(name_check_label("Web_1", &err), err, ERROR_INVALID,
                "\"Web_1\" is not an RFC 1123 label");
    CHECK_FAILS(name_check_subdomain("a..b", &err), err, ERROR_INVALID, "RFC 1123 subdomain");
    CHECK_OK(name_check_subdomain("a.b", &err), err);
}

TEST(fixes_names_of_virtual_machines)
{
    static const struct {
        const char *text, *want;
    } cases[] = {
        {"Web Server_01", "web-server-01"},
        {"--a..b--", "a.b"},
        {"DC1/folder\\vm+x*y", "dc1-folder-vm-x-y"},
        {"a___b", "a-b"},
        {"(test) vm!", "test-vm"},
        {"a.-.b", "a.b"},
        {"rhel8.example.org", "rhel8.example.org"},
        {"\xc3\x84pfel", "pfel"},
        {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-bcd",
         "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(str) char *got = name_fix(cases[i].text);
        CHECK_STR(got, cases[i].want);
    }
}

TEST(a_name_of_which_nothing_is_left_becomes_random)
{
    CLEANUP(str) char *got = name_fix("!!! ...");

    CHECK(str_starts_with(got, "vm-"));
    CHECK_U64(strlen(got), 7);
    CHECK(name_is_label(got, strlen(got)));
}

static bool is_taken_twice(void *arg, const char *name)
{
    int *calls = arg;

    return ++*calls <= 2;
}

TEST(a_taken_name_gets_a_suffix_and_stays_within_the_limit)
{
    char name[NAME_LABEL_MAX + 1] = {0};
    int calls = 0;

    memset(name, 'a', NAME_LABEL_MAX);
    CLEANUP(str) char *got = name_make_unique(name, is_taken_twice, &calls);
    CHECK_INT(calls, 3);
    CHECK_U64(strlen(got), NAME_LABEL_MAX);
    CHECK(got[58] == '-');
    CHECK(name_is_label(got, strlen(got)));

    CLEANUP(str) char *kept = name_make_unique("free", is_taken_twice, &calls);
    CHECK_STR(kept, "free");
}

TEST(fixes_label_values)
{
    static const struct {
        const char *text, *want;
    } cases[] = {
        {"Tier 1 (gold)", "Tier_1_gold"},
        {"__x__", "x"},
        {"a: :b", "a_b"},
        {"!!!", ""},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(str) char *got = name_fix_label_value(cases[i].text);
        CHECK_STR(got, cases[i].want);
        CHECK(name_is_label_value(got, strlen(got)));
    }
}
