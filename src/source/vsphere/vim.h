/* A session with a vCenter or an ESXi host: the vim25 API over SOAP.
 *
 * Only what is read is typed; requests are XML texts made by the callers, answers are trees.  A
 * session that the server forgot is opened again, once per call.  A session may be given instead of
 * a password, or beside it: then it is used until the server forgets it.  Passwords and cookies are kept in
 * struct secret and appear in no error.
 *
 * May use: base, data, net.  Threads: a session may be used from any thread.
 */
#pragma once

#include "base/cleanup.h"
#include "base/text.h"
#include "data/dom.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cancel;
struct error;
struct secret;
struct vim;

enum {
    VIM_TIMEOUT_MS = 60000,        /* for one call, unless it says otherwise */
    VIM_MAX_REQUEST = 1024 * 1024, /* bytes of a request */
    VIM_MAX_TEXT = 64 * 1024,      /* bytes of one value that we keep */
};

/* Texts are copied. */
struct vim_options {
    const char *url; /* "https://vcenter/sdk"; a URL without a path gets "/sdk" */
    const char *user;              /* or NULL, with a session only */
    const struct secret *password; /* or NULL, likewise */
    const struct secret *session;  /* of somebody who is logged in: the value of its cookie; or NULL */
    const char *thumbprint; /* of the server's certificate, SHA-1 or SHA-256; or NULL */
    const char *ca_pem;     /* or NULL: the system's */
    bool insecure;          /* any certificate */
};

/* Checks the form of the options; connects to nobody. */
int vim_new(const struct vim_options *options, struct vim **out, struct error **err);
void vim_free(struct vim *vim); /* no call may be running; the session stays on the server */

/* Asks what the server is, and logs in unless the server knows the present session.  Wrong
 * credentials are ERROR_DENIED. */
int vim_login(struct vim *vim, struct cancel *cancel, struct error **err);
/* Best effort; somebody else's session stays open. */
void vim_logout(struct vim *vim);

/* What the server said of itself; frozen after the first login. */
struct vim_about {
    char *api_version;   /* 7.0.3.0 */
    char *api_type;      /* VirtualCenter or HostAgent */
    char *product;       /* licenseProductName */
    char *instance_uuid; /* "" for a host */
    char *root_folder;   /* managed object ids */
    char *property_collector;
    char *session_manager;
    char *search_index;
};
const struct vim_about *vim_about(const struct vim *vim);

/* What it was made with; borrowed, and NULL where it was. */
const char *vim_url(const struct vim *vim);
const char *vim_user(const struct vim *vim);
const struct secret *vim_password(const struct vim *vim);
/* The session's header "Cookie: ...", or NULL; owned by the caller. */
struct secret *vim_cookie(struct vim *vim);
/* The SHA-1 thumbprint that the server showed last, or NULL; owned by the caller. */
char *vim_thumbprint(struct vim *vim);

/* True if the server's API has at least this version. */
bool vim_has_version(const struct vim *vim, unsigned major, unsigned minor);

/* One call. */
struct vim_call {
    const char *method;     /* "PowerOnVM_Task" */
    const char *this_type;  /* "VirtualMachine" */
    const char *this_id;    /* "vm-12" */
    const char *parameters; /* XML behind _this, made with vim_add_*; or NULL */
    int64_t timeout_ms;     /* 0: VIM_TIMEOUT_MS */
    struct cancel *cancel;
    /* Elements that are handed out while the answer comes, see dom_stream; NULL: none. */
    const char *const *stream;
    int (*on_element)(void *arg, struct dom_node *node, struct error **err);
    void *arg;
};

/* Sends CALL.  *RESULT (may be NULL) is the answer's first "returnval" within *ANSWER, or NULL.  A
 * fault's name is at the front of the error: "InvalidState: ...". */
int vim_send(struct vim *vim, const struct vim_call *call, struct dom **answer,
             struct dom_node **result, struct error **err);

/* Starts a task ("..._Task" methods) and waits for its end, at most TIMEOUT_MS.  *RESULT (may be
 * NULL) is the text of its result, owned by the caller. */
int vim_run_task(struct vim *vim, const struct vim_call *call, int64_t timeout_ms, char **result,
                 struct error **err);

/* The same in pieces.  *TASK (owned) is what was begun. */
int vim_task_start(struct vim *vim, const struct vim_call *call, char **task, struct error **err);
/* *DONE with *RESULT (may be NULL; owned) if the task succeeded; a fault if it failed. */
int vim_task_look(struct vim *vim, const char *task, bool *done, char **result,
                  struct cancel *cancel, struct error **err);

/* Reads properties of one object: PATHS are parted by blanks.  Answers with the "objects" element,
 * whose propSet children have name and val. */
int vim_read(struct vim *vim, const char *type, const char *id, const char *paths,
             struct cancel *cancel, struct dom **answer, struct dom_node **object,
             struct error **err);

/* The val of the property NAME in OBJECT, or NULL. */
struct dom_node *vim_property(struct dom_node *object, const char *name);

/* Appends <NAME>TEXT</NAME> with TEXT escaped, or <NAME type="TYPE">ID</NAME>. */
void vim_add_text(struct buf *buf, const char *name, const char *text);
void vim_add_ref(struct buf *buf, const char *name, const char *type, const char *id);

DEFINE_CLEANUP(vim, struct vim *, vim_free)
