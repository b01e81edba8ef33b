#include "apiserver/tokens.h"

#include "apiserver/test_home.h"
#include "base/mem.h"
#include "base/test.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

#define POD(name, account)                                                                         \
    "{\"metadata\":{\"name\":\"" name "\"},\"spec\":{\"serviceAccountName\":\"" account            \
    "\",\"containers\":[{\"name\":\"c\",\"image\":\"x\"}]}}"
#define PODS "/api/v1/namespaces/default/pods"
#define ACCOUNTS "/api/v1/namespaces/default/serviceaccounts"

/* Who TOKEN is for the server, owned by the caller, or "" and the reason in *WHY. */
static char *who(struct apiserver *server, const char *token, const char *audience, char **why)
{
    CLEANUP(error) struct error *err = NULL;
    json_auto_t *audiences = audience == NULL ? NULL : obj_pack("[s]", audience);
    CLEANUP(user) struct user *user =
        tokens_check(server->tokens, token, audiences, NULL, &err);

    free(*why);
    *why = xstrdup(err == NULL ? "" : err->msg);
    return xstrdup(user == NULL ? "" : user->name);
}

#define IS(token, audience, name)                                                                  \
    do {                                                                                           \
        CLEANUP(str) char *got = who(server, token, audience, &why);                               \
        CHECK_STR(got, name);                                                                      \
    } while (0)
#define REFUSED(token, audience, reason)                                                           \
    do {                                                                                           \
        IS(token, audience, "");                                                                   \
        CHECK_STR(why, reason);                                                                    \
    } while (0)

TEST(a_token_ends_with_its_pod_at_once)
{
    CLEANUP(apiserver) struct apiserver *server = home_start("pod");
    CLEANUP(str) char *why = NULL;

    home_must(server, "POST", PODS, POD("p", "default"), 201);
    CLEANUP(str) char *bound = home_token(server, "default", "default", "p");
    CLEANUP(str) char *loose = home_token(server, "default", "default", NULL);
    IS(bound, NULL, "system:serviceaccount:default:default");
    home_must(server, "DELETE", PODS "/p?gracePeriodSeconds=0", NULL, 200);
    REFUSED(bound, NULL, "the token's pod is gone");
    IS(loose, NULL, "system:serviceaccount:default:default");

    /* one of the same name is another pod */
    home_must(server, "POST", PODS, POD("p", "default"), 201);
    REFUSED(bound, NULL, "the token's pod is gone");
    CLEANUP(answer) struct answer answer =
        home_ask(server, &(struct ask){.method = "GET", .path = "/version", .token = bound});
    CHECK_INT(answer.status, 401);
    CHECK_STR(obj_str(answer.json, "reason", ""), "Unauthorized");
}

TEST(a_token_ends_with_its_account_and_comes_not_back)
{
    CLEANUP(apiserver) struct apiserver *server = home_start("account");
    CLEANUP(str) char *why = NULL;

    home_must(server, "POST", ACCOUNTS, "{\"metadata\":{\"name\":\"a\"}}", 201);
    CLEANUP(str) char *token = home_token(server, "default", "a", NULL);
    IS(token, NULL, "system:serviceaccount:default:a");
    home_must(server, "DELETE", ACCOUNTS "/a", NULL, 200);
    REFUSED(token, NULL, "the token's service account is gone");
    home_must(server, "POST", ACCOUNTS, "{\"metadata\":{\"name\":\"a\"}}", 201);
    REFUSED(token, NULL, "the token's service account is gone");
}

static char *issue(struct apiserver *server, int64_t now_ms, const char *audience,
                   int64_t *expires_ms)
{
    struct error *err = NULL;
    json_auto_t *audiences = audience == NULL ? NULL : obj_pack("[s]", audience);
    CLEANUP(answer) struct answer account =
        home_ask(server, &(struct ask){.method = "GET", .path = ACCOUNTS "/default",
                                       .user = "root", .groups = "system:masters"});
    struct token_request request = {
        .ns = "default",
        .account = "default",
        .account_uid = obj_str(account.json, "metadata.uid", ""),
        .audiences = audiences,
        .lifetime_s = 600,
        .now_ms = now_ms,
    };
    char *token = tokens_issue(server->tokens, &request, expires_ms, &err);

    CHECK(token != NULL);
    return token;
}

TEST(a_token_is_good_from_its_start_to_its_end)
{
    CLEANUP(apiserver) struct apiserver *server = home_start("times");
    CLEANUP(str) char *why = NULL;
    int64_t now_ms = time_now_ms(), expires_ms = 0;
    CLEANUP(str) char *good = issue(server, now_ms, NULL, &expires_ms);
    CLEANUP(str) char *nearly_over = issue(server, now_ms - 590 * 1000, NULL, &expires_ms);
    CLEANUP(str) char *over = issue(server, now_ms - 601 * 1000, NULL, &expires_ms);
    CLEANUP(str) char *early = issue(server, now_ms + 3600 * 1000, NULL, &expires_ms);

    IS(good, NULL, "system:serviceaccount:default:default");
    IS(nearly_over, NULL, "system:serviceaccount:default:default");
    REFUSED(over, NULL, "the token has expired");
    REFUSED(early, NULL, "the token is not valid yet");
    /* the memory of good signatures does not outlive the time: the second look is the same */
    REFUSED(over, NULL, "the token has expired");
}

TEST(a_new_token_replaces_the_old_one_while_both_are_good)
{
    CLEANUP(apiserver) struct apiserver *server = home_start("renewed");
    CLEANUP(str) char *why = NULL;

    home_must(server, "POST", PODS, POD("p", "default"), 201);
    CLEANUP(str) char *first = home_token(server, "default", "default", "p");
    CLEANUP(str) char *second = home_token(server, "default", "default", "p");
    CHECK(strcmp(first, second) != 0);
    IS(first, NULL, "system:serviceaccount:default:default");
    IS(second, NULL, "system:serviceaccount:default:default");
}

TEST(a_token_is_for_its_audience_only)
{
    CLEANUP(apiserver) struct apiserver *server = home_start("audience");
    CLEANUP(str) char *why = NULL;
    int64_t expires_ms = 0;
    CLEANUP(str) char *vault = issue(server, time_now_ms(), "vault", &expires_ms);
    CLEANUP(str) char *own = issue(server, time_now_ms(), NULL, &expires_ms);

    REFUSED(vault, NULL, "the token is for another audience");
    IS(vault, "vault", "system:serviceaccount:default:default");
    REFUSED(own, "vault", "the token is for another audience");
    REFUSED(tokens_admin(server->tokens), "vault", "the token is for another audience");
    IS(tokens_admin(server->tokens), NULL, "gantry-admin");

    CLEANUP(str) char *body =
        xasprintf("{\"spec\":{\"token\":\"%s\",\"audiences\":[\"vault\",\"x\"]}}", vault);
    CLEANUP(answer) struct answer review =
        home_ask(server, &(struct ask){.method = "POST",
                                       .path = "/apis/authentication.k8s.io/v1/tokenreviews",
                                       .body = body,
                                       .user = "root",
                                       .groups = "system:masters"});
    CHECK_INT(review.status, 201);
    CHECK(obj_bool(review.json, "status.authenticated", false));
    CHECK_STR(json_string_value(json_array_get(obj_arr(review.json, "status.audiences"), 0)),
              "vault");
}

TEST(a_token_that_was_touched_is_refused)
{
    CLEANUP(apiserver) struct apiserver *server = home_start("touched");
    CLEANUP(apiserver) struct apiserver *other = home_start("touched-other");
    CLEANUP(str) char *why = NULL;
    CLEANUP(str) char *token = home_token(server, "default", "default", NULL);
    CLEANUP(str) char *foreign = home_token(other, "default", "default", NULL);
    /* header {"alg":"none","typ":"JWT"} before the same claims, with and without a signature */
    char *claims = strchr(token, '.'), *signature = strrchr(token, '.');
    CLEANUP(str) char *unsigned_token =
        xasprintf("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0%.*s.", (int)(signature - claims), claims);
    CLEANUP(str) char *none_token = xasprintf("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0%s", claims);

    for (size_t i = 0; i < strlen(token); i += 7) {
        CLEANUP(str) char *touched = xstrdup(token);
        if (touched[i] == '.' || i + 2 >= strlen(token))
            continue; /* the last character has bits that mean nothing */
        touched[i] = touched[i] == 'A' ? 'B' : 'A';
        IS(touched, NULL, "");
    }
    IS(unsigned_token, NULL, "");
    IS(none_token, NULL, "");
    IS(foreign, NULL, "");
    IS("", NULL, "");
    IS("..", NULL, "");
    IS("a.b.c.d", NULL, "");
    CLEANUP(str) char *huge = xmalloc(TOKEN_MAX_BYTES + 2);
    memset(huge, 'a', TOKEN_MAX_BYTES + 1);
    huge[TOKEN_MAX_BYTES + 1] = '\0';
    REFUSED(huge, NULL, "the token is longer than 16384 bytes");
    IS(token, NULL, "system:serviceaccount:default:default");
}

TEST(token_requests_are_checked)
{
    static const struct {
        const char *path, *body;
        int status;
    } cases[] = {
        {ACCOUNTS "/none/token", "{\"spec\":{}}", 404},
        {ACCOUNTS "/default/token", "{\"spec\":{\"expirationSeconds\":599}}", 422},
        {ACCOUNTS "/default/token", "{\"spec\":{\"expirationSeconds\":600}}", 201},
        {ACCOUNTS "/default/token",
         "{\"spec\":{\"boundObjectRef\":{\"kind\":\"Pod\",\"name\":\"none\"}}}", 404},
        {ACCOUNTS "/default/token",
         "{\"spec\":{\"boundObjectRef\":{\"kind\":\"Pod\",\"name\":\"p\",\"uid\":\"other\"}}}",
         409},
        /* a pod of another account */
        {ACCOUNTS "/a/token", "{\"spec\":{\"boundObjectRef\":{\"kind\":\"Pod\",\"name\":\"p\"}}}",
         400},
        {ACCOUNTS "/a/token",
         "{\"spec\":{\"boundObjectRef\":{\"kind\":\"Secret\",\"name\":\"p\"}}}", 400},
    };
    CLEANUP(apiserver) struct apiserver *server = home_start("requests");

    home_must(server, "POST", ACCOUNTS, "{\"metadata\":{\"name\":\"a\"}}", 201);
    home_must(server, "POST", PODS, POD("p", "default"), 201);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        home_must(server, "POST", cases[i].path, cases[i].body, cases[i].status);
}
