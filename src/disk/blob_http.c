#include "disk/blob_http.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "disk/http_resource.h"

#include <stdlib.h>

struct http_blob {
    struct blob blob;
    struct http_resource *resource;
};

static void http_close(struct blob *blob)
{
    http_resource_close(((struct http_blob *)blob)->resource);
    free(blob);
}

static int http_read(struct blob *blob, void *data, size_t len, uint64_t offset,
                     struct error **err)
{
    return http_resource_read(((struct http_blob *)blob)->resource, data, len, offset, err);
}

static int http_extents(struct blob *blob, uint64_t offset, uint64_t length,
                        struct extent_list *list, struct error **err)
{
    extent_list_add(list, offset, length, EXTENT_DATA);
    return 0;
}

static int http_locate(struct blob *blob, uint64_t offset, uint64_t *file_offset)
{
    return -1;
}

bool blob_http_is_url(const char *source)
{
    return str_starts_with(source, "http://") || str_starts_with(source, "https://");
}

int blob_http_open(const char *url, const struct disk_options *options, struct blob **out,
                   struct error **err)
{
    static const struct blob_ops ops = {
        .kind = "http",
        .close = http_close,
        .read = http_read,
        .extents = http_extents,
        .locate = http_locate,
    };
    CLEANUP(http_resource) struct http_resource *resource = NULL;
    bool has_ranges;
    uint64_t size_bytes;

    if (http_resource_open(url, options, &resource, err) == -1 ||
        http_resource_learn(resource, &has_ranges, &size_bytes, err) == -1)
        return -1;
    if (!has_ranges) {
        error_set(err, ERROR_UNSUPPORTED, "the server of \"%s\" does not send parts of it",
                  http_resource_name(resource));
        return error_hint(err, "raw, compressed raw and streamOptimized images can be read front "
                               "to back: --stream");
    }
    struct http_blob *http = xcalloc(1, sizeof(*http));
    http->blob = (struct blob){.ops = &ops,
                               .name = xstrdup(http_resource_name(resource)),
                               .size_bytes = size_bytes,
                               .is_remote = true,
                               .latency_us = http_resource_latency(resource)};
    http->resource = steal(&resource);
    *out = &http->blob;
    return 0;
}
