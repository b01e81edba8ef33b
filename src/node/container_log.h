/* A container's log: lines as container runtimes write them, in files that are kept small.
 *
 *     2006-01-02T15:04:05.000000Z stdout F text
 *
 * F ends a line, P is a part of one without its end.  PATH is what is being written; when it passes
 * LOG_ROTATE_BYTES it becomes PATH.1, replacing an older one.
 *
 * May use: base, data.  Threads: a writer has one owner; readers share nothing.
 */
#pragma once

#include "base/cleanup.h"
#include "data/obj.h"

#include <stdbool.h>
#include <stddef.h>

struct cancel;
struct container_log;
struct error;

enum { LOG_ROTATE_BYTES = 16 * 1024 * 1024, LOG_LINE_MAX = 16 * 1024 };

enum log_stream { LOG_STDOUT, LOG_STDERR };

/* Opens PATH for appending, making it. */
struct container_log *container_log_open(const char *path, struct error **err);

/* Adds what a container wrote; a line's beginning waits until its end comes. */
int container_log_add(struct container_log *log, enum log_stream stream, const char *data,
                      size_t len, struct error **err);

/* Writes beginnings that wait, and closes. */
void container_log_close(struct container_log *log);

/* Reads the log at PATH as the API's log options ask: tailLines, limitBytes, sinceSeconds,
 * sinceTime, timestamps, follow.  IS_OVER tells whether the container has ended (follow then stops
 * after what is there).  ON_DATA returns false to end.  No log yet is an empty one. */
int container_log_read(const char *path, const json_t *options, bool (*is_over)(void *arg),
                       void *arg, struct cancel *cancel,
                       bool (*on_data)(void *to, const char *data, size_t len), void *to,
                       struct error **err);

/* The same for a file that is plain text, such as a machine's console: no stamps, and a last line
 * without its end is shown too. */
int container_log_read_plain(const char *path, const json_t *options, bool (*is_over)(void *arg),
                             void *arg, struct cancel *cancel,
                             bool (*on_data)(void *to, const char *data, size_t len), void *to,
                             struct error **err);

DEFINE_CLEANUP(container_log, struct container_log *, container_log_close)
