/* Layout 2:
 *
 *   meta(key, value)      'version': the newest resourceVersion, also of removed objects
 *                         'forgotten': changes up to this version are not in the history
 *   objects(id, resource, ns, name, uid, rv, labels, key, data)
 *   history(version, removed, resource, ns, name, uid, rv, labels, key, data, last_key, last)
 *
 * `key` is 0 for plain JSON text in `data`, else the number of the key it is sealed with.  Labels
 * have a column of their own so that loading parses nothing else.  PRAGMA user_version holds the
 * layout's number.
 *
 * A row of the history is what the change VERSION replaced or removed, the last state of what was
 * removed in `last`: with the objects themselves that is all a watch needs to go on over a restart,
 * and creating an object adds nothing to it.  Old versions that are large are not kept (`data` is
 * NULL): writing them twice would cost more than a list now and then.
 *
 * WAL with synchronous=FULL: each commit is an fsync of the log, so that an acknowledged write
 * survives power loss.
 */
#include "apiserver/store_disk.h"

#define LOG_COMPONENT "store"

#include "apiserver/seal_keys.h"
#include "base/array.h"
#include "base/error.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "data/obj.h"
#include "net/crypto.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
    MAX_SEALED = 16 * 1024 * 1024,
    CACHE_KIB = 4096,
    BUSY_MS = 5000,
    MAX_KEPT_BYTES = 64 * 1024, /* of an old version in the history */
};

struct disk {
    sqlite3 *db;
    bool is_open; /* its tables were found to be in order */
    char *path;
    struct seal_keys *keys;
    sqlite3_stmt *begin, *commit, *rollback, *insert, *update, *remove, *keep, *set_version;
};

/* What makes each layout of the one before it; the first makes it of nothing.  A step is never
 * changed once it was released: databases of every layout are out there. */
static const char layout_1[] =
    "CREATE TABLE meta(key TEXT PRIMARY KEY, value) WITHOUT ROWID;"
    "CREATE TABLE objects("
    " id INTEGER PRIMARY KEY, resource TEXT NOT NULL, ns TEXT NOT NULL, name TEXT NOT NULL,"
    " uid TEXT NOT NULL, rv INTEGER NOT NULL, labels TEXT, key INTEGER NOT NULL,"
    " data BLOB NOT NULL);"
    "CREATE UNIQUE INDEX objects_by_name ON objects(resource, ns, name);"
    "INSERT INTO meta VALUES('version', 1);"
    "PRAGMA user_version = 1;";

static const char layout_2[] =
    "CREATE TABLE history("
    " version INTEGER PRIMARY KEY, removed INTEGER NOT NULL, resource TEXT NOT NULL,"
    " ns TEXT NOT NULL, name TEXT NOT NULL, uid TEXT NOT NULL, rv INTEGER NOT NULL, labels TEXT,"
    " key INTEGER NOT NULL, data BLOB, last_key INTEGER NOT NULL, last BLOB);"
    "INSERT INTO meta SELECT 'forgotten', value FROM meta WHERE key = 'version';"
    "PRAGMA user_version = 2;";

static const char *const layouts[] = {layout_1, layout_2};
enum { LAYOUT_VERSION = ARRAY_SIZE(layouts) };

static int disk_error(struct disk *disk, struct error **err, const char *what)
{
    int code = disk->db == NULL ? SQLITE_NOMEM : sqlite3_errcode(disk->db);
    const char *text = disk->db == NULL ? "out of memory" : sqlite3_errmsg(disk->db);

    if (disk->db != NULL && (sqlite3_system_errno(disk->db) == ENOSPC ||
                             sqlite3_system_errno(disk->db) == EDQUOT) &&
        (code & 0xff) == SQLITE_IOERR)
        code = SQLITE_FULL;
    if ((code & 0xff) == SQLITE_ERROR && !disk->is_open)
        code = SQLITE_CORRUPT; /* a head that makes no sense: "unsupported file format" */
    switch (code & 0xff) {
    case SQLITE_FULL:
        error_sys(err, ENOSPC, "%s", what);
        return error_hint(err, "free some space on the disk of \"%s\"; writes go on by themselves",
                          disk->path);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        error_set(err, ERROR_CORRUPT, "%s: the database \"%s\" is damaged: %s", what, disk->path,
                  text);
        return error_hint(err, "move it away and restore a backup (gantry restore FILE)");
    default:
        return error_set(err, ERROR_IO, "%s: %s", what, text);
    }
}

static int run_sql(struct disk *disk, const char *sql, const char *what, struct error **err)
{
    if (sqlite3_exec(disk->db, sql, NULL, NULL, NULL) != SQLITE_OK)
        return disk_error(disk, err, what);
    return 0;
}

static int prepare(struct disk *disk, sqlite3_stmt **statement, const char *sql,
                   struct error **err)
{
    if (sqlite3_prepare_v3(disk->db, sql, -1, SQLITE_PREPARE_PERSISTENT, statement, NULL) !=
        SQLITE_OK)
        return disk_error(disk, err, "cannot prepare a statement");
    return 0;
}

/* Runs a statement that gives no rows, and makes it ready for the next time. */
static int run(struct disk *disk, sqlite3_stmt *statement, const char *what, struct error **err)
{
    int result = sqlite3_step(statement);

    if (result != SQLITE_DONE)
        disk_error(disk, err, what);
    sqlite3_reset(statement);
    return result == SQLITE_DONE ? 0 : -1;
}

/* The only value that SQL gives, or FALLBACK if it gives none. */
static int read_number(struct disk *disk, const char *sql, int64_t *value, struct error **err)
{
    sqlite3_stmt *statement = NULL;

    if (prepare(disk, &statement, sql, err) == -1)
        return -1;
    int result = sqlite3_step(statement);
    if (result == SQLITE_ROW)
        *value = sqlite3_column_int64(statement, 0);
    else
        disk_error(disk, err, "cannot read");
    sqlite3_finalize(statement);
    return result == SQLITE_ROW ? 0 : -1;
}

/* A damaged file must be found now, not by the write that makes it worse. */
static int check_health(struct disk *disk, struct error **err)
{
    sqlite3_stmt *statement = NULL;

    if (prepare(disk, &statement, "PRAGMA quick_check(1)", err) == -1)
        return -1;
    int result = sqlite3_step(statement);
    const char *text =
        result == SQLITE_ROW ? (const char *)sqlite3_column_text(statement, 0) : NULL;
    if (result != SQLITE_ROW) {
        disk_error(disk, err, "cannot check the database");
    } else if (!str_eq(text, "ok")) {
        error_set(err, ERROR_CORRUPT, "the database \"%s\" is damaged: %s", disk->path, text);
        error_hint(err, "move it away and restore a backup (gantry restore FILE)");
        result = SQLITE_CORRUPT;
    }
    sqlite3_finalize(statement);
    return result == SQLITE_ROW ? 0 : -1;
}

static int check_layout(struct disk *disk, struct error **err)
{
    int64_t layout = 0;

    if (read_number(disk, "PRAGMA user_version", &layout, err) == -1)
        return -1;
    if (layout > LAYOUT_VERSION) {
        error_set(err, ERROR_UNSUPPORTED,
                  "the database \"%s\" has layout %d, this program knows up to %d", disk->path,
                  (int)layout, LAYOUT_VERSION);
        return error_hint(err, "use the newer gantry that wrote it");
    }
    if (layout > 0 && check_health(disk, err) == -1)
        return -1;
    for (; layout < LAYOUT_VERSION; layout++) {
        CLEANUP(str) char *sql = xasprintf("BEGIN IMMEDIATE; %s COMMIT;", layouts[layout]);
        if (run_sql(disk, sql, "cannot bring the tables to the next layout", err) == -1)
            return -1;
        log_info("store layout: path=%s layout=%d", disk->path, (int)layout + 1);
    }
    return 0;
}

static int prepare_all(struct disk *disk, struct error **err)
{
    if (prepare(disk, &disk->begin, "BEGIN IMMEDIATE", err) == -1 ||
        prepare(disk, &disk->commit, "COMMIT", err) == -1 ||
        prepare(disk, &disk->rollback, "ROLLBACK", err) == -1 ||
        prepare(disk, &disk->insert,
                "INSERT INTO objects(resource, ns, name, uid, rv, labels, key, data)"
                " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                err) == -1 ||
        prepare(disk, &disk->update,
                "UPDATE objects SET rv = ?5, labels = ?6, key = ?7, data = ?8 WHERE id = ?9",
                err) == -1 ||
        prepare(disk, &disk->remove, "DELETE FROM objects WHERE id = ?1", err) == -1 ||
        prepare(disk, &disk->keep,
                "INSERT INTO history SELECT ?1, ?2, resource, ns, name, uid, rv, labels, key,"
                " CASE WHEN length(data) <= ?3 THEN data END, ?6, ?4 FROM objects WHERE id = ?5",
                err) == -1)
        return -1;
    return prepare(disk, &disk->set_version, "UPDATE meta SET value = ?1 WHERE key = 'version'",
                   err);
}

static int open_database(struct disk *disk, struct error **err)
{
    mode_t before = umask(0077);
    int result = sqlite3_open_v2(disk->path, &disk->db,
                                 SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX |
                                     SQLITE_OPEN_EXRESCODE,
                                 NULL);
    umask(before);
    if (result != SQLITE_OK)
        return disk_error(disk, err, "cannot open the database");
    sqlite3_busy_timeout(disk->db, BUSY_MS);
    CLEANUP(str) char *pragmas = xasprintf("PRAGMA cache_size = -%d;"
                                           "PRAGMA journal_mode = WAL;"
                                           "PRAGMA synchronous = FULL;"
                                           "PRAGMA wal_autocheckpoint = 4000;",
                                           CACHE_KIB);
    if (run_sql(disk, pragmas, "cannot set up the database", err) == -1 ||
        check_layout(disk, err) == -1 || prepare_all(disk, err) == -1)
        return -1;
    disk->is_open = true;
    return 0;
}

int store_disk_open(const struct store_options *options, struct disk **out, struct error **err)
{
    struct disk *disk = xcalloc(1, sizeof(*disk));

    disk->path = xstrdup(options->path);
    disk->keys = seal_keys_open(options->key_path, err);
    if (disk->keys == NULL || open_database(disk, err) == -1) {
        store_disk_close(disk);
        return error_wrap(err, "store \"%s\"", options->path);
    }
    *out = disk;
    return 0;
}

void store_disk_close(struct disk *disk)
{
    if (disk == NULL)
        return;
    sqlite3_finalize(disk->begin);
    sqlite3_finalize(disk->commit);
    sqlite3_finalize(disk->rollback);
    sqlite3_finalize(disk->insert);
    sqlite3_finalize(disk->update);
    sqlite3_finalize(disk->remove);
    sqlite3_finalize(disk->keep);
    sqlite3_finalize(disk->set_version);
    if (sqlite3_close(disk->db) != SQLITE_OK)
        log_error("the database did not close: %s", sqlite3_errmsg(disk->db));
    seal_keys_free(disk->keys);
    free(disk->path);
    free(disk);
}

/* --- Reading ---------------------------------------------------------------------------------- */

static char *seal_context(const char *table, const char *ns, const char *name)
{
    return xasprintf("%s/%s/%s", table, ns, name);
}

static const char *column_text(sqlite3_stmt *statement, int column)
{
    const char *text = (const char *)sqlite3_column_text(statement, column);

    return text == NULL ? "" : text;
}

/* A row's columns from its resource on have the same order in both tables. */
struct row {
    const char *table, *ns, *name, *uid, *labels;
    int64_t key_id;
    uint64_t version;
};

static struct row read_row(sqlite3_stmt *statement, int first)
{
    return (struct row){
        .table = column_text(statement, first),
        .ns = column_text(statement, first + 1),
        .name = column_text(statement, first + 2),
        .uid = column_text(statement, first + 3),
        .version = (uint64_t)sqlite3_column_int64(statement, first + 4),
        .labels = column_text(statement, first + 5),
        .key_id = sqlite3_column_int64(statement, first + 6),
    };
}

/* The object that ROW describes and whose text, sealed or not, is in COLUMN. */
static int read_object(struct disk *disk, sqlite3_stmt *statement, const struct row *row,
                       int column, struct object **out, struct error **err)
{
    const char *data = sqlite3_column_blob(statement, column);
    size_t len = (size_t)sqlite3_column_bytes(statement, column);
    CLEANUP(buf) struct buf plain = BUF_INIT(MAX_SEALED);
    json_t *parsed = NULL;

    if (row->key_id != 0) {
        CLEANUP(str) char *context = seal_context(row->table, row->ns, row->name);
        const unsigned char *key = seal_keys_find(disk->keys, row->key_id);
        if (key == NULL)
            return error_set(err, ERROR_CORRUPT, "%s \"%s/%s\" is sealed with key %d, which the "
                                                 "key file does not have",
                             row->table, row->ns, row->name, (int)row->key_id);
        if (crypto_open(key, context, data, len, &plain, err) == -1)
            return error_wrap(err, "%s \"%s/%s\"", row->table, row->ns, row->name);
        data = plain.ptr;
        len = plain.len;
    }
    if (*row->labels != '\0' &&
        (parsed = obj_parse(row->labels, strlen(row->labels), err)) == NULL)
        return error_wrap(err, "labels of %s \"%s/%s\"", row->table, row->ns, row->name);
    *out = object_new(row->ns, row->name, row->uid, row->version, data, len, parsed);
    return 0;
}

int disk_load(struct disk *disk, void (*each)(void *arg, const char *table, struct object *object),
              void *arg, uint64_t *version, struct error **err)
{
    sqlite3_stmt *statement = NULL;
    int64_t newest = 0;
    int result;

    if (read_number(disk, "SELECT value FROM meta WHERE key = 'version'", &newest, err) == -1 ||
        prepare(disk, &statement,
                "SELECT id, resource, ns, name, uid, rv, labels, key, data FROM objects", err) ==
            -1)
        return -1;
    while ((result = sqlite3_step(statement)) == SQLITE_ROW) {
        struct object *object = NULL;
        struct row row = read_row(statement, 1);
        if (read_object(disk, statement, &row, 8, &object, err) == -1) {
            sqlite3_finalize(statement);
            return -1;
        }
        object->row = sqlite3_column_int64(statement, 0);
        each(arg, row.table, object);
    }
    if (result != SQLITE_DONE)
        disk_error(disk, err, "cannot read the objects");
    sqlite3_finalize(statement);
    *version = (uint64_t)newest;
    return result == SQLITE_DONE ? 0 : -1;
}

/* The change of the current row of the history. */
static int read_change(struct disk *disk, sqlite3_stmt *statement, struct disk_change *change,
                       struct error **err)
{
    struct row row = read_row(statement, 2);

    *change = (struct disk_change){
        .table = row.table, .version = (uint64_t)sqlite3_column_int64(statement, 0)};
    if (sqlite3_column_type(statement, 9) != SQLITE_NULL &&
        read_object(disk, statement, &row, 9, &change->old, err) == -1)
        return -1;
    if (sqlite3_column_int64(statement, 1) == 0 || change->old == NULL)
        return 0;
    row.version = change->version;
    row.key_id = sqlite3_column_int64(statement, 10); /* after a rotation that failed, another one */
    if (sqlite3_column_type(statement, 11) != SQLITE_NULL &&
        read_object(disk, statement, &row, 11, &change->last, err) == 0)
        return 0;
    object_unref(steal(&change->old));
    return *err == NULL ? 0 : -1;
}

int disk_load_history(struct disk *disk,
                      void (*each)(void *arg, const struct disk_change *change), void *arg,
                      uint64_t *forgotten, struct error **err)
{
    sqlite3_stmt *statement = NULL;
    int64_t until = 0;
    int result;

    if (read_number(disk, "SELECT value FROM meta WHERE key = 'forgotten'", &until, err) == -1 ||
        prepare(disk, &statement,
                "SELECT version, removed, resource, ns, name, uid, rv, labels, key, data, last_key,"
                " last FROM history ORDER BY version",
                err) == -1)
        return -1;
    while ((result = sqlite3_step(statement)) == SQLITE_ROW) {
        struct disk_change change;
        if (read_change(disk, statement, &change, err) == -1) {
            sqlite3_finalize(statement);
            return -1;
        }
        each(arg, &change);
    }
    if (result != SQLITE_DONE)
        disk_error(disk, err, "cannot read the history");
    sqlite3_finalize(statement);
    *forgotten = (uint64_t)until;
    return result == SQLITE_DONE ? 0 : -1;
}

/* --- Writing ---------------------------------------------------------------------------------- */

int disk_begin(struct disk *disk, struct error **err)
{
    return run(disk, disk->begin, "cannot begin a write", err);
}

int disk_commit(struct disk *disk, uint64_t version, struct error **err)
{
    sqlite3_bind_int64(disk->set_version, 1, (sqlite3_int64)version);
    if (run(disk, disk->set_version, "cannot write", err) == -1)
        return -1;
    if (fault("store.commit"))
        return error_sys(err, EIO, "cannot commit");
    return run(disk, disk->commit, "cannot commit", err);
}

void disk_rollback(struct disk *disk)
{
    CLEANUP(error) struct error *err = NULL;

    /* SQLite has rolled back by itself after some errors. */
    if (sqlite3_get_autocommit(disk->db) == 0 &&
        run(disk, disk->rollback, "cannot roll back", &err) == -1)
        log_warn_error(err, "store");
}

/* What goes into the database of OBJECT: its text, or that sealed into CIPHER. */
static int seal_object(struct disk *disk, const char *table, bool sealed,
                       const struct object *object, struct buf *cipher, struct span *data,
                       int64_t *key_id, struct error **err)
{
    *key_id = 0;
    *data = (struct span){object->text, object->len};
    if (!sealed)
        return 0;
    CLEANUP(str) char *context = seal_context(table, object->ns, object->name);
    const unsigned char *key = seal_keys_current(disk->keys, key_id);
    if (crypto_seal(key, context, object->text, object->len, cipher, err) == -1)
        return -1;
    *data = buf_span(cipher);
    return 0;
}

/* Binds what insert and update have in common, and runs it. */
static int write_object(struct disk *disk, sqlite3_stmt *statement, const char *table, bool sealed,
                        const struct object *object, struct error **err)
{
    CLEANUP(buf) struct buf cipher = BUF_INIT(MAX_SEALED);
    CLEANUP(str) char *labels = object->labels == NULL ? NULL : obj_format(object->labels);
    int64_t key_id;
    struct span data;

    if (seal_object(disk, table, sealed, object, &cipher, &data, &key_id, err) == -1)
        return -1;
    sqlite3_bind_int64(statement, 5, (sqlite3_int64)object->rv);
    if (labels == NULL)
        sqlite3_bind_null(statement, 6);
    else
        sqlite3_bind_text(statement, 6, labels, -1, SQLITE_STATIC);
    sqlite3_bind_int64(statement, 7, key_id);
    sqlite3_bind_blob64(statement, 8, data.ptr, data.len, SQLITE_STATIC);
    if (fault("store.write"))
        return error_sys(err, EIO, "cannot write an object");
    int result = run(disk, statement, "cannot write an object", err);
    sqlite3_clear_bindings(statement);
    return result;
}

/* Puts what OBJECT's version replaces into the history; LAST, unless its pointer is NULL, is the
 * last state of what is removed. */
static int keep_old(struct disk *disk, const struct object *object, struct span last,
                    int64_t last_key, struct error **err)
{
    sqlite3_bind_int64(disk->keep, 1, (sqlite3_int64)object->rv);
    sqlite3_bind_int64(disk->keep, 2, last.ptr != NULL);
    sqlite3_bind_int64(disk->keep, 3, MAX_KEPT_BYTES);
    if (last.ptr == NULL || last.len > MAX_KEPT_BYTES)
        sqlite3_bind_null(disk->keep, 4);
    else
        sqlite3_bind_blob64(disk->keep, 4, last.ptr, last.len, SQLITE_STATIC);
    sqlite3_bind_int64(disk->keep, 5, object->row);
    sqlite3_bind_int64(disk->keep, 6, last_key);
    int result = run(disk, disk->keep, "cannot keep an old version", err);
    sqlite3_clear_bindings(disk->keep);
    return result;
}

int disk_insert(struct disk *disk, const char *table, bool sealed, struct object *object,
                struct error **err)
{
    sqlite3_bind_text(disk->insert, 1, table, -1, SQLITE_STATIC);
    sqlite3_bind_text(disk->insert, 2, object->ns, -1, SQLITE_STATIC);
    sqlite3_bind_text(disk->insert, 3, object->name, -1, SQLITE_STATIC);
    sqlite3_bind_text(disk->insert, 4, object->uid, -1, SQLITE_STATIC);
    if (write_object(disk, disk->insert, table, sealed, object, err) == -1)
        return -1;
    object->row = sqlite3_last_insert_rowid(disk->db);
    return 0;
}

static int replace_row(struct disk *disk, const char *table, bool sealed,
                       const struct object *object, struct error **err)
{
    sqlite3_bind_int64(disk->update, 9, object->row);
    return write_object(disk, disk->update, table, sealed, object, err);
}

int disk_update(struct disk *disk, const char *table, bool sealed, const struct object *object,
                struct error **err)
{
    if (keep_old(disk, object, (struct span){NULL, 0}, 0, err) == -1)
        return -1;
    return replace_row(disk, table, sealed, object, err);
}

int disk_delete(struct disk *disk, const char *table, bool sealed, const struct object *object,
                struct error **err)
{
    CLEANUP(buf) struct buf cipher = BUF_INIT(MAX_SEALED);
    struct span last;
    int64_t key_id;

    if (seal_object(disk, table, sealed, object, &cipher, &last, &key_id, err) == -1 ||
        keep_old(disk, object, last, key_id, err) == -1)
        return -1;
    sqlite3_bind_int64(disk->remove, 1, object->row);
    if (fault("store.write"))
        return error_sys(err, EIO, "cannot remove an object");
    return run(disk, disk->remove, "cannot remove an object", err);
}

int disk_forget(struct disk *disk, uint64_t version, struct error **err)
{
    CLEANUP(str) char *sql = xasprintf("DELETE FROM history WHERE version <= %llu;"
                                       "UPDATE meta SET value = %llu WHERE key = 'forgotten';",
                                       (unsigned long long)version, (unsigned long long)version);

    return run_sql(disk, sql, "cannot forget old versions", err);
}

int disk_advance(struct disk *disk, uint64_t version, struct error **err)
{
    sqlite3_bind_int64(disk->set_version, 1, (sqlite3_int64)version);
    if (disk_begin(disk, err) == -1)
        return -1;
    if (run(disk, disk->set_version, "cannot write", err) == 0 &&
        disk_forget(disk, version, err) == 0 &&
        run(disk, disk->commit, "cannot commit", err) == 0)
        return 0;
    disk_rollback(disk);
    return -1;
}

/* --- Keeping ---------------------------------------------------------------------------------- */

/* Reads every sealed row with its key and writes it with the current one. */
static int reseal_rows(struct disk *disk, struct error **err)
{
    sqlite3_stmt *statement = NULL;
    int result, failed = 0;

    if (prepare(disk, &statement,
                "SELECT id, resource, ns, name, uid, rv, labels, key, data FROM objects"
                " WHERE key != 0",
                err) == -1)
        return -1;
    while (!failed && (result = sqlite3_step(statement)) == SQLITE_ROW) {
        CLEANUP(object) struct object *object = NULL;
        struct row row = read_row(statement, 1);
        CLEANUP(str) char *table = xstrdup(row.table);
        failed = read_object(disk, statement, &row, 8, &object, err) == -1;
        if (failed)
            break;
        object->row = sqlite3_column_int64(statement, 0);
        failed = replace_row(disk, table, true, object, err) == -1;
    }
    if (!failed && result != SQLITE_DONE) {
        disk_error(disk, err, "cannot read the sealed objects");
        failed = 1;
    }
    sqlite3_finalize(statement);
    return failed ? -1 : 0;
}

/* The new key is in the file before the first row uses it, the old one until no row needs it: a
 * crash at any point leaves rows that can be read. */
int disk_rotate_key(struct disk *disk, struct error **err)
{
    if (seal_keys_add(disk->keys, err) == -1)
        return -1;
    if (disk_begin(disk, err) == -1)
        return -1;
    /* Old versions that were sealed go with their key: who watches secrets lists them again. */
    if (reseal_rows(disk, err) == -1 ||
        run_sql(disk, "UPDATE history SET data = NULL, last = NULL WHERE key != 0 OR last_key != 0",
                "cannot forget sealed old versions", err) == -1 ||
        run(disk, disk->commit, "cannot commit the sealed objects", err) == -1) {
        disk_rollback(disk);
        return -1;
    }
    /* The old rows are also in the log: write it into the file and empty it. */
    if (run_sql(disk, "PRAGMA wal_checkpoint(TRUNCATE)", "cannot empty the log", err) == -1)
        return -1;
    return seal_keys_forget_old(disk->keys, err);
}

int disk_backup(struct disk *disk, const char *path, const char *key_path, struct error **err)
{
    sqlite3 *to = NULL;

    if (file_exists(path) || file_exists(key_path))
        return error_set(err, ERROR_EXISTS, "the backup \"%s\" is there already", path);
    mode_t before = umask(0077);
    int result = sqlite3_open_v2(path, &to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL);

    umask(before);
    sqlite3_backup *backup =
        result == SQLITE_OK ? sqlite3_backup_init(to, "main", disk->db, "main") : NULL;
    if (backup != NULL) {
        sqlite3_backup_step(backup, -1);
        result = sqlite3_backup_finish(backup);
    } else {
        result = SQLITE_CANTOPEN;
    }
    if (result != SQLITE_OK)
        error_set(err, ERROR_IO, "cannot write the backup \"%s\": %s", path,
                  to == NULL ? "out of memory" : sqlite3_errmsg(to));
    sqlite3_close(to);
    return result == SQLITE_OK ? seal_keys_copy(disk->keys, key_path, err) : -1;
}
