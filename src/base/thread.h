/* Threads, locks held for a scope, and a queue of messages between threads.
 *
 * No lock is held across I/O, a callback, or a call into another folder; doc/threads.md lists
 * the locks in the order they are taken.  May use: base.
 */
#pragma once

#include "base/cleanup.h"
#include "base/time.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

struct error;

struct thread {
    pthread_t id;
    bool started;
};

/* Starts FN(ARG) on a thread called NAME (15 bytes shown by ps). All signals are blocked in it. */
int thread_start(struct thread *thread, const char *name, void *(*fn)(void *), void *arg,
                 struct error **err);

/* Waits for the thread's end; does nothing if it was never started. */
void thread_join(struct thread *thread);

static inline void cleanup_lock(pthread_mutex_t **lock)
{
    if (*lock != NULL)
        pthread_mutex_unlock(*lock);
}

static inline pthread_mutex_t *lock_take(pthread_mutex_t *lock)
{
    pthread_mutex_lock(lock);
    return lock;
}

#define THREAD_PASTE2(a, b) a##b
#define THREAD_PASTE(a, b) THREAD_PASTE2(a, b)

/* Holds LOCK until the block ends. */
#define LOCK_SCOPE(lock)                                                                           \
    __attribute__((cleanup(cleanup_lock), unused)) pthread_mutex_t *THREAD_PASTE(                  \
        lock_scope_, __LINE__) = lock_take(lock)

/* A condition variable on the monotonic clock. */
void cond_init(pthread_cond_t *cond);

/* Waits for COND with LOCK held; false when the deadline is over. */
bool cond_wait(pthread_cond_t *cond, pthread_mutex_t *lock, struct deadline deadline);

/* Pointers handed from thread to thread, first in first out, bounded. */
struct queue;

struct queue *queue_new(size_t capacity);
void queue_free(struct queue *queue); /* what is still inside is not released */

/* Waits for room; false if the queue is closed or the deadline is over: ITEM stays the caller's. */
bool queue_push(struct queue *queue, void *item, struct deadline deadline);

/* The next item, or NULL when the deadline is over or the queue is closed and empty. */
void *queue_pop(struct queue *queue, struct deadline deadline);

/* Refuses further items and wakes everybody. */
void queue_close(struct queue *queue);

DEFINE_CLEANUP(queue, struct queue *, queue_free)
