/* gantry policy explain VM: machines and rules of a home that runs. */
#include "cli/policy.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "cli/home.h"
#include "cli/inventory_client.h"
#include "data/obj.h"
#include "kube/client.h"
#include "kube/kinds.h"
#include "kube/meta.h"
#include "lang/rego/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct kube_client *open_home(const char *dir_arg, struct error **err)
{
    CLEANUP(str) char *dir = home_find_dir(dir_arg, err);

    return dir != NULL ? home_open_client(dir, err) : NULL;
}

/* The machine in one of NS's providers whose machines are judged. */
static int search(struct kube_client *client, const char *ns, const char *vm, json_t **workload,
                  json_t **provider, struct error **err)
{
    json_auto_t *providers = NULL;

    if (kube_list(client, &KIND_PROVIDER, ns, NULL, &providers, err) == -1)
        return -1;
    for (size_t i = 0; i < json_array_size(providers); i++) {
        json_t *one = json_array_get(providers, i);
        CLEANUP(error) struct error *failure = NULL;
        json_auto_t *found = NULL;

        if (policy_package_of(obj_str(one, "spec.type", "")) == NULL)
            continue;
        if (inventory_client_workload(client, one, vm, &found, &failure) == -1) {
            if (failure->code == ERROR_NOT_FOUND || failure->code == ERROR_UNAVAILABLE)
                continue;
            *err = steal(&failure);
            return -1;
        }
        if (*workload != NULL)
            return error_set(err, ERROR_INVALID,
                             "providers \"%s\" and \"%s\" both have a machine \"%s\": write "
                             "PROVIDER/%s",
                             meta_name(*provider), meta_name(one), vm, vm);
        *workload = json_incref(found);
        *provider = json_incref(one);
    }
    if (*workload == NULL) {
        error_set(err, ERROR_NOT_FOUND, "no provider of namespace \"%s\" has a machine \"%s\"",
                  ns, vm);
        return error_hint(err, "gantry get inventory vm PROVIDER lists what one has");
    }
    return 0;
}

int policy_read_vm(const char *dir, const char *ns, const char *vm, struct arena *arena,
                   const struct rval **input, const char **package, struct error **err)
{
    const char *slash = strchr(vm, '/');
    CLEANUP(str) char *name = slash != NULL ? xstrndup(vm, (size_t)(slash - vm)) : NULL;
    CLEANUP(kube_client) struct kube_client *client = open_home(dir, err);
    json_auto_t *workload = NULL, *provider = NULL;

    if (client == NULL)
        return -1;
    if (name == NULL) {
        if (search(client, ns, vm, &workload, &provider, err) == -1)
            return -1;
    } else if (inventory_client_provider(client, ns, name, &provider, err) == -1 ||
               inventory_client_workload(client, provider, slash + 1, &workload, err) == -1) {
        return -1;
    }
    *package = policy_package_of(obj_str(provider, "spec.type", ""));
    if (*package == NULL)
        return error_set(err, ERROR_UNSUPPORTED,
                         "machines of providers of type \"%s\" are not judged",
                         obj_str(provider, "spec.type", ""));
    *input = rjson_from_tree(arena, workload);
    if (*input == NULL)
        return error_set(err, ERROR_INVALID, "the machine's description is nested too deeply");
    return 0;
}

/* The name of the ConfigMap with users' rules, owned by the caller. */
static char *find_map_name(struct kube_client *client, const char *ns)
{
    CLEANUP(error) struct error *ignored = NULL; /* no settings: the usual name */
    json_auto_t *list = NULL;

    kube_list(client, &KIND_FORKLIFT_CONTROLLER, ns, NULL, &list, &ignored);
    const char *name = obj_str(json_array_get(list, 0), "spec.validation_configmap_name", "");
    return xstrdup(name[0] != '\0' ? name : "forklift-validation-config");
}

static int add_map(struct policy_files *files, const json_t *data, struct error **err)
{
    const char *name;
    json_t *text;

    json_object_foreach((json_t *)(uintptr_t)data, name, text) if (
        json_is_string(text) && str_ends_with(name, ".rego") &&
        policy_files_add_text(files, name,
                              (struct span){json_string_value(text), json_string_length(text)},
                              REGO_AUTO, err) == -1) return -1;
    return 0;
}

struct rego *policy_compile_home(const char *dir, const char *ns)
{
    struct error *err = NULL;
    CLEANUP(kube_client) struct kube_client *client = open_home(dir, &err);
    CLEANUP(policy_files) struct policy_files *files = policy_files_new();
    CLEANUP(lang_diags) struct lang_diags diags = {0}, of_defaults = {0};
    json_auto_t *map = NULL;

    policy_files_add_defaults(files);
    if (client != NULL) {
        CLEANUP(str) char *name = find_map_name(client, ns);
        if (kube_get(client, &KIND_CONFIG_MAP, ns, name, &map, &err) == 0)
            add_map(files, obj_obj(map, "data"), &err);
    }
    if (err != NULL) {
        command_fail(err);
        return NULL;
    }
    struct rego *rego = policy_files_compile(files, false, &diags);
    policy_show_diags(&diags);
    if (rego != NULL)
        return rego;
    fprintf(stderr, "gantry: the ConfigMap's rules are not sound; what follows is by the default "
                    "policies alone\n");
    CLEANUP(policy_files) struct policy_files *defaults = policy_files_new();
    policy_files_add_defaults(defaults);
    return policy_files_compile(defaults, false, &of_defaults);
}
