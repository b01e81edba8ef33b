/* The frames are Forklift's: text, one object each,
 *
 *     {"ID": n, "Labels": [..] or null, "Action": n, "Resource": .. or null, "Updated": .. or null}
 *
 * Started first; with a snapshot a Created for each object; Parity; then changes as they come.  A
 * reader that falls behind gets Error and End, and has to begin again. */
#define LOG_COMPONENT "inventory"

#include "inventory/rest_watch.h"

#include "base/error.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "data/obj.h"
#include "inventory/feed.h"
#include "inventory/model.h"
#include "inventory/rest_objects.h"
#include "inventory/routes.h"
#include "net/http_server.h"
#include "net/websocket.h"

#include <poll.h>
#include <stdatomic.h>
#include <string.h>

enum {
    DETAIL_FULL = 9,
    PING_MS = 30 * 1000,
    PIECE = 4096,
    FRAMES_MAX = 64 * 1024, /* what a client of a watch may send at once */
};

enum action {
    ACTION_STARTED = 0,
    ACTION_PARITY = 1,
    ACTION_ERROR = 2,
    ACTION_END = 4,
    ACTION_CREATED = 16,
    ACTION_UPDATED = 32,
    ACTION_DELETED = 64,
};

struct watch {
    struct http_response *response;
    const struct route_type *type;
    const struct route_collection *collection;
    struct feed_reader *reader;
    struct buf frames; /* from the client */
    int64_t id;
};

static json_t *show(const struct watch *watch, const json_t *object)
{
    return object != NULL ? rest_show(watch->type, watch->collection, object, DETAIL_FULL)
                          : json_null();
}

/* False when the client is gone. */
static bool send_event(struct watch *watch, enum action action, const json_t *resource,
                       const json_t *updated, bool by_validation)
{
    json_auto_t *event = obj_pack(
        "{s:I, s:o, s:i, s:o, s:o}", "ID", (json_int_t)watch->id, "Labels",
        by_validation ? obj_pack("[s]", "VM-validated") : json_null(), "Action", (int)action,
        "Resource", show(watch, resource), "Updated", show(watch, updated));
    CLEANUP(str) char *text = obj_format(event);

    return websocket_send(watch->response, WEBSOCKET_TEXT, text, strlen(text));
}

static bool send_mark(struct watch *watch, enum action action)
{
    return send_event(watch, action, NULL, NULL, false);
}

static bool is_hidden(const struct watch *watch, const json_t *object)
{
    return object == NULL || (watch->collection->is_hidden != NULL &&
                              watch->collection->is_hidden(object));
}

/* What a list does not show comes and goes as if it were made and removed. */
static bool send_change(struct watch *watch, const struct feed_change *change)
{
    bool was_there = !is_hidden(watch, change->before);
    bool is_there = !is_hidden(watch, change->after);

    if (was_there && is_there)
        return send_event(watch, ACTION_UPDATED, change->before, change->after,
                          change->by_validation);
    if (is_there)
        return send_event(watch, ACTION_CREATED, change->after, NULL, change->by_validation);
    return !was_there || send_event(watch, ACTION_DELETED, change->before, NULL, false);
}

static bool send_snapshot(struct watch *watch, const json_t *objects)
{
    const json_t *object = NULL;
    size_t i = 0;

    json_array_foreach(objects, i, object) if (!is_hidden(watch, object) &&
                                               !send_event(watch, ACTION_CREATED, object, NULL,
                                                           false)) return false;
    return true;
}

/* A client ends a watch by an event of that action, or by closing. */
static bool take_frame(struct watch *watch, const struct websocket_frame *frame)
{
    CLEANUP(error) struct error *ignored = NULL; /* what is no event says nothing */

    if (frame->opcode == WEBSOCKET_CLOSE)
        return false;
    if (frame->opcode == WEBSOCKET_PING)
        return websocket_send(watch->response, WEBSOCKET_PONG, frame->data, frame->len);
    if (frame->opcode != WEBSOCKET_TEXT)
        return true;
    json_auto_t *event = obj_parse(frame->data, frame->len, &ignored);
    return obj_int(event, "Action", 0) != ACTION_END;
}

static bool take_frames(struct watch *watch)
{
    struct buf *frames = &watch->frames;
    size_t taken = 0;
    bool go_on = true;

    while (go_on) {
        CLEANUP(error) struct error *err = NULL;
        struct websocket_frame frame;
        size_t consumed = 0;
        if (websocket_parse(frames->ptr + taken, frames->len - taken, &frame, &consumed, &err) ==
            -1) {
            log_debug("a client's frame: %s", err->msg);
            return false;
        }
        if (consumed == 0)
            break;
        taken += consumed;
        go_on = take_frame(watch, &frame);
    }
    memmove(frames->ptr, frames->ptr + taken, frames->len - taken);
    frames->len -= taken;
    return go_on;
}

static bool read_client(struct watch *watch)
{
    do {
        char *room = buf_reserve(&watch->frames, PIECE);
        if (room == NULL)
            return false;
        ssize_t n = http_response_read_raw(watch->response, room, PIECE, 0);
        if (n == 0)
            return false;
        if (n < 0)
            return true;
        buf_extend(&watch->frames, (size_t)n);
        if (!take_frames(watch))
            return false;
    } while (http_response_has_raw(watch->response));
    return true;
}

/* Sends all that is queued.  False at the end of the watch, whose last words are sent. */
static bool forward(struct watch *watch)
{
    for (;;) {
        CLEANUP(feed_change) struct feed_change change = {0};
        switch (feed_next(watch->reader, &change)) {
        case FEED_CHANGE:
            if (!send_change(watch, &change))
                return false;
            break;
        case FEED_NOTHING: return true;
        case FEED_BEHIND:
            log_info("a watch is ended: its client reads too slowly: collection=%s",
                     watch->collection->path);
            return send_mark(watch, ACTION_ERROR) && send_mark(watch, ACTION_END) && false;
        case FEED_ENDED: return send_mark(watch, ACTION_END) && false;
        }
    }
}

static void run(struct watch *watch)
{
    for (;;) {
        struct pollfd fds[2] = {
            {.fd = http_response_raw_fd(watch->response), .events = POLLIN},
            {.fd = feed_reader_fd(watch->reader), .events = POLLIN},
        };
        bool buffered = http_response_has_raw(watch->response);
        int n = poll(fds, 2, buffered ? 0 : PING_MS);

        if (n == 0 && !buffered && !websocket_send(watch->response, WEBSOCKET_PING, "", 0))
            return;
        if ((buffered || fds[0].revents != 0) && !read_client(watch))
            return;
        if (fds[1].revents != 0 && !forward(watch))
            return;
    }
}

bool rest_watch(const struct http_request *request, struct http_response *response,
                struct model *model, const struct route_type *type,
                const struct route_collection *collection, bool snapshot)
{
    static _Atomic int64_t last_id;
    static const char normal[2] = {0x03, (char)0xe8}; /* 1000 */
    struct watch watch = {.response = response,
                          .type = type,
                          .collection = collection,
                          .frames = BUF_INIT(FRAMES_MAX)};

    if (!websocket_accept(request, response, NULL, NULL))
        return http_response_is_started(response);

    json_auto_t *objects = NULL;
    CLEANUP(feed_reader)
    struct feed_reader *reader = model_watch(model, collection->kind, &objects);
    watch.reader = reader;
    watch.id = atomic_fetch_add(&last_id, 1) + 1;
    if (reader == NULL)
        send_mark(&watch, ACTION_ERROR);
    else if (send_mark(&watch, ACTION_STARTED) &&
             (!snapshot || send_snapshot(&watch, objects)) && send_mark(&watch, ACTION_PARITY))
        run(&watch);
    websocket_send(response, WEBSOCKET_CLOSE, normal, sizeof(normal));
    buf_reset(&watch.frames);
    return true;
}
