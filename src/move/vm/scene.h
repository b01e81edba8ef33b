/* A stage for tests of plans: a fake cluster with providers, maps, a plan and a migration that are
 * ready, and somebody who plays the machines.
 *
 * May use: base, data, kube.  Threads: one thread.
 */
#pragma once

#include "move/vm/fake_cluster.h"
#include "move/vm/room.h"

struct scene {
    struct fake_cluster *cluster;
    struct room room;
    const char *fail_hook; /* jobs of this step fail ("PreHook"), or NULL */
    int kill_importers;    /* so many importer pods are killed */
    const char *fail_app;  /* pods of this forklift.app fail by themselves, or NULL */
    const char *fail_vm;   /* only those of this VM, or NULL */
    bool stuck;            /* pods stay running */
    bool still;            /* machines never run */
    int64_t round_ms;      /* of the clock, for each time that machines are played */
};

enum { SCENE_HOOKS = 1, SCENE_RAW = 2 };

/* A stage with COUNT VMs ("1", "2", ...) of DISKS disks in plan ns/plan; flags as above. */
void scene_init(struct scene *scene, size_t count, size_t disks, unsigned flags);
void scene_reset(struct scene *scene);

/* Creates the Migration ns/NAME for the plan. */
void scene_migrate(struct scene *scene, const char *name);

/* The plan, borrowed and changeable in place. */
json_t *scene_plan(struct scene *scene);
/* Its VM entry by id. */
json_t *scene_vm(struct scene *scene, const char *id);

/* Keeps the plan in memory between reconciles from now on, with journals; again: as after a crash. */
void scene_keep_sessions(struct scene *scene);

/* One reconcile of the plan, of all of it; true if it succeeded. */
bool scene_step(struct scene *scene);

/* Lets pods, jobs and machines go one step on. */
void scene_play(struct scene *scene);

/* Steps and plays until the plan executes nothing any more; fails the test after many rounds. */
void scene_run(struct scene *scene);

/* The number of objects of a kind. */
size_t scene_count(struct scene *scene, const struct kube_kind *kind);

DEFINE_CLEANUP_IN_PLACE(scene, struct scene, scene_reset)
