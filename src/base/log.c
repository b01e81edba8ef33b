#include "base/log.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/time.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LOG_LINE_MAX = 8192, LOG_COMPONENTS_MAX = 32 };

/* written by log_init and log_enable_debug, before threads start */
static const char *program_name = "gantry";
static enum log_level level_shown = LOG_LEVEL_WARN;
static int log_fd = 2;
static char *debug_components[LOG_COMPONENTS_MAX];
static size_t debug_count;

void log_init(const char *program, enum log_level level, int fd)
{
    program_name = program;
    level_shown = level;
    log_fd = fd;
}

void log_enable_debug(const char *component)
{
    if (debug_count < LOG_COMPONENTS_MAX)
        debug_components[debug_count++] = xstrdup(component);
}

bool log_is_enabled(enum log_level level, const char *component)
{
    if (level <= level_shown)
        return true;
    if (level != LOG_LEVEL_DEBUG)
        return false;
    for (size_t i = 0; i < debug_count; i++)
        if (strcmp(debug_components[i], "all") == 0 || strcmp(debug_components[i], component) == 0)
            return true;
    return false;
}

/* A line is one line whatever it quotes: control characters are shown as \xHH. */
static void add_escaped(struct buf *line, const char *text)
{
    for (const unsigned char *p = (const unsigned char *)text; *p != '\0'; p++) {
        if (*p == '\n')
            buf_add(line, "\\n");
        else if (*p < 0x20 || *p == 0x7f)
            buf_printf(line, "\\x%02x", *p);
        else
            buf_add_char(line, (char)*p);
    }
}

void log_write(enum log_level level, const char *component, const char *format, ...)
{
    static const char *const names[] = {"error", "warn", "info", "debug"};
    char when[TIME_TEXT_SIZE];
    CLEANUP(buf) struct buf line = BUF_INIT(LOG_LINE_MAX);
    va_list args;

    if (!log_is_enabled(level, component))
        return;

    va_start(args, format);
    char *text = xvasprintf(format, args);
    va_end(args);

    buf_printf(&line, "%s %s %s/%s: ", time_format_micro(time_now_ms(), when), names[level],
               program_name, component);
    add_escaped(&line, text);
    free(text);
    if (line.full || line.len == LOG_LINE_MAX)
        line.len = LOG_LINE_MAX - 1;
    line.full = false;
    buf_add_char(&line, '\n');

    /* one write, so that lines of threads and processes do not mix; nobody to tell if it fails */
    ssize_t ignored = write(log_fd, line.ptr, line.len);
    (void)ignored;
}

void log_write_error(enum log_level level, const char *component, const struct error *err,
                     const char *what)
{
    char *text = error_format(err);

    log_write(level, component, "%s: %s", what, text);
    free(text);
}
