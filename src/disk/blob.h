/* Bytes at offsets: a file, a part of one, an NBD export, an HTTP resource.  Formats are read from
 * these, so that each format works over each kind of access.
 *
 * One file and one table of functions for each kind.  May use: base, net.
 * Threads: reading and asking for extents is safe from several threads at once.
 */
#pragma once

#include "base/cleanup.h"
#include "disk/extent.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { BLOB_MAX_CHUNKS = 4096 }; /* of one file of an OVF package */

struct blob;
struct disk_options;
struct error;

/* All are required. */
struct blob_ops {
    const char *kind; /* "file", "nbd", ... */

    /* Releases all; never called while another call runs. */
    void (*close)(struct blob *blob);

    /* Fills all LEN bytes; the range lies inside the blob. */
    int (*read)(struct blob *blob, void *data, size_t len, uint64_t offset, struct error **err);

    /* Appends areas that cover the range from OFFSET on without gaps; may stop before its end, but
     * adds at least one. */
    int (*extents)(struct blob *blob, uint64_t offset, uint64_t length, struct extent_list *list,
                   struct error **err);

    /* The descriptor of a local file in which byte OFFSET lies at *FILE_OFFSET (as all that follow
     * it), or -1. */
    int (*locate)(struct blob *blob, uint64_t offset, uint64_t *file_offset);
};

/* Embedded as the first member by each kind. */
struct blob {
    const struct blob_ops *ops;
    char *name;          /* for messages; without credentials */
    uint64_t size_bytes;
    bool is_remote;      /* a request costs a round trip: have many in flight */
    unsigned latency_us; /* of one, measured when it was opened */
};

/* Opens SOURCE: a path (of a file or of its chunks), ova:FILE#MEMBER, nbd:// and its kin, http:// or https://. */
int blob_open(const char *source, const struct disk_options *options, struct blob **out,
              struct error **err);

/* What to call NAME in the folder (OVA, URL folder) in which SOURCE lies; owned by the caller. */
char *blob_sibling_name(const char *source, const char *name);

/* Opens it.  Unless the options allow other
 * paths, NAME must be a plain relative path and may not lead out of the folder through links. */
int blob_open_sibling(const char *source, const char *name, const struct disk_options *options,
                      struct blob **out, struct error **err);

void blob_close(struct blob *blob);

/* Fills LEN bytes from OFFSET.  A range behind the end is ERROR_CORRUPT: somebody's tables or sizes
 * are wrong.  Errors name the blob and the offset. */
int blob_read(struct blob *blob, void *data, size_t len, uint64_t offset, struct error **err);

/* As the operation.  The range must lie inside the blob. */
int blob_extents(struct blob *blob, uint64_t offset, uint64_t length, struct extent_list *list,
                 struct error **err);

/* Opens a local file or block device.  NAME is for messages, NULL: PATH. */
int blob_file_open(const char *path, struct blob **out, struct error **err);

/* The same for NAME inside the folder DIR, not leaving it through links or "..". */
int blob_file_open_beneath(const char *dir, const char *name, struct blob **out,
                           struct error **err);

/* The file PATH that exists only as its chunks PATH.000000000, PATH.000000001 ...: whether that is
 * so, and opened as one. */
bool blob_chunks_exist(const char *path);
int blob_chunks_open(const char *path, struct blob **out, struct error **err);

/* What chunk NUMBER of the file or member NAME is called; owned by the caller. */
char *blob_chunk_name(const char *name, unsigned number);

/* The member MEMBER of the tar file at PATH, or, when there is none, the chunks MEMBER.000000000,
 * MEMBER.000000001 ... joined as OVF defines them. */
int blob_member_open(const char *path, const char *member, struct blob **out, struct error **err);

DEFINE_CLEANUP(blob, struct blob *, blob_close)
