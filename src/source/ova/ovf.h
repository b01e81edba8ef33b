/* OVF descriptors (DSP0243 1.x and 2.x, and VMware's 0.9) as ovftool, vSphere and VirtualBox write
 * them: what machines a package has, and in which files their disks are.
 *
 * Only the text is read, no file.  References inside it are resolved: a disk that names a missing
 * file, or a drive that names a missing disk, is an error.  Names of files are plain relative
 * paths, safe to look up beside the descriptor.
 *
 * May use: base, data.  Threads: no shared state; a struct ovf is frozen once parsed.
 */
#pragma once

#include "base/cleanup.h"
#include "base/vector.h"
#include "source/machine.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;

enum {
    OVF_MAX_BYTES = 8 << 20, /* of a descriptor */
    OVF_MAX_FILES = 4096,    /* as many as a tar file may have members */
    OVF_MAX_DISKS = 1024,
    OVF_MAX_NETWORKS = 1024,
    OVF_MAX_SYSTEMS = 1024,
    OVF_MAX_ITEMS = 1024, /* hardware of one machine */
    OVF_MAX_NESTING = 8,  /* VirtualSystemCollections */
    OVF_MAX_TEXT = 4096,  /* bytes of one name or value */
};

enum { OVF_NONE = SIZE_MAX }; /* an index of nothing */

struct ovf_file {
    char *id;
    char *href;
    uint64_t size;       /* bytes, 0 if not told */
    uint64_t chunk_size; /* the content is in HREF.000000000, HREF.000000001, ...; 0: in one file */
    bool gzip;
};

struct ovf_disk {
    char *id;
    size_t file;  /* index into files, or OVF_NONE for a disk that starts empty */
    char *format; /* URI, or NULL */
    uint64_t capacity_bytes;
    char *capacity; /* as written, with its units: what the inventory shows */
    char *capacity_units;
    uint64_t populated_bytes;
    char *parent; /* id of the disk this one is a delta of, or NULL */
};

struct ovf_network {
    char *name;
    char *description; /* or NULL */
};

struct ovf_drive {
    size_t disk; /* index into disks */
    char *name;
    enum machine_bus bus;
};

struct ovf_config {
    char *key;
    char *value;
};

DEFINE_VECTOR(ovf_config_list, struct ovf_config)

struct ovf_nic {
    char *name;
    char *mac;      /* aa:bb:cc:dd:ee:ff, or NULL */
    size_t network; /* index into networks, or OVF_NONE */
    char *model;    /* as written ("VmxNet3"), or NULL */
    struct ovf_config_list config;
};

DEFINE_VECTOR(ovf_file_list, struct ovf_file)
DEFINE_VECTOR(ovf_disk_list, struct ovf_disk)
DEFINE_VECTOR(ovf_network_list, struct ovf_network)
DEFINE_VECTOR(ovf_drive_list, struct ovf_drive)
DEFINE_VECTOR(ovf_nic_list, struct ovf_nic)

/* A machine. */
struct ovf_system {
    char *id; /* may be empty */
    char *name;
    char *os_type; /* VMware's or VirtualBox's name, or NULL */
    bool efi;
    bool secure_boot;
    bool tpm;
    bool cpu_hot_add, cpu_hot_remove, memory_hot_add;
    uint32_t cpu_count;
    uint32_t cores_per_socket;
    char *cpu_units; /* as written, or NULL */
    uint64_t memory_bytes;
    uint64_t memory_quantity; /* as written, with its units */
    char *memory_units;
    struct ovf_drive_list drives; /* in the descriptor's order, as guests number them */
    struct ovf_nic_list nics;
    struct str_list devices; /* kinds of everything else: "CD/DVD drive", "SCSI Controller" */
};

DEFINE_VECTOR(ovf_system_list, struct ovf_system)

struct ovf {
    const char *export_source; /* VMware, VirtualBox, oVirt, Xen, Unknown */
    struct ovf_file_list files;
    struct ovf_disk_list disks;
    struct ovf_network_list networks;
    struct ovf_system_list systems;
};

/* Reads LEN bytes of XML.  ERROR_INVALID and ERROR_UNSUPPORTED name the element, its id and line.
 */
int ovf_parse(const char *text, size_t len, struct ovf **out, struct error **err);
void ovf_free(struct ovf *ovf);

DEFINE_CLEANUP(ovf, struct ovf *, ovf_free)
