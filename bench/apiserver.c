/* Load for the API server: threads that create, get and list NetworkMaps over HTTPS.
 *
 *     bench-apiserver KUBECONFIG create|get THREADS COUNT
 *     bench-apiserver KUBECONFIG list COUNT
 *
 * Prints one line: what, connections, operations per second, and the 50th and 99th percentile. */
#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/thread.h"
#include "base/time.h"
#include "data/obj.h"
#include "kube/client.h"
#include "kube/kinds.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { MAX_THREADS = 256 };

struct load {
    struct kube_client *client;
    const char *kubeconfig;
    const char *what;
    int number;
    int count;
    int64_t *us; /* of each operation */
    struct error *err;
};

static json_t *new_map(const char *name)
{
    return obj_pack("{s:s, s:s, s:{s:s}, s:{s:[{s:{s:s}, s:{s:s}}], s:{s:{s:s, s:s}, s:{s:s, s:s}}}}",
                    "apiVersion", "forklift.konveyor.io/v1beta1", "kind", "NetworkMap", "metadata",
                    "name", name, "spec", "map", "source", "id", "network-1", "destination", "type",
                    "pod", "provider", "source", "name", "a", "namespace", "default",
                    "destination", "name", "b", "namespace", "default");
}

static int operate(struct load *load, int i)
{
    CLEANUP(str) char *name = xasprintf("bench-%d-%d-%d", (int)getpid(), load->number, i);
    json_auto_t *object = NULL;

    if (str_eq(load->what, "get"))
        return kube_get(load->client, &KIND_NETWORK_MAP, "default", "bench", &object,
                        &load->err);
    if (str_eq(load->what, "list"))
        return kube_list(load->client, &KIND_NETWORK_MAP, NULL, NULL, &object, &load->err);
    json_auto_t *map = new_map(name);
    return kube_create(load->client, &KIND_NETWORK_MAP, "default", map, NULL, &load->err);
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
    kube_client_free(load->client);
    return NULL;
}

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return x < y ? -1 : x > y;
}

static int measure(const char *kubeconfig, const char *what, int threads, int count,
                   struct error **err)
{
    struct thread ids[MAX_THREADS] = {0};
    struct load loads[MAX_THREADS];
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
    double seconds = (double)(time_mono_us() - start_us) / 1e6;
    qsort(us, total, sizeof(*us), by_value);
    if (result == 0)
        printf("%s connections=%d per_second=%.0f p50_us=%" PRId64 " p99_us=%" PRId64 "\n", what,
               threads, (double)total / seconds, us[total / 2], us[total * 99 / 100]);
    free(us);
    return result;
}

int main(int argc, char **argv)
{
    CLEANUP(error) struct error *err = NULL;
    int threads = argc > 3 ? (int)strtol(argv[3], NULL, 10) : 0;
    int count = argc > 4 ? (int)strtol(argv[4], NULL, 10) : 0;

    if (argc != 5 || threads < 1 || threads > MAX_THREADS || count < 1) {
        fprintf(stderr, "usage: %s KUBECONFIG create|get|list THREADS COUNT\n", argv[0]);
        return 2;
    }
    if (measure(argv[1], argv[2], threads, count, &err) == 0)
        return 0;
    CLEANUP(str) char *text = error_format(err);
    fprintf(stderr, "bench: %s\n", text);
    return 1;
}
