#include "apiserver/store_memory.h"

#define LOG_COMPONENT "store"

#include "apiserver/label_index.h"
#include "apiserver/sorted.h"
#include "base/error.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/thread.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

DEFINE_VECTOR(watch_list, struct store_watch *)
DEFINE_VECTOR(table_list, struct store_table *)
DEFINE_VECTOR(event_list, struct history_event *)

struct store_table {
    struct memory *memory;
    char *name;
    bool sealed;
    bool changed;                 /* in the group that is being applied; writer only */
    struct sorted objects;        /* guarded by memory->lock, also the next three */
    struct label_index by_label;  /* of what is in objects */
    struct history_event *oldest; /* borrowed: memory's list holds it */
    struct history_event *newest; /* a reference; a mark without an event at first */
    _Atomic uint64_t forgotten;   /* versions up to this one are not in the history */
    pthread_mutex_t watch_lock;
    struct watch_list watches; /* guarded by watch_lock */
};

struct memory {
    pthread_rwlock_t lock;
    struct map *tables;              /* guarded by table_lock */
    pthread_mutex_t table_lock;
    _Atomic uint64_t version;
    uint64_t first_version; /* the history began behind it, constant after loading */
    uint64_t forgotten;     /* the version of the last change that was forgotten; writer only */
    struct history_event *oldest;    /* of all tables, guarded by lock, also the rest */
    struct history_event *newest;
    size_t event_count;
    size_t event_bytes;
    struct table_list changed; /* in this group */
};

struct store_watch {
    struct store_table *table;
    struct history_event *at; /* the last one seen, a reference */
    int fd;
};

/* --- Events ------------------------------------------------------------------------------------- */

static struct history_event *event_ref(struct history_event *event)
{
    atomic_fetch_add_explicit(&event->refs, 1, memory_order_relaxed);
    return event;
}

/* A loop, not a recursion: the chain behind a slow watch may be long. */
static void event_unref(struct history_event *event)
{
    while (event != NULL &&
           atomic_fetch_sub_explicit(&event->refs, 1, memory_order_acq_rel) == 1) {
        struct history_event *next = atomic_load(&event->next);
        object_unref(event->event.object);
        object_unref(event->event.old);
        free(event);
        event = next;
    }
}

static struct history_event *event_new(struct store_table *table, uint64_t version)
{
    struct history_event *event = xcalloc(1, sizeof(*event));

    atomic_init(&event->refs, 1);
    atomic_init(&event->next, NULL);
    event->table = table;
    event->version = version;
    return event;
}

static size_t event_size(const struct history_event *event)
{
    /* The newest version is in the table anyway; the old one is what the history keeps alive. */
    size_t size = sizeof(*event);

    if (event->event.old != NULL)
        size += event->event.old->len + sizeof(struct object);
    if (event->event.type == STORE_DELETED)
        size += event->event.object->len + sizeof(struct object);
    return size;
}

static void forget_oldest(struct memory *memory)
{
    struct history_event *event = memory->oldest;
    struct store_table *table = event->table;

    memory->oldest = event->newer;
    if (memory->oldest == NULL)
        memory->newest = NULL;
    memory->event_count--;
    memory->event_bytes -= event_size(event);
    table->forgotten = event->version;
    memory->forgotten = event->version;
    table->oldest = atomic_load(&event->next);
    event_unref(event);
}

static void remember(struct memory *memory, struct history_event *event)
{
    if (memory->newest != NULL)
        memory->newest->newer = event;
    else
        memory->oldest = event;
    memory->newest = event; /* takes the reference of event_new */
    memory->event_count++;
    memory->event_bytes += event_size(event);
    while (memory->event_count > STORE_HISTORY_EVENTS ||
           (memory->event_bytes > STORE_HISTORY_BYTES && memory->event_count > 1))
        forget_oldest(memory);
}

/* --- Tables ------------------------------------------------------------------------------------- */

struct memory *memory_new(void)
{
    struct memory *memory = xcalloc(1, sizeof(*memory));

    pthread_rwlock_init(&memory->lock, NULL);
    pthread_mutex_init(&memory->table_lock, NULL);
    memory->tables = map_new();
    return memory;
}

static void table_free(void *arg)
{
    struct store_table *table = arg;

    label_index_reset(&table->by_label);
    sorted_reset(&table->objects);
    event_unref(table->newest);
    watch_list_reset(&table->watches);
    pthread_mutex_destroy(&table->watch_lock);
    free(table->name);
    free(table);
}

void memory_free(struct memory *memory)
{
    if (memory == NULL)
        return;
    while (memory->oldest != NULL)
        forget_oldest(memory);
    map_free(memory->tables, table_free);
    table_list_reset(&memory->changed);
    pthread_rwlock_destroy(&memory->lock);
    pthread_mutex_destroy(&memory->table_lock);
    free(memory);
}

struct store_table *memory_table(struct memory *memory, const char *name, bool sealed)
{
    LOCK_SCOPE(&memory->table_lock);
    struct store_table *table = map_find(memory->tables, name);

    if (table == NULL) {
        table = xcalloc(1, sizeof(*table));
        table->memory = memory;
        table->name = xstrdup(name);
        table->forgotten = memory->first_version; /* there was no change of it since */
        table->newest = event_new(table, table->forgotten);
        pthread_mutex_init(&table->watch_lock, NULL);
        map_put(memory->tables, name, table);
    }
    table->sealed = table->sealed || sealed;
    return table;
}

void memory_table_names(struct memory *memory, struct str_list *names)
{
    LOCK_SCOPE(&memory->table_lock);
    const char *name;
    size_t pos = 0;
    void *table = NULL;

    while ((name = map_next(memory->tables, &pos, &table)) != NULL)
        str_list_push(names, xstrdup(name));
}

const char *memory_table_name(const struct store_table *table)
{
    return table->name;
}

bool memory_table_is_sealed(const struct store_table *table)
{
    return table->sealed;
}

void memory_load(struct store_table *table, struct object *object)
{
    struct object *old = sorted_put(&table->objects, object);

    if (old != NULL)
        label_index_remove(&table->by_label, old);
    label_index_add(&table->by_label, object);
    object_unref(old);
}

void memory_forget(struct store_table *table, uint64_t version)
{
    table->forgotten = version;
    table->newest->version = version;
}

void memory_set_version(struct memory *memory, uint64_t version, uint64_t forgotten)
{
    LOCK_SCOPE(&memory->table_lock);
    size_t pos = 0;
    void *table = NULL;

    atomic_store(&memory->version, version);
    memory->first_version = memory->forgotten = forgotten;
    while (map_next(memory->tables, &pos, &table) != NULL)
        memory_forget(table, forgotten);
}

uint64_t memory_table_forgotten(const struct store_table *table)
{
    return atomic_load(&table->forgotten);
}

uint64_t memory_forgotten(const struct memory *memory)
{
    return memory->forgotten;
}

uint64_t memory_version(const struct memory *memory)
{
    return atomic_load(&memory->version);
}

struct object *memory_peek(struct store_table *table, const char *key)
{
    return sorted_find(&table->objects, key); /* only the caller's thread changes it */
}

void memory_begin(struct memory *memory)
{
    pthread_rwlock_wrlock(&memory->lock);
}

/* Takes EVENT's references. */
static void append(struct store_table *table, const struct store_event *change)
{
    struct history_event *event = event_new(table, change->object->rv);
    struct history_event *before = table->newest;

    event->event = *change;
    atomic_store_explicit(&before->next, event_ref(event), memory_order_release);
    table->newest = event_ref(event);
    event_unref(before);
    if (table->oldest == NULL)
        table->oldest = event;
    remember(table->memory, event);
}

void memory_load_change(struct store_table *table, const struct store_event *event)
{
    append(table, event);
}

void memory_apply(struct store_table *table, enum store_event_type type, struct object *object)
{
    struct memory *memory = table->memory;
    struct store_event event = {.type = type, .object = object_ref(object)};

    if (type == STORE_DELETED)
        event.old = sorted_remove(&table->objects, object->key);
    else
        event.old = sorted_put(&table->objects, object_ref(object));
    if (event.old != NULL)
        label_index_remove(&table->by_label, event.old);
    if (type != STORE_DELETED)
        label_index_add(&table->by_label, object);
    append(table, &event);
    if (!table->changed) {
        table->changed = true;
        table_list_push(&memory->changed, table);
    }
}

static void wake_watches(struct store_table *table)
{
    LOCK_SCOPE(&table->watch_lock);
    uint64_t one = 1;

    for (size_t i = 0; i < table->watches.len; i++)
        if (write(table->watches.ptr[i]->fd, &one, sizeof(one)) < 0 && errno != EAGAIN)
            log_warn("cannot wake a watch: errno=%d", errno);
}

void memory_end(struct memory *memory, uint64_t version)
{
    atomic_store(&memory->version, version);
    pthread_rwlock_unlock(&memory->lock);
    for (size_t i = 0; i < memory->changed.len; i++) {
        memory->changed.ptr[i]->changed = false;
        wake_watches(memory->changed.ptr[i]);
    }
    memory->changed.len = 0;
}

/* --- Reading ------------------------------------------------------------------------------------ */

struct object *store_get(struct store_table *table, const char *ns, const char *name)
{
    CLEANUP(str) char *key = xasprintf("%s/%s", ns == NULL ? "" : ns, name);

    pthread_rwlock_rdlock(&table->memory->lock);
    struct object *object = sorted_find(&table->objects, key);
    if (object != NULL)
        object_ref(object);
    pthread_rwlock_unlock(&table->memory->lock);
    return object;
}

size_t store_count(struct store_table *table)
{
    pthread_rwlock_rdlock(&table->memory->lock);
    size_t count = table->objects.count;
    pthread_rwlock_unlock(&table->memory->lock);
    return count;
}

uint64_t store_table_version(struct store_table *table)
{
    pthread_rwlock_rdlock(&table->memory->lock);
    uint64_t version = table->newest->version;
    pthread_rwlock_unlock(&table->memory->lock);
    return version;
}

static int expired(struct error **err, uint64_t version, uint64_t current)
{
    return error_set(err, ERROR_EXPIRED, "too old resource version: %" PRIu64 " (%" PRIu64 ")",
                     version, current);
}

/* Undoes, in a copy of what is there now, all changes after VERSION.  Needs the lock.  The newest
 * change is undone first in effect: the oldest one's `old` is put last and wins. */
static void collect_at(struct store_table *table, const char *prefix, const char *after,
                       uint64_t version, struct object_list *out)
{
    CLEANUP(object_list) struct object_list now = {0};
    struct sorted then = {0};

    sorted_collect(&table->objects, prefix, "", &now);
    for (size_t i = 0; i < now.len; i++)
        sorted_put(&then, object_ref(now.ptr[i]));

    struct event_list events = {0};
    for (struct history_event *e = table->oldest; e != NULL; e = atomic_load(&e->next))
        if (e->version > version && str_starts_with(e->event.object->key, prefix))
            event_list_push(&events, e);
    for (size_t i = events.len; i-- > 0;) {
        const struct store_event *event = &events.ptr[i]->event;
        if (event->old == NULL)
            object_unref(sorted_remove(&then, event->object->key));
        else
            object_unref(sorted_put(&then, object_ref(event->old)));
    }
    event_list_reset(&events);
    sorted_collect(&then, prefix, after, out);
    sorted_reset(&then);
}

static char *make_prefix(const char *ns)
{
    return ns == NULL ? xstrdup("") : xasprintf("%s/", ns);
}

int store_list(struct store_table *table, const char *ns, const char *after, uint64_t *version,
               struct object_list *out, struct error **err)
{
    CLEANUP(str) char *prefix = make_prefix(ns);
    struct memory *memory = table->memory;
    int result = 0;

    pthread_rwlock_rdlock(&memory->lock);
    uint64_t now = memory_version(memory);
    if (*version != 0 && *version < table->forgotten)
        result = expired(err, *version, table->forgotten);
    else if (*version == 0 || *version >= now || table->newest->version <= *version)
        sorted_collect(&table->objects, prefix, after, out);
    else
        collect_at(table, prefix, after, *version, out);
    pthread_rwlock_unlock(&memory->lock);
    if (*version == 0)
        *version = now;
    return result;
}

void store_list_labelled(struct store_table *table, const char *ns, const char *value,
                         uint64_t *version, struct object_list *out)
{
    CLEANUP(str) char *prefix = make_prefix(ns);
    struct memory *memory = table->memory;

    pthread_rwlock_rdlock(&memory->lock);
    *version = memory_version(memory);
    label_index_collect(&table->by_label, value, prefix, out);
    pthread_rwlock_unlock(&memory->lock);
}

/* --- Watching ----------------------------------------------------------------------------------- */

/* The last event that a reader of VERSION has seen.  Needs the lock. */
static struct history_event *find_event(struct store_table *table, uint64_t version)
{
    if (table->newest->version <= version)
        return table->newest;
    struct history_event *seen = NULL;
    for (struct history_event *e = table->oldest; e != NULL && e->version <= version;
         e = atomic_load(&e->next))
        seen = e;
    return seen;
}

int store_watch_open(struct store_table *table, const char *ns, uint64_t version,
                     struct object_list *initial, uint64_t *at, struct store_watch **out,
                     struct error **err)
{
    CLEANUP(str) char *prefix = make_prefix(ns);
    struct memory *memory = table->memory;
    struct history_event *seen = NULL, *before_first = NULL;

    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fd < 0)
        return error_sys(err, errno, "cannot make an event descriptor");

    pthread_rwlock_rdlock(&memory->lock);
    *at = memory_version(memory);
    bool is_expired = version != 0 && version < table->forgotten;
    if (version == 0) {
        seen = event_ref(table->newest);
        sorted_collect(&table->objects, prefix, "", initial);
    } else if (!is_expired) {
        *at = version;
        seen = find_event(table, version);
        if (seen != NULL) {
            event_ref(seen);
        } else {
            /* Everything in the history is new to this reader: a mark before the first. */
            before_first = event_new(table, version);
            atomic_store(&before_first->next,
                         table->oldest == NULL ? NULL : event_ref(table->oldest));
            seen = before_first;
        }
    }
    uint64_t forgotten = table->forgotten;
    pthread_rwlock_unlock(&memory->lock);
    if (is_expired) {
        close(fd);
        return expired(err, version, forgotten);
    }

    struct store_watch *watch = xcalloc(1, sizeof(*watch));
    uint64_t one = 1;
    watch->table = table;
    watch->at = seen;
    watch->fd = fd;
    {
        LOCK_SCOPE(&table->watch_lock);
        watch_list_push(&table->watches, watch);
    }
    /* What came between the lock and here woke nobody. */
    if (write(fd, &one, sizeof(one)) < 0)
        log_warn("cannot wake a watch: errno=%d", errno);
    *out = watch;
    return 0;
}

void store_watch_close(struct store_watch *watch)
{
    if (watch == NULL)
        return;
    {
        LOCK_SCOPE(&watch->table->watch_lock);
        struct watch_list *list = &watch->table->watches;
        for (size_t i = 0; i < list->len; i++) {
            if (list->ptr[i] != watch)
                continue;
            list->ptr[i] = list->ptr[--list->len];
            break;
        }
    }
    event_unref(watch->at);
    close(watch->fd);
    free(watch);
}

int store_watch_fd(const struct store_watch *watch)
{
    return watch->fd;
}

int store_watch_next(struct store_watch *watch, const struct store_event **event,
                     struct error **err)
{
    struct history_event *next = atomic_load_explicit(&watch->at->next, memory_order_acquire);
    uint64_t count;

    *event = NULL;
    if (next == NULL) {
        /* Reset the descriptor first: an event after this look wakes us again. */
        if (read(watch->fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
            return error_sys(err, errno, "cannot read an event descriptor");
        next = atomic_load_explicit(&watch->at->next, memory_order_acquire);
        if (next == NULL)
            return 0;
    }
    /* The chain behind a watch keeps events alive: who falls behind the history is cut off. */
    uint64_t forgotten = atomic_load(&watch->table->forgotten);
    if (next->version <= forgotten)
        return expired(err, next->version, forgotten);
    event_ref(next);
    event_unref(watch->at);
    watch->at = next;
    *event = &next->event;
    return 0;
}

void memory_get_stats(struct memory *memory, struct store_stats *stats)
{
    LOCK_SCOPE(&memory->table_lock);
    size_t pos = 0;
    void *value = NULL;

    pthread_rwlock_rdlock(&memory->lock);
    stats->history_events = memory->event_count;
    while (map_next(memory->tables, &pos, &value) != NULL) {
        struct store_table *table = value;
        stats->objects += table->objects.count;
        LOCK_SCOPE(&table->watch_lock);
        stats->watches += table->watches.len;
    }
    pthread_rwlock_unlock(&memory->lock);
}
