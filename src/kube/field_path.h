/* The path of a field under construction: "spec.map[0].source".
 *
 *     size_t mark = field_push_name(&path, "spec");
 *     ...
 *     field_pop(&path, mark);
 *
 * May use: base.
 */
#pragma once

#include "base/text.h"

#include <stddef.h>

enum { FIELD_PATH_MAX = 16 * 1024 };

#define FIELD_PATH_INIT BUF_INIT(FIELD_PATH_MAX)

/* Add a part and return the mark that takes it off again. */
size_t field_push_name(struct buf *path, const char *name);
size_t field_push_index(struct buf *path, size_t index);

void field_pop(struct buf *path, size_t mark);

/* The text, "" for the root.  Borrowed until the next change. */
const char *field_text(const struct buf *path);
