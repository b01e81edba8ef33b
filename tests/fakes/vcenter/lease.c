/* Export leases: ExportVm, the lease's life, and /nfc/LEASE/disk-N.vmdk, a streamOptimized VMDK of the
 * disk's present content.
 *
 * A lease ends with HttpNfcLeaseComplete or HttpNfcLeaseAbort, with the sessions, or when nobody tells
 * of progress for lease_ms.  While it lives its machine is not switched on, changed or exported again. */
#include "fake.h"

#include "stream_writer.h"

#include "base/error.h"
#include "base/mem.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { SHORT_LEASE_MS = 3000 };

struct fake_lease *fake_find_lease(struct fake_vcenter *fake, const char *id)
{
    for (size_t i = 0; i < fake->leases.len; i++)
        if (str_eq(fake->leases.ptr[i].id, id))
            return &fake->leases.ptr[i];
    return NULL;
}

static bool is_open(const struct fake_lease *lease)
{
    return str_eq(lease->state, "initializing") || str_eq(lease->state, "ready");
}

bool fake_has_lease(struct fake_vcenter *fake, const char *machine)
{
    for (size_t i = 0; i < fake->leases.len; i++)
        if (is_open(&fake->leases.ptr[i]) && str_eq(fake->leases.ptr[i].machine, machine))
            return true;
    return false;
}

size_t fake_count_leases(struct fake_vcenter *fake)
{
    size_t count = 0;

    for (size_t i = 0; i < fake->leases.len; i++)
        count += is_open(&fake->leases.ptr[i]);
    return count;
}

void fake_leases_free(struct fake_vcenter *fake)
{
    for (size_t i = 0; i < fake->leases.len; i++) {
        free(fake->leases.ptr[i].id);
        free(fake->leases.ptr[i].machine);
    }
    fake_lease_list_reset(&fake->leases);
}

static void set_state(struct fake_vcenter *fake, struct fake_lease *lease, const char *state)
{
    lease->state = state;
    lease->changed = ++fake->version;
    pthread_cond_broadcast(&fake->changed);
}

void fake_leases_drop(struct fake_vcenter *fake)
{
    for (size_t i = 0; i < fake->leases.len; i++)
        if (is_open(&fake->leases.ptr[i]))
            set_state(fake, &fake->leases.ptr[i], "error");
}

void fake_leases_tick(struct fake_vcenter *fake)
{
    for (size_t i = 0; i < fake->leases.len; i++) {
        struct fake_lease *lease = &fake->leases.ptr[i];

        if (str_eq(lease->state, "initializing") && deadline_is_over(lease->ready_at))
            set_state(fake, lease, fake_fault_take(fake, "export-refused", NULL) ? "error" : "ready");
        else if (str_eq(lease->state, "ready") && deadline_is_over(lease->ends_at))
            set_state(fake, lease, "error");
    }
}

/* As a property. */

static void add_device(struct fake_vcenter *fake, const struct fake_lease *lease,
                       const struct fake_machine *machine, size_t at, struct value *info)
{
    const struct disk *disk = &machine->disks.ptr[at];
    const char *class = disk->controller >= 31000   ? "VirtualNVMEController"
                        : disk->controller >= 15000 ? "VirtualAHCIController"
                        : disk->controller == 1001  ? "VirtualLsiLogicSASController"
                        : disk->controller >= 1000  ? "ParaVirtualSCSIController"
                                                    : "VirtualIDEController";
    const char *sdk = strstr(fake->url, "://");
    CLEANUP(str)
    char *key = xasprintf("/%s/%s%d:%d", machine->id, class, disk->controller % 100, disk->unit);
    CLEANUP(str)
    char *url = xasprintf("%.*s://*/nfc/%s/disk-%zu.vmdk", (int)(sdk - fake->url), fake->url,
                          lease->id, at);
    struct value *device = value_add(info, "deviceUrl", "HttpNfcLeaseDeviceUrl");

    value_add_string(device, "key", key);
    value_add_string(device, "importKey", key);
    value_add_string(device, "url", url);
    value_add_string(device, "sslThumbprint", "");
    value_add_bool(device, "disk", true);
    value_add_string(device, "targetId", strrchr(url, '/') + 1);
    value_add_long(device, "fileSize", 0);
}

struct value *fake_lease_value(struct fake_vcenter *fake, const struct fake_lease *lease)
{
    struct value *root = value_new("lease", NULL), *info, *error;
    struct fake_machine *machine = fake_find_machine(fake, lease->machine);
    uint64_t total = 0;

    value_add_text(root, "state", "HttpNfcLeaseState", lease->state);
    value_add_int(root, "initializeProgress", str_eq(lease->state, "initializing") ? 10 : 100);
    if (str_eq(lease->state, "error")) {
        error = value_add(root, "error", "LocalizedMethodFault");
        value_add(error, "fault", NULL)->type = "Timedout";
        value_add_string(error, "localizedMessage", "the lease has expired");
    }
    if (!str_eq(lease->state, "ready") || machine == NULL)
        return root;
    info = value_add(root, "info", "HttpNfcLeaseInfo");
    value_add_ref(info, "lease", "HttpNfcLease", lease->id);
    value_add_ref(info, "entity", "VirtualMachine", lease->machine);
    for (size_t i = 0; i < machine->disks.len; i++) {
        add_device(fake, lease, machine, i, info);
        total += machine->disks.ptr[i].capacity;
    }
    value_add_long(info, "totalDiskCapacityInKB", (int64_t)(total / 1024));
    value_add_int(info, "leaseTimeout", fake->lease_ms / 1000);
    return root;
}

/* Calls. */

static void renew(struct fake_vcenter *fake, struct fake_lease *lease)
{
    bool is_short = fake_fault_take(fake, "lease-short", NULL);

    lease->ends_at = deadline_after(is_short ? SHORT_LEASE_MS : fake->lease_ms);
}

static void export_machine(struct fake_vcenter *fake, struct fake_machine *machine,
                           struct http_response *response)
{
    if (machine == NULL) {
        fake_fail(response, "ManagedObjectNotFound", "the object has gone");
        return;
    }
    if (machine->on) {
        fake_fail(response, "InvalidPowerState", "the machine is on");
        return;
    }
    if (fake_has_lease(fake, machine->id) || fake_is_busy(fake, machine->id)) {
        fake_fail(response, "TaskInProgress", "another task is already in progress");
        return;
    }
    struct fake_lease lease = {.id = xasprintf("lease-%u", ++fake->lease_count),
                               .machine = xstrdup(machine->id),
                               .state = "initializing",
                               .ready_at = deadline_after(fake->task_ms),
                               .changed = ++fake->version};
    renew(fake, &lease);
    fake_lease_list_push(&fake->leases, lease);
    CLEANUP(str) char *text = xasprintf("<returnval type=\"HttpNfcLease\">%s</returnval>", lease.id);
    fake_answer(response, "ExportVm", text);
}

bool fake_lease_call(struct fake_vcenter *fake, const char *method, const char *this_id,
                     struct http_response *response)
{
    LOCK_SCOPE(&fake->lock);
    struct fake_lease *lease = fake_find_lease(fake, this_id);

    if (str_eq(method, "ExportVm")) {
        export_machine(fake, fake_find_machine(fake, this_id), response);
        return true;
    }
    if (!str_starts_with(method, "HttpNfcLease"))
        return false;
    if (lease == NULL) {
        fake_fail(response, "ManagedObjectNotFound", "the object has gone");
    } else if (str_eq(method, "HttpNfcLeaseAbort")) {
        if (is_open(lease))
            set_state(fake, lease, "done");
        fake->aborted_leases++;
        fake_answer(response, method, "");
    } else if (!str_eq(lease->state, "ready")) {
        fake_fail(response, "InvalidState", "the lease is not ready");
    } else if (str_eq(method, "HttpNfcLeaseComplete")) {
        set_state(fake, lease, "done");
        fake->completed_leases++;
        fake_answer(response, method, "");
    } else if (str_eq(method, "HttpNfcLeaseProgress")) {
        renew(fake, lease);
        fake->lease_progress++;
        fake_answer(response, method, "");
    } else {
        fake_fail(response, "MethodNotFound", method);
    }
    return true;
}

/* The disk. */

struct sending {
    struct fake_vcenter *fake;
    const char *lease;
    size_t disk;
    struct http_response *response;
    bool cut; /* ends in the middle */
    uint64_t sent;
};

/* Content for the stream; false once the lease has ended. */
static bool read_grain(void *arg, void *data, size_t len, uint64_t offset)
{
    struct sending *sending = arg;
    CLEANUP(error) struct error *err = NULL;
    int64_t wait_ms;

    {
        LOCK_SCOPE(&sending->fake->lock);
        const struct fake_lease *lease = fake_find_lease(sending->fake, sending->lease);
        struct fake_machine *machine =
            lease != NULL ? fake_find_machine(sending->fake, lease->machine) : NULL;

        if (machine == NULL || !str_eq(lease->state, "ready") ||
            sending->disk >= machine->disks.len ||
            disk_read_layers(&machine->disks.ptr[sending->disk], 0, data, len, offset, &err) == -1)
            return false;
        wait_ms = sending->fake->latency_ms;
    }
    if (wait_ms > 0)
        http_response_wait(sending->response, -1, deadline_after(wait_ms));
    return true;
}

static bool send_bytes(void *arg, const void *data, size_t len)
{
    struct sending *sending = arg;

    sending->sent += len;
    if (sending->cut && sending->sent > 256 * 1024)
        return false;
    return http_response_write(sending->response, data, len);
}

/* Which disk PATH ("/nfc/LEASE/disk-N.vmdk") is of which lease; false if of none. */
static bool parse_path(struct fake_vcenter *fake, const char *path, char **lease, size_t *disk,
                       uint64_t *capacity)
{
    struct span rest = span_of(path + strlen("/nfc/")), id = {0};
    uint64_t number = 0;

    if (!span_split(&rest, '/', &id) || !span_starts_with(rest, "disk-"))
        return false;
    rest.ptr += strlen("disk-");
    rest.len -= strlen("disk-");
    struct span digits = {rest.ptr, strspn(rest.ptr, "0123456789")};
    *lease = span_dup(id);
    LOCK_SCOPE(&fake->lock);
    const struct fake_lease *found = fake_find_lease(fake, *lease);
    struct fake_machine *machine = found != NULL ? fake_find_machine(fake, found->machine) : NULL;
    if (machine == NULL || !span_u64(digits, &number) || number >= machine->disks.len)
        return false;
    *disk = (size_t)number;
    *capacity = machine->disks.ptr[number].capacity;
    return true;
}

void fake_serve_export(struct fake_vcenter *fake, const struct http_request *request,
                       struct http_response *response)
{
    CLEANUP(str) char *lease = NULL;
    struct sending sending = {.fake = fake, .response = response};
    uint64_t capacity = 0;

    if (!parse_path(fake, request->path, &lease, &sending.disk, &capacity)) {
        http_response_set_status(response, 404);
        return;
    }
    sending.lease = lease;
    {
        LOCK_SCOPE(&fake->lock);
        sending.cut = fake_fault_take(fake, "export-cut", NULL);
    }
    http_response_add_header(response, "Content-Type", "application/x-vnd.vmware-streamVmdk");
    const struct stream_writer writer = {
        .capacity = capacity, .read = read_grain, .write = send_bytes, .arg = &sending};
    if (!stream_write(&writer))
        fake_drop(response);
}
