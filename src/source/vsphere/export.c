#include "source/vsphere/export.h"

#include "base/cancel.h"
#include "base/error.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/secret.h"
#include "base/text.h"
#include "base/thread.h"
#include "net/http_client.h"
#include "net/url.h"
#include "source/vsphere/tree.h"
#include "source/vsphere/vim_internal.h"

#include <stdlib.h>
#include <string.h>

enum {
    DEFAULT_STALL_MS = 60000,
    KEEP_MS = 20000,         /* a lease is forgotten after some 5 minutes without a word */
    BUSY_MS = 10 * 60 * 1000, /* for another export to end, or to be forgotten after a crash */
    BUSY_POLL_MS = 2000,
    READY_MS = 5 * 60 * 1000,
    READY_POLL_MS = 300,
};

/* One export under way. */
struct leased {
    const struct vsphere_export *export;
    struct vim *vim;
    char *lease;
    char *url, *thumbprint; /* of the disk */
    int fd;
    struct cancel *cancel;  /* our own: a lost lease ends the download */
    int64_t keep_ms;
    struct thread keeper;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    uint64_t sent, total;   /* guarded by lock; bytes, TOTAL 0: not known */
    bool done;              /* guarded by lock: no need to keep the lease */
    struct error *lost;     /* guarded by lock: why the lease is gone */
    struct error *unwritten; /* the reader is gone */
};

static void leased_reset(struct leased *leased)
{
    vim_free(leased->vim);
    free(leased->lease);
    free(leased->url);
    free(leased->thumbprint);
    cancel_free(leased->cancel);
    error_free(leased->lost);
    error_free(leased->unwritten);
    pthread_mutex_destroy(&leased->lock);
    pthread_cond_destroy(&leased->changed);
}

/* Calls of the lease. */

static int call_lease(struct leased *leased, const char *method, const char *parameters,
                      struct error **err)
{
    const struct vim_call call = {.method = method,
                                  .this_type = "HttpNfcLease",
                                  .this_id = leased->lease,
                                  .parameters = parameters};
    CLEANUP(dom) struct dom *answer = NULL;

    return vim_send(leased->vim, &call, &answer, NULL, err);
}

static int ask_for_lease(struct leased *leased, struct cancel *cancel, struct error **err)
{
    const struct vim_call call = {.method = "ExportVm",
                                  .this_type = "VirtualMachine",
                                  .this_id = leased->export->machine,
                                  .cancel = cancel};
    struct deadline deadline = deadline_after(BUSY_MS);

    for (;;) {
        CLEANUP(dom) struct dom *answer = NULL;
        CLEANUP(error) struct error *problem = NULL;
        struct dom_node *result = NULL;

        if (vim_send(leased->vim, &call, &answer, &result, &problem) == 0) {
            leased->lease = result != NULL ? dom_text(result) : NULL;
            return leased->lease != NULL
                       ? 0
                       : error_set(err, ERROR_CORRUPT, "ExportVm answers with no lease");
        }
        if (problem->code != ERROR_BUSY) {
            *err = steal(&problem);
            return -1;
        }
        if (cancel_wait(cancel, BUSY_POLL_MS))
            return error_set(err, ERROR_CANCELED, "canceled");
        if (deadline_is_over(deadline)) {
            *err = steal(&problem);
            return error_wrap(err, "another export of the machine does not end");
        }
    }
}

/* The lease's error as ours. */
static int fail_lease(struct dom_node *object, struct error **err)
{
    struct dom_node *problem = vim_property(object, "error");
    struct dom_node *fault = problem != NULL ? dom_first(problem, "fault") : NULL;
    CLEANUP(str) char *name = fault != NULL ? vim_fault_name(fault) : xstrdup("Fault");
    CLEANUP(str)
    char *words = problem != NULL ? vim_text_at(problem, "localizedMessage") : xstrdup("no reason");

    return vim_set_fault(name, words, err);
}

/* Reads where disk INDEX of those that DEVICES names, or the one whose key ends in PLACE, comes from. */
static int take_url(struct leased *leased, struct dom_node *info, const char *place, size_t index,
                    struct error **err)
{
    struct dom_node *by_place = NULL, *by_index = NULL;
    size_t count = 0;

    for (struct dom_node *at = dom_first(info, "deviceUrl"); at != NULL;
         at = dom_next(at, "deviceUrl")) {
        CLEANUP(str) char *key = vsphere_text(at, "key");

        if (!vsphere_bool(at, "disk"))
            continue;
        if (str_ends_with(key, place))
            by_place = at;
        if (count++ == index)
            by_index = at;
    }
    struct dom_node *found = by_place != NULL ? by_place : by_index;
    if (found == NULL)
        return error_set(err, ERROR_NOT_FOUND, "the lease has no disk \"%s\"", place);
    leased->url = vsphere_text(found, "url");
    leased->thumbprint = vsphere_text(found, "sslThumbprint");
    int64_t size = vsphere_int(found, "fileSize", 0);
    if (size <= 0)
        size = vsphere_int(info, "totalDiskCapacityInKB", 0) * 1024;
    leased->total = size > 0 ? (uint64_t)size : 0;
    int64_t life_ms = vsphere_int(info, "leaseTimeout", 0) * 1000;
    leased->keep_ms = leased->export->keep_ms > 0               ? leased->export->keep_ms
                      : life_ms > 0 && life_ms / 3 < KEEP_MS ? life_ms / 3
                                                             : KEEP_MS;
    return 0;
}

/* Waits until the server has prepared the lease. */
static int wait_until_ready(struct leased *leased, const char *place, size_t index,
                            struct cancel *cancel, struct error **err)
{
    struct deadline deadline = deadline_after(READY_MS);

    for (;;) {
        CLEANUP(dom) struct dom *answer = NULL;
        struct dom_node *object = NULL;

        if (vim_read(leased->vim, "HttpNfcLease", leased->lease, "state info error", cancel,
                     &answer, &object, err) == -1)
            return -1;
        struct dom_node *value = vim_property(object, "state");
        CLEANUP(str) char *state = value != NULL ? dom_text(value) : xstrdup("");
        struct dom_node *info = vim_property(object, "info");
        if (str_eq(state, "error"))
            return fail_lease(object, err);
        if (str_eq(state, "ready") && info != NULL)
            return take_url(leased, info, place, index, err);
        if (cancel_wait(cancel, READY_POLL_MS))
            return error_set(err, ERROR_CANCELED, "canceled");
        if (deadline_is_over(deadline))
            return error_set(err, ERROR_TIMEOUT, "the lease is not ready after %d s",
                             READY_MS / 1000);
    }
}

/* Which disk it is. */

struct disk_place {
    size_t index; /* among the machine's disks */
    char *text;   /* "ParaVirtualSCSIController0:1" */
};

/* The device with KEY among DEVICES, or NULL. */
static struct dom_node *find_device(struct dom_node *devices, const char *key)
{
    for (struct dom_node *at = dom_first(devices, NULL); at != NULL; at = dom_next(at, NULL)) {
        CLEANUP(str) char *own = vsphere_text(at, "key");

        if (str_eq(own, key))
            return at;
    }
    return NULL;
}

static int find_place(struct leased *leased, struct disk_place *place, struct error **err)
{
    CLEANUP(dom) struct dom *answer = NULL;
    struct dom_node *object = NULL;
    const struct vsphere_export *export = leased->export;

    if (vim_read(leased->vim, "VirtualMachine", export->machine, "config.hardware.device", NULL,
                 &answer, &object, err) == -1)
        return -1;
    struct dom_node *devices = vim_property(object, "config.hardware.device");
    struct dom_node *disk = devices != NULL ? find_device(devices, export->disk) : NULL;
    if (disk == NULL)
        return error_set(err, ERROR_NOT_FOUND, "machine \"%s\" has no disk with key %s",
                         export->machine, export->disk);
    place->index = 0;
    for (struct dom_node *at = dom_first(devices, NULL); at != NULL && at != disk;
         at = dom_next(at, NULL)) {
        CLEANUP(str) char *type = vsphere_type_of(at);
        place->index += str_eq(type, "VirtualDisk");
    }
    CLEANUP(str) char *controller_key = vsphere_text(disk, "controllerKey");
    CLEANUP(str) char *unit = vsphere_text(disk, "unitNumber");
    struct dom_node *controller = find_device(devices, controller_key);
    CLEANUP(str) char *type = controller != NULL ? vsphere_type_of(controller) : xstrdup("");
    CLEANUP(str) char *bus = controller != NULL ? vsphere_text(controller, "busNumber")
                                                : xstrdup("0");
    place->text = xasprintf("/%s%s:%s", type, bus, unit);
    return 0;
}

/* The download. */

static bool take_bytes(void *arg, const char *data, size_t len)
{
    struct leased *leased = arg;

    if (fd_write_all(leased->fd, data, len, "the reader", &leased->unwritten) == -1)
        return false;
    LOCK_SCOPE(&leased->lock);
    leased->sent += len;
    return true;
}

/* Tells the server again and again that the lease is used. */
static void *keep_lease(void *arg)
{
    struct leased *leased = arg;
    pthread_mutex_lock(&leased->lock);
    while (!leased->done) {
        struct deadline next = deadline_after(leased->keep_ms);
        struct error *err = NULL;

        while (!leased->done && cond_wait(&leased->changed, &leased->lock, next))
            ;
        if (leased->done)
            break;
        uint64_t percent = leased->total > 0 ? leased->sent * 100 / leased->total : 0;
        CLEANUP(str) char *text = xasprintf("<percent>%u</percent>",
                                            percent > 99 ? 99 : (unsigned)percent);
        pthread_mutex_unlock(&leased->lock);
        int result = call_lease(leased, "HttpNfcLeaseProgress", text, &err);
        pthread_mutex_lock(&leased->lock);
        if (result == -1 && error_is_transient(err)) {
            error_clear(&err); /* the next time */
        } else if (result == -1) {
            leased->lost = err;
            cancel_request(leased->cancel);
            break;
        }
    }
    pthread_mutex_unlock(&leased->lock);
    return NULL;
}

static void stop_keeping(struct leased *leased)
{
    pthread_mutex_lock(&leased->lock);
    leased->done = true;
    pthread_cond_broadcast(&leased->changed);
    pthread_mutex_unlock(&leased->lock);
    thread_join(&leased->keeper);
}

/* A star for a host stands for the server that was asked. */
static int real_url(struct leased *leased, struct url **out, struct error **err)
{
    CLEANUP(url) struct url *sdk = NULL;
    CLEANUP(str) char *text = NULL;
    const char *star = strstr(leased->url, "://*");

    if (url_parse(vim_url(leased->vim), &sdk, err) == -1)
        return -1;
    if (star != NULL && (star[4] == '/' || star[4] == ':')) {
        const char *rest = strchr(star + 4, '/');
        CLEANUP(str) char *path = xstrdup(rest != NULL ? rest : "/");
        char *joined = url_join(vim_url(leased->vim), path, err);
        if (joined == NULL)
            return -1;
        free(leased->url);
        leased->url = joined;
    }
    return url_parse(leased->url, out, err) == -1 ? error_wrap(err, "the lease's URL") : 0;
}

static int open_client(struct leased *leased, struct http_client **client, struct secret **cookie,
                       struct error **err)
{
    const struct vsphere_export *export = leased->export;
    CLEANUP(url) struct url *url = NULL;
    CLEANUP(url) struct url *sdk = NULL;

    if (real_url(leased, &url, err) == -1 || url_parse(vim_url(leased->vim), &sdk, err) == -1)
        return -1;
    bool same = str_eq(url->host, sdk->host) && url->port == sdk->port;
    /* The certificate of a host is named by the server that we trust already. */
    const char *pin = !same && leased->thumbprint[0] != '\0' ? leased->thumbprint
                                                             : export->thumbprint;
    const struct http_client_options options = {
        .thumbprint = pin, .ca_pem = export->ca_pem, .insecure = export->insecure};
    if (same)
        *cookie = vim_cookie(leased->vim);
    return http_client_new(&options, client, err);
}

static int download(struct leased *leased, struct error **err)
{
    CLEANUP(http_client) struct http_client *client = NULL;
    CLEANUP(http_reply) struct http_reply reply = {0};
    CLEANUP(secret) struct secret *cookie = NULL;

    if (open_client(leased, &client, &cookie, err) == -1)
        return -1;
    const char *const headers[] = {cookie != NULL ? secret_get(cookie) : NULL, NULL};
    const struct http_call call = {
        .url = leased->url,
        .headers = headers,
        .stall_ms = leased->export->timeout_ms > 0 ? leased->export->timeout_ms : DEFAULT_STALL_MS,
        .cancel = leased->cancel,
        .on_data = take_bytes,
        .arg = leased,
    };
    int result = http_client_send(client, &call, &reply, err);
    if (leased->unwritten != NULL) {
        error_clear(err);
        *err = steal(&leased->unwritten);
        return -1;
    }
    return result == -1 ? -1 : http_reply_check(&reply, err);
}

/* Reads while the lease is kept; what ended the lease goes before what that did to the download. */
static int read_disk(struct leased *leased, struct error **err)
{
    if (thread_start(&leased->keeper, "lease", keep_lease, leased, err) == -1)
        return -1;
    int result = download(leased, err);
    stop_keeping(leased);
    if (leased->lost != NULL) {
        error_clear(err);
        *err = steal(&leased->lost);
        return error_wrap(err, "the lease was lost");
    }
    return result;
}

static int run_lease(struct leased *leased, struct cancel *cancel, struct error **err)
{
    struct disk_place place = {0};

    if (find_place(leased, &place, err) == -1 || ask_for_lease(leased, cancel, err) == -1) {
        free(place.text);
        return -1;
    }
    int result = wait_until_ready(leased, place.text, place.index, cancel, err);
    free(place.text);
    if (result == 0)
        result = read_disk(leased, err);
    if (result == 0 && call_lease(leased, "HttpNfcLeaseComplete", NULL, err) == 0)
        return 0;
    CLEANUP(error) struct error *ignored = NULL; /* without a word it ends by itself */
    call_lease(leased, "HttpNfcLeaseAbort", NULL, &ignored);
    return -1;
}

int vsphere_export_disk(const struct vsphere_export *export, int fd, struct cancel *cancel,
                        struct error **err)
{
    const struct vim_options options = {.url = export->url,
                                        .user = export->user,
                                        .password = export->password,
                                        .thumbprint = export->thumbprint,
                                        .ca_pem = export->ca_pem,
                                        .insecure = export->insecure};
    struct leased leased = {.export = export, .fd = fd, .cancel = cancel_new()};

    pthread_mutex_init(&leased.lock, NULL);
    cond_init(&leased.changed);
    int result = vim_new(&options, &leased.vim, err);
    if (result == 0)
        result = vim_login(leased.vim, cancel, err);
    if (result == 0) {
        result = run_lease(&leased, cancel, err);
        vim_logout(leased.vim);
    }
    leased_reset(&leased);
    return result == 0 ? 0
                       : error_wrap(err, "export of disk %s of machine \"%s\"", export->disk,
                                    export->machine);
}
