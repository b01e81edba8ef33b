#include "kube/protobuf.h"

#include "base/mem.h"
#include "base/test.h"
#include "base/text.h"
#include "data/base64.h"
#include "data/obj.h"

#include <stdlib.h>

/* Bodies as kubectl 1.33 sent them. */
static const struct {
    const char *body, *kind, *path, *value;
} recorded[] = {
    {"azhzAAoMCgJ2MRIGU2VjcmV0EisKEgoCczESABoAIgAqADIAOABCABIGCgFhEgFiEgsKBHBhc3MS"
     "A3ggeRoAGgAiAA==",
     "Secret", "data.a", "Yg=="},
    {"azhzAAokChxyYmFjLmF1dGhvcml6YXRpb24uazhzLmlvL3YxEgRSb2xlEjUKEgoCcjESABoAIgAq"
     "ADIAOABCABIfCgNnZXQKBGxpc3QSABoEcG9kcxoHc2VjcmV0cyIBeBoAIgA=",
     "Role", "rules[0].resourceNames[0]", "x"},
    {"azhzAAorChxyYmFjLmF1dGhvcml6YXRpb24uazhzLmlvL3YxEgtSb2xlQmluZGluZxKAAQoTCgNy"
     "YjESABoAIgAqADIAOABCABImCgRVc2VyEhlyYmFjLmF1dGhvcml6YXRpb24uazhzLmlvGgF1IgAS"
     "GgoOU2VydmljZUFjY291bnQSABoCc2EiAm5zGiUKGXJiYWMuYXV0aG9yaXphdGlvbi5rOHMuaW8S"
     "BFJvbGUaAnIxGgAiAA==",
     "RoleBinding", "subjects[1].namespace", "ns"},
    {"azhzAAoPCghiYXRjaC92MRIDSm9iEocBChIKAmoxEgAaACIAKgAyADgAQgASZzJlChAKABIAGgAi"
     "ACoAMgA4AEIAElESLgoCajESA2ltZxoCc2gaAi1jGgdlY2hvIGhpKgBCAGoAcgCAAQCIAQCQAQCi"
     "AQAaBU5ldmVyMgBCAEoAUgBYAGAAaACCAQCKAQCaAQDCAQAaCCAAKAAwADoAGgAiAA==",
     "Job", "spec.template.spec.containers[0].command[2]", "echo hi"},
    {"azhzAAooChhhdXRoZW50aWNhdGlvbi5rOHMuaW8vdjESDFRva2VuUmVxdWVzdBIiChAKABIAGgAi"
     "ACoAMgA4AEIAEggKA2F1ZCDYBBoECgASABoAIgA=",
     "TokenRequest", "spec.audiences[0]", "aud"},
    {"azhzAAoyChdhdXRob3JpemF0aW9uLms4cy5pby92MRIXU2VsZlN1YmplY3RBY2Nlc3NSZXZpZXcS"
     "QAoQCgASABoAIgAqADIAOABCABIiCiAKAm5zEgZjcmVhdGUaACIAKgpjb25maWdtYXBzMgA6ABoI"
     "CAASABoAIAAaACIA",
     "SelfSubjectAccessReview", "spec.resourceAttributes.resource", "configmaps"},
    {"azhzAAoyChdhdXRob3JpemF0aW9uLms4cy5pby92MRIXU2VsZlN1YmplY3RBY2Nlc3NSZXZpZXcS"
     "LwoQCgASABoAIgAqADIAOABCABIREg8KCC9oZWFsdGh6EgNnZXQaCAgAEgAaACAAGgAiAA==",
     "SelfSubjectAccessReview", "spec.nonResourceAttributes.path", "/healthz"},
    {"azhzAAotChhhdXRoZW50aWNhdGlvbi5rOHMuaW8vdjESEVNlbGZTdWJqZWN0UmV2aWV3EhoKEAoA"
     "EgAaACIAKgAyADgAQgASBgoECgASABoAIgA=",
     "SelfSubjectReview", "kind", "SelfSubjectReview"},
};

static json_t *decode(const char *base64)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(str) char *body = NULL;
    size_t len = 0;
    json_t *object = NULL;

    CHECK_OK(base64_decode(base64, strlen(base64), &body, &len, &err), err);
    CHECK_OK(protobuf_decode(body, len, &object, &err), err);
    return object;
}

TEST(decodes_what_kubectl_sends)
{
    for (size_t i = 0; i < ARRAY_SIZE(recorded); i++) {
        json_auto_t *object = decode(recorded[i].body);

        CHECK_STR(obj_str(object, "kind", ""), recorded[i].kind);
        CHECK_STR(obj_str(object, recorded[i].path, NULL), recorded[i].value);
        CHECK(obj_at(object, "metadata.creationTimestamp") == NULL);
    }
}

TEST(no_cut_or_flipped_body_does_harm)
{
    for (size_t i = 0; i < ARRAY_SIZE(recorded); i++) {
        CLEANUP(error) struct error *none = NULL;
        CLEANUP(str) char *body = NULL;
        size_t len = 0;

        CHECK_OK(base64_decode(recorded[i].body, strlen(recorded[i].body), &body, &len, &none),
                 none);
        for (size_t cut = 0; cut < len; cut++) {
            CLEANUP(error) struct error *err = NULL;
            CLEANUP(str) char *part = xmemdup(body, cut + 1);
            json_t *object = NULL;

            part[cut] = (char)(part[cut] ^ 0x55);
            /* what comes out does not matter, but it is either an object or an error */
            CHECK((protobuf_decode(part, cut + 1, &object, &err) == 0) == (object != NULL));
            CHECK((object == NULL) == (err != NULL));
            json_decref(object);
        }
    }
}

/* An envelope around OBJECT (its length below 100). */
static int decode_raw(const char *kind, const char *object, size_t len, json_t **out,
                      struct error **err)
{
    CLEANUP(buf) struct buf body = BUF_INIT(1000);

    buf_append(&body, "k8s", 4);
    buf_printf(&body, "\n%c\n\002v1\022%c%s\022%c", (int)strlen(kind) + 6, (int)strlen(kind), kind,
               (int)len);
    buf_append(&body, object, len);
    return protobuf_decode(body.ptr, body.len, out, err);
}

TEST(says_what_it_cannot_decode_and_what_to_do)
{
    CLEANUP(error) struct error *err = NULL;
    json_t *object = NULL;

    CHECK(decode_raw("ResourceQuota", "", 0, &object, &err) == -1);
    CHECK(strstr(error_get_hint(err), "--dry-run=client -o yaml") != NULL);
    CHECK_FAILS(-1, err, ERROR_UNSUPPORTED, "kind \"ResourceQuota\" of \"v1\"");
    CHECK_FAILS(decode_raw("Secret", "\x7a\001a", 3, &object, &err), err, ERROR_UNSUPPORTED,
                "field 15 of a Secret");
    CHECK_FAILS(protobuf_decode("{}", 2, &object, &err), err, ERROR_INVALID, "does not begin");
    CHECK_FAILS(decode_raw("Secret", "\032\005ab", 4, &object, &err), err, ERROR_INVALID,
                "longer than what is left");
    CHECK_FAILS(decode_raw("Secret", "\032\001\xff", 3, &object, &err), err, ERROR_INVALID,
                "not UTF-8");
    CHECK_FAILS(decode_raw("Secret", "\030\001", 2, &object, &err), err, ERROR_INVALID,
                "wrong wire type");
}

TEST(keeps_zero_where_it_is_a_value)
{
    CLEANUP(error) struct error *err = NULL;
    json_t *object = NULL;

    CHECK_OK(decode_raw("Secret", "\032\000\050\000", 4, &object, &err), err);
    CHECK(json_is_false(obj_at(object, "immutable")));
    CHECK(obj_at(object, "type") == NULL);
    json_decref(object);
}
