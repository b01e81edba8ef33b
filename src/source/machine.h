/* A machine as every provider describes it, so that one builder makes VirtualMachines for all.
 *
 * May use: base.  Threads: frozen once described.
 */
#pragma once

#include "base/cleanup.h"
#include "base/vector.h"

#include <stdbool.h>
#include <stdint.h>

/* Of those that a target has, the one nearest to the source's: IDE and NVMe become SATA. */
enum machine_bus { MACHINE_BUS_VIRTIO, MACHINE_BUS_SCSI, MACHINE_BUS_SATA, MACHINE_BUS_USB };

struct machine_disk {
    char *id;               /* in the inventory */
    char *name;             /* of the transfer task: a datastore path, "FILE::DISK" for OVA, ... */
    char *storage_id;       /* the Storage (datastore, ...) that a StorageMap pair refers to */
    char *storage_group_id; /* a Storage that stands for all disks of the provider and is looked at
                               when no pair names storage_id (OVA's "Dummy storage for source
                               provider NAME"), or NULL */
    uint64_t capacity_bytes;
    enum machine_bus bus;
    bool shared;
    bool raw_device;  /* a LUN that the source's hypervisor passes through */
    char *serial;     /* that the guest sees, at most 20 letters, digits and '-'; or NULL */
    char *access;     /* how it will be read and why, for people, or NULL */
    bool cold_only;   /* it can be read so while the machine is off, but not of a snapshot */
    char *unreadable; /* why no way of reading it is known, or NULL */
};

struct machine_nic {
    char *name;
    char *mac;        /* aa:bb:cc:dd:ee:ff, or NULL */
    char *network_id; /* what a NetworkMap pair refers to */
    char *model;      /* in the source, as a target knows it: virtio, e1000, e1000e, ...; or NULL */
    bool link_down;   /* not connected when the machine starts */
};

DEFINE_VECTOR(machine_disk_list, struct machine_disk)
DEFINE_VECTOR(machine_nic_list, struct machine_nic)

struct machine {
    char *id;
    char *name;
    char *uuid; /* firmware UUID in RFC 4122 form, or NULL */
    char *os;   /* guest id as the source names it, or NULL */
    bool efi;
    bool secure_boot;
    bool tpm;
    bool knows_tpm; /* a machine without one must not get one */
    bool nested;    /* its guest runs machines itself */
    char *timezone; /* of its clock, or NULL */
    char *host_id;  /* of the source, which reads its disks; NULL: copies are not counted by host */
    uint32_t sockets, cores, threads;
    uint64_t memory_bytes;
    bool powered_on; /* when it was described; false where there is no power (can_power) */
    struct machine_disk_list disks;
    struct machine_nic_list nics;
    /* What the guest's NICs were told by hand, "MAC:ip:ADDRESS[,GATEWAY[,PREFIX[,DNS...]]]" as
     * virt-v2v's --mac takes it; IPv4 first. */
    struct str_list static_ips;
};

struct machine *machine_new(void);
void machine_free(struct machine *machine);

DEFINE_CLEANUP(machine, struct machine *, machine_free)
