/* Wires the controllers to the caches that wake them.
 *
 *   Provider    ← Provider, Secret, inventory
 *   NetworkMap  ← NetworkMap, Provider
 *   StorageMap  ← StorageMap, Provider
 *   Hook        ← Hook
 *   Host        ← Host, Provider
 *   Plan        ← Plan, Migration, Provider, maps, Hook, and whatever carries the plan's labels
 *   Migration   ← Migration, Plan
 *
 * Caches only wake: a reconcile reads from the server, so it never acts on an old copy of what it
 * wrote itself. */

#define LOG_COMPONENT "move"

#include "move/vm/vm_move.h"

#include "base/array.h"
#include "base/error.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "data/obj.h"
#include "inventory/inventory.h"
#include "kube/controller.h"
#include "kube/kinds.h"
#include "kube/meta.h"
#include "kube/names.h"
#include "move/vm/figures.h"
#include "move/vm/history.h"
#include "move/vm/hook_check.h"
#include "move/vm/host.h"
#include "move/vm/maps.h"
#include "move/vm/migration.h"
#include "move/vm/plan.h"
#include "move/vm/plan_concern.h"
#include "move/vm/plan_session.h"
#include "move/vm/provider.h"
#include "move/vm/room.h"
#include "move/vm/scheduler.h"
#include "move/vm/vm_status.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    SYNC_TIMEOUT_MS = 60 * 1000,
    DESTINATION_MS = 300, /* from a change at a destination to a look at the plans that lead there */
};

enum controller_id {
    CONTROLLER_PROVIDER,
    CONTROLLER_NETWORK_MAP,
    CONTROLLER_STORAGE_MAP,
    CONTROLLER_HOOK,
    CONTROLLER_HOST,
    CONTROLLER_PLAN,
    CONTROLLER_MIGRATION,
    CONTROLLER_COUNT,
};

enum cache_id {
    CACHE_PROVIDER,
    CACHE_SECRET,
    CACHE_NETWORK_MAP,
    CACHE_STORAGE_MAP,
    CACHE_HOOK,
    CACHE_HOST,
    CACHE_PLAN,
    CACHE_MIGRATION,
    CACHE_POD,
    CACHE_JOB,
    CACHE_PVC,
    CACHE_VM,
    CACHE_VMI,
    CACHE_COUNT,
};

/* Caches hold only what the selector matches: pods of others are none of our business. */
static const struct cache_row {
    const struct kube_kind *kind;
    const char *labels;
} cache_rows[] = {
    [CACHE_PROVIDER] = {&KIND_PROVIDER, NULL},
    [CACHE_SECRET] = {&KIND_SECRET, "createdForResourceType"},
    [CACHE_NETWORK_MAP] = {&KIND_NETWORK_MAP, NULL},
    [CACHE_STORAGE_MAP] = {&KIND_STORAGE_MAP, NULL},
    [CACHE_HOOK] = {&KIND_HOOK, NULL},
    [CACHE_HOST] = {&KIND_HOST, NULL},
    [CACHE_PLAN] = {&KIND_PLAN, NULL},
    [CACHE_MIGRATION] = {&KIND_MIGRATION, NULL},
    [CACHE_POD] = {&KIND_POD, "plan"},
    [CACHE_JOB] = {&KIND_JOB, "plan"},
    [CACHE_PVC] = {&KIND_PVC, "plan"},
    [CACHE_VM] = {&KIND_VM, "plan"},
    [CACHE_VMI] = {&KIND_VMI, NULL},
};
static_assert(ARRAY_SIZE(cache_rows) == CACHE_COUNT, "every cache has a row");

struct vm_move {
    struct room room;
    char *main_namespace;
    struct controller *controllers[CONTROLLER_COUNT];
    struct kube_cache *caches[CACHE_COUNT];
    struct figures *figures;
    struct plan_concern *concern;
};

static const struct controller_row {
    const char *name;
    int workers;
    int (*reconcile)(void *arg, const char *ns, const char *name, struct cancel *cancel,
                     struct reconcile_result *result, struct error **err);
} controller_rows[] = {
    [CONTROLLER_PROVIDER] = {"provider", 4, provider_reconcile},
    [CONTROLLER_NETWORK_MAP] = {"networkmap", 1, network_map_reconcile},
    [CONTROLLER_STORAGE_MAP] = {"storagemap", 1, storage_map_reconcile},
    [CONTROLLER_HOOK] = {"hook", 1, hook_reconcile},
    [CONTROLLER_HOST] = {"host", 2, host_reconcile},
    [CONTROLLER_PLAN] = {"plan", 4, plan_reconcile},
    [CONTROLLER_MIGRATION] = {"migration", 2, migration_reconcile},
};
static_assert(ARRAY_SIZE(controller_rows) == CONTROLLER_COUNT, "every controller has a row");

/* ---- whom a change concerns -------------------------------------------------------------- */

static void add_key(struct controller *controller, const char *key)
{
    CLEANUP(str) char *ns = NULL;
    const char *name = meta_key_split(key, &ns);

    controller_add(controller, ns, name);
}

/* All objects that a cache knows. */
static void add_all(struct controller *controller, struct kube_cache *cache)
{
    json_auto_t *items = kube_cache_list(cache, NULL, NULL);

    for (size_t i = 0; i < json_array_size(items); i++)
        controller_add(controller, meta_ns(json_array_get(items, i)),
                       meta_name(json_array_get(items, i)));
}

/* What refers to a provider, map or hook is looked at again: there are few plans and maps, and an
 * index would have to be kept right. */
static void wake_all_maps(struct controller *controller, const json_t *object, void *arg)
{
    struct vm_move *move = arg;
    enum cache_id id = controller == move->controllers[CONTROLLER_NETWORK_MAP] ? CACHE_NETWORK_MAP
                                                                               : CACHE_STORAGE_MAP;

    add_all(controller, move->caches[id]);
}

static void wake_all_hosts(struct controller *controller, const json_t *object, void *arg)
{
    struct vm_move *move = arg;

    add_all(controller, move->caches[CACHE_HOST]);
}

static void wake_all_plans(struct controller *controller, const json_t *object, void *arg)
{
    struct vm_move *move = arg;
    json_auto_t *plans = kube_cache_list(move->caches[CACHE_PLAN], NULL, NULL);

    for (size_t i = 0; i < json_array_size(plans); i++) {
        CLEANUP(str) char *key = meta_key_of(json_array_get(plans, i));
        sessions_wake(move->room.sessions, key, NULL);
        add_key(controller, key);
    }
}

static void wake_provider_of_secret(struct controller *controller, const json_t *secret, void *arg)
{
    struct vm_move *move = arg;
    json_auto_t *providers = kube_cache_list(move->caches[CACHE_PROVIDER], NULL, NULL);

    for (size_t i = 0; i < json_array_size(providers); i++) {
        const json_t *provider = json_array_get(providers, i);
        if (str_eq(obj_str(provider, "spec.secret.name", NULL), meta_name(secret)) &&
            str_eq(obj_str(provider, "spec.secret.namespace", NULL), meta_ns(secret)))
            controller_add(controller, meta_ns(provider), meta_name(provider));
    }
}

static void wake_plan_of_migration(struct controller *controller, const json_t *migration,
                                   void *arg)
{
    controller_add(controller, obj_str(migration, "spec.plan.namespace", ""),
                   obj_str(migration, "spec.plan.name", ""));
}

static void wake_migrations_of_plan(struct controller *controller, const json_t *plan, void *arg)
{
    struct vm_move *move = arg;
    json_auto_t *items = kube_cache_list(move->caches[CACHE_MIGRATION], NULL, NULL);

    for (size_t i = 0; i < json_array_size(items); i++) {
        const json_t *migration = json_array_get(items, i);
        if (str_eq(obj_str(migration, "spec.plan.name", NULL), meta_name(plan)) &&
            str_eq(obj_str(migration, "spec.plan.namespace", NULL), meta_ns(plan)))
            controller_add(controller, meta_ns(migration), meta_name(migration));
    }
}

/* Objects made for a VM carry the plan's uid and the VM's id. */
static void wake_plan_of_label(struct controller *controller, const json_t *object, void *arg)
{
    struct vm_move *move = arg;
    const char *uid = meta_label(object, "plan");
    CLEANUP(str) char *key = uid != NULL ? plan_concern_find(move->concern, uid) : NULL;

    if (key == NULL)
        return;
    sessions_wake(move->room.sessions, key, meta_label(object, "vmID"));
    add_key(controller, key);
}

/* An instance has the name of its machine, which carries the labels. */
static void wake_plan_of_instance(struct controller *controller, const json_t *instance, void *arg)
{
    struct vm_move *move = arg;
    json_auto_t *vm =
        kube_cache_get(move->caches[CACHE_VM], meta_ns(instance), meta_name(instance));

    if (vm != NULL)
        wake_plan_of_label(controller, vm, arg);
}

static void wake_plan(void *arg, const char *key)
{
    struct vm_move *move = arg;

    add_key(move->controllers[CONTROLLER_PLAN], key);
}

/* The same, but all of it is to be looked at. */
static void wake_whole_plan(void *arg, const char *key)
{
    struct vm_move *move = arg;

    sessions_wake(move->room.sessions, key, NULL);
    wake_plan(arg, key);
}

static void watch_all(struct vm_move *move)
{
    struct controller **c = move->controllers;
    struct kube_cache **k = move->caches;
    static const enum cache_id made[] = {CACHE_POD, CACHE_JOB, CACHE_PVC, CACHE_VM};

    controller_watch(c[CONTROLLER_PROVIDER], k[CACHE_PROVIDER]);
    controller_watch_map(c[CONTROLLER_PROVIDER], k[CACHE_SECRET], wake_provider_of_secret, move);
    controller_watch(c[CONTROLLER_NETWORK_MAP], k[CACHE_NETWORK_MAP]);
    controller_watch_map(c[CONTROLLER_NETWORK_MAP], k[CACHE_PROVIDER], wake_all_maps, move);
    controller_watch(c[CONTROLLER_STORAGE_MAP], k[CACHE_STORAGE_MAP]);
    controller_watch_map(c[CONTROLLER_STORAGE_MAP], k[CACHE_PROVIDER], wake_all_maps, move);
    controller_watch(c[CONTROLLER_HOOK], k[CACHE_HOOK]);
    controller_watch(c[CONTROLLER_HOST], k[CACHE_HOST]);
    controller_watch_map(c[CONTROLLER_HOST], k[CACHE_PROVIDER], wake_all_hosts, move);
    controller_watch(c[CONTROLLER_PLAN], k[CACHE_PLAN]);
    controller_watch_map(c[CONTROLLER_PLAN], k[CACHE_MIGRATION], wake_plan_of_migration, move);
    controller_watch_map(c[CONTROLLER_PLAN], k[CACHE_PROVIDER], wake_all_plans, move);
    controller_watch_map(c[CONTROLLER_PLAN], k[CACHE_NETWORK_MAP], wake_all_plans, move);
    controller_watch_map(c[CONTROLLER_PLAN], k[CACHE_STORAGE_MAP], wake_all_plans, move);
    controller_watch_map(c[CONTROLLER_PLAN], k[CACHE_HOOK], wake_all_plans, move);
    for (size_t i = 0; i < ARRAY_SIZE(made); i++)
        controller_watch_map(c[CONTROLLER_PLAN], k[made[i]], wake_plan_of_label, move);
    controller_watch_map(c[CONTROLLER_PLAN], k[CACHE_VMI], wake_plan_of_instance, move);
    controller_watch(c[CONTROLLER_MIGRATION], k[CACHE_MIGRATION]);
    controller_watch_map(c[CONTROLLER_MIGRATION], k[CACHE_PLAN], wake_migrations_of_plan, move);
}

/* ---- start and stop ---------------------------------------------------------------------- */

/* VMs that were on their way before a restart have their places. */
static void note_running(struct vm_move *move)
{
    json_auto_t *plans = kube_cache_list(move->caches[CACHE_PLAN], NULL, NULL);

    for (size_t i = 0; i < json_array_size(plans); i++) {
        const json_t *plan = json_array_get(plans, i);
        const json_t *entry = history_active(obj_at(plan, "status"));
        const json_t *vms = obj_arr(plan, "status.migration.vms");
        CLEANUP(str) char *plan_key = meta_key_of(plan);
        CLEANUP(str) char *provider_key = reference_key(obj_at(entry, "provider.source"));

        for (size_t k = 0; entry != NULL && k < json_array_size(vms); k++)
            if (vm_status_is_running(json_array_get(vms, k)))
                scheduler_note(
                    move->room.scheduler,
                    &(struct scheduler_request){.provider = provider_key,
                                                .plan = plan_key,
                                                .vm = obj_str(json_array_get(vms, k), "id", "")});
    }
}

static int start_caches(struct vm_move *move, struct error **err)
{
    for (size_t i = 0; i < CACHE_COUNT; i++)
        if (kube_cache_start(move->caches[i], err) == -1)
            return error_wrap(err, "cannot follow %s", cache_rows[i].kind->plural);
    for (size_t i = 0; i < CACHE_COUNT; i++)
        if (kube_cache_wait(move->caches[i], SYNC_TIMEOUT_MS, NULL, err) == -1)
            return error_wrap(err, "cannot list %s", cache_rows[i].kind->plural);
    return 0;
}

/* What is deleted before anybody asked for figures counts, too. */
static void note_deleted(void *arg, enum kube_change change, const json_t *old,
                         const json_t *migration)
{
    struct vm_move *move = arg;

    if (change == KUBE_DELETED)
        figures_note(move->figures, migration);
}

/* Before the plan's controller is told of it. */
static void note_plan(void *arg, enum kube_change change, const json_t *old, const json_t *plan)
{
    struct vm_move *move = arg;

    if (change == KUBE_DELETED)
        plan_concern_remove(move->concern, plan);
    else
        plan_concern_put(move->concern, plan);
}

static void make_parts(struct vm_move *move)
{
    for (size_t i = 0; i < CACHE_COUNT; i++) {
        const struct kube_list_options options = {.label_selector = cache_rows[i].labels};
        move->caches[i] = kube_cache_new(move->room.client, cache_rows[i].kind, NULL,
                                         cache_rows[i].labels != NULL ? &options : NULL);
    }
    for (size_t i = 0; i < CONTROLLER_COUNT; i++)
        move->controllers[i] =
            controller_new(&(struct controller_spec){.name = controller_rows[i].name,
                                                     .workers = controller_rows[i].workers,
                                                     .reconcile = controller_rows[i].reconcile,
                                                     .arg = &move->room});
    move->figures = figures_new(move->caches[CACHE_PLAN], move->caches[CACHE_MIGRATION],
                                move->caches[CACHE_PROVIDER]);
    kube_cache_add_handler(move->caches[CACHE_MIGRATION], note_deleted, move);
    kube_cache_add_handler(move->caches[CACHE_PLAN], note_plan, move);
    move->room.plans = move->caches[CACHE_PLAN];
    move->room.migrations = move->caches[CACHE_MIGRATION];
    watch_all(move);
}

int vm_move_start(const struct vm_move_options *options, struct vm_move **out, struct error **err)
{
    struct vm_move *move = xcalloc(1, sizeof(*move));

    move->main_namespace = xstrdup(options->main_namespace);
    move->room = (struct room){.client = options->client,
                               .inventory = options->inventory,
                               .validation = options->validation,
                               .scheduler = scheduler_new(wake_plan, move),
                               .sessions = sessions_new(SESSIONS_JOURNAL_FROM),
                               .main_namespace = move->main_namespace};
    move->concern = plan_concern_new();
    move->room.events = event_recorder_new(options->client, "forklift-controller", "gantryd");
    make_parts(move);
    if (event_recorder_start(move->room.events, err) == -1 ||
        provider_ensure_host(&move->room, err) == -1 || start_caches(move, err) == -1) {
        vm_move_stop(move);
        return -1;
    }
    note_running(move);
    for (size_t i = 0; i < CONTROLLER_COUNT; i++)
        if (controller_start(move->controllers[i], err) == -1) {
            vm_move_stop(move);
            return error_wrap(err, "cannot start controller \"%s\"", controller_rows[i].name);
        }
    log_info("controllers run: namespace=%s", move->main_namespace);
    *out = move;
    return 0;
}

void vm_move_stop(struct vm_move *move)
{
    if (move == NULL)
        return;
    for (size_t i = 0; i < CONTROLLER_COUNT; i++)
        controller_stop(move->controllers[i]);
    for (size_t i = 0; i < CACHE_COUNT; i++) /* its handlers use the caches */
        kube_cache_stop(move->caches[i]);
    figures_free(move->figures);
    for (size_t i = 0; i < CACHE_COUNT; i++)
        kube_cache_free(move->caches[i]);
    for (size_t i = 0; i < CONTROLLER_COUNT; i++)
        controller_free(move->controllers[i]);
    event_recorder_free(move->room.events);
    scheduler_free(move->room.scheduler);
    sessions_free(move->room.sessions);
    plan_concern_free(move->concern);
    free(move->main_namespace);
    free(move);
}

void vm_move_format_metrics(void *arg, struct buf *out)
{
    struct vm_move *move = arg;

    figures_format(move->figures, out);
}

/* The maps that refer to the provider. */
static void add_maps_of(struct vm_move *move, enum controller_id controller, enum cache_id cache,
                        const char *provider)
{
    json_auto_t *maps = kube_cache_list(move->caches[cache], NULL, NULL);

    for (size_t i = 0; i < json_array_size(maps); i++) {
        const json_t *map = json_array_get(maps, i);
        CLEANUP(str) char *source = reference_key(obj_at(map, "spec.provider.source"));
        CLEANUP(str) char *destination = reference_key(obj_at(map, "spec.provider.destination"));
        if (str_eq(source, provider) || str_eq(destination, provider))
            controller_add(move->controllers[controller], meta_ns(map), meta_name(map));
    }
}

/* A plan that names a machine that changed. */
struct changed_machine {
    struct vm_move *move;
    const char *label;
};

static void wake_plan_of_machine(void *arg, const char *key)
{
    const struct changed_machine *machine = arg;

    sessions_wake(machine->move->room.sessions, key, machine->label);
    wake_plan(machine->move, key);
}

/* What is at the destination may be in a machine's way, or not any more.  Many changes there make one
 * look; what executes has nothing to look at. */
static void wake_plan_soon(void *arg, const char *key)
{
    struct vm_move *move = arg;
    CLEANUP(str) char *ns = NULL;
    const char *name = meta_key_split(key, &ns);

    controller_add_after(move->controllers[CONTROLLER_PLAN], ns, name, DESTINATION_MS);
}

/* What comes and goes with every machine that is moved, and says nothing about a provider or a map. */
static bool is_of_machines(const struct inventory_change *change)
{
    return change != NULL && (str_eq(change->kind, "PersistentVolumeClaim") ||
                              str_eq(change->kind, "DataVolume"));
}

void vm_move_inventory_changed(void *arg, const char *provider_ns, const char *provider_name,
                               const struct inventory_change *change)
{
    struct vm_move *move = arg;
    CLEANUP(str) char *provider = meta_key(provider_ns, provider_name);

    plan_concern_of_destination(move->concern, provider, wake_plan_soon, move);
    if (change != NULL && str_eq(change->kind, "VM")) {
        CLEANUP(str) char *label = name_fix_label_value(change->id);
        struct changed_machine machine = {move, label};
        plan_concern_of_provider(move->concern, provider, change->id, change->name,
                                 wake_plan_of_machine, &machine);
        return;
    }
    if (is_of_machines(change))
        return;
    controller_add(move->controllers[CONTROLLER_PROVIDER], provider_ns, provider_name);
    add_maps_of(move, CONTROLLER_NETWORK_MAP, CACHE_NETWORK_MAP, provider);
    add_maps_of(move, CONTROLLER_STORAGE_MAP, CACHE_STORAGE_MAP, provider);
    /* Hosts and datastores change all the time: a plan that executes sees it when it next looks. */
    plan_concern_of_provider(move->concern, provider, NULL, NULL,
                             change != NULL ? wake_plan : wake_whole_plan, move);
}

void vm_move_machines_validated(void *arg, const char *provider_ns, const char *provider_name)
{
    struct vm_move *move = arg;
    CLEANUP(str) char *provider = meta_key(provider_ns, provider_name);

    /* What executes is not judged any more. */
    controller_add(move->controllers[CONTROLLER_PROVIDER], provider_ns, provider_name);
    plan_concern_of_provider(move->concern, provider, NULL, NULL, wake_plan, move);
}

void vm_move_rules_changed(struct vm_move *move)
{
    add_all(move->controllers[CONTROLLER_PROVIDER], move->caches[CACHE_PROVIDER]);
}
