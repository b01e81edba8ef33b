/* The client in the same process: requests go straight to the handlers. */
#include "apiserver/server.h"
#include "apiserver/user.h"

#include "base/cancel.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "net/http_server.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_ANSWER = 512 * 1024 * 1024 }; /* a list of everything */

struct in_process {
    struct apiserver *server;
    struct user *user;
};

/* --- What comes back ----------------------------------------------------------------------------------- */

struct answer {
    int status;
    struct buf body;                                    /* of a request */
    bool (*on_data)(void *arg, const char *data, size_t len); /* of a stream */
    void *arg;
    int *stream_status; /* set before the first data */
};

static bool answer_start(void *arg, int status, const struct http_header *headers, size_t count)
{
    struct answer *answer = arg;

    answer->status = status;
    if (answer->stream_status != NULL)
        *answer->stream_status = status;
    return true;
}

static bool answer_write(void *arg, const void *data, size_t len)
{
    struct answer *answer = arg;

    if (answer->on_data != NULL)
        return answer->on_data(answer->arg, data, len);
    buf_append(&answer->body, data, len);
    return !answer->body.full;
}

/* --- The transport ---------------------------------------------------------------------------------------- */

static void exchange(struct in_process *self, const struct kube_request *request,
                     struct answer *answer)
{
    const char *question = strchr(request->path, '?');
    CLEANUP(str) char *path =
        question == NULL ? xstrdup(request->path)
                         : xstrndup(request->path, (size_t)(question - request->path));
    struct http_header headers[2];
    struct http_request http = {
        .method = request->method,
        .path = path,
        .query = question == NULL ? "" : question + 1,
        .headers = headers,
        .body = request->body == NULL ? "" : request->body,
        .body_len = request->body_len,
        .peer = "in-process",
    };
    const struct http_sink sink = {
        .start = answer_start,
        .write = answer_write,
        .arg = answer,
        .cancel = request->cancel,
        .deadline = request->timeout_ms > 0 ? deadline_after(request->timeout_ms) : DEADLINE_NONE,
    };

    if (request->content_type != NULL)
        headers[http.header_count++] = (struct http_header){"Content-Type", request->content_type};
    headers[http.header_count++] = (struct http_header){
        "Accept", request->accept == NULL ? "application/json" : request->accept};
    CLEANUP(http_response) struct http_response *response = http_response_new(&sink);
    server_handle(self->server, &http, response, user_copy(self->user));
    http_response_finish(response);
}

static int in_process_request(void *arg, const struct kube_request *request, int *status,
                              char **body, size_t *body_len, struct error **err)
{
    struct answer answer = {.body = BUF_INIT(MAX_ANSWER)};

    if (cancel_is_requested(request->cancel))
        return error_set(err, ERROR_CANCELED, "canceled");
    exchange(arg, request, &answer);
    if (answer.status == 0 || answer.body.full) {
        buf_reset(&answer.body);
        return error_set(err, ERROR_CANCELED, "the request was canceled");
    }
    *status = answer.status;
    *body_len = answer.body.len;
    *body = buf_take(&answer.body);
    return 0;
}

static int in_process_stream(void *arg, const struct kube_request *request, int *status,
                             bool (*on_data)(void *arg, const char *data, size_t len),
                             void *data_arg, struct error **err)
{
    struct answer answer = {.on_data = on_data, .arg = data_arg, .stream_status = status};

    *status = 0;
    exchange(arg, request, &answer);
    if (*status == 0)
        return error_set(err, ERROR_CANCELED, "the request was canceled");
    return 0;
}

static void in_process_free(void *arg)
{
    struct in_process *self = arg;

    user_free(self->user);
    free(self);
}

static const struct kube_transport_ops in_process_ops = {
    .request = in_process_request,
    .stream = in_process_stream,
    .free = in_process_free,
};

struct kube_client *apiserver_client(struct apiserver *server, const char *name)
{
    struct in_process *self = xcalloc(1, sizeof(*self));

    self->server = server;
    self->user = user_new(name);
    user_add_group(self->user, GROUP_MASTERS);
    user_add_group(self->user, GROUP_AUTHENTICATED);
    return kube_client_new(&in_process_ops, self);
}
