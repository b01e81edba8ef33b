/* The files of policies/, without their tests, as part of the program (made by embed.py).
 *
 * May use: nothing.  Threads: frozen.
 */
#pragma once

#include <stddef.h>

struct default_policy {
    const char *name; /* "policies/vmware/tpm.rego" */
    const char *text;
};

extern const struct default_policy default_policies[];
extern const size_t default_policy_count;
