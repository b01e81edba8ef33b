#include "data/markup.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"

#include <limits.h>
#include <libxml/parser.h>
#include <libxml/tree.h>
#include <stdlib.h>
#include <string.h>

/* A struct markup is libxml2's document, a struct markup_node its node. */

static const xmlNode *node_of(const struct markup_node *node)
{
    return (const xmlNode *)node;
}

static const struct markup_node *element_from(const xmlNode *node)
{
    while (node != NULL && node->type != XML_ELEMENT_NODE)
        node = node->next;
    return (const struct markup_node *)node;
}

static int check_depth(const xmlNode *root, struct error **err)
{
    const xmlNode *node = root;
    int depth = 1;

    while (node != NULL) {
        if (depth > MARKUP_MAX_DEPTH)
            return error_set(err, ERROR_INVALID, "line %ld: elements are nested deeper than %d",
                             xmlGetLineNo(node), MARKUP_MAX_DEPTH);
        if (node->type == XML_ELEMENT_NODE && node->children != NULL) {
            node = node->children;
            depth++;
            continue;
        }
        while (node != NULL && node != root && node->next == NULL) {
            node = node->parent;
            depth--;
        }
        if (node == NULL || node == root)
            break;
        node = node->next;
    }
    return 0;
}

static int set_parse_error(xmlParserCtxt *context, struct error **err)
{
    const xmlError *problem = xmlCtxtGetLastError(context);
    const char *message = problem && problem->message ? problem->message : "not well-formed";
    struct span text = span_trim(span_of(message));

    return error_set(err, ERROR_INVALID, "line %d: not well-formed XML: %.*s",
                     problem ? problem->line : 0, (int)(text.len < 200 ? text.len : 200), text.ptr);
}

int markup_parse(const char *text, size_t len, struct markup **out, struct error **err)
{
    if (len > INT_MAX)
        return error_set(err, ERROR_INVALID, "%zu bytes of XML are too many", len);

    xmlParserCtxt *context = xmlNewParserCtxt();
    if (context == NULL)
        return error_set(err, ERROR_BUG, "no memory for an XML parser");

    /* Neither NOENT nor DTDLOAD: nothing is expanded or fetched while parsing, and what declares a
     * document type is refused below. */
    xmlDoc *doc = xmlCtxtReadMemory(context, text, (int)len, NULL, NULL,
                                    XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING |
                                        XML_PARSE_NOCDATA | XML_PARSE_COMPACT);
    int result = 0;
    if (doc == NULL)
        result = set_parse_error(context, err);
    else if (doc->intSubset != NULL || doc->extSubset != NULL)
        result =
            error_set(err, ERROR_INVALID, "has a document type declaration, which is not accepted");
    else
        result = check_depth(xmlDocGetRootElement(doc), err);
    xmlFreeParserCtxt(context);
    if (result == -1) {
        xmlFreeDoc(doc);
        return -1;
    }
    *out = (struct markup *)doc;
    return 0;
}

void markup_free(struct markup *markup)
{
    xmlFreeDoc((xmlDoc *)markup);
}

const struct markup_node *markup_root(const struct markup *markup)
{
    return (const struct markup_node *)xmlDocGetRootElement((const xmlDoc *)markup);
}

const struct markup_node *markup_first(const struct markup_node *node)
{
    return element_from(node_of(node)->children);
}

const struct markup_node *markup_next(const struct markup_node *node)
{
    return element_from(node_of(node)->next);
}

const struct markup_node *markup_child(const struct markup_node *node, const char *name)
{
    const struct markup_node *child = markup_first(node);

    while (child != NULL && !markup_is(child, name))
        child = markup_next(child);
    return child;
}

const char *markup_name(const struct markup_node *node)
{
    return (const char *)node_of(node)->name;
}

bool markup_is(const struct markup_node *node, const char *name)
{
    return strcmp(markup_name(node), name) == 0;
}

int markup_line(const struct markup_node *node)
{
    return (int)xmlGetLineNo(node_of(node));
}

/* Takes libxml2's text over as one of ours. */
static char *take_text(xmlChar *text)
{
    if (text == NULL)
        return NULL;
    char *copy = span_dup(span_trim(span_of((const char *)text)));
    xmlFree(text);
    return copy;
}

char *markup_attr(const struct markup_node *node, const char *name)
{
    for (const xmlAttr *attr = node_of(node)->properties; attr != NULL; attr = attr->next)
        if (strcmp((const char *)attr->name, name) == 0)
            return take_text(xmlNodeListGetString(node_of(node)->doc, attr->children, 1));
    return NULL;
}

char *markup_text(const struct markup_node *node)
{
    return node ? take_text(xmlNodeGetContent(node_of(node))) : NULL;
}

bool markup_declares(const struct markup_node *node, const char *part)
{
    for (const xmlNs *ns = node_of(node)->nsDef; ns != NULL; ns = ns->next)
        if (ns->href != NULL && strcasestr((const char *)ns->href, part) != NULL)
            return true;
    return false;
}
