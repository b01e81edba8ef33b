/* The files in which libvirtd notes the machines that run, to find them again when it is started anew.
 *
 * May use: base.  Threads: pure functions; no libvirtd may have the folder meanwhile.
 */
#pragma once

#include <stddef.h>

/* Removes from DIR the notes about machines that have no process: a libvirtd that was killed between its
 * first note and the start of QEMU leaves one.  libvirt 9.0 takes such a machine for one that runs, never
 * looks for its process (0), and lets nobody end it, since the job that started it is not over.  The
 * machine's definition, where there is one, is elsewhere and stays.  Returns how many were removed. */
size_t libvirt_status_drop_unborn(const char *dir);
