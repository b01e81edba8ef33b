/* Log lines: a fixed sentence and facts.
 *
 *     #define LOG_COMPONENT "copy"          (before the include)
 *     log_info("disk copied: vm=%s bytes=%" PRIu64, vm, n);
 *
 * error: someone must act.  warn: we recovered.  info: a step began or ended.  debug: by component,
 * switched on with log_enable_debug.  Control characters are escaped.  Only who handles a failure
 * logs it.
 *
 * May use: base.  Threads: safe anywhere; log_init first, in main.
 */
#pragma once

#include <stdbool.h>

struct error;

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* Says who we are and what is shown; FD (usually 2) is borrowed. Before it, warnings go to 2. */
void log_init(const char *program, enum log_level level, int fd);

/* Shows debug lines of COMPONENT; "all" for every one. */
void log_enable_debug(const char *component);

bool log_is_enabled(enum log_level level, const char *component);

void log_write(enum log_level level, const char *component, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The chain of ERR behind "WHAT: ", at LEVEL. */
void log_write_error(enum log_level level, const char *component, const struct error *err,
                     const char *what);

#ifndef LOG_COMPONENT
#define LOG_COMPONENT "gantry"
#endif

#define log_error(...) log_write(LOG_LEVEL_ERROR, LOG_COMPONENT, __VA_ARGS__)
#define log_warn(...) log_write(LOG_LEVEL_WARN, LOG_COMPONENT, __VA_ARGS__)
#define log_info(...) log_write(LOG_LEVEL_INFO, LOG_COMPONENT, __VA_ARGS__)
#define log_debug(...)                                                                             \
    do {                                                                                           \
        if (log_is_enabled(LOG_LEVEL_DEBUG, LOG_COMPONENT))                                        \
            log_write(LOG_LEVEL_DEBUG, LOG_COMPONENT, __VA_ARGS__);                                \
    } while (0)
#define log_warn_error(err, what) log_write_error(LOG_LEVEL_WARN, LOG_COMPONENT, err, what)
