#include "apiserver/apiserver.h"

#define LOG_COMPONENT "apiserver"

#include "apiserver/authz.h"
#include "apiserver/bootstrap.h"
#include "apiserver/documents.h"
#include "apiserver/housekeeping.h"
#include "apiserver/keeping.h"
#include "apiserver/metrics.h"
#include "apiserver/pki.h"
#include "apiserver/rate.h"
#include "apiserver/record.h"
#include "apiserver/server.h"
#include "apiserver/status.h"
#include "apiserver/tokens.h"
#include "base/cancel.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/thread.h"
#include "base/time.h"
#include "data/base64.h"
#include "data/obj.h"
#include "net/http_server.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_CERT_BYTES = 64 * 1024 };

static void handle_http(void *arg, const struct http_request *request,
                        struct http_response *response)
{
    server_handle(arg, request, response, NULL);
}

/* What is no request at all still gets a Status. */
static void refuse_http(void *arg, int status, const char *message, struct http_response *response)
{
    static const struct {
        int status;
        const char *reason;
    } reasons[] = {{408, "Timeout"}, {413, "RequestEntityTooLarge"}, {501, "NotImplemented"}};
    CLEANUP(failure) struct failure failure = {0};
    const char *reason = "BadRequest";

    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
        if (reasons[i].status == status)
            reason = reasons[i].reason;
    fail(&failure, status, reason, "%s", message);
    CLEANUP(str) char *text = obj_format(failure.status);
    http_response_add_header(response, "Content-Type", "application/json");
    http_response_write(response, text, strlen(text));
}

static int start_http(struct apiserver *server, const char *listen, struct error **err)
{
    CLEANUP(str) char *cert = path_join(server->dir, "pki/server.crt");
    CLEANUP(str) char *key = path_join(server->dir, "pki/server.key");
    CLEANUP(str) char *ca = path_join(server->dir, "pki/ca.crt");
    const struct http_server_options options = {
        .listen = listen,
        .cert_path = cert,
        .key_path = key,
        .client_ca_path = ca,
        .handle = handle_http,
        .refuse = refuse_http,
        .arg = server,
    };

    return http_server_start(&options, &server->http, err);
}

static int open_store(struct apiserver *server, struct error **err)
{
    CLEANUP(str) char *path = path_join(server->dir, "state.db");
    CLEANUP(str) char *key_path = path_join(server->dir, "pki/store.key");
    const struct store_options options = {.path = path, .key_path = key_path};

    return store_open(&options, &server->store, err);
}

/* Certificates are made while the store opens: nothing needs them before somebody connects. */
struct certifying {
    const char *dir, *listen;
    struct thread thread;
    int result;
    struct error *err;
};

static void *certify(void *arg)
{
    struct certifying *certifying = arg;

    certifying->result = pki_prepare(certifying->dir, certifying->listen, &certifying->err);
    return NULL;
}

static int certify_finish(struct certifying *certifying, struct error **err)
{
    thread_join(&certifying->thread);
    if (certifying->result == -1)
        *err = steal(&certifying->err);
    return certifying->result;
}

static int start_inside(struct apiserver *server, const struct apiserver_options *options,
                        struct error **err)
{
    CLEANUP(str) char *pki = path_join(server->dir, "pki");

    if (open_store(server, err) == -1)
        return -1;
    server->registry = registry_new(server->store);
    server->authorizer = authorizer_new(server->registry);
    server->documents = documents_new(server);
    server->metrics = metrics_new();
    server->record = record_new();
    server->rate = rate_new(options->requests_per_s);
    server->client = apiserver_client(server, "system:apiserver");
    if (tokens_open(server, pki, &server->tokens, err) == -1 ||
        bootstrap_kinds(server, err) == -1 ||
        bootstrap_objects(server, options->crd_dir, err) == -1)
        return -1;
    return housekeeping_start(server, &server->housekeeping, err);
}

static int start(struct apiserver *server, const struct apiserver_options *options,
                 struct error **err)
{
    CLEANUP(str) char *pki = path_join(server->dir, "pki");
    struct certifying certifying = {.dir = server->dir, .listen = options->listen};
    struct error *failure = NULL;

    if (keeping_take_place(server->dir, err) == -1 || dir_make(pki, 0700, err) == -1 ||
        thread_start(&certifying.thread, "certificates", certify, &certifying, err) == -1)
        return -1;
    if (start_inside(server, options, err) == -1) {
        certify_finish(&certifying, &failure);
        error_free(failure); /* one reason is enough */
        return -1;
    }
    if (certify_finish(&certifying, err) == -1)
        return -1;
    return start_http(server, options->listen, err);
}

int apiserver_start(const struct apiserver_options *options, struct apiserver **out,
                    struct error **err)
{
    struct apiserver *server = xcalloc(1, sizeof(*server));
    int64_t start_ms = time_mono_ms();

    server->dir = xstrdup(options->dir);
    server->main_namespace =
        options->main_namespace == NULL ? NULL : xstrdup(options->main_namespace);
    server->stopping = cancel_new();
    pthread_rwlock_init(&server->lock, NULL);
    pthread_mutex_init(&server->keeping, NULL);
    if (dir_make(server->dir, 0700, err) == -1 || start(server, options, err) == -1) {
        apiserver_stop(server);
        return error_wrap(err, "cannot start the API server in \"%s\"", options->dir);
    }
    log_info("serving: port=%d ms=%" PRId64, apiserver_port(server), time_mono_ms() - start_ms);
    *out = server;
    return 0;
}

void apiserver_close(struct apiserver *server)
{
    cancel_request(server->stopping);
    http_server_stop(steal(&server->http));
}

void apiserver_stop(struct apiserver *server)
{
    if (server == NULL)
        return;
    apiserver_close(server);
    housekeeping_stop(server->housekeeping);
    kube_client_free(server->client);
    documents_free(server->documents);
    authorizer_free(server->authorizer);
    tokens_free(server->tokens);
    registry_free(server->registry);
    store_close(server->store);
    metrics_free(server->metrics);
    rate_free(server->rate);
    record_free(server->record);
    cancel_free(server->stopping);
    pthread_rwlock_destroy(&server->lock);
    pthread_mutex_destroy(&server->keeping);
    free(server->main_namespace);
    free(server->dir);
    free(server);
}

void apiserver_set_backend(struct apiserver *server, const struct apiserver_backend *backend)
{
    pthread_rwlock_wrlock(&server->lock);
    server->backend = *backend;
    pthread_rwlock_unlock(&server->lock);
}

int apiserver_port(const struct apiserver *server)
{
    return http_server_port(server->http);
}

void apiserver_set_metrics(struct apiserver *server, void (*format)(void *arg, struct buf *out),
                           void *arg)
{
    pthread_rwlock_wrlock(&server->lock);
    server->format_metrics = format;
    server->metrics_arg = arg;
    pthread_rwlock_unlock(&server->lock);
}

void apiserver_mount(struct apiserver *server, const char *prefix,
                     void (*handle)(void *arg, const struct http_request *request,
                                    struct http_response *response),
                     void *arg)
{
    pthread_rwlock_wrlock(&server->lock);
    assert(server->mount_count < SERVER_MAX_MOUNTS);
    server->mounts[server->mount_count++] = (struct mount){prefix, handle, arg};
    pthread_rwlock_unlock(&server->lock);
}

char *apiserver_kubeconfig(struct apiserver *server)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(str) char *path = path_join(server->dir, "pki/ca.crt");
    CLEANUP(str) char *cert = NULL;
    size_t len = 0;

    if (file_read(path, MAX_CERT_BYTES, &cert, &len, &err) == -1) {
        log_write_error(LOG_LEVEL_ERROR, LOG_COMPONENT, err, "the certificate is gone");
        len = 0;
    }
    CLEANUP(str) char *encoded = base64_encode(cert == NULL ? "" : cert, len);
    return xasprintf("apiVersion: v1\n"
                     "kind: Config\n"
                     "clusters:\n"
                     "- name: gantry\n"
                     "  cluster:\n"
                     "    server: https://127.0.0.1:%d\n"
                     "    certificate-authority-data: %s\n"
                     "users:\n"
                     "- name: gantry-admin\n"
                     "  user:\n"
                     "    token: %s\n"
                     "contexts:\n"
                     "- name: gantry\n"
                     "  context:\n"
                     "    cluster: gantry\n"
                     "    user: gantry-admin\n"
                     "    namespace: %s\n"
                     "current-context: gantry\n",
                     apiserver_port(server), encoded, tokens_admin(server->tokens),
                     server->main_namespace == NULL ? "default" : server->main_namespace);
}
