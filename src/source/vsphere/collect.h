/* Follows a vSphere server's inventory with a property collector of our own.
 *
 * May use: base, data, net.  Threads: one call per session at a time.
 */
#pragma once

struct cancel;
struct error;
struct source_sink;
struct vsphere_source;

/* Reads everything, then reports changes until CANCEL is requested (ERROR_CANCELED).  The session
 * must be logged in.  Tags, which no update tells of, are read again every few minutes. */
int vsphere_collect(struct vsphere_source *vsphere, const struct source_sink *sink,
                    struct cancel *cancel, struct error **err);
