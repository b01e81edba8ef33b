#include "base/error.h"
#include "base/mem.h"
#include "disk/blockmap.h"
#include "memory_file.h"

#include <stdint.h>
#include <string.h>
#include <xxhash.h>

/* Where things lie: doc/design/block-map.md. */
enum {
    MAX_BLOCKS = 1000,
    ID_AT = 32,
    HEADER_CHECK_AT = 584,
    RECORDS_AT = 4096,
    RECORD_SIZE = 32,
    RECORD_CHECK_AT = 24,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

struct walk {
    const struct blockmap *map;
    uint64_t next;
    unsigned blocks;
};

/* Blocks come in order, lie in the disk, and are known. */
static bool check_block(void *arg, const struct blockmap_block *block)
{
    struct walk *walk = arg;

    if (block->offset < walk->next || block->offset >= blockmap_size(walk->map) ||
        !blockmap_has(walk->map, block->offset))
        __builtin_trap();
    walk->next = block->offset + 1;
    return ++walk->blocks < MAX_BLOCKS;
}

/* Makes all checks right: a fuzzer does not guess them, somebody who means harm computes them. */
static void put_checks(uint8_t *data, size_t len)
{
    uint64_t check;
    uint64_t seed;

    if (len < HEADER_CHECK_AT + sizeof(check))
        return;
    check = XXH64(data, HEADER_CHECK_AT, 0);
    memcpy(data + HEADER_CHECK_AT, &check, sizeof(check));
    memcpy(&seed, data + ID_AT, sizeof(seed));
    for (size_t at = RECORDS_AT; at + RECORD_SIZE <= len; at += RECORD_SIZE) {
        check = XXH3_64bits_withSeed(data + at, RECORD_CHECK_AT,
                                     seed ^ (at - RECORDS_AT) / RECORD_SIZE);
        memcpy(data + at + RECORD_CHECK_AT, &check, sizeof(check));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(blockmap) struct blockmap *map = NULL;
    CLEANUP(str) char *copy = xmemdup(data, len);
    char root[BLOCKMAP_ROOT_SIZE];

    put_checks((uint8_t *)copy, len);
    struct memory_file file = memory_file_make((const uint8_t *)copy, len);

    if (blockmap_open(file.path, &map, &err) == 0) {
        struct walk walk = {.map = map};
        uint64_t last = blockmap_size(map) - blockmap_size(map) % blockmap_block_bytes(map);

        blockmap_has(map, last);
        blockmap_find_next(map, 0);
        if (blockmap_walk(map, check_block, &walk, &err) == 0)
            blockmap_root(map, root, &err);
    } else if (err == NULL) {
        __builtin_trap();
    }
    close(file.fd);
    return 0;
}
