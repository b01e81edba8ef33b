/* A qemu-nbd child that serves one image on a private socket.
 *
 * May use: base.  Threads: a struct qemu_nbd belongs to one thread at a time, and the thread that
 * started it must outlive it.
 */
#pragma once

#include "base/cleanup.h"

#include <stdbool.h>
#include <stdint.h>

struct cancel;
struct error;
struct qemu_nbd;

struct qemu_nbd_options {
    const char *image;       /* QEMU's JSON description of the image, without "json:" */
    const char *secret_file; /* a passphrase for the object "key", or NULL */
    bool writable;
    bool no_sync;            /* the host's caches need never be flushed */
    bool direct;             /* past the page cache; the file system can */
    int64_t timeout_ms;      /* until it serves; 0: 60 s */
    struct cancel *cancel;
};

/* Starts the child and waits until it serves.  A missing qemu-nbd is ERROR_NOT_FOUND with a hint; of
 * a child that ends at once the error has what it printed. */
int qemu_nbd_start(const struct qemu_nbd_options *options, struct qemu_nbd **out,
                   struct error **err);

/* Where it serves: "nbd+unix:///?socket=..." Borrowed. */
const char *qemu_nbd_uri(const struct qemu_nbd *child);

/* Ends the child in order and frees; fails unless it closed the image well. */
int qemu_nbd_stop(struct qemu_nbd *child, struct error **err);

/* Kills the child and frees. */
void qemu_nbd_free(struct qemu_nbd *child);

DEFINE_CLEANUP(qemu_nbd, struct qemu_nbd *, qemu_nbd_free)
