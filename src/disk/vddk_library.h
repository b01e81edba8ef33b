/* A disk opened through VMware's libvixDiskLib, which the user has and we load at run time.
 *
 * Runs in the helper process only, see disk/vddk_link.h.
 * May use: base.  Threads: all calls from one thread; reads end on threads of the library.
 */
#pragma once

#include "base/cleanup.h"
#include "disk/vddk_link.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;
struct secret;
struct vddk_library;

/* Borrowed until vddk_library_close.  NULL where not marked as needed. */
struct vddk_params {
    const char *dir;        /* needed: holds lib64/libvixDiskLib.so.N */
    const char *config;     /* a file for the library */
    const char *server;     /* needed */
    uint16_t port;          /* 0: the library's own, 443 */
    const char *thumbprint; /* SHA-1 of the server's certificate */
    const char *user;
    const struct secret *password;
    const char *machine;    /* needed: "vm-12" */
    const char *snapshot;   /* "snapshot-3" */
    const char *transports; /* "nbdssl:nbd" */
    const char *disk;       /* needed: "[ds] web/web.vmdk" */
    bool verbose;           /* the library's log goes to standard error */
    /* A read that was begun has ended, on a thread of the library. */
    void (*done)(void *arg, uint32_t slot, enum vddk_result result, const char *text);
    void *arg;
};

int vddk_library_open(const struct vddk_params *params, struct vddk_library **out,
                      struct error **err);
/* Waits for reads that are under way. */
void vddk_library_close(struct vddk_library *library);

uint64_t vddk_library_size(const struct vddk_library *library);
/* How the bytes come: "nbdssl", ...  Borrowed. */
const char *vddk_library_transport(const struct vddk_library *library);
/* False: all has to be read. */
bool vddk_library_has_extents(const struct vddk_library *library);

/* Begins to read whole sectors; the end is told by params.done. */
void vddk_library_read(struct vddk_library *library, uint32_t slot, void *data, size_t len,
                       uint64_t offset);

/* What is stored from OFFSET on: at most MAX areas; *COVERED bytes are said something about. */
int vddk_library_extents(struct vddk_library *library, uint64_t offset, uint64_t length,
                         struct vddk_area *areas, size_t max, size_t *count, uint64_t *covered,
                         struct error **err);

DEFINE_CLEANUP(vddk_library, struct vddk_library *, vddk_library_close)
