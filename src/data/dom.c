#include "data/dom.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"

#include <libxml/parser.h>
#include <libxml/tree.h>
#include <libxml/xmlsave.h>
#include <libxml/xpath.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { XPATH_OPERATIONS_MAX = 1000000 };

/* A struct dom is libxml2's document, a struct dom_node its element. */

static xmlNode *element(struct dom_node *node)
{
    return (xmlNode *)node;
}

static const xmlNode *const_element(const struct dom_node *node)
{
    return (const xmlNode *)node;
}

static xmlChar *chars(const char *text)
{
    return (xmlChar *)(uintptr_t)text; /* libxml2 takes them as const */
}

static char *take_text(xmlChar *text)
{
    if (text == NULL)
        return NULL;

    char *copy = xstrdup((const char *)text);

    xmlFree(text);
    return copy;
}

/* The value of ATTR without a copy where it is one text, as it nearly always is; otherwise *OWNED has it
 * and is to be freed. */
static const char *view_value(const xmlAttr *attr, char **owned)
{
    const xmlNode *text = attr->children;

    if (text == NULL)
        return "";
    if (text->type == XML_TEXT_NODE && text->next == NULL)
        return text->content == NULL ? "" : (const char *)text->content;
    return *owned = take_text(xmlNodeListGetString(attr->doc, text, 1));
}

/* The value of the attribute NAME of NODE as view_value() has it, or NULL. */
static const char *view_attr(const struct dom_node *node, const char *name, char **owned)
{
    for (const xmlAttr *attr = const_element(node)->properties; attr != NULL; attr = attr->next)
        if (strcmp((const char *)attr->name, name) == 0)
            return view_value(attr, owned);
    return NULL;
}

/* The text in NODE, in the same way. */
static const char *view_text(const struct dom_node *node, char **owned)
{
    const xmlNode *text = const_element(node)->children;

    if (text == NULL)
        return "";
    if (text->type == XML_TEXT_NODE && text->next == NULL)
        return text->content == NULL ? "" : (const char *)text->content;
    return *owned = take_text(xmlNodeGetContent(const_element(node)));
}

static int set_parse_error(xmlParserCtxt *context, struct error **err)
{
    const xmlError *problem = xmlCtxtGetLastError(context);
    const char *message =
        problem != NULL && problem->message != NULL ? problem->message : "nothing in it";
    struct span text = span_trim(span_of(message));

    return error_set(err, ERROR_INVALID, "line %d: not well-formed XML: %.*s",
                     problem == NULL ? 0 : problem->line, (int)(text.len < 200 ? text.len : 200),
                     text.ptr);
}

/* Walks without recursion: the depth is what is being checked. */
static int check_depth(const xmlNode *root, struct error **err)
{
    const xmlNode *node = root;
    int depth = 1;

    while (node != NULL) {
        if (depth > DOM_MAX_DEPTH)
            return error_set(err, ERROR_INVALID, "line %ld: elements nest deeper than %d",
                             xmlGetLineNo(node), DOM_MAX_DEPTH);
        if (node->type == XML_ELEMENT_NODE && node->children != NULL) {
            node = node->children;
            depth++;
            continue;
        }
        while (node != root && node->next == NULL) {
            node = node->parent;
            depth--;
        }
        if (node == root)
            return 0;
        node = node->next;
    }
    return 0;
}

int dom_parse(const char *text, size_t len, struct dom **out, struct error **err)
{
    if (len > DOM_MAX_BYTES)
        return error_set(err, ERROR_INVALID, "%zu bytes of XML, more than %d", len, DOM_MAX_BYTES);

    xmlParserCtxt *context = xmlNewParserCtxt();
    if (context == NULL)
        return error_set(err, ERROR_BUG, "no memory for an XML parser");

    xmlDoc *doc = xmlCtxtReadMemory(context, text, (int)len, NULL, NULL,
                                    XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
    int result = 0;
    if (doc == NULL)
        result = set_parse_error(context, err);
    else if (doc->intSubset != NULL || doc->extSubset != NULL)
        result =
            error_set(err, ERROR_INVALID, "a document type declaration, which is not accepted");
    else
        result = check_depth(xmlDocGetRootElement(doc), err);
    xmlFreeParserCtxt(context);
    if (result == -1) {
        xmlFreeDoc(doc);
        return -1;
    }
    *out = (struct dom *)doc;
    return 0;
}

void dom_free(struct dom *dom)
{
    xmlFreeDoc((xmlDoc *)dom);
}

/* The names in the copy are those of the original, held by both: half of the allocations of a copy. */
struct dom *dom_copy(const struct dom *dom)
{
    xmlDoc *doc = (xmlDoc *)(uintptr_t)dom;
    xmlDoc *copy = xmlCopyDoc(doc, 0);

    if (copy->dict == NULL && doc->dict != NULL && xmlDictReference(doc->dict) == 0)
        copy->dict = doc->dict;
    copy->children = xmlDocCopyNodeList(copy, doc->children);
    for (xmlNode *node = copy->children; node != NULL; node = node->next) {
        node->parent = (xmlNode *)copy;
        copy->last = node;
    }
    return (struct dom *)copy;
}

static char *format_node(xmlDoc *doc, xmlNode *node)
{
    xmlBuffer *buffer = xmlBufferCreate();
    xmlSaveCtxt *save = xmlSaveToBuffer(buffer, "UTF-8", XML_SAVE_NO_DECL | XML_SAVE_AS_XML);

    if (node == NULL)
        xmlSaveDoc(save, doc);
    else
        xmlSaveTree(save, node);
    xmlSaveClose(save);

    char *text = xstrdup((const char *)xmlBufferContent(buffer));
    xmlBufferFree(buffer);
    return text;
}

char *dom_format(const struct dom *dom)
{
    return format_node((xmlDoc *)(uintptr_t)dom, NULL);
}

char *dom_node_format(const struct dom_node *node)
{
    xmlNode *n = (xmlNode *)(uintptr_t)node;

    return format_node(n->doc, n);
}

/* The text with every FROM replaced, or NULL if there is none. */
static char *replaced(const char *text, const char *from, const char *to, size_t *count)
{
    const char *found = strstr(text, from);
    CLEANUP(buf) struct buf result = BUF_INIT(DOM_MAX_BYTES);

    if (found == NULL)
        return NULL;
    for (; found != NULL; found = strstr(text, from)) {
        buf_append(&result, text, (size_t)(found - text));
        buf_add(&result, to);
        text = found + strlen(from);
        (*count)++;
    }
    buf_add(&result, text);
    return buf_take(&result);
}

static void replace_in_node(xmlNode *node, const char *from, const char *to, size_t *count)
{
    if (node->type == XML_TEXT_NODE || node->type == XML_CDATA_SECTION_NODE) {
        CLEANUP(str) char *text = replaced((const char *)node->content, from, to, count);

        if (text != NULL)
            xmlNodeSetContent(node, chars(text));
    }
    if (node->type != XML_ELEMENT_NODE)
        return;
    for (const xmlAttr *attr = node->properties; attr != NULL; attr = attr->next) {
        CLEANUP(str) char *owned = NULL;
        CLEANUP(str) char *text = replaced(view_value(attr, &owned), from, to, count);

        if (text != NULL)
            xmlSetNsProp(node, attr->ns, attr->name, chars(text));
    }
}

size_t dom_replace_text(struct dom *dom, const char *from, const char *to)
{
    xmlNode *root = xmlDocGetRootElement((xmlDoc *)dom);
    xmlNode *node = root;
    size_t count = 0;

    while (node != NULL) {
        replace_in_node(node, from, to, &count);
        if (node->type == XML_ELEMENT_NODE && node->children != NULL) {
            node = node->children;
            continue;
        }
        while (node != root && node->next == NULL)
            node = node->parent;
        node = node == root ? NULL : node->next;
    }
    return count;
}

struct dom_node *dom_root(struct dom *dom)
{
    return (struct dom_node *)xmlDocGetRootElement((xmlDoc *)dom);
}

const char *dom_name(const struct dom_node *node)
{
    return (const char *)const_element(node)->name;
}

bool dom_is(const struct dom_node *node, const char *name)
{
    return strcmp(dom_name(node), name) == 0;
}

int dom_line(const struct dom_node *node)
{
    return (int)xmlGetLineNo(const_element(node));
}

bool dom_declares(const struct dom_node *node, const char *part)
{
    for (const xmlNs *ns = const_element(node)->nsDef; ns != NULL; ns = ns->next)
        if (ns->href != NULL && strcasestr((const char *)ns->href, part) != NULL)
            return true;
    return false;
}

static struct dom_node *matching(xmlNode *node, const char *name, size_t len)
{
    for (; node != NULL; node = node->next)
        if (node->type == XML_ELEMENT_NODE &&
            (name == NULL ||
             (strncmp((const char *)node->name, name, len) == 0 && node->name[len] == '\0')))
            return (struct dom_node *)node;
    return NULL;
}

struct dom_node *dom_first(struct dom_node *node, const char *name)
{
    return matching(element(node)->children, name, name == NULL ? 0 : strlen(name));
}

struct dom_node *dom_next(struct dom_node *node, const char *name)
{
    return matching(element(node)->next, name, name == NULL ? 0 : strlen(name));
}

struct dom_node *dom_parent(struct dom_node *node)
{
    xmlNode *parent = element(node)->parent;

    return parent != NULL && parent->type == XML_ELEMENT_NODE ? (struct dom_node *)parent : NULL;
}

struct dom_node *dom_find(struct dom_node *node, const char *path)
{
    struct span rest = span_of(path), part;

    while (node != NULL && span_split(&rest, '/', &part))
        node = matching(element(node)->children, part.ptr, part.len);
    return node;
}

char *dom_attr(const struct dom_node *node, const char *name)
{
    char *owned = NULL;
    const char *value = view_attr(node, name, &owned);

    return value == NULL || owned != NULL ? owned : xstrdup(value);
}

char *dom_attr_plain(const struct dom_node *node, const char *name)
{
    for (const xmlAttr *attr = const_element(node)->properties; attr != NULL; attr = attr->next)
        if (attr->ns == NULL && strcmp((const char *)attr->name, name) == 0)
            return attr->children == NULL
                       ? xstrdup("")
                       : take_text(xmlNodeListGetString(attr->doc, attr->children, 1));
    return NULL;
}

bool dom_attr_is(const struct dom_node *node, const char *name, const char *value)
{
    CLEANUP(str) char *owned = NULL;

    return str_eq(view_attr(node, name, &owned), value);
}

static bool eq_but_blanks(const char *a, const char *b)
{
    if (a == NULL || b == NULL)
        return a == b;
    return span_eq(span_trim(span_of(a)), span_trim(span_of(b)));
}

bool dom_attr_eq(const struct dom_node *a, const struct dom_node *b, const char *name)
{
    CLEANUP(str) char *owned_a = NULL;
    CLEANUP(str) char *owned_b = NULL;

    return eq_but_blanks(view_attr(a, name, &owned_a), view_attr(b, name, &owned_b));
}

bool dom_text_eq(const struct dom_node *a, const struct dom_node *b)
{
    CLEANUP(str) char *owned_a = NULL;
    CLEANUP(str) char *owned_b = NULL;

    return eq_but_blanks(view_text(a, &owned_a), view_text(b, &owned_b));
}

void dom_set_attr(struct dom_node *node, const char *name, const char *value)
{
    xmlSetProp(element(node), chars(name), chars(value));
}

void dom_set_attr_int(struct dom_node *node, const char *name, long long value)
{
    char text[24];

    snprintf(text, sizeof(text), "%lld", value);
    dom_set_attr(node, name, text);
}

void dom_del_attr(struct dom_node *node, const char *name)
{
    xmlUnsetProp(element(node), chars(name));
}

char *dom_text(const struct dom_node *node)
{
    return take_text(xmlNodeGetContent(const_element(node)));
}

static void remove_content(xmlNode *node)
{
    xmlFreeNodeList(node->children);
    node->children = node->last = NULL;
}

void dom_set_text(struct dom_node *node, const char *text)
{
    remove_content(element(node));
    xmlNodeAddContent(element(node), chars(text));
}

static struct dom_node *add_named(struct dom_node *node, const char *name, size_t len)
{
    CLEANUP(str) char *copy = xstrndup(name, len);

    return (struct dom_node *)xmlNewChild(element(node), NULL, chars(copy), NULL);
}

struct dom_node *dom_add(struct dom_node *node, const char *name)
{
    return add_named(node, name, strlen(name));
}

struct dom_node *dom_need(struct dom_node *node, const char *path)
{
    struct span rest = span_of(path), part;

    while (span_split(&rest, '/', &part)) {
        struct dom_node *child = matching(element(node)->children, part.ptr, part.len);

        node = child != NULL ? child : add_named(node, part.ptr, part.len);
    }
    return node;
}

struct dom_node *dom_renew(struct dom_node *node, const char *path)
{
    struct dom_node *found = dom_need(node, path);

    remove_content(element(found));
    xmlFreePropList(element(found)->properties);
    element(found)->properties = NULL;
    return found;
}

struct dom_node *dom_add_ns(struct dom_node *node, const char *prefix, const char *uri,
                            const char *name)
{
    xmlNode *child = xmlNewChild(element(node), NULL, chars(name), NULL);

    xmlSetNs(child, xmlNewNs(child, chars(uri), chars(prefix)));
    return (struct dom_node *)child;
}

struct dom_node *dom_first_ns(struct dom_node *node, const char *uri, const char *name)
{
    for (struct dom_node *child = dom_first(node, name); child != NULL;
         child = dom_next(child, name)) {
        const xmlNs *ns = element(child)->ns;

        if (ns != NULL && strcmp((const char *)ns->href, uri) == 0)
            return child;
    }
    return NULL;
}

int dom_add_xml(struct dom_node *node, const char *xml, struct error **err)
{
    CLEANUP(str) char *wrapped = xasprintf("<content>%s</content>", xml);
    struct dom *parsed = NULL;

    if (dom_parse(wrapped, strlen(wrapped), &parsed, err) == -1)
        return -1;
    CLEANUP(dom) struct dom *content = parsed;

    for (struct dom_node *child = dom_first(dom_root(content), NULL); child != NULL;
         child = dom_next(child, NULL))
        xmlAddChild(element(node), xmlDocCopyNode(element(child), element(node)->doc, 1));
    return 0;
}

void dom_remove(struct dom_node *node)
{
    xmlNode *before = element(node)->prev;

    /* the blanks that indented it would otherwise become an empty line */
    if (before != NULL && xmlIsBlankNode(before) && element(node)->next != NULL) {
        xmlUnlinkNode(before);
        xmlFreeNode(before);
    }
    xmlUnlinkNode(element(node));
    xmlFreeNode(element(node));
}

static size_t count_attrs(const xmlNode *node)
{
    size_t count = 0;

    for (const xmlAttr *attr = node->properties; attr != NULL; attr = attr->next)
        count++;
    return count;
}

static bool attrs_eq(const xmlNode *a, const xmlNode *b)
{
    if (count_attrs(a) != count_attrs(b))
        return false;
    for (const xmlAttr *attr = a->properties; attr != NULL; attr = attr->next) {
        const char *name = (const char *)attr->name;
        CLEANUP(str) char *owned_a = NULL;
        CLEANUP(str) char *owned_b = NULL;

        if (!str_eq(view_attr((const struct dom_node *)a, name, &owned_a),
                    view_attr((const struct dom_node *)b, name, &owned_b)))
            return false;
    }
    return true;
}

static struct dom_node *first_element(const struct dom_node *node)
{
    return matching(const_element(node)->children, NULL, 0);
}

/* The depth is bounded by DOM_MAX_DEPTH. */
bool dom_eq(const struct dom_node *a, const struct dom_node *b)
{
    if (strcmp(dom_name(a), dom_name(b)) != 0 || !attrs_eq(const_element(a), const_element(b)))
        return false;

    struct dom_node *child_a = first_element(a), *child_b = first_element(b);

    if (child_a == NULL && child_b == NULL)
        return dom_text_eq(a, b);
    for (; child_a != NULL && child_b != NULL;
         child_a = dom_next(child_a, NULL), child_b = dom_next(child_b, NULL))
        if (!dom_eq(child_a, child_b))
            return false;
    return child_a == NULL && child_b == NULL;
}

/* A value ends with a NUL, which XML cannot have; before it stands whether there is one. */
static void put_value(struct buf *out, const char *value)
{
    struct span text = span_trim(span_of(value == NULL ? "" : value));

    buf_add_char(out, value == NULL ? 'n' : 'v');
    buf_append(out, text.ptr, text.len);
    buf_add_char(out, '\0');
}

void dom_put_attr(const struct dom_node *node, const char *name, struct buf *out)
{
    CLEANUP(str) char *owned = NULL;

    put_value(out, view_attr(node, name, &owned));
}

void dom_put_text(const struct dom_node *node, struct buf *out)
{
    CLEANUP(str) char *owned = NULL;

    put_value(out, view_text(node, &owned));
}

/* The depth is bounded by DOM_MAX_DEPTH. */
void dom_put(const struct dom_node *node, struct buf *out)
{
    struct dom_node *child = first_element(node);

    buf_add_char(out, '<');
    put_value(out, dom_name(node));
    for (const xmlAttr *attr = const_element(node)->properties; attr != NULL; attr = attr->next) {
        CLEANUP(str) char *owned = NULL;
        const char *value = view_value(attr, &owned);

        buf_add_char(out, '@');
        put_value(out, (const char *)attr->name);
        buf_append(out, value, strlen(value) + 1); /* dom_eq counts its blanks */
    }
    if (child == NULL)
        dom_put_text(node, out);
    for (; child != NULL; child = dom_next(child, NULL))
        dom_put(child, out);
    buf_add_char(out, '>');
}

static int call_each(const xmlNodeSet *nodes,
                     int (*fn)(void *arg, struct dom_node *node, const char *attr,
                               struct error **err),
                     void *arg, struct error **err)
{
    if (nodes != NULL && nodes->nodeNr > DOM_MAX_MATCHES)
        return error_set(err, ERROR_INVALID, "%d nodes match, more than %d", nodes->nodeNr,
                         DOM_MAX_MATCHES);
    /* from the end, so that removing a node does not pull others from under the walk */
    for (int i = nodes == NULL ? -1 : nodes->nodeNr - 1; i >= 0; i--) {
        xmlNode *node = nodes->nodeTab[i];
        int result = 0;

        if (node->type == XML_ELEMENT_NODE)
            result = fn(arg, (struct dom_node *)node, NULL, err);
        else if (node->type == XML_ATTRIBUTE_NODE)
            result = fn(arg, (struct dom_node *)node->parent, (const char *)node->name, err);
        if (result == -1)
            return -1;
    }
    return 0;
}

static void drop_message(void *arg, xmlError *error)
{
    (void)arg;
    (void)error;
}

int dom_select(struct dom *dom, const char *xpath,
               int (*fn)(void *arg, struct dom_node *node, const char *attr, struct error **err),
               void *arg, struct error **err)
{
    xmlXPathContext *context = xmlXPathNewContext((xmlDoc *)dom);
    xmlXPathObject *found;
    int result;

    context->opLimit = XPATH_OPERATIONS_MAX;
    context->error = (xmlStructuredErrorFunc)drop_message;
    found = xmlXPathEval(chars(xpath), context);
    if (found == NULL)
        result = error_set(err, ERROR_INVALID, "\"%s\" is no XPath that can be evaluated", xpath);
    else if (found->type != XPATH_NODESET)
        result = error_set(err, ERROR_INVALID, "\"%s\" selects no nodes but a value", xpath);
    else
        result = call_each(found->nodesetval, fn, arg, err);
    xmlXPathFreeObject(found);
    xmlXPathFreeContext(context);
    return result;
}
