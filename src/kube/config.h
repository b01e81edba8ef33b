/* How to reach a cluster: kubeconfig files, and the service account of a pod.
 *
 * May use: base, data.  Threads: frozen once loaded.
 */
#pragma once

#include "base/cleanup.h"

#include <stdbool.h>

struct error;
struct kube_client;
struct secret;

/* May also be filled by hand (from a provider's Secret, say); everything but SERVER may be NULL.
 * All is owned. */
struct kube_config {
    char *server; /* https://host:6443 */
    char *ca_pem;
    char *cert_pem;
    struct secret *key_pem;
    struct secret *token;
    char *token_file; /* read again every minute, as tokens of pods expire */
    char *user;
    struct secret *password;
    char *proxy;
    char *thumbprint; /* see net/http_client.h; not part of kubeconfig files */
    bool insecure;
    char *ns;      /* of the context; NULL: none */
    char *context; /* its name, or NULL */
};

/* Reads CONTEXT (NULL: the current one) of the kubeconfig file at PATH.  Relative names of files
 * are meant from its folder.  Users that need a helper program or a provider's login
 * (exec, auth-provider) are ERROR_UNSUPPORTED. */
int kube_config_load(const char *path, const char *context, struct kube_config **out,
                     struct error **err);

/* The service account mounted into this pod.  DIR NULL is where Kubernetes mounts it.  Outside of a
 * pod: ERROR_NOT_FOUND. */
int kube_config_in_pod(const char *dir, struct kube_config **out, struct error **err);

void kube_config_free(struct kube_config *config);

/* A client over HTTPS.  CONFIG is copied. */
struct kube_client *kube_client_open_config(const struct kube_config *config, struct error **err);

DEFINE_CLEANUP(kube_config, struct kube_config *, kube_config_free)
