/* A node that only says so, for bench/plan-scale.sh: claims are bound and pods have succeeded as
 * soon as it hears of them, so that what a migration costs is the controllers' and the API server's
 * work.
 *
 *     bench-fake-node KUBECONFIG
 *
 * Ends with its standard input. */
#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "data/obj.h"
#include "kube/controller.h"
#include "kube/kinds.h"
#include "kube/meta.h"

#include <stdio.h>
#include <unistd.h>

enum { WORKERS = 4 };

struct stage {
    const struct kube_kind *kind;
    struct kube_client *client;
    struct kube_cache *cache;
    struct controller *controller;
};

static json_t *bound(const json_t *claim)
{
    return obj_pack("{s:{s:s, s:[s], s:{s:s}}}", "status", "phase", "Bound", "accessModes",
                    "ReadWriteOnce", "capacity", "storage",
                    obj_str(claim, "spec.resources.requests.storage", "1Mi"));
}

static json_t *succeeded(const json_t *pod)
{
    return obj_pack("{s:{s:s, s:[{s:s, s:s, s:s, s:b, s:i, s:{s:{s:i, s:s}}}]}}", "status", "phase",
                    "Succeeded", "containerStatuses", "name",
                    obj_str(pod, "spec.containers[0].name", ""), "image", "", "imageID", "",
                    "ready", 0, "restartCount", 0, "state", "terminated", "exitCode", 0,
                    "finishedAt", "2026-01-01T00:00:00Z");
}

static int reconcile(void *arg, const char *ns, const char *name, struct cancel *cancel,
                     struct reconcile_result *result, struct error **err)
{
    struct stage *stage = arg;
    json_auto_t *object = kube_cache_get(stage->cache, ns, name);
    const char *phase = obj_str(object, "status.phase", "Pending");
    CLEANUP(error) struct error *failure = NULL;

    if (object == NULL || !str_eq(phase, "Pending"))
        return 0;
    json_auto_t *patch = stage->kind == &KIND_PVC ? bound(object) : succeeded(object);
    if (kube_patch(stage->client, stage->kind, ns, name, "status", patch, NULL, &failure) == 0 ||
        failure->code == ERROR_NOT_FOUND)
        return 0;
    *err = steal(&failure);
    return -1;
}

static int start(struct stage *stage, const char *kubeconfig, struct error **err)
{
    stage->client = kube_client_open(kubeconfig, err);
    if (stage->client == NULL)
        return -1;
    stage->cache = kube_cache_new(stage->client, stage->kind, NULL, NULL);
    stage->controller = controller_new(&(struct controller_spec){
        .name = stage->kind->plural, .workers = WORKERS, .reconcile = reconcile, .arg = stage});
    controller_watch(stage->controller, stage->cache);
    return kube_cache_start(stage->cache, err) == -1 ||
                   controller_start(stage->controller, err) == -1
               ? -1
               : 0;
}

int main(int argc, char **argv)
{
    static struct stage stages[] = {{.kind = &KIND_PVC}, {.kind = &KIND_POD}};
    CLEANUP(error) struct error *err = NULL;
    char end;

    if (argc != 2) {
        fprintf(stderr, "usage: bench-fake-node KUBECONFIG\n");
        return 2;
    }
    for (size_t i = 0; i < sizeof(stages) / sizeof(stages[0]); i++)
        if (start(&stages[i], argv[1], &err) == -1) {
            CLEANUP(str) char *text = error_format(err);
            fprintf(stderr, "bench-fake-node: %s\n", text);
            return 1;
        }
    while (read(STDIN_FILENO, &end, 1) > 0)
        ;
    _exit(0); /* whatever still runs */
}
