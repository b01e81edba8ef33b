#include "disk/blob_member.h"

#include "base/error.h"
#include "base/mem.h"
#include "disk/tar.h"

#include <stdlib.h>

struct member_blob {
    struct blob blob;
    struct blob *whole;
    struct blob_piece_list pieces; /* in order, without gaps; at least one */
};

const struct blob_piece *blob_piece_find(const struct blob_piece_list *pieces, uint64_t offset)
{
    size_t i = 0;

    while (i + 1 < pieces->len && offset - pieces->ptr[i].offset >= pieces->ptr[i].length)
        i++;
    return &pieces->ptr[i];
}

int blob_pieces_of(const struct tar_index *index, const char *member,
                   struct blob_piece_list *pieces, uint64_t *size, struct error **err)
{
    const struct tar_member *whole = tar_index_find(index, member);

    *size = 0;
    if (whole != NULL) {
        blob_piece_list_push(
            pieces, (struct blob_piece){.file_offset = whole->offset, .length = whole->size});
        *size = whole->size;
        return 0;
    }
    for (unsigned i = 0; i < BLOB_MAX_CHUNKS; i++) {
        CLEANUP(str) char *name = xasprintf("%s.%09u", member, i);
        const struct tar_member *chunk = tar_index_find(index, name);

        if (chunk == NULL)
            break;
        if (chunk->size > 0)
            blob_piece_list_push(pieces, (struct blob_piece){.offset = *size,
                                                             .file_offset = chunk->offset,
                                                             .length = chunk->size});
        *size += chunk->size; /* members lie inside the file: no overflow */
    }
    if (pieces->len == 0)
        return error_set(err, ERROR_NOT_FOUND, "no member \"%s\"", member);
    return 0;
}

static void member_close(struct blob *blob)
{
    struct member_blob *member = (struct member_blob *)blob;

    blob_close(member->whole);
    blob_piece_list_reset(&member->pieces);
    free(member);
}

static int member_read(struct blob *blob, void *data, size_t len, uint64_t offset,
                       struct error **err)
{
    struct member_blob *member = (struct member_blob *)blob;

    for (char *to = data; len > 0;) {
        const struct blob_piece *piece = blob_piece_find(&member->pieces, offset);
        uint64_t inside = offset - piece->offset;
        size_t part = piece->length - inside < len ? (size_t)(piece->length - inside) : len;

        if (blob_read(member->whole, to, part, piece->file_offset + inside, err) == -1)
            return -1;
        to += part;
        len -= part;
        offset += part;
    }
    return 0;
}

static int member_extents(struct blob *blob, uint64_t offset, uint64_t length,
                          struct extent_list *list, struct error **err)
{
    extent_list_add(list, offset, length, EXTENT_DATA); /* a tar file hardly ever has holes */
    return 0;
}

static int member_locate(struct blob *blob, uint64_t offset, uint64_t *file_offset)
{
    return -1;
}

static int read_whole(void *arg, void *data, size_t len, uint64_t offset, struct error **err)
{
    return blob_read(arg, data, len, offset, err);
}

int blob_member_of(struct blob *whole, const char *member, struct blob **out, struct error **err)
{
    static const struct blob_ops ops = {
        .kind = "member",
        .close = member_close,
        .read = member_read,
        .extents = member_extents,
        .locate = member_locate,
    };
    const struct tar_input input = {.arg = whole, .size = whole->size_bytes, .read = read_whole};
    CLEANUP(tar_index) struct tar_index index = {0};
    struct blob_piece_list pieces = {0};
    uint64_t size;

    if (tar_index_read(&input, &index, err) == -1 ||
        blob_pieces_of(&index, member, &pieces, &size, err) == -1) {
        error_wrap(err, "OVA \"%s\"", whole->name);
        blob_close(whole);
        return -1;
    }
    struct member_blob *blob = xcalloc(1, sizeof(*blob));
    blob->blob = (struct blob){.ops = &ops,
                               .name = xasprintf("%s#%s", whole->name, member),
                               .size_bytes = size,
                               .is_remote = whole->is_remote,
                               .latency_us = whole->latency_us};
    blob->whole = whole;
    blob->pieces = pieces;
    *out = &blob->blob;
    return 0;
}
