/* Network and storage maps: what their pairs refer to, and which pair a disk or a NIC takes.
 *
 * May use: base, data, kube, inventory, source.  Threads: a mapping belongs to one thread.
 */
#pragma once

#include "base/cleanup.h"
#include "move/vm/room.h"
#include "source/machine.h"

struct machine_disk;
struct machine_nic;

/* One pair with its source resolved. */
struct mapping_pair {
    char *source_id;           /* NULL where the inventory knows no such source */
    const json_t *destination; /* borrowed from the map */
    bool used;                 /* by a NIC of the machine at hand */
};

DEFINE_VECTOR(mapping_pair_list, struct mapping_pair)

struct mapping {
    struct mapping_pair_list pairs;
};

enum mapping_kind { MAPPING_NETWORK, MAPPING_STORAGE };

/* How the source of a pair was found. */
enum mapping_lookup { MAPPING_FOUND, MAPPING_NOT_SET, MAPPING_NOT_FOUND, MAPPING_AMBIGUOUS };

/* Finds what a pair's SOURCE names in the inventory of PROVIDER; *OUT (with a reference) is set for
 * MAPPING_FOUND only. */
int mapping_find_source(struct room *room, enum mapping_kind kind, const json_t *provider,
                        const json_t *source, enum mapping_lookup *lookup, json_t **out,
                        struct error **err);

/* Resolves the pairs of MAP, which must outlive the mapping. */
int mapping_load(struct room *room, enum mapping_kind kind, const json_t *map,
                 const json_t *provider, struct mapping *mapping, struct error **err);
void mapping_reset(struct mapping *mapping);

/* The destination of a disk, or NULL: by its storage, else by the storage that stands for all. */
const json_t *mapping_find_storage(const struct mapping *mapping, const struct machine_disk *disk);

/* True if some pair names the NIC's network. */
bool mapping_has_network(const struct mapping *mapping, const struct machine_nic *nic);

/* The destination that the next NIC on this network takes, or NULL when all are used.  A pair to
 * pod or ignored wins at once and is not used up; the only pair to a network serves all its NICs;
 * of several, each serves one.  mapping_release makes all free again, for the next machine. */
const json_t *mapping_take_network(struct mapping *mapping, const struct machine_nic *nic);
void mapping_release(struct mapping *mapping);

DEFINE_CLEANUP_IN_PLACE(mapping, struct mapping, mapping_reset)
