/* Who may do what, cell by cell: every verb on every resource and subresource, in the caller's
 * namespace, in another one and across all, by every kind of caller.  What is expected is said
 * here in a few lines, not read from the roles. */
#include "apiserver/rate.h"
#include "apiserver/special.h"
#include "apiserver/test_home.h"
#include "apiserver/user.h"
#include "base/mem.h"
#include "base/test.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum caller { ANONYMOUS, STRANGER, HOOK, VIEWER, EDITOR, ADMIN, CLUSTER_ADMIN, CALLERS };
static const char *const caller_names[CALLERS] = {
    "anonymous", "an account of another namespace", "a hook", "view", "edit", "admin",
    "cluster-admin",
};

struct cell {
    const char *group, *version, *plural, *subresource, *verb;
    bool namespaced;
    const char *ns; /* NULL: across all, or of no namespace */
};

/* --- What is expected ------------------------------------------------------------------------------- */

static bool is_one_of(const char *words, const char *word)
{
    struct span rest = span_of(words), part;

    while (span_split(&rest, ' ', &part))
        if (span_eq_str(part, word))
            return true;
    return false;
}

/* What an ordinary namespace holds, as far as Kubernetes lets its users see it. */
static bool is_core_work(const char *resource)
{
    return is_one_of("configmaps persistentvolumeclaims pods pods/log pods/status events endpoints "
                     "services serviceaccounts",
                     resource);
}

static bool is_workload_group(const char *group)
{
    return is_one_of("batch apps forklift.konveyor.io migration.openshift.io velero.io kubevirt.io "
                     "cdi.kubevirt.io snapshot.kubevirt.io instancetype.kubevirt.io "
                     "clone.kubevirt.io export.kubevirt.io pool.kubevirt.io k8s.cni.cncf.io",
                     group);
}

static bool is_about_oneself(const struct cell *cell)
{
    return str_eq(cell->verb, "create") && *cell->subresource == '\0' &&
           ((str_eq(cell->group, "authorization.k8s.io") &&
             is_one_of("selfsubjectaccessreviews selfsubjectrulesreviews", cell->plural)) ||
            (str_eq(cell->group, "authentication.k8s.io") &&
             str_eq(cell->plural, "selfsubjectreviews")));
}

static bool may_in_namespace(enum caller caller, const struct cell *cell)
{
    CLEANUP(str) char *resource = *cell->subresource == '\0'
                                      ? xstrdup(cell->plural)
                                      : xasprintf("%s/%s", cell->plural, cell->subresource);
    bool reads = is_one_of("get list watch", cell->verb);
    bool core = *cell->group == '\0';

    if (core && str_eq(resource, "namespaces"))
        return reads;
    if (is_workload_group(cell->group) || (core && is_core_work(resource)))
        return reads || caller >= EDITOR;
    if (caller == VIEWER)
        return false;
    if (core && is_one_of("secrets pods/exec", resource))
        return true;
    if (str_eq(cell->group, "subresources.kubevirt.io"))
        return is_one_of("get update", cell->verb);
    if (caller == EDITOR)
        return false;
    return (core && str_eq(resource, "serviceaccounts/token")) ||
           (str_eq(cell->group, "rbac.authorization.k8s.io") &&
            is_one_of("roles rolebindings", resource)) ||
           (str_eq(cell->group, "authorization.k8s.io") &&
            str_eq(resource, "localsubjectaccessreviews") && str_eq(cell->verb, "create"));
}

static bool is_expected(enum caller caller, const struct cell *cell)
{
    bool own = cell->ns != NULL && str_eq(cell->ns, "team");

    if (caller == CLUSTER_ADMIN)
        return true;
    if (caller == ANONYMOUS)
        return false;
    if (is_about_oneself(cell))
        return true;
    if (caller == STRANGER || !own)
        return false;
    if (caller == HOOK) /* its Role: one Secret by name, which is "none" here */
        return *cell->group == '\0' && str_eq(cell->plural, "secrets") &&
               *cell->subresource == '\0' && str_eq(cell->verb, "get");
    return may_in_namespace(caller, cell);
}

/* --- Asking ------------------------------------------------------------------------------------------ */

static const struct {
    const char *verb, *method;
    bool named;
} verbs[] = {
    {"get", "GET", true},       {"list", "GET", false},  {"watch", "GET", false},
    {"create", "POST", false},  {"update", "PUT", true}, {"patch", "PATCH", true},
    {"delete", "DELETE", true}, {"deletecollection", "DELETE", false},
};

/* A namespace is its own: its name stands where others have "none". */
static char *path_of(const struct cell *cell, bool named)
{
    bool is_namespace = *cell->group == '\0' && str_eq(cell->plural, "namespaces");
    CLEANUP(str) char *root = *cell->group == '\0'
                                  ? xasprintf("/api/%s", cell->version)
                                  : xasprintf("/apis/%s/%s", cell->group, cell->version);
    CLEANUP(str) char *ns = cell->namespaced && cell->ns != NULL
                                ? xasprintf("/namespaces/%s", cell->ns)
                                : xstrdup("");
    const char *name = is_namespace && cell->ns != NULL ? cell->ns : "none";
    bool has_name = named || *cell->subresource != '\0';

    /* nothing is changed, whoever may: a dry run, and a label that nothing has */
    return xasprintf("%s%s/%s%s%s%s%s?dryRun=All&labelSelector=no%%3Dne%s", root, ns, cell->plural,
                     has_name ? "/" : "", has_name ? name : "",
                     *cell->subresource == '\0' ? "" : "/", cell->subresource,
                     str_eq(cell->verb, "watch") ? "&watch=true&timeoutSeconds=1" : "");
}

struct matrix {
    struct apiserver *server;
    char *tokens[CALLERS]; /* of service accounts */
    size_t cells, allowed, wrong;
};

static const char *const users[CALLERS] = {
    [VIEWER] = "vera", [EDITOR] = "edda", [ADMIN] = "adam", [CLUSTER_ADMIN] = "carl",
};

static void try_cell(struct matrix *matrix, const struct cell *cell, size_t verb)
{
    CLEANUP(str) char *path = path_of(cell, verbs[verb].named);

    for (enum caller caller = 0; caller < CALLERS; caller++) {
        CLEANUP(answer) struct answer answer = home_ask(
            matrix->server, &(struct ask){
                                .method = verbs[verb].method,
                                .path = path,
                                .body = str_eq(verbs[verb].method, "GET") ? NULL : "{}",
                                .type = str_eq(cell->verb, "patch")
                                            ? "application/merge-patch+json"
                                            : NULL,
                                .user = users[caller],
                                .token = matrix->tokens[caller],
                                .stop_at_head = true,
                            });
        bool allowed = answer.status != 403 && answer.status != 401;
        matrix->cells++;
        matrix->allowed += allowed ? 1 : 0;
        if (allowed == is_expected(caller, cell))
            continue;
        matrix->wrong++;
        printf("# %s: %s %s: %d, expected to be %s\n", caller_names[caller], cell->verb, path,
               answer.status, allowed ? "refused" : "allowed");
    }
}

static void try_resource(struct matrix *matrix, struct cell cell)
{
    static const char *const places[] = {"team", "other", NULL};

    for (size_t place = 0; place < ARRAY_SIZE(places); place++) {
        bool is_namespace = *cell.group == '\0' && str_eq(cell.plural, "namespaces");
        if (!cell.namespaced && !is_namespace && places[place] != NULL)
            continue;
        for (size_t verb = 0; verb < ARRAY_SIZE(verbs); verb++) {
            bool is_sub = *cell.subresource != '\0';
            bool across = is_one_of("list watch deletecollection", verbs[verb].verb);
            /* what no path can say: a list of subresources, one object of all namespaces */
            if (is_sub && is_one_of("list deletecollection", verbs[verb].verb))
                continue;
            if (cell.namespaced && places[place] == NULL && (!across || is_sub))
                continue;
            if (is_namespace && places[place] != NULL && !verbs[verb].named && !is_sub)
                continue;
            cell.verb = verbs[verb].verb;
            cell.ns = places[place];
            try_cell(matrix, &cell, verb);
        }
    }
}

/* Every served kind with its subresources, our own subresources, and a kind that is not there. */
static void try_everything(struct matrix *matrix)
{
    CLEANUP(served_list) struct served_list list = {0};
    const struct subresource *sub;

    registry_list(matrix->server->registry, &list);
    CHECK(list.len > 30);
    for (size_t i = 0; i < list.len; i++) {
        const struct kube_type *type = list.ptr[i]->type;
        struct cell cell = {type->group, type->versions[0].name, type->plural, "", NULL,
                            type->namespaced, NULL};
        try_resource(matrix, cell);
        cell.subresource = "status";
        try_resource(matrix, cell);
        cell.subresource = "scale";
        try_resource(matrix, cell);
    }
    for (size_t i = 0; (sub = special_subresource(i)) != NULL; i++)
        try_resource(matrix, (struct cell){sub->of_group, "v1", sub->of_plural, sub->name, NULL,
                                           !str_eq(sub->of_plural, "namespaces"), NULL});
    try_resource(matrix, (struct cell){"subresources.kubevirt.io", "v1", "virtualmachines",
                                       "start", NULL, true, NULL});
    try_resource(matrix,
                 (struct cell){"example.com", "v1", "widgets", "", NULL, true, NULL});
}

#define RBAC "/apis/rbac.authorization.k8s.io/v1"

static void give(struct apiserver *server, const char *ns, const char *kind, const char *role,
                 const char *subject)
{
    CLEANUP(str) char *path = ns == NULL ? xstrdup(RBAC "/clusterrolebindings")
                                         : xasprintf(RBAC "/namespaces/%s/rolebindings", ns);
    CLEANUP(str) char *body =
        xasprintf("{\"metadata\":{\"generateName\":\"b-\"},\"subjects\":[%s],\"roleRef\":{"
                  "\"kind\":\"%s\",\"name\":\"%s\"}}",
                  subject, kind, role);

    home_must(server, "POST", path, body, 201);
}

TEST(every_caller_may_do_what_it_should_and_nothing_else)
{
    CLEANUP(apiserver) struct apiserver *server = home_start("matrix");
    struct matrix matrix = {.server = server};

    /* thousands of requests in a second: how many is not what this is about */
    rate_free(server->rate);
    server->rate = rate_new(1000000);
    home_must(server, "POST", "/api/v1/namespaces", "{\"metadata\":{\"name\":\"team\"}}", 201);
    home_must(server, "POST", "/api/v1/namespaces", "{\"metadata\":{\"name\":\"other\"}}", 201);
    give(server, "team", "ClusterRole", "view", "{\"kind\":\"User\",\"name\":\"vera\"}");
    give(server, "team", "ClusterRole", "edit", "{\"kind\":\"User\",\"name\":\"edda\"}");
    give(server, "team", "ClusterRole", "admin", "{\"kind\":\"User\",\"name\":\"adam\"}");
    give(server, NULL, "ClusterRole", "cluster-admin", "{\"kind\":\"User\",\"name\":\"carl\"}");

    home_must(server, "POST", "/api/v1/namespaces/team/serviceaccounts",
              "{\"metadata\":{\"name\":\"hook\"}}", 201);
    home_must(server, "POST", "/api/v1/namespaces/team/pods",
              "{\"metadata\":{\"name\":\"hook\"},\"spec\":{\"serviceAccountName\":\"hook\","
              "\"containers\":[{\"name\":\"c\",\"image\":\"x\"}]}}",
              201);
    home_must(server, "POST", RBAC "/namespaces/team/roles",
              "{\"metadata\":{\"name\":\"key\"},\"rules\":[{\"apiGroups\":[\"\"],\"resources\":"
              "[\"secrets\"],\"resourceNames\":[\"none\"],\"verbs\":[\"get\"]}]}",
              201);
    give(server, "team", "Role", "key",
         "{\"kind\":\"ServiceAccount\",\"name\":\"hook\",\"namespace\":\"team\"}");
    matrix.tokens[STRANGER] = home_token(server, "other", "default", NULL);
    matrix.tokens[HOOK] = home_token(server, "team", "hook", "hook");

    try_everything(&matrix);
    printf("# %zu cells, %zu allowed\n", matrix.cells, matrix.allowed);
    CHECK_U64(matrix.wrong, 0);
    free(matrix.tokens[STRANGER]);
    free(matrix.tokens[HOOK]);
}

TEST(paths_that_are_no_resources_are_for_those_who_are_known)
{
    static const struct {
        const char *path;
        bool anonymous, account, viewer;
    } paths[] = {
        {"/healthz", true, true, true},    {"/readyz", true, true, true},
        {"/livez", true, true, true},      {"/version", false, true, true},
        {"/api", false, true, true},       {"/apis", false, true, true},
        {"/apis/batch/v1", false, true, true}, {"/openapi/v3", false, true, true},
        {"/openapi/v2", false, true, true}, {"/metrics", false, false, false},
        {"/openid/v1/jwks", false, true, false}, {"/nothing", false, false, false},
        {"/", false, true, true},
    };
    CLEANUP(apiserver) struct apiserver *server = home_start("paths");
    CLEANUP(str) char *token = home_token(server, "default", "default", NULL);

    for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
        struct ask ask = {.method = "GET", .path = paths[i].path};
        CLEANUP(answer) struct answer anonymous = home_ask(server, &ask);
        ask.token = token;
        CLEANUP(answer) struct answer account = home_ask(server, &ask);
        ask.token = NULL;
        ask.user = "vera";
        CLEANUP(answer) struct answer viewer = home_ask(server, &ask);
        if ((anonymous.status != 403) != paths[i].anonymous ||
            (account.status != 403) != paths[i].account ||
            (viewer.status != 403) != paths[i].viewer)
            test_fail(__FILE__, __LINE__, "%s: %d %d %d", paths[i].path, anonymous.status,
                      account.status, viewer.status);
    }
}
