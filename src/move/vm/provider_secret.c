#include "move/vm/provider_secret.h"

#include "base/array.h"
#include "base/error.h"
#include "base/secret.h"
#include "base/text.h"
#include "data/base64.h"
#include "data/obj.h"
#include "kube/kinds.h"
#include "move/vm/provider_pair.h"

#include <stdlib.h>
#include <string.h>

/* Keys that a type's secret must have.  "ca" stands for ca.crt or cacert, unless TLS is not
 * verified. */
static const struct needs {
    const char *type;
    const char *keys[6];
} needs[] = {
    {"vsphere", {"user", "password", "ca"}},
    {"ovirt", {"user", "password", "ca"}},
    {"openshift", {"token"}},
    {"ova", {"url"}},
    {"hyperv", {"username", "password", "smbUrl", "ca"}},
    {"ec2", {"region", "accessKeyId", "secretAccessKey", "targetAccessKeyId",
             "targetSecretAccessKey"}},
    {"nutanix", {"user", "password", "ca"}},
};

json_t *provider_secret_decode(const json_t *secret)
{
    json_t *copy = obj_copy(secret);
    json_t *data = json_object();
    const char *key;
    json_t *value;

    json_object_foreach (obj_obj(secret, "data"), key, value) {
        CLEANUP(error) struct error *ignored = NULL;
        char *text = NULL;
        size_t len = 0;
        /* The server has checked the encoding; a value that is no text cannot be a setting. */
        if (!json_is_string(value) ||
            base64_decode(json_string_value(value), json_string_length(value), &text, &len,
                          &ignored) == -1)
            continue;
        json_t *member = json_stringn(text, len);
        if (member != NULL)
            json_object_set_new(data, key, member);
        secret_wipe(text, len);
        free(text);
    }
    json_object_foreach (obj_obj(secret, "stringData"), key, value)
        json_object_set(data, key, value);
    obj_take(copy, "data", data);
    return copy;
}

static bool has_key(const json_t *data, const char *key)
{
    if (str_eq(key, "ca"))
        return str_eq(obj_map_str(data, "insecureSkipVerify"), "true") ||
               !str_is_empty(obj_map_str(data, "ca.crt")) ||
               !str_is_empty(obj_map_str(data, "cacert"));
    return !str_is_empty(obj_map_str(data, key));
}

/* Somebody who is logged in may give the session instead. */
static bool has_session(const char *type, const json_t *data, const char *key)
{
    return str_eq(type, "vsphere") && (str_eq(key, "user") || str_eq(key, "password")) &&
           !str_is_empty(obj_map_str(data, "session"));
}

static void check_keys(const char *type, const json_t *data, json_t *status)
{
    for (size_t i = 0; i < ARRAY_SIZE(needs); i++) {
        if (!str_eq(needs[i].type, type))
            continue;
        for (size_t k = 0; k < ARRAY_SIZE(needs[i].keys) && needs[i].keys[k] != NULL; k++) {
            const char *key = needs[i].keys[k];
            if (!has_key(data, key) && !has_session(type, data, key))
                finding_add_item(status, "SecretNotValid", CONDITION_CRITICAL, "DataErr",
                                 "add the keys that the items name",
                                 "the secret lacks required keys",
                                 str_eq(key, "ca") ? "ca.crt" : key);
        }
    }
}

int provider_secret_load(struct room *room, const json_t *provider, json_t *status,
                         json_t **secret, struct error **err)
{
    const json_t *reference = obj_at(provider, "spec.secret");
    json_auto_t *raw = NULL;

    if (provider_is_host(provider))
        return 0;
    if (!reference_is_set(reference)) {
        finding_add(status, "SecretNotValid", CONDITION_CRITICAL, "NotSet",
                    "name a Secret by namespace and name in spec.secret",
                    "the provider names no secret");
        return 0;
    }
    if (reference_get(room, &KIND_SECRET, reference, &raw, err) == -1)
        return -1;
    if (raw == NULL) {
        CLEANUP(str) char *key = reference_key(reference);
        finding_add(status, "SecretNotValid", CONDITION_CRITICAL, "NotFound",
                    "create it, or correct spec.secret", "there is no secret \"%s\"", key);
        return 0;
    }
    json_auto_t *decoded = provider_secret_decode(raw);
    check_keys(obj_str(provider, "spec.type", ""), obj_obj(decoded, "data"), status);
    if (conditions_is_true(status, "SecretNotValid"))
        return 0;
    if (str_eq(obj_map_str(obj_obj(decoded, "data"), "insecureSkipVerify"), "true"))
        finding_add(status, "ConnectionInsecure", CONDITION_WARN, "SkipTLSVerification",
                    "give the provider's CA certificate in the key ca.crt",
                    "the provider's TLS certificate is not verified");
    *secret = json_incref(decoded);
    return 0;
}
