/* The work of the helper gantry-vddk: opens one disk through VMware's library and reads from it for
 * gantry-copy, until that hangs up.  See disk/vddk_link.h.
 *
 * May use: base.  Threads: one call.
 */
#pragma once

struct error;

/* FD is the socket, MEMORY_FD the shared memory.  Failures to open are told to the other side and are
 * errors here, too. */
int vddk_serve(int fd, int memory_fd, struct error **err);
