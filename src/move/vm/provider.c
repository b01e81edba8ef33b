#define LOG_COMPONENT "provider"

#include "move/vm/provider.h"

#include "base/cancel.h"
#include "base/error.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/time.h"
#include "data/obj.h"
#include "inventory/inventory.h"
#include "kube/kinds.h"
#include "move/vm/provider_pair.h"
#include "move/vm/provider_secret.h"
#include "source/source.h"
#include "validation/validation.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
    RETRY_MS = 3000,       /* until tested and loaded */
    REFRESH_MS = 30 * 1000, /* afterwards: the connection is tested again */
    PROBLEMS_SHOWN = 20,
};

/* "server:/path" as Forklift has it, or a folder of this machine. */
static bool ova_url_is_valid(const char *url)
{
    const char *colon = strchr(url, ':');

    if (url[0] == '/')
        return true;
    return colon != NULL && colon != url && colon[1] == '/' && colon[2] != '\0' && colon[2] != ':';
}

static void check_url(const json_t *provider, json_t *status)
{
    const char *type = obj_str(provider, "spec.type", "");
    const char *url = obj_str(provider, "spec.url", "");

    if (provider_is_host(provider))
        return;
    if (url[0] == '\0')
        finding_add(status, "UrlNotValid", CONDITION_CRITICAL, "NotSet", "set spec.url",
                    "the provider has no url");
    else if (str_eq(type, "ova") && !ova_url_is_valid(url))
        finding_add(status, "UrlNotValid", CONDITION_CRITICAL, "Malformed",
                    "use SERVER:/PATH for an NFS share or /PATH for a folder of this machine",
                    "url \"%s\" names no NFS share and no folder", url);
    else if (!str_eq(type, "ova") && strstr(url, "://") == NULL)
        finding_add(status, "UrlNotValid", CONDITION_CRITICAL, "Malformed",
                    "write it as https://HOST/PATH", "url \"%s\" is no URL", url);
}

static void check_type(const json_t *provider, json_t *status)
{
    const char *type = obj_str(provider, "spec.type", "");

    if (source_find_ops(type) == NULL)
        finding_add(status, "TypeNotSupported", CONDITION_CRITICAL, "NotSupported",
                    "gantry version lists the types of this build",
                    "providers of type \"%s\" are not supported", type);
}

/* What the account may not do; a migration would fail in the middle. */
static void check_privileges(const struct source_ops *ops, struct source *source, json_t *status,
                             struct cancel *cancel)
{
    CLEANUP(error) struct error *failure = NULL;
    struct str_list missing = {0};

    if (ops->list_missing == NULL)
        return;
    if (ops->list_missing(source, &missing, cancel, &failure) == -1) {
        CLEANUP(str) char *text = error_format(failure);
        finding_add(status, "InsufficientPrivileges", CONDITION_WARN, "NotKnown", NULL, "%s", text);
    }
    for (size_t i = 0; i < missing.len; i++)
        finding_add_item(status, "InsufficientPrivileges", CONDITION_WARN, "PrivilegesNotGranted",
                         "give the account a role that has them, on the vCenter's root with "
                         "propagation",
                         "the account lacks privileges that migrations need", missing.ptr[i]);
    str_list_free_all(&missing);
}

/* Tests the connection through the open source. */
static void test_connection(struct room *room, const json_t *provider, json_t *status,
                            struct cancel *cancel)
{
    const struct source_ops *ops = NULL;
    CLEANUP(error) struct error *failure = NULL;
    struct source *source =
        inventory_get_source(room->inventory, obj_str(provider, "metadata.namespace", ""),
                             obj_str(provider, "metadata.name", ""), &ops);

    if (source == NULL) {
        finding_add(status, "ConnectionTestFailed", CONDITION_CRITICAL, "Tested", NULL,
                    "the provider could not be opened");
        return;
    }
    int result = ops->test(source, cancel, &failure);
    if (result == 0)
        check_privileges(ops, source, status, cancel);
    inventory_put_source(room->inventory, source);
    if (result == 0) {
        finding_add(status, "ConnectionTestSucceeded", CONDITION_REQUIRED, "Tested", NULL,
                    "connection test, succeeded");
        return;
    }
    CLEANUP(str) char *text = error_format(failure);
    finding_add(status,
                failure->code == ERROR_DENIED ? "ConnectionAuthFailed" : "ConnectionTestFailed",
                CONDITION_CRITICAL, "Tested", error_get_hint(failure), "%s", text);
}

/* What the collector says: at parity or not, and what it stumbled over. */
static void report_inventory(struct room *room, const json_t *provider, json_t *status)
{
    const char *ns = obj_str(provider, "metadata.namespace", "");
    const char *name = obj_str(provider, "metadata.name", "");
    json_auto_t *trouble = inventory_get_trouble(room->inventory, ns, name);
    const json_t *problems = obj_arr(trouble, "problems");
    const char *message = obj_str(trouble, "message", NULL);

    if (inventory_is_complete(room->inventory, ns, name))
        finding_add(status, "InventoryCreated", CONDITION_REQUIRED, "Completed", NULL,
                    "the inventory has been loaded");
    else
        finding_add(status, "LoadInventory", CONDITION_ADVISORY, "Started", NULL,
                    "the inventory is being loaded");
    if (message != NULL)
        finding_add(status, "InventoryError", CONDITION_WARN, "CollectorFailed",
                    obj_str(trouble, "hint", NULL), "%s", message);
    for (size_t i = 0; i < json_array_size(problems) && i < PROBLEMS_SHOWN; i++) {
        const json_t *problem = json_array_get(problems, i);
        CLEANUP(str) char *item =
            xasprintf("%s: %s", obj_str(problem, "where", ""), obj_str(problem, "what", ""));
        finding_add_item(status, "InventoryError", CONDITION_WARN, "SourceDamaged",
                         "correct or remove what the items name; it is read again by itself",
                         "parts of the source could not be read", item);
    }
}

/* Machines go on being judged, by the rules from before. */
static void report_rules(struct room *room, const json_t *provider, json_t *status)
{
    json_auto_t *trouble =
        room->validation != NULL ? validation_get_trouble(room->validation) : NULL;

    if (trouble == NULL || provider_is_host(provider))
        return;
    finding_add(status, "ValidationRulesNotValid", CONDITION_WARN, "RuleNotValid",
                "correct the rule; it is read again by itself",
                "users' validation rules are not taken, those before stay in force: %s: \"%s\" "
                "line %" PRId64 ": %s",
                obj_str(trouble, "source", "rules"), obj_str(trouble, "file", ""),
                obj_int(trouble, "line", 0), obj_str(trouble, "message", ""));
}

static void finish(json_t *status)
{
    bool blocked = conditions_is_blocked(status);
    bool tested = conditions_is_true(status, "ConnectionTestSucceeded");
    const char *phase = "Staging";

    if (!blocked)
        finding_add(status, "Validated", CONDITION_ADVISORY, "Completed", NULL,
                    "the provider is valid");
    if (!blocked && tested && conditions_is_true(status, "InventoryCreated")) {
        finding_add(status, "Ready", CONDITION_REQUIRED, "Ready", NULL, "the provider is ready");
        phase = "Ready";
    } else if (conditions_is_true(status, "ConnectionTestFailed") ||
               conditions_is_true(status, "ConnectionAuthFailed")) {
        phase = "ConnectionFailed";
    } else if (blocked) {
        phase = "ValidationFailed";
    }
    obj_put_str(status, "phase", phase);
}

/* Everything that can be told without the source; then, if that is well, the source itself. */
static int examine(struct room *room, struct edit *edit, struct cancel *cancel,
                   struct error **err)
{
    const json_t *provider = edit->object;
    json_t *status = edit->status;
    json_auto_t *secret = NULL;

    check_type(provider, status);
    check_url(provider, status);
    if (provider_secret_load(room, provider, status, &secret, err) == -1)
        return -1;
    obj_put_str(status, "secretResourceVersion",
                obj_str(secret, "metadata.resourceVersion", NULL));
    if (conditions_is_blocked(status)) {
        inventory_remove_provider(room->inventory, obj_str(provider, "metadata.namespace", ""),
                                  obj_str(provider, "metadata.name", ""));
        return 0;
    }
    CLEANUP(error) struct error *refused = NULL;
    if (inventory_add_provider(room->inventory, provider, secret, &refused) == -1) {
        CLEANUP(str) char *text = error_format(refused);
        finding_add(status, "ConnectionTestFailed", CONDITION_CRITICAL, "Tested",
                    error_get_hint(refused), "%s", text);
        return 0;
    }
    test_connection(room, provider, status, cancel);
    if (!conditions_is_blocked(status))
        report_inventory(room, provider, status);
    return 0;
}

int provider_reconcile(void *arg, const char *ns, const char *name, struct cancel *cancel,
                       struct reconcile_result *result, struct error **err)
{
    struct room *room = arg;
    CLEANUP(edit) struct edit edit = {0};

    if (edit_open(room, &KIND_PROVIDER, ns, name, &edit, err) == -1)
        return -1;
    if (edit.object == NULL || object_is_deleted(edit.object)) {
        inventory_remove_provider(room->inventory, ns, name);
        return 0;
    }
    conditions_begin(edit.status);
    if (examine(room, &edit, cancel, err) == -1)
        return -1;
    report_rules(room, edit.object, edit.status);
    finish(edit.status);
    conditions_end(edit.status);

    bool ready = str_eq(obj_str(edit.status, "phase", NULL), "Ready");
    bool settled = ready || conditions_is_true(edit.status, "ConnectionAuthFailed");
    result->again_after_ms = settled ? REFRESH_MS : RETRY_MS;
    return edit_save(room, &edit, err);
}

int provider_ensure_host(struct room *room, struct error **err)
{
    json_auto_t *host =
        obj_pack("{s:{s:s, s:s}, s:{s:s, s:s, s:{}}}", "metadata", "name", "host", "namespace",
                 room->main_namespace, "spec", "type", "openshift", "url", "", "secret");
    CLEANUP(error) struct error *failure = NULL;

    if (kube_create(room->client, &KIND_PROVIDER, room->main_namespace, host, NULL, &failure) ==
            -1 &&
        failure->code != ERROR_EXISTS) {
        *err = steal(&failure);
        return error_wrap(err, "cannot make the provider \"host\"");
    }
    return 0;
}
