/* An XML text as a tree that is only read.  Names are local names: which prefix a tool chose does
 * not matter to OVF.
 *
 * No document type declaration is accepted, so there are no entities to expand or to fetch.
 *
 * May use: base.  Threads: a tree is frozen once parsed.
 */
#pragma once

#include "base/cleanup.h"

#include <stdbool.h>
#include <stddef.h>

struct error;
struct markup;
struct markup_node; /* an element; lives as long as its tree */

enum { MARKUP_MAX_DEPTH = 64 };

/* Parses LEN bytes.  ERROR_INVALID says where the text is not well-formed, too deep, or has a
 * document type declaration. */
int markup_parse(const char *text, size_t len, struct markup **out, struct error **err);
void markup_free(struct markup *markup);

const struct markup_node *markup_root(const struct markup *markup);

/* The first child element and the next sibling; NULL at the end.  markup_child is the first one
 * called NAME, markup_next_named the next one with the same name as NODE. */
const struct markup_node *markup_first(const struct markup_node *node);
const struct markup_node *markup_next(const struct markup_node *node);
const struct markup_node *markup_child(const struct markup_node *node, const char *name);

const char *markup_name(const struct markup_node *node);
bool markup_is(const struct markup_node *node, const char *name);
int markup_line(const struct markup_node *node);

/* The value of the attribute NAME, or NULL.  Owned by the caller. */
char *markup_attr(const struct markup_node *node, const char *name);

/* The text inside NODE without blanks at its ends; NULL for a NULL node.  Owned by the caller. */
char *markup_text(const struct markup_node *node);

/* True if NODE declares a namespace whose URI contains PART. */
bool markup_declares(const struct markup_node *node, const char *part);

DEFINE_CLEANUP(markup, struct markup *, markup_free)
