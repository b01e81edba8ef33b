/* The command line of gantry-copy.
 *
 * May use: base, data, disk.  Threads: one owner.
 */
#pragma once

#include "base/cleanup.h"
#include "base/vector.h"
#include "disk/disk.h"
#include "disk/extent.h"
#include "disk/target.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;
struct secret;

enum copy_mode {
    COPY_MODE_COPY,
    COPY_MODE_INFO,
    COPY_MODE_VERIFY,   /* the destination against the source or the map */
    COPY_MODE_SHOW_MAP,
    COPY_MODE_HELP,
    COPY_MODE_VERSION,
};

enum copy_progress_style { COPY_PROGRESS_NONE, COPY_PROGRESS_BAR, COPY_PROGRESS_JSON };

/* What one chunk of a source that was cut into chunks must have. */
struct copy_chunk_digest {
    unsigned chunk; /* from 0 */
    const char *name;
    const char *hex;
};

DEFINE_VECTOR(copy_chunk_digests, struct copy_chunk_digest)

struct copy_settings {
    enum copy_mode mode;
    const char *source;      /* borrowed from the arguments, as all texts here */
    const char *destination; /* NULL with some modes */
    struct disk_options source_options;
    struct target_options target_options;
    const char **bases; /* owned; SOURCE_OPTIONS borrow them */
    struct secret *password; /* owned; SOURCE_OPTIONS borrow them */
    struct secret *bearer;
    char *vddk_settings;     /* the same, lines */
    unsigned threads;
    unsigned requests;
    size_t request_bytes;
    uint64_t bandwidth;
    const char *map_path;
    const char *extents_path;
    const char *digest;          /* "sha256", ... or NULL */
    const char *expected_digest; /* hexadecimal, or NULL */
    struct copy_chunk_digests chunk_digests;
    bool resume;
    bool is_checkpoint; /* the map is a help, no promise: what does not fit is begun anew */
    bool verify;
    bool json; /* --info */
    bool quiet;
    enum copy_progress_style progress;
};

/* Reads the arguments.  ERROR_INVALID: wrong usage. */
int copy_settings_parse(int argc, char **argv, struct copy_settings *out, struct error **err);
void copy_settings_reset(struct copy_settings *settings);

/* Prints the synopsis and the options to standard output. */
void copy_settings_print_help(void);

/* Reads --extents: lines "OFFSET LENGTH", or a JSON array of objects with "offset" or "start" and
 * "length"; "-" is standard input.  Areas are sorted by the caller of the tool and do not overlap. */
int copy_extents_read(const char *path, struct extent_list *list, struct error **err);

DEFINE_CLEANUP_IN_PLACE(copy_settings, struct copy_settings, copy_settings_reset)
