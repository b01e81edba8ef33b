/* Who dials us: one thread accepts, one thread per connection answers a question or becomes a stream. */
#define LOG_COMPONENT "live"

#include "base/array.h"
#include "base/cancel.h"
#include "base/error.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/thread.h"
#include "base/time.h"
#include "node/live/channel.h"
#include "node/live/internal.h"
#include "node/live/message.h"
#include "node/live/relay.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LISTENERS = 2, CALLERS_MAX = 256, ANSWER_MS = 10000 };

struct server {
    struct live *live;
    int fds[LISTENERS]; /* on this machine, from others; -1: none */
    struct cancel *stop;
    struct thread thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    size_t callers; /* guarded by lock */
};

struct caller {
    struct server *server;
    int fd;
};

static int answer_stream(struct live *live, struct live_channel **channel, const char *migration_id,
                         const char *name, struct error **err)
{
    CLEANUP(str) char *id = NULL;
    json_auto_t *ok = json_object();
    CLEANUP(fd) int fd = live_receive_stream(live, migration_id, name, &id, err);

    if (fd == -1 || live_send(*channel, ok, deadline_after(ANSWER_MS), err) == -1)
        return -1;
    return live_relays_start(live->relays, id, steal(channel), steal_fd(&fd), err);
}

static int answer(struct live *live, int fd, struct error **err)
{
    CLEANUP(live_channel) struct live_channel *channel = NULL;
    struct deadline deadline = deadline_after(LIVE_HELLO_MS);
    struct live_hello hello;
    json_t *question = NULL;

    if (live_accept(live->folder, fd, deadline, &channel, err) == -1 ||
        live_receive(channel, &question, deadline, err) == -1)
        return -1;
    json_auto_t *owned = question;
    if (live_hello_read(owned, &hello, err) == -1)
        return -1;
    if (str_eq(hello.channel, "sync")) {
        json_auto_t *result = live_receive_answer(live, hello.migration_id, owned);

        return live_send(channel, result, deadline_after(ANSWER_MS), err);
    }
    CLEANUP(error) struct error *why = NULL;
    if (answer_stream(live, &channel, hello.migration_id, hello.channel, &why) == 0)
        return 0;
    CLEANUP(str) char *text = error_format(why);
    json_auto_t *refusal = obj_pack("{s:s}", "code", error_code_name(why->code));
    obj_take(refusal, "error", obj_new_str(text));
    return channel == NULL ? 0 : live_send(channel, refusal, deadline_after(ANSWER_MS), err);
}

static void *caller_run(void *arg)
{
    struct caller *caller = arg;
    struct server *server = caller->server;
    CLEANUP(error) struct error *err = NULL;

    if (answer(server->live, caller->fd, &err) == -1)
        log_warn_error(err, "caller of a live migration");
    free(caller);

    LOCK_SCOPE(&server->lock);
    server->callers--;
    pthread_cond_broadcast(&server->changed);
    return NULL;
}

static void serve(struct server *server, int fd)
{
    CLEANUP(error) struct error *err = NULL;
    struct caller *caller = xmalloc(sizeof(*caller));
    struct thread thread = {0};

    *caller = (struct caller){server, fd};
    LOCK_SCOPE(&server->lock);
    if (server->callers >= CALLERS_MAX)
        error_set(&err, ERROR_BUSY, "more than %d callers", CALLERS_MAX);
    else
        thread_start(&thread, "live caller", caller_run, caller, &err);
    if (err == NULL) {
        pthread_detach(thread.id); /* `callers` is waited for instead */
        server->callers++;
        return;
    }
    log_warn_error(err, "caller turned away");
    close(fd);
    free(caller);
}

static void *server_run(void *arg)
{
    struct server *server = arg;
    struct pollfd fds[LISTENERS + 1];

    for (size_t i = 0; i < LISTENERS; i++)
        fds[i] = (struct pollfd){.fd = server->fds[i], .events = POLLIN};
    fds[LISTENERS] = (struct pollfd){.fd = cancel_fd(server->stop), .events = POLLIN};
    while (!cancel_is_requested(server->stop)) {
        if (poll(fds, LISTENERS + 1, -1) == -1 && errno != EINTR)
            break;
        for (size_t i = 0; i < LISTENERS; i++) {
            int fd = fds[i].revents == 0 ? -1 : accept4(fds[i].fd, NULL, NULL, SOCK_CLOEXEC);

            if (fd != -1)
                serve(server, fd);
        }
    }
    return NULL;
}

int live_server_start(struct live *live, const char *listen, struct error **err)
{
    struct server *server = xcalloc(1, sizeof(*server));
    const char *where[LISTENERS] = {NULL, listen};

    *server = (struct server){.live = live, .fds = {-1, -1}, .stop = cancel_new()};
    pthread_mutex_init(&server->lock, NULL);
    cond_init(&server->changed);
    live->server = server;
    for (size_t i = 0; i < (listen == NULL ? 1 : LISTENERS); i++) {
        char *url = NULL;

        server->fds[i] = live_listen(live->folder, where[i], &url, err);
        if (server->fds[i] == -1)
            return -1;
        str_list_push(&live->urls, url);
    }
    /* who reads only the first address means another machine, if others may dial at all */
    if (live->urls.len == 2) {
        char *local = live->urls.ptr[0];

        live->urls.ptr[0] = live->urls.ptr[1];
        live->urls.ptr[1] = local;
    }
    return thread_start(&server->thread, "live server", server_run, server, err);
}

void live_server_stop(struct live *live)
{
    struct server *server = live->server;

    if (server == NULL)
        return;
    cancel_request(server->stop);
    thread_join(&server->thread);
    for (size_t i = 0; i < LISTENERS; i++)
        cleanup_fd(&server->fds[i]);
    pthread_mutex_lock(&server->lock);
    while (server->callers > 0)
        cond_wait(&server->changed, &server->lock, deadline_after(1000));
    pthread_mutex_unlock(&server->lock);
    pthread_mutex_destroy(&server->lock);
    pthread_cond_destroy(&server->changed);
    cancel_free(server->stop);
    free(server);
    live->server = NULL;
}
