#include "node/instance_status.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/error.h"
#include "base/text.h"
#include "base/time.h"
#include "data/obj.h"
#include "kube/kinds.h"
#include "kube/meta.h"
#include "node/agent.h"

#include <stdlib.h>
#include <string.h>

enum { ARP_MAX = 1024 * 1024, LAUNCHER_PREFIX_MAX = 40 };

#define LAUNCHER_IMAGE "gantry/machine"
#define USER_NETWORK_ADDRESS "10.0.2.15" /* what QEMU's user network gives its one guest */

/* The address that a neighbour with this MAC was seen with; owned by the caller, or NULL. */
static char *neighbour_address(const char *mac)
{
    CLEANUP(str) char *table = NULL;
    CLEANUP(error) struct error *ignored = NULL;

    if (mac == NULL || file_read("/proc/net/arp", ARP_MAX, &table, NULL, &ignored) == -1)
        return NULL;
    struct span rest = span_of(table), line;
    while (span_split(&rest, '\n', &line)) {
        CLEANUP(str) char *text = span_dup(line);

        if (strcasestr(text, mac) != NULL)
            return xstrndup(text, strcspn(text, " "));
    }
    return NULL;
}

static json_t *interface_status(const struct instance_view *view, const json_t *nic)
{
    const char *name = obj_str(nic, "name", ""), *mac = obj_str(nic, "macAddress", NULL);
    const json_t *network = json_object_get(view->networks, name);
    bool user = network != NULL && obj_str(network, "bridge", NULL) == NULL;
    CLEANUP(str) char *address = user ? xstrdup(USER_NETWORK_ADDRESS) : neighbour_address(mac);
    json_t *out = obj_pack("{s:s,s:s,s:i}", "name", name, "infoSource", "domain", "queueCount", 1);

    obj_put_str(out, "mac", mac);
    if (str_eq(view->phase, "Running") && address != NULL) {
        obj_put_str(out, "ipAddress", address);
        obj_take(out, "ipAddresses", obj_pack("[s]", address));
    }
    return out;
}

/* Each phase with the time it began, those before it kept. */
static json_t *transitions(const struct instance_view *view)
{
    const json_t *old = obj_arr(view->vmi, "status.phaseTransitionTimestamps"), *entry;
    json_t *out = old == NULL ? json_array() : obj_copy(old);
    size_t i;

    json_array_foreach(old, i, entry)
        if (str_eq(obj_str(entry, "phase", ""), view->phase))
            return out;
    json_array_append_new(out, obj_pack("{s:s,s:o}", "phase", view->phase,
                                        "phaseTransitionTimestamp", agent_time(time_now_ms())));
    return out;
}

static void add_conditions(json_t *status, const struct instance_view *view)
{
    const json_t *old = obj_obj(view->vmi, "status");
    bool running = str_eq(view->phase, "Running");
    bool ended = str_eq(view->phase, "Succeeded") || str_eq(view->phase, "Failed");

    obj_take(status, "conditions", json_array());
    agent_set_condition(status, old, "Ready", running && !view->paused,
                        running ? (view->paused ? "Paused" : NULL)
                        : ended ? "PodTerminating"
                                : "GuestNotRunning",
                        running ? NULL : "Guest VM is not reported as running");
    if (view->reason != NULL)
        agent_set_condition(status, old, "Synchronized", false, view->reason, view->message);
    if (view->paused)
        agent_set_condition(status, old, "Paused", true, "PausedByUser", "VMI was paused by user");
    /* Disks that are not shared are copied along. */
    agent_set_condition(status, old, "LiveMigratable", running, running ? NULL : "NotRunning",
                        running ? NULL : "cannot migrate VMI: it does not run");
}

json_t *instance_status_make(const struct agent *agent, const struct instance_view *view)
{
    json_t *status = obj_pack("{s:s,s:s,s:o,s:s}", "phase", view->phase, "nodeName", agent->name,
                              "phaseTransitionTimestamps", transitions(view), "qosClass",
                              "Burstable");
    const json_t *nic;
    size_t i;

    obj_put_str(status, "machine.type", obj_str(view->vmi, "spec.domain.machine.type", "q35"));
    obj_put_str(status, "reason", view->reason);
    if (view->launcher_uid != NULL) {
        json_t *pods = json_object();

        json_object_set_new(pods, view->launcher_uid, json_string(agent->name));
        obj_take(status, "activePods", pods);
    }
    add_conditions(status, view);
    obj_take(status, "interfaces", json_array());
    json_array_foreach(obj_arr(view->vmi, "spec.domain.devices.interfaces"), i, nic)
        obj_take(status, "interfaces[]", interface_status(view, nic));
    return status;
}

char *instance_launcher_name(const json_t *vmi)
{
    static const char letters[] = "bcdfghjklmnpqrstvwxz2456789";
    uint64_t hash = 0xcbf29ce484222325;
    char suffix[6] = "";

    for (const char *p = meta_uid(vmi); *p != '\0'; p++)
        hash = (hash ^ (unsigned char)*p) * 0x100000001b3;
    for (int i = 0; i < 5; i++, hash /= sizeof(letters) - 1)
        suffix[i] = letters[hash % (sizeof(letters) - 1)];
    return xasprintf("virt-launcher-%.*s-%s", LAUNCHER_PREFIX_MAX, meta_name(vmi), suffix);
}

json_t *instance_launcher(const struct agent *agent, const json_t *vmi)
{
    CLEANUP(str) char *name = instance_launcher_name(vmi);
    json_t *pod = meta_new(&KIND_POD, meta_ns(vmi), name);

    meta_set_label(pod, "kubevirt.io", "virt-launcher");
    meta_set_label(pod, "kubevirt.io/created-by", meta_uid(vmi));
    meta_set_label(pod, "vm.kubevirt.io/name", meta_name(vmi));
    meta_set_annotation(pod, "kubevirt.io/domain", meta_name(vmi));
    meta_set_annotation(pod, "gantry.local/machine-uid", meta_uid(vmi));
    meta_add_owner(pod, &KIND_VMI, vmi, true);
    obj_take(pod, "spec",
             obj_pack("{s:s,s:s,s:b,s:[{s:s,s:s}]}", "nodeName", agent->name, "restartPolicy",
                      "Never", "automountServiceAccountToken", false, "containers", "name",
                      "compute", "image", LAUNCHER_IMAGE));
    return pod;
}

json_t *instance_launcher_status(const struct agent *agent, const json_t *pod, const char *phase)
{
    const json_t *old = obj_obj(pod, "status");
    bool running = str_eq(phase, "Running");
    bool ended = str_eq(phase, "Succeeded") || str_eq(phase, "Failed");
    const char *since = obj_str(old, "startTime", NULL);
    const char *end = obj_str(old, "containerStatuses[0].state.terminated.finishedAt", NULL);
    json_t *status = obj_pack("{s:s,s:s,s:s}", "phase", running || ended ? phase : "Pending",
                              "hostIP", "127.0.0.1", "podIP", "127.0.0.1");
    json_t *state;

    if (since != NULL)
        obj_put_str(status, "startTime", since);
    else
        obj_take(status, "startTime", agent_time(time_now_ms()));
    since = obj_str(status, "startTime", "");
    if (running)
        state = obj_pack("{s:{s:s}}", "running", "startedAt", since);
    else if (ended)
        state = obj_pack("{s:{s:i,s:s,s:s,s:o}}", "terminated", "exitCode",
                         str_eq(phase, "Failed") ? 1 : 0, "reason",
                         str_eq(phase, "Failed") ? "Error" : "Completed", "startedAt", since,
                         "finishedAt", end != NULL ? json_string(end) : agent_time(time_now_ms()));
    else
        state = obj_pack("{s:{s:s}}", "waiting", "reason", "ContainerCreating");
    obj_take(status, "conditions", json_array());
    agent_set_condition(status, old, "PodScheduled", true, NULL, NULL);
    agent_set_condition(status, old, "Initialized", true, NULL, NULL);
    agent_set_condition(status, old, "ContainersReady", running, NULL, NULL);
    agent_set_condition(status, old, "Ready", running, NULL, NULL);
    obj_take(status, "containerStatuses",
             obj_pack("[{s:s,s:s,s:s,s:b,s:b,s:i,s:o}]", "name", "compute", "image", LAUNCHER_IMAGE,
                      "imageID", LAUNCHER_IMAGE, "ready", running, "started", running,
                      "restartCount", 0, "state", state));
    return status;
}
