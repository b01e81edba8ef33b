#include "move/vm/settings.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "data/obj.h"
#include "kube/kinds.h"

#include <stdlib.h>
#include <string.h>

/* The text of a knob; owned by the caller, NULL if nobody set it. */
static char *knob_text(const json_t *spec, const char *name, const char *env)
{
    json_t *value = json_object_get(spec, name);
    const char *fallback = env != NULL ? getenv(env) : NULL;

    if (json_is_string(value) && json_string_length(value) > 0)
        return xstrdup(json_string_value(value));
    if (json_is_integer(value) || json_is_boolean(value))
        return obj_format(value);
    return str_is_empty(fallback) ? NULL : xstrdup(fallback);
}

static int64_t knob_int(const json_t *spec, const char *name, const char *env, int64_t fallback)
{
    CLEANUP(str) char *text = knob_text(spec, name, env);
    uint64_t value = 0;

    /* What is no number leaves the built-in value: a typing error must not stop migrations. */
    if (text == NULL || !span_u64(span_of(text), &value) || value > INT32_MAX)
        return fallback;
    return (int64_t)value;
}

/* Minutes, or seconds where the text says so ("90s"). */
static int64_t knob_minutes_ms(const json_t *spec, const char *name, const char *env,
                               int64_t fallback)
{
    CLEANUP(str) char *text = knob_text(spec, name, env);
    size_t len = text != NULL ? strlen(text) : 0;
    bool seconds = len > 1 && text[len - 1] == 's';
    uint64_t value = 0;

    if (len == 0 || !span_u64((struct span){text, seconds ? len - 1 : len}, &value) ||
        value > INT32_MAX)
        return fallback * 60 * 1000;
    return (int64_t)value * (seconds ? 1000 : 60 * 1000);
}

/* Templates are stored with "\{", "\}" and "\\", which the CRD's pattern asks for. */
static char *unescape(char *text)
{
    char *to = text;

    for (const char *from = text; from != NULL && *from != '\0'; from++) {
        if (*from == '\\' && (from[1] == '{' || from[1] == '}' || from[1] == '\\'))
            from++;
        *to++ = *from;
    }
    if (to != NULL)
        *to = '\0';
    return text;
}

static json_t *hook_resources(const json_t *spec)
{
    static const struct {
        const char *knob, *path, *fallback;
    } parts[] = {
        {"hooks_container_requests_cpu", "requests.cpu", "100m"},
        {"hooks_container_requests_memory", "requests.memory", "150Mi"},
        {"hooks_container_limits_cpu", "limits.cpu", "1000m"},
        {"hooks_container_limits_memory", "limits.memory", "1Gi"},
    };
    json_t *resources = json_object();

    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        CLEANUP(str) char *text = knob_text(spec, parts[i].knob, NULL);
        obj_put_str(resources, parts[i].path, text != NULL ? text : parts[i].fallback);
    }
    return resources;
}

int settings_load(struct room *room, struct settings *settings, struct error **err)
{
    json_auto_t *list = NULL;

    memset(settings, 0, sizeof(*settings));
    if (kube_list(room->client, &KIND_FORKLIFT_CONTROLLER, room->main_namespace, NULL, &list,
                  err) == -1)
        return error_wrap(err, "cannot read the settings");

    const json_t *spec = obj_obj(json_array_get(list, 0), "spec");
    settings->max_vm_inflight =
        knob_int(spec, "controller_max_vm_inflight", "MAX_VM_INFLIGHT", 20);
    settings->blocker_grace_minutes = knob_int(spec, "controller_blocker_grace_period_minutes",
                                               "BLOCKER_GRACE_PERIOD_MINUTES", 5);
    settings->precopy_interval_ms =
        knob_minutes_ms(spec, "controller_precopy_interval", "PRECOPY_INTERVAL", 60);
    settings->snapshot_removal_minutes =
        knob_int(spec, "controller_snapshot_removal_timeout_minuts",
                 "SNAPSHOT_REMOVAL_TIMEOUT_MINUTES", 120);
    settings->shutdown_ms = knob_minutes_ms(spec, "controller_shutdown_timeout_minutes",
                                            "GUEST_SHUTDOWN_TIMEOUT", 5);
    settings->migration_service_account =
        knob_text(spec, "controller_migration_service_account", "MIGRATION_SERVICE_ACCOUNT");
    settings->pvc_name_template =
        unescape(knob_text(spec, "controller_pvc_name_template", "PVC_NAME_TEMPLATE"));
    settings->aap_url = knob_text(spec, "aap_url", "AAP_URL");
    settings->aap_token_secret = knob_text(spec, "aap_token_secret_name", "AAP_TOKEN_SECRET_NAME");
    settings->aap_ca_secret = knob_text(spec, "aap_ca_secret_name", "AAP_CA_SECRET_NAME");
    CLEANUP(str) char *insecure =
        knob_text(spec, "aap_insecure_skip_verify", "AAP_INSECURE_SKIP_VERIFY");
    settings->aap_insecure = str_eq(insecure, "true");
    settings->aap_timeout_s = knob_int(spec, "aap_timeout", "AAP_TIMEOUT", 0);
    CLEANUP(str) char *serial = knob_text(spec, "feature_vmware_system_serial_number",
                                          "FEATURE_VMWARE_SYSTEM_SERIAL_NUMBER");
    settings->vmware_serial = serial == NULL || str_eq(serial, "true");
    CLEANUP(str) char *addresses = knob_text(spec, "controller_static_udn_ip_addresses",
                                             "FEATURE_STATIC_UDN_IP_ADDRESSES");
    settings->static_udn = addresses == NULL || str_eq(addresses, "true");
    settings->hook_resources = hook_resources(spec);
    return 0;
}

void settings_reset(struct settings *settings)
{
    free(settings->migration_service_account);
    free(settings->pvc_name_template);
    free(settings->aap_url);
    free(settings->aap_token_secret);
    free(settings->aap_ca_secret);
    json_decref(settings->hook_resources);
    memset(settings, 0, sizeof(*settings));
}
