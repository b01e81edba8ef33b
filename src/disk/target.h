/* Where a copy goes: a raw file, a block device, an NBD export, a qcow2 image, nowhere.
 *
 * One file and one table of functions for each kind.  May use: base.
 * Threads: target_write and target_zero may be called from several threads at once, on ranges that
 * do not overlap; target_sync beside them.  The rest belongs to one thread.
 */
#pragma once

#include "base/cleanup.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cancel;
struct error;
struct target;
struct target_lane;
struct uring;

#define TARGET_SIZE_UNKNOWN UINT64_MAX

#define TARGET_FULL_HINT "make room, then go on with --resume if a map was kept"

enum { TARGET_ALIGNMENT = 4096 }; /* of buffers, offsets and lengths that direct writing can use */

/* Zero is the sensible default of each. */
struct target_options {
    const char *format;   /* "raw" or "qcow2"; NULL: raw */
    bool keep_content;    /* what is there stays where nothing is written (resume, changed areas) */
    bool keep_size;       /* an existing file that is larger than the disk stays so */
    bool is_zero;         /* the user promises that the destination reads as zeroes */
    bool direct;          /* fail unless a file can be written past the page cache */
    bool buffered;        /* write a file through the page cache */
    bool no_sync;         /* skip what makes the copy durable */
    bool is_plain;        /* what is written was only read: the processors have time to copy it */
    unsigned connections; /* of NBD; 0: as many as useful */
    int64_t timeout_ms;   /* for one answer of a server; 0: 60 s */
    struct cancel *cancel;
};

struct target_ops {
    void (*close)(struct target *target);
    int (*write)(struct target *target, const void *data, size_t len, uint64_t offset,
                 struct error **err);
    int (*zero)(struct target *target, uint64_t offset, uint64_t length, struct error **err);
    int (*sync)(struct target *target, struct error **err);
    int (*finish)(struct target *target, uint64_t size_bytes, struct error **err);

    /* Begins to write as target_write does, through RING; NULL: cannot. */
    int (*write_later)(struct target *target, struct uring *ring, const void *data, size_t len,
                       uint64_t offset, struct error **err);

    /* As target_share; NULL: never. */
    bool (*share)(struct target *target, int fd, uint64_t from, uint64_t offset, uint64_t length);
};

/* Embedded as the first member by each kind. */
struct target {
    const struct target_ops *ops;
    char *name;
    bool reads_zero; /* where nothing was written */
    bool is_remote;
    bool is_async; /* WRITE_LATER can be used */
};

/* Opens DESTINATION for a disk of SIZE_BYTES (or TARGET_SIZE_UNKNOWN): a path, nbd:// and its kin,
 * null:.  A file is created, or emptied unless its content is kept.  A destination of fixed size
 * that is too small is ERROR_INVALID. */
int target_open(const char *destination, uint64_t size_bytes, const struct target_options *options,
                struct target **out, struct error **err);

void target_close(struct target *target);

int target_write(struct target *target, const void *data, size_t len, uint64_t offset,
                 struct error **err);

/* One thread's own way into a target: writes that go on, where that is possible, while the thread
 * reads and unpacks what comes next into another buffer.  There are COUNT buffers of LEN bytes.  Never
 * NULL. */
struct target_lane *target_lane_open(struct target *target, void *const *buffers, size_t count,
                                     size_t len);
void target_lane_close(struct target_lane *lane); /* waits for what is still on its way */

/* True if writes go on behind their return: the data must then stay until target_lane_wait. */
bool target_lane_is_async(const struct target_lane *lane);

/* As target_write, but errors may come later, by target_lane_wait. */
int target_lane_write(struct target_lane *lane, const void *data, size_t len, uint64_t offset,
                      struct error **err);

/* Hands to the kernel what was begun, at the latest now. */
void target_lane_submit(struct target_lane *lane);

/* Waits until all that was begun is written. */
int target_lane_wait(struct target_lane *lane, struct error **err);

/* Makes the range share the storage of LENGTH bytes from FROM on in the file FD (a reflink), so that
 * nothing is read or written.  False if that is not possible: the bytes must then be written. */
bool target_share(struct target *target, int fd, uint64_t from, uint64_t offset, uint64_t length);

/* Makes the range read as zeroes, without storing them where the destination can. */
int target_zero(struct target *target, uint64_t offset, uint64_t length, struct error **err);

/* On success, all that was written before the call survives a power failure. */
int target_sync(struct target *target, struct error **err);

/* Ends the copy: sets the size of a file where it was unknown and makes all durable, the name of a
 * new file too.  Must be called for a copy to count. */
int target_finish(struct target *target, uint64_t size_bytes, struct error **err);

/* For the kinds.  Files and block devices; null:. */
int target_file_open(const char *path, uint64_t size_bytes, const struct target_options *options,
                     struct target **out, struct error **err);
struct target *target_null_open(void);

DEFINE_CLEANUP(target, struct target *, target_close)
