#define LOG_COMPONENT "node"

#include "node/heartbeat.h"

#include "base/array.h"
#include "base/cancel.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/thread.h"
#include "base/time.h"
#include "data/obj.h"
#include "kube/kinds.h"
#include "kube/meta.h"
#include "node/agent.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

enum { BEAT_MS = 10000, NODE_EVERY = 30, LEASE_SECONDS = 40, MAX_PODS = 250, SMALL_FILE = 4096 };

#define LEASE_NS "kube-node-lease"

struct heartbeat {
    struct agent *agent;
    struct cancel *cancel;
    struct thread thread;
};

static json_t *new_node(const struct agent *agent)
{
    json_t *node = meta_new(&KIND_NODE, NULL, agent->name);

    meta_set_label(node, "kubernetes.io/hostname", agent->name);
    meta_set_label(node, "kubernetes.io/os", "linux");
#if defined(__x86_64__)
    meta_set_label(node, "kubernetes.io/arch", "amd64");
#endif
    meta_set_label(node, "kubevirt.io/schedulable", "true");
    obj_take(node, "spec", json_object());
    return node;
}

static char *read_line(const char *path)
{
    CLEANUP(error) struct error *ignored = NULL; /* a fact less */
    CLEANUP(str) char *text = NULL;

    if (file_read(path, SMALL_FILE, &text, NULL, &ignored) == -1)
        return xstrdup("");
    return span_dup(span_trim(span_of(text)));
}

static json_t *node_info(void)
{
    CLEANUP(str) char *machine = read_line("/etc/machine-id");
    CLEANUP(str) char *boot = read_line("/proc/sys/kernel/random/boot_id");
    struct utsname uts = {0};

    uname(&uts);
    return obj_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s}", "machineID", machine, "systemUUID",
                    machine, "bootID", boot, "kernelVersion", uts.release, "osImage", "Linux",
                    "operatingSystem", "linux", "architecture", "amd64",
                    "containerRuntimeVersion", "gantry://" GANTRY_VERSION, "kubeletVersion",
                    "v1.32.0-gantry." GANTRY_VERSION, "kubeProxyVersion", "");
}

static json_t *resources(const struct agent *agent)
{
    struct sysinfo info = {0};
    struct statvfs disk = {0};

    sysinfo(&info);
    statvfs(agent->dir, &disk);
    CLEANUP(str) char *cpu = xasprintf("%ld", sysconf(_SC_NPROCESSORS_ONLN));
    CLEANUP(str) char *memory = xasprintf("%" PRIu64 "Ki", (uint64_t)info.totalram * info.mem_unit / 1024);
    CLEANUP(str) char *storage =
        xasprintf("%" PRIu64 "Ki", (uint64_t)disk.f_blocks * disk.f_frsize / 1024);
    CLEANUP(str) char *pods = xasprintf("%d", MAX_PODS);

    return obj_pack("{s:s,s:s,s:s,s:s}", "cpu", cpu, "memory", memory, "ephemeral-storage", storage,
                    "pods", pods);
}

static json_t *node_status(const struct agent *agent, const json_t *old, bool ready)
{
    static const char *const pressures[] = {"MemoryPressure", "DiskPressure", "PIDPressure"};
    json_t *status = obj_pack("{s:o,s:o,s:[{s:s,s:s},{s:s,s:s}],s:o}", "capacity",
                              resources(agent), "allocatable", resources(agent), "addresses",
                              "type", "InternalIP", "address", "127.0.0.1", "type", "Hostname",
                              "address", agent->name, "nodeInfo", node_info());
    json_t *condition;
    size_t i;

    for (i = 0; i < ARRAY_SIZE(pressures); i++)
        agent_set_condition(status, old, pressures[i], false, "AgentHasNoPressure",
                            "the agent watches the claims it makes, nothing else");
    agent_set_condition(status, old, "Ready", ready, ready ? "AgentReady" : "AgentStopped",
                        ready ? "agent is posting ready status" : "agent was stopped");
    json_array_foreach(obj_arr(status, "conditions"), i, condition)
        obj_take(condition, "lastHeartbeatTime", agent_time(time_now_ms()));
    return status;
}

static int beat_node(struct agent *agent, bool ready, struct error **err)
{
    json_t *node = NULL;

    if (kube_get(agent->client, &KIND_NODE, NULL, agent->name, &node, err) == -1)
        return -1;
    if (node == NULL) {
        json_auto_t *made = new_node(agent);

        if (kube_create(agent->client, &KIND_NODE, NULL, made, &node, err) == -1)
            return -1;
    }
    json_auto_t *owned = node;
    json_auto_t *status = node_status(agent, obj_obj(owned, "status"), ready);
    return agent_patch_status(agent, &KIND_NODE, owned, status, err);
}

static int beat_lease(struct agent *agent, struct error **err)
{
    char now[TIME_TEXT_SIZE];
    json_auto_t *patch = obj_pack("{s:{s:s,s:i,s:s}}", "spec", "holderIdentity", agent->name,
                                  "leaseDurationSeconds", LEASE_SECONDS, "renewTime",
                                  time_format_micro(time_now_ms(), now));

    if (kube_patch(agent->client, &KIND_LEASE, LEASE_NS, agent->name, NULL, patch, NULL, err) == 0)
        return 0;
    if ((*err)->code != ERROR_NOT_FOUND)
        return -1;
    error_clear(err);
    json_auto_t *lease = meta_new(&KIND_LEASE, LEASE_NS, agent->name);
    obj_take(lease, "spec", obj_copy(obj_obj(patch, "spec")));
    return kube_create(agent->client, &KIND_LEASE, LEASE_NS, lease, NULL, err);
}

static void *beat_run(void *arg)
{
    struct heartbeat *heartbeat = arg;

    for (unsigned n = 0; !cancel_is_requested(heartbeat->cancel); n++) {
        CLEANUP(error) struct error *err = NULL;

        if (beat_lease(heartbeat->agent, &err) == -1 ||
            (n % NODE_EVERY == 0 && n > 0 && beat_node(heartbeat->agent, true, &err) == -1))
            log_write_error(LOG_LEVEL_WARN, LOG_COMPONENT, err, "no heartbeat");
        cancel_wait(heartbeat->cancel, BEAT_MS);
    }
    return NULL;
}

int heartbeat_start(struct agent *agent, struct heartbeat **out, struct error **err)
{
    CLEANUP(heartbeat) struct heartbeat *heartbeat = NULL;

    if (beat_node(agent, true, err) == -1)
        return error_wrap(err, "node \"%s\"", agent->name);
    heartbeat = xcalloc(1, sizeof(*heartbeat));
    heartbeat->agent = agent;
    heartbeat->cancel = cancel_new();
    if (thread_start(&heartbeat->thread, "heartbeat", beat_run, heartbeat, err) == -1)
        return -1;
    *out = steal(&heartbeat);
    return 0;
}

void heartbeat_stop(struct heartbeat *heartbeat)
{
    CLEANUP(error) struct error *ignored = NULL; /* the server may have gone before us */

    if (heartbeat == NULL)
        return;
    cancel_request(heartbeat->cancel);
    thread_join(&heartbeat->thread);
    beat_node(heartbeat->agent, false, &ignored);
    cancel_free(heartbeat->cancel);
    free(heartbeat);
}
