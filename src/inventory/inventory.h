/* The inventory: what every provider has, its change feed, and its REST service.
 *
 * One collector thread per provider fills a model of JSON objects with revisions.
 *
 * May use: base, data, net, kube, source.  Threads: all functions may be called from any thread;
 * objects handed out are frozen and come with a reference.
 */
#pragma once

#include "base/cleanup.h"
#include "source/source.h"

#include <jansson.h>

struct error;
struct inventory;
struct kube_client;

struct inventory_options {
    struct kube_client *client;
    const char *dir;  /* caches */
    /* Called on collector threads after changes of a provider's objects. */
    void (*on_change)(void *arg, const char *provider_ns, const char *provider_name);
    void *arg;
};

struct inventory *inventory_new(const struct inventory_options *options);
void inventory_free(struct inventory *inventory); /* stops the collectors */

/* Starts or restarts the collector of PROVIDER (the object) if its spec or secret changed.
 * SECRET as in source_config. */
int inventory_add_provider(struct inventory *inventory, const json_t *provider,
                           const json_t *secret, struct error **err);
void inventory_remove_provider(struct inventory *inventory, const char *ns, const char *name);

/* True once the first complete read is in. */
bool inventory_is_complete(struct inventory *inventory, const char *ns, const char *name);
/* The collector's last failure or problems as {message, problems: [{where, what}]}, or NULL. */
json_t *inventory_get_trouble(struct inventory *inventory, const char *ns, const char *name);

/* An object by kind and id, else by name (a name that several have is ERROR_INVALID).  Absent is
 * *OUT = NULL.  NS and PROVIDER name the Provider. */
int inventory_find(struct inventory *inventory, const char *ns, const char *provider,
                   const char *kind, const char *id, const char *name, json_t **out,
                   struct error **err);
/* All objects of a kind as a new array. */
json_t *inventory_list(struct inventory *inventory, const char *ns, const char *provider,
                       const char *kind);

/* Puts validation's result on an inventory VM: concerns, policyVersion, revisionValidated. */
void inventory_put_concerns(struct inventory *inventory, const char *ns, const char *provider,
                            const char *vm_id, const json_t *concerns, int64_t policy_version,
                            int64_t revision_validated);

/* The open source of a provider, for power, describe and disk access; NULL if there is none.
 * inventory_put_source gives it back. */
struct source *inventory_get_source(struct inventory *inventory, const char *ns, const char *name,
                                    const struct source_ops **ops);
void inventory_put_source(struct inventory *inventory, struct source *source);

DEFINE_CLEANUP(inventory, struct inventory *, inventory_free)
