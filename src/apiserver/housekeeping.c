/* One thread with a list of things to look at.
 *
 * Writes only put a note on the list; the thread takes all notes at once, so that a thousand
 * removals cost one walk over the objects.  Every note is looked at afresh, nothing is remembered
 * between two looks: after a crash a walk over everything finds what is left to do.
 */
#include "apiserver/housekeeping.h"

#define LOG_COMPONENT "housekeeping"

#include "apiserver/collect.h"
#include "apiserver/server.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/time.h"
#include "data/obj.h"
#include "kube/client.h"
#include "kube/kinds.h"
#include "kube/meta.h"

#include <stdlib.h>
#include <string.h>

enum {
    EVENT_TTL_MS = 60 * 60 * 1000,
    EXPIRE_EVERY_MS = 60 * 1000,
    RETRY_MS = 200,       /* a namespace or definition that something still holds */
    MAX_RETRY_MS = 5000,
    WALK_SHARE = 20,      /* walks over all objects take at most one of so many parts of the time */
    MAX_PAUSE_MS = 5000,  /* but what is removed takes its dependents along after this at the latest */
    MAX_CERT_BYTES = 64 * 1024,
};

struct housekeeping {
    struct apiserver *server;
    struct thread thread;
    pthread_mutex_t working; /* held while objects are looked at; before lock */
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct note_list notes; /* guarded by lock, also the next two */
    bool stopping;
    unsigned era; /* notes of an earlier one are about what is not there any more */
    struct note_list waiting; /* looked at and not finished; guarded by working or lock */
    int64_t retry_ms;
};

void note_list_free_all(struct note_list *list)
{
    for (size_t i = 0; i < list->len; i++) {
        free(list->ptr[i].group);
        free(list->ptr[i].plural);
        free(list->ptr[i].ns);
        free(list->ptr[i].name);
        free(list->ptr[i].uid);
        json_decref(list->ptr[i].owners);
    }
    note_list_reset(list);
}

static bool is_interesting(const char *group, const char *plural, const json_t *object,
                           bool is_removed)
{
    if (is_removed || meta_is_deleting(object))
        return true;
    return obj_count(object, "metadata.ownerReferences") > 0 &&
           !(str_eq(plural, "events") && *group == '\0');
}

void housekeeping_notice(struct housekeeping *housekeeping, const char *group, const char *plural,
                         const json_t *object, bool is_removed)
{
    if (housekeeping == NULL || !is_interesting(group, plural, object, is_removed))
        return;
    struct note note = {
        .group = xstrdup(group),
        .plural = xstrdup(plural),
        .ns = xstrdup(meta_ns(object)),
        .name = xstrdup(meta_name(object)),
        .uid = xstrdup(meta_uid(object)),
        .owners = obj_copy(obj_arr(object, "metadata.ownerReferences")),
        .is_removed = is_removed,
        .is_deleting = meta_is_deleting(object),
    };
    LOCK_SCOPE(&housekeeping->lock);
    note_list_push(&housekeeping->notes, note);
    pthread_cond_signal(&housekeeping->wake);
}

/* --- What every namespace has ----------------------------------------------------------------------------- */

static void make(struct apiserver *server, const struct kube_kind *kind, const char *ns,
                 json_t *object)
{
    CLEANUP(error) struct error *err = NULL;

    if (kube_create(server->client, kind, ns, object, NULL, &err) == -1 &&
        err->code != ERROR_EXISTS)
        log_warn_error(err, "a namespace is not complete");
    json_decref(object);
}

void housekeeping_furnish(struct apiserver *server, const char *ns)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(str) char *path = path_join(server->dir, "pki/ca.crt");
    CLEANUP(str) char *cert = NULL;

    make(server, &KIND_SERVICE_ACCOUNT, ns, meta_new(&KIND_SERVICE_ACCOUNT, ns, "default"));
    if (file_read(path, MAX_CERT_BYTES, &cert, NULL, &err) == -1) {
        log_warn_error(err, "a namespace gets no certificate");
        return;
    }
    json_t *map = meta_new(&KIND_CONFIG_MAP, ns, "kube-root-ca.crt");
    obj_take(map, "data", obj_pack("{s:s}", "ca.crt", cert));
    make(server, &KIND_CONFIG_MAP, ns, map);
}

/* --- Events ------------------------------------------------------------------------------------------------- */

static int64_t event_time_ms(const json_t *event)
{
    static const char *const fields[] = {"series.lastObservedTime", "lastTimestamp", "eventTime",
                                         "metadata.creationTimestamp"};

    for (size_t i = 0; i < 4; i++) {
        CLEANUP(error) struct error *ignored = NULL; /* the next field may have one */
        const char *text = obj_str(event, fields[i], "");
        int64_t ms = 0;
        if (*text != '\0' && time_parse(text, &ms, &ignored) == 0)
            return ms;
    }
    return 0;
}

static void expire_events(struct apiserver *server)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(object_list) struct object_list events = {0};
    struct store_table *table = store_table(server->store, "events", false);
    uint64_t version = 0;
    int64_t before_ms = time_now_ms() - EVENT_TTL_MS;

    if (store_list(table, NULL, "", &version, &events, &err) == -1) {
        log_warn_error(err, "events were not looked at");
        return;
    }
    for (size_t i = 0; i < events.len; i++) {
        CLEANUP(error) struct error *failure = NULL;
        json_auto_t *event = object_parse(events.ptr[i]);
        if (event_time_ms(event) >= before_ms)
            continue;
        if (kube_delete(server->client, &KIND_EVENT, meta_ns(event), meta_name(event),
                        meta_uid(event), KUBE_DELETE_BACKGROUND, &failure) == -1)
            log_warn_error(failure, "an old event stays");
    }
}

/* --- The thread ---------------------------------------------------------------------------------------------- */

/* A note for every object that is being deleted or has owners. */
static void note_everything(struct housekeeping *housekeeping)
{
    CLEANUP(served_list) struct served_list kinds = {0};

    registry_list(housekeeping->server->registry, &kinds);
    for (size_t i = 0; i < kinds.len; i++) {
        CLEANUP(error) struct error *err = NULL;
        CLEANUP(object_list) struct object_list list = {0};
        uint64_t version = 0;
        if (store_list(kinds.ptr[i]->table, NULL, "", &version, &list, &err) == -1)
            continue; /* cannot be: a list of now has no version */
        for (size_t j = 0; j < list.len; j++) {
            if (strstr(list.ptr[j]->text, "\"ownerReferences\"") == NULL &&
                strstr(list.ptr[j]->text, "\"deletionTimestamp\"") == NULL)
                continue;
            json_auto_t *object = object_parse(list.ptr[j]);
            housekeeping_notice(housekeeping, kinds.ptr[i]->type->group,
                                kinds.ptr[i]->type->plural, object, false);
        }
    }
}

/* Waits for notes, not before EARLIEST, and takes them together with those that were not finished. */
static bool take_notes(struct housekeeping *housekeeping, struct deadline earliest,
                       struct deadline until, struct note_list *notes, unsigned *era)
{
    LOCK_SCOPE(&housekeeping->lock);
    bool timed_out = false;

    while (!housekeeping->stopping && !deadline_is_over(earliest))
        cond_wait(&housekeeping->wake, &housekeeping->lock, earliest);
    if (housekeeping->waiting.len > 0 && housekeeping->retry_ms < deadline_left_ms(until))
        until = deadline_after(housekeeping->retry_ms);
    while (housekeeping->notes.len == 0 && !housekeeping->stopping && !timed_out)
        timed_out = !cond_wait(&housekeeping->wake, &housekeeping->lock, until);
    housekeeping->retry_ms = housekeeping->notes.len > 0 ? RETRY_MS
                             : housekeeping->retry_ms * 2 < MAX_RETRY_MS
                                 ? housekeeping->retry_ms * 2
                                 : MAX_RETRY_MS;
    *notes = housekeeping->notes;
    housekeeping->notes = (struct note_list){0};
    for (size_t i = 0; i < housekeeping->waiting.len; i++)
        note_list_push(notes, housekeeping->waiting.ptr[i]);
    note_list_reset(&housekeeping->waiting);
    *era = housekeeping->era;
    return !housekeeping->stopping;
}

static bool is_now(struct housekeeping *housekeeping, unsigned era)
{
    LOCK_SCOPE(&housekeeping->lock);

    return era == housekeeping->era;
}

void housekeeping_hold(struct housekeeping *housekeeping)
{
    pthread_mutex_lock(&housekeeping->working);
}

void housekeeping_start_over(struct housekeeping *housekeeping)
{
    {
        LOCK_SCOPE(&housekeeping->lock);
        note_list_free_all(&housekeeping->notes);
        note_list_free_all(&housekeeping->waiting);
        housekeeping->era++;
    }
    note_everything(housekeeping);
    pthread_mutex_unlock(&housekeeping->working);
}

static void *housekeeping_main(void *arg)
{
    struct housekeeping *housekeeping = arg;
    struct note_list notes = {0};
    struct deadline expire = deadline_after(EXPIRE_EVERY_MS), earliest = deadline_after(0);
    unsigned era = 0;

    note_everything(housekeeping);
    expire_events(housekeeping->server); /* who is started every day would keep them for ever */
    while (take_notes(housekeeping, earliest, expire, &notes, &era)) {
        int64_t started_ms = time_mono_ms();
        pthread_mutex_lock(&housekeeping->working);
        if (notes.len > 0 && is_now(housekeeping, era))
            collect(housekeeping->server, &notes, &housekeeping->waiting);
        pthread_mutex_unlock(&housekeeping->working);
        note_list_free_all(&notes);
        int64_t pause_ms = (time_mono_ms() - started_ms) * WALK_SHARE;
        earliest = deadline_after(pause_ms < MAX_PAUSE_MS ? pause_ms : MAX_PAUSE_MS);
        if (deadline_is_over(expire)) {
            expire_events(housekeeping->server);
            expire = deadline_after(EXPIRE_EVERY_MS);
        }
    }
    note_list_free_all(&notes);
    return NULL;
}

int housekeeping_start(struct apiserver *server, struct housekeeping **out, struct error **err)
{
    struct housekeeping *housekeeping = xcalloc(1, sizeof(*housekeeping));

    housekeeping->server = server;
    housekeeping->retry_ms = RETRY_MS;
    pthread_mutex_init(&housekeeping->lock, NULL);
    pthread_mutex_init(&housekeeping->working, NULL);
    cond_init(&housekeeping->wake);
    *out = housekeeping;
    if (thread_start(&housekeeping->thread, "housekeeping", housekeeping_main, housekeeping, err) ==
        -1) {
        *out = NULL;
        housekeeping_stop(housekeeping);
        return -1;
    }
    return 0;
}

void housekeeping_stop(struct housekeeping *housekeeping)
{
    if (housekeeping == NULL)
        return;
    pthread_mutex_lock(&housekeeping->lock);
    housekeeping->stopping = true;
    pthread_cond_signal(&housekeeping->wake);
    pthread_mutex_unlock(&housekeeping->lock);
    thread_join(&housekeeping->thread);
    note_list_free_all(&housekeeping->notes);
    note_list_free_all(&housekeeping->waiting);
    pthread_mutex_destroy(&housekeeping->lock);
    pthread_mutex_destroy(&housekeeping->working);
    pthread_cond_destroy(&housekeeping->wake);
    free(housekeeping);
}
