/* KubeVirt's settings of live migrations: those of the KubeVirt object, and over them the
 * MigrationPolicy whose selectors name most labels of the instance and its namespace. */
#include "base/error.h"
#include "base/text.h"
#include "hook/premigration/gate.h"
#include "kube/kinds.h"
#include "kube/meta.h"
#include "node/agent.h"
#include "node/live/internal.h"

#include <string.h>

enum { GATES_BYTES_MAX = 64 * 1024 };

/* True if all that WANTED asks for is among LABELS; *COUNT grows by how many. */
static bool matches(const json_t *wanted, const json_t *labels, size_t *count)
{
    const char *key;
    json_t *value;

    *count += json_object_size(wanted);
    json_object_foreach((json_t *)(uintptr_t)wanted, key, value) /* only read */
        if (!str_eq(obj_map_str(labels, key), json_string_value(value)))
            return false;
    return true;
}

/* The policy for VMI, borrowed from LIST, or NULL.  One without selectors is for nobody. */
static const json_t *choose(const json_t *list, const json_t *vmi, const json_t *ns)
{
    const json_t *policy, *best = NULL;
    size_t i, best_count = 0;

    json_array_foreach(list, i, policy)
    {
        size_t count = 0;
        const json_t *by_machine = obj_obj(policy, "spec.selectors.virtualMachineInstanceSelector");
        const json_t *by_ns = obj_obj(policy, "spec.selectors.namespaceSelector");

        if (!matches(by_machine, obj_obj(vmi, "metadata.labels"), &count) ||
            !matches(by_ns, obj_obj(ns, "metadata.labels"), &count) || count == 0)
            continue;
        if (count > best_count || (count == best_count && strcmp(meta_name(policy), meta_name(best)) < 0)) {
            best = policy;
            best_count = count;
        }
    }
    return best;
}

/* All objects of KIND; none where the server does not know the kind. */
static int list_if_known(struct agent *agent, const struct kube_kind *kind, json_t **out,
                         struct error **err)
{
    if (kube_list(agent->client, kind, NULL, NULL, out, err) == 0)
        return 0;
    if ((*err)->code != ERROR_NOT_FOUND)
        return -1;
    error_clear(err);
    *out = json_array();
    return 0;
}

static void add_gates(const json_t *settings, const char *path, const char *value, struct buf *text)
{
    const json_t *gate;
    size_t i;

    json_array_foreach(obj_arr(settings, path), i, gate)
        if (json_is_string(gate))
            buf_printf(text, "%s%s=%s", text->len == 0 ? "" : ",", json_string_value(gate), value);
}

int live_gate(struct agent *agent, bool *on, struct error **err)
{
    CLEANUP(buf) struct buf text = BUF_INIT(GATES_BYTES_MAX);
    json_t *list = NULL;

    if (list_if_known(agent, &KIND_KUBEVIRT, &list, err) == -1)
        return -1;
    json_auto_t *owned = list;
    const json_t *settings = json_array_get(owned, 0);
    add_gates(settings, "spec.configuration.developerConfiguration.featureGates", "true", &text);
    add_gates(settings, "spec.configuration.developerConfiguration.disabledFeatureGates", "false", &text);
    if (buf_check(&text, err) == -1)
        return error_wrap(err, "the KubeVirt object's feature gates");
    return premigration_gate(text.len == 0 ? "" : buf_span(&text).ptr, on, err);
}

int live_policy(struct agent *agent, const json_t *vmi, json_t **out, struct error **err)
{
    json_t *settings = NULL, *policies = NULL, *ns = NULL;

    if (list_if_known(agent, &KIND_KUBEVIRT, &settings, err) == -1)
        return -1;
    json_auto_t *owned_settings = settings;
    if (list_if_known(agent, &KIND_MIGRATION_POLICY, &policies, err) == -1)
        return -1;
    json_auto_t *owned_policies = policies;
    if (kube_get(agent->client, &KIND_NAMESPACE, NULL, meta_ns(vmi), &ns, err) == -1)
        return -1;
    json_auto_t *owned_ns = ns;

    const json_t *base = obj_obj(json_array_get(owned_settings, 0), "spec.configuration.migrations");
    json_auto_t *result = base == NULL ? json_object() : obj_copy(base);
    const json_t *policy = choose(owned_policies, vmi, owned_ns);
    if (policy != NULL) {
        json_auto_t *spec = obj_copy(obj_obj(policy, "spec"));

        json_object_del(spec, "selectors");
        json_object_update(result, spec);
        obj_put_str(result, "policy", meta_name(policy));
    }
    *out = json_incref(result);
    return 0;
}
