/* The scale subresource: autoscaling/v1 Scale as a view of fields that the kind's definition
 * names. */
#include "apiserver/special.h"

#include "apiserver/server.h"
#include "apiserver/write.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "data/obj.h"
#include "kube/meta.h"
#include "kube/patch.h"
#include "kube/table.h"


static int64_t number_at(const struct json_path *path, const json_t *object)
{
    const json_t *value = path == NULL ? NULL : json_path_find(path, object);

    return json_is_integer(value) ? (int64_t)json_integer_value(value) : 0;
}

static json_t *to_scale(const struct call *call, const json_t *object)
{
    const struct kube_version *version = call->served_as;
    const json_t *selector = version->scale_selector_path == NULL
                                 ? NULL
                                 : json_path_find(version->scale_selector_path, object);
    json_t *scale = obj_pack(
        "{s:s, s:s, s:{s:s, s:s, s:s, s:s, s:s}, s:{s:I}, s:{s:I}}", "kind", "Scale", "apiVersion",
        "autoscaling/v1", "metadata", "name", meta_name(object), "namespace", meta_ns(object),
        "uid", meta_uid(object), "resourceVersion", meta_resource_version(object),
        "creationTimestamp", obj_str(object, "metadata.creationTimestamp", ""), "spec", "replicas",
        (json_int_t)number_at(version->scale_spec_path, object), "status", "replicas",
        (json_int_t)number_at(version->scale_status_path, object));

    obj_put_str(scale, "status.selector", json_string_value(selector));
    return scale;
}

/* The Scale that the request's body makes of OLD. */
static json_t *wanted_scale(struct call *call, const json_t *old)
{
    CLEANUP(error) struct error *err = NULL;
    struct str_list duplicates = {0};
    json_auto_t *body = NULL;
    json_t *scale = NULL;
    const char *type = http_request_header(call->request, "Content-Type");

    if (str_eq(call->verb, "update")) {
        int result = write_decode(call, &body, &duplicates);
        str_list_free_all(&duplicates);
        return result == -1 ? NULL : steal(&body);
    }
    int result =
        body_parse(call->request->body, call->request->body_len, &body, &duplicates, &err);
    str_list_free_all(&duplicates);
    if (result == -1) {
        fail_error(&call->failure, err);
        return NULL;
    }
    if (type != NULL && str_starts_with(type, "application/json-patch+json")) {
        if (patch_json(old, body, &scale, &err) == -1)
            fail_error(&call->failure, err);
        return scale;
    }
    return patch_merge(old, body);
}

static int set_scale(struct call *call, json_t **answer)
{
    for (int tries = 0; tries < WRITE_TRIES; tries++) {
        CLEANUP(object) struct object *current =
            store_get(call->served->table, call->ns, call->name);
        CLEANUP(object) struct object *out = NULL;
        if (current == NULL)
            return write_fail_missing(call);
        json_auto_t *old = write_parse(call, current);
        json_auto_t *old_scale = to_scale(call, old);
        json_auto_t *scale = wanted_scale(call, old_scale);
        if (scale == NULL)
            return -1;
        const char *version = meta_resource_version(scale);
        int64_t replicas = obj_int(scale, "spec.replicas", 0);
        if (*version != '\0' && !str_eq(version, meta_resource_version(old)))
            return fail_conflict(&call->failure, call->group, call->plural, call->name,
                                 "the object has been modified; please apply your changes to the "
                                 "latest version and try again");
        if (replicas < 0 || replicas > INT32_MAX)
            return fail(&call->failure, 422, "Invalid",
                        "Scale.autoscaling \"%s\" is invalid: spec.replicas: Invalid value: %lld: "
                        "must be greater than or equal to 0",
                        call->name, (long long)replicas);
        json_auto_t *object = obj_copy(old);
        obj_put_int(object, call->served_as->scale_spec_field, replicas);
        struct write write = {.object = object, .old = old, .base = current};
        if (write_store(call, &write, &out) == 0) {
            json_auto_t *now = write_parse(call, out);
            *answer = to_scale(call, now);
            return 0;
        }
        if (!write.conflict)
            return -1;
    }
    return fail_conflict(&call->failure, call->group, call->plural, call->name,
                         "the object has been modified");
}

static int get_scale(struct call *call, json_t **answer)
{
    CLEANUP(object) struct object *current = store_get(call->served->table, call->ns, call->name);

    if (current == NULL)
        return write_fail_missing(call);
    json_auto_t *object = write_parse(call, current);
    *answer = to_scale(call, object);
    return 0;
}

void special_scale(struct call *call)
{
    json_auto_t *answer = NULL;
    int result;

    if (str_eq(call->verb, "get"))
        result = get_scale(call, &answer);
    else if (str_eq(call->verb, "update") || str_eq(call->verb, "patch"))
        result = set_scale(call, &answer);
    else
        result = fail(&call->failure, 405, "MethodNotAllowed",
                      "the server does not allow this method on the requested resource");
    if (result == 0)
        call_answer_json(call, 200, answer);
    else
        call_answer_failure(call);
}
