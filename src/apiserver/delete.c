/* delete and deletecollection. */
#include "apiserver/filter.h"
#include "apiserver/server.h"
#include "apiserver/write.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/time.h"
#include "data/obj.h"
#include "kube/meta.h"

#include <stdlib.h>
#include <string.h>

#define FINALIZER_ORPHAN "orphan"
#define FINALIZER_FOREGROUND "foregroundDeletion"

enum { DEFAULT_POD_GRACE_S = 30 };

struct delete_options {
    int64_t grace_s; /* -1: not given */
    char *propagation; /* Background, Foreground, Orphan, or NULL */
    char *uid, *version; /* preconditions, or NULL */
};

static void reset_options(struct delete_options *options)
{
    free(options->propagation);
    free(options->uid);
    free(options->version);
}

static char *copy_at(const json_t *body, const char *path)
{
    const char *text = obj_str(body, path, NULL);

    return text == NULL ? NULL : xstrdup(text);
}

static int read_body(struct call *call, struct delete_options *options)
{
    struct str_list duplicates = {0};
    json_auto_t *body = NULL;

    if (call->request->body_len == 0)
        return 0;
    int result = write_decode(call, &body, &duplicates);
    str_list_free_all(&duplicates);
    if (result == -1)
        return -1;
    options->grace_s = obj_int(body, "gracePeriodSeconds", -1);
    options->propagation = copy_at(body, "propagationPolicy");
    options->uid = copy_at(body, "preconditions.uid");
    options->version = copy_at(body, "preconditions.resourceVersion");
    if (obj_bool(body, "orphanDependents", false) && options->propagation == NULL)
        options->propagation = xstrdup("Orphan");
    if (str_eq(json_string_value(json_array_get(obj_arr(body, "dryRun"), 0)), "All"))
        call->dry_run = true;
    return 0;
}

static int read_options(struct call *call, struct delete_options *options)
{
    options->grace_s = -1;
    if (read_body(call, options) == -1)
        return -1;
    if (options->propagation == NULL)
        options->propagation = http_request_query(call->request, "propagationPolicy");
    if (options->grace_s == -1 &&
        call_query_int(call, "gracePeriodSeconds", -1, &options->grace_s) == -1)
        return -1;
    if (options->grace_s < -1)
        return fail(&call->failure, 422, "Invalid",
                    "DeleteOptions.meta.k8s.io \"\" is invalid: gracePeriodSeconds: must not be "
                    "negative");
    if (options->propagation != NULL && !str_eq(options->propagation, "Background") &&
        !str_eq(options->propagation, "Foreground") && !str_eq(options->propagation, "Orphan"))
        return fail(&call->failure, 422, "Invalid",
                    "DeleteOptions.meta.k8s.io \"\" is invalid: propagationPolicy: Unsupported "
                    "value: \"%s\": supported values: \"Background\", \"Foreground\", \"Orphan\"",
                    options->propagation);
    return 0;
}

static int check_preconditions(struct call *call, const struct delete_options *options,
                               const struct object *current)
{
    CLEANUP(str) char *version = xasprintf("%llu", (unsigned long long)current->rv);
    CLEANUP(str) char *detail = NULL;

    if (options->uid != NULL && !str_eq(options->uid, current->uid))
        detail = xasprintf("the UID in the precondition (%s) does not match the UID in record (%s). "
                           "The object might have been deleted and then recreated",
                           options->uid, current->uid);
    else if (options->version != NULL && !str_eq(options->version, version))
        detail = xasprintf("the ResourceVersion in the precondition (%s) does not match the "
                           "ResourceVersion in record (%s). The object might have been modified",
                           options->version, version);
    return detail == NULL ? 0
                          : fail_conflict(&call->failure, call->group, call->plural, current->name,
                                          detail);
}

/* How long a pod gets to end: none if no agent runs it. */
static int64_t grace_of(const struct call *call, const struct delete_options *options,
                        const json_t *object)
{
    const char *phase = obj_str(object, "status.phase", "");

    if (!str_eq(call->served->type->kind, "Pod") || *call->served->type->group != '\0')
        return 0;
    if (str_is_empty(obj_str(object, "spec.nodeName", "")) || str_eq(phase, "Succeeded") ||
        str_eq(phase, "Failed"))
        return 0;
    if (options->grace_s >= 0)
        return options->grace_s;
    return obj_int(object, "spec.terminationGracePeriodSeconds", DEFAULT_POD_GRACE_S);
}

/* Puts the finalizer of the wanted propagation on a deletion that just begins. */
static void set_propagation(const struct delete_options *options, json_t *object)
{
    if (options->propagation == NULL)
        return;
    meta_remove_finalizer(object, FINALIZER_ORPHAN);
    meta_remove_finalizer(object, FINALIZER_FOREGROUND);
    if (str_eq(options->propagation, "Orphan"))
        meta_add_finalizer(object, FINALIZER_ORPHAN);
    else if (str_eq(options->propagation, "Foreground"))
        meta_add_finalizer(object, FINALIZER_FOREGROUND);
}

static void mark_deleted(struct call *call, json_t *object, int64_t grace_s)
{
    char now[TIME_TEXT_SIZE];

    obj_put_str(object, "metadata.deletionTimestamp",
                time_format(time_now_ms() + grace_s * 1000, now));
    obj_put_int(object, "metadata.deletionGracePeriodSeconds", grace_s);
    if (call->served->type->has_generation)
        obj_put_int(object, "metadata.generation", meta_generation(object) + 1);
    if (str_eq(call->served->type->kind, "Namespace") && *call->served->type->group == '\0')
        obj_put_str(object, "status.phase", "Terminating");
}

/* Marks or removes CURRENT.  *IS_GONE tells which; *OUT is its last state. */
static int delete_once(struct call *call, const struct delete_options *options,
                       const struct object *current, struct object **out, bool *is_gone,
                       bool *again)
{
    json_auto_t *old = write_parse(call, current);
    json_auto_t *object = obj_copy(old);

    if (check_preconditions(call, options, current) == -1)
        return -1;
    int64_t grace_s = grace_of(call, options, object);
    bool was_deleting = meta_is_deleting(old);
    set_propagation(options, object);
    if (!was_deleting)
        mark_deleted(call, object, grace_s);
    else if (options->grace_s >= 0 &&
             options->grace_s < obj_int(object, "metadata.deletionGracePeriodSeconds", 0))
        obj_put_int(object, "metadata.deletionGracePeriodSeconds", options->grace_s);

    *is_gone = write_is_free_to_go(call, object);
    if (!*is_gone && obj_eq(object, old)) {
        *out = object_ref((struct object *)(uintptr_t)current);
        return 0;
    }
    int result = write_commit(call, current, object, *is_gone, out, again);
    return result;
}

static int delete_one(struct call *call, const char *ns, const char *name,
                      const struct delete_options *options, struct object **out, bool *is_gone)
{
    for (int tries = 0; tries < WRITE_TRIES; tries++) {
        CLEANUP(object) struct object *current = store_get(call->served->table, ns, name);
        bool again = false;
        if (current == NULL)
            return fail_not_found(&call->failure, call->group, call->plural, name);
        if (delete_once(call, options, current, out, is_gone, &again) == 0)
            return 0;
        if (!again)
            return -1;
    }
    return fail_conflict(&call->failure, call->group, call->plural, name,
                         "the object has been modified; please try again");
}

void handle_delete(struct call *call)
{
    struct delete_options options = {0};
    CLEANUP(object) struct object *object = NULL;
    bool is_gone = false;

    if (read_options(call, &options) == -1 ||
        delete_one(call, call->ns, call->name, &options, &object, &is_gone) == -1) {
        call_answer_failure(call);
    } else if (is_gone && !str_eq(call->served->type->kind, "Pod")) {
        json_auto_t *status =
            status_success(call->group, call->plural, object->name, object->uid);
        call_answer_json(call, 200, status);
    } else {
        call->accept = ACCEPT_JSON;
        call_answer_object(call, 200, object);
    }
    reset_options(&options);
}

/* --- deletecollection ----------------------------------------------------------------------------------- */

static int delete_all(struct call *call, const struct delete_options *options, json_t *items)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(filter) struct filter *filter = filter_new(call);
    CLEANUP(object_list) struct object_list all = {0};
    uint64_t version = 0;

    if (filter == NULL)
        return -1;
    if (store_list(call->served->table, *call->ns == '\0' ? NULL : call->ns, "", &version, &all,
                   &err) == -1)
        return fail_error(&call->failure, err);
    CLEANUP(str) char *ns_before = xstrdup(call->ns);
    for (size_t i = 0; i < all.len; i++) {
        CLEANUP(object) struct object *out = NULL;
        bool is_gone = false;
        if (!filter_matches(filter, all.ptr[i]))
            continue;
        /* A collection over all namespaces writes into each object's own. */
        free(call->ns);
        call->ns = xstrdup(all.ptr[i]->ns);
        int result = delete_one(call, all.ptr[i]->ns, all.ptr[i]->name, options, &out, &is_gone);
        if (result == -1 && call->failure.code == 404) {
            failure_reset(&call->failure); /* somebody was faster */
            continue;
        }
        if (result == -1)
            return -1;
        json_array_append_new(items, write_parse(call, out));
    }
    free(call->ns);
    call->ns = steal(&ns_before);
    return 0;
}

void handle_delete_collection(struct call *call)
{
    struct delete_options options = {0};
    json_auto_t *items = json_array();

    if (read_options(call, &options) == -1 || delete_all(call, &options, items) == -1) {
        call_answer_failure(call);
    } else {
        CLEANUP(str) char *api_version = call_api_version(call);
        CLEANUP(str) char *version = xasprintf(
            "%llu", (unsigned long long)store_version(call->server->store));
        json_auto_t *list =
            obj_pack("{s:s, s:s, s:{s:s}, s:O}", "kind", call->served->type->list_kind,
                     "apiVersion", api_version, "metadata", "resourceVersion", version, "items",
                     items);
        call_answer_json(call, 200, list);
    }
    reset_options(&options);
}
