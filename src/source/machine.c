#include "source/machine.h"

#include "base/mem.h"

#include <stdlib.h>

struct machine *machine_new(void)
{
    return xcalloc(1, sizeof(struct machine));
}

void machine_free(struct machine *machine)
{
    if (machine == NULL)
        return;
    for (size_t i = 0; i < machine->disks.len; i++) {
        free(machine->disks.ptr[i].id);
        free(machine->disks.ptr[i].name);
        free(machine->disks.ptr[i].storage_id);
        free(machine->disks.ptr[i].storage_group_id);
        free(machine->disks.ptr[i].unreadable);
        free(machine->disks.ptr[i].access);
        free(machine->disks.ptr[i].serial);
    }
    for (size_t i = 0; i < machine->nics.len; i++) {
        free(machine->nics.ptr[i].name);
        free(machine->nics.ptr[i].mac);
        free(machine->nics.ptr[i].network_id);
        free(machine->nics.ptr[i].model);
    }
    machine_disk_list_reset(&machine->disks);
    str_list_free_all(&machine->static_ips);
    machine_nic_list_reset(&machine->nics);
    free(machine->id);
    free(machine->name);
    free(machine->uuid);
    free(machine->os);
    free(machine->timezone);
    free(machine->host_id);
    free(machine);
}
