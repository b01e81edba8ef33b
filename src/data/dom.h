/* An XML document that is edited: what an edit does not touch stays as it was (unknown elements,
 * namespaces, comments, blanks, the order of attributes; only namespace declarations move in front
 * of the attributes).
 *
 * Paths are names of elements parted by slashes, by local name, below a node: "devices/disk".
 * No document type declaration is accepted, so nothing is expanded or fetched.
 *
 * May use: base.  Threads: a document belongs to one thread at a time.
 */
#pragma once

#include "base/cleanup.h"

#include <stdbool.h>
#include <stddef.h>

struct buf;
struct dom;
struct dom_node; /* an element; lives as long as it is in its document */
struct error;

enum {
    DOM_MAX_BYTES = 8 * 1024 * 1024,
    DOM_MAX_DEPTH = 128,
    DOM_MAX_MATCHES = 10000, /* nodes that one expression may select */
};

/* Parses LEN bytes.  ERROR_INVALID says where the text is not well-formed, too large or too deep,
 * or has a document type declaration. */
int dom_parse(const char *text, size_t len, struct dom **out, struct error **err);
void dom_free(struct dom *dom);

/* A deep copy.  It shares its names with the original, so both belong to one thread. */
struct dom *dom_copy(const struct dom *dom);

/* The document as text, without an XML declaration; owned by the caller. */
char *dom_format(const struct dom *dom);
/* One element with all it holds. */
char *dom_node_format(const struct dom_node *node);

/* Replaces every occurrence of FROM in texts and attribute values by TO; returns how many. */
size_t dom_replace_text(struct dom *dom, const char *from, const char *to);

struct dom_node *dom_root(struct dom *dom);
const char *dom_name(const struct dom_node *node);
bool dom_is(const struct dom_node *node, const char *name);
/* The line of the text it came from, from 1 on. */
int dom_line(const struct dom_node *node);
/* True if NODE declares a namespace whose URI contains PART, in any case of letters. */
bool dom_declares(const struct dom_node *node, const char *part);

/* The first element at PATH below NODE, or NULL. */
struct dom_node *dom_find(struct dom_node *node, const char *path);
/* The first child element called NAME (NULL: any), and the next sibling called so. */
struct dom_node *dom_first(struct dom_node *node, const char *name);
struct dom_node *dom_next(struct dom_node *node, const char *name);
struct dom_node *dom_parent(struct dom_node *node);

/* An attribute's value, owned by the caller, or NULL; dom_attr_is compares it. */
char *dom_attr(const struct dom_node *node, const char *name);
/* The same for an attribute that is in no namespace ("type" beside "xsi:type"). */
char *dom_attr_plain(const struct dom_node *node, const char *name);
bool dom_attr_is(const struct dom_node *node, const char *name, const char *value);
/* True if both elements have the same value of the attribute NAME, or the same text, but for blanks
 * around it, or neither has the attribute. */
bool dom_attr_eq(const struct dom_node *a, const struct dom_node *b, const char *name);
bool dom_text_eq(const struct dom_node *a, const struct dom_node *b);
/* Append an attribute, the text or a whole element to OUT in a form for comparing: two that yield the
 * same bytes are equal by dom_attr_eq, dom_text_eq and dom_eq. */
void dom_put_attr(const struct dom_node *node, const char *name, struct buf *out);
void dom_put_text(const struct dom_node *node, struct buf *out);
void dom_put(const struct dom_node *node, struct buf *out);
void dom_set_attr(struct dom_node *node, const char *name, const char *value);
void dom_set_attr_int(struct dom_node *node, const char *name, long long value);
void dom_del_attr(struct dom_node *node, const char *name);

/* The text inside, owned by the caller; dom_set_text replaces everything inside. */
char *dom_text(const struct dom_node *node);
void dom_set_text(struct dom_node *node, const char *text);

/* A new last child in the namespace of NODE. */
struct dom_node *dom_add(struct dom_node *node, const char *name);
/* The element at PATH, making what is missing. */
struct dom_node *dom_need(struct dom_node *node, const char *path);
/* The same, but empty: without attributes and content. */
struct dom_node *dom_renew(struct dom_node *node, const char *path);
/* A new last child that declares PREFIX for URI and is in that namespace. */
struct dom_node *dom_add_ns(struct dom_node *node, const char *prefix, const char *uri,
                            const char *name);
/* The first child NAME in the namespace URI, or NULL. */
struct dom_node *dom_first_ns(struct dom_node *node, const char *uri, const char *name);

/* Adds the elements that XML (well-formed content, no declarations) holds as last children of NODE.
 */
int dom_add_xml(struct dom_node *node, const char *xml, struct error **err);

/* Takes NODE out of its document and frees it. */
void dom_remove(struct dom_node *node);

/* True if the two elements have the same names, attributes in any order, and content, blanks
 * between elements aside. */
bool dom_eq(const struct dom_node *a, const struct dom_node *b);

/* Calls FN for each element and attribute that an XPath 1.0 expression selects: ATTR is the
 * attribute's name, or NULL for an element.  Evaluation is bounded.  FN returns -1 to fail. */
int dom_select(struct dom *dom, const char *xpath,
               int (*fn)(void *arg, struct dom_node *node, const char *attr, struct error **err),
               void *arg, struct error **err);

DEFINE_CLEANUP(dom, struct dom *, dom_free)
