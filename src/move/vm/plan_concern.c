#include "move/vm/plan_concern.h"

#include "base/map.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/thread.h"
#include "base/vector.h"
#include "kube/meta.h"
#include "move/vm/room.h"

#include <stdlib.h>
#include <string.h>

/* A plan as its spec was at GENERATION. */
struct entry {
    char *key, *uid, *provider, *destination;
    int64_t generation;
    struct map *machines; /* ids, and the last parts of names */
};

struct plan_concern {
    pthread_mutex_t lock;
    struct map *by_key, *by_uid; /* guarded by lock; the same entries */
};

static char SET[] = ""; /* any address */

struct plan_concern *plan_concern_new(void)
{
    struct plan_concern *concern = xcalloc(1, sizeof(*concern));

    pthread_mutex_init(&concern->lock, NULL);
    concern->by_key = map_new();
    concern->by_uid = map_new();
    return concern;
}

static void entry_free(void *arg)
{
    struct entry *entry = arg;

    map_free(entry->machines, NULL);
    free(entry->key);
    free(entry->uid);
    free(entry->provider);
    free(entry->destination);
    free(entry);
}

void plan_concern_free(struct plan_concern *concern)
{
    if (concern == NULL)
        return;
    map_free(concern->by_uid, NULL);
    map_free(concern->by_key, entry_free);
    pthread_mutex_destroy(&concern->lock);
    free(concern);
}

/* A name with slashes may be a path, of which the inventory takes any end. */
static const char *last_part(const char *name)
{
    const char *slash = strrchr(name, '/');

    return slash != NULL ? slash + 1 : name;
}

static struct entry *entry_new(const json_t *plan)
{
    struct entry *entry = xcalloc(1, sizeof(*entry));
    const json_t *vms = obj_arr(plan, "spec.vms");

    entry->key = meta_key_of(plan);
    entry->uid = xstrdup(meta_uid(plan));
    entry->provider = reference_key(obj_at(plan, "spec.provider.source"));
    entry->destination = reference_key(obj_at(plan, "spec.provider.destination"));
    entry->generation = meta_generation(plan);
    entry->machines = map_new();
    for (size_t i = 0; i < json_array_size(vms); i++) {
        const json_t *vm = json_array_get(vms, i);
        map_put(entry->machines, obj_str(vm, "id", ""), SET);
        map_put(entry->machines, last_part(obj_str(vm, "name", "")), SET);
    }
    return entry;
}

static void drop(struct plan_concern *concern, const char *key)
{
    struct entry *entry = map_remove(concern->by_key, key);

    if (entry == NULL)
        return;
    map_remove(concern->by_uid, entry->uid);
    entry_free(entry);
}

void plan_concern_put(struct plan_concern *concern, const json_t *plan)
{
    CLEANUP(str) char *key = meta_key_of(plan);
    LOCK_SCOPE(&concern->lock);
    const struct entry *known = map_find(concern->by_key, key);

    if (known != NULL && known->generation == meta_generation(plan) &&
        str_eq(known->uid, meta_uid(plan)))
        return;
    drop(concern, key);
    struct entry *entry = entry_new(plan);
    map_put(concern->by_key, entry->key, entry);
    map_put(concern->by_uid, entry->uid, entry);
}

void plan_concern_remove(struct plan_concern *concern, const json_t *plan)
{
    CLEANUP(str) char *key = meta_key_of(plan);
    LOCK_SCOPE(&concern->lock);

    drop(concern, key);
}

char *plan_concern_find(struct plan_concern *concern, const char *uid)
{
    LOCK_SCOPE(&concern->lock);
    const struct entry *entry = map_find(concern->by_uid, uid);

    return entry != NULL ? xstrdup(entry->key) : NULL;
}

/* Tells the plans that MATCHES, once the lock is given back. */
static void tell_some(struct plan_concern *concern,
                      bool (*matches)(const struct entry *entry, const void *wanted),
                      const void *wanted, void (*tell)(void *arg, const char *key), void *arg)
{
    struct str_list keys = {0};
    void *item = NULL;

    {
        LOCK_SCOPE(&concern->lock);
        for (size_t pos = 0; map_next(concern->by_key, &pos, &item) != NULL;) {
            const struct entry *entry = item;
            if (matches(entry, wanted))
                str_list_push(&keys, xstrdup(entry->key));
        }
    }
    for (size_t i = 0; i < keys.len; i++)
        tell(arg, keys.ptr[i]);
    str_list_free_all(&keys);
}

struct wanted_machine {
    const char *provider, *vm_id, *vm_name;
};

static bool names_machine(const struct entry *entry, const void *arg)
{
    const struct wanted_machine *wanted = arg;

    return str_eq(entry->provider, wanted->provider) &&
           (wanted->vm_id == NULL || map_find(entry->machines, wanted->vm_id) != NULL ||
            map_find(entry->machines, wanted->vm_name) != NULL);
}

void plan_concern_of_provider(struct plan_concern *concern, const char *provider, const char *vm_id,
                              const char *vm_name, void (*tell)(void *arg, const char *key),
                              void *arg)
{
    const struct wanted_machine wanted = {provider, vm_id, vm_name};

    tell_some(concern, names_machine, &wanted, tell, arg);
}

static bool leads_to(const struct entry *entry, const void *provider)
{
    return str_eq(entry->destination, provider);
}

void plan_concern_of_destination(struct plan_concern *concern, const char *provider,
                                 void (*tell)(void *arg, const char *key), void *arg)
{
    tell_some(concern, leads_to, provider, tell, arg);
}
