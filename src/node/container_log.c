#include "node/container_log.h"

#include "base/cancel.h"
#include "base/error.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/time.h"
#include "data/obj.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FOLLOW_MS = 100, RECORD_MAX = LOG_LINE_MAX + 64, READ_BYTES = 64 * 1024 };

struct container_log {
    char *path;
    int fd;
    size_t written;
    struct buf pending[2]; /* per stream: a line without its end */
};

static int open_file(struct container_log *log, struct error **err)
{
    struct stat st;

    log->fd = open(log->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (log->fd == -1 || fstat(log->fd, &st) == -1)
        return error_sys(err, errno, "cannot open log \"%s\"", log->path);
    log->written = (size_t)st.st_size;
    return 0;
}

struct container_log *container_log_open(const char *path, struct error **err)
{
    CLEANUP(container_log) struct container_log *log = xcalloc(1, sizeof(*log));

    log->path = xstrdup(path);
    log->fd = -1;
    for (int i = 0; i < 2; i++)
        log->pending[i] = BUF_INIT(LOG_LINE_MAX);
    if (open_file(log, err) == -1)
        return NULL;
    return steal(&log);
}

static int rotate(struct container_log *log, struct error **err)
{
    CLEANUP(str) char *old = xasprintf("%s.1", log->path);

    close(steal_fd(&log->fd));
    if (rename(log->path, old) == -1)
        return error_sys(err, errno, "cannot rename log \"%s\"", log->path);
    return open_file(log, err);
}

static int write_record(struct container_log *log, enum log_stream stream, bool ends,
                        struct error **err)
{
    struct buf *pending = &log->pending[stream];
    CLEANUP(buf) struct buf record = BUF_INIT(RECORD_MAX);
    char stamp[TIME_TEXT_SIZE];

    if (log->written >= LOG_ROTATE_BYTES && rotate(log, err) == -1)
        return -1;
    buf_printf(&record, "%s %s %c ", time_format_micro(time_now_ms(), stamp),
               stream == LOG_STDOUT ? "stdout" : "stderr", ends ? 'F' : 'P');
    buf_add_span(&record, buf_span(pending));
    buf_add_char(&record, '\n');
    buf_clear(pending);
    log->written += record.len;
    return fd_write_all(log->fd, record.ptr, record.len, "log", err);
}

int container_log_add(struct container_log *log, enum log_stream stream, const char *data,
                      size_t len, struct error **err)
{
    struct buf *pending = &log->pending[stream];

    for (size_t i = 0; i < len; i++) {
        if (data[i] == '\n') {
            if (write_record(log, stream, true, err) == -1)
                return -1;
            continue;
        }
        if (pending->len == LOG_LINE_MAX && write_record(log, stream, false, err) == -1)
            return -1;
        buf_add_char(pending, data[i]);
    }
    return 0;
}

void container_log_close(struct container_log *log)
{
    if (log == NULL)
        return;
    for (int i = 0; i < 2; i++) {
        CLEANUP(error) struct error *ignored = NULL; /* nobody is left to tell */

        if (log->pending[i].len > 0 && log->fd != -1)
            write_record(log, i == 0 ? LOG_STDOUT : LOG_STDERR, false, &ignored);
        buf_reset(&log->pending[i]);
    }
    cleanup_fd(&log->fd);
    free(log->path);
    free(log);
}

/* One reading of a log. */
struct reading {
    int64_t since_ms;
    int64_t limit;     /* bytes that may still be sent; -1: any */
    bool timestamps;
    bool plain;        /* the file's bytes as they are */
    bool line_begins;  /* the next record begins a line */
    bool ended;        /* the reader went away or the limit is reached */
    bool (*on_data)(void *to, const char *data, size_t len);
    void *to;
};

static void send_piece(struct reading *r, const char *data, size_t len)
{
    if (r->limit >= 0 && len > (size_t)r->limit)
        len = (size_t)r->limit;
    if (len > 0 && !r->on_data(r->to, data, len))
        r->ended = true;
    if (r->limit >= 0) {
        r->limit -= (int64_t)len;
        r->ended |= r->limit == 0;
    }
}

static void send_record(struct reading *r, struct span record)
{
    struct span rest = record, stamp, stream, tag;

    if (!span_split(&rest, ' ', &stamp) || !span_split(&rest, ' ', &stream) ||
        !span_split(&rest, ' ', &tag))
        return; /* cut short by a crash */
    if (r->since_ms > 0) {
        CLEANUP(str) char *text = span_dup(stamp);
        CLEANUP(error) struct error *ignored = NULL;
        int64_t at_ms = 0;

        if (time_parse(text, &at_ms, &ignored) == 0 && at_ms < r->since_ms)
            return;
    }

    CLEANUP(buf) struct buf out = BUF_INIT(RECORD_MAX + 1);
    bool ends = span_eq_str(tag, "F");

    if (r->timestamps && r->line_begins) {
        buf_add_span(&out, stamp);
        buf_add_char(&out, ' ');
    }
    buf_add_span(&out, rest);
    if (ends)
        buf_add_char(&out, '\n');
    r->line_begins = ends;
    send_piece(r, out.ptr == NULL ? "" : out.ptr, out.len);
}

/* Sends the whole records behind *POS and moves it behind them. */
static int send_new(struct reading *r, int fd, off_t *pos, struct error **err)
{
    char *data = xmalloc(READ_BYTES);
    int result = 0;

    while (!r->ended) {
        ssize_t got = pread(fd, data, READ_BYTES, *pos);

        if (got == -1) {
            result = error_sys(err, errno, "cannot read the log");
            break;
        }
        const char *begin = data, *end = data + got, *line_end;
        if (r->plain) {
            send_piece(r, data, (size_t)got);
            begin = end;
        }
        while (!r->ended && (line_end = memchr(begin, '\n', (size_t)(end - begin))) != NULL) {
            send_record(r, (struct span){begin, (size_t)(line_end - begin)});
            begin = line_end + 1;
        }
        *pos += begin - data;
        if (begin == data)
            break;
    }
    free(data);
    return result;
}

/* Finds where the last COUNT lines begin, looking back from the end.  False if the file has fewer:
 * *LEFT is what is missing. */
static bool find_tail(int fd, int64_t count, off_t *pos, int64_t *left)
{
    struct stat st;
    char block[4096];
    int64_t ends = 0;

    *pos = 0;
    *left = count;
    if (fstat(fd, &st) == -1)
        return false;
    if (count == 0) {
        *pos = st.st_size;
        return true;
    }
    for (off_t end = st.st_size; end > 0;) {
        off_t begin = end > (off_t)sizeof(block) ? end - (off_t)sizeof(block) : 0;
        ssize_t got = pread(fd, block, (size_t)(end - begin), begin);

        if (got <= 0)
            return false;
        for (ssize_t i = got - 1; i >= 0; i--)
            if (block[i] == '\n' && ++ends == count + 1) {
                *pos = begin + i + 1;
                *left = 0;
                return true;
            }
        end = begin;
    }
    *left = count - ends;
    return false;
}

static int open_log(const char *path)
{
    return open(path, O_RDONLY | O_CLOEXEC);
}

static bool is_same_file(int fd, const char *path)
{
    struct stat ours, theirs;

    return fstat(fd, &ours) == 0 && stat(path, &theirs) == 0 && ours.st_ino == theirs.st_ino;
}

static int follow(struct reading *r, const char *path, int *fd, off_t *pos,
                  bool (*is_over)(void *arg), void *arg, struct cancel *cancel, struct error **err)
{
    while (!r->ended) {
        bool over = is_over(arg);

        if (*fd == -1)
            *fd = open_log(path);
        if (*fd != -1 && send_new(r, *fd, pos, err) == -1)
            return -1;
        if (*fd != -1 && !is_same_file(*fd, path)) {
            close(steal_fd(fd));
            *pos = 0;
            continue;
        }
        if (over || cancel_wait(cancel, FOLLOW_MS))
            break;
    }
    return 0;
}

static int64_t since_of(const json_t *options)
{
    int64_t seconds = obj_int(options, "sinceSeconds", 0), at_ms = 0;
    const char *at = obj_str(options, "sinceTime", NULL);
    CLEANUP(error) struct error *ignored = NULL; /* the API server has validated it */

    if (seconds > 0)
        return time_now_ms() - seconds * 1000;
    return at != NULL && time_parse(at, &at_ms, &ignored) == 0 ? at_ms : 0;
}

static int read_log(const char *path, const json_t *options, bool plain,
                    bool (*is_over)(void *arg), void *arg, struct cancel *cancel,
                    bool (*on_data)(void *to, const char *data, size_t len), void *to,
                    struct error **err)
{
    struct reading r = {
        .since_ms = since_of(options),
        .limit = obj_int(options, "limitBytes", -1),
        .timestamps = obj_bool(options, "timestamps", false),
        .plain = plain,
        .line_begins = true,
        .on_data = on_data,
        .to = to,
    };
    int64_t tail = obj_int(options, "tailLines", -1), left = 1;
    CLEANUP(str) char *old_path = xasprintf("%s.1", path);
    CLEANUP(fd) int fd = open_log(path);
    CLEANUP(fd) int old_fd = -1;
    off_t pos = 0, old_pos = 0;

    if (tail >= 0 && fd != -1 && find_tail(fd, tail, &pos, &left))
        left = 0;
    if (left > 0)
        old_fd = open_log(old_path);
    if (old_fd != -1) {
        int64_t ignored_left = 0;

        if (tail >= 0)
            find_tail(old_fd, left, &old_pos, &ignored_left);
        if (send_new(&r, old_fd, &old_pos, err) == -1)
            return -1;
    }
    if (fd != -1 && send_new(&r, fd, &pos, err) == -1)
        return -1;
    if (!obj_bool(options, "follow", false))
        return 0;
    return follow(&r, path, &fd, &pos, is_over, arg, cancel, err);
}

int container_log_read(const char *path, const json_t *options, bool (*is_over)(void *arg),
                       void *arg, struct cancel *cancel,
                       bool (*on_data)(void *to, const char *data, size_t len), void *to,
                       struct error **err)
{
    return read_log(path, options, false, is_over, arg, cancel, on_data, to, err);
}

int container_log_read_plain(const char *path, const json_t *options, bool (*is_over)(void *arg),
                             void *arg, struct cancel *cancel,
                             bool (*on_data)(void *to, const char *data, size_t len), void *to,
                             struct error **err)
{
    return read_log(path, options, true, is_over, arg, cancel, on_data, to, err);
}
