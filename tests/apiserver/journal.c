/* Clients that remember what was acknowledged, for the test that kills the server.
 *
 *     journal KUBECONFIG write FILE THREADS    writes until the server is gone
 *     journal KUBECONFIG check FILE            is everything that was acknowledged there?
 *
 * A line of FILE is "NAME VALUE VERSION", appended after the answer came. */
#include "base/error.h"
#include "base/file.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/thread.h"
#include "data/obj.h"
#include "kube/client.h"
#include "kube/kinds.h"
#include "kube/meta.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_THREADS = 64, MAX_JOURNAL = 256 * 1024 * 1024 };

struct writer {
    struct kube_client *client;
    int fd;
    int number;
};

/* Creates one object after the other and updates each once, until something fails. */
static void *write_until_gone(void *arg)
{
    struct writer *writer = arg;

    for (int i = 0;; i++) {
        CLEANUP(error) struct error *err = NULL; /* the end of the server is the end of the loop */
        CLEANUP(str) char *name = xasprintf("j-%d-%d-%d", (int)getpid(), writer->number, i);
        json_auto_t *object = meta_new(&KIND_CONFIG_MAP, "default", name);
        for (int value = 0; value < 2; value++) {
            CLEANUP(str) char *text = xasprintf("%d", value);
            json_auto_t *out = NULL;
            obj_take(object, "data", obj_pack("{s:s}", "value", text));
            int result = value == 0 ? kube_create(writer->client, &KIND_CONFIG_MAP, "default",
                                                  object, &out, &err)
                                    : kube_update(writer->client, &KIND_CONFIG_MAP, object, &out,
                                                  &err);
            if (result == -1)
                return NULL;
            CLEANUP(str) char *line =
                xasprintf("%s %d %s\n", name, value, meta_resource_version(out));
            if (fd_write_all(writer->fd, line, strlen(line), "journal", &err) == -1)
                return NULL;
        }
    }
}

static int write_journal(struct kube_client *client, const char *path, int threads,
                         struct error **err)
{
    struct writer writers[MAX_THREADS];
    struct thread ids[MAX_THREADS] = {0};
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600), result = 0;

    for (int i = 0; i < threads && result == 0; i++) {
        writers[i] = (struct writer){client, fd, i};
        result = thread_start(&ids[i], "writer", write_until_gone, &writers[i], err);
    }
    for (int i = 0; i < threads; i++)
        thread_join(&ids[i]);
    close(fd);
    return result;
}

/* One acknowledged line against what the server has. */
static int check_line(const struct map *objects, struct span line, struct error **err)
{
    struct span name_span, value_span;
    uint64_t value = 0, version = 0, now_version = 0;

    if (!span_split(&line, ' ', &name_span) || !span_split(&line, ' ', &value_span) ||
        !span_u64(value_span, &value) || !span_u64(line, &version))
        return 0; /* the last line may be cut */
    CLEANUP(str) char *name = span_dup(name_span);
    const json_t *object = map_find(objects, name);
    if (object == NULL)
        return error_set(err, ERROR_CORRUPT, "\"%s\" was acknowledged and is lost", name);
    uint64_t now = strtoull(obj_str(object, "data.value", ""), NULL, 10);
    if (!span_u64(span_of(meta_resource_version(object)), &now_version) || now < value ||
        now_version < version)
        return error_set(err, ERROR_CORRUPT,
                         "\"%s\" was acknowledged as %" PRIu64 " and is %" PRIu64, name, value,
                         now);
    return 0;
}

static int check_journal(struct kube_client *client, const char *path, struct error **err)
{
    CLEANUP(str) char *text = NULL;
    json_auto_t *list = NULL;
    struct map *objects = map_new();
    size_t len = 0, i, lines = 0;
    json_t *object;
    int result = 0;

    if (file_read(path, MAX_JOURNAL, &text, &len, err) == -1 ||
        kube_list(client, &KIND_CONFIG_MAP, "default", NULL, &list, err) == -1)
        result = -1;
    json_array_foreach(list, i, object) {
        map_put(objects, meta_name(object), object);
    }
    struct span rest = {text, len}, line;
    for (; result == 0 && span_split(&rest, '\n', &line); lines++)
        result = check_line(objects, line, err);
    map_free(objects, NULL);
    if (result == 0)
        printf("acknowledged=%zu objects=%zu\n", lines, json_array_size(list));
    return result;
}

int main(int argc, char **argv)
{
    CLEANUP(error) struct error *err = NULL;
    int threads = argc == 5 ? (int)strtol(argv[4], NULL, 10) : 1, result;

    if (argc < 4 || threads < 1 || threads > MAX_THREADS) {
        fprintf(stderr, "usage: %s KUBECONFIG write FILE THREADS | check FILE\n", argv[0]);
        return 2;
    }
    CLEANUP(kube_client) struct kube_client *client = kube_client_open(argv[1], &err);
    if (client == NULL)
        result = -1;
    else if (str_eq(argv[2], "write"))
        result = write_journal(client, argv[3], threads, &err);
    else
        result = check_journal(client, argv[3], &err);
    if (result == 0)
        return 0;
    CLEANUP(str) char *text = error_format(err);
    fprintf(stderr, "journal: %s\n", text);
    return 1;
}
