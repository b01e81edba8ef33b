/* What gantry-copy and its helper gantry-vddk say to each other.
 *
 * The helper is a process of its own that has VMware's library loaded: what that library drags in
 * (its own OpenSSL, libcurl, libstdc++) meets nothing of ours, and if it crashes, the copy ends with
 * a reason.  Each message is one packet of a Unix socket; bytes of the disk are in memory that both
 * share, SLOTS pieces of VDDK_SLOT bytes, so that they are not copied through the socket.
 *
 *     helper FD MEMORY_FD
 *     -> VDDK_OPEN, behind it the parameters "name\0value\0..."
 *     <- VDDK_OPEN with size, chunk; or a failure with its text
 *     -> VDDK_READ {slot, offset, length} ...      many at once
 *     <- VDDK_READ {slot, result} ...              in the order in which they end
 *     -> VDDK_EXTENTS {slot, offset, length}
 *     <- the same {slot, length that is covered, number of struct vddk_area in the slot}
 *     end of file: the helper closes the disk and ends
 *
 * May use: libc.  Threads: declarations only.
 */
#pragma once

#include <stdint.h>

enum {
    VDDK_SLOTS = 32,              /* reads in flight: the most that the copy engine has */
    VDDK_SLOT = 1024 * 1024,      /* bytes; the library fails with reads of more than 2 MiB */
    VDDK_MAX_PACKET = 64 * 1024,
};

enum vddk_verb { VDDK_OPEN, VDDK_READ, VDDK_EXTENTS };

enum vddk_result {
    VDDK_DONE,
    VDDK_AGAIN,  /* the library has no memory for so many reads at once */
    VDDK_FAILED, /* with text behind the answer */
};

struct vddk_request {
    uint32_t verb; /* enum vddk_verb */
    uint32_t slot;
    uint64_t offset, length; /* bytes, whole sectors */
};

struct vddk_answer {
    uint32_t verb;
    uint32_t slot;
    uint32_t result; /* enum vddk_result */
    uint32_t count;  /* VDDK_EXTENTS: areas; VDDK_OPEN: 1 if it can tell what is stored */
    uint64_t length; /* VDDK_OPEN: bytes of the disk; VDDK_EXTENTS: bytes that are covered */
    /* text: of a failure; VDDK_OPEN: "transport\0" */
};

/* What is stored, in bytes from the disk's start. */
struct vddk_area {
    uint64_t offset, length;
};
