/* Disk images for reading, whatever their format and wherever they are: size, format, what is
 * stored where, bytes.
 *
 *     CLEANUP(disk) struct disk *disk = NULL;
 *     if (disk_open("ova:vm.ova#disk1.vmdk", &(struct disk_options){0}, &disk, err) == -1) ...
 *
 * The format follows from the content.  Read here: raw, VMDK in its hosted, flat, stream-optimized,
 * ESXi sparse (COWD) and SE sparse forms with snapshot chains, qcow2; through a qemu-nbd child: VHD,
 * VHDX, VDI, LUKS, and qcow2 that is encrypted or spread over files; through VMware's library,
 * vddk://SERVER/MACHINE?disk=FILE.  Images that can only be read front to back are for disk/stream.h.  The
 * source zero:BYTES is a disk on which nothing was written yet.
 *
 * May use: base, data, net.
 * Threads: disk_extents and disk_read may be called from several threads at once.
 */
#pragma once

#include "base/cleanup.h"
#include "disk/extent.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cancel;
struct disk;
struct error;
struct secret;

enum {
    DISK_MAX_CHAIN = 64,      /* images in a snapshot chain */
    DISK_MAX_PARTS = 4096,    /* extent files of one VMDK */
    DISK_MAX_GRAIN = 1 << 20, /* bytes of a grain */
};

/* Zero is the sensible default of each.  Borrowed until disk_close. */
struct disk_options {
    const char *format;       /* instead of looking at the content: "raw", "vmdk", "qcow2", ... */
    const char *const *bases; /* the images below an image that holds only changes, from the top */
    size_t base_count;
    bool stream;              /* read SOURCE front to back, over HTTP by one request */
    bool allow_paths;         /* images may refer to files outside their folder */
    unsigned connections;     /* of NBD and HTTP; 0: as many as useful */
    int64_t timeout_ms;       /* for one answer of a server; 0: 60 s */
    struct cancel *cancel;
    const char *ca_file;      /* PEM, instead of the system's certificates */
    const char *thumbprint;   /* the server certificate's SHA-1 or SHA-256, hex with or without ":" */
    const char *cookie;       /* for HTTP */
    const char *user;         /* for HTTP, with the next */
    const struct secret *password;
    const struct secret *bearer; /* a token for HTTP */
    bool insecure;               /* any certificate will do */
    const char *luks_key_file;   /* holds the passphrase */
    const char *vddk_dir;        /* of VMware's library: holds lib64/libvixDiskLib.so */
    const char *vddk_transports; /* "nbdssl:nbd"; NULL: as the library likes */
    const char *vddk_settings;   /* for the library's configuration, lines NAME=VALUE */
};

/* True for zero:BYTES, which no file stands behind. */
bool disk_is_zero_source(const char *source);

int disk_open(const char *source, const struct disk_options *options, struct disk **out,
              struct error **err);
void disk_close(struct disk *disk);

/* Bytes of the virtual disk. */
uint64_t disk_size(const struct disk *disk);

/* What it is, in words that do not change: "raw", "vmdk streamOptimized", "qcow2", ... Borrowed. */
const char *disk_format(const struct disk *disk);

/* True if each read costs a round trip to a server, so that many should be in flight. */
bool disk_is_remote(const struct disk *disk);

/* Microseconds of such a round trip, measured when the disk was opened. */
unsigned disk_latency_us(const struct disk *disk);

/* True if reading costs CPU (compressed grains). */
bool disk_is_packed(const struct disk *disk);

/* Appends areas that cover the disk from OFFSET on without gaps; may stop before OFFSET + LENGTH,
 * but adds at least one.  EXTENT_ABSENT here means zeroes. */
int disk_extents(struct disk *disk, uint64_t offset, uint64_t length, struct extent_list *list,
                 struct error **err);

/* Fills LEN bytes from OFFSET; a range behind the end is ERROR_INVALID. */
int disk_read(struct disk *disk, void *data, size_t len, uint64_t offset, struct error **err);

/* The descriptor of a local file whose bytes from *FILE_OFFSET on are the disk's from its start to
 * its end, as they are; -1 if there is none. */
int disk_plain_fd(struct disk *disk, uint64_t *file_offset);

DEFINE_CLEANUP(disk, struct disk *, disk_close)
