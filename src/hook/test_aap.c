#include "hook/aap.h"

#include "base/mem.h"
#include "base/secret.h"
#include "base/test.h"
#include "base/text.h"
#include "data/obj.h"
#include "net/http_server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* An automation controller with one job template, 7. */
struct controller {
    struct http_server *server;
    char *url;
    const char *status; /* of every job */
    int launches;
    bool lose_answer; /* the answer to a launch does not arrive */
    char last_vars[1024];
    int cancels;
};

static void answer(struct http_response *response, int status, const char *text)
{
    http_response_set_status(response, status);
    http_response_write(response, text, strlen(text));
}

static void answer_jobs(struct controller *c, struct http_response *response)
{
    json_auto_t *list = obj_pack("{s:[]}", "results");

    if (c->launches > 0)
        obj_take(list, "results[]",
                 obj_pack("{s:i, s:s}", "id", 40 + c->launches, "extra_vars", c->last_vars));
    CLEANUP(str) char *text = obj_format(list);
    answer(response, 200, text);
}

static void handle(void *arg, const struct http_request *request, struct http_response *response)
{
    struct controller *c = arg;
    const char *token = http_request_header(request, "Authorization");

    if (!str_eq(token, "Bearer t0ken")) {
        answer(response, 401, "{\"detail\":\"who are you\"}");
    } else if (str_eq(request->path, "/api/")) {
        answer(response, 200, "{\"current_version\":\"/api/v2/\"}");
    } else if (str_eq(request->path, "/api/v2/jobs/")) {
        answer_jobs(c, response);
    } else if (str_eq(request->path, "/api/v2/job_templates/7/launch/")) {
        CLEANUP(error) struct error *err = NULL;
        json_auto_t *body = obj_parse(request->body, request->body_len, &err);
        CLEANUP(str) char *vars = obj_format(obj_at(body, "extra_vars"));
        snprintf(c->last_vars, sizeof(c->last_vars), "%s", vars);
        c->launches++;
        answer(response, c->lose_answer ? 502 : 201, "{\"id\":41}");
    } else if (str_eq(request->path, "/api/v2/jobs/41/")) {
        CLEANUP(str) char *text = xasprintf("{\"id\":41,\"status\":\"%s\",\"job_explanation\":"
                                            "\"no inventory\",\"started\":\"2026-01-01T00:00:00Z\"}",
                                            c->status);
        answer(response, 200, text);
    } else if (str_eq(request->path, "/api/v2/jobs/41/stdout/")) {
        answer(response, 200, "PLAY [all]\nok\n");
    } else if (str_eq(request->path, "/api/v2/jobs/41/cancel/")) {
        c->cancels++;
        answer(response, 202, "");
    } else {
        answer(response, 404, "{\"detail\":\"not found\"}");
    }
}

static void controller_start(struct controller *c)
{
    CLEANUP(error) struct error *err = NULL;

    *c = (struct controller){.status = "pending"};
    CHECK_OK(http_server_start(&(struct http_server_options){.listen = "127.0.0.1:0",
                                                             .handle = handle,
                                                             .arg = c},
                               &c->server, &err),
             err);
    c->url = xasprintf("http://127.0.0.1:%d/", http_server_port(c->server));
}

static void controller_stop(struct controller *c)
{
    http_server_stop(c->server);
    free(c->url);
}
DEFINE_CLEANUP_IN_PLACE(controller, struct controller, controller_stop)

static json_t *object(const char *name)
{
    return obj_pack("{s:{s:s, s:s, s:s}}", "metadata", "name", name, "namespace", "ns", "uid", name);
}

/* One look at the job of a hook for VM 1. */
static int look(struct controller *c, const char *token, const char *job,
                struct hook_outcome *outcome, struct error **err)
{
    json_auto_t *plan = object("plan"), *migration = object("m"), *hook = object("h");
    CLEANUP(secret) struct secret *secret = secret_new(token, strlen(token));
    const struct hook_aap aap = {.url = c->url, .token = secret};
    const struct hook_call call = {.plan = plan,
                                   .migration = migration,
                                   .hook = hook,
                                   .step = "PreHook",
                                   .vm_id = "1",
                                   .vm_name = "web"};

    obj_put_int(hook, "spec.aap.jobTemplateId", 7);
    return hook_aap_run(&aap, &call, job, NULL, outcome, err);
}

TEST(launches_a_job_once_and_follows_it)
{
    CLEANUP(controller) struct controller c;
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(hook_outcome) struct hook_outcome first = {0}, second = {0}, third = {0};

    controller_start(&c);
    CHECK_OK(look(&c, "t0ken", NULL, &first, &err), err);
    CHECK_STR(first.job, "41");
    CHECK_INT(first.state, HOOK_WAITING);
    CHECK(strstr(c.last_vars, "\"vm_name\":\"web\"") != NULL);
    CHECK(strstr(c.last_vars, "\"migration_phase\":\"PreHook\"") != NULL);

    c.status = "running";
    CHECK_OK(look(&c, "t0ken", "41", &second, &err), err);
    CHECK_INT(second.state, HOOK_RUNNING);

    c.status = "successful";
    CHECK_OK(look(&c, "t0ken", "41", &third, &err), err);
    CHECK_INT(third.state, HOOK_SUCCEEDED);
    CHECK_STR(third.output, "PLAY [all]\nok\n");
    CHECK_INT(c.launches, 1);
}

TEST(finds_a_job_whose_launch_was_answered_to_nobody)
{
    CLEANUP(controller) struct controller c;
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(hook_outcome) struct hook_outcome first = {0}, second = {0};

    controller_start(&c);
    c.lose_answer = true;
    CHECK_FAILS(look(&c, "t0ken", NULL, &first, &err), err, ERROR_UNAVAILABLE, "launch");
    CHECK_OK(look(&c, "t0ken", NULL, &second, &err), err);
    CHECK_STR(second.job, "41");
    CHECK_INT(c.launches, 1);
}

TEST(tells_why_a_job_failed)
{
    CLEANUP(controller) struct controller c;
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(hook_outcome) struct hook_outcome outcome = {0};

    controller_start(&c);
    c.status = "failed";
    CHECK_OK(look(&c, "t0ken", "41", &outcome, &err), err);
    CHECK_INT(outcome.state, HOOK_FAILED);
    CHECK_STR(outcome.message,
              "hook \"h\": job 41 of the automation controller is failed: no inventory");
}

TEST(a_wrong_token_is_denied)
{
    CLEANUP(controller) struct controller c;
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(hook_outcome) struct hook_outcome outcome = {0};

    controller_start(&c);
    CHECK_FAILS(look(&c, "wrong", NULL, &outcome, &err), err, ERROR_DENIED, "automation controller");
    CHECK_INT(c.launches, 0);
}

TEST(cancels_a_job)
{
    CLEANUP(controller) struct controller c;
    CLEANUP(error) struct error *err = NULL;

    controller_start(&c);
    CLEANUP(secret) struct secret *token = secret_new("t0ken", 5);
    const struct hook_aap aap = {.url = c.url, .token = token};
    CHECK_OK(hook_aap_cancel(&aap, "41", NULL, &err), err);
    CHECK_OK(hook_aap_cancel(&aap, "42", NULL, &err), err); /* is gone */
    CHECK_INT(c.cancels, 1);
}

TEST(the_time_limit_comes_from_the_nearest_that_names_one)
{
    json_auto_t *bare = json_object();
    json_auto_t *deadline = obj_pack("{s:{s:i}}", "spec", "deadline", 60);
    json_auto_t *endless = obj_pack("{s:{s:i, s:{s:i}}}", "spec", "deadline", 60, "aap", "timeout",
                                    -1);

    CHECK_INT(hook_aap_limit_s(bare, 0), 3600);
    CHECK_INT(hook_aap_limit_s(bare, 30), 30);
    CHECK_INT(hook_aap_limit_s(deadline, 30), 60);
    CHECK_INT(hook_aap_limit_s(endless, 30), -1);
}
