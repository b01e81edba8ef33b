/* What an instance's status and its launcher Pod say.  May use: base, data, kube. */
#pragma once

#include "data/obj.h"
#include "node/hypervisor.h"

#include <stdbool.h>
#include <stdint.h>

struct agent;

struct instance_view {
    const json_t *vmi;
    const char *phase;         /* the new one */
    bool paused;
    const char *reason;        /* why it cannot be started, or NULL */
    const char *message;
    const json_t *networks;    /* of machine_networks, or NULL while unknown */
    const char *launcher_uid;  /* or NULL */
    bool kvm;
};

/* Owned by the caller. */
json_t *instance_status_make(const struct agent *agent, const struct instance_view *view);

/* The Pod that stands for the machine where people look for one: "kubectl logs" shows the console.
 * Owned by the caller. */
json_t *instance_launcher(const struct agent *agent, const json_t *vmi);
json_t *instance_launcher_status(const struct agent *agent, const json_t *pod, const char *phase);

/* The launcher's name.  Owned by the caller. */
char *instance_launcher_name(const json_t *vmi);
