/* The one way to reach objects, at home and in a cluster.
 *
 * A client sends the same requests over one of two transports: in process, into the API server's
 * handlers, or HTTPS.  Controllers never know which.
 *
 * May use: base, data, net.  Threads: a client may be used from any thread; each call blocks its
 * caller until the answer is there, CANCEL is requested or the client's timeout (30 s) is over.
 * A server that asks to come back later (429) is asked again within that time.
 */
#pragma once

#include "base/cleanup.h"
#include "data/obj.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cancel;
struct error;
struct kube_client;

/* A kind of object as paths need it.  Those we use are in kube/kinds.h. */
struct kube_kind {
    const char *group;   /* "" for core */
    const char *version; /* v1beta1 */
    const char *plural;  /* plans */
    const char *kind;    /* Plan */
    bool cluster_scoped;
};

/* One request as a transport sees it. */
struct kube_request {
    const char *method;       /* GET */
    const char *path;         /* with the query: /api/v1/namespaces?limit=500 */
    const char *content_type; /* of the body, or NULL */
    const char *accept;       /* or NULL for application/json */
    const char *body;
    size_t body_len;
    int64_t timeout_ms;    /* for the whole exchange; 0: only CANCEL ends it */
    struct cancel *cancel; /* or NULL */
};

/* Where calls go.  All functions are required. */
struct kube_transport_ops {
    /* One exchange.  On success *STATUS is the HTTP status, *BODY is owned by the caller. */
    int (*request)(void *self, const struct kube_request *request, int *status, char **body,
                   size_t *body_len, struct error **err);
    /* A response that stays open (watch, logs -f): ON_DATA gets each piece as it comes, on the
     * calling thread, and ends the stream by returning false, which is no failure.  *STATUS is set
     * before the first piece.  Returns at the stream's end; a stream that breaks off, or that is
     * cancelled, is a failure. */
    int (*stream)(void *self, const struct kube_request *request, int *status,
                  bool (*on_data)(void *arg, const char *data, size_t len), void *arg,
                  struct error **err);
    void (*free)(void *self);
};

/* A client that owns the transport. */
struct kube_client *kube_client_new(const struct kube_transport_ops *ops, void *self);

/* A client for the server of a kubeconfig file (its current context), or, if PATH is NULL, of the
 * service account mounted into a pod. */
struct kube_client *kube_client_open(const char *path, struct error **err);

void kube_client_free(struct kube_client *client);

/* Reads one object; an absent one is *OUT = NULL and no failure.  NAMESPACE is NULL for
 * cluster-scoped kinds. */
int kube_get(struct kube_client *client, const struct kube_kind *kind, const char *ns,
             const char *name, json_t **out, struct error **err);

struct kube_list_options {
    const char *label_selector; /* NULL: all */
    const char *field_selector;
};

/* All objects of a kind as an array (pages are followed); NS NULL means every namespace. */
int kube_list(struct kube_client *client, const struct kube_kind *kind, const char *ns,
              const struct kube_list_options *options, json_t **items, struct error **err);

/* The same, with the resource version to watch from (owned by the caller) and a way to stop. */
int kube_list_at(struct kube_client *client, const struct kube_kind *kind, const char *ns,
                 const struct kube_list_options *options, struct cancel *cancel, json_t **items,
                 char **resource_version, struct error **err);

/* Creates OBJECT (its apiVersion and kind may be left out).  Exists: ERROR_EXISTS.  OUT may be
 * NULL. */
int kube_create(struct kube_client *client, const struct kube_kind *kind, const char *ns,
                const json_t *object, json_t **out, struct error **err);

/* Replaces the object; a stale resourceVersion is ERROR_CONFLICT.  OUT may be NULL. */
int kube_update(struct kube_client *client, const struct kube_kind *kind, const json_t *object,
                json_t **out, struct error **err);
int kube_update_status(struct kube_client *client, const struct kube_kind *kind,
                       const json_t *object, json_t **out, struct error **err);

/* JSON merge patches (RFC 7386).  SUBRESOURCE NULL for the object itself, or "status". */
int kube_patch(struct kube_client *client, const struct kube_kind *kind, const char *ns,
               const char *name, const char *subresource, const json_t *patch, json_t **out,
               struct error **err);

enum kube_propagation { KUBE_DELETE_BACKGROUND, KUBE_DELETE_FOREGROUND, KUBE_DELETE_ORPHAN };

/* Deletes one object, or all that match.  Absent is success; so is, with a UID, an object of that
 * name with another one: the object that was meant is gone. */
int kube_delete(struct kube_client *client, const struct kube_kind *kind, const char *ns,
                const char *name, const char *uid, enum kube_propagation propagation,
                struct error **err);
int kube_delete_matching(struct kube_client *client, const struct kube_kind *kind, const char *ns,
                         const struct kube_list_options *options, struct error **err);

/* Watches from RESOURCE_VERSION until the server ends the stream (after minutes, always), CANCEL is
 * requested (ERROR_CANCELED) or ON_EVENT returns false.  Events are borrowed: {type, object}; type
 * is ADDED, MODIFIED, DELETED or BOOKMARK, whose object has a resource version only.  A version
 * that is too old is ERROR_EXPIRED. */
int kube_watch(struct kube_client *client, const struct kube_kind *kind, const char *ns,
               const struct kube_list_options *options, const char *resource_version,
               struct cancel *cancel, bool (*on_event)(void *arg, const json_t *event), void *arg,
               struct error **err);

/* The last TAIL_LINES lines (0: all) of a pod's log, at most MAX bytes.  CONTAINER may be NULL. */
int kube_pod_log(struct kube_client *client, const char *ns, const char *pod, const char *container,
                 int64_t tail_lines, size_t max, char **text, struct error **err);

/* Any request, for what the functions above do not cover.  Statuses of 400 and above become errors
 * by kube/status.h.  *OUT is the answer's JSON, or NULL for an empty one; OUT may be NULL. */
int kube_raw(struct kube_client *client, const struct kube_request *request, json_t **out,
             struct error **err);

/* GET of PATH, whose answer is text: at most MAX bytes of it, owned by the caller. */
int kube_text(struct kube_client *client, const char *path, size_t max, char **text,
              struct error **err);

DEFINE_CLEANUP(kube_client, struct kube_client *, kube_client_free)
