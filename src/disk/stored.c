#include "disk/stored.h"

#include "base/cancel.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "disk/blob.h"
#include "disk/blob_http.h"
#include "disk/http_resource.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <xxhash.h>

enum { PIECE = 1 << 20 };

int stored_digest(const char *source, const struct disk_options *options, const char *name,
                  char text[DIGEST_TEXT_SIZE], struct error **err)
{
    CLEANUP(blob) struct blob *blob = NULL;
    CLEANUP(digest) struct digest *digest = NULL;

    if (digest_new(name, &digest, err) == -1 || blob_open(source, options, &blob, err) == -1)
        return -1;
    CLEANUP(str) char *data = xmalloc(PIECE);
    for (uint64_t at = 0; at < blob->size_bytes;) {
        uint64_t left = blob->size_bytes - at;
        size_t len = left < PIECE ? (size_t)left : PIECE;

        if (cancel_check(options->cancel, DEADLINE_NONE, err) == -1 ||
            blob_read(blob, data, len, at, err) == -1)
            return -1;
        digest_add(digest, data, len);
        at += len;
    }
    digest_finish(digest, text);
    return 0;
}

int stored_chunk_digest(const char *source, unsigned chunk, const struct disk_options *options,
                        const char *name, char text[DIGEST_TEXT_SIZE], struct error **err)
{
    CLEANUP(str) char *part = blob_chunk_name(source, chunk);

    return stored_digest(part, options, name, text, err);
}

static int identify_http(const char *url, const struct disk_options *options,
                         struct blockmap_source *identity, struct error **err)
{
    CLEANUP(http_resource) struct http_resource *resource = NULL;
    bool has_ranges;

    if (http_resource_open(url, options, &resource, err) == -1 ||
        http_resource_learn(resource, &has_ranges, &identity->stored_bytes, err) == -1)
        return -1;
    const char *version = http_resource_version(resource);
    if (version != NULL)
        identity->changed_ns = (int64_t)XXH3_64bits(version, strlen(version));
    return 0;
}

int stored_identity(const char *source, const struct disk_options *options,
                    struct blockmap_source *identity, struct error **err)
{
    CLEANUP(str) char *path = NULL;
    const char *mark = strrchr(source, '#');
    struct stat st;

    *identity = (struct blockmap_source){0};
    /* A URL may hold a token in its query part. */
    const char *name_end = strstr(source, "://") != NULL ? strpbrk(source, "?") : NULL;
    int len = name_end == NULL ? (int)strnlen(source, BLOCKMAP_SOURCE_SIZE - 1)
                               : (int)(name_end - source);
    snprintf(identity->name, sizeof(identity->name), "%.*s", len, source);

    path = str_starts_with(source, "ova:") && mark != NULL
               ? xstrndup(source + 4, (size_t)(mark - source - 4))
               : xstrdup(source);
    if (blob_http_is_url(path))
        return identify_http(path, options, identity, err);
    if (stat(path, &st) == 0) {
        identity->stored_bytes = (uint64_t)st.st_size;
        identity->changed_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
    }
    return 0;
}
