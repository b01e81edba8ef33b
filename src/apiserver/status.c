#include "apiserver/status.h"

#include "base/array.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "data/obj.h"

#include <errno.h>
#include <stdlib.h>

void failure_reset(struct failure *failure)
{
    json_decref(failure->status);
    *failure = (struct failure){0};
}

/* Messages quote what was wrong, bytes that are no text among it. */
static void set(struct failure *failure, int code, const char *reason, const char *message)
{
    failure_reset(failure);
    failure->code = code;
    failure->status = obj_pack("{s:s, s:s, s:{}, s:s, s:o, s:s, s:i}", "kind", "Status",
                               "apiVersion", "v1", "metadata", "status", "Failure", "message",
                               obj_new_str(message), "reason", reason, "code", code);
}

int fail(struct failure *failure, int code, const char *reason, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    CLEANUP(str) char *message = xvasprintf(format, args);
    va_end(args);
    set(failure, code, reason, message);
    return -1;
}

int fail_bad_request(struct failure *failure, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    CLEANUP(str) char *message = xvasprintf(format, args);
    va_end(args);
    set(failure, 400, "BadRequest", message);
    return -1;
}

static json_t *details(struct failure *failure)
{
    json_t *found = json_object_get(failure->status, "details");

    if (found != NULL)
        return found;
    json_object_set_new(failure->status, "details", json_object());
    return json_object_get(failure->status, "details");
}

void failure_set_details(struct failure *failure, const char *group, const char *kind,
                         const char *name)
{
    json_t *into = details(failure);

    if (!str_is_empty(name))
        obj_put_str(into, "name", name);
    if (!str_is_empty(group))
        obj_put_str(into, "group", group);
    if (!str_is_empty(kind))
        obj_put_str(into, "kind", kind);
}

void failure_take_causes(struct failure *failure, json_t *causes)
{
    json_object_set_new(details(failure), "causes", causes);
}

void failure_set_retry(struct failure *failure, int seconds)
{
    json_object_set_new(details(failure), "retryAfterSeconds", json_integer(seconds));
}

/* "plans.forklift.konveyor.io", or "pods". */
static char *qualified(const char *group, const char *name)
{
    return str_is_empty(group) ? xstrdup(name) : xasprintf("%s.%s", name, group);
}

int fail_not_found(struct failure *failure, const char *group, const char *plural,
                   const char *name)
{
    CLEANUP(str) char *what = qualified(group, plural);

    fail(failure, 404, "NotFound", "%s \"%s\" not found", what, name);
    failure_set_details(failure, group, plural, name);
    return -1;
}

int fail_exists(struct failure *failure, const char *group, const char *plural, const char *name)
{
    CLEANUP(str) char *what = qualified(group, plural);

    fail(failure, 409, "AlreadyExists", "%s \"%s\" already exists", what, name);
    failure_set_details(failure, group, plural, name);
    return -1;
}

int fail_conflict(struct failure *failure, const char *group, const char *plural, const char *name,
                  const char *detail)
{
    CLEANUP(str) char *what = qualified(group, plural);

    fail(failure, 409, "Conflict", "Operation cannot be fulfilled on %s \"%s\": %s", what, name,
         detail);
    failure_set_details(failure, group, plural, name);
    return -1;
}

int fail_invalid(struct failure *failure, const char *group, const char *kind, const char *name,
                 const struct cause_list *causes)
{
    CLEANUP(str) char *what = qualified(group, kind);
    CLEANUP(str) char *text = cause_list_format(causes);

    fail(failure, 422, "Invalid", "%s \"%s\" is invalid: %s", what, name, text);
    failure_set_details(failure, group, kind, name);
    failure_take_causes(failure, cause_list_to_json(causes));
    return -1;
}

int fail_forbidden(struct failure *failure, const char *group, const char *plural,
                   const char *name, const char *detail)
{
    CLEANUP(str) char *what = qualified(group, plural);

    if (str_is_empty(name))
        fail(failure, 403, "Forbidden", "%s is forbidden: %s", what, detail);
    else
        fail(failure, 403, "Forbidden", "%s \"%s\" is forbidden: %s", what, name, detail);
    failure_set_details(failure, group, plural, name);
    return -1;
}

int fail_error(struct failure *failure, const struct error *err)
{
    /* clang-format off */
    static const struct { int code; const char *reason; } answers[ERROR_CODE_COUNT] = {
        [ERROR_BUG] = {500, "InternalError"},      [ERROR_INVALID] = {400, "BadRequest"},
        [ERROR_UNSUPPORTED] = {501, "NotImplemented"}, [ERROR_DENIED] = {403, "Forbidden"},
        [ERROR_NOT_FOUND] = {404, "NotFound"},     [ERROR_EXISTS] = {409, "AlreadyExists"},
        [ERROR_CONFLICT] = {409, "Conflict"},      [ERROR_EXPIRED] = {410, "Expired"},
        [ERROR_BUSY] = {429, "TooManyRequests"},   [ERROR_UNAVAILABLE] = {503, "ServiceUnavailable"},
        [ERROR_TIMEOUT] = {504, "Timeout"},        [ERROR_CORRUPT] = {500, "InternalError"},
        [ERROR_IO] = {500, "InternalError"},       [ERROR_CANCELED] = {503, "ServiceUnavailable"},
    };
    /* clang-format on */
    CLEANUP(str) char *text = error_format(err);
    const char *hint = error_get_hint(err);
    CLEANUP(str) char *message = hint == NULL ? xstrdup(text) : xasprintf("%s (%s)", text, hint);

    if (err->sys == ENOSPC || err->sys == EDQUOT)
        set(failure, 507, "InsufficientStorage", message);
    else
        set(failure, answers[err->code].code, answers[err->code].reason, message);
    if (failure->code == 429 || failure->code == 504)
        failure_set_retry(failure, 1);
    return -1;
}

json_t *status_success(const char *group, const char *kind, const char *name, const char *uid)
{
    json_t *status = obj_pack("{s:s, s:s, s:{}, s:s, s:{s:s, s:s, s:s}}", "kind", "Status",
                              "apiVersion", "v1", "metadata", "status", "Success", "details",
                              "name", name, "kind", kind, "uid", uid);

    if (!str_is_empty(group))
        obj_put_str(status, "details.group", group);
    return status;
}
