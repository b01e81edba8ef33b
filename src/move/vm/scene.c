#include "move/vm/scene.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/test.h"
#include "base/text.h"
#include "base/time.h"
#include "data/obj.h"
#include "kube/kinds.h"
#include "kube/meta.h"
#include "move/vm/fake_source.h"
#include "move/vm/history.h"
#include "move/vm/plan.h"
#include "move/vm/plan_session.h"
#include "move/vm/scheduler.h"

#include <stdlib.h>

enum { ROUNDS_MAX = 300, START_MS = 1700000000, ROUND_MS = 3000 };

static json_t *ready(void)
{
    return obj_pack("{s:[{s:s, s:s, s:s}]}", "conditions", "type", "Ready", "status", "True",
                    "category", "Required");
}

static void put(struct scene *scene, const struct kube_kind *kind, const char *name, json_t *spec)
{
    fake_cluster_put(scene->cluster, kind,
                     obj_pack("{s:{s:s, s:s}, s:o, s:o}", "metadata", "namespace", "ns", "name",
                              name, "spec", spec, "status", ready()));
}

static json_t *pair(void)
{
    return obj_pack("{s:{s:s, s:s}, s:{s:s, s:s}}", "source", "namespace", "ns", "name", "src",
                    "destination", "namespace", "ns", "name", "host");
}

static json_t *plan_vms(size_t count, unsigned flags)
{
    json_t *vms = json_array();

    for (size_t i = 1; i <= count; i++) {
        CLEANUP(str) char *id = xasprintf("%zu", i);
        json_t *vm = obj_pack("{s:s}", "id", id);
        if (flags & SCENE_HOOKS)
            obj_take(vm, "hooks",
                     obj_pack("[{s:s, s:{s:s, s:s}}, {s:s, s:{s:s, s:s}}]", "step", "PreHook",
                              "hook", "namespace", "ns", "name", "pre", "step", "PostHook", "hook",
                              "namespace", "ns", "name", "post"));
        json_array_append_new(vms, vm);
    }
    return vms;
}

void scene_init(struct scene *scene, size_t count, size_t disks, unsigned flags)
{
    *scene = (struct scene){.cluster = fake_cluster_new(), .round_ms = ROUND_MS};
    scene->room = (struct room){.client = fake_cluster_client(scene->cluster),
                                .scheduler = scheduler_new(NULL, NULL),
                                .main_namespace = "ns"};
    time_set_fake((int64_t)START_MS * 1000);
    fake_source_reset();
    for (size_t i = 1; i <= count; i++) {
        CLEANUP(str) char *id = xasprintf("%zu", i);
        CLEANUP(str) char *name = xasprintf("vm-%zu", i);
        fake_source_add_vm(id, name, disks);
    }
    put(scene, &KIND_PROVIDER, "src", obj_pack("{s:s, s:s}", "type", "ova", "url", "/srv"));
    put(scene, &KIND_PROVIDER, "host", obj_pack("{s:s, s:s}", "type", "openshift", "url", ""));
    put(scene, &KIND_HOOK, "pre", obj_pack("{s:s}", "playbook", "LSBob3N0czogbG9jYWxob3N0Cg=="));
    put(scene, &KIND_HOOK, "post", obj_pack("{s:s}", "image", "quay.io/x/y"));
    put(scene, &KIND_NETWORK_MAP, "net",
        obj_pack("{s:o, s:[{s:{s:s}, s:{s:s}}]}", "provider", pair(), "map", "source", "id",
                 "net-1", "destination", "type", "pod"));
    put(scene, &KIND_STORAGE_MAP, "sto",
        obj_pack("{s:o, s:[{s:{s:s}, s:{s:s}}]}", "provider", pair(), "map", "source", "name",
                 "Dummy storage for source provider src", "destination", "storageClass",
                 "standard"));
    put(scene, &KIND_PLAN, "plan",
        obj_pack("{s:o, s:{s:{s:s, s:s}, s:{s:s, s:s}}, s:s, s:s, s:b, s:o}", "provider", pair(),
                 "map", "network", "namespace", "ns", "name", "net", "storage", "namespace", "ns",
                 "name", "sto", "targetNamespace", "target", "targetPowerState", "on",
                 "skipGuestConversion", (flags & SCENE_RAW) != 0, "vms",
                 plan_vms(count, flags)));
}

void scene_reset(struct scene *scene)
{
    if (scene->cluster == NULL)
        return;
    kube_client_free(scene->room.client);
    scheduler_free(scene->room.scheduler);
    sessions_free(scene->room.sessions);
    fake_cluster_free(scene->cluster);
    *scene = (struct scene){0};
}

void scene_migrate(struct scene *scene, const char *name)
{
    fake_cluster_put(scene->cluster, &KIND_MIGRATION,
                     obj_pack("{s:{s:s, s:s}, s:{s:{s:s, s:s}}}", "metadata", "namespace", "ns",
                              "name", name, "spec", "plan", "namespace", "ns", "name", "plan"));
}

json_t *scene_plan(struct scene *scene)
{
    return fake_cluster_get(scene->cluster, &KIND_PLAN, "ns", "plan");
}

json_t *scene_vm(struct scene *scene, const char *id)
{
    const json_t *vms = obj_arr(scene_plan(scene), "status.migration.vms");

    for (size_t i = 0; i < json_array_size(vms); i++)
        if (str_eq(obj_str(json_array_get(vms, i), "id", ""), id))
            return json_array_get(vms, i);
    return NULL;
}

void scene_keep_sessions(struct scene *scene)
{
    sessions_free(scene->room.sessions);
    scheduler_free(scene->room.scheduler);
    scene->room.sessions = sessions_new(1);
    scene->room.scheduler = scheduler_new(NULL, NULL);
}

bool scene_step(struct scene *scene)
{
    CLEANUP(error) struct error *err = NULL;
    struct reconcile_result result = {0};

    if (scene->room.sessions != NULL)
        sessions_wake(scene->room.sessions, "ns/plan", NULL);
    return plan_reconcile(&scene->room, "ns", "plan", NULL, &result, &err) == 0;
}

/* ---- the machines ------------------------------------------------------------------------ */

static void end_pod(struct scene *scene, json_t *pod, bool good, int code, const char *log)
{
    obj_put_str(pod, "status.phase", good ? "Succeeded" : "Failed");
    obj_take(pod, "status.containerStatuses",
             obj_pack("[{s:{s:{s:i, s:s}}}]", "state", "terminated", "exitCode", code, "finishedAt",
                      "2026-01-01T00:00:09Z"));
    fake_cluster_set_log(scene->cluster, meta_ns(pod), meta_name(pod), log);
}

static void play_pod(struct scene *scene, json_t *pod)
{
    const char *app = meta_label(pod, "forklift.app");
    const char *phase = obj_str(pod, "status.phase", "");

    if (str_eq(phase, "Succeeded") || str_eq(phase, "Failed"))
        return;
    if (phase[0] == '\0') {
        obj_put_str(pod, "status.phase", "Running");
        fake_cluster_set_log(scene->cluster, meta_ns(pod), meta_name(pod),
                             "{\"done\":50,\"total\":100}\n");
    } else if (scene->stuck) {
        return;
    } else if (scene->fail_app != NULL && str_eq(app, scene->fail_app) &&
               (scene->fail_vm == NULL || str_eq(meta_label(pod, "vmID"), scene->fail_vm))) {
        end_pod(scene, pod, false, 1,
                "{\"result\":\"failed\",\"error\":\"bad grain\",\"hint\":\"export it again\"}\n"
                "gantry-copy: bad grain\n");
    } else if (str_eq(app, "importer") && scene->kill_importers > 0) {
        scene->kill_importers--;
        end_pod(scene, pod, false, 137, "{\"done\":50,\"total\":100}\n");
    } else {
        end_pod(scene, pod, true, 0, "{\"result\":\"ok\",\"sha256\":\"12\"}\n");
    }
}

static void play_job(struct scene *scene, json_t *job)
{
    bool fails = str_eq(meta_label(job, "step"), scene->fail_hook);

    if (obj_arr(job, "status.conditions") != NULL)
        return;
    CLEANUP(str) char *name = xasprintf("%s-x", meta_name(job));
    json_t *pod = obj_pack("{s:{s:s, s:s, s:{s:s}, s:[{s:s, s:s, s:s}]}}", "metadata", "namespace",
                           meta_ns(job), "name", name, "labels", "job-name", meta_name(job),
                           "ownerReferences", "kind", "Job", "name", meta_name(job), "uid",
                           meta_uid(job));
    fake_cluster_put(scene->cluster, &KIND_POD, pod);
    end_pod(scene, pod, !fails, fails ? 2 : 0, fails ? "first\nno such service\n" : "fine\n");
    obj_take(job, "status.conditions",
             obj_pack("[{s:s, s:s}]", "type", fails ? "Failed" : "Complete", "status", "True"));
    if (!fails)
        obj_put_int(job, "status.succeeded", 1);
}

static void play_vm(struct scene *scene, const json_t *vm)
{
    if (scene->still || !str_eq(obj_str(vm, "spec.runStrategy", ""), "Always") ||
        fake_cluster_get(scene->cluster, &KIND_VMI, meta_ns(vm), meta_name(vm)) != NULL)
        return;
    fake_cluster_put(scene->cluster, &KIND_VMI,
                     obj_pack("{s:{s:s, s:s, s:[{s:s, s:s, s:s}]}, s:{s:s}}", "metadata",
                              "namespace", meta_ns(vm), "name", meta_name(vm), "ownerReferences",
                              "kind", "VirtualMachine", "name", meta_name(vm), "uid",
                              meta_uid(vm), "status", "phase", "Running"));
}

void scene_play(struct scene *scene)
{
    json_auto_t *pods = fake_cluster_list(scene->cluster, &KIND_POD);
    json_auto_t *jobs = fake_cluster_list(scene->cluster, &KIND_JOB);
    json_auto_t *vms = fake_cluster_list(scene->cluster, &KIND_VM);

    for (size_t i = 0; i < json_array_size(pods); i++)
        play_pod(scene, json_array_get(pods, i));
    for (size_t i = 0; i < json_array_size(jobs); i++)
        play_job(scene, json_array_get(jobs, i));
    for (size_t i = 0; i < json_array_size(vms); i++)
        play_vm(scene, json_array_get(vms, i));
    time_advance_fake(scene->round_ms);
}

static bool is_over(struct scene *scene)
{
    const json_t *plan = scene_plan(scene);

    return plan == NULL || (obj_count(plan, "status.migration.history") > 0 &&
                            history_active(obj_at(plan, "status")) == NULL);
}

void scene_run(struct scene *scene)
{
    bool over = false;

    /* One more step after the end, so that a waiting migration begins. */
    for (int i = 0; i < ROUNDS_MAX; i++) {
        scene_step(scene);
        if (over && is_over(scene))
            return;
        over = is_over(scene);
        scene_play(scene);
    }
    CLEANUP(str) char *status = obj_format_pretty(obj_at(scene_plan(scene), "status"));
    test_fail(__FILE__, __LINE__, "the plan does not come to an end: %s", status);
}

size_t scene_count(struct scene *scene, const struct kube_kind *kind)
{
    json_auto_t *items = fake_cluster_list(scene->cluster, kind);

    return json_array_size(items);
}
