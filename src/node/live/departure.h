/* One machine on its way from here: libvirt's call, which blocks for as long as the migration takes, on
 * a thread of its own, with the streams that it needs.
 *
 * May use: base, data, net, kube.  Threads: those of one migration's worker, one at a time.
 */
#pragma once

#include "data/obj.h"

#include <stdbool.h>

struct departure;
struct error;
struct live;

/* Adds to each of MACHINE's disks how large it is and which file: sizeBytes, allocatedBytes, device,
 * inode; and which machine that is: bootID. */
void departure_measure_disks(json_t *machine);

/* Adds the folder of the machine of VMI. */
void departure_add_folder(struct live *live, const json_t *vmi, json_t *question);

/* Keeps the target's answer PLAN for the migration VMIM until it is launched. */
void departure_plan(struct live *live, const json_t *vmim, const char *domain, const json_t *plan);

/* The one of VMIM, or NULL if this process has none. */
struct departure *departure_find(struct live *live, const json_t *vmim);

/* Opens the streams and tells libvirt to migrate. */
int departure_launch(struct live *live, const json_t *vmim, struct error **err);

bool departure_is_over(struct departure *departure);

/* Copies why it failed into *WHY; false if libvirt says that it did not. */
bool departure_get_error(struct departure *departure, struct error **why);

/* Shows how far it is, and ends or switches what takes too long. */
int departure_follow(struct departure *departure, const json_t *vmim, struct error **err);
void departure_note_progress(struct live *live, const json_t *vmim, const char *domain);

int departure_cancel(struct departure *departure, struct error **err);

/* Ends what there still is of it and frees it. */
void departure_forget(struct live *live, const json_t *vmim);

/* Whether its user had paused VMI. */
bool departure_was_paused(const json_t *vmi);

/* Lets the guest of VMI (NULL: nothing) go on if it is the failed migration VMIM that paused it. */
int departure_resume(struct live *live, const json_t *vmim, const json_t *vmi, struct error **err);
