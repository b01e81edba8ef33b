/* One thread accepts, one thread for each exchange: an exchange is a few milliseconds, and a client that
 * dawdles must not hold up others.  A parsed definition takes fifty times its size, so only a few are
 * edited at once while the others wait with their text; users' programs, which may take seconds, are not
 * counted. */
#define LOG_COMPONENT "premigration"

#include "hook/premigration/server.h"

#include "base/cancel.h"
#include "base/error.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/thread.h"
#include "data/dom.h"
#include "hook/premigration/chain.h"
#include "hook/premigration/facts.h"
#include "hook/premigration/frame.h"
#include "hook/premigration/user_hooks.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 128, REASON_BYTES_MAX = 2048, PIECE = 8 * 1024, EDITS_MAX = 2, PART_MS = 1000 };

struct hook_server {
    struct hook_server_options options;
    struct sockaddr_un addr;
    int listen_fd;
    ino_t inode; /* of our socket file: another server may have put its own there meanwhile */
    struct cancel *stop;
    struct thread acceptor;
    pthread_mutex_t lock;
    pthread_cond_t changed, edit_ended;
    size_t running;            /* exchanges under way; guarded by lock, as all below */
    size_t editing;            /* of them, those that hold a place for an edit */
    uint64_t edited, refused;
    bool listening;
};

struct exchange {
    struct hook_server *server;
    int fd;
    struct deadline deadline;
};

/* --- one exchange ---------------------------------------------------------------------------------- */

static int wait_for(int fd, short events, struct deadline deadline, struct error **err)
{
    struct pollfd poll_fd = {.fd = fd, .events = events};
    int got;

    do
        got = poll(&poll_fd, 1, deadline_left_ms(deadline));
    while (got == -1 && errno == EINTR);
    if (got == 0)
        return error_set(err, ERROR_TIMEOUT, "the client took too long");
    return got == -1 ? error_sys(err, errno, "cannot wait for the client") : 0;
}

/* Reads up to the end of the root element or of the stream. */
static int read_request(int fd, struct buf *request, struct deadline deadline, struct error **err)
{
    struct frame frame = {0};

    while (!frame_is_done(&frame)) {
        char piece[PIECE];

        if (wait_for(fd, POLLIN, deadline, err) == -1)
            return -1;
        ssize_t got = read(fd, piece, sizeof(piece));
        if (got == -1 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (got == -1)
            return error_sys(err, errno, "cannot read the definition");
        if (got == 0)
            break;
        buf_append(request, piece, frame_feed(&frame, piece, (size_t)got));
        if (buf_check(request, err) == -1)
            return error_wrap(err, "the definition");
    }
    return 0;
}

static int write_answer(int fd, const char *text, size_t len, struct deadline deadline,
                        struct error **err)
{
    while (len > 0) {
        if (wait_for(fd, POLLOUT, deadline, err) == -1)
            return -1;
        ssize_t done = send(fd, text, len, MSG_NOSIGNAL);
        if (done == -1 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (done == -1)
            return error_sys(err, errno, "cannot send the answer");
        text += done;
        len -= (size_t)done;
    }
    return 0;
}

/* Ends the answer and takes what the client sent behind its definition (a newline, say): a socket that is
 * closed with something unread tells the client of a broken connection instead of the answer's end. */
static void part(int fd, struct deadline deadline)
{
    char unread[256];
    size_t left = PIECE;

    if (shutdown(fd, SHUT_WR) == -1)
        return;
    while (left > 0) {
        CLEANUP(error) struct error *late = NULL; /* it has had its answer */

        if (wait_for(fd, POLLIN, deadline, &late) == -1)
            return;
        ssize_t got = read(fd, unread, sizeof(unread));
        if (got == 0 || (got == -1 && errno != EINTR && errno != EAGAIN))
            return;
        if (got > 0)
            left -= (size_t)got < left ? (size_t)got : left;
    }
}

static int check_peer(const struct hook_server *server, int fd, struct error **err)
{
    struct ucred peer;
    socklen_t len = sizeof(peer);

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == -1)
        return error_sys(err, errno, "cannot tell who connected");
    if (peer.uid != 0 && peer.uid != geteuid() &&
        (server->options.also_uid == 0 || peer.uid != server->options.also_uid))
        return error_set(err, ERROR_DENIED, "user %u may not use this socket", peer.uid);
    return 0;
}

static int edit(struct hook_server *server, const struct buf *request, char **answer,
                struct error **err)
{
    struct dom *parsed = NULL;

    if (dom_parse(request->ptr, request->len, &parsed, err) == -1)
        return error_wrap(err, "the machine's definition");

    CLEANUP(dom) struct dom *dom = parsed;
    if (server->options.gate_off) {
        /* what was read ends at the root element's end tag */
        *answer = xasprintf("%.*s\n", (int)request->len, request->ptr);
        return 0;
    }

    struct dom_node *uuid_node = dom_first(dom_root(dom), "uuid");
    struct dom_node *name_node = dom_first(dom_root(dom), "name");
    CLEANUP(str) char *uuid = uuid_node == NULL ? NULL : dom_text(uuid_node);
    CLEANUP(str) char *name = name_node == NULL ? NULL : dom_text(name_node);
    struct facts *found = NULL;

    if (server->options.find(server->options.arg, uuid, name, &found, err) == -1)
        return -1;
    CLEANUP(facts) struct facts *facts = found;
    struct user_hooks *loaded = NULL;

    if (server->options.hooks != NULL &&
        server->options.hooks(server->options.arg, facts, &loaded, err) == -1)
        return -1;
    CLEANUP(user_hooks) struct user_hooks *own = loaded;
    const struct chain chain = {.facts = facts,
                                .user_hooks = own != NULL ? own : server->options.user_hooks};

    if (chain_run_take(&chain, (struct span){request->ptr, request->len}, steal(&dom), answer,
                       err) == -1)
        return -1;
    log_info("definition edited: machine=%s uuid=%s", name == NULL ? "?" : name,
             uuid == NULL ? "?" : uuid);
    return 0;
}

static bool edits_are_quick(const struct hook_server_options *options)
{
    return options->hooks == NULL && !user_hooks_have_programs(options->user_hooks);
}

static int edit_in_turn(struct hook_server *server, const struct buf *request,
                        struct deadline deadline, char **answer, struct error **err)
{
    if (!edits_are_quick(&server->options))
        return edit(server, request, answer, err);

    pthread_mutex_lock(&server->lock);
    while (server->editing >= EDITS_MAX && !deadline_is_over(deadline))
        cond_wait(&server->edit_ended, &server->lock, deadline);
    bool has_place = server->editing < EDITS_MAX;
    server->editing += has_place;
    pthread_mutex_unlock(&server->lock);
    if (!has_place)
        return error_set(err, ERROR_TIMEOUT, "too many other definitions are being edited");

    int result = edit(server, request, answer, err);

    LOCK_SCOPE(&server->lock);
    server->editing--;
    pthread_cond_signal(&server->edit_ended);
    return result;
}

/* "<error>REASON</error>" */
static char *format_refusal(const struct error *reason)
{
    CLEANUP(str) char *text = error_format(reason);
    struct buf answer = BUF_INIT(REASON_BYTES_MAX * 6);

    buf_add(&answer, "<error>");
    for (size_t i = 0; text[i] != '\0' && i < REASON_BYTES_MAX; i++) {
        switch (text[i]) {
        case '<':
            buf_add(&answer, "&lt;");
            break;
        case '>':
            buf_add(&answer, "&gt;");
            break;
        case '&':
            buf_add(&answer, "&amp;");
            break;
        default:
            buf_add_char(&answer, (unsigned char)text[i] < 0x20 ? ' ' : text[i]);
        }
    }
    buf_add(&answer, "</error>");
    return buf_take(&answer);
}

enum outcome { OUTCOME_EDITED, OUTCOME_REFUSED, OUTCOME_NOTHING };

/* A client that sends nothing only looked whether somebody listens: that is no exchange. */
static enum outcome serve(struct exchange *x)
{
    CLEANUP(buf) struct buf request = BUF_INIT(DOM_MAX_BYTES);
    CLEANUP(error) struct error *reason = NULL;
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(str) char *answer = NULL;
    bool edited = false;

    if (check_peer(x->server, x->fd, &reason) == 0 &&
        read_request(x->fd, &request, deadline_after(HOOK_SERVER_READ_MS), &reason) == 0) {
        if (request.len == 0)
            return OUTCOME_NOTHING;
        edited = edit_in_turn(x->server, &request, x->deadline, &answer, &reason) == 0;
    }
    if (!edited) {
        log_warn_error(reason, "definition refused");
        answer = format_refusal(reason);
    }
    if (write_answer(x->fd, answer, strlen(answer), x->deadline, &err) == -1) {
        log_warn_error(err, "answer not delivered");
        return OUTCOME_REFUSED;
    }
    part(x->fd, deadline_after(PART_MS));
    return edited ? OUTCOME_EDITED : OUTCOME_REFUSED;
}

static void *exchange_main(void *arg)
{
    struct exchange *x = arg;
    struct hook_server *server = x->server;
    enum outcome outcome = serve(x);

    close(x->fd);
    free(x);

    LOCK_SCOPE(&server->lock);
    server->running--;
    server->edited += outcome == OUTCOME_EDITED;
    server->refused += outcome == OUTCOME_REFUSED;
    pthread_cond_broadcast(&server->changed);
    return NULL;
}

/* --- accepting ---------------------------------------------------------------------------------------- */

static void start_exchange(struct hook_server *server, int fd)
{
    CLEANUP(error) struct error *err = NULL;
    struct exchange *x = xmalloc(sizeof(*x));
    struct thread thread = {0};

    *x = (struct exchange){server, fd, deadline_after(HOOK_SERVER_EXCHANGE_MS)};
    if (thread_start(&thread, "hook exchange", exchange_main, x, &err) == 0) {
        pthread_detach(thread.id); /* `running` is waited for instead */
        return;
    }
    log_warn_error(err, "connection dropped");
    close(fd);
    free(x);

    LOCK_SCOPE(&server->lock);
    server->running--;
    server->refused++;
}

/* How many exchanges may run beside those that do. */
static uint64_t free_places(const struct hook_server *server)
{
    uint64_t most = HOOK_SERVER_CLIENTS_MAX;

    if (server->options.exchanges > 0) {
        uint64_t left = server->options.exchanges - server->edited - server->refused;

        most = left < most ? left : most;
    }
    return most > server->running ? most - server->running : 0;
}

/* Waits for a place; false when no more is to be accepted. */
static bool take_place(struct hook_server *server)
{
    LOCK_SCOPE(&server->lock);

    while (!cancel_is_requested(server->stop)) {
        if (server->options.exchanges > 0 &&
            server->edited + server->refused >= server->options.exchanges)
            return false;
        if (free_places(server) > 0)
            return true;
        cond_wait(&server->changed, &server->lock, deadline_after(1000));
    }
    return false;
}

static int accept_one(struct hook_server *server)
{
    struct pollfd fds[2] = {{.fd = server->listen_fd, .events = POLLIN},
                            {.fd = cancel_fd(server->stop), .events = POLLIN}};

    if (poll(fds, 2, -1) == -1 || fds[1].revents != 0)
        return -1;
    return accept4(server->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
}

static void stop_listening(struct hook_server *server)
{
    LOCK_SCOPE(&server->lock);
    if (server->listening) {
        struct stat st;

        close(server->listen_fd);
        if (lstat(server->addr.sun_path, &st) == 0 && st.st_ino == server->inode)
            unlink(server->addr.sun_path);
        server->listening = false;
    }
    pthread_cond_broadcast(&server->changed);
}

static void *accept_main(void *arg)
{
    struct hook_server *server = arg;

    while (take_place(server)) {
        int fd = accept_one(server);

        if (fd == -1)
            continue;
        pthread_mutex_lock(&server->lock);
        server->running++;
        pthread_mutex_unlock(&server->lock);
        start_exchange(server, fd);
    }
    stop_listening(server);
    return NULL;
}

/* True if somebody answers on the socket file. */
static bool is_in_use(const struct sockaddr_un *addr)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool used = fd != -1 && (connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) == 0 ||
                             errno == EAGAIN);

    cleanup_fd(&fd);
    return used;
}

static int listen_on(struct hook_server *server, struct error **err)
{
    const char *path = server->options.socket_path;
    CLEANUP(fd) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct stat st;

    if (strlen(path) >= sizeof(server->addr.sun_path))
        return error_set(err, ERROR_INVALID, "socket path \"%s\" is longer than %zu bytes", path,
                         sizeof(server->addr.sun_path) - 1);
    server->addr.sun_family = AF_UNIX;
    memcpy(server->addr.sun_path, path, strlen(path) + 1);
    if (fd == -1)
        return error_sys(err, errno, "cannot make a socket");
    if (lstat(path, &st) == 0) {
        if (!S_ISSOCK(st.st_mode))
            return error_set(err, ERROR_EXISTS, "\"%s\" is there and no socket", path);
        if (is_in_use(&server->addr))
            return error_set(err, ERROR_BUSY, "another server listens on \"%s\"", path);
        unlink(path);
    }
    /* before bind, so that there is no moment at which others may connect */
    if (fchmod(fd, 0600) == -1 ||
        bind(fd, (struct sockaddr *)&server->addr, sizeof(server->addr)) == -1 ||
        chmod(path, server->options.also_uid == 0 ? 0600 : 0660) == -1 || listen(fd, BACKLOG) == -1)
        return error_sys(err, errno, "cannot listen on \"%s\"", path);
    if (server->options.also_uid != 0 && chown(path, server->options.also_uid, (gid_t)-1) == -1)
        return error_sys(err, errno, "cannot give \"%s\" to user %u", path,
                         server->options.also_uid);
    if (lstat(path, &st) == -1)
        return error_sys(err, errno, "cannot look at \"%s\"", path);
    server->inode = st.st_ino;
    server->listen_fd = steal_fd(&fd);
    server->listening = true;
    return 0;
}

static void server_free(struct hook_server *server)
{
    cancel_free(server->stop);
    pthread_mutex_destroy(&server->lock);
    pthread_cond_destroy(&server->changed);
    pthread_cond_destroy(&server->edit_ended);
    free(server);
}

int hook_server_start(const struct hook_server_options *options, struct hook_server **out,
                      struct error **err)
{
    struct hook_server *server = xcalloc(1, sizeof(*server));

    server->options = *options;
    server->stop = cancel_new();
    pthread_mutex_init(&server->lock, NULL);
    cond_init(&server->changed);
    cond_init(&server->edit_ended);
    if (listen_on(server, err) == -1) {
        server_free(server);
        return -1;
    }
    if (thread_start(&server->acceptor, "hook server", accept_main, server, err) == -1) {
        stop_listening(server);
        server_free(server);
        return -1;
    }
    *out = server;
    return 0;
}

bool hook_server_wait(struct hook_server *server, struct deadline deadline, struct cancel *cancel)
{
    LOCK_SCOPE(&server->lock);

    while (server->listening || server->running > 0) {
        /* short waits, since CANCEL cannot wake a condition variable */
        if (cancel_is_requested(cancel) || deadline_is_over(deadline))
            return false;
        int left = deadline_left_ms(deadline);
        cond_wait(&server->changed, &server->lock, deadline_after(left < 100 ? left : 100));
    }
    return true;
}

void hook_server_count(struct hook_server *server, uint64_t *edited, uint64_t *refused)
{
    LOCK_SCOPE(&server->lock);
    *edited = server->edited;
    *refused = server->refused;
}

void hook_server_stop(struct hook_server *server)
{
    if (server == NULL)
        return;
    cancel_request(server->stop);
    thread_join(&server->acceptor);
    pthread_mutex_lock(&server->lock);
    while (server->running > 0)
        cond_wait(&server->changed, &server->lock, deadline_after(1000));
    pthread_mutex_unlock(&server->lock);
    server_free(server);
}
