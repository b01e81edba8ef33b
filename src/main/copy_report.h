/* What gantry-copy tells: progress, the result, an image's description, a block map.
 *
 * May use: base, data, disk.  Threads: one owner.
 */
#pragma once

#include "disk/copy.h"
#include "disk/disk.h"
#include "main/copy_options.h"

struct blockmap;
struct error;

/* What a whole run came to. */
struct copy_outcome {
    struct copy_result result;
    const char *format;      /* of the source */
    const char *digest_name; /* NULL: none was asked for */
    const char *digest;
    const char *map_root; /* NULL: no map was kept */
    bool verified;
};

/* One line of progress, in the style of the settings. */
void copy_report_progress(const struct copy_settings *settings,
                          const struct copy_progress *progress);

/* The result: a sentence, or the last JSON line. */
void copy_report_success(const struct copy_settings *settings, const struct copy_outcome *outcome);

/* The failure: one line on standard error and, with JSON progress, the last line. STATUS is the exit
 * status. */
void copy_report_failure(const struct copy_settings *settings, const struct error *err, int status);

/* --info of a disk. */
int copy_report_info(const char *source, struct disk *disk, bool json, struct error **err);

/* --info of a stream's start. */
void copy_report_stream_info(const char *source, const char *format, bool has_size, uint64_t size,
                             bool json);

/* --show-map. */
int copy_report_map(const struct blockmap *map, bool json, struct error **err);
