#include "disk/target_nbd.h"

#include "base/error.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/process.h"
#include "base/text.h"
#include "data/obj.h"
#include "disk/nbd_pool.h"
#include "disk/qemu_nbd.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    CREATE_TIMEOUT_MS = 60000,
    MAX_OUTPUT = 4096,
    DIRECT_WRITE = 1 << 20, /* bytes of one request to a child that writes past the page cache */
};

struct nbd_target {
    struct target target;
    struct nbd_pool *pool;
    struct qemu_nbd *child; /* of a qcow2 image, or NULL */
    bool no_sync;
    uint64_t size_bytes;
};

static void nbd_target_close(struct target *target)
{
    struct nbd_target *nbd = (struct nbd_target *)target;

    nbd_pool_close(nbd->pool);
    qemu_nbd_free(nbd->child);
    free(nbd);
}

static int nbd_target_write(struct target *target, const void *data, size_t len, uint64_t offset,
                            struct error **err)
{
    struct nbd_target *nbd = (struct nbd_target *)target;

    if (offset > nbd->size_bytes || len > nbd->size_bytes - offset)
        return error_set(err, ERROR_INVALID, "\"%s\" has only %" PRIu64 " bytes", target->name,
                         nbd->size_bytes);
    return nbd_pool_write(nbd->pool, data, len, offset, err);
}

static int nbd_target_zero(struct target *target, uint64_t offset, uint64_t length,
                           struct error **err)
{
    return nbd_pool_zero(((struct nbd_target *)target)->pool, offset, length, err);
}

static int nbd_target_sync(struct target *target, struct error **err)
{
    struct nbd_target *nbd = (struct nbd_target *)target;

    return nbd->no_sync ? 0 : nbd_pool_flush(nbd->pool, err);
}

/* The image's own end counts too: QEMU writes its tables when it closes it. */
static int nbd_target_finish(struct target *target, uint64_t size_bytes, struct error **err)
{
    struct nbd_target *nbd = (struct nbd_target *)target;

    if (nbd_target_sync(target, err) == -1)
        return -1;
    if (nbd->child == NULL)
        return 0;
    nbd_pool_close(steal(&nbd->pool));
    if (qemu_nbd_stop(steal(&nbd->child), err) == -1)
        return error_wrap(err, "cannot finish \"%s\"", target->name);
    return 0;
}

/* As target_nbd_open, by requests of WRITE_BYTES. */
static int open_export(const char *uri, uint64_t size_bytes, const struct target_options *options,
                       size_t write_bytes, struct target **out, struct error **err)
{
    static const struct target_ops ops = {nbd_target_close, nbd_target_write, nbd_target_zero,
                                          nbd_target_sync, nbd_target_finish};
    struct nbd_pool_options pool_options = {.connections = options->connections,
                                            .timeout_ms = options->timeout_ms,
                                            .writable = true,
                                            .write_bytes = write_bytes,
                                            .cancel = options->cancel};
    CLEANUP(nbd_pool) struct nbd_pool *pool = NULL;

    if (nbd_pool_open(uri, &pool_options, &pool, err) == -1)
        return -1;
    if (size_bytes != TARGET_SIZE_UNKNOWN && nbd_pool_size(pool) < size_bytes)
        return error_set(err, ERROR_INVALID, "\"%s\" has %" PRIu64 " bytes, the disk %" PRIu64, uri,
                         nbd_pool_size(pool), size_bytes);
    struct nbd_target *nbd = xcalloc(1, sizeof(*nbd));
    nbd->target = (struct target){
        .ops = &ops, .name = xstrdup(uri), .reads_zero = options->is_zero, .is_remote = true};
    nbd->size_bytes = nbd_pool_size(pool);
    nbd->no_sync = options->no_sync;
    nbd->pool = steal(&pool);
    *out = &nbd->target;
    return 0;
}

int target_nbd_open(const char *uri, uint64_t size_bytes, const struct target_options *options,
                    struct target **out, struct error **err)
{
    return open_export(uri, size_bytes, options, 0, out, err);
}

/* Makes an empty image by qemu-img. */
static int create_qcow2(const char *path, uint64_t size_bytes,
                        const struct target_options *options, struct error **err)
{
    CLEANUP(process_result) struct process_result result = {0};
    uint64_t rounded = (size_bytes + 511) / 512 * 512; /* QEMU knows sectors only */
    CLEANUP(str) char *size = xasprintf("%" PRIu64, rounded);
    /* A path that begins with "-" or "nbd:" must not mean anything else. */
    CLEANUP(str) char *plain = path[0] == '/' ? xstrdup(path) : path_join(".", path);
    const char *const argv[] = {"qemu-img", "create", "-q", "-f", "qcow2", plain, size, NULL};

    if (process_run(&(struct process_options){.argv = argv}, NULL, 0, MAX_OUTPUT,
                    deadline_after(CREATE_TIMEOUT_MS), options->cancel, &result, err) == -1) {
        if ((*err)->code == ERROR_NOT_FOUND)
            error_hint(err, "install qemu-utils, which has qemu-img");
        return -1;
    }
    if (result.status == 0)
        return 0;
    struct span said = span_trim((struct span){result.errors, result.errors_len});
    return error_set(err, ERROR_IO, "%.*s", (int)said.len, said.ptr);
}

/* Whether the image at PATH shall be written past the page cache: for the same reasons as a raw file
 * (disk/target_file.c).  -1: it must, and cannot. */
static int choose_direct(const char *path, const struct target_options *options, bool *direct,
                         struct error **err)
{
    *direct = false;
    if (options->buffered)
        return 0;
    CLEANUP(fd) int fd = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);
    *direct = fd != -1;
    if (fd == -1 && options->direct)
        return error_sys(err, errno, "cannot write \"%s\" past the page cache", path);
    return 0;
}

int target_qcow2_open(const char *path, uint64_t size_bytes, const struct target_options *options,
                      struct target **out, struct error **err)
{
    CLEANUP(qemu_nbd) struct qemu_nbd *child = NULL;
    CLEANUP(str) char *image = NULL;
    struct target_options nbd_options = *options;
    bool direct;

    if (size_bytes == TARGET_SIZE_UNKNOWN)
        return error_set(err, ERROR_UNSUPPORTED,
                         "a qcow2 destination needs a source that says how large it is");
    if (!options->keep_content && create_qcow2(path, size_bytes, options, err) == -1)
        return error_wrap(err, "cannot make \"%s\"", path);
    if (choose_direct(path, options, &direct, err) == -1)
        return -1;

    json_auto_t *description = obj_pack("{s:s, s:s, s:{s:s, s:s}}", "driver", "qcow2", "discard",
                                        "unmap", "file", "driver", "file", "filename", path);
    image = obj_format(description);
    struct qemu_nbd_options child_options = {.image = image,
                                             .writable = true,
                                             .no_sync = options->no_sync,
                                             .direct = direct,
                                             .timeout_ms = options->timeout_ms,
                                             .cancel = options->cancel};
    if (qemu_nbd_start(&child_options, &child, err) == -1)
        return error_wrap(err, "cannot write \"%s\"", path);
    nbd_options.is_zero = !options->keep_content;
    if (open_export(qemu_nbd_uri(child), size_bytes, &nbd_options, direct ? DIRECT_WRITE : 0, out,
                    err) == -1)
        return error_wrap(err, "cannot write \"%s\"", path);
    struct nbd_target *nbd = (struct nbd_target *)*out;
    free(nbd->target.name);
    nbd->target.name = xstrdup(path);
    nbd->child = steal(&child);
    return 0;
}
