#define LOG_COMPONENT "live"

#include "node/hypervisor_live.h"

#include "base/array.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/thread.h"
#include "base/time.h"
#include "data/dom.h"
#include "hook/premigration/chain.h"
#include "node/hypervisor_internal.h"
#include "node/libvirt_hook.h"
#include "node/libvirt_keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <libvirt/virterror.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    PID_MAX = 32,
    RELOAD_MS = 500, /* what libvirtd needs to look for hooks again */
    GUEST_XML_FLAGS = VIR_DOMAIN_XML_MIGRATABLE | VIR_DOMAIN_XML_SECURE,
};

/* --- what there is ------------------------------------------------------------------------------- */

/* PATH's attribute ATTR, or its text if that is NULL, put at KEY. */
static void put_value(json_t *out, const char *key, struct dom_node *node, const char *attr)
{
    CLEANUP(str) char *value = node == NULL ? NULL : attr == NULL ? dom_text(node)
                                                                  : dom_attr(node, attr);

    if (value != NULL)
        obj_take(out, key, obj_new_str(value));
}

static json_t *describe_disk(struct dom_node *disk)
{
    struct dom_node *source = dom_first(disk, "source"), *alias = dom_first(disk, "alias");
    CLEANUP(str) char *name = alias == NULL ? NULL : dom_attr(alias, "name");
    bool block = dom_attr_is(disk, "type", "block");
    json_t *out = obj_pack("{s:b,s:b}", "block", block, "readOnly",
                           dom_first(disk, "readonly") != NULL);

    obj_put_str(out, "name", name != NULL && str_starts_with(name, "ua-") ? name + 3 : name);
    put_value(out, "target", dom_first(disk, "target"), "dev");
    put_value(out, "path", source, block ? "dev" : "file");
    return out;
}

/* The host's own UUID and processor, from its capabilities. */
static int describe_host(virConnectPtr connection, json_t *out, struct error **err)
{
    char *text = virConnectGetCapabilities(connection);
    struct dom *parsed = NULL;
    unsigned long version = 0;

    if (text == NULL || virConnectGetVersion(connection, &version) == -1) {
        free(text);
        return hypervisor_fail(err, "ask the host of", "*");
    }
    int result = dom_parse(text, strlen(text), &parsed, err);
    free(text);
    if (result == -1)
        return error_wrap(err, "the host's capabilities");
    CLEANUP(dom) struct dom *dom = parsed;
    put_value(out, "hostUUID", dom_find(dom_root(dom), "host/uuid"), NULL);
    put_value(out, "hostCPU", dom_find(dom_root(dom), "host/cpu/model"), NULL);
    obj_put_int(out, "hypervisor", (int64_t)version);
    return 0;
}

static int describe(virDomainPtr domain, void *arg, const char *name, struct error **err)
{
    json_auto_t *out = obj_pack("{s:[]}", "disks");
    struct dom *parsed = NULL;

    if (virDomainIsActive(domain) != 1)
        return error_set(err, ERROR_CONFLICT, "machine \"%s\" does not run", name);
    char *text = virDomainGetXMLDesc(domain, VIR_DOMAIN_XML_MIGRATABLE);
    if (text == NULL)
        return hypervisor_fail(err, "describe", name);
    int result = dom_parse(text, strlen(text), &parsed, err);
    free(text);
    if (result == -1)
        return -1;
    CLEANUP(dom) struct dom *dom = parsed;
    struct dom_node *root = dom_root(dom), *type = dom_find(root, "os/type");
    struct dom_node *cpu = dom_first(root, "cpu");

    put_value(out, "uuid", dom_first(root, "uuid"), NULL);
    put_value(out, "type", root, "type");
    put_value(out, "arch", type, "arch");
    put_value(out, "machine", type, "machine");
    put_value(out, "memoryKiB", dom_first(root, "memory"), NULL);
    if (cpu != NULL) {
        CLEANUP(str) char *xml = dom_node_format(cpu);

        obj_put_str(out, "cpu", xml);
    }
    struct dom_node *devices = dom_first(root, "devices");
    for (struct dom_node *disk = devices == NULL ? NULL : dom_first(devices, "disk"); disk != NULL;
         disk = dom_next(disk, "disk"))
        obj_take(out, "disks[]", describe_disk(disk));
    if (describe_host(virDomainGetConnect(domain), out, err) == -1)
        return -1;
    *(json_t **)arg = json_incref(out);
    return 0;
}

int hypervisor_live_describe(struct hypervisor *hypervisor, const char *name, json_t **out,
                             struct error **err)
{
    bool found = false;

    if (hypervisor_run_domain(hypervisor, name, describe, out, &found, err) == -1)
        return -1;
    return found ? 0 : error_set(err, ERROR_CONFLICT, "machine \"%s\" does not run", name);
}

static int look(virDomainPtr domain, void *arg, const char *name, struct error **err)
{
    struct live_look *out = arg;
    virDomainJobInfo job;
    int state, reason;

    if (virDomainGetState(domain, &state, &reason, 0) == -1)
        return hypervisor_fail(err, "look at", name);
    out->defined = true;
    out->active = state != VIR_DOMAIN_SHUTOFF && state != VIR_DOMAIN_NOSTATE;
    out->running = state == VIR_DOMAIN_RUNNING || state == VIR_DOMAIN_BLOCKED;
    out->post_copy =
        (state == VIR_DOMAIN_PAUSED &&
         (reason == VIR_DOMAIN_PAUSED_POSTCOPY || reason == VIR_DOMAIN_PAUSED_POSTCOPY_FAILED)) ||
        (state == VIR_DOMAIN_RUNNING && (reason == VIR_DOMAIN_RUNNING_POSTCOPY ||
                                         reason == VIR_DOMAIN_RUNNING_POSTCOPY_FAILED));
    out->paused_by_migration =
        state == VIR_DOMAIN_PAUSED && reason == VIR_DOMAIN_PAUSED_MIGRATION;
    /* a machine that arrives has its job with the daemon that sends it */
    out->job = out->active &&
               ((virDomainGetJobInfo(domain, &job) == 0 && job.type != VIR_DOMAIN_JOB_NONE &&
                 job.type != VIR_DOMAIN_JOB_COMPLETED && job.type != VIR_DOMAIN_JOB_FAILED &&
                 job.type != VIR_DOMAIN_JOB_CANCELLED) ||
                (state == VIR_DOMAIN_PAUSED && reason == VIR_DOMAIN_PAUSED_STARTING_UP));
    return 0;
}

int hypervisor_live_look(struct hypervisor *hypervisor, const char *name, struct live_look *out,
                         struct error **err)
{
    bool found = false;

    *out = (struct live_look){0};
    return hypervisor_run_domain(hypervisor, name, look, out, &found, err);
}

/* --- whether a machine may come ----------------------------------------------------------------- */

struct acceptance {
    const char *emulator;
    const json_t *machine;
};

/* A processor that is named can be compared; one that is "whatever the host has" needs an equal host. */
static int accept_cpu(virConnectPtr connection, const struct acceptance *a, const json_t *here,
                      struct error **err)
{
    const json_t *machine = a->machine;
    const char *xml = obj_str(machine, "cpu", NULL), *type = obj_str(machine, "type", "");
    struct dom *parsed = NULL;

    if (xml == NULL)
        return 0;
    if (dom_parse(xml, strlen(xml), &parsed, err) == -1)
        return error_wrap(err, "the machine's processor");
    CLEANUP(dom) struct dom *dom = parsed;
    if (dom_attr_is(dom_root(dom), "mode", "host-passthrough") &&
        !str_eq(obj_str(machine, "hostCPU", ""), obj_str(here, "hostCPU", "")))
        return error_set(err, ERROR_UNSUPPORTED,
                         "the machine has its host's processor, \"%s\", and this host has \"%s\"",
                         obj_str(machine, "hostCPU", ""), obj_str(here, "hostCPU", ""));
    if (dom_attr_is(dom_root(dom), "mode", "maximum") &&
        obj_int(machine, "hypervisor", 0) != obj_int(here, "hypervisor", 0))
        return error_set(err, ERROR_UNSUPPORTED,
                         "the machine has all that its emulator offers, and QEMU here is another");
    if (!dom_attr_is(dom_root(dom), "mode", "custom") || dom_first(dom_root(dom), "model") == NULL)
        return 0;
    int result = virConnectCompareHypervisorCPU(connection, a->emulator, obj_str(machine, "arch", NULL),
                                                obj_str(machine, "machine", NULL), type, xml, 0);
    if (result == VIR_CPU_COMPARE_INCOMPATIBLE) {
        CLEANUP(str) char *model = dom_text(dom_first(dom_root(dom), "model"));

        return error_set(err, ERROR_UNSUPPORTED, "this host has no processor like \"%s\"", model);
    }
    return result == VIR_CPU_COMPARE_ERROR ? hypervisor_fail(err, "compare the processor of", "*")
                                           : 0;
}

static int accept_machine(virConnectPtr connection, void *arg, struct error **err)
{
    const struct acceptance *a = arg;
    json_auto_t *here = json_object();
    const char *type = obj_str(a->machine, "type", ""), *name = obj_str(a->machine, "machine", "");

    if (describe_host(connection, here, err) == -1)
        return -1;
    if (str_eq(obj_str(a->machine, "hostUUID", ""), obj_str(here, "hostUUID", "")))
        return error_set(err, ERROR_CONFLICT, "source and target have the same host UUID, %s",
                         obj_str(here, "hostUUID", ""));
    char *capabilities = virConnectGetDomainCapabilities(
        connection, a->emulator, obj_str(a->machine, "arch", NULL), name, type, 0);
    if (capabilities == NULL)
        return error_set(err, ERROR_UNSUPPORTED,
                         "this host has no machine type \"%s\" of \"%s\": %s", name, type,
                         virGetLastErrorMessage());
    free(capabilities);
    return accept_cpu(connection, a, here, err);
}

int hypervisor_live_accept(struct hypervisor *hypervisor, const char *emulator,
                           const json_t *machine, struct error **err)
{
    struct acceptance acceptance = {emulator, machine};

    return hypervisor_run(hypervisor, accept_machine, &acceptance, err);
}

/* libvirtd looks for hooks when it starts and when it is told to reload, and never again.  Its pid file
 * is older than its look. */
static int be_seen(struct hypervisor *hypervisor, const struct stat *hook, struct error **err)
{
    CLEANUP(str) char *pid_path = xasprintf("%s/run/libvirtd.pid", hypervisor->dir);
    CLEANUP(str) char *reloaded = xasprintf("%s/run/gantry/hook-reloaded", hypervisor->dir);
    CLEANUP(str) char *text = NULL;
    struct stat started, told;
    uint64_t pid = 0;

    if (stat(pid_path, &started) == -1 || file_read(pid_path, PID_MAX, &text, NULL, err) == -1 ||
        !span_u64(span_trim(span_of(text)), &pid) || pid < 2 || pid > INT_MAX)
        return *err != NULL ? error_wrap(err, "cannot tell whether libvirtd sees its hook")
                            : error_set(err, ERROR_UNAVAILABLE,
                                        "cannot tell whether libvirtd sees its hook");
    bool since = stat(reloaded, &told) == 0 && told.st_mtime >= started.st_mtime;
    const struct timespec *looked = since ? &told.st_mtim : &started.st_mtim;
    if (hook->st_ctim.tv_sec < looked->tv_sec ||
        (hook->st_ctim.tv_sec == looked->tv_sec && hook->st_ctim.tv_nsec < looked->tv_nsec))
        return 0;
    log_info("libvirtd is told of its hook: pid=%d", (int)pid);
    if (kill((pid_t)pid, SIGHUP) == -1)
        return error_sys(err, errno, "cannot tell libvirtd of its hook");
    usleep(RELOAD_MS * 1000);
    return file_write(reloaded, "", 0, 0600, err);
}

int hypervisor_live_hook(struct hypervisor *hypervisor, struct error **err)
{
    CLEANUP(str) char *path = xasprintf("%s/etc/hooks/qemu", hypervisor->dir);
    struct stat st;

    if (libvirt_hook_install(hypervisor->dir, hypervisor->helper_dir, err) == -1)
        return -1;
    if (stat(path, &st) == -1)
        return error_set(err, ERROR_UNAVAILABLE, "the hook \"%s\" is missing", path);
    if (!S_ISREG(st.st_mode) || access(path, X_OK) == -1)
        return error_set(err, ERROR_UNAVAILABLE, "the hook \"%s\" is not executable", path);
    return be_seen(hypervisor, &st, err);
}

/* --- the source ---------------------------------------------------------------------------------- */

static void add_sockets(virTypedParameterPtr *params, int *count, int *max,
                        const struct live_order *order)
{
    CLEANUP(str) char *data = xasprintf("unix://" LIVE_RUN_DIR "/%s.data", order->id);
    CLEANUP(str) char *nbd = xasprintf("unix://" LIVE_RUN_DIR "/%s.nbd", order->id);

    virTypedParamsAddString(params, count, max, VIR_MIGRATE_PARAM_URI, data);
    if (order->copied[0] != NULL)
        virTypedParamsAddString(params, count, max, VIR_MIGRATE_PARAM_DISKS_URI, nbd);
    for (size_t i = 0; order->copied[i] != NULL; i++)
        virTypedParamsAddString(params, count, max, VIR_MIGRATE_PARAM_MIGRATE_DISKS,
                                order->copied[i]);
}

static int migrate(virDomainPtr domain, const struct live_order *order, struct error **err)
{
    CLEANUP(str) char *uri =
        xasprintf("qemu+unix:///system?socket=" LIVE_RUN_DIR "/%s.virt", order->id);
    virTypedParameterPtr params = NULL;
    int count = 0, max = 0;
    /* a guest that may run before all its memory is there cannot arrive paused */
    unsigned flags = VIR_MIGRATE_LIVE | VIR_MIGRATE_PEER2PEER | VIR_MIGRATE_PERSIST_DEST |
                     VIR_MIGRATE_UNSAFE | VIR_MIGRATE_ABORT_ON_ERROR |
                     (order->copied[0] != NULL ? VIR_MIGRATE_NON_SHARED_DISK : 0) |
                     (order->auto_converge ? VIR_MIGRATE_AUTO_CONVERGE : 0) |
                     (order->post_copy ? VIR_MIGRATE_POSTCOPY : VIR_MIGRATE_PAUSED);

    virTypedParamsAddString(&params, &count, &max, VIR_MIGRATE_PARAM_DEST_NAME, order->dest_name);
    add_sockets(&params, &count, &max, order);
    if (order->bandwidth_mib > 0)
        virTypedParamsAddULLong(&params, &count, &max, VIR_MIGRATE_PARAM_BANDWIDTH,
                                order->bandwidth_mib);
    if (order->max_downtime_ms > 0 &&
        virDomainMigrateSetMaxDowntime(domain, order->max_downtime_ms, 0) == -1)
        log_warn("the longest downtime cannot be set: %s", virGetLastErrorMessage());
    int result = virDomainMigrateToURI3(domain, uri, params, (unsigned)count, flags);
    virTypedParamsFree(params, count);
    return result == -1 ? hypervisor_fail(err, "migrate", order->name) : 0;
}

/* Not through hypervisor_run: this must never be tried twice. */
int hypervisor_live_migrate(struct hypervisor *hypervisor, const struct live_order *order,
                            struct error **err)
{
    virConnectPtr connection = hypervisor_connect(hypervisor, err);

    if (connection == NULL)
        return -1;
    virDomainPtr domain = virDomainLookupByName(connection, order->name);
    int result = domain == NULL ? hypervisor_fail(err, "find", order->name)
                                : migrate(domain, order, err);
    if (domain != NULL)
        virDomainFree(domain);
    virConnectClose(connection);
    return result;
}

struct job_stats {
    enum live_job job;
    json_t *out;
};

static json_t *describe_job(virTypedParameterPtr params, int count)
{
    static const struct {
        const char *libvirt, *ours;
    } fields[] = {
        {VIR_DOMAIN_JOB_DATA_TOTAL, "dataTotal"},
        {VIR_DOMAIN_JOB_DATA_PROCESSED, "dataProcessed"},
        {VIR_DOMAIN_JOB_DATA_REMAINING, "dataRemaining"},
        {VIR_DOMAIN_JOB_MEMORY_BPS, "memoryBytesPerSecond"},
        {VIR_DOMAIN_JOB_DISK_BPS, "diskBytesPerSecond"},
        {VIR_DOMAIN_JOB_TIME_ELAPSED, "elapsedMs"},
        {VIR_DOMAIN_JOB_DOWNTIME, "downtimeMs"},
    };
    json_t *out = json_object();
    unsigned long long dirty = 0, page = 0;
    int throttle = 0;

    for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
        unsigned long long value;

        if (virTypedParamsGetULLong(params, count, fields[i].libvirt, &value) == 1)
            obj_put_int(out, fields[i].ours, value > INT64_MAX ? INT64_MAX : (int64_t)value);
    }
    if (virTypedParamsGetULLong(params, count, VIR_DOMAIN_JOB_MEMORY_DIRTY_RATE, &dirty) == 1 &&
        virTypedParamsGetULLong(params, count, VIR_DOMAIN_JOB_MEMORY_PAGE_SIZE, &page) == 1 &&
        dirty < (1 << 30))
        obj_put_int(out, "dirtyBytesPerSecond", (int64_t)(dirty * page));
    if (virTypedParamsGetInt(params, count, VIR_DOMAIN_JOB_AUTO_CONVERGE_THROTTLE, &throttle) == 1)
        obj_put_int(out, "throttlePercent", throttle);
    return out;
}

static int progress(virDomainPtr domain, void *arg, const char *name, struct error **err)
{
    struct job_stats *stats = arg;
    virTypedParameterPtr params = NULL;
    int type = 0, count = 0;
    /* libvirt forgets a completed job once somebody looked: the next look needs it too */
    unsigned flags = stats->job == LIVE_JOB_ENDED
                         ? VIR_DOMAIN_JOB_STATS_COMPLETED | VIR_DOMAIN_JOB_STATS_KEEP_COMPLETED
                         : 0;

    /* a failure: none is known, or the machine has just gone */
    if (virDomainGetJobStats(domain, &type, &params, &count, flags) == 0 && type != VIR_DOMAIN_JOB_NONE)
        stats->out = describe_job(params, count);
    virTypedParamsFree(params, count);
    return 0;
}

int hypervisor_live_progress(struct hypervisor *hypervisor, const char *name, enum live_job job,
                             json_t **out, struct error **err)
{
    struct job_stats stats = {.job = job};
    bool found = false;

    *out = NULL;
    if (hypervisor_run_domain(hypervisor, name, progress, &stats, &found, err) == -1)
        return -1;
    *out = stats.out;
    return 0;
}

static int abort_job(virDomainPtr domain, void *arg, const char *name, struct error **err)
{
    if (virDomainAbortJob(domain) == -1 && virGetLastErrorCode() != VIR_ERR_OPERATION_INVALID)
        return hypervisor_fail(err, "cancel the migration of", name);
    return 0;
}

int hypervisor_live_abort(struct hypervisor *hypervisor, const char *name, struct error **err)
{
    bool found = false;

    return hypervisor_run_domain(hypervisor, name, abort_job, NULL, &found, err);
}

static int start_post_copy(virDomainPtr domain, void *arg, const char *name, struct error **err)
{
    if (virDomainMigrateStartPostCopy(domain, 0) == -1)
        return hypervisor_fail(err, "switch to post-copy for", name);
    return 0;
}

int hypervisor_live_post_copy(struct hypervisor *hypervisor, const char *name, struct error **err)
{
    bool found = false;

    return hypervisor_run_domain(hypervisor, name, start_post_copy, NULL, &found, err);
}

/* --- the target ----------------------------------------------------------------------------------- */

struct landing {
    bool resume, edited;
};

static bool bears_mark(const char *xml)
{
    struct dom *parsed = NULL;
    CLEANUP(error) struct error *ignored = NULL; /* then it bears none that we can read */

    if (dom_parse(xml, strlen(xml), &parsed, &ignored) == -1)
        return false;
    CLEANUP(dom) struct dom *dom = parsed;
    struct dom_node *metadata = dom_first(dom_root(dom), "metadata");
    return metadata != NULL && dom_first_ns(metadata, CHAIN_METADATA_URI, "edited") != NULL;
}

static int land(virDomainPtr domain, void *arg, const char *name, struct error **err)
{
    struct landing *landing = arg;
    struct live_look now = {0};

    if (look(domain, &now, name, err) == -1)
        return -1;
    if (!now.active || (now.job && !now.running))
        return error_set(err, ERROR_NOT_FOUND, "machine \"%s\" is not whole here", name);
    char *xml = virDomainGetXMLDesc(domain, GUEST_XML_FLAGS);
    if (xml == NULL)
        return hypervisor_fail(err, "describe", name);
    landing->edited = bears_mark(xml);
    virDomainPtr defined = virDomainDefineXML(virDomainGetConnect(domain), xml);
    free(xml);
    if (defined == NULL)
        return hypervisor_fail(err, "define", name);
    virDomainFree(defined);
    if (landing->resume && !now.running && virDomainResume(domain) == -1)
        return hypervisor_fail(err, "resume", name);
    return 0;
}

int hypervisor_live_land(struct hypervisor *hypervisor, const char *name, bool resume, bool *edited,
                         struct error **err)
{
    struct landing landing = {.resume = resume};
    bool found = false;

    if (hypervisor_run_domain(hypervisor, name, land, &landing, &found, err) == -1)
        return -1;
    if (!found)
        return error_set(err, ERROR_NOT_FOUND, "machine \"%s\" is not here", name);
    *edited = landing.edited;
    return 0;
}
