/* From a request to its handler: who asks, what for, is that allowed. */
#include "apiserver/authn.h"
#include "apiserver/authz.h"
#include "apiserver/call.h"
#include "apiserver/documents.h"
#include "apiserver/keeping.h"
#include "apiserver/rate.h"
#include "apiserver/record.h"
#include "apiserver/server.h"

#include "base/array.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/time.h"
#include "kube/selector.h"

#include <stdlib.h>
#include <string.h>

/* --- Authorisation ----------------------------------------------------------------------------------- */

static int fail_forbidden_resource(struct call *call)
{
    CLEANUP(str) char *sub =
        *call->subresource == '\0' ? xstrdup("") : xasprintf("/%s", call->subresource);
    CLEANUP(str) char *where = *call->ns == '\0'
                                   ? xstrdup("at the cluster scope")
                                   : xasprintf("in the namespace \"%s\"", call->ns);
    CLEANUP(str) char *detail =
        xasprintf("User \"%s\" cannot %s resource \"%s%s\" in API group \"%s\" %s", call->user->name,
                  call->verb, call->plural, sub, call->group, where);

    return fail_forbidden(&call->failure, call->group, call->plural, call->name, detail);
}

/* Who asks for a collection of one, "fieldSelector=metadata.name=a", asks for that object as far as
 * resourceNames go: kubectl waits for and watches single objects like that.  Owned, or NULL. */
static char *name_of_one(struct call *call)
{
    CLEANUP(error) struct error *err = NULL; /* a selector that is wrong is refused by who uses it */
    CLEANUP(str) char *text = http_request_query(call->request, "fieldSelector");

    if (*call->name != '\0' || str_is_empty(text) ||
        (!str_eq(call->verb, "list") && !str_eq(call->verb, "watch") &&
         !str_eq(call->verb, "deletecollection")))
        return NULL;
    CLEANUP(field_selector) struct field_selector *fields = field_selector_parse(text, &err);
    const char *name = fields == NULL ? NULL : field_selector_exact(fields, "metadata.name");
    return name == NULL ? NULL : xstrdup(name);
}

static int authorize_resource(struct call *call)
{
    CLEANUP(str) char *one = name_of_one(call);
    /* A namespace itself is in its own namespace, as far as rights go. */
    bool is_namespace = *call->group == '\0' && str_eq(call->plural, "namespaces");
    const struct authz_request request = {
        .user = call->user,
        .verb = call->verb,
        .group = call->group,
        .resource = call->plural,
        .subresource = call->subresource,
        .ns = is_namespace ? call->name : call->ns,
        .name = one == NULL ? call->name : one,
    };

    return authorizer_allows(call->server->authorizer, &request) ? 0
                                                                 : fail_forbidden_resource(call);
}

/* The verb of a path that is not a resource: the method in small letters. */
static int authorize_path(struct call *call, const char *path)
{
    CLEANUP(str) char *verb = xstrdup(call->request->method);

    for (char *p = verb; *p != '\0'; p++)
        if (*p >= 'A' && *p <= 'Z')
            *p = (char)(*p - 'A' + 'a');
    const struct authz_request request = {
        .user = call->user,
        .verb = verb,
        .group = "",
        .resource = "",
        .subresource = "",
        .ns = "",
        .name = "",
        .path = path,
    };
    if (authorizer_allows(call->server->authorizer, &request))
        return 0;
    CLEANUP(str) char *detail =
        xasprintf("User \"%s\" cannot %s path \"%s\"", call->user->name, verb, path);
    return fail(&call->failure, 403, "Forbidden", "forbidden: %s", detail);
}

/* --- Dispatch ------------------------------------------------------------------------------------------ */

static int fail_method(struct call *call)
{
    fail(&call->failure, 405, "MethodNotAllowed",
         "the server does not allow this method on the requested resource");
    failure_set_details(&call->failure, call->group, call->plural, call->name);
    return -1;
}

static const struct {
    const char *verb;
    unsigned flag;
    void (*handle)(struct call *call);
} verbs[] = {
    {"get", VERB_GET, handle_get},
    {"list", VERB_LIST, handle_list},
    {"watch", VERB_WATCH, handle_watch},
    {"create", VERB_CREATE, handle_create},
    {"update", VERB_UPDATE, handle_update},
    {"patch", VERB_PATCH, handle_patch},
    {"delete", VERB_DELETE, handle_delete},
    {"deletecollection", VERB_DELETE_COLLECTION, handle_delete_collection},
};

static bool has_subresource(const struct call *call)
{
    if (str_eq(call->subresource, "status"))
        return call->served_as->has_status;
    if (str_eq(call->subresource, "scale"))
        return call->served_as->has_scale;
    return false;
}

static void answer_unknown(struct call *call)
{
    call_answer_text(call, 404, "404 page not found\n");
}

/* Namespaced kinds need a namespace for everything that names one object. */
static bool scope_fits(const struct call *call)
{
    bool namespaced = call->served->type->namespaced;
    bool across = str_eq(call->verb, "list") || str_eq(call->verb, "watch") ||
                  str_eq(call->verb, "deletecollection");

    if (*call->ns == '\0')
        return !namespaced || (across && *call->name == '\0') ||
               str_eq(call->verb, "create");
    return namespaced;
}

static void handle_resource(struct call *call)
{
    if (!scope_fits(call)) {
        answer_unknown(call);
        return;
    }
    if (handle_special(call))
        return;
    if (*call->subresource != '\0' && !has_subresource(call)) {
        answer_unknown(call);
        return;
    }
    if (*call->subresource != '\0' &&
        (str_eq(call->verb, "create") || str_eq(call->verb, "delete") ||
         str_eq(call->verb, "watch"))) {
        fail_method(call);
        call_answer_failure(call);
        return;
    }
    for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
        if (!str_eq(verbs[i].verb, call->verb))
            continue;
        if ((call->served->type->verbs & verbs[i].flag) == 0)
            break;
        if (call->served_as->deprecated && call->served_as->deprecation_warning != NULL)
            call_warn(call, call->served_as->deprecation_warning);
        verbs[i].handle(call);
        return;
    }
    fail_method(call);
    call_answer_failure(call);
}

static bool find_mount(struct apiserver *server, const char *path, struct mount *found)
{
    bool is_found = false;

    pthread_rwlock_rdlock(&server->lock);
    for (size_t i = 0; i < server->mount_count && !is_found; i++) {
        const char *prefix = server->mounts[i].prefix;
        size_t len = strlen(prefix);
        is_found = strncmp(path, prefix, len) == 0 &&
                   (path[len] == '\0' || path[len] == '/' || prefix[len - 1] == '/');
        if (is_found)
            *found = server->mounts[i];
    }
    pthread_rwlock_unlock(&server->lock);
    return is_found;
}

static void handle_mount(struct call *call, const struct mount *mount)
{
    struct http_request request = *call->request;

    if (str_eq(call->user->name, USER_ANONYMOUS)) {
        fail(&call->failure, 401, "Unauthorized", "Unauthorized");
        call_answer_failure(call);
        return;
    }
    request.user = user_http(call->user);
    mount->handle(mount->arg, &request, call->response);
}

static void handle_kind(struct call *call)
{
    record_stays_open(call, 1);
    handle_resource(call);
    record_stays_open(call, -1);
}

static void route(struct call *call)
{
    const char *path = call->request->path;
    struct mount mount;

    if (find_mount(call->server, path, &mount)) {
        handle_mount(call, &mount);
        return;
    }
    if (!call_parse_path(call)) {
        if (authorize_path(call, path) == -1)
            call_answer_failure(call);
        else if (!keeping_handle(call) && !documents_handle(call->server->documents, call))
            answer_unknown(call);
        return;
    }
    if (*call->verb == '\0') {
        fail_method(call);
        call_answer_failure(call);
        return;
    }
    /* Rights first: who may not ask does not learn what there is. */
    if (authorize_resource(call) == -1 || call_read_options(call) == -1)
        call_answer_failure(call);
    else if (!call_find_kind(call))
        handle_special(call) ? (void)0 : answer_unknown(call);
    else
        handle_kind(call);
}

/* --- One request ------------------------------------------------------------------------------------------ */

/* 429, and when to come back. */
static void refuse_rate(struct call *call, int retry_s)
{
    fail(&call->failure, 429, "TooManyRequests",
         "too many requests: \"%s\" may send %u a second and have %d under way",
         call->user->name, rate_per_s(call->server->rate), RATE_MAX_AT_ONCE);
    failure_set_retry(&call->failure, retry_s);
    call_answer_failure(call);
}

/* What is answered, logged and compared is text: nothing else gets past here.  A parameter that
 * cannot be read must not count as absent either: without its selector, a deletion means all. */
static int check_text(struct call *call)
{
    const struct http_request *request = call->request;

    if (!utf8_is_valid(request->path, strlen(request->path)))
        return fail_bad_request(&call->failure, "the path is not UTF-8");
    if (!http_query_is_valid(request->query))
        return fail_bad_request(&call->failure, "the query cannot be decoded");
    for (size_t i = 0; i < request->header_count; i++)
        if (!utf8_is_valid(request->headers[i].value, strlen(request->headers[i].value)))
            return fail_bad_request(&call->failure, "header %zu is not UTF-8", i + 1);
    return 0;
}

/* Wrong credentials cost as much as none. */
static void refuse_credentials(struct call *call)
{
    int retry_s = 0;

    user_free(call->user);
    call->user = user_new(USER_ANONYMOUS);
    if (!rate_begin(call->server->rate, call->user, &retry_s)) {
        refuse_rate(call, retry_s);
        return;
    }
    rate_end(call->server->rate, call->user);
    call_answer_failure(call);
}

/* Whether we are alive is asked by whoever keeps us running, mostly without a token, and must be
 * answered while others send all that callers without one may. */
static bool is_probe(const struct http_request *request)
{
    static const char *const paths[] = {"/healthz", "/livez", "/readyz"};

    for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
        if (str_eq(request->path, paths[i]))
            return str_eq(request->method, "GET") || str_eq(request->method, "HEAD");
    return false;
}

static void route_within_limits(struct call *call)
{
    int retry_s = 0;
    if (is_probe(call->request)) {
        route(call);
        return;
    }
    if (!rate_begin(call->server->rate, call->user, &retry_s)) {
        refuse_rate(call, retry_s);
        return;
    }
    record_in_flight(call, 1);
    route(call);
    record_in_flight(call, -1);
    rate_end(call->server->rate, call->user);
}

void server_handle(struct apiserver *server, const struct http_request *request,
                   struct http_response *response, struct user *user)
{
    CLEANUP(call) struct call call;
    int64_t start_us = time_mono_us();

    call_init(&call, server, request, response);
    http_response_add_header(response, "Audit-Id", call.id);
    http_response_add_header(response, "Cache-Control", "no-cache, private");
    call.user = user;
    if (check_text(&call) == -1)
        call_answer_failure(&call);
    else if (call.user == NULL && authenticate(&call) == -1)
        refuse_credentials(&call);
    else
        route_within_limits(&call);
    record_answered(&call, time_mono_us() - start_us);
}
