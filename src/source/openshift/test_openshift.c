#include "source/openshift/openshift.h"

#include "apiserver/apiserver.h"
#include "base/cancel.h"
#include "base/mem.h"
#include "base/test.h"
#include "base/text.h"
#include "base/thread.h"
#include "base/time.h"
#include "data/obj.h"
#include "kube/kinds.h"

#include <stdlib.h>

/* The host provider against the API server at home. */

struct kept {
    pthread_mutex_t lock;
    json_t *objects; /* guarded by lock, as all below; "KIND/NAME" to object */
    int rounds;
};

struct running {
    struct apiserver *server;
    struct kube_client *client;
    struct source *source;
    struct cancel *cancel;
    struct kept kept;
    struct thread thread;
    struct error *err;
};

static void keep_put(void *arg, const char *kind, const json_t *object)
{
    struct kept *kept = arg;
    CLEANUP(str) char *key = xasprintf("%s/%s", kind, obj_str(object, "name", ""));
    LOCK_SCOPE(&kept->lock);

    json_object_set_new(kept->objects, key, obj_copy(object));
}

static void keep_remove(void *arg, const char *kind, const char *id)
{
    struct kept *kept = arg;
    const char *key = NULL;
    json_t *object = NULL;
    void *next = NULL;
    LOCK_SCOPE(&kept->lock);

    json_object_foreach_safe(kept->objects, next, key,
                             object) if (str_starts_with(key, kind) &&
                                         str_eq(obj_str(object, "id", ""), id))
        json_object_del(kept->objects, key);
}

static void keep_begin(void *arg)
{
}

static void keep_complete(void *arg)
{
    struct kept *kept = arg;
    LOCK_SCOPE(&kept->lock);

    kept->rounds++;
}

static void keep_problem(void *arg, const char *where, const char *what)
{
    test_fail(__FILE__, __LINE__, "%s: %s", where, what);
}

static void *run_collect(void *arg)
{
    struct running *running = arg;
    const struct source_sink sink = {&running->kept, keep_put,      keep_remove,
                                     keep_begin,     keep_complete, keep_problem};

    openshift_source_ops.collect(running->source, &sink, running->cancel, &running->err);
    return NULL;
}

static void start(struct running *running)
{
    static int count;
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(str) char *dir = xasprintf("%s/home%d", test_dir(), ++count);
    json_auto_t *provider =
        obj_pack("{s:{s:s}, s:{s:s}}", "metadata", "name", "host", "spec", "type", "openshift");

    *running = (struct running){.cancel = cancel_new()};
    running->kept.objects = json_object();
    pthread_mutex_init(&running->kept.lock, NULL);
    CHECK_OK(apiserver_start(&(struct apiserver_options){.dir = dir,
                                                         .listen = "127.0.0.1:0",
                                                         .main_namespace = "mtv"},
                             &running->server, &err),
             err);
    running->client = apiserver_client(running->server, "system:gantry");
    const struct source_config config = {.provider = provider, .client = running->client};
    CHECK_OK(openshift_source_ops.open(&config, &running->source, &err), err);
    CHECK_OK(openshift_source_ops.test(running->source, NULL, &err), err);
    CHECK_OK(thread_start(&running->thread, "collect", run_collect, running, &err), err);
}

static void stop(struct running *running)
{
    cancel_request(running->cancel);
    thread_join(&running->thread);
    CHECK(running->err != NULL && running->err->code == ERROR_CANCELED);
    error_free(running->err);
    openshift_source_ops.close(running->source);
    kube_client_free(running->client);
    apiserver_stop(running->server);
    cancel_free(running->cancel);
    json_decref(running->kept.objects);
}

/* Waits until KEY has VALUE at PATH (NULL: is not there). */
static void wait_for(struct running *running, const char *key, const char *path, const char *value)
{
    struct deadline deadline = deadline_after(20000);

    for (;;) {
        pthread_mutex_lock(&running->kept.lock);
        json_auto_t *object = json_incref(json_object_get(running->kept.objects, key));
        pthread_mutex_unlock(&running->kept.lock);
        if (str_eq(object ? obj_str(object, path, NULL) : NULL, value))
            return;
        if (deadline_is_over(deadline))
            test_fail(__FILE__, __LINE__, "%s: %s is not %s", key, path, value ? value : "gone");
        cancel_wait(running->cancel, 5);
    }
}

static json_t *vm_object(const char *spec)
{
    CLEANUP(error) struct error *err = NULL;
    json_t *o = obj_pack("{s:{s:s, s:s}}", "metadata", "name", "web", "namespace", "default");
    json_t *parsed = obj_parse(spec, strlen(spec), &err);

    CHECK(parsed != NULL);
    obj_take(o, "spec", parsed);
    return o;
}

TEST(lists_what_targets_refer_to)
{
    struct running running;

    start(&running);
    wait_for(&running, "Namespace/default", "object.metadata.name", "default");
    wait_for(&running, "Namespace/mtv", "namespace", "");
    stop(&running);
}

TEST(follows_a_machine_and_its_instance)
{
    CLEANUP(error) struct error *err = NULL;
    json_auto_t *vm = vm_object("{\"runStrategy\":\"Halted\",\"template\":{\"spec\":"
                                "{\"domain\":{\"devices\":{}}}}}");
    json_auto_t *instance = vm_object("{\"domain\":{\"devices\":{}}}");
    struct running running;

    start(&running);
    CHECK_OK(kube_create(running.client, &KIND_VM, "default", vm, NULL, &err), err);
    wait_for(&running, "VM/web", "path", "default/web");
    wait_for(&running, "VM/web", "instance.metadata.name", NULL);
    CHECK_OK(kube_create(running.client, &KIND_VMI, "default", instance, NULL, &err), err);
    wait_for(&running, "VM/web", "instance.metadata.name", "web");
    CHECK_OK(
        kube_delete(running.client, &KIND_VM, "default", "web", NULL, KUBE_DELETE_BACKGROUND, &err),
        err);
    wait_for(&running, "VM/web", "id", NULL);
    stop(&running);
}

TEST(says_that_other_clusters_cannot_be_reached)
{
    CLEANUP(error) struct error *err = NULL;
    json_auto_t *provider = obj_pack("{s:{s:s}}", "spec", "url", "https://other:6443");
    struct source *source = NULL;

    CHECK_FAILS(
        openshift_source_ops.open(&(struct source_config){.provider = provider}, &source, &err),
        err, ERROR_UNSUPPORTED, "other clusters cannot be reached yet");
}
