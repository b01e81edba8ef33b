/* KubeVirt's feature gate of the hooks on the target: LibvirtHooksServerAndClient, or
 * TargetSideMigrationHooks as it was called before.
 *
 * Off, the target leaves definitions alone and the source edits them (source_side.h).  It is on unless
 * it is turned off, as in KubeVirt from 1.10 on.
 *
 * May use: base.  Threads: pure functions.
 */
#pragma once

#include <stdbool.h>

struct error;

/* Reads GATES, "NAME[=true|false]" parted by commas; the last one that names the gate counts, other
 * gates are ignored.  *ON is set in any case but ERROR_INVALID: a value that is neither true nor
 * false. */
int premigration_gate(const char *gates, bool *on, struct error **err);
