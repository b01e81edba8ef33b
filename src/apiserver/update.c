/* update and patch. */
#define LOG_COMPONENT "apiserver"

#include "apiserver/server.h"
#include "apiserver/write.h"

#include "base/error.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/time.h"
#include "data/obj.h"
#include "kube/apply.h"
#include "kube/builtin.h"
#include "kube/meta.h"
#include "kube/patch.h"
#include "kube/schema.h"

#include <stdlib.h>
#include <string.h>

static const char was_modified[] = "the object has been modified; please apply your changes to "
                                   "the latest version and try again";

static const char *subresource_of(const struct call *call)
{
    return *call->subresource == '\0' ? NULL : call->subresource;
}

/* A version or uid that the writer named must be the one that is there. */
static int check_version(struct call *call, const json_t *object, const struct object *current)
{
    const char *version = meta_resource_version(object), *uid = meta_uid(object);
    CLEANUP(str) char *now = xasprintf("%llu", (unsigned long long)current->rv);

    if (*uid != '\0' && !str_eq(uid, current->uid)) {
        CLEANUP(str) char *detail =
            xasprintf("Precondition failed: UID in precondition: %s, UID in object meta: %s", uid,
                      current->uid);
        return fail_conflict(&call->failure, call->group, call->plural, call->name, detail);
    }
    if (*version != '\0' && !str_eq(version, now))
        return fail_conflict(&call->failure, call->group, call->plural, call->name, was_modified);
    return 0;
}

static int needs_version(struct call *call, const json_t *object)
{
    CLEANUP(cause_list) struct cause_list causes = {0};

    if (!call->served->type->is_custom || *meta_resource_version(object) != '\0')
        return 0;
    /* the real server shows its number in hexadecimal, and the plural in place of the kind */
    const struct cause cause = {
        .reason = CAUSE_INVALID,
        .message = xstrdup("Invalid value: 0x0: must be specified for an update"),
        .field = xstrdup("metadata.resourceVersion"),
    };
    cause_list_push(&causes, cause);
    return fail_invalid(&call->failure, call->group, call->plural, call->name, &causes);
}

/* --- update ------------------------------------------------------------------------------------------ */

static int update(struct call *call, json_t *body, struct str_list *duplicates,
                  struct object **out)
{
    bool bound = *meta_resource_version(body) != '\0';

    for (int tries = 0; tries < WRITE_TRIES; tries++) {
        CLEANUP(object) struct object *current =
            store_get(call->served->table, call->ns, call->name);
        if (current == NULL)
            return write_fail_missing(call);
        if (check_version(call, body, current) == -1 || needs_version(call, body) == -1)
            return -1;
        json_auto_t *old = write_parse(call, current);
        /* Writing changes the object; what is bound to a version is tried once. */
        json_auto_t *object = bound ? json_incref(body) : obj_copy(body);
        struct write write = {
            .object = object,
            .old = old,
            .base = current,
            .subresource = subresource_of(call),
            .duplicates = duplicates,
        };
        if (write_store(call, &write, out) == 0)
            return 0;
        if (!write.conflict)
            return -1;
        if (bound)
            break;
    }
    return fail_conflict(&call->failure, call->group, call->plural, call->name, was_modified);
}

void handle_update(struct call *call)
{
    CLEANUP(object) struct object *object = NULL;
    json_auto_t *body = NULL;
    struct str_list duplicates = {0};

    if (write_decode(call, &body, &duplicates) == -1 || write_check_identity(call, body) == -1 ||
        update(call, body, &duplicates, &object) == -1)
        call_answer_failure(call);
    else
        call_answer_object(call, 200, object);
    str_list_free_all(&duplicates);
}

/* --- patch -------------------------------------------------------------------------------------------- */

enum patch_kind { PATCH_NONE, PATCH_MERGE, PATCH_JSON, PATCH_STRATEGIC, PATCH_APPLY };

static enum patch_kind patch_kind_of(struct call *call)
{
    const char *type = http_request_header(call->request, "Content-Type");
    size_t len = type == NULL ? 0 : strcspn(type, "; ");
    CLEANUP(str) char *name = xstrndup(type == NULL ? "" : type, len);

    if (str_eq(name, "application/merge-patch+json"))
        return PATCH_MERGE;
    if (str_eq(name, "application/json-patch+json"))
        return PATCH_JSON;
    if (str_eq(name, "application/strategic-merge-patch+json"))
        return call->served->type->is_custom ? PATCH_NONE : PATCH_STRATEGIC;
    if (str_eq(name, "application/apply-patch+yaml") || str_eq(name, "application/apply-patch+json"))
        return PATCH_APPLY;
    return PATCH_NONE;
}

static int fail_media_type(struct call *call)
{
    return fail(&call->failure, 415, "UnsupportedMediaType",
                "the body of the request was in an unknown format - accepted media types include: "
                "application/json-patch+json, application/merge-patch+json, %s"
                "application/apply-patch+yaml",
                call->served->type->is_custom ? "" : "application/strategic-merge-patch+json, ");
}

static int read_patch(struct call *call, enum patch_kind kind, json_t **patch,
                      struct str_list *duplicates)
{
    CLEANUP(error) struct error *err = NULL;
    const char *body = call->request->body;
    size_t len = call->request->body_len;
    const char *start = body + strspn(body, " \t\r\n");
    int result;

    if (kind == PATCH_APPLY && *start != '{')
        result = (*patch = write_parse_yaml(body, len, &err)) == NULL ? -1 : 0;
    else
        result = body_parse(body, len, patch, duplicates, &err);
    if (result == -1) {
        CLEANUP(str) char *text = error_format(err);
        return fail_bad_request(&call->failure, "error decoding patch: %s", text);
    }
    if (kind == PATCH_JSON ? !json_is_array(*patch) : !json_is_object(*patch))
        return fail_bad_request(&call->failure, "error decoding patch: it is not %s",
                                kind == PATCH_JSON ? "an array" : "an object");
    return 0;
}

static int apply_json_patch(struct call *call, const json_t *old, const json_t *patch,
                            json_t **object)
{
    CLEANUP(error) struct error *err = NULL;

    if (patch_json(old, patch, object, &err) == 0)
        return 0;
    if (str_eq(error_get_hint(err), "malformed"))
        return fail_bad_request(&call->failure, "%s", err->msg);
    log_debug("patch refused: id=%s why=%s", call->id, err->msg);
    return fail(&call->failure, 422, "Invalid",
                "the server rejected our request due to an error in our request");
}

/* What a configuration says to this endpoint: the status belongs to its own where there is one. */
static json_t *configured_part(const struct call *call, const char *subresource,
                               const json_t *patch)
{
    json_t *part = json_copy((json_t *)(uintptr_t)patch);

    if (call->served_as->has_status && !str_eq(subresource, "status"))
        json_object_del(part, "status");
    return part;
}

static int apply_configuration(struct call *call, const json_t *old, const json_t *patch,
                               json_t **object)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(cause_list) struct cause_list conflicts = {0};
    CLEANUP(str) char *api_version = call_api_version(call);
    const struct apply_as as = {
        .manager = call->field_manager,
        .api_version = api_version,
        .subresource = subresource_of(call),
        .now_ms = time_now_ms(),
        .force = call_query_bool(call, "force"),
    };

    if (obj_count(patch, "metadata.managedFields") > 0)
        return fail_bad_request(&call->failure, "metadata.managedFields must be nil");

    json_auto_t *config = configured_part(call, as.subresource, patch);

    if (apply_config(call->served_as->schema, old, config, &as, object, &conflicts, &err) == 0)
        return 0;
    if (err->code != ERROR_CONFLICT)
        return fail_error(&call->failure, err);
    fail(&call->failure, 409, "Conflict", "%s", err->msg);
    failure_take_causes(&call->failure, cause_list_to_json(&conflicts));
    return -1;
}

static int patched(struct call *call, enum patch_kind kind, const json_t *old, const json_t *patch,
                   json_t **object)
{
    CLEANUP(error) struct error *err = NULL;

    switch (kind) {
    case PATCH_MERGE:
        *object = patch_merge(old, patch);
        return 0;
    case PATCH_JSON:
        return apply_json_patch(call, old, patch, object);
    case PATCH_STRATEGIC:
        if (patch_strategic(call->served_as->schema, old, patch, object, &err) == 0)
            return 0;
        return fail_error(&call->failure, err);
    case PATCH_APPLY:
        return apply_configuration(call, old, patch, object);
    case PATCH_NONE:
        break;
    }
    return fail_media_type(call);
}

/* A merge patch may carry the version it is meant for; the others carry what they read. */
static int check_patched(struct call *call, json_t *object, const json_t *old,
                         const struct object *current)
{
    if (!json_is_object(object))
        return fail_bad_request(&call->failure, "the patch leaves no object");
    if (!str_eq(meta_resource_version(object), meta_resource_version(old)) ||
        !str_eq(meta_uid(object), meta_uid(old)))
        if (check_version(call, object, current) == -1)
            return -1;
    return write_check_identity(call, object);
}

static int create_applied(struct call *call, const json_t *patch, struct str_list *duplicates,
                          struct object **out)
{
    json_auto_t *object = NULL;

    if (apply_configuration(call, NULL, patch, &object) == -1 ||
        write_check_identity(call, object) == -1)
        return -1;
    struct write write = {.object = object, .duplicates = duplicates, .is_apply = true};
    return write_store(call, &write, out);
}

static int patch_once(struct call *call, enum patch_kind kind, const json_t *patch,
                      struct str_list *duplicates, struct object **out, bool *again, int *status)
{
    CLEANUP(object) struct object *current = store_get(call->served->table, call->ns, call->name);

    if (current == NULL && kind == PATCH_APPLY && *call->subresource == '\0') {
        *status = 201;
        int result = create_applied(call, patch, duplicates, out);
        *again = result == -1 && call->failure.code == 409;
        return result;
    }
    if (current == NULL)
        return write_fail_missing(call);
    json_auto_t *old = write_parse(call, current);
    json_auto_t *object = NULL;
    *status = 200;
    if (patched(call, kind, old, patch, &object) == -1 ||
        check_patched(call, object, old, current) == -1)
        return -1;
    /* What the patch says about the version has been checked. */
    struct write write = {
        .object = object,
        .old = old,
        .base = current,
        .subresource = subresource_of(call),
        .duplicates = duplicates,
        .is_apply = kind == PATCH_APPLY,
    };
    int result = write_store(call, &write, out);
    *again = result == -1 && write.conflict;
    return result;
}

static int patch(struct call *call, enum patch_kind kind, const json_t *patch_body,
                 struct str_list *duplicates, struct object **out, int *status)
{
    for (int tries = 0; tries < WRITE_TRIES; tries++) {
        bool again = false;
        if (patch_once(call, kind, patch_body, duplicates, out, &again, status) == 0)
            return 0;
        if (!again)
            return -1;
        failure_reset(&call->failure);
    }
    return fail_conflict(&call->failure, call->group, call->plural, call->name, was_modified);
}

void handle_patch(struct call *call)
{
    CLEANUP(object) struct object *object = NULL;
    json_auto_t *body = NULL;
    struct str_list duplicates = {0};
    enum patch_kind kind = patch_kind_of(call);
    int status = 200;
    int result = kind == PATCH_NONE ? fail_media_type(call) : 0;

    if (result == 0 && kind == PATCH_APPLY && str_is_empty(call->field_manager)) {
        CLEANUP(cause_list) struct cause_list causes = {0};
        cause_add(&causes, CAUSE_REQUIRED, "fieldManager", NULL, "is required for apply patch");
        result = fail_invalid(&call->failure, "meta.k8s.io", "PatchOptions", "", &causes);
    }
    if (result == 0)
        result = read_patch(call, kind, &body, &duplicates);
    if (result == 0)
        result = patch(call, kind, body, &duplicates, &object, &status);
    if (result == 0)
        call_answer_object(call, status, object);
    else
        call_answer_failure(call);
    str_list_free_all(&duplicates);
}
