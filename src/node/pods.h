/* Pods bound to this node: started, watched, ended, and shown in their status.
 *
 * One folder per Pod, DIR/pods/UID:
 *     pod.json            {namespace, name}
 *     containers/NAME/    see supervisor.h
 *     volumes/NAME/       emptyDirs and NFS mounts
 *     stop.json           {at}: when the containers were asked to end
 * Folders of Pods that are gone are removed, with all that still runs in them.
 *
 * May use: base, data, kube.  Threads: all functions may be called from any thread.
 */
#pragma once

#include "base/cleanup.h"
#include "data/obj.h"

#include <stdbool.h>
#include <stddef.h>

struct agent;
struct cancel;
struct error;
struct pods;

/* Needs agent->pods and agent->claims, not yet started: handlers are added to them. */
int pods_start(struct agent *agent, struct pods **out, struct error **err);

/* Once the cache has its first list: removes folders whose Pod is gone. */
void pods_sweep(struct pods *pods);
void pods_stop(struct pods *pods); /* the Pods' processes go on */

/* Kills every container of every Pod. */
void pods_kill_all(struct agent *agent);

/* See apiserver.h's struct apiserver_backend. */
int pods_log(struct agent *agent, const json_t *pod, const char *container, const json_t *options,
             struct cancel *cancel, bool (*on_data)(void *to, const char *data, size_t len),
             void *to, struct error **err);
int pods_exec(struct agent *agent, const json_t *pod, const char *container,
              const char *const *command, int in_fd, int out_fd, int err_fd, bool tty,
              int resize_fd, struct cancel *cancel, int *exit_code, struct error **err);

DEFINE_CLEANUP(pods, struct pods *, pods_stop)
