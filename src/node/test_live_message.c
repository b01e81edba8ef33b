#include "node/live/message.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/test.h"
#include "base/text.h"

#include <string.h>

#define DISKS "[{\"name\": \"root\", \"target\": \"vda\", \"sizeBytes\": 7}]"
#define QUESTION                                                                                   \
    "{\"id\": \"0c7c6b4e-93f0-4a3e-8a25-7b6f1f3f2c11\", \"node\": \"a\", \"namespace\": \"n\","          \
    " \"name\": \"m\", \"vmiUID\": \"u\", \"domain\": \"n_m\", \"folder\": \"/f\", \"machine\":"         \
    " {\"uuid\": \"u\", \"type\": \"qemu\", \"arch\": \"x86_64\", \"machine\": \"q35\","                 \
    " \"memoryKiB\": \"65536\", \"disks\": " DISKS "}}"
#define PLAN "{\"node\": \"b\", \"domain\": \"n_m\", \"namespace\": \"n\", \"vmiUID\": \"u\", \"copied\": [\"vda\"]}"

static int check_hello(const json_t *message, struct error **err)
{
    struct live_hello hello;

    return live_hello_read(message, &hello, err);
}

/* TEXT, its first WHAT (NULL: nothing) replaced by WITH. */
static json_t *variant(const char *text, const char *what, const char *with)
{
    CLEANUP(error) struct error *err = NULL;
    const char *at = what == NULL ? NULL : strstr(text, what);

    CHECK(what == NULL || at != NULL);
    CLEANUP(str) char *changed =
        at == NULL ? xstrdup(text)
                   : xasprintf("%.*s%s%s", (int)(at - text), text, with, at + strlen(what));
    json_t *message = obj_parse(changed, strlen(changed), &err);

    CHECK(message != NULL);
    return message;
}

TEST(takes_what_homes_say)
{
    CLEANUP(error) struct error *err = NULL;
    json_auto_t *question = variant(QUESTION, NULL, ""), *plan = variant(PLAN, NULL, "");
    json_auto_t *hello = variant("{\"migrationID\": \"m\", \"channel\": \"virt\", \"more\": 1}", NULL, "");

    CHECK_OK(live_question_check(question, &err), err);
    CHECK_OK(live_plan_check(plan, &err), err);
    CHECK_OK(check_hello(hello, &err), err);
}

TEST(refuses_what_is_missing_or_of_another_form_and_says_where)
{
    static const struct {
        int (*check)(const json_t *message, struct error **err);
        const char *text, *what, *with, *message;
    } cases[] = {
        {live_question_check, QUESTION, "\"node\": \"a\",", "", "node"},
        {live_question_check, QUESTION, "\"a\"", "7", "node"},
        {live_question_check, QUESTION, "0c7c6b4e", "../../..", "\"id\" is no UUID"},
        {live_question_check, QUESTION, "\"65536\"", "65536", "memoryKiB"},
        {live_question_check, QUESTION, DISKS, "{}", "is no list"},
        {live_question_check, QUESTION, "\"vda\"", "\"vda/../x\"", "disks[0]"},
        {live_question_check, QUESTION, "\"vda\"", "null", "disks[0]"},
        {live_question_check, QUESTION, "\"sizeBytes\": 7", "\"sizeBytes\": -7",
         "\"sizeBytes\" is no number"},
        {live_question_check, QUESTION, "\"sizeBytes\": 7", "\"sizeBytes\": \"7\"",
         "\"sizeBytes\" is no number"},
        {live_plan_check, PLAN, "\"domain\": \"n_m\",", "", "domain"},
        {live_plan_check, PLAN, ", \"copied\": [\"vda\"]", "", "is no list"},
        {live_plan_check, PLAN, "[\"vda\"]", "[null]", "copied[0]"},
        {live_plan_check, PLAN, "[\"vda\"]", "[\"vda\", \"\"]", "copied[1]"},
        {check_hello, "{\"migrationID\": \"m\"}", NULL, "", "channel"},
        {check_hello, "[]", NULL, "", "migrationID"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(error) struct error *err = NULL;
        json_auto_t *message = variant(cases[i].text, cases[i].what, cases[i].with);

        CHECK(cases[i].check(message, &err) == -1);
        CLEANUP(str) char *text = error_format(err);
        if (strstr(text, cases[i].message) == NULL)
            test_fail(__FILE__, __LINE__, "case %zu: \"%s\" does not say \"%s\"", i, text,
                      cases[i].message);
    }
}

TEST(refuses_more_than_the_limits)
{
    CLEANUP(error) struct error *err = NULL, *second = NULL, *third = NULL;
    json_auto_t *question = variant(QUESTION, NULL, ""), *plan = variant(PLAN, NULL, "");
    json_auto_t *hello = variant("{\"channel\": \"virt\"}", NULL, "");
    char id[LIVE_ID_MAX + 2] = {0};

    for (int i = 0; i < LIVE_DISKS_MAX; i++) {
        json_array_append(obj_at(question, "machine.disks"), obj_at(question, "machine.disks[0]"));
        json_array_append_new(obj_at(plan, "copied"), json_string("vdb"));
    }
    CHECK_FAILS(live_question_check(question, &err), err, ERROR_INVALID,
                "the source's \"machine.disks\" is no list of up to 256 disks");
    CHECK_FAILS(live_plan_check(plan, &second), second, ERROR_INVALID,
                "the target's \"copied\" is no list of up to 256 disks");
    memset(id, 'x', LIVE_ID_MAX + 1);
    obj_put_str(hello, "migrationID", id);
    CHECK_FAILS(check_hello(hello, &third), third, ERROR_INVALID,
                "a migration's ID of 254 bytes, more than 253");
}
