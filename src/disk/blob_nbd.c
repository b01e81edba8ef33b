#include "disk/blob_nbd.h"

#include "base/array.h"
#include "base/mem.h"
#include "base/text.h"
#include "disk/disk.h"
#include "disk/nbd_pool.h"

#include <stdlib.h>

struct nbd_blob {
    struct blob blob;
    struct nbd_pool *pool;
};

static void nbd_blob_close(struct blob *blob)
{
    nbd_pool_close(((struct nbd_blob *)blob)->pool);
    free(blob);
}

static int nbd_blob_read(struct blob *blob, void *data, size_t len, uint64_t offset,
                         struct error **err)
{
    return nbd_pool_read(((struct nbd_blob *)blob)->pool, data, len, offset, err);
}

static int nbd_blob_extents(struct blob *blob, uint64_t offset, uint64_t length,
                            struct extent_list *list, struct error **err)
{
    return nbd_pool_extents(((struct nbd_blob *)blob)->pool, offset, length, list, err);
}

static int nbd_blob_locate(struct blob *blob, uint64_t offset, uint64_t *file_offset)
{
    return -1;
}

bool blob_nbd_is_uri(const char *source)
{
    static const char *const schemes[] = {"nbd://", "nbds://", "nbd+unix://", "nbds+unix://"};

    for (size_t i = 0; i < ARRAY_SIZE(schemes); i++)
        if (str_starts_with(source, schemes[i]))
            return true;
    return false;
}

int blob_nbd_open(const char *uri, const struct disk_options *options, struct blob **out,
                  struct error **err)
{
    static const struct blob_ops ops = {
        .kind = "nbd",
        .close = nbd_blob_close,
        .read = nbd_blob_read,
        .extents = nbd_blob_extents,
        .locate = nbd_blob_locate,
    };
    struct nbd_pool_options pool_options = {.connections = options->connections,
                                            .timeout_ms = options->timeout_ms,
                                            .cancel = options->cancel};
    struct nbd_pool *pool;

    if (nbd_pool_open(uri, &pool_options, &pool, err) == -1)
        return -1;
    struct nbd_blob *blob = xcalloc(1, sizeof(*blob));
    blob->blob = (struct blob){.ops = &ops,
                               .name = xstrdup(uri),
                               .size_bytes = nbd_pool_size(pool),
                               .is_remote = true,
                               .latency_us = nbd_pool_latency(pool)};
    blob->pool = pool;
    *out = &blob->blob;
    return 0;
}
