/* The writer thread.
 *
 *     callers ──queue──▶ writer: check, number, write to the database ── commit ──▶ memory, watches
 *        ▲                                                                             │
 *        └──────────────────────────── woken, each with its result ◀───────────────────┘
 *
 * While one group commits, the next one gathers in the queue: the more callers, the larger the
 * groups.  A caller formats its object itself, with a mark where the resourceVersion goes; only
 * the writer knows the number.
 */
#include "apiserver/store.h"

#define LOG_COMPONENT "store"

#include "apiserver/database.h"
#include "apiserver/store_load.h"
#include "apiserver/store_memory.h"
#include "base/error.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/random.h"
#include "base/text.h"
#include "base/thread.h"
#include "base/time.h"
#include "data/obj.h"

#include <inttypes.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAX_GROUP = 256,
    MAX_OBJECT_BYTES = 16 * 1024 * 1024,
    MARK_SIZE = UUID_TEXT_SIZE + 2,
    FORGET_STEP = 1024,           /* versions behind which the history on disk is cut together */
    ADVANCE = 1000 * 1000 * 1000, /* versions: a day of 10,000 writes a second */
};

enum write_kind { WRITE_OBJECT, WRITE_TOGETHER, WRITE_BACKUP, WRITE_ROTATE, WRITE_ADVANCE };

/* One caller's wish, on its stack. */
struct write {
    enum write_kind kind;
    const struct store_change *change;
    const char *path, *key_path; /* of a backup */
    int (*plan)(void *arg, struct store_change_list *changes, struct error **err);
    void *arg;            /* of plan */
    char *key;            /* namespace/name */
    bool follows_removal; /* of the same object, by the change before it */
    struct buf text;      /* with the mark */
    const char *uid;
    json_t *labels;      /* a reference, or NULL */
    struct object *made; /* what was stored */
    struct error *err;
    int result;
    sem_t done;
    struct write *next;
};

struct store {
    struct database *database; /* the writer's */
    struct memory *memory;
    char mark[MARK_SIZE]; /* a text that occurs in no object, "quoted" */
    struct thread writer;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct write *first, *last; /* guarded by lock, also the next */
    bool closing;
    uint64_t version; /* the writer's count, ahead of memory's while a group is written */
    /* Changes up to this version are not in the history on disk; the writer's. */
    uint64_t forgotten;
    struct histogram commit_times; /* guarded by lock */
    _Atomic uint64_t writes, commits, failed;
};

/* --- The caller's side --------------------------------------------------------------------------
 */

/* Puts the mark where the resourceVersion goes.  VALUE is the caller's and stays as it is. */
static int format_object(struct store *store, const struct store_change *change,
                         struct write *write, struct error **err)
{
    json_t *metadata = obj_obj(change->value, "metadata");
    json_auto_t *copy = json_copy((json_t *)(uintptr_t)change->value);

    if (metadata == NULL)
        return error_set(err, ERROR_BUG, "an object without metadata");
    /* Shallow copies: only metadata.resourceVersion differs from what the caller has. */
    json_auto_t *own = json_copy(metadata);
    char bare[MARK_SIZE];
    memcpy(bare, store->mark + 1, strlen(store->mark) - 2);
    bare[strlen(store->mark) - 2] = '\0';
    json_object_set_new(own, "resourceVersion", json_string(bare));
    json_object_set(copy, "metadata", own);

    write->text = BUF_INIT(MAX_OBJECT_BYTES);
    obj_format_to(copy, &write->text);
    if (buf_check(&write->text, err) == -1)
        return error_wrap(err, "the object is too large");
    write->uid = obj_str(metadata, "uid", "");
    json_t *labels = obj_obj(metadata, "labels");
    write->labels = labels != NULL && json_object_size(labels) > 0 ? json_incref(labels) : NULL;
    return 0;
}

/* Hands WRITE to the writer and waits for it. */
static int submit(struct store *store, struct write *write, struct error **err)
{
    sem_init(&write->done, 0, 0);
    {
        LOCK_SCOPE(&store->lock);
        if (store->closing) {
            sem_destroy(&write->done);
            return error_set(err, ERROR_UNAVAILABLE, "the store is closing");
        }
        if (store->last != NULL)
            store->last->next = write;
        else
            store->first = write;
        store->last = write;
        pthread_cond_signal(&store->wake);
    }
    while (sem_wait(&write->done) != 0)
        ;
    sem_destroy(&write->done);
    if (write->result == -1)
        *err = steal(&write->err);
    return write->result;
}

static int write_init(struct store *store, const struct store_change *change, struct write *write,
                      struct error **err)
{
    *write = (struct write){.kind = WRITE_OBJECT, .change = change};
    if (format_object(store, change, write, err) == -1)
        return -1;
    write->key = xasprintf("%s/%s", change->ns == NULL ? "" : change->ns, change->name);
    return 0;
}

static void write_reset(struct write *write)
{
    object_unref(write->made);
    json_decref(write->labels);
    error_free(write->err);
    buf_reset(&write->text);
    free(write->key);
}

int store_write(struct store *store, const struct store_change *change, struct object **out,
                struct error **err)
{
    struct write write;
    int result = write_init(store, change, &write, err);

    if (result == 0)
        result = submit(store, &write, err);
    if (result == 0 && out != NULL)
        *out = steal(&write.made);
    write_reset(&write);
    return result;
}

int store_write_together(struct store *store,
                         int (*plan)(void *arg, struct store_change_list *changes,
                                     struct error **err),
                         void *arg, struct error **err)
{
    struct write write = {.kind = WRITE_TOGETHER, .plan = plan, .arg = arg};

    return submit(store, &write, err);
}

int store_advance(struct store *store, struct error **err)
{
    struct write write = {.kind = WRITE_ADVANCE};

    return submit(store, &write, err);
}

int store_backup(struct store *store, const char *path, const char *key_path, struct error **err)
{
    struct write write = {.kind = WRITE_BACKUP, .path = path, .key_path = key_path};

    return submit(store, &write, err);
}

int store_rotate_key(struct store *store, struct error **err)
{
    struct write write = {.kind = WRITE_ROTATE};

    return submit(store, &write, err);
}

/* --- The writer's side --------------------------------------------------------------------------
 */

static int check_change(const struct store_change *change, const struct object *current,
                        struct error **err)
{
    if (change->old == NULL)
        return current == NULL
                   ? 0
                   : error_set(err, ERROR_EXISTS, "\"%s\" already exists", change->name);
    if (current == NULL)
        return error_set(err, ERROR_NOT_FOUND, "\"%s\" not found", change->name);
    if (current->rv != change->old->rv || strcmp(current->uid, change->old->uid) != 0)
        return error_set(err, ERROR_CONFLICT, "\"%s\" was changed by somebody else", change->name);
    return 0;
}

/* The object with VERSION in place of the mark. */
static struct object *make_object(struct store *store, struct write *write, uint64_t version)
{
    size_t mark_len = strlen(store->mark);
    const char *text = write->text.ptr;
    const char *at = memmem(text, write->text.len, store->mark, mark_len);
    CLEANUP(buf) struct buf whole = BUF_INIT(MAX_OBJECT_BYTES + 64);

    buf_append(&whole, text, (size_t)(at - text));
    buf_printf(&whole, "\"%" PRIu64 "\"", version);
    buf_append(&whole, at + mark_len, write->text.len - (size_t)(at - text) - mark_len);
    return object_new(write->change->ns == NULL ? "" : write->change->ns, write->change->name,
                      write->uid, version, whole.ptr, whole.len, steal(&write->labels));
}

/* Writes one object into the open transaction. */
static int write_one(struct store *store, struct write *write, struct error **err)
{
    const struct store_change *change = write->change;
    const char *table = memory_table_name(change->table);
    bool sealed = memory_table_is_sealed(change->table);
    const struct object *current =
        write->follows_removal ? NULL : memory_peek(change->table, write->key);

    if (check_change(change, current, err) == -1)
        return -1;
    write->made = make_object(store, write, store->version + 1);
    int result;
    if (current == NULL) {
        result = database_insert(store->database, table, sealed, write->made, err);
    } else {
        write->made->row = current->row;
        result = change->remove ? database_delete(store->database, table, sealed, write->made, err)
                                : database_update(store->database, table, sealed, write->made, err);
    }
    if (result == 0)
        store->version++;
    return result;
}

static void finish(struct write *write, int result)
{
    write->result = result;
    sem_post(&write->done); /* WRITE is gone after this */
}

static void fail_group(struct store *store, struct write **group, size_t count,
                       const struct error *err)
{
    CLEANUP(str) char *text = error_format(err);

    log_warn("writes were not stored: count=%zu error=%s", count, text);
    for (size_t i = 0; i < count; i++) {
        object_unref(steal(&group[i]->made));
        if (err->sys != 0)
            error_sys(&group[i]->err, err->sys, "%s", err->msg);
        else
            error_set(&group[i]->err, err->code, "%s", text);
        const char *hint = error_get_hint(err);
        if (hint != NULL)
            error_hint(&group[i]->err, "%s", hint);
        atomic_fetch_add(&store->failed, 1);
        finish(group[i], -1);
    }
}

static void publish(struct store *store, struct write **group, size_t count)
{
    memory_begin(store->memory);
    for (size_t i = 0; i < count; i++) {
        const struct store_change *change = group[i]->change;
        enum store_event_type type = change->remove        ? STORE_DELETED
                                     : change->old == NULL ? STORE_ADDED
                                                           : STORE_MODIFIED;
        memory_apply(change->table, type, group[i]->made);
    }
    memory_end(store->memory, store->version);
    atomic_fetch_add(&store->writes, count);
    atomic_fetch_add(&store->commits, 1);
}

static void note_commit(struct store *store, int64_t start_us)
{
    int64_t us = time_mono_us() - start_us;
    LOCK_SCOPE(&store->lock);

    histogram_add(&store->commit_times, us);
}

/* What memory has forgotten is of no use on disk either. */
static int forget_history(struct store *store, struct error **err)
{
    uint64_t forgotten = memory_forgotten(store->memory);

    if (forgotten < store->forgotten + FORGET_STEP)
        return 0;
    if (database_forget(store->database, forgotten, err) == -1)
        return -1;
    store->forgotten = forgotten; /* should this group fail, the next step makes up for it */
    return 0;
}

/* Commits the writes of a list of which no two concern the same object. */
static void commit_group(struct store *store, struct write **group, size_t count)
{
    CLEANUP(error) struct error *err = NULL;
    uint64_t before = store->version;
    int64_t start_us = time_mono_us();
    size_t written = 0;
    int result = database_begin(store->database, &err);

    for (size_t i = 0; result == 0 && i < count; i++) {
        struct write *write = group[i];
        if (write_one(store, write, &write->err) == 0) {
            group[written++] = write;
            continue;
        }
        if (write->made == NULL) { /* refused, nothing was touched */
            finish(write, -1);
            continue;
        }
        /* The database failed: nobody's write of this group is safe. */
        err = steal(&write->err);
        result = -1;
        group[written++] = write;
        while (++i < count)
            group[written++] = group[i];
    }
    if (result == 0 && written > 0)
        result = forget_history(store, &err) == -1
                     ? -1
                     : database_commit(store->database, store->version, &err);
    else if (result == 0)
        database_rollback(store->database);
    note_commit(store, start_us);
    if (result == 0 && written > 0) {
        publish(store, group, written);
        for (size_t i = 0; i < written; i++)
            finish(group[i], 0);
    } else if (result == -1) {
        database_rollback(store->database);
        store->version = before;
        fail_group(store, group, written == 0 ? count : written, err);
    }
}

/* Writes all of GROUP in one transaction. */
static int commit_together(struct store *store, struct write **group, size_t count,
                           struct error **err)
{
    uint64_t before = store->version;
    int64_t start_us = time_mono_us();
    int result = database_begin(store->database, err);

    for (size_t i = 0; result == 0 && i < count; i++)
        result = write_one(store, group[i], err);
    if (result == 0)
        result = forget_history(store, err);
    if (result == 0)
        result = database_commit(store->database, store->version, err);
    note_commit(store, start_us);
    if (result == 0) {
        publish(store, group, count);
        return 0;
    }
    database_rollback(store->database);
    store->version = before;
    atomic_fetch_add(&store->failed, count);
    return -1;
}

static int write_together(struct store *store, struct write *wish)
{
    struct store_change_list changes = {0};
    int result = wish->plan(wish->arg, &changes, &wish->err);
    struct write *writes = xcalloc(changes.len + 1, sizeof(*writes));
    struct write **group = xcalloc(changes.len + 1, sizeof(struct write *));

    for (size_t i = 0; i < changes.len && result == 0; i++) {
        group[i] = &writes[i];
        result = write_init(store, &changes.ptr[i], &writes[i], &wish->err);
        writes[i].follows_removal = result == 0 && i > 0 && changes.ptr[i - 1].remove &&
                                    changes.ptr[i - 1].table == changes.ptr[i].table &&
                                    str_eq(writes[i - 1].key, writes[i].key);
    }
    if (result == 0 && changes.len > 0)
        result = commit_together(store, group, changes.len, &wish->err);
    for (size_t i = 0; i < changes.len; i++)
        write_reset(&writes[i]);
    free(group);
    free(writes);
    store_change_list_reset(&changes);
    return result;
}

static int advance(struct store *store, struct error **err)
{
    if (database_advance(store->database, store->version + ADVANCE, err) == -1)
        return -1;
    store->version += ADVANCE;
    memory_begin(store->memory);
    memory_end(store->memory, store->version);
    return 0;
}

static bool is_in_group(struct write **group, size_t count, const struct write *write)
{
    for (size_t i = 0; i < count; i++)
        if (group[i]->change->table == write->change->table &&
            strcmp(group[i]->key, write->key) == 0)
            return true;
    return false;
}

/* Takes the longest run from the queue that can be committed together. */
static size_t take_group(struct store *store, struct write **group)
{
    size_t count = 0;
    LOCK_SCOPE(&store->lock);

    while (store->first == NULL && !store->closing)
        cond_wait(&store->wake, &store->lock, DEADLINE_NONE);
    while (store->first != NULL && count < MAX_GROUP) {
        struct write *write = store->first;
        bool alone = write->kind != WRITE_OBJECT;
        if (count > 0 && (alone || is_in_group(group, count, write)))
            break;
        store->first = write->next;
        if (store->first == NULL)
            store->last = NULL;
        group[count++] = write;
        if (alone)
            break;
    }
    return count;
}

static void *writer_main(void *arg)
{
    struct store *store = arg;
    struct write *group[MAX_GROUP];
    size_t count;

    while ((count = take_group(store, group)) > 0) {
        struct write *first = group[0];
        switch (first->kind) {
        case WRITE_OBJECT:
            commit_group(store, group, count);
            break;
        case WRITE_TOGETHER:
            finish(first, write_together(store, first));
            break;
        case WRITE_BACKUP:
            finish(first,
                   database_backup(store->database, first->path, first->key_path, &first->err));
            break;
        case WRITE_ROTATE:
            finish(first, database_rotate_key(store->database, &first->err));
            break;
        case WRITE_ADVANCE:
            finish(first, advance(store, &first->err));
            break;
        }
    }
    return NULL;
}

/* --- Opening and closing ------------------------------------------------------------------------
 */

int store_open(const struct store_options *options, struct store **out, struct error **err)
{
    CLEANUP(store) struct store *store = xcalloc(1, sizeof(*store));
    char uuid[UUID_TEXT_SIZE];
    int64_t start_ms = time_mono_ms();

    pthread_mutex_init(&store->lock, NULL);
    cond_init(&store->wake);
    store->memory = memory_new();
    random_uuid(uuid);
    store->mark[0] = '"';
    memcpy(store->mark + 1, uuid, strlen(uuid));
    store->mark[1 + strlen(uuid)] = '"';

    if (database_open(options, &store->database, err) == -1 ||
        store_load(store->database, store->memory, &store->version, err) == -1)
        return -1;
    store->forgotten = memory_forgotten(store->memory);
    if (thread_start(&store->writer, "store-writer", writer_main, store, err) == -1)
        return -1;
    struct store_stats stats;
    store_get_stats(store, &stats);
    log_info("store opened: path=%s objects=%zu version=%" PRIu64 " ms=%" PRId64, options->path,
             stats.objects, store->version, time_mono_ms() - start_ms);
    *out = steal(&store);
    return 0;
}

void store_close(struct store *store)
{
    if (store == NULL)
        return;
    pthread_mutex_lock(&store->lock);
    store->closing = true;
    pthread_cond_signal(&store->wake);
    pthread_mutex_unlock(&store->lock);
    thread_join(&store->writer);
    database_close(store->database);
    memory_free(store->memory);
    pthread_mutex_destroy(&store->lock);
    pthread_cond_destroy(&store->wake);
    free(store);
}

struct store_table *store_table(struct store *store, const char *name, bool sealed)
{
    return memory_table(store->memory, name, sealed);
}

void store_table_names(struct store *store, struct str_list *names)
{
    memory_table_names(store->memory, names);
}

uint64_t store_version(const struct store *store)
{
    return memory_version(store->memory);
}

void store_get_stats(struct store *store, struct store_stats *stats)
{
    *stats = (struct store_stats){
        .writes = atomic_load(&store->writes),
        .commits = atomic_load(&store->commits),
        .failed = atomic_load(&store->failed),
    };
    {
        LOCK_SCOPE(&store->lock);
        stats->commit_times = store->commit_times;
    }
    memory_get_stats(store->memory, stats);
}
