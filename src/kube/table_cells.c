#include "kube/table_cells.h"

#include "base/array.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/time.h"
#include "data/obj.h"
#include "kube/table.h"

#include <stdlib.h>
#include <string.h>

enum { CELL_MAX = 4096 };

static json_t *text_cell(struct buf *text)
{
    char *taken = buf_take(text);
    json_t *cell = json_string(taken);

    free(taken);
    return cell;
}

static int64_t time_at(const json_t *object, const char *path)
{
    CLEANUP(error) struct error *err = NULL;
    const char *text = obj_str(object, path, NULL);
    int64_t ms = 0;

    if (text == NULL || time_parse(text, &ms, &err) == -1)
        return 0; /* an unreadable time shows as none */
    return ms;
}

static json_t *age_since(int64_t then_ms, int64_t now_ms)
{
    char text[TABLE_AGE_SIZE];

    return json_string(then_ms != 0 ? table_format_age(now_ms - then_ms, text) : "<unknown>");
}

static bool has_condition(const json_t *object, const char *type)
{
    json_t *condition;
    size_t i;

    json_array_foreach(obj_arr(object, "status.conditions"), i,
                       condition) if (str_eq(obj_str(condition, "type", ""),
                                             type)) return str_eq(obj_str(condition, "status", ""),
                                                                  "True");
    return false;
}

/* --- pods --- */

static json_t *pod_ready(const json_t *pod, int64_t now_ms)
{
    json_t *status;
    size_t i, ready = 0;

    json_array_foreach(obj_arr(pod, "status.containerStatuses"), i, status) ready +=
        obj_bool(status, "ready", false) && obj_obj(status, "state.running") != NULL;
    return json_sprintf("%zu/%zu", ready, obj_count(pod, "spec.containers"));
}

/* What a container's end says, behind PREFIX; false if it has not ended badly. */
static bool add_end(struct buf *text, const char *prefix, const json_t *terminated)
{
    const char *reason = obj_str(terminated, "reason", "");
    int64_t signal_number = obj_int(terminated, "signal", 0);

    buf_clear(text);
    if (reason[0] != '\0')
        buf_printf(text, "%s%s", prefix, reason);
    else if (signal_number != 0)
        buf_printf(text, "%sSignal:%lld", prefix, (long long)signal_number);
    else
        buf_printf(text, "%sExitCode:%lld", prefix, (long long)obj_int(terminated, "exitCode", 0));
    return true;
}

static bool init_status(const json_t *pod, struct buf *text)
{
    json_t *status;
    size_t i;

    json_array_foreach(obj_arr(pod, "status.initContainerStatuses"), i, status)
    {
        json_t *terminated = obj_obj(status, "state.terminated");
        const char *waiting = obj_str(status, "state.waiting.reason", "");

        if (terminated != NULL && obj_int(terminated, "exitCode", 0) == 0)
            continue;
        if (terminated != NULL)
            return add_end(text, "Init:", terminated);
        buf_clear(text);
        if (waiting[0] != '\0' && !str_eq(waiting, "PodInitializing"))
            buf_printf(text, "Init:%s", waiting);
        else
            buf_printf(text, "Init:%zu/%zu", i, obj_count(pod, "spec.initContainers"));
        return true;
    }
    return false;
}

static void main_status(const json_t *pod, struct buf *text)
{
    json_t *list = obj_arr(pod, "status.containerStatuses");
    bool has_running = false;

    for (size_t i = json_array_size(list); i > 0; i--) {
        json_t *status = json_array_get(list, i - 1);
        const char *waiting = obj_str(status, "state.waiting.reason", "");
        json_t *terminated = obj_obj(status, "state.terminated");

        if (waiting[0] != '\0') {
            buf_clear(text);
            buf_add(text, waiting);
        } else if (terminated != NULL) {
            add_end(text, "", terminated);
        } else if (obj_bool(status, "ready", false)) {
            has_running = true;
        }
    }
    if (span_eq_str(buf_span(text), "Completed") && has_running) {
        buf_clear(text);
        buf_add(text, has_condition(pod, "Ready") ? "Running" : "NotReady");
    }
}

static json_t *pod_status(const json_t *pod, int64_t now_ms)
{
    struct buf text = BUF_INIT(CELL_MAX);
    const char *reason = obj_str(pod, "status.reason", "");

    buf_add(&text, reason[0] != '\0' ? reason : obj_str(pod, "status.phase", ""));
    if (!init_status(pod, &text))
        main_status(pod, &text);
    if (obj_str(pod, "metadata.deletionTimestamp", NULL) != NULL) {
        buf_clear(&text);
        buf_add(&text, str_eq(reason, "NodeLost") ? "Unknown" : "Terminating");
    }
    return text_cell(&text);
}

static json_t *pod_restarts(const json_t *pod, int64_t now_ms)
{
    json_t *status;
    size_t i;
    int64_t count = 0, last = 0;
    char age[TABLE_AGE_SIZE];

    json_array_foreach(obj_arr(pod, "status.containerStatuses"), i, status)
    {
        int64_t end = time_at(status, "lastState.terminated.finishedAt");

        count += obj_int(status, "restartCount", 0);
        last = end > last ? end : last;
    }
    if (count == 0 || last == 0)
        return json_sprintf("%lld", (long long)count);
    return json_sprintf("%lld (%s ago)", (long long)count, table_format_age(now_ms - last, age));
}

/* --- jobs --- */

static json_t *job_status(const json_t *job, int64_t now_ms)
{
    if (has_condition(job, "Complete"))
        return json_string("Complete");
    if (has_condition(job, "Failed"))
        return json_string("Failed");
    if (obj_str(job, "metadata.deletionTimestamp", NULL) != NULL)
        return json_string("Terminating");
    if (has_condition(job, "Suspended"))
        return json_string("Suspended");
    if (has_condition(job, "FailureTarget"))
        return json_string("FailureTarget");
    return json_string("Running");
}

static json_t *job_completions(const json_t *job, int64_t now_ms)
{
    long long done = (long long)obj_int(job, "status.succeeded", 0);
    long long parallelism = (long long)obj_int(job, "spec.parallelism", 1);

    if (obj_at(job, "spec.completions") != NULL)
        return json_sprintf("%lld/%lld", done, (long long)obj_int(job, "spec.completions", 1));
    return parallelism > 1 ? json_sprintf("%lld/1 of %lld", done, parallelism)
                           : json_sprintf("%lld/1", done);
}

static json_t *job_duration(const json_t *job, int64_t now_ms)
{
    int64_t start = time_at(job, "status.startTime"), end = time_at(job, "status.completionTime");
    char text[TABLE_AGE_SIZE];

    if (start == 0)
        return json_string("");
    return json_string(table_format_age((end != 0 ? end : now_ms) - start, text));
}

static json_t *joined(const json_t *list, const char *member)
{
    struct buf text = BUF_INIT(CELL_MAX);
    json_t *item;
    size_t i;

    json_array_foreach(list, i, item)
    {
        const char *part = member != NULL ? obj_str(item, member, "") : json_string_value(item);

        buf_printf(&text, "%s%s", i > 0 ? "," : "", part != NULL ? part : "");
    }
    return text_cell(&text);
}

static const json_t *containers_of(const json_t *object)
{
    json_t *list = obj_arr(object, "spec.template.spec.containers");

    return list != NULL ? list : obj_arr(object, "spec.containers");
}

static json_t *container_names(const json_t *object, int64_t now_ms)
{
    return joined(containers_of(object), "name");
}

static json_t *container_images(const json_t *object, int64_t now_ms)
{
    return joined(containers_of(object), "image");
}

static json_t *selector(const json_t *object, int64_t now_ms)
{
    struct buf text = BUF_INIT(CELL_MAX);
    json_t *labels = obj_obj(object, "spec.selector.matchLabels"), *value;
    const char *key;

    if (labels == NULL)
        labels = obj_obj(object, "spec.selector");
    json_object_foreach(labels, key, value) if (json_is_string(value))
        buf_printf(&text, "%s%s=%s", text.len > 0 ? "," : "", key, json_string_value(value));
    return text.len > 0 ? text_cell(&text) : json_string("<none>");
}

/* --- nodes --- */

static json_t *node_status(const json_t *node, int64_t now_ms)
{
    struct buf text = BUF_INIT(CELL_MAX);

    buf_add(&text, has_condition(node, "Ready") ? "Ready" : "NotReady");
    if (obj_bool(node, "spec.unschedulable", false))
        buf_add(&text, ",SchedulingDisabled");
    return text_cell(&text);
}

static json_t *node_roles(const json_t *node, int64_t now_ms)
{
    static const char prefix[] = "node-role.kubernetes.io/";
    struct buf text = BUF_INIT(CELL_MAX);
    const char *key;
    json_t *value;

    json_object_foreach(obj_obj(node, "metadata.labels"), key,
                        value) if (str_starts_with(key, prefix))
        buf_printf(&text, "%s%s", text.len > 0 ? "," : "", key + strlen(prefix));
    return text.len > 0 ? text_cell(&text) : json_string("<none>");
}

static json_t *node_address(const json_t *node, int64_t now_ms)
{
    json_t *address;
    size_t i;

    json_array_foreach(
        obj_arr(node, "status.addresses"), i,
        address) if (str_eq(obj_str(address, "type", ""),
                            "InternalIP")) return json_string(obj_str(address, "address", ""));
    return json_string("<none>");
}

/* --- volumes --- */

static const struct {
    const char *mode, *letters;
} modes[] = {
    {"ReadWriteOnce", "RWO"},
    {"ReadOnlyMany", "ROX"},
    {"ReadWriteMany", "RWX"},
    {"ReadWriteOncePod", "RWOP"},
};

static json_t *access_modes(const json_t *list)
{
    struct buf text = BUF_INIT(CELL_MAX);
    json_t *item;
    size_t i;

    for (size_t m = 0; m < ARRAY_SIZE(modes); m++)
        json_array_foreach(list, i, item) if (str_eq(json_string_value(item), modes[m].mode))
        {
            buf_printf(&text, "%s%s", text.len > 0 ? "," : "", modes[m].letters);
            break;
        }
    return text_cell(&text);
}

static json_t *claim_access(const json_t *claim, int64_t now_ms)
{
    return access_modes(obj_str(claim, "spec.volumeName", NULL) != NULL
                            ? obj_arr(claim, "status.accessModes")
                            : NULL);
}

static json_t *claim_capacity(const json_t *claim, int64_t now_ms)
{
    return json_string(obj_str(claim, "spec.volumeName", NULL) != NULL
                           ? obj_str(claim, "status.capacity.storage", "")
                           : "");
}

static json_t *volume_access(const json_t *volume, int64_t now_ms)
{
    return access_modes(obj_arr(volume, "spec.accessModes"));
}

static json_t *volume_claim(const json_t *volume, int64_t now_ms)
{
    const char *name = obj_str(volume, "spec.claimRef.name", NULL);

    if (name == NULL)
        return json_string("");
    return json_sprintf("%s/%s", obj_str(volume, "spec.claimRef.namespace", ""), name);
}

/* A phase, or that the object is going away. */
static json_t *phase(const json_t *object, int64_t now_ms)
{
    if (obj_str(object, "metadata.deletionTimestamp", NULL) != NULL)
        return json_string("Terminating");
    return json_string(obj_str(object, "status.phase", ""));
}

static json_t *class_name(const json_t *class, int64_t now_ms)
{
    const char *is_default = obj_map_str(obj_obj(class, "metadata.annotations"),
                                         "storageclass.kubernetes.io/is-default-class");

    return json_sprintf("%s%s", obj_str(class, "metadata.name", ""),
                        str_eq(is_default, "true") ? " (default)" : "");
}

static json_t *class_expands(const json_t *class, int64_t now_ms)
{
    return json_boolean(obj_bool(class, "allowVolumeExpansion", false));
}

/* --- events --- */

static json_t *event_seen(const json_t *event, int64_t now_ms)
{
    static const char *const places[] = {"series.lastObservedTime", "lastTimestamp", "eventTime",
                                         "firstTimestamp"};
    int64_t seen = 0;

    for (size_t i = 0; i < ARRAY_SIZE(places) && seen == 0; i++)
        seen = time_at(event, places[i]);
    return age_since(seen, now_ms);
}

static json_t *event_object(const json_t *event, int64_t now_ms)
{
    struct buf text = BUF_INIT(CELL_MAX);

    for (const char *c = obj_str(event, "involvedObject.kind", ""); *c != '\0'; c++)
        buf_add_char(&text, *c >= 'A' && *c <= 'Z' ? (char)(*c + 'a' - 'A') : *c);
    buf_printf(&text, "/%s", obj_str(event, "involvedObject.name", ""));
    return text_cell(&text);
}

static json_t *event_count(const json_t *event, int64_t now_ms)
{
    return json_integer(obj_int(event, "series.count", obj_int(event, "count", 1)));
}

/* --- the rest --- */

static json_t *data_count(const json_t *object, int64_t now_ms)
{
    return json_sprintf("%zu", json_object_size(obj_obj(object, "data")) +
                                   json_object_size(obj_obj(object, "binaryData")));
}

static json_t *secret_count(const json_t *account, int64_t now_ms)
{
    return json_sprintf("%zu", obj_count(account, "secrets"));
}

static json_t *role_ref(const json_t *binding, int64_t now_ms)
{
    return json_sprintf("%s/%s", obj_str(binding, "roleRef.kind", ""),
                        obj_str(binding, "roleRef.name", ""));
}

static json_t *subjects(const json_t *binding, const char *kind)
{
    struct buf text = BUF_INIT(CELL_MAX);
    json_t *subject;
    size_t i;

    json_array_foreach(obj_arr(binding, "subjects"), i, subject)
    {
        const char *ns = obj_str(subject, "namespace", NULL);

        if (!str_eq(obj_str(subject, "kind", ""), kind))
            continue;
        buf_add(&text, text.len > 0 ? ", " : "");
        if (str_eq(kind, "ServiceAccount"))
            buf_printf(&text, "%s/", ns != NULL ? ns : "");
        buf_add(&text, obj_str(subject, "name", ""));
    }
    return text_cell(&text);
}

static json_t *binding_users(const json_t *binding, int64_t now_ms)
{
    return subjects(binding, "User");
}

static json_t *binding_groups(const json_t *binding, int64_t now_ms)
{
    return subjects(binding, "Group");
}

static json_t *binding_accounts(const json_t *binding, int64_t now_ms)
{
    return subjects(binding, "ServiceAccount");
}

static json_t *deployment_ready(const json_t *deployment, int64_t now_ms)
{
    return json_sprintf("%lld/%lld", (long long)obj_int(deployment, "status.readyReplicas", 0),
                        (long long)obj_int(deployment, "spec.replicas", 1));
}

static json_t *deployment_updated(const json_t *deployment, int64_t now_ms)
{
    return json_integer(obj_int(deployment, "status.updatedReplicas", 0));
}

static json_t *deployment_available(const json_t *deployment, int64_t now_ms)
{
    return json_integer(obj_int(deployment, "status.availableReplicas", 0));
}

static json_t *service_ports(const json_t *service, int64_t now_ms)
{
    struct buf text = BUF_INIT(CELL_MAX);
    json_t *port;
    size_t i;

    json_array_foreach(obj_arr(service, "spec.ports"), i, port)
    {
        int64_t node_port = obj_int(port, "nodePort", 0);

        buf_printf(&text, "%s%lld", i > 0 ? "," : "", (long long)obj_int(port, "port", 0));
        if (node_port != 0)
            buf_printf(&text, ":%lld", (long long)node_port);
        buf_printf(&text, "/%s", obj_str(port, "protocol", "TCP"));
    }
    return text.len > 0 ? text_cell(&text) : json_string("<none>");
}

static json_t *service_external(const json_t *service, int64_t now_ms)
{
    json_t *addresses = obj_arr(service, "spec.externalIPs");

    if (json_array_size(addresses) > 0)
        return joined(addresses, NULL);
    return json_string(obj_str(service, "spec.externalName", "<none>"));
}

/* clang-format off */
static const struct {
    const char *name;
    table_cell cell;
} cells[] = {
    {"access-modes-of-claim", claim_access},   {"access-modes-of-volume", volume_access},
    {"binding-accounts", binding_accounts},    {"binding-groups", binding_groups},
    {"binding-users", binding_users},          {"claim-capacity", claim_capacity},
    {"class-expands", class_expands},          {"class-name", class_name},
    {"container-images", container_images},    {"container-names", container_names},
    {"data-count", data_count},                {"deployment-available", deployment_available},
    {"deployment-ready", deployment_ready},    {"deployment-updated", deployment_updated},
    {"event-count", event_count},              {"event-object", event_object},
    {"event-seen", event_seen},                {"job-completions", job_completions},
    {"job-duration", job_duration},            {"job-status", job_status},
    {"node-address", node_address},            {"node-roles", node_roles},
    {"node-status", node_status},              {"phase", phase},
    {"pod-ready", pod_ready},                  {"pod-restarts", pod_restarts},
    {"pod-status", pod_status},                {"role-ref", role_ref},
    {"secret-count", secret_count},            {"selector", selector},
    {"service-external", service_external},    {"service-ports", service_ports},
    {"volume-claim", volume_claim},
};
/* clang-format on */

table_cell table_cell_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(cells); i++)
        if (strcmp(cells[i].name, name) == 0)
            return cells[i].cell;
    return NULL;
}
