#define LOG_COMPONENT "live"

#include "node/live/relay.h"

#include "base/array.h"
#include "base/cancel.h"
#include "base/error.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/thread.h"
#include "base/time.h"
#include "base/vector.h"
#include "node/live/channel.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct relay {
    struct live_relays *relays;
    char *id;
    struct live_channel *channel;
    int fd;
};

DEFINE_VECTOR(relay_list, struct relay *)

struct live_relays {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct relay_list list; /* guarded by lock */
};

struct live_relays *live_relays_new(void)
{
    struct live_relays *relays = xcalloc(1, sizeof(*relays));

    pthread_mutex_init(&relays->lock, NULL);
    cond_init(&relays->changed);
    return relays;
}

void live_relays_free(struct live_relays *relays)
{
    if (relays == NULL)
        return;
    live_relays_stop(relays, NULL);
    relay_list_reset(&relays->list);
    pthread_cond_destroy(&relays->changed);
    pthread_mutex_destroy(&relays->lock);
    free(relays);
}

static void *relay_run(void *arg)
{
    struct relay *relay = arg;
    struct live_relays *relays = relay->relays;

    live_relay(relay->channel, relay->fd);

    LOCK_SCOPE(&relays->lock);
    for (size_t i = 0; i < relays->list.len; i++)
        if (relays->list.ptr[i] == relay)
            relays->list.ptr[i] = relays->list.ptr[--relays->list.len];
    /* under the lock: who stops streams touches their descriptors under it */
    live_channel_free(relay->channel);
    close(relay->fd);
    free(relay->id);
    free(relay);
    pthread_cond_broadcast(&relays->changed);
    return NULL;
}

int live_relays_start(struct live_relays *relays, const char *id, struct live_channel *channel, int fd,
                      struct error **err)
{
    struct relay *relay = xcalloc(1, sizeof(*relay));
    struct thread thread = {0};

    *relay = (struct relay){relays, xstrdup(id), channel, fd};
    LOCK_SCOPE(&relays->lock);
    bool full = relays->list.len >= LIVE_STREAMS_MAX;
    if (full || thread_start(&thread, "live stream", relay_run, relay, err) == -1) {
        live_channel_free(channel);
        close(fd);
        free(relay->id);
        free(relay);
        return full ? error_set(err, ERROR_BUSY, "more than %d streams of live migrations",
                                LIVE_STREAMS_MAX)
                    : -1;
    }
    pthread_detach(thread.id); /* the list is waited for instead */
    relay_list_push(&relays->list, relay);
    return 0;
}

static bool is_of(const struct relay *relay, const char *id)
{
    return id == NULL || str_eq(relay->id, id);
}

static size_t count(const struct live_relays *relays, const char *id)
{
    size_t n = 0;

    for (size_t i = 0; i < relays->list.len; i++)
        n += is_of(relays->list.ptr[i], id);
    return n;
}

size_t live_relays_count(struct live_relays *relays, const char *id)
{
    LOCK_SCOPE(&relays->lock);
    return count(relays, id);
}

void live_relays_stop(struct live_relays *relays, const char *id)
{
    LOCK_SCOPE(&relays->lock);
    while (count(relays, id) > 0) {
        for (size_t i = 0; i < relays->list.len; i++) {
            struct relay *relay = relays->list.ptr[i];

            if (is_of(relay, id)) {
                shutdown(relay->fd, SHUT_RDWR);
                shutdown(live_channel_fd(relay->channel), SHUT_RDWR);
            }
        }
        cond_wait(&relays->changed, &relays->lock, deadline_after(1000));
    }
}

/* --- the source's gate ------------------------------------------------------------------------------ */

static const char *const stream_names[] = {"virt", "data", "nbd"};

enum { STREAMS = ARRAY_SIZE(stream_names) };

struct live_gate {
    struct live_relays *relays;
    char *folder, *url, *migration_id, *id;
    int dir_fd;
    int listen_fds[STREAMS];
    struct cancel *stop;
    struct thread thread;
};

/* Asks the other home for the stream and connects both. */
static int pass_through(struct live_gate *gate, const char *name, int fd, struct error **err)
{
    CLEANUP(fd) int in = fd;
    CLEANUP(live_channel) struct live_channel *channel = NULL;
    struct deadline deadline = deadline_after(LIVE_HELLO_MS);
    json_auto_t *hello = obj_pack("{s:s,s:s}", "migrationID", gate->migration_id, "channel", name);
    json_t *answer = NULL;

    if (live_dial(gate->folder, gate->url, deadline, &channel, err) == -1 ||
        live_send(channel, hello, deadline, err) == -1 ||
        live_receive(channel, &answer, deadline, err) == -1)
        return -1;
    json_auto_t *owned = answer;
    if (obj_str(owned, "error", NULL) != NULL)
        return error_set(err, ERROR_UNAVAILABLE, "the other home: %s", obj_str(owned, "error", ""));
    return live_relays_start(gate->relays, gate->id, steal(&channel), steal_fd(&in), err);
}

static void *gate_run(void *arg)
{
    struct live_gate *gate = arg;
    struct pollfd fds[STREAMS + 1];

    for (size_t i = 0; i < STREAMS; i++)
        fds[i] = (struct pollfd){.fd = gate->listen_fds[i], .events = POLLIN};
    fds[STREAMS] = (struct pollfd){.fd = cancel_fd(gate->stop), .events = POLLIN};
    while (!cancel_is_requested(gate->stop)) {
        if (poll(fds, STREAMS + 1, -1) == -1 && errno != EINTR)
            break;
        for (size_t i = 0; i < STREAMS; i++) {
            CLEANUP(error) struct error *err = NULL;
            int fd = fds[i].revents == 0 ? -1 : accept4(fds[i].fd, NULL, NULL, SOCK_CLOEXEC);

            /* who connected sees the socket closed */
            if (fd != -1 && pass_through(gate, stream_names[i], fd, &err) == -1)
                log_warn_error(err, "stream of a live migration refused");
        }
    }
    return NULL;
}

int live_gate_open(const struct live_gate_options *options, struct live_gate **out,
                   struct error **err)
{
    CLEANUP(live_gate) struct live_gate *gate = xcalloc(1, sizeof(*gate));

    *gate = (struct live_gate){.relays = options->relays,
                               .folder = xstrdup(options->folder),
                               .url = xstrdup(options->url),
                               .migration_id = xstrdup(options->migration_id),
                               .id = xstrdup(options->id),
                               .dir_fd = options->dir_fd,
                               .listen_fds = {-1, -1, -1},
                               .stop = cancel_new()};
    for (size_t i = 0; i < STREAMS; i++) {
        CLEANUP(str) char *name = xasprintf("%s.%s", gate->id, stream_names[i]);

        gate->listen_fds[i] = live_listen_in(gate->dir_fd, name, err);
        if (gate->listen_fds[i] == -1)
            return -1;
    }
    if (thread_start(&gate->thread, "live gate", gate_run, gate, err) == -1)
        return -1;
    *out = steal(&gate);
    return 0;
}

void live_gate_close(struct live_gate *gate)
{
    if (gate == NULL)
        return;
    cancel_request(gate->stop);
    thread_join(&gate->thread);
    live_relays_stop(gate->relays, gate->id);
    for (size_t i = 0; i < STREAMS; i++) {
        CLEANUP(str) char *name = xasprintf("%s.%s", gate->id, stream_names[i]);

        if (gate->listen_fds[i] != -1)
            unlinkat(gate->dir_fd, name, 0);
        cleanup_fd(&gate->listen_fds[i]);
    }
    cancel_free(gate->stop);
    free(gate->folder);
    free(gate->url);
    free(gate->migration_id);
    free(gate->id);
    free(gate);
}
