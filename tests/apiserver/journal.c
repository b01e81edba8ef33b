/* The writers, and the program.
 *
 *     journal KUBECONFIG write DIR THREADS    writes until the server is gone
 *     journal KUBECONFIG watch DIR            watches until the end
 *     journal KUBECONFIG end DIR              makes the end
 *     journal KUBECONFIG check DIR            compares
 */
#include "journal.h"

#include "base/error.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/thread.h"
#include "base/time.h"
#include "data/obj.h"
#include "kube/client.h"
#include "kube/kinds.h"
#include "kube/meta.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    MAX_THREADS = 64,
    LAST_VALUE = 3,   /* an object is created with 0 and changed three times */
    STAYS_EVERY = 16, /* others are removed in the end */
};

const struct kube_kind *const journal_kinds[JOURNAL_KINDS] = {&KIND_CONFIG_MAP, &KIND_SECRET,
                                                              &KIND_NETWORK_MAP};

struct writer {
    struct kube_client *client;
    int fd;
    const char *round; /* in names: no two rounds write the same object (process ids come again) */
    int number;
    int writes; /* tried so far */
};

static void note(const struct writer *writer, const char *line)
{
    CLEANUP(error) struct error *err = NULL;

    if (fd_write_all(writer->fd, line, strlen(line), "journal", &err) == -1)
        abort(); /* a journal with gaps proves nothing */
}

static json_t *make_labels(int value)
{
    CLEANUP(str) char *text = xasprintf("%d", value);

    return obj_pack("{s:{s:s}, s:{s:s}}", "labels", "even", value % 2 == 0 ? "yes" : "no",
                    "annotations", "value", text);
}

static json_t *new_object(const struct kube_kind *kind, const char *name)
{
    json_t *object = meta_new(kind, "default", name);
    json_auto_t *labels = make_labels(0);

    json_object_update(obj_obj(object, "metadata"), labels);
    if (kind == &KIND_NETWORK_MAP)
        obj_take(object, "spec",
                 obj_pack("{s:[], s:{s:{s:s,s:s}, s:{s:s,s:s}}}", "map", "provider", "source",
                          "name", "a", "namespace", "b", "destination", "name", "a", "namespace",
                          "b"));
    else
        obj_take(object, "data", obj_pack("{s:s}", "text", "c29tZSB0ZXh0"));
    return object;
}

/* Change VALUE of the object: by an update of what was answered last, or by a patch. */
static int change(const struct writer *writer, const struct kube_kind *kind, const char *name,
                  int value, json_t **object, struct error **err)
{
    json_auto_t *labels = make_labels(value);
    json_t *out = NULL;
    int result;

    if (value == 0) {
        json_auto_t *fresh = new_object(kind, name);
        result = kube_create(writer->client, kind, "default", fresh, &out, err);
    } else if (value == 2) {
        json_auto_t *patch = obj_pack("{s:O}", "metadata", labels);
        result = kube_patch(writer->client, kind, "default", name, NULL, patch, &out, err);
    } else {
        json_object_update(obj_obj(*object, "metadata"), labels);
        result = kube_update(writer->client, kind, *object, &out, err);
    }
    if (result == 0) {
        json_decref(*object);
        *object = out;
    }
    return result;
}

/* What was acknowledged can be read at once. */
static int read_back(const struct writer *writer, const struct kube_kind *kind,
                     const json_t *object, struct error **err)
{
    json_auto_t *now = NULL;

    if (kube_get(writer->client, kind, "default", meta_name(object), &now, err) == -1)
        return -1;
    if (now != NULL && str_eq(meta_resource_version(now), meta_resource_version(object)))
        return 0;
    fprintf(stderr, "journal: \"%s\" was written and is not there\n", meta_name(object));
    abort();
}

/* One write with its lines.  -1: the server refused it or is gone. */
static int write_one(struct writer *writer, const struct kube_kind *kind, const char *name,
                     int value, json_t **object, struct error **err)
{
    CLEANUP(str) char *id = xasprintf("%s-%d-%d", writer->round, writer->number, writer->writes++);
    bool is_end = value > LAST_VALUE;
    CLEANUP(str) char *before = xasprintf("+ %s %s %s %c %d\n", id, kind->plural, name,
                                          value == 0 ? 'C' : is_end ? 'D' : 'U', value);
    note(writer, before);
    int result = is_end ? kube_delete(writer->client, kind, "default", name, meta_uid(*object),
                                      KUBE_DELETE_BACKGROUND, err)
                        : change(writer, kind, name, value, object, err);
    CLEANUP(str) char *after =
        result == -1
            ? xasprintf("- %s\n", id)
            : xasprintf("= %s %s\n", id, is_end ? "0" : meta_resource_version(*object));
    if (result == 0 || (*err)->code != ERROR_UNAVAILABLE)
        note(writer, after);
    if (result == 0 && value == 1)
        result = read_back(writer, kind, *object, err);
    return result;
}

/* Whether the server is still there: it refused something, and says why. */
static bool is_refusal(const struct error *err)
{
    return err->code != ERROR_UNAVAILABLE && err->code != ERROR_TIMEOUT;
}

/* Writes one object after the other until the server is gone. */
static void *write_until_gone(void *arg)
{
    struct writer *writer = arg;

    for (int i = 0;; i++) {
        CLEANUP(error) struct error *err = NULL; /* the end of the server is the end of the loop */
        CLEANUP(str) char *name = xasprintf("j-%s-%d-%d", writer->round, writer->number, i);
        const struct kube_kind *kind = journal_kinds[(writer->number + i) % JOURNAL_KINDS];
        json_auto_t *object = NULL;
        int last = i % STAYS_EVERY == 0 ? LAST_VALUE : LAST_VALUE + 1;
        for (int value = 0; value <= last && err == NULL; value++)
            write_one(writer, kind, name, value, &object, &err);
        if (err != NULL && !is_refusal(err))
            return NULL;
    }
}

static int begin_round(struct writer *writer, struct error **err)
{
    CLEANUP(str) char *version = NULL;
    json_auto_t *items = NULL;

    if (kube_list_at(writer->client, &KIND_NODE, NULL, NULL, NULL, &items, &version, err) == -1)
        return -1;
    CLEANUP(str) char *line = xasprintf("R %s\n", version);
    note(writer, line);
    return 0;
}

static int write_journal(struct kube_client *client, const char *dir, int threads,
                         struct error **err)
{
    CLEANUP(str) char *path = path_join(dir, "writes");
    struct writer writers[MAX_THREADS];
    struct thread ids[MAX_THREADS] = {0};
    CLEANUP(str) char *round = xasprintf("%" PRIx64, (uint64_t)time_now_ms());
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

    if (fd == -1)
        return error_sys(err, errno, "cannot open \"%s\"", path);
    for (int i = 0; i < threads; i++)
        writers[i] = (struct writer){client, fd, round, i, 0};
    int result = begin_round(&writers[0], err);
    for (int i = 0; i < threads && result == 0; i++)
        result = thread_start(&ids[i], "writer", write_until_gone, &writers[i], err);
    for (int i = 0; i < threads; i++)
        thread_join(&ids[i]);
    close(fd);
    return result;
}

static int write_end(struct kube_client *client, struct error **err)
{
    for (size_t i = 0; i < JOURNAL_KINDS; i++) {
        json_auto_t *object = new_object(journal_kinds[i], JOURNAL_END);
        if (kube_create(client, journal_kinds[i], "default", object, NULL, err) == -1)
            return -1;
    }
    return 0;
}

int main(int argc, char **argv)
{
    CLEANUP(error) struct error *err = NULL;
    int threads = argc == 5 ? (int)strtol(argv[4], NULL, 10) : 1, result;

    if (argc < 4 || threads < 1 || threads > MAX_THREADS) {
        fprintf(stderr, "usage: %s KUBECONFIG write DIR THREADS | watch|end|check DIR\n", argv[0]);
        return 2;
    }
    CLEANUP(kube_client) struct kube_client *client = kube_client_open(argv[1], &err);
    if (client == NULL)
        result = -1;
    else if (str_eq(argv[2], "write"))
        result = write_journal(client, argv[3], threads, &err);
    else if (str_eq(argv[2], "watch"))
        result = journal_watch(argv[1], argv[3], &err);
    else if (str_eq(argv[2], "end"))
        result = write_end(client, &err);
    else
        result = journal_check(client, argv[3], &err);
    if (result == 0)
        return 0;
    CLEANUP(str) char *text = error_format(err);
    fprintf(stderr, "journal: %s\n", text);
    return 1;
}
