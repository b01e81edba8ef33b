/* The members of a tar file (an OVA) by name, offset and size; nothing is extracted.
 *
 * Reads ustar (POSIX.1-2017, pax: "ustar Interchange Format"), pax extended headers, GNU long names
 * and base-256 numbers.  Strict: names must be plain relative paths and appear once, checksums must
 * fit, members must lie inside the file.  Only regular files are listed; folders and links are
 * passed over.  Cost: one small read for each header, whatever the size of the members.
 *
 * May use: base.  Threads: no shared state; a struct tar_index is frozen once read.
 */
#pragma once

#include "base/cleanup.h"

#include <stddef.h>
#include <stdint.h>

struct error;

enum {
    TAR_MAX_MEMBERS = 4096,    /* headers of any type in one file */
    TAR_MAX_NAME = 4096,       /* bytes of a name */
    TAR_MAX_EXTENDED = 65536,  /* bytes of one pax extended header */
};

struct tar_member {
    char *name;      /* without a leading "./"; owned by the index */
    uint64_t offset; /* of the first byte of content in the tar file */
    uint64_t size;   /* bytes of content */
    int64_t mtime;   /* seconds since 1970 */
};

struct tar_index {
    struct tar_member *ptr; /* in the file's order */
    size_t len;
    size_t cap;
};

/* Where a tar file's bytes come from.  READ fills all LEN bytes at OFFSET or fails. */
struct tar_input {
    void *arg;
    uint64_t size;
    int (*read)(void *arg, void *data, size_t len, uint64_t offset, struct error **err);
};

/* Lists the members.  ERROR_CORRUPT: not a tar file, damaged or cut short; ERROR_INVALID: a name
 * that leaves the folder or appears twice, or a limit; ERROR_UNSUPPORTED: a sparse member.  Errors
 * name the byte offset.  A last member that is cut short is an error: a file that is still being
 * written looks so. */
int tar_index_read(const struct tar_input *input, struct tar_index *index, struct error **err);

/* The same from FD (borrowed, not moved), which must be a regular file. */
int tar_index_read_fd(int fd, struct tar_index *index, struct error **err);

/* The member called NAME, or NULL.  Borrowed. */
const struct tar_member *tar_index_find(const struct tar_index *index, const char *name);

void tar_index_reset(struct tar_index *index);

DEFINE_CLEANUP_IN_PLACE(tar_index, struct tar_index, tar_index_reset)
