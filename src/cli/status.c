/* gantry status: does it run, where, and how it does, in a few lines. */
#include "cli/commands.h"

#include "base/array.h"
#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "base/time.h"
#include "cli/command.h"
#include "cli/home.h"
#include "cli/metrics_text.h"
#include "data/obj.h"
#include "data/size.h"
#include "kube/client.h"
#include "kube/kinds.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { METRICS_MAX = 8 * 1024 * 1024, MIB = 1024 * 1024 };

static bool has_condition(const json_t *object, const char *type)
{
    const json_t *condition;
    size_t i;

    json_array_foreach (obj_arr(object, "status.conditions"), i, condition)
        if (str_eq(obj_str(condition, "type", ""), type))
            return str_eq(obj_str(condition, "status", ""), "True");
    return false;
}

static size_t count_with(const json_t *items, const char *type)
{
    size_t count = 0;

    for (size_t i = 0; i < json_array_size(items); i++)
        count += has_condition(json_array_get(items, i), type);
    return count;
}

/* One line for a kind: how many there are, and how many have each of its conditions. */
static int print_kind(struct kube_client *client, const struct kube_kind *kind, const char *title,
                      const char *const *conditions, struct error **err)
{
    json_auto_t *items = NULL;

    if (kube_list(client, kind, NULL, NULL, &items, err) == -1)
        return -1;
    printf("%-12s %zu", title, json_array_size(items));
    for (; *conditions != NULL; conditions++)
        printf(", %zu %s", count_with(items, *conditions), *conditions);
    printf("\n");
    return 0;
}

static int print_server(struct kube_client *client, struct error **err)
{
    const struct kube_request request = {.method = "GET", .path = "/version", .timeout_ms = 5000};
    json_auto_t *version = NULL;

    if (kube_raw(client, &request, &version, err) == -1)
        return -1;
    printf("%-12s %s\n", "API", obj_str(version, "gitVersion", "unknown"));
    return 0;
}

#define REQUESTS "apiserver_request_duration_seconds"
#define WRITES "etcd_request_duration_seconds"
#define COMMITS "etcd_disk_backend_commit_duration_seconds"
#define IN_FLIGHT "apiserver_current_inflight_requests"

static void print_requests(const char *text)
{
    double failed = metrics_sum(text, "apiserver_request_total", "code=\"5");
    double refused = metrics_sum(text, "apiserver_request_total", "code=\"4");

    printf("%-12s %.0f, %.0f refused, %.0f failed; reads p50 %.1f ms, p99 %.1f ms\n", "requests",
           metrics_sum(text, "apiserver_request_total", ""), refused, failed,
           metrics_quantile(text, REQUESTS, "verb=\"GET", NULL, 0.5) * 1000,
           metrics_quantile(text, REQUESTS, "verb=\"GET", NULL, 0.99) * 1000);
    printf("%-12s %.0f reads and %.0f writes under way, %.0f watches, %.0f connections\n", "open",
           metrics_sum(text, IN_FLIGHT, "readOnly"), metrics_sum(text, IN_FLIGHT, "mutating"),
           metrics_sum(text, "apiserver_longrunning_requests", "verb=\"WATCH"),
           metrics_sum(text, "gantry_connections", ""));
}

static void print_store(const char *text)
{
    printf("%-12s %.0f objects, %.0f writes in %.0f commits; a write p50 %.1f ms, p99 %.1f ms, a "
           "commit p50 %.1f ms, p99 %.1f ms\n",
           "store",
           metrics_sum(text, "gantry_store_objects", ""),
           metrics_sum(text, "gantry_store_writes_total", ""),
           metrics_sum(text, "gantry_store_commits_total", ""),
           metrics_quantile(text, WRITES, "", NULL, 0.5) * 1000,
           metrics_quantile(text, WRITES, "", NULL, 0.99) * 1000,
           metrics_quantile(text, COMMITS, "", NULL, 0.5) * 1000,
           metrics_quantile(text, COMMITS, "", NULL, 0.99) * 1000);
}

static void print_process(const char *text)
{
    double started_s = metrics_sum(text, "process_start_time_seconds", "");

    printf("%-12s %.0f MiB; %.1f s of CPU in %.0f s\n", "memory",
           metrics_sum(text, "process_resident_memory_bytes", "") / MIB,
           metrics_sum(text, "process_cpu_seconds_total", ""),
           (double)time_now_ms() / 1000 - started_s);
}

static int print_metrics(struct kube_client *client, struct error **err)
{
    CLEANUP(str) char *text = NULL;

    if (kube_text(client, "/metrics", METRICS_MAX, &text, err) == -1)
        return -1;
    print_requests(text);
    print_store(text);
    print_process(text);
    return 0;
}

/* What the pipeline's step NAME of VM counts, done and total. */
static void add_progress(const json_t *vm, const char *name, uint64_t *done, uint64_t *total)
{
    const json_t *step;
    size_t i;

    json_array_foreach (obj_arr(vm, "pipeline"), i, step)
        if (str_eq(obj_str(step, "name", ""), name)) {
            *done += (uint64_t)obj_int(step, "progress.completed", 0) * MIB;
            *total += (uint64_t)obj_int(step, "progress.total", 0) * MIB;
        }
}

static void print_migration(const json_t *migration)
{
    const json_t *vms = obj_arr(migration, "status.vms"), *vm;
    char copied[SIZE_TEXT_SIZE], all[SIZE_TEXT_SIZE];
    uint64_t done = 0, total = 0;
    size_t over = 0, i;

    json_array_foreach (vms, i, vm) {
        over += obj_str(vm, "completed", NULL) != NULL;
        add_progress(vm, "DiskTransfer", &done, &total);
    }
    printf("  %s: %zu of %zu machines are over, %s of %s copied\n",
           obj_str(migration, "metadata.name", ""), over, json_array_size(vms),
           size_format(done, copied), size_format(total, all));
    json_array_foreach (vms, i, vm)
        if (obj_str(vm, "started", NULL) != NULL && obj_str(vm, "completed", NULL) == NULL)
            printf("    %s: %s\n", obj_str(vm, "name", obj_str(vm, "id", "")),
                   obj_str(vm, "phase", ""));
}

static int print_running(struct kube_client *client, struct error **err)
{
    json_auto_t *items = NULL;
    const json_t *migration;
    size_t i;

    if (kube_list(client, &KIND_MIGRATION, NULL, NULL, &items, err) == -1)
        return -1;
    if (count_with(items, "Running") > 0)
        printf("running\n");
    json_array_foreach (items, i, migration)
        if (has_condition(migration, "Running"))
            print_migration(migration);
    return 0;
}

int cmd_status(const struct command *self, int argc, char **argv)
{
    static const struct {
        const struct kube_kind *kind;
        const char *title;
        const char *conditions[5];
    } kinds[] = {
        {&KIND_PROVIDER, "providers", {"Ready"}},
        {&KIND_PLAN, "plans", {"Ready", "Executing"}},
        {&KIND_MIGRATION, "migrations", {"Running", "Succeeded", "Failed", "Canceled"}},
        {&KIND_VM, "machines", {"Ready"}},
    };
    const char *dir_arg = NULL;
    const struct option_spec specs[] = {
        {"dir", 0, OPTION_TEXT, &dir_arg, "DIR", "the folder given to gantry up"},
    };
    CLEANUP(str) char *dir = NULL;
    struct error *err = NULL;
    pid_t pid = 0;
    int status = home_begin(self, specs, ARRAY_SIZE(specs), &dir_arg, argc, argv, &dir, &pid);

    if (status != -1)
        return status;
    if (pid == 0) {
        printf("gantry does not run in %s\n", dir);
        return EXIT_FAILED;
    }
    printf("%-12s %s\n%-12s %d\n%-12s %s/%s\n%-12s %s/%s\n", "folder", dir, "process", (int)pid,
           "kubeconfig", dir, HOME_KUBECONFIG, "log", dir, HOME_LOG);

    CLEANUP(kube_client) struct kube_client *client = home_open_client(dir, &err);
    if (client == NULL || print_server(client, &err) == -1 || print_metrics(client, &err) == -1)
        return command_fail(err);
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
        if (print_kind(client, kinds[i].kind, kinds[i].title, kinds[i].conditions, &err) == -1)
            return command_fail(err);
    return print_running(client, &err) == -1 ? command_fail(err) : EXIT_OK;
}
