/* What plain text means in YAML as Kubernetes' tools read it (the rules of Go's yaml, version 2).
 *
 * May use: base.  Threads: pure functions.
 */
#pragma once

#include <jansson.h>
#include <stddef.h>

/* The value of an unquoted scalar: null, a boolean, a number, or else the text itself; NULL only
 * for text that is not UTF-8. */
json_t *yaml_resolve(const char *text, size_t len);
