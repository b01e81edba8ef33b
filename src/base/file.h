/* Files, folders and descriptors: whole reads and writes, atomic replacement, safe removal.
 *
 * Descriptors are close-on-exec.  May use: base.  Threads: no shared state.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct error;

/* Reads all of PATH, at most MAX bytes (more is ERROR_INVALID).  The text has a NUL behind it and
 * belongs to the caller; *LEN may be NULL. */
int file_read(const char *path, size_t max, char **data, size_t *len, struct error **err);

/* Replaces PATH by DATA with MODE so that after a crash it is wholly old or wholly new: a
 * temporary file beside it, fsync, rename, fsync of the folder. */
int file_write(const char *path, const void *data, size_t len, mode_t mode, struct error **err);

bool file_exists(const char *path);

/* Makes PATH and the folders above it; those that are there already are left alone. */
int dir_make(const char *path, mode_t mode, struct error **err);

/* Removes PATH and all below it; never follows a symbolic link, never leaves the file system it
 * started on.  Absent is success. */
int dir_remove(const char *path, struct error **err);

/* A new folder PREFIX followed by six letters, mode 0700.  The path belongs to the caller. */
char *dir_make_temp(const char *prefix, struct error **err);

/* Reads or writes all LEN bytes, going on after short transfers and signals.  An early end of the
 * file is ERROR_CORRUPT.  WHAT names the thing in errors. */
int fd_read_all(int fd, void *data, size_t len, const char *what, struct error **err);
int fd_write_all(int fd, const void *data, size_t len, const char *what, struct error **err);
int fd_pread_all(int fd, void *data, size_t len, uint64_t offset, const char *what,
                 struct error **err);
int fd_pwrite_all(int fd, const void *data, size_t len, uint64_t offset, const char *what,
                  struct error **err);

/* Sets O_NONBLOCK. */
int fd_set_nonblocking(int fd, struct error **err);

/* "DIR/NAME"; owned by the caller. */
char *path_join(const char *dir, const char *name);

/* The part behind the last slash.  Borrowed from PATH. */
const char *path_base(const char *path);

/* True if PATH is WANTED, which may begin with slashes, or ends with it at a slash. */
bool path_ends_with(const char *path, const char *wanted);

/* False for absolute paths and for those with an empty, "." or ".." part. */
bool path_is_plain_relative(const char *path, size_t len);
