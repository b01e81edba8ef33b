/* The inventory: what every provider has, its change feed, and its REST service.
 *
 * One collector thread per provider fills a model of JSON objects with revisions.
 *
 * May use: base, data, net, kube, source.  Threads: all functions may be called from any thread;
 * objects handed out are frozen and come with a reference.
 */
#pragma once

#include "base/cleanup.h"
#include "data/obj.h"
#include "source/source.h"

struct error;
struct inventory;
struct kube_client;

/* One object that changed. */
struct inventory_change {
    const char *kind, *id;
    const char *name; /* "" if it is gone */
};

struct inventory_options {
    struct kube_client *client;
    const char *dir;   /* caches */
    int64_t parity_ms; /* how long REST requests wait for a first complete read; 0: 10 s */
    /* Called on collector threads after changes of a provider's objects; CHANGE is NULL where it is
     * many of them, or how the collector stands. */
    void (*on_change)(void *arg, const char *provider_ns, const char *provider_name,
                      const struct inventory_change *change);
    void *arg;
};

struct inventory *inventory_new(const struct inventory_options *options);
void inventory_free(struct inventory *inventory); /* stops the collectors */

/* Starts the collector of PROVIDER (the object), or restarts it if its spec or secret changed; in
 * any case remembers the object for the REST service.  Cheap: meant for every reconcile.  Fails if
 * the configuration cannot be right (source_ops.open); what was there before is then stopped.
 * SECRET as in source_config. */
int inventory_add_provider(struct inventory *inventory, const json_t *provider,
                           const json_t *secret, struct error **err);
void inventory_remove_provider(struct inventory *inventory, const char *ns, const char *name);

/* True once the first complete read is in. */
bool inventory_is_complete(struct inventory *inventory, const char *ns, const char *name);
/* The collector's last failure and its problems as a new {message, hint, problems: [{where, what}]}
 * (message and hint only after a failure that is being retried), or NULL when all is well. */
json_t *inventory_get_trouble(struct inventory *inventory, const char *ns, const char *name);

/* An object by kind and id, else by name (a name that several have is ERROR_INVALID).  ID or NAME
 * may be NULL.  A name with slashes also fits an object whose path ends with it.  *OUT is frozen
 * and has a reference for the caller; absent is *OUT = NULL, also for an unknown provider.  NS and
 * PROVIDER name the Provider. */
int inventory_find(struct inventory *inventory, const char *ns, const char *provider,
                   const char *kind, const char *id, const char *name, json_t **out,
                   struct error **err);
/* All objects of a kind as a new array of frozen objects, in the order of their ids. */
json_t *inventory_list(struct inventory *inventory, const char *ns, const char *provider,
                       const char *kind);

/* The Provider objects of all collectors, as a new array of frozen objects. */
json_t *inventory_list_providers(struct inventory *inventory);

/* What validation says of a VM. */
struct inventory_verdict {
    char *vm_id;
    json_t *concerns; /* an array, frozen */
    int64_t policy_version;
    int64_t revision; /* that was judged */
};

/* Puts verdicts beside their VMs: concerns, policyVersion, revisionValidated.  Leaves the revisions
 * alone and calls nobody.  One about a VM that is gone or has changed meanwhile is dropped.
 * Returns how many were put. */
size_t inventory_put_verdicts(struct inventory *inventory, const char *ns, const char *provider,
                              const struct inventory_verdict *verdicts, size_t count);

/* The open source of a provider, for test, power, describe and disk access; NULL if there is none.
 * Valid, also when the provider is removed meanwhile, until inventory_put_source gives it back. */
struct source *inventory_get_source(struct inventory *inventory, const char *ns, const char *name,
                                    const struct source_ops **ops);
void inventory_put_source(struct inventory *inventory, struct source *source);

struct http_request;
struct http_response;

/* Answers a request of the REST service (doc/design/inventory.md has its routes); ARG is the
 * inventory.  The path is looked at behind the mount's prefix: /providers/... */
void inventory_handle(void *arg, const struct http_request *request,
                      struct http_response *response);

DEFINE_CLEANUP(inventory, struct inventory *, inventory_free)
