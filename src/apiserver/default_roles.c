/* The roles that Kubernetes brings along, with the kinds that we serve, and who has them. */
#include "apiserver/bootstrap.h"

#include "base/array.h"
#include "base/text.h"
#include "data/obj.h"

#define RBAC "rbac.authorization.k8s.io"

/* Words parted by spaces; NULL for none. */
struct rule {
    const char *groups, *resources, *verbs, *paths;
};

enum { MAX_RULES = 8 };

#define READ "get list watch"
#define WRITE "create delete deletecollection patch update"
/* What this home moves: also in the hands of those who edit and view a namespace. */
#define MIGRATION_GROUPS                                                                           \
    "forklift.konveyor.io migration.openshift.io velero.io kubevirt.io cdi.kubevirt.io "           \
    "snapshot.kubevirt.io instancetype.kubevirt.io clone.kubevirt.io export.kubevirt.io "          \
    "pool.kubevirt.io k8s.cni.cncf.io"
#define CORE_WORK                                                                                  \
    "configmaps persistentvolumeclaims pods pods/log pods/status events endpoints services "       \
    "serviceaccounts"

static const struct {
    const char *name;
    struct rule rules[MAX_RULES];
} roles[] = {
    {"cluster-admin", {{"*", "*", "*", NULL}, {NULL, NULL, "*", "*"}}},
    {"admin", {{"_", CORE_WORK " secrets pods/exec serviceaccounts/token", READ " " WRITE, NULL},
      {"batch apps", "*", READ " " WRITE, NULL},
      {MIGRATION_GROUPS, "*", READ " " WRITE, NULL},
      {"subresources.kubevirt.io", "*", "get update", NULL},
      {RBAC, "roles rolebindings", READ " " WRITE, NULL},
      {"authorization.k8s.io", "localsubjectaccessreviews", "create", NULL},
      {"_", "namespaces", "get list watch", NULL}}},
    {"edit", {{"_", CORE_WORK " secrets pods/exec", READ " " WRITE, NULL},
      {"batch apps", "*", READ " " WRITE, NULL},
      {MIGRATION_GROUPS, "*", READ " " WRITE, NULL},
      {"subresources.kubevirt.io", "*", "get update", NULL},
      {"_", "namespaces", "get list watch", NULL}}},
    /* Secrets are not for viewing: their tokens would be a way up. */
    {"view", {{"_", CORE_WORK, READ, NULL},
      {"batch apps", "*", READ, NULL},
      {MIGRATION_GROUPS, "*", READ, NULL},
      {"_", "namespaces", "get list watch", NULL}}},
    {"system:basic-user", {{"authorization.k8s.io", "selfsubjectaccessreviews selfsubjectrulesreviews", "create", NULL},
      {"authentication.k8s.io", "selfsubjectreviews", "create", NULL}}},
    {"system:discovery", {{NULL, NULL, "get",
       "/ /api /api/* /apis /apis/* /healthz /livez /openapi /openapi/* /readyz /version /version/"}}},
    {"system:public-info-viewer", {{NULL, NULL, "get", "/healthz /healthz/* /livez /livez/* /readyz /readyz/*"}}},
    {"system:auth-delegator", {{"authentication.k8s.io", "tokenreviews", "create", NULL},
      {"authorization.k8s.io", "subjectaccessreviews", "create", NULL}}},
    {"system:service-account-issuer-discovery", {{NULL, NULL, "get", "/.well-known/openid-configuration /openid/v1/jwks"}}},
};

static const struct {
    const char *name, *role, *groups;
} bindings[] = {
    {"cluster-admin", "cluster-admin", "system:masters"},
    {"system:basic-user", "system:basic-user", "system:authenticated"},
    {"system:discovery", "system:discovery", "system:authenticated"},
    {"system:public-info-viewer", "system:public-info-viewer",
     "system:authenticated system:unauthenticated"},
    {"system:service-account-issuer-discovery", "system:service-account-issuer-discovery",
     "system:serviceaccounts"},
};

/* "_" stands for the core group. */
static json_t *words(const char *text)
{
    struct span rest = span_of(text), word;
    json_t *list = json_array();

    while (span_split(&rest, ' ', &word))
        if (word.len > 0)
            json_array_append_new(list, span_eq_str(word, "_") ? json_string("")
                                                               : json_stringn(word.ptr, word.len));
    return list;
}

static json_t *make_rule(const struct rule *rule)
{
    json_t *made = json_object();

    if (rule->groups != NULL) {
        json_object_set_new(made, "apiGroups", words(rule->groups));
        json_object_set_new(made, "resources", words(rule->resources));
    }
    if (rule->paths != NULL)
        json_object_set_new(made, "nonResourceURLs", words(rule->paths));
    json_object_set_new(made, "verbs", words(rule->verbs));
    return made;
}

static json_t *make_object(const char *kind, const char *name)
{
    return obj_pack("{s:s, s:s, s:{s:s, s:{s:s}}}", "apiVersion", RBAC "/v1", "kind", kind,
                    "metadata", "name", name, "labels", "kubernetes.io/bootstrapping",
                    "rbac-defaults");
}

static json_t *make_role(size_t i)
{
    json_t *role = make_object("ClusterRole", roles[i].name);
    json_t *rules = json_array();

    for (size_t j = 0; j < MAX_RULES && roles[i].rules[j].verbs != NULL; j++)
        json_array_append_new(rules, make_rule(&roles[i].rules[j]));
    obj_take(role, "rules", rules);
    return role;
}

static json_t *make_binding(size_t i)
{
    json_t *binding = make_object("ClusterRoleBinding", bindings[i].name);
    json_auto_t *groups = words(bindings[i].groups);
    json_t *subjects = json_array();
    size_t j;
    json_t *group;

    json_array_foreach(groups, j, group) {
        json_array_append_new(subjects, obj_pack("{s:s, s:s, s:O}", "apiGroup", RBAC, "kind",
                                                 "Group", "name", group));
    }
    obj_take(binding, "subjects", subjects);
    obj_take(binding, "roleRef", obj_pack("{s:s, s:s, s:s}", "apiGroup", RBAC, "kind",
                                          "ClusterRole", "name", bindings[i].role));
    return binding;
}

json_t *bootstrap_role(size_t i)
{
    if (i < ARRAY_SIZE(roles))
        return make_role(i);
    i -= ARRAY_SIZE(roles);
    return i < ARRAY_SIZE(bindings) ? make_binding(i) : NULL;
}
