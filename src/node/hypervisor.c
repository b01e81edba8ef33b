/* The connection goes through /proc/KEEPER/root: a path that is short enough for a socket wherever
 * gantry's folder lies, and that only root can follow. */
#define LOG_COMPONENT "libvirt"

#include "node/hypervisor.h"

#include "base/error.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/file.h"
#include "base/process.h"
#include "base/text.h"
#include "base/thread.h"
#include "base/time.h"
#include "node/hypervisor_internal.h"
#include "node/libvirt_keeper.h"

#include <libvirt/virterror.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { KEEPER_MS = 30000, CONNECT_MS = 60000, CONNECT_AGAIN_MS = 100, OUTPUT_MAX = 4096,
       KEEPALIVE_S = 5, ATTEMPTS = 3 };

/* Who is told of events.  libvirt's loop may still deliver one after its connection is closed, so
 * each registration holds a reference. */
struct hypervisor_listener {
    pthread_mutex_t lock;
    unsigned references;                            /* guarded by lock */
    void (*on_change)(void *arg, const char *name); /* guarded by lock; NULL: nobody any more */
    void (*on_migrated)(void *arg, const char *name); /* guarded by lock; or NULL */
    void *arg;
};

static void be_quiet(void *arg, virErrorPtr error)
{
    /* errors are returned, not printed */
}

/* libvirt's event loop is one for the whole program. */
static void *events_run(void *arg)
{
    while (virEventRunDefaultImpl() == 0)
        continue;
    log_error("libvirt's event loop ended");
    return NULL;
}

static pthread_once_t events_once = PTHREAD_ONCE_INIT;

static void events_start(void)
{
    struct thread thread = {0};
    CLEANUP(error) struct error *err = NULL;

    virSetErrorFunc(NULL, be_quiet);
    if (virInitialize() == -1 || virEventRegisterDefaultImpl() == -1) {
        log_error("libvirt cannot be initialised");
        return;
    }
    if (thread_start(&thread, "libvirt-events", events_run, NULL, &err) == -1)
        log_write_error(LOG_LEVEL_ERROR, LOG_COMPONENT, err, "no events from libvirt");
    else
        pthread_detach(thread.id);
}

int hypervisor_fail(struct error **err, const char *what, const char *name)
{
    const virError *error = virGetLastError();
    int number = error == NULL ? VIR_ERR_OK : error->code;
    enum error_code code = number == VIR_ERR_NO_DOMAIN            ? ERROR_NOT_FOUND
                           : number == VIR_ERR_OPERATION_INVALID  ? ERROR_CONFLICT
                           : number == VIR_ERR_CONFIG_UNSUPPORTED ? ERROR_UNSUPPORTED
                           : number == VIR_ERR_XML_ERROR          ? ERROR_INVALID
                                                                  : ERROR_UNAVAILABLE;

    return error_set(err, code, "cannot %s machine \"%s\": %s", what, name,
                     error == NULL || error->message == NULL ? "no reason given" : error->message);
}

static void listener_hold(struct hypervisor_listener *listener)
{
    LOCK_SCOPE(&listener->lock);
    listener->references++;
}

/* libvirt's virFreeCallback. */
static void listener_release(void *arg)
{
    struct hypervisor_listener *listener = arg;

    pthread_mutex_lock(&listener->lock);
    bool last = --listener->references == 0;
    pthread_mutex_unlock(&listener->lock);
    if (!last)
        return;
    pthread_mutex_destroy(&listener->lock);
    free(listener);
}

/* Waits for a call that is under way; there is none afterwards. */
static void listener_silence(struct hypervisor_listener *listener)
{
    LOCK_SCOPE(&listener->lock);
    listener->on_change = NULL;
    listener->on_migrated = NULL;
}

int hypervisor_new(const struct hypervisor_options *options, struct hypervisor **out,
                   struct error **err)
{
    struct hypervisor *hypervisor = xcalloc(1, sizeof(*hypervisor));

    pthread_once(&events_once, events_start);
    hypervisor->dir = xstrdup(options->dir);
    hypervisor->helper_dir = xstrdup(options->helper_dir);
    hypervisor->listener = xcalloc(1, sizeof(*hypervisor->listener));
    *hypervisor->listener = (struct hypervisor_listener){
        .references = 1,
        .on_change = options->on_change,
        .on_migrated = options->on_migrated,
        .arg = options->arg};
    pthread_mutex_init(&hypervisor->listener->lock, NULL);
    pthread_mutex_init(&hypervisor->lock, NULL);
    *out = hypervisor;
    return 0;
}

void hypervisor_free(struct hypervisor *hypervisor)
{
    if (hypervisor == NULL)
        return;
    listener_silence(hypervisor->listener);
    listener_release(hypervisor->listener);
    if (hypervisor->connection != NULL)
        virConnectClose(hypervisor->connection);
    pthread_mutex_destroy(&hypervisor->lock);
    free(hypervisor->dir);
    free(hypervisor->helper_dir);
    free(hypervisor);
}

bool hypervisor_was_used(const struct hypervisor *hypervisor)
{
    CLEANUP(str) char *path = path_join(hypervisor->dir, "keeper.lock");

    return file_exists(path);
}

static int start_keeper(struct hypervisor *hypervisor, struct error **err)
{
    CLEANUP(str) char *program = path_join(hypervisor->helper_dir, "gantry-libvirtd");
    CLEANUP(process_result) struct process_result result = {0};
    struct process_options options = {
        .argv = (const char *const[]){program, hypervisor->dir, NULL}};

    if (access("/usr/sbin/libvirtd", X_OK) == -1) {
        error_set(err, ERROR_UNSUPPORTED, "libvirtd is not installed");
        return error_hint(err, "run ./bootstrap home");
    }
    if (process_run(&options, NULL, 0, OUTPUT_MAX, deadline_after(KEEPER_MS), NULL, &result, err) == -1)
        return error_wrap(err, "cannot start libvirtd");
    struct span text = span_trim(span_of(result.errors));
    return result.status == 0 ? 0
                              : error_set(err, ERROR_UNAVAILABLE, "cannot start libvirtd: %.*s",
                                          (int)text.len, text.ptr);
}

static int on_event(virConnectPtr connection, virDomainPtr domain, int event, int detail, void *arg)
{
    struct hypervisor_listener *listener = arg;

    log_debug("event: machine=%s event=%d detail=%d", virDomainGetName(domain), event, detail);
    LOCK_SCOPE(&listener->lock);
    if (listener->on_migrated != NULL && event == VIR_DOMAIN_EVENT_STOPPED &&
        detail == VIR_DOMAIN_EVENT_STOPPED_MIGRATED)
        listener->on_migrated(listener->arg, virDomainGetName(domain));
    if (listener->on_change != NULL)
        listener->on_change(listener->arg, virDomainGetName(domain));
    return 0;
}

/* An open connection with a reference for the caller (virConnectClose). */
static virConnectPtr open_connection(struct hypervisor *hypervisor, struct error **err)
{
    struct deadline deadline = deadline_after(CONNECT_MS);

    for (;;) {
        pid_t keeper = libvirt_keeper_find(hypervisor->dir);

        if (keeper == 0 && start_keeper(hypervisor, err) == -1)
            return NULL;
        keeper = libvirt_keeper_find(hypervisor->dir);
        CLEANUP(str) char *uri = xasprintf(
            "qemu+unix:///system?socket=/proc/%d/root/run/libvirt/libvirt-sock", (int)keeper);
        virConnectPtr connection = keeper == 0 ? NULL : virConnectOpen(uri);
        if (connection != NULL)
            return connection;
        if (deadline_is_over(deadline)) {
            error_set(err, ERROR_UNAVAILABLE, "libvirtd does not answer: %s",
                      virGetLastErrorMessage());
            error_hint(err, "see %s/log/libvirtd.log", hypervisor->dir);
            return NULL;
        }
        usleep(CONNECT_AGAIN_MS * 1000);
    }
}

static virConnectPtr known_connection(struct hypervisor *hypervisor)
{
    LOCK_SCOPE(&hypervisor->lock);
    if (hypervisor->connection == NULL)
        return NULL;
    if (virConnectIsAlive(hypervisor->connection) == 1) {
        virConnectRef(hypervisor->connection);
        return hypervisor->connection;
    }
    virConnectClose(hypervisor->connection);
    hypervisor->connection = NULL;
    return NULL;
}

virConnectPtr hypervisor_connect(struct hypervisor *hypervisor, struct error **err)
{
    virConnectPtr connection = known_connection(hypervisor);

    if (connection != NULL)
        return connection;
    connection = open_connection(hypervisor, err);
    if (connection == NULL)
        return NULL;
    virConnectSetKeepAlive(connection, KEEPALIVE_S, 3);
    listener_hold(hypervisor->listener);
    if (virConnectDomainEventRegisterAny(connection, NULL, VIR_DOMAIN_EVENT_ID_LIFECYCLE,
                                         VIR_DOMAIN_EVENT_CALLBACK(on_event), hypervisor->listener,
                                         listener_release) == -1) {
        log_warn("no events from libvirtd: %s", virGetLastErrorMessage());
        listener_release(hypervisor->listener);
    }
    log_info("libvirtd connected: dir=%s", hypervisor->dir);

    LOCK_SCOPE(&hypervisor->lock);
    if (hypervisor->connection != NULL) /* another thread was faster */
        virConnectClose(hypervisor->connection);
    hypervisor->connection = connection;
    virConnectRef(connection);
    return connection;
}

/* The domain NAME, or NULL without an error if there is none. */
static virDomainPtr find(virConnectPtr connection, const char *name, struct error **err)
{
    virDomainPtr domain = virDomainLookupByName(connection, name);

    if (domain == NULL && virGetLastErrorCode() != VIR_ERR_NO_DOMAIN)
        hypervisor_fail(err, "find", name);
    return domain;
}

static void forget(struct hypervisor *hypervisor, virConnectPtr connection)
{
    LOCK_SCOPE(&hypervisor->lock);
    if (hypervisor->connection != connection)
        return;
    virConnectClose(connection);
    hypervisor->connection = NULL;
}

int hypervisor_run(struct hypervisor *hypervisor,
                   int (*fn)(virConnectPtr connection, void *arg, struct error **err), void *arg,
                   struct error **err)
{
    for (int attempt = 1;; attempt++) {
        virConnectPtr connection = hypervisor_connect(hypervisor, err);

        if (connection == NULL)
            return -1;
        int result = fn(connection, arg, err);
        bool again = result == -1 && virConnectIsAlive(connection) != 1 && attempt < ATTEMPTS;
        if (again) {
            log_debug("connection lost: attempt=%d", attempt);
            forget(hypervisor, connection);
        }
        virConnectClose(connection);
        if (!again)
            return result;
        error_clear(err);
    }
}

/* One call for one machine. */
struct call {
    const char *name;
    int (*fn)(virDomainPtr domain, void *arg, const char *name, struct error **err);
    void *arg;
    const char *xml; /* of one that is to be defined if it is absent */
    bool found;
};

static int call_run(virConnectPtr connection, void *arg, struct error **err)
{
    struct call *call = arg;
    virDomainPtr domain = find(connection, call->name, err);

    if (domain == NULL && *err == NULL && call->xml != NULL) {
        domain = virDomainDefineXML(connection, call->xml);
        if (domain == NULL)
            hypervisor_fail(err, "define", call->name);
    }
    call->found = domain != NULL;
    if (domain == NULL)
        return *err != NULL ? -1 : 0;
    int result = call->fn(domain, call->arg, call->name, err);
    virDomainFree(domain);
    return result;
}

int hypervisor_run_domain(struct hypervisor *hypervisor, const char *name,
                          int (*fn)(virDomainPtr domain, void *arg, const char *name,
                                    struct error **err),
                          void *arg, bool *found, struct error **err)
{
    struct call call = {.name = name, .fn = fn, .arg = arg};
    int result = hypervisor_run(hypervisor, call_run, &call, err);

    *found = call.found;
    return result;
}

static int start(virDomainPtr domain, void *arg, const char *name, struct error **err)
{
    if (virDomainIsActive(domain) == 0 && virDomainCreate(domain) == -1)
        return hypervisor_fail(err, "start", name);
    return 0;
}

int hypervisor_start(struct hypervisor *hypervisor, const char *name, const char *xml,
                     struct error **err)
{
    struct call call = {.name = name, .fn = start, .xml = xml};

    return hypervisor_run(hypervisor, call_run, &call, err);
}

static int look(virDomainPtr domain, void *arg, const char *name, struct error **err)
{
    enum machine_state *state = arg;
    int number, reason;

    if (virDomainGetState(domain, &number, &reason, 0) == -1)
        return hypervisor_fail(err, "look at", name);
    if (number == VIR_DOMAIN_PAUSED || number == VIR_DOMAIN_PMSUSPENDED)
        *state = MACHINE_PAUSED;
    else if (number == VIR_DOMAIN_CRASHED)
        *state = MACHINE_CRASHED;
    else if (number != VIR_DOMAIN_SHUTOFF)
        *state = MACHINE_RUNNING;
    else
        *state = reason == VIR_DOMAIN_SHUTOFF_SHUTDOWN    ? MACHINE_SHUT_DOWN
                 : reason == VIR_DOMAIN_SHUTOFF_DESTROYED ? MACHINE_DESTROYED
                                                          : MACHINE_CRASHED;
    return 0;
}

int hypervisor_look(struct hypervisor *hypervisor, const char *name, enum machine_state *state,
                    struct error **err)
{
    bool found = false;

    *state = MACHINE_ABSENT;
    return hypervisor_run_domain(hypervisor, name, look, state, &found, err);
}

static int shut_down(virDomainPtr domain, void *arg, const char *name, struct error **err)
{
    return virDomainShutdown(domain) == -1 ? hypervisor_fail(err, "shut down", name) : 0;
}

static int reset(virDomainPtr domain, void *arg, const char *name, struct error **err)
{
    return virDomainReset(domain, 0) == -1 ? hypervisor_fail(err, "reset", name) : 0;
}

static int pause_or_resume(virDomainPtr domain, void *arg, const char *name, struct error **err)
{
    bool pause = *(bool *)arg;

    if ((pause ? virDomainSuspend(domain) : virDomainResume(domain)) == -1)
        return hypervisor_fail(err, pause ? "pause" : "resume", name);
    return 0;
}

static int must_be_found(int result, bool found, const char *name, struct error **err)
{
    if (result == 0 && !found)
        return error_set(err, ERROR_NOT_FOUND, "machine \"%s\" is not there", name);
    return result;
}

int hypervisor_shut_down(struct hypervisor *hypervisor, const char *name, struct error **err)
{
    bool found = false;
    int result = hypervisor_run_domain(hypervisor, name, shut_down, NULL, &found, err);

    return must_be_found(result, found, name, err);
}

int hypervisor_reset(struct hypervisor *hypervisor, const char *name, struct error **err)
{
    bool found = false;
    int result = hypervisor_run_domain(hypervisor, name, reset, NULL, &found, err);

    return must_be_found(result, found, name, err);
}

int hypervisor_pause(struct hypervisor *hypervisor, const char *name, bool pause,
                     struct error **err)
{
    bool found = false;
    int result = hypervisor_run_domain(hypervisor, name, pause_or_resume, &pause, &found, err);

    return must_be_found(result, found, name, err);
}

static int remove_domain(virDomainPtr domain, void *arg, const char *name, struct error **err)
{
    unsigned flags = VIR_DOMAIN_UNDEFINE_MANAGED_SAVE | VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA |
                     VIR_DOMAIN_UNDEFINE_KEEP_NVRAM | VIR_DOMAIN_UNDEFINE_KEEP_TPM;

    if (virDomainIsActive(domain) == 1 && virDomainDestroy(domain) == -1 &&
        virGetLastErrorCode() != VIR_ERR_OPERATION_INVALID)
        return hypervisor_fail(err, "power off", name);
    if (virDomainUndefineFlags(domain, flags) == -1 && virGetLastErrorCode() != VIR_ERR_NO_DOMAIN)
        return hypervisor_fail(err, "remove", name);
    return 0;
}

int hypervisor_remove(struct hypervisor *hypervisor, const char *name, struct error **err)
{
    bool found = false;

    return hypervisor_run_domain(hypervisor, name, remove_domain, NULL, &found, err);
}

static int list(virConnectPtr connection, void *arg, struct error **err)
{
    struct str_list *names = arg;
    virDomainPtr *domains = NULL;
    int count = virConnectListAllDomains(connection, &domains, 0);

    for (int i = 0; i < count; i++) {
        str_list_push(names, xstrdup(virDomainGetName(domains[i])));
        virDomainFree(domains[i]);
    }
    free(domains);
    return count == -1 ? hypervisor_fail(err, "list", "*") : 0;
}

int hypervisor_list(struct hypervisor *hypervisor, struct str_list *names, struct error **err)
{
    return hypervisor_run(hypervisor, list, names, err);
}

int hypervisor_shut_down_all(struct hypervisor *hypervisor, struct error **err)
{
    struct str_list names = {0};
    int result = 0;

    if (libvirt_keeper_find(hypervisor->dir) == 0 && !hypervisor_was_used(hypervisor))
        return 0;
    result = hypervisor_list(hypervisor, &names, err);
    for (size_t i = 0; i < names.len && result == 0; i++)
        result = hypervisor_remove(hypervisor, names.ptr[i], err);
    str_list_free_all(&names);
    if (result == -1)
        return -1;
    pid_t keeper = libvirt_keeper_find(hypervisor->dir);
    if (keeper > 1)
        kill(keeper, SIGTERM);
    struct deadline deadline = deadline_after(KEEPER_MS);
    while (libvirt_keeper_find(hypervisor->dir) != 0) {
        if (deadline_is_over(deadline))
            return error_set(err, ERROR_TIMEOUT, "libvirtd's keeper does not end");
        usleep(10000);
    }
    return 0;
}
