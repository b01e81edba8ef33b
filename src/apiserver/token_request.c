/* serviceaccounts/NAME/token: a token for a service account. */
#include "apiserver/special.h"

#include "apiserver/server.h"
#include "apiserver/tokens.h"
#include "apiserver/write.h"
#include "base/error.h"
#include "base/text.h"
#include "base/time.h"
#include "data/obj.h"

#include <inttypes.h>

/* The pod that the token is bound to; its uid is filled in, or must be right. */
static int find_pod(struct call *call, const json_t *ref, struct token_request *request,
                    struct object **pod)
{
    const char *name = obj_str(ref, "name", ""), *uid = obj_str(ref, "uid", "");

    if (!str_eq(obj_str(ref, "kind", ""), "Pod"))
        return fail_bad_request(&call->failure,
                                "cannot bind token for serviceaccount to object type %s; only Pod "
                                "is supported",
                                obj_str(ref, "kind", ""));
    struct served *pods = registry_find(call->server->registry, "", NULL, "pods", NULL);
    *pod = pods == NULL ? NULL : store_get(pods->table, call->ns, name);
    served_unref(pods);
    if (*pod == NULL)
        return fail_not_found(&call->failure, "", "pods", name);
    json_auto_t *value = object_parse(*pod);
    if (*uid != '\0' && !str_eq(uid, (*pod)->uid))
        return fail_conflict(&call->failure, "", "pods", name,
                             "the UID in the bound object reference does not match");
    if (!str_eq(obj_str(value, "spec.serviceAccountName", "default"), request->account))
        return fail_bad_request(&call->failure,
                                "cannot bind token for serviceaccount \"%s\" to pod running with "
                                "different serviceaccount name",
                                request->account);
    request->pod = (*pod)->name;
    request->pod_uid = (*pod)->uid;
    return 0;
}

static int check_lifetime(struct call *call, int64_t seconds)
{
    if (seconds < TOKEN_MIN_S)
        return fail(&call->failure, 422, "Invalid",
                    "TokenRequest.authentication.k8s.io \"\" is invalid: spec.expirationSeconds: "
                    "Invalid value: %" PRId64 ": may not specify a duration less than 10 minutes",
                    seconds);
    return 0;
}

static int issue(struct call *call, json_t *review)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(object) struct object *account = store_get(call->served->table, call->ns, call->name);
    CLEANUP(object) struct object *pod = NULL;
    const json_t *ref = obj_obj(review, "spec.boundObjectRef");
    char expires[TIME_TEXT_SIZE];
    int64_t expires_ms = 0;

    if (account == NULL)
        return write_fail_missing(call);
    struct token_request request = {
        .ns = call->ns,
        .account = account->name,
        .account_uid = account->uid,
        .audiences = obj_arr(review, "spec.audiences"),
        .lifetime_s = obj_int(review, "spec.expirationSeconds", TOKEN_DEFAULT_S),
        .now_ms = time_now_ms(),
    };
    if (check_lifetime(call, request.lifetime_s) == -1 ||
        (ref != NULL && find_pod(call, ref, &request, &pod) == -1))
        return -1;
    if (request.lifetime_s > TOKEN_MAX_S)
        request.lifetime_s = TOKEN_MAX_S;
    CLEANUP(str) char *token = tokens_issue(call->server->tokens, &request, &expires_ms, &err);
    if (token == NULL)
        return fail_error(&call->failure, err);

    obj_put_int(review, "spec.expirationSeconds", request.lifetime_s);
    if (obj_count(review, "spec.audiences") == 0)
        obj_take(review, "spec.audiences", obj_pack("[s]", TOKEN_ISSUER));
    obj_take(review, "status",
             obj_pack("{s:s, s:s}", "token", token, "expirationTimestamp",
                      time_format(expires_ms, expires)));
    obj_put_str(review, "metadata.name", call->name);
    obj_put_str(review, "metadata.namespace", call->ns);
    return 0;
}

void special_token(struct call *call)
{
    json_auto_t *review = NULL;
    struct str_list duplicates = {0};

    if (call->request->body_len == 0)
        review = obj_pack("{s:s, s:s, s:{}}", "kind", "TokenRequest", "apiVersion",
                          "authentication.k8s.io/v1", "spec");
    else
        write_decode(call, &review, &duplicates);
    str_list_free_all(&duplicates);
    if (call->failure.code != 0 || issue(call, review) == -1)
        call_answer_failure(call);
    else
        call_answer_json(call, 201, review);
}
