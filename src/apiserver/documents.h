/* What is not about one kind: discovery, OpenAPI, version, health, metrics, keys.
 *
 * May use: base, data, net, kube.  Threads: all functions may be called from any thread.
 */
#pragma once

#include <stdbool.h>

struct apiserver;
struct call;
struct documents;

struct documents *documents_new(struct apiserver *server);
void documents_free(struct documents *documents);

/* Answers CALL if its path is one of these; false otherwise. */
bool documents_handle(struct documents *documents, struct call *call);
