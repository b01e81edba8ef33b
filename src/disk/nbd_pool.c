#include "disk/nbd_pool.h"

#include "base/cancel.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/thread.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <libnbd.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
    DEFAULT_TIMEOUT_MS = 60000,
    DEFAULT_CONNECTIONS = 4,
    MAX_CONNECTIONS = 16,
    MAX_EXTENTS = 4096,        /* taken from one answer */
    MAX_TRANSFER = 32 << 20,   /* bytes of one request */
    MAX_ZERO = 1 << 30,        /* bytes cleared by one request */
};

enum request_kind { REQUEST_READ, REQUEST_WRITE, REQUEST_ZERO, REQUEST_FLUSH, REQUEST_EXTENTS };

/* Lives on the caller's stack until it is done. */
struct request {
    enum request_kind kind;
    void *data;
    size_t len;
    uint64_t offset;
    uint64_t length; /* zero, extents */
    struct extent_list *list;
    struct link *link;
    struct request *next; /* in LINK's lists */
    int64_t due_ms;
    int error;            /* errno, valid once done */
    bool done;            /* guarded by the link's lock, as the lists */
};

/* A connection. */
struct link {
    struct nbd_pool *pool;
    struct nbd_handle *nbd; /* the thread's own once it runs */
    struct thread thread;
    int wake_fd;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct request *queued;    /* guarded by lock: newest first */
    struct request *in_flight; /* the thread's own */
    bool stopping;             /* guarded by lock */
    int dead;                  /* guarded by lock: errno once the connection is over */
};

struct nbd_pool {
    struct nbd_pool_options options;
    char *name;
    uint64_t size_bytes;
    bool has_extents;
    bool has_zero;
    bool has_flush;
    size_t max_transfer;
    struct link links[MAX_CONNECTIONS];
    size_t link_count;
    _Atomic size_t turn;
};

/* Sets *ERR from libnbd's last failure in this thread. */
static int fail_nbd(struct error **err, const char *what, const char *name)
{
    const char *text = nbd_get_error();
    int number = nbd_get_errno();
    const char *plain = text == NULL ? NULL : strstr(text, ": ");

    if (number == 0)
        number = EIO;
    error_set(err, number == ETIMEDOUT ? ERROR_TIMEOUT : ERROR_UNAVAILABLE, "%s",
              plain == NULL ? strerror(number) : plain + 2);
    return error_wrap(err, "%s \"%s\"", what, name);
}

static int complete(void *arg, int *error)
{
    struct request *request = arg;
    struct link *link = request->link;

    for (struct request **p = &link->in_flight; *p != NULL; p = &(*p)->next)
        if (*p == request) {
            *p = request->next;
            break;
        }
    LOCK_SCOPE(&link->lock);
    request->error = *error;
    request->done = true;
    pthread_cond_broadcast(&link->changed);
    return 1; /* libnbd forgets the command */
}

static int take_extents(void *arg, const char *context, uint64_t offset, uint32_t *entries,
                        size_t count, int *error)
{
    struct request *request = arg;
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
static int64_t issue(struct nbd_handle *nbd, struct request *request)
{
    nbd_completion_callback done = {.callback = complete, .user_data = request};

    switch (request->kind) {
    case REQUEST_READ:
        return nbd_aio_pread(nbd, request->data, request->len, request->offset, done, 0);
    case REQUEST_WRITE:
        return nbd_aio_pwrite(nbd, request->data, request->len, request->offset, done, 0);
    case REQUEST_ZERO:
        return nbd_aio_zero(nbd, request->length, request->offset, done, 0);
    case REQUEST_FLUSH:
        return nbd_aio_flush(nbd, done, 0);
    case REQUEST_EXTENTS:
        return nbd_aio_block_status(
            nbd, request->length, request->offset,
            (nbd_extent_callback){.callback = take_extents, .user_data = request}, done, 0);
    }
    return -1;
}

/* Issues what was queued; false when the link shall end. */
static bool take_queued(struct link *link)
{
    struct request *queued;
    bool go_on;

    pthread_mutex_lock(&link->lock);
    queued = link->queued;
    link->queued = NULL;
    go_on = !link->stopping;
    pthread_mutex_unlock(&link->lock);
    while (queued != NULL) {
        struct request *request = queued;

        queued = request->next;
        request->next = link->in_flight;
        link->in_flight = request;
        if (issue(link->nbd, request) == -1 && !request->done) {
            int error = nbd_get_errno() == 0 ? EIO : nbd_get_errno();
            complete(request, &error);
        }
    }
    return go_on;
}

/* Milliseconds until the first request in flight is late; -1: none is in flight. */
static int next_deadline(const struct link *link)
{
    int64_t due = INT64_MAX;

    for (const struct request *request = link->in_flight; request != NULL; request = request->next)
        if (request->due_ms < due)
            due = request->due_ms;
    if (due == INT64_MAX)
        return -1;
    int64_t left = due - time_mono_ms();
    return left < 0 ? 0 : (int)left;
}

/* Waits for the server, a new request or a late answer.  0, or the errno that ends the link. */
static int wait_once(struct link *link)
{
    unsigned direction = nbd_aio_get_direction(link->nbd);
    struct cancel *cancel = link->pool->options.cancel;
    struct pollfd fds[3] = {
        {.fd = nbd_aio_get_fd(link->nbd)},
        {.fd = link->wake_fd, .events = POLLIN},
        {.fd = cancel == NULL ? -1 : cancel_fd(cancel), .events = POLLIN},
    };
    int timeout = next_deadline(link);
    uint64_t count;

    if (direction & LIBNBD_AIO_DIRECTION_READ)
        fds[0].events |= POLLIN;
    if (direction & LIBNBD_AIO_DIRECTION_WRITE)
        fds[0].events |= POLLOUT;
    int ready = poll(fds, 3, timeout);
    if (ready == -1)
        return errno == EINTR ? 0 : errno;
    if (ready == 0 && next_deadline(link) == 0)
        return ETIMEDOUT;
    if (fds[2].revents != 0)
        return ECANCELED;
    if (fds[1].revents != 0 && read(link->wake_fd, &count, sizeof(count)) == -1 && errno != EAGAIN)
        return errno;
    if (fds[0].revents & (POLLIN | POLLHUP | POLLERR) &&
        direction & LIBNBD_AIO_DIRECTION_READ)
        nbd_aio_notify_read(link->nbd);
    else if (fds[0].revents & (POLLOUT | POLLHUP | POLLERR))
        nbd_aio_notify_write(link->nbd);
    return nbd_aio_is_dead(link->nbd) || nbd_aio_is_closed(link->nbd) ? ECONNRESET : 0;
}

/* Ends everything that waits on the link. */
static void fail_all(struct link *link, int number)
{
    nbd_close(steal(&link->nbd)); /* completes what was in flight */
    LOCK_SCOPE(&link->lock);
    link->dead = number;
    for (struct request *request = link->in_flight; request != NULL; request = request->next) {
        request->error = number;
        request->done = true;
    }
    for (struct request *request = link->queued; request != NULL; request = request->next) {
        request->error = number;
        request->done = true;
    }
    link->queued = link->in_flight = NULL;
    pthread_cond_broadcast(&link->changed);
}

static void *run_link(void *arg)
{
    struct link *link = arg;
    int dead = 0;

    while (dead == 0 && take_queued(link))
        dead = wait_once(link);
    if (dead == 0)
        nbd_shutdown(link->nbd, 0);
    fail_all(link, dead == 0 ? ESHUTDOWN : dead);
    return NULL;
}

/* Runs REQUEST on some link and waits for it.  Returns 0 or an errno. */
static int run_request(struct nbd_pool *pool, struct request *request)
{
    struct link *link = &pool->links[pool->turn++ % pool->link_count];
    uint64_t one = 1;

    request->link = link;
    request->due_ms = time_mono_ms() + pool->options.timeout_ms;
    LOCK_SCOPE(&link->lock);
    if (link->dead != 0)
        return link->dead;
    request->next = link->queued;
    link->queued = request;
    if (write(link->wake_fd, &one, sizeof(one)) == -1)
        assert(errno == EAGAIN); /* the counter is full: it wakes anyway */
    while (!request->done)
        cond_wait(&link->changed, &link->lock, DEADLINE_NONE); /* the link keeps the deadline */
    return request->error;
}

static int fail_request(struct nbd_pool *pool, int number, const char *what, uint64_t offset,
                        struct error **err)
{
    error_sys(err, number, "cannot %s \"%s\" at %" PRIu64, what, pool->name, offset);
    if (number == ETIMEDOUT)
        return error_hint(err, "no answer within %" PRId64 " s: see --timeout",
                          pool->options.timeout_ms / 1000);
    return -1;
}

int nbd_pool_read(struct nbd_pool *pool, void *data, size_t len, uint64_t offset,
                  struct error **err)
{
    for (char *to = data; len > 0;) {
        size_t part = len < pool->max_transfer ? len : pool->max_transfer;
        struct request request = {
            .kind = REQUEST_READ, .data = to, .len = part, .offset = offset};
        int number = run_request(pool, &request);

        if (number != 0)
            return fail_request(pool, number, "read", offset, err);
        to += part;
        offset += part;
        len -= part;
    }
    return 0;
}

int nbd_pool_write(struct nbd_pool *pool, const void *data, size_t len, uint64_t offset,
                   struct error **err)
{
    for (char *from = (char *)(uintptr_t)data; len > 0;) { /* libnbd only reads it */
        size_t part = len < pool->max_transfer ? len : pool->max_transfer;
        struct request request = {
            .kind = REQUEST_WRITE, .data = from, .len = part, .offset = offset};
        int number = run_request(pool, &request);

        if (number != 0)
            return fail_request(pool, number, "write", offset, err);
        from += part;
        offset += part;
        len -= part;
    }
    return 0;
}

static int write_zeroes(struct nbd_pool *pool, uint64_t offset, uint64_t length,
                        struct error **err)
{
    static const char zeroes[1 << 20];

    while (length > 0) {
        size_t part = length < sizeof(zeroes) ? (size_t)length : sizeof(zeroes);

        if (nbd_pool_write(pool, zeroes, part, offset, err) == -1)
            return -1;
        offset += part;
        length -= part;
    }
    return 0;
}

int nbd_pool_zero(struct nbd_pool *pool, uint64_t offset, uint64_t length, struct error **err)
{
    if (!pool->has_zero)
        return write_zeroes(pool, offset, length, err);
    while (length > 0) {
        uint64_t part = length < MAX_ZERO ? length : MAX_ZERO;
        struct request request = {.kind = REQUEST_ZERO, .offset = offset, .length = part};
        int number = run_request(pool, &request);

        if (number != 0)
            return fail_request(pool, number, "clear", offset, err);
        offset += part;
        length -= part;
    }
    return 0;
}

int nbd_pool_flush(struct nbd_pool *pool, struct error **err)
{
    struct request request = {.kind = REQUEST_FLUSH};
    int number = pool->has_flush ? run_request(pool, &request) : 0;

    return number == 0 ? 0 : fail_request(pool, number, "flush", 0, err);
}

int nbd_pool_extents(struct nbd_pool *pool, uint64_t offset, uint64_t length,
                     struct extent_list *list, struct error **err)
{
    CLEANUP(extent_list) struct extent_list found = {0};

    if (!pool->has_extents) {
        extent_list_add(list, offset, length, EXTENT_DATA);
        return 0;
    }
    struct request request = {.kind = REQUEST_EXTENTS,
                              .offset = offset,
                              .length = length < MAX_ZERO ? length : MAX_ZERO,
                              .list = &found};
    int number = run_request(pool, &request);
    if (number != 0)
        return fail_request(pool, number, "ask for the areas of", offset, err);
    if (found.len == 0 || found.ptr[0].offset != offset)
        return error_set(err, ERROR_CORRUPT, "\"%s\" tells no areas at byte %" PRIu64, pool->name,
                         offset);
    for (size_t i = 0; i < found.len; i++)
        extent_list_add(list, found.ptr[i].offset, found.ptr[i].length, found.ptr[i].kind);
    return 0;
}

/* Connects one handle, within the deadline. */
static int connect_link(struct nbd_pool *pool, const char *uri, struct nbd_handle **out,
                        struct error **err)
{
    struct deadline deadline = deadline_after(pool->options.timeout_ms);
    struct nbd_handle *nbd = nbd_create();
    int result = -1;

    if (nbd == NULL)
        return fail_nbd(err, "cannot connect to", pool->name);
    nbd_set_uri_allow_local_file(nbd, true);
    if (nbd_add_meta_context(nbd, LIBNBD_CONTEXT_BASE_ALLOCATION) == -1 ||
        nbd_aio_connect_uri(nbd, uri) == -1) {
        fail_nbd(err, "cannot connect to", pool->name);
    } else {
        while (nbd_aio_is_connecting(nbd) && !deadline_is_over(deadline) &&
               !cancel_is_requested(pool->options.cancel) && nbd_poll(nbd, 100) != -1)
            ;
        if (nbd_aio_is_ready(nbd))
            result = 0;
        else if (nbd_aio_is_connecting(nbd))
            error_set(err, ERROR_TIMEOUT, "cannot connect to \"%s\": no answer", pool->name);
        else
            fail_nbd(err, "cannot connect to", pool->name);
    }
    if (result == 0)
        *out = nbd;
    else
        nbd_close(nbd);
    return result;
}

static int add_link(struct nbd_pool *pool, struct nbd_handle *nbd, struct error **err)
{
    struct link *link = &pool->links[pool->link_count];

    *link = (struct link){.pool = pool, .nbd = nbd};
    link->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pthread_mutex_init(&link->lock, NULL);
    cond_init(&link->changed);
    pool->link_count++;
    if (link->wake_fd == -1)
        return error_sys(err, errno, "cannot make an event descriptor");
    return thread_start(&link->thread, "nbd-link", run_link, link, err);
}

/* Learns the export's properties from the first connection; returns how many to have. */
static int learn(struct nbd_pool *pool, struct nbd_handle *nbd, unsigned *connections,
                 struct error **err)
{
    int64_t size = nbd_get_size(nbd);
    int64_t transfer = nbd_get_block_size(nbd, LIBNBD_SIZE_MAXIMUM);

    if (size == -1)
        return fail_nbd(err, "cannot ask for the size of", pool->name);
    if (pool->options.writable && nbd_is_read_only(nbd) == 1)
        return error_set(err, ERROR_DENIED, "\"%s\" is read-only", pool->name);
    pool->size_bytes = (uint64_t)size;
    pool->has_extents = nbd_can_meta_context(nbd, LIBNBD_CONTEXT_BASE_ALLOCATION) == 1;
    pool->has_zero = nbd_can_zero(nbd) == 1;
    pool->has_flush = nbd_can_flush(nbd) == 1;
    pool->max_transfer =
        transfer > 0 && transfer < MAX_TRANSFER ? (size_t)transfer : (size_t)MAX_TRANSFER;
    *connections = pool->options.connections == 0 ? DEFAULT_CONNECTIONS : pool->options.connections;
    if (*connections > MAX_CONNECTIONS)
        *connections = MAX_CONNECTIONS;
    if (nbd_can_multi_conn(nbd) != 1)
        *connections = 1;
    return 0;
}

int nbd_pool_open(const char *uri, const struct nbd_pool_options *options, struct nbd_pool **out,
                  struct error **err)
{
    CLEANUP(nbd_pool) struct nbd_pool *pool = xcalloc(1, sizeof(*pool));
    struct nbd_handle *nbd;
    unsigned connections = 1;

    pool->options = *options;
    if (pool->options.timeout_ms == 0)
        pool->options.timeout_ms = DEFAULT_TIMEOUT_MS;
    pool->name = xstrdup(uri);
    if (connect_link(pool, uri, &nbd, err) == -1)
        return -1;
    if (learn(pool, nbd, &connections, err) == -1) {
        nbd_close(nbd);
        return -1;
    }
    if (add_link(pool, nbd, err) == -1)
        return -1;
    while (pool->link_count < connections) {
        if (connect_link(pool, uri, &nbd, err) == -1 || add_link(pool, nbd, err) == -1)
            return -1;
    }
    *out = steal(&pool);
    return 0;
}

void nbd_pool_close(struct nbd_pool *pool)
{
    uint64_t one = 1;

    if (pool == NULL)
        return;
    for (size_t i = 0; i < pool->link_count; i++) {
        struct link *link = &pool->links[i];

        pthread_mutex_lock(&link->lock);
        link->stopping = true;
        if (link->wake_fd != -1 && write(link->wake_fd, &one, sizeof(one)) == -1)
            assert(errno == EAGAIN);
        pthread_mutex_unlock(&link->lock);
        thread_join(&link->thread);
        nbd_close(link->nbd); /* NULL once the thread ran */
        if (link->wake_fd != -1)
            close(link->wake_fd);
        pthread_cond_destroy(&link->changed);
        pthread_mutex_destroy(&link->lock);
    }
    free(pool->name);
    free(pool);
}

uint64_t nbd_pool_size(const struct nbd_pool *pool)
{
    return pool->size_bytes;
}
