/* Load for the API server: threads that work on NetworkMaps over HTTPS.
 *
 *     bench-apiserver KUBECONFIG WHAT THREADS COUNT
 *
 * WHAT is a path ("/providers/...") to GET, or create, get, update (each thread one object of its own), list (all), pages (all, 500 at a time),
 * filter (by a label that one in a hundred has), watch (THREADS watch, one creates COUNT objects; the
 * time from the request to each event) or idle (THREADS watch and nothing happens until the program is
 * ended).  Prints one line: what, connections, operations per second, and percentiles. */
#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/thread.h"
#include "base/time.h"
#include "data/obj.h"
#include "kube/client.h"
#include "kube/kinds.h"
#include "kube/meta.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_THREADS = 1024, PAGE = 500, FILTERED = 100, MAX_TEXT = 16 * 1024 * 1024 };

struct load {
    struct kube_client *client;
    const char *kubeconfig;
    const char *what;
    int number;
    int count;
    int64_t *us; /* of each operation */
    json_t *object; /* of update */
    struct error *err;
};

static json_t *new_map(const char *name, const char *label)
{
    return obj_pack("{s:s, s:s, s:{s:s, s:{s:s}}, s:{s:[{s:{s:s}, s:{s:s}}], s:{s:{s:s, s:s}, s:{s:s, s:s}}}}",
                    "apiVersion", "forklift.konveyor.io/v1beta1", "kind", "NetworkMap", "metadata",
                    "name", name, "labels", "bench", label, "spec", "map", "source", "id", "network-1", "destination", "type",
                    "pod", "provider", "source", "name", "a", "namespace", "default",
                    "destination", "name", "b", "namespace", "default");
}

static int create(struct load *load, int i)
{
    CLEANUP(str) char *name = xasprintf("bench-%d-%d-%d", (int)getpid(), load->number, i);
    json_auto_t *map = new_map(name, i % FILTERED == 0 ? "some" : "other");

    return kube_create(load->client, &KIND_NETWORK_MAP, "default", map, NULL, &load->err);
}

/* The next version of this thread's own object. */
static int update(struct load *load, int i)
{
    CLEANUP(str) char *value = xasprintf("%d", i);
    json_t *out = NULL;

    if (load->object == NULL) {
        CLEANUP(str) char *name = xasprintf("update-%d-%d", (int)getpid(), load->number);
        json_auto_t *map = new_map(name, "other");
        return kube_create(load->client, &KIND_NETWORK_MAP, "default", map, &load->object,
                           &load->err);
    }
    meta_set_annotation(load->object, "bench", value);
    if (kube_update(load->client, &KIND_NETWORK_MAP, load->object, &out, &load->err) == -1)
        return -1;
    json_decref(load->object);
    load->object = out;
    return 0;
}

/* Everything, as kubectl asks for it. */
static int pages(struct load *load)
{
    CLEANUP(str) char *next = xstrdup("");

    do {
        CLEANUP(str) char *path =
            xasprintf("/apis/forklift.konveyor.io/v1beta1/networkmaps?limit=%d%s%s", PAGE,
                      *next == '\0' ? "" : "&continue=", next);
        const struct kube_request request = {.method = "GET", .path = path};
        json_auto_t *list = NULL;
        if (kube_raw(load->client, &request, &list, &load->err) == -1)
            return -1;
        free(next);
        next = xstrdup(obj_str(list, "metadata.continue", ""));
    } while (*next != '\0');
    return 0;
}

static int operate(struct load *load, int i)
{
    static const struct kube_list_options some = {.label_selector = "bench=some"};
    json_auto_t *object = NULL;

    if (str_eq(load->what, "create"))
        return create(load, i);
    if (str_eq(load->what, "update"))
        return update(load, i);
    if (str_eq(load->what, "pages"))
        return pages(load);
    if (str_eq(load->what, "get"))
        return kube_get(load->client, &KIND_NETWORK_MAP, "default", "bench", &object,
                        &load->err);
    if (load->what[0] == '/') {
        CLEANUP(str) char *text = NULL;
        return kube_text(load->client, load->what, MAX_TEXT, &text, &load->err);
    }
    return kube_list(load->client, &KIND_NETWORK_MAP, NULL,
                     str_eq(load->what, "filter") ? &some : NULL, &object, &load->err);
}

static void *run(void *arg)
{
    struct load *load = arg;

    load->client = kube_client_open(load->kubeconfig, &load->err);
    for (int i = 0; load->client != NULL && i < load->count; i++) {
        int64_t start_us = time_mono_us();
        if (operate(load, i) == -1)
            break;
        load->us[i] = time_mono_us() - start_us;
    }
    json_decref(load->object);
    kube_client_free(load->client);
    return NULL;
}

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return x < y ? -1 : x > y;
}

static void print(const char *what, int threads, size_t total, double seconds, int64_t *us)
{
    qsort(us, total, sizeof(*us), by_value);
    printf("%s connections=%d per_second=%.0f p50_us=%" PRId64 " p99_us=%" PRId64 "\n", what,
           threads, (double)total / seconds, us[total / 2], us[total * 99 / 100]);
}

static int measure(const char *kubeconfig, const char *what, int threads, int count,
                   struct error **err)
{
    struct thread ids[MAX_THREADS] = {0};
    static struct load loads[MAX_THREADS];
    size_t total = (size_t)threads * (size_t)count;
    int64_t *us = xcalloc(total, sizeof(*us)), start_us = time_mono_us();
    int result = 0;

    for (int i = 0; i < threads && result == 0; i++) {
        loads[i] = (struct load){.kubeconfig = kubeconfig, .what = what, .number = i,
                                 .count = count, .us = us + (size_t)i * (size_t)count};
        result = thread_start(&ids[i], "load", run, &loads[i], err);
    }
    for (int i = 0; i < threads; i++) {
        thread_join(&ids[i]);
        if (result == 0 && loads[i].err != NULL) {
            *err = steal(&loads[i].err);
            result = -1;
        }
    }
    if (result == 0)
        print(what, threads, total, (double)(time_mono_us() - start_us) / 1e6, us);
    free(us);
    return result;
}

/* What "get" reads. */
static int make_one(const char *kubeconfig, struct error **err)
{
    CLEANUP(kube_client) struct kube_client *client = kube_client_open(kubeconfig, err);
    CLEANUP(error) struct error *failure = NULL; /* it is there from the run before */
    json_auto_t *map = new_map("bench", "other");

    if (client == NULL)
        return -1;
    if (kube_create(client, &KIND_NETWORK_MAP, "default", map, NULL, &failure) == 0 ||
        failure->code == ERROR_EXISTS)
        return 0;
    *err = steal(&failure);
    return -1;
}

/* --- Watches ---------------------------------------------------------------------------------- */

struct watching {
    const char *kubeconfig;
    char *version;
    int count;        /* events that end it; 0: none does */
    _Atomic int64_t *sent_us; /* of each object, by its number */
    int64_t *us;
    int seen;
    struct error *err;
};

static bool on_event(void *arg, const json_t *event)
{
    struct watching *watching = arg;
    int64_t now_us = time_mono_us();
    const char *name = obj_str(event, "object.metadata.name", ""), *dash = strrchr(name, '-');
    long number = dash == NULL ? -1 : strtol(dash + 1, NULL, 10);

    if (number >= 0 && number < watching->count && str_starts_with(name, "bench-"))
        watching->us[watching->seen++] = now_us - atomic_load(&watching->sent_us[number]);
    return watching->count == 0 || watching->seen < watching->count;
}

static void *watch(void *arg)
{
    struct watching *watching = arg;
    CLEANUP(kube_client) struct kube_client *client =
        kube_client_open(watching->kubeconfig, &watching->err);

    while (client != NULL && watching->err == NULL &&
           (watching->count == 0 || watching->seen < watching->count))
        kube_watch(client, &KIND_NETWORK_MAP, NULL, NULL, watching->version, NULL, on_event,
                   watching, &watching->err);
    return NULL;
}

static int create_slowly(struct kube_client *client, int count, _Atomic int64_t *sent_us,
                         struct error **err)
{
    struct load load = {.client = client};

    for (int i = 0; i < count; i++) {
        atomic_store(&sent_us[i], time_mono_us());
        if (create(&load, i) == -1) {
            *err = steal(&load.err);
            return -1;
        }
        usleep(2000); /* one at a time: it is latency that is asked for */
    }
    return 0;
}

static int measure_watches(const char *kubeconfig, const char *what, int threads, int count,
                           struct error **err)
{
    CLEANUP(kube_client) struct kube_client *client = kube_client_open(kubeconfig, err);
    static struct watching watchers[MAX_THREADS];
    struct thread ids[MAX_THREADS] = {0};
    _Atomic int64_t *sent_us = xcalloc((size_t)count, sizeof(*sent_us));
    int64_t *us = xcalloc((size_t)count * (size_t)threads, sizeof(*us));
    json_auto_t *items = NULL;
    CLEANUP(str) char *version = NULL;
    int result = client == NULL ? -1
                                : kube_list_at(client, &KIND_NETWORK_MAP, NULL, NULL, NULL, &items,
                                               &version, err);

    for (int i = 0; i < threads && result == 0; i++) {
        watchers[i] = (struct watching){.kubeconfig = kubeconfig,
                                        .version = version,
                                        .count = str_eq(what, "idle") ? 0 : count,
                                        .sent_us = sent_us,
                                        .us = us + (size_t)i * (size_t)count};
        result = thread_start(&ids[i], "watch", watch, &watchers[i], err);
    }
    usleep(500 * 1000); /* all of them are there */
    int64_t start_us = time_mono_us();
    if (result == 0 && !str_eq(what, "idle"))
        result = create_slowly(client, count, sent_us, err);
    for (int i = 0; i < threads; i++)
        thread_join(&ids[i]);
    if (result == 0)
        print(what, threads, (size_t)count * (size_t)threads,
              (double)(time_mono_us() - start_us) / 1e6, us);
    free(us);
    free(sent_us);
    return result;
}

int main(int argc, char **argv)
{
    CLEANUP(error) struct error *err = NULL;
    int threads = argc > 3 ? (int)strtol(argv[3], NULL, 10) : 0;
    int count = argc > 4 ? (int)strtol(argv[4], NULL, 10) : 0;

    if (argc != 5 || threads < 1 || threads > MAX_THREADS || count < 1) {
        fprintf(stderr, "usage: %s KUBECONFIG WHAT THREADS COUNT\n", argv[0]);
        return 2;
    }
    bool watches = str_eq(argv[2], "watch") || str_eq(argv[2], "idle");
    if (make_one(argv[1], &err) == 0 &&
        (watches ? measure_watches : measure)(argv[1], argv[2], threads, count, &err) == 0)
        return 0;
    CLEANUP(str) char *text = error_format(err);
    fprintf(stderr, "bench: %s\n", text);
    return 1;
}
