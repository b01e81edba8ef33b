/* A very small API server in memory, for tests: it takes all kinds for one; list, watch, get,
 * create, update, patch of status, delete, and ways to misbehave.
 *
 * May use: base, data, kube.  Threads: all functions may be called from any thread.
 */
#pragma once

#include "kube/client.h"

struct fake_api;

extern const struct kube_kind FAKE_KIND; /* namespaced things.example.org/v1 */

struct fake_api *fake_api_new(void);

/* After its clients are freed. */
void fake_api_free(struct fake_api *api);

struct kube_client *fake_api_client(struct fake_api *api);

/* Puts or replaces an object behind the back of all clients, as another client would. */
void fake_api_put(struct fake_api *api, const char *ns, const char *name, const char *value);
void fake_api_remove(struct fake_api *api, const char *ns, const char *name);

/* Fails the next COUNT requests whose method is METHOD with an HTTP status; 0: the connection
 * breaks. */
void fake_api_fail(struct fake_api *api, const char *method, int count, int status);

/* Ends all open watches: in good order, or as a broken connection. */
void fake_api_end_watches(struct fake_api *api, bool broken);

/* Forgets the changes before now: watches from earlier versions get 410. */
void fake_api_compact(struct fake_api *api);

/* Sends a watch's bytes in pieces of SIZE. */
void fake_api_set_piece(struct fake_api *api, size_t size);

/* How many lists (first pages) and watches were asked for, and requests in all. */
int fake_api_lists(struct fake_api *api);
int fake_api_watches(struct fake_api *api);
int fake_api_requests(struct fake_api *api);
