/* What a plan that executes has in memory between two reconciles.
 *
 * A plan's status holds all of its machines.  With thousands of them it is megabytes of text: read,
 * parsed and written whole at each step of each machine it would be all that gantryd does.  So the
 * plan that executes is kept here, each reconcile looks only at the machines that something
 * happened to (doc/design/large-plans.md), and the status is written when somebody may look at it
 * again: after an interval that grows with what a write costs.  What must outlast a crash at once
 * is put on record by session_record.
 *
 * May use: base, data, kube, source, inventory.  Threads: a session belongs to the worker of its
 * plan; sessions_wake may be called from any thread.
 */
#pragma once

#include "base/cleanup.h"
#include "base/vector.h"
#include "move/vm/plan_view.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct map;
struct plan_sessions;

/* A VM that is on its way. */
struct running_vm {
    size_t at;          /* in status.migration.vms */
    int64_t due_ms;     /* on the monotonic clock, when it is looked at again; 0: when woken */
    bool is_unrecorded; /* it entered a phase that is not on record yet */
};

/* A VM that waits for its turn. */
struct waiting_vm {
    size_t at;
    int64_t cost;
    uint64_t bytes;
};

DEFINE_VECTOR(running_list, struct running_vm)
DEFINE_VECTOR(waiting_list, struct waiting_vm)

/* Those of one source host, the largest first; heavy ones beside the others (see scheduler.h). */
struct lane {
    char *host; /* "" if the source has none */
    struct waiting_list heavy, light;
    size_t next_heavy, next_light; /* the first that waits still */
};

DEFINE_VECTOR(lane_list, struct lane)

struct plan_session {
    char *key;
    json_t *object; /* the plan, with the status that is worked on; NULL: read it first */
    json_t *status; /* borrowed from object */
    struct plan_view view;
    bool has_view;

    bool is_kept;      /* it outlives the reconcile */
    bool is_indexed;   /* the lists below fit the status */
    struct map *index; /* the VMs' label values to their places in status.migration.vms, plus 1 */
    struct running_list running;
    struct lane_list lanes;
    size_t waiting;          /* VMs in lanes that wait still */
    bool are_waiting_marked; /* they have the condition Pending */

    /* marks that were taken over at the beginning of the reconcile */
    bool must_look;    /* at everything: not only machines changed */
    struct map *woken; /* the label values of VMs that something happened to */

    int64_t looked_ms;            /* the last time at everything, monotonic; 0: never */
    int64_t migration_generation; /* whose spec.cancel was heeded */
    char *migration_uid;

    bool is_dirty;         /* the status differs from what the server has */
    bool must_write;       /* and has to be written with this reconcile */
    bool must_read;        /* nobody knows what the server has */
    int64_t next_write_ms; /* monotonic */
    struct map *bases;     /* by VM id: what the server has of a VM that changed; see journal.h */
    struct map *journaled; /* ids of VMs that have a journal */
};

enum { SESSIONS_JOURNAL_FROM = 32 };

/* Plans of JOURNAL_FROM VMs and more keep journals; of smaller ones the status itself is written.
 */
struct plan_sessions *sessions_new(size_t journal_from);
void sessions_free(struct plan_sessions *sessions);

/* The session of plan KEY for its worker, with the marks made so far; a new one if there is none.
 * SESSIONS may be NULL: the session ends with session_close. */
struct plan_session *session_open(struct plan_sessions *sessions, const char *key);
/* Keeps it if it says so, else frees it. */
void session_close(struct plan_sessions *sessions, struct plan_session *session);

/* Something happened to the VM with the label value VM of plan KEY; NULL: to the plan itself. */
void sessions_wake(struct plan_sessions *sessions, const char *key, const char *vm);

/* Takes OBJECT as the plan's metadata and spec; the status, if there is one already, stays. */
void session_take(struct plan_session *session, json_t *object);

/* Counts and orders the VMs of the status anew; places of those on their way are noted. */
int session_index(struct plan_session *session, struct error **err);

/* The VMs' entries. */
json_t *session_vms(const struct plan_session *session);

/* Remembers what the server has of a VM: BEFORE is its entry before the first change since the last
 * write. */
void session_note_change(struct plan_session *session, const json_t *before);

/* STATUS is what the server has, which may be more than is known: a write may have been done though
 * its answer was lost.  What journals are based on is taken from it. */
void session_rebase(struct plan_session *session, const json_t *status);

/* Puts a VM's entry on record: it will be found as it is after a crash. */
int session_record(struct plan_session *session, struct room *room, const json_t *vm,
                   struct error **err);

/* Writes the status.  After a failure it has to be read first. */
int session_write(struct plan_session *session, struct room *room, struct error **err);

/* Writes the status if it changed and it is time; else *AGAIN_MS is lowered to when it is. */
int session_save(struct plan_session *session, struct room *room, int64_t *again_ms,
                 struct error **err);

DEFINE_CLEANUP(plan_sessions, struct plan_sessions *, sessions_free)
