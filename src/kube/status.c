#include "kube/status.h"

#include "base/array.h"
#include "base/error.h"
#include "base/text.h"
#include "data/obj.h"

enum {
    SHOWN_BYTES = 200,        /* of a body that is no Status */
    RETRY_AFTER_MAX_S = 3600, /* what we believe */
};

/* clang-format off */
static const struct {
    int status;
    const char *reason; /* NULL for any other */
    enum error_code code;
} rules[] = {
    {400, "Expired",       ERROR_EXPIRED},
    {400, NULL,            ERROR_INVALID},
    {401, NULL,            ERROR_DENIED},
    {403, NULL,            ERROR_DENIED},
    {404, NULL,            ERROR_NOT_FOUND},
    {405, NULL,            ERROR_UNSUPPORTED},
    {406, NULL,            ERROR_UNSUPPORTED},
    {408, NULL,            ERROR_TIMEOUT},
    {409, "AlreadyExists", ERROR_EXISTS},
    {409, NULL,            ERROR_CONFLICT},
    {410, NULL,            ERROR_EXPIRED},
    {413, NULL,            ERROR_INVALID},
    {415, NULL,            ERROR_UNSUPPORTED},
    {422, NULL,            ERROR_INVALID},
    {429, NULL,            ERROR_BUSY},
    {500, NULL,            ERROR_UNAVAILABLE},
    {501, NULL,            ERROR_UNSUPPORTED},
    {502, NULL,            ERROR_UNAVAILABLE},
    {503, NULL,            ERROR_UNAVAILABLE},
    {504, NULL,            ERROR_TIMEOUT},
};
/* clang-format on */

static enum error_code code_of(int status, const char *reason)
{
    for (size_t i = 0; i < ARRAY_SIZE(rules); i++)
        if (rules[i].status == status &&
            (rules[i].reason == NULL || str_eq(rules[i].reason, reason)))
            return rules[i].code;
    return status >= 500 ? ERROR_UNAVAILABLE : ERROR_INVALID;
}

/* The Status object in BODY, or NULL. */
static json_t *parse_status(const char *body, size_t body_len)
{
    struct error *err = NULL;

    if (body_len == 0 || body[0] != '{')
        return NULL;
    json_t *object = obj_parse(body, body_len, &err);
    if (object == NULL)
        error_clear(&err); /* shown as the text it is */
    return object;
}

int status_to_error(int status, const char *body, size_t body_len, struct error **err)
{
    json_auto_t *object = parse_status(body, body_len);
    const char *message = obj_str(object, "message", NULL);

    if (message != NULL)
        return error_set(err, code_of(status, obj_str(object, "reason", "")), "%s", message);

    struct span text = span_trim((struct span){body, body_len});
    if (text.len > SHOWN_BYTES)
        text.len = SHOWN_BYTES;
    if (text.len == 0 || !utf8_is_valid(text.ptr, text.len))
        return error_set(err, code_of(status, ""), "the server answered HTTP status %d", status);
    return error_set(err, code_of(status, ""), "the server answered HTTP status %d: %.*s", status,
                     (int)text.len, text.ptr);
}

int64_t status_retry_after_ms(const char *body, size_t body_len, int64_t fallback_ms)
{
    json_auto_t *object = parse_status(body, body_len);
    int64_t seconds = obj_int(object, "details.retryAfterSeconds", 0);

    return seconds > 0 && seconds <= RETRY_AFTER_MAX_S ? seconds * 1000 : fallback_ms;
}
