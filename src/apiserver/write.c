#include "apiserver/write.h"

#define LOG_COMPONENT "apiserver"

#include "apiserver/hooks.h"
#include "apiserver/metrics.h"
#include "apiserver/server.h"
#include "base/error.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/random.h"
#include "base/text.h"
#include "base/time.h"
#include "data/obj.h"
#include "data/yaml.h"
#include "kube/apply.h"
#include "kube/builtin.h"
#include "kube/meta.h"
#include "kube/protobuf.h"
#include "kube/schema.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* --- Decoding --------------------------------------------------------------------------------------- */

static bool type_is(const char *type, const char *name)
{
    size_t len = strlen(name);

    return strncasecmp(type, name, len) == 0 &&
           (type[len] == '\0' || type[len] == ';' || type[len] == ' ');
}

json_t *write_parse_yaml(const char *text, size_t len, struct error **err)
{
    json_auto_t *documents = obj_parse_yaml(text, len, err);

    if (documents == NULL)
        return NULL;
    if (json_array_size(documents) != 1) {
        error_set(err, ERROR_INVALID, "%zu YAML documents instead of one",
                  json_array_size(documents));
        return NULL;
    }
    return json_incref(json_array_get(documents, 0));
}

int write_decode(struct call *call, json_t **object, struct str_list *duplicates)
{
    CLEANUP(error) struct error *err = NULL;
    const struct http_request *request = call->request;
    const char *type = http_request_header(request, "Content-Type");
    int result;

    if (str_is_empty(type) || type_is(type, "application/json") || type_is(type, "*/*"))
        result = body_parse(request->body, request->body_len, object, duplicates, &err);
    else if (type_is(type, "application/vnd.kubernetes.protobuf"))
        result = protobuf_decode(request->body, request->body_len, object, &err);
    else if (type_is(type, "application/yaml"))
        result = (*object = write_parse_yaml(request->body, request->body_len, &err)) == NULL ? -1 : 0;
    else
        return fail(&call->failure, 415, "UnsupportedMediaType",
                    "the body of the request was in an unknown format - accepted media types "
                    "include: application/json, application/yaml, "
                    "application/vnd.kubernetes.protobuf");
    if (result == -1) {
        CLEANUP(str) char *text = error_format(err);
        const char *hint = error_get_hint(err);
        if (err->code == ERROR_UNSUPPORTED)
            return fail(&call->failure, 415, "UnsupportedMediaType", "%s%s%s", text,
                        hint == NULL ? "" : ": ", hint == NULL ? "" : hint);
        return fail_bad_request(&call->failure, "error decoding the request's body: %s", text);
    }
    if (!json_is_object(*object))
        return fail_bad_request(&call->failure,
                                "error decoding the request's body: it is not an object");
    return 0;
}

/* Puts VALUE under KEY if nothing is there, else compares. */
static bool is_or_becomes(json_t *object, const char *key, const char *value)
{
    const char *own = json_string_value(json_object_get(object, key));

    if (str_is_empty(own)) {
        json_object_set_new(object, key, json_string(value));
        return true;
    }
    return str_eq(own, value);
}

/* Custom kinds come to their validation with another kind's name, built-in ones do not. */
static int fail_kind(struct call *call, const json_t *object)
{
    const struct kube_type *type = call->served->type;
    CLEANUP(cause_list) struct cause_list causes = {0};

    if (!type->is_custom)
        return fail_bad_request(&call->failure,
                                "the kind in the data (%s) does not match the expected kind (%s)",
                                obj_str(object, "kind", ""), type->kind);
    cause_add(&causes, CAUSE_INVALID, "kind", json_object_get(object, "kind"), "must be %s",
              type->kind);
    return fail_invalid(&call->failure, type->group, type->kind, meta_name(object), &causes);
}

int write_check_identity(struct call *call, json_t *object)
{
    CLEANUP(str) char *api_version = call_api_version(call);
    const struct kube_type *type = call->served->type;

    if (!is_or_becomes(object, "apiVersion", api_version))
        return fail_bad_request(
            &call->failure,
            "the API version in the data (%s) does not match the expected API version (%s)",
            obj_str(object, "apiVersion", ""), api_version);
    if (!is_or_becomes(object, "kind", type->kind))
        return fail_kind(call, object);
    json_t *metadata = json_object_get(object, "metadata");
    if (metadata == NULL || json_is_null(metadata)) {
        metadata = json_object();
        json_object_set_new(object, "metadata", metadata);
    }
    if (!json_is_object(metadata))
        return fail_bad_request(&call->failure, "metadata is not an object");
    if (*call->ns != '\0' && !is_or_becomes(metadata, "namespace", call->ns))
        return fail_bad_request(&call->failure, "the namespace of the provided object does not "
                                                "match the namespace sent on the request");
    if (!type->namespaced)
        json_object_del(metadata, "namespace");
    if (*call->name != '\0' && !is_or_becomes(metadata, "name", call->name))
        return fail_bad_request(
            &call->failure,
            "the name of the object (%s) does not match the name on the URL (%s)",
            meta_name(object), call->name);
    return 0;
}

json_t *write_parse(const struct call *call, const struct object *object)
{
    json_t *value = object_parse(object);
    CLEANUP(str) char *api_version = call_api_version(call);

    obj_put_str(value, "apiVersion", api_version);
    return value;
}

/* --- Checking --------------------------------------------------------------------------------------- */

/* Unknown and duplicate fields, by what the caller wanted to be done about them. */
static int report_fields(struct call *call, const struct str_list *unknown,
                         const struct str_list *duplicates)
{
    struct str_list warnings = {0};

    if (call->field_validation == FIELD_IGNORE)
        return 0;
    if (call->field_validation == FIELD_STRICT) {
        CLEANUP(str) char *message = body_strict_message(call->served->type->kind, call->version,
                                                         unknown, duplicates);
        return message == NULL ? 0 : fail_bad_request(&call->failure, "%s", message);
    }
    body_warnings(unknown, duplicates, &warnings);
    for (size_t i = 0; i < warnings.len; i++)
        call_warn(call, warnings.ptr[i]);
    str_list_free_all(&warnings);
    return 0;
}

static int prune(struct call *call, struct write *write)
{
    struct str_list unknown = {0}, none = {0};

    meta_drop_empty(write->object);
    schema_prune(call->served_as->schema, write->object, &unknown);
    int result =
        report_fields(call, &unknown, write->duplicates == NULL ? &none : write->duplicates);
    str_list_free_all(&unknown);
    return result;
}

static int check_namespace(struct call *call)
{
    if (*call->ns == '\0')
        return 0;
    struct served *namespaces = registry_find(call->server->registry, "", NULL, "namespaces", NULL);
    CLEANUP(object) struct object *ns =
        namespaces == NULL ? NULL : store_get(namespaces->table, NULL, call->ns);
    served_unref(namespaces);
    if (ns == NULL)
        return fail_not_found(&call->failure, "", "namespaces", call->ns);
    /* Nearly all live: those whose text does not even have the word need no parsing. */
    json_auto_t *value = strstr(ns->text, "\"deletionTimestamp\"") == NULL ? NULL : object_parse(ns);
    if (value != NULL && meta_is_deleting(value)) {
        CLEANUP(str) char *detail = xasprintf("unable to create new content in namespace %s "
                                              "because it is being terminated",
                                              call->ns);
        fail_forbidden(&call->failure, call->group, call->plural, call->name, detail);
        json_t *causes = json_array();
        json_array_append_new(causes, obj_pack("{s:s, s:s, s:s}", "reason", "NamespaceTerminating",
                                               "message", "namespace is being terminated", "field",
                                               "metadata.namespace"));
        failure_take_causes(&call->failure, causes);
        return -1;
    }
    return 0;
}

static void track_fields(struct call *call, struct write *write)
{
    const char *agent = http_request_header(call->request, "User-Agent");
    size_t len = agent == NULL ? 0 : strcspn(agent, "/ ");
    CLEANUP(str) char *from_agent = len == 0 ? xstrdup("unknown") : xstrndup(agent, len);
    CLEANUP(str) char *api_version = call_api_version(call);
    const struct apply_as as = {
        .manager = str_is_empty(call->field_manager) ? from_agent : call->field_manager,
        .api_version = api_version,
        .subresource = write->subresource,
        .now_ms = time_now_ms(),
    };

    apply_track(call->served_as->schema, write->old, write->object, &as);
}

static int complete_and_check(struct call *call, struct write *write)
{
    CLEANUP(cause_list) struct cause_list causes = {0};
    const struct kube_type *type = call->served->type;

    if (prune(call, write) == -1)
        return -1;
    if (write->old == NULL) {
        char uid[UUID_TEXT_SIZE];

        /* What the server derives from the object (a Job's labels) belongs to nobody. */
        schema_default(call->served_as->schema, write->object);
        if (call->served_as->has_status)
            json_object_del(write->object, "status");
        if (!write->is_apply)
            track_fields(call, write);
        builtin_prepare_create(type, call->served_as, write->object, random_uuid(uid),
                               time_now_ms());
    }
    schema_default(call->served_as->schema, write->object);
    if (write->old != NULL)
        builtin_prepare_update(type, call->served_as, write->subresource, write->object,
                               write->old);
    if (hook_before_write(call, write->object, write->old, &causes) == -1)
        return -1;
    schema_validate(call->served_as->schema, write->object, write->old, &causes);
    builtin_validate(type, write->object, write->old, &causes);
    if (causes.len > 0)
        return fail_invalid(&call->failure, type->group, type->kind, meta_name(write->object),
                            &causes);
    if (!write->is_apply && write->old != NULL)
        track_fields(call, write);
    return 0;
}

/* Equal but for what changes with every write. */
static bool is_no_op(const json_t *object, const json_t *old)
{
    json_auto_t *a = json_copy((json_t *)(uintptr_t)object);
    json_auto_t *b = json_copy((json_t *)(uintptr_t)old);
    json_auto_t *a_meta = json_copy(json_object_get(object, "metadata"));
    json_auto_t *b_meta = json_copy(json_object_get(old, "metadata"));
    json_auto_t *a_fields = json_incref(json_object_get(a_meta, "managedFields"));
    json_auto_t *b_fields = json_incref(json_object_get(b_meta, "managedFields"));

    if (json_array_size(a_fields) != json_array_size(b_fields))
        return false;
    for (size_t i = 0; i < json_array_size(a_fields); i++) {
        json_auto_t *x = json_copy(json_array_get(a_fields, i));
        json_auto_t *y = json_copy(json_array_get(b_fields, i));
        json_object_del(x, "time");
        json_object_del(y, "time");
        if (!obj_eq(x, y))
            return false;
    }
    json_object_del(a_meta, "managedFields");
    json_object_del(b_meta, "managedFields");
    json_object_del(a_meta, "resourceVersion");
    json_object_del(b_meta, "resourceVersion");
    json_object_set(a, "metadata", a_meta);
    json_object_set(b, "metadata", b_meta);
    return obj_eq(a, b);
}

/* --- Storing ----------------------------------------------------------------------------------------- */

bool write_is_free_to_go(const struct call *call, const json_t *object)
{
    if (!meta_is_deleting(object) || obj_count(object, "metadata.finalizers") > 0)
        return false;
    if (str_eq(call->served->type->kind, "Namespace") && *call->served->type->group == '\0')
        return obj_count(object, "spec.finalizers") == 0;
    return obj_int(object, "metadata.deletionGracePeriodSeconds", 0) == 0;
}

/* The storage version is what is stored, and what comes first is what readers replace. */
static json_t *to_stored(const struct call *call, json_t *object)
{
    static const char *const first[] = {"apiVersion", "kind", "metadata", "spec"};
    const struct kube_type *type = call->served->type;
    json_t *ordered = json_object();
    const char *key;
    json_t *value;

    for (size_t i = 0; i < sizeof(first) / sizeof(first[0]); i++)
        if ((value = json_object_get(object, first[i])) != NULL)
            json_object_set(ordered, first[i], value);
    json_object_foreach(object, key, value) {
        if (json_object_get(ordered, key) == NULL)
            json_object_set(ordered, key, value);
    }
    for (size_t i = 0; i < type->version_count; i++) {
        if (!type->versions[i].storage)
            continue;
        CLEANUP(str) char *stored = *type->group == '\0'
                                        ? xstrdup(type->versions[i].name)
                                        : xasprintf("%s/%s", type->group, type->versions[i].name);
        json_object_set_new(ordered, "apiVersion", json_string(stored));
    }
    return ordered;
}

int write_commit(struct call *call, const struct object *base, const json_t *object, bool remove,
                 struct object **out, bool *again)
{
    CLEANUP(error) struct error *err = NULL;
    json_auto_t *stored = to_stored(call, (json_t *)(uintptr_t)object);
    struct store_change change = {
        .table = call->served->table,
        .ns = call->ns,
        .name = meta_name(object),
        .old = base,
        .value = stored,
        .remove = remove,
    };

    if (call->dry_run) {
        CLEANUP(str) char *text = obj_format(stored);
        *out = object_new(call->ns, meta_name(object), meta_uid(object), base == NULL ? 0 : base->rv,
                          text, strlen(text), NULL);
        return 0;
    }
    int64_t start_us = time_mono_us();
    int result = store_write(call->server->store, &change, out, &err);
    metrics_count_write(call->server->metrics, remove           ? "delete"
                                               : base == NULL ? "create"
                                                              : "update",
                        call->group, call->plural, time_mono_us() - start_us);
    if (result == 0) {
        hook_after_write(call, object, remove);
        return 0;
    }
    if (err->code == ERROR_CONFLICT && base != NULL) {
        *again = true;
        return -1;
    }
    if (err->code == ERROR_EXISTS)
        return fail_exists(&call->failure, call->group, call->plural, meta_name(object));
    if (err->code == ERROR_NOT_FOUND)
        return fail_not_found(&call->failure, call->group, call->plural, meta_name(object));
    return fail_error(&call->failure, err);
}

int write_store(struct call *call, struct write *write, struct object **out)
{
    write->conflict = false;
    if (write->old == NULL && check_namespace(call) == -1)
        return -1;
    if (complete_and_check(call, write) == -1)
        return -1;
    if (write->old != NULL && is_no_op(write->object, write->old)) {
        *out = object_ref((struct object *)(uintptr_t)write->base);
        return 0;
    }
    bool remove = write->old != NULL && write_is_free_to_go(call, write->object);
    return write_commit(call, write->base, write->object, remove, out, &write->conflict);
}

int write_fail_missing(struct call *call)
{
    return fail_not_found(&call->failure, call->group, call->plural, call->name);
}

/* --- create ------------------------------------------------------------------------------------------- */

/* Prefix and 5 letters; the prefix is cut so that the whole fits. */
static void generate_name(json_t *object, const char *prefix)
{
    enum { MAX_PREFIX = 58, RANDOM = 5 };
    char suffix[RANDOM + 1];

    random_name(suffix, RANDOM);
    CLEANUP(str) char *name = xasprintf("%.*s%s", MAX_PREFIX, prefix, suffix);
    obj_put_str(object, "metadata.name", name);
}

static int create_once(struct call *call, json_t *object, struct str_list *duplicates,
                       struct object **out)
{
    struct write write = {.object = object, .duplicates = duplicates};

    return write_store(call, &write, out);
}

static int create(struct call *call, struct object **out)
{
    json_auto_t *object = NULL;
    struct str_list duplicates = {0};
    int result = write_decode(call, &object, &duplicates);

    if (result == 0)
        result = write_check_identity(call, object);
    if (result == 0 && call->served->is_terminating)
        result = fail(&call->failure, 405, "MethodNotAllowed",
                      "create not allowed while custom resource definition is terminating");
    const char *prefix = obj_str(object, "metadata.generateName", "");
    bool generated = result == 0 && *meta_name(object) == '\0' && *prefix != '\0';
    for (int tries = 0; result == 0; tries++) {
        /* Storing changes it; only who may have to try again keeps the original. */
        json_auto_t *copy = generated ? obj_copy(object) : json_incref(object);
        if (generated)
            generate_name(copy, prefix);
        result = create_once(call, copy, &duplicates, out);
        if (result == 0 || !generated || call->failure.code != 409 || tries == 8)
            break;
        failure_reset(&call->failure);
        result = 0;
    }
    str_list_free_all(&duplicates);
    return result;
}

void handle_create(struct call *call)
{
    CLEANUP(object) struct object *object = NULL;

    if (*call->name != '\0') {
        fail(&call->failure, 405, "MethodNotAllowed",
             "the server does not allow this method on the requested resource");
        call_answer_failure(call);
    } else if (create(call, &object) == -1) {
        call_answer_failure(call);
    } else {
        call_answer_object(call, 201, object);
    }
}
