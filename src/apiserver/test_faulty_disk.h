/* A disk that fails when it is told to, below SQLite: for the tests of the store.
 *
 * Installed, it stands between SQLite and the files of every database that is opened afterwards.  What
 * is written goes into a cache of its own first, as a disk's does, and to the file when it is synced;
 * when the power goes what was not synced is lost, but for a part that the disk had written early.
 *
 * May use: sqlite3.  Threads: all functions may be called from any thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum disk_call { DISK_OPEN, DISK_READ, DISK_WRITE, DISK_SYNC, DISK_TRUNCATE, DISK_CALLS };

enum disk_failure {
    DISK_EIO,    /* nothing is done */
    DISK_ENOSPC, /* writes: nothing is done, the disk is full */
    DISK_SHORT,  /* writes: the first half is done */
    DISK_LOST,   /* syncs: fails, and what was not synced is gone, as Linux does it */
    DISK_POWER,  /* the power goes: nothing works any more */
    DISK_FAILURES,
};

/* The default for databases from now on. */
void faulty_disk_install(void);

/* The NTH call of that kind from now on fails in that way, and with GOES_ON all behind it. */
void faulty_disk_fail(enum disk_call call, enum disk_failure failure, uint64_t nth, bool goes_on);
/* It works again, power included. Says whether it had failed. */
bool faulty_disk_heal(void);
