/* One provider of the inventory: its source, its model, and the thread that collects.
 *
 * May use: base, data, net, kube, source.  Threads: all functions may be called from any thread.  A
 * provider lives as long as somebody has a reference; the collector has one until it has ended.
 */
#pragma once

#include "base/cleanup.h"
#include "data/obj.h"
#include "source/source.h"

#include <stdbool.h>

struct cancel;
struct error;
struct inventory_options;
struct model;
struct provider;
struct route_type;

struct provider_options {
    const json_t *object;                      /* the Provider */
    const json_t *secret;                      /* as in source_config */
    const struct inventory_options *inventory; /* outlives the provider */
    /* The last reference was dropped: ENDING before the provider is freed, ENDED afterwards. */
    void (*ending)(void *arg, struct provider *provider);
    void (*ended)(void *arg);
    void *arg;
};

/* Opens the source and starts collecting. */
struct provider *provider_start(const struct provider_options *options, struct error **err);
struct provider *provider_ref(struct provider *provider);
void provider_unref(struct provider *provider);

/* Asks the collector to end; does not wait. */
void provider_stop(struct provider *provider);

/* True if it was started from the same spec and secret. */
bool provider_is_same(const struct provider *provider, const json_t *object, const json_t *secret);

/* Remembers a newer state of the Provider object, and gives it, with a reference. */
void provider_set_object(struct provider *provider, const json_t *object);
json_t *provider_get_object(struct provider *provider);

const char *provider_ns(const struct provider *provider);
const char *provider_name(const struct provider *provider);
const char *provider_uid(const struct provider *provider);
const struct route_type *provider_route(const struct provider *provider); /* or NULL */
struct model *provider_model(struct provider *provider);
struct source *provider_source(struct provider *provider);

/* True when the first complete read is in; waits for it at most TIMEOUT_MS. */
bool provider_wait_complete(struct provider *provider, int64_t timeout_ms);

/* See inventory_get_trouble. */
json_t *provider_get_trouble(struct provider *provider);
