#include "inventory/inventory.h"

#include "base/array.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/thread.h"
#include "base/time.h"
#include "base/vector.h"
#include "data/obj.h"
#include "inventory/internal.h"
#include "inventory/model.h"
#include "inventory/provider.h"

#include <stdlib.h>

#define LOG_COMPONENT "inventory"
#include "base/log.h"

enum {
    PARITY_MS = 10000,
    END_MS = 60000, /* until collectors must have ended: longer than any of their waits */
};

struct inventory {
    struct inventory_options options;
    char *dir;
    struct auth_cache *auth;
    pthread_mutex_t lock;
    pthread_cond_t ended_cond;
    struct provider_list current; /* guarded by lock, as all below; with a reference each */
    struct provider_list alive;   /* every one that has not ended, without a reference */
    size_t not_freed;             /* those, and what is being freed */
};

struct inventory *inventory_new(const struct inventory_options *options)
{
    struct inventory *inventory = xcalloc(1, sizeof(*inventory));

    inventory->options = *options;
    inventory->dir = xstrdup(options->dir);
    inventory->options.dir = inventory->dir;
    inventory->auth = auth_cache_new(options->client);
    pthread_mutex_init(&inventory->lock, NULL);
    cond_init(&inventory->ended_cond);
    return inventory;
}

/* Takes PROVIDER out of LIST; false if it is not in it.  With the lock held. */
static bool list_remove(struct provider_list *list, const struct provider *provider)
{
    for (size_t i = 0; i < list->len; i++)
        if (list->ptr[i] == provider) {
            list->ptr[i] = list->ptr[--list->len];
            return true;
        }
    return false;
}

static void on_ending(void *arg, struct provider *provider)
{
    struct inventory *inventory = arg;
    LOCK_SCOPE(&inventory->lock);

    list_remove(&inventory->alive, provider);
}

static void on_ended(void *arg)
{
    struct inventory *inventory = arg;
    LOCK_SCOPE(&inventory->lock);

    inventory->not_freed--;
    pthread_cond_broadcast(&inventory->ended_cond);
}

/* The current provider NS/NAME, or NULL.  With the lock held. */
static struct provider *find_current(const struct inventory *inventory, const char *ns,
                                     const char *name)
{
    for (size_t i = 0; i < inventory->current.len; i++) {
        struct provider *provider = inventory->current.ptr[i];

        if (str_eq(provider_ns(provider), ns) && str_eq(provider_name(provider), name))
            return provider;
    }
    return NULL;
}

static struct provider *get_provider(struct inventory *inventory, const char *ns, const char *name)
{
    LOCK_SCOPE(&inventory->lock);
    struct provider *provider = find_current(inventory, ns, name);

    return provider ? provider_ref(provider) : NULL;
}

void inventory_remove_provider(struct inventory *inventory, const char *ns, const char *name)
{
    pthread_mutex_lock(&inventory->lock);
    CLEANUP(provider_ref) struct provider *provider = find_current(inventory, ns, name);
    if (provider != NULL)
        list_remove(&inventory->current, provider);
    pthread_mutex_unlock(&inventory->lock);
    if (provider != NULL)
        provider_stop(provider);
}

void inventory_free(struct inventory *inventory)
{
    struct deadline deadline = deadline_after(END_MS);

    if (inventory == NULL)
        return;
    for (;;) {
        pthread_mutex_lock(&inventory->lock);
        struct provider *provider =
            inventory->current.len > 0 ? provider_ref(inventory->current.ptr[0]) : NULL;
        pthread_mutex_unlock(&inventory->lock);
        if (provider == NULL)
            break;
        inventory_remove_provider(inventory, provider_ns(provider), provider_name(provider));
        provider_unref(provider);
    }

    pthread_mutex_lock(&inventory->lock);
    while (inventory->not_freed > 0 &&
           cond_wait(&inventory->ended_cond, &inventory->lock, deadline))
        ;
    size_t left = inventory->not_freed;
    pthread_mutex_unlock(&inventory->lock);
    if (left > 0) {
        log_error("collectors do not end, leaving them behind: count=%zu", left);
        return; /* they still use it */
    }
    provider_list_reset(&inventory->current);
    provider_list_reset(&inventory->alive);
    auth_cache_free(inventory->auth);
    pthread_mutex_destroy(&inventory->lock);
    pthread_cond_destroy(&inventory->ended_cond);
    free(inventory->dir);
    free(inventory);
}

int inventory_add_provider(struct inventory *inventory, const json_t *object, const json_t *secret,
                           struct error **err)
{
    const char *ns = obj_str(object, "metadata.namespace", "");
    const char *name = obj_str(object, "metadata.name", "");
    CLEANUP(provider_ref) struct provider *old = get_provider(inventory, ns, name);

    if (old != NULL && provider_is_same(old, object, secret)) {
        provider_set_object(old, object);
        return 0;
    }
    inventory_remove_provider(inventory, ns, name);

    const struct provider_options options = {
        .object = object,
        .secret = secret,
        .inventory = &inventory->options,
        .ending = on_ending,
        .ended = on_ended,
        .arg = inventory,
    };
    /* Under the lock, so that no collector can end before it is among those alive. */
    LOCK_SCOPE(&inventory->lock);
    struct provider *provider = provider_start(&options, err);
    if (provider == NULL)
        return -1;
    provider_list_push(&inventory->current, provider);
    provider_list_push(&inventory->alive, provider);
    inventory->not_freed++;
    return 0;
}

bool inventory_is_complete(struct inventory *inventory, const char *ns, const char *name)
{
    CLEANUP(provider_ref) struct provider *provider = get_provider(inventory, ns, name);

    return provider != NULL && provider_wait_complete(provider, 0);
}

json_t *inventory_get_trouble(struct inventory *inventory, const char *ns, const char *name)
{
    CLEANUP(provider_ref) struct provider *provider = get_provider(inventory, ns, name);

    return provider ? provider_get_trouble(provider) : NULL;
}

int inventory_find(struct inventory *inventory, const char *ns, const char *provider_name,
                   const char *kind, const char *id, const char *name, json_t **out,
                   struct error **err)
{
    CLEANUP(provider_ref) struct provider *provider = get_provider(inventory, ns, provider_name);

    if (provider == NULL) {
        *out = NULL;
        return 0;
    }
    return model_find(provider_model(provider), kind, id, name, out, err);
}

json_t *inventory_list(struct inventory *inventory, const char *ns, const char *provider_name,
                       const char *kind)
{
    CLEANUP(provider_ref) struct provider *provider = get_provider(inventory, ns, provider_name);

    return provider ? model_list(provider_model(provider), kind) : json_array();
}

json_t *inventory_list_providers(struct inventory *inventory)
{
    LOCK_SCOPE(&inventory->lock);
    json_t *list = json_array();

    for (size_t i = 0; i < inventory->current.len; i++)
        json_array_append_new(list, provider_get_object(inventory->current.ptr[i]));
    return list;
}

size_t inventory_put_verdicts(struct inventory *inventory, const char *ns,
                              const char *provider_name, const struct inventory_verdict *verdicts,
                              size_t count)
{
    CLEANUP(provider_ref) struct provider *provider = get_provider(inventory, ns, provider_name);
    size_t put = 0;

    for (size_t i = 0; provider != NULL && i < count; i++) {
        const struct inventory_verdict *verdict = &verdicts[i];
        json_auto_t *fields = json_object();

        json_object_set(fields, "concerns", verdict->concerns);
        obj_put_int(fields, "policyVersion", verdict->policy_version);
        obj_put_int(fields, "revisionValidated", verdict->revision);
        put += model_put_validation(provider_model(provider), verdict->vm_id, verdict->revision,
                                    fields);
    }
    return put;
}

struct source *inventory_get_source(struct inventory *inventory, const char *ns, const char *name,
                                    const struct source_ops **ops)
{
    struct provider *provider = get_provider(inventory, ns, name);

    if (provider == NULL)
        return NULL;
    struct source *source = provider_source(provider);
    *ops = source->ops;
    return source; /* with the reference */
}

void inventory_put_source(struct inventory *inventory, struct source *source)
{
    struct provider *found = NULL;

    if (source == NULL)
        return;
    pthread_mutex_lock(&inventory->lock);
    for (size_t i = 0; i < inventory->alive.len && found == NULL; i++)
        if (provider_source(inventory->alive.ptr[i]) == source)
            found = inventory->alive.ptr[i];
    pthread_mutex_unlock(&inventory->lock);
    provider_unref(found);
}

void inventory_providers(struct inventory *inventory, struct provider_list *out)
{
    LOCK_SCOPE(&inventory->lock);

    for (size_t i = 0; i < inventory->current.len; i++)
        provider_list_push(out, provider_ref(inventory->current.ptr[i]));
}

int64_t inventory_parity_ms(const struct inventory *inventory)
{
    return inventory->options.parity_ms > 0 ? inventory->options.parity_ms : PARITY_MS;
}

struct auth_cache *inventory_auth(struct inventory *inventory)
{
    return inventory->auth;
}
