/* libguestfs' appliance: the small Linux in which guests are inspected and converted.
 *
 * It is put together from this machine's packages, outside of any sandbox because that needs all of
 * them, and kept until a package changes.
 *
 * May use: base.  Threads: any; two that build at once build twice, and one result is kept.
 */
#pragma once

struct error;

/* Makes DIR/appliance (kernel, initrd, root, README.fixed) unless it is there and new enough.
 * ERROR_UNSUPPORTED: what it needs is not installed. */
int appliance_ensure(const char *dir, struct error **err);
