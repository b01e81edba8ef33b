/* Where a provider's OVA files are: a local folder, or an NFS share that is mounted for us alone.
 *
 * An NFS share is mounted without a place in any folder tree (fsmount): its root is a descriptor,
 * and when that is closed, or we are killed at any moment, the mount is gone.  Needs root.
 *
 * May use: base, data.  Threads: a share belongs to one thread at a time.
 */
#pragma once

#include "base/cleanup.h"
#include "data/obj.h"

#include <stdbool.h>

struct cancel;
struct error;

struct ova_share {
    char *server; /* NFS; NULL for a local folder */
    char *path;   /* absolute */
    int root;     /* descriptor of the folder, or -1 before it is attached */
};

#define OVA_SHARE_INIT ((struct ova_share){.root = -1})

enum {
    OVA_SHARE_CONNECT_MS = 10000, /* until an NFS server must have accepted a connection */
    OVA_SHARE_MOUNT_MS = 30000,   /* until the mount must be there */
};

/* Reads "SERVER:/PATH" (NFS), "/PATH" or "file:///PATH" (a folder of this machine). */
int ova_share_parse(const char *url, struct ova_share *share, struct error **err);

/* Opens the root, mounting it if needed; does nothing if that was done already.  ERROR_UNAVAILABLE
 * and ERROR_TIMEOUT are worth another try. */
int ova_share_attach(struct ova_share *share, struct cancel *cancel, struct error **err);

/* Closes the root: the next attach opens it again. */
void ova_share_detach(struct ova_share *share);

/* The Pod volume (without a name) that holds the same files.  Owned by the caller. */
json_t *ova_share_volume(const struct ova_share *share);

/* The path of REL below the root as users see it: the real one of a local folder, the one that
 * migration pods see (below /ova) of an NFS share.  Owned by the caller. */
char *ova_share_display_path(const struct ova_share *share, const char *rel);

/* Opens the regular file or folder REL below ROOT with FLAGS; never follows a symbolic link and
 * never leaves the root.  Returns -1 with errno. */
int ova_share_open_at(int root, const char *rel, int flags);

void ova_share_reset(struct ova_share *share);

DEFINE_CLEANUP_IN_PLACE(ova_share, struct ova_share, ova_share_reset)
