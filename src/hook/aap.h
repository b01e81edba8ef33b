/* A hook's run as a job template of an Ansible automation controller (AAP, AWX).
 *
 * One call looks, starts or asks, and returns; nobody waits for the job in it.  A job is found again
 * by an extra variable of ours, so that a crash between starting it and writing down its id starts
 * no second one.
 *
 * May use: base, data, net.  Threads: no shared state.
 */
#pragma once

#include "hook/job.h"

#include <stdbool.h>
#include <stdint.h>

struct cancel;
struct error;
struct secret;

/* The automation controller.  All borrowed. */
struct hook_aap {
    const char *url;
    const struct secret *token;
    const char *ca_pem; /* or NULL: the system's */
    bool insecure;
    int64_t http_timeout_ms; /* 0: 30 s */
};

/* Makes sure that the job of CALL runs and tells how it stands.  JOB is its id from an earlier call,
 * or NULL. */
int hook_aap_run(const struct hook_aap *aap, const struct hook_call *call, const char *job,
                 struct cancel *cancel, struct hook_outcome *outcome, struct error **err);

/* Asks the controller to cancel a job; one that ended is no failure. */
int hook_aap_cancel(const struct hook_aap *aap, const char *job, struct cancel *cancel,
                    struct error **err);

/* How long a job may take, in seconds; -1: as long as it likes.  SETTING_S is aap_timeout, 0 where
 * it is not set. */
int64_t hook_aap_limit_s(const json_t *hook, int64_t setting_s);
