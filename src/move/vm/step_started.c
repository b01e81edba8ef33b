/* The first step: nothing of an earlier try is in the way, and the target's name is settled. */
#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "data/obj.h"
#include "kube/kinds.h"
#include "kube/meta.h"
#include "kube/names.h"
#include "move/vm/leftovers.h"
#include "move/vm/vm_run.h"
#include "move/vm/vm_status.h"

#include <stdlib.h>
#include <string.h>

/* For name_make_unique, which cannot fail: the first failure is kept, and then no name counts as
 * taken. */
struct taken {
    const struct vm_run *run;
    struct error *failure;
};

static int vm_exists(const struct vm_run *run, const char *name, bool *exists, struct error **err)
{
    json_auto_t *machine = NULL;

    if (kube_get(run->view->room->client, &KIND_VM, vm_run_target_ns(run), name, &machine, err) ==
        -1)
        return -1;
    *exists = machine != NULL;
    return 0;
}

/* Another VM of the migration that will be called NAME. */
static bool is_name_of_another(const struct vm_run *run, const char *name)
{
    const json_t *vms = obj_arr(run->view->status, "migration.vms");

    for (size_t i = 0; i < json_array_size(vms); i++) {
        const struct vm_run other = {.view = run->view, .status = json_array_get(vms, i)};
        if (other.status != run->status && str_eq(vm_run_target_name(&other), name))
            return true;
    }
    return false;
}

static bool is_taken(void *arg, const char *name)
{
    struct taken *taken = arg;
    bool exists = false;

    if (taken->failure != NULL)
        return false;
    if (is_name_of_another(taken->run, name))
        return true;
    return vm_exists(taken->run, name, &exists, &taken->failure) == 0 && exists;
}

/* A name that the user chose or that can stay is only checked; any other is made fit. */
static int settle_name(struct vm_run *run, struct error **err)
{
    const char *wish = obj_str(run->status, "targetName", "");
    const char *name = wish[0] != '\0' ? wish : obj_str(run->status, "name", "");
    bool exists = false;

    if (obj_str(run->status, "newName", "")[0] != '\0')
        return 0; /* settled before a crash */
    if (name_is_subdomain(name, strlen(name)) && strlen(name) <= NAME_LABEL_MAX) {
        if (vm_exists(run, name, &exists, err) == -1)
            return -1;
        if (!exists)
            return 0;
        error_set(err, ERROR_EXISTS, "there is a machine \"%s/%s\" already", vm_run_target_ns(run),
                  name);
        return error_hint(err, "set targetName in the plan, or remove that machine");
    }
    if (wish[0] != '\0') {
        error_set(err, ERROR_INVALID, "target name \"%s\" is not valid", wish);
        return error_hint(err, "use letters of lower case, digits, '-' and '.'");
    }
    struct taken taken = {.run = run};
    CLEANUP(str) char *fixed = name_fix(name);
    CLEANUP(str) char *unique = name_make_unique(fixed, is_taken, &taken);
    if (taken.failure != NULL) {
        *err = taken.failure;
        return -1;
    }
    obj_put_str(run->status, "newName", unique);
    return 0;
}

int started_run(struct vm_run *run, bool *done, struct error **err)
{
    bool clean = false;

    if (leftovers_remove(run, LEFTOVERS_EARLIER, &clean, err) == -1)
        return -1;
    if (!clean) {
        step_set_reason(vm_run_pipeline_step(run), "removing what an earlier migration left");
        run->again_ms = 500;
        return 0;
    }
    step_set_reason(vm_run_pipeline_step(run), NULL);
    if (settle_name(run, err) == -1)
        return -1;
    *done = true;
    return 0;
}
