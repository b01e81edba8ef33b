/* Who may do what: Role, ClusterRole and their bindings (rbac.authorization.k8s.io/v1).
 *
 * May use: base, data, kube.  Threads: all functions may be called from any thread.
 */
#pragma once

#include "apiserver/user.h"
#include "data/obj.h"

#include <stdbool.h>

struct authorizer;
struct registry;

struct authz_request {
    const struct user *user;
    const char *verb;
    const char *group, *resource, *subresource, *ns, *name; /* "" for what there is none of */
    const char *path; /* of a request that is not about a resource; NULL otherwise */
};

struct authorizer *authorizer_new(struct registry *registry);
void authorizer_free(struct authorizer *authorizer);

bool authorizer_allows(struct authorizer *authorizer, const struct authz_request *request);

/* All rules that USER has in NS, as PolicyRules: two new arrays. */
void authorizer_rules(struct authorizer *authorizer, const struct user *user, const char *ns,
                      json_t **resource_rules, json_t **path_rules);

/* True if USER has everything in NS ("": everywhere) that the PolicyRules RULES give. */
bool authorizer_covers(struct authorizer *authorizer, const struct user *user, const char *ns,
                       const json_t *rules);

/* The rules of a role that a roleRef names, a new reference, or NULL if there is none. */
json_t *authorizer_role_rules(struct authorizer *authorizer, const char *ns, const json_t *role_ref);
