#include "apiserver/special.h"

#include "apiserver/server.h"
#include "apiserver/write.h"
#include "base/array.h"
#include "base/text.h"
#include "data/obj.h"


#define VM_GROUP "subresources.kubevirt.io"

static const struct subresource subresources[] = {
    {.name = "log", .of_group = "", .of_plural = "pods", .verbs = VERB_GET},
    {.name = "exec",
     .of_group = "",
     .of_plural = "pods",
     .group = "",
     .version = "v1",
     .kind = "PodExecOptions",
     .verbs = VERB_CREATE | VERB_GET},
    {.name = "token",
     .of_group = "",
     .of_plural = "serviceaccounts",
     .group = "authentication.k8s.io",
     .version = "v1",
     .kind = "TokenRequest",
     .verbs = VERB_CREATE},
    {.name = "finalize", .of_group = "", .of_plural = "namespaces", .verbs = VERB_UPDATE},
};

const struct subresource *special_subresource(size_t i)
{
    return i < ARRAY_SIZE(subresources) ? &subresources[i] : NULL;
}

/* --- KubeVirt's group of actions ----------------------------------------------------------------------- */

static const char *const vm_versions[] = {"v1", "v1alpha3"};
static const struct {
    const char *name, *kind, *verb;
} vm_actions[] = {
    {"virtualmachines/start", "VirtualMachine", "update"},
    {"virtualmachines/stop", "VirtualMachine", "update"},
    {"virtualmachines/restart", "VirtualMachine", "update"},
    {"virtualmachines/migrate", "VirtualMachine", "update"},
    {"virtualmachineinstances/pause", "VirtualMachineInstance", "update"},
    {"virtualmachineinstances/unpause", "VirtualMachineInstance", "update"},
    {"virtualmachineinstances/softreboot", "VirtualMachineInstance", "update"},
    {"virtualmachineinstances/console", "VirtualMachineInstance", "get"},
};

static bool is_vm_version(const char *version)
{
    return str_eq(version, vm_versions[0]) || str_eq(version, vm_versions[1]);
}

void special_add_plain(json_t *resources, const char *group, const char *version)
{
    if (!str_eq(group, VM_GROUP) || !is_vm_version(version))
        return;
    for (size_t i = 0; i < ARRAY_SIZE(vm_actions); i++)
        json_array_append_new(resources, obj_pack("{s:s, s:s, s:b, s:s, s:[s]}", "name",
                                                  vm_actions[i].name, "singularName", "",
                                                  "namespaced", 1, "kind", vm_actions[i].kind,
                                                  "verbs", vm_actions[i].verb));
}

void special_add_groups(void (*add)(void *arg, const char *group, const char *version), void *arg)
{
    for (size_t i = 0; i < ARRAY_SIZE(vm_versions); i++)
        add(arg, VM_GROUP, vm_versions[i]);
}

/* --- namespaces/finalize ----------------------------------------------------------------------------------- */

/* Only spec.finalizers is taken over; the namespace goes when nothing holds it any more. */
static int finalize(struct call *call, struct object **out)
{
    json_auto_t *body = NULL;
    struct str_list duplicates = {0};
    int result = write_decode(call, &body, &duplicates);

    str_list_free_all(&duplicates);
    if (result == -1 || write_check_identity(call, body) == -1)
        return -1;
    for (int tries = 0; tries < WRITE_TRIES; tries++) {
        CLEANUP(object) struct object *current =
            store_get(call->served->table, call->ns, call->name);
        if (current == NULL)
            return write_fail_missing(call);
        json_auto_t *object = write_parse(call, current);
        json_t *finalizers = obj_arr(body, "spec.finalizers");
        bool again = false;
        obj_take(object, "spec.finalizers",
                 finalizers == NULL ? json_array() : json_incref(finalizers));
        if (write_commit(call, current, object, write_is_free_to_go(call, object), out, &again) ==
            0)
            return 0;
        if (!again)
            return -1;
    }
    return fail_conflict(&call->failure, call->group, call->plural, call->name,
                         "the object has been modified");
}

void special_finalize(struct call *call)
{
    CLEANUP(object) struct object *object = NULL;

    if (finalize(call, &object) == -1)
        call_answer_failure(call);
    else
        call_answer_object(call, 200, object);
}

/* --- Dispatch ------------------------------------------------------------------------------------------------ */

/* "*": any.  VERBS are those that do something: a right to others must not become one to these.
 * IS_STORED: of a stored object, so of a kind that is served in the version that is asked for. */
static const struct {
    const char *group, *plural, *subresource, *verbs;
    void (*handle)(struct call *call);
    bool is_stored;
} handlers[] = {
    {"", "pods", "log", "get", special_log, true},
    {"", "pods", "exec", "get create", special_exec, true},
    {"", "serviceaccounts", "token", "create", special_token, true},
    {"", "namespaces", "finalize", "update", special_finalize, true},
    {"authentication.k8s.io", "*", "", "create", special_review, false},
    {"authorization.k8s.io", "*", "", "create", special_review, false},
    {VM_GROUP, "virtualmachineinstances", "console", "get", special_vm_console, false},
    {VM_GROUP, "*", "*", "update", special_vm_action, false},
};

static bool has_verb(const char *verbs, const char *verb)
{
    struct span rest = span_of(verbs), word;

    while (span_split(&rest, ' ', &word))
        if (span_eq_str(word, verb))
            return true;
    return false;
}

static void refuse_method(struct call *call)
{
    fail(&call->failure, 405, "MethodNotAllowed",
         "the server does not allow this method on the requested resource");
    failure_set_details(&call->failure, call->group, call->plural, call->name);
    call_answer_failure(call);
}

bool handle_special(struct call *call)
{
    if (str_eq(call->subresource, "scale") && call->served != NULL &&
        call->served_as->has_scale) {
        special_scale(call);
        return true;
    }
    for (size_t i = 0; i < ARRAY_SIZE(handlers); i++) {
        if (!str_eq(handlers[i].group, call->group) ||
            (!str_eq(handlers[i].plural, "*") && !str_eq(handlers[i].plural, call->plural)) ||
            (!str_eq(handlers[i].subresource, "*") &&
             !str_eq(handlers[i].subresource, call->subresource)))
            continue;
        if (handlers[i].is_stored && call->served == NULL)
            return false;
        if (has_verb(handlers[i].verbs, call->verb))
            handlers[i].handle(call);
        else
            refuse_method(call);
        return true;
    }
    return false;
}
