/* Definitions embedded at build by embed.py from src/kube/builtin/ and crds/, as JSON text.
 *
 * May use: nothing.  Threads: constant.
 */
#pragma once

#include <stddef.h>

struct embedded {
    const char *name; /* plans.forklift.konveyor.io */
    const char *text;
    size_t len;
};

extern const struct embedded embed_builtins[]; /* in the order of the files; name NULL at the end */
extern const struct embedded embed_crds[];
extern const struct embedded embed_object_meta;
