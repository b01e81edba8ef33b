#include "inventory/internal.h"

#include "base/error.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/thread.h"
#include "base/time.h"
#include "data/obj.h"
#include "kube/client.h"
#include "net/http_server.h"

#include <stdlib.h>
#include <string.h>

enum {
    KEEP_MS = 10000,    /* an answer that allows */
    MAX_ENTRIES = 4096, /* more: all are forgotten */
    REVIEW_MS = 10000,
};

struct auth_cache {
    struct kube_client *client;
    pthread_mutex_t lock;
    struct map *until_ms; /* guarded by lock; key to int64_t on the monotonic clock */
};

struct auth_cache *auth_cache_new(struct kube_client *client)
{
    struct auth_cache *cache = xcalloc(1, sizeof(*cache));

    cache->client = client;
    cache->until_ms = map_new();
    pthread_mutex_init(&cache->lock, NULL);
    return cache;
}

void auth_cache_free(struct auth_cache *cache)
{
    map_free(cache->until_ms, free);
    pthread_mutex_destroy(&cache->lock);
    free(cache);
}

static bool is_remembered(struct auth_cache *cache, const char *key)
{
    LOCK_SCOPE(&cache->lock);
    const int64_t *until_ms = map_find(cache->until_ms, key);

    return until_ms != NULL && *until_ms > time_mono_ms();
}

static void remember(struct auth_cache *cache, const char *key)
{
    int64_t *until_ms = xmalloc(sizeof(*until_ms));
    LOCK_SCOPE(&cache->lock);

    *until_ms = time_mono_ms() + KEEP_MS;
    if (map_count(cache->until_ms) >= MAX_ENTRIES) {
        map_free(cache->until_ms, free);
        cache->until_ms = map_new();
    }
    free(map_put(cache->until_ms, key, until_ms));
}

static json_t *make_review(const struct http_user *user, const char *ns, const char *name)
{
    json_t *review = json_object();

    obj_put_str(review, "apiVersion", "authorization.k8s.io/v1");
    obj_put_str(review, "kind", "SubjectAccessReview");
    obj_put_str(review, "spec.user", user->name);
    obj_put_str(review, "spec.uid", user->uid);
    obj_take(review, "spec.groups", json_array());
    for (size_t i = 0; i < user->group_count; i++)
        json_array_append_new(obj_arr(review, "spec.groups"), json_string(user->groups[i]));
    obj_put_str(review, "spec.resourceAttributes.group", "forklift.konveyor.io");
    obj_put_str(review, "spec.resourceAttributes.resource", "providers");
    obj_put_str(review, "spec.resourceAttributes.verb", name ? "get" : "list");
    obj_put_str(review, "spec.resourceAttributes.namespace", ns);
    obj_put_str(review, "spec.resourceAttributes.name", name);
    return review;
}

static int ask(struct auth_cache *cache, const struct http_user *user, const char *ns,
               const char *name, bool *allowed, struct error **err)
{
    json_auto_t *review = make_review(user, ns, name);
    json_auto_t *answer = NULL;
    CLEANUP(str) char *body = obj_format(review);
    const struct kube_request request = {
        .method = "POST",
        .path = "/apis/authorization.k8s.io/v1/subjectaccessreviews",
        .content_type = "application/json",
        .body = body,
        .body_len = strlen(body),
        .timeout_ms = REVIEW_MS,
    };

    if (kube_raw(cache->client, &request, &answer, err) == -1)
        return error_wrap(err, "cannot check what \"%s\" may read", user->name);
    *allowed = obj_bool(answer, "status.allowed", false);
    return 0;
}

int auth_check(struct auth_cache *cache, const struct http_user *user, const char *ns,
               const char *name, struct error **err)
{
    /* The name's length keeps the parts of the key apart. */
    CLEANUP(str)
    char *key = xasprintf("%zu:%s/%s/%s", strlen(user->name), user->name, ns, name ? name : "");
    bool allowed = false;

    for (size_t i = 0; i < user->group_count; i++)
        if (str_eq(user->groups[i], "system:masters"))
            return 0; /* as in every cluster, without asking */
    if (is_remembered(cache, key))
        return 0;
    if (ask(cache, user, ns, name, &allowed, err) == -1)
        return -1;
    if (!allowed)
        return error_set(err, ERROR_DENIED, "\"%s\" may not %s providers%s%s in \"%s\"", user->name,
                         name ? "get" : "list", name ? " called " : "", name ? name : "", ns);
    remember(cache, key);
    return 0;
}
