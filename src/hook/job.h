/* A hook's run as a Job: its ConfigMap, the Job, and what came of it.
 *
 * Both objects are in the plan's namespace and are found again by their labels (plan, migration,
 * vmID, step, hook), so that looking is all that is needed after a crash.
 *
 * May use: base, data, kube.  Threads: no shared state.
 */
#pragma once

#include "base/cleanup.h"
#include "data/obj.h"

#include <stdbool.h>
#include <stdint.h>

struct error;
struct kube_client;

#define HOOK_DEFAULT_IMAGE "quay.io/kubev2v/hook-runner"

enum {
    HOOK_OUTPUT_LINES = 40,   /* kept of a run's output */
    HOOK_OUTPUT_BYTES = 8192, /* likewise */
    HOOK_START_TIMEOUT_MS = 10 * 60 * 1000, /* for its pod to begin */
    HOOK_IMAGE_TIMEOUT_MS = 60 * 1000,      /* the same where its image cannot be had */
    HOOK_RUN_TIMEOUT_S = 24 * 3600,         /* where the Hook names no deadline */
};

/* One hook of one VM in one migration.  All borrowed. */
struct hook_call {
    const json_t *plan;
    const json_t *migration; /* its metadata is enough */
    const json_t *hook;
    const char *step; /* "PreHook" or "PostHook" */
    const char *vm_id;
    const char *vm_name;
    const char *provider_type; /* decides workload.yml's shape */
    const json_t *workload;    /* the inventory's object */
    const char *service_account; /* where neither hook nor plan names one, or NULL */
    const json_t *resources;     /* the container's, or NULL: built-in values */
};

enum hook_state { HOOK_WAITING, HOOK_RUNNING, HOOK_SUCCEEDED, HOOK_FAILED };

/* What is known of a run. */
struct hook_outcome {
    enum hook_state state;
    char *job;       /* its name */
    char *message;   /* why it failed, or what it waits for, or NULL */
    char *hint;      /* or NULL */
    char *output;    /* the last lines, or NULL */
    char *started;   /* RFC 3339, or NULL */
    char *completed; /* likewise */
    bool has_exit_code;
    int64_t exit_code; /* of the last try */
};

void hook_outcome_reset(struct hook_outcome *outcome);

/* Makes what is missing of CALL and tells how it stands.  A run that failed is no error here. */
int hook_job_run(struct kube_client *client, const struct hook_call *call,
                 struct hook_outcome *outcome, struct error **err);

/* Deletes the ConfigMaps and Jobs (and so their pods) of a VM in every migration of PLAN, or of all
 * its VMs if VM_ID is NULL. */
int hook_job_clean(struct kube_client *client, const json_t *plan, const char *vm_id,
                   struct error **err);

/* The manifests, for tests. */
json_t *hook_job_config_map(const struct hook_call *call, const char *playbook);
json_t *hook_job_manifest(const struct hook_call *call, const char *config_map);

DEFINE_CLEANUP_IN_PLACE(hook_outcome, struct hook_outcome, hook_outcome_reset)
