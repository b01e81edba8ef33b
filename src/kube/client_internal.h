/* What the files of the client share.  May use: base, data. */
#pragma once

#include "base/text.h"
#include "kube/client.h"

struct kube_client {
    const struct kube_transport_ops *ops;
    void *self;
};

enum {
    CLIENT_TIMEOUT_MS = 30 * 1000,
    CLIENT_PATH_MAX = 256 * 1024, /* selectors may be long */
};

/* Appends the path of a collection (NAME NULL), an object, or its subresource (or NULL). */
void client_add_path(struct buf *path, const struct kube_kind *kind, const char *ns,
                     const char *name, const char *subresource);

/* Appends the selectors of OPTIONS (or NULL) as parameters. */
void client_add_selectors(struct buf *path, bool *first, const struct kube_list_options *options);

/* Puts "cannot VERB PLURAL "NS/NAME"" in front of *ERR.  Returns -1. */
int client_wrap(struct error **err, const char *verb, const struct kube_kind *kind, const char *ns,
                const char *name);

/* Sends REQUEST, again if the server asks for it, and gives the text of a good answer. */
int client_exchange(struct kube_client *client, const struct kube_request *request, char **body,
                    size_t *body_len, struct error **err);
