#include "lang/template/template.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/test.h"
#include "base/text.h"
#include "data/obj.h"

/* What TEXT gives, or "error: ...". */
static char *render(const char *text, enum template_mode mode)
{
    CLEANUP(error) struct error *err = NULL;
    json_auto_t *data = obj_pack("{s:s,s:i,s:[i,i],s:{s:s},s:n}", "Name", "web-01", "Index", 2,
                                 "List", 4, 5, "Map", "k", "v", "Null");
    char *result = template_render_text("nameTemplate", text, data, mode, &err);

    return result != NULL ? result : xasprintf("error: %s", err->msg);
}

TEST(renders)
{
    static const struct {
        const char *text, *want;
    } cases[] = {
        {"{{trunc 3 .Name}}-{{.Index}}", "web-2"},
        {"{{range 3}}{{.}}{{end}}", "012"},
        {"{{range $i, $x := .List}}{{$i}}{{$x}}{{end}}", "0415"},
        {"{{range .List}}{{if eq . 5}}{{break}}{{end}}{{.}}{{end}}", "4"},
        {"{{printf \"%*d|%-4d|%04d\" 5 .Index 7 -3}}", "    2|7   |-003"},
        {"{{printf \"%[3]d %d %!\" 1 2}}", "%!d(BADINDEX) 1 %!!(int=2)"},
        {"{{slice .List 1}}{{index (slice .List 1) 0}}", "[5]5"},
        {"{{.Map.none.deeper}}", "<no value>"},
        {"{{with $x := .Index}}{{$x}}{{end}}", "2"},
        {"{{$x := 1}}{{$x := add $x 1}}{{with $x := (add $x 1)}}{{$x}}{{end}}{{$x}}", "32"},
        {"{{$x := .List}}{{range $i, $x := $x}}{{$i}}{{$x}}{{end}}", "0415"},
        {"{{/* note */}}x{{- /* n */ -}} y", "xy"},
        {"{{mustRegexReplaceAll \"x*\" \"abc\" \"-\"}}", "-a-b-c-"},
        {"{{mustRegexReplaceAll \"(b)\" \"abc\" \"$1$$${1}\"}}", "ab$bc"},
        {"{{replace \"\" \"-\" \"ab\"}}", "-a-b-"},
        {"{{define \"a\"}}1{{end}}{{template \"a\"}}", "1"},
        {"{{ 1e21 }} {{ 1.5e-7 }} {{ 1000000.0 }} {{ 123456.0 }}", "1e+21 1.5e-07 1e+06 123456"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(str) char *got = render(cases[i].text, TEMPLATE_MAP);
        CHECK_STR(got, cases[i].want);
    }
}

TEST(says_where_a_template_is_wrong)
{
    static const struct {
        const char *text, *part;
    } cases[] = {
        {"a\nb{{.Nope}}", "nameTemplate, line 2, column 5: there is no field Nope"},
        {"{{lower .Index}}", "column 10: expected a string, got int"},
        {"{{trunc (add 1 2) .Name}}", "expected an int, got int64"},
        {"{{nope}}", "column 3: there is no function \"nope\""},
        {"{{if .Name}}", "{{end}} is missing"},
        {"{{end}}", "nothing is open for \"end\""},
        {"{{$x}}", "undefined variable \"$x\""},
        {"{{with $x := $x}}{{end}}", "column 14: undefined variable \"$x\""},
        {"{{.Name", "the action has no end"},
        {"{{define \"a\"}}{{template \"a\"}}{{end}}{{template \"a\"}}", "call each other"},
        {"{{range 100000}}{{range 100000}}{{end}}{{end}}", "more than 1000000 steps"},
        {"{{repeat 1000000 (repeat 1000000 \"x\")}}", "more than 1048576 bytes"},
        {"{{range 10000}}{{repeat 1000 \"x\"}}{{end}}", "more than"},
        {"{{printf \"%999999999d\" 1 | len | printf \"%s\" | lower}}{{.x}}", "there is no field x"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(str) char *got = render(cases[i].text, TEMPLATE_STRUCT);
        if (!str_starts_with(got, "error: ") || strstr(got, cases[i].part) == NULL)
            test_fail(__FILE__, __LINE__, "\"%s\" gives \"%s\"", cases[i].text, got);
    }
}

TEST(refuses_deep_nesting)
{
    CLEANUP(buf) struct buf text = BUF_INIT(TEMPLATE_MAX_BYTES);

    buf_add(&text, "{{");
    for (int i = 0; i < 10000; i++)
        buf_add_char(&text, '(');
    buf_add(&text, "}}");
    CLEANUP(str) char *got = render(text.ptr, TEMPLATE_MAP);
    CHECK(strstr(got, "nested too deeply") != NULL);

    buf_clear(&text);
    for (int i = 0; i < 5000; i++)
        buf_add(&text, "{{if 1}}");
    CLEANUP(str) char *blocks = render(text.ptr, TEMPLATE_MAP);
    CHECK(strstr(blocks, "nested too deeply") != NULL);
}

TEST(a_failure_leaves_the_output_as_it_was)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(template) struct template *template = NULL;
    CLEANUP(buf) struct buf out = BUF_INIT(1000);
    json_auto_t *data = json_object();

    buf_add(&out, "before");
    CHECK_OK(template_parse("t", "text{{.none}}", 13, &template, &err), err);
    CHECK_FAILS(template_render(template, data, TEMPLATE_STRUCT, &out, &err), err, ERROR_INVALID,
                "no field none");
    CHECK_STR(out.ptr, "before");
}
