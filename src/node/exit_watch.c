#include "node/exit_watch.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/thread.h"
#include "base/vector.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

struct watched {
    pid_t pid;
    int fd;
    char *ns, *name;
};

DEFINE_VECTOR(watched_list, struct watched *)

struct exit_watch {
    void (*on_exit)(void *arg, const char *ns, const char *name);
    void *arg;
    int epoll_fd, stop_fd;
    struct thread thread;
    pthread_mutex_t lock;
    struct watched_list list; /* guarded by lock */
};

static void watched_free(struct watched *w)
{
    close(w->fd);
    free(w->ns);
    free(w->name);
    free(w);
}

static void forget(struct exit_watch *watch, const struct watched *w)
{
    LOCK_SCOPE(&watch->lock);
    for (size_t i = 0; i < watch->list.len; i++)
        if (watch->list.ptr[i] == w) {
            watch->list.ptr[i] = watch->list.ptr[--watch->list.len];
            return;
        }
}

static void *watch_run(void *arg)
{
    struct exit_watch *watch = arg;

    for (;;) {
        struct epoll_event event;
        int count = epoll_wait(watch->epoll_fd, &event, 1, -1);

        if (count == -1 && errno != EINTR)
            return NULL;
        if (count != 1)
            continue;
        if (event.data.ptr == NULL)
            return NULL;
        struct watched *w = event.data.ptr;
        forget(watch, w);
        watch->on_exit(watch->arg, w->ns, w->name);
        watched_free(w);
    }
}

int exit_watch_start(void (*on_exit)(void *arg, const char *ns, const char *name), void *arg,
                     struct exit_watch **out, struct error **err)
{
    CLEANUP(exit_watch) struct exit_watch *watch = xcalloc(1, sizeof(*watch));
    struct epoll_event event = {.events = EPOLLIN};

    watch->on_exit = on_exit;
    watch->arg = arg;
    pthread_mutex_init(&watch->lock, NULL);
    watch->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    watch->stop_fd = eventfd(0, EFD_CLOEXEC);
    if (watch->epoll_fd == -1 || watch->stop_fd == -1 ||
        epoll_ctl(watch->epoll_fd, EPOLL_CTL_ADD, watch->stop_fd, &event) == -1)
        return error_sys(err, errno, "cannot watch for the end of processes");
    if (thread_start(&watch->thread, "exit-watch", watch_run, watch, err) == -1)
        return -1;
    *out = steal(&watch);
    return 0;
}

void exit_watch_free(struct exit_watch *watch)
{
    uint64_t one = 1;

    if (watch == NULL)
        return;
    if (watch->thread.started && write(watch->stop_fd, &one, sizeof(one)) == sizeof(one))
        thread_join(&watch->thread);
    for (size_t i = 0; i < watch->list.len; i++)
        watched_free(watch->list.ptr[i]);
    watched_list_reset(&watch->list);
    cleanup_fd(&watch->epoll_fd);
    cleanup_fd(&watch->stop_fd);
    pthread_mutex_destroy(&watch->lock);
    free(watch);
}

/* False if PID is watched already. */
static bool remember(struct exit_watch *watch, struct watched *w)
{
    LOCK_SCOPE(&watch->lock);
    for (size_t i = 0; i < watch->list.len; i++)
        if (watch->list.ptr[i]->pid == w->pid)
            return false;
    watched_list_push(&watch->list, w);
    return true;
}

void exit_watch_add(struct exit_watch *watch, pid_t pid, const char *ns, const char *name)
{
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);

    if (fd == -1 && errno == ESRCH) {
        watch->on_exit(watch->arg, ns, name);
        return;
    }
    if (fd == -1)
        return;

    struct watched *w = xcalloc(1, sizeof(*w));
    struct epoll_event event = {.events = EPOLLIN | EPOLLONESHOT, .data.ptr = w};

    *w = (struct watched){pid, fd, xstrdup(ns), xstrdup(name)};
    if (!remember(watch, w)) {
        watched_free(w);
    } else if (epoll_ctl(watch->epoll_fd, EPOLL_CTL_ADD, fd, &event) == -1) {
        forget(watch, w);
        watched_free(w);
    }
}
