#define LOG_COMPONENT "live"

#include "node/live/live.h"

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/time.h"
#include "hook/premigration/server.h"
#include "kube/kinds.h"
#include "kube/meta.h"
#include "node/agent.h"
#include "node/libvirt_hook.h"
#include "node/live/channel.h"
#include "node/live/internal.h"
#include "node/live/relay.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#define TRUST_NAMESPACE "kubevirt"
#define OWN_CA_MAP      "kubevirt-ca"
#define PEERS_CA_MAP    "kubevirt-external-ca"
#define BUNDLE_KEY      "ca-bundle"

enum { WORKERS = 8, BUNDLE_MAX = 1024 * 1024 };

/* --- objects ----------------------------------------------------------------------------------------- */

bool live_condition_is(const json_t *vmim, const char *type, const char *status)
{
    const json_t *condition;
    size_t i;

    json_array_foreach(obj_arr(vmim, "status.conditions"), i, condition)
        if (str_eq(obj_str(condition, "type", ""), type))
            return str_eq(obj_str(condition, "status", ""), status);
    return false;
}

json_t *live_condition(const json_t *vmim, const char *type, bool is_true, const char *reason,
                       const struct error *why)
{
    json_auto_t *status = obj_pack("{s:[]}", "conditions");
    CLEANUP(str) char *text = why == NULL ? NULL : error_format(why);

    agent_set_condition(status, obj_obj(vmim, "status"), type, is_true, reason, text);
    return json_incref(obj_at(status, "conditions[0]"));
}

/* The conditions of VMIM with CONDITION in place of that of its type. */
static json_t *merge_condition(const json_t *vmim, json_t *condition)
{
    json_t *list = json_array();
    const json_t *old;
    size_t i;

    json_array_foreach(obj_arr(vmim, "status.conditions"), i, old)
        if (!str_eq(obj_str(old, "type", ""), obj_str(condition, "type", "")))
            json_array_append_new(list, obj_copy(old));
    json_array_append_new(list, condition);
    return list;
}

static json_t *transitions(const json_t *vmim, const char *phase)
{
    const json_t *old = obj_arr(vmim, "status.phaseTransitionTimestamps");
    json_t *list = old == NULL ? json_array() : obj_copy(old);

    if (!str_eq(obj_str(vmim, "status.phase", ""), phase))
        json_array_append_new(list, obj_pack("{s:s,s:o}", "phase", phase, "phaseTransitionTimestamp",
                                             agent_time(time_now_ms())));
    return list;
}

int live_write(struct live *live, const json_t *vmim, const json_t *vmi, const char *phase,
               json_t *state, json_t *condition, struct error **err)
{
    json_auto_t *status = json_object();

    /* what decides is written on the migration first; who runs instances follows */
    if (state != NULL)
        obj_take(status, "migrationState", state);
    if (phase != NULL) {
        obj_put_str(status, "phase", phase);
        obj_take(status, "phaseTransitionTimestamps", transitions(vmim, phase));
    }
    if (condition != NULL)
        obj_take(status, "conditions", merge_condition(vmim, condition));
    if (agent_patch_status(live->agent, &KIND_VMIM, vmim, status, err) == -1)
        return -1;
    if (phase != NULL && !str_eq(obj_str(vmim, "status.phase", ""), phase))
        log_info("live migration: name=%s/%s phase=%s", meta_ns(vmim), meta_name(vmim), phase);
    /* the instance may be another migration's meanwhile */
    const char *of = obj_str(vmi, "status.migrationState.migrationUid", "");
    if (vmi == NULL || state == NULL ||
        (obj_str(state, "migrationUid", NULL) == NULL && !str_eq(of, meta_uid(vmim))))
        return 0;
    json_auto_t *of_instance = obj_pack("{s:O}", "migrationState", state);
    if (agent_patch_status(live->agent, &KIND_VMI, vmi, of_instance, err) == 0)
        return 0;
    if ((*err)->code != ERROR_NOT_FOUND)
        return -1;
    error_clear(err); /* the instance has gone meanwhile */
    return 0;
}

int live_add_finalizer(struct live *live, const json_t *vmim, struct error **err)
{
    if (meta_has_finalizer(vmim, LIVE_FINALIZER))
        return 0;
    json_auto_t *changed = obj_copy(vmim);
    meta_add_finalizer(changed, LIVE_FINALIZER);
    return kube_update(live->agent->client, &KIND_VMIM, changed, NULL, err);
}

int live_remove_finalizer(struct live *live, const json_t *vmim, struct error **err)
{
    if (!meta_has_finalizer(vmim, LIVE_FINALIZER))
        return 0;
    json_auto_t *changed = obj_copy(vmim);
    meta_remove_finalizer(changed, LIVE_FINALIZER);
    return kube_update(live->agent->client, &KIND_VMIM, changed, NULL, err);
}

/* --- trust --------------------------------------------------------------------------------------------- */

int live_refresh_trust(struct live *live, struct error **err)
{
    CLEANUP(str) char *path = path_join(live->folder, "peers.crt");
    CLEANUP(str) char *there = NULL;
    CLEANUP(error) struct error *ignored = NULL; /* none yet */
    json_t *map = NULL;

    if (kube_get(live->agent->client, &KIND_CONFIG_MAP, TRUST_NAMESPACE, PEERS_CA_MAP, &map, err) == -1)
        return error_wrap(err, "the authorities of other homes");
    json_auto_t *owned = map;
    const char *bundle = obj_map_str(obj_obj(owned, "data"), BUNDLE_KEY);
    if (str_is_empty(bundle))
        return file_exists(path) ? dir_remove(path, err) : 0;
    if (file_read(path, BUNDLE_MAX, &there, NULL, &ignored) == 0 && str_eq(there, bundle))
        return 0;
    return file_write(path, bundle, strlen(bundle), 0600, err);
}

/* Publishes our authority under KubeVirt's name, for the administrators of other homes. */
static int publish_trust(struct live *live, struct error **err)
{
    struct kube_client *client = live->agent->client;
    CLEANUP(str) char *path = path_join(live->folder, "ca.crt");
    CLEANUP(str) char *text = NULL;
    json_t *there = NULL;

    if (file_read(path, BUNDLE_MAX, &text, NULL, err) == -1 ||
        kube_get(client, &KIND_CONFIG_MAP, TRUST_NAMESPACE, OWN_CA_MAP, &there, err) == -1)
        return -1;
    json_auto_t *owned = there;
    if (str_eq(obj_map_str(obj_obj(owned, "data"), BUNDLE_KEY), text))
        return 0;
    json_auto_t *ns = meta_new(&KIND_NAMESPACE, NULL, TRUST_NAMESPACE);
    if (kube_create(client, &KIND_NAMESPACE, NULL, ns, NULL, err) == -1) {
        if ((*err)->code != ERROR_EXISTS)
            return -1;
        error_clear(err);
    }
    json_auto_t *data = obj_pack("{s:{s:s}}", "data", BUNDLE_KEY, text);
    if (owned != NULL)
        return kube_patch(client, &KIND_CONFIG_MAP, TRUST_NAMESPACE, OWN_CA_MAP, NULL, data, NULL, err);
    json_auto_t *map = meta_new(&KIND_CONFIG_MAP, TRUST_NAMESPACE, OWN_CA_MAP);
    json_object_update(map, data);
    return kube_create(client, &KIND_CONFIG_MAP, TRUST_NAMESPACE, map, NULL, err);
}

/* --- the controller -------------------------------------------------------------------------------------- */

static int reconcile(void *arg, const char *ns, const char *name, struct cancel *cancel,
                     struct reconcile_result *result, struct error **err)
{
    struct live *live = arg;
    json_t *vmim = NULL;

    /* not from the cache: each step is decided by what is stored */
    if (kube_get(live->agent->client, &KIND_VMIM, ns, name, &vmim, err) == -1)
        return -1;
    json_auto_t *owned = vmim;
    if (owned == NULL)
        return 0;
    if (obj_obj(owned, "spec.sendTo") != NULL)
        return live_send_reconcile(live, owned, result, err);
    if (obj_obj(owned, "spec.receive") != NULL)
        return live_receive_reconcile(live, owned, result, err);
    if (obj_str(owned, "status.phase", NULL) != NULL)
        return 0;
    CLEANUP(error) struct error *why = NULL;
    error_set(&why, ERROR_UNSUPPORTED,
              "this home is one node: a machine moves to another with spec.sendTo here and "
              "spec.receive there");
    CLEANUP(str) char *text = error_format(why);
    return live_write(live, owned, NULL, "Failed",
                      obj_pack("{s:b,s:s}", "failed", true, "failureReason", text), NULL, err);
}

/* An instance that changes wakes the migrations that concern it. */
static void on_instance(struct controller *controller, const json_t *vmi, void *arg)
{
    struct live *live = arg;
    json_auto_t *list = kube_cache_list(live->agent->migrations, meta_ns(vmi), NULL);
    const json_t *vmim;
    size_t i;

    json_array_foreach(list, i, vmim)
        if (str_eq(obj_str(vmim, "spec.vmiName", ""), meta_name(vmi)))
            controller_add(controller, meta_ns(vmim), meta_name(vmim));
}

static int start_hooks(struct live *live, struct error **err)
{
    CLEANUP(str) char *run = xasprintf("%s/libvirt/run", live->agent->dir);

    if (dir_make(run, 0755, err) == -1 || dir_make(live->run_dir, 0700, err) == -1)
        return -1;
    live->run_fd = open(live->run_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (live->run_fd == -1)
        return error_sys(err, errno, "cannot open \"%s\"", live->run_dir);
    CLEANUP(str) char *socket = xasprintf("/proc/self/fd/%d/" LIBVIRT_HOOK_SOCKET, live->run_fd);
    const struct hook_server_options options = {
        .socket_path = socket, .find = live_receive_facts, .hooks = live_receive_hooks, .arg = live};
    return hook_server_start(&options, &live->hooks, err);
}

static char *identity_folder(const char *dir)
{
    return path_join(dir, "migration");
}

int live_prepare(const char *dir, struct error **err)
{
    CLEANUP(str) char *folder = identity_folder(dir);

    return live_identity_make(folder, err);
}

int live_start(const struct live_options *options, struct live **out, struct error **err)
{
    CLEANUP(live) struct live *live = xcalloc(1, sizeof(*live));
    struct controller_spec spec = {
        .name = "live-migrations", .workers = WORKERS, .reconcile = reconcile, .arg = live};

    live->agent = options->agent;
    live->hypervisor = options->hypervisor;
    live->folder = identity_folder(live->agent->dir);
    live->run_dir = xasprintf("%s/libvirt/run/gantry", live->agent->dir);
    live->run_fd = -1;
    live->relays = live_relays_new();
    pthread_mutex_init(&live->departures_lock, NULL);
    pthread_mutex_init(&live->arrivals_lock, NULL);
    cond_init(&live->arrivals_changed);
    live->controller = controller_new(&spec);
    controller_watch(live->controller, live->agent->migrations);
    controller_watch_map(live->controller, live->agent->instances, on_instance, live);
    if (live_identity_make(live->folder, err) == -1 || publish_trust(live, err) == -1 ||
        start_hooks(live, err) == -1 || live_server_start(live, options->listen, err) == -1 ||
        controller_start(live->controller, err) == -1)
        return error_wrap(err, "live migration");
    *out = steal(&live);
    return 0;
}

void live_stop(struct live *live)
{
    if (live == NULL)
        return;
    controller_stop(live->controller);
    live_server_stop(live);
    live_send_stop(live);
    hook_server_stop(live->hooks);
    live_relays_free(live->relays);
    controller_free(live->controller);
    for (size_t i = 0; i < live->arrivals.len; i++) {
        struct arrival *arrival = live->arrivals.ptr[i];

        free(arrival->migration_id);
        free(arrival->id);
        free(arrival->ns);
        free(arrival->domain);
        free(arrival->facts);
        free(arrival);
    }
    arrival_list_reset(&live->arrivals);
    departure_list_reset(&live->departures);
    str_list_free_all(&live->busy);
    str_list_free_all(&live->urls);
    pthread_mutex_destroy(&live->departures_lock);
    pthread_mutex_destroy(&live->arrivals_lock);
    pthread_cond_destroy(&live->arrivals_changed);
    cleanup_fd(&live->run_fd);
    free(live->folder);
    free(live->run_dir);
    free(live);
}
