/* The programs that gantry-copy starts: gantry-vddk, gantry-export.  For src/disk only.
 *
 * May use: base.  Threads: no shared state.
 */
#pragma once

#include "base/vector.h"

/* NAME beside this program or where it is installed, else NAME itself, for PATH.  Owned by the
 * caller. */
char *helper_find(const char *name);

/* Our environment without what is secret in it or says which libraries are loaded; owned by the
 * caller, without a NULL at the end. */
void helper_environment(struct str_list *env);
