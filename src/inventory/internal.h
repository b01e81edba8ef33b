/* What the parts of the inventory share.  May use: base.  Threads: all functions may be called from
 * any thread. */
#pragma once

#include "base/vector.h"
#include "inventory/provider.h"

struct auth_cache;
struct error;
struct http_user;
struct inventory;
struct kube_client;

DEFINE_VECTOR(provider_list, struct provider *)
DEFINE_CLEANUP(provider_ref, struct provider *, provider_unref)

/* The providers that are there now, with a reference each. */
void inventory_providers(struct inventory *inventory, struct provider_list *out);

/* How long a request waits for a provider's first complete read. */
int64_t inventory_parity_ms(const struct inventory *inventory);

struct auth_cache *inventory_auth(struct inventory *inventory);

/* Who may read what.  CLIENT asks the API server; answers that allow are kept for 10 s. */
struct auth_cache *auth_cache_new(struct kube_client *client);
void auth_cache_free(struct auth_cache *cache);

/* May USER read the Provider NS/NAME (NAME NULL: list those of NS, or of all for "")?  0 if so,
 * ERROR_DENIED if not, another code if nobody could tell. */
int auth_check(struct auth_cache *cache, const struct http_user *user, const char *ns,
               const char *name, struct error **err);
