/* Reviews: questions about who somebody is and what they may do, answered in their status. */
#include "apiserver/special.h"

#include "apiserver/authz.h"
#include "apiserver/server.h"
#include "apiserver/tokens.h"
#include "apiserver/write.h"
#include "base/array.h"
#include "base/error.h"
#include "base/text.h"
#include "data/obj.h"

static int review_token(struct call *call, json_t *review)
{
    CLEANUP(error) struct error *err = NULL;
    const char *token = obj_str(review, "spec.token", "");
    json_auto_t *matched = NULL;

    if (*token == '\0')
        return fail_bad_request(&call->failure, "token is required for TokenReview in "
                                                "authentication");
    CLEANUP(user) struct user *user =
        tokens_check(call->server->tokens, token, obj_arr(review, "spec.audiences"), &matched, &err);
    if (user == NULL) {
        obj_take(review, "status", obj_pack("{s:{}, s:s}", "user", "error", err->msg));
        return 0;
    }
    obj_take(review, "status",
             obj_pack("{s:b, s:o, s:O}", "authenticated", 1, "user", user_to_json(user),
                      "audiences", matched));
    return 0;
}

static int review_self(struct call *call, json_t *review)
{
    obj_take(review, "status", obj_pack("{s:o}", "userInfo", user_to_json(call->user)));
    return 0;
}

/* The question in SPEC about USER. */
static int review_access(struct call *call, json_t *review, const struct user *user)
{
    const json_t *spec = obj_obj(review, "spec");
    const json_t *about = obj_obj(spec, "resourceAttributes");
    const json_t *path = obj_obj(spec, "nonResourceAttributes");
    const json_t *from = about != NULL ? about : path;

    if ((about == NULL) == (path == NULL))
        return fail(&call->failure, 422, "Invalid",
                    "spec.resourceAttributes: Invalid value: exactly one of nonResourceAttributes "
                    "or resourceAttributes must be specified");
    const struct authz_request request = {
        .user = user,
        .verb = obj_str(from, "verb", ""),
        .group = obj_str(about, "group", ""),
        .resource = obj_str(about, "resource", ""),
        .subresource = obj_str(about, "subresource", ""),
        .ns = obj_str(about, "namespace", ""),
        .name = obj_str(about, "name", ""),
        .path = path == NULL ? NULL : obj_str(path, "path", ""),
    };
    bool allowed = authorizer_allows(call->server->authorizer, &request);
    obj_take(review, "status", obj_pack("{s:b}", "allowed", allowed));
    return 0;
}

static int review_own_access(struct call *call, json_t *review)
{
    return review_access(call, review, call->user);
}

static int review_other_access(struct call *call, json_t *review)
{
    const json_t *groups = obj_arr(review, "spec.groups");
    CLEANUP(user) struct user *user = user_new(obj_str(review, "spec.user", ""));
    size_t i;
    json_t *group;

    json_array_foreach(groups, i, group) {
        if (json_is_string(group))
            user_add_group(user, json_string_value(group));
    }
    if (*user->name == '\0' && user->groups.len == 0)
        return fail(&call->failure, 422, "Invalid",
                    "spec.user: Invalid value: \"\": at least one of user or group must be "
                    "specified");
    if (*call->ns != '\0')
        obj_put_str(review, "spec.resourceAttributes.namespace", call->ns);
    return review_access(call, review, user);
}

static int review_rules(struct call *call, json_t *review)
{
    const char *ns = obj_str(review, "spec.namespace", "");
    json_t *resources = NULL, *paths = NULL;

    if (*ns == '\0')
        return fail_bad_request(&call->failure, "no namespace on request");
    authorizer_rules(call->server->authorizer, call->user, ns, &resources, &paths);
    obj_take(review, "status",
             obj_pack("{s:o, s:o, s:b}", "resourceRules", resources, "nonResourceRules", paths,
                      "incomplete", 0));
    return 0;
}

void special_review(struct call *call)
{
    static const struct {
        const char *plural;
        int (*answer)(struct call *call, json_t *review);
    } reviews[] = {
        {"tokenreviews", review_token},
        {"selfsubjectreviews", review_self},
        {"subjectaccessreviews", review_other_access},
        {"localsubjectaccessreviews", review_other_access},
        {"selfsubjectaccessreviews", review_own_access},
        {"selfsubjectrulesreviews", review_rules},
    };
    json_auto_t *review = NULL;
    struct str_list duplicates = {0};
    int result = -1;

    if (call->served == NULL)
        fail(&call->failure, 404, "NotFound", "the server could not find the requested resource");
    else if (write_decode(call, &review, &duplicates) == 0 &&
             write_check_identity(call, review) == 0)
        for (size_t i = 0; i < ARRAY_SIZE(reviews); i++)
            if (str_eq(reviews[i].plural, call->plural))
                result = reviews[i].answer(call, review);
    str_list_free_all(&duplicates);
    if (result == -1) {
        if (call->failure.code == 0)
            fail(&call->failure, 404, "NotFound",
                 "the server could not find the requested resource");
        call_answer_failure(call);
        return;
    }
    if (obj_str(review, "metadata.creationTimestamp", NULL) == NULL)
        obj_take(review, "metadata.creationTimestamp", json_null());
    call_answer_json(call, 201, review);
}
