/* OpenAPI documents of the served kinds: v3 per group and version, v2 as protobuf for all.
 *
 * Definitions are read one at a time, so that only one is in memory beside the output (parsed, the
 * 63 definitions of all supported systems take 100 MB; as text, 6 MB); who serves the documents
 * keeps or drops the text.
 *
 * May use: base, data.  Threads: pure functions.
 */
#pragma once

#include "data/obj.h"

#include <stddef.h>

struct buf;
struct error;

/* Gives definitions (CustomResourceDefinitions and those of builtin_definition) one by one: a new
 * reference, or NULL at the end. */
struct openapi_source {
    json_t *(*next)(void *arg);
    void *arg;
};

enum { OPENAPI_MAX_BYTES = 64 * 1024 * 1024 };

/* The v3 document of GROUP ("" for core) and VERSION as JSON text. */
int openapi_v3(const struct openapi_source *source, const char *group, const char *version,
               struct buf *out, struct error **err);

/* The v3 root: {"paths": {"apis/G/V": {"serverRelativeURL": "..."}}}.  HASH is what makes clients
 * read a document again; the caller gives the same for all (such as the newest resourceVersion
 * of a definition).  KEYS are like "apis/forklift.konveyor.io/v1beta1" or "api/v1". */
json_t *openapi_v3_root(const char *const *keys, size_t count, const char *hash);

/* The v2 document of everything, as the protobuf message openapi.v2.Document
 * (application/com.github.proto-openapi.spec.v2@v1.0+protobuf). */
int openapi_v2(const struct openapi_source *source, struct buf *out, struct error **err);
