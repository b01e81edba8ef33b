/* The pre-migration hook server: answers a definition with the edited one.
 *
 * A Unix socket of mode 0600; only root and our own user may talk to it.  A request ends at the end tag
 * of its root element or at the end of the stream, whichever comes first, so KubeVirt's clients and
 * ours are both served.  The answer is the edited definition, or <error>REASON</error>: our client
 * shows the reason, others pass it on and libvirt refuses it as no domain.
 *
 * May use: base, data.  Threads: start and stop from one; FIND is called from the server's threads.
 */
#pragma once

#include "base/time.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct cancel;
struct error;
struct facts;
struct hook_server;
struct user_hooks;

enum {
    HOOK_SERVER_READ_MS = 5000,     /* a request must be in by then */
    HOOK_SERVER_EXCHANGE_MS = 10000, /* and all be done by then */
    HOOK_SERVER_CLIENTS_MAX = 16,   /* at once; more wait in the socket's queue */
};

struct hook_server_options {
    const char *socket_path;
    uint64_t exchanges; /* serve so many and stop listening; 0: no limit */
    const struct user_hooks *user_hooks; /* or NULL; must outlive the server */
    /* The hooks of users for the machine of FACTS, instead of user_hooks; *OUT is freed by the server.
     * NULL: those are for every machine. */
    int (*hooks)(void *arg, const struct facts *facts, struct user_hooks **out, struct error **err);
    bool gate_off; /* the feature gate is off: answer every definition as it came */
    uid_t also_uid;     /* a further user that may connect (KubeVirt's 107); 0: none */
    /* The facts for the machine with that uuid and name (either may be NULL): *OUT is the caller's to
     * free.  A failure refuses the migration with its reason. */
    int (*find)(void *arg, const char *uuid, const char *name, struct facts **out,
                struct error **err);
    void *arg;
};

/* A socket file that nobody listens on is replaced; one that is in use is ERROR_BUSY. */
int hook_server_start(const struct hook_server_options *options, struct hook_server **out,
                      struct error **err);

/* Waits until the limit of exchanges is reached and all are answered; false when the deadline is over
 * or CANCEL is requested before. */
bool hook_server_wait(struct hook_server *server, struct deadline deadline, struct cancel *cancel);

/* How many were answered with an edited definition, and how many were refused. */
void hook_server_count(struct hook_server *server, uint64_t *edited, uint64_t *refused);

/* Stops listening, removes the socket file, lets exchanges under way finish, frees. */
void hook_server_stop(struct hook_server *server);
