/* What the two sides of live migration share.
 *
 * May use: base, data, net, kube, hook.  Threads: struct live is frozen once started, but for what is
 * guarded.
 */
#pragma once

#include "base/thread.h"
#include "base/vector.h"
#include "data/obj.h"
#include "kube/controller.h"

#include <stdbool.h>
#include <stdint.h>

struct agent;
struct error;
struct facts;
struct hook_server;
struct hypervisor;
struct live_relays;
struct user_hooks;

#define LIVE_FINALIZER "kubevirt.io/migrationJobFinalize" /* KubeVirt's own */

struct departure; /* departure.h */
DEFINE_VECTOR(departure_list, struct departure *)

/* One that comes, as long as this process has prepared for it. */
struct arrival {
    char *migration_id, *id; /* id: of its sockets */
    char *ns, *domain;
    char *facts; /* JSON */
    int64_t prepared_ms;
};
DEFINE_VECTOR(arrival_list, struct arrival *)

struct live {
    struct agent *agent;
    struct hypervisor *hypervisor;
    char *folder, *run_dir;
    int run_fd; /* of run_dir, whose path may be too long for a socket's */
    struct live_relays *relays;
    struct controller *controller;
    struct hook_server *hooks;
    struct str_list urls; /* what to dial */
    struct server *server;

    pthread_mutex_t departures_lock;
    struct departure_list departures; /* guarded by departures_lock */
    pthread_mutex_t arrivals_lock;
    pthread_cond_t arrivals_changed;
    struct arrival_list arrivals; /* guarded by arrivals_lock */
    struct str_list busy;         /* guarded by arrivals_lock: ids that somebody works on */
};

/* --- live.c: objects ------------------------------------------------------------------------------- */

/* Sets VMIM's phase (NULL: as it is) and merges STATE, which it takes, into its migrationState and that
 * of its instance VMI (NULL: none).  CONDITION (taken, may be NULL) replaces that of its type. */
int live_write(struct live *live, const json_t *vmim, const json_t *vmi, const char *phase,
               json_t *state, json_t *condition, struct error **err);

/* A condition for live_write, with ERR's text unless NULL; owned by the caller. */
json_t *live_condition(const json_t *vmim, const char *type, bool is_true, const char *reason,
                       const struct error *why);

bool live_condition_is(const json_t *vmim, const char *type, const char *status);

int live_add_finalizer(struct live *live, const json_t *vmim, struct error **err);
int live_remove_finalizer(struct live *live, const json_t *vmim, struct error **err);

/* Copies the authorities of ConfigMap kubevirt/kubevirt-external-ca to where channels look. */
int live_refresh_trust(struct live *live, struct error **err);

/* policy.c: the settings that MigrationPolicies and the KubeVirt object have for VMI, under the names
 * of status.migrationState.migrationConfiguration.  *OUT belongs to the caller. */
int live_policy(struct agent *agent, const json_t *vmi, json_t **out, struct error **err);

/* Whether the KubeVirt object leaves the gate of the hooks on, under either name: it is, unless it is among
 * disabledFeatureGates. */
int live_gate(struct agent *agent, bool *on, struct error **err);

/* --- send.c: the source ------------------------------------------------------------------------------ */

int live_send_reconcile(struct live *live, const json_t *vmim, struct reconcile_result *result,
                        struct error **err);
void live_send_stop(struct live *live);

/* --- receive.c: the target --------------------------------------------------------------------------- */

int live_receive_reconcile(struct live *live, const json_t *vmim, struct reconcile_result *result,
                           struct error **err);

/* The answer to what the source with MIGRATION_ID asks ("prepare", "go", "abort"); never NULL. */
json_t *live_receive_answer(struct live *live, const char *migration_id, const json_t *question);

/* The socket in LIVE_RUN_DIR behind the stream CHANNEL of a migration that is prepared, connected; or
 * -1. */
int live_receive_stream(struct live *live, const char *migration_id, const char *channel, char **id,
                        struct error **err);

/* For the hook server: the facts of a machine that arrives, and the hooks of its users. */
int live_receive_facts(void *arg, const char *uuid, const char *name, struct facts **out,
                       struct error **err);
int live_receive_hooks(void *arg, const struct facts *facts, struct user_hooks **out,
                       struct error **err);

/* arrival.c: what the target gathers of itself for the instance VMI and what the source SAYS.  *FACTS is
 * the hooks' context, *COPIED the list of disks' targets whose data must come along. */
int live_arrival_gather(struct live *live, const json_t *vmi, const json_t *says, json_t **facts,
                        json_t **copied, struct error **err);

/* Whether a guest may run here before all its memory has come; ERROR_UNSUPPORTED or the system's error says
 * what stands against it. */
int live_arrival_post_copy(struct error **err);

/* --- server.c: who dials us --------------------------------------------------------------------------- */

int live_server_start(struct live *live, const char *listen, struct error **err);
void live_server_stop(struct live *live);
