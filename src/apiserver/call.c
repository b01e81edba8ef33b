#include "apiserver/call.h"

#include "apiserver/object.h"
#include "apiserver/server.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/random.h"
#include "base/text.h"
#include "base/time.h"
#include "data/obj.h"
#include "kube/table.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { MAX_SEGMENTS = 12, MAX_OBJECT_TEXT = 16 * 1024 * 1024, MAX_WARNING = 256 };

void call_init(struct call *call, struct apiserver *server, const struct http_request *request,
               struct http_response *response)
{
    *call = (struct call){.server = server, .request = request, .response = response};
    random_uuid(call->id);
}

void call_reset(struct call *call)
{
    free(call->group);
    free(call->version);
    free(call->plural);
    free(call->ns);
    free(call->name);
    free(call->subresource);
    free(call->field_manager);
    served_unref(call->served);
    user_free(call->user);
    failure_reset(&call->failure);
}

/* --- The path --------------------------------------------------------------------------------------- */

/* Decodes the parts between slashes; false for what has none of our paths: an empty part, a dot or
 * two, an escape that is wrong. */
static bool split_path(const char *path, struct str_list *parts)
{
    struct span rest = span_of(path + 1), part;

    while (span_split(&rest, '/', &part)) {
        if (part.len == 0 && rest.len == 0)
            break; /* a slash at the end */
        char *text = http_decode(part.ptr, part.len, false);
        if (text == NULL || *text == '\0' || str_eq(text, ".") || str_eq(text, "..") ||
            strchr(text, '/') != NULL || parts->len == MAX_SEGMENTS) {
            free(text);
            return false;
        }
        str_list_push(parts, text);
    }
    return true;
}

static char *take_part(struct str_list *parts, size_t index)
{
    return index < parts->len ? steal(&parts->ptr[index]) : xstrdup("");
}

static const char *find_verb(struct call *call)
{
    const char *method = call->request->method;
    bool has_name = *call->name != '\0';

    if (str_eq(method, "GET") || str_eq(method, "HEAD")) {
        if (call_query_bool(call, "watch"))
            return "watch";
        return has_name ? "get" : "list";
    }
    if (str_eq(method, "POST"))
        return "create";
    if (str_eq(method, "PUT"))
        return "update";
    if (str_eq(method, "PATCH"))
        return "patch";
    if (str_eq(method, "DELETE"))
        return has_name ? "delete" : "deletecollection";
    return "";
}

bool call_parse_path(struct call *call)
{
    struct str_list parts = {0};
    size_t at;

    if (!split_path(call->request->path, &parts) || parts.len < 3 ||
        (!str_eq(parts.ptr[0], "api") && !str_eq(parts.ptr[0], "apis")) ||
        (str_eq(parts.ptr[0], "apis") && parts.len < 4)) {
        str_list_free_all(&parts);
        return false;
    }
    bool is_core = str_eq(parts.ptr[0], "api");
    call->group = is_core ? xstrdup("") : take_part(&parts, 1);
    call->version = take_part(&parts, is_core ? 1 : 2);
    at = is_core ? 2 : 3;
    /* namespaces/NAME and namespaces/NAME/status are about the namespace itself. */
    bool in_namespace = str_eq(parts.ptr[at], "namespaces") && parts.len > at + 2 &&
                        !(is_core && parts.len == at + 3 &&
                          (str_eq(parts.ptr[at + 2], "status") ||
                           str_eq(parts.ptr[at + 2], "finalize")));
    if (in_namespace) {
        call->ns = take_part(&parts, at + 1);
        at += 2;
    } else {
        call->ns = xstrdup("");
    }
    call->plural = take_part(&parts, at);
    call->name = take_part(&parts, at + 1);
    /* Further parts belong to the subresource: proxy paths and the like. */
    CLEANUP(buf) struct buf sub = BUF_INIT(4096);
    for (size_t i = at + 2; i < parts.len; i++)
        buf_printf(&sub, "%s%s", sub.len > 0 ? "/" : "", parts.ptr[i]);
    call->subresource = buf_take(&sub);
    str_list_free_all(&parts);
    call->verb = find_verb(call);
    return true;
}

bool call_find_kind(struct call *call)
{
    call->served = registry_find(call->server->registry, call->group, call->version, call->plural,
                                 &call->served_as);
    return call->served != NULL;
}

/* --- Options ------------------------------------------------------------------------------------------ */

static bool accept_is(struct span item, const char *part)
{
    return item.len > 0 && memmem(item.ptr, item.len, part, strlen(part)) != NULL;
}

static enum call_accept read_accept(const struct http_request *request)
{
    const char *text = http_request_header(request, "Accept");
    struct span rest = span_of(text), item;

    if (str_is_empty(text))
        return ACCEPT_JSON;
    while (span_split(&rest, ',', &item)) {
        item = span_trim(item);
        bool is_json = span_starts_with(item, "application/json") ||
                       span_starts_with(item, "*/*") || span_starts_with(item, "application/*");
        if (!is_json)
            continue;
        if (accept_is(item, "as=Table"))
            return ACCEPT_TABLE;
        if (accept_is(item, "as=PartialObjectMetadata"))
            return ACCEPT_METADATA;
        if (!accept_is(item, "as="))
            return ACCEPT_JSON;
    }
    return ACCEPT_NONE;
}

bool call_query_bool(struct call *call, const char *name)
{
    CLEANUP(str) char *text = http_request_query(call->request, name);

    /* As the real server reads them: Python's clients say "True", others nothing but the name. */
    return text != NULL && !str_eq(text, "0") && strcasecmp(text, "false") != 0;
}

int call_query_int(struct call *call, const char *name, int64_t fallback, int64_t *value)
{
    CLEANUP(str) char *text = http_request_query(call->request, name);
    uint64_t number = 0;

    *value = fallback;
    if (str_is_empty(text))
        return 0;
    if (!span_u64(span_of(text), &number) || number > INT64_MAX)
        return fail_bad_request(&call->failure, "%s: \"%s\" is not a number", name, text);
    *value = (int64_t)number;
    return 0;
}

int call_read_options(struct call *call)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(str) char *dry_run = http_request_query(call->request, "dryRun");
    CLEANUP(str) char *validation = http_request_query(call->request, "fieldValidation");

    call->accept = read_accept(call->request);
    call->field_manager = http_request_query(call->request, "fieldManager");
    if (call->field_manager != NULL && strlen(call->field_manager) > 128)
        return fail_bad_request(&call->failure, "fieldManager: may not be longer than 128");
    if (!str_is_empty(dry_run) && !str_eq(dry_run, "All"))
        return fail_bad_request(&call->failure, "dryRun: \"%s\" is not supported, only \"All\" is",
                                dry_run);
    call->dry_run = !str_is_empty(dry_run);
    if (field_validation_parse(validation, &call->field_validation, &err) == -1)
        return fail_error(&call->failure, err);
    if (call->accept == ACCEPT_NONE)
        return fail(&call->failure, 406, "NotAcceptable",
                    "only the following media types are accepted: application/json");
    return 0;
}

char *call_api_version(const struct call *call)
{
    return *call->group == '\0' ? xstrdup(call->version)
                                : xasprintf("%s/%s", call->group, call->version);
}

/* --- Answers --------------------------------------------------------------------------------------------- */

void call_answer_json(struct call *call, int status, const json_t *value)
{
    CLEANUP(str) char *text = obj_format(value);

    http_response_set_status(call->response, status);
    http_response_add_header(call->response, "Content-Type", "application/json");
    http_response_write(call->response, text, strlen(text));
    http_response_write(call->response, "\n", 1);
}

void call_answer_text(struct call *call, int status, const char *text)
{
    http_response_set_status(call->response, status);
    http_response_add_header(call->response, "Content-Type", "text/plain; charset=utf-8");
    http_response_write(call->response, text, strlen(text));
}

void call_answer_failure(struct call *call)
{
    int64_t retry_s = obj_int(call->failure.status, "details.retryAfterSeconds", 0);

    if (retry_s > 0) {
        CLEANUP(str) char *text = xasprintf("%lld", (long long)retry_s);
        http_response_add_header(call->response, "Retry-After", text);
    }
    call_answer_json(call, call->failure.code, call->failure.status);
}

void call_format_object(const struct call *call, const struct object *object, struct buf *out)
{
    buf_printf(out, "{\"apiVersion\":\"%s%s%s\"", call->group, *call->group == '\0' ? "" : "/",
               call->version);
    buf_append(out, object->text + object->rest, object->len - object->rest);
}

static json_t *object_row(struct call *call, const struct object *object)
{
    CLEANUP(str) char *include = http_request_query(call->request, "includeObject");
    enum table_include what = str_eq(include, "Object") ? TABLE_OBJECT
                              : str_eq(include, "None") ? TABLE_NONE
                                                        : TABLE_METADATA;
    json_auto_t *value = object_parse(object);
    CLEANUP(str) char *api_version = call_api_version(call);

    obj_put_str(value, "apiVersion", api_version);
    return table_row(call->served_as->columns, value, what, time_now_ms());
}

static void answer_table(struct call *call, int status, const struct object *object)
{
    json_t *rows = json_array();

    json_array_append_new(rows, object_row(call, object));
    CLEANUP(str) char *version = xasprintf("%llu", (unsigned long long)object->rv);
    json_auto_t *table = table_take(table_definitions(call->served_as->columns), rows,
                                    obj_pack("{s:s}", "resourceVersion", version));
    call_answer_json(call, status, table);
}

void call_answer_object(struct call *call, int status, const struct object *object)
{
    if (call->accept == ACCEPT_TABLE && call->served_as->columns != NULL) {
        answer_table(call, status, object);
        return;
    }
    if (call->accept == ACCEPT_METADATA) {
        json_auto_t *value = object_parse(object);
        json_auto_t *partial = obj_pack("{s:s, s:s, s:O}", "kind", "PartialObjectMetadata",
                                        "apiVersion", "meta.k8s.io/v1", "metadata",
                                        obj_at(value, "metadata"));
        call_answer_json(call, status, partial);
        return;
    }
    CLEANUP(buf) struct buf text = BUF_INIT(MAX_OBJECT_TEXT + 1024);
    call_format_object(call, object, &text);
    buf_add_char(&text, '\n');
    http_response_set_status(call->response, status);
    http_response_add_header(call->response, "Content-Type", "application/json");
    http_response_write(call->response, text.ptr, text.len);
}

void call_warn(struct call *call, const char *text)
{
    CLEANUP(buf) struct buf value = BUF_INIT(2 * MAX_WARNING);

    buf_add(&value, "299 - \"");
    for (size_t i = 0; text[i] != '\0' && i < MAX_WARNING; i++) {
        if (text[i] == '"' || text[i] == '\\')
            buf_add_char(&value, '\\');
        buf_add_char(&value, text[i]);
    }
    buf_add_char(&value, '"');
    http_response_add_header(call->response, "Warning", value.ptr);
}
