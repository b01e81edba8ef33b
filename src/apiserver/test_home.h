/* For the tests of this folder: a server in a folder of the test's own, and requests to it that
 * take no connection.
 *
 * May use: base, data, net, kube.  Threads: one owner.
 */
#pragma once

#include "apiserver/server.h"
#include "base/cleanup.h"
#include "data/obj.h"

/* A server below test_dir()/NAME; the test fails if it does not start. */
struct apiserver *home_start(const char *name);

/* One request.  Everything but method and path may be NULL. */
struct ask {
    const char *method, *path; /* with the query */
    const char *body, *type;   /* type NULL: JSON */
    const char *user;          /* authenticated already, with these groups (words, space between) */
    const char *groups;
    const char *token;           /* with USER NULL: a bearer token, or anonymous */
    const char *headers[4][2];   /* further ones */
    bool stop_at_head;           /* the reader goes away once it has seen the status */
    int64_t timeout_ms;          /* the reader goes away then; 0: it stays */
};

struct answer {
    int status;
    char *head; /* "Name: value\n" of every header */
    char *text;
    json_t *json; /* of the text, or NULL */
};
void answer_reset(struct answer *answer);

struct answer home_ask(struct apiserver *server, const struct ask *ask);

/* As the administrator: the status, the answer is dropped. */
int home_do(struct apiserver *server, const char *method, const char *path, const char *body);

/* Does it, and the test fails unless the status is WANT. */
void home_must(struct apiserver *server, const char *method, const char *path, const char *body,
               int want);

/* A token of a service account, bound to POD unless that is NULL.  Owned by the caller. */
char *home_token(struct apiserver *server, const char *ns, const char *account, const char *pod);

DEFINE_CLEANUP(apiserver, struct apiserver *, apiserver_stop)
DEFINE_CLEANUP_IN_PLACE(answer, struct answer, answer_reset)
