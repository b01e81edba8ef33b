/* The thread of a link:
 *
 *     serve --- lost ---> reconnect --- ok ---> serve ...
 *       |                     |
 *     stopped             given up: all that waits fails
 *
 * Requests are queued (newest first) or in flight; a loss moves those in flight back. */
#include "disk/nbd_link.h"

#include "base/cancel.h"
#include "base/error.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/thread.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <libnbd.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
    MAX_EXTENTS = 4096,   /* taken from one answer */
    CONNECT_LOOK_MS = 100,
    MAX_LOSSES = 8,       /* without an answer in between */
    FIRST_DELAY_MS = 100, /* before connecting again, doubled up to ... */
    MAX_DELAY_MS = 4000,
    SLOWNESS = 10,        /* timeouts that one answer may take while others come */
};

struct nbd_link {
    const struct nbd_export *nbd_export;
    struct nbd_handle *nbd; /* the thread's own once it runs, as all down to the lock */
    struct nbd_request *in_flight;
    int64_t heard_ms;       /* when the server last sent something */
    unsigned losses;        /* of the connection since the last answer */
    bool is_lost;
    const char *why;        /* the export is no longer what it was, or NULL */
    struct thread thread;
    int wake_fd;
    pthread_mutex_t lock;
    struct nbd_request *queued; /* guarded by lock */
    bool stopping;              /* guarded by lock */
    int dead;                   /* guarded by lock: errno once it is over */
};

/* One nbd_link_run, on its caller's stack. */
struct nbd_call {
    pthread_cond_t ended;
    size_t left; /* guarded by the link's lock: requests not yet ended */
};

int nbd_fail(struct error **err, const char *what, const struct nbd_export *nbd_export)
{
    const char *text = nbd_get_error();
    int number = nbd_get_errno();
    const char *plain = text == NULL ? NULL : strstr(text, ": ");

    if (number == 0)
        number = EIO;
    error_set(err, number == ETIMEDOUT ? ERROR_TIMEOUT : ERROR_UNAVAILABLE, "%s",
              plain == NULL ? strerror(number) : plain + 2);
    return error_wrap(err, "%s \"%s\"", what, nbd_export->uri);
}

static bool is_stopping(struct nbd_link *link)
{
    if (link == NULL)
        return false;
    LOCK_SCOPE(&link->lock);
    return link->stopping;
}

/* Connects one handle, within the deadline; LINK (or NULL) may be told to stop meanwhile. */
static int connect_for(const struct nbd_export *nbd_export, struct nbd_link *link,
                       struct nbd_handle **out, struct error **err)
{
    struct deadline deadline = deadline_after(nbd_export->timeout_ms);
    struct nbd_handle *nbd = nbd_create();
    int result = -1;

    if (nbd == NULL)
        return nbd_fail(err, "cannot connect to", nbd_export);
    nbd_set_uri_allow_local_file(nbd, true); /* certificates and keys that a user names */
    if (nbd_add_meta_context(nbd, LIBNBD_CONTEXT_BASE_ALLOCATION) == -1 ||
        nbd_aio_connect_uri(nbd, nbd_export->uri) == -1) {
        nbd_fail(err, "cannot connect to", nbd_export);
    } else {
        while (nbd_aio_is_connecting(nbd) && !deadline_is_over(deadline) &&
               !cancel_is_requested(nbd_export->cancel) && !is_stopping(link) &&
               nbd_poll(nbd, CONNECT_LOOK_MS) != -1)
            ;
        if (nbd_aio_is_ready(nbd))
            result = 0;
        else if (cancel_is_requested(nbd_export->cancel))
            error_set(err, ERROR_CANCELED, "stopped");
        else if (nbd_aio_is_connecting(nbd))
            error_set(err, ERROR_TIMEOUT, "cannot connect to \"%s\": no answer", nbd_export->uri);
        else
            nbd_fail(err, "cannot connect to", nbd_export);
    }
    if (result == 0)
        *out = nbd;
    else
        nbd_close(nbd);
    return result;
}

int nbd_connect(const struct nbd_export *nbd_export, struct nbd_handle **out, struct error **err)
{
    return connect_for(nbd_export, NULL, out, err);
}

/* True for what libnbd says of commands that a lost connection took along. */
static bool is_loss(int error)
{
    return error == ENOTCONN || error == ESHUTDOWN;
}

/* Ends REQUEST, with the lock held; its caller may take it away at once. */
static void end_request(struct nbd_request *request, int error, const char *why)
{
    request->error = error;
    request->why = why;
    if (--request->call->left == 0)
        pthread_cond_signal(&request->call->ended);
}

/* libnbd's completion callback. */
static int complete(void *arg, int *error)
{
    struct nbd_request *request = arg;
    struct nbd_link *link = request->link;

    if (is_loss(*error)) { /* it stays in flight, to be asked again */
        link->is_lost = true;
        return 1;
    }
    for (struct nbd_request **p = &link->in_flight; *p != NULL; p = &(*p)->next)
        if (*p == request) {
            *p = request->next;
            break;
        }
    link->losses = 0;
    LOCK_SCOPE(&link->lock);
    end_request(request, *error, NULL);
    return 1; /* libnbd forgets the command */
}

static int take_extents(void *arg, const char *context, uint64_t offset, uint32_t *entries,
                        size_t count, int *error)
{
    struct nbd_request *request = arg;
    uint64_t end = request->offset + request->length;

    if (strcmp(context, LIBNBD_CONTEXT_BASE_ALLOCATION) != 0)
        return 0;
    for (size_t i = 0; i + 1 < count && offset < end && request->list->len < MAX_EXTENTS; i += 2) {
        uint64_t length = entries[i] < end - offset ? entries[i] : end - offset;

        extent_list_add(request->list, offset, length,
                        entries[i + 1] & LIBNBD_STATE_ZERO ? EXTENT_ZERO : EXTENT_DATA);
        offset += length;
    }
    return 0;
}

/* Hands REQUEST to libnbd; -1 if it refuses. */
static int64_t issue(struct nbd_handle *nbd, struct nbd_request *request)
{
    nbd_completion_callback done = {.callback = complete, .user_data = request};

    switch (request->kind) {
    case NBD_REQUEST_READ:
        return nbd_aio_pread(nbd, request->data, request->len, request->offset, done, 0);
    case NBD_REQUEST_WRITE:
        return nbd_aio_pwrite(nbd, request->data, request->len, request->offset, done, 0);
    case NBD_REQUEST_ZERO:
        return nbd_aio_zero(nbd, request->length, request->offset, done, 0);
    case NBD_REQUEST_FLUSH:
        return nbd_aio_flush(nbd, done, 0);
    case NBD_REQUEST_EXTENTS:
        request->list->len = 0; /* of an answer that broke */
        return nbd_aio_block_status(
            nbd, request->length, request->offset,
            (nbd_extent_callback){.callback = take_extents, .user_data = request}, done, 0);
    }
    return -1;
}

/* True once the connection cannot be used any more. */
static bool is_over(struct nbd_link *link)
{
    return link->is_lost || nbd_aio_is_dead(link->nbd) || nbd_aio_is_closed(link->nbd);
}

/* REQUEST may be gone already: only its address is used. */
static bool is_in_flight(const struct nbd_link *link, const struct nbd_request *request)
{
    const struct nbd_request *other = link->in_flight;

    while (other != NULL && other != request)
        other = other->next;
    return other != NULL;
}

/* Issues what was queued; false when the link shall end. */
static bool take_queued(struct nbd_link *link)
{
    struct nbd_request *queued;
    bool go_on;

    pthread_mutex_lock(&link->lock);
    queued = link->queued;
    link->queued = NULL;
    go_on = !link->stopping;
    pthread_mutex_unlock(&link->lock);
    while (queued != NULL) {
        struct nbd_request *request = queued;

        queued = request->next;
        request->next = link->in_flight;
        link->in_flight = request;
        if (issue(link->nbd, request) == -1 && !is_over(link) && is_in_flight(link, request)) {
            int error = nbd_get_errno() == 0 ? EIO : nbd_get_errno();
            complete(request, &error);
        }
    }
    return go_on;
}

/* When REQUEST is late: nothing came for the timeout since it was made, or other answers came but
 * not this one. */
static int64_t due_ms(const struct nbd_link *link, const struct nbd_request *request)
{
    int64_t timeout = link->nbd_export->timeout_ms;
    int64_t quiet = (link->heard_ms > request->start_ms ? link->heard_ms : request->start_ms) +
                    timeout;
    int64_t last = request->start_ms + SLOWNESS * timeout;

    return quiet < last ? quiet : last;
}

/* Milliseconds until the first request in flight is late; -1: none is in flight. */
static int next_deadline(const struct nbd_link *link)
{
    int64_t due = INT64_MAX;

    for (const struct nbd_request *request = link->in_flight; request != NULL;
         request = request->next)
        if (due_ms(link, request) < due)
            due = due_ms(link, request);
    if (due == INT64_MAX)
        return -1;
    int64_t left = due - time_mono_ms();
    return left < 0 ? 0 : left > INT32_MAX ? INT32_MAX : (int)left;
}

/* Waits for the server, a new request or a late answer.  0, or the errno that ends the
 * connection. */
static int wait_once(struct nbd_link *link)
{
    unsigned direction = nbd_aio_get_direction(link->nbd);
    struct cancel *cancel = link->nbd_export->cancel;
    struct pollfd fds[3] = {
        {.fd = nbd_aio_get_fd(link->nbd)},
        {.fd = link->wake_fd, .events = POLLIN},
        {.fd = cancel == NULL ? -1 : cancel_fd(cancel), .events = POLLIN},
    };
    uint64_t count;

    if (is_over(link))
        return ECONNRESET;
    if (direction & LIBNBD_AIO_DIRECTION_READ)
        fds[0].events |= POLLIN;
    if (direction & LIBNBD_AIO_DIRECTION_WRITE)
        fds[0].events |= POLLOUT;
    int ready = poll(fds, 3, next_deadline(link));
    if (ready == -1)
        return errno == EINTR ? 0 : errno;
    if (ready == 0 && next_deadline(link) == 0)
        return ETIMEDOUT;
    if (fds[2].revents != 0)
        return ECANCELED;
    if (fds[1].revents != 0 && read(link->wake_fd, &count, sizeof(count)) == -1 && errno != EAGAIN)
        return errno;
    if (fds[0].revents & (POLLIN | POLLHUP | POLLERR) && direction & LIBNBD_AIO_DIRECTION_READ) {
        link->heard_ms = time_mono_ms();
        nbd_aio_notify_read(link->nbd);
    } else if (fds[0].revents & (POLLOUT | POLLHUP | POLLERR)) {
        nbd_aio_notify_write(link->nbd);
    }
    return is_over(link) ? ECONNRESET : 0;
}

/* Serves requests; 0 when the link shall end, or the errno that ended the connection. */
static int serve(struct nbd_link *link)
{
    int dead = 0;

    while (dead == 0 && take_queued(link))
        dead = wait_once(link);
    return dead;
}

/* What was in flight waits again; its time starts anew. */
static void requeue(struct nbd_link *link)
{
    LOCK_SCOPE(&link->lock);

    while (link->in_flight != NULL) {
        struct nbd_request *request = link->in_flight;

        link->in_flight = request->next;
        request->start_ms = time_mono_ms();
        request->next = link->queued;
        link->queued = request;
    }
}

/* Waits before the next try; false if the link shall end. */
static bool wait_to_reconnect(struct nbd_link *link, unsigned try)
{
    int64_t delay = FIRST_DELAY_MS;

    for (unsigned i = 1; i < try && delay < MAX_DELAY_MS; i++)
        delay *= 2;
    for (struct deadline end = deadline_after(delay); !deadline_is_over(end);)
        if (is_stopping(link) || cancel_wait(link->nbd_export->cancel,
                                             deadline_left_ms(end) < CONNECT_LOOK_MS
                                                 ? deadline_left_ms(end)
                                                 : CONNECT_LOOK_MS))
            return false;
    return true;
}

/* Connects again after a loss, with few tries and a deadline; false if that is over. */
static bool reconnect(struct nbd_link *link)
{
    struct deadline deadline = deadline_after(link->nbd_export->timeout_ms);

    nbd_close(steal(&link->nbd));
    requeue(link);
    while (link->losses++ < MAX_LOSSES && !deadline_is_over(deadline)) {
        CLEANUP(error) struct error *err = NULL; /* the loss is what is reported */

        if (!wait_to_reconnect(link, link->losses))
            return false;
        if (connect_for(link->nbd_export, link, &link->nbd, &err) == -1)
            continue;
        if (nbd_get_size(link->nbd) != (int64_t)link->nbd_export->size_bytes) {
            link->why = "the server came back with another size";
            return false;
        }
        log_warn("connected again: uri=%s", link->nbd_export->uri);
        link->is_lost = false;
        link->heard_ms = time_mono_ms();
        return true;
    }
    return false;
}

/* Ends everything that waits on the link. */
static void fail_all(struct nbd_link *link, int number)
{
    nbd_close(steal(&link->nbd));
    requeue(link);
    LOCK_SCOPE(&link->lock);
    link->dead = number;
    while (link->queued != NULL) {
        struct nbd_request *request = link->queued;

        link->queued = request->next;
        end_request(request, number, link->why);
    }
}

static void *run_link(void *arg)
{
    struct nbd_link *link = arg;
    int dead;

    do
        dead = serve(link);
    while (dead == ECONNRESET && !link->nbd_export->writable && reconnect(link));
    if (dead == 0)
        nbd_shutdown(link->nbd, 0);
    if (cancel_is_requested(link->nbd_export->cancel))
        dead = ECANCELED;
    fail_all(link, dead == 0 ? ESHUTDOWN : dead);
    return NULL;
}

int nbd_link_start(const struct nbd_export *nbd_export, struct nbd_handle *nbd,
                   struct nbd_link **out, struct error **err)
{
    struct nbd_link *link = xcalloc(1, sizeof(*link));
    int result;

    link->nbd_export = nbd_export;
    link->nbd = nbd;
    link->heard_ms = time_mono_ms();
    link->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pthread_mutex_init(&link->lock, NULL);
    if (link->wake_fd == -1)
        result = error_sys(err, errno, "cannot make an event descriptor");
    else
        result = thread_start(&link->thread, "nbd-link", run_link, link, err);
    if (result == -1)
        nbd_link_stop(link);
    else
        *out = link;
    return result;
}

void nbd_link_stop(struct nbd_link *link)
{
    uint64_t one = 1;

    pthread_mutex_lock(&link->lock);
    link->stopping = true;
    if (link->wake_fd != -1 && write(link->wake_fd, &one, sizeof(one)) == -1)
        assert(errno == EAGAIN); /* the counter is full: it wakes anyway */
    pthread_mutex_unlock(&link->lock);
    thread_join(&link->thread);
    nbd_close(link->nbd); /* NULL once the thread ran */
    if (link->wake_fd != -1)
        close(link->wake_fd);
    pthread_mutex_destroy(&link->lock);
    free(link);
}

int nbd_link_run(struct nbd_link *link, struct nbd_request *requests, size_t count)
{
    struct nbd_call call = {.left = count};
    uint64_t one = 1;

    cond_init(&call.ended);
    pthread_mutex_lock(&link->lock);
    for (size_t i = count; i-- > 0;) { /* the newest goes first */
        requests[i].link = link;
        requests[i].call = &call;
        requests[i].start_ms = time_mono_ms();
        if (link->dead != 0) {
            end_request(&requests[i], link->dead, link->why);
            continue;
        }
        requests[i].next = link->queued;
        link->queued = &requests[i];
    }
    if (link->dead == 0 && write(link->wake_fd, &one, sizeof(one)) == -1)
        assert(errno == EAGAIN);
    while (call.left > 0)
        cond_wait(&call.ended, &link->lock, DEADLINE_NONE); /* the link keeps the deadline */
    pthread_mutex_unlock(&link->lock);
    pthread_cond_destroy(&call.ended);
    for (size_t i = 0; i < count; i++)
        if (requests[i].error != 0)
            return requests[i].error;
    return 0;
}
