/* Reads the database into memory: the objects, and the changes that watches may ask for.
 *
 * May use: base, data.  Threads: one, before anybody else knows the memory.
 */
#pragma once

#include <stdint.h>

struct database;
struct error;
struct memory;

/* *VERSION is the newest resourceVersion. */
int store_load(struct database *database, struct memory *memory, uint64_t *version,
               struct error **err);
