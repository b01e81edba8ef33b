#include "data/dom.h"

#include "base/mem.h"
#include "base/test.h"

#include <stdlib.h>

static struct dom *parse(const char *text)
{
    struct error *err = NULL;
    struct dom *dom = NULL;

    CHECK_OK(dom_parse(text, strlen(text), &dom, &err), err);
    return dom;
}

TEST(keeps_everything_that_is_not_edited)
{
    static const char text[] = "<domain xmlns:q=\"http://q\" type=\"kvm\" id=\"7\">\n"
                               "  <!-- kept --><name>a &amp; b</name>\n"
                               "  <q:commandline><q:arg value=\"x\"/></q:commandline>\n"
                               "  <unknown z=\"1\" a=\"2\"><![CDATA[<raw>]]></unknown>\n"
                               "</domain>\n";
    CLEANUP(dom) struct dom *dom = parse(text);
    CLEANUP(str) char *same = dom_format(dom);

    CHECK_STR(same, text);
}

TEST(finds_makes_renews_and_removes)
{
    CLEANUP(dom) struct dom *dom =
        parse("<domain><devices><disk type='file'><source file='/a'/></disk></devices></domain>");
    struct dom_node *root = dom_root(dom);

    dom_set_attr(dom_find(root, "devices/disk/source"), "file", "/b & c");
    dom_set_attr_int(dom_add(dom_need(root, "cputune"), "vcpupin"), "vcpu", 0);
    dom_set_text(dom_renew(root, "devices/disk"), "x");
    CHECK(dom_find(root, "devices/disk/source") == NULL);
    dom_remove(dom_find(root, "cputune"));
    CLEANUP(str) char *text = dom_format(dom);

    CHECK_STR(text, "<domain><devices><disk>x</disk></devices></domain>\n");
}

static int collect(void *arg, struct dom_node *node, const char *attr, struct error **err)
{
    (void)err;
    dom_set_attr(node, attr == NULL ? "seen" : attr, arg);
    return 0;
}

TEST(selects_elements_and_attributes_by_xpath)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(dom) struct dom *dom = parse("<d><i dev='1'/><i dev='2'/></d>");

    CHECK_OK(dom_select(dom, "/d/i[2]/@dev", collect, (char[]){"9"}, &err), err);
    CHECK_OK(dom_select(dom, "/d/i[@dev='1']", collect, (char[]){"y"}, &err), err);
    CLEANUP(str) char *text = dom_format(dom);

    CHECK_STR(text, "<d><i dev=\"1\" seen=\"y\"/><i dev=\"9\"/></d>\n");
    CHECK_FAILS(dom_select(dom, "/d/[", collect, NULL, &err), err, ERROR_INVALID, "no XPath");
    CHECK_FAILS(dom_select(dom, "count(/d)", collect, NULL, &err), err, ERROR_INVALID,
                "no nodes");
}

TEST(compares_what_documents_say_not_how)
{
    CLEANUP(dom) struct dom *a = parse("<d x='1' y='2'><n> v </n><m/></d>");
    CLEANUP(dom) struct dom *b = parse("<d y=\"2\" x=\"1\">\n <n>v</n>\n <m></m>\n</d>");
    CLEANUP(dom) struct dom *c = parse("<d y=\"2\" x=\"1\">\n <n>w</n>\n <m></m>\n</d>");

    CHECK(dom_eq(dom_root(a), dom_root(b)));
    CHECK(!dom_eq(dom_root(a), dom_root(c)));
}

TEST(refuses_bombs_depth_and_half_documents)
{
    static const struct {
        const char *text;
        const char *message;
    } cases[] = {{"<!DOCTYPE d [<!ENTITY a 'b'>]><d>&a;</d>", "document type declaration"},
                 {"<d><e></d>", "line 1: not well-formed"},
                 {"", "not well-formed"},
                 {"<d/>trailing", "not well-formed"}};
    CLEANUP(error) struct error *err = NULL;
    struct dom *dom = NULL;

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        CHECK_FAILS(dom_parse(cases[i].text, strlen(cases[i].text), &dom, &err), err,
                    ERROR_INVALID, cases[i].message);

    char deep[8 * 200 + 1] = "";
    for (int i = 0; i < 200; i++)
        memcpy(deep + strlen(deep), "<d>", 4);
    for (int i = 0; i < 200; i++)
        memcpy(deep + strlen(deep), "</d>", 5);
    CHECK_FAILS(dom_parse(deep, strlen(deep), &dom, &err), err, ERROR_INVALID, "deeper than 128");
    CHECK(dom == NULL);
}

TEST(replaces_text_in_values_texts_and_raw_sections)
{
    CLEANUP(dom) struct dom *dom =
        parse("<d u='x-1-x'><e>1 &lt; 1</e><f><![CDATA[<1>]]></f><!-- 1 --></d>");
    CLEANUP(dom) struct dom *copy = dom_copy(dom);

    CHECK_U64(dom_replace_text(dom, "1", "&2"), 4);
    CLEANUP(str) char *text = dom_format(dom);
    CLEANUP(str) char *before = dom_format(copy);

    CHECK_STR(text, "<d u=\"x-&amp;2-x\"><e>&amp;2 &lt; &amp;2</e><f><![CDATA[<&2>]]></f>"
                    "<!-- 1 --></d>\n");
    CHECK(strstr(before, "x-1-x") != NULL);
}
