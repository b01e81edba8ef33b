/* The knobs of a ForkliftController object in the main namespace.
 *
 * Knobs are read when they are used, so that a change needs no restart.  Where there is no object,
 * or it does not name a knob, the environment's value counts, then the built-in one.
 *
 * May use: base, data, kube.  Threads: no shared state.
 */
#pragma once

#include "base/cleanup.h"
#include "move/vm/room.h"

struct settings {
    int64_t max_vm_inflight;
    int64_t blocker_grace_minutes;
    int64_t precopy_interval_ms;
    int64_t snapshot_removal_minutes;
    int64_t shutdown_ms; /* until a guest that was asked to shut down is switched off */
    char *migration_service_account; /* or NULL */
    char *pvc_name_template;         /* or NULL; braces already un-escaped */
    char *aap_url, *aap_token_secret, *aap_ca_secret; /* or NULL */
    bool aap_insecure;
    bool vmware_serial; /* machines from vSphere keep the serial number that VMware made */
    bool static_udn;    /* addresses are kept on user-defined networks, too */
    int64_t aap_timeout_s; /* 0: not set */
    json_t *hook_resources;
};

int settings_load(struct room *room, struct settings *settings, struct error **err);
void settings_reset(struct settings *settings);

DEFINE_CLEANUP_IN_PLACE(settings, struct settings, settings_reset)
