#define LOG_COMPONENT "node"

#include "node/instances.h"

#include "base/error.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/time.h"
#include "data/obj.h"
#include "kube/controller.h"
#include "kube/kinds.h"
#include "kube/meta.h"
#include "node/agent.h"
#include "node/container_log.h"
#include "node/domain.h"
#include "node/hypervisor.h"
#include "node/instance_status.h"
#include "node/live/state.h"
#include "node/machine_resources.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    WORKERS = 4,
    LOOK_MS = 5000, /* at running machines, beside libvirt's events */
    RETRY_MS = 2000,
    GRACE_SECONDS = 30,
};

struct instances {
    struct agent *agent;
    struct hypervisor *hypervisor;
    struct controller *controller;
};

static bool is_over(const char *phase)
{
    return str_eq(phase, "Succeeded") || str_eq(phase, "Failed");
}

static int start_machine(struct instances *instances, const json_t *vmi, const json_t *networks,
                         struct error **err)
{
    struct agent *agent = instances->agent;
    CLEANUP(str) char *name = domain_name(vmi);
    CLEANUP(str) char *dir = machine_dir(agent, vmi);
    CLEANUP(str) char *xml = NULL;
    json_auto_t *volumes = NULL;

    if (access(MACHINE_EMULATOR, X_OK) == -1) {
        error_set(err, ERROR_UNSUPPORTED, "QEMU is not installed (%s)", MACHINE_EMULATOR);
        return error_hint(err, "run ./bootstrap home");
    }
    if (machine_volumes(agent, vmi, &volumes, err) == -1 || dir_make(dir, 0700, err) == -1 ||
        machine_unmark_migrated(dir, err) == -1 || machine_note_uuid(dir, vmi, err) == -1)
        return -1;
    struct domain_input input = {
        .vmi = vmi,
        .uuid = machine_uuid(vmi),
        .dir = dir,
        .emulator = MACHINE_EMULATOR,
        .kvm = machine_has_kvm(agent),
        .volumes = volumes,
        .networks = networks,
    };
    xml = domain_format(&input, err);
    if (xml == NULL)
        return -1;
    if (fault("node.start-machine"))
        return error_set(err, ERROR_UNAVAILABLE, "cannot start the machine");
    if (hypervisor_start(instances->hypervisor, name, xml, err) == -1)
        return -1;
    log_info("machine started: name=%s/%s", meta_ns(vmi), meta_name(vmi));
    agent_event(agent, &KIND_VMI, vmi, false, "Started", "VirtualMachineInstance started.");
    return 0;
}

/* The phase that follows from what libvirt says; NULL: it is to be started. */
static const char *phase_after(const char *old, enum machine_state state)
{
    bool was_running = str_eq(old, "Running");

    switch (state) {
    case MACHINE_RUNNING:
    case MACHINE_PAUSED:
        return "Running";
    case MACHINE_SHUT_DOWN:
        return "Succeeded";
    case MACHINE_ABSENT: /* this machine was started anew, or its daemon's folder was lost */
    case MACHINE_DESTROYED:
    case MACHINE_CRASHED: /* also: defined, but we died before it was started */
        break;
    }
    return was_running ? "Failed" : NULL;
}

static int ensure_launcher(struct agent *agent, const json_t *vmi, const char *phase, char **uid,
                           struct error **err)
{
    CLEANUP(str) char *name = instance_launcher_name(vmi);
    json_t *found = NULL;

    if (kube_get(agent->client, &KIND_POD, meta_ns(vmi), name, &found, err) == -1)
        return -1;
    if (found == NULL) {
        json_auto_t *pod = instance_launcher(agent, vmi);

        if (kube_create(agent->client, &KIND_POD, meta_ns(vmi), pod, &found, err) == -1)
            return error_wrap(err, "launcher pod");
        agent_event(agent, &KIND_VMI, vmi, false, "SuccessfulCreate",
                    "Created virtual machine pod %s", name);
    }
    json_auto_t *owned = found;
    json_auto_t *status = instance_launcher_status(agent, owned, phase);
    *uid = xstrdup(meta_uid(owned));
    return agent_patch_status(agent, &KIND_POD, owned, status, err);
}

static int add_finalizer(struct agent *agent, const json_t *vmi, struct error **err)
{
    if (meta_has_finalizer(vmi, INSTANCE_FINALIZER))
        return 0;

    json_auto_t *changed = obj_copy(vmi);
    meta_add_finalizer(changed, INSTANCE_FINALIZER);
    return kube_update(agent->client, &KIND_VMI, changed, NULL, err);
}

static int write_status(struct agent *agent, struct instance_view *view, struct error **err)
{
    CLEANUP(str) char *uid = NULL;

    if (ensure_launcher(agent, view->vmi, view->phase, &uid, err) == -1)
        return -1;
    view->launcher_uid = uid;
    json_auto_t *status = instance_status_make(agent, view);
    return agent_patch_status(agent, &KIND_VMI, view->vmi, status, err);
}

/* Shows why the machine cannot be started, and tries again later. */
static int report(struct agent *agent, struct instance_view *view, struct error **err,
                  struct reconcile_result *result)
{
    CLEANUP(str) char *text = error_format(*err);
    bool missing = (*err)->code == ERROR_NOT_FOUND || (*err)->code == ERROR_UNAVAILABLE;

    view->phase = "Scheduling";
    view->reason = missing ? "FailedDependencies" : "FailedCreate";
    view->message = text;
    agent_event_error(agent, &KIND_VMI, view->vmi, view->reason, *err);
    error_clear(err);
    result->again_after_ms = RETRY_MS;
    return write_status(agent, view, err);
}

static int run_instance(struct instances *instances, const json_t *vmi,
                        struct reconcile_result *result, struct error **err)
{
    struct agent *agent = instances->agent;
    CLEANUP(str) char *name = domain_name(vmi);
    CLEANUP(str) char *dir = machine_dir(agent, vmi);
    json_auto_t *networks = NULL;
    enum machine_state state;
    struct instance_view view = {.vmi = vmi};

    if (add_finalizer(agent, vmi, err) == -1)
        return -1;
    if (live_is_leaving(vmi)) { /* whether it runs here is the migration's to say */
        result->again_after_ms = LOOK_MS;
        return 0;
    }
    if (live_is_receiver(vmi)) {
        view.phase = LIVE_RECEIVER_PHASE;
        return write_status(agent, &view, err);
    }
    if (hypervisor_look(instances->hypervisor, name, &state, err) == -1 ||
        machine_networks(agent, vmi, &networks, err) == -1)
        return report(agent, &view, err, result);
    view.networks = networks;
    view.phase = phase_after(obj_str(vmi, "status.phase", ""), state);
    if (view.phase == NULL) {
        if (start_machine(instances, vmi, networks, err) == -1)
            return report(agent, &view, err, result);
        view.phase = "Running";
    }
    view.paused = state == MACHINE_PAUSED;
    if (is_over(view.phase)) {
        agent_event(agent, &KIND_VMI, vmi, str_eq(view.phase, "Failed"), "Stopped",
                    str_eq(view.phase, "Failed") ? "The VirtualMachineInstance crashed."
                                                 : "The VirtualMachineInstance was shut down.");
        if (hypervisor_remove(instances->hypervisor, name, err) == -1)
            return -1;
    } else {
        result->again_after_ms = LOOK_MS;
        machine_trim_console(dir);
    }
    return write_status(agent, &view, err);
}

/* Asks the guest to power off, then powers it off, then lets the object go. */
static int end_instance(struct instances *instances, const json_t *vmi,
                        struct reconcile_result *result, struct error **err)
{
    struct agent *agent = instances->agent;
    CLEANUP(str) char *name = domain_name(vmi);
    int64_t grace = obj_int(vmi, "metadata.deletionGracePeriodSeconds",
                            obj_int(vmi, "spec.terminationGracePeriodSeconds", GRACE_SECONDS));
    int64_t asked = meta_deleted_ms(vmi), left;
    enum machine_state state = MACHINE_ABSENT;

    if (!meta_has_finalizer(vmi, INSTANCE_FINALIZER))
        return 0;
    /* A server that counts the grace in sets the time at which it is over. */
    left = asked + (asked > time_now_ms() ? 0 : grace * 1000) - time_now_ms();
    if (hypervisor_was_used(instances->hypervisor) &&
        hypervisor_look(instances->hypervisor, name, &state, err) == -1)
        return -1;
    if ((state == MACHINE_RUNNING || state == MACHINE_PAUSED) && left > 0 && grace > 0) {
        CLEANUP(error) struct error *ignored = NULL; /* it is powered off in the end */

        hypervisor_shut_down(instances->hypervisor, name, &ignored);
        result->again_after_ms = left < RETRY_MS ? left : RETRY_MS;
        return 0;
    }
    if (hypervisor_was_used(instances->hypervisor) &&
        hypervisor_remove(instances->hypervisor, name, err) == -1)
        return -1;
    /* A VirtualMachine keeps its folder over restarts; an instance on its own has none to keep. */
    if (str_eq(machine_uid(vmi), meta_uid(vmi)) && machine_forget(agent, meta_uid(vmi), err) == -1)
        return -1;
    json_auto_t *changed = obj_copy(vmi);
    meta_remove_finalizer(changed, INSTANCE_FINALIZER);
    log_info("machine ended: name=%s/%s", meta_ns(vmi), meta_name(vmi));
    return kube_update(agent->client, &KIND_VMI, changed, NULL, err);
}

static int reconcile(void *arg, const char *ns, const char *name, struct cancel *cancel,
                     struct reconcile_result *result, struct error **err)
{
    struct instances *instances = arg;
    json_auto_t *vmi = kube_cache_get(instances->agent->instances, ns, name);

    if (vmi == NULL) {
        CLEANUP(str) char *domain = xasprintf("%s_%s", ns, name);

        return hypervisor_was_used(instances->hypervisor)
                   ? hypervisor_remove(instances->hypervisor, domain, err)
                   : 0;
    }
    if (meta_is_deleting(vmi))
        return end_instance(instances, vmi, result, err);
    return is_over(obj_str(vmi, "status.phase", "")) ? 0
                                                     : run_instance(instances, vmi, result, err);
}

static void on_change(void *arg, const char *name)
{
    struct instances *instances = arg;
    const char *underscore = strchr(name, '_');

    if (underscore == NULL)
        return;
    CLEANUP(str) char *ns = xstrndup(name, (size_t)(underscore - name));
    controller_add(instances->controller, ns, underscore + 1);
}

/* Leaves KubeVirt's marker in the machine's folder: whoever finds a migration that was cut off sees whose
 * state is the newer. */
static void on_migrated(void *arg, const char *name)
{
    struct instances *instances = arg;
    const char *underscore = strchr(name, '_');
    CLEANUP(error) struct error *err = NULL;

    if (underscore == NULL)
        return;
    CLEANUP(str) char *ns = xstrndup(name, (size_t)(underscore - name));
    json_auto_t *vmi = kube_cache_get(instances->agent->instances, ns, underscore + 1);
    if (vmi == NULL)
        return;
    CLEANUP(str) char *dir = machine_dir(instances->agent, vmi);
    CLEANUP(str) char *path = path_join(dir, MACHINE_MIGRATED_MARKER);
    if (file_write(path, "", 0, 0644, &err) == -1)
        log_warn_error(err, "no marker of a migration");
}

int instances_start(struct agent *agent, struct instances **out, struct error **err)
{
    CLEANUP(instances) struct instances *instances = xcalloc(1, sizeof(*instances));
    CLEANUP(str) char *dir = path_join(agent->dir, "libvirt");
    struct controller_spec spec = {
        .name = "instances", .workers = WORKERS, .reconcile = reconcile, .arg = instances};
    struct hypervisor_options options = {.dir = dir,
                                         .helper_dir = agent->runtime.helper_dir,
                                         .on_change = on_change,
                                         .on_migrated = on_migrated,
                                         .arg = instances};

    instances->agent = agent;
    instances->controller = controller_new(&spec);
    if (hypervisor_new(&options, &instances->hypervisor, err) == -1)
        return -1;
    controller_watch(instances->controller, agent->instances);
    if (controller_start(instances->controller, err) == -1)
        return -1;
    *out = steal(&instances);
    return 0;
}

struct hypervisor *instances_hypervisor(struct instances *instances)
{
    return instances->hypervisor;
}

void instances_stop(struct instances *instances)
{
    if (instances == NULL)
        return;
    controller_stop(instances->controller);
    /* libvirt's events add to the controller: its connection goes first */
    hypervisor_free(instances->hypervisor);
    controller_free(instances->controller);
    free(instances);
}

/* Folders of machines of which neither the VirtualMachine nor an instance is there. */
static void sweep_folders(struct instances *instances)
{
    struct agent *agent = instances->agent;
    CLEANUP(str) char *root = path_join(agent->dir, "machines");
    json_auto_t *machines = kube_cache_list(agent->machines, NULL, NULL);
    json_auto_t *live = kube_cache_list(agent->instances, NULL, NULL);
    DIR *stream = opendir(root);
    const struct dirent *entry;

    while (stream != NULL && (entry = readdir(stream)) != NULL) {
        CLEANUP(error) struct error *err = NULL;
        bool known = entry->d_name[0] == '.';
        const json_t *object;
        size_t i;

        json_array_foreach(machines, i, object) known |= str_eq(meta_uid(object), entry->d_name);
        json_array_foreach(live, i, object) known |= str_eq(machine_uid(object), entry->d_name);
        if (!known && machine_forget(agent, entry->d_name, &err) == -1)
            log_write_error(LOG_LEVEL_WARN, LOG_COMPONENT, err, "cannot remove a machine's folder");
    }
    if (stream != NULL)
        closedir(stream);
}

void instances_sweep(struct instances *instances)
{
    struct str_list names = {0};
    CLEANUP(error) struct error *err = NULL;

    sweep_folders(instances);
    if (!hypervisor_was_used(instances->hypervisor))
        return;
    if (hypervisor_list(instances->hypervisor, &names, &err) == -1)
        log_write_error(LOG_LEVEL_WARN, LOG_COMPONENT, err, "cannot list machines");
    for (size_t i = 0; i < names.len; i++)
        on_change(instances, names.ptr[i]);
    str_list_free_all(&names);
}

int instances_kill_all(struct instances *instances, struct error **err)
{
    controller_stop(instances->controller);
    return hypervisor_shut_down_all(instances->hypervisor, err);
}

int instances_act(struct instances *instances, const char *ns, const char *name, const char *action,
                  struct error **err)
{
    CLEANUP(str) char *domain = xasprintf("%s_%s", ns, name);

    if (!hypervisor_was_used(instances->hypervisor))
        return error_set(err, ERROR_CONFLICT, "VMI is not running");
    if (str_eq(action, "pause") || str_eq(action, "unpause"))
        return hypervisor_pause(instances->hypervisor, domain, str_eq(action, "pause"), err);
    if (str_eq(action, "reset") || str_eq(action, "softreboot"))
        return hypervisor_reset(instances->hypervisor, domain, err);
    return error_set(err, ERROR_UNSUPPORTED, "no action \"%s\" at home", action);
}

int instances_open_console(struct instances *instances, const char *ns, const char *name,
                           struct error **err)
{
    CLEANUP(str) char *domain = xasprintf("%s_%s", ns, name);

    if (!hypervisor_was_used(instances->hypervisor))
        return error_set(err, ERROR_CONFLICT, "VMI is not running");
    return hypervisor_open_console(instances->hypervisor, domain, err);
}

struct console {
    struct agent *agent;
    const char *ns, *name;
};

static bool console_is_over(void *arg)
{
    const struct console *console = arg;
    json_auto_t *pod = kube_cache_get(console->agent->pods, console->ns, console->name);

    return pod == NULL || is_over(obj_str(pod, "status.phase", ""));
}

int instances_console(struct agent *agent, const json_t *pod, const json_t *options,
                      struct cancel *cancel, bool (*on_data)(void *to, const char *data, size_t len),
                      void *to, struct error **err)
{
    const json_t *owner = meta_controller_of(pod);
    json_auto_t *vmi = kube_cache_get(agent->instances, meta_ns(pod), obj_str(owner, "name", ""));
    struct console console = {agent, meta_ns(pod), meta_name(pod)};

    if (vmi == NULL)
        return error_set(err, ERROR_NOT_FOUND, "the machine of pod \"%s\" is gone", meta_name(pod));
    CLEANUP(str) char *dir = machine_dir(agent, vmi);
    CLEANUP(str) char *path = path_join(dir, "console.log");
    return container_log_read_plain(path, options, console_is_over, &console, cancel, on_data, to,
                                    err);
}
