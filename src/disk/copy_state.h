/* What the parts of the copy engine share: copy.c (life), copy_plan.c (what to do), copy_work.c
 * (doing it).  For those only. */
#pragma once

#include "base/thread.h"
#include "base/vector.h"
#include "disk/copy.h"
#include "disk/stream.h"
#include "disk/tune.h"

#include <stdatomic.h>

enum chunk_kind {
    CHUNK_READ,   /* read the range, write it */
    CHUNK_CHECK,  /* the map says that it is there: look, and copy it if not */
    CHUNK_ZERO,   /* nothing is stored in the source */
    CHUNK_PIECES, /* of a stream */
    CHUNK_BLOCK,  /* the same, all in one block, for a map */
};

struct chunk {
    enum chunk_kind kind;
    uint64_t offset;
    uint64_t length;
    void *buffer; /* of the pool, with pieces */
    size_t count;
    struct stream_piece pieces[STREAM_MAX_PIECES];
};

/* A block that was written but is not yet known to be durable. */
struct written {
    uint64_t offset;
    uint32_t length;
    bool is_zero;
    unsigned char hash[16];
};

DEFINE_VECTOR(written_list, struct written)

struct copy {
    struct copy_options options;
    uint64_t size_bytes; /* of the disk; grows while a stream without a size is read */
    int64_t start_ms;
    size_t worker_count;
    bool is_tuned; /* fewer of the workers may be at work, with smaller requests: as TUNE says */
    int share_fd; /* the disk's bytes as they are, for target_share; -1: they must be read */
    uint64_t share_start; /* of the disk in it */
    struct thread planner;
    struct thread keeper; /* of the map */
    struct thread *workers;
    struct queue *queue;   /* struct chunk *, from the planner to the workers */
    struct queue *buffers; /* of streams, from the workers to the planner */
    void **all_buffers;
    size_t buffer_count;

    _Atomic uint64_t done_bytes;
    _Atomic uint64_t total_bytes;
    _Atomic uint64_t read_bytes;
    _Atomic uint64_t written_bytes;
    _Atomic uint64_t shared_bytes;
    _Atomic uint64_t kept_bytes;
    _Atomic uint64_t repaired_bytes;
    _Atomic size_t next_number; /* of a worker */
    _Atomic size_t piece_bytes; /* of one request to be planned; a power of two */
    atomic_bool stopping; /* a failure or a cancel: everybody ends */

    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct tune tune;            /* guarded by lock */
    bool is_planned;             /* guarded by lock: nothing more comes into the queue */
    size_t running;              /* guarded by lock: planner and workers not yet ended */
    struct error *err;           /* guarded by lock: the first failure */
    enum copy_side side;         /* guarded by lock: of it */
    struct written_list written; /* guarded by lock: for the keeper */
    uint64_t unsynced_bytes;     /* guarded by lock: sum of WRITTEN */
    uint64_t syncing_bytes;      /* guarded by lock: of what the keeper works on */
    uint64_t most_unsynced;      /* bytes, from which on the keeper is wanted */
    uint64_t rate_bytes[8];      /* guarded by lock: done at the times below */
    int64_t rate_ms[8];          /* guarded by lock */
};

/* Records a failure (the first counts; takes ERR) and makes everybody end. */
void copy_fail(struct copy *copy, enum copy_side side, struct error *err);

bool copy_is_stopping(struct copy *copy);

void *copy_plan(void *copy);   /* the planner's thread */
void *copy_work(void *copy);   /* a worker's */

/* To be called by planner and workers when they end. */
void copy_thread_ends(struct copy *copy);

/* Frees what is left in the queue. */
void copy_drain(struct copy *copy);
