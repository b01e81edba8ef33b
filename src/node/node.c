/* Start: what the machine offers (found out while the API server starts), the Node, the caches, then a
 * controller per kind.  The caches are
 * started when all handlers are added; what crashed agents left is swept once they are filled. */
#define LOG_COMPONENT "node"

#include "node/node.h"

#include "apiserver/apiserver.h"
#include "base/array.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/thread.h"
#include "data/obj.h"
#include "kube/kinds.h"
#include "kube/meta.h"
#include "node/agent.h"
#include "node/heartbeat.h"
#include "node/instances.h"
#include "node/jobs.h"
#include "node/live/live.h"
#include "node/machines.h"
#include "node/pods.h"
#include "node/volumes.h"

#include <limits.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SYNC_MS = 30000 };

struct node {
    struct agent agent;
    char *programs;            /* the folder of our own */
    struct thread preparation; /* writes agent.runtime and the next two, until it is joined */
    bool prepared;
    struct error *failure; /* why it is not */
    struct pods *pods;
    struct jobs *jobs;
    struct volumes *volumes;
    struct machines *machines;
    struct instances *instances;
    struct live *live;
    struct heartbeat *heartbeat;
};

static const struct {
    const struct kube_kind *kind;
    size_t offset; /* of the cache in struct agent */
} caches[] = {
    {&KIND_POD, offsetof(struct agent, pods)},
    {&KIND_JOB, offsetof(struct agent, jobs)},
    {&KIND_PVC, offsetof(struct agent, claims)},
    {&KIND_PV, offsetof(struct agent, volumes)},
    {&KIND_STORAGE_CLASS, offsetof(struct agent, classes)},
    {&KIND_VM, offsetof(struct agent, machines)},
    {&KIND_VMI, offsetof(struct agent, instances)},
    {&KIND_VMIM, offsetof(struct agent, migrations)},
};

static struct kube_cache **cache_at(struct agent *agent, size_t i)
{
    return (struct kube_cache **)(void *)((char *)agent + caches[i].offset);
}

/* The port in https://127.0.0.1:PORT. */
static uint16_t port_of(const char *url)
{
    const char *colon = url == NULL ? NULL : strrchr(url, ':');
    uint64_t port = 0;

    return colon != NULL && span_u64(span_of(colon + 1), &port) && port <= UINT16_MAX
               ? (uint16_t)port
               : 0;
}

static char *host_name(void)
{
    char name[HOST_NAME_MAX + 1] = "";

    if (gethostname(name, sizeof(name) - 1) == -1 || name[0] == '\0')
        return xstrdup("localhost");
    for (char *p = name; *p != '\0'; p++)
        if (*p >= 'A' && *p <= 'Z')
            *p = (char)(*p - 'A' + 'a');
    return xstrdup(name);
}

/* Paths are given to other processes: they must not depend on our working directory. */
static char *absolute(const char *path, struct error **err)
{
    char real[PATH_MAX];

    if (dir_make(path, 0700, err) == -1)
        return NULL;
    if (realpath(path, real) == NULL) {
        error_set(err, ERROR_IO, "cannot resolve \"%s\"", path);
        return NULL;
    }
    return xstrdup(real);
}

/* --- Preparation ---------------------------------------------------------------------------------- */

static void *prepare(void *arg)
{
    struct node *node = arg;
    struct agent *agent = &node->agent;

    node->prepared = runtime_init(&agent->runtime, node->programs, &node->failure) == 0 &&
                     live_prepare(agent->dir, &node->failure) == 0;
    return NULL;
}

int node_new(const char *dir, const char *program_dir, struct node **out, struct error **err)
{
    struct node *node = xcalloc(1, sizeof(*node));

    node->agent.dir = absolute(dir, err);
    if (node->agent.dir != NULL)
        node->programs = absolute(program_dir, err);
    if (node->programs == NULL ||
        thread_start(&node->preparation, "node-prepare", prepare, node, err) == -1) {
        node_stop(node);
        return error_wrap(err, "node agent");
    }
    *out = node;
    return 0;
}

static int finish_preparation(struct node *node, struct error **err)
{
    thread_join(&node->preparation);
    if (!node->prepared)
        *err = steal(&node->failure);
    return node->prepared ? 0 : -1;
}

/* --- Start and stop --------------------------------------------------------------------------------- */

static int agent_init(struct node *node, const struct node_options *options, struct error **err)
{
    struct agent *agent = &node->agent;

    agent->client = options->client;
    agent->name = options->name != NULL ? xstrdup(options->name) : host_name();
    for (size_t i = 0; i < ARRAY_SIZE(caches); i++)
        *cache_at(agent, i) = kube_cache_new(agent->client, caches[i].kind, NULL, NULL);
    if (finish_preparation(node, err) == -1)
        return -1;
    agent->runtime.api_port = port_of(options->api_url);
    return 0;
}

static int start_live(struct node *node, const char *listen, struct error **err)
{
    const struct live_options options = {.agent = &node->agent,
                                         .hypervisor = instances_hypervisor(node->instances),
                                         .listen = listen};

    return live_start(&options, &node->live, err);
}

static int start_parts(struct node *node, const char *migration_listen, struct error **err)
{
    struct agent *agent = &node->agent;

    if (heartbeat_start(agent, &node->heartbeat, err) == -1 ||
        volumes_start(agent, &node->volumes, err) == -1 ||
        pods_start(agent, &node->pods, err) == -1 || jobs_start(agent, &node->jobs, err) == -1 ||
        instances_start(agent, &node->instances, err) == -1 ||
        start_live(node, migration_listen, err) == -1 ||
        machines_start(agent, &node->machines, err) == -1)
        return -1;
    for (size_t i = 0; i < ARRAY_SIZE(caches); i++)
        if (kube_cache_start(*cache_at(agent, i), err) == -1)
            return -1;
    for (size_t i = 0; i < ARRAY_SIZE(caches); i++)
        if (kube_cache_wait(*cache_at(agent, i), SYNC_MS, NULL, err) == -1)
            return error_wrap(err, "first list of %s", caches[i].kind->plural);
    pods_sweep(node->pods);
    instances_sweep(node->instances);
    return 0;
}

int node_start(struct node *node, const struct node_options *options, struct error **err)
{
    if (agent_init(node, options, err) == -1 ||
        start_parts(node, options->migration_listen, err) == -1)
        return error_wrap(err, "node agent");
    log_info("node agent started: node=%s dir=%s", node->agent.name, node->agent.dir);
    return 0;
}

/* Everything that makes pods and machines run; what runs goes on.  May be called again. */
static void stop_controllers(struct node *node)
{
    /* The caches' threads first: they call into the controllers. */
    for (size_t i = 0; i < ARRAY_SIZE(caches); i++)
        if (*cache_at(&node->agent, i) != NULL)
            kube_cache_stop(*cache_at(&node->agent, i));
    heartbeat_stop(steal(&node->heartbeat));
    machines_stop(steal(&node->machines));
    jobs_stop(steal(&node->jobs));
    pods_stop(steal(&node->pods));
    volumes_stop(steal(&node->volumes));
    live_stop(steal(&node->live)); /* it uses the instances' hypervisor */
}

void node_stop(struct node *node)
{
    if (node == NULL)
        return;
    thread_join(&node->preparation);
    stop_controllers(node);
    instances_stop(node->instances);
    /* last: the controllers read them */
    for (size_t i = 0; i < ARRAY_SIZE(caches); i++)
        if (*cache_at(&node->agent, i) != NULL)
            kube_cache_free(*cache_at(&node->agent, i));
    runtime_reset(&node->agent.runtime);
    error_free(node->failure);
    free(node->programs);
    free(node->agent.dir);
    free(node->agent.name);
    free(node);
}

int node_stop_all(struct node *node, struct error **err)
{
    /* or they would start again what is stopped here */
    stop_controllers(node);
    pods_kill_all(&node->agent);
    return instances_kill_all(node->instances, err);
}

static bool is_launcher(const json_t *pod)
{
    return str_eq(meta_label(pod, "kubevirt.io"), "virt-launcher");
}

static int backend_log(void *arg, const json_t *pod, const char *container, const json_t *options,
                       struct cancel *cancel, bool (*on_data)(void *to, const char *data, size_t len),
                       void *to, struct error **err)
{
    struct node *node = arg;

    if (is_launcher(pod))
        return instances_console(&node->agent, pod, options, cancel, on_data, to, err);
    return pods_log(&node->agent, pod, container, options, cancel, on_data, to, err);
}

static int backend_exec(void *arg, const json_t *pod, const char *container,
                        const char *const *command, int in_fd, int out_fd, int err_fd, bool tty,
                        int resize_fd, struct cancel *cancel, int *exit_code, struct error **err)
{
    struct node *node = arg;

    if (is_launcher(pod))
        return error_set(err, ERROR_UNSUPPORTED, "a machine's pod runs no commands at home");
    return pods_exec(&node->agent, pod, container, command, in_fd, out_fd, err_fd, tty, resize_fd,
                     cancel, exit_code, err);
}

static int backend_vm_action(void *arg, const char *ns, const char *name, const char *action,
                             const json_t *body, struct error **err)
{
    static const char *const of_machines[] = {"start", "stop", "restart"};
    struct node *node = arg;

    for (size_t i = 0; i < ARRAY_SIZE(of_machines); i++)
        if (str_eq(action, of_machines[i]))
            return machines_act(node->machines, ns, name, action, body, err);
    return instances_act(node->instances, ns, name, action, err);
}

static int backend_vm_console(void *arg, const char *ns, const char *name, struct error **err)
{
    struct node *node = arg;

    return instances_open_console(node->instances, ns, name, err);
}

void node_fill_backend(struct node *node, struct apiserver_backend *backend)
{
    backend->arg = node;
    backend->pod_log = backend_log;
    backend->pod_exec = backend_exec;
    backend->vm_action = backend_vm_action;
    backend->vm_console = backend_vm_console;
}
