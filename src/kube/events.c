/* What was written lately is kept by a key of object, type, reason and message, so that a
 * repetition is a PATCH of the event's count; and by the same key without the message, so that a
 * flood of different messages becomes one event that repeats. */
#define LOG_COMPONENT "events"
#include "kube/events.h"

#include "base/cancel.h"
#include "base/error.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/random.h"
#include "base/text.h"
#include "base/thread.h"
#include "base/time.h"
#include "data/obj.h"
#include "kube/kinds.h"
#include "kube/meta.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>

enum {
    QUEUE_MAX = 1000,
    MESSAGE_MAX = 1024,         /* what the API accepts */
    REPEAT_MS = 10 * 60 * 1000, /* how long an event is remembered */
    SIMILAR_MAX = 10,           /* different messages before they are combined */
    REMEMBERED_MAX = 4096,
    LAST_WORDS_MS = 2000,
};

#define COMBINED "(combined from similar events): "

/* An event that was written, or a group of similar ones. */
struct memory {
    int64_t last_ms;
    char *ns, *name; /* of the event; NULL for a group */
    int64_t count;   /* of repetitions, or of different messages */
};

struct event_recorder {
    struct kube_client *client;
    char *component, *instance;
    struct queue *queue; /* json_t events as they are to be created */
    struct thread thread;
    struct cancel *cancel; /* the end: last words only */
    _Atomic uint64_t dropped;
    struct map *memories; /* of the thread only */
};

struct event_recorder *event_recorder_new(struct kube_client *client, const char *component,
                                          const char *instance)
{
    struct event_recorder *recorder = xcalloc(1, sizeof(*recorder));

    recorder->client = client;
    recorder->component = xstrdup(component);
    recorder->instance = xstrdup(instance);
    recorder->queue = queue_new(QUEUE_MAX);
    recorder->cancel = cancel_new();
    recorder->memories = map_new();
    return recorder;
}

static void free_memory(void *value)
{
    struct memory *memory = value;

    free(memory->ns);
    free(memory->name);
    free(memory);
}

/* Drops what is too old, or everything if that is not enough. */
static void forget_old(struct event_recorder *recorder, int64_t now_ms)
{
    const char *key;
    size_t pos = 0;
    void *value;

    if (map_count(recorder->memories) < REMEMBERED_MAX)
        return;
    while ((key = map_next(recorder->memories, &pos, &value)) != NULL) {
        const struct memory *memory = value;
        if (now_ms - memory->last_ms > REPEAT_MS)
            free_memory(map_remove(recorder->memories, key));
    }
    if (map_count(recorder->memories) < REMEMBERED_MAX)
        return;
    map_free(recorder->memories, free_memory);
    recorder->memories = map_new();
}

/* The memory under KEY if it is young enough, or NULL. */
static struct memory *recall(struct event_recorder *recorder, const char *key, int64_t now_ms)
{
    struct memory *memory = map_find(recorder->memories, key);

    if (memory == NULL || now_ms - memory->last_ms <= REPEAT_MS)
        return memory;
    free_memory(map_remove(recorder->memories, key));
    return NULL;
}

static struct memory *remember(struct event_recorder *recorder, const char *key, int64_t now_ms)
{
    struct memory *memory = xcalloc(1, sizeof(*memory));

    memory->last_ms = now_ms;
    map_put(recorder->memories, key, memory);
    return memory;
}

/* Object, type and reason. */
static char *group_key(const json_t *event)
{
    return xasprintf("%s|%s|%s|%s|%s", obj_str(event, "involvedObject.uid", ""),
                     obj_str(event, "involvedObject.namespace", ""),
                     obj_str(event, "involvedObject.name", ""), obj_str(event, "type", ""),
                     obj_str(event, "reason", ""));
}

/* Changes EVENT's message if there were too many of its kind; gives the key it goes by. */
static char *combine(struct event_recorder *recorder, json_t *event, int64_t now_ms)
{
    CLEANUP(str) char *group = group_key(event);
    const char *message = obj_str(event, "message", "");
    char *key = xasprintf("%s|%s", group, message);

    if (recall(recorder, key, now_ms) != NULL)
        return key;
    struct memory *similar = recall(recorder, group, now_ms);
    if (similar == NULL)
        similar = remember(recorder, group, now_ms);
    similar->last_ms = now_ms;
    if (++similar->count <= SIMILAR_MAX)
        return key;

    CLEANUP(str) char *combined = xasprintf(COMBINED "%.*s", MESSAGE_MAX - 40, message);
    obj_put_str(event, "message", combined);
    free(key);
    return xasprintf("%s|" COMBINED, group);
}

/* Raises the count of an event that is there.  An event that is gone is ERROR_NOT_FOUND. */
static int repeat(struct event_recorder *recorder, struct memory *memory, const json_t *event,
                  struct error **err)
{
    json_auto_t *patch =
        obj_pack("{s:I,s:s,s:s}", "count", (json_int_t)memory->count + 1, "lastTimestamp",
                 obj_str(event, "lastTimestamp", ""), "message", obj_str(event, "message", ""));

    if (kube_patch(recorder->client, &KIND_EVENT, memory->ns, memory->name, NULL, patch, NULL,
                   err) == -1)
        return -1;
    memory->count++;
    return 0;
}

static void write_event(struct event_recorder *recorder, json_t *event)
{
    CLEANUP(error) struct error *err = NULL;
    int64_t now_ms = time_now_ms();

    forget_old(recorder, now_ms);
    CLEANUP(str) char *key = combine(recorder, event, now_ms);
    struct memory *memory = recall(recorder, key, now_ms);

    if (memory != NULL) {
        memory->last_ms = now_ms;
        if (repeat(recorder, memory, event, &err) == 0)
            return;
        if (err->code != ERROR_NOT_FOUND) {
            log_debug("event not counted: reason=%s", obj_str(event, "reason", ""));
            return;
        }
        error_clear(&err);
        free_memory(map_remove(recorder->memories, key));
    }
    if (kube_create(recorder->client, &KIND_EVENT, meta_ns(event), event, NULL, &err) == -1) {
        log_write_error(LOG_LEVEL_DEBUG, LOG_COMPONENT, err, "event not written");
        return;
    }
    memory = remember(recorder, key, now_ms);
    memory->ns = xstrdup(meta_ns(event));
    memory->name = xstrdup(meta_name(event));
    memory->count = 1;
}

static void *run(void *arg)
{
    struct event_recorder *recorder = arg;
    struct deadline end = DEADLINE_NONE;
    json_t *event;

    while ((event = queue_pop(recorder->queue, DEADLINE_NONE)) != NULL) {
        if (cancel_is_requested(recorder->cancel) && end.at_ms == DEADLINE_NONE.at_ms)
            end = deadline_after(LAST_WORDS_MS);
        if (!deadline_is_over(end))
            write_event(recorder, event);
        json_decref(event);
    }
    return NULL;
}

int event_recorder_start(struct event_recorder *recorder, struct error **err)
{
    return thread_start(&recorder->thread, "events", run, recorder, err);
}

void event_recorder_free(struct event_recorder *recorder)
{
    json_t *event;

    if (recorder == NULL)
        return;
    cancel_request(recorder->cancel);
    queue_close(recorder->queue);
    thread_join(&recorder->thread);
    while ((event = queue_pop(recorder->queue, DEADLINE_NONE)) != NULL)
        json_decref(event); /* only if it was never started */
    queue_free(recorder->queue);
    map_free(recorder->memories, free_memory);
    cancel_free(recorder->cancel);
    free(recorder->component);
    free(recorder->instance);
    free(recorder);
}

static json_t *make_event(const struct event_recorder *recorder, const struct kube_kind *kind,
                          const json_t *object, enum event_type type, const char *reason,
                          const char *message)
{
    char now[TIME_TEXT_SIZE], letters[17];
    const char *ns = *meta_ns(object) != '\0' ? meta_ns(object) : "default";

    random_name(letters, 16);
    CLEANUP(str) char *name = xasprintf("%s.%s", meta_name(object), letters);
    CLEANUP(str) char *api_version = meta_api_version(kind);
    json_t *event = meta_new(&KIND_EVENT, ns, name);

    time_format(time_now_ms(), now);
    obj_put_str(event, "involvedObject.apiVersion", api_version);
    obj_put_str(event, "involvedObject.kind", kind->kind);
    obj_put_str(event, "involvedObject.name", meta_name(object));
    obj_put_str(event, "involvedObject.namespace", obj_str(object, "metadata.namespace", NULL));
    obj_put_str(event, "involvedObject.uid", meta_uid(object));
    obj_put_str(event, "involvedObject.resourceVersion",
                obj_str(object, "metadata.resourceVersion", NULL));
    obj_put_str(event, "type", type == EVENT_WARNING ? "Warning" : "Normal");
    obj_put_str(event, "reason", reason);
    obj_put_str(event, "message", message);
    obj_put_str(event, "source.component", recorder->component);
    obj_put_str(event, "firstTimestamp", now);
    obj_put_str(event, "lastTimestamp", now);
    obj_put_int(event, "count", 1);
    obj_put_str(event, "reportingComponent", recorder->component);
    obj_put_str(event, "reportingInstance", recorder->instance);
    return event;
}

void event_record(struct event_recorder *recorder, const struct kube_kind *kind,
                  const json_t *object, enum event_type type, const char *reason,
                  const char *format, ...)
{
    va_list args;

    va_start(args, format);
    CLEANUP(str) char *message = xvasprintf(format, args);
    va_end(args);

    CLEANUP(str) char *cut = xasprintf("%.*s", MESSAGE_MAX, message);
    json_t *event = make_event(recorder, kind, object, type, reason, cut);
    if (queue_push(recorder->queue, event, deadline_after(0)))
        return;
    json_decref(event);
    if (recorder->dropped++ % QUEUE_MAX == 0)
        log_warn("events dropped: component=%s so_far=%" PRIu64, recorder->component,
                 (uint64_t)recorder->dropped);
}
