#include "disk/blockmap.h"

#include "base/error.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/random.h"
#include "base/text.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

enum {
    HEADER_SIZE = 4096,
    BLOCKMAP_VERSION = 1,
    STATE_GROWING = 0,
    STATE_COMPLETE = 1,
    KIND_DATA = 1,
    KIND_ZERO = 2,
    MIN_BLOCK = 4096,
    MAX_BLOCK = 32 << 20,
    WALK_RECORDS = 1024, /* read at once */
};

#define BLOCKMAP_MAX_SIZE (UINT64_C(1) << 60)

static const char magic[16] = "gantry block map";

/* As it lies in the file, little endian. */
struct raw_header {
    char magic[16];
    uint32_t version;
    uint32_t block_bytes;
    uint64_t size_bytes;
    unsigned char id[16]; /* random: records of another map do not count */
    uint32_t state;
    uint32_t padding;
    uint64_t stored_bytes;
    int64_t changed_ns;
    char source[BLOCKMAP_SOURCE_SIZE];
    uint64_t check; /* XXH64 of all above */
};

struct raw_record {
    unsigned char hash[BLOCKMAP_HASH_SIZE];
    uint32_t length;
    uint32_t kind;
    uint64_t check; /* XXH3 of all above with the map's id and the block's number */
};
static_assert(sizeof(struct raw_record) == 32, "records lie where doc/design/block-map.md says");

struct blockmap {
    int fd;
    char *path;
    struct raw_header header;
    uint64_t seed;
    struct blockmap_source source;
};

static uint64_t record_check(const struct blockmap *map, const struct raw_record *record, uint64_t index)
{
    return XXH3_64bits_withSeed(record, offsetof(struct raw_record, check), map->seed ^ index);
}

static off_t record_offset(uint64_t index)
{
    return (off_t)(HEADER_SIZE + index * sizeof(struct raw_record));
}

static int write_header(struct blockmap *map, struct error **err)
{
    struct raw_header *header = &map->header;

    header->check = htole64(XXH64(header, offsetof(struct raw_header, check), 0));
    if (fd_pwrite_all(map->fd, header, sizeof(*header), 0, map->path, err) == -1)
        return -1;
    if (fdatasync(map->fd) == -1)
        return error_sys(err, errno, "cannot make block map \"%s\" durable", map->path);
    return 0;
}

static void take_header(struct blockmap *map)
{
    memcpy(&map->seed, map->header.id, sizeof(map->seed));
    map->source.stored_bytes = le64toh(map->header.stored_bytes);
    map->source.changed_ns = (int64_t)le64toh((uint64_t)map->header.changed_ns);
    memcpy(map->source.name, map->header.source, sizeof(map->source.name));
    map->source.name[sizeof(map->source.name) - 1] = '\0';
}

int blockmap_create(const char *path, uint64_t size_bytes, uint32_t block_bytes,
               const struct blockmap_source *source, struct blockmap **out, struct error **err)
{
    CLEANUP(blockmap) struct blockmap *map = xcalloc(1, sizeof(*map));
    CLEANUP(str) char *new_path = xasprintf("%s.new", path);

    map->path = xstrdup(path);
    map->fd = open(new_path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (map->fd == -1)
        return error_sys(err, errno, "cannot make block map \"%s\"", path);
    memcpy(map->header.magic, magic, sizeof(magic));
    map->header.version = htole32(BLOCKMAP_VERSION);
    map->header.block_bytes = htole32(block_bytes);
    map->header.size_bytes = htole64(size_bytes);
    map->header.state = htole32(STATE_GROWING);
    map->header.stored_bytes = htole64(source->stored_bytes);
    map->header.changed_ns = (int64_t)htole64((uint64_t)source->changed_ns);
    memcpy(map->header.source, source->name, sizeof(map->header.source) - 1);
    random_bytes(map->header.id, sizeof(map->header.id));
    take_header(map);
    if (write_header(map, err) == -1)
        return -1;
    if (rename(new_path, path) == -1) /* at no moment is there a map without a header */
        return error_sys(err, errno, "cannot make block map \"%s\"", path);
    *out = steal(&map);
    return 0;
}

int blockmap_open(const char *path, struct blockmap **out, struct error **err)
{
    CLEANUP(blockmap) struct blockmap *map = xcalloc(1, sizeof(*map));
    struct raw_header *header = &map->header;

    map->path = xstrdup(path);
    map->fd = open(path, O_RDWR | O_CLOEXEC);
    if (map->fd == -1)
        return error_sys(err, errno, "cannot open block map \"%s\"", path);
    if (fd_pread_all(map->fd, header, sizeof(*header), 0, path, err) == -1)
        return -1;
    uint32_t block = le32toh(header->block_bytes);
    if (memcmp(header->magic, magic, sizeof(magic)) != 0 ||
        le64toh(header->check) != XXH64(header, offsetof(struct raw_header, check), 0))
        return error_set(err, ERROR_CORRUPT, "\"%s\" is no block map, or a damaged one", path);
    if (le32toh(header->version) != BLOCKMAP_VERSION)
        return error_set(err, ERROR_UNSUPPORTED, "block map \"%s\" has version %" PRIu32, path,
                         le32toh(header->version));
    if (block < MIN_BLOCK || block > MAX_BLOCK || (block & (block - 1)) != 0 ||
        le64toh(header->size_bytes) > BLOCKMAP_MAX_SIZE)
        return error_set(err, ERROR_CORRUPT, "block map \"%s\" has unusable sizes", path);
    take_header(map);
    *out = steal(&map);
    return 0;
}

void blockmap_close(struct blockmap *map)
{
    if (map == NULL)
        return;
    if (map->fd != -1)
        close(map->fd);
    free(map->path);
    free(map);
}

uint64_t blockmap_size(const struct blockmap *map)
{
    return le64toh(map->header.size_bytes);
}

uint32_t blockmap_block_bytes(const struct blockmap *map)
{
    return le32toh(map->header.block_bytes);
}

bool blockmap_is_complete(const struct blockmap *map)
{
    return le32toh(map->header.state) == STATE_COMPLETE;
}

const struct blockmap_source *blockmap_get_source(const struct blockmap *map)
{
    return &map->source;
}

int blockmap_check_source(const struct blockmap *map, uint64_t size_bytes, const struct blockmap_source *source,
                     struct error **err)
{
    if (blockmap_size(map) != size_bytes)
        return error_set(err, ERROR_INVALID,
                         "block map \"%s\" is of a disk of %" PRIu64 " bytes, not %" PRIu64,
                         map->path, blockmap_size(map), size_bytes);
    if (strcmp(map->source.name, source->name) != 0)
        return error_set(err, ERROR_INVALID, "block map \"%s\" is of \"%s\"", map->path,
                         map->source.name);
    if (map->source.stored_bytes != source->stored_bytes ||
        map->source.changed_ns != source->changed_ns) {
        error_set(err, ERROR_INVALID, "\"%s\" was changed since block map \"%s\" was begun",
                  source->name, map->path);
        return error_hint(err, "copy again without --resume");
    }
    return 0;
}

/* Reads the record of the block at OFFSET; false if there is none that counts. */
static bool read_record(const struct blockmap *map, uint64_t offset, struct raw_record *record)
{
    uint64_t index = offset / blockmap_block_bytes(map);

    return pread(map->fd, record, sizeof(*record), record_offset(index)) ==
               (ssize_t)sizeof(*record) &&
           le32toh(record->kind) != 0 && le64toh(record->check) == record_check(map, record, index);
}

bool blockmap_has(const struct blockmap *map, uint64_t offset)
{
    struct raw_record record;

    return read_record(map, offset, &record);
}

uint64_t blockmap_find_next(const struct blockmap *map, uint64_t offset)
{
    off_t at = record_offset(offset / blockmap_block_bytes(map));
    off_t data = lseek(map->fd, at, SEEK_DATA);

    if (data == -1)
        return blockmap_size(map);
    if (data <= at)
        return offset;
    return (uint64_t)(data - HEADER_SIZE) / sizeof(struct raw_record) * blockmap_block_bytes(map);
}

bool blockmap_fits(const struct blockmap *map, uint64_t offset, const void *data, size_t len)
{
    struct raw_record record;
    unsigned char hash[BLOCKMAP_HASH_SIZE];

    if (!read_record(map, offset, &record) || le32toh(record.length) != len)
        return false;
    blockmap_hash(data, len, hash);
    return memcmp(hash, record.hash, sizeof(hash)) == 0;
}

void blockmap_hash(const void *data, size_t len, unsigned char hash[BLOCKMAP_HASH_SIZE])
{
    XXH128_canonical_t canonical;

    XXH128_canonicalFromHash(&canonical, XXH3_128bits(data, len));
    memcpy(hash, canonical.digest, BLOCKMAP_HASH_SIZE);
}

int blockmap_record(struct blockmap *map, const struct blockmap_block *block, struct error **err)
{
    uint64_t index = block->offset / blockmap_block_bytes(map);
    struct raw_record record = {.length = htole32(block->length),
                                .kind = htole32(block->is_zero ? KIND_ZERO : KIND_DATA)};

    memcpy(record.hash, block->hash, sizeof(record.hash));
    record.check = htole64(record_check(map, &record, index));
    return fd_pwrite_all(map->fd, &record, sizeof(record), (uint64_t)record_offset(index),
                         map->path, err);
}

static int set_state(struct blockmap *map, uint32_t state, struct error **err)
{
    if (fdatasync(map->fd) == -1) /* records first: a complete map must have them all */
        return error_sys(err, errno, "cannot make block map \"%s\" durable", map->path);
    map->header.state = htole32(state);
    return write_header(map, err);
}

int blockmap_reopen(struct blockmap *map, struct error **err)
{
    return set_state(map, STATE_GROWING, err);
}

int blockmap_complete(struct blockmap *map, struct error **err)
{
    return set_state(map, STATE_COMPLETE, err);
}

/* Reports the valid ones of COUNT records from INDEX on; false if FN has enough. */
static bool report(const struct blockmap *map, const struct raw_record *records, size_t count,
                   uint64_t index, bool (*fn)(void *, const struct blockmap_block *), void *arg)
{
    for (size_t i = 0; i < count; i++) {
        const struct raw_record *record = &records[i];
        struct blockmap_block block = {.offset = (index + i) * blockmap_block_bytes(map),
                                  .length = le32toh(record->length),
                                  .is_zero = le32toh(record->kind) == KIND_ZERO};

        if (record->kind == 0 || le64toh(record->check) != record_check(map, record, index + i) ||
            block.offset >= blockmap_size(map))
            continue;
        memcpy(block.hash, record->hash, sizeof(block.hash));
        if (!fn(arg, &block))
            return false;
    }
    return true;
}

int blockmap_walk(const struct blockmap *map, bool (*fn)(void *arg, const struct blockmap_block *block), void *arg,
             struct error **err)
{
    struct raw_record *records = xcalloc(WALK_RECORDS, sizeof(*records));
    off_t at = HEADER_SIZE;
    int result = 0;

    for (;;) {
        off_t data = lseek(map->fd, at, SEEK_DATA); /* passes over what was never written */
        if (data == -1)
            break;
        if (data > at)
            at = data - (data - HEADER_SIZE) % (off_t)sizeof(*records);
        ssize_t got = pread(map->fd, records, WALK_RECORDS * sizeof(*records), at);
        if (got == -1)
            result = error_sys(err, errno, "cannot read block map \"%s\"", map->path);
        size_t count = got < 0 ? 0 : (size_t)got / sizeof(*records);
        if (count == 0 || !report(map, records, count,
                                  (uint64_t)(at - HEADER_SIZE) / sizeof(*records), fn, arg))
            break;
        at += (off_t)(count * sizeof(*records));
    }
    free(records);
    return result;
}

static bool add_to_root(void *arg, const struct blockmap_block *block)
{
    uint64_t place[2] = {htole64(block->offset), htole64(block->length)};

    if (!block->is_zero) {
        XXH3_128bits_update(arg, place, sizeof(place));
        XXH3_128bits_update(arg, block->hash, sizeof(block->hash));
    }
    return true;
}

char *blockmap_root(const struct blockmap *map, char text[BLOCKMAP_ROOT_SIZE], struct error **err)
{
    XXH3_state_t *state = XXH3_createState();
    XXH128_canonical_t canonical;

    XXH3_128bits_reset(state);
    int result = blockmap_walk(map, add_to_root, state, err);
    XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(state));
    XXH3_freeState(state);
    if (result == -1)
        return NULL;
    for (size_t i = 0; i < sizeof(canonical.digest); i++)
        snprintf(text + 2 * i, 3, "%02x", canonical.digest[i]);
    return text;
}
