/* Go templates (text/template) as Forklift's name templates use them: specification
 * "rego and templates", section 8, and "control", 3.9.
 *
 * Compiled once, rendered often.  Data is a JSON object: whole numbers are Go's int, others
 * float64. Rendering has a budget of steps, memory and output; regular expressions have one of
 * their own.
 *
 * May use: base, data, lang.  Threads: a compiled template is frozen.
 */
#pragma once

#include "base/cleanup.h"
#include "data/obj.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct error;
struct template;

enum {
    TEMPLATE_MAX_BYTES = 64 * 1024,   /* of a template's text */
    TEMPLATE_MAX_DEPTH = 60,          /* blocks and parentheses in one another, and calls of them */
    TEMPLATE_MAX_STEPS = 1000 * 1000, /* of one rendering */
    TEMPLATE_MAX_OUTPUT = 1024 * 1024,
    TEMPLATE_MAX_MEMORY = 8 * 1024 * 1024, /* of one rendering, beside the output */
};

/* Parses LEN bytes.  WHAT names the template in errors ("pvcNameTemplate"), which give line and
 * column.  ERROR_INVALID where Go reports a parse error. */
int template_parse(const char *what, const char *text, size_t len, struct template **out,
                   struct error **err);
void template_free(struct template *template);

enum template_mode {
    TEMPLATE_STRUCT, /* a field that DATA does not have is an error */
    TEMPLATE_MAP,    /* it prints "<no value>" */
};

/* Appends the result to OUT.  On failure OUT is as before: ERROR_INVALID for what Go reports while
 * executing, with line and column, and when the budget is used up. */
int template_render(const struct template *template, const json_t *data, enum template_mode mode,
                    struct buf *out, struct error **err);

/* Parses and renders once; the result is owned by the caller. */
char *template_render_text(const char *what, const char *text, const json_t *data,
                           enum template_mode mode, struct error **err);

DEFINE_CLEANUP(template, struct template *, template_free)
