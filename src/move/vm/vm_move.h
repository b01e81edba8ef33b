/* The controllers that move virtual machines: providers, maps, hosts, hooks, plans, migrations.
 *
 * May use: base, data, lang, kube, source, inventory, validation, hook.  Threads: start and stop
 * from one thread; everything else runs on its own workers.
 */
#pragma once

struct buf;
struct error;
struct inventory;
struct kube_client;
struct validation;
struct vm_move;

struct vm_move_options {
    struct kube_client *client;
    struct inventory *inventory;
    struct validation *validation; /* or NULL: there is none */
    const char *main_namespace;
};

int vm_move_start(const struct vm_move_options *options, struct vm_move **out, struct error **err);
void vm_move_stop(struct vm_move *move);

/* Appends counters and gauges of plans and migrations, for /metrics. */
void vm_move_format_metrics(void *move, struct buf *out);

/* For the inventory's on_change. */
struct inventory_change;
void vm_move_inventory_changed(void *move, const char *provider_ns, const char *provider_name,
                               const struct inventory_change *change);

/* Machines of a provider were judged: what is said of them may be new. */
void vm_move_machines_validated(void *move, const char *provider_ns, const char *provider_name);

/* Users' validation rules became wrong or right: providers tell. */
void vm_move_rules_changed(struct vm_move *move);
