/* A file that was cut into chunks, NAME.000000000, NAME.000000001, ..., as OVF packages in a folder
 * have them: joined, so that nobody above knows. */
#include "disk/blob.h"

#include "base/error.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/vector.h"

#include <stdlib.h>

struct joined_part {
    uint64_t offset; /* in the whole */
    struct blob *blob;
};

DEFINE_VECTOR(joined_part_list, struct joined_part)

struct joined_blob {
    struct blob blob;
    struct joined_part_list parts; /* in order, without gaps; none is empty */
};

static void joined_close(struct blob *blob)
{
    struct joined_blob *joined = (struct joined_blob *)blob;

    for (size_t i = 0; i < joined->parts.len; i++)
        blob_close(joined->parts.ptr[i].blob);
    joined_part_list_reset(&joined->parts);
    free(joined);
}

/* The part in which OFFSET lies, by halving: a large disk has hundreds. */
static const struct joined_part *find_part(const struct joined_blob *joined, uint64_t offset)
{
    size_t low = 0, high = joined->parts.len;

    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (joined->parts.ptr[middle].offset <= offset)
            low = middle;
        else
            high = middle;
    }
    return &joined->parts.ptr[low];
}

static int joined_read(struct blob *blob, void *data, size_t len, uint64_t offset,
                       struct error **err)
{
    char *to = data;

    while (len > 0) {
        const struct joined_part *part = find_part((struct joined_blob *)blob, offset);
        uint64_t inside = offset - part->offset;
        uint64_t left = part->blob->size_bytes - inside;
        size_t now = left < len ? (size_t)left : len;

        if (blob_read(part->blob, to, now, inside, err) == -1)
            return -1;
        to += now;
        len -= now;
        offset += now;
    }
    return 0;
}

static int joined_extents(struct blob *blob, uint64_t offset, uint64_t length,
                          struct extent_list *list, struct error **err)
{
    const struct joined_part *part = find_part((struct joined_blob *)blob, offset);
    CLEANUP(extent_list) struct extent_list found = {0};
    uint64_t inside = offset - part->offset;
    uint64_t left = part->blob->size_bytes - inside;

    if (blob_extents(part->blob, inside, left < length ? left : length, &found, err) == -1)
        return -1;
    for (size_t i = 0; i < found.len; i++)
        extent_list_add(list, found.ptr[i].offset + part->offset, found.ptr[i].length,
                        found.ptr[i].kind);
    return 0;
}

static int joined_locate(struct blob *blob, uint64_t offset, uint64_t *file_offset)
{
    return -1;
}

static const struct blob_ops joined_ops = {
    .kind = "chunks",
    .close = joined_close,
    .read = joined_read,
    .extents = joined_extents,
    .locate = joined_locate,
};

char *blob_chunk_name(const char *name, unsigned number)
{
    return xasprintf("%s.%09u", name, number);
}

bool blob_chunks_exist(const char *path)
{
    CLEANUP(str) char *first = blob_chunk_name(path, 0);

    return !file_exists(path) && file_exists(first);
}

static int add_chunk(struct joined_blob *joined, const char *name, struct error **err)
{
    CLEANUP(blob) struct blob *part = NULL;
    uint64_t offset = joined->blob.size_bytes;

    if (blob_file_open(name, &part, err) == -1)
        return -1;
    if (joined->parts.len == BLOB_MAX_CHUNKS ||
        __builtin_add_overflow(offset, part->size_bytes, &joined->blob.size_bytes))
        return error_set(err, ERROR_INVALID, "\"%s\": too many chunks (%d) or bytes",
                         joined->blob.name, BLOB_MAX_CHUNKS);
    if (part->size_bytes > 0)
        joined_part_list_push(&joined->parts,
                              (struct joined_part){.offset = offset, .blob = steal(&part)});
    return 0;
}

int blob_chunks_open(const char *path, struct blob **out, struct error **err)
{
    struct joined_blob *joined = xcalloc(1, sizeof(*joined));
    CLEANUP(blob) struct blob *owned = &joined->blob;

    joined->blob = (struct blob){.ops = &joined_ops, .name = xstrdup(path)};
    for (unsigned i = 0; i <= BLOB_MAX_CHUNKS; i++) {
        CLEANUP(str) char *name = blob_chunk_name(path, i);

        if (!file_exists(name))
            break;
        if (add_chunk(joined, name, err) == -1)
            return -1;
    }
    if (joined->parts.len == 0)
        return error_set(err, ERROR_INVALID, "the chunks of \"%s\" are empty", path);
    *out = steal(&owned);
    return 0;
}
