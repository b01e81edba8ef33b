/* Named fault points: places at which a test makes the program fail or die.
 *
 *     if (fault("store.commit"))
 *         return error_sys(err, EIO, "cannot commit");
 *
 * GANTRY_FAULTS="store.commit=fail@3,copy.flush=kill@1" acts at the third and first pass;
 * "fail@3+" from the third on.  Without the variable a point costs one load.
 * May use: base.  Threads: safe anywhere.
 */
#pragma once

#include <stdbool.h>

/* True if the code at this point must behave as if it failed.  May not return (kill). */
bool fault(const char *point);
