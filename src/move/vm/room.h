/* What every controller of this room works with, and the habits they share: reading the object
 * they reconcile, writing its status only when it changed, and naming findings.
 *
 * May use: base, data, kube, inventory.  Threads: a struct room is frozen after start; scheduler,
 * sessions and caches have their own locks; a struct edit belongs to one thread.
 */
#pragma once

#include "base/cleanup.h"
#include "data/obj.h"
#include "kube/client.h"
#include "kube/conditions.h"
#include "kube/events.h"

#include <stdbool.h>

struct error;
struct inventory;
struct kube_cache;
struct plan_sessions;
struct scheduler;
struct validation;

struct room {
    struct kube_client *client;
    struct inventory *inventory;
    struct scheduler *scheduler;
    struct plan_sessions *sessions; /* or NULL: nothing is kept between two reconciles */
    struct kube_cache *plans, *migrations; /* or NULL: the server is asked */
    const char *main_namespace;
    struct event_recorder *events; /* or NULL: nobody listens */
    struct validation *validation; /* or NULL: machines are not judged */
};

/* An object that is being reconciled. */
struct edit {
    const struct kube_kind *kind;
    json_t *before; /* as read; frozen */
    json_t *object; /* with a copy of the status; NULL if there is no such object */
    json_t *status; /* the copy to change, made if there was none; borrowed from object */
};

/* Reads an object from the server (never from a cache, which may be behind our own writes). */
int edit_open(struct room *room, const struct kube_kind *kind, const char *ns, const char *name,
              struct edit *edit, struct error **err);

/* Sets observedGeneration and writes the status if anything in it changed; the end of an edit. */
int edit_save(struct room *room, struct edit *edit, struct error **err);

void edit_reset(struct edit *edit);

/* True if the object has the condition TYPE with status True; not for staged ones. */
bool object_has_condition(const json_t *object, const char *type);
bool object_is_ready(const json_t *object);
bool object_is_deleted(const json_t *object); /* has a deletionTimestamp */

/* "namespace/name" of an object or an ObjectReference; owned by the caller. */
char *object_key(const json_t *object);
char *reference_key(const json_t *reference);

/* True if both namespace and name are there. */
bool reference_is_set(const json_t *reference);

/* Reads what REFERENCE names; absent is *OUT = NULL. */
int reference_get(struct room *room, const struct kube_kind *kind, const json_t *reference,
                  json_t **out, struct error **err);

/* Records an event of OBJECT, if somebody listens. */
void room_event(struct room *room, const struct kube_kind *kind, const json_t *object,
                enum event_type type, const char *reason, const char *format, ...)
    __attribute__((format(printf, 6, 7)));

/* Stages a condition whose message is made from FORMAT. */
void finding_add(json_t *status, const char *type, enum condition_category category,
                 const char *reason, const char *suggestion, const char *format, ...)
    __attribute__((format(printf, 6, 7)));

/* The same for a finding about one of many: the first makes the condition with MESSAGE, each adds
 * ITEM to it. */
void finding_add_item(json_t *status, const char *type, enum condition_category category,
                      const char *reason, const char *suggestion, const char *message,
                      const char *item);

DEFINE_CLEANUP_IN_PLACE(edit, struct edit, edit_reset)
