/* pods/NAME/log */
#include "apiserver/special.h"

#include "apiserver/server.h"
#include "apiserver/write.h"
#include "base/cancel.h"
#include "base/error.h"
#include "base/text.h"
#include "base/time.h"
#include "data/obj.h"


/* The backend blocks while it follows a log; a thread of its own tells it when the reader goes. */
struct log_stream {
    struct call *call;
    struct cancel *cancel;
};

static bool send_piece(void *arg, const char *data, size_t len)
{
    struct log_stream *stream = arg;

    return http_response_write(stream->call->response, data, len) &&
           http_response_flush(stream->call->response);
}

const char *special_find_container(struct call *call, const json_t *pod, const char *wanted)
{
    static const char *const lists[] = {"spec.initContainers", "spec.containers"};
    const json_t *containers = obj_arr(pod, "spec.containers");

    if (str_is_empty(wanted) && json_array_size(containers) == 1)
        return obj_str(json_array_get(containers, 0), "name", "");
    if (str_is_empty(wanted)) {
        CLEANUP(buf) struct buf names = BUF_INIT(4096);
        for (size_t i = 0; i < json_array_size(containers); i++)
            buf_printf(&names, "%s%s", i == 0 ? "" : " ",
                       obj_str(json_array_get(containers, i), "name", ""));
        fail_bad_request(&call->failure,
                         "a container name must be specified for pod %s, choose one of: [%s]",
                         call->name, names.ptr == NULL ? "" : names.ptr);
        return NULL;
    }
    for (size_t i = 0; i < 2; i++) {
        const json_t *list = obj_arr(pod, lists[i]);
        for (size_t j = 0; j < json_array_size(list); j++)
            if (str_eq(obj_str(json_array_get(list, j), "name", ""), wanted))
                return obj_str(json_array_get(list, j), "name", "");
    }
    fail_bad_request(&call->failure, "container %s is not valid for pod %s", wanted, call->name);
    return NULL;
}

static int put_number(struct call *call, json_t *options, const char *name)
{
    int64_t value = -1;

    if (call_query_int(call, name, -1, &value) == -1)
        return -1;
    if (value >= 0)
        json_object_set_new(options, name, json_integer(value));
    return 0;
}

static json_t *read_log_options(struct call *call)
{
    json_auto_t *options = json_object();
    CLEANUP(str) char *since = http_request_query(call->request, "sinceTime");

    json_object_set_new(options, "follow", json_boolean(call_query_bool(call, "follow")));
    json_object_set_new(options, "previous", json_boolean(call_query_bool(call, "previous")));
    json_object_set_new(options, "timestamps", json_boolean(call_query_bool(call, "timestamps")));
    if (!str_is_empty(since))
        json_object_set_new(options, "sinceTime", json_string(since));
    if (put_number(call, options, "tailLines") == -1 ||
        put_number(call, options, "sinceSeconds") == -1 ||
        put_number(call, options, "limitBytes") == -1)
        return NULL;
    return json_incref(options);
}

struct reader_watch {
    struct call *call;
    struct cancel *done;   /* the log has ended */
    struct cancel *cancel; /* the reader is gone */
};

/* Waits until the log has ended or the reader is gone, and tells the backend. */
static void *watch_reader(void *arg)
{
    struct reader_watch *watch = arg;

    if (http_response_wait(watch->call->response, cancel_fd(watch->done), DEADLINE_NONE) ==
        HTTP_WAIT_GONE)
        cancel_request(watch->cancel);
    return NULL;
}

static int stream_log(struct call *call, const json_t *pod, const char *container,
                      const json_t *options, struct error **err)
{
    struct apiserver_backend backend;
    CLEANUP(cancel) struct cancel *cancel = cancel_new();
    CLEANUP(cancel) struct cancel *done = cancel_new();
    struct log_stream stream = {call, cancel};
    struct reader_watch watch = {call, done, cancel};
    struct thread watcher = {0};
    bool follow = obj_bool(options, "follow", false);

    pthread_rwlock_rdlock(&call->server->lock);
    backend = call->server->backend;
    pthread_rwlock_unlock(&call->server->lock);
    if (backend.pod_log == NULL)
        return error_set(err, ERROR_UNSUPPORTED, "no node agent is there to read logs");
    if (follow && !http_response_flush(call->response))
        return 0;
    if (follow && thread_start(&watcher, "log-reader", watch_reader, &watch, err) == -1)
        return -1;
    int result =
        backend.pod_log(backend.arg, pod, container, options, cancel, send_piece, &stream, err);
    cancel_request(done);
    thread_join(&watcher);
    return result;
}

void special_log(struct call *call)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(object) struct object *object = store_get(call->served->table, call->ns, call->name);
    CLEANUP(str) char *wanted = http_request_query(call->request, "container");

    if (object == NULL) {
        write_fail_missing(call);
        call_answer_failure(call);
        return;
    }
    json_auto_t *pod = object_parse(object);
    json_auto_t *options = read_log_options(call);
    const char *container = options == NULL ? NULL : special_find_container(call, pod, wanted);
    if (container == NULL) {
        call_answer_failure(call);
        return;
    }
    http_response_add_header(call->response, "Content-Type", "text/plain");
    if (stream_log(call, pod, container, options, &err) == -1) {
        CLEANUP(str) char *text = error_format(err);
        fail_error(&call->failure, err);
        if (err->code == ERROR_INVALID || err->code == ERROR_NOT_FOUND)
            fail_bad_request(&call->failure, "%s", text);
        if (!http_response_is_started(call->response))
            call_answer_failure(call);
    }
}
