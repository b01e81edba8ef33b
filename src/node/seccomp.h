/* The filter of system calls under which containers run.
 *
 * A deny list on top of no capabilities: what loads code into the kernel, changes mounts or
 * namespaces, looks into other processes, or has a history of holes answers EPERM.
 * May use: base.  Threads: no shared state.
 */
#pragma once

#include <stdbool.h>

struct error;

/* A descriptor that yields the filter as bubblewrap's --seccomp reads it, or -1.  IO_URING lets
 * that interface through, for programs of our own.  A processor we have no filter for is
 * ERROR_UNSUPPORTED. */
int seccomp_open_filter(bool io_uring, struct error **err);
