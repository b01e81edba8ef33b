#include "apiserver/test_faulty_disk.h"

#include "base/mem.h"
#include "base/thread.h"
#include "base/vector.h"

#include <assert.h>
#include <errno.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

/* What was written and not synced.  DATA NULL: the file was cut at OFFSET. */
struct pending {
    sqlite3_int64 offset;
    int len;
    char *data;
};

DEFINE_VECTOR(pending_list, struct pending)

struct faulty_file {
    sqlite3_file base;
    sqlite3_file *real; /* behind this struct */
    struct pending_list pending;
    sqlite3_int64 size; /* as it is with what is pending */
};

static struct {
    pthread_mutex_t lock;
    sqlite3_vfs *real;
    sqlite3_vfs vfs;
    enum disk_call call; /* which one fails; guarded by lock, also the rest */
    enum disk_failure failure;
    uint64_t nth; /* 0: none */
    bool goes_on, has_failed, power_is_gone;
    uint64_t seen;
    unsigned random;
} disk = {.lock = PTHREAD_MUTEX_INITIALIZER};

void faulty_disk_fail(enum disk_call call, enum disk_failure failure, uint64_t nth, bool goes_on)
{
    LOCK_SCOPE(&disk.lock);
    disk.call = call;
    disk.failure = failure;
    disk.nth = nth;
    disk.goes_on = goes_on;
    disk.seen = 0;
    disk.has_failed = false;
    disk.random = (unsigned)nth * 2654435761U;
}

bool faulty_disk_heal(void)
{
    LOCK_SCOPE(&disk.lock);
    disk.nth = 0;
    disk.power_is_gone = false;
    return disk.has_failed;
}

/* Whether this call must fail, and how. */
static bool fails(enum disk_call call, enum disk_failure *failure)
{
    LOCK_SCOPE(&disk.lock);
    *failure = DISK_EIO;
    if (disk.power_is_gone)
        return true;
    if (disk.nth == 0 || call != disk.call)
        return false;
    disk.seen++;
    if (disk.seen != disk.nth && !(disk.goes_on && disk.seen > disk.nth))
        return false;
    disk.has_failed = true;
    *failure = disk.failure;
    disk.power_is_gone = disk.failure == DISK_POWER;
    return true;
}

/* Some writes reach the disk early, others not before the sync: any may be there after a power cut. */
static bool is_early(void)
{
    LOCK_SCOPE(&disk.lock);
    disk.random = disk.random * 1103515245U + 12345U;
    return (disk.random >> 16 & 3) == 0;
}

/* --- Files ------------------------------------------------------------------------------------ */

static struct faulty_file *file_of(sqlite3_file *file)
{
    return (struct faulty_file *)file;
}

static void drop_pending(struct faulty_file *file)
{
    for (size_t i = 0; i < file->pending.len; i++)
        free(file->pending.ptr[i].data);
    pending_list_reset(&file->pending);
}

static int apply(struct faulty_file *file, const struct pending *p)
{
    return p->data == NULL ? file->real->pMethods->xTruncate(file->real, p->offset)
                           : file->real->pMethods->xWrite(file->real, p->data, p->len, p->offset);
}

static int apply_pending(struct faulty_file *file)
{
    int result = SQLITE_OK;

    for (size_t i = 0; i < file->pending.len && result == SQLITE_OK; i++)
        result = apply(file, &file->pending.ptr[i]);
    drop_pending(file);
    return result;
}

static int faulty_close(sqlite3_file *base)
{
    struct faulty_file *file = file_of(base);

    /* closing does not sync; but without a power cut the system writes it some time */
    disk.power_is_gone ? drop_pending(file) : (void)apply_pending(file);
    return file->real->pMethods->xClose(file->real);
}

/* Lays what is pending over what was read. */
static void overlay(const struct faulty_file *file, char *into, int len, sqlite3_int64 offset)
{
    for (size_t i = 0; i < file->pending.len; i++) {
        const struct pending *p = &file->pending.ptr[i];
        sqlite3_int64 from = p->offset > offset ? p->offset : offset;
        sqlite3_int64 end = p->offset + p->len < offset + len ? p->offset + p->len : offset + len;
        if (p->data != NULL && from < end)
            memcpy(into + (from - offset), p->data + (from - p->offset), (size_t)(end - from));
        else if (p->data == NULL && p->offset < offset + len)
            memset(into + (from - offset), 0, (size_t)(offset + len - from));
    }
}

static int faulty_read(sqlite3_file *base, void *into, int len, sqlite3_int64 offset)
{
    struct faulty_file *file = file_of(base);
    enum disk_failure failure;

    if (fails(DISK_READ, &failure))
        return SQLITE_IOERR_READ;
    int result = file->real->pMethods->xRead(file->real, into, len, offset);
    if (result != SQLITE_OK && result != SQLITE_IOERR_SHORT_READ)
        return result;
    if (file->pending.len == 0)
        return result;
    overlay(file, into, len, offset);
    return offset + len <= file->size ? SQLITE_OK : SQLITE_IOERR_SHORT_READ;
}

static int put(struct faulty_file *file, const void *data, int len, sqlite3_int64 offset)
{
    const struct pending p = {offset, len, xmemdup(data, (size_t)len)};

    if (is_early() && apply(file, &p) != SQLITE_OK) {
        free(p.data);
        return SQLITE_IOERR_WRITE;
    }
    pending_list_push(&file->pending, p);
    if (offset + len > file->size)
        file->size = offset + len;
    return SQLITE_OK;
}

static int faulty_write(sqlite3_file *base, const void *data, int len, sqlite3_int64 offset)
{
    enum disk_failure failure;

    if (!fails(DISK_WRITE, &failure))
        return put(file_of(base), data, len, offset);
    if (failure == DISK_ENOSPC)
        return SQLITE_FULL;
    if (failure == DISK_SHORT)
        put(file_of(base), data, len / 2, offset);
    return SQLITE_IOERR_WRITE;
}

static int faulty_truncate(sqlite3_file *base, sqlite3_int64 size)
{
    struct faulty_file *file = file_of(base);
    enum disk_failure failure;

    if (fails(DISK_TRUNCATE, &failure))
        return SQLITE_IOERR_TRUNCATE;
    pending_list_push(&file->pending, (struct pending){.offset = size});
    file->size = size;
    return SQLITE_OK;
}

static int faulty_sync(sqlite3_file *base, int flags)
{
    struct faulty_file *file = file_of(base);
    enum disk_failure failure;

    if (fails(DISK_SYNC, &failure)) {
        if (failure == DISK_LOST) {
            drop_pending(file);
            file->real->pMethods->xFileSize(file->real, &file->size);
        }
        return SQLITE_IOERR_FSYNC;
    }
    return apply_pending(file); /* the power of the machine that tests is no matter */
}

static int faulty_size(sqlite3_file *base, sqlite3_int64 *size)
{
    *size = file_of(base)->size;
    return SQLITE_OK;
}

/* --- What is passed on ------------------------------------------------------------------------ */

static int faulty_lock(sqlite3_file *base, int level)
{
    return file_of(base)->real->pMethods->xLock(file_of(base)->real, level);
}

static int faulty_unlock(sqlite3_file *base, int level)
{
    return file_of(base)->real->pMethods->xUnlock(file_of(base)->real, level);
}

static int faulty_check_lock(sqlite3_file *base, int *is_reserved)
{
    return file_of(base)->real->pMethods->xCheckReservedLock(file_of(base)->real, is_reserved);
}

static int faulty_control(sqlite3_file *base, int what, void *arg)
{
    /* room ahead is the real file's; what is pending must not be seen by the file system */
    if (what == SQLITE_FCNTL_SIZE_HINT || what == SQLITE_FCNTL_CHUNK_SIZE)
        return SQLITE_OK;
    return file_of(base)->real->pMethods->xFileControl(file_of(base)->real, what, arg);
}

static int faulty_sector_size(sqlite3_file *base)
{
    return file_of(base)->real->pMethods->xSectorSize(file_of(base)->real);
}

static int faulty_characteristics(sqlite3_file *base)
{
    return SQLITE_IOCAP_POWERSAFE_OVERWRITE; /* as SQLite takes for granted, and nothing more */
}

static int faulty_shm_map(sqlite3_file *base, int region, int size, int extend, void volatile **at)
{
    return file_of(base)->real->pMethods->xShmMap(file_of(base)->real, region, size, extend, at);
}

static int faulty_shm_lock(sqlite3_file *base, int offset, int n, int flags)
{
    return file_of(base)->real->pMethods->xShmLock(file_of(base)->real, offset, n, flags);
}

static void faulty_shm_barrier(sqlite3_file *base)
{
    file_of(base)->real->pMethods->xShmBarrier(file_of(base)->real);
}

static int faulty_shm_unmap(sqlite3_file *base, int remove)
{
    return file_of(base)->real->pMethods->xShmUnmap(file_of(base)->real, remove);
}

static const sqlite3_io_methods faulty_methods = {
    .iVersion = 2,
    .xClose = faulty_close,
    .xRead = faulty_read,
    .xWrite = faulty_write,
    .xTruncate = faulty_truncate,
    .xSync = faulty_sync,
    .xFileSize = faulty_size,
    .xLock = faulty_lock,
    .xUnlock = faulty_unlock,
    .xCheckReservedLock = faulty_check_lock,
    .xFileControl = faulty_control,
    .xSectorSize = faulty_sector_size,
    .xDeviceCharacteristics = faulty_characteristics,
    .xShmMap = faulty_shm_map,
    .xShmLock = faulty_shm_lock,
    .xShmBarrier = faulty_shm_barrier,
    .xShmUnmap = faulty_shm_unmap,
};

static int faulty_open(sqlite3_vfs *vfs, sqlite3_filename name, sqlite3_file *base, int flags,
                       int *out_flags)
{
    struct faulty_file *file = file_of(base);
    enum disk_failure failure;

    *file = (struct faulty_file){.real = (sqlite3_file *)(void *)(file + 1)};
    if (fails(DISK_OPEN, &failure))
        return failure == DISK_ENOSPC ? SQLITE_FULL : SQLITE_CANTOPEN;
    int result = disk.real->xOpen(disk.real, name, file->real, flags, out_flags);
    if (result != SQLITE_OK)
        return result;
    file->base.pMethods = &faulty_methods;
    return file->real->pMethods->xFileSize(file->real, &file->size);
}

static int faulty_delete(sqlite3_vfs *vfs, const char *name, int sync)
{
    enum disk_failure failure;

    return fails(DISK_CALLS, &failure) ? SQLITE_IOERR_DELETE
                                       : disk.real->xDelete(disk.real, name, sync);
}

void faulty_disk_install(void)
{
    disk.real = sqlite3_vfs_find(NULL);
    assert(disk.real != NULL && disk.real != &disk.vfs);
    disk.vfs = *disk.real;
    disk.vfs.zName = "faulty";
    disk.vfs.szOsFile = (int)sizeof(struct faulty_file) + disk.real->szOsFile;
    disk.vfs.xOpen = faulty_open;
    disk.vfs.xDelete = faulty_delete;
    sqlite3_vfs_register(&disk.vfs, 1);
}
