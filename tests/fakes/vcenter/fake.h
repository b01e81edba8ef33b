/* What the parts of the fake vCenter share.  Every field is guarded by the one lock, and functions
 * want it held unless they say otherwise. */
#pragma once

#include "disk.h"
#include "fake_vcenter.h"
#include "value.h"

#include "base/map.h"
#include "base/thread.h"
#include "base/time.h"
#include "base/vector.h"
#include "data/dom.h"
#include "data/obj.h"
#include "net/http_server.h"

enum { MAX_ANSWER = 256 * 1024 * 1024, TICK_MS = 20 };

struct fake_nic {
    char *mac;
    const char *class; /* VirtualVmxnet3, ... */
    bool standard;     /* on "VM Network", else on the port group */
};

/* A disk as it was when a snapshot was made. */
struct fake_image {
    int key;
    size_t layers; /* how many of the disk's layers it consists of */
    uint32_t epoch, *written;
    uint64_t capacity;
    char *change_id; /* or NULL: changes are not tracked */
};

DEFINE_VECTOR(fake_nic_list, struct fake_nic)
DEFINE_VECTOR(disk_list, struct disk)
DEFINE_VECTOR(fake_image_list, struct fake_image)

struct fake_snapshot {
    char *id, *name, *description;
    char created[TIME_TEXT_SIZE];
    struct fake_image_list images;
    bool quiesced, powered_on;
};

DEFINE_VECTOR(fake_snapshot_list, struct fake_snapshot)

struct fake_machine {
    char *id, *name, *uuid, *instance_uuid, *guest_id, *guest_name, *address;
    bool on, removed, has_tools, ctk, is_template, disconnected, independent, raw_device;
    bool efi, secure_boot, tpm, nested, hot_add;
    int cpus, cores, memory_mb, host;
    struct disk_list disks;
    struct fake_nic_list nics;
    struct fake_snapshot_list snapshots;
    unsigned changed;
    struct deadline off_at; /* the guest shuts down */
    bool shutting_down;
    uint64_t writer_rate, writer_from, writer_debt; /* bytes a second, and where from */
    uint64_t seed;
};

struct fake_task {
    char *id, *name, *entity, *fault;
    char *result_type, *result; /* of a managed object, or NULL */
    char *files;                /* of a search on a datastore: lines "NAME SIZE", or NULL */
    const char *state;          /* queued, running, success, error */
    struct deadline due;
    bool stuck;
    unsigned changed;
    /* What it does at its end; ARGUMENT is owned. */
    const char *(*run)(struct fake_vcenter *fake, struct fake_task *task);
    char *argument, *description;
    bool flag;
};

/* An export of a machine. */
struct fake_lease {
    char *id, *machine;
    const char *state; /* initializing, ready, done, error */
    struct deadline ready_at, ends_at;
    unsigned changed;
};

struct fake_fault {
    char *name, *argument;
    int count; /* -1: for ever */
};

struct fake_collector {
    char *id;
    struct fake_filter *filters;
    char *told, *told_after; /* the last answer, and the version that it was told after; or NULL */
};

DEFINE_VECTOR(fake_machine_list, struct fake_machine)
DEFINE_VECTOR(fake_task_list, struct fake_task *)
DEFINE_VECTOR(fake_fault_list, struct fake_fault)
DEFINE_VECTOR(fake_lease_list, struct fake_lease)
DEFINE_VECTOR(fake_collector_list, struct fake_collector)

struct fake_view {
    char *id, *container;
    struct str_list types;
};
DEFINE_VECTOR(fake_view_list, struct fake_view)

struct fake_vcenter {
    struct http_server *server;
    char *url, *dir;
    int64_t task_ms, shutdown_ms, lease_ms;
    bool is_host;
    pthread_mutex_t lock;
    pthread_cond_t changed; /* version went up */
    struct thread clock;
    bool stopping;
    struct fake_machine_list machines;
    struct map *index; /* id to the machine's place + 1 */
    struct fake_task_list tasks;
    struct fake_fault_list faults;
    struct fake_lease_list leases;
    struct fake_collector_list collectors;
    struct fake_view_list views;
    struct str_list sessions; /* valid cookies */
    unsigned version, session_count, collector_count, task_count, snapshot_count, view_count,
        lease_count;
    char *task_fault; /* of the next task, or NULL */
    bool tools, maintenance;
    int logins, batches, completed_leases, aborted_leases, lease_progress;
    json_t *tags; /* {id, name, description, vm}, or NULL */
    uint64_t served; /* bytes of files */
    int64_t latency_ms;
};

/* objects: machine.c, places.c, task.c */
struct fake_machine *fake_find_machine(struct fake_vcenter *fake, const char *id);
struct fake_machine *fake_find_machine_by_name(struct fake_vcenter *fake, const char *name);
struct disk *fake_find_disk(struct fake_machine *machine, int key);
void fake_touch(struct fake_vcenter *fake, struct fake_machine *machine);
void fake_machine_reset(struct fake_machine *machine);
struct value *fake_machine_value(struct fake_vcenter *fake, struct fake_machine *machine);
struct value *fake_snapshot_value(struct fake_vcenter *fake, struct fake_machine *machine,
                                  struct fake_snapshot *snapshot);
struct fake_snapshot *fake_find_snapshot(struct fake_vcenter *fake, const char *id,
                                         struct fake_machine **machine);
/* The type of the object ID, or NULL; its properties (a new tree), or NULL; when it changed. */
const char *fake_object_type(struct fake_vcenter *fake, const char *id);
struct value *fake_object_value(struct fake_vcenter *fake, const char *id);
unsigned fake_object_changed(struct fake_vcenter *fake, const char *id);
bool fake_is_a(const char *type, const char *base);

/* tasks: task.c */
struct fake_task *fake_task_start(struct fake_vcenter *fake, const char *name, const char *entity,
                                  const char *(*run)(struct fake_vcenter *, struct fake_task *));
struct fake_task *fake_find_task(struct fake_vcenter *fake, const char *id);
struct value *fake_task_value(struct fake_task *task);
bool fake_is_busy(struct fake_vcenter *fake, const char *entity);
void fake_task_free(struct fake_task *task);
void *fake_clock(void *arg);

/* faults: faults.c */
bool fake_fault_take(struct fake_vcenter *fake, const char *name, const char *argument);
bool fake_fault_is_known(const char *name);
void fake_fault_add(struct fake_vcenter *fake, const char *text);
void fake_fault_clear(struct fake_vcenter *fake);

/* rights.c; the call takes the lock itself. */
#define FAKE_SESSION_MANAGER "sm"
struct value *fake_session_manager_value(void);
bool fake_rights_call(struct fake_vcenter *fake, const char *method, struct dom_node *call,
                      struct http_response *response);

/* tags.c: paths below /rest; takes the lock itself. */
void fake_serve_tags(struct fake_vcenter *fake, const struct http_request *request,
                     struct http_response *response);

/* answers: server.c.  These want no lock. */
void fake_answer(struct http_response *response, const char *method, const char *returnval);
void fake_fail(struct http_response *response, const char *fault, const char *words);
char *fake_text_at(struct dom_node *node, const char *path);
bool fake_has_session(struct fake_vcenter *fake, const struct http_request *request);
void fake_drop(struct http_response *response);

/* calls: collector.c, calls.c, views.c.  They take the lock themselves; true if METHOD is theirs. */
bool fake_collector_call(struct fake_vcenter *fake, const char *method, const char *this_id,
                         struct dom_node *call, bool session, struct http_response *response);
bool fake_machine_call(struct fake_vcenter *fake, const char *method, const char *this_id,
                       struct dom_node *call, struct http_response *response);
bool fake_search_call(struct fake_vcenter *fake, const char *method, const char *this_id,
                      struct dom_node *call, struct http_response *response);
void fake_collectors_forget(struct fake_vcenter *fake);
/* The objects of a view, by type of object. */
const struct fake_view *fake_find_view(struct fake_vcenter *fake, const char *id);

/* files.c, control.c: paths below /folder and /fake */
void fake_serve_file(struct fake_vcenter *fake, const struct http_request *request,
                     struct http_response *response);
void fake_control(struct fake_vcenter *fake, const struct http_request *request,
                  struct http_response *response);
/* Writes PERCENT of the blocks (at least one) with new content; *CHANGED gets their bytes. */
int fake_scribble(struct fake_machine *machine, struct disk *disk, double percent,
                  uint64_t *changed, struct error **err);
void fake_scribble_some(struct fake_machine *machine, int64_t ms);

/* calls.c: a task's work, a snapshot called ARGUMENT of ENTITY; the name of a fault or NULL. */
const char *fake_take_snapshot(struct fake_vcenter *fake, struct fake_task *task);

/* lease.c */
struct fake_lease *fake_find_lease(struct fake_vcenter *fake, const char *id);
struct value *fake_lease_value(struct fake_vcenter *fake, const struct fake_lease *lease);
bool fake_has_lease(struct fake_vcenter *fake, const char *machine);
size_t fake_count_leases(struct fake_vcenter *fake); /* that are open */
void fake_leases_drop(struct fake_vcenter *fake);
void fake_leases_tick(struct fake_vcenter *fake);
void fake_leases_free(struct fake_vcenter *fake);
bool fake_lease_call(struct fake_vcenter *fake, const char *method, const char *this_id,
                     struct http_response *response);
void fake_serve_export(struct fake_vcenter *fake, const struct http_request *request,
                       struct http_response *response);

/* machine_spec.c */
int fake_machine_parse(struct fake_vcenter *fake, const char *spec, struct error **err);
void fake_machine_add_plain(struct fake_vcenter *fake);
