/* The library is in another process (disk/vddk_link.h).  Workers of the copy engine block in
 * vddk_read, each with a slot of the shared memory; a thread of ours hears the answers, in whatever
 * order the library ends its reads, and wakes them.  So as many reads are in flight on the one handle
 * as there are workers, fewer once the library has said that its memory is too small for them. */
#include "disk/vddk.h"

#include "base/cancel.h"
#include "base/error.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/process.h"
#include "base/secret.h"
#include "base/text.h"
#include "base/thread.h"
#include "base/time.h"
#include "disk/format.h"
#include "disk/helper.h"
#include "disk/vddk_link.h"
#include "net/url.h"

#define LOG_COMPONENT "copy"
#include "base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define SCHEME "vddk://"

enum {
    DEFAULT_TIMEOUT_MS = 60000,
    OPEN_TIMEOUT_MS = 180000, /* the library logs in, asks for tickets, tries transports */
    CLOSE_TIMEOUT_MS = 15000,
    HUNG_TIMEOUT_MS = 500,    /* the same, once a read did not end */
    LOOK_EVERY_MS = 200,      /* for a cancel */
    SECTOR = 512,
    PROBES = 3,               /* reads that tell the latency */
    PROBE_BYTES = 64 * 1024,
    MAX_TEXT = 4096,          /* of an answer */
    MAX_CONFIG = 64 * 1024,
};

struct slot {
    bool busy, done;
    uint32_t result, count;
    uint64_t length;
    char *text; /* of a failure, or NULL */
};

struct vddk_disk {
    struct disk disk;
    struct process *helper;
    int fd;
    char *memory;
    char *dir; /* private, holds the library's configuration; or NULL */
    struct cancel *cancel;
    int64_t timeout_ms;
    bool has_extents;
    struct thread listener;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct slot slots[VDDK_SLOTS]; /* guarded by lock */
    unsigned in_flight, depth;     /* guarded by lock; reads, and how many there may be */
    struct deadline close_by;      /* guarded by lock; when the helper is killed */
    bool gone;                     /* guarded by lock; the helper has ended */
    bool hung;                     /* guarded by lock; a read did not end in time */
    char *why;                     /* guarded by lock; how */
};

static struct vddk_disk *vddk_of(struct disk *disk)
{
    return (struct vddk_disk *)disk;
}

bool vddk_is_url(const char *source)
{
    return str_starts_with(source, SCHEME);
}

/* Answers. */

static void take_answer(struct vddk_disk *vddk, const struct vddk_answer *head, const char *text,
                        size_t len)
{
    LOCK_SCOPE(&vddk->lock);
    struct slot *slot = &vddk->slots[head->slot < VDDK_SLOTS ? head->slot : 0];

    slot->result = head->result;
    slot->count = head->count;
    slot->length = head->length;
    free(slot->text);
    slot->text = xstrndup(text, len);
    slot->done = true;
    pthread_cond_broadcast(&vddk->changed);
}

/* The helper hung up: everybody who waits fails with how it ended. */
static void take_end(struct vddk_disk *vddk)
{
    int status = 0;
    bool ended = process_wait(vddk->helper, deadline_after(CLOSE_TIMEOUT_MS), NULL, &status);
    CLEANUP(str) char *how = ended ? process_status_format(status) : xstrdup("it hangs");
    LOCK_SCOPE(&vddk->lock);

    vddk->gone = true;
    vddk->why = steal(&how);
    pthread_cond_broadcast(&vddk->changed);
}

/* Waits for a packet.  Who closes the disk sets a time after which the helper is not waited for any
 * more: the library may hang. */
static ssize_t next_packet(struct vddk_disk *vddk, void *packet, size_t size)
{
    struct pollfd poll_fd = {.fd = vddk->fd, .events = POLLIN};

    while (poll(&poll_fd, 1, LOOK_EVERY_MS) != 1) {
        LOCK_SCOPE(&vddk->lock);

        if (deadline_is_over(vddk->close_by))
            process_kill(vddk->helper, SIGKILL);
    }
    return recv(vddk->fd, packet, size, 0);
}

static void *listen_to_helper(void *arg)
{
    struct vddk_disk *vddk = arg;
    char packet[sizeof(struct vddk_answer) + MAX_TEXT];
    struct vddk_answer head;
    ssize_t got;

    while ((got = next_packet(vddk, packet, sizeof(packet))) >= (ssize_t)sizeof(head)) {
        memcpy(&head, packet, sizeof(head));
        take_answer(vddk, &head, packet + sizeof(head), (size_t)got - sizeof(head));
    }
    take_end(vddk);
    return NULL;
}

/* Requests. */

/* Waits for CONDITION with the lock held. */
static int wait_a_little(struct vddk_disk *vddk, struct deadline deadline, struct error **err)
{
    struct deadline next = deadline_after(LOOK_EVERY_MS);

    if (vddk->gone)
        return error_set(err, ERROR_IO, "the process with VMware's library has ended: %s",
                         vddk->why);
    vddk->hung = vddk->hung || deadline_is_over(deadline);
    if (cancel_check(vddk->cancel, deadline, err) == -1)
        return -1;
    cond_wait(&vddk->changed, &vddk->lock, next.at_ms < deadline.at_ms ? next : deadline);
    return 0;
}

/* A free slot, counted as in flight. */
static int take_slot(struct vddk_disk *vddk, struct deadline deadline, uint32_t *out,
                     struct error **err)
{
    LOCK_SCOPE(&vddk->lock);

    for (;;) {
        for (uint32_t i = 0; i < VDDK_SLOTS && vddk->in_flight < vddk->depth; i++)
            if (!vddk->slots[i].busy) {
                vddk->slots[i].busy = true;
                vddk->slots[i].done = false;
                vddk->in_flight++;
                *out = i;
                return 0;
            }
        if (wait_a_little(vddk, deadline, err) == -1)
            return -1;
    }
}

static void give_slot(struct vddk_disk *vddk, uint32_t number)
{
    LOCK_SCOPE(&vddk->lock);

    vddk->slots[number].busy = false;
    vddk->in_flight--;
    pthread_cond_broadcast(&vddk->changed);
}

/* Sends and waits for the answer.  A slot without an answer stays taken: the library may yet write to
 * it. */
static int ask(struct vddk_disk *vddk, const void *packet, size_t len, uint32_t number,
               struct deadline deadline, struct error **err)
{
    struct slot *slot = &vddk->slots[number];

    if (send(vddk->fd, packet, len, MSG_NOSIGNAL) != (ssize_t)len && errno != EPIPE &&
        errno != ECONNRESET)
        return error_sys(err, errno, "cannot ask the process with VMware's library");
    LOCK_SCOPE(&vddk->lock);
    while (!slot->done)
        if (wait_a_little(vddk, deadline, err) == -1)
            return -1;
    if (slot->result == VDDK_FAILED)
        return error_set(err, ERROR_IO, "%s", slot->text);
    return 0;
}

/* The library has no memory for so many reads: from now on there are fewer.  -1: not even for one. */
static int lower_depth(struct vddk_disk *vddk, struct error **err)
{
    LOCK_SCOPE(&vddk->lock);

    if (vddk->in_flight <= 1 && vddk->depth <= 1)
        return error_set(err, ERROR_IO, "VMware's library has no memory for a read of %d bytes",
                         VDDK_SLOT);
    unsigned depth = vddk->in_flight > 1 ? vddk->in_flight - 1 : 1;
    if (depth < vddk->depth) {
        vddk->depth = depth;
        log_debug("fewer reads at once: %u", depth);
    }
    return 0;
}

/* One piece: at most a slot without what alignment adds. */
static int read_piece(struct vddk_disk *vddk, char *data, size_t len, uint64_t offset,
                      struct error **err)
{
    uint64_t start = offset - offset % SECTOR;
    uint64_t end = (offset + len + SECTOR - 1) / SECTOR * SECTOR;

    for (;;) {
        struct deadline deadline = deadline_after(vddk->timeout_ms);
        struct vddk_request request = {.verb = VDDK_READ, .offset = start, .length = end - start};

        if (take_slot(vddk, deadline, &request.slot, err) == -1 ||
            ask(vddk, &request, sizeof(request), request.slot, deadline, err) == -1)
            return error_wrap(err, "byte %" PRIu64, offset);
        bool again = vddk->slots[request.slot].result == VDDK_AGAIN;
        if (!again)
            memcpy(data, vddk->memory + (size_t)request.slot * VDDK_SLOT + (offset - start), len);
        int result = again ? lower_depth(vddk, err) : 0;
        give_slot(vddk, request.slot);
        if (result == -1 || !again)
            return result;
    }
}

static int vddk_read(struct disk *disk, void *data, size_t len, uint64_t offset, struct error **err)
{
    char *to = data;

    while (len > 0) {
        size_t room = VDDK_SLOT - (size_t)(offset % SECTOR);
        size_t part = len < room ? len : room;

        if (read_piece(vddk_of(disk), to, part, offset, err) == -1)
            return -1;
        to += part;
        offset += part;
        len -= part;
    }
    return 0;
}

/* What is stored in [OFFSET, END), from the areas in SLOT, which are in order. */
static int add_areas(const struct vddk_area *areas, size_t count, uint64_t offset, uint64_t end,
                     struct extent_list *list, struct error **err)
{
    uint64_t at = offset;

    if (count > VDDK_SLOT / sizeof(*areas))
        return error_set(err, ERROR_BUG, "an answer that makes no sense");
    for (size_t i = 0; i < count; i++) {
        uint64_t start = areas[i].offset, stop = start + areas[i].length;

        start = start < at ? at : start;
        stop = stop > end ? end : stop;
        if (start >= stop)
            continue;
        extent_list_add(list, at, start - at, EXTENT_ABSENT);
        extent_list_add(list, start, stop - start, EXTENT_DATA);
        at = stop;
    }
    extent_list_add(list, at, end - at, EXTENT_ABSENT);
    return 0;
}

static int vddk_extents(struct disk *disk, uint64_t offset, uint64_t length,
                        struct extent_list *list, struct error **err)
{
    struct vddk_disk *vddk = vddk_of(disk);
    struct deadline deadline = deadline_after(vddk->timeout_ms);
    uint64_t start = offset - offset % SECTOR, end = offset + length;
    struct vddk_request request = {.verb = VDDK_EXTENTS, .offset = start};

    if (!vddk->has_extents) {
        extent_list_add(list, offset, length, EXTENT_DATA);
        return 0;
    }
    end = (end + SECTOR - 1) / SECTOR * SECTOR;
    request.length = end - start;
    if (take_slot(vddk, deadline, &request.slot, err) == -1 ||
        ask(vddk, &request, sizeof(request), request.slot, deadline, err) == -1)
        return -1;
    const struct slot *slot = &vddk->slots[request.slot];
    const void *areas = vddk->memory + (size_t)request.slot * VDDK_SLOT;
    uint64_t covered = start + slot->length > offset + length ? offset + length
                                                              : start + slot->length;
    int result = covered <= offset
                     ? error_set(err, ERROR_CORRUPT, "VMware's library does not go on")
                     : add_areas(areas, slot->count, offset, covered, list, err);
    give_slot(vddk, request.slot);
    return result;
}

/* Life. */

static void vddk_close(struct disk *disk)
{
    struct vddk_disk *vddk = vddk_of(disk);

    pthread_mutex_lock(&vddk->lock);
    vddk->close_by = deadline_after(vddk->hung ? HUNG_TIMEOUT_MS : CLOSE_TIMEOUT_MS);
    pthread_mutex_unlock(&vddk->lock);
    if (vddk->fd != -1)
        shutdown(vddk->fd, SHUT_WR); /* the helper closes the disk and ends */
    thread_join(&vddk->listener);
    process_free(vddk->helper);
    if (vddk->fd != -1)
        close(vddk->fd);
    if (vddk->memory != NULL)
        munmap(vddk->memory, (size_t)VDDK_SLOTS * VDDK_SLOT);
    if (vddk->dir != NULL) {
        CLEANUP(error) struct error *ignored = NULL; /* a folder in /tmp */
        dir_remove(vddk->dir, &ignored);
    }
    for (size_t i = 0; i < VDDK_SLOTS; i++)
        free(vddk->slots[i].text);
    cancel_free(vddk->cancel);
    free(vddk->dir);
    free(vddk->why);
    pthread_mutex_destroy(&vddk->lock);
    pthread_cond_destroy(&vddk->changed);
    free(vddk);
}

/* Ours, and the library's folder for what it loads itself. */
static void make_environment(const char *dir, struct str_list *env)
{
    const char *old = getenv("LD_LIBRARY_PATH");

    helper_environment(env);
    str_list_push(env, xasprintf("LD_LIBRARY_PATH=%s/lib64:%s%s%s", dir, dir, old ? ":" : "",
                                 old ? old : ""));
}

static int start_helper(struct vddk_disk *vddk, const char *dir, struct error **err)
{
    CLEANUP(str) char *program = helper_find("gantry-vddk");
    CLEANUP(fd) int memory = memfd_create("vddk", MFD_CLOEXEC);
    struct str_list env = {0};
    int pair[2];

    if (memory == -1 || ftruncate(memory, (off_t)VDDK_SLOTS * VDDK_SLOT) == -1)
        return error_sys(err, errno, "cannot make shared memory");
    vddk->memory = mmap(NULL, (size_t)VDDK_SLOTS * VDDK_SLOT, PROT_READ | PROT_WRITE, MAP_SHARED,
                        memory, 0);
    if (vddk->memory == MAP_FAILED) {
        vddk->memory = NULL;
        return error_sys(err, errno, "cannot map shared memory");
    }
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == -1)
        return error_sys(err, errno, "cannot make a pair of sockets");
    vddk->fd = pair[0];
    CLEANUP(fd) int theirs = pair[1];
    CLEANUP(str) char *socket_text = xasprintf("%d", theirs);
    CLEANUP(str) char *memory_text = xasprintf("%d", memory);
    const char *argv[] = {program, socket_text, memory_text, NULL};
    const int keep[] = {theirs, memory};

    make_environment(dir, &env);
    str_list_push(&env, NULL);
    int result = process_start(&(struct process_options){.argv = argv,
                                                         .env = (const char *const *)env.ptr,
                                                         .stderr_fd = STDERR_FILENO,
                                                         .keep_fds = keep,
                                                         .keep_count = 2},
                               &vddk->helper, err);
    env.len--;
    str_list_free_all(&env);
    return result == -1 ? error_wrap(err, "cannot start the process for VMware's library")
                        : thread_start(&vddk->listener, "vddk", listen_to_helper, vddk, err);
}

static void add_param(struct buf *packet, const char *name, const char *value)
{
    if (str_is_empty(value))
        return;
    buf_append(packet, name, strlen(name) + 1);
    buf_append(packet, value, strlen(value) + 1);
}

/* The library's settings, a file for it.  *PATH is owned by the caller. */
static int write_config(struct vddk_disk *vddk, const char *settings, char **path,
                        struct error **err)
{
    const char *tmp = getenv("TMPDIR");
    CLEANUP(str) char *prefix = path_join(str_is_empty(tmp) ? "/tmp" : tmp, "gantry-vddk-");

    vddk->dir = dir_make_temp(prefix, err);
    if (vddk->dir == NULL)
        return -1;
    *path = path_join(vddk->dir, "config");
    return file_write(*path, settings, strlen(settings), 0600, err);
}

/* Appends what the query part of the URL says. */
static int add_query(const struct url *url, struct buf *packet, struct error **err)
{
    struct span rest = span_of(url->query);
    bool has_disk = false;

    for (;;) {
        CLEANUP(str) char *key = NULL;
        CLEANUP(str) char *value = NULL;
        int more = url_next_param(&rest, &key, &value, err);

        if (more == -1)
            return -1;
        if (more == 0)
            break;
        if (!str_eq(key, "disk") && !str_eq(key, "snapshot"))
            return error_set(err, ERROR_INVALID, "unknown parameter \"%.40s\"", key);
        add_param(packet, key, value);
        has_disk = has_disk || (str_eq(key, "disk") && value[0] != '\0');
    }
    return has_disk ? 0 : error_set(err, ERROR_INVALID, "it names no disk");
}

static int make_packet(struct vddk_disk *vddk, const struct url *url,
                       const struct disk_options *options, struct buf *packet, struct error **err)
{
    const struct vddk_request head = {.verb = VDDK_OPEN};
    CLEANUP(str) char *config = NULL;
    CLEANUP(str) char *port = xasprintf("%u", url->port);

    buf_append(packet, &head, sizeof(head));
    if (options->vddk_settings != NULL &&
        write_config(vddk, options->vddk_settings, &config, err) == -1)
        return error_wrap(err, "configuration of VMware's library");
    if (url->path[0] != '/' || url->path[1] == '\0' || strchr(url->path + 1, '/') != NULL)
        return error_set(err, ERROR_INVALID, "it names no machine");
    add_param(packet, "dir", options->vddk_dir);
    add_param(packet, "config", config);
    add_param(packet, "server", url->host);
    add_param(packet, "port", url->port != 0 ? port : NULL);
    add_param(packet, "thumbprint", options->thumbprint);
    add_param(packet, "user", options->user);
    add_param(packet, "machine", url->path + 1);
    add_param(packet, "transports", options->vddk_transports);
    add_param(packet, "verbose", log_is_enabled(LOG_LEVEL_DEBUG, "vddk") ? "1" : NULL);
    if (add_query(url, packet, err) == -1)
        return -1;
    if (options->password != NULL)
        add_param(packet, "password", secret_get(options->password));
    return buf_check(packet, err);
}

static int open_in_helper(struct vddk_disk *vddk, const struct url *url,
                          const struct disk_options *options, struct error **err)
{
    struct buf packet = BUF_INIT(VDDK_MAX_PACKET);
    struct slot *slot = &vddk->slots[0];
    int64_t timeout_ms =
        vddk->timeout_ms > OPEN_TIMEOUT_MS ? vddk->timeout_ms : OPEN_TIMEOUT_MS;

    buf_reserve(&packet, VDDK_MAX_PACKET / 2); /* a password is not left behind by growing */
    int result = make_packet(vddk, url, options, &packet, err);
    if (result == 0)
        result = ask(vddk, packet.ptr, packet.len, 0, deadline_after(timeout_ms), err);
    secret_wipe(packet.ptr, packet.cap);
    buf_reset(&packet);
    if (result == -1)
        return -1;
    vddk->disk.size_bytes = slot->length;
    vddk->has_extents = slot->count != 0;
    slot->done = false;
    log_debug("opened by VMware's library: transport=%s extents=%s", slot->text,
              vddk->has_extents ? "yes" : "no");
    return 0;
}

/* The fastest of a few small reads. */
static int measure(struct vddk_disk *vddk, struct error **err)
{
    size_t len = vddk->disk.size_bytes < PROBE_BYTES ? (size_t)vddk->disk.size_bytes : PROBE_BYTES;
    CLEANUP(str) char *data = xmalloc(PROBE_BYTES);
    int64_t best_us = INT64_MAX;

    for (int i = 0; i < PROBES && len > 0; i++) {
        int64_t start_us = time_mono_us();

        if (vddk_read(&vddk->disk, data, len, 0, err) == -1)
            return -1;
        int64_t took_us = time_mono_us() - start_us;
        best_us = took_us < best_us ? took_us : best_us;
    }
    vddk->disk.latency_us = len > 0 && best_us < UINT_MAX ? (unsigned)best_us : 0;
    return 0;
}

int vddk_open(const char *text, const struct disk_options *options, struct disk **out,
              struct error **err)
{
    static const struct disk_ops ops = {vddk_close, vddk_extents, vddk_read, disk_no_plain_fd};
    CLEANUP(url) struct url *url = NULL;
    struct vddk_disk *vddk;

    if (str_is_empty(options->vddk_dir)) {
        error_set(err, ERROR_INVALID, "\"%s\" needs VMware's library", text);
        return error_hint(err, "name its folder with --vddk-dir");
    }
    if (url_parse(text, &url, err) == -1)
        return error_wrap(err, "disk \"%s\"", text);
    vddk = xcalloc(1, sizeof(*vddk));
    vddk->disk = (struct disk){.ops = &ops, .format = "vddk", .is_remote = true};
    vddk->fd = -1;
    vddk->depth = VDDK_SLOTS;
    vddk->close_by = DEADLINE_NONE;
    vddk->timeout_ms = options->timeout_ms != 0 ? options->timeout_ms : DEFAULT_TIMEOUT_MS;
    vddk->cancel = options->cancel != NULL ? cancel_ref(options->cancel) : NULL;
    pthread_mutex_init(&vddk->lock, NULL);
    cond_init(&vddk->changed);
    if (start_helper(vddk, options->vddk_dir, err) == -1 ||
        open_in_helper(vddk, url, options, err) == -1 || measure(vddk, err) == -1) {
        vddk_close(&vddk->disk);
        return error_wrap(err, "disk \"%s\"", text);
    }
    *out = &vddk->disk;
    return 0;
}
