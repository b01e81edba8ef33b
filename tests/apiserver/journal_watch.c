#include "journal.h"

#include "base/cancel.h"
#include "base/error.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/thread.h"
#include "data/obj.h"
#include "kube/client.h"
#include "kube/meta.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { WATCHERS = 2 * JOURNAL_KINDS, AGAIN_MS = 20, MAX_TRIES = 3000 /* a minute without a server */ };

struct watcher {
    struct kube_client *client;
    const struct kube_kind *kind;
    struct kube_list_options options;
    FILE *file;
    char *version; /* the last one seen */
    bool is_done;
    int tries; /* since something was heard of the server */
    struct error *err;
};

static void see(struct watcher *watcher, const json_t *object)
{
    free(watcher->version);
    watcher->version = xstrdup(meta_resource_version(object));
    watcher->tries = 0;
}

static bool on_event(void *arg, const json_t *event)
{
    struct watcher *watcher = arg;
    const json_t *object = obj_obj(event, "object");
    const char *type = obj_str(event, "type", "");

    see(watcher, object);
    if (str_eq(type, "BOOKMARK")) {
        fprintf(watcher->file, "B %s\n", watcher->version);
        return true;
    }
    if (str_eq(meta_name(object), JOURNAL_END))
        watcher->is_done = true;
    else if (str_starts_with(meta_name(object), "j-"))
        fprintf(watcher->file, "E %s %s %s %s\n", type, meta_name(object), watcher->version,
                obj_str(object, "metadata.annotations.value", "none"));
    return !watcher->is_done;
}

static int list(struct watcher *watcher, struct error **err)
{
    json_auto_t *items = NULL;
    json_t *object;
    size_t i;
    char *version = NULL;

    if (kube_list_at(watcher->client, watcher->kind, "default", &watcher->options, NULL, &items,
                     &version, err) == -1)
        return -1;
    free(watcher->version);
    watcher->version = version;
    watcher->tries = 0;
    fprintf(watcher->file, "L %s\n", version);
    json_array_foreach(items, i, object) {
        if (str_starts_with(meta_name(object), "j-"))
            fprintf(watcher->file, "S %s %s %s\n", meta_name(object),
                    meta_resource_version(object),
                    obj_str(object, "metadata.annotations.value", "none"));
    }
    return 0;
}

/* Follows the changes as far as the connection lasts. */
static int follow(struct watcher *watcher, struct error **err)
{
    if (watcher->version == NULL && list(watcher, err) == -1)
        return -1;
    return kube_watch(watcher->client, watcher->kind, "default", &watcher->options,
                      watcher->version, NULL, on_event, watcher, err);
}

static void *run(void *arg)
{
    struct watcher *watcher = arg;
    CLEANUP(cancel) struct cancel *never = cancel_new();

    while (!watcher->is_done && watcher->err == NULL) {
        struct error *err = NULL;
        if (follow(watcher, &err) == 0) {
            fputs("C\n", watcher->file);
            continue;
        }
        if (err->code == ERROR_EXPIRED) {
            fputs("G\n", watcher->file);
            free(steal(&watcher->version));
        } else if (watcher->tries++ == 0) {
            fputs("C\n", watcher->file);
        } else if (watcher->tries > MAX_TRIES) {
            watcher->err = steal(&err);
        }
        error_free(err);
        cancel_wait(never, AGAIN_MS);
    }
    return NULL;
}

static int start(struct watcher *watcher, const char *kubeconfig, const char *dir, int number,
                 struct thread *thread, struct error **err)
{
    CLEANUP(str) char *name = xasprintf("watch-%d", number);
    CLEANUP(str) char *path = path_join(dir, name);

    *watcher = (struct watcher){
        .kind = journal_kinds[number / 2],
        .options = {.label_selector = number % 2 == 0 ? NULL : JOURNAL_EVEN},
        .file = fopen(path, "w"),
    };
    if (watcher->file == NULL)
        return error_sys(err, errno, "cannot open \"%s\"", path);
    fprintf(watcher->file, "W %s %s\n", watcher->kind->plural, number % 2 == 0 ? "-" : JOURNAL_EVEN);
    watcher->client = kube_client_open(kubeconfig, err);
    return watcher->client == NULL
               ? -1
               : thread_start(thread, "watcher", run, watcher, err);
}

int journal_watch(const char *kubeconfig, const char *dir, struct error **err)
{
    struct watcher watchers[WATCHERS] = {0};
    struct thread threads[WATCHERS] = {0};
    int result = 0;

    for (int i = 0; i < WATCHERS && result == 0; i++)
        result = start(&watchers[i], kubeconfig, dir, i, &threads[i], err);
    for (int i = 0; i < WATCHERS; i++) {
        struct watcher *watcher = &watchers[i];
        thread_join(&threads[i]);
        if (watcher->file != NULL && fclose(watcher->file) != 0 && result == 0)
            result = error_sys(err, errno, "cannot write a journal");
        if (watcher->err != NULL && result == 0) {
            *err = steal(&watcher->err);
            result = -1;
        }
        error_free(watcher->err);
        free(watcher->version);
        kube_client_free(watcher->client);
    }
    return result;
}
