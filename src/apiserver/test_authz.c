#include "apiserver/authz.h"

#include "apiserver/test_home.h"
#include "apiserver/tokens.h"
#include "base/mem.h"
#include "base/test.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

#define RBAC "/apis/rbac.authorization.k8s.io/v1"
#define TEAM RBAC "/namespaces/team"

static struct apiserver *start_with_team(const char *name)
{
    struct apiserver *server = home_start(name);

    home_must(server, "POST", "/api/v1/namespaces", "{\"metadata\":{\"name\":\"team\"}}", 201);
    return server;
}

static void bind(struct apiserver *server, const char *path, const char *kind, const char *role,
                 const char *user)
{
    CLEANUP(str) char *body =
        xasprintf("{\"metadata\":{\"generateName\":\"b-\"},\"subjects\":[{\"kind\":\"User\","
                  "\"name\":\"%s\"}],\"roleRef\":{\"kind\":\"%s\",\"name\":\"%s\"}}",
                  user, kind, role);

    home_must(server, "POST", path, body, 201);
}

/* The status that USER gets. */
static int as(struct apiserver *server, const char *user, const char *method, const char *path,
              const char *body, const char *type)
{
    CLEANUP(answer) struct answer answer =
        home_ask(server, &(struct ask){.method = method, .path = path, .body = body, .type = type,
                                       .user = user});

    return answer.status;
}

/* A cluster role with one rule, given to USER in the namespace team. */
static void give_rule(struct apiserver *server, const char *user, const char *rule)
{
    CLEANUP(str) char *body =
        xasprintf("{\"metadata\":{\"name\":\"of-%s\"},\"rules\":[%s]}", user, rule);
    CLEANUP(str) char *role = xasprintf("of-%s", user);

    home_must(server, "POST", TEAM "/roles", body, 201);
    bind(server, TEAM "/rolebindings", "Role", role, user);
}

TEST(rules_match_by_group_resource_subresource_name_and_verb)
{
    static const struct {
        const char *rule, *verb, *group, *resource, *sub, *name;
        bool allowed;
    } cases[] = {
        {"[\"\"] [\"pods\"] [\"get\"] []", "get", "", "pods", "", "", true},
        {"[\"\"] [\"pods\"] [\"get\"] []", "list", "", "pods", "", "", false},
        {"[\"\"] [\"pods\"] [\"get\"] []", "get", "", "pods", "log", "", false},
        {"[\"\"] [\"pods\"] [\"get\"] []", "get", "apps", "pods", "", "", false},
        {"[\"\"] [\"pods/log\"] [\"get\"] []", "get", "", "pods", "log", "", true},
        {"[\"\"] [\"pods/log\"] [\"get\"] []", "get", "", "pods", "", "", false},
        {"[\"\"] [\"*/log\"] [\"get\"] []", "get", "", "pods", "log", "", true},
        {"[\"\"] [\"*/log\"] [\"get\"] []", "get", "", "pods", "exec", "", false},
        {"[\"\"] [\"pods/*\"] [\"get\"] []", "get", "", "pods", "log", "", false},
        {"[\"*\"] [\"*\"] [\"get\"] []", "get", "batch", "jobs", "status", "", true},
        {"[\"\"] [\"pods\"] [\"*\"] []", "impersonate", "", "pods", "", "", true},
        {"[\"\"] [\"pods\"] [\"get\"] [\"a\"]", "get", "", "pods", "", "a", true},
        {"[\"\"] [\"pods\"] [\"get\"] [\"a\"]", "get", "", "pods", "", "b", false},
        {"[\"\"] [\"pods\"] [\"list\"] [\"a\"]", "list", "", "pods", "", "", false},
    };
    CLEANUP(apiserver) struct apiserver *server = start_with_team("matching");

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(str) char *name = xasprintf("user-%zu", i);
        CLEANUP(user) struct user *user = user_new(name);
        struct span rest = span_of(cases[i].rule), part[4];
        for (size_t j = 0; j < 4; j++)
            CHECK(span_split(&rest, ' ', &part[j]));
        CLEANUP(str) char *rule = xasprintf(
            "{\"apiGroups\":%.*s,\"resources\":%.*s,\"verbs\":%.*s,\"resourceNames\":%.*s}",
            (int)part[0].len, part[0].ptr, (int)part[1].len, part[1].ptr, (int)part[2].len,
            part[2].ptr, (int)part[3].len, part[3].ptr);
        give_rule(server, name, rule);
        struct authz_request request = {
            .user = user, .verb = cases[i].verb, .group = cases[i].group,
            .resource = cases[i].resource, .subresource = cases[i].sub, .ns = "team",
            .name = cases[i].name,
        };
        if (authorizer_allows(server->authorizer, &request) != cases[i].allowed)
            test_fail(__FILE__, __LINE__, "case %zu (%s) is not %d", i, cases[i].rule,
                      cases[i].allowed);
        request.ns = "default";
        CHECK(!authorizer_allows(server->authorizer, &request));
        request.ns = "";
        CHECK(!authorizer_allows(server->authorizer, &request));
    }
}

TEST(a_right_ends_with_its_binding_its_role_or_its_group)
{
    CLEANUP(apiserver) struct apiserver *server = start_with_team("ends");

    home_must(server, "POST", TEAM "/roles",
              "{\"metadata\":{\"name\":\"r\"},\"rules\":[{\"apiGroups\":[\"\"],\"resources\":"
              "[\"pods\"],\"verbs\":[\"list\"]}]}",
              201);
    home_must(server, "POST", TEAM "/rolebindings",
              "{\"metadata\":{\"name\":\"b\"},\"subjects\":[{\"kind\":\"User\",\"name\":\"ann\"},"
              "{\"kind\":\"Group\",\"name\":\"crew\"}],\"roleRef\":{\"kind\":\"Role\",\"name\":"
              "\"r\"}}",
              201);
    const char *pods = "/api/v1/namespaces/team/pods";
    CHECK_INT(as(server, "ann", "GET", pods, NULL, NULL), 200);
    CHECK_INT(as(server, "bob", "GET", pods, NULL, NULL), 403);
    CLEANUP(answer) struct answer crew = home_ask(
        server, &(struct ask){.method = "GET", .path = pods, .user = "bob", .groups = "crew"});
    CHECK_INT(crew.status, 200);

    home_must(server, "DELETE", TEAM "/roles/r", NULL, 200);
    CHECK_INT(as(server, "ann", "GET", pods, NULL, NULL), 403);
    home_must(server, "POST", TEAM "/roles",
              "{\"metadata\":{\"name\":\"r\"},\"rules\":[{\"apiGroups\":[\"\"],\"resources\":"
              "[\"pods\"],\"verbs\":[\"list\"]}]}",
              201);
    CHECK_INT(as(server, "ann", "GET", pods, NULL, NULL), 200);
    home_must(server, "DELETE", TEAM "/rolebindings/b", NULL, 200);
    CHECK_INT(as(server, "ann", "GET", pods, NULL, NULL), 403);
}

TEST(an_aggregated_role_has_the_rules_of_those_it_selects)
{
    CLEANUP(apiserver) struct apiserver *server = start_with_team("aggregated");

    home_must(server, "POST", RBAC "/clusterroles",
              "{\"metadata\":{\"name\":\"sum\"},\"aggregationRule\":{\"clusterRoleSelectors\":"
              "[{\"matchLabels\":{\"to\":\"sum\"}}]},\"rules\":[]}",
              201);
    bind(server, TEAM "/rolebindings", "ClusterRole", "sum", "ann");
    const char *pods = "/api/v1/namespaces/team/pods";
    CHECK_INT(as(server, "ann", "GET", pods, NULL, NULL), 403);
    home_must(server, "POST", RBAC "/clusterroles",
              "{\"metadata\":{\"name\":\"part\",\"labels\":{\"to\":\"sum\"}},\"rules\":[{"
              "\"apiGroups\":[\"\"],\"resources\":[\"pods\"],\"verbs\":[\"list\"]}]}",
              201);
    CHECK_INT(as(server, "ann", "GET", pods, NULL, NULL), 200);
}

/* --- Nobody gives away what he does not have ------------------------------------------------------ */

#define OWN_RULE   "{\"apiGroups\":[\"\"],\"resources\":[\"pods\"],\"verbs\":[\"get\"]}"
#define MORE_RULE  "{\"apiGroups\":[\"\"],\"resources\":[\"nodes\"],\"verbs\":[\"get\"]}"
#define STAR_RULE  "{\"apiGroups\":[\"*\"],\"resources\":[\"*\"],\"verbs\":[\"*\"]}"
#define ROLE(name, rules) "{\"metadata\":{\"name\":\"" name "\"},\"rules\":[" rules "]}"
#define BINDING(name, kind, role)                                                                  \
    "{\"metadata\":{\"name\":\"" name "\"},\"subjects\":[{\"kind\":\"User\",\"name\":\"adam\"}],"   \
    "\"roleRef\":{\"apiGroup\":\"rbac.authorization.k8s.io\",\"kind\":\"" kind                     \
    "\",\"name\":\"" role "\"}}"
#define APPLY "application/apply-patch+yaml"
#define MERGE "application/merge-patch+json"
#define JSON_PATCH "application/json-patch+json"

TEST(an_admin_of_a_namespace_cannot_become_more)
{
    static const struct {
        const char *method, *path, *body, *type;
        int status;
    } tries[] = {
        {"POST", TEAM "/roles", ROLE("own", OWN_RULE), NULL, 201},
        {"POST", TEAM "/roles", ROLE("more", MORE_RULE), NULL, 403},
        {"POST", TEAM "/roles", ROLE("star", STAR_RULE), NULL, 403},
        {"POST", TEAM "/roles?dryRun=All", ROLE("star", STAR_RULE), NULL, 403},
        {"PUT", TEAM "/roles/own", ROLE("own", STAR_RULE), NULL, 403},
        {"PATCH", TEAM "/roles/own", "{\"rules\":[" STAR_RULE "]}", MERGE, 403},
        {"PATCH", TEAM "/roles/own", "[{\"op\":\"add\",\"path\":\"/rules/-\",\"value\":" MORE_RULE
                                     "}]", JSON_PATCH, 403},
        {"PATCH", TEAM "/roles/own?fieldManager=x&force=true",
         "{\"apiVersion\":\"rbac.authorization.k8s.io/v1\",\"kind\":\"Role\",\"metadata\":{\"name\":"
         "\"own\"},\"rules\":[" STAR_RULE "]}", APPLY, 403},
        {"PATCH", TEAM "/roles/new?fieldManager=x",
         "{\"apiVersion\":\"rbac.authorization.k8s.io/v1\",\"kind\":\"Role\",\"metadata\":{\"name\":"
         "\"new\"},\"rules\":[" STAR_RULE "]}", APPLY, 403},
        {"PATCH", TEAM "/roles/own", "{\"metadata\":{\"labels\":{\"a\":\"b\"}}}", MERGE, 200},
        {"POST", TEAM "/rolebindings", BINDING("v", "ClusterRole", "view"), NULL, 201},
        {"POST", TEAM "/rolebindings", BINDING("a", "ClusterRole", "admin"), NULL, 201},
        {"POST", TEAM "/rolebindings", BINDING("c", "ClusterRole", "cluster-admin"), NULL, 403},
        {"POST", TEAM "/rolebindings", BINDING("n", "ClusterRole", "none"), NULL, 404},
        {"POST", TEAM "/rolebindings", BINDING("b", "Sorcerer", "own"), NULL, 422},
        {"PATCH", TEAM "/rolebindings/v",
         "{\"roleRef\":{\"name\":\"cluster-admin\"}}", MERGE, 403},
        {"POST", TEAM "/rolebindings", BINDING("o", "Role", "own"), NULL, 201},
        {"POST", TEAM "/rolebindings", BINDING("s", "Role", "strong"), NULL, 403},
        {"PATCH", TEAM "/rolebindings/theirs",
         "{\"subjects\":[{\"kind\":\"User\",\"apiGroup\":\"rbac.authorization.k8s.io\",\"name\":"
         "\"adam\"}]}", MERGE, 403},
        {"POST", RBAC "/clusterroles", ROLE("more", OWN_RULE), NULL, 403},
        {"POST", RBAC "/clusterrolebindings", BINDING("x", "ClusterRole", "view"), NULL, 403},
        {"POST", RBAC "/namespaces/default/rolebindings", BINDING("x", "ClusterRole", "view"), NULL,
         403},
        {"PATCH", "/api/v1/namespaces/team", "{\"metadata\":{\"labels\":{\"a\":\"b\"}}}", MERGE,
         403},
        {"POST", "/api/v1/namespaces", "{\"metadata\":{\"name\":\"mine\"}}", NULL, 403},
    };
    CLEANUP(apiserver) struct apiserver *server = start_with_team("escalation");

    bind(server, TEAM "/rolebindings", "ClusterRole", "admin", "adam");
    home_must(server, "POST", TEAM "/roles", ROLE("strong", STAR_RULE), 201);
    home_must(server, "POST", TEAM "/rolebindings",
              "{\"metadata\":{\"name\":\"theirs\"},\"subjects\":[],\"roleRef\":{\"kind\":\"Role\","
              "\"name\":\"strong\"}}",
              201);
    for (size_t i = 0; i < ARRAY_SIZE(tries); i++) {
        int status = as(server, "adam", tries[i].method, tries[i].path, tries[i].body,
                        tries[i].type);
        if (status != tries[i].status)
            test_fail(__FILE__, __LINE__, "%zu: %s %s %s: %d, not %d", i, tries[i].method,
                      tries[i].path, tries[i].body, status, tries[i].status);
    }
}

TEST(bind_and_escalate_are_rights_of_their_own)
{
    CLEANUP(apiserver) struct apiserver *server = start_with_team("bind");

    bind(server, TEAM "/rolebindings", "ClusterRole", "admin", "binder");
    bind(server, TEAM "/rolebindings", "ClusterRole", "admin", "riser");
    give_rule(server, "binder",
              "{\"apiGroups\":[\"rbac.authorization.k8s.io\"],\"resources\":[\"clusterroles\"],"
              "\"resourceNames\":[\"cluster-admin\"],\"verbs\":[\"bind\"]}");
    give_rule(server, "riser",
              "{\"apiGroups\":[\"rbac.authorization.k8s.io\"],\"resources\":[\"roles\"],"
              "\"verbs\":[\"escalate\"]}");
    CHECK_INT(as(server, "binder", "POST", TEAM "/rolebindings",
                 BINDING("1", "ClusterRole", "cluster-admin"), NULL),
              201);
    CHECK_INT(as(server, "binder", "POST", TEAM "/roles", ROLE("1", STAR_RULE), NULL), 403);
    CHECK_INT(as(server, "riser", "POST", TEAM "/roles", ROLE("2", STAR_RULE), NULL), 201);
    CHECK_INT(as(server, "riser", "POST", TEAM "/rolebindings",
                 BINDING("2", "ClusterRole", "cluster-admin"), NULL),
              403);
}

TEST(roles_and_bindings_are_checked)
{
    static const struct {
        const char *path, *body, *field, *message;
    } bad[] = {
        {TEAM "/rolebindings", BINDING("x", "Sorcerer", "r"), "roleRef.kind",
         "Unsupported value: \"Sorcerer\": supported values: \"ClusterRole\", \"Role\""},
        {RBAC "/clusterrolebindings", BINDING("x", "Role", "r"), "roleRef.kind",
         "Unsupported value: \"Role\": supported values: \"ClusterRole\""},
        {TEAM "/rolebindings", BINDING("x", "Role", ""), "roleRef.name", "Required value"},
        {TEAM "/rolebindings",
         "{\"metadata\":{\"name\":\"x\"},\"roleRef\":{\"kind\":\"Role\",\"name\":\"r\",\"apiGroup\":"
         "\"x\"}}", "roleRef.apiGroup",
         "Unsupported value: \"x\": supported values: \"rbac.authorization.k8s.io\""},
        {TEAM "/rolebindings",
         "{\"metadata\":{\"name\":\"x\"},\"roleRef\":{\"kind\":\"Role\",\"name\":\"r\"},"
         "\"subjects\":[{\"kind\":\"Ghost\",\"name\":\"g\"}]}", "subjects[0].kind",
         "Unsupported value: \"Ghost\": supported values: \"ServiceAccount\", \"User\", \"Group\""},
        {TEAM "/rolebindings",
         "{\"metadata\":{\"name\":\"x\"},\"roleRef\":{\"kind\":\"Role\",\"name\":\"r\"},"
         "\"subjects\":[{\"kind\":\"ServiceAccount\",\"name\":\"g\"}]}", "subjects[0].namespace",
         "Required value"},
        {TEAM "/roles", ROLE("x", "{\"verbs\":[],\"apiGroups\":[\"\"],\"resources\":[\"pods\"]}"),
         "rules[0].verbs", "Required value: verbs must contain at least one value"},
        {TEAM "/roles", ROLE("x", "{\"verbs\":[\"get\"],\"nonResourceURLs\":[\"/x\"]}"),
         "rules[0].nonResourceURLs",
         "Invalid value: []interface {}{\"/x\"}: namespaced rules cannot apply to non-resource URLs"},
        {TEAM "/roles", ROLE("x", "{\"verbs\":[\"get\"],\"apiGroups\":[\"\"]}"),
         "rules[0].resources",
         "Required value: resource rules must supply at least one resource"},
    };
    CLEANUP(apiserver) struct apiserver *server = start_with_team("checked");

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        CLEANUP(answer) struct answer answer =
            home_ask(server, &(struct ask){.method = "POST", .path = bad[i].path,
                                           .body = bad[i].body, .user = "root",
                                           .groups = GROUP_MASTERS});
        const json_t *cause = json_array_get(obj_arr(answer.json, "details.causes"), 0);
        if (answer.status != 422)
            test_fail(__FILE__, __LINE__, "%zu: %d %s", i, answer.status, answer.text);
        CHECK_U64(obj_count(answer.json, "details.causes"), 1);
        CHECK_STR(obj_str(cause, "field", ""), bad[i].field);
        CHECK_STR(obj_str(cause, "message", ""), bad[i].message);
    }
}

/* --- Acting as somebody else ---------------------------------------------------------------------- */

static int acting(struct apiserver *server, const char *token, const char *header,
                  const char *value, const char *header2, const char *value2)
{
    CLEANUP(answer) struct answer answer = home_ask(
        server, &(struct ask){.method = "GET",
                              .path = "/api/v1/namespaces/team/pods",
                              .token = token,
                              .headers = {{header, value}, {header2, value2}}});

    return answer.status;
}

TEST(impersonation_takes_a_right_for_each_part)
{
    CLEANUP(apiserver) struct apiserver *server = start_with_team("impersonation");
    CLEANUP(str) char *token = home_token(server, "default", "default", NULL);

    bind(server, TEAM "/rolebindings", "ClusterRole", "view", "vera");
    CHECK_INT(acting(server, token, "Impersonate-User", "vera", NULL, NULL), 403);
    CHECK_INT(acting(server, token, "Impersonate-Group", "system:masters", NULL, NULL), 400);
    CHECK_INT(acting(server, NULL, "Impersonate-User", "vera", NULL, NULL), 403);

    home_must(server, "POST", RBAC "/clusterroles",
              ROLE("actor", "{\"apiGroups\":[\"\"],\"resources\":[\"users\"],\"resourceNames\":"
                            "[\"vera\"],\"verbs\":[\"impersonate\"]}"),
              201);
    home_must(server, "POST", RBAC "/clusterrolebindings",
              "{\"metadata\":{\"name\":\"actor\"},\"subjects\":[{\"kind\":\"ServiceAccount\","
              "\"name\":\"default\",\"namespace\":\"default\"}],\"roleRef\":{\"kind\":"
              "\"ClusterRole\",\"name\":\"actor\"}}",
              201);
    CHECK_INT(acting(server, token, "Impersonate-User", "vera", NULL, NULL), 200);
    CHECK_INT(acting(server, token, "Impersonate-User", "carl", NULL, NULL), 403);
    CHECK_INT(acting(server, token, "Impersonate-User", "system:serviceaccount:team:default", NULL,
                     NULL),
              403);
    CHECK_INT(acting(server, token, "Impersonate-User", "vera", "Impersonate-Group",
                     "system:masters"),
              403);
    CHECK_INT(acting(server, token, "Impersonate-User", "vera", "Impersonate-Uid", "1"), 403);
    CHECK_INT(acting(server, token, "Impersonate-User", "vera", "Impersonate-Extra-Scope", "x"),
              403);
    /* the rights of who is acted for count, not one's own as well */
    CHECK_INT(as(server, "vera", "GET", "/api/v1/namespaces/team/secrets", NULL, NULL), 403);
}

TEST(who_is_acted_for_is_known_with_groups_and_extra)
{
    CLEANUP(apiserver) struct apiserver *server = start_with_team("acted-for");
    CLEANUP(answer) struct answer answer = home_ask(
        server, &(struct ask){.method = "POST",
                              .path = "/apis/authentication.k8s.io/v1/selfsubjectreviews",
                              .token = tokens_admin(server->tokens),
                              .body = "{}",
                              .headers = {{"Impersonate-User", "vera"},
                                          {"Impersonate-Group", "testers"},
                                          {"Impersonate-Extra-Scopes", "view"},
                                          {"Impersonate-Uid", "7"}}});
    const json_t *info = obj_at(answer.json, "status.userInfo");

    CHECK_INT(answer.status, 201);
    CHECK_STR(obj_str(info, "username", ""), "vera");
    CHECK_STR(obj_str(info, "uid", ""), "7");
    CHECK_STR(json_string_value(json_array_get(obj_arr(info, "groups"), 0)), "testers");
    CHECK_STR(json_string_value(json_array_get(obj_arr(info, "extra.scopes"), 0)), "view");
}

TEST(reviews_say_what_requests_get)
{
    CLEANUP(apiserver) struct apiserver *server = start_with_team("reviews");

    bind(server, TEAM "/rolebindings", "ClusterRole", "view", "vera");
    static const struct {
        const char *attributes;
        bool allowed;
    } cases[] = {
        {"{\"namespace\":\"team\",\"verb\":\"list\",\"resource\":\"pods\"}", true},
        {"{\"namespace\":\"team\",\"verb\":\"create\",\"resource\":\"pods\"}", false},
        {"{\"namespace\":\"default\",\"verb\":\"list\",\"resource\":\"pods\"}", false},
        {"{\"verb\":\"list\",\"resource\":\"pods\"}", false},
        {"{\"namespace\":\"team\",\"verb\":\"get\",\"resource\":\"pods\",\"subresource\":\"log\"}",
         true},
        {"{\"namespace\":\"team\",\"verb\":\"get\",\"resource\":\"secrets\"}", false},
        {"{\"namespace\":\"team\",\"verb\":\"get\",\"group\":\"batch\",\"resource\":\"jobs\"}",
         true},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(str) char *own =
            xasprintf("{\"spec\":{\"resourceAttributes\":%s}}", cases[i].attributes);
        CLEANUP(str) char *other = xasprintf(
            "{\"spec\":{\"user\":\"vera\",\"resourceAttributes\":%s}}", cases[i].attributes);
        CLEANUP(answer) struct answer a = home_ask(
            server, &(struct ask){.method = "POST",
                                  .path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
                                  .body = own,
                                  .user = "vera"});
        CLEANUP(answer) struct answer b = home_ask(
            server, &(struct ask){.method = "POST",
                                  .path = "/apis/authorization.k8s.io/v1/subjectaccessreviews",
                                  .body = other,
                                  .user = "root",
                                  .groups = GROUP_MASTERS});
        CHECK_INT(a.status, 201);
        CHECK_INT(obj_bool(a.json, "status.allowed", !cases[i].allowed), cases[i].allowed);
        CHECK_INT(obj_bool(b.json, "status.allowed", !cases[i].allowed), cases[i].allowed);
    }
}

TEST(a_right_to_one_name_is_a_right_to_list_and_watch_that_one)
{
    static const char *const all = "/api/v1/namespaces/team/configmaps";
    CLEANUP(apiserver) struct apiserver *server = start_with_team("one-name");

    give_rule(server, "ann",
              "{\"apiGroups\":[\"\"],\"resources\":[\"configmaps\"],\"resourceNames\":[\"mine\"],"
              "\"verbs\":[\"get\",\"list\",\"watch\"]}");
    CLEANUP(str) char *mine = xasprintf("%s?fieldSelector=metadata.name%%3Dmine", all);
    CLEANUP(str) char *watch = xasprintf("%s&watch=true&timeoutSeconds=1", mine);
    CLEANUP(str) char *other = xasprintf("%s?fieldSelector=metadata.name%%3Dother", all);
    CLEANUP(str) char *but = xasprintf("%s?fieldSelector=metadata.name!%%3Dmine", all);
    CHECK_INT(as(server, "ann", "GET", mine, NULL, NULL), 200);
    CHECK_INT(as(server, "ann", "GET", watch, NULL, NULL), 200);
    CHECK_INT(as(server, "ann", "GET", all, NULL, NULL), 403);
    CHECK_INT(as(server, "ann", "GET", other, NULL, NULL), 403);
    CHECK_INT(as(server, "ann", "GET", but, NULL, NULL), 403);
    CHECK_INT(as(server, "ann", "DELETE", mine, NULL, NULL), 403);
}
