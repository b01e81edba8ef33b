/* What tests ask of the fake behind everybody's back: paths below /fake.
 *
 *   /fake/state                          JSON: machines with power and snapshots, counters
 *   /fake/fault?set=NAME  ?clear=1       see faults.c
 *   /fake/write?vm=NAME&disk=N&percent=P writes that part of the disk; {"changed": BYTES}
 *   /fake/save?vm=NAME&disk=N&to=FILE    the disk's present content
 *   /fake/power?vm=NAME&on=0|1           at once
 *   /fake/grow?vm=NAME&disk=N&bytes=B    /fake/add-disk?vm=NAME&bytes=B
 *   /fake/remove-disk?vm=NAME&disk=N     /fake/reset-tracking?vm=NAME
 *   /fake/snapshot?vm=NAME               a user's snapshot
 *   /fake/latency?ms=N                   before every answer */
#include "fake.h"

#include "base/error.h"
#include "base/file.h"
#include "base/mem.h"
#include "data/obj.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static uint64_t next_random(struct fake_machine *machine)
{
    machine->seed ^= machine->seed << 13; /* xorshift64 */
    machine->seed ^= machine->seed >> 7;
    machine->seed ^= machine->seed << 17;
    return machine->seed;
}

static int scribble_block(struct fake_machine *machine, struct disk *disk, size_t block,
                          struct error **err)
{
    uint64_t data[DISK_BLOCK / sizeof(uint64_t)];
    uint64_t offset = (uint64_t)block * DISK_BLOCK;
    uint64_t left = disk->capacity - offset;

    for (size_t i = 0; i < DISK_BLOCK / sizeof(uint64_t); i++)
        data[i] = next_random(machine);
    return disk_write(disk, data, left < DISK_BLOCK ? (size_t)left : DISK_BLOCK, offset, err);
}

int fake_scribble(struct fake_machine *machine, struct disk *disk, double percent,
                  uint64_t *changed, struct error **err)
{
    size_t blocks = disk_blocks(disk), want = (size_t)((double)blocks * percent / 100), done = 0;
    uint8_t *chosen = xcalloc(blocks + 1, 1);
    int result = 0;

    want = want == 0 ? 1 : want > blocks ? blocks : want;
    *changed = 0;
    while (done < want && result == 0) {
        size_t block = (size_t)(next_random(machine) % blocks);

        while (chosen[block])
            block = (block + 1) % blocks;
        chosen[block] = 1;
        result = scribble_block(machine, disk, block, err);
        done++;
    }
    *changed = (uint64_t)done * DISK_BLOCK;
    free(chosen);
    return result;
}

void fake_scribble_some(struct fake_machine *machine, int64_t ms)
{
    struct disk *disk = machine->disks.len > 0 ? &machine->disks.ptr[0] : NULL;

    machine->writer_debt += machine->writer_rate * (uint64_t)ms / 1000;
    while (disk != NULL && machine->writer_debt >= DISK_BLOCK) {
        size_t first = (size_t)(machine->writer_from / DISK_BLOCK), blocks = disk_blocks(disk);
        CLEANUP(error) struct error *err = NULL;

        machine->writer_debt -= DISK_BLOCK;
        if (first >= blocks ||
            scribble_block(machine, disk, first + next_random(machine) % (blocks - first), &err) ==
                -1)
            return;
    }
}

static void answer_json(struct http_response *response, int status, json_t *object)
{
    CLEANUP(str) char *text = obj_format(object);

    http_response_set_status(response, status);
    http_response_add_header(response, "Content-Type", "application/json");
    http_response_write(response, text, strlen(text));
    http_response_write(response, "\n", 1);
    json_decref(object);
}

static json_t *state(struct fake_vcenter *fake)
{
    json_t *machines = json_object();

    for (size_t i = 0; i < fake->machines.len && i < 1000; i++) {
        const struct fake_machine *machine = &fake->machines.ptr[i];
        json_t *names = json_array();

        for (size_t k = 0; k < machine->snapshots.len; k++)
            json_array_append_new(names, json_string(machine->snapshots.ptr[k].name));
        json_object_set_new(machines, machine->name,
                            obj_pack("{s:s, s:b, s:b, s:o}", "id", machine->id, "on",
                                     (int)machine->on, "ctk", (int)machine->ctk, "snapshots",
                                     names));
    }
    return obj_pack("{s:o, s:I, s:I, s:I, s:{s:I, s:i, s:i, s:i}}", "machines", machines, "served",
                    (json_int_t)fake->served, "logins", (json_int_t)fake->logins, "tasks",
                    (json_int_t)fake->task_count, "leases", "open",
                    (json_int_t)fake_count_leases(fake), "completed", fake->completed_leases,
                    "aborted", fake->aborted_leases, "progress", fake->lease_progress);
}

/* The present content, holes left out. */
static int save(struct disk *disk, const char *path, struct error **err)
{
    static const char zeros[DISK_BLOCK];
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    char data[DISK_BLOCK];
    int result = fd == -1 || ftruncate(fd, (off_t)disk->capacity) == -1
                     ? error_set(err, ERROR_IO, "cannot write \"%s\"", path)
                     : 0;

    for (uint64_t at = 0; result == 0 && at < disk->capacity; at += DISK_BLOCK) {
        size_t len = disk->capacity - at < DISK_BLOCK ? (size_t)(disk->capacity - at) : DISK_BLOCK;

        result = disk_read_layers(disk, 0, data, len, at, err);
        if (result == 0 && memcmp(data, zeros, len) != 0)
            result = fd_pwrite_all(fd, data, len, at, path, err);
    }
    if (fd != -1)
        close(fd);
    return result;
}

static int add_disk(struct fake_vcenter *fake, struct fake_machine *machine, uint64_t bytes,
                    struct error **err)
{
    struct disk disk = {.key = 2000 + (int)machine->disks.len,
                        .controller = 1000,
                        .unit = (int)machine->disks.len,
                        .datastore = xstrdup("ds"),
                        .folder = xstrdup(machine->name),
                        .stem = xasprintf("%s_%zu", machine->name, machine->disks.len),
                        .capacity = bytes};

    if (disk_init(&disk, fake->dir, NULL, err) == -1) {
        disk_reset(&disk);
        return -1;
    }
    disk_list_push(&machine->disks, disk);
    return 0;
}

static void remove_disk(struct fake_machine *machine, struct disk *disk)
{
    size_t at = (size_t)(disk - machine->disks.ptr);

    disk_reset(disk);
    memmove(disk, disk + 1, (machine->disks.len - at - 1) * sizeof(*disk));
    machine->disks.len--;
}

struct wish {
    const char *verb;
    struct fake_machine *machine;
    struct disk *disk; /* or NULL */
    char *percent, *bytes, *on, *to;
};

static char *query(const struct http_request *request, const char *name)
{
    char *text = http_request_query(request, name);

    return text != NULL ? text : xstrdup("");
}

/* What concerns a machine; *REPLY (NULL: {}) is owned by the caller. */
static int fulfil(struct fake_vcenter *fake, const struct wish *wish, json_t **reply,
                  struct error **err)
{
    uint64_t bytes = strtoull(wish->bytes, NULL, 10), changed = 0;

    if (str_eq(wish->verb, "power")) {
        wish->machine->on = str_eq(wish->on, "1");
        wish->machine->shutting_down = false;
    } else if (str_eq(wish->verb, "reset-tracking")) {
        for (size_t i = 0; i < wish->machine->disks.len; i++)
            wish->machine->disks.ptr[i].resets++;
    } else if (str_eq(wish->verb, "add-disk")) {
        if (add_disk(fake, wish->machine, bytes, err) == -1)
            return -1;
    } else if (str_eq(wish->verb, "snapshot")) {
        struct fake_task task = {.entity = wish->machine->id, .argument = (char[]){"of a user"}};
        const char *fault = fake_take_snapshot(fake, &task);

        free(task.result_type);
        free(task.result);
        if (fault != NULL)
            return error_set(err, ERROR_IO, "%s", fault);
    } else if (wish->disk == NULL) {
        return error_set(err, ERROR_NOT_FOUND, "no such disk or wish");
    } else if (str_eq(wish->verb, "write")) {
        if (fake_scribble(wish->machine, wish->disk, strtod(wish->percent, NULL), &changed, err) ==
            -1)
            return -1;
        *reply = obj_pack("{s:I}", "changed", (json_int_t)changed);
        return 0;
    } else if (str_eq(wish->verb, "save")) {
        return save(wish->disk, wish->to, err);
    } else if (str_eq(wish->verb, "grow")) {
        if (disk_grow(wish->disk, bytes, err) == -1)
            return -1;
    } else if (str_eq(wish->verb, "remove-disk")) {
        remove_disk(wish->machine, wish->disk);
    } else {
        return error_set(err, ERROR_NOT_FOUND, "no such wish");
    }
    fake_touch(fake, wish->machine);
    return 0;
}

static void control_machine(struct fake_vcenter *fake, const struct http_request *request,
                            const char *verb, struct http_response *response)
{
    CLEANUP(str) char *name = query(request, "vm");
    CLEANUP(str) char *disk = query(request, "disk");
    CLEANUP(str) char *percent = query(request, "percent");
    CLEANUP(str) char *bytes = query(request, "bytes");
    CLEANUP(str) char *on = query(request, "on");
    CLEANUP(str) char *to = query(request, "to");
    CLEANUP(error) struct error *err = NULL;
    json_t *reply = NULL;
    LOCK_SCOPE(&fake->lock);
    struct wish wish = {.verb = verb,
                        .machine = fake_find_machine_by_name(fake, name),
                        .percent = percent,
                        .bytes = bytes,
                        .on = on,
                        .to = to};
    size_t at = strtoul(disk, NULL, 10);

    if (wish.machine != NULL && at < wish.machine->disks.len)
        wish.disk = &wish.machine->disks.ptr[at];
    if (wish.machine == NULL) {
        answer_json(response, 404, obj_pack("{s:s}", "error", "no such machine"));
    } else if (fulfil(fake, &wish, &reply, &err) == -1) {
        CLEANUP(str) char *text = error_format(err);
        answer_json(response, 400, obj_pack("{s:s}", "error", text));
    } else {
        answer_json(response, 200, reply != NULL ? reply : json_object());
    }
}

void fake_control(struct fake_vcenter *fake, const struct http_request *request,
                  struct http_response *response)
{
    const char *verb = request->path + strlen("/fake/");

    if (str_eq(verb, "state")) {
        LOCK_SCOPE(&fake->lock);
        answer_json(response, 200, state(fake));
    } else if (str_eq(verb, "fault")) {
        CLEANUP(str) char *set = http_request_query(request, "set");
        bool known = set == NULL || fake_vcenter_set_fault(fake, set);
        LOCK_SCOPE(&fake->lock);

        if (set == NULL)
            fake_fault_clear(fake);
        answer_json(response, known ? 200 : 404, json_object());
    } else if (str_eq(verb, "latency") || str_eq(verb, "maintenance") || str_eq(verb, "tools")) {
        CLEANUP(str) char *ms = query(request, "ms");
        CLEANUP(str) char *on = query(request, "on");
        LOCK_SCOPE(&fake->lock);

        if (str_eq(verb, "latency"))
            fake->latency_ms = strtoll(ms, NULL, 10);
        else if (str_eq(verb, "tools"))
            fake->tools = str_eq(on, "1");
        else
            fake->maintenance = str_eq(on, "1");
        fake->version++;
        for (size_t i = 0; i < fake->machines.len; i++)
            fake->machines.ptr[i].changed = fake->version;
        answer_json(response, 200, json_object());
    } else {
        control_machine(fake, request, verb, response);
    }
}
