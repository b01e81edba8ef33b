#define LOG_COMPONENT "plan"

#include "move/vm/plan_session.h"

#include "base/error.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/thread.h"
#include "base/time.h"
#include "kube/kinds.h"
#include "kube/meta.h"
#include "kube/names.h"
#include "move/vm/history.h"
#include "move/vm/journal.h"
#include "move/vm/scheduler.h"
#include "move/vm/vm_status.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
    WRITE_MIN_MS = 100, /* between two writes of a status */
    WRITE_MAX_MS = 30 * 1000,
    WRITE_SHARE = 20, /* at most one of so many parts of the time is for writing, of all plans */
};

/* A session and what others marked for it. */
struct slot {
    struct plan_session *session;
    bool look;
    struct map *woken;
};

struct plan_sessions {
    size_t journal_from; /* VMs */
    pthread_mutex_t lock;
    struct map *slots; /* by plan, guarded by lock */
};

static char SET[] = ""; /* any address */

/* ---- keeping ----------------------------------------------------------------------------- */

static void lanes_reset(struct plan_session *session)
{
    for (size_t i = 0; i < session->lanes.len; i++) {
        free(session->lanes.ptr[i].host);
        waiting_list_reset(&session->lanes.ptr[i].heavy);
        waiting_list_reset(&session->lanes.ptr[i].light);
    }
    lane_list_reset(&session->lanes);
    session->waiting = 0;
}

static struct plan_session *session_new(const char *key)
{
    struct plan_session *session = xcalloc(1, sizeof(*session));

    session->key = xstrdup(key);
    session->index = map_new();
    session->woken = map_new();
    session->bases = map_new();
    session->journaled = map_new();
    session->migration_generation = -1;
    return session;
}

static void session_free(struct plan_session *session)
{
    if (session == NULL)
        return;
    if (session->has_view)
        plan_view_reset(&session->view);
    lanes_reset(session);
    running_list_reset(&session->running);
    map_free(session->index, NULL);
    map_free(session->woken, NULL);
    map_free(session->bases, free);
    map_free(session->journaled, NULL);
    json_decref(session->object);
    free(session->migration_uid);
    free(session->key);
    free(session);
}

static void slot_free(void *arg)
{
    struct slot *slot = arg;

    session_free(slot->session);
    map_free(slot->woken, NULL);
    free(slot);
}

struct plan_sessions *sessions_new(size_t journal_from)
{
    struct plan_sessions *sessions = xcalloc(1, sizeof(*sessions));

    sessions->journal_from = journal_from;
    pthread_mutex_init(&sessions->lock, NULL);
    sessions->slots = map_new();
    return sessions;
}

void sessions_free(struct plan_sessions *sessions)
{
    if (sessions == NULL)
        return;
    map_free(sessions->slots, slot_free);
    pthread_mutex_destroy(&sessions->lock);
    free(sessions);
}

static void take_marks(struct slot *slot)
{
    struct plan_session *session = slot->session;
    const char *vm;
    void *ignored = NULL;

    for (size_t pos = 0; (vm = map_next(slot->woken, &pos, &ignored)) != NULL;)
        map_put(session->woken, vm, SET);
    map_free(slot->woken, NULL);
    slot->woken = map_new();
    session->must_look = session->must_look || slot->look;
    slot->look = false;
}

struct plan_session *session_open(struct plan_sessions *sessions, const char *key)
{
    if (sessions == NULL)
        return session_new(key);

    LOCK_SCOPE(&sessions->lock);
    struct slot *slot = map_find(sessions->slots, key);

    if (slot == NULL) {
        slot = xcalloc(1, sizeof(*slot));
        slot->session = session_new(key);
        slot->woken = map_new();
        map_put(sessions->slots, key, slot);
    }
    slot->session->is_kept = false;
    take_marks(slot);
    return slot->session;
}

void session_close(struct plan_sessions *sessions, struct plan_session *session)
{
    if (sessions == NULL) {
        session_free(session);
        return;
    }
    if (session->is_kept)
        return;

    struct slot *slot;
    {
        LOCK_SCOPE(&sessions->lock);
        slot = map_remove(sessions->slots, session->key);
    }
    slot_free(slot);
}

void sessions_wake(struct plan_sessions *sessions, const char *key, const char *vm)
{
    LOCK_SCOPE(&sessions->lock);
    struct slot *slot = map_find(sessions->slots, key);

    if (slot == NULL)
        return; /* the next reconcile looks at everything */
    if (vm == NULL)
        slot->look = true;
    else
        map_put(slot->woken, vm, SET);
}

void session_take(struct plan_session *session, json_t *object)
{
    json_t *status = session->status;

    if (status != NULL)
        json_object_set(object, "status", status);
    else if (obj_obj(object, "status") == NULL)
        obj_take(object, "status", json_object());
    json_decref(session->object);
    session->object = object;
    session->status = obj_obj(object, "status");
    session->view.plan = session->object;
}

json_t *session_vms(const struct plan_session *session)
{
    return obj_arr(session->status, "migration.vms");
}

/* ---- who runs and who waits -------------------------------------------------------------- */

static struct lane *need_lane(struct plan_session *session, struct map *by_host, const char *host)
{
    size_t at = (size_t)(uintptr_t)map_find(by_host, host);

    if (at == 0) {
        lane_list_push(&session->lanes, (struct lane){.host = xstrdup(host)});
        at = session->lanes.len;
        map_put(by_host, host, (void *)(uintptr_t)at);
    }
    return &session->lanes.ptr[at - 1];
}

/* What moving the VM of an entry costs; *HOST, which is owned, becomes "" where none is known. */
static int size_up(struct plan_view *view, const json_t *entry, struct waiting_vm *vm, char **host,
                   struct error **err)
{
    json_auto_t *ref = obj_pack("{s:s}", "id", obj_str(entry, "id", "")), *found = NULL;
    CLEANUP(machine) struct machine *machine = NULL;
    CLEANUP(error) struct error *ignored = NULL; /* its first step will tell */
    enum mapping_lookup lookup;

    vm->cost = 1;
    *host = NULL;
    if (plan_view_find_vm(view, ref, &lookup, &found, err) == -1)
        return -1;
    if (found != NULL && view->source != NULL)
        view->ops->describe(view->source, found, &machine, &ignored);
    for (size_t i = 0; machine != NULL && i < machine->disks.len; i++)
        vm->bytes += machine->disks.ptr[i].capacity_bytes;
    if (machine != NULL && machine->host_id != NULL) {
        *host = xstrdup(machine->host_id);
        vm->cost = (int64_t)machine->disks.len;
    }
    if (*host == NULL)
        *host = xstrdup("");
    return 0;
}

static void note_running(struct plan_session *session, const json_t *entry, size_t at,
                         const struct waiting_vm *vm, const char *host)
{
    CLEANUP(str)
    char *provider = reference_key(obj_at(history_active(session->status), "provider.source"));

    running_list_push(&session->running, (struct running_vm){.at = at});
    scheduler_note(session->view.room->scheduler,
                   &(struct scheduler_request){.provider = provider,
                                               .plan = session->key,
                                               .vm = obj_str(entry, "id", ""),
                                               .host = host,
                                               .cost = vm->cost,
                                               .bytes = vm->bytes});
}

/* The largest first, else in the plan's order. */
static int compare_waiting(const void *a, const void *b)
{
    const struct waiting_vm *x = a, *y = b;

    if (x->bytes != y->bytes)
        return x->bytes > y->bytes ? -1 : 1;
    return x->at < y->at ? -1 : x->at > y->at;
}

/* Sorts a lane, whose VMs are all in LIGHT, and takes out what is heavy. */
static void order_lane(struct lane *lane, uint64_t total, size_t count)
{
    struct waiting_list light = {0};

    qsort(lane->light.ptr, lane->light.len, sizeof(*lane->light.ptr), compare_waiting);
    for (size_t i = 0; i < lane->light.len; i++)
        waiting_list_push(scheduler_is_heavy(lane->light.ptr[i].bytes, total, count) ? &lane->heavy
                                                                                     : &light,
                          lane->light.ptr[i]);
    waiting_list_reset(&lane->light);
    lane->light = light;
}

static int sort_in(struct plan_session *session, struct map *by_host, uint64_t *total,
                   struct error **err)
{
    const json_t *vms = session_vms(session);

    for (size_t i = 0; i < json_array_size(vms); i++) {
        const json_t *entry = json_array_get(vms, i);
        CLEANUP(str) char *label = name_fix_label_value(obj_str(entry, "id", ""));
        CLEANUP(str) char *host = NULL;
        struct waiting_vm vm = {.at = i};

        map_put(session->index, label, (void *)(uintptr_t)(i + 1));
        if (vm_status_is_completed(entry))
            continue;
        if (size_up(&session->view, entry, &vm, &host, err) == -1)
            return -1;
        if (vm_status_is_started(entry)) {
            note_running(session, entry, i, &vm, host);
            continue;
        }
        waiting_list_push(&need_lane(session, by_host, host)->light, vm);
        session->waiting++;
        *total += vm.bytes;
    }
    return 0;
}

int session_index(struct plan_session *session, struct error **err)
{
    struct map *by_host = map_new();
    uint64_t total = 0;

    map_free(session->index, NULL);
    session->index = map_new();
    session->running.len = 0;
    lanes_reset(session);
    int result = sort_in(session, by_host, &total, err);
    map_free(by_host, NULL);
    if (result == -1)
        return -1;
    for (size_t i = 0; i < session->lanes.len; i++)
        order_lane(&session->lanes.ptr[i], total, session->waiting);
    session->is_indexed = true;
    session->are_waiting_marked = false;
    return 0;
}

/* ---- writing ----------------------------------------------------------------------------- */

void session_note_change(struct plan_session *session, const json_t *before)
{
    const char *id = obj_str(before, "id", "");

    session->is_dirty = true;
    if (map_find(session->bases, id) == NULL)
        map_put(session->bases, id, journal_marks(before));
}

void session_rebase(struct plan_session *session, const json_t *status)
{
    const json_t *vms = obj_arr(status, "migration.vms");

    for (size_t i = 0; i < json_array_size(vms); i++) {
        const json_t *vm = json_array_get(vms, i);
        const char *id = obj_str(vm, "id", "");
        if (map_find(session->bases, id) != NULL)
            free(map_put(session->bases, id, journal_marks(vm)));
    }
}

int session_record(struct plan_session *session, struct room *room, const json_t *vm,
                   struct error **err)
{
    const char *id = obj_str(vm, "id", "");
    const char *base = map_find(session->bases, id);

    if (room->sessions == NULL ||
        json_array_size(session_vms(session)) < room->sessions->journal_from)
        return session_write(session, room, err);
    if (base == NULL)
        return 0; /* nothing changed since the status was written */
    if (journal_write(room, session->object, vm, base, map_find(session->journaled, id) != NULL,
                      err) == -1)
        return -1;
    map_put(session->journaled, id, SET);
    return 0;
}

/* What the status says now, too. */
static int remove_journals(struct plan_session *session, struct room *room, struct error **err)
{
    const char *id;
    void *ignored = NULL;

    for (size_t pos = 0; (id = map_next(session->journaled, &pos, &ignored)) != NULL;) {
        if (journal_remove(room, session->object, id, err) == -1)
            return -1;
        map_remove(session->journaled, id);
    }
    return 0;
}

/* How many plans execute, at least one. */
static int64_t count_sessions(struct plan_sessions *sessions)
{
    if (sessions == NULL)
        return 1;
    LOCK_SCOPE(&sessions->lock);
    return map_count(sessions->slots) > 0 ? (int64_t)map_count(sessions->slots) : 1;
}

static void set_next_write(struct plan_session *session, int64_t sessions, int64_t took_ms)
{
    int64_t pause_ms = took_ms * WRITE_SHARE * sessions;

    if (pause_ms < WRITE_MIN_MS)
        pause_ms = WRITE_MIN_MS;
    session->next_write_ms = time_mono_ms() + (pause_ms > WRITE_MAX_MS ? WRITE_MAX_MS : pause_ms);
}

int session_write(struct plan_session *session, struct room *room, struct error **err)
{
    int64_t started_ms = time_mono_ms();
    json_auto_t *object = json_copy(session->object), *saved = NULL;

    obj_put_int(session->status, "observedGeneration",
                obj_int(session->object, "metadata.generation", 0));
    json_t *status = json_copy(session->status);
    conditions_abort(status); /* while everything is checked: those of the last time */
    json_object_set_new(object, "status", status);
    if (kube_update_status(room->client, &KIND_PLAN, object, &saved, err) == -1) {
        session->must_read = true;
        return -1;
    }
    obj_put_str(session->object, "metadata.resourceVersion", meta_resource_version(saved));
    session->is_dirty = session->must_write = false;
    map_free(session->bases, free);
    session->bases = map_new();
    set_next_write(session, count_sessions(room->sessions), time_mono_ms() - started_ms);
    return remove_journals(session, room, err);
}

int session_save(struct plan_session *session, struct room *room, int64_t *again_ms,
                 struct error **err)
{
    int64_t left_ms = session->next_write_ms - time_mono_ms();

    if (!session->is_dirty && map_count(session->bases) == 0)
        return remove_journals(session, room, err); /* those that an error kept */
    if (!session->is_dirty)
        return 0;
    if (room->sessions == NULL || !session->is_kept || session->must_write || left_ms <= 0)
        return session_write(session, room, err);
    if (*again_ms == 0 || left_ms < *again_ms)
        *again_ms = left_ms;
    return 0;
}
