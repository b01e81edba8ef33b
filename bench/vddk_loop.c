/* The simplest reader of a disk through VMware's library: one read at a time, written to a file, as
 * CDI's importer has it.  For bench/vddk.sh.
 *
 *     bench-vddk-loop LIBRARY_DIR DISK FILE REQUEST_BYTES */
#include "base/error.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/thread.h"
#include "disk/vddk_library.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct waiting {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool done, failed; /* guarded by lock */
};

static void on_done(void *arg, uint32_t slot, enum vddk_result result, const char *text)
{
    struct waiting *waiting = arg;
    LOCK_SCOPE(&waiting->lock);

    waiting->done = true;
    waiting->failed = result != VDDK_DONE;
    pthread_cond_broadcast(&waiting->changed);
}

static bool read_one(struct vddk_library *library, struct waiting *waiting, void *data, size_t len,
                     uint64_t offset)
{
    waiting->done = false;
    vddk_library_read(library, 0, data, len, offset);
    LOCK_SCOPE(&waiting->lock);
    while (!waiting->done)
        cond_wait(&waiting->changed, &waiting->lock, DEADLINE_NONE);
    return !waiting->failed;
}

int main(int argc, char **argv)
{
    struct waiting waiting = {.lock = PTHREAD_MUTEX_INITIALIZER};
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(vddk_library) struct vddk_library *library = NULL;

    if (argc != 5)
        return 2;
    cond_init(&waiting.changed);
    const struct vddk_params params = {.dir = argv[1], .server = "localhost", .machine = "vm-1",
                                       .disk = argv[2], .done = on_done, .arg = &waiting};
    size_t request = strtoul(argv[4], NULL, 10);
    CLEANUP(str) char *data = xmalloc(request);
    CLEANUP(fd) int fd = open(argv[3], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd == -1 || vddk_library_open(&params, &library, &err) == -1)
        return 1;
    uint64_t size = vddk_library_size(library);
    for (uint64_t at = 0; at < size; at += request) {
        size_t len = size - at < request ? (size_t)(size - at) : request;

        if (!read_one(library, &waiting, data, len, at) ||
            fd_pwrite_all(fd, data, len, at, argv[3], &err) == -1)
            return 1;
    }
    return fdatasync(fd) == -1 && errno != EINVAL; /* /dev/null */
}
