/* Failures as the API answers them: Status objects.
 *
 *     return fail_not_found(&call->failure, type, name);
 *
 * Who fails fills in a `struct failure` and returns -1, as with struct error; this one also knows
 * the Status' reason and details.
 *
 * May use: base, data, kube.  Threads: a failure has one owner.
 */
#pragma once

#include "base/cleanup.h"
#include "data/obj.h"
#include "kube/cause.h"

struct error;
struct kube_type;

struct failure {
    int code;       /* HTTP status; 0: none */
    json_t *status; /* the Status object */
};

void failure_reset(struct failure *failure);

/* REASON is a word as "NotFound".  All return -1. */
int fail(struct failure *failure, int code, const char *reason, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

int fail_bad_request(struct failure *failure, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* plurals.group "name" not found; KIND is the plural here. */
int fail_not_found(struct failure *failure, const char *group, const char *plural,
                   const char *name);
int fail_exists(struct failure *failure, const char *group, const char *plural, const char *name);
/* Operation cannot be fulfilled on plurals.group "name": DETAIL */
int fail_conflict(struct failure *failure, const char *group, const char *plural, const char *name,
                  const char *detail);
/* Kind.group "name" is invalid: ... with the causes. */
int fail_invalid(struct failure *failure, const char *group, const char *kind, const char *name,
                 const struct cause_list *causes);
int fail_forbidden(struct failure *failure, const char *group, const char *plural,
                   const char *name, const char *detail);

/* What a lower layer said, by its code. */
int fail_error(struct failure *failure, const struct error *err);

/* Puts details on the failure: any may be NULL. */
void failure_set_details(struct failure *failure, const char *group, const char *kind,
                         const char *name);
void failure_take_causes(struct failure *failure, json_t *causes);
void failure_set_retry(struct failure *failure, int seconds);

/* {kind Status, status Success, details}: the answer to a deletion that is complete. */
json_t *status_success(const char *group, const char *kind, const char *name, const char *uid);

DEFINE_CLEANUP_IN_PLACE(failure, struct failure, failure_reset)
