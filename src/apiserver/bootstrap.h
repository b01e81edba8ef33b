/* The objects that are there from the start: definitions, namespaces, roles.
 *
 * May use: base, data, kube.  Threads: start-up, but for bootstrap_serve_definitions, which
 * a restore calls as well.
 */
#pragma once

#include "data/obj.h"

#include <stddef.h>

struct apiserver;
struct error;

/* Serves the built-in kinds and those whose definitions are in the store. */
int bootstrap_kinds(struct apiserver *server, struct error **err);

/* Serves the kinds whose definitions are in the store, and custom ones no more that have none. */
int bootstrap_serve_definitions(struct apiserver *server, struct error **err);

/* Makes or brings up to date our own definitions, those in CRD_DIR (or NULL), the namespaces and
 * the default roles. */
int bootstrap_objects(struct apiserver *server, const char *crd_dir, struct error **err);

/* The I-th default object (ClusterRole or ClusterRoleBinding), a new reference, or NULL behind the
 * last. */
json_t *bootstrap_role(size_t i);
