/* One VM of a migration as status.migration.vms[] has it: phase, pipeline, times, errors.
 *
 * A pipeline step and a task have the same fields: name, description, phase (Pending, Running,
 * Completed), started, completed, reason, progress {total, completed}, annotations, error.
 *
 * May use: base, data, kube.  Threads: one owner.
 */
#pragma once

#include "data/obj.h"

#include <stdbool.h>
#include <stdint.h>

struct error;
struct machine;

#define PIPELINE_INITIALIZE "Initialize"
#define PIPELINE_PRE_HOOK "PreHook"
#define PIPELINE_DISK_TRANSFER "DiskTransfer"
#define PIPELINE_CUTOVER "Cutover"
#define PIPELINE_CONVERSION "ImageConversion"
#define PIPELINE_CREATE_VM "VirtualMachineCreation"
#define PIPELINE_POST_HOOK "PostHook"

enum { BYTES_PER_UNIT = 1024 * 1024 /* totals of disk tasks are MiB, called "MB" */ };

/* The entry with this source id, or NULL. */
json_t *vm_status_find(const json_t *vms, const char *id);

bool vm_status_is_started(const json_t *vm);
bool vm_status_is_completed(const json_t *vm);
bool vm_status_is_running(const json_t *vm); /* started and not completed */
bool vm_status_is_succeeded(const json_t *vm);
bool vm_status_is_failed(const json_t *vm);
bool vm_status_is_canceled(const json_t *vm);
bool vm_status_has_target(const json_t *vm); /* its machine is made, and was seen to run if it is to */

/* Sets started or completed to now; each sets the other as Forklift does (starting clears
 * completed, completing also starts).  ITEM is a VM, a step, a task or a migration's status. */
void timed_start(json_t *item);
void timed_complete(json_t *item);

/* A step of VM's pipeline by name, or NULL; a task of a step by name, or NULL. */
json_t *vm_status_step(const json_t *vm, const char *name);
json_t *step_task(const json_t *step, const char *name);

/* A new step or task with TOTAL units to do. */
json_t *step_new(const char *name, const char *description, int64_t total);

/* Marks an item running, or completed with all its progress; repeating either does nothing. */
void step_begin(json_t *item);
void step_finish(json_t *item, const char *reason);
bool step_is_finished(const json_t *item);

/* REASON NULL takes it away. */
void step_set_reason(json_t *item, const char *reason);
void step_set_annotation(json_t *item, const char *key, const char *value);
const char *step_annotation(const json_t *item, const char *key); /* or NULL */
void step_set_progress(json_t *item, int64_t completed);

/* Puts the sum of its tasks' progress on a step. */
void step_sum_tasks(json_t *step);

/* Adds a reason to the item's error {phase, reasons}; the same text once. */
void error_add_reason(json_t *item, const char *phase, const char *reason);

/* A durable condition of category Advisory. */
void vm_status_set_condition(json_t *vm, const char *type, const char *reason,
                             const char *message);

/* When the entry's condition TYPE last changed, RFC 3339, or NULL. */
const char *vm_status_condition_time(const json_t *vm, const char *type);
