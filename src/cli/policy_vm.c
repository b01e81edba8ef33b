/* gantry policy explain VM: machines and rules of a home that runs. */
#include "cli/policy.h"

#include "base/error.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "cli/home.h"
#include "cli/inventory_client.h"
#include "data/obj.h"
#include "kube/client.h"
#include "kube/kinds.h"
#include "kube/meta.h"
#include "lang/rego/json.h"
#include "validation/validation.h"

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

/* Adds users' rules as they are in force in the home of DIR: what its gantryd keeps. */
static int add_in_force(struct policy_files *files, const char *dir, struct error **err)
{
    CLEANUP(str) char *folder = path_join(dir, HOME_VALIDATION);
    CLEANUP(str) char *path = path_join(folder, VALIDATION_KEPT);
    CLEANUP(str) char *text = NULL;
    size_t len;

    if (file_read(path, OBJ_MAX_BYTES, &text, &len, err) == -1)
        return -1;
    json_auto_t *kept = obj_parse(text, len, err);
    if (kept == NULL || policy_files_add_packed(files, obj_arr(kept, "files"), err) == -1)
        return error_wrap(err, "rules in force, \"%s\"", path);
    return 0;
}

struct rego *policy_compile_home(const char *dir_arg)
{
    struct error *err = NULL;
    CLEANUP(str) char *dir = home_find_dir(dir_arg, &err);
    CLEANUP(policy_files) struct policy_files *files = policy_files_new();
    CLEANUP(lang_diags) struct lang_diags diags = {0};

    policy_files_add_defaults(files);
    if (dir == NULL || add_in_force(files, dir, &err) == -1) {
        command_fail(err);
        return NULL;
    }
    struct rego *rego = policy_files_compile(files, false, &diags);
    policy_show_diags(&diags);
    return rego;
}
