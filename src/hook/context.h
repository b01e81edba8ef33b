/* The files a hook finds in /tmp/hook: what they are called, and what plan.yml and workload.yml say.
 *
 * The spelling is Forklift's and playbooks depend on it: keys are in lower case, nothing is left
 * out, and parts that the data model embeds are maps of their own ("vm.vm1.vm0.id").
 *
 * May use: base, data.  Threads: pure functions.
 */
#pragma once

#include "data/obj.h"

struct error;

#define HOOK_DIR "/tmp/hook"
#define HOOK_FILE_WORKLOAD "workload.yml"
#define HOOK_FILE_PLAN "plan.yml"
#define HOOK_FILE_PLAYBOOK "playbook.yml"

/* The YAML of a Plan's spec.  Owned by the caller. */
char *hook_plan_yaml(const json_t *plan);

/* The YAML of an inventory workload of a provider of TYPE.  A type without a shape of its own gets
 * the inventory's object with keys in lower case.  Owned by the caller. */
char *hook_workload_yaml(const char *type, const json_t *workload);
