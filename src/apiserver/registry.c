#include "apiserver/registry.h"

#include "apiserver/store.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/thread.h"
#include "kube/schema.h"

#include <stdlib.h>
#include <string.h>

struct registry {
    struct store *store;
    struct schema_pool *pool;
    pthread_rwlock_t lock;
    struct map *kinds; /* "group/plural" -> struct served; guarded by lock */
    _Atomic uint64_t generation;
};

static struct served *served_ref(struct served *served)
{
    atomic_fetch_add_explicit(&served->refs, 1, memory_order_relaxed);
    return served;
}

void served_unref(struct served *served)
{
    if (served == NULL ||
        atomic_fetch_sub_explicit(&served->refs, 1, memory_order_acq_rel) != 1)
        return;
    kube_type_free(served->type);
    free(served);
}

static void unref_value(void *value)
{
    served_unref(value);
}

void served_list_free_all(struct served_list *list)
{
    for (size_t i = 0; i < list->len; i++)
        served_unref(list->ptr[i]);
    served_list_reset(list);
}

struct registry *registry_new(struct store *store)
{
    struct registry *registry = xcalloc(1, sizeof(*registry));

    registry->store = store;
    registry->pool = schema_pool_new();
    registry->kinds = map_new();
    pthread_rwlock_init(&registry->lock, NULL);
    return registry;
}

void registry_free(struct registry *registry)
{
    if (registry == NULL)
        return;
    map_free(registry->kinds, unref_value);
    schema_pool_free(registry->pool);
    pthread_rwlock_destroy(&registry->lock);
    free(registry);
}

struct schema_pool *registry_pool(struct registry *registry)
{
    return registry->pool;
}

static char *key_of(const char *group, const char *plural)
{
    return xasprintf("%s/%s", group, plural);
}

int registry_put(struct registry *registry, const json_t *definition, bool is_terminating,
                 struct cause_list *causes)
{
    struct kube_type *type = kube_type_new(registry->pool, definition, causes);

    if (type == NULL)
        return -1;
    CLEANUP(str) char *table = *type->group == '\0' ? xstrdup(type->plural)
                                                    : xasprintf("%s.%s", type->plural, type->group);
    CLEANUP(str) char *key = key_of(type->group, type->plural);
    struct served *served = xcalloc(1, sizeof(*served));

    atomic_init(&served->refs, 1);
    served->type = type;
    served->table = store_table(registry->store, table, str_eq(table, STORE_SEALED_TABLE));
    served->is_terminating = is_terminating;

    pthread_rwlock_wrlock(&registry->lock);
    struct served *old = map_put(registry->kinds, key, served);
    pthread_rwlock_unlock(&registry->lock);
    served_unref(old);
    atomic_fetch_add(&registry->generation, 1);
    return 0;
}

void registry_remove(struct registry *registry, const char *group, const char *plural)
{
    CLEANUP(str) char *key = key_of(group, plural);

    pthread_rwlock_wrlock(&registry->lock);
    struct served *old = map_remove(registry->kinds, key);
    pthread_rwlock_unlock(&registry->lock);
    served_unref(old);
    atomic_fetch_add(&registry->generation, 1);
}

struct served *registry_find(struct registry *registry, const char *group, const char *version,
                             const char *plural, const struct kube_version **found)
{
    CLEANUP(str) char *key = key_of(group, plural);

    pthread_rwlock_rdlock(&registry->lock);
    struct served *served = map_find(registry->kinds, key);
    if (served != NULL)
        served_ref(served);
    pthread_rwlock_unlock(&registry->lock);
    if (served == NULL || version == NULL)
        return served;

    *found = kube_type_version(served->type, version);
    if (*found == NULL) {
        served_unref(served);
        return NULL;
    }
    return served;
}

struct served *registry_find_kind(struct registry *registry, const char *group, const char *kind)
{
    size_t pos = 0;
    void *value = NULL;
    struct served *found = NULL;

    pthread_rwlock_rdlock(&registry->lock);
    while (found == NULL && map_next(registry->kinds, &pos, &value) != NULL) {
        struct served *served = value;
        if (strcmp(served->type->kind, kind) == 0 && strcmp(served->type->group, group) == 0 &&
            (served->type->verbs & VERB_GET) != 0)
            found = served_ref(served);
    }
    pthread_rwlock_unlock(&registry->lock);
    return found;
}

static int compare_groups(const void *a, const void *b)
{
    const struct served *x = *(struct served *const *)a, *y = *(struct served *const *)b;
    int by_group = strcmp(x->type->group, y->type->group);

    return by_group != 0 ? by_group : strcmp(x->type->plural, y->type->plural);
}

void registry_list(struct registry *registry, struct served_list *out)
{
    size_t pos = 0;
    void *value = NULL;

    pthread_rwlock_rdlock(&registry->lock);
    while (map_next(registry->kinds, &pos, &value) != NULL)
        served_list_push(out, served_ref(value));
    pthread_rwlock_unlock(&registry->lock);
    if (out->len > 0)
        qsort(out->ptr, out->len, sizeof(*out->ptr), compare_groups);
}

uint64_t registry_generation(struct registry *registry)
{
    return atomic_load(&registry->generation);
}
