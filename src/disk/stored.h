/* The source as it is stored: its identity for block maps, its digest for manifests.
 *
 * May use: base, net.  Threads: no shared state.
 */
#pragma once

#include "disk/blockmap.h"
#include "disk/disk.h"
#include "net/digest.h"

/* Reads all stored bytes of SOURCE (the file, the OVA's member, ...) and writes their digest NAME in
 * hexadecimal to TEXT. */
int stored_digest(const char *source, const struct disk_options *options, const char *name,
                  char text[DIGEST_TEXT_SIZE], struct error **err);

/* The same of chunk number CHUNK alone of a SOURCE that was cut into chunks. */
int stored_chunk_digest(const char *source, unsigned chunk, const struct disk_options *options,
                        const char *name, char text[DIGEST_TEXT_SIZE], struct error **err);

/* What tells whether SOURCE is still what it was: its name; of a local file also size and time, of an
 * HTTP resource size and ETag (or time), for which its server is asked. */
int stored_identity(const char *source, const struct disk_options *options,
                    struct blockmap_source *identity, struct error **err);
