/* What all objects have in common: metadata.
 *
 * Getters borrow and give "" or NULL as said; setters change the object in place, so it must not be
 * one that a cache has frozen.
 * May use: base, data.  Threads: those of data/obj.h.
 */
#pragma once

#include "data/obj.h"
#include "kube/client.h"

#include <stdbool.h>
#include <stdint.h>

/* "" if absent. */
const char *meta_name(const json_t *object);
const char *meta_ns(const json_t *object);
const char *meta_uid(const json_t *object);
const char *meta_resource_version(const json_t *object);

/* 0 if absent. */
int64_t meta_generation(const json_t *object);

/* Milliseconds since 1970, or 0 if absent or wrong. */
int64_t meta_created_ms(const json_t *object);
int64_t meta_deleted_ms(const json_t *object);

/* True if deletion has begun. */
bool meta_is_deleting(const json_t *object);

/* NULL if absent. */
const char *meta_label(const json_t *object, const char *key);
const char *meta_annotation(const json_t *object, const char *key);

/* VALUE NULL removes the key. */
void meta_set_label(json_t *object, const char *key, const char *value);
void meta_set_annotation(json_t *object, const char *key, const char *value);

/* A bare object of KIND with apiVersion, kind, name and namespace (NULL: none).  Owned. */
json_t *meta_new(const struct kube_kind *kind, const char *ns, const char *name);
/* The same with generateName. */
json_t *meta_new_generated(const struct kube_kind *kind, const char *ns, const char *prefix);

/* "v1" or "group/version".  Owned by the caller. */
char *meta_api_version(const struct kube_kind *kind);

/* Takes labels, annotations, finalizers and owners away where they are empty: they are never stored. */
void meta_drop_empty(json_t *object);

bool meta_has_finalizer(const json_t *object, const char *finalizer);
/* True if the object was changed. */
bool meta_add_finalizer(json_t *object, const char *finalizer);
bool meta_remove_finalizer(json_t *object, const char *finalizer);

/* Makes OWNER, of KIND, an owner of OBJECT (once); CONTROLLER marks it as the one that manages it.
 * Both must be in the same namespace, or OWNER in none. */
void meta_add_owner(json_t *object, const struct kube_kind *kind, const json_t *owner,
                    bool controller);
bool meta_is_owned_by(const json_t *object, const char *owner_uid);
/* The owner reference marked as controller, or NULL. */
json_t *meta_controller_of(const json_t *object);

/* "namespace/name", or "name" without a namespace.  Owned by the caller. */
char *meta_key(const char *ns, const char *name);
char *meta_key_of(const json_t *object);

/* The name in a key; *NS gets a copy of the namespace or NULL, owned by the caller. */
const char *meta_key_split(const char *key, char **ns);
