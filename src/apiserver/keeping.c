#include "apiserver/keeping.h"

#define LOG_COMPONENT "apiserver"

#include "apiserver/bootstrap.h"
#include "apiserver/call.h"
#include "apiserver/housekeeping.h"
#include "apiserver/server.h"
#include "base/array.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/time.h"
#include "data/obj.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BACKUP "backup"
#define RESTORE "restore"
#define STATE "state.db"
#define KEY "store.key"

/* --- The three ------------------------------------------------------------------------------------ */

/* An empty folder DIR/NAME, its path owned by the caller. */
static char *fresh_dir(struct apiserver *server, const char *name, struct error **err)
{
    CLEANUP(str) char *path = path_join(server->dir, name);

    if (dir_remove(path, err) == -1 || dir_make(path, 0700, err) == -1)
        return NULL;
    return steal(&path);
}

static json_t *backup_into(struct apiserver *server, const char *name, struct error **err)
{
    CLEANUP(str) char *dir = fresh_dir(server, name, err);

    if (dir == NULL)
        return NULL;
    CLEANUP(str) char *state = path_join(dir, STATE);
    CLEANUP(str) char *key = path_join(dir, KEY);
    if (store_backup(server->store, state, key, err) == -1)
        return NULL;
    struct store_stats stats;
    store_get_stats(server->store, &stats);
    return obj_pack("{s:s, s:s, s:I}", "state", state, "key", key, "objects",
                    (json_int_t)stats.objects);
}

static json_t *backup(struct apiserver *server, struct error **err)
{
    return backup_into(server, BACKUP, err);
}

/* Nobody tidies up after objects that a restore brings back. */
static int restore_store(struct apiserver *server, const struct store_options *from,
                         struct store_restored *count, struct error **err)
{
    housekeeping_hold(server->housekeeping);
    int result = store_restore(server->store, from, count, err) == -1 ||
                         bootstrap_serve_definitions(server, err) == -1
                     ? -1
                     : 0;
    housekeeping_start_over(server->housekeeping);
    return result;
}

static json_t *restore(struct apiserver *server, struct error **err)
{
    CLEANUP(str) char *dir = path_join(server->dir, RESTORE);
    CLEANUP(str) char *state = path_join(dir, STATE);
    CLEANUP(str) char *key = path_join(dir, KEY);
    const struct store_options from = {.path = state, .key_path = key};
    struct store_restored count;

    if (!file_exists(state) || !file_exists(key)) {
        error_set(err, ERROR_NOT_FOUND, "there is nothing to restore in \"%s\"", dir);
        return NULL;
    }
    /* what is there now is not lost: one restore back */
    json_auto_t *before = backup_into(server, "before-restore", err);
    if (before == NULL || restore_store(server, &from, &count, err) == -1 ||
        dir_remove(dir, err) == -1)
        return NULL;
    return obj_pack("{s:I, s:I, s:s}", "written", (json_int_t)count.written, "removed",
                    (json_int_t)count.removed, "before", obj_str(before, "state", ""));
}

static json_t *rotate(struct apiserver *server, struct error **err)
{
    return store_rotate_key(server->store, err) == -1 ? NULL : json_object();
}

bool keeping_handle(struct call *call)
{
    static const struct {
        const char *path;
        json_t *(*run)(struct apiserver *server, struct error **err);
    } works[] = {
        {"/gantry/backup", backup}, {"/gantry/restore", restore}, {"/gantry/rotate-key", rotate}};
    CLEANUP(error) struct error *err = NULL;
    size_t i = 0;

    while (i < ARRAY_SIZE(works) && !str_eq(works[i].path, call->request->path))
        i++;
    if (i == ARRAY_SIZE(works) || !str_eq(call->request->method, "POST"))
        return false;
    if (pthread_mutex_trylock(&call->server->keeping) != 0) {
        fail(&call->failure, 409, "Conflict", "a backup or restore is under way");
        call_answer_failure(call);
        return true;
    }
    json_auto_t *answer = works[i].run(call->server, &err);
    pthread_mutex_unlock(&call->server->keeping);
    if (answer == NULL) {
        fail_error(&call->failure, err);
        call_answer_failure(call);
        return true;
    }
    log_info("kept: id=%s user=%s path=%s", call->id, call->user->name, call->request->path);
    call_answer_json(call, 200, answer);
    return true;
}

/* --- At the start --------------------------------------------------------------------------------- */

static int move_file(const char *from, const char *to, struct error **err)
{
    if (rename(from, to) == 0 || errno == ENOENT)
        return 0;
    return error_sys(err, errno, "cannot move \"%s\" to \"%s\"", from, to);
}

/* Moves NAME of FROM to TO; absent is fine. */
static int move_in(const char *from, const char *to, const char *name, struct error **err)
{
    CLEANUP(str) char *old = path_join(from, name);
    CLEANUP(str) char *new = path_join(to, name);

    return move_file(old, new, err);
}

/* The backup must be whole before anything is moved, and must not give out again the versions that
 * clients have seen of what it replaces. */
static int check_backup(const char *state, const char *key, struct error **err)
{
    const struct store_options options = {.path = state, .key_path = key};
    CLEANUP(store) struct store *store = NULL;

    if (store_open(&options, &store, err) == 0 && store_advance(store, err) == 0)
        return 0;
    error_wrap(err, "the backup that is to be restored");
    return error_hint(err, "remove the folder \"restore\" to start without it");
}

int keeping_take_place(const char *dir, struct error **err)
{
    CLEANUP(str) char *from = path_join(dir, RESTORE);
    CLEANUP(str) char *state = path_join(from, STATE);
    CLEANUP(str) char *key = path_join(from, KEY);
    CLEANUP(str) char *pki = path_join(dir, "pki");
    CLEANUP(str) char *replaced = xasprintf("%s/replaced-%" PRId64, dir, time_now_ms() / 1000);

    /* The database goes last: as long as it is here, this has not happened. */
    if (!file_exists(state))
        return 0;
    if (file_exists(key) && check_backup(state, key, err) == -1)
        return -1;
    if (dir_make(replaced, 0700, err) == -1 || dir_make(pki, 0700, err) == -1)
        return -1;
    if (file_exists(key) &&
        (move_in(dir, replaced, STATE, err) == -1 || move_in(dir, replaced, STATE "-wal", err) == -1 ||
         move_in(dir, replaced, STATE "-shm", err) == -1 || move_in(pki, replaced, KEY, err) == -1 ||
         move_in(from, pki, KEY, err) == -1))
        return -1;
    if (move_in(from, dir, STATE, err) == -1 || dir_remove(from, err) == -1)
        return -1;
    log_warn("a backup was restored: what was there is in %s", replaced);
    return 0;
}
