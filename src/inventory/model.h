/* What one provider has: objects by kind and id, each with a revision that counts its changes.
 *
 * Objects are frozen JSON.  An object that changes is replaced by another, so a reader keeps a
 * whole one however long it takes.
 *
 * May use: base, data.  Threads: all functions may be called from any thread.
 */
#pragma once

#include "base/cleanup.h"
#include "data/obj.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;
struct feed_reader;
struct model;
struct route_type;

/* LINK_PREFIX goes in front of the objects' links: "providers/ova/UID".  TYPE (may be NULL: no
 * links) says how their collections are called. */
struct model *model_new(const char *link_prefix, const struct route_type *type);
void model_free(struct model *model);

/* A round that names every object: what was not put since model_begin is gone with model_complete,
 * problems as well. */
void model_begin(struct model *model);
/* True if the round changed anything. */
bool model_complete(struct model *model);

/* Puts an object of KIND with at least an id.  True if it is new or differs from what was there. */
bool model_put(struct model *model, const char *kind, const json_t *object);
bool model_remove(struct model *model, const char *kind, const char *id);

/* Adds FIELDS (frozen from now on) to a VM as validation's result; its revision stays.  False, and
 * nothing is changed, if there is no such VM or it is not at REVISION any more. */
bool model_put_validation(struct model *model, const char *vm_id, int64_t revision,
                          json_t *fields);

/* A problem with WHERE; WHAT NULL takes it back.  True if that is news. */
bool model_put_problem(struct model *model, const char *where, const char *what);
/* All problems as a new array of {where, what}. */
json_t *model_list_problems(struct model *model);

/* The object with ID, else the one called NAME (several are ERROR_INVALID); see inventory_find. */
int model_find(struct model *model, const char *kind, const char *id, const char *name,
               json_t **out, struct error **err);

/* Listens to changes of KIND from now on; *OBJECTS becomes all objects as they are just before, as
 * model_list gives them.  NULL without a descriptor for it.  To be closed before the model is
 * freed. */
struct feed_reader *model_watch(struct model *model, const char *kind, json_t **objects);
/* No more changes will come; readers are told. */
void model_end_watches(struct model *model);

/* All objects of KIND as a new array, in the order of their ids. */
json_t *model_list(struct model *model, const char *kind);
size_t model_count(struct model *model, const char *kind);

DEFINE_CLEANUP(model, struct model *, model_free)
