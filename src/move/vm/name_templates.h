/* Templates that users write for names: of disks' claims, of the volumes and of the networks in the
 * virtual machine (specification "control", 3.9).
 *
 * What a template may use is the same when a plan is checked and when a machine is made, so what
 * the check lets pass does not fail later.
 *
 * May use: base, data, kube, lang.  Threads: pure functions.
 */
#pragma once

#include "base/cleanup.h"
#include "data/obj.h"

#include <stddef.h>

struct error;
struct machine_disk;

enum name_use { NAME_OF_CLAIM, NAME_OF_VOLUME, NAME_OF_NETWORK, NAME_USES };

/* pvcNameTemplate, volumeNameTemplate, networkNameTemplate: in the plan's spec and at its VMs. */
const char *name_template_field(enum name_use use);

/* The template of VM (an entry of spec.vms or of status.migration.vms), else of PLAN, else OF_ALL
 * (may be NULL); NULL if nobody wrote one.  Borrowed. */
const char *name_template_find(enum name_use use, const json_t *vm, const json_t *plan,
                               const char *of_all);

/* Whose names are made. */
struct name_subject {
    const char *vm, *target, *plan, *id;
};

/* What the templates see; each owned by the caller. */
json_t *name_data_claim(const struct name_subject *subject, size_t index,
                        const struct machine_disk *disk);
json_t *name_data_volume(const struct name_subject *subject, size_t index, const char *claim);
/* DESTINATION is the pair's of the network map. */
json_t *name_data_network(const struct name_subject *subject, size_t index,
                          const json_t *destination);

/* The name, a label; owned by the caller.  NULL: the template does not work with DATA or gives no
 * label, and the error says which.  White space around a name is dropped, and so is '-' at the end
 * of a claim's, which may be a beginning. */
char *name_template_render(enum name_use use, const char *template, const json_t *data,
                           struct error **err);

/* Tries TEMPLATE (NULL or empty: nothing to do) on a machine of our own. */
int name_template_check(enum name_use use, const char *template, struct error **err);
