/* One request to the API: what its path and query mean, who asks, and where the answer goes.
 *
 * May use: base, data, net, kube.  Threads: a call has one owner.
 */
#pragma once

#include "apiserver/registry.h"
#include "apiserver/status.h"
#include "apiserver/user.h"
#include "kube/body.h"
#include "net/http_server.h"

#include <stdbool.h>
#include <stdint.h>

struct apiserver;
struct object;

enum call_accept {
    ACCEPT_JSON,
    ACCEPT_TABLE,
    ACCEPT_METADATA, /* PartialObjectMetadata(List) */
    ACCEPT_NONE,     /* nothing that we can write: 406 */
};

struct call {
    struct apiserver *server;
    const struct http_request *request;
    struct http_response *response;
    struct user *user;
    char id[37]; /* in logs and in the Audit-Id header */

    /* From the path.  Empty text for what it does not have. */
    char *group, *version, *plural, *ns, *name, *subresource;
    const char *verb; /* get list watch create update patch delete deletecollection */
    struct served *served;                 /* NULL: not a path of a kind */
    const struct kube_version *served_as;  /* that version of it */

    /* From the query and headers. */
    enum call_accept accept;
    bool dry_run;
    enum field_validation field_validation;
    char *field_manager; /* what was given, or NULL */

    struct failure failure;
};

void call_init(struct call *call, struct apiserver *server, const struct http_request *request,
               struct http_response *response);
void call_reset(struct call *call);

/* Takes "/api/v1/namespaces/x/pods/y/log" apart.  False: not such a path (the parts are not
 * set).  Fills everything up to `verb`. */
bool call_parse_path(struct call *call);

/* Finds the served kind; false: there is none. */
bool call_find_kind(struct call *call);

/* Reads the options that all writes share, and the Accept header.  0, or -1 with the failure. */
int call_read_options(struct call *call);

/* A query parameter as bool (false: absent, "0" or "false" in any case) or number. */
bool call_query_bool(struct call *call, const char *name);
int call_query_int(struct call *call, const char *name, int64_t fallback, int64_t *value);

/* "v1" or "group/version" as the caller asked for it.  Owned by the caller. */
char *call_api_version(const struct call *call);

/* --- Answers ------------------------------------------------------------------------------------- */

void call_answer_json(struct call *call, int status, const json_t *value);
void call_answer_text(struct call *call, int status, const char *text);
/* A stored object, as JSON, as one row of a Table, or as its metadata only. */
void call_answer_object(struct call *call, int status, const struct object *object);
/* A stored object's text in the caller's version, appended to OUT. */
void call_format_object(const struct call *call, const struct object *object, struct buf *out);
/* Sends the failure that was set. */
void call_answer_failure(struct call *call);

/* Adds a Warning header: 299 - "TEXT". */
void call_warn(struct call *call, const char *text);

DEFINE_CLEANUP_IN_PLACE(call, struct call, call_reset)
