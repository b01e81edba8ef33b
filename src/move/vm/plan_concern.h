/* Which plans a change concerns: by their uid, which what is made for them carries, and by the
 * provider and the machines that they name.
 *
 * May use: base, data, kube.  Threads: all functions may be called from any thread; TELL is called
 * without any lock.
 */
#pragma once

#include "base/cleanup.h"
#include "data/obj.h"

struct plan_concern;

struct plan_concern *plan_concern_new(void);
void plan_concern_free(struct plan_concern *concern);

/* PLAN is there, or has changed. */
void plan_concern_put(struct plan_concern *concern, const json_t *plan);
void plan_concern_remove(struct plan_concern *concern, const json_t *plan);

/* The key of the plan with UID, or NULL; owned by the caller. */
char *plan_concern_find(struct plan_concern *concern, const char *uid);

/* Tells the keys of the plans of provider PROVIDER (a key).  With VM_ID only of those that name
 * that machine, by its id or by VM_NAME. */
void plan_concern_of_provider(struct plan_concern *concern, const char *provider, const char *vm_id,
                              const char *vm_name, void (*tell)(void *arg, const char *key),
                              void *arg);

/* Tells the keys of the plans whose destination is PROVIDER (a key). */
void plan_concern_of_destination(struct plan_concern *concern, const char *provider,
                                 void (*tell)(void *arg, const char *key), void *arg);

DEFINE_CLEANUP(plan_concern, struct plan_concern *, plan_concern_free)
