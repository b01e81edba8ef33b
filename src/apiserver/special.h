/* Subresources and kinds that are answered, not stored: logs, exec, tokens, reviews, scale,
 * KubeVirt's actions.
 *
 * May use: base, data, net, kube.  Threads: as the call.
 */
#pragma once

#include "data/obj.h"

#include <stdbool.h>

struct call;

struct subresource {
    const char *name;                   /* log */
    const char *of_group, *of_plural;   /* "", pods */
    const char *group, *version, *kind; /* what it answers with; kind NULL: the parent's */
    unsigned verbs;                     /* enum type_verb */
};

/* The I-th of our own subresources (status and scale are not among them), or NULL. */
const struct subresource *special_subresource(size_t i);

/* What groups of ours have that have no stored kinds (subresources.kubevirt.io). */
void special_add_plain(json_t *resources, const char *group, const char *version);
void special_add_groups(void (*add)(void *arg, const char *group, const char *version), void *arg);

/* The handlers, each in a file of its own. */
void special_review(struct call *call);        /* reviews.c */
void special_token(struct call *call);         /* token_request.c */
void special_finalize(struct call *call);      /* special.c */
void special_scale(struct call *call);         /* scale.c */
void special_log(struct call *call);           /* pod_log.c */
void special_exec(struct call *call);          /* pod_exec.c */
void special_vm_action(struct call *call);     /* vm_action.c */
void special_vm_console(struct call *call);    /* vm_console.c */

/* The name of the container of POD that is meant by WANTED (NULL or "": the only one), or NULL
 * with the failure. */
const char *special_find_container(struct call *call, const json_t *pod, const char *wanted);
