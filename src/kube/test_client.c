#include "kube/client.h"

#include "base/mem.h"
#include "base/test.h"
#include "base/text.h"
#include "data/obj.h"
#include "kube/fake_api.h"
#include "kube/kinds.h"
#include "kube/meta.h"
#include "kube/status.h"

#include <stdlib.h>

/* A transport that keeps the last request and gives prepared answers. */
struct script {
    char *method, *path, *content_type, *body;
    int statuses[4];
    const char *answers[4];
    int at;
};

static void keep(char **to, const char *text)
{
    free(*to);
    *to = text != NULL ? xstrdup(text) : NULL;
}

static int script_request(void *self, const struct kube_request *request, int *status, char **body,
                          size_t *body_len, struct error **err)
{
    struct script *script = self;

    keep(&script->method, request->method);
    keep(&script->path, request->path);
    keep(&script->content_type, request->content_type);
    keep(&script->body, request->body);
    *status = script->statuses[script->at];
    *body = xstrdup(script->answers[script->at]);
    *body_len = strlen(*body);
    script->at++;
    return 0;
}

static int script_stream(void *self, const struct kube_request *request, int *status,
                         bool (*on_data)(void *arg, const char *data, size_t len), void *arg,
                         struct error **err)
{
    struct script *script = self;

    keep(&script->path, request->path);
    *status = script->statuses[script->at];
    for (; script->answers[script->at] != NULL; script->at++)
        if (!on_data(arg, script->answers[script->at], strlen(script->answers[script->at])))
            break;
    return 0;
}

static void script_free(void *self)
{
    struct script *script = self;

    free(script->method);
    free(script->path);
    free(script->content_type);
    free(script->body);
}

static const struct kube_transport_ops script_ops = {script_request, script_stream, script_free};

TEST(asks_by_the_right_paths)
{
    CLEANUP(error) struct error *err = NULL;
    struct script script = {.statuses = {200, 200, 200, 404}, .answers = {"{}", "{}", "{}", "no"}};
    CLEANUP(kube_client) struct kube_client *client = kube_client_new(&script_ops, &script);
    json_auto_t *object = meta_new(&KIND_PLAN, "prod", "web");
    json_t *out = NULL;

    CHECK_OK(kube_get(client, &KIND_PLAN, "prod", "web", &out, &err), err);
    json_decref(out);
    CHECK_STR(script.path, "/apis/forklift.konveyor.io/v1beta1/namespaces/prod/plans/web");
    CHECK_OK(kube_get(client, &KIND_NODE, NULL, "n/1", &out, &err), err);
    json_decref(out);
    CHECK_STR(script.path, "/api/v1/nodes/n%2F1");
    CHECK_OK(kube_update_status(client, &KIND_PLAN, object, NULL, &err), err);
    CHECK_STR(script.method, "PUT");
    CHECK_STR(script.path, "/apis/forklift.konveyor.io/v1beta1/namespaces/prod/plans/web/status");
    CHECK_OK(kube_get(client, &KIND_PLAN, "prod", "none", &out, &err), err);
    CHECK(out == NULL);
}

TEST(sends_selectors_and_patches)
{
    CLEANUP(error) struct error *err = NULL;
    struct script script = {.statuses = {200, 200, 200}, .answers = {"{\"items\":[]}", "{}", "{}"}};
    CLEANUP(kube_client) struct kube_client *client = kube_client_new(&script_ops, &script);
    struct kube_list_options options = {"plan=a,vm in (b)", "status.phase=Failed"};
    json_auto_t *items = NULL;
    json_auto_t *patch = obj_pack("{s:{s:n}}", "spec", "x");

    CHECK_OK(kube_list(client, &KIND_POD, NULL, &options, &items, &err), err);
    CHECK_STR(script.path, "/api/v1/pods?labelSelector=plan%3Da%2Cvm%20in%20%28b%29"
                           "&fieldSelector=status.phase%3DFailed&limit=500");
    CHECK_OK(kube_patch(client, &KIND_POD, "a", "b", "status", patch, NULL, &err), err);
    CHECK_STR(script.content_type, "application/merge-patch+json");
    CHECK_STR(script.body, "{\"spec\":{\"x\":null}}");
    CHECK_OK(kube_delete(client, &KIND_POD, "a", "b", "u1", KUBE_DELETE_FOREGROUND, &err), err);
    CHECK_STR(script.body,
              "{\"apiVersion\":\"v1\",\"kind\":\"DeleteOptions\","
              "\"propagationPolicy\":\"Foreground\",\"preconditions\":{\"uid\":\"u1\"}}");
}

TEST(tells_refusals_apart)
{
    static const struct {
        int status;
        const char *reason;
        enum error_code code;
    } cases[] = {
        {400, "BadRequest", ERROR_INVALID},
        {401, "Unauthorized", ERROR_DENIED},
        {403, "Forbidden", ERROR_DENIED},
        {404, "NotFound", ERROR_NOT_FOUND},
        {409, "AlreadyExists", ERROR_EXISTS},
        {409, "Conflict", ERROR_CONFLICT},
        {410, "Expired", ERROR_EXPIRED},
        {415, "UnsupportedMediaType", ERROR_UNSUPPORTED},
        {422, "Invalid", ERROR_INVALID},
        {429, "TooManyRequests", ERROR_BUSY},
        {500, "InternalError", ERROR_UNAVAILABLE},
        {503, "ServiceUnavailable", ERROR_UNAVAILABLE},
        {504, "Timeout", ERROR_TIMEOUT},
        {599, "", ERROR_UNAVAILABLE},
        {499, "", ERROR_INVALID},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(error) struct error *err = NULL;
        CLEANUP(str)
        char *body = xasprintf("{\"reason\":\"%s\",\"message\":\"words of it\"}", cases[i].reason);

        CHECK_FAILS(status_to_error(cases[i].status, body, strlen(body), &err), err, cases[i].code,
                    "words of it");
    }
    CLEANUP(error) struct error *err = NULL;
    CHECK_FAILS(status_to_error(502, "<html>", 6, &err), err, ERROR_UNAVAILABLE,
                "HTTP status 502: <html>");
    CHECK_FAILS(status_to_error(502, NULL, 0, &err), err, ERROR_UNAVAILABLE, "HTTP status 502");
}

TEST(names_what_it_could_not_do)
{
    CLEANUP(error) struct error *err = NULL;
    struct script script = {.statuses = {403, 200}, .answers = {"{\"message\":\"not you\"}", "{"}};
    CLEANUP(kube_client) struct kube_client *client = kube_client_new(&script_ops, &script);
    json_auto_t *out = NULL;

    CHECK_FAILS(kube_get(client, &KIND_SECRET, "prod", "vc", &out, &err), err, ERROR_DENIED,
                "cannot read secrets \"prod/vc\": not you");
    CHECK_FAILS(kube_get(client, &KIND_SECRET, "prod", "vc", &out, &err), err, ERROR_CORRUPT,
                "not JSON");
}

TEST(comes_back_when_the_server_asks_for_it)
{
    CLEANUP(error) struct error *err = NULL;
    struct script script = {
        .statuses = {429, 200, 429},
        .answers = {"{\"details\":{\"retryAfterSeconds\":1}}", "{}",
                    "{\"details\":{\"retryAfterSeconds\":3000},\"message\":\"busy\"}"}};
    CLEANUP(kube_client) struct kube_client *client = kube_client_new(&script_ops, &script);
    json_auto_t *out = NULL;

    CHECK_OK(kube_get(client, &KIND_POD, "a", "b", &out, &err), err);
    CHECK_INT(script.at, 2);
    CHECK_FAILS(kube_patch(client, &KIND_POD, "a", "b", NULL, out, NULL, &err), err, ERROR_BUSY,
                "busy");
}

TEST(follows_pages_and_completes_items)
{
    CLEANUP(error) struct error *err = NULL;
    struct fake_api *api = fake_api_new();
    struct kube_client *client = fake_api_client(api);
    json_auto_t *items = NULL;
    CLEANUP(str) char *version = NULL;

    for (int i = 0; i < 8; i++) {
        char name[] = {'v', (char)('0' + i), '\0'};
        fake_api_put(api, "a", name, "x");
    }
    CHECK_OK(kube_list_at(client, &FAKE_KIND, "a", NULL, NULL, &items, &version, &err), err);
    CHECK_U64(json_array_size(items), 8);
    CHECK_STR(version, "108");
    CHECK_STR(obj_str(json_array_get(items, 7), "kind", NULL), "Thing");
    CHECK_STR(obj_str(json_array_get(items, 7), "apiVersion", NULL), "example.org/v1");
    CHECK_INT(fake_api_lists(api), 1);
    kube_client_free(client);
    fake_api_free(api);
}

TEST(a_list_that_expires_between_pages_starts_again)
{
    CLEANUP(error) struct error *err = NULL;
    struct script script = {
        .statuses = {200, 410, 200},
        .answers = {"{\"items\":[{}],\"metadata\":{\"continue\":\"x\"}}", "{}",
                    "{\"items\":[{},{}],\"metadata\":{\"resourceVersion\":\"7\"}}"}};
    CLEANUP(kube_client) struct kube_client *client = kube_client_new(&script_ops, &script);
    json_auto_t *items = NULL;

    CHECK_OK(kube_list(client, &KIND_POD, "a", NULL, &items, &err), err);
    CHECK_U64(json_array_size(items), 2);
}

static bool count_events(void *arg, const json_t *event)
{
    return ++*(int *)arg < 3;
}

TEST(splits_a_watch_into_events)
{
    CLEANUP(error) struct error *err = NULL;
    struct script script = {.statuses = {200},
                            .answers = {"{\"type\":\"ADDED\",\"obj",
                                        "ect\":{}}\n{\"type\":\"MODIFIED\"}\n\n{\"typ",
                                        "e\":\"DELETED\"}\n{\"type\":\"ADDED\"}\n"}};
    CLEANUP(kube_client) struct kube_client *client = kube_client_new(&script_ops, &script);
    int count = 0;

    CHECK_OK(kube_watch(client, &KIND_POD, "a", NULL, "42", NULL, count_events, &count, &err), err);
    CHECK_INT(count, 3);
    CHECK_STR(script.path, "/api/v1/namespaces/a/pods?watch=true&allowWatchBookmarks=true"
                           "&timeoutSeconds=300&resourceVersion=42");
}

TEST(a_watch_fails_by_status_by_event_and_by_nonsense)
{
    static const struct {
        int status;
        const char *answer;
        enum error_code code;
        const char *part;
    } cases[] = {
        {403, "{\"message\":\"no\"}", ERROR_DENIED, "cannot watch pods: no"},
        {200,
         "{\"type\":\"ERROR\",\"object\":{\"code\":410,\"reason\":\"Expired\",\"message\":\"old\"}}"
         "\n",
         ERROR_EXPIRED, "old"},
        {200, "nonsense\n", ERROR_CORRUPT, "line 1, column 1"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(error) struct error *err = NULL;
        struct script script = {.statuses = {cases[i].status}, .answers = {cases[i].answer}};
        CLEANUP(kube_client) struct kube_client *client = kube_client_new(&script_ops, &script);
        int count = 0;

        CHECK_FAILS(
            kube_watch(client, &KIND_POD, NULL, NULL, "1", NULL, count_events, &count, &err), err,
            cases[i].code, cases[i].part);
        CHECK_INT(count, 0);
    }
}

TEST(creates_updates_and_deletes)
{
    CLEANUP(error) struct error *err = NULL;
    struct fake_api *api = fake_api_new();
    struct kube_client *client = fake_api_client(api);
    json_auto_t *object = obj_pack("{s:{s:s}}", "metadata", "name", "x");
    json_auto_t *made = NULL;

    CHECK_OK(kube_create(client, &FAKE_KIND, "a", object, &made, &err), err);
    CHECK_STR(obj_str(made, "kind", NULL), "Thing");
    CHECK(obj_str(object, "kind", NULL) == NULL);
    CHECK_FAILS(kube_create(client, &FAKE_KIND, "a", object, NULL, &err), err, ERROR_EXISTS,
                "cannot create things \"a/x\"");
    CHECK_OK(kube_update(client, &FAKE_KIND, made, NULL, &err), err);
    CHECK_FAILS(kube_update(client, &FAKE_KIND, made, NULL, &err), err, ERROR_CONFLICT, "Conflict");

    CHECK_OK(kube_delete(client, &FAKE_KIND, "a", "x", "other", KUBE_DELETE_BACKGROUND, &err), err);
    json_auto_t *kept = NULL;
    CHECK_OK(kube_get(client, &FAKE_KIND, "a", "x", &kept, &err), err);
    CHECK(kept != NULL);
    CHECK_OK(
        kube_delete(client, &FAKE_KIND, "a", "x", meta_uid(made), KUBE_DELETE_BACKGROUND, &err),
        err);
    CHECK_OK(kube_delete(client, &FAKE_KIND, "a", "x", NULL, KUBE_DELETE_BACKGROUND, &err), err);
    kube_client_free(client);
    fake_api_free(api);
}

TEST(gives_a_log_up_to_a_size)
{
    CLEANUP(error) struct error *err = NULL;
    struct script script = {.statuses = {200}, .answers = {"0123456789"}};
    CLEANUP(kube_client) struct kube_client *client = kube_client_new(&script_ops, &script);
    CLEANUP(str) char *text = NULL;

    CHECK_OK(kube_pod_log(client, "a", "p", "main", 5, 4, &text, &err), err);
    CHECK_STR(text, "0123");
    CHECK_STR(script.path,
              "/api/v1/namespaces/a/pods/p/log?container=main&tailLines=5&limitBytes=4");
}
