/* Server-side apply and field ownership (metadata.managedFields).
 *
 * May use: base, data.  Threads: pure functions.
 */
#pragma once

#include "data/obj.h"
#include "kube/cause.h"

#include <stdbool.h>
#include <stdint.h>

struct error;
struct schema;

/* Who writes what. */
struct apply_as {
    const char *manager;     /* the fieldManager; required for an apply */
    const char *api_version; /* of the object as sent */
    const char *subresource; /* "status", or NULL */
    int64_t now_ms;
    bool force; /* take conflicting fields over */
};

/* Applies CONFIG (what the manager wants, without what this endpoint does not write, such as the
 * status where it has its own) to LIVE (NULL if there is no object yet).
 * *OUT is the merged object with managedFields brought up to date; nothing is defaulted or
 * validated.  When LIVE is not changed but for times, *OUT equals it.
 * Fields that another manager owns with another value are conflicts: ERROR_CONFLICT, CONFLICTS
 * gets a cause for each, and the error's message is that of the 409. */
int apply_config(const struct schema *schema, const json_t *live, const json_t *config,
                 const struct apply_as *as, json_t **out, struct cause_list *conflicts,
                 struct error **err);

/* After any other write: makes AS own the fields by which OBJECT differs from OLD (NULL on create),
 * takes them from others, and drops what no longer exists.  Changes the object's
 * metadata.managedFields. An OBJECT whose managedFields the caller made [{}] loses all of them;
 * absent ones are OLD's. */
void apply_track(const struct schema *schema, const json_t *old, json_t *object,
                 const struct apply_as *as);
