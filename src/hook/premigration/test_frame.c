#include "hook/premigration/frame.h"

#include "base/test.h"

TEST(ends_at_the_root_elements_end_tag_and_nowhere_else)
{
    static const char *const documents[] = {
        "<d/>", "<d></d>", "<?xml version='1.0'?>\n<!-- <d></d> -->\n<d><e a='>'/></d>",
        "<d a=\"</d>\" b='\"/>'><![CDATA[</d>]]]]></d>", "<d><!-- -- > </d> ---></d>",
        "<d><e></e><e/><d></d></d>", "<!DOCTYPE d><d></d >", "<d><![CDATA[]]></d>",
        "<d><?p </d> ?\?></d>", "<d a='/'>x</d>"};

    for (size_t i = 0; i < ARRAY_SIZE(documents); i++) {
        size_t len = strlen(documents[i]);

        for (size_t step = 1; step <= len; step++) {
            struct frame frame = {0};
            size_t used = 0;

            for (size_t pos = 0; pos < len; pos += step)
                used += frame_feed(&frame, documents[i] + pos, len - pos < step ? len - pos : step);
            if (!frame_is_done(&frame) || used != len)
                test_fail(__FILE__, __LINE__, "document %zu in steps of %zu: %zu of %zu used", i,
                          step, used, len);
            CHECK_U64(frame_feed(&frame, "<more/>", 7), 0);
        }
    }
}

TEST(goes_on_while_the_root_is_open)
{
    static const char *const parts[] = {"", "  ", "<d", "<d>", "<d><e/>", "<d></d", "<d a='</d>",
                                        "<!-- </d>", "<d><![CDATA[</d>", "<d><d></d>"};

    for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
        struct frame frame = {0};

        CHECK_U64(frame_feed(&frame, parts[i], strlen(parts[i])), strlen(parts[i]));
        CHECK(!frame_is_done(&frame));
    }
}
