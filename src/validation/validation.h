/* The Validation service: policies in, concerns out.
 *
 * A thread looks after every VM of the inventory that changed since it was validated, or whose
 * rules changed, and puts the concerns beside it.  The same rules answer OPA's HTTP contract.
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

struct validation_options {
    struct kube_client *client;  /* NULL: no ConfigMap and no providers, only HTTP */
    struct inventory *inventory; /* NULL: only HTTP */
    const char *ns;              /* of the ConfigMap */
    const char *configmap;       /* NULL: forklift-validation-config */
    const char *folder;          /* users' rules, or NULL */
    int64_t interval_ms;         /* how often rules are looked at; 0: 5 s */
};

int validation_start(const struct validation_options *options, struct validation **out,
                     struct error **err);
/* Stops the thread, waits for it and frees; requests must have ended. */
void validation_stop(struct validation *validation);

/* A provider's objects changed: for the inventory's on_change. */
void validation_wake(struct validation *validation);

/* Why users' rules are not in force, {file, line, message} owned by the caller, or NULL. */
json_t *validation_get_trouble(struct validation *validation);

/* Answers /v1/data/..., by GET and POST; ARG is the validation.  PATH is the request's. */
void validation_handle(void *arg, const struct http_request *request,
                       struct http_response *response);

DEFINE_CLEANUP(validation, struct validation *, validation_stop)
