/* watch: what is there, if asked for, then every change, until the reader or the time is gone. */
#include "apiserver/call.h"
#include "apiserver/filter.h"
#include "apiserver/server.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/random.h"
#include "base/text.h"
#include "base/time.h"
#include "data/obj.h"
#include "kube/table.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
    BOOKMARK_MS = 60 * 1000,
    LAST_BOOKMARK_MS = 2000, /* before the end */
    DEFAULT_TIMEOUT_S = 1800,
    MAX_TIMEOUT_S = 24 * 3600,
    MAX_EVENT = 17 * 1024 * 1024,
};

struct watch {
    struct call *call;
    struct filter *filter;
    struct store_watch *source;
    struct buf text; /* the event that is being written */
    bool bookmarks;
    bool wants_initial_end; /* the first bookmark says that what was there is complete */
    bool has_columns;       /* the Table's columns were sent */
    int64_t timeout_s;
    uint64_t version; /* where the reader is */
};

/* --- One event ------------------------------------------------------------------------------------ */

static void add_table_event(struct watch *watch, const struct object *object)
{
    struct call *call = watch->call;
    CLEANUP(str) char *include = http_request_query(call->request, "includeObject");
    CLEANUP(str) char *api_version = call_api_version(call);
    CLEANUP(str) char *version = xasprintf("%" PRIu64, object->rv);
    json_auto_t *value = object_parse(object);
    json_t *rows = json_array();

    obj_put_str(value, "apiVersion", api_version);
    json_array_append_new(rows, table_row(call->served_as->columns, value,
                                          str_eq(include, "Object") ? TABLE_OBJECT
                                          : str_eq(include, "None") ? TABLE_NONE
                                                                    : TABLE_METADATA,
                                          time_now_ms()));
    json_auto_t *table =
        table_take(watch->has_columns ? NULL : table_definitions(call->served_as->columns), rows,
                   obj_pack("{s:s}", "resourceVersion", version));
    watch->has_columns = true;
    obj_format_to(table, &watch->text);
}

static void add_metadata_event(struct watch *watch, const struct object *object)
{
    json_auto_t *value = object_parse(object);
    json_auto_t *partial =
        obj_pack("{s:s, s:s, s:O}", "kind", "PartialObjectMetadata", "apiVersion",
                 "meta.k8s.io/v1", "metadata", obj_at(value, "metadata"));

    obj_format_to(partial, &watch->text);
}

static bool send_event(struct watch *watch, const char *type, const struct object *object)
{
    struct call *call = watch->call;

    buf_clear(&watch->text);
    buf_printf(&watch->text, "{\"type\":\"%s\",\"object\":", type);
    if (call->accept == ACCEPT_TABLE && call->served_as->columns != NULL)
        add_table_event(watch, object);
    else if (call->accept == ACCEPT_METADATA)
        add_metadata_event(watch, object);
    else
        call_format_object(call, object, &watch->text);
    buf_add(&watch->text, "}\n");
    return http_response_write(call->response, watch->text.ptr, watch->text.len);
}

static bool send_bookmark(struct watch *watch, bool initial_end)
{
    struct call *call = watch->call;
    CLEANUP(str) char *api_version = call_api_version(call);
    CLEANUP(str) char *version = xasprintf("%" PRIu64, watch->version);
    json_auto_t *event =
        obj_pack("{s:s, s:{s:s, s:s, s:{s:s}}}", "type", "BOOKMARK", "object", "kind",
                 call->served->type->kind, "apiVersion", api_version, "metadata",
                 "resourceVersion", version);

    if (initial_end)
        obj_take(event, "object.metadata.annotations",
                 obj_pack("{s:s}", "k8s.io/initial-events-end", "true"));
    /* A Table reader has no use for it, but must be able to read it. */
    buf_clear(&watch->text);
    obj_format_to(event, &watch->text);
    buf_add_char(&watch->text, '\n');
    return http_response_write(call->response, watch->text.ptr, watch->text.len);
}

/* In the stream: the status line was 200 long ago. */
static void send_error(struct watch *watch, struct failure *failure)
{
    json_auto_t *event =
        obj_pack("{s:s, s:O}", "type", "ERROR", "object", failure->status);

    buf_clear(&watch->text);
    obj_format_to(event, &watch->text);
    buf_add_char(&watch->text, '\n');
    http_response_write(watch->call->response, watch->text.ptr, watch->text.len);
}

/* A change as this reader sees it: what starts to match is ADDED, what ceases to is DELETED. */
static bool send_change(struct watch *watch, const struct store_event *event)
{
    const struct call *call = watch->call;

    if (*call->ns != '\0' && !str_eq(call->ns, event->object->ns))
        return true;
    bool matched = event->old != NULL && filter_matches(watch->filter, event->old);
    bool matches = event->type != STORE_DELETED && filter_matches(watch->filter, event->object);

    if (matches)
        return send_event(watch, matched ? "MODIFIED" : "ADDED", event->object);
    if (!matched)
        return true;
    if (event->type == STORE_DELETED)
        return send_event(watch, "DELETED", event->object);
    /* It still exists, but as it was when it matched, with the version of the change. */
    json_auto_t *value = object_parse(event->old);
    CLEANUP(str) char *version = xasprintf("%" PRIu64, event->object->rv);
    obj_put_str(value, "metadata.resourceVersion", version);
    CLEANUP(str) char *text = obj_format(value);
    CLEANUP(object) struct object *last =
        object_new(event->old->ns, event->old->name, event->old->uid, event->object->rv, text,
                   strlen(text), NULL);
    return send_event(watch, "DELETED", last);
}

/* --- The stream ------------------------------------------------------------------------------------ */

/* Sends all changes there are.  False when the stream is over. */
static bool send_changes(struct watch *watch)
{
    uint64_t seen = store_version(watch->call->server->store);
    const struct store_event *event = NULL;

    for (;;) {
        CLEANUP(error) struct error *err = NULL;
        if (store_watch_next(watch->source, &event, &err) == -1) {
            fail_error(&watch->call->failure, err);
            send_error(watch, &watch->call->failure);
            return false;
        }
        if (event == NULL)
            break;
        watch->version = event->object->rv;
        if (!send_change(watch, event))
            return false;
    }
    if (seen > watch->version)
        watch->version = seen;
    return http_response_flush(watch->call->response);
}

static bool send_initial(struct watch *watch, struct object_list *initial)
{
    for (size_t i = 0; i < initial->len; i++)
        if (filter_matches(watch->filter, initial->ptr[i]) &&
            !send_event(watch, "ADDED", initial->ptr[i]))
            return false;
    if (watch->wants_initial_end && watch->bookmarks && !send_bookmark(watch, true))
        return false;
    return http_response_flush(watch->call->response);
}

static void follow(struct watch *watch)
{
    struct deadline end = deadline_after(watch->timeout_s * 1000);
    struct deadline bookmark = deadline_after(BOOKMARK_MS);
    bool is_last = false;

    while (send_changes(watch)) {
        struct deadline last = {end.at_ms - LAST_BOOKMARK_MS};
        if (!is_last && last.at_ms < bookmark.at_ms)
            bookmark = last;
        bool marks = watch->bookmarks && !is_last;
        struct deadline until = marks && bookmark.at_ms < end.at_ms ? bookmark : end;
        enum http_wait why =
            http_response_wait(watch->call->response, store_watch_fd(watch->source), until);
        if (why == HTTP_WAIT_GONE || deadline_is_over(end))
            return;
        if (why != HTTP_WAIT_TIMEOUT || !marks)
            continue;
        is_last = bookmark.at_ms == last.at_ms;
        bookmark = deadline_after(BOOKMARK_MS);
        if (!send_changes(watch) || !send_bookmark(watch, false))
            return;
    }
}

/* --- The request ------------------------------------------------------------------------------------ */

static int read_options(struct call *call, struct watch *watch, uint64_t *version)
{
    CLEANUP(str) char *text = http_request_query(call->request, "resourceVersion");
    CLEANUP(str) char *match = http_request_query(call->request, "resourceVersionMatch");
    CLEANUP(str) char *initial = http_request_query(call->request, "sendInitialEvents");

    if (!str_is_empty(text) && !span_u64(span_of(text), version))
        return fail_bad_request(&call->failure, "resourceVersion: \"%s\" is not a number", text);
    if (call_query_int(call, "timeoutSeconds", 0, &watch->timeout_s) == -1)
        return -1;
    if (watch->timeout_s == 0) {
        unsigned char random = 0;
        random_bytes(&random, 1); /* so that a thousand watches do not come back together */
        watch->timeout_s = DEFAULT_TIMEOUT_S + random * 7;
    }
    if (watch->timeout_s > MAX_TIMEOUT_S)
        watch->timeout_s = MAX_TIMEOUT_S;
    watch->bookmarks = call_query_bool(call, "allowWatchBookmarks");
    if (initial != NULL && str_eq(initial, "true")) {
        if (!str_eq(match, "NotOlderThan"))
            return fail(&call->failure, 422, "Invalid",
                        "resourceVersionMatch: Forbidden: sendInitialEvents requires setting "
                        "resourceVersionMatch to NotOlderThan");
        watch->wants_initial_end = true;
        *version = 0;
    } else if (*version == 0) {
        watch->wants_initial_end = true;
    }
    return 0;
}

static void run(struct call *call, struct watch *watch, uint64_t version)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(object_list) struct object_list initial = {0};

    http_response_set_status(call->response, 200);
    http_response_add_header(call->response, "Content-Type", "application/json");
    /* Clients wait for the headers before they wait for events. */
    if (!http_response_flush(call->response))
        return;
    if (store_watch_open(call->served->table, *call->ns == '\0' ? NULL : call->ns, version,
                         &initial, &watch->version, &watch->source, &err) == -1) {
        fail_error(&call->failure, err);
        send_error(watch, &call->failure);
        return;
    }
    if (version == 0 && !send_initial(watch, &initial))
        return;
    object_list_free_all(&initial);
    follow(watch);
}

void handle_watch(struct call *call)
{
    struct watch watch = {.call = call, .text = BUF_INIT(MAX_EVENT)};
    uint64_t version = 0;

    watch.filter = filter_new(call);
    if (watch.filter == NULL || read_options(call, &watch, &version) == -1)
        call_answer_failure(call);
    else
        run(call, &watch, version);
    store_watch_close(watch.source);
    filter_free(watch.filter);
    buf_reset(&watch.text);
}
