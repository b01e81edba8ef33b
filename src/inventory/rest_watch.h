/* Watching a collection of the REST service over a WebSocket.
 *
 * May use: base, data, net.  Threads: one per watch.
 */
#pragma once

#include <stdbool.h>

struct http_request;
struct http_response;
struct model;
struct route_collection;
struct route_type;

/* Takes the connection over and tells what changes in COLLECTION until the client goes, says so or
 * reads too slowly, or the provider ends; with SNAPSHOT what is there comes first.  False: the
 * request is no WebSocket's handshake, and nothing was sent. */
bool rest_watch(const struct http_request *request, struct http_response *response,
                struct model *model, const struct route_type *type,
                const struct route_collection *collection, bool snapshot);
