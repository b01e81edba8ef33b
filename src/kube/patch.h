/* Patches: JSON merge patch (RFC 7386), JSON patch (RFC 6902), strategic merge patch.
 *
 * The patched object is new and belongs to the caller; arguments are left alone.  Server-side
 * apply is kube/apply.h.
 *
 * May use: base, data.  Threads: pure functions.
 */
#pragma once

#include "data/obj.h"

struct error;
struct schema;

enum {
    PATCH_MAX_OPERATIONS = 10000,      /* of one JSON patch */
    PATCH_MAX_BYTES = 3 * 1024 * 1024, /* that copies of one JSON patch may add up to */
};

/* RFC 7386.  Always succeeds. */
json_t *patch_merge(const json_t *target, const json_t *patch);

/* RFC 6902.  A malformed patch is ERROR_INVALID with hint "malformed"; a failed test or an absent
 * path is ERROR_INVALID: "operation 1: test: value at "/spec/a" differs". */
int patch_json(const json_t *target, const json_t *operations, json_t **out, struct error **err);

/* Kubernetes' strategic merge patch with the merge keys of SCHEMA, for built-in kinds.
 * Directives: $patch, $setElementOrder/x, $deleteFromPrimitiveList/x, $retainKeys. */
int patch_strategic(const struct schema *schema, const json_t *target, const json_t *patch,
                    json_t **out, struct error **err);
