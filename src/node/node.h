/* The node agent at home: runs Pods and Jobs as sandboxed processes, makes volumes, and runs
 * VirtualMachines through libvirt.
 *
 * May use: base, data, net, disk, kube.  Threads: all functions may be called from any thread.
 */
#pragma once

#include "base/cleanup.h"

struct apiserver_backend;
struct error;
struct kube_client;
struct node;

struct node_options {
    struct kube_client *client;
    const char *dir;         /* DIR/node: volumes, pods, logs, libvirt */
    const char *name;        /* of the Node object; NULL: the host's */
    const char *program_dir; /* where gantry-copy and the other programs of ours are */
    const char *api_url;     /* for pods: https://127.0.0.1:PORT */
    const char *migration_listen; /* HOST:PORT for live migrations from other machines; NULL: none */
};

int node_start(const struct node_options *options, struct node **out, struct error **err);

/* Stops the agent.  Pods' processes and machines go on; a new agent finds them. */
void node_stop(struct node *node);

/* Stops every machine and pod as well: for gantry down --all and tests. */
int node_stop_all(struct node *node, struct error **err);

/* Fills in logs, exec and machine actions.  BACKEND's arg becomes NODE. */
void node_fill_backend(struct node *node, struct apiserver_backend *backend);
