/* The Status of each kind of failure, as a real kube-apiserver 1.32 answers it: code, reason,
 * message, details and causes. */
#include "apiserver/test_home.h"
#include "base/array.h"
#include "base/mem.h"
#include "base/test.h"
#include "base/text.h"
#include "apiserver/user.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CM "/api/v1/namespaces/default/configmaps"
#define NM "/apis/forklift.konveyor.io/v1beta1/namespaces/default/networkmaps"
#define OVA_SERVERS "/apis/forklift.konveyor.io/v1beta1/namespaces/default/ovaproviderservers"
#define MERGE "application/merge-patch+json"
#define JSON_PATCH "application/json-patch+json"
#define STRATEGIC "application/strategic-merge-patch+json"
#define APPLY "application/apply-patch+yaml"
#define PAIR "{\"name\":\"p\",\"namespace\":\"d\"}"
#define NETWORK_MAP(name, type, more)                                                              \
    "{\"apiVersion\":\"forklift.konveyor.io/v1beta1\",\"kind\":\"NetworkMap\",\"metadata\":{"       \
    "\"name\":\"" name "\"},\"spec\":{\"map\":[{\"source\":{\"id\":\"x\"},\"destination\":{"        \
    "\"type\":\"" type "\"}}],\"provider\":{\"source\":" PAIR ",\"destination\":" PAIR "}" more "}}"

/* NULL: there is none, or it is not looked at (message).  CAUSES is a line "reason field message"
 * for each. */
struct expected {
    const char *method, *path, *body, *type, *user;
    int code;
    const char *reason, *message, *message_start;
    const char *kind, *group, *name;
    const char *causes;
    int retry_s;
};

/* clang-format off */
static const struct expected table[] = {
    {.method = "GET", .path = CM "/none", .code = 404, .reason = "NotFound",
     .message = "configmaps \"none\" not found", .kind = "configmaps", .name = "none"},
    {.method = "GET", .path = NM "/none", .code = 404, .reason = "NotFound",
     .message = "networkmaps.forklift.konveyor.io \"none\" not found",
     .kind = "networkmaps", .group = "forklift.konveyor.io", .name = "none"},
    {.method = "POST", .path = "/api/v1/namespaces/none/configmaps",
     .body = "{\"metadata\":{\"name\":\"a\"}}", .code = 404, .reason = "NotFound",
     .message = "namespaces \"none\" not found", .kind = "namespaces", .name = "none"},
    {.method = "POST", .path = CM, .body = "{\"metadata\":{\"name\":\"there\"}}", .code = 409,
     .reason = "AlreadyExists", .message = "configmaps \"there\" already exists",
     .kind = "configmaps", .name = "there"},
    {.method = "PUT", .path = CM "/there",
     .body = "{\"metadata\":{\"name\":\"there\",\"resourceVersion\":\"1\"},\"data\":{\"z\":\"z\"}}",
     .code = 409, .reason = "Conflict",
     .message = "Operation cannot be fulfilled on configmaps \"there\": the object has been "
                "modified; please apply your changes to the latest version and try again",
     .kind = "configmaps", .name = "there"},
    {.method = "PATCH", .path = CM "/there", .type = MERGE,
     .body = "{\"metadata\":{\"resourceVersion\":\"1\"},\"data\":{\"z\":\"z\"}}",
     .code = 409, .reason = "Conflict",
     .message = "Operation cannot be fulfilled on configmaps \"there\": the object has been "
                "modified; please apply your changes to the latest version and try again",
     .kind = "configmaps", .name = "there"},
    {.method = "DELETE", .path = CM "/there", .body = "{\"preconditions\":{\"uid\":\"x\"}}",
     .code = 409, .reason = "Conflict", .kind = "configmaps", .name = "there",
     .message_start = "Operation cannot be fulfilled on configmaps \"there\": the UID in the "
                      "precondition (x) does not match the UID in record ("},
    {.method = "PUT", .path = NM "/there", .body = NETWORK_MAP("there", "pod", ""), .code = 422,
     .reason = "Invalid",
     .message = "networkmaps.forklift.konveyor.io \"there\" is invalid: metadata.resourceVersion: "
                "Invalid value: 0x0: must be specified for an update",
     .kind = "networkmaps", .group = "forklift.konveyor.io", .name = "there",
     .causes = "FieldValueInvalid metadata.resourceVersion Invalid value: 0x0: must be specified "
               "for an update\n"},
    {.method = "POST", .path = NM, .body = NETWORK_MAP("bad", "bogus", ""), .code = 422,
     .reason = "Invalid",
     .message = "NetworkMap.forklift.konveyor.io \"bad\" is invalid: "
                "spec.map[0].destination.type: Unsupported value: \"bogus\": supported values: "
                "\"pod\", \"multus\", \"ignored\"",
     .kind = "NetworkMap", .group = "forklift.konveyor.io", .name = "bad",
     .causes = "FieldValueNotSupported spec.map[0].destination.type Unsupported value: \"bogus\": "
               "supported values: \"pod\", \"multus\", \"ignored\"\n"},
    {.method = "POST", .path = NM, .body = "{\"metadata\":{\"name\":\"bad\"},\"spec\":{\"map\":7,"
     "\"provider\":{\"source\":" PAIR ",\"destination\":" PAIR "}}}", .code = 422,
     .reason = "Invalid",
     .message = "NetworkMap.forklift.konveyor.io \"bad\" is invalid: spec.map: Invalid value: "
                "\"integer\": spec.map in body must be of type array: \"integer\"",
     .kind = "NetworkMap", .group = "forklift.konveyor.io", .name = "bad",
     .causes = "FieldValueTypeInvalid spec.map Invalid value: \"integer\": spec.map in body must "
               "be of type array: \"integer\"\n"},
    {.method = "POST", .path = CM, .body = "{\"metadata\":{\"name\":\"Bad_Name\"}}", .code = 422,
     .reason = "Invalid", .kind = "ConfigMap", .name = "Bad_Name",
     .causes = "FieldValueInvalid metadata.name Invalid value: \"Bad_Name\": a lowercase RFC 1123 "
               "subdomain must consist of lower case alphanumeric characters, '-' or '.', and must "
               "start and end with an alphanumeric character (e.g. 'example.com', regex used for "
               "validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')\n"},
    {.method = "POST", .path = CM, .body = "{\"metadata\":{}}", .code = 422, .reason = "Invalid",
     .message = "ConfigMap \"\" is invalid: metadata.name: Required value: name or generateName is "
                "required",
     .kind = "ConfigMap",
     .causes = "FieldValueRequired metadata.name Required value: name or generateName is "
               "required\n"},
    {.method = "PATCH", .path = CM "/there", .type = JSON_PATCH,
     .body = "[{\"op\":\"test\",\"path\":\"/data/a\",\"value\":\"other\"}]", .code = 422,
     .reason = "Invalid",
     .message = "the server rejected our request due to an error in our request"},
    {.method = "PATCH", .path = CM "/there", .type = JSON_PATCH,
     .body = "[{\"op\":\"remove\",\"path\":\"/data/none\"}]", .code = 422, .reason = "Invalid",
     .message = "the server rejected our request due to an error in our request"},
    {.method = "POST", .path = NM "?fieldValidation=Strict",
     .body = NETWORK_MAP("bad", "pod", ",\"extra\":1"), .code = 400, .reason = "BadRequest",
     .message = "NetworkMap in version \"v1beta1\" cannot be handled as a NetworkMap: strict "
                "decoding error: unknown field \"spec.extra\""},
    {.method = "POST", .path = CM "?fieldValidation=Strict",
     .body = "{\"metadata\":{\"name\":\"bad\"},\"dta\":{},\"data\":{\"a\":\"1\",\"a\":\"2\"}}",
     .code = 400, .reason = "BadRequest",
     .message = "ConfigMap in version \"v1\" cannot be handled as a ConfigMap: strict decoding "
                "error: unknown field \"dta\", duplicate field \"data.a\""},
    {.method = "POST", .path = CM, .body = "{\"metadata\":", .code = 400, .reason = "BadRequest"},
    {.method = "GET", .path = CM "?labelSelector=a%20in%20(", .code = 400, .reason = "BadRequest"},
    {.method = "GET", .path = NM "?fieldSelector=spec.x%3Dy", .code = 400, .reason = "BadRequest",
     .message = "field label not supported: spec.x"},
    {.method = "GET", .path = CM "?limit=1&continue=nonsense", .code = 400, .reason = "BadRequest"},
    /* custom kinds are told by validation that it is another kind */
    {.method = "POST", .path = NM,
     .body = "{\"apiVersion\":\"forklift.konveyor.io/v1beta1\",\"kind\":\"StorageMap\","
             "\"metadata\":{\"name\":\"bad\"}}",
     .code = 422, .reason = "Invalid", .kind = "NetworkMap", .group = "forklift.konveyor.io",
     .name = "bad",
     .message = "NetworkMap.forklift.konveyor.io \"bad\" is invalid: kind: Invalid value: "
                "\"StorageMap\": must be NetworkMap",
     .causes = "FieldValueInvalid kind Invalid value: \"StorageMap\": must be NetworkMap\n"},
    {.method = "POST", .path = NM,
     .body = "{\"metadata\":{\"name\":\"bad\"},\"spec\":{\"map\":[{\"source\":{\"id\":\"x\"}}],"
             "\"provider\":{\"source\":" PAIR ",\"destination\":" PAIR "}}}",
     .code = 422, .reason = "Invalid", .kind = "NetworkMap", .group = "forklift.konveyor.io",
     .name = "bad",
     .message = "NetworkMap.forklift.konveyor.io \"bad\" is invalid: spec.map[0].destination: "
                "Required value",
     .causes = "FieldValueRequired spec.map[0].destination Required value\n"},
    {.method = "POST", .path = NM,
     .body = "{\"apiVersion\":\"forklift.konveyor.io/v1\",\"kind\":\"NetworkMap\",\"metadata\":{"
             "\"name\":\"bad\"}}",
     .code = 400, .reason = "BadRequest",
     .message = "the API version in the data (forklift.konveyor.io/v1) does not match the expected "
                "API version (forklift.konveyor.io/v1beta1)"},
    /* a rule in CEL */
    {.method = "PATCH", .type = MERGE, .path = OVA_SERVERS "/rule",
     .body = "{\"spec\":{\"provider\":{\"name\":\"other\"}}}", .code = 422, .reason = "Invalid",
     .kind = "OVAProviderServer", .group = "forklift.konveyor.io", .name = "rule",
     .message = "OVAProviderServer.forklift.konveyor.io \"rule\" is invalid: spec.provider: "
                "Invalid value: \"object\": the provider cannot be changed once it is set",
     .causes = "FieldValueInvalid spec.provider Invalid value: \"object\": the provider cannot be "
               "changed once it is set\n"},
    {.method = "GET", .path = CM "?resourceVersion=99999", .code = 504, .reason = "Timeout",
     .message_start = "Timeout: Too large resource version: 99999, current: ",
     .causes = "ResourceVersionTooLarge - Too large resource version\n", .retry_s = 1},
    {.method = "PATCH", .path = NM "/there", .type = STRATEGIC, .body = "{}", .code = 415,
     .reason = "UnsupportedMediaType",
     .message = "the body of the request was in an unknown format - accepted media types include: "
                "application/json-patch+json, application/merge-patch+json, "
                "application/apply-patch+yaml"},
    {.method = "POST", .path = CM, .type = "text/html", .body = "<p>", .code = 415,
     .reason = "UnsupportedMediaType",
     .message = "the body of the request was in an unknown format - accepted media types include: "
                "application/json, application/yaml, application/vnd.kubernetes.protobuf"},
    {.method = "PATCH", .path = CM "/there", .type = APPLY,
     .body = "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"there\"}}",
     .code = 422, .reason = "Invalid",
     .message = "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is "
                "required for apply patch",
     .kind = "PatchOptions", .group = "meta.k8s.io",
     .causes = "FieldValueRequired fieldManager Required value: is required for apply patch\n"},
    {.method = "PATCH", .path = CM "/there?fieldManager=two", .type = APPLY,
     .body = "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"there\"},"
             "\"data\":{\"a\":\"other\"}}",
     .code = 409, .reason = "Conflict",
     .message = "Apply failed with 1 conflict: conflict with \"one\": .data.a",
     .causes = "FieldManagerConflict .data.a conflict with \"one\"\n"},
    {.method = "GET", .path = CM, .user = "nobody", .code = 403, .reason = "Forbidden",
     .message = "configmaps is forbidden: User \"nobody\" cannot list resource \"configmaps\" in "
                "API group \"\" in the namespace \"default\"",
     .kind = "configmaps"},
    {.method = "DELETE", .path = NM "/there", .user = "nobody", .code = 403, .reason = "Forbidden",
     .message = "networkmaps.forklift.konveyor.io \"there\" is forbidden: User \"nobody\" cannot "
                "delete resource \"networkmaps\" in API group \"forklift.konveyor.io\" in the "
                "namespace \"default\"",
     .kind = "networkmaps", .group = "forklift.konveyor.io", .name = "there"},
    {.method = "POST", .path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews/x/status",
     .body = "{}", .code = 404},
    {.method = "POST", .path = CM "/there", .body = "{}", .code = 405, .reason = "MethodNotAllowed",
     .message = "the server does not allow this method on the requested resource"},
    {.method = "GET", .path = "/apis/none.example.com/v1/things", .code = 404},
    {.method = "GET", .path = "/nothing", .code = 404},
    {.method = "GET", .path = "/api/v1/namespaces/default/secrets/%ff", .code = 404},
    {.method = "GET", .path = "/\xff", .code = 400, .reason = "BadRequest",
     .message = "the path is not UTF-8"},
    /* a selector that cannot be read is none that is absent */
    {.method = "DELETE", .path = CM "?labelSelector=%ff", .code = 400, .reason = "BadRequest",
     .message = "the query cannot be decoded"},
};
/* clang-format on */

static char *causes_of(const json_t *status)
{
    CLEANUP(buf) struct buf text = BUF_INIT(8192);
    size_t i;
    json_t *cause;

    json_array_foreach(obj_arr(status, "details.causes"), i, cause) {
        buf_printf(&text, "%s %s %s\n", obj_str(cause, "reason", "-"), obj_str(cause, "field", "-"),
                   obj_str(cause, "message", "-"));
    }
    return buf_take(&text);
}

/* All differences are shown before the test fails. */
static bool is_same(const struct expected *e, const char *what, const char *got, const char *want)
{
    if (want == NULL)
        want = "";
    if (str_eq(got, want))
        return true;
    printf("# %s %s: %s is\n#   %s\n# not\n#   %s\n", e->method, e->path, what, got, want);
    return false;
}

static bool is_as_expected(const struct expected *e, const struct answer *answer)
{
    const json_t *status = answer->json;
    CLEANUP(str) char *causes = causes_of(status);
    CLEANUP(str) char *code = xasprintf("%d %lld", answer->status, (long long)obj_int(status, "code", 0));
    CLEANUP(str) char *want = xasprintf("%d %d", e->code, e->reason == NULL ? 0 : e->code);

    if (e->reason == NULL) /* an unknown path is text */
        return is_same(e, "code", code, want) &&
               is_same(e, "text", answer->text, "404 page not found\n");
    const bool same[] = {
        is_same(e, "code", code, want),
        is_same(e, "kind", obj_str(status, "kind", ""), "Status"),
        is_same(e, "apiVersion", obj_str(status, "apiVersion", ""), "v1"),
        is_same(e, "status", obj_str(status, "status", ""), "Failure"),
        is_same(e, "reason", obj_str(status, "reason", ""), e->reason),
        e->message == NULL || is_same(e, "message", obj_str(status, "message", ""), e->message),
        e->message_start == NULL ||
            str_starts_with(obj_str(status, "message", ""), e->message_start),
        is_same(e, "details.kind", obj_str(status, "details.kind", ""), e->kind),
        is_same(e, "details.group", obj_str(status, "details.group", ""), e->group),
        is_same(e, "details.name", obj_str(status, "details.name", ""), e->name),
        is_same(e, "causes", causes, e->causes),
        obj_int(status, "details.retryAfterSeconds", 0) == e->retry_s,
    };
    bool all = true;

    for (size_t i = 0; i < ARRAY_SIZE(same); i++) /* all differences were shown */
        all = all && same[i];
    return all;
}

static void fill(struct apiserver *server)
{
    CLEANUP(answer) struct answer applied = home_ask(
        server, &(struct ask){.method = "PATCH", .path = CM "/there?fieldManager=one",
                              .type = APPLY, .user = "root", .groups = GROUP_MASTERS,
                              .body = "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{"
                                      "\"name\":\"there\"},\"data\":{\"a\":\"1\"}}"});

    CHECK_INT(applied.status, 201);
    home_must(server, "POST", NM, NETWORK_MAP("there", "pod", ""), 201);
    home_must(server, "POST", OVA_SERVERS,
              "{\"metadata\":{\"name\":\"rule\"},\"spec\":{\"provider\":" PAIR "}}", 201);
}

TEST(failures_are_answered_as_recorded)
{
    CLEANUP(apiserver) struct apiserver *server = home_start("answers");
    size_t wrong = 0;

    fill(server);
    for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
        const struct expected *e = &table[i];
        CLEANUP(answer) struct answer answer = home_ask(
            server, &(struct ask){.method = e->method, .path = e->path, .body = e->body,
                                  .type = e->type, .user = e->user == NULL ? "root" : e->user,
                                  .groups = e->user == NULL ? GROUP_MASTERS : NULL});
        wrong += is_as_expected(e, &answer) ? 0 : 1;
    }
    CHECK_U64(wrong, 0);
}

TEST(a_caller_who_is_not_known_is_told_so)
{
    CLEANUP(apiserver) struct apiserver *server = home_start("unknown");
    struct expected e = {.method = "GET", .path = CM, .code = 401, .reason = "Unauthorized",
                         .message = "Unauthorized"};
    CLEANUP(answer) struct answer answer =
        home_ask(server, &(struct ask){.method = "GET", .path = CM, .token = "bogus"});

    CHECK(is_as_expected(&e, &answer));
}

TEST(unknown_fields_warn_by_default_and_pass_when_told)
{
    CLEANUP(apiserver) struct apiserver *server = home_start("warn");
    struct ask ask = {.method = "POST", .path = NM, .user = "root", .groups = GROUP_MASTERS,
                      .body = NETWORK_MAP("a", "pod", ",\"extra\":1")};
    CLEANUP(answer) struct answer warned = home_ask(server, &ask);
    CHECK_INT(warned.status, 201);
    CHECK(strstr(warned.head, "Warning: 299 - \"unknown field \\\"spec.extra\\\"\"") != NULL);
    CHECK(obj_at(warned.json, "spec.extra") == NULL);
    ask.path = NM "?fieldValidation=Ignore";
    ask.body = NETWORK_MAP("b", "pod", ",\"extra\":1");
    CLEANUP(answer) struct answer ignored = home_ask(server, &ask);
    CHECK_INT(ignored.status, 201);
    CHECK(strstr(ignored.head, "Warning") == NULL);
}

TEST(what_is_gone_is_expired)
{
    CLEANUP(apiserver) struct apiserver *server = home_start("gone");
    struct ask ask = {.method = "GET", .user = "root", .groups = GROUP_MASTERS,
                      .path = CM "?watch=true&resourceVersion=1&timeoutSeconds=1"};
    CLEANUP(str) char *body = xmalloc(256 * 1024);

    /* the history is bounded by bytes as well as by events */
    memset(body, 'x', 256 * 1024 - 1);
    body[256 * 1024 - 1] = '\0';
    for (int i = 0; i < 80; i++) {
        CLEANUP(str) char *patch = xasprintf(
            "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"big\"},"
            "\"data\":{\"i\":\"%d\",\"x\":\"%s\"}}", i, body);
        home_must(server, i == 0 ? "POST" : "PUT", i == 0 ? CM : CM "/big", patch,
                  i == 0 ? 201 : 200);
    }
    CLEANUP(answer) struct answer watched = home_ask(server, &ask);
    CHECK_INT(watched.status, 200);
    CHECK_STR(obj_str(watched.json, "type", ""), "ERROR");
    CHECK_INT(obj_int(watched.json, "object.code", 0), 410);
    CHECK_STR(obj_str(watched.json, "object.reason", ""), "Expired");
    CHECK_STR(obj_str(watched.json, "object.kind", ""), "Status");

    ask.path = CM "?limit=1&resourceVersion=2&resourceVersionMatch=Exact";
    CLEANUP(answer) struct answer listed = home_ask(server, &ask);
    CHECK_INT(listed.status, 410);
    CHECK_STR(obj_str(listed.json, "reason", ""), "Expired");
    CHECK_STR(obj_str(listed.json, "message", ""),
              "The resourceVersion for the provided list is too old.");
}

TEST(values_that_are_too_large_are_refused_by_field)
{
    CLEANUP(apiserver) struct apiserver *server = home_start("large");
    struct ask ask = {.method = "POST", .path = CM, .user = "root", .groups = GROUP_MASTERS};
    CLEANUP(str) char *big = xmalloc(1024 * 1024 + 1);

    memset(big, 'x', 1024 * 1024);
    big[1024 * 1024] = '\0';
    CLEANUP(str) char *data =
        xasprintf("{\"metadata\":{\"name\":\"data\"},\"data\":{\"k\":\"%s\"}}", big);
    ask.body = data;
    CLEANUP(answer) struct answer too_much = home_ask(server, &ask);
    CLEANUP(str) char *causes = causes_of(too_much.json);
    CHECK_INT(too_much.status, 422);
    CHECK_STR(causes, "FieldValueTooLong  Too long: may not be more than 1048576 bytes\n");

    CLEANUP(str) char *annotated =
        xasprintf("{\"metadata\":{\"name\":\"noted\",\"annotations\":{\"a\":\"%.262144s\"}}}", big);
    ask.body = annotated;
    CLEANUP(answer) struct answer noted = home_ask(server, &ask);
    CLEANUP(str) char *note_causes = causes_of(noted.json);
    CHECK_INT(noted.status, 422);
    CHECK_STR(note_causes, "FieldValueTooLong metadata.annotations Too long: may not be more than "
                           "262144 bytes\n");
}

TEST(subresources_of_a_version_that_is_not_served_are_not_found)
{
    static const struct {
        const char *method, *path;
    } cases[] = {
        {"GET", "/api/v0/namespaces/default/pods/p/exec?command=ls"},
        {"GET", "/api/v0/namespaces/default/pods/p/log"},
        {"POST", "/api/v0/namespaces/default/serviceaccounts/default/token"},
        {"PUT", "/api/v0/namespaces/default/finalize"},
    };
    CLEANUP(apiserver) struct apiserver *server = home_start("no-version");

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        home_must(server, cases[i].method, cases[i].path, "{}", 404);
}
