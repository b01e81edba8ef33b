/* YAML as Kubernetes' tools read it, into JSON values: the door to libyaml.
 *
 * Plain scalars become null, booleans (also y, yes, on, n, no, off), numbers or text as in YAML 1.1;
 * so do plain keys, of which the text is taken (the key "on" is "true").  Aliases are copied, merge
 * keys (<<) laid under.  Timestamps stay text.
 *
 * May use: base.  Threads: pure functions, safe anywhere.
 */
#pragma once

#include <jansson.h>
#include <stddef.h>

struct error;

enum {
    YAML_DOC_MAX_BYTES = 8 * 1024 * 1024,
    YAML_DOC_MAX_VALUES = 1000000, /* after aliases were copied */
    YAML_DOC_MAX_DEPTH = 64,
};

/* All documents of LEN bytes as a JSON array, empty documents left out.  Refuses duplicate keys,
 * more than the limits and keys that are no scalars; the error gives the line. */
json_t *obj_parse_yaml(const char *text, size_t len, struct error **err);

/* As kubectl prints: blocks, sorted keys, text in quotes where it would mean something else.  Ends
 * with a line feed; owned by the caller. */
char *obj_format_yaml(const json_t *o);
