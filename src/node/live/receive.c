/* The target of a live migration.
 *
 *     Pending          until the instance waits for a machine
 *     WaitingForSync   the addresses to dial are in status.synchronizationAddresses
 *     TargetReady      the source has asked, everything is prepared, streams may come
 *     Succeeded        the source has said that its machine is off, and ours goes on
 *     Failed           the source has said that it keeps the machine
 *
 * A machine that has come and waits is neither started nor removed here without the source's word: only
 * the source knows whether its own is off. */
#define LOG_COMPONENT "live"

#include "base/error.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/time.h"
#include "hook/premigration/facts.h"
#include "hook/premigration/user_hooks.h"
#include "kube/kinds.h"
#include "kube/meta.h"
#include "node/agent.h"
#include "node/domain.h"
#include "node/hypervisor.h"
#include "node/hypervisor_live.h"
#include "node/live/channel.h"
#include "node/live/internal.h"
#include "node/live/message.h"
#include "node/live/relay.h"
#include "node/live/state.h"
#include "node/machine_resources.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    LOOK_MS = 5000,
    BUSY_MS = 5000,
    BUSY_AGAIN_MS = 200,
    IDLE_MS = 60000, /* a prepared migration without streams is forgotten after so long */
    GONE_MS = 10000,
    GONE_AGAIN_MS = 100,
};

#define HOOKS_FOLDER "premigration.d"
#define HOOK_LABEL   "gantry.local/premigration-hook=true"

static const char *const stream_names[] = {"virt", "data", "nbd"};

/* --- those who come ------------------------------------------------------------------------------- */

static bool is_of(const struct arrival *arrival, const char *migration_id, const char *domain)
{
    return (migration_id != NULL && str_eq(arrival->migration_id, migration_id)) ||
           (domain != NULL && str_eq(arrival->domain, domain));
}

static void arrival_free(struct arrival *arrival)
{
    free(arrival->migration_id);
    free(arrival->id);
    free(arrival->ns);
    free(arrival->domain);
    free(arrival->facts);
    free(arrival);
}

/* The sockets' name of the arrival, owned by the caller, or NULL. */
static char *arrival_id(struct live *live, const char *migration_id, int64_t *prepared_ms)
{
    LOCK_SCOPE(&live->arrivals_lock);
    for (size_t i = 0; i < live->arrivals.len; i++) {
        const struct arrival *arrival = live->arrivals.ptr[i];

        if (!is_of(arrival, migration_id, NULL))
            continue;
        if (prepared_ms != NULL)
            *prepared_ms = arrival->prepared_ms;
        return xstrdup(arrival->id);
    }
    return NULL;
}

/* Lets no further streams in and ends those there are. */
static void arrival_end(struct live *live, const char *migration_id)
{
    struct arrival *found = NULL;

    pthread_mutex_lock(&live->arrivals_lock);
    for (size_t i = 0; i < live->arrivals.len && found == NULL; i++) {
        if (!is_of(live->arrivals.ptr[i], migration_id, NULL))
            continue;
        found = live->arrivals.ptr[i];
        live->arrivals.ptr[i] = live->arrivals.ptr[--live->arrivals.len];
    }
    pthread_mutex_unlock(&live->arrivals_lock);
    if (found == NULL)
        return;
    live_relays_stop(live->relays, found->id);
    for (size_t i = 0; i < sizeof(stream_names) / sizeof(stream_names[0]); i++) {
        CLEANUP(str) char *name = xasprintf("%s.%s", found->id, stream_names[i]);

        unlinkat(live->run_fd, name, 0);
    }
    arrival_free(found);
}

static bool is_busy(const struct live *live, const char *migration_id)
{
    for (size_t i = 0; i < live->busy.len; i++)
        if (str_eq(live->busy.ptr[i], migration_id))
            return true;
    return false;
}

/* One question about a migration is answered at a time, and its object is looked at between them.
 * False if somebody else is at work on it until the deadline. */
static bool busy_take(struct live *live, const char *migration_id, struct deadline deadline)
{
    LOCK_SCOPE(&live->arrivals_lock);
    while (is_busy(live, migration_id))
        if (!cond_wait(&live->arrivals_changed, &live->arrivals_lock, deadline))
            return false;
    str_list_push(&live->busy, xstrdup(migration_id));
    return true;
}

static void busy_release(struct live *live, const char *migration_id)
{
    LOCK_SCOPE(&live->arrivals_lock);
    for (size_t i = 0; i < live->busy.len; i++)
        if (str_eq(live->busy.ptr[i], migration_id)) {
            free(live->busy.ptr[i]);
            live->busy.ptr[i] = live->busy.ptr[--live->busy.len];
            break;
        }
    pthread_cond_broadcast(&live->arrivals_changed);
}

int live_receive_stream(struct live *live, const char *migration_id, const char *channel, char **id,
                        struct error **err)
{
    CLEANUP(str) char *found = arrival_id(live, migration_id, NULL);
    int fd;

    if (found == NULL)
        return error_set(err, ERROR_NOT_FOUND, "migration \"%s\" is not prepared", migration_id);
    if (str_eq(channel, "virt")) {
        CLEANUP(str) char *path = path_join(live->run_dir, "../libvirt");
        CLEANUP(fd) int dir_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

        fd = dir_fd == -1 ? error_sys(err, errno, "cannot open \"%s\"", path)
                          : live_connect_in(dir_fd, "libvirt-sock", err);
    } else if (str_eq(channel, "data") || str_eq(channel, "nbd")) {
        CLEANUP(str) char *name = xasprintf("%s.%s", found, channel);

        fd = live_connect_in(live->run_fd, name, err);
    } else {
        return error_set(err, ERROR_INVALID, "unknown channel \"%s\"", channel);
    }
    if (fd != -1)
        *id = steal(&found);
    return fd;
}

/* --- the hooks' side -------------------------------------------------------------------------------- */

int live_receive_facts(void *arg, const char *uuid, const char *name, struct facts **out,
                       struct error **err)
{
    struct live *live = arg;
    CLEANUP(str) char *text = NULL;

    pthread_mutex_lock(&live->arrivals_lock);
    for (size_t i = 0; i < live->arrivals.len && text == NULL; i++)
        if (is_of(live->arrivals.ptr[i], NULL, name))
            text = xstrdup(live->arrivals.ptr[i]->facts);
    pthread_mutex_unlock(&live->arrivals_lock);
    if (text == NULL)
        return error_set(err, ERROR_NOT_FOUND, "machine \"%s\" (%s) is not expected here",
                         name == NULL ? "?" : name, uuid == NULL ? "no uuid" : uuid);
    return facts_parse(text, strlen(text), out, err);
}

/* The hooks in the folder premigration.d of this home, and those in ConfigMaps of the machine's
 * namespace that are labelled so. */
int live_receive_hooks(void *arg, const struct facts *facts, struct user_hooks **out,
                       struct error **err)
{
    struct live *live = arg;
    CLEANUP(str) char *dir = path_join(live->agent->dir, HOOKS_FOLDER);
    const struct kube_list_options labelled = {.label_selector = HOOK_LABEL};
    struct user_hooks *loaded = NULL;
    json_t *maps = NULL;

    if (user_hooks_load(file_exists(dir) ? dir : NULL, &loaded, err) == -1)
        return -1;
    CLEANUP(user_hooks) struct user_hooks *hooks = loaded;
    if (kube_list(live->agent->client, &KIND_CONFIG_MAP, facts->ns, &labelled, &maps, err) == -1)
        return error_wrap(err, "hooks in ConfigMaps");
    json_auto_t *owned = maps;
    const json_t *map;
    json_t *text;
    const char *key;
    size_t i;
    json_array_foreach(owned, i, map)
    {
        json_object_foreach(obj_obj(map, "data"), key, text)
        {
            CLEANUP(str) char *name = xasprintf("%s/%s", meta_name(map), key);
            const char *content = json_string_value(text);

            if (user_hooks_add(hooks, name, content, strlen(content), err) == -1)
                return -1;
        }
    }
    *out = steal(&hooks);
    return 0;
}

/* --- what the source asks ---------------------------------------------------------------------------- */

/* The receiving migration of that ID; *OUT is the caller's. */
static int find_migration(struct live *live, const char *migration_id, json_t **out,
                          struct error **err)
{
    json_auto_t *list = kube_cache_list(live->agent->migrations, NULL, NULL);
    const json_t *entry;
    size_t i;

    json_array_foreach(list, i, entry)
    {
        json_t *vmim = NULL;

        if (!str_eq(obj_str(entry, "spec.receive.migrationID", NULL), migration_id))
            continue;
        if (kube_get(live->agent->client, &KIND_VMIM, meta_ns(entry), meta_name(entry), &vmim, err) == -1)
            return -1;
        if (vmim == NULL || !str_eq(meta_uid(vmim), meta_uid(entry))) {
            json_decref(vmim);
            continue;
        }
        *out = vmim;
        return 0;
    }
    return error_set(err, ERROR_NOT_FOUND, "no migration \"%s\" is expected here", migration_id);
}

static int get_instance(struct live *live, const json_t *vmim, json_t **out, struct error **err)
{
    const char *name = obj_str(vmim, "spec.vmiName", "");

    if (kube_get(live->agent->client, &KIND_VMI, meta_ns(vmim), name, out, err) == -1)
        return -1;
    return *out != NULL ? 0
                        : error_set(err, ERROR_UNAVAILABLE, "there is no instance \"%s\"", name);
}

/* The guest keeps its UUID over later restarts here. */
static int keep_uuid(struct live *live, const json_t *vmi, const char *uuid, struct error **err)
{
    const json_t *owner = meta_controller_of(vmi);
    json_auto_t *patch = obj_pack("{s:{s:{s:{s:{s:{s:s}}}}}}", "spec", "template", "spec", "domain",
                                  "firmware", "uuid", uuid);

    if (!str_is_empty(obj_str(vmi, "spec.domain.firmware.uuid", NULL)) || owner == NULL ||
        !str_eq(obj_str(owner, "kind", ""), "VirtualMachine"))
        return 0;
    return kube_patch(live->agent->client, &KIND_VM, meta_ns(vmi), obj_str(owner, "name", ""), NULL,
                      patch, NULL, err);
}

static void arrival_add(struct live *live, const char *migration_id, const char *id, const json_t *vmi,
                        const char *domain, const json_t *facts)
{
    struct arrival *arrival = xcalloc(1, sizeof(*arrival));

    *arrival = (struct arrival){.migration_id = xstrdup(migration_id),
                                .id = xstrdup(id),
                                .ns = xstrdup(meta_ns(vmi)),
                                .domain = xstrdup(domain),
                                .facts = obj_format(facts),
                                .prepared_ms = time_mono_ms()};
    LOCK_SCOPE(&live->arrivals_lock);
    arrival_list_push(&live->arrivals, arrival);
}

/* Whether this home is ready for the machine, in the order from cheap to dear. */
static int check_readiness(struct live *live, const json_t *vmim, const json_t *vmi,
                           const char *domain, const json_t *question, struct error **err)
{
    struct live_look look;

    if (meta_is_deleting(vmim))
        return error_set(err, ERROR_CANCELED, "canceled at the target");
    if (!live_is_receiver(vmi) || !str_eq(obj_str(vmi, "status.phase", ""), LIVE_RECEIVER_PHASE))
        return error_set(err, ERROR_UNAVAILABLE, "instance \"%s\" is not yet waiting for a machine",
                         meta_name(vmi));
    if (hypervisor_live_look(live->hypervisor, domain, &look, err) == -1)
        return -1;
    if (look.active)
        return error_set(err, ERROR_BUSY, "machine \"%s\" of an earlier try is still here", domain);
    if (look.defined && hypervisor_remove(live->hypervisor, domain, err) == -1)
        return -1;
    if (hypervisor_live_hook(live->hypervisor, err) == -1)
        return -1;
    return hypervisor_live_accept(live->hypervisor, MACHINE_EMULATOR, obj_obj(question, "machine"), err);
}

/* postCopy says whether it works here, postCopyReason why not. */
static void tell_post_copy(json_t *answer)
{
    CLEANUP(error) struct error *why = NULL;
    bool works = live_arrival_post_copy(&why) == 0;

    obj_put_bool(answer, "postCopy", works);
    if (!works) {
        CLEANUP(str) char *text = error_format(why);

        obj_put_str(answer, "postCopyReason", text);
    }
}

/* Without its hooks this home cannot take a machine: only they know where its disks are here. */
static int check_gate(struct live *live, struct error **err)
{
    bool on = true;

    if (live_gate(live->agent, &on, err) == -1)
        return -1;
    if (on)
        return 0;
    error_set(err, ERROR_UNSUPPORTED,
              "feature gate LibvirtHooksServerAndClient is off here: nobody would edit the machine's definition");
    return error_hint(err, "take it out of the KubeVirt object's disabledFeatureGates");
}

static int prepare(struct live *live, const json_t *vmim, const json_t *question, json_t **answer,
                   struct error **err)
{
    const char *migration_id = obj_str(vmim, "spec.receive.migrationID", "");
    json_t *vmi = NULL, *facts = NULL, *copied = NULL;

    if (live_question_check(question, err) == -1 || get_instance(live, vmim, &vmi, err) == -1)
        return -1;
    json_auto_t *owned = vmi;
    CLEANUP(str) char *domain = domain_name(owned);
    arrival_end(live, migration_id); /* of an earlier try */
    if (check_gate(live, err) == -1 ||
        check_readiness(live, vmim, owned, domain, question, err) == -1 ||
        live_arrival_gather(live, owned, question, &facts, &copied, err) == -1)
        return -1;
    json_auto_t *owned_facts = facts;
    json_auto_t *owned_copied = copied;
    if (keep_uuid(live, owned, obj_str(question, "machine.uuid", ""), err) == -1)
        return -1;
    json_t *state = obj_pack(
        "{s:s,s:s,s:s,s:b,s:b,s:o,s:{s:s,s:s,s:s,s:s},s:{s:s,s:s,s:s,s:s,s:s}}", "migrationUid",
        meta_uid(vmim), "sourceNode", obj_str(question, "node", ""), "targetNode", live->agent->name,
        "completed", false, "failed", false, "startTimestamp", agent_time(time_now_ms()), "sourceState",
        "node", obj_str(question, "node", ""), "domainName", obj_str(question, "domain", ""),
        "domainNamespace", obj_str(question, "namespace", ""), "virtualMachineInstanceUID",
        obj_str(question, "vmiUID", ""), "targetState", "node", live->agent->name, "domainName", domain,
        "domainNamespace", meta_ns(owned), "virtualMachineInstanceUID", meta_uid(owned), "migrationUID",
        meta_uid(vmim));
    if (live_write(live, vmim, owned, "TargetReady", state,
                   live_condition(vmim, "Ready", true, "TargetReady", NULL), err) == -1)
        return -1;
    arrival_add(live, migration_id, obj_str(question, "id", ""), owned, domain, owned_facts);
    *answer = obj_pack("{s:s,s:s,s:s,s:s,s:O}", "node", live->agent->name, "domain", domain, "namespace",
                       meta_ns(owned), "vmiUID", meta_uid(owned), "copied", owned_copied);
    tell_post_copy(*answer);
    return 0;
}

/* The strategy that the machine's user had wanted for it. */
static int restore_strategy(struct live *live, const json_t *vmi, struct error **err)
{
    const json_t *owner = meta_controller_of(vmi);
    json_t *vm = NULL;

    if (owner == NULL || !str_eq(obj_str(owner, "kind", ""), "VirtualMachine"))
        return 0;
    if (kube_get(live->agent->client, &KIND_VM, meta_ns(vmi), obj_str(owner, "name", ""), &vm, err) == -1)
        return -1;
    json_auto_t *owned = vm;
    if (owned == NULL || !str_eq(obj_str(owned, "spec.runStrategy", ""), LIVE_RECEIVER_STRATEGY))
        return 0;
    const char *wanted = meta_annotation(owned, LIVE_STRATEGY_ANNOTATION);
    json_auto_t *patch = obj_pack("{s:{s:{s:n}},s:{s:s}}", "metadata", "annotations",
                                  LIVE_STRATEGY_ANNOTATION, "spec", "runStrategy",
                                  str_is_empty(wanted) ? "Always" : wanted);
    return kube_patch(live->agent->client, &KIND_VM, meta_ns(owned), meta_name(owned), NULL, patch, NULL,
                      err);
}

static int become_running(struct live *live, const json_t *vmim, const json_t *vmi,
                          struct error **err)
{
    json_auto_t *patch = obj_pack(
        "{s:{s:s,s:{s:n}},s:{s:s,s:{s:s,s:b,s:b,s:o,s:b,s:o}}}", "metadata", "uid", meta_uid(vmi),
        "annotations", LIVE_RECEIVER_ANNOTATION, "status", "phase", "Running", "migrationState",
        "migrationUid", meta_uid(vmim), "completed", true, "failed", false, "endTimestamp",
        agent_time(time_now_ms()), "targetNodeDomainDetected", true, "targetNodeDomainReadyTimestamp",
        agent_time(time_now_ms()));

    return kube_patch(live->agent->client, &KIND_VMI, meta_ns(vmi), meta_name(vmi), NULL, patch, NULL,
                      err);
}

/* The source's machine is off: ours goes on.  Each step may be repeated. */
static int go(struct live *live, const json_t *vmim, const json_t *question, json_t **answer,
              struct error **err)
{
    const char *phase = obj_str(vmim, "status.phase", "");
    json_t *vmi = NULL;
    bool edited = false;

    if (str_eq(phase, "Failed"))
        return error_set(err, ERROR_CONFLICT, "the migration has failed here");
    if (str_eq(phase, "Succeeded")) {
        *answer = obj_pack("{s:b}", "edited", true);
        return 0;
    }
    if (get_instance(live, vmim, &vmi, err) == -1) {
        if ((*err)->code == ERROR_UNAVAILABLE)
            (*err)->code = ERROR_NOT_FOUND; /* its user has removed it, and the machine with it */
        return -1;
    }
    json_auto_t *owned = vmi;
    CLEANUP(str) char *domain = domain_name(owned);
    arrival_end(live, obj_str(vmim, "spec.receive.migrationID", ""));
    if (fault("live.before-landing"))
        return error_set(err, ERROR_UNAVAILABLE, "cannot land");
    if (hypervisor_live_land(live->hypervisor, domain, obj_bool(question, "resume", true), &edited,
                             err) == -1)
        return -1;
    if (fault("live.after-landing"))
        return error_set(err, ERROR_UNAVAILABLE, "cannot land");
    if (become_running(live, vmim, owned, err) == -1 || restore_strategy(live, owned, err) == -1)
        return -1;
    agent_event(live->agent, &KIND_VMI, owned, false, "Migrated",
                "The VirtualMachineInstance migrated to node %s.", live->agent->name);
    json_t *state = obj_pack("{s:b,s:b,s:o}", "completed", true, "failed", false, "endTimestamp",
                             agent_time(time_now_ms()));
    if (live_write(live, vmim, NULL, "Succeeded", state, NULL, err) == -1)
        return -1;
    *answer = obj_pack("{s:b}", "edited", edited);
    return 0;
}

/* Removes what has come, also what libvirt is still at work on. */
static int remove_arrival(struct live *live, const char *domain, struct error **err)
{
    struct deadline deadline = deadline_after(GONE_MS);
    struct live_look look = {0};

    while (!deadline_is_over(deadline)) {
        CLEANUP(error) struct error *again = NULL; /* libvirt removes it itself at the same time */

        if (hypervisor_live_look(live->hypervisor, domain, &look, err) == -1)
            return -1;
        if (!look.defined && !look.active)
            return 0;
        hypervisor_remove(live->hypervisor, domain, &again);
        usleep(GONE_AGAIN_MS * 1000);
    }
    return error_set(err, ERROR_TIMEOUT, "machine \"%s\" cannot be removed", domain);
}

static int abort_arrival(struct live *live, const json_t *vmim, const json_t *question, json_t **answer,
                         struct error **err)
{
    CLEANUP(str) char *domain = xasprintf("%s_%s", meta_ns(vmim), obj_str(vmim, "spec.vmiName", ""));
    const char *phase = obj_str(vmim, "status.phase", "");
    json_t *vmi = NULL;

    if (str_eq(phase, "Succeeded"))
        return error_set(err, ERROR_CONFLICT, "the machine runs here");
    *answer = json_object();
    if (str_eq(phase, "Failed"))
        return 0;
    arrival_end(live, obj_str(vmim, "spec.receive.migrationID", ""));
    if (kube_get(live->agent->client, &KIND_VMI, meta_ns(vmim), obj_str(vmim, "spec.vmiName", ""), &vmi,
                 err) == -1)
        return -1;
    json_auto_t *owned = vmi;
    /* never a machine that is not ours to remove */
    if (owned != NULL && live_is_receiver(owned) && remove_arrival(live, domain, err) == -1)
        return -1;
    const char *reason = obj_str(question, "reason", "the source gave no reason");
    return live_write(live, vmim, owned, "Failed",
                      obj_pack("{s:b,s:b,s:o,s:s}", "completed", false, "failed", true, "endTimestamp",
                               agent_time(time_now_ms()), "failureReason", reason),
                      NULL, err);
}

static const struct {
    const char *name; /* on the wire: never rename */
    int (*run)(struct live *live, const json_t *vmim, const json_t *question, json_t **answer,
               struct error **err);
} questions[] = {{"prepare", prepare}, {"go", go}, {"abort", abort_arrival}};

static int answer_one(struct live *live, const char *migration_id, const json_t *question,
                      json_t **answer, struct error **err)
{
    const char *name = obj_str(question, "ask", "");
    json_t *vmim = NULL;

    if (find_migration(live, migration_id, &vmim, err) == -1)
        return -1;
    json_auto_t *owned = vmim;
    for (size_t i = 0; i < sizeof(questions) / sizeof(questions[0]); i++)
        if (str_eq(questions[i].name, name))
            return questions[i].run(live, owned, question, answer, err);
    return error_set(err, ERROR_INVALID, "unknown question \"%s\"", name);
}

json_t *live_receive_answer(struct live *live, const char *migration_id, const json_t *question)
{
    CLEANUP(error) struct error *err = NULL;
    json_t *answer = NULL;

    int result = -1;
    if (busy_take(live, migration_id, deadline_after(BUSY_MS))) {
        result = answer_one(live, migration_id, question, &answer, &err);
        busy_release(live, migration_id);
    } else {
        error_set(&err, ERROR_BUSY, "an earlier question is still being answered");
    }
    if (result == 0)
        return answer;
    json_decref(answer);
    CLEANUP(str) char *text = error_format(err);
    log_info("question refused: ask=%s migration=%s reason=%s", obj_str(question, "ask", "?"),
             migration_id, text);
    answer = obj_pack("{s:s}", "code", error_code_name(err->code));
    obj_take(answer, "error", obj_new_str(text));
    return answer;
}

/* --- the object ---------------------------------------------------------------------------------------- */

static int show_addresses(struct live *live, const json_t *vmim, const json_t *vmi, struct error **err)
{
    bool waits = live_is_receiver(vmi) && str_eq(obj_str(vmi, "status.phase", ""), LIVE_RECEIVER_PHASE);
    json_auto_t *status = obj_pack("{s:[]}", "synchronizationAddresses");

    if (!waits)
        return str_eq(obj_str(vmim, "status.phase", ""), "Pending")
                   ? 0
                   : live_write(live, vmim, NULL, "Pending", NULL, NULL, err);
    for (size_t i = 0; i < live->urls.len; i++)
        obj_take(status, "synchronizationAddresses[]", obj_new_str(live->urls.ptr[i]));
    if (live_refresh_trust(live, err) == -1 ||
        agent_patch_status(live->agent, &KIND_VMIM, vmim, status, err) == -1)
        return -1;
    return live_write(live, vmim, NULL, LIVE_RECEIVER_PHASE, NULL, NULL, err);
}

/* Prepared, and nobody comes: the source may begin anew. */
static int watch_prepared(struct live *live, const json_t *vmim, const char *domain,
                          struct reconcile_result *result, struct error **err)
{
    const char *migration_id = obj_str(vmim, "spec.receive.migrationID", "");
    int64_t prepared_ms = 0;
    CLEANUP(str) char *id = arrival_id(live, migration_id, &prepared_ms);
    struct live_look look;

    result->again_after_ms = LOOK_MS;
    if (hypervisor_live_look(live->hypervisor, domain, &look, err) == -1)
        return -1;
    if (look.active || (id != NULL && (live_relays_count(live->relays, id) > 0 ||
                                       time_mono_ms() - prepared_ms < IDLE_MS)))
        return 0;
    arrival_end(live, migration_id);
    return live_write(live, vmim, NULL, LIVE_RECEIVER_PHASE, NULL, NULL, err);
}

/* Deleted: what has come stays until the source has said whose it is. */
static int cancel(struct live *live, const json_t *vmim, const char *domain,
                  struct reconcile_result *result, struct error **err)
{
    const char *phase = obj_str(vmim, "status.phase", "");
    struct live_look look;

    if (!str_eq(phase, "Succeeded") && !str_eq(phase, "Failed")) {
        CLEANUP(error) struct error *why = NULL;

        arrival_end(live, obj_str(vmim, "spec.receive.migrationID", ""));
        if (hypervisor_was_used(live->hypervisor)) {
            if (hypervisor_live_look(live->hypervisor, domain, &look, err) == -1)
                return -1;
            if (look.active && str_eq(phase, "TargetReady")) {
                error_set(&why, ERROR_BUSY, "the source has not yet said who keeps the machine");
                result->again_after_ms = LOOK_MS;
                return live_write(live, vmim, NULL, NULL, NULL,
                                  live_condition(vmim, "Ready", false, "WaitsForSource", why), err);
            }
        }
    }
    return live_remove_finalizer(live, vmim, err);
}

static int reconcile(struct live *live, const json_t *vmim, struct reconcile_result *result,
                     struct error **err)
{
    const char *phase = obj_str(vmim, "status.phase", "");
    CLEANUP(str) char *domain = xasprintf("%s_%s", meta_ns(vmim), obj_str(vmim, "spec.vmiName", ""));
    json_t *vmi = NULL;

    if (meta_is_deleting(vmim))
        return cancel(live, vmim, domain, result, err);
    if (str_eq(phase, "Succeeded") || str_eq(phase, "Failed"))
        return 0;
    if (live_add_finalizer(live, vmim, err) == -1)
        return -1;
    if (str_eq(phase, "TargetReady"))
        return watch_prepared(live, vmim, domain, result, err);
    if (kube_get(live->agent->client, &KIND_VMI, meta_ns(vmim), obj_str(vmim, "spec.vmiName", ""), &vmi,
                 err) == -1)
        return -1;
    json_auto_t *owned = vmi;
    result->again_after_ms = LOOK_MS; /* addresses and trust may change */
    return show_addresses(live, vmim, owned, err);
}

int live_receive_reconcile(struct live *live, const json_t *vmim, struct reconcile_result *result,
                           struct error **err)
{
    const char *migration_id = obj_str(vmim, "spec.receive.migrationID", "");
    json_t *fresh = NULL;

    if (!busy_take(live, migration_id, deadline_after(0))) {
        result->again_after_ms = BUSY_AGAIN_MS;
        return 0;
    }
    /* what was read before may be older than an answer that was given meanwhile */
    int done = kube_get(live->agent->client, &KIND_VMIM, meta_ns(vmim), meta_name(vmim), &fresh, err);
    if (done == 0 && fresh != NULL)
        done = reconcile(live, fresh, result, err);
    json_decref(fresh);
    busy_release(live, migration_id);
    return done;
}
