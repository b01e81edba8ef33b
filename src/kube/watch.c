/* Answers that stay open: watches and logs. */
#include "kube/client.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "data/obj.h"
#include "kube/client_internal.h"
#include "kube/status.h"
#include "net/url.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    WATCH_TIMEOUT_MS = 330 * 1000, /* what is asked for, and time for the end to arrive */
    REFUSAL_MAX = 64 * 1024,       /* bytes kept of an answer that is no stream */
};

#define WATCH_SECONDS "300"

struct watch {
    const int *status;
    struct buf line;    /* the event that is not whole yet */
    struct buf refusal; /* the body of a status of 400 or above */
    bool (*on_event)(void *arg, const json_t *event);
    void *arg;
    struct error *failure; /* why we ended the stream, or NULL */
};

/* One line of the stream.  False ends it. */
static bool take_line(struct watch *watch, struct span line)
{
    line = span_trim(line);
    if (line.len == 0)
        return true;

    json_auto_t *event = obj_parse(line.ptr, line.len, &watch->failure);
    if (event == NULL) {
        watch->failure->code = ERROR_CORRUPT;
        return false;
    }
    if (!str_eq(obj_str(event, "type", ""), "ERROR"))
        return watch->on_event(watch->arg, event);

    CLEANUP(str) char *body = obj_format(obj_at(event, "object"));
    status_to_error((int)obj_int(event, "object.code", 500), body, strlen(body), &watch->failure);
    return false;
}

static bool on_data(void *arg, const char *data, size_t len)
{
    struct watch *watch = arg;
    struct span rest = {data, len};

    if (*watch->status >= 400) {
        buf_append(&watch->refusal, data, len);
        return true;
    }
    while (rest.len > 0) {
        const char *end = memchr(rest.ptr, '\n', rest.len);
        size_t piece = end != NULL ? (size_t)(end - rest.ptr) : rest.len;
        struct span line = {rest.ptr, piece};

        if (end == NULL || watch->line.len > 0) {
            buf_append(&watch->line, rest.ptr, piece);
            line = buf_span(&watch->line);
        }
        if (watch->line.full) {
            error_set(&watch->failure, ERROR_CORRUPT, "an event of more than %d bytes",
                      OBJ_MAX_BYTES);
            return false;
        }
        if (end == NULL)
            return true;
        if (!take_line(watch, line))
            return false;
        buf_clear(&watch->line);
        rest = (struct span){end + 1, rest.len - piece - 1};
    }
    return true;
}

static int run_watch(struct kube_client *client, const char *path, struct cancel *cancel,
                     struct watch *watch, struct error **err)
{
    int status = 0;
    struct kube_request request = {
        .method = "GET",
        .path = path,
        .timeout_ms = WATCH_TIMEOUT_MS,
        .cancel = cancel,
    };

    watch->status = &status;
    int result = client->ops->stream(client->self, &request, &status, on_data, watch, err);
    if (watch->failure != NULL) {
        error_clear(err);
        *err = steal(&watch->failure);
        return -1;
    }
    if (result == -1)
        return -1;
    if (status >= 400)
        return status_to_error(status, watch->refusal.ptr, watch->refusal.len, err);
    return 0;
}

int kube_watch(struct kube_client *client, const struct kube_kind *kind, const char *ns,
               const struct kube_list_options *options, const char *resource_version,
               struct cancel *cancel, bool (*on_event)(void *arg, const json_t *event), void *arg,
               struct error **err)
{
    CLEANUP(buf) struct buf path = BUF_INIT(CLIENT_PATH_MAX);
    struct watch watch = {
        .line = BUF_INIT(OBJ_MAX_BYTES),
        .refusal = BUF_INIT(REFUSAL_MAX),
        .on_event = on_event,
        .arg = arg,
    };
    bool first = true;

    client_add_path(&path, kind, ns, NULL, NULL);
    client_add_selectors(&path, &first, options);
    url_add_param(&path, &first, "watch", "true");
    url_add_param(&path, &first, "allowWatchBookmarks", "true");
    url_add_param(&path, &first, "timeoutSeconds", WATCH_SECONDS);
    url_add_param(&path, &first, "resourceVersion", resource_version);

    int result = run_watch(client, path.ptr, cancel, &watch, err);
    buf_reset(&watch.line);
    buf_reset(&watch.refusal);
    return result == 0 ? 0 : client_wrap(err, "watch", kind, ns, NULL);
}

int kube_pod_log(struct kube_client *client, const char *ns, const char *pod, const char *container,
                 int64_t tail_lines, size_t max, char **text, struct error **err)
{
    static const struct kube_kind pods = {"", "v1", "pods", "Pod", false};
    CLEANUP(buf) struct buf path = BUF_INIT(CLIENT_PATH_MAX);
    CLEANUP(str) char *body = NULL;
    char number[32];
    size_t len = 0;
    bool first = true;

    client_add_path(&path, &pods, ns, pod, "log");
    url_add_param(&path, &first, "container", container);
    if (tail_lines > 0) {
        snprintf(number, sizeof(number), "%" PRId64, tail_lines);
        url_add_param(&path, &first, "tailLines", number);
    }
    snprintf(number, sizeof(number), "%zu", max);
    url_add_param(&path, &first, "limitBytes", number);

    struct kube_request request = {
        .method = "GET", .path = path.ptr, .accept = "*/*", .timeout_ms = CLIENT_TIMEOUT_MS};
    if (client_exchange(client, &request, &body, &len, err) == -1)
        return client_wrap(err, "read the log of", &pods, ns, pod);
    *text = xstrndup(len > 0 ? body : "", len < max ? len : max);
    return 0;
}

int kube_text(struct kube_client *client, const char *path, size_t max, char **text,
              struct error **err)
{
    struct kube_request request = {
        .method = "GET", .path = path, .accept = "*/*", .timeout_ms = CLIENT_TIMEOUT_MS};
    CLEANUP(str) char *body = NULL;
    size_t len = 0;

    if (client_exchange(client, &request, &body, &len, err) == -1)
        return error_wrap(err, "cannot read \"%s\"", path);
    *text = xstrndup(len > 0 ? body : "", len < max ? len : max);
    return 0;
}
