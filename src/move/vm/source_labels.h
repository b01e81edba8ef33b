/* What a machine's tags and custom attributes in vSphere become on the target: labels and
 * annotations under vsphere.forklift.konveyor.io/.
 *
 * May use: base, data, kube.  Threads: pure functions.
 */
#pragma once

#include "data/obj.h"

/* Puts them on VM, the target, from SOURCE, the inventory's machine (or NULL), as PLAN's tagMapping
 * says.  Names that had to be changed are kept in an annotation. */
void source_labels_put(const json_t *plan, const json_t *source, json_t *vm);

/* TEXT as a label's name or value: what cannot stand becomes '_', at most 63 characters.  Owned by
 * the caller. */
char *source_labels_fix(const char *text);
