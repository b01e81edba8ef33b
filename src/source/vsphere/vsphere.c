#include "source/vsphere/vsphere.h"

#include "base/array.h"
#include "base/cancel.h"
#include "base/error.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/secret.h"
#include "base/text.h"
#include "base/thread.h"
#include "base/time.h"
#include "data/obj.h"
#include "source/vsphere/collect.h"
#include "source/vsphere/describe.h"
#include "source/vsphere/internal.h"
#include "source/vsphere/privileges.h"
#include "source/vsphere/vim.h"

#include <stdlib.h>
#include <string.h>

enum {
    POWER_TASK_MS = 120000, /* a power task itself */
};

static void vsphere_close(struct source *source)
{
    struct vsphere_source *vsphere = vsphere_of(source);

    vim_free(vsphere->vim);
    map_free(vsphere->port_groups, free);
    map_free(vsphere->datastores, free);
    map_free(vsphere->timezones, free);
    free(vsphere->access);
    free(vsphere->library);
    free(vsphere->library_settings);
    free(vsphere->transports);
    free(vsphere->thumbprint);
    free(vsphere->ca_pem);
    pthread_mutex_destroy(&vsphere->lock);
    free(vsphere);
}

static const char *secret_text(const struct source_config *config, const char *key)
{
    const json_t *data = config->secret ? json_object_get(config->secret, "data") : NULL;

    return data ? obj_map_str(data, key) : NULL;
}

/* VMware's library, where the provider or, for all of them, VDDK_IMAGE names it. */
static void take_library(struct vsphere_source *vsphere, const json_t *provider)
{
    const char *image = obj_str(provider, "spec.settings.vddkInitImage", NULL);
    const char *lines = obj_str(provider, "spec.settings.vddkConfig", NULL);
    const char *transports = obj_str(provider, "spec.settings.vddkTransports", NULL);
    bool optimize = str_eq(obj_str(provider, "spec.settings.useVddkAioOptimization", ""), "true");

    if (str_is_empty(image))
        image = getenv("VDDK_IMAGE");
    if (str_is_empty(lines) && optimize)
        lines = "VixDiskLib.nfcAio.Session.BufSizeIn64KB=16\n"
                "VixDiskLib.nfcAio.Session.BufCount=4\n";
    vsphere->library = str_is_empty(image) ? NULL : xstrdup(image);
    vsphere->library_settings = str_is_empty(lines) ? NULL : xstrdup(lines);
    vsphere->transports = str_is_empty(transports) ? NULL : xstrdup(transports);
}

static int vsphere_open(const struct source_config *config, struct source **out, struct error **err)
{
    const char *user = secret_text(config, "user"), *password = secret_text(config, "password");
    const char *endpoint = obj_str(config->provider, "spec.settings.sdkEndpoint", NULL);
    const char *access = obj_str(config->provider, "spec.settings.diskAccess", NULL);
    const char *ca = secret_text(config, "ca.crt");
    const char *session = secret_text(config, "session");
    CLEANUP(secret) struct secret *secret = NULL;
    CLEANUP(secret) struct secret *opened = NULL;
    struct vim *vim = NULL;

    if (session == NULL && (user == NULL || password == NULL))
        return error_set(err, ERROR_INVALID, "the secret has no \"%s\"",
                         user == NULL ? "user" : "password");
    if (endpoint != NULL && !str_eq(endpoint, "vcenter") && !str_eq(endpoint, "esxi"))
        return error_set(err, ERROR_INVALID,
                         "settings.sdkEndpoint \"%.40s\" is neither vcenter nor "
                         "esxi",
                         endpoint);
    if (access != NULL && !str_eq(access, "https") && !str_eq(access, "vddk") &&
        !str_eq(access, "export"))
        return error_set(err, ERROR_INVALID,
                         "settings.diskAccess \"%.40s\" is none of vddk, https and export", access);
    if (ca == NULL)
        ca = secret_text(config, "cacert");
    if (user != NULL && password != NULL)
        secret = secret_new(password, strlen(password));
    if (session != NULL)
        opened = secret_new(session, strlen(session));
    const struct vim_options options = {
        .url = obj_str(config->provider, "spec.url", ""),
        .user = user,
        .password = secret,
        .session = opened,
        .thumbprint = secret_text(config, "thumbprint"),
        .ca_pem = ca,
        .insecure = str_eq(secret_text(config, "insecureSkipVerify"), "true"),
    };
    if (vim_new(&options, &vim, err) == -1)
        return -1;

    struct vsphere_source *vsphere = xcalloc(1, sizeof(*vsphere));
    vsphere->base.ops = &vsphere_source_ops;
    vsphere->vim = vim;
    vsphere->want_esxi = str_eq(endpoint, "esxi");
    vsphere->want_vcenter = str_eq(endpoint, "vcenter");
    vsphere->insecure = options.insecure;
    vsphere->access = access ? xstrdup(access) : NULL;
    take_library(vsphere, config->provider);
    vsphere->thumbprint = options.thumbprint ? xstrdup(options.thumbprint) : NULL;
    vsphere->ca_pem = ca ? xstrdup(ca) : NULL;
    vsphere->port_groups = map_new();
    vsphere->datastores = map_new();
    vsphere->timezones = map_new();
    pthread_mutex_init(&vsphere->lock, NULL);
    *out = &vsphere->base;
    return 0;
}

static int log_in(struct vsphere_source *vsphere, struct cancel *cancel, struct error **err)
{
    if (vim_login(vsphere->vim, cancel, err) == -1)
        return -1;
    const char *type = vim_about(vsphere->vim)->api_type;
    bool is_vcenter = str_eq(type, "VirtualCenter");
    if ((vsphere->want_esxi && is_vcenter) || (vsphere->want_vcenter && !is_vcenter))
        return error_set(err, ERROR_INVALID, "settings.sdkEndpoint is %s, but the server is a %s",
                         vsphere->want_esxi ? "esxi" : "vcenter",
                         is_vcenter ? "vCenter" : "single host");
    return 0;
}

static int vsphere_test(struct source *source, struct cancel *cancel, struct error **err)
{
    return log_in(vsphere_of(source), cancel, err);
}

/* Collecting: what goes to the sink passes by here, for the port groups' keys. */

struct tap {
    struct vsphere_source *vsphere;
    const struct source_sink *sink;
};

static void tap_put(void *arg, const char *kind, const json_t *object)
{
    struct tap *tap = arg;
    const char *key = str_eq(kind, "Network") ? obj_str(object, "key", NULL) : NULL;

    if (key != NULL) {
        LOCK_SCOPE(&tap->vsphere->lock);
        free(map_put(tap->vsphere->port_groups, key, xstrdup(obj_str(object, "id", ""))));
    }
    if (str_eq(kind, "Host")) {
        LOCK_SCOPE(&tap->vsphere->lock);
        free(map_put(tap->vsphere->timezones, obj_str(object, "id", ""),
                     xstrdup(obj_str(object, "timezone", ""))));
    }
    if (str_eq(kind, "Datastore")) {
        LOCK_SCOPE(&tap->vsphere->lock);
        free(map_put(tap->vsphere->datastores, obj_str(object, "id", ""),
                     xstrdup(obj_str(object, "type", ""))));
    }
    tap->sink->put(tap->sink->arg, kind, object);
}

static void tap_remove(void *arg, const char *kind, const char *id)
{
    struct tap *tap = arg;

    tap->sink->remove(tap->sink->arg, kind, id);
}

static void tap_begin(void *arg)
{
    struct tap *tap = arg;

    tap->sink->begin(tap->sink->arg);
}

static void tap_complete(void *arg)
{
    struct tap *tap = arg;

    tap->sink->complete(tap->sink->arg);
}

static void tap_problem(void *arg, const char *where, const char *what)
{
    struct tap *tap = arg;

    tap->sink->problem(tap->sink->arg, where, what);
}

static int vsphere_collector(struct source *source, const struct source_sink *sink,
                             struct cancel *cancel, struct error **err)
{
    struct vsphere_source *vsphere = vsphere_of(source);
    struct tap tap = {vsphere, sink};
    const struct source_sink tapped = {&tap,      tap_put,      tap_remove,
                                       tap_begin, tap_complete, tap_problem};

    if (log_in(vsphere, cancel, err) == -1)
        return -1;
    int result = vsphere_collect(vsphere, &tapped, cancel, err);
    vim_logout(vsphere->vim);
    return result;
}

/* The id of the Network that a NIC's network is: its own, or that of the port group with this key.
 */
static char *resolve_network(void *arg, const char *id)
{
    struct vsphere_source *vsphere = arg;
    LOCK_SCOPE(&vsphere->lock);
    const char *network = map_find(vsphere->port_groups, id);

    return xstrdup(network ? network : id);
}

/* Disks that nothing can read are marked, so that a plan says so before it begins; of the others it
 * is told how they will be read while the machine is off. */
static void mark_access(struct vsphere_source *vsphere, const json_t *vm, struct machine *machine)
{
    const json_t *disks = obj_arr(vm, "disks");

    for (size_t i = 0; i < machine->disks.len; i++)
        for (size_t k = 0; k < json_array_size(disks); k++) {
            const json_t *disk = json_array_get(disks, k);
            CLEANUP(str) char *key = xasprintf("%lld", (long long)obj_int(disk, "key", 0));
            const char *why = NULL;

            if (!str_eq(key, machine->disks.ptr[i].id))
                continue;
            LOCK_SCOPE(&vsphere->lock);
            const char *type = map_find(vsphere->datastores, obj_str(disk, "datastore.id", ""));
            machine->disks.ptr[i].access =
                vsphere_explain_access(vsphere, disk, type ? type : "",
                                       &machine->disks.ptr[i].cold_only, &why);
            if (machine->disks.ptr[i].access == NULL)
                machine->disks.ptr[i].unreadable = xstrdup(why);
        }
}

static int vsphere_describe(struct source *source, const json_t *vm, struct machine **out,
                            struct error **err)
{
    if (vsphere_describe_vm(vm, resolve_network, vsphere_of(source), out, err) == -1)
        return -1;
    mark_access(vsphere_of(source), vm, *out);
    LOCK_SCOPE(&vsphere_of(source)->lock);
    const char *zone = map_find(vsphere_of(source)->timezones, obj_str(vm, "host", ""));
    if (!str_is_empty(zone))
        (*out)->timezone = xstrdup(zone);
    return 0;
}

/* Power. */

static int vsphere_power_get(struct source *source, const char *vm_id, enum source_power *state,
                             struct error **err)
{
    CLEANUP(dom) struct dom *answer = NULL;
    struct dom_node *object = NULL;

    if (vim_read(vsphere_of(source)->vim, "VirtualMachine", vm_id, "runtime.powerState", NULL,
                 &answer, &object, err) == -1)
        return -1;
    struct dom_node *value = vim_property(object, "runtime.powerState");
    CLEANUP(str) char *text = value ? dom_text(value) : xstrdup("");
    *state = str_eq(text, "poweredOn")    ? SOURCE_POWER_ON
             : str_eq(text, "poweredOff") ? SOURCE_POWER_OFF
                                          : SOURCE_POWER_UNKNOWN;
    return 0;
}

static int run_power_task(struct vsphere_source *vsphere, const char *method, const char *vm_id,
                          struct cancel *cancel, struct error **err)
{
    const struct vim_call call = {
        .method = method, .this_type = "VirtualMachine", .this_id = vm_id, .cancel = cancel};

    return vim_run_task(vsphere->vim, &call, POWER_TASK_MS, NULL, err);
}

/* Asks the guest to shut down; that it has is seen later. */
static int shut_down(struct vsphere_source *vsphere, const char *vm_id, struct cancel *cancel,
                     struct error **err)
{
    const struct vim_call call = {.method = "ShutdownGuest",
                                  .this_type = "VirtualMachine",
                                  .this_id = vm_id,
                                  .cancel = cancel};
    CLEANUP(dom) struct dom *answer = NULL;

    return vim_send(vsphere->vim, &call, &answer, NULL, err);
}

static int vsphere_power_set(struct source *source, const char *vm_id, enum source_power state,
                             bool force, struct cancel *cancel, struct error **err)
{
    struct vsphere_source *vsphere = vsphere_of(source);
    enum source_power now = SOURCE_POWER_UNKNOWN;

    if (vsphere_power_get(source, vm_id, &now, err) == -1)
        return -1;
    if (now == state)
        return 0;
    if (state == SOURCE_POWER_ON)
        return run_power_task(vsphere, "PowerOnVM_Task", vm_id, cancel, err);
    return force ? run_power_task(vsphere, "PowerOffVM_Task", vm_id, cancel, err)
                 : shut_down(vsphere, vm_id, cancel, err);
}

const struct source_ops vsphere_source_ops = {
    .type = "vsphere",
    .needs_conversion = true,
    .can_warm = true,
    .can_power = true,
    .has_hosts = true,
    .open = vsphere_open,
    .close = vsphere_close,
    .test = vsphere_test,
    .list_missing = vsphere_list_missing,
    .collect = vsphere_collector,
    .describe = vsphere_describe,
    .disk_access = vsphere_disk_access,
    .reroute = vsphere_reroute,
    .power_get = vsphere_power_get,
    .power_set = vsphere_power_set,
    .warm = &vsphere_warm_ops,
};
