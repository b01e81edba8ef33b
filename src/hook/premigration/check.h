/* Whether libvirt and QEMU would go on after an edit.
 *
 * libvirt compares the edited definition with the incoming one (its ABI stability check) and refuses
 * what a guest could notice.  Some changes pass that check and fail later in QEMU, with the guest
 * still on the source: an interface's type, a disk's driver type.  Both kinds are refused here, with
 * the element that differs, before libvirt sees them.
 *
 * May use: base, data.  Threads: pure functions.
 */
#pragma once

struct buf;
struct dom;
struct error;

/* ERROR_INVALID names the first difference that is not allowed between BEFORE and AFTER. */
int premigration_check(struct dom *before, struct dom *after, struct error **err);

/* Appends to OUT all that the check looks at.  A definition that yields the same bytes before and
 * after an edit passes the check; other bytes say nothing yet. */
void premigration_record(struct dom *dom, struct buf *out);
