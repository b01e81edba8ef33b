#include "inventory/provider.h"

#include "base/cancel.h"
#include "base/error.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/secret.h"
#include "base/text.h"
#include "base/thread.h"
#include "base/time.h"
#include "data/obj.h"
#include "inventory/inventory.h"
#include "inventory/model.h"
#include "inventory/routes.h"
#include "net/crypto.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define LOG_COMPONENT "inventory"
#include "base/log.h"

enum { RETRY_MIN_MS = 5000, RETRY_MAX_MS = 60000 };

struct provider {
    atomic_int refs;
    char *ns, *name, *uid;
    unsigned char fingerprint[CRYPTO_SHA256_SIZE]; /* of spec and secret */
    const struct inventory_options *inventory;
    void (*ending)(void *arg, struct provider *provider);
    void (*ended)(void *arg);
    void *arg;
    const struct route_type *route;
    const struct source_ops *ops;
    struct source *source;
    struct model *model;
    struct cancel *cancel;

    pthread_mutex_t lock;
    pthread_cond_t completed;
    json_t *object; /* guarded by lock, as all below */
    bool complete;  /* the first round is in */
    bool in_round;
    struct error *failure; /* of the collector, which tries again; or NULL */
};

static void provider_free(struct provider *provider)
{
    if (provider->source != NULL)
        provider->ops->close(provider->source);
    model_free(provider->model);
    cancel_free(provider->cancel);
    json_decref(provider->object);
    error_free(provider->failure);
    pthread_mutex_destroy(&provider->lock);
    pthread_cond_destroy(&provider->completed);
    free(provider->ns);
    free(provider->name);
    free(provider->uid);
    free(provider);
}

struct provider *provider_ref(struct provider *provider)
{
    atomic_fetch_add(&provider->refs, 1);
    return provider;
}

void provider_unref(struct provider *provider)
{
    if (provider == NULL || atomic_fetch_sub(&provider->refs, 1) != 1)
        return;

    void (*ended)(void *arg) = provider->ended;
    void *arg = provider->arg;
    if (provider->ending != NULL)
        provider->ending(arg, provider);
    provider_free(provider);
    if (ended != NULL)
        ended(arg);
}

DEFINE_CLEANUP(provider, struct provider *, provider_unref)

/* The digest of what a collector is started with.  The secret's text is wiped. */
static void fingerprint(const json_t *object, const json_t *secret,
                        unsigned char digest[CRYPTO_SHA256_SIZE])
{
    json_auto_t *both = json_array();
    const json_t *data = secret ? json_object_get(secret, "data") : NULL;

    json_array_append_new(both, json_deep_copy(json_object_get(object, "spec")));
    json_array_append_new(both, data ? json_deep_copy(data) : json_null());
    json_array_append_new(both, json_string(obj_str(object, "metadata.uid", "")));
    char *text = json_dumps(both, JSON_SORT_KEYS | JSON_COMPACT);
    crypto_sha256(text, strlen(text), digest);
    secret_wipe(text, strlen(text));
    free(text);
}

bool provider_is_same(const struct provider *provider, const json_t *object, const json_t *secret)
{
    unsigned char digest[CRYPTO_SHA256_SIZE];

    fingerprint(object, secret, digest);
    return memcmp(digest, provider->fingerprint, sizeof(digest)) == 0;
}

/* CHANGE is NULL for more than one object. */
static void tell_change(struct provider *provider, const struct inventory_change *change)
{
    if (provider->inventory->on_change != NULL && !cancel_is_requested(provider->cancel))
        provider->inventory->on_change(provider->inventory->arg, provider->ns, provider->name,
                                       change);
}

/* The sink.  During a round, changes are told once, at its end. */

static bool is_in_round(struct provider *provider)
{
    LOCK_SCOPE(&provider->lock);

    return provider->in_round;
}

static void sink_put(void *arg, const char *kind, const json_t *object)
{
    struct provider *provider = arg;

    if (model_put(provider->model, kind, object) && !is_in_round(provider))
        tell_change(provider, &(struct inventory_change){kind, obj_str(object, "id", ""),
                                                         obj_str(object, "name", "")});
}

static void sink_remove(void *arg, const char *kind, const char *id)
{
    struct provider *provider = arg;

    if (model_remove(provider->model, kind, id) && !is_in_round(provider))
        tell_change(provider, &(struct inventory_change){kind, id, ""});
}

static void sink_begin(void *arg)
{
    struct provider *provider = arg;
    LOCK_SCOPE(&provider->lock);

    provider->in_round = true;
    model_begin(provider->model);
}

static void sink_complete(void *arg)
{
    struct provider *provider = arg;
    bool news = model_complete(provider->model);

    pthread_mutex_lock(&provider->lock);
    news = news || !provider->complete || provider->failure != NULL;
    provider->in_round = false;
    provider->complete = true;
    error_clear(&provider->failure);
    pthread_cond_broadcast(&provider->completed);
    pthread_mutex_unlock(&provider->lock);
    if (news)
        tell_change(provider, NULL);
}

static void sink_problem(void *arg, const char *where, const char *what)
{
    struct provider *provider = arg;

    if (!model_put_problem(provider->model, where, what))
        return;
    if (what != NULL)
        log_warn("source has a problem: provider=%s/%s where=%s what=%s", provider->ns,
                 provider->name, where, what);
    if (!is_in_round(provider))
        tell_change(provider, NULL);
}

/* Collecting, again and again after failures. */

static void set_failure(struct provider *provider, struct error *failure)
{
    CLEANUP(str) char *text = error_format(failure);
    CLEANUP(str) char *before = NULL;

    pthread_mutex_lock(&provider->lock);
    before = provider->failure ? error_format(provider->failure) : NULL;
    error_free(provider->failure);
    provider->failure = failure;
    provider->in_round = false;
    pthread_mutex_unlock(&provider->lock);
    if (str_eq(before, text))
        return;
    log_warn("collector failed, will try again: provider=%s/%s reason=%s", provider->ns,
             provider->name, text);
    tell_change(provider, NULL);
}

static void *collect_thread(void *arg)
{
    struct provider *provider = arg;
    const struct source_sink sink = {
        .arg = provider,
        .put = sink_put,
        .remove = sink_remove,
        .begin = sink_begin,
        .complete = sink_complete,
        .problem = sink_problem,
    };
    int64_t delay_ms = RETRY_MIN_MS;

    while (!cancel_is_requested(provider->cancel)) {
        struct error *err = NULL;
        int64_t start_ms = time_mono_ms();

        if (provider->ops->collect(provider->source, &sink, provider->cancel, &err) == 0 ||
            err->code == ERROR_CANCELED) {
            error_free(err);
            if (cancel_is_requested(provider->cancel))
                break;
            continue;
        }
        if (time_mono_ms() - start_ms > RETRY_MAX_MS)
            delay_ms = RETRY_MIN_MS; /* it had worked for a while */
        set_failure(provider, err);
        cancel_wait(provider->cancel, delay_ms);
        delay_ms = delay_ms * 2 > RETRY_MAX_MS ? RETRY_MAX_MS : delay_ms * 2;
    }
    provider_unref(provider);
    return NULL;
}

static int open_source(struct provider *provider, const struct provider_options *options,
                       struct error **err)
{
    const char *type = obj_str(options->object, "spec.type", "");
    CLEANUP(str) char *cache_dir = path_join(options->inventory->dir, provider->uid);
    const struct source_config config = {
        .provider = options->object,
        .secret = options->secret,
        .cache_dir = cache_dir,
        .client = options->inventory->client,
    };

    provider->ops = source_find_ops(type);
    if (provider->ops == NULL)
        return error_set(err, ERROR_UNSUPPORTED, "provider type \"%s\" is not known", type);
    provider->route = route_find_type(type);
    return provider->ops->open(&config, &provider->source, err);
}

struct provider *provider_start(const struct provider_options *options, struct error **err)
{
    CLEANUP(provider) struct provider *provider = xcalloc(1, sizeof(*provider));
    struct thread thread = {0};

    atomic_init(&provider->refs, 1);
    provider->inventory = options->inventory;
    provider->ns = xstrdup(obj_str(options->object, "metadata.namespace", ""));
    provider->name = xstrdup(obj_str(options->object, "metadata.name", ""));
    provider->uid = xstrdup(obj_str(options->object, "metadata.uid", ""));
    provider->object = obj_copy(options->object);
    provider->cancel = cancel_new();
    pthread_mutex_init(&provider->lock, NULL);
    cond_init(&provider->completed);
    fingerprint(options->object, options->secret, provider->fingerprint);
    if (open_source(provider, options, err) == -1)
        return NULL;

    CLEANUP(str) char *prefix = xasprintf("providers/%s/%s", provider->ops->type, provider->uid);
    provider->model = model_new(prefix, provider->route);
    provider_ref(provider); /* the thread's */
    if (thread_start(&thread, "collect", collect_thread, provider, err) == -1) {
        provider_unref(provider);
        return NULL;
    }
    pthread_detach(thread.id); /* it ends by the cancel; who needs to know is told */
    provider->ending = options->ending;
    provider->ended = options->ended;
    provider->arg = options->arg;
    return steal(&provider);
}

void provider_stop(struct provider *provider)
{
    cancel_request(provider->cancel);
    model_end_watches(provider->model);
}

void provider_set_object(struct provider *provider, const json_t *object)
{
    json_t *copy = obj_copy(object);
    LOCK_SCOPE(&provider->lock);

    json_decref(provider->object);
    provider->object = copy;
}

json_t *provider_get_object(struct provider *provider)
{
    LOCK_SCOPE(&provider->lock);

    return json_incref(provider->object);
}

const char *provider_ns(const struct provider *provider)
{
    return provider->ns;
}

const char *provider_name(const struct provider *provider)
{
    return provider->name;
}

const char *provider_uid(const struct provider *provider)
{
    return provider->uid;
}

const struct route_type *provider_route(const struct provider *provider)
{
    return provider->route;
}

struct model *provider_model(struct provider *provider)
{
    return provider->model;
}

struct source *provider_source(struct provider *provider)
{
    return provider->source;
}

bool provider_wait_complete(struct provider *provider, int64_t timeout_ms)
{
    struct deadline deadline = deadline_after(timeout_ms);
    LOCK_SCOPE(&provider->lock);

    while (!provider->complete && cond_wait(&provider->completed, &provider->lock, deadline))
        ;
    return provider->complete;
}

json_t *provider_get_trouble(struct provider *provider)
{
    json_auto_t *problems = model_list_problems(provider->model);
    LOCK_SCOPE(&provider->lock);

    if (provider->failure == NULL && json_array_size(problems) == 0)
        return NULL;
    json_t *trouble = json_object();
    if (provider->failure != NULL) {
        CLEANUP(str) char *message = error_format(provider->failure);

        obj_put_str(trouble, "message", message);
        obj_put_str(trouble, "hint", error_get_hint(provider->failure));
    }
    obj_take(trouble, "problems", json_incref(problems));
    return trouble;
}
