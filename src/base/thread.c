#include "base/thread.h"

#include "base/error.h"
#include "base/mem.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct start {
    void *(*fn)(void *);
    void *arg;
    char name[16];
};

static void *run(void *arg)
{
    struct start start = *(struct start *)arg;

    free(arg);
    pthread_setname_np(pthread_self(), start.name);
    return start.fn(start.arg);
}

int thread_start(struct thread *thread, const char *name, void *(*fn)(void *), void *arg,
                 struct error **err)
{
    struct start *start = xcalloc(1, sizeof(*start));
    sigset_t all, before;

    start->fn = fn;
    start->arg = arg;
    memcpy(start->name, name, strnlen(name, sizeof(start->name) - 1));

    /* signals belong to the main thread */
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    int sys = pthread_create(&thread->id, NULL, run, start);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (sys != 0) {
        free(start);
        return error_sys(err, sys, "cannot start thread \"%s\"", name);
    }
    thread->started = true;
    return 0;
}

void thread_join(struct thread *thread)
{
    if (!thread->started)
        return;
    pthread_join(thread->id, NULL);
    thread->started = false;
}

void cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t attr;

    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &attr);
    pthread_condattr_destroy(&attr);
}

bool cond_wait(pthread_cond_t *cond, pthread_mutex_t *lock, struct deadline deadline)
{
    struct timespec until;

    if (deadline.at_ms == INT64_MAX) {
        pthread_cond_wait(cond, lock);
        return true;
    }
    until.tv_sec = (time_t)(deadline.at_ms / 1000);
    until.tv_nsec = (long)(deadline.at_ms % 1000) * 1000000;
    return pthread_cond_timedwait(cond, lock, &until) != ETIMEDOUT;
}

struct queue {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    void **items;    /* guarded by lock, as all below; a ring */
    size_t capacity;
    size_t first;
    size_t count;
    bool closed;
};

struct queue *queue_new(size_t capacity)
{
    struct queue *queue = xcalloc(1, sizeof(*queue));

    pthread_mutex_init(&queue->lock, NULL);
    cond_init(&queue->changed);
    queue->capacity = capacity;
    queue->items = xcalloc(capacity, sizeof(queue->items[0]));
    return queue;
}

void queue_free(struct queue *queue)
{
    if (queue == NULL)
        return;
    pthread_mutex_destroy(&queue->lock);
    pthread_cond_destroy(&queue->changed);
    free(queue->items);
    free(queue);
}

bool queue_push(struct queue *queue, void *item, struct deadline deadline)
{
    LOCK_SCOPE(&queue->lock);

    while (!queue->closed && queue->count == queue->capacity)
        if (!cond_wait(&queue->changed, &queue->lock, deadline))
            return false;
    if (queue->closed)
        return false;
    queue->items[(queue->first + queue->count++) % queue->capacity] = item;
    pthread_cond_broadcast(&queue->changed);
    return true;
}

void *queue_pop(struct queue *queue, struct deadline deadline)
{
    LOCK_SCOPE(&queue->lock);

    while (!queue->closed && queue->count == 0)
        if (!cond_wait(&queue->changed, &queue->lock, deadline))
            return NULL;
    if (queue->count == 0)
        return NULL;

    void *item = queue->items[queue->first];

    queue->first = (queue->first + 1) % queue->capacity;
    queue->count--;
    pthread_cond_broadcast(&queue->changed);
    return item;
}

void queue_close(struct queue *queue)
{
    LOCK_SCOPE(&queue->lock);
    queue->closed = true;
    pthread_cond_broadcast(&queue->changed);
}
