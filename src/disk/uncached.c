#include "disk/uncached.h"

#include "base/error.h"
#include "base/fault.h"
#include "base/mem.h"
#include "base/thread.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <sys/utsname.h>

#ifndef RWF_DONTCACHE
#define RWF_DONTCACHE 0x80
#endif

/* The first kernel in which all file systems that take the flag keep what is written twice. */
enum { KERNEL_MAJOR = 6, KERNEL_MINOR = 16 };

enum {
    PIECE = 256 << 10, /* of one call, see doc/design/copy-engine.md */
    MAX_RANGES = 64,   /* on their way to the disk, each of at most ... */
    RANGE = 1 << 20,
};

struct range {
    uint64_t offset;
    size_t len;
};

struct uncached {
    int fd;
    char *name;
    pthread_mutex_t lock;
    struct range ranges[MAX_RANGES]; /* guarded by lock: a ring, the oldest at NEXT once it is full */
    size_t next;                     /* guarded by lock */
};

static bool kernel_is_sound(void)
{
    struct utsname name;
    int major = 0;
    int minor = 0;

    return uname(&name) == 0 && sscanf(name.release, "%d.%d", &major, &minor) == 2 &&
           (major > KERNEL_MAJOR || (major == KERNEL_MAJOR && minor >= KERNEL_MINOR));
}

struct uncached *uncached_new(int fd, const char *name)
{
    char byte;
    struct iovec vector = {&byte, 1};

    /* A read is refused as a write would be, and changes nothing. */
    if (fault("uncached.open") || !kernel_is_sound() ||
        preadv2(fd, &vector, 1, 0, RWF_DONTCACHE) == -1)
        return NULL;
    struct uncached *uncached = xcalloc(1, sizeof(*uncached));
    uncached->fd = fd;
    uncached->name = xstrdup(name);
    pthread_mutex_init(&uncached->lock, NULL);
    return uncached;
}

void uncached_free(struct uncached *uncached)
{
    if (uncached == NULL)
        return;
    pthread_mutex_destroy(&uncached->lock);
    free(uncached->name);
    free(uncached);
}

/* Notes a range that was handed over; waits for the one that was as many before it. */
static int await_room(struct uncached *uncached, struct range range, struct error **err)
{
    struct range oldest;

    pthread_mutex_lock(&uncached->lock);
    oldest = uncached->ranges[uncached->next];
    uncached->ranges[uncached->next] = range;
    uncached->next = (uncached->next + 1) % MAX_RANGES;
    pthread_mutex_unlock(&uncached->lock);
    if (oldest.len == 0 || sync_file_range(uncached->fd, (off_t)oldest.offset, (off_t)oldest.len,
                                           SYNC_FILE_RANGE_WAIT_BEFORE) == 0)
        return 0;
    return error_sys(err, errno, "cannot write \"%s\" at byte %" PRIu64, uncached->name,
                     oldest.offset);
}

static int write_range(struct uncached *uncached, const char *data, size_t len, uint64_t offset,
                       struct error **err)
{
    struct range range = {offset, len};

    while (len > 0) {
        struct iovec vector = {(void *)(uintptr_t)data, len < PIECE ? len : PIECE};
        ssize_t done = pwritev2(uncached->fd, &vector, 1, (off_t)offset, RWF_DONTCACHE);

        if (done == -1 && errno == EINTR)
            continue;
        if (done == -1)
            return error_sys(err, errno, "cannot write \"%s\" at byte %" PRIu64, uncached->name,
                             offset);
        data += done;
        offset += (uint64_t)done;
        len -= (size_t)done;
    }
    return await_room(uncached, range, err);
}

int uncached_write(struct uncached *uncached, const void *data, size_t len, uint64_t offset,
                   struct error **err)
{
    for (const char *from = data; len > 0;) {
        size_t part = len < RANGE ? len : RANGE;

        if (write_range(uncached, from, part, offset, err) == -1)
            return -1;
        from += part;
        offset += part;
        len -= part;
    }
    return 0;
}
