#include "cli/comma_list.h"

#include "base/error.h"
#include "base/test.h"

TEST(parts_words_and_keeps_separators_behind_a_backslash)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(comma_list) struct str_list words = {0};

    CHECK_OK(comma_list_parse(" web-1, a\\,b ,c\\:d\\\\:net;x=1", ',', &words, &err), err);
    CHECK_U64(words.len, 3);
    CHECK_STR(comma_list_plain(words.ptr[0]), "web-1");
    CHECK_STR(comma_list_plain(words.ptr[1]), "a,b");
    char *target = comma_list_cut(words.ptr[2], ':');
    CHECK_STR(comma_list_cut(target, ';'), "x=1");
    CHECK_STR(target, "net");
    CHECK_STR(comma_list_plain(words.ptr[2]), "c:d\\");
    CHECK(comma_list_cut(target, ':') == NULL);
}

TEST(refuses_empty_words)
{
    static const char *const cases[] = {"", ",", "a,", "a,,b", " , a"};

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(error) struct error *err = NULL;
        CLEANUP(comma_list) struct str_list words = {0};

        CHECK_FAILS(comma_list_parse(cases[i], ',', &words, &err), err, ERROR_INVALID,
                    "a list has an empty word");
    }
}
