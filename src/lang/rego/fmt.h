/* Lays a policy out as usual: tabs by depth, one space around operators, no two empty lines.
 *
 * Lines stay where their author broke them, and comments where they stand.
 * May use: base, lang.  Threads: no shared state.
 */
#pragma once

#include "base/text.h"
#include "lang/diag.h"
#include "lang/rego/parser.h"

/* Appends the text laid out to OUT.  False with diagnostics if TEXT is no policy. */
bool rego_format(const char *file, struct span text, enum rego_version version, struct buf *out,
                 struct lang_diags *diags);
