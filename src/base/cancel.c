#include "base/cancel.h"

#include "base/error.h"
#include "base/mem.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct cancel {
    _Atomic unsigned refs;
    _Atomic bool requested;
    int fd; /* an eventfd that stays readable */
};

struct cancel *cancel_new(void)
{
    struct cancel *cancel = xcalloc(1, sizeof(*cancel));

    cancel->refs = 1;
    cancel->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (cancel->fd == -1) {
        perror("gantry: cannot make an event descriptor");
        abort();
    }
    return cancel;
}

struct cancel *cancel_ref(struct cancel *cancel)
{
    cancel->refs++;
    return cancel;
}

void cancel_free(struct cancel *cancel)
{
    if (cancel == NULL || --cancel->refs > 0)
        return;
    close(cancel->fd);
    free(cancel);
}

void cancel_request(struct cancel *cancel)
{
    uint64_t one = 1;

    if (atomic_exchange(&cancel->requested, true))
        return;
    /* the counter was 0, so this cannot fail */
    if (write(cancel->fd, &one, sizeof(one)) != sizeof(one))
        abort();
}

bool cancel_is_requested(const struct cancel *cancel)
{
    return cancel != NULL && cancel->requested;
}

int cancel_fd(const struct cancel *cancel)
{
    return cancel->fd;
}

bool cancel_wait(const struct cancel *cancel, int64_t ms)
{
    struct deadline deadline = deadline_after(ms);
    struct pollfd poll_fd = {.fd = cancel == NULL ? -1 : cancel->fd, .events = POLLIN};

    while (!cancel_is_requested(cancel) && !deadline_is_over(deadline))
        if (poll(&poll_fd, 1, deadline_left_ms(deadline)) == -1 && errno != EINTR)
            abort();
    return cancel_is_requested(cancel);
}

int cancel_check(const struct cancel *cancel, struct deadline deadline, struct error **err)
{
    if (cancel_is_requested(cancel))
        return error_set(err, ERROR_CANCELED, "canceled");
    if (deadline_is_over(deadline))
        return error_set(err, ERROR_TIMEOUT, "deadline is over");
    return 0;
}

static void get_stop_signals(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGTERM);
}

static void *wait_for_signal(void *arg)
{
    sigset_t set;
    int sig;

    get_stop_signals(&set);
    sigwait(&set, &sig);
    cancel_request(arg);
    return NULL;
}

int cancel_on_signals(struct cancel *cancel, struct error **err)
{
    pthread_t id;
    sigset_t set;

    get_stop_signals(&set);
    pthread_sigmask(SIG_BLOCK, &set, NULL);

    int sys = pthread_create(&id, NULL, wait_for_signal, cancel);
    if (sys != 0)
        return error_sys(err, sys, "cannot start a thread");
    pthread_detach(id); /* it ends with the program */
    return 0;
}
