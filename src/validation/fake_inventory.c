#include "validation/fake_inventory.h"

#include "base/mem.h"
#include "base/text.h"
#include "base/thread.h"
#include "data/obj.h"
#include "inventory/inventory.h"

#include <stdlib.h>

#define NS "mtv"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static json_t *providers; /* guarded by lock, as all below; name to Provider */
static json_t *objects;   /* "provider/kind" to id to object */
static bool is_late;

static json_t *table_of(const char *provider, const char *kind)
{
    CLEANUP(str) char *key = xasprintf("%s/%s", provider, kind);
    json_t *table = json_object_get(objects, key);

    if (table == NULL) {
        table = json_object();
        json_object_set_new(objects, key, table);
    }
    return table;
}

void fake_inventory_reset(void)
{
    LOCK_SCOPE(&lock);

    json_decref(providers);
    json_decref(objects);
    providers = json_object();
    objects = json_object();
    is_late = false;
}

void fake_inventory_add_provider(const char *name, const char *type, const char *uid)
{
    LOCK_SCOPE(&lock);

    json_object_set_new(providers, name,
                        obj_pack("{s:{s:s, s:s, s:s}, s:{s:s}}", "metadata", "namespace", NS,
                                 "name", name, "uid", uid, "spec", "type", type));
}

void fake_inventory_remove_provider(const char *name)
{
    LOCK_SCOPE(&lock);

    json_object_del(providers, name);
}

/* With the lock held. */
static void put(json_t *table, json_t *object)
{
    const char *id = obj_str(object, "id", "");
    const json_t *before = json_object_get(table, id);
    static const char *const kept[] = {"concerns", "policyVersion", "revisionValidated"};

    for (size_t i = 0; i < 3; i++)
        if (before != NULL && json_object_get(before, kept[i]) != NULL)
            json_object_set(object, kept[i], json_object_get(before, kept[i]));
    obj_put_int(object, "revision", obj_int(before, "revision", 0) + 1);
    json_object_set_new(table, id, object);
}

void fake_inventory_put(const char *provider, const char *kind, json_t *object)
{
    LOCK_SCOPE(&lock);

    put(table_of(provider, kind), object);
}

void fake_inventory_remove(const char *provider, const char *kind, const char *id)
{
    LOCK_SCOPE(&lock);

    json_object_del(table_of(provider, kind), id);
}

json_t *fake_inventory_get(const char *provider, const char *kind, const char *id)
{
    LOCK_SCOPE(&lock);

    return json_incref(json_object_get(table_of(provider, kind), id));
}

void fake_inventory_set_late(bool late)
{
    LOCK_SCOPE(&lock);

    is_late = late;
}

/* --- what the service calls -------------------------------------------------------------------- */

json_t *inventory_list_providers(struct inventory *inventory)
{
    LOCK_SCOPE(&lock);
    json_t *list = json_array();
    const char *name;
    json_t *provider;

    json_object_foreach(providers, name, provider) json_array_append(list, provider);
    return list;
}

bool inventory_is_complete(struct inventory *inventory, const char *ns, const char *name)
{
    LOCK_SCOPE(&lock);

    return json_object_get(providers, name) != NULL;
}

json_t *inventory_list(struct inventory *inventory, const char *ns, const char *provider,
                       const char *kind)
{
    LOCK_SCOPE(&lock);
    json_t *list = json_array();
    const char *id;
    json_t *object;

    json_object_foreach(table_of(provider, kind), id, object) json_array_append(list, object);
    return list;
}

int inventory_find(struct inventory *inventory, const char *ns, const char *provider,
                   const char *kind, const char *id, const char *name, json_t **out,
                   struct error **err)
{
    *out = fake_inventory_get(provider, kind, id);
    return 0;
}

size_t inventory_put_verdicts(struct inventory *inventory, const char *ns, const char *provider,
                              const struct inventory_verdict *verdicts, size_t count)
{
    LOCK_SCOPE(&lock);
    json_t *table = table_of(provider, "VM");
    size_t done = 0;

    for (size_t i = 0; i < count; i++) {
        json_t *vm = json_object_get(table, verdicts[i].vm_id);
        if (is_late)
            put(table, json_copy(vm));
        vm = json_object_get(table, verdicts[i].vm_id);
        if (vm == NULL || obj_int(vm, "revision", 0) != verdicts[i].revision)
            continue;
        json_t *served = json_copy(vm);
        json_object_set(served, "concerns", verdicts[i].concerns);
        obj_put_int(served, "policyVersion", verdicts[i].policy_version);
        obj_put_int(served, "revisionValidated", verdicts[i].revision);
        json_object_set_new(table, verdicts[i].vm_id, served);
        done++;
    }
    is_late = false;
    return done;
}
