#include "apiserver/hooks.h"

#define LOG_COMPONENT "apiserver"

#include "apiserver/authz.h"
#include "apiserver/host_paths.h"
#include "apiserver/housekeeping.h"
#include "apiserver/server.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/time.h"
#include "data/obj.h"
#include "kube/meta.h"


#define RBAC_GROUP "rbac.authorization.k8s.io"

static bool is_kind(const struct call *call, const char *group, const char *kind)
{
    return str_eq(call->served->type->kind, kind) && str_eq(call->served->type->group, group);
}

/* --- CustomResourceDefinitions ------------------------------------------------------------------------- */

/* Another kind of the group that has the same plural or kind; NULL if there is none. */
static char *find_name_conflict(struct call *call, const json_t *crd)
{
    CLEANUP(served_list) struct served_list list = {0};
    const char *group = obj_str(crd, "spec.group", "");
    const char *plural = obj_str(crd, "spec.names.plural", "");
    const char *kind = obj_str(crd, "spec.names.kind", "");

    registry_list(call->server->registry, &list);
    for (size_t i = 0; i < list.len; i++) {
        const struct kube_type *type = list.ptr[i]->type;
        bool is_itself = type->is_custom && str_eq(type->plural, plural);
        if (!str_eq(type->group, group) || is_itself)
            continue;
        if (str_eq(type->kind, kind))
            return xasprintf("\"%s\" is already in use", kind);
        if (str_eq(type->plural, plural))
            return xasprintf("\"%s\" is already in use", plural);
    }
    return NULL;
}

static int before_definition(struct call *call, json_t *crd, const json_t *old,
                             struct cause_list *causes)
{
    if (str_eq(call->subresource, "status"))
        return 0;
    crd_default(crd);
    crd_validate(crd, old, registry_pool(call->server->registry), causes);
    if (causes->len > 0)
        return 0; /* the caller answers with them */
    if (old == NULL)
        meta_add_finalizer(crd, CRD_FINALIZER);
    if (old == NULL || !obj_eq(obj_at(old, "spec"), obj_at(crd, "spec"))) {
        CLEANUP(str) char *conflict = find_name_conflict(call, crd);
        crd_set_status(crd, conflict, time_now_ms());
    }
    return 0;
}

static void after_definition(struct call *call, const json_t *crd, bool is_removed)
{
    const char *group = obj_str(crd, "spec.group", ""), *plural = obj_str(crd, "spec.names.plural", "");
    CLEANUP(cause_list) struct cause_list causes = {0};

    if (is_removed) {
        registry_remove(call->server->registry, group, plural);
        return;
    }
    if (str_eq(call->subresource, "status"))
        return;
    /* It was checked before it was stored. */
    if (registry_put(call->server->registry, crd, meta_is_deleting(crd), &causes) == -1) {
        CLEANUP(str) char *text = cause_list_format(&causes);
        log_error("a definition that was stored cannot be served: name=%s why=%s", meta_name(crd),
                  text);
    }
}

/* --- Rights -------------------------------------------------------------------------------------------- */

static bool may(struct call *call, const char *verb, const char *plural, const char *ns,
                const char *name)
{
    const struct authz_request request = {
        .user = call->user,
        .verb = verb,
        .group = RBAC_GROUP,
        .resource = plural,
        .subresource = "",
        .ns = ns,
        .name = name,
    };

    return authorizer_allows(call->server->authorizer, &request);
}

static int fail_escalation(struct call *call, const char *name)
{
    CLEANUP(str) char *detail =
        xasprintf("user \"%s\" is attempting to grant RBAC permissions not currently held",
                  call->user->name);

    return fail_forbidden(&call->failure, RBAC_GROUP, call->plural, name, detail);
}

/* Nobody gives a right that he does not have, unless he may "escalate". */
static int before_role(struct call *call, const json_t *role, const json_t *old)
{
    const char *ns = meta_ns(role);
    json_t *rules = obj_arr(role, "rules");

    if (old != NULL && obj_eq(rules, obj_arr(old, "rules")) &&
        obj_eq(obj_at(role, "aggregationRule"), obj_at(old, "aggregationRule")))
        return 0;
    if (may(call, "escalate", call->plural, ns, meta_name(role)))
        return 0;
    if (obj_at(role, "aggregationRule") != NULL)
        return fail_escalation(call, meta_name(role)); /* its rules may grow to anything */
    return authorizer_covers(call->server->authorizer, call->user, ns, rules)
               ? 0
               : fail_escalation(call, meta_name(role));
}

static int before_binding(struct call *call, const json_t *binding, const json_t *old)
{
    const char *ns = meta_ns(binding);
    const json_t *ref = obj_at(binding, "roleRef");
    bool cluster = str_eq(obj_str(ref, "kind", ""), "ClusterRole");

    if (old != NULL && obj_eq(obj_at(old, "subjects"), obj_at(binding, "subjects")) &&
        obj_eq(obj_at(old, "roleRef"), ref))
        return 0;
    if (may(call, "bind", cluster ? "clusterroles" : "roles", ns, obj_str(ref, "name", "")))
        return 0;
    json_auto_t *rules = authorizer_role_rules(call->server->authorizer, ns, ref);
    if (rules == NULL)
        return fail_not_found(&call->failure, RBAC_GROUP, cluster ? "clusterroles" : "roles",
                              obj_str(ref, "name", ""));
    return authorizer_covers(call->server->authorizer, call->user, ns, rules)
               ? 0
               : fail_escalation(call, meta_name(binding));
}

/* --- Pods ------------------------------------------------------------------------------------------------ */

/* A pod runs as an account that exists. */
static int before_pod(struct call *call, json_t *pod)
{
    const char *account = obj_str(pod, "spec.serviceAccountName", "");

    if (*account == '\0') {
        obj_put_str(pod, "spec.serviceAccountName", "default");
        account = "default";
    }
    struct served *accounts =
        registry_find(call->server->registry, "", NULL, "serviceaccounts", NULL);
    CLEANUP(object) struct object *found =
        accounts == NULL ? NULL : store_get(accounts->table, call->ns, account);
    served_unref(accounts);
    if (found != NULL)
        return 0;
    CLEANUP(str) char *detail =
        xasprintf("error looking up service account %s/%s: serviceaccount \"%s\" not found",
                  call->ns, account, account);
    return fail_forbidden(&call->failure, "", "pods", meta_name(pod), detail);
}

int hook_before_write(struct call *call, json_t *object, const json_t *old,
                      struct cause_list *causes)
{
    if (host_paths_check(call, object, old) == -1)
        return -1;
    if (is_kind(call, CRD_GROUP, "CustomResourceDefinition"))
        return before_definition(call, object, old, causes);
    if (is_kind(call, RBAC_GROUP, "Role") || is_kind(call, RBAC_GROUP, "ClusterRole"))
        return before_role(call, object, old);
    if (is_kind(call, RBAC_GROUP, "RoleBinding") || is_kind(call, RBAC_GROUP, "ClusterRoleBinding"))
        return before_binding(call, object, old);
    if (is_kind(call, "", "Pod") && old == NULL)
        return before_pod(call, object);
    return 0;
}

void hook_after_write(struct call *call, const json_t *object, bool is_removed)
{
    if (is_kind(call, CRD_GROUP, "CustomResourceDefinition"))
        after_definition(call, object, is_removed);
    if (is_kind(call, "", "Namespace") && !is_removed && !meta_is_deleting(object))
        housekeeping_furnish(call->server, meta_name(object));
    housekeeping_notice(call->server->housekeeping, call->group, call->plural, object, is_removed);
}
