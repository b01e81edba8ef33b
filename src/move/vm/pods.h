/* The pods that work for a VM (copy a disk, convert the guest): found by label, their end, and the
 * last line of JSON they printed.
 *
 * May use: base, data, kube.  Threads: no shared state.
 */
#pragma once

#include "base/cleanup.h"
#include "move/vm/vm_run.h"

#define APP_IMPORTER "importer"
#define APP_CONVERSION "virt-v2v"

enum pod_state { POD_WAITING, POD_RUNNING, POD_SUCCEEDED, POD_FAILED };

struct pod_outcome {
    enum pod_state state;
    json_t *report; /* the last line, an object, or NULL */
    char *message;  /* what it waits for or why it failed, or NULL */
    char *hint;     /* or NULL */
    bool may_pass;  /* a failure that another try may mend: it was killed */
};

void pod_outcome_reset(struct pod_outcome *outcome);

/* The VM's pods of APP in this migration, as a new array. */
int pods_list(struct vm_run *run, const char *app, json_t **pods, struct error **err);

/* A manifest: labels, service account, restartPolicy Never, DEADLINE_S, one container called NAME of
 * IMAGE with ARGS (taken). */
json_t *pod_manifest(struct vm_run *run, const char *app, const char *prefix, const char *name,
                     const char *image, json_t *args, int64_t deadline_s);

/* How POD stands; reads its log's last line. */
int pod_look(struct vm_run *run, const json_t *pod, struct pod_outcome *outcome,
             struct error **err);

DEFINE_CLEANUP_IN_PLACE(pod_outcome, struct pod_outcome, pod_outcome_reset)
