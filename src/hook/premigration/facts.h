/* What the target knows of itself when a machine arrives: the context that the hooks see.
 *
 * Gathered on the target, never carried in a status field.  Everything is optional; a hook whose
 * facts are missing does not apply.  As JSON (gantry-premigration-context(5)):
 *
 *     {"vm": {"namespace": "demo", "name": "web", "uid": "..."},
 *      "node": "b",
 *      "featureGates": {"LibvirtHooksServerAndClient": true},
 *      "source": {"domainNamespace": "demo", "vmiUID": "...", "folder": "/a/machines/1"},
 *      "target": {"domainNamespace": "prod", "vmiUID": "...", "folder": "/b/machines/7"},
 *      "cpu": {"dedicated": true, "architecture": "amd64", "sockets": 1, "cores": 2, "threads": 1,
 *              "maxSockets": 0, "isolateEmulatorThread": false, "realtime": false,
 *              "numaPassthrough": false, "cpuset": [2, 3], "ioThreadCpuset": [],
 *              "topology": {"cells": [{"id": 0, "cpus": [{"id": 2, "siblings": [2, 3]}]}]}},
 *      "networks": [{"name": "sec", "tap": "tap1", "bridge": "br-b"}],
 *      "hashTapNames": true,
 *      "volumes": [{"name": "root", "file": "/b/disk.img", "block": "/dev/root",
 *                   "sliceBytes": 67108864, "cache": "none", "discard": "unmap", "io": "native"}],
 *      "gpus": [{"mdev": "c2f6..."}],
 *      "hostDevices": [{"alias": "gpu0", "address": "0000:65:00.0"}]}
 *
 * May use: base, data.  Threads: frozen once parsed.
 */
#pragma once

#include "base/cleanup.h"
#include "base/vector.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;

DEFINE_VECTOR(cpu_list, uint32_t)

struct fact_cpu {
    uint32_t id;
    struct cpu_list siblings; /* with itself; empty: a core of one thread */
};
DEFINE_VECTOR(fact_cpu_list, struct fact_cpu)

struct fact_cell {
    uint32_t id;
    struct fact_cpu_list cpus;
};
DEFINE_VECTOR(fact_cell_list, struct fact_cell)

struct fact_network {
    char *name;
    char *tap;    /* or NULL */
    char *bridge; /* or NULL */
};
DEFINE_VECTOR(fact_network_list, struct fact_network)

struct fact_volume {
    char *name;
    char *file, *block;        /* where it is here: one of them, or neither */
    uint64_t slice_bytes;      /* 0: none */
    char *cache, *discard, *io; /* or NULL */
};
DEFINE_VECTOR(fact_volume_list, struct fact_volume)

struct fact_host_device {
    char *alias;   /* without "ua-" */
    char *address; /* 0000:65:00.0 */
};
DEFINE_VECTOR(fact_host_device_list, struct fact_host_device)

struct fact_topology {
    bool dedicated, isolate_emulator, realtime, numa_passthrough;
    char *architecture;
    uint32_t sockets, cores, threads, max_sockets;
    struct cpu_list cpuset;
    struct cpu_list io_cpuset;
    struct fact_cell_list cells;
};

struct facts {
    char *json; /* what it was read from, for users' hooks */
    char *ns, *name, *uid, *node; /* or NULL, also those below */
    char *source_ns, *source_uid;
    char *target_ns, *target_uid;
    char *source_folder, *target_folder; /* the machine's own files: console, firmware variables */
    bool gate_off; /* the feature gate, under either name, is false: nothing is edited */
    struct fact_topology cpu;
    struct fact_network_list networks;
    bool hash_taps;
    struct fact_volume_list volumes;
    struct str_list mdevs; /* UUIDs of the target's GPUs; "" where one is no mdev */
    struct fact_host_device_list host_devices;
};

enum {
    FACTS_MAX_BYTES = 4 * 1024 * 1024,
    FACTS_MAX_CPUS = 8192,
    FACTS_MAX_DEVICES = 1024,
};

/* Reads the JSON of the comment above; a field of another type is ERROR_INVALID with its path. */
int facts_parse(const char *text, size_t len, struct facts **out, struct error **err);
void facts_free(struct facts *facts);

DEFINE_CLEANUP(facts, struct facts *, facts_free)
