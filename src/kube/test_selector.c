#include "kube/selector.h"

#include "base/mem.h"
#include "base/test.h"
#include "data/obj.h"

static bool matches(const char *text, const json_t *labels)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(selector) struct selector *selector = selector_parse(text, &err);

    CHECK_OK(selector == NULL ? -1 : 0, err);
    return selector_matches(selector, labels);
}

TEST(tells_the_one_value_that_a_label_must_have)
{
    static const struct {
        const char *text, *value;
    } cases[] = {
        {"", NULL},          {"vm=7", "7"},        {"a=b,vm=7,c", "7"}, {"vm in (7)", "7"},
        {"vm in (7,8)", NULL}, {"vm!=7", NULL},    {"vm", NULL},        {"vmx=7", NULL},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(error) struct error *err = NULL;
        CLEANUP(selector) struct selector *selector = selector_parse(cases[i].text, &err);
        CHECK_STR(selector_exact(selector, "vm"), cases[i].value);
    }
}

TEST(label_selectors_match)
{
    static const struct {
        const char *text;
        bool want;
    } cases[] = {
        {"", true},
        {"  ", true},
        {"app=web", true},
        {"app==web", true},
        {" app = web ", true},
        {"app!=web", false},
        {"app!=db", true},
        {"none!=x", true},
        {"none=x", false},
        {"app", true},
        {"none", false},
        {"!app", false},
        {"!none", true},
        {"app in (web,db)", true},
        {"app in ( db )", false},
        {"app notin (db, x)", true},
        {"app notin (web)", false},
        {"none notin (web)", true},
        {"empty=", true},
        {"empty in (a,)", true},
        {"app=", false},
        {"n>3", true},
        {"n>4", false},
        {"n<5", true},
        {"app>1", false},
        {"none>1", false},
        {"app=web,example.org/tier=gold", true},
        {"app=web,example.org/tier=silver", false},
        {"in=x", true},
        {"in in (x)", true},
    };
    json_auto_t *labels = obj_pack("{s:s,s:s,s:s,s:s,s:s}", "app", "web", "empty", "", "n", "4",
                                   "example.org/tier", "gold", "in", "x");

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        if (matches(cases[i].text, labels) != cases[i].want)
            test_fail(__FILE__, __LINE__, "\"%s\" is not %d", cases[i].text, cases[i].want);
    CHECK(!matches("app", NULL));
    CHECK(matches("!app", NULL));
    CHECK(matches(NULL, NULL));
}

TEST(refuses_wrong_label_selectors)
{
    static const struct {
        const char *text, *part;
    } cases[] = {
        {",", "not a label's key"},
        {"a,", "not a label's key"},
        {"a b", "expected =, ==, !=, in, notin"},
        {"a in b", "'(' is missing"},
        {"a in (b", "')' is missing"},
        {"a=b c", "',' is missing"},
        {"a!b", "'=' is missing behind '!'"},
        {"a=b=c", "',' is missing"},
        {"-a=b", "\"-a\" is not a label's key"},
        {"a=-b", "\"-b\" is not a label's value"},
        {"a>b", "not a whole number"},
        {"a>", "not a whole number"},
        {"a/b/c", "not a label's key"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(error) struct error *err = NULL;
        struct selector *selector = selector_parse(cases[i].text, &err);

        CHECK_FAILS(selector == NULL ? -1 : 0, err, ERROR_INVALID, cases[i].part);
    }
}

TEST(selector_objects_match_and_print_as_text)
{
    CLEANUP(error) struct error *err = NULL;
    json_auto_t *object =
        obj_pack("{s:{s:s},s:[{s:s,s:s,s:[s,s]},{s:s,s:s},{s:s,s:s}]}", "matchLabels", "app", "web",
                 "matchExpressions", "key", "tier", "operator", "NotIn", "values", "a", "b", "key",
                 "x", "operator", "Exists", "key", "y", "operator", "DoesNotExist");
    CLEANUP(selector) struct selector *selector = selector_from_json(object, &err);
    CHECK_OK(selector == NULL ? -1 : 0, err);

    CLEANUP(str) char *text = selector_format(selector);
    CHECK_STR(text, "app=web,tier notin (a,b),x,!y");

    json_auto_t *labels = obj_pack("{s:s,s:s}", "app", "web", "x", "1");
    CHECK(selector_matches(selector, labels));
    obj_put_str(labels, "tier", "b");
    CHECK(!selector_matches(selector, labels));
}

TEST(refuses_wrong_selector_objects)
{
    CLEANUP(error) struct error *err = NULL;
    json_auto_t *object =
        obj_pack("{s:[{s:s,s:s}]}", "matchExpressions", "key", "a", "operator", "In");

    struct selector *selector = selector_from_json(object, &err);
    CHECK_FAILS(selector == NULL ? -1 : 0, err, ERROR_INVALID,
                "matchExpressions[0]: operator \"In\" needs values");
    obj_put_str(object, "matchExpressions[0].operator", "Like");
    selector = selector_from_json(object, &err);
    CHECK_FAILS(selector == NULL ? -1 : 0, err, ERROR_INVALID, "unknown operator \"Like\"");
}

TEST(field_selectors_match)
{
    static const struct {
        const char *text;
        bool want;
    } cases[] = {
        {"", true},
        {"metadata.name=web", true},
        {"metadata.name==web", true},
        {"metadata.name!=web", false},
        {"metadata.name=db", false},
        {"spec.absent=", true},
        {"spec.absent!=x", true},
        {"spec.count=3,metadata.name=web", true},
        {"spec.on=true", true},
        {"spec.odd=a\\,b\\=c\\\\", true},
        {"spec=", true},
    };
    json_auto_t *object = obj_pack("{s:{s:s},s:{s:i,s:b,s:s}}", "metadata", "name", "web", "spec",
                                   "count", 3, "on", 1, "odd", "a,b=c\\");

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(error) struct error *err = NULL;
        CLEANUP(field_selector)
        struct field_selector *selector = field_selector_parse(cases[i].text, &err);

        CHECK_OK(selector == NULL ? -1 : 0, err);
        if (field_selector_matches(selector, object) != cases[i].want)
            test_fail(__FILE__, __LINE__, "\"%s\" is not %d", cases[i].text, cases[i].want);
    }
}

TEST(field_selectors_tell_what_they_ask_for)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(field_selector)
    struct field_selector *selector =
        field_selector_parse("metadata.name=web,status.phase!=Running", &err);
    const char *value;
    bool is_equal;

    CHECK_U64(field_selector_count(selector), 2);
    CHECK_STR(field_selector_get(selector, 1, &value, &is_equal), "status.phase");
    CHECK_STR(value, "Running");
    CHECK(!is_equal);
    CHECK_STR(field_selector_exact(selector, "metadata.name"), "web");
    CHECK(field_selector_exact(selector, "status.phase") == NULL);
}

TEST(refuses_wrong_field_selectors)
{
    static const struct {
        const char *text, *part;
    } cases[] = {
        {"a", "not followed by"},       {"a!b", "not followed by"}, {"=b", "not a field's name"},
        {"a..b=c", "field's name"},     {"a[0]=c", "field's name"}, {"a=b=c", "written \\="},
        {"a=b\\x", "stands before"},    {"a=b\\", "stands before"}, {"a=b,,c=d", "field's name"},
        {".a=b", "not a field's name"}, {"a.=b", "field's name"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(error) struct error *err = NULL;
        struct field_selector *selector = field_selector_parse(cases[i].text, &err);

        CHECK_FAILS(selector == NULL ? -1 : 0, err, ERROR_INVALID, cases[i].part);
    }
}
