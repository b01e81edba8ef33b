/* An XML text that comes in pieces, cut into elements: each element of the wanted names is handed
 * out when its end is there, and freed afterwards, so that a text of any length needs the memory of
 * one.
 *
 * No document type declaration is accepted.  May use: base.  Threads: one owner.
 */
#pragma once

#include "base/cleanup.h"
#include "data/dom.h"

struct dom_stream;

enum {
    DOM_STREAM_MAX_PENDING = 64 * 1024 * 1024, /* bytes of text between two elements' ends */
};

/* Hands out elements whose local name is among NAMES (NULL at the end; borrowed).  ON_ELEMENT may
 * look at NODE and below it, and fails with -1, which ends the parsing. */
struct dom_stream *
dom_stream_new(const char *const *names,
               int (*on_element)(void *arg, struct dom_node *node, struct error **err), void *arg);
void dom_stream_free(struct dom_stream *stream);

/* Takes the next LEN bytes.  Failures as of dom_parse, and those of ON_ELEMENT. */
int dom_stream_feed(struct dom_stream *stream, const char *data, size_t len, struct error **err);

/* Ends the text; a text that is cut short is ERROR_INVALID.  *REST is what was not handed out. */
int dom_stream_finish(struct dom_stream *stream, struct dom **rest, struct error **err);

DEFINE_CLEANUP(dom_stream, struct dom_stream *, dom_stream_free)
