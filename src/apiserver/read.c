/* get and list. */
#include "apiserver/call.h"
#include "apiserver/filter.h"
#include "apiserver/label_index.h"
#include "apiserver/server.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/time.h"
#include "data/base64.h"
#include "data/obj.h"
#include "kube/table.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_CONTINUE = 4096, MAX_ROW = 17 * 1024 * 1024 };

void handle_get(struct call *call)
{
    CLEANUP(object) struct object *object = store_get(call->served->table, call->ns, call->name);

    if (object == NULL) {
        fail_not_found(&call->failure, call->group, call->plural, call->name);
        call_answer_failure(call);
        return;
    }
    call_answer_object(call, 200, object);
}

/* --- Where a list begins ------------------------------------------------------------------------- */

struct list_options {
    int64_t limit;    /* 0: none */
    uint64_t version; /* 0: now */
    char *after;      /* the last key of the page before, "" at first */
};

/* A continue token: base64 of {"rv": version, "start": key}. */
static char *format_continue(uint64_t version, const char *key)
{
    json_auto_t *token = obj_pack("{s:I, s:s}", "rv", (json_int_t)version, "start", key);
    CLEANUP(str) char *text = obj_format(token);

    return base64_encode(text, strlen(text));
}

static int parse_continue(struct call *call, const char *text, struct list_options *options)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(str) char *json = NULL;
    size_t len = 0;
    json_auto_t *token = NULL;

    if (strlen(text) <= MAX_CONTINUE && base64_decode(text, strlen(text), &json, &len, &err) == 0)
        token = obj_parse(json, len, &err);
    const char *start = obj_str(token, "start", NULL);
    int64_t version = obj_int(token, "rv", 0);
    if (start == NULL || version <= 0)
        return fail_bad_request(&call->failure, "continue key is not valid");
    options->version = (uint64_t)version;
    options->after = xstrdup(start);
    return 0;
}

/* A version that is still to come: the caller saw another server's, or one that was lost. */
static int fail_future(struct call *call, uint64_t version)
{
    json_t *causes = json_array();

    fail(&call->failure, 504, "Timeout",
         "Timeout: Too large resource version: %" PRIu64 ", current: %" PRIu64, version,
         store_version(call->server->store));
    json_array_append_new(causes, obj_pack("{s:s, s:s}", "reason", "ResourceVersionTooLarge",
                                           "message", "Too large resource version"));
    failure_take_causes(&call->failure, causes);
    failure_set_retry(&call->failure, 1);
    return -1;
}

static int read_version(struct call *call, struct list_options *options)
{
    CLEANUP(str) char *version = http_request_query(call->request, "resourceVersion");
    CLEANUP(str) char *match = http_request_query(call->request, "resourceVersionMatch");
    uint64_t number = 0;

    if (!str_is_empty(match) && !str_eq(match, "Exact") && !str_eq(match, "NotOlderThan"))
        return fail_bad_request(&call->failure, "resourceVersionMatch: \"%s\" is not supported",
                                match);
    if (!str_is_empty(match) && str_is_empty(version))
        return fail_bad_request(&call->failure, "resourceVersionMatch is forbidden unless "
                                                "resourceVersion is provided");
    if (str_is_empty(version))
        return 0;
    if (!span_u64(span_of(version), &number))
        return fail_bad_request(&call->failure, "resourceVersion: \"%s\" is not a number", version);
    if (number > store_version(call->server->store))
        return fail_future(call, number);
    if (str_eq(match, "Exact"))
        options->version = number;
    return 0;
}

static int read_list_options(struct call *call, struct list_options *options)
{
    CLEANUP(str) char *token = http_request_query(call->request, "continue");

    if (call_query_int(call, "limit", 0, &options->limit) == -1)
        return -1;
    if (!str_is_empty(token))
        return parse_continue(call, token, options);
    options->after = xstrdup("");
    return read_version(call, options);
}

/* --- What a list writes ----------------------------------------------------------------------------- */

/* Chooses up to the limit; *NEXT is the continue token, or NULL when all fit. */
static void choose(struct call *call, const struct list_options *options,
                   const struct filter *filter, struct object_list *all, size_t *count,
                   char **next, int64_t *remaining)
{
    size_t kept = 0, i = 0;

    for (; i < all->len; i++) {
        if (options->limit > 0 && kept == (size_t)options->limit)
            break;
        struct object *object = all->ptr[i];
        if (!filter_matches(filter, object))
            continue;
        all->ptr[i] = all->ptr[kept];
        all->ptr[kept++] = object;
    }
    *remaining = -1;
    if (i < all->len) {
        *next = format_continue(options->version, all->ptr[kept - 1]->key);
        if (filter_is_everything(filter))
            *remaining = (int64_t)(all->len - i);
    }
    *count = kept;
}

static json_t *list_metadata(const struct list_options *options, const char *next,
                             int64_t remaining)
{
    CLEANUP(str) char *version = xasprintf("%" PRIu64, options->version);
    json_t *metadata = obj_pack("{s:s}", "resourceVersion", version);

    obj_put_str(metadata, "continue", next);
    if (remaining >= 0)
        obj_put_int(metadata, "remainingItemCount", remaining);
    return metadata;
}

static void write_text(struct call *call, const char *text)
{
    http_response_write(call->response, text, strlen(text));
}

static void write_items(struct call *call, struct object_list *list, size_t count)
{
    CLEANUP(buf) struct buf head = BUF_INIT(1024);

    buf_printf(&head, "{\"apiVersion\":\"%s%s%s\"", call->group, *call->group == '\0' ? "" : "/",
               call->version);
    for (size_t i = 0; i < count; i++) {
        const struct object *object = list->ptr[i];
        if (i > 0)
            write_text(call, ",");
        http_response_write(call->response, head.ptr, head.len);
        if (!http_response_write(call->response, object->text + object->rest,
                                 object->len - object->rest))
            return;
    }
}

static void write_plain_list(struct call *call, struct object_list *list, size_t count,
                             json_t *metadata)
{
    CLEANUP(str) char *api_version = call_api_version(call);
    CLEANUP(str) char *meta = obj_format(metadata);
    CLEANUP(str) char *head =
        xasprintf("{\"kind\":\"%s\",\"apiVersion\":\"%s\",\"metadata\":%s,\"items\":[",
                  call->served->type->list_kind, api_version, meta);

    write_text(call, head);
    write_items(call, list, count);
    write_text(call, "]}\n");
}

/* Writes each element as it is made: a Table of thousands of rows is never in memory. */
static void write_rows(struct call *call, struct object_list *list, size_t count,
                       const char *include)
{
    enum table_include what = str_eq(include, "Object") ? TABLE_OBJECT
                              : str_eq(include, "None") ? TABLE_NONE
                                                        : TABLE_METADATA;
    CLEANUP(str) char *api_version = call_api_version(call);
    CLEANUP(buf) struct buf text = BUF_INIT(MAX_ROW);
    int64_t now_ms = time_now_ms();

    for (size_t i = 0; i < count; i++) {
        json_auto_t *value = object_parse(list->ptr[i]);
        obj_put_str(value, "apiVersion", api_version);
        json_auto_t *row = table_row(call->served_as->columns, value, what, now_ms);
        buf_clear(&text);
        if (i > 0)
            buf_add_char(&text, ',');
        obj_format_to(row, &text);
        if (!http_response_write(call->response, text.ptr, text.len))
            return;
    }
}

static void write_table(struct call *call, struct object_list *list, size_t count,
                        json_t *metadata)
{
    CLEANUP(str) char *include = http_request_query(call->request, "includeObject");
    json_auto_t *definitions = table_definitions(call->served_as->columns);
    CLEANUP(str) char *columns = obj_format(definitions);
    CLEANUP(str) char *meta = obj_format(metadata);
    CLEANUP(str) char *head = xasprintf("{\"kind\":\"Table\",\"apiVersion\":\"meta.k8s.io/v1\","
                                        "\"metadata\":%s,\"columnDefinitions\":%s,\"rows\":[",
                                        meta, columns);

    write_text(call, head);
    write_rows(call, list, count, include);
    write_text(call, "]}\n");
}

static void write_metadata_list(struct call *call, struct object_list *list, size_t count,
                                json_t *metadata)
{
    CLEANUP(str) char *meta = obj_format(metadata);
    CLEANUP(str) char *head = xasprintf("{\"kind\":\"PartialObjectMetadataList\",\"apiVersion\":"
                                        "\"meta.k8s.io/v1\",\"metadata\":%s,\"items\":[",
                                        meta);
    CLEANUP(buf) struct buf text = BUF_INIT(MAX_ROW);

    write_text(call, head);
    for (size_t i = 0; i < count; i++) {
        json_auto_t *value = object_parse(list->ptr[i]);
        json_auto_t *partial = obj_pack("{s:s, s:s, s:O}", "kind", "PartialObjectMetadata",
                                        "apiVersion", "meta.k8s.io/v1", "metadata",
                                        obj_at(value, "metadata"));
        buf_clear(&text);
        if (i > 0)
            buf_add_char(&text, ',');
        obj_format_to(partial, &text);
        if (!http_response_write(call->response, text.ptr, text.len))
            return;
    }
    write_text(call, "]}\n");
}

static int list(struct call *call, struct list_options *options)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(filter) struct filter *filter = filter_new(call);
    CLEANUP(object_list) struct object_list all = {0};
    CLEANUP(str) char *next = NULL;
    size_t count = 0;
    int64_t remaining = -1;

    if (filter == NULL || read_list_options(call, options) == -1)
        return -1;
    const char *ns = *call->ns == '\0' ? NULL : call->ns;
    const char *value = filter_exact_label(filter, LABEL_INDEXED);
    if (value != NULL && options->version == 0 && *options->after == '\0')
        store_list_labelled(call->served->table, ns, value, &options->version, &all);
    else if (store_list(call->served->table, ns, options->after, &options->version, &all, &err) ==
             -1) {
        if (err->code == ERROR_EXPIRED && *options->after != '\0')
            return fail(&call->failure, 410, "Expired",
                        "The provided continue parameter is too old to display a consistent list "
                        "result. You must start a new list without the continue parameter.");
        if (err->code == ERROR_EXPIRED)
            return fail(&call->failure, 410, "Expired",
                        "The resourceVersion for the provided list is too old.");
        return fail_error(&call->failure, err);
    }
    choose(call, options, filter, &all, &count, &next, &remaining);
    json_auto_t *metadata = list_metadata(options, next, remaining);

    http_response_set_status(call->response, 200);
    http_response_add_header(call->response, "Content-Type", "application/json");
    if (call->accept == ACCEPT_TABLE && call->served_as->columns != NULL)
        write_table(call, &all, count, metadata);
    else if (call->accept == ACCEPT_METADATA)
        write_metadata_list(call, &all, count, metadata);
    else
        write_plain_list(call, &all, count, metadata);
    return 0;
}

void handle_list(struct call *call)
{
    struct list_options options = {0};

    if (list(call, &options) == -1)
        call_answer_failure(call);
    free(options.after);
}
