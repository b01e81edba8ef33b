/* A machine as every provider describes it, so that one builder makes VirtualMachines for all.
 *
 * May use: base.  Threads: frozen once described.
 */
#pragma once

#include "base/cleanup.h"
#include "base/vector.h"

#include <stdbool.h>
#include <stdint.h>

enum machine_bus { MACHINE_BUS_VIRTIO, MACHINE_BUS_SCSI, MACHINE_BUS_SATA, MACHINE_BUS_USB };

struct machine_disk {
    char *id;         /* in the inventory */
    char *name;       /* for people: file or label */
    char *storage_id; /* what a StorageMap pair refers to */
    uint64_t capacity_bytes;
    enum machine_bus bus; /* in the source */
    bool shared;
};

struct machine_nic {
    char *name;
    char *mac;        /* aa:bb:cc:dd:ee:ff, or NULL */
    char *network_id; /* what a NetworkMap pair refers to */
    char *model;      /* virtio, e1000, ...: in the source */
};

DEFINE_VECTOR(machine_disk_list, struct machine_disk)
DEFINE_VECTOR(machine_nic_list, struct machine_nic)

struct machine {
    char *id;
    char *name;
    char *uuid;      /* firmware UUID, or NULL */
    char *os;        /* guest id as the source names it, or NULL */
    bool efi;
    bool secure_boot;
    bool tpm;
    uint32_t sockets, cores, threads;
    uint64_t memory_bytes;
    bool powered_on; /* when it was described */
    struct machine_disk_list disks;
    struct machine_nic_list nics;
};

struct machine *machine_new(void);
void machine_free(struct machine *machine);

DEFINE_CLEANUP(machine, struct machine *, machine_free)
