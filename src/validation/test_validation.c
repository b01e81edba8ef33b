#include "validation/internal.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/test.h"
#include "data/obj.h"
#include "lang/rego/json.h"
#include "net/http_server.h"

#include <stdlib.h>

struct reply {
    int status;
    struct buf body;
};

static bool on_start(void *arg, int status, const struct http_header *headers, size_t count)
{
    ((struct reply *)arg)->status = status;
    return true;
}

static bool on_write(void *arg, const void *data, size_t len)
{
    buf_append(&((struct reply *)arg)->body, data, len);
    return true;
}

/* The answer as JSON; owned. */
static json_t *ask(struct validation *v, const char *method, const char *path, const char *query,
                   const char *body, int *status)
{
    struct reply reply = {.body = BUF_INIT(1024 * 1024)};
    const struct http_sink sink = {
        .start = on_start, .write = on_write, .arg = &reply, .deadline = deadline_after(10000)};
    const struct http_request request = {
        .method = method, .path = path, .query = query, .body = body, .body_len = strlen(body)};
    struct http_response *response = http_response_new(&sink);
    validation_handle(v, &request, response);
    http_response_finish(response);
    http_response_free(response);
    *status = reply.status;
    json_t *answer = json_loadb(reply.body.ptr, reply.body.len, JSON_DECODE_ANY, NULL);
    buf_reset(&reply.body);
    return answer;
}

static struct validation *start(const char *folder)
{
    CLEANUP(error) struct error *err = NULL;
    struct validation *v = NULL;
    const struct validation_options options = {.folder = folder, .interval_ms = 20};
    CHECK_OK(validation_start(&options, &v, &err), err);
    return v;
}

TEST(answers_as_the_data_api_does)
{
    CLEANUP(validation) struct validation *v = start(NULL);
    int status;
    json_auto_t *version =
        ask(v, "GET", "/v1/data/io/konveyor/forklift/vmware/rules_version", "", "", &status);
    CHECK_INT(status, 200);
    CHECK_INT(obj_int(version, "result.rules_version", 0), 5);

    json_auto_t *found = ask(v, "POST", "/v1/data/io/konveyor/forklift/vmware/validate", "",
                             "{\"input\": {\"name\": \"web\", \"tpmEnabled\": true}}", &status);
    CHECK_INT(status, 200);
    CHECK_INT(obj_int(found, "result.rules_version", 0), 5);
    CHECK_U64(obj_count(found, "result.errors"), 0);
    CHECK_U64(obj_count(found, "result.concerns"), 1);
    CHECK_STR(obj_str(found, "result.concerns[0].id", ""), "vmware.tpm.detected");

    json_auto_t *none = ask(v, "GET", "/v1/data/no/such/thing", "", "", &status);
    CHECK_INT(status, 200);
    CHECK_U64(json_object_size(none), 0);
}

TEST(takes_the_input_of_a_get_from_its_parameter)
{
    CLEANUP(validation) struct validation *v = start(NULL);
    int status;
    json_auto_t *found = ask(v, "GET", "/v1/data/io/konveyor/forklift/ova/concerns",
                             "input=%7B%22name%22%3A%22a_b%22%7D&pretty=true", "", &status);
    CHECK_INT(status, 200);
    CHECK_STR(obj_str(found, "result[0].id", ""), "ova.name.invalid");
}

TEST(an_answer_has_metrics_and_an_explanation_if_asked)
{
    CLEANUP(validation) struct validation *v = start(NULL);
    int status;
    json_auto_t *found = ask(v, "POST", "/v1/data/io/konveyor/forklift/ova/concerns",
                             "metrics=true&explain=notes", "{\"input\": {\"name\": \"a_b\"}}",
                             &status);
    CHECK_INT(status, 200);
    CHECK_STR(obj_str(found, "result[0].id", ""), "ova.name.invalid");
    CHECK(obj_int(found, "metrics.timer_rego_query_eval_ns", -1) >= 0);
    CHECK(obj_int(found, "metrics.timer_server_handler_ns", -1) >
          obj_int(found, "metrics.timer_rego_query_eval_ns", -1));
    CHECK(obj_int(found, "metrics.counter_eval_steps", 0) > 0);
    const json_t *lines = obj_arr(found, "explanation");
    bool is_named = false;
    for (size_t i = 0; i < json_array_size(lines); i++)
        is_named = is_named || str_starts_with(json_string_value(json_array_get(lines, i)),
                                               "policies/ova/name.rego:");
    CHECK(is_named);

    json_auto_t *plain = ask(v, "POST", "/v1/data/io/konveyor/forklift/ova/concerns",
                             "metrics=false&explain=off", "{}", &status);
    CHECK(obj_at(plain, "metrics") == NULL && obj_at(plain, "explanation") == NULL);
}

TEST(refuses_what_it_cannot_read)
{
    static const struct {
        const char *method, *path, *body;
        int status;
    } cases[] = {
        {"POST", "/v1/data/a", "{\"input\": ", 400},
        {"POST", "/v1/data/a", "[1]", 400},
        {"PUT", "/v1/data/a", "{}", 405},
        {"GET", "/v1/policies", "", 404},
        {"GET", "/v1/database", "", 404},
    };
    CLEANUP(validation) struct validation *v = start(NULL);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        int status;
        json_auto_t *answer = ask(v, cases[i].method, cases[i].path, "", cases[i].body, &status);
        CHECK_INT(status, cases[i].status);
        CHECK(obj_str(answer, "message", NULL) != NULL);
    }
}

static void write_rule(const char *dir, const char *name, const char *text)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(str) char *path = path_join(dir, name);
    CHECK_OK(file_write(path, text, strlen(text), 0600, &err), err);
}

TEST(a_bad_rule_leaves_the_old_ones_in_force)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(rules) struct rules *rules = rules_new(NULL, &err);
    int64_t revision = -1;
    json_auto_t *good = obj_pack(
        "{s:s}", "mine.rego",
        "package io.konveyor.forklift.vmware\n\nconcerns[flag] {\n\tcount(input.disks) > 1\n\tflag "
        ":= {\"id\": \"mine\", \"category\": \"Warning\", \"label\": \"l\", \"assessment\": "
        "\"a\"}\n}\n");
    json_auto_t *bad = obj_pack("{s:s}", "mine.rego", "package a\n\np { x > 1 }\n");

    CHECK(rules != NULL);
    CHECK_INT(rules_update(rules, good, "here"), 1);
    CHECK_INT(rules_update(rules, good, "here"), 0);
    CHECK_INT(rules_update(rules, bad, "here"), -1);
    json_auto_t *trouble = rules_get_trouble(rules);
    CHECK_STR(obj_str(trouble, "file", ""), "mine.rego");
    CHECK_INT(obj_int(trouble, "line", 0), 3);
    CHECK_STR(obj_str(trouble, "message", ""), "var x is unsafe");

    CLEANUP(rego) struct rego *set = rules_get(rules, &revision);
    CHECK_INT(revision, 1);
    CHECK_INT(rules_update(rules, good, "here"), 0);
    CHECK(rules_get_trouble(rules) == NULL);
}

TEST(kept_rules_are_in_force_again)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(str) char *prefix = path_join(test_dir(), "rules.");
    CLEANUP(str) char *dir = dir_make_temp(prefix, &err);
    json_auto_t *texts = obj_pack("{s:s}", "b.rego", "package a\n\nq { data.limit == 3 }\n");
    json_auto_t *bad = obj_pack("{s:s}", "b.rego", "package a\n\nq { x > 1 }\n");
    write_rule(dir, "a.rego", "package a\n\nimport rego.v1\n\np := 1\n");
    write_rule(dir, "data.json", "{\"limit\": 3}");
    CLEANUP(rules) struct rules *rules = rules_new(dir, &err);
    CHECK_INT(rules_update(rules, texts, "here"), 1);
    json_auto_t *kept = rules_get_kept(rules);
    CHECK_INT((int)json_array_size(obj_arr(kept, "files")), 3);

    CLEANUP(rules) struct rules *later = rules_new(dir, &err);
    CHECK_OK(rules_restore(later, kept, &err), err);
    CHECK_INT(rules_update(later, bad, "here"), -1);
    json_auto_t *same = rules_get_kept(later);
    CHECK(json_equal(same, kept));
    CHECK_INT(rules_update(later, texts, "here"), 0);
    int64_t revision = 0;
    CLEANUP(rego) struct rego *set = rules_get(later, &revision);
    CHECK_INT(revision, 1);
}

TEST(refuses_kept_rules_that_are_none)
{
    static const char *const cases[] = {
        "{\"revision\": 4, \"files\": [{\"name\": \"a.rego\"}]}",
        "{\"revision\": 4, \"files\": [{\"name\": \"a.rego\", \"text\": \"package\"}]}",
        "{\"revision\": 4, \"files\": [{\"name\": \"a.json\", \"text\": \"[\"}]}",
        "{\"revision\": 4, \"files\": [1]}",
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(error) struct error *err = NULL;
        CLEANUP(rules) struct rules *rules = rules_new(NULL, &err);
        json_auto_t *kept = obj_parse(cases[i], strlen(cases[i]), &err);
        CHECK_INT(rules_restore(rules, kept, &err), -1);
        CHECK_INT(rules_update(rules, NULL, "here"), 0); /* the default policies are in force */
    }
}

TEST(the_version_grows_with_the_content_of_a_folder)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(str) char *prefix = path_join(test_dir(), "rules.");
    CLEANUP(str) char *dir = dir_make_temp(prefix, &err);
    write_rule(dir, "a.rego", "package a\n\nimport rego.v1\n\np := 1\n");
    CLEANUP(rules) struct rules *rules = rules_new(dir, &err);
    int64_t revision;

    CHECK_INT(rules_update(rules, NULL, "here"), 1);
    write_rule(dir, "a.rego", "package a\n\nimport rego.v1\n\np := 2\n");
    CHECK_INT(rules_update(rules, NULL, "here"), 1);
    CLEANUP(rego) struct rego *set = rules_get(rules, &revision);
    CHECK_INT(revision, 2);
}

/* --- swaps under load ------------------------------------------------------------------------- */

enum { READERS = 8, SWAPS = 50 }; /* GANTRY_SWAPS says another number */

struct load {
    struct rules *rules;
    _Atomic bool stop;
    _Atomic long evaluations, torn;
};

/* The two parts of each set hold one number: a half-taken set would show two. */
static void *read_all(void *arg)
{
    struct load *load = (struct load *)arg;
    const char *path[] = {"swap"};
    struct rego_eval *eval = NULL;
    while (!load->stop) {
        int64_t revision;
        CLEANUP(rego) struct rego *set = rules_get(load->rules, &revision);
        CLEANUP(rego_query) struct rego_query *query = rego_query_path(set, path, 1);
        const struct rval *result = NULL;
        struct rego_failure failure;
        if (eval == NULL)
            eval = rego_eval_new(set, NULL);
        rego_eval_use(eval, set);
        rego_eval_clear(eval);
        bool ok = rego_eval_run(eval, query, NULL, &result, &failure) == 0 && result != NULL;
        const struct rval *a = ok ? rval_get_str(result, "a") : NULL;
        const struct rval *b = ok ? rval_get_str(result, "b") : NULL;
        if (a == NULL || b == NULL || !rval_eq(a, b))
            load->torn++;
        load->evaluations++;
    }
    rego_eval_free(eval);
    return NULL;
}

static void swap(struct load *load, int n)
{
    CLEANUP(str) char *a = xasprintf("package swap\n\na = %d\n", n);
    CLEANUP(str) char *b = xasprintf("package swap\n\nb = %d\n", n);
    json_auto_t *texts = obj_pack("{s:s, s:s}", "a.rego", a, "b.rego", b);
    CHECK_INT(rules_update(load->rules, texts, "here"), 1);
}

TEST(no_evaluation_sees_half_a_set)
{
    CLEANUP(error) struct error *err = NULL;
    struct load load = {.rules = rules_new(NULL, &err)};
    const char *wanted = getenv("GANTRY_SWAPS");
    int swaps = wanted != NULL ? (int)strtol(wanted, NULL, 10) : SWAPS;
    struct thread threads[READERS] = {0};

    swap(&load, 0);
    for (int i = 0; i < READERS; i++)
        CHECK_OK(thread_start(&threads[i], "reader", read_all, &load, &err), err);
    for (int n = 1; n <= swaps; n++)
        swap(&load, n);
    load.stop = true;
    for (int i = 0; i < READERS; i++)
        thread_join(&threads[i]);
    CHECK(load.evaluations > 0);
    CHECK_INT(load.torn, 0);
    rules_free(load.rules);
}
