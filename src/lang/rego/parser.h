/* Rego's parser, both language versions.
 *
 * May use: base, lang.  Threads: no shared state.
 */
#pragma once

#include "lang/diag.h"
#include "lang/rego/ast.h"

enum rego_version {
    REGO_AUTO, /* as v1; if that fails and the file does not import rego.v1, as v0 */
    REGO_V0,
    REGO_V1,
};

enum {
    PARSER_DEPTH_MAX = 256,        /* deepest nesting of terms and bodies */
    PARSER_PATH_MAX = 256,         /* parts of the name of a package or a rule */
    PARSER_ELSE_MAX = 1000,        /* of one rule */
    PARSER_BODY_MAX = 2000,        /* expressions of a body */
    PARSER_WORK_LEAST = 10 * 1000, /* terms that any text may be read as, alternatives included, */
    PARSER_WORK_PER_BYTE = 50,     /* and further ones for each byte of it */
};

/* Parses a whole file.  FILE and TEXT must live as long as ARENA.  NULL with diagnostics. */
struct module *rego_parse_module(struct arena *arena, const char *file, struct span text,
                                 enum rego_version version, struct lang_diags *diags);

/* Parses a query, which is a body without braces.  NULL with diagnostics. */
struct body *rego_parse_query(struct arena *arena, struct span text, enum rego_version version,
                              struct lang_diags *diags);

/* Parses one term, such as an input document in Rego's notation. */
struct term *rego_parse_term(struct arena *arena, struct span text, struct lang_diags *diags);
