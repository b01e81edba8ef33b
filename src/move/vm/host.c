#define LOG_COMPONENT "host"

#include "move/vm/host.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "data/obj.h"
#include "inventory/inventory.h"
#include "kube/kinds.h"
#include "kube/meta.h"
#include "move/vm/provider_secret.h"

#include <stdlib.h>
#include <string.h>

enum { RETRY_MS = 10 * 1000, REFRESH_MS = 60 * 1000 };

/* The Host's own Secret with decoded values, or its provider's where it names none. */
static int load_secret(struct room *room, const json_t *host, const json_t *provider, json_t **out,
                       struct error **err)
{
    const json_t *reference = obj_at(host, "spec.secret");
    json_auto_t *raw = NULL;

    if (!reference_is_set(reference))
        reference = obj_at(provider, "spec.secret");
    if (reference_get(room, &KIND_SECRET, reference, &raw, err) == -1)
        return -1;
    *out = raw != NULL ? provider_secret_decode(raw) : NULL;
    return 0;
}

/* Finds the provider; stages what is wrong with it. */
static int check_provider(struct room *room, const json_t *host, json_t *status, json_t **provider,
                          struct error **err)
{
    const json_t *reference = obj_at(host, "spec.provider");
    CLEANUP(str) char *key = reference_key(reference);

    if (!reference_is_set(reference)) {
        finding_add(status, "ProviderNotValid", CONDITION_CRITICAL, "NotSet",
                    "name it by namespace and name", "the host names no provider");
        return 0;
    }
    if (reference_get(room, &KIND_PROVIDER, reference, provider, err) == -1)
        return -1;
    if (*provider == NULL)
        finding_add(status, "ProviderNotValid", CONDITION_CRITICAL, "NotFound",
                    "create it, or correct spec.provider", "there is no provider \"%s\"", key);
    else if (!str_eq(obj_str(*provider, "spec.type", ""), "vsphere"))
        finding_add(status, "TypeNotValid", CONDITION_CRITICAL, "TypeErr", NULL,
                    "provider \"%s\" is not of type vsphere", key);
    else if (!object_is_ready(*provider))
        finding_add(status, "ProviderNotReady", CONDITION_CRITICAL, "NotReady",
                    "its conditions tell why", "provider \"%s\" is not ready", key);
    return 0;
}

/* Finds the host in the inventory; stages its state. */
static int check_inventory(struct room *room, const json_t *host, const json_t *provider,
                           json_t *status, json_t **found, struct error **err)
{
    const char *id = obj_str(host, "spec.id", ""), *name = obj_str(host, "spec.name", "");
    CLEANUP(error) struct error *failure = NULL;

    if (id[0] == '\0' && name[0] == '\0') {
        finding_add(status, "RefNotValid", CONDITION_CRITICAL, "NotSet", "set spec.id or spec.name",
                    "the object does not say which host it is about");
        return 0;
    }
    if (inventory_find(room->inventory, meta_ns(provider), meta_name(provider), "Host",
                       id[0] != '\0' ? id : NULL, name, found, &failure) == -1) {
        if (failure->code != ERROR_INVALID) {
            *err = steal(&failure);
            return -1;
        }
        finding_add(status, "RefNotValid", CONDITION_CRITICAL, "Ambiguous", "use its id",
                    "several hosts are called \"%s\"", name);
        return 0;
    }
    if (*found == NULL) {
        finding_add(status, "RefNotValid", CONDITION_CRITICAL, "NotFound",
                    "its moRef is in the inventory", "there is no host \"%s\"",
                    id[0] != '\0' ? id : name);
        return 0;
    }
    const char *colour = obj_str(*found, "status", "");
    if (obj_bool(*found, "inMaintenance", false))
        finding_add(status, "InMaintenance", CONDITION_CRITICAL, "StateEvaluated",
                    "end its maintenance", "the host is in maintenance");
    if (str_eq(colour, "red"))
        finding_add(status, "NotHealthy", CONDITION_CRITICAL, "StateEvaluated", NULL,
                    "the host's status is red");
    else if (colour[0] != '\0' && !str_eq(colour, "green"))
        finding_add(status, "HostStatusNotGreen", CONDITION_WARN, "StateEvaluated", NULL,
                    "the host's status is %s", colour);
    return 0;
}

/* ADDRESS as the start of a URL: with a port or a scheme it is taken as it is. */
static char *base_url(const char *address)
{
    return strstr(address, "://") != NULL ? xstrdup(address) : xasprintf("https://%s", address);
}

/* Logs in to the host itself. */
static void test_connection(const json_t *host, const json_t *found, const json_t *secret,
                            struct cancel *cancel, json_t *status)
{
    const struct source_ops *ops = source_find_ops("vsphere");
    CLEANUP(str) char *base = base_url(obj_str(host, "spec.ipAddress", ""));
    CLEANUP(str) char *url = xasprintf("%s/sdk", base);
    json_auto_t *provider =
        obj_pack("{s:{s:s}, s:{s:s, s:s, s:{}}}", "metadata", "name", meta_name(host), "spec",
                 "type", "vsphere", "url", url, "settings");
    json_auto_t *trusted = obj_copy(secret);
    const char *thumbprint = obj_str(found, "thumbprint", "");
    CLEANUP(error) struct error *failure = NULL;
    struct source *source = NULL;

    if (thumbprint[0] != '\0' && obj_str(trusted, "data.thumbprint", NULL) == NULL)
        obj_put_str(trusted, "data.thumbprint", thumbprint);
    const struct source_config config = {.provider = provider, .secret = trusted};
    int result = ops->open(&config, &source, &failure);
    if (result == 0) {
        result = ops->test(source, cancel, &failure);
        ops->close(source);
    }
    if (result == 0) {
        finding_add(status, "ConnectionTestSucceeded", CONDITION_REQUIRED, "Tested", NULL,
                    "connection test, succeeded");
        return;
    }
    CLEANUP(str) char *text = error_format(failure);
    finding_add(status, "ConnectionTestFailed", CONDITION_CRITICAL, "Tested",
                error_get_hint(failure), "%s", text);
}

static int examine(struct room *room, const json_t *host, json_t *status, struct cancel *cancel,
                   struct error **err)
{
    json_auto_t *provider = NULL, *found = NULL, *secret = NULL;

    if (obj_str(host, "spec.ipAddress", "")[0] == '\0')
        finding_add(status, "IpNotValid", CONDITION_CRITICAL, "NotSet", "set spec.ipAddress",
                    "the host has no address");
    if (check_provider(room, host, status, &provider, err) == -1)
        return -1;
    if (conditions_is_blocked(status))
        return 0;
    if (check_inventory(room, host, provider, status, &found, err) == -1 ||
        load_secret(room, host, provider, &secret, err) == -1)
        return -1;
    if (secret == NULL)
        finding_add(status, "SecretNotValid", CONDITION_CRITICAL, "NotFound",
                    "create it, or correct spec.secret", "the host's secret does not exist");
    else if (str_is_empty(obj_str(secret, "data.user", NULL)) ||
             str_is_empty(obj_str(secret, "data.password", NULL)))
        finding_add(status, "SecretNotValid", CONDITION_CRITICAL, "DataErr",
                    "add user and password", "the host's secret lacks required keys");
    if (!conditions_is_blocked(status))
        test_connection(host, found, secret, cancel, status);
    return 0;
}

int host_reconcile(void *arg, const char *ns, const char *name, struct cancel *cancel,
                   struct reconcile_result *result, struct error **err)
{
    struct room *room = arg;
    CLEANUP(edit) struct edit edit = {0};

    if (edit_open(room, &KIND_HOST, ns, name, &edit, err) == -1)
        return -1;
    if (edit.object == NULL || object_is_deleted(edit.object))
        return 0;
    conditions_begin(edit.status);
    if (examine(room, edit.object, edit.status, cancel, err) == -1)
        return -1;
    bool ready = !conditions_is_blocked(edit.status);
    if (ready) {
        finding_add(edit.status, "Validated", CONDITION_ADVISORY, "Completed", NULL,
                    "the host is valid");
        finding_add(edit.status, "Ready", CONDITION_REQUIRED, "Ready", NULL, "the host is ready");
    }
    conditions_end(edit.status);
    result->again_after_ms = ready ? REFRESH_MS : RETRY_MS;
    return edit_save(room, &edit, err);
}

/* ---- the route --------------------------------------------------------------------------- */

/* The ready Host object for the inventory's host ID, or NULL. */
static int find_ready(struct plan_view *view, const char *id, json_t **out, struct error **err)
{
    json_auto_t *hosts = NULL;

    if (kube_list(view->room->client, &KIND_HOST, NULL, NULL, &hosts, err) == -1)
        return error_wrap(err, "cannot look for hosts");
    for (size_t i = 0; i < json_array_size(hosts); i++) {
        json_t *host = json_array_get(hosts, i);

        if (str_eq(obj_str(host, "spec.id", ""), id) && object_is_ready(host) &&
            str_eq(obj_str(host, "spec.provider.namespace", ""), view->provider_ns) &&
            str_eq(obj_str(host, "spec.provider.name", ""), view->provider_name)) {
            *out = json_incref(host);
            return 0;
        }
    }
    return 0;
}

int host_route(struct plan_view *view, const json_t *vm, struct source_disk_access *access,
               struct error **err)
{
    const char *id = obj_str(vm, "host", "");
    json_auto_t *host = NULL, *secret = NULL, *found = NULL;

    if (view->ops->reroute == NULL || id[0] == '\0')
        return 0;
    if (find_ready(view, id, &host, err) == -1)
        return -1;
    if (host == NULL)
        return 0;
    if (load_secret(view->room, host, view->providers.source, &secret, err) == -1 ||
        inventory_find(view->room->inventory, view->provider_ns, view->provider_name, "Host", id,
                       NULL, &found, err) == -1)
        return -1;
    CLEANUP(str) char *base = base_url(obj_str(host, "spec.ipAddress", ""));
    return view->ops->reroute(view->source, base, obj_obj(secret, "data"),
                              obj_str(found, "thumbprint", NULL), access, err);
}
