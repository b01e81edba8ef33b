#include "lang/caret.h"

#include "base/test.h"

TEST(shows_the_line_and_the_place)
{
    CLEANUP(error) struct error *err = NULL;
    struct span text = SPAN("one\n\ttw\xc3\xb6 three\nfour");

    CHECK_FAILS(caret_set(&err, ERROR_INVALID, "template", text, 10, "odd word"), err,
                ERROR_INVALID, "template, line 2, column 7: odd word");
    caret_set(&err, ERROR_INVALID, "template", text, 10, "odd word");
    CHECK_STR(error_get_hint(err), "\ttw\xc3\xb6 three\n\t    ^");
}

TEST(a_place_behind_the_text_is_its_end)
{
    CLEANUP(error) struct error *err = NULL;

    caret_set(&err, ERROR_INVALID, "query", SPAN("ab"), 99, "ends too early");
    CHECK_STR(err->msg, "query, line 1, column 3: ends too early");
    CHECK_STR(error_get_hint(err), "ab\n  ^");
}
