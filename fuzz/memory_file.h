/* A file that exists in memory only, for parsers that want one with a name.
 *
 * May use: libc.  Threads: one. */
#pragma once

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

struct memory_file {
    int fd;
    char path[32];
};

/* Holds the LEN bytes at DATA; to be closed with close(FILE.fd). */
static inline struct memory_file memory_file_make(const uint8_t *data, size_t len)
{
    struct memory_file file = {.fd = memfd_create("fuzz", MFD_CLOEXEC)};

    if (file.fd == -1 || (len > 0 && write(file.fd, data, len) != (ssize_t)len))
        abort();
    snprintf(file.path, sizeof(file.path), "/proc/self/fd/%d", file.fd);
    return file;
}
