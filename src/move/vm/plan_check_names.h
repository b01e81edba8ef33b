/* Names that templates will give, checked with the machines' own data before anything is made.
 *
 * May use: base, data, kube, lang, source.  Threads: one owner.
 */
#pragma once

#include "move/vm/plan_view.h"

struct map;

/* Stages what is wrong with the templates themselves, of the plan and of its VMs. */
void plan_check_templates(struct plan_view *view);

/* Stages names of MACHINE's claims, volumes and networks that are not valid or not its own.  REF is
 * its entry in spec.vms; CLAIMS holds the whole names of all claims so far. */
void plan_check_machine_names(struct plan_view *view, const json_t *ref,
                              const struct machine *machine, struct map *claims);
