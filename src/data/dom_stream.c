#include "data/dom_stream.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"

#include <libxml/SAX2.h>
#include <libxml/parser.h>
#include <libxml/tree.h>
#include <string.h>

/* libxml2's push parser builds its tree as ever; at the end of an element we look whether it is
 * wanted, and take it out of the tree. */
struct dom_stream {
    const char *const *names;
    int (*on_element)(void *arg, struct dom_node *node, struct error **err);
    void *arg;
    xmlSAXHandler handler;
    xmlParserCtxt *context;
    size_t pending; /* bytes since an element was handed out */
    int depth;
    struct error *err; /* what stopped the parsing, or NULL */
};

static bool is_wanted(const struct dom_stream *stream, const xmlChar *name)
{
    for (const char *const *at = stream->names; *at != NULL; at++)
        if (strcmp(*at, (const char *)name) == 0)
            return true;
    return false;
}

static void on_start(void *context, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri,
                     int namespace_count, const xmlChar **namespaces, int attribute_count,
                     int defaulted_count, const xmlChar **attributes)
{
    struct dom_stream *stream = ((xmlParserCtxt *)context)->_private;

    if (++stream->depth > DOM_MAX_DEPTH && stream->err == NULL) {
        error_set(&stream->err, ERROR_INVALID, "elements nest deeper than %d", DOM_MAX_DEPTH);
        xmlStopParser(context);
        return;
    }
    xmlSAX2StartElementNs(context, name, prefix, uri, namespace_count, namespaces, attribute_count,
                          defaulted_count, attributes);
}

static void on_end(void *arg, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri)
{
    xmlParserCtxt *context = arg;
    struct dom_stream *stream = context->_private;
    xmlNode *node = context->node;

    stream->depth--;
    xmlSAX2EndElementNs(context, name, prefix, uri);
    if (stream->err != NULL || node == NULL || node->parent == NULL ||
        node->parent->type != XML_ELEMENT_NODE || !is_wanted(stream, name))
        return;
    stream->pending = 0;
    if (stream->on_element(stream->arg, (struct dom_node *)node, &stream->err) == -1)
        xmlStopParser(context);
    xmlUnlinkNode(node);
    xmlFreeNode(node);
}

static void on_subset(void *context, const xmlChar *name, const xmlChar *external,
                      const xmlChar *system)
{
    struct dom_stream *stream = ((xmlParserCtxt *)context)->_private;

    if (stream->err == NULL)
        error_set(&stream->err, ERROR_INVALID,
                  "has a document type declaration, which is not accepted");
    xmlStopParser(context);
}

struct dom_stream *
dom_stream_new(const char *const *names,
               int (*on_element)(void *arg, struct dom_node *node, struct error **err), void *arg)
{
    struct dom_stream *stream = xcalloc(1, sizeof(*stream));

    stream->names = names;
    stream->on_element = on_element;
    stream->arg = arg;
    xmlSAXVersion(&stream->handler, 2);
    stream->handler.startElementNs = on_start;
    stream->handler.endElementNs = on_end;
    stream->handler.internalSubset = on_subset;
    stream->context = xmlCreatePushParserCtxt(&stream->handler, NULL, NULL, 0, NULL);
    stream->context->_private = stream;
    xmlCtxtUseOptions(stream->context, XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING |
                                           XML_PARSE_NOCDATA | XML_PARSE_COMPACT | XML_PARSE_HUGE);
    return stream;
}

void dom_stream_free(struct dom_stream *stream)
{
    if (stream == NULL)
        return;
    xmlFreeDoc(stream->context->myDoc);
    xmlFreeParserCtxt(stream->context);
    error_free(stream->err);
    free(stream);
}

static int set_failure(struct dom_stream *stream, struct error **err)
{
    const xmlError *problem = xmlCtxtGetLastError(stream->context);
    const char *message = problem != NULL && problem->message != NULL ? problem->message : "cut";
    struct span text = span_trim(span_of(message));

    if (stream->err != NULL) {
        *err = steal(&stream->err);
        return -1;
    }
    return error_set(err, ERROR_INVALID, "line %d: not well-formed XML: %.*s",
                     problem != NULL ? problem->line : 0, (int)(text.len < 200 ? text.len : 200),
                     text.ptr);
}

int dom_stream_feed(struct dom_stream *stream, const char *data, size_t len, struct error **err)
{
    enum { PIECE = 64 * 1024 };

    for (size_t at = 0; at < len; at += PIECE) {
        size_t piece = len - at < PIECE ? len - at : PIECE;

        stream->pending += piece;
        if (stream->pending > DOM_STREAM_MAX_PENDING)
            return error_set(err, ERROR_INVALID, "an element has more than %d bytes",
                             DOM_STREAM_MAX_PENDING);
        if (xmlParseChunk(stream->context, data + at, (int)piece, 0) != XML_ERR_OK ||
            stream->err != NULL)
            return set_failure(stream, err);
    }
    return 0;
}

int dom_stream_finish(struct dom_stream *stream, struct dom **rest, struct error **err)
{
    if (xmlParseChunk(stream->context, NULL, 0, 1) != XML_ERR_OK || stream->err != NULL)
        return set_failure(stream, err);
    *rest = (struct dom *)stream->context->myDoc;
    stream->context->myDoc = NULL;
    return 0;
}
