/* The kinds that are there without a CustomResourceDefinition, and the definitions that gantry
 * brings along.
 *
 * Their sources are YAML files shaped like CustomResourceDefinitions, in src/kube/builtin/ and
 * crds/, embedded at build.  Keys of ours begin with x-gantry-.
 *
 * May use: base, data.  Threads: pure functions over constant data.
 */
#pragma once

#include "data/obj.h"
#include "kube/cause.h"
#include "kube/type.h"

#include <stddef.h>
#include <stdint.h>

/* The I-th built-in kind as a definition (not an object of the API), or NULL behind the last.
 * Review kinds (TokenReview, SelfSubjectAccessReview, ...) are among them: they have only the verb
 * create.  A new reference. */
json_t *builtin_definition(size_t i);

/* The I-th CustomResourceDefinition to be created at start: Forklift's kinds, and at home also
 * KubeVirt's, CDI's and the network attachment's.  A new reference; NULL behind the last. */
json_t *builtin_crd(size_t i);
size_t builtin_crd_count(void);

/* The write-time rules of a built-in kind that no schema can say, found by kube_type_new; they are
 * named in the definition's x-gantry-rules. */
const struct builtin_rules *builtin_rules_find(const char *name);

/* What a write does to an object of TYPE before it is validated.  Works for custom kinds, too.
 * SUBRESOURCE is NULL, "status" or "scale". */

/* On create, with metadata.name already there: drops what clients may not set (resourceVersion,
 * deletion marks, ... and status where it has its own subresource), sets uid, creationTimestamp and
 * a generation of 1, fills in what the kind derives (Secret stringData, a Job's selector and
 * labels, a Namespace's finalizer and phase, ...). */
void builtin_prepare_create(const struct kube_type *type, const struct kube_version *version,
                            json_t *object, const char *uid, int64_t now_ms);

/* On update: carries over from OLD what must not change (uid, creationTimestamp, deletion marks),
 * the status or everything but the status, and counts the generation up if what is wanted
 * changed. */
void builtin_prepare_update(const struct kube_type *type, const struct kube_version *version,
                            const char *subresource, json_t *object, const json_t *old);

/* Rules beyond the schema: metadata (name, labels, annotations, owner references, finalizers
 * while deleting) for all kinds; immutable fields and the like for built-in ones.  OLD is NULL on
 * create. */
void builtin_validate(const struct kube_type *type, const json_t *object, const json_t *old,
                      struct cause_list *causes);
