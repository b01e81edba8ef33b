/* The Validation service: policies in, concerns out.
 *
 * A thread looks after every VM of the inventory: one that changed since it was judged, whose host,
 * cluster, networks or storage changed, or whose rules changed, is judged again, and no other.
 * Verdicts are put beside the VMs in batches.  The same rules answer OPA's HTTP contract.
 *
 * Users' rules come from a ConfigMap and a folder, which are looked at every few seconds.  Rules
 * that are not sound are told of by a condition on the ForkliftController, by an event on the
 * ConfigMap and by validation_get_trouble; the rules before stay in force, also over restarts.
 *
 * May use: base, data, lang, net, kube, inventory.  Threads: all functions may be called from any
 * thread.
 */
#pragma once

#include "base/cleanup.h"
#include "data/obj.h"

#include <stdint.h>

struct error;
struct http_request;
struct http_response;
struct inventory;
struct kube_client;
struct validation;

/* The file of the rules in force in validation_options.dir: what policy_files_pack gave is its
 * "files". */
#define VALIDATION_KEPT "rules.json"

struct validation_options {
    struct kube_client *client;  /* NULL: no ConfigMap, no knobs */
    struct inventory *inventory; /* NULL: only HTTP */
    const char *ns;              /* of the ConfigMap and the ForkliftController */
    const char *configmap;       /* NULL: forklift-validation-config; a knob has precedence */
    const char *folder;          /* users' rules, or NULL */
    const char *dir;             /* where the rules in force are kept over restarts, or NULL */
    bool keep_in_cluster;        /* and in a ConfigMap, as DIR may be gone after a restart */
    bool stand_in;               /* keep Deployments that users restart after changing rules */
    int64_t interval_ms;         /* how often rules are looked at; 0: 5 s */
    /* Both run on the service's thread and may be NULL.  Verdicts on VMs of a provider were put. */
    void (*on_validated)(void *arg, const char *provider_ns, const char *provider_name);
    /* validation_get_trouble answers differently. */
    void (*on_trouble)(void *arg);
    void *arg;
};

int validation_start(const struct validation_options *options, struct validation **out,
                     struct error **err);
/* Stops the thread, waits for it and frees; requests must have ended. */
void validation_stop(struct validation *validation);

/* A provider's objects changed: for the inventory's on_change. */
void validation_wake(struct validation *validation, const char *provider_ns,
                     const char *provider_name);

/* Why users' rules are not in force, {source, file, line, code, message} owned by the caller, or
 * NULL.  "source" says where the file is: a ConfigMap or a folder. */
json_t *validation_get_trouble(struct validation *validation);

struct validation_stats {
    uint64_t judged;  /* VMs, since the start */
    uint64_t batches; /* of verdicts that were put */
};

void validation_get_stats(struct validation *validation, struct validation_stats *stats);

/* Answers /v1/data/..., by GET and POST; ARG is the validation.  PATH is the request's. */
void validation_handle(void *arg, const struct http_request *request,
                       struct http_response *response);

DEFINE_CLEANUP(validation, struct validation *, validation_stop)
