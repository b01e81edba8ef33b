#include "base/error.h"

#include "base/array.h"
#include "base/mem.h"
#include "base/text.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { ERROR_TEXT_MAX = 64 * 1024 };

static const char *const code_names[] = {
    [ERROR_BUG] = "BUG",
    [ERROR_INVALID] = "INVALID",
    [ERROR_UNSUPPORTED] = "UNSUPPORTED",
    [ERROR_DENIED] = "DENIED",
    [ERROR_NOT_FOUND] = "NOT_FOUND",
    [ERROR_EXISTS] = "EXISTS",
    [ERROR_CONFLICT] = "CONFLICT",
    [ERROR_EXPIRED] = "EXPIRED",
    [ERROR_BUSY] = "BUSY",
    [ERROR_UNAVAILABLE] = "UNAVAILABLE",
    [ERROR_TIMEOUT] = "TIMEOUT",
    [ERROR_CORRUPT] = "CORRUPT",
    [ERROR_IO] = "IO",
    [ERROR_CANCELED] = "CANCELED",
};
static_assert(ARRAY_SIZE(code_names) == ERROR_CODE_COUNT, "every code has a name");

const char *error_code_name(enum error_code code)
{
    return code_names[code];
}

static enum error_code code_of_errno(int sys)
{
    switch (sys) {
    case ENOENT:
    case ENOTDIR:
    case ESRCH:
        return ERROR_NOT_FOUND;
    case EEXIST:
        return ERROR_EXISTS;
    case EACCES:
    case EPERM:
    case EROFS:
        return ERROR_DENIED;
    case EINVAL:
    case ENAMETOOLONG:
    case ELOOP:
        return ERROR_INVALID;
    case ENOTSUP:
    case ENOSYS:
        return ERROR_UNSUPPORTED;
    case EBUSY:
    case EAGAIN:
    case EMFILE:
    case ENFILE:
        return ERROR_BUSY;
    case ETIMEDOUT:
        return ERROR_TIMEOUT;
    case ECONNREFUSED:
    case ECONNRESET:
    case EPIPE:
    case EHOSTUNREACH:
    case ENETUNREACH:
        return ERROR_UNAVAILABLE;
    case ECANCELED:
        return ERROR_CANCELED;
    default:
        return ERROR_IO;
    }
}

__attribute__((format(printf, 3, 0))) static struct error *link_new(enum error_code code, int sys, const char *format, va_list args)
{
    struct error *link = xcalloc(1, sizeof(*link));

    link->code = code;
    link->sys = sys;
    link->msg = xvasprintf(format, args);
    return link;
}

int (error_set)(struct error **err, enum error_code code, const char *format, ...)
{
    va_list args;

    assert(*err == NULL);
    va_start(args, format);
    *err = link_new(code, 0, format, args);
    va_end(args);
    return -1;
}

int (error_sys)(struct error **err, int sys, const char *format, ...)
{
    va_list args;
    char reason[128];

    assert(*err == NULL);
    va_start(args, format);
    struct error *link = link_new(code_of_errno(sys), sys, format, args);
    va_end(args);

    char *what = link->msg;
    link->msg = xasprintf("%s: %s", what, strerror_r(sys, reason, sizeof(reason)));
    free(what);
    *err = link;
    return -1;
}

int (error_wrap)(struct error **err, const char *format, ...)
{
    va_list args;

    assert(*err != NULL);
    va_start(args, format);
    struct error *link = link_new((*err)->code, (*err)->sys, format, args);
    va_end(args);
    link->cause = *err;
    *err = link;
    return -1;
}

int (error_hint)(struct error **err, const char *format, ...)
{
    va_list args;

    assert(*err != NULL);
    free((*err)->hint);
    va_start(args, format);
    (*err)->hint = xvasprintf(format, args);
    va_end(args);
    return -1;
}

void error_free(struct error *err)
{
    while (err != NULL) {
        struct error *cause = err->cause;

        free(err->msg);
        free(err->hint);
        free(err);
        err = cause;
    }
}

void error_clear(struct error **err)
{
    error_free(*err);
    *err = NULL;
}

char *error_format(const struct error *err)
{
    struct buf text = BUF_INIT(ERROR_TEXT_MAX);

    for (const struct error *link = err; link != NULL; link = link->cause) {
        if (text.len > 0)
            buf_add(&text, ": ");
        buf_add(&text, link->msg);
    }
    return buf_take(&text);
}

const char *error_get_hint(const struct error *err)
{
    for (; err != NULL; err = err->cause)
        if (err->hint != NULL)
            return err->hint;
    return NULL;
}

bool error_is_transient(const struct error *err)
{
    return err->code == ERROR_BUSY || err->code == ERROR_UNAVAILABLE || err->code == ERROR_TIMEOUT ||
           err->code == ERROR_CONFLICT || err->code == ERROR_EXPIRED;
}
