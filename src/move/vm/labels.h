/* The labels and annotations by which everything made for a VM is found again.
 *
 * May use: base, data, kube.  Threads: pure functions.
 */
#pragma once

#include "data/obj.h"

#define ANNOTATION_DISK_INDEX "forklift.konveyor.io/disk-index"
#define ANNOTATION_DISK_SOURCE "forklift.konveyor.io/disk-source"

/* A new label map: migration, plan, plan-name, plan-namespace, vmID, resource=vm-config. */
json_t *labels_new(const json_t *plan, const json_t *migration, const char *vm_id);

/* The selector for what was made for a VM of PLAN; MIGRATION NULL: in any of its migrations, VM_ID
 * NULL: for any VM.  MORE is appended ("forklift.app=importer") unless NULL.  Owned by the caller. */
char *labels_selector(const json_t *plan, const json_t *migration, const char *vm_id,
                      const char *more);

/* A prefix for generateName: FORMAT's text in lower case with what cannot stand replaced by '-', cut
 * so that five more characters fit in a label, with a '-' at its end.  Owned by the caller. */
char *labels_name_prefix(const char *format, ...) __attribute__((format(printf, 1, 2)));
