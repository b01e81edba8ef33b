/* What all writes share: decoding, checking, storing.
 *
 * May use: base, data, net, kube.  Threads: a write belongs to its call.
 */
#pragma once

#include "apiserver/call.h"
#include "apiserver/object.h"

/* Tries of a write that is not bound to a version, when others write the same object. */
enum { WRITE_TRIES = 32 };

/* Decodes the request's body (JSON, YAML or protobuf) into *OBJECT, the caller's.  Paths of
 * duplicate fields are added to DUPLICATES. */
int write_decode(struct call *call, json_t **object, struct str_list *duplicates);

/* The only document of a YAML text; the caller's. */
json_t *write_parse_yaml(const char *text, size_t len, struct error **err);

/* Fills in and checks apiVersion, kind and namespace against the path, and the name if there is
 * one in it. */
int write_check_identity(struct call *call, json_t *object);

/* Checks, completes and stores OBJECT (changed in place): pruning, defaults, the kind's own rules,
 * validation.  OLD is what it replaces, parsed, in the caller's version (NULL on create), BASE the
 * stored version that OLD came from.  SUBRESOURCE is NULL, "status" or "scale".  DUPLICATES may be
 * NULL.  *OUT is what is stored now; with dryRun what would be. ERROR_CONFLICT of the store gives
 * -1 with *CONFLICT set and no failure: try again. */
struct write {
    json_t *object;
    const json_t *old;
    const struct object *base;
    const char *subresource;
    struct str_list *duplicates;
    bool is_apply; /* managedFields are done already */
    bool conflict; /* out */
};
int write_store(struct call *call, struct write *write, struct object **out);

/* Stores OBJECT as it is in place of BASE, or, with REMOVE, as the last state of what is removed.
 * *AGAIN as write.conflict. */
int write_commit(struct call *call, const struct object *base, const json_t *object, bool remove,
                 struct object **out, bool *again);

/* The object as the caller's version has it.  Owned by the caller. */
json_t *write_parse(const struct call *call, const struct object *object);

/* True once nothing holds a deleted object any more. */
bool write_is_free_to_go(const struct call *call, const json_t *object);

/* 404 for the name in the path. */
int write_fail_missing(struct call *call);
