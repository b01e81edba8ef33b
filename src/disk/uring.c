#include "disk/uring.h"

#include "base/error.h"
#include "base/fault.h"
#include "base/mem.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <liburing.h>
#include <stdbool.h>
#include <stdlib.h>

enum { DEPTH = 32, MAX_BUFFERS = 2 };

/* One write on its way. */
struct slot {
    struct slot *next_free;
    int fd;
    const char *data;
    size_t len;
    uint64_t offset;
};

struct uring {
    struct io_uring ring;
    const char *buffers[MAX_BUFFERS];
    size_t count;
    size_t len;
    bool is_mapped; /* the kernel knows the buffers */
    struct slot slots[DEPTH];
    struct slot *free_slots;
    unsigned queued;  /* not yet handed to the kernel */
    unsigned running; /* handed over, not yet ended */
    int error;        /* of the first that failed, and where */
    uint64_t error_offset;
};

struct uring *uring_new(void *const *buffers, size_t count, size_t len)
{
    struct uring *ring = xcalloc(1, sizeof(*ring));
    struct iovec vectors[MAX_BUFFERS];

    assert(count <= MAX_BUFFERS);
    if (fault("uring.open") || io_uring_queue_init(DEPTH, &ring->ring, 0) != 0) {
        free(ring);
        return NULL;
    }
    ring->count = count;
    ring->len = len;
    for (size_t i = 0; i < count; i++) {
        ring->buffers[i] = buffers[i];
        vectors[i] = (struct iovec){buffers[i], len};
    }
    ring->is_mapped = io_uring_register_buffers(&ring->ring, vectors, (unsigned)count) == 0;
    for (size_t i = 0; i < DEPTH; i++) {
        ring->slots[i].next_free = ring->free_slots;
        ring->free_slots = &ring->slots[i];
    }
    return ring;
}

void uring_free(struct uring *ring)
{
    if (ring == NULL)
        return;
    io_uring_queue_exit(&ring->ring);
    free(ring);
}

static void queue_slot(struct uring *ring, struct slot *slot)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&ring->ring); /* as many as there are slots */
    size_t i = 0;

    while (i < ring->count &&
           (slot->data < ring->buffers[i] || slot->data >= ring->buffers[i] + ring->len))
        i++;
    if (ring->is_mapped && i < ring->count)
        io_uring_prep_write_fixed(sqe, slot->fd, slot->data, (unsigned)slot->len, slot->offset,
                                  (int)i);
    else
        io_uring_prep_write(sqe, slot->fd, slot->data, (unsigned)slot->len, slot->offset);
    io_uring_sqe_set_data(sqe, slot);
    ring->queued++;
}

/* A write ended with RESULT bytes or a negative errno: done, or what is left of it is begun anew. */
static void settle(struct uring *ring, struct slot *slot, int result)
{
    if (result == -EINTR || result == -EAGAIN || (result > 0 && (size_t)result < slot->len)) {
        size_t written = result > 0 ? (size_t)result : 0;

        slot->data += written;
        slot->len -= written;
        slot->offset += written;
        queue_slot(ring, slot);
        return;
    }
    if (result <= 0 && ring->error == 0) {
        ring->error = result == 0 ? EIO : -result;
        ring->error_offset = slot->offset;
    }
    slot->next_free = ring->free_slots;
    ring->free_slots = slot;
}

/* Hands over what is queued and takes in what has ended, waiting for at least LEAST of it. */
static void turn(struct uring *ring, unsigned least)
{
    struct io_uring_cqe *cqe;
    int submitted;

    do
        submitted = io_uring_submit_and_wait(&ring->ring, least);
    while (submitted == -EINTR || submitted == -EAGAIN || submitted == -EBUSY);
    assert(submitted >= 0); /* the ring is ours and sound */
    ring->queued -= (unsigned)submitted;
    ring->running += (unsigned)submitted;
    while (io_uring_peek_cqe(&ring->ring, &cqe) == 0) {
        struct slot *slot = io_uring_cqe_get_data(cqe);
        int result = cqe->res;

        io_uring_cqe_seen(&ring->ring, cqe);
        ring->running--;
        settle(ring, slot, result);
    }
}

void uring_write(struct uring *ring, int fd, const void *data, size_t len, uint64_t offset)
{
    while (ring->free_slots == NULL)
        turn(ring, 1);

    struct slot *slot = ring->free_slots;
    ring->free_slots = slot->next_free;
    *slot = (struct slot){.fd = fd, .data = data, .len = len, .offset = offset};
    queue_slot(ring, slot);
}

void uring_submit(struct uring *ring)
{
    if (ring->queued > 0)
        turn(ring, 0);
}

int uring_wait(struct uring *ring, const char *name, struct error **err)
{
    while (ring->queued + ring->running > 0)
        turn(ring, 1);
    if (ring->error == 0)
        return 0;
    int number = ring->error;
    ring->error = 0;
    return error_sys(err, number, "cannot write \"%s\" at byte %" PRIu64, name,
                     ring->error_offset);
}
