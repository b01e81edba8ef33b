/* A file in an OVA (a tar file): where its bytes are, and a blob of them over another blob.
 *
 * For src/disk only.  May use: base.  Threads: as disk/blob.h.
 */
#pragma once

#include "base/vector.h"
#include "disk/blob.h"

struct tar_index;

/* A part of a file: the whole of it, a member of a tar file, one of several chunks. */
struct blob_piece {
    uint64_t offset;      /* in the blob */
    uint64_t file_offset; /* in the file */
    uint64_t length;
};

DEFINE_VECTOR(blob_piece_list, struct blob_piece)

/* The piece in which OFFSET lies.  There is at least one, and nearly always only one. */
const struct blob_piece *blob_piece_find(const struct blob_piece_list *pieces, uint64_t offset);

/* Collects the pieces of MEMBER: itself, or, when there is none, the chunks MEMBER.000000000,
 * MEMBER.000000001 ... as OVF defines them.  ERROR_NOT_FOUND: there is neither. */
int blob_pieces_of(const struct tar_index *index, const char *member,
                   struct blob_piece_list *pieces, uint64_t *size, struct error **err);

/* The member of the tar file in WHOLE, which is taken, also on failure. */
int blob_member_of(struct blob *whole, const char *member, struct blob **out, struct error **err);
