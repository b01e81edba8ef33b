#define LOG_COMPONENT "validation"
#include "validation/validation.h"

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/time.h"
#include "data/obj.h"
#include "inventory/inventory.h"
#include "lang/rego/json.h"
#include "validation/internal.h"

#include <stdlib.h>

enum {
    INTERVAL_MS = 5000,
    SETTLE_MS = 50,            /* changes that come together are looked at together */
    SWEEP_MS = 10 * 60 * 1000, /* every provider, whatever was told */
};

static char MARK[] = "";

/* --- one round --------------------------------------------------------------------------------- */

/* Forgets providers that are not in LIST any more. */
static void forget_others(struct validation *v, const json_t *list)
{
    struct map *there = map_new();
    const json_t *provider = NULL;
    const char *key = NULL;
    void *watched = NULL;
    size_t i = 0;

    json_array_foreach(list, i, provider)
    {
        CLEANUP(str)
        char *name = xasprintf("%s/%s", obj_str(provider, "metadata.namespace", ""),
                               obj_str(provider, "metadata.name", ""));
        map_put(there, name, MARK);
    }
    for (size_t pos = 0; (key = map_next(v->watched, &pos, &watched)) != NULL;)
        if (map_find(there, key) == NULL)
            watched_free(map_remove(v->watched, key));
    map_free(there, NULL);
}

/* Looks at the providers of CHANGED, or at all if it is NULL. */
static void visit(struct validation *v, const struct map *changed)
{
    json_auto_t *providers = inventory_list_providers(v->options.inventory);
    int64_t revision = 0;
    CLEANUP(rego) struct rego *set = rules_get(v->rules, &revision);
    CLEANUP(rego_eval) struct rego_eval *eval = rego_eval_new(set, NULL);
    const json_t *provider = NULL;
    size_t i = 0;

    forget_others(v, providers);
    json_array_foreach(providers, i, provider)
    {
        const char *ns = obj_str(provider, "metadata.namespace", "");
        const char *name = obj_str(provider, "metadata.name", "");
        CLEANUP(str) char *key = xasprintf("%s/%s", ns, name);

        if (changed != NULL && map_find(changed, key) == NULL)
            continue;
        if (turn_take(v, eval, revision, provider) > 0 && v->options.on_validated != NULL)
            v->options.on_validated(v->options.arg, ns, name);
    }
}

/* --- the thread -------------------------------------------------------------------------------- */

/* Waits until a provider changed, UNTIL is over or the service stops; then a little longer, for
 * more changes.  Takes what changed; NULL: every provider. */
static struct map *wait_for_changes(struct validation *v, struct deadline until)
{
    LOCK_SCOPE(&v->lock);

    while (!v->all_changed && map_count(v->changed) == 0 && !v->stopping &&
           cond_wait(&v->cond, &v->lock, until))
        ;
    struct deadline settled = deadline_after(SETTLE_MS);
    while (!v->stopping && map_count(v->changed) > 0 && cond_wait(&v->cond, &v->lock, settled))
        ;
    struct map *changed = v->changed;
    v->changed = map_new();
    if (!v->all_changed)
        return changed;
    v->all_changed = false;
    map_free(changed, NULL);
    return NULL;
}

static bool is_at_work(const struct validation *v)
{
    return v->is_restored && !v->disabled && !v->stopping && v->options.inventory != NULL;
}

static void *run(void *arg)
{
    struct validation *v = (struct validation *)arg;
    struct deadline sweep = deadline_after(0);

    while (!v->stopping) {
        bool other_rules = users_rules_refresh(v);
        struct deadline refresh = deadline_after(v->interval_ms);

        stand_in_refresh(v);
        if (other_rules || deadline_is_over(sweep)) {
            LOCK_SCOPE(&v->lock);
            v->all_changed = true;
            sweep = deadline_after(SWEEP_MS);
        }
        while (!v->stopping && !deadline_is_over(refresh)) {
            struct map *changed = wait_for_changes(v, refresh);
            bool anything = changed == NULL || map_count(changed) > 0;

            if (anything && is_at_work(v))
                visit(v, changed);
            if (changed != NULL)
                map_free(changed, NULL);
        }
    }
    return NULL;
}

static int start_events(struct validation *v, struct error **err)
{
    if (v->options.client == NULL)
        return 0;
    v->events = event_recorder_new(v->options.client, "forklift-validation", "gantryd");
    return event_recorder_start(v->events, err);
}

int validation_start(const struct validation_options *options, struct validation **out,
                     struct error **err)
{
    struct validation *v = (struct validation *)xcalloc(1, sizeof(*v));

    v->options = *options;
    v->ns = xstrdup(options->ns != NULL ? options->ns : "konveyor-forklift");
    v->configmap =
        xstrdup(options->configmap != NULL ? options->configmap : "forklift-validation-config");
    v->interval_ms = options->interval_ms > 0 ? options->interval_ms : INTERVAL_MS;
    v->watched = map_new();
    v->changed = map_new();
    v->pool = concern_pool_new();
    pthread_mutex_init(&v->lock, NULL);
    cond_init(&v->cond);
    if (options->dir != NULL)
        v->kept_path = path_join(options->dir, VALIDATION_KEPT);
    v->rules = rules_new(options->folder, err);
    /* a file can be read before anybody asks; a cluster may be away, the thread tries again */
    if (v->rules != NULL && !options->keep_in_cluster && kept_rules_restore(v, err) == -1) {
        validation_stop(v);
        return -1;
    }
    if (v->rules == NULL || start_events(v, err) == -1 ||
        thread_start(&v->thread, "validation", run, v, err) == -1) {
        validation_stop(v);
        return -1;
    }
    *out = v;
    return 0;
}

void validation_stop(struct validation *v)
{
    if (v == NULL)
        return;
    {
        LOCK_SCOPE(&v->lock);
        v->stopping = true;
        pthread_cond_broadcast(&v->cond);
    }
    thread_join(&v->thread);
    event_recorder_free(v->events);
    for (size_t i = 0; i < v->idle_count; i++)
        rego_eval_free(v->idle[i]);
    rules_free(v->rules);
    map_free(v->watched, watched_free);
    map_free(v->changed, NULL);
    concern_pool_free(v->pool);
    json_decref(v->told);
    pthread_cond_destroy(&v->cond);
    pthread_mutex_destroy(&v->lock);
    free(v->ns);
    free(v->configmap);
    free(v->kept_path);
    free(v);
}

void validation_wake(struct validation *v, const char *ns, const char *name)
{
    CLEANUP(str) char *key = xasprintf("%s/%s", ns, name);
    LOCK_SCOPE(&v->lock);

    map_put(v->changed, key, MARK);
    pthread_cond_broadcast(&v->cond);
}

json_t *validation_get_trouble(struct validation *v)
{
    return rules_get_trouble(v->rules);
}

void validation_get_stats(struct validation *v, struct validation_stats *stats)
{
    stats->judged = v->judged;
    stats->batches = v->batches;
}
