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
    const char *name;        /* of the Node object; NULL: the host's */
    const char *api_url;     /* for pods: https://127.0.0.1:PORT */
    const char *migration_listen; /* HOST:PORT for live migrations from other machines; NULL: none */
};

/* An agent that keeps volumes, pods, logs and libvirt's files in DIR; gantry-copy and the other
 * programs of ours are in PROGRAM_DIR.  What its start takes and needs no API begins here, on a
 * thread of its own: trying which sandboxes the machine lets us make, and making keys. */
int node_new(const char *dir, const char *program_dir, struct node **out, struct error **err);

/* Starts it; on failure it can only be stopped. */
int node_start(struct node *node, const struct node_options *options, struct error **err);

/* Stops the agent, in any state, and frees it.  Pods' processes and machines go on; a new agent finds
 * them. */
void node_stop(struct node *node);

/* Stops every machine and pod as well: for gantry down --all and tests. */
int node_stop_all(struct node *node, struct error **err);

/* Fills in logs, exec and machine actions.  BACKEND's arg becomes NODE. */
void node_fill_backend(struct node *node, struct apiserver_backend *backend);
