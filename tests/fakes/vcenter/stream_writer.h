/* Writes a streamOptimized VMDK front to back, its grains not compressed (stored blocks of deflate).
 *
 * May use: base.  Threads: one call.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct stream_writer {
    uint64_t capacity; /* bytes of the disk */
    /* Fills LEN bytes of the disk; false ends it all. */
    bool (*read)(void *arg, void *data, size_t len, uint64_t offset);
    /* Takes bytes of the file; false ends it all. */
    bool (*write)(void *arg, const void *data, size_t len);
    void *arg;
};

/* False if it was ended. */
bool stream_write(const struct stream_writer *writer);
