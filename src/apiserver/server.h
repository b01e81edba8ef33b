/* The inside of struct apiserver, for the files of this folder.
 *
 * May use: base, data, net, kube.  Threads: everything but the fields under a lock is set before
 * the first request and constant afterwards.
 */
#pragma once

#include "apiserver/apiserver.h"
#include "apiserver/registry.h"
#include "apiserver/store.h"
#include "base/thread.h"

struct authorizer;
struct call;
struct documents;
struct http_request;
struct http_response;
struct http_server;
struct housekeeping;
struct metrics;
struct rate;
struct record;
struct tokens;

enum { SERVER_MAX_MOUNTS = 8 };

#define CRD_GROUP "apiextensions.k8s.io"
#define CRD_TABLE "customresourcedefinitions.apiextensions.k8s.io"
#define CRD_FINALIZER "customresourcecleanup.apiextensions.k8s.io"

struct mount {
    const char *prefix;
    void (*handle)(void *arg, const struct http_request *request, struct http_response *response);
    void *arg;
};

struct apiserver {
    char *dir;
    char *main_namespace; /* or NULL */
    struct store *store;
    struct registry *registry;
    struct authorizer *authorizer;
    struct tokens *tokens;
    struct documents *documents;
    struct metrics *metrics;
    struct rate *rate;
    struct record *record;
    struct housekeeping *housekeeping;
    struct http_server *http;
    struct kube_client *client; /* our own, for what the server itself does to objects */
    struct cancel *stopping;
    pthread_mutex_t keeping; /* held by a backup, a restore or a rotation */
    pthread_rwlock_t lock;
    struct apiserver_backend backend;       /* guarded by lock, also the next two */
    struct mount mounts[SERVER_MAX_MOUNTS];
    size_t mount_count;
    void (*format_metrics)(void *arg, struct buf *out); /* of another part, or NULL */
    void *metrics_arg;
};

/* Answers one request, of a connection or of this process.  USER, unless NULL, is who asks
 * (taken); otherwise the request's credentials tell. */
struct user;
void server_handle(struct apiserver *server, const struct http_request *request,
                   struct http_response *response, struct user *user);

/* Handles a call on a served kind, once it is authorised.  Each answers. */
void handle_get(struct call *call);
void handle_list(struct call *call);
void handle_watch(struct call *call);
void handle_create(struct call *call);
void handle_update(struct call *call);
void handle_patch(struct call *call);
void handle_delete(struct call *call);
void handle_delete_collection(struct call *call);
/* Subresources and kinds that are answered without being stored; false: it is none of those. */
bool handle_special(struct call *call);
