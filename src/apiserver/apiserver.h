/* The API server at home: Kubernetes' API for the kinds we serve, stored in SQLite.
 *
 * May use: base, data, net, kube.  Threads: all functions may be called from any thread.
 */
#pragma once

#include "base/cleanup.h"
#include "kube/client.h"

struct apiserver;
struct error;

/* How subresources that need a running pod are answered; the node agent sets them.  ON_DATA
 * returns false when the reader went away.  Any may be NULL: 501. */
struct apiserver_backend {
    void *arg;
    /* Streams a container's log; see the API's log options. */
    int (*pod_log)(void *arg, const json_t *pod, const char *container, const json_t *options,
                   struct cancel *cancel, bool (*on_data)(void *to, const char *data, size_t len),
                   void *to, struct error **err);
    /* Starts COMMAND (NULL at the end) in a container; the descriptors are borrowed.  Blocks until
     * it ends; *EXIT_CODE is the command's.  RESIZE_FD yields "COLSxROWS\n" lines, or -1. */
    int (*pod_exec)(void *arg, const json_t *pod, const char *container,
                    const char *const *command, int in_fd, int out_fd, int err_fd, bool tty,
                    int resize_fd, struct cancel *cancel, int *exit_code, struct error **err);
    /* KubeVirt's subresources of a VirtualMachine(Instance): "start", "stop", "restart", ... */
    int (*vm_action)(void *arg, const char *ns, const char *name, const char *action,
                     const json_t *body, struct error **err);
    /* The serial line of a VirtualMachineInstance: a descriptor that is read and written without
     * blocking, owned by the caller, or -1. */
    int (*vm_console)(void *arg, const char *ns, const char *name, struct error **err);
};

struct apiserver_options {
    const char *dir;       /* store, certificates, key files: DIR/state.db, DIR/pki/... */
    const char *listen;    /* "127.0.0.1:0": a free port */
    const char *crd_dir;   /* further CRD files loaded at start, or NULL; ours are built in */
    const char *main_namespace; /* made at start, with the others */
    unsigned requests_per_s;    /* of one caller who is no administrator; 0: see rate.h */
};

/* Opens the store, makes what is missing (certificates, default namespaces, our CRDs) and serves
 * HTTPS.  Ready when it returns. */
int apiserver_start(const struct apiserver_options *options, struct apiserver **out,
                    struct error **err);
/* Answers what is running and serves nothing over the network any more; clients in the process go on.
 * What is mounted may be freed afterwards. */
void apiserver_close(struct apiserver *server);
void apiserver_stop(struct apiserver *server); /* closes, and frees */

/* Before traffic that needs it. */
void apiserver_set_backend(struct apiserver *server, const struct apiserver_backend *backend);

/* The port that is listened on. */
int apiserver_port(const struct apiserver *server);

/* A kubeconfig for the one who started us (cluster administrator), as YAML text; owned by the
 * caller, who writes it with mode 0600. */
char *apiserver_kubeconfig(struct apiserver *server);

/* A client in the same process, as USER ("system:gantry"). */
struct kube_client *apiserver_client(struct apiserver *server, const char *user);

/* Lets another part append to /metrics what it counts; FORMAT NULL takes it away again, after which
 * it is not called any more. */
struct buf;
void apiserver_set_metrics(struct apiserver *server, void (*format)(void *arg, struct buf *out),
                           void *arg);

/* Lets another service answer below PREFIX ("/inventory/") on the same port, behind the same
 * authentication. */
struct http_request;
struct http_response;
void apiserver_mount(struct apiserver *server, const char *prefix,
                     void (*handle)(void *arg, const struct http_request *request,
                                    struct http_response *response),
                     void *arg);
