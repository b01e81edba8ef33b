/* A hash map from text to pointers, in order of insertion when walked.
 *
 * Keys are copied, values are borrowed.  May use: base.  Threads: one owner.
 */
#pragma once

#include "base/cleanup.h"

#include <stddef.h>

struct map;

struct map *map_new(void);

/* Frees the map; FREE_VALUE, unless NULL, is called on each value. */
void map_free(struct map *map, void (*free_value)(void *));

/* The value under KEY, or NULL. */
void *map_find(const struct map *map, const char *key);

/* Stores VALUE (not NULL) under KEY and returns the value it replaced, or NULL. */
void *map_put(struct map *map, const char *key, void *value);

/* Removes KEY and returns its value, or NULL if there was none. */
void *map_remove(struct map *map, const char *key);

size_t map_count(const struct map *map);

/* Walks the map: start with *POS at 0.  Returns the key, or NULL at the end; sets *VALUE.
 * The entry just returned may be removed during the walk, nothing may be added. */
const char *map_next(const struct map *map, size_t *pos, void **value);
