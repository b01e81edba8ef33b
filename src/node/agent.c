#define LOG_COMPONENT "node"

#include "node/agent.h"

#include "base/error.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/time.h"
#include "data/obj.h"
#include "kube/kinds.h"
#include "kube/meta.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { EVENT_MESSAGE_MAX = 1024 };

json_t *agent_time(int64_t ms)
{
    char text[TIME_TEXT_SIZE];

    return json_string(time_format(ms, text));
}

int64_t agent_time_ms(const json_t *object, const char *path)
{
    const char *text = obj_str(object, path, NULL);
    CLEANUP(error) struct error *ignored = NULL; /* the API server has validated it */
    int64_t ms = 0;

    return text != NULL && time_parse(text, &ms, &ignored) == 0 ? ms : 0;
}

/* FNV-1a: the same finding must give the same event, also after a restart. */
static uint64_t hash_text(uint64_t hash, const char *text)
{
    for (; *text != '\0'; text++)
        hash = (hash ^ (unsigned char)*text) * 0x100000001b3;
    return hash;
}

static char *event_name(const json_t *object, const char *reason, const char *message)
{
    uint64_t hash = hash_text(0xcbf29ce484222325, meta_uid(object));

    hash = hash_text(hash_text(hash, reason), message);
    return xasprintf("%.200s.%016llx", meta_name(object), (unsigned long long)hash);
}

static int count_up(struct agent *agent, const char *ns, const char *name, struct error **err)
{
    json_t *old = NULL;

    if (kube_get(agent->client, &KIND_EVENT, ns, name, &old, err) == -1)
        return -1;
    json_auto_t *owned = old;
    json_auto_t *patch = obj_pack("{s:I,s:o}", "count", (json_int_t)obj_int(owned, "count", 1) + 1,
                                  "lastTimestamp", agent_time(time_now_ms()));
    return owned == NULL
               ? 0
               : kube_patch(agent->client, &KIND_EVENT, ns, name, NULL, patch, NULL, err);
}

static void send_event(struct agent *agent, const struct kube_kind *kind, const json_t *object,
                       bool is_warning, const char *reason, const char *message)
{
    CLEANUP(str) char *name = event_name(object, reason, message);
    CLEANUP(str) char *version = meta_api_version(kind);
    CLEANUP(error) struct error *err = NULL;
    const char *ns = kind->cluster_scoped ? "default" : meta_ns(object);
    json_auto_t *event = obj_pack(
        "{s:{s:s,s:s},s:{s:s,s:s,s:s,s:s},s:s,s:s,s:s,s:i,s:o,s:o,s:{s:s,s:s},s:s}", "metadata",
        "name", name, "namespace", ns, "involvedObject", "apiVersion", version, "kind", kind->kind,
        "name", meta_name(object), "uid", meta_uid(object), "type",
        is_warning ? "Warning" : "Normal", "reason", reason, "message", message, "count", 1,
        "firstTimestamp", agent_time(time_now_ms()), "lastTimestamp", agent_time(time_now_ms()),
        "source", "component", "gantry-node", "host", agent->name, "reportingComponent",
        "gantry-node");

    if (!kind->cluster_scoped)
        obj_put_str(event, "involvedObject.namespace", ns);
    int result = kube_create(agent->client, &KIND_EVENT, ns, event, NULL, &err);
    if (result == -1 && err->code == ERROR_EXISTS) {
        error_clear(&err);
        result = count_up(agent, ns, name, &err);
    }
    if (result == -1)
        log_write_error(LOG_LEVEL_WARN, LOG_COMPONENT, err, "cannot record an event");
}

void agent_event(struct agent *agent, const struct kube_kind *kind, const json_t *object,
                 bool is_warning, const char *reason, const char *format, ...)
{
    CLEANUP(buf) struct buf message = BUF_INIT(EVENT_MESSAGE_MAX);
    va_list args;

    va_start(args, format);
    CLEANUP(str) char *text = xvasprintf(format, args);
    va_end(args);
    size_t len = strlen(text);
    buf_append(&message, text, len < EVENT_MESSAGE_MAX ? len : EVENT_MESSAGE_MAX);
    send_event(agent, kind, object, is_warning, reason, message.ptr == NULL ? "" : message.ptr);
}

void agent_event_error(struct agent *agent, const struct kube_kind *kind, const json_t *object,
                       const char *reason, const struct error *error)
{
    CLEANUP(str) char *text = error_format(error);

    agent_event(agent, kind, object, true, reason, "%s", text);
}

/* True if merging PATCH into OBJECT changes nothing. */
static bool has_all(const json_t *object, const json_t *patch)
{
    const char *key;
    json_t *value;

    if (!json_is_object(patch))
        return json_is_null(patch) ? object == NULL || json_is_null(object) : obj_eq(object, patch);
    if (!json_is_object(object))
        return false;
    /* jansson takes no const object for iteration, but reads only */
    json_object_foreach((json_t *)(uintptr_t)patch, key, value)
        if (!has_all(json_object_get(object, key), value))
            return false;
    return true;
}

int agent_patch_status(struct agent *agent, const struct kube_kind *kind, const json_t *object,
                       json_t *status, struct error **err)
{
    json_auto_t *patch = NULL;

    if (has_all(json_object_get(object, "status"), status))
        return 0;
    patch = obj_pack("{s:{s:s},s:O}", "metadata", "uid", meta_uid(object), "status", status);
    /* KubeVirt serves no status subresource for instances. */
    return kube_patch(agent->client, kind, kind->cluster_scoped ? NULL : meta_ns(object),
                      meta_name(object), kind == &KIND_VMI ? NULL : "status", patch, NULL, err);
}

static const json_t *find_condition(const json_t *status, const char *type)
{
    const json_t *condition;
    size_t i;

    json_array_foreach(obj_arr(status, "conditions"), i, condition)
        if (str_eq(obj_str(condition, "type", ""), type))
            return condition;
    return NULL;
}

void agent_set_condition(json_t *status, const json_t *old_status, const char *type, bool is_true,
                         const char *reason, const char *message)
{
    const json_t *old = find_condition(old_status, type);
    const char *text = is_true ? "True" : "False";
    json_t *condition = obj_pack("{s:s,s:s}", "type", type, "status", text);

    obj_put_str(condition, "reason", reason);
    obj_put_str(condition, "message", message);
    if (old != NULL && str_eq(obj_str(old, "status", ""), text) &&
        obj_str(old, "lastTransitionTime", NULL) != NULL)
        obj_put_str(condition, "lastTransitionTime", obj_str(old, "lastTransitionTime", NULL));
    else
        obj_take(condition, "lastTransitionTime", agent_time(time_now_ms()));
    obj_take(status, "conditions[]", condition);
}
