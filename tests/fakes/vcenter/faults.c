/* Misbehaviour by name: "NAME[:ARGUMENT][@COUNT]", COUNT times (without one: until cleared).
 *
 *   lose-call:METHOD     the connection breaks before the call is carried out ("*": any)
 *   lose-answer:METHOD   it breaks afterwards
 *   expire-session       a call finds that its session is gone
 *   restart              a call finds sessions and property collectors gone
 *   wrong-password       logins are refused
 *   no-privilege:ID      the account does not have this privilege
 *   snapshot-refused     CreateSnapshot_Task ends with SnapshotFault
 *   disk-full            it ends with NoDiskSpace
 *   quiesce-failed       it ends with ApplicationQuiesceFault if it was to quiesce
 *   removal-stuck        RemoveSnapshot_Task does not end
 *   removal-refused      it ends with GenericVmConfigFault
 *   tools-stuck          guests do not shut down
 *   changes-refused      QueryChangedDiskAreas fails with FileFault, as after a reset
 *   file-locked          /folder refuses to read
 *   file-cut             /folder breaks the connection in the middle of a body
 *   export-refused       a lease ends in an error instead of becoming ready
 *   export-cut           the connection breaks in the middle of an exported disk
 *   lease-short          a lease is forgotten after 3 s without a word
 *   no-permission        CreateSnapshot_Task is refused with NoPermission */
#include "fake.h"

#include "base/array.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

static const char *const names[] = {
    "lose-call",      "lose-answer",     "expire-session",  "restart",     "wrong-password",
    "no-privilege",
    "snapshot-refused", "disk-full",     "quiesce-failed",  "removal-stuck", "removal-refused",
    "tools-stuck",    "changes-refused", "file-locked",     "file-cut",    "no-permission",
    "export-refused",  "export-cut",     "lease-short",
};

bool fake_fault_is_known(const char *text)
{
    size_t len = strcspn(text, ":@");

    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (strlen(names[i]) == len && memcmp(names[i], text, len) == 0)
            return true;
    return false;
}

static void fault_reset(struct fake_fault *fault)
{
    free(fault->name);
    free(fault->argument);
}

void fake_fault_add(struct fake_vcenter *fake, const char *text)
{
    const char *count = strchr(text, '@');
    size_t len = count != NULL ? (size_t)(count - text) : strlen(text);
    size_t name = strcspn(text, ":@");
    struct fake_fault fault = {.name = xstrndup(text, name),
                               .argument = name < len ? xstrndup(text + name + 1, len - name - 1)
                                                      : NULL,
                               .count = count != NULL ? (int)strtol(count + 1, NULL, 10) : -1};

    fake_fault_list_push(&fake->faults, fault);
}

void fake_fault_clear(struct fake_vcenter *fake)
{
    for (size_t i = 0; i < fake->faults.len; i++)
        fault_reset(&fake->faults.ptr[i]);
    fake->faults.len = 0;
}

bool fake_fault_take(struct fake_vcenter *fake, const char *name, const char *argument)
{
    for (size_t i = 0; i < fake->faults.len; i++) {
        struct fake_fault *fault = &fake->faults.ptr[i];

        if (!str_eq(fault->name, name) || fault->count == 0)
            continue;
        if (fault->argument != NULL && !str_eq(fault->argument, "*") &&
            !str_eq(fault->argument, argument))
            continue;
        if (fault->count > 0)
            fault->count--;
        return true;
    }
    return false;
}
