/* One thread lists, then watches; everything that goes wrong ends in listing again.
 *
 *        +--------> list --ok--> watch --clean end--> watch ...
 *        |           |             |
 *        +-- wait <--+-- failure --+        (410 lists at once)
 *
 * A list is compared with what is known, so handlers see differences only.  A watch that breaks
 * off also lists: a server that came back with an older store would otherwise stay silent for
 * ever about versions it has not reached yet. */
#define LOG_COMPONENT "cache"
#include "kube/cache.h"

#include "base/cancel.h"
#include "base/error.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/random.h"
#include "base/text.h"
#include "base/thread.h"
#include "base/time.h"
#include "base/vector.h"
#include "data/obj.h"
#include "kube/meta.h"
#include "kube/selector.h"

#include <stdlib.h>
#include <string.h>

enum {
    DELAY_MIN_MS = 100,
    DELAY_MAX_MS = 30 * 1000,
    SHORT_WATCH_MS = 1000, /* a watch that ends sooner is followed by a delay */
    WAIT_SLICE_MS = 20,
};

struct handler {
    kube_handler fn;
    void *arg;
};

DEFINE_VECTOR(handler_list, struct handler)

struct kube_cache {
    struct kube_client *client;
    const struct kube_kind *kind;
    char *ns; /* or NULL */
    char *labels, *fields;
    struct handler_list handlers; /* frozen once started */
    struct cancel *cancel;
    struct thread thread;

    pthread_mutex_t lock;
    struct map *objects; /* guarded by lock; json_t by key */
    bool synced;         /* guarded by lock */
    char *last_error;    /* guarded by lock; why the first list is not there yet, or NULL */
    pthread_cond_t news; /* synced or last_error changed */

    /* of the thread only */
    char *version;
    int64_t delay_ms; /* 0: nothing went wrong lately */
};

static void free_object(void *object)
{
    json_decref(object);
}

struct kube_cache *kube_cache_new(struct kube_client *client, const struct kube_kind *kind,
                                  const char *ns, const struct kube_list_options *options)
{
    struct kube_cache *cache = xcalloc(1, sizeof(*cache));

    cache->client = client;
    cache->kind = kind;
    cache->ns = ns != NULL ? xstrdup(ns) : NULL;
    if (options != NULL && options->label_selector != NULL)
        cache->labels = xstrdup(options->label_selector);
    if (options != NULL && options->field_selector != NULL)
        cache->fields = xstrdup(options->field_selector);
    cache->cancel = cancel_new();
    pthread_mutex_init(&cache->lock, NULL);
    cond_init(&cache->news);
    cache->objects = map_new();
    return cache;
}

void kube_cache_stop(struct kube_cache *cache)
{
    cancel_request(cache->cancel);
    thread_join(&cache->thread);
}

void kube_cache_free(struct kube_cache *cache)
{
    if (cache == NULL)
        return;
    kube_cache_stop(cache);
    map_free(cache->objects, free_object);
    handler_list_reset(&cache->handlers);
    cancel_free(cache->cancel);
    pthread_mutex_destroy(&cache->lock);
    pthread_cond_destroy(&cache->news);
    free(cache->last_error);
    free(cache->version);
    free(cache->ns);
    free(cache->labels);
    free(cache->fields);
    free(cache);
}

void kube_cache_add_handler(struct kube_cache *cache, kube_handler handler, void *arg)
{
    handler_list_push(&cache->handlers, (struct handler){handler, arg});
}

static void tell_handlers(const struct kube_cache *cache, enum kube_change change,
                          const json_t *old, const json_t *object)
{
    for (size_t i = 0; i < cache->handlers.len; i++)
        cache->handlers.ptr[i].fn(cache->handlers.ptr[i].arg, change, old, object);
}

/* Stores OBJECT, which becomes frozen, and tells the handlers if it is news. */
static void put_object(struct kube_cache *cache, json_t *object)
{
    CLEANUP(str) char *key = meta_key_of(object);

    obj_del(object, "metadata.managedFields");
    pthread_mutex_lock(&cache->lock);
    json_auto_t *old = map_put(cache->objects, key, json_incref(object));
    pthread_mutex_unlock(&cache->lock);

    if (old == NULL)
        tell_handlers(cache, KUBE_ADDED, NULL, object);
    else if (!str_eq(meta_resource_version(old), meta_resource_version(object)) ||
             *meta_resource_version(object) == '\0')
        tell_handlers(cache, KUBE_MODIFIED, old, object);
}

/* Removes KEY; LAST is its last state, or NULL to give what is known. */
static void drop_object(struct kube_cache *cache, const char *key, const json_t *last)
{
    pthread_mutex_lock(&cache->lock);
    json_auto_t *old = map_remove(cache->objects, key);
    pthread_mutex_unlock(&cache->lock);

    if (old != NULL)
        tell_handlers(cache, KUBE_DELETED, old, last != NULL ? last : old);
}

/* The keys of objects that are known but not in LISTED. */
static struct str_list find_gone(struct kube_cache *cache, const struct map *listed)
{
    struct str_list gone = {0};
    const char *key;
    size_t pos = 0;
    void *value;

    LOCK_SCOPE(&cache->lock);
    while ((key = map_next(cache->objects, &pos, &value)) != NULL)
        if (map_find(listed, key) == NULL)
            str_list_push(&gone, xstrdup(key));
    return gone;
}

static void replace_all(struct kube_cache *cache, json_t *items)
{
    struct map *listed = map_new();
    size_t i;
    json_t *object;

    json_array_foreach(items, i, object)
    {
        CLEANUP(str) char *key = meta_key_of(object);
        map_put(listed, key, object);
    }
    struct str_list gone = find_gone(cache, listed);
    for (i = 0; i < gone.len; i++)
        drop_object(cache, gone.ptr[i], NULL);
    json_array_foreach(items, i, object) put_object(cache, object);
    str_list_free_all(&gone);
    map_free(listed, NULL);
}

static void set_synced(struct kube_cache *cache)
{
    LOCK_SCOPE(&cache->lock);

    cache->synced = true;
    cleanup_str(&cache->last_error);
    cache->last_error = NULL;
    pthread_cond_broadcast(&cache->news);
}

static int list(struct kube_cache *cache, struct error **err)
{
    struct kube_list_options options = {cache->labels, cache->fields};
    json_auto_t *items = NULL;
    char *version = NULL;

    if (kube_list_at(cache->client, cache->kind, cache->ns, &options, cache->cancel, &items,
                     &version, err) == -1)
        return -1;
    free(cache->version);
    cache->version = version;
    replace_all(cache, items);
    set_synced(cache);
    return 0;
}

static bool take_event(void *arg, const json_t *event)
{
    struct kube_cache *cache = arg;
    const char *type = obj_str(event, "type", "");
    json_t *object = obj_obj(event, "object");
    const char *version = obj_str(object, "metadata.resourceVersion", NULL);

    if (version != NULL) {
        free(cache->version);
        cache->version = xstrdup(version);
    }
    if (str_eq(type, "ADDED") || str_eq(type, "MODIFIED")) {
        put_object(cache, object);
    } else if (str_eq(type, "DELETED")) {
        CLEANUP(str) char *key = meta_key_of(object);
        drop_object(cache, key, object);
    }
    cache->delay_ms = 0;
    return !cancel_is_requested(cache->cancel);
}

static int watch(struct kube_cache *cache, struct error **err)
{
    struct kube_list_options options = {cache->labels, cache->fields};

    return kube_watch(cache->client, cache->kind, cache->ns, &options, cache->version,
                      cache->cancel, take_event, cache, err);
}

/* Waits a delay that doubles, three quarters of it at least, so that many caches do not come
 * together. */
static void pause_longer(struct kube_cache *cache)
{
    uint32_t dice;

    cache->delay_ms = cache->delay_ms == 0 ? DELAY_MIN_MS : cache->delay_ms * 2;
    if (cache->delay_ms > DELAY_MAX_MS)
        cache->delay_ms = DELAY_MAX_MS;
    random_bytes(&dice, sizeof(dice));
    int64_t spread = cache->delay_ms / 4;
    cancel_wait(cache->cancel, cache->delay_ms - spread + (int64_t)(dice % (uint32_t)(spread + 1)));
}

/* Logs a failure once until things are well again, and keeps it for who waits. */
static void note_failure(struct kube_cache *cache, const struct error *err)
{
    if (cancel_is_requested(cache->cancel))
        return;
    if (cache->delay_ms == 0)
        log_write_error(LOG_LEVEL_WARN, LOG_COMPONENT, err, "list-watch interrupted");

    LOCK_SCOPE(&cache->lock);
    cleanup_str(&cache->last_error);
    cache->last_error = error_format(err);
    pthread_cond_broadcast(&cache->news);
}

static void *run(void *arg)
{
    struct kube_cache *cache = arg;
    bool must_list = true;

    while (!cancel_is_requested(cache->cancel)) {
        CLEANUP(error) struct error *err = NULL;
        int64_t started_ms = time_mono_ms();

        if (must_list && list(cache, &err) == 0) {
            must_list = false;
            continue;
        }
        if (!must_list && watch(cache, &err) == 0) {
            if (time_mono_ms() - started_ms < SHORT_WATCH_MS)
                pause_longer(cache);
            else
                cache->delay_ms = 0;
            continue;
        }
        if (!must_list && err->code == ERROR_EXPIRED && cache->delay_ms == 0) {
            cache->delay_ms = DELAY_MIN_MS / 2; /* at once, but not again and again */
            must_list = true;
            continue;
        }
        must_list = true;
        note_failure(cache, err);
        pause_longer(cache);
    }
    return NULL;
}

int kube_cache_start(struct kube_cache *cache, struct error **err)
{
    CLEANUP(str) char *name = xasprintf("cache-%s", cache->kind->plural);

    return thread_start(&cache->thread, name, run, cache, err);
}

int kube_cache_wait(struct kube_cache *cache, int64_t timeout_ms, struct cancel *cancel,
                    struct error **err)
{
    struct deadline deadline = deadline_after(timeout_ms);
    LOCK_SCOPE(&cache->lock);

    while (!cache->synced) {
        if (cancel_check(cancel, deadline, err) == -1) {
            if (cache->last_error != NULL)
                return error_wrap(err, "the list of %s is not there yet (%s)", cache->kind->plural,
                                  cache->last_error);
            return error_wrap(err, "the list of %s is not there yet", cache->kind->plural);
        }
        cond_wait(&cache->news, &cache->lock, deadline_after(WAIT_SLICE_MS));
    }
    return 0;
}

json_t *kube_cache_get(struct kube_cache *cache, const char *ns, const char *name)
{
    CLEANUP(str) char *key = meta_key(cache->kind->cluster_scoped ? NULL : ns, name);
    LOCK_SCOPE(&cache->lock);

    return json_incref(map_find(cache->objects, key));
}

/* True if KEY lies in namespace NS; NULL is any. */
static bool is_in(const char *key, const char *ns, size_t ns_len)
{
    return ns == NULL || (strncmp(key, ns, ns_len) == 0 && key[ns_len] == '/');
}

json_t *kube_cache_list(struct kube_cache *cache, const char *ns, const char *labels)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(selector) struct selector *selector = selector_parse(labels, &err);
    json_t *found = json_array();
    size_t ns_len = ns != NULL ? strlen(ns) : 0, pos = 0;
    const char *key;
    void *object;

    if (selector == NULL) {
        log_write_error(LOG_LEVEL_ERROR, LOG_COMPONENT, err, "list from a cache");
        return found;
    }
    if (cache->kind->cluster_scoped)
        ns = NULL;

    LOCK_SCOPE(&cache->lock);
    while ((key = map_next(cache->objects, &pos, &object)) != NULL)
        if (is_in(key, ns, ns_len) &&
            selector_matches(selector, obj_obj(object, "metadata.labels")))
            json_array_append(found, object);
    return found;
}
