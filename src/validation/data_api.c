/* OPA's data API: GET and POST /v1/data/a/b?pretty=true. */
#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/time.h"
#include "base/vector.h"
#include "lang/rego/json.h"
#include "net/http_server.h"
#include "validation/internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
    PATH_PARTS_MAX = 64,
    ANSWER_MAX = 64 * 1024 * 1024,
    EXPLANATION_LINE_MAX = 500, /* longer values are cut */
};

static struct rego_eval *take_eval(struct validation *v, struct rego *set)
{
    struct rego_eval *eval = NULL;
    {
        LOCK_SCOPE(&v->lock);
        if (v->idle_count > 0)
            eval = v->idle[--v->idle_count];
    }
    if (eval == NULL)
        return rego_eval_new(set, NULL);
    rego_eval_clear(eval);
    rego_eval_use(eval, set);
    return eval;
}

static void give_eval(struct validation *v, struct rego_eval *eval)
{
    {
        LOCK_SCOPE(&v->lock);
        if (v->idle_count < IDLE_MAX) {
            v->idle[v->idle_count++] = eval;
            return;
        }
    }
    rego_eval_free(eval);
}

static void answer(struct http_response *response, int status, struct buf *body)
{
    http_response_set_status(response, status);
    http_response_add_header(response, "Content-Type", "application/json");
    buf_add_char(body, '\n');
    http_response_write(response, body->ptr, body->len);
}

static void answer_error(struct http_response *response, int status, const char *code,
                         const char *message)
{
    CLEANUP(buf) struct buf body = BUF_INIT(64 * 1024);
    buf_add(&body, "{\"code\":");
    rjson_write_string(&body, code, strlen(code), false);
    buf_add(&body, ",\"message\":");
    rjson_write_string(&body, message, strlen(message), false);
    buf_add_char(&body, '}');
    answer(response, status, &body);
}

static int hex(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* A part of a path without its percent signs; owned. */
static char *decode(struct span part)
{
    char *out = (char *)xmalloc(part.len + 1);
    size_t n = 0;
    for (size_t i = 0; i < part.len; i++) {
        int high = part.ptr[i] == '%' && i + 2 < part.len ? hex(part.ptr[i + 1]) : -1;
        int low = high >= 0 ? hex(part.ptr[i + 2]) : -1;
        if (low >= 0) {
            out[n++] = (char)(high << 4 | low);
            i += 2;
        } else {
            out[n++] = part.ptr[i];
        }
    }
    out[n] = '\0';
    return out;
}

/* The parts behind /v1/data; false if the path is none of ours or too long. */
static bool split_path(const char *path, struct str_list *parts)
{
    const char *data = strstr(path, "/v1/data");
    if (data == NULL || (data[8] != '/' && data[8] != '\0'))
        return false;
    struct span rest = span_of(data + 8), part;
    while (rest.len > 0 && span_split(&rest, '/', &part)) {
        if (part.len > 0)
            str_list_push(parts, decode(part));
        if (parts->len > PATH_PARTS_MAX)
            return false;
    }
    return true;
}

/* The input of a request: {"input": ...} in the body, or the parameter of a GET. */
static int read_input(const struct http_request *request, struct arena *arena,
                      const struct rval **input, struct error **err)
{
    *input = NULL;
    if (strcmp(request->method, "GET") == 0) {
        CLEANUP(str) char *text = http_request_query(request, "input");
        return text == NULL ? 0 : rjson_read(arena, span_of(text), input, err);
    }
    struct span body = span_trim((struct span){request->body, request->body_len});
    const struct rval *whole = NULL;
    if (body.len == 0)
        return 0;
    if (rjson_read(arena, body, &whole, err) == -1)
        return -1;
    if (whole->type != RVAL_OBJECT)
        return error_set(err, ERROR_INVALID, "the body must be an object with \"input\"");
    *input = rval_get_str(whole, "input");
    return 0;
}

static bool is_on(const struct http_request *request, const char *name)
{
    CLEANUP(str) char *value = http_request_query(request, name);
    return value != NULL && strcmp(value, "false") != 0;
}

static bool is_explained(const struct http_request *request)
{
    CLEANUP(str) char *how = http_request_query(request, "explain");
    return how != NULL && strcmp(how, "off") != 0 && strcmp(how, "false") != 0;
}

/* What an answer tells besides the result. */
struct report {
    int64_t start_us, parse_us, compile_us, eval_us;
    struct buf rules; /* those that gave a value, as JSON strings with commas between */
};

static void note_rule(void *arg, const struct rule *rule, const struct rval *value)
{
    struct report *report = arg;
    CLEANUP(buf) struct buf line = BUF_INIT(EXPLANATION_LINE_MAX);

    buf_printf(&line, "%s:%u: ", rule->module->file, rule->loc.line);
    rjson_write(&line, value, RJSON_REGO);
    if (report->rules.len > 0)
        buf_add_char(&report->rules, ',');
    rjson_write_string(&report->rules, line.ptr, line.len, false);
}

/* Metrics are called as OPA calls them, where it has such; in an explanation are the rules that gave
 * a value, not OPA's trace of an evaluation. */
static void answer_result(const struct http_request *request, struct http_response *response,
                          const struct rval *result, const struct report *report, uint64_t steps)
{
    CLEANUP(buf) struct buf body = BUF_INIT(ANSWER_MAX);
    buf_add_char(&body, '{');
    if (is_explained(request)) {
        buf_add(&body, "\"explanation\":[");
        buf_append(&body, report->rules.ptr, report->rules.len);
        buf_add(&body, "],");
    }
    if (is_on(request, "metrics"))
        buf_printf(&body,
                   "\"metrics\":{\"counter_eval_steps\":%" PRIu64
                   ",\"timer_rego_input_parse_ns\":%" PRId64
                   ",\"timer_rego_query_compile_ns\":%" PRId64
                   ",\"timer_rego_query_eval_ns\":%" PRId64
                   ",\"timer_server_handler_ns\":%" PRId64 "},",
                   steps, report->parse_us * 1000, report->compile_us * 1000,
                   report->eval_us * 1000, (time_mono_us() - report->start_us) * 1000);
    if (body.len > 1 && result == NULL)
        body.len--; /* the last comma */
    if (result != NULL) {
        buf_add(&body, "\"result\":");
        rjson_write(&body, result, is_on(request, "pretty") ? RJSON_PRETTY : RJSON_COMPACT);
    }
    buf_add_char(&body, '}');
    if (body.full || report->rules.full)
        answer_error(response, 500, "internal_error", "the result is too long");
    else
        answer(response, 200, &body);
}

/* Microseconds since *LAST, which becomes now. */
static int64_t lap(int64_t *last)
{
    int64_t now = time_mono_us(), taken = now - *last;

    *last = now;
    return taken;
}

static void evaluate(struct validation *v, const struct http_request *request,
                     struct http_response *response, const struct str_list *parts)
{
    struct report report = {.start_us = time_mono_us(), .rules = BUF_INIT(ANSWER_MAX)};
    int64_t revision, last = report.start_us;
    CLEANUP(rego) struct rego *set = rules_get(v->rules, &revision);
    CLEANUP(rego_query)
    struct rego_query *query = rego_query_path(set, (const char *const *)parts->ptr, parts->len);
    struct rego_eval *eval = take_eval(v, set);
    const struct rego_hooks hooks = {.arg = &report,
                                     .on_rule = is_explained(request) ? note_rule : NULL};
    const struct rval *input = NULL, *result = NULL;
    CLEANUP(error) struct error *err = NULL;
    struct rego_failure failure;

    rego_eval_set_hooks(eval, &hooks);
    report.compile_us = lap(&last);
    int status = read_input(request, rego_eval_arena(eval), &input, &err);
    report.parse_us = lap(&last);
    if (status == -1) {
        CLEANUP(str) char *text = error_format(err);
        answer_error(response, 400, "invalid_parameter", text);
    } else if (rego_eval_run(eval, query, input, &result, &failure) == -1) {
        answer_error(response, 500, "internal_error", failure.text);
    } else {
        report.eval_us = lap(&last);
        answer_result(request, response, result, &report, rego_eval_steps(eval));
    }
    rego_eval_set_hooks(eval, &(struct rego_hooks){0});
    give_eval(v, eval);
    buf_reset(&report.rules);
}

void validation_handle(void *arg, const struct http_request *request,
                       struct http_response *response)
{
    struct str_list parts = {0};
    bool known = strcmp(request->method, "GET") == 0 || strcmp(request->method, "POST") == 0;

    if (!split_path(request->path, &parts))
        answer_error(response, 404, "resource_not_found", "only /v1/data is served here");
    else if (!known)
        answer_error(response, 405, "invalid_operation", "documents can be read only");
    else
        evaluate((struct validation *)arg, request, response, &parts);
    str_list_free_all(&parts);
}
