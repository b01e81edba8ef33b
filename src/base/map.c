/* Open addressing over an index of slots; the entries themselves lie in a dense array in order of
 * insertion, so that a walk is a loop and removal leaves a gap that the next growth closes. */
#include "base/map.h"

#include "base/mem.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct entry {
    char *key; /* NULL: removed */
    void *value;
    uint64_t hash;
};

struct map {
    struct entry *entries;
    size_t used; /* entries, gaps included */
    size_t count;
    size_t cap;
    uint32_t *slots; /* index + 1 into entries, 0 empty; always a power of two, at most half full */
    size_t slot_count;
};

/* FNV-1a, 64 bits */
static uint64_t hash_of(const char *key)
{
    uint64_t hash = 0xcbf29ce484222325u;

    for (const unsigned char *p = (const unsigned char *)key; *p != '\0'; p++)
        hash = (hash ^ *p) * 0x100000001b3u;
    return hash ^ (hash >> 32);
}

struct map *map_new(void)
{
    return xcalloc(1, sizeof(struct map));
}

void map_free(struct map *map, void (*free_value)(void *))
{
    if (map == NULL)
        return;
    for (size_t i = 0; i < map->used; i++) {
        if (map->entries[i].key == NULL)
            continue;
        free(map->entries[i].key);
        if (free_value != NULL)
            free_value(map->entries[i].value);
    }
    free(map->entries);
    free(map->slots);
    free(map);
}

static void place(struct map *map, uint32_t index)
{
    size_t mask = map->slot_count - 1;
    size_t slot = map->entries[index].hash & mask;

    while (map->slots[slot] != 0)
        slot = (slot + 1) & mask;
    map->slots[slot] = index + 1;
}

/* Makes room for one more entry, closing the gaps. */
static void grow(struct map *map)
{
    size_t kept = 0;

    for (size_t i = 0; i < map->used; i++)
        if (map->entries[i].key != NULL)
            map->entries[kept++] = map->entries[i];
    map->used = kept;
    if (kept + 1 > map->cap / 2) {
        map->cap = map->cap == 0 ? 8 : map->cap * 2;
        map->entries = xreallocarray(map->entries, map->cap, sizeof(map->entries[0]));
    }
    free(map->slots);
    map->slot_count = map->cap * 2;
    map->slots = xcalloc(map->slot_count, sizeof(map->slots[0]));
    for (size_t i = 0; i < map->used; i++)
        place(map, (uint32_t)i);
}

static struct entry *find_entry(const struct map *map, const char *key)
{
    if (map->slot_count == 0)
        return NULL;

    uint64_t hash = hash_of(key);
    size_t mask = map->slot_count - 1;

    for (size_t slot = hash & mask; map->slots[slot] != 0; slot = (slot + 1) & mask) {
        struct entry *entry = &map->entries[map->slots[slot] - 1];

        if (entry->key != NULL && entry->hash == hash && strcmp(entry->key, key) == 0)
            return entry;
    }
    return NULL;
}

void *map_find(const struct map *map, const char *key)
{
    struct entry *entry = find_entry(map, key);

    return entry == NULL ? NULL : entry->value;
}

void *map_put(struct map *map, const char *key, void *value)
{
    struct entry *entry = find_entry(map, key);

    if (entry != NULL) {
        void *old = entry->value;

        entry->value = value;
        return old;
    }
    if (map->used == map->cap)
        grow(map);
    map->entries[map->used] = (struct entry){xstrdup(key), value, hash_of(key)};
    place(map, (uint32_t)map->used);
    map->used++;
    map->count++;
    return NULL;
}

void *map_remove(struct map *map, const char *key)
{
    struct entry *entry = find_entry(map, key);

    if (entry == NULL)
        return NULL;

    void *value = entry->value;

    /* the slot stays, pointing at a gap, so that searches go on past it */
    free(entry->key);
    entry->key = NULL;
    entry->value = NULL;
    map->count--;
    return value;
}

size_t map_count(const struct map *map)
{
    return map->count;
}

const char *map_next(const struct map *map, size_t *pos, void **value)
{
    while (*pos < map->used) {
        const struct entry *entry = &map->entries[(*pos)++];

        if (entry->key == NULL)
            continue;
        if (value != NULL)
            *value = entry->value;
        return entry->key;
    }
    return NULL;
}
