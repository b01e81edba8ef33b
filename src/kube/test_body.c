#include "kube/body.h"

#include "base/test.h"
#include "base/text.h"
#include "data/obj.h"

#include <stdlib.h>

TEST(reports_duplicates_and_keeps_the_last)
{
    CLEANUP(error) struct error *err = NULL;
    struct str_list duplicates = {0};
    const char *text = "{\"a\": {\"b\": 1, \"b\": 2}, \"c\": [{\"x\": \"}\\\"\", \"x\": null}]}";
    json_t *o = NULL;

    CHECK_OK(body_parse(text, strlen(text), &o, &duplicates, &err), err);
    CHECK_INT(obj_int(o, "a.b", 0), 2);
    CHECK_U64(duplicates.len, 2);
    CHECK_STR(duplicates.ptr[0], "a.b");
    CHECK_STR(duplicates.ptr[1], "c[0].x");
    str_list_free_all(&duplicates);
    json_decref(o);
}

TEST(refuses_what_is_no_json_even_with_duplicates)
{
    static const char *const bodies[] = {"",
                                         "{",
                                         "{\"a\":1,\"a\":}",
                                         "{\"a\":1,\"a\":2",
                                         "[1,]",
                                         "{\"a\":1 \"a\":2}",
                                         "{\"a\":1,\"\\u0061\":2}",
                                         "{\"a\":1,\"a\":2} x"};

    for (size_t i = 0; i < ARRAY_SIZE(bodies); i++) {
        CLEANUP(error) struct error *err = NULL;
        struct str_list duplicates = {0};
        json_t *o = NULL;

        CHECK_FAILS(body_parse(bodies[i], strlen(bodies[i]), &o, &duplicates, &err), err,
                    ERROR_INVALID, "");
        CHECK(o == NULL);
        str_list_free_all(&duplicates);
    }
}

TEST(says_what_strict_and_warn_say)
{
    struct str_list unknown = {0}, duplicates = {0}, warnings = {0};

    CHECK(body_strict_message("Plan", "v1beta1", &unknown, &duplicates) == NULL);
    str_list_push(&unknown, strdup("spec.a"));
    str_list_push(&duplicates, strdup("spec.b"));

    CLEANUP(str) char *message = body_strict_message("Plan", "v1beta1", &unknown, &duplicates);

    CHECK_STR(message, "Plan in version \"v1beta1\" cannot be handled as a Plan: strict decoding "
                       "error: unknown field \"spec.a\", duplicate field \"spec.b\"");
    body_warnings(&unknown, &duplicates, &warnings);
    CHECK_STR(warnings.ptr[0], "unknown field \"spec.a\"");
    CHECK_STR(warnings.ptr[1], "duplicate field \"spec.b\"");
    str_list_free_all(&unknown);
    str_list_free_all(&duplicates);
    str_list_free_all(&warnings);
}

TEST(reads_the_parameter)
{
    CLEANUP(error) struct error *err = NULL;
    enum field_validation value = FIELD_IGNORE;

    CHECK_OK(field_validation_parse(NULL, &value, &err), err);
    CHECK_INT(value, FIELD_WARN);
    CHECK_OK(field_validation_parse("Strict", &value, &err), err);
    CHECK_INT(value, FIELD_STRICT);
    CHECK_FAILS(field_validation_parse("strict", &value, &err), err, ERROR_INVALID,
                "Unsupported value: \"strict\"");
}
