/* gantry's own client of vSphere against some server: logs in, reads the inventory, switches a machine
 * off and on, makes a snapshot and removes it.  Says what it did; fails at the first thing that it
 * cannot do.
 *
 *     vsphere-client URL USER PASSWORD [esxi|vcenter [THUMBPRINT]] */
#include "base/cancel.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/thread.h"
#include "base/time.h"
#include "data/obj.h"
#include "source/source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COLLECT_MS = 60000, TASK_MS = 20000, POLL_MS = 50 };

/* What the collector found. */
struct found {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int machines, others; /* guarded by lock */
    char *vm;             /* guarded by lock; one that is on */
    bool complete;        /* guarded by lock */
};

static void on_put(void *arg, const char *kind, const json_t *object)
{
    struct found *found = arg;
    LOCK_SCOPE(&found->lock);

    if (!str_eq(kind, "VM")) {
        found->others++;
        return;
    }
    found->machines++;
    if (found->vm == NULL && str_eq(obj_str(object, "powerState", ""), "poweredOn"))
        found->vm = xstrdup(obj_str(object, "id", ""));
}

static void on_remove(void *arg, const char *kind, const char *id)
{
}

static void on_begin(void *arg)
{
}

static void on_complete(void *arg)
{
    struct found *found = arg;
    LOCK_SCOPE(&found->lock);

    found->complete = true;
    pthread_cond_broadcast(&found->changed);
}

static void on_problem(void *arg, const char *where, const char *what)
{
}

struct collecting {
    struct source *source;
    struct source_sink sink;
    struct cancel *cancel;
    struct error *err;
};

static void *collect(void *arg)
{
    struct collecting *collecting = arg;

    collecting->source->ops->collect(collecting->source, &collecting->sink, collecting->cancel,
                                     &collecting->err);
    return NULL;
}

static int read_inventory(struct source *source, struct found *found, struct error **err)
{
    struct collecting collecting = {
        .source = source,
        .sink = {found, on_put, on_remove, on_begin, on_complete, on_problem},
        .cancel = cancel_new()};
    struct deadline deadline = deadline_after(COLLECT_MS);
    struct thread thread = {0};

    if (thread_start(&thread, "collect", collect, &collecting, err) == -1)
        return -1;
    pthread_mutex_lock(&found->lock);
    while (!found->complete && cond_wait(&found->changed, &found->lock, deadline))
        ;
    bool complete = found->complete;
    pthread_mutex_unlock(&found->lock);
    cancel_request(collecting.cancel);
    thread_join(&thread);
    cancel_free(collecting.cancel);
    if (!complete)
        return collecting.err != NULL ? (*err = collecting.err, -1)
                                      : error_set(err, ERROR_TIMEOUT, "the inventory did not come");
    error_free(collecting.err); /* that it was canceled */
    printf("inventory: %d machines, %d other objects\n", found->machines, found->others);
    return found->vm != NULL ? 0 : error_set(err, ERROR_NOT_FOUND, "no machine is on");
}

static int set_power(struct source *source, const char *vm, enum source_power want,
                     struct error **err)
{
    enum source_power now = SOURCE_POWER_UNKNOWN;

    if (source->ops->power_set(source, vm, want, true, NULL, err) == -1 ||
        source->ops->power_get(source, vm, &now, err) == -1)
        return -1;
    printf("power: %s\n", now == SOURCE_POWER_ON ? "on" : "off");
    return now == want ? 0 : error_set(err, ERROR_CONFLICT, "the power is not as it was set");
}

static int wait_for_task(struct source *source, const char *task, char **result,
                         struct error **err)
{
    struct deadline deadline = deadline_after(TASK_MS);
    enum source_task state = SOURCE_TASK_RUNNING;

    while (!deadline_is_over(deadline)) {
        if (source->ops->warm->task_get(source, task, &state, result, NULL, err) == -1)
            return -1;
        if (state == SOURCE_TASK_DONE)
            return 0;
        cancel_wait(NULL, POLL_MS);
    }
    return error_set(err, ERROR_TIMEOUT, "the task does not end");
}

static int use_snapshot(struct source *source, const char *vm, struct error **err)
{
    const struct source_warm_ops *warm = source->ops->warm;
    CLEANUP(source_snapshot_list) struct source_snapshot_list list = {0}, left = {0};
    CLEANUP(source_snapshot_disk_list) struct source_snapshot_disk_list disks = {0};
    CLEANUP(str) char *make = NULL;
    CLEANUP(str) char *remove = NULL;
    CLEANUP(str) char *snapshot = NULL;

    if (warm->snapshot_create(source, vm, "one", "of a test", false, &make, NULL, err) == -1 ||
        wait_for_task(source, make, &snapshot, err) == -1 ||
        warm->snapshot_list(source, vm, &list, NULL, err) == -1 ||
        warm->snapshot_disks(source, snapshot, &disks, NULL, err) == -1)
        return -1;
    printf("snapshot: %zu, called %s, %zu disks\n", list.len, list.len > 0 ? list.ptr[0].name : "",
           disks.len);
    if (list.len != 1 || !str_eq(list.ptr[0].id, snapshot) || disks.len == 0)
        return error_set(err, ERROR_CORRUPT, "the snapshot is not there");
    if (warm->snapshot_remove(source, vm, snapshot, &remove, NULL, err) == -1 || remove == NULL ||
        wait_for_task(source, remove, NULL, err) == -1 ||
        warm->snapshot_list(source, vm, &left, NULL, err) == -1)
        return -1;
    printf("snapshots left: %zu\n", left.len);
    return left.len == 0 ? 0 : error_set(err, ERROR_CONFLICT, "the snapshot was not removed");
}

static int run(char **argv, struct error **err)
{
    const struct source_ops *ops = source_find_ops("vsphere");
    json_auto_t *provider =
        obj_pack("{s:{s:s}, s:{s:s, s:s, s:{s:s}}}", "metadata", "name", "server", "spec", "type",
                 "vsphere", "url", argv[1], "settings", "sdkEndpoint",
                 argv[4] != NULL ? argv[4] : "vcenter");
    json_auto_t *secret = obj_pack("{s:{s:s, s:s}}", "data", "user", argv[2], "password", argv[3]);
    struct found found = {.lock = PTHREAD_MUTEX_INITIALIZER};
    struct source *source = NULL;

    cond_init(&found.changed);
    if (argv[4] != NULL && argv[5] != NULL)
        obj_put_str(secret, "data.thumbprint", argv[5]);
    const struct source_config config = {.provider = provider, .secret = secret, .cache_dir = "/tmp"};
    if (ops->open(&config, &source, err) == -1)
        return -1;
    int result = ops->test(source, NULL, err);
    if (result == 0) {
        printf("login: done\n");
        result = read_inventory(source, &found, err);
    }
    if (result == 0)
        result = ops->test(source, NULL, err); /* the collector has logged out */
    if (result == 0)
        result = set_power(source, found.vm, SOURCE_POWER_OFF, err);
    if (result == 0)
        result = set_power(source, found.vm, SOURCE_POWER_ON, err);
    if (result == 0)
        result = use_snapshot(source, found.vm, err);
    ops->close(source);
    free(found.vm);
    return result;
}

int main(int argc, char **argv)
{
    CLEANUP(error) struct error *err = NULL;

    if (argc < 4)
        return 2;
    if (run(argv, &err) == 0)
        return 0;
    CLEANUP(str) char *text = error_format(err);
    printf("failed: %s\n", text);
    return 1;
}
