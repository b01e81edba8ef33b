#include "cli/line_diff.h"

#include "base/test.h"
#include "base/text.h"

TEST(shows_only_what_differs_in_order)
{
    static const struct {
        const char *before, *after, *want;
    } cases[] = {{"a\nb\nc", "a\nb\nc", ""},
                 {"a\nb\nc", "a\nx\nc", "- b\n+ x\n"},
                 {"a\nb\nc\nd", "a\nc\nd\ne", "- b\n+ e\n"},
                 {"", "a", "- \n+ a\n"},
                 {"a\nb", "a\nnew\nb", "+ new\n"}};

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(buf) struct buf out = BUF_INIT(1000);

        line_diff(cases[i].before, cases[i].after, "", &out);
        CHECK_STR(buf_span(&out).ptr, cases[i].want);
    }
}
