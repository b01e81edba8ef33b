#include "cli/options.h"

#include "base/test.h"

struct values {
    bool flag;
    const char *text;
    int64_t number;
    struct word_list list;
};

static int parse(const char *const *words, struct values *values, struct word_list *rest,
                 struct error **err)
{
    const struct option_spec specs[] = {
        {"flag", 'f', OPTION_FLAG, &values->flag, NULL, ""},
        {"text", 't', OPTION_TEXT, &values->text, "TEXT", ""},
        {"number", 0, OPTION_INT, &values->number, "N", ""},
        {"item", 'i', OPTION_LIST, &values->list, "ITEM", ""},
    };
    int argc = 0;

    while (words[argc] != NULL)
        argc++;
    return options_parse(specs, ARRAY_SIZE(specs), argc, (char **)(uintptr_t)words, rest, err);
}

TEST(reads_every_form_and_leaves_the_other_words)
{
    CLEANUP(error) struct error *err = NULL;
    struct values v = {0};
    struct word_list rest = {0};
    const char *const words[] = {"cmd", "a",      "--text=x=y", "-f", "--number", "12", "-ione",
                                 "-i",  "two",    "--",         "-f", NULL};

    CHECK_OK(parse(words, &v, &rest, &err), err);
    CHECK(v.flag);
    CHECK_STR(v.text, "x=y");
    CHECK_INT(v.number, 12);
    CHECK_U64(v.list.len, 2);
    CHECK_STR(v.list.ptr[1], "two");
    CHECK_U64(rest.len, 2);
    CHECK_STR(rest.ptr[1], "-f");
    word_list_reset(&v.list);
    word_list_reset(&rest);
}

TEST(refuses_what_does_not_fit_and_suggests_the_nearest)
{
    static const struct {
        const char *words[4];
        const char *message;
        const char *hint;
    } cases[] = {{{"cmd", "--txt", "x", NULL}, "no option --txt", "did you mean --text?"},
                 {{"cmd", "--text", NULL}, "--text needs a value, TEXT", NULL},
                 {{"cmd", "--flag=1", NULL}, "--flag takes no value", NULL},
                 {{"cmd", "--number", "-1", NULL}, "\"-1\" is not a whole number", NULL},
                 {{"cmd", "-x", NULL}, "no option -x", NULL}};

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(error) struct error *err = NULL;
        struct values v = {0};
        struct word_list rest = {0};

        CHECK(parse(cases[i].words, &v, &rest, &err) == -1);
        if (cases[i].hint != NULL)
            CHECK_STR(error_get_hint(err), cases[i].hint);
        error_wrap(&err, "option");
        CHECK_FAILS(-1, err, ERROR_INVALID, cases[i].message);
        word_list_reset(&rest);
    }
}
