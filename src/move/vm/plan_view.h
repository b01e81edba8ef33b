/* A plan with all that it refers to, loaded once for a reconcile.
 *
 * May use: base, data, kube, source, inventory.  Threads: one owner.
 */
#pragma once

#include "base/cleanup.h"
#include "move/vm/mapping.h"
#include "move/vm/provider_pair.h"
#include "move/vm/room.h"
#include "move/vm/settings.h"
#include "move/vm/udn.h"
#include "source/source.h"

struct plan_view {
    struct room *room;
    struct settings settings;
    const json_t *plan; /* borrowed */
    json_t *status;     /* the plan's, to stage findings in; borrowed */
    struct provider_pair providers;
    const char *provider_ns, *provider_name, *provider_type; /* the source's; borrowed */
    json_t *network_map, *storage_map;                       /* or NULL */
    struct mapping networks, storages;
    struct udn udn; /* of the target namespace */
    const struct source_ops *ops; /* of the source, or NULL */
    struct source *source;        /* open, or NULL */
    int64_t blocked_ms;           /* how long something has blocked the plan */
    bool wants_finalizer;         /* set by who is about to make objects for the plan */
};

/* Loads PLAN's providers, maps and source and stages what is wrong with them. */
int plan_view_load(struct room *room, const json_t *plan, json_t *status, struct plan_view *view,
                   struct error **err);
void plan_view_reset(struct plan_view *view);

/* The inventory's VM that REF (id, name) means.  *OUT is NULL with *LOOKUP telling why. */
int plan_view_find_vm(struct plan_view *view, const json_t *ref, enum mapping_lookup *lookup,
                      json_t **out, struct error **err);

/* True if guests are converted: the provider needs it and the plan does not skip it. */
bool plan_view_converts(const struct plan_view *view);

/* True if machines run on while they are copied. */
bool plan_view_is_warm(const struct plan_view *view);

/* True if machines tell a user-defined network, which stands for the pod network, their addresses. */
bool plan_view_keeps_udn_addresses(const struct plan_view *view);

/* The service account of pods in the target namespace, or NULL for its default. */
const char *plan_view_service_account(const struct plan_view *view);

DEFINE_CLEANUP_IN_PLACE(plan_view, struct plan_view, plan_view_reset)
