/* Does KVM really run guests here?
 *
 * The device node alone proves nothing: on nested or emulated hosts it may be there, refuse what
 * QEMU's "max" processor needs, or run guests slower than emulation does.  So a guest is run.
 *
 * May use: base.  Threads: no shared state.
 */
#pragma once

#include <stdbool.h>

struct error;

/* Runs a guest of 166 bytes under KVM, with a time limit that any working KVM keeps easily.  The
 * answer is kept in the file CACHE for as long as this boot of the machine lasts.  *WHY, owned by
 * the caller, says in a few words what was found. */
bool accel_kvm_works(const char *emulator, const char *cache, char **why);
