#include "apiserver/record.h"

#define LOG_COMPONENT "apiserver"

#include "apiserver/call.h"
#include "apiserver/metrics.h"
#include "apiserver/server.h"
#include "base/array.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/thread.h"
#include "base/time.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct record {
    pthread_mutex_t lock;
    int64_t second;    /* guarded by lock, as the rest */
    unsigned lines;    /* in that second */
    unsigned left_out; /* since the last line */
};

struct record *record_new(void)
{
    struct record *record = xcalloc(1, sizeof(*record));

    pthread_mutex_init(&record->lock, NULL);
    return record;
}

void record_free(struct record *record)
{
    if (record == NULL)
        return;
    pthread_mutex_destroy(&record->lock);
    free(record);
}

/* --- Labels --------------------------------------------------------------------------------------
 */

static bool is_apply(const struct call *call)
{
    const char *type = http_request_header(call->request, "Content-Type");

    return type != NULL && str_starts_with(type, "application/apply-patch");
}

static const char *verb_label(const struct call *call)
{
    static const struct {
        const char *verb, *label;
    } labels[] = {{"get", "GET"},       {"list", "LIST"},
                  {"watch", "WATCH"},   {"create", "POST"},
                  {"update", "PUT"},    {"patch", "PATCH"},
                  {"delete", "DELETE"}, {"deletecollection", "DELETECOLLECTION"}};
    static const char *const methods[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"};

    if (str_eq(call->subresource, "exec") || str_eq(call->subresource, "log"))
        return "CONNECT";
    if (str_eq(call->verb, "patch") && is_apply(call))
        return "APPLY";
    for (size_t i = 0; i < ARRAY_SIZE(labels); i++)
        if (str_eq(call->verb, labels[i].verb))
            return labels[i].label;
    for (size_t i = 0; i < ARRAY_SIZE(methods); i++)
        if (str_eq(call->request->method, methods[i]))
            return methods[i];
    return "OTHER";
}

/* A path that names no kind of ours has no labels of its own. */
static struct metrics_labels labels_of(const struct call *call)
{
    struct metrics_labels labels = {verb_label(call), "", "", "", "", ""};

    if (call->served == NULL)
        return labels;
    labels.group = call->group;
    labels.version = call->version;
    labels.resource = call->plural;
    labels.scope = *call->name != '\0' ? "resource" : *call->ns != '\0' ? "namespace" : "cluster";
    static const char *const known[] = {"status", "scale", "log", "exec", "token", "finalize"};
    for (size_t i = 0; i < ARRAY_SIZE(known); i++)
        if (str_eq(call->subresource, known[i]))
            labels.subresource = known[i];
    return labels;
}

static bool stays_open(struct call *call)
{
    return str_eq(call->verb, "watch") || str_eq(call->subresource, "exec") ||
           (str_eq(call->subresource, "log") && call_query_bool(call, "follow"));
}

void record_stays_open(struct call *call, int change)
{
    if (call->served == NULL || !stays_open(call))
        return;
    struct metrics_labels labels = labels_of(call);
    metrics_stays_open(call->server->metrics, &labels, change);
    record_in_flight(call, -change);
}

void record_in_flight(const struct call *call, int change)
{
    const char *method = call->request->method;

    metrics_in_flight(call->server->metrics, !str_eq(method, "GET") && !str_eq(method, "HEAD"),
                      change);
}

/* --- The log
 * --------------------------------------------------------------------------------------- */

/* True if this second has room for a line. */
static bool has_room(struct record *record, unsigned *left_out)
{
    int64_t second = time_mono_ms() / 1000;
    LOCK_SCOPE(&record->lock);

    if (record->second != second) {
        record->second = second;
        record->lines = 0;
    }
    if (record->lines >= RECORD_LINES_PER_S) {
        record->left_out++;
        return false;
    }
    record->lines++;
    *left_out = record->left_out;
    record->left_out = 0;
    return true;
}

static bool is_of_interest(struct call *call, int status, int64_t us)
{
    const char *method = call->request->method;

    if (str_eq(call->request->peer, "in-process"))
        return false;
    return (!str_eq(method, "GET") && !str_eq(method, "HEAD")) || status == 401 || status == 403 ||
           (us > RECORD_SLOW_US && !stays_open(call));
}

static enum log_level find_level(struct call *call, int status, int64_t us)
{
    unsigned left_out = 0;

    if (status >= 500)
        return LOG_LEVEL_WARN;
    if (!is_of_interest(call, status, us) || !has_room(call->server->record, &left_out))
        return LOG_LEVEL_DEBUG;
    if (left_out > 0)
        log_info("requests were left out of the log: count=%u", left_out);
    return LOG_LEVEL_INFO;
}

void record_answered(struct call *call, int64_t us)
{
    int status = http_response_get_status(call->response);
    struct metrics_labels labels = labels_of(call);
    enum log_level level = find_level(call, status, us);

    metrics_count(call->server->metrics, &labels, status, us);
    if (log_is_enabled(level, LOG_COMPONENT))
        log_write(level, LOG_COMPONENT,
                  "request: id=%s user=%s peer=%s method=%s path=%s status=%d us=%" PRId64,
                  call->id, call->user == NULL ? "" : call->user->name, call->request->peer,
                  call->request->method, call->request->path, status, us);
}
