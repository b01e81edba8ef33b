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
#include "apiserver/database.h"

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

struct database {
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

static int database_error(struct database *database, struct error **err, const char *what)
{
    int code = database->db == NULL ? SQLITE_NOMEM : sqlite3_errcode(database->db);
    const char *text = database->db == NULL ? "out of memory" : sqlite3_errmsg(database->db);

    if (database->db != NULL &&
        (sqlite3_system_errno(database->db) == ENOSPC ||
         sqlite3_system_errno(database->db) == EDQUOT) &&
        (code & 0xff) == SQLITE_IOERR)
        code = SQLITE_FULL;
    if ((code & 0xff) == SQLITE_ERROR && !database->is_open)
        code = SQLITE_CORRUPT; /* a head that makes no sense: "unsupported file format" */
    switch (code & 0xff) {
    case SQLITE_FULL:
        error_sys(err, ENOSPC, "%s", what);
        return error_hint(err, "free some space on the disk of \"%s\"; writes go on by themselves",
                          database->path);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        error_set(err, ERROR_CORRUPT, "%s: the database \"%s\" is damaged: %s", what,
                  database->path, text);
        return error_hint(err, "move it away and restore a backup (gantry restore FILE)");
    default:
        return error_set(err, ERROR_IO, "%s: %s", what, text);
    }
}

static int run_sql(struct database *database, const char *sql, const char *what, struct error **err)
{
    if (sqlite3_exec(database->db, sql, NULL, NULL, NULL) != SQLITE_OK)
        return database_error(database, err, what);
    return 0;
}

static int prepare(struct database *database, sqlite3_stmt **statement, const char *sql,
                   struct error **err)
{
    if (sqlite3_prepare_v3(database->db, sql, -1, SQLITE_PREPARE_PERSISTENT, statement, NULL) !=
        SQLITE_OK)
        return database_error(database, err, "cannot prepare a statement");
    return 0;
}

/* Runs a statement that gives no rows, and makes it ready for the next time. */
static int run(struct database *database, sqlite3_stmt *statement, const char *what,
               struct error **err)
{
    int result = sqlite3_step(statement);

    if (result != SQLITE_DONE)
        database_error(database, err, what);
    sqlite3_reset(statement);
    return result == SQLITE_DONE ? 0 : -1;
}

/* The only value that SQL gives, or FALLBACK if it gives none. */
static int read_number(struct database *database, const char *sql, int64_t *value,
                       struct error **err)
{
    sqlite3_stmt *statement = NULL;

    if (prepare(database, &statement, sql, err) == -1)
        return -1;
    int result = sqlite3_step(statement);
    if (result == SQLITE_ROW)
        *value = sqlite3_column_int64(statement, 0);
    else
        database_error(database, err, "cannot read");
    sqlite3_finalize(statement);
    return result == SQLITE_ROW ? 0 : -1;
}

/* A damaged file must be found now, not by the write that makes it worse. */
static int check_health(struct database *database, struct error **err)
{
    sqlite3_stmt *statement = NULL;

    if (prepare(database, &statement, "PRAGMA quick_check(1)", err) == -1)
        return -1;
    int result = sqlite3_step(statement);
    const char *text =
        result == SQLITE_ROW ? (const char *)sqlite3_column_text(statement, 0) : NULL;
    if (result != SQLITE_ROW) {
        database_error(database, err, "cannot check the database");
    } else if (!str_eq(text, "ok")) {
        error_set(err, ERROR_CORRUPT, "the database \"%s\" is damaged: %s", database->path, text);
        error_hint(err, "move it away and restore a backup (gantry restore FILE)");
        result = SQLITE_CORRUPT;
    }
    sqlite3_finalize(statement);
    return result == SQLITE_ROW ? 0 : -1;
}

static int check_layout(struct database *database, struct error **err)
{
    int64_t layout = 0;

    if (read_number(database, "PRAGMA user_version", &layout, err) == -1)
        return -1;
    if (layout > LAYOUT_VERSION) {
        error_set(err, ERROR_UNSUPPORTED,
                  "the database \"%s\" has layout %d, this program knows up to %d", database->path,
                  (int)layout, LAYOUT_VERSION);
        return error_hint(err, "use the newer gantry that wrote it");
    }
    if (layout > 0 && check_health(database, err) == -1)
        return -1;
    for (; layout < LAYOUT_VERSION; layout++) {
        CLEANUP(str) char *sql = xasprintf("BEGIN IMMEDIATE; %s COMMIT;", layouts[layout]);
        if (run_sql(database, sql, "cannot bring the tables to the next layout", err) == -1)
            return -1;
        log_info("store layout: path=%s layout=%d", database->path, (int)layout + 1);
    }
    return 0;
}

static int prepare_all(struct database *database, struct error **err)
{
    if (prepare(database, &database->begin, "BEGIN IMMEDIATE", err) == -1 ||
        prepare(database, &database->commit, "COMMIT", err) == -1 ||
        prepare(database, &database->rollback, "ROLLBACK", err) == -1 ||
        prepare(database, &database->insert,
                "INSERT INTO objects(resource, ns, name, uid, rv, labels, key, data)"
                " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                err) == -1 ||
        prepare(database, &database->update,
                "UPDATE objects SET rv = ?5, labels = ?6, key = ?7, data = ?8 WHERE id = ?9",
                err) == -1 ||
        prepare(database, &database->remove, "DELETE FROM objects WHERE id = ?1", err) == -1 ||
        prepare(database, &database->keep,
                "INSERT INTO history SELECT ?1, ?2, resource, ns, name, uid, rv, labels, key,"
                " CASE WHEN length(data) <= ?3 THEN data END, ?6, ?4 FROM objects WHERE id = ?5",
                err) == -1)
        return -1;
    return prepare(database, &database->set_version,
                   "UPDATE meta SET value = ?1 WHERE key = 'version'", err);
}

static int open_database(struct database *database, struct error **err)
{
    mode_t before = umask(0077);
    int result = sqlite3_open_v2(database->path, &database->db,
                                 SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX |
                                     SQLITE_OPEN_EXRESCODE,
                                 NULL);
    umask(before);
    if (result != SQLITE_OK)
        return database_error(database, err, "cannot open the database");
    sqlite3_busy_timeout(database->db, BUSY_MS);
    CLEANUP(str)
    char *pragmas = xasprintf("PRAGMA cache_size = -%d;"
                              "PRAGMA journal_mode = WAL;"
                              "PRAGMA synchronous = FULL;"
                              "PRAGMA wal_autocheckpoint = 4000;",
                              CACHE_KIB);
    if (run_sql(database, pragmas, "cannot set up the database", err) == -1 ||
        check_layout(database, err) == -1 || prepare_all(database, err) == -1)
        return -1;
    database->is_open = true;
    return 0;
}

int database_open(const struct store_options *options, struct database **out, struct error **err)
{
    struct database *database = xcalloc(1, sizeof(*database));

    database->path = xstrdup(options->path);
    database->keys = seal_keys_open(options->key_path, err);
    if (database->keys == NULL || open_database(database, err) == -1) {
        database_close(database);
        return error_wrap(err, "store \"%s\"", options->path);
    }
    *out = database;
    return 0;
}

void database_close(struct database *database)
{
    if (database == NULL)
        return;
    sqlite3_finalize(database->begin);
    sqlite3_finalize(database->commit);
    sqlite3_finalize(database->rollback);
    sqlite3_finalize(database->insert);
    sqlite3_finalize(database->update);
    sqlite3_finalize(database->remove);
    sqlite3_finalize(database->keep);
    sqlite3_finalize(database->set_version);
    if (sqlite3_close(database->db) != SQLITE_OK)
        log_error("the database did not close: %s", sqlite3_errmsg(database->db));
    seal_keys_free(database->keys);
    free(database->path);
    free(database);
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
static int read_object(struct database *database, sqlite3_stmt *statement, const struct row *row,
                       int column, struct object **out, struct error **err)
{
    const char *data = sqlite3_column_blob(statement, column);
    size_t len = (size_t)sqlite3_column_bytes(statement, column);
    CLEANUP(buf) struct buf plain = BUF_INIT(MAX_SEALED);
    json_t *parsed = NULL;

    if (row->key_id != 0) {
        CLEANUP(str) char *context = seal_context(row->table, row->ns, row->name);
        const unsigned char *key = seal_keys_find(database->keys, row->key_id);
        if (key == NULL)
            return error_set(err, ERROR_CORRUPT,
                             "%s \"%s/%s\" is sealed with key %d, which the "
                             "key file does not have",
                             row->table, row->ns, row->name, (int)row->key_id);
        if (crypto_open(key, context, data, len, &plain, err) == -1)
            return error_wrap(err, "%s \"%s/%s\"", row->table, row->ns, row->name);
        data = plain.ptr;
        len = plain.len;
    }
    if (*row->labels != '\0' && (parsed = obj_parse(row->labels, strlen(row->labels), err)) == NULL)
        return error_wrap(err, "labels of %s \"%s/%s\"", row->table, row->ns, row->name);
    *out = object_new(row->ns, row->name, row->uid, row->version, data, len, parsed);
    return 0;
}

int database_load(struct database *database,
                  void (*each)(void *arg, const char *table, struct object *object), void *arg,
                  uint64_t *version, struct error **err)
{
    sqlite3_stmt *statement = NULL;
    int64_t newest = 0;
    int result;

    if (read_number(database, "SELECT value FROM meta WHERE key = 'version'", &newest, err) == -1 ||
        prepare(database, &statement,
                "SELECT id, resource, ns, name, uid, rv, labels, key, data FROM objects",
                err) == -1)
        return -1;
    while ((result = sqlite3_step(statement)) == SQLITE_ROW) {
        struct object *object = NULL;
        struct row row = read_row(statement, 1);
        if (read_object(database, statement, &row, 8, &object, err) == -1) {
            sqlite3_finalize(statement);
            return -1;
        }
        object->row = sqlite3_column_int64(statement, 0);
        each(arg, row.table, object);
    }
    if (result != SQLITE_DONE)
        database_error(database, err, "cannot read the objects");
    sqlite3_finalize(statement);
    *version = (uint64_t)newest;
    return result == SQLITE_DONE ? 0 : -1;
}

/* The change of the current row of the history. */
static int read_change(struct database *database, sqlite3_stmt *statement,
                       struct disk_change *change, struct error **err)
{
    struct row row = read_row(statement, 2);

    *change = (struct disk_change){.table = row.table,
                                   .version = (uint64_t)sqlite3_column_int64(statement, 0)};
    if (sqlite3_column_type(statement, 9) != SQLITE_NULL &&
        read_object(database, statement, &row, 9, &change->old, err) == -1)
        return -1;
    if (sqlite3_column_int64(statement, 1) == 0 || change->old == NULL)
        return 0;
    row.version = change->version;
    row.key_id =
        sqlite3_column_int64(statement, 10); /* after a rotation that failed, another one */
    if (sqlite3_column_type(statement, 11) != SQLITE_NULL &&
        read_object(database, statement, &row, 11, &change->last, err) == 0)
        return 0;
    object_unref(steal(&change->old));
    return *err == NULL ? 0 : -1;
}

int database_load_history(struct database *database,
                          void (*each)(void *arg, const struct disk_change *change), void *arg,
                          uint64_t *forgotten, struct error **err)
{
    sqlite3_stmt *statement = NULL;
    int64_t until = 0;
    int result;

    if (read_number(database, "SELECT value FROM meta WHERE key = 'forgotten'", &until, err) ==
            -1 ||
        prepare(database, &statement,
                "SELECT version, removed, resource, ns, name, uid, rv, labels, key, data, last_key,"
                " last FROM history ORDER BY version",
                err) == -1)
        return -1;
    while ((result = sqlite3_step(statement)) == SQLITE_ROW) {
        struct disk_change change;
        if (read_change(database, statement, &change, err) == -1) {
            sqlite3_finalize(statement);
            return -1;
        }
        each(arg, &change);
    }
    if (result != SQLITE_DONE)
        database_error(database, err, "cannot read the history");
    sqlite3_finalize(statement);
    *forgotten = (uint64_t)until;
    return result == SQLITE_DONE ? 0 : -1;
}

/* --- Writing ---------------------------------------------------------------------------------- */

int database_begin(struct database *database, struct error **err)
{
    return run(database, database->begin, "cannot begin a write", err);
}

int database_commit(struct database *database, uint64_t version, struct error **err)
{
    sqlite3_bind_int64(database->set_version, 1, (sqlite3_int64)version);
    if (run(database, database->set_version, "cannot write", err) == -1)
        return -1;
    if (fault("store.commit"))
        return error_sys(err, EIO, "cannot commit");
    return run(database, database->commit, "cannot commit", err);
}

void database_rollback(struct database *database)
{
    CLEANUP(error) struct error *err = NULL;

    /* SQLite has rolled back by itself after some errors. */
    if (sqlite3_get_autocommit(database->db) == 0 &&
        run(database, database->rollback, "cannot roll back", &err) == -1)
        log_warn_error(err, "store");
}

/* What goes into the database of OBJECT: its text, or that sealed into CIPHER. */
static int seal_object(struct database *database, const char *table, bool sealed,
                       const struct object *object, struct buf *cipher, struct span *data,
                       int64_t *key_id, struct error **err)
{
    *key_id = 0;
    *data = (struct span){object->text, object->len};
    if (!sealed)
        return 0;
    CLEANUP(str) char *context = seal_context(table, object->ns, object->name);
    const unsigned char *key = seal_keys_current(database->keys, key_id);
    if (crypto_seal(key, context, object->text, object->len, cipher, err) == -1)
        return -1;
    *data = buf_span(cipher);
    return 0;
}

/* Binds what insert and update have in common, and runs it. */
static int write_object(struct database *database, sqlite3_stmt *statement, const char *table,
                        bool sealed, const struct object *object, struct error **err)
{
    CLEANUP(buf) struct buf cipher = BUF_INIT(MAX_SEALED);
    CLEANUP(str) char *labels = object->labels == NULL ? NULL : obj_format(object->labels);
    int64_t key_id;
    struct span data;

    if (seal_object(database, table, sealed, object, &cipher, &data, &key_id, err) == -1)
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
    int result = run(database, statement, "cannot write an object", err);
    sqlite3_clear_bindings(statement);
    return result;
}

/* Puts what OBJECT's version replaces into the history; LAST, unless its pointer is NULL, is the
 * last state of what is removed. */
static int keep_old(struct database *database, const struct object *object, struct span last,
                    int64_t last_key, struct error **err)
{
    sqlite3_bind_int64(database->keep, 1, (sqlite3_int64)object->rv);
    sqlite3_bind_int64(database->keep, 2, last.ptr != NULL);
    sqlite3_bind_int64(database->keep, 3, MAX_KEPT_BYTES);
    if (last.ptr == NULL || last.len > MAX_KEPT_BYTES)
        sqlite3_bind_null(database->keep, 4);
    else
        sqlite3_bind_blob64(database->keep, 4, last.ptr, last.len, SQLITE_STATIC);
    sqlite3_bind_int64(database->keep, 5, object->row);
    sqlite3_bind_int64(database->keep, 6, last_key);
    int result = run(database, database->keep, "cannot keep an old version", err);
    sqlite3_clear_bindings(database->keep);
    return result;
}

int database_insert(struct database *database, const char *table, bool sealed,
                    struct object *object, struct error **err)
{
    sqlite3_bind_text(database->insert, 1, table, -1, SQLITE_STATIC);
    sqlite3_bind_text(database->insert, 2, object->ns, -1, SQLITE_STATIC);
    sqlite3_bind_text(database->insert, 3, object->name, -1, SQLITE_STATIC);
    sqlite3_bind_text(database->insert, 4, object->uid, -1, SQLITE_STATIC);
    if (write_object(database, database->insert, table, sealed, object, err) == -1)
        return -1;
    object->row = sqlite3_last_insert_rowid(database->db);
    return 0;
}

static int replace_row(struct database *database, const char *table, bool sealed,
                       const struct object *object, struct error **err)
{
    sqlite3_bind_int64(database->update, 9, object->row);
    return write_object(database, database->update, table, sealed, object, err);
}

int database_update(struct database *database, const char *table, bool sealed,
                    const struct object *object, struct error **err)
{
    if (keep_old(database, object, (struct span){NULL, 0}, 0, err) == -1)
        return -1;
    return replace_row(database, table, sealed, object, err);
}

int database_delete(struct database *database, const char *table, bool sealed,
                    const struct object *object, struct error **err)
{
    CLEANUP(buf) struct buf cipher = BUF_INIT(MAX_SEALED);
    struct span last;
    int64_t key_id;

    if (seal_object(database, table, sealed, object, &cipher, &last, &key_id, err) == -1 ||
        keep_old(database, object, last, key_id, err) == -1)
        return -1;
    sqlite3_bind_int64(database->remove, 1, object->row);
    if (fault("store.write"))
        return error_sys(err, EIO, "cannot remove an object");
    return run(database, database->remove, "cannot remove an object", err);
}

int database_forget(struct database *database, uint64_t version, struct error **err)
{
    CLEANUP(str)
    char *sql = xasprintf("DELETE FROM history WHERE version <= %llu;"
                          "UPDATE meta SET value = %llu WHERE key = 'forgotten';",
                          (unsigned long long)version, (unsigned long long)version);

    return run_sql(database, sql, "cannot forget old versions", err);
}

int database_advance(struct database *database, uint64_t version, struct error **err)
{
    sqlite3_bind_int64(database->set_version, 1, (sqlite3_int64)version);
    if (database_begin(database, err) == -1)
        return -1;
    if (run(database, database->set_version, "cannot write", err) == 0 &&
        database_forget(database, version, err) == 0 &&
        run(database, database->commit, "cannot commit", err) == 0)
        return 0;
    database_rollback(database);
    return -1;
}

/* --- Keeping ---------------------------------------------------------------------------------- */

/* Reads every sealed row with its key and writes it with the current one. */
static int reseal_rows(struct database *database, struct error **err)
{
    sqlite3_stmt *statement = NULL;
    int result, failed = 0;

    if (prepare(database, &statement,
                "SELECT id, resource, ns, name, uid, rv, labels, key, data FROM objects"
                " WHERE key != 0",
                err) == -1)
        return -1;
    while (!failed && (result = sqlite3_step(statement)) == SQLITE_ROW) {
        CLEANUP(object) struct object *object = NULL;
        struct row row = read_row(statement, 1);
        CLEANUP(str) char *table = xstrdup(row.table);
        failed = read_object(database, statement, &row, 8, &object, err) == -1;
        if (failed)
            break;
        object->row = sqlite3_column_int64(statement, 0);
        failed = replace_row(database, table, true, object, err) == -1;
    }
    if (!failed && result != SQLITE_DONE) {
        database_error(database, err, "cannot read the sealed objects");
        failed = 1;
    }
    sqlite3_finalize(statement);
    return failed ? -1 : 0;
}

/* The new key is in the file before the first row uses it, the old one until no row needs it: a
 * crash at any point leaves rows that can be read. */
int database_rotate_key(struct database *database, struct error **err)
{
    if (seal_keys_add(database->keys, err) == -1)
        return -1;
    if (database_begin(database, err) == -1)
        return -1;
    /* Old versions that were sealed go with their key: who watches secrets lists them again. */
    if (reseal_rows(database, err) == -1 ||
        run_sql(database,
                "UPDATE history SET data = NULL, last = NULL WHERE key != 0 OR last_key != 0",
                "cannot forget sealed old versions", err) == -1 ||
        run(database, database->commit, "cannot commit the sealed objects", err) == -1) {
        database_rollback(database);
        return -1;
    }
    /* The old rows are also in the log: write it into the file and empty it. */
    if (run_sql(database, "PRAGMA wal_checkpoint(TRUNCATE)", "cannot empty the log", err) == -1)
        return -1;
    return seal_keys_forget_old(database->keys, err);
}

int database_backup(struct database *database, const char *path, const char *key_path,
                    struct error **err)
{
    sqlite3 *to = NULL;

    if (file_exists(path) || file_exists(key_path))
        return error_set(err, ERROR_EXISTS, "the backup \"%s\" is there already", path);
    mode_t before = umask(0077);
    int result = sqlite3_open_v2(path, &to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL);

    umask(before);
    sqlite3_backup *backup =
        result == SQLITE_OK ? sqlite3_backup_init(to, "main", database->db, "main") : NULL;
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
    return result == SQLITE_OK ? seal_keys_copy(database->keys, key_path, err) : -1;
}
