#define LOG_COMPONENT "live"

#include "node/live/departure.h"

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/time.h"
#include "kube/kinds.h"
#include "kube/meta.h"
#include "kube/quantity.h"
#include "node/agent.h"
#include "node/domain.h"
#include "node/hypervisor.h"
#include "node/hypervisor_live.h"
#include "node/live/internal.h"
#include "node/live/message.h"
#include "node/live/relay.h"
#include "node/machine_resources.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BOOT_ID "/proc/sys/kernel/random/boot_id"

enum {
    NOTE_MS = 1000,
    DEFAULT_TIMEOUT_S = 150, /* KubeVirt's: a GiB, and without progress */
};

struct departure {
    struct live *live;
    char *uid, *ns, *name; /* of the VirtualMachineInstanceMigration */
    char *domain, *url, *migration_id;
    json_t *plan;   /* the target's answer */
    json_t *policy; /* status.migrationState.migrationConfiguration */
    struct thread thread;
    struct live_gate *gate;
    int64_t started_ms, moved_ms, noted_ms; /* since when; when data last moved; when that was shown */
    int64_t least_remaining;
    bool post_copy;
    char *verdict;       /* why we ended it, or NULL */
    bool is_over;        /* guarded by the list's lock, as the next */
    struct error *error; /* libvirt's; NULL: it says it went well */
};

/* --- what the target is told -------------------------------------------------------------------- */

static void measure(json_t *disk)
{
    CLEANUP(fd) int fd = open(obj_str(disk, "path", ""), O_RDONLY | O_CLOEXEC);
    struct stat st;

    if (fd == -1 || fstat(fd, &st) == -1)
        return; /* the target refuses what has no size */
    off_t end = lseek(fd, 0, SEEK_END);
    obj_put_int(disk, "sizeBytes", end == -1 ? st.st_size : end);
    obj_put_int(disk, "allocatedBytes", S_ISREG(st.st_mode) ? (int64_t)st.st_blocks * 512 : (int64_t)end);
    obj_put_int(disk, "device", (int64_t)(S_ISBLK(st.st_mode) ? st.st_rdev : st.st_dev));
    obj_put_int(disk, "inode", S_ISBLK(st.st_mode) ? 0 : (int64_t)st.st_ino);
}

void departure_measure_disks(json_t *machine)
{
    CLEANUP(str) char *boot = NULL;
    CLEANUP(error) struct error *ignored = NULL; /* then no disk is taken for shared */
    json_t *disk;
    size_t i;

    if (file_read(BOOT_ID, 64, &boot, NULL, &ignored) == 0)
        obj_put_str(machine, "bootID", boot);
    json_array_foreach(obj_arr(machine, "disks"), i, disk) measure(disk);
}

void departure_add_folder(struct live *live, const json_t *vmi, json_t *question)
{
    CLEANUP(str) char *dir = machine_dir(live->agent, vmi);

    obj_take(question, "folder", obj_new_str(dir));
}

/* --- the list ------------------------------------------------------------------------------------ */

struct departure *departure_find(struct live *live, const json_t *vmim)
{
    LOCK_SCOPE(&live->departures_lock);
    for (size_t i = 0; i < live->departures.len; i++)
        if (str_eq(live->departures.ptr[i]->uid, meta_uid(vmim)))
            return live->departures.ptr[i];
    return NULL;
}

static void departure_free(struct departure *departure)
{
    if (departure == NULL)
        return;
    live_gate_close(departure->gate); /* without its streams libvirt's call ends soon */
    thread_join(&departure->thread);
    json_decref(departure->plan);
    json_decref(departure->policy);
    error_free(departure->error);
    free(departure->verdict);
    free(departure->uid);
    free(departure->ns);
    free(departure->name);
    free(departure->domain);
    free(departure->url);
    free(departure->migration_id);
    free(departure);
}

/* Takes the one of UID (NULL: any) off the list. */
static struct departure *take(struct live *live, const char *uid)
{
    LOCK_SCOPE(&live->departures_lock);
    for (size_t i = 0; i < live->departures.len; i++) {
        struct departure *departure = live->departures.ptr[i];

        if (uid != NULL && !str_eq(departure->uid, uid))
            continue;
        live->departures.ptr[i] = live->departures.ptr[--live->departures.len];
        return departure;
    }
    return NULL;
}

void departure_forget(struct live *live, const json_t *vmim)
{
    departure_free(take(live, meta_uid(vmim)));
}

void live_send_stop(struct live *live)
{
    struct departure *departure;

    while ((departure = take(live, NULL)) != NULL)
        departure_free(departure);
}

void departure_plan(struct live *live, const json_t *vmim, const char *domain, const json_t *plan)
{
    struct departure *departure = xcalloc(1, sizeof(*departure));
    const json_t *policy = obj_obj(vmim, "status.migrationState.migrationConfiguration");

    departure_forget(live, vmim); /* of an earlier try */
    *departure = (struct departure){
        .live = live,
        .uid = xstrdup(meta_uid(vmim)),
        .ns = xstrdup(meta_ns(vmim)),
        .name = xstrdup(meta_name(vmim)),
        .domain = xstrdup(domain),
        .url = xstrdup(obj_str(vmim, "spec.sendTo.connectURL", "")),
        .migration_id = xstrdup(obj_str(vmim, "spec.sendTo.migrationID", "")),
        .plan = obj_copy(plan),
        .policy = policy == NULL ? json_object() : obj_copy(policy),
        .least_remaining = INT64_MAX,
    };
    LOCK_SCOPE(&live->departures_lock);
    departure_list_push(&live->departures, departure);
}

/* --- the migration -------------------------------------------------------------------------------- */

static uint64_t bandwidth_mib(const json_t *policy)
{
    const json_t *value = obj_at(policy, "bandwidthPerMigration");
    CLEANUP(error) struct error *ignored = NULL; /* the server has validated it */
    struct quantity quantity;
    uint64_t bytes = 0;

    if (value == NULL || quantity_from_json(value, &quantity, &ignored) == -1 ||
        quantity_to_u64(quantity, &bytes, &ignored) == -1 || bytes == 0)
        return 0;
    return bytes < (1 << 20) ? 1 : bytes >> 20;
}

/* The policy allows it and the target can. */
static bool may_post_copy(const struct departure *departure)
{
    return obj_bool(departure->policy, "allowPostCopy", false) &&
           obj_bool(departure->plan, "postCopy", false);
}

static void *departure_run(void *arg)
{
    struct departure *departure = arg;
    struct live *live = departure->live;
    const json_t *list = obj_arr(departure->plan, "copied"), *target;
    const char *copied[LIVE_DISKS_MAX + 1] = {NULL};
    struct error *error = NULL;
    size_t i;

    json_array_foreach(list, i, target)
        if (i < LIVE_DISKS_MAX)
            copied[i] = json_string_value(target);
    const struct live_order order = {
        .name = departure->domain,
        .dest_name = obj_str(departure->plan, "domain", ""),
        .id = departure->uid,
        .copied = copied,
        .bandwidth_mib = bandwidth_mib(departure->policy),
        .max_downtime_ms = (uint64_t)obj_int(departure->policy, "maxDowntimeMs", 0),
        .auto_converge = obj_bool(departure->policy, "allowAutoConverge", false),
        .post_copy = may_post_copy(departure),
    };
    hypervisor_live_migrate(live->hypervisor, &order, &error);
    if (error != NULL)
        log_warn_error(error, "live migration ended");

    pthread_mutex_lock(&live->departures_lock);
    departure->error = error;
    departure->is_over = true;
    pthread_mutex_unlock(&live->departures_lock);
    controller_add(live->controller, departure->ns, departure->name);
    return NULL;
}

int departure_launch(struct live *live, const json_t *vmim, struct error **err)
{
    struct departure *departure = departure_find(live, vmim);
    const struct live_gate_options gate = {.relays = live->relays,
                                           .folder = live->folder,
                                           .url = departure->url,
                                           .migration_id = departure->migration_id,
                                           .id = departure->uid,
                                           .dir_fd = live->run_fd};

    departure->started_ms = departure->moved_ms = time_mono_ms();
    if (live_gate_open(&gate, &departure->gate, err) == 0 &&
        thread_start(&departure->thread, "live migration", departure_run, departure, err) == 0)
        return 0;
    /* nothing was begun: the next look finds the machine running here */
    departure->verdict = error_format(*err);
    return -1;
}

bool departure_is_over(struct departure *departure)
{
    LOCK_SCOPE(&departure->live->departures_lock);
    return departure->is_over || !departure->thread.started;
}

bool departure_get_error(struct departure *departure, struct error **why)
{
    LOCK_SCOPE(&departure->live->departures_lock);
    if (departure->verdict != NULL)
        error_set(why, ERROR_CANCELED, "%s", departure->verdict);
    else if (departure->error != NULL)
        error_set(why, departure->error->code, "%s", departure->error->msg);
    return *why != NULL;
}

static int end(struct departure *departure, const char *verdict, struct error **err)
{
    log_info("live migration is ended: name=%s/%s reason=%s", departure->ns, departure->name, verdict);
    if (departure->verdict == NULL)
        departure->verdict = xstrdup(verdict);
    return hypervisor_live_abort(departure->live->hypervisor, departure->domain, err);
}

int departure_cancel(struct departure *departure, struct error **err)
{
    return end(departure, "canceled", err);
}

void departure_note_progress(struct live *live, const json_t *vmim, const char *domain)
{
    CLEANUP(error) struct error *err = NULL;
    json_t *progress = NULL;

    int got = hypervisor_live_progress(live->hypervisor, domain, LIVE_JOB_ENDED, &progress, &err);
    json_auto_t *owned = progress;
    if (got == -1 || (owned != NULL && live_write(live, vmim, NULL, NULL,
                                                  obj_pack("{s:O}", "progress", owned), NULL, &err) == -1))
        log_warn_error(err, "progress not shown"); /* nothing depends on it */
}

/* Ends it, or lets the guest run at the target, once it has taken longer than the policy has patience. */
static int judge(struct departure *departure, const json_t *progress, struct error **err)
{
    const json_t *policy = departure->policy;
    int64_t now = time_mono_ms(), remaining = obj_int(progress, "dataRemaining", INT64_MAX);
    int64_t gib = 1 + (obj_int(progress, "dataTotal", 0) >> 30);
    int64_t whole_s = obj_int(policy, "completionTimeoutPerGiB", DEFAULT_TIMEOUT_S) * gib;
    int64_t stuck_s = obj_int(policy, "progressTimeout", DEFAULT_TIMEOUT_S);

    if (remaining < departure->least_remaining) {
        departure->least_remaining = remaining;
        departure->moved_ms = now;
    }
    if (departure->post_copy || departure->verdict != NULL)
        return 0;
    if (stuck_s > 0 && now - departure->moved_ms > stuck_s * 1000)
        return end(departure, "no progress for too long (progressTimeout)", err);
    if (whole_s <= 0 || now - departure->started_ms <= whole_s * 1000)
        return 0;
    if (!may_post_copy(departure))
        return end(departure, "it takes too long (completionTimeoutPerGiB)", err);
    departure->post_copy = true;
    return hypervisor_live_post_copy(departure->live->hypervisor, departure->domain, err);
}

int departure_follow(struct departure *departure, const json_t *vmim, struct error **err)
{
    struct live *live = departure->live;
    json_t *progress = NULL;

    if (hypervisor_live_progress(live->hypervisor, departure->domain, LIVE_JOB_NOW, &progress, err) ==
        -1)
        return -1;
    json_auto_t *owned = progress;
    if (owned == NULL)
        return 0;
    if (judge(departure, owned, err) == -1)
        return -1;
    if (time_mono_ms() - departure->noted_ms < NOTE_MS)
        return 0;
    departure->noted_ms = time_mono_ms();
    json_t *state = obj_pack("{s:s,s:O}", "mode", departure->post_copy ? "PostCopy" : "PreCopy",
                             "progress", owned);
    return live_write(live, vmim, NULL, NULL, state, NULL, err);
}

/* --- afterwards ------------------------------------------------------------------------------------ */

bool departure_was_paused(const json_t *vmi)
{
    const json_t *condition;
    size_t i;

    json_array_foreach(obj_arr(vmi, "status.conditions"), i, condition)
        if (str_eq(obj_str(condition, "type", ""), "Paused"))
            return str_eq(obj_str(condition, "status", ""), "True");
    return false;
}

int departure_resume(struct live *live, const json_t *vmim, const json_t *vmi, struct error **err)
{
    struct live_look look;

    if (vmi == NULL || !str_eq(obj_str(vmi, "status.migrationState.migrationUid", ""), meta_uid(vmim)))
        return 0;
    CLEANUP(str) char *domain = domain_name(vmi);
    if (hypervisor_live_look(live->hypervisor, domain, &look, err) == -1)
        return -1;
    if (!look.paused_by_migration || look.job)
        return 0;
    return hypervisor_pause(live->hypervisor, domain, false, err);
}
