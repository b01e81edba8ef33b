/* JSON in and out for Rego values.
 *
 * Not data/obj.h: numbers keep their text, sets print as arrays, and values go straight into an
 * arena.  May use: base, data.  Threads: no shared state.
 */
#pragma once

#include "base/text.h"
#include "data/obj.h"
#include "lang/rego/value.h"

struct error;

/* Reads one JSON text that fills TEXT.  Fails with ERROR_INVALID naming the line and column; more
 * than RJSON_BYTES_MAX and deeper nesting than RVAL_DEPTH_MAX are refused.  Strings of the result are copied into ARENA. */
enum { RJSON_BYTES_MAX = 64 * 1024 * 1024 };
int rjson_read(struct arena *arena, struct span text, const struct rval **out, struct error **err);

/* The same value from a jansson tree.  NULL if it is nested too deeply. */
const struct rval *rjson_from_tree(struct arena *arena, const json_t *tree);

/* A jansson tree owned by the caller; numbers beyond 64 bits become reals. */
json_t *rjson_to_tree(const struct rval *v);

enum rjson_style {
    RJSON_COMPACT,      /* {"a":[1,2]} */
    RJSON_PRETTY,       /* two spaces, as OPA prints */
    RJSON_REGO,         /* {"a": [1, 2]}, sets in braces: Rego's own notation */
    RJSON_COMPACT_HTML, /* compact, with < > & escaped: json.marshal */
};
void rjson_write(struct buf *out, const struct rval *v, enum rjson_style style);

/* One string with its quotes. */
void rjson_write_string(struct buf *out, const char *text, size_t len, bool html);
