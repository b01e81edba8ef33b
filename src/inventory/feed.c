#include "inventory/feed.h"

#include "base/mem.h"
#include "base/text.h"
#include "base/thread.h"
#include "base/vector.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

DEFINE_VECTOR(change_list, struct feed_change)
DEFINE_VECTOR(reader_list, struct feed_reader *)

struct feed_reader {
    struct feed *feed;
    char *kind;
    int fd;                     /* readable while there is something to say */
    struct change_list changes; /* guarded by the feed's lock, as below; from AT on */
    size_t at;
    bool behind;
};

struct feed {
    pthread_mutex_t lock;
    struct reader_list readers; /* guarded by lock, as below */
    bool ended;
};

struct feed *feed_new(void)
{
    struct feed *feed = xcalloc(1, sizeof(*feed));

    pthread_mutex_init(&feed->lock, NULL);
    return feed;
}

void feed_free(struct feed *feed)
{
    if (feed == NULL)
        return;
    reader_list_reset(&feed->readers);
    pthread_mutex_destroy(&feed->lock);
    free(feed);
}

void feed_change_reset(struct feed_change *change)
{
    json_decref(change->before);
    json_decref(change->after);
    memset(change, 0, sizeof(*change));
}

static void ring(const struct feed_reader *reader)
{
    uint64_t one = 1;
    ssize_t ignored = write(reader->fd, &one, sizeof(one)); /* a full counter rings as well */

    (void)ignored;
}

static void drop_changes(struct feed_reader *reader)
{
    for (; reader->at < reader->changes.len; reader->at++)
        feed_change_reset(&reader->changes.ptr[reader->at]);
    change_list_reset(&reader->changes);
    reader->at = 0;
}

/* With the lock held. */
static void enqueue(struct feed_reader *reader, const struct feed_change *change)
{
    if (reader->behind)
        return;
    if (reader->changes.len - reader->at >= FEED_BEHIND_MAX) {
        drop_changes(reader);
        reader->behind = true;
    } else {
        struct feed_change kept = *change;
        json_incref(kept.before);
        json_incref(kept.after);
        change_list_push(&reader->changes, kept);
    }
    ring(reader);
}

void feed_tell(struct feed *feed, const char *kind, const struct feed_change *change)
{
    LOCK_SCOPE(&feed->lock);

    for (size_t i = 0; i < feed->readers.len; i++)
        if (str_eq(feed->readers.ptr[i]->kind, kind))
            enqueue(feed->readers.ptr[i], change);
}

void feed_end(struct feed *feed)
{
    LOCK_SCOPE(&feed->lock);

    feed->ended = true;
    for (size_t i = 0; i < feed->readers.len; i++)
        ring(feed->readers.ptr[i]);
}

struct feed_reader *feed_subscribe(struct feed *feed, const char *kind)
{
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

    if (fd == -1)
        return NULL;
    struct feed_reader *reader = xcalloc(1, sizeof(*reader));
    reader->feed = feed;
    reader->kind = xstrdup(kind);
    reader->fd = fd;
    LOCK_SCOPE(&feed->lock);
    reader_list_push(&feed->readers, reader);
    if (feed->ended)
        ring(reader);
    return reader;
}

void feed_unsubscribe(struct feed_reader *reader)
{
    if (reader == NULL)
        return;
    {
        LOCK_SCOPE(&reader->feed->lock);
        struct reader_list *all = &reader->feed->readers;
        for (size_t i = 0; i < all->len; i++)
            if (all->ptr[i] == reader)
                all->ptr[i] = all->ptr[--all->len];
    }
    drop_changes(reader);
    close(reader->fd);
    free(reader->kind);
    free(reader);
}

int feed_reader_fd(const struct feed_reader *reader)
{
    return reader->fd;
}

enum feed_state feed_next(struct feed_reader *reader, struct feed_change *change)
{
    LOCK_SCOPE(&reader->feed->lock);

    if (reader->at < reader->changes.len) {
        *change = reader->changes.ptr[reader->at++];
        if (reader->at == reader->changes.len) {
            change_list_reset(&reader->changes);
            reader->at = 0;
        }
        return FEED_CHANGE;
    }
    if (reader->behind)
        return FEED_BEHIND;
    if (reader->feed->ended)
        return FEED_ENDED;
    uint64_t count = 0;
    ssize_t ignored = read(reader->fd, &count, sizeof(count)); /* nothing to read is fine */
    (void)ignored;
    return FEED_NOTHING;
}
