#include "base/error.h"
#include "base/mem.h"
#include "disk/stream.h"
#include "memory_file.h"

#include <stdint.h>

enum { MAX_PIECES = 32, MAX_UNPACKED = 16 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* Unpacks all pieces; they must lie in the buffer and in the disk. */
static void read_all(struct stream *stream, struct stream_unpacker *unpacker)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(str) char *buffer = xmalloc(STREAM_BUFFER_SIZE);
    CLEANUP(str) char *to = xmalloc(DISK_MAX_GRAIN);
    struct stream_piece pieces[MAX_PIECES];
    size_t total = 0;
    size_t count;
    int more;

    while ((more = stream_next(stream, buffer, pieces, MAX_PIECES, &count, &err)) == 1)
        for (size_t i = 0; i < count; i++) {
            const struct stream_piece *piece = &pieces[i];

            if (piece->length > DISK_MAX_GRAIN || piece->position > STREAM_BUFFER_SIZE ||
                piece->stored > STREAM_BUFFER_SIZE - piece->position ||
                piece->offset > stream_size(stream) ||
                piece->length > stream_size(stream) - piece->offset)
                __builtin_trap();
            if (stream_unpack(unpacker, buffer, piece, to, &err) == -1)
                return;
            if ((total += piece->length) > MAX_UNPACKED)
                return;
        }
    if (more == -1 && err == NULL)
        __builtin_trap();
}

/* gzip, zstd, xz or nothing around a raw disk or a streamOptimized VMDK. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(stream) struct stream *stream = NULL;
    struct memory_file file = memory_file_make(data, len);
    struct stream_unpacker *unpacker = stream_unpacker_new();

    if (stream_open(file.path, &(struct disk_options){0}, NULL, &stream, &err) == 0)
        read_all(stream, unpacker);
    else if (err == NULL)
        __builtin_trap();
    stream_unpacker_free(unpacker);
    close(file.fd);
    return 0;
}
