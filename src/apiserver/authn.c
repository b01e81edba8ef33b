#include "apiserver/authn.h"

#define LOG_COMPONENT "apiserver"

#include "apiserver/authz.h"
#include "apiserver/call.h"
#include "apiserver/server.h"
#include "apiserver/tokens.h"
#include "base/error.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "data/obj.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static int unauthorized(struct call *call)
{
    return fail(&call->failure, 401, "Unauthorized", "Unauthorized");
}

static struct user *anonymous(void)
{
    struct user *user = user_new(USER_ANONYMOUS);

    user_add_group(user, GROUP_UNAUTHENTICATED);
    return user;
}

static struct user *from_cert(const struct http_user *cert)
{
    struct user *user = user_new(cert->name);

    for (size_t i = 0; i < cert->group_count; i++)
        user_add_group(user, cert->groups[i]);
    user_add_group(user, GROUP_AUTHENTICATED);
    return user;
}

static int from_token(struct call *call, const char *header)
{
    CLEANUP(error) struct error *err = NULL;
    const char *token = header + strlen("Bearer ");

    while (*token == ' ')
        token++;
    call->user = tokens_check(call->server->tokens, token, NULL, NULL, &err);
    if (call->user != NULL)
        return 0;
    log_debug("token refused: id=%s peer=%s why=%s", call->id, call->request->peer, err->msg);
    return unauthorized(call);
}

/* May call->user act as a NAME of KIND ("users", "groups", "serviceaccounts")? */
static bool may_impersonate(struct call *call, const char *group, const char *kind, const char *sub,
                            const char *ns, const char *name)
{
    const struct authz_request request = {
        .user = call->user,
        .verb = "impersonate",
        .group = group,
        .resource = kind,
        .subresource = sub,
        .ns = ns,
        .name = name,
    };

    return authorizer_allows(call->server->authorizer, &request);
}

static int fail_impersonation(struct call *call, const char *kind, const char *name)
{
    CLEANUP(str) char *detail =
        xasprintf("User \"%s\" cannot impersonate resource \"%s\" in API group \"\" at the cluster "
                  "scope",
                  call->user->name, kind);

    return fail_forbidden(&call->failure, "", kind, name, detail);
}

static int check_impersonated_user(struct call *call, struct user *as)
{
    if (!str_starts_with(as->name, SERVICE_ACCOUNT_PREFIX))
        return may_impersonate(call, "", "users", "", "", as->name)
                   ? 0
                   : fail_impersonation(call, "users", as->name);

    struct span rest = span_of(as->name + strlen(SERVICE_ACCOUNT_PREFIX)), ns_span;
    if (!span_split(&rest, ':', &ns_span) || rest.len == 0)
        return fail_bad_request(&call->failure, "Impersonate-User: \"%s\" is no service account",
                                as->name);
    CLEANUP(str) char *ns = span_dup(ns_span);
    CLEANUP(str) char *name = span_dup(rest);
    if (!may_impersonate(call, "", "serviceaccounts", "", ns, name))
        return fail_impersonation(call, "serviceaccounts", name);
    return 0;
}

/* Headers Impersonate-Group, -Uid and -Extra-KEY of a request that names a user. */
static int read_impersonation(struct call *call, struct user *as)
{
    const struct http_request *request = call->request;
    static const char extra[] = "Impersonate-Extra-";

    for (size_t i = 0; i < request->header_count; i++) {
        const char *name = request->headers[i].name, *value = request->headers[i].value;
        if (strcasecmp(name, "Impersonate-Group") == 0) {
            if (!may_impersonate(call, "", "groups", "", "", value))
                return fail_impersonation(call, "groups", value);
            user_add_group(as, value);
        } else if (strcasecmp(name, "Impersonate-Uid") == 0) {
            if (!may_impersonate(call, "authentication.k8s.io", "uids", "", "", value))
                return fail_impersonation(call, "uids", value);
            free(as->uid);
            as->uid = xstrdup(value);
        } else if (strncasecmp(name, extra, sizeof(extra) - 1) == 0) {
            CLEANUP(str) char *key = xstrdup(name + sizeof(extra) - 1);
            for (char *p = key; *p != '\0'; p++)
                if (*p >= 'A' && *p <= 'Z')
                    *p = (char)(*p - 'A' + 'a');
            if (!may_impersonate(call, "authentication.k8s.io", "userextras", key, "", value))
                return fail_impersonation(call, "userextras", value);
            if (as->extra == NULL)
                as->extra = json_object();
            json_t *values = json_object_get(as->extra, key);
            if (values == NULL) {
                json_object_set_new(as->extra, key, json_array());
                values = json_object_get(as->extra, key);
            }
            json_array_append_new(values, json_string(value));
        }
    }
    return 0;
}

/* A service account has its groups whatever the headers say. */
static void add_account_groups(struct user *as)
{
    struct span rest = span_of(as->name + strlen(SERVICE_ACCOUNT_PREFIX)), ns_span;

    if (as->groups.len > 0 || !span_split(&rest, ':', &ns_span))
        return;
    CLEANUP(str) char *ns = span_dup(ns_span);
    CLEANUP(str) char *group = xasprintf("system:serviceaccounts:%s", ns);
    user_add_group(as, "system:serviceaccounts");
    user_add_group(as, group);
}

static int impersonate(struct call *call)
{
    const char *name = http_request_header(call->request, "Impersonate-User");

    if (str_is_empty(name)) {
        if (http_request_header(call->request, "Impersonate-Group") != NULL ||
            http_request_header(call->request, "Impersonate-Uid") != NULL)
            return fail_bad_request(&call->failure,
                                    "requested impersonation without impersonating a user");
        return 0;
    }
    CLEANUP(user) struct user *as = user_new(name);
    if (check_impersonated_user(call, as) == -1 || read_impersonation(call, as) == -1)
        return -1;
    if (str_starts_with(name, SERVICE_ACCOUNT_PREFIX))
        add_account_groups(as);
    user_add_group(as, str_eq(name, USER_ANONYMOUS) ? GROUP_UNAUTHENTICATED : GROUP_AUTHENTICATED);
    user_free(call->user);
    call->user = steal(&as);
    return 0;
}

int authenticate(struct call *call)
{
    const char *header = http_request_header(call->request, "Authorization");

    if (call->request->cert != NULL)
        call->user = from_cert(call->request->cert);
    else if (header == NULL)
        call->user = anonymous();
    else if (strncasecmp(header, "Bearer ", 7) != 0)
        return unauthorized(call);
    else if (from_token(call, header) == -1)
        return -1;
    return impersonate(call);
}
