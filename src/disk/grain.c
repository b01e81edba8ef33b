/* A disk is cut into grains (64 KiB mostly).  The directory has an entry for each table, a table
 * one for each of its grains:
 *
 *     directory --> table --> [u64 sector][u32 length] deflated grain     (packed)
 *                         --> grain                                       (plain)
 *
 * What one call needs (the last table, a piece of the directory, a decompressor, room for packed
 * grains) is a lane, taken from a list for the time of the call, so that calls share nothing. */
#include "disk/grain.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/thread.h"

#include <endian.h>
#include <inttypes.h>
#include <libdeflate.h>
#include <stdlib.h>
#include <string.h>

enum {
    SECTOR = 512,
    DIRECTORY_PIECE = 4096,      /* bytes of the directory kept by a lane */
    MAX_TABLE_BYTES = 64 * 1024, /* of one table */
    PACKED_ROOM = 1 << 20,       /* bytes of packed grains read at once */
    MAX_AREAS = 1024,            /* added by one call for extents */
    MAX_TABLES = 65536,          /* looked at by one call for extents */
    HEADER_MARKED = 12,          /* bytes in front of a packed grain */
    HEADER_PLAIN = 4,
};

struct lane {
    struct lane *next;
    uint64_t table; /* whose entries are in ENTRIES; UINT64_MAX: none */
    bool table_absent;
    unsigned char *entries;
    uint64_t piece; /* of the directory, likewise */
    unsigned char directory[DIRECTORY_PIECE];
    struct libdeflate_decompressor *decompressor; /* the rest: NULL unless packed */
    unsigned char *packed;
    unsigned char *grain;
};

struct grain_disk {
    struct disk disk;
    struct blob *blob;
    struct grain_layout at;
    size_t entry_bytes;
    size_t packed_room;       /* bytes of a lane's PACKED */
    size_t max_packed;        /* most bytes of one packed grain */
    uint64_t table_span;      /* bytes of the disk that one table describes */
    uint64_t directory_count; /* entries */
    pthread_mutex_t lock;
    struct lane *free_lanes; /* guarded by lock */
};

struct place {
    enum extent_kind kind;
    uint64_t offset; /* bytes in the file, for EXTENT_DATA */
};

static void lane_free(struct lane *lane)
{
    free(lane->entries);
    libdeflate_free_decompressor(lane->decompressor);
    free(lane->packed);
    free(lane->grain);
    free(lane);
}

static struct lane *lane_new(const struct grain_disk *disk)
{
    struct lane *lane = xcalloc(1, sizeof(*lane));

    lane->table = UINT64_MAX;
    lane->piece = UINT64_MAX;
    lane->entries = xmalloc((size_t)disk->at.table_entries * disk->entry_bytes);
    if (disk->at.is_packed) {
        lane->decompressor = libdeflate_alloc_decompressor();
        lane->packed = xmalloc(disk->packed_room);
        lane->grain = xmalloc((size_t)disk->at.grain_bytes);
    }
    return lane;
}

static struct lane *lane_take(struct grain_disk *disk)
{
    LOCK_SCOPE(&disk->lock);
    struct lane *lane = disk->free_lanes;

    if (lane == NULL)
        return lane_new(disk);
    disk->free_lanes = lane->next;
    return lane;
}

static void lane_put(struct grain_disk *disk, struct lane *lane)
{
    LOCK_SCOPE(&disk->lock);

    lane->next = disk->free_lanes;
    disk->free_lanes = lane;
}

static uint64_t load_entry(const unsigned char *from, size_t entry_bytes)
{
    uint64_t wide;
    uint32_t narrow;

    if (entry_bytes == sizeof(wide)) {
        memcpy(&wide, from, sizeof(wide));
        return le64toh(wide);
    }
    memcpy(&narrow, from, sizeof(narrow));
    return le32toh(narrow);
}

/* The directory's entry for TABLE. */
static int read_directory(struct grain_disk *disk, struct lane *lane, uint64_t table,
                          uint64_t *entry, struct error **err)
{
    uint64_t position = table * disk->entry_bytes;
    uint64_t piece = position / DIRECTORY_PIECE;

    if (lane->piece != piece) {
        uint64_t total = disk->directory_count * disk->entry_bytes;
        uint64_t start = piece * DIRECTORY_PIECE;
        size_t len = total - start < DIRECTORY_PIECE ? (size_t)(total - start) : DIRECTORY_PIECE;

        lane->piece = UINT64_MAX;
        if (blob_read(disk->blob, lane->directory, len, disk->at.directory_offset + start, err) ==
            -1)
            return error_wrap(err, "grain directory");
        lane->piece = piece;
    }
    *entry = load_entry(lane->directory + position % DIRECTORY_PIECE, disk->entry_bytes);
    return 0;
}

/* Where the table is that a directory entry other than 0 names. */
static int locate_table(const struct grain_disk *disk, uint64_t entry, uint64_t *offset,
                        struct error **err)
{
    if (disk->at.style != GRAIN_SESPARSE) {
        *offset = entry * SECTOR;
        return 0;
    }
    if (entry >> 32 != UINT64_C(0x10000000))
        return error_set(err, ERROR_CORRUPT, "grain directory entry 0x%" PRIx64 " means nothing",
                         entry);
    *offset = disk->at.tables_offset +
              (entry & UINT32_MAX) * disk->at.table_entries * disk->entry_bytes;
    return 0;
}

/* Brings TABLE into the lane. */
static int load_table(struct grain_disk *disk, struct lane *lane, uint64_t table,
                      struct error **err)
{
    uint64_t entry;
    uint64_t offset;

    if (lane->table == table)
        return 0;
    lane->table = UINT64_MAX;
    if (read_directory(disk, lane, table, &entry, err) == -1)
        return -1;
    lane->table_absent = entry == 0;
    if (!lane->table_absent) {
        if (locate_table(disk, entry, &offset, err) == -1 ||
            blob_read(disk->blob, lane->entries,
                      (size_t)disk->at.table_entries * disk->entry_bytes, offset, err) == -1)
            return error_wrap(err, "grain table %" PRIu64, table);
    }
    lane->table = table;
    return 0;
}

static int decode_sesparse(const struct grain_disk *disk, uint64_t entry, struct place *place,
                           struct error **err)
{
    uint64_t number = (entry & UINT64_C(0x0fff000000000000)) >> 48 |
                      (entry & UINT64_C(0x0000ffffffffffff)) << 12;
    uint64_t offset;

    switch (entry >> 60) {
    case 0:
        if (entry != 0)
            break;
        *place = (struct place){.kind = EXTENT_ABSENT};
        return 0;
    case 1: /* unmapped by the guest */
    case 2: /* zeroes */
        *place = (struct place){.kind = EXTENT_ZERO};
        return 0;
    case 3:
        if (__builtin_mul_overflow(number, disk->at.grain_bytes, &offset) ||
            __builtin_add_overflow(offset, disk->at.grains_offset, &offset) || offset > INT64_MAX)
            break;
        *place = (struct place){.kind = EXTENT_DATA, .offset = offset};
        return 0;
    default:
        break;
    }
    return error_set(err, ERROR_CORRUPT, "grain table entry 0x%" PRIx64 " of \"%s\" means nothing",
                     entry, disk->blob->name);
}

/* Where GRAIN is. */
static int find_grain(struct grain_disk *disk, struct lane *lane, uint64_t grain,
                      struct place *place, struct error **err)
{
    uint64_t entry;

    if (load_table(disk, lane, grain / disk->at.table_entries, err) == -1)
        return -1;
    if (lane->table_absent) {
        *place = (struct place){.kind = EXTENT_ABSENT};
        return 0;
    }
    entry = load_entry(lane->entries + grain % disk->at.table_entries * disk->entry_bytes,
                       disk->entry_bytes);
    if (disk->at.style == GRAIN_SESPARSE)
        return decode_sesparse(disk, entry, place, err);
    if (entry == 0)
        *place = (struct place){.kind = EXTENT_ABSENT};
    else if (entry == 1 && disk->at.zero_entries)
        *place = (struct place){.kind = EXTENT_ZERO};
    else
        *place = (struct place){.kind = EXTENT_DATA, .offset = entry * SECTOR};
    return 0;
}

static int extents_in(struct grain_disk *disk, struct lane *lane, uint64_t offset, uint64_t end,
                      struct extent_list *list, struct error **err)
{
    size_t start_len = list->len;
    uint64_t tables = 0;

    while (offset < end && list->len - start_len < MAX_AREAS && tables < MAX_TABLES) {
        uint64_t grain = offset / disk->at.grain_bytes;
        uint64_t grain_end = (grain + 1) * disk->at.grain_bytes;
        struct place place;

        if (find_grain(disk, lane, grain, &place, err) == -1)
            return -1;
        if (lane->table_absent)
            grain_end = (grain / disk->at.table_entries + 1) * disk->table_span;
        if (lane->table_absent || (grain + 1) % disk->at.table_entries == 0)
            tables++;
        if (grain_end > end)
            grain_end = end;
        extent_list_add(list, offset, grain_end - offset, place.kind);
        offset = grain_end;
    }
    return 0;
}

static int grain_extents(struct disk *base, uint64_t offset, uint64_t length,
                         struct extent_list *list, struct error **err)
{
    struct grain_disk *disk = (struct grain_disk *)base;
    struct lane *lane = lane_take(disk);
    int result = extents_in(disk, lane, offset, offset + length, list, err);

    lane_put(disk, lane);
    return result;
}

/* What one read works through. */
struct request {
    unsigned char *to;
    uint64_t offset;
    uint64_t end;
};

/* Reads plain grains that lie one behind the other; advances the request. */
static int read_plain(struct grain_disk *disk, struct lane *lane, struct request *request,
                      uint64_t grain, struct place place, struct error **err)
{
    uint64_t inside = request->offset - grain * disk->at.grain_bytes;
    uint64_t end = (grain + 1) * disk->at.grain_bytes;

    for (uint64_t next = grain + 1; end < request->end; next++) {
        struct place after;

        if (find_grain(disk, lane, next, &after, err) == -1)
            return -1;
        if (after.kind != EXTENT_DATA ||
            after.offset != place.offset + (next - grain) * disk->at.grain_bytes)
            break;
        end += disk->at.grain_bytes;
    }
    if (end > request->end)
        end = request->end;
    size_t len = (size_t)(end - request->offset);
    if (blob_read(disk->blob, request->to, len, place.offset + inside, err) == -1)
        return error_wrap(err, "grain of sector %" PRIu64, grain * disk->at.grain_bytes / SECTOR);
    request->to += len;
    request->offset = end;
    return 0;
}

/* Checks a packed grain's header; *LENGTH becomes the number of packed bytes behind it. */
static int check_header(const struct grain_disk *disk, const unsigned char *header, uint64_t grain,
                        size_t *length, struct error **err)
{
    uint32_t size;
    uint64_t sector;

    if (disk->at.has_markers) {
        memcpy(&sector, header, sizeof(sector));
        if (le64toh(sector) != grain * disk->at.grain_bytes / SECTOR)
            return error_set(err, ERROR_CORRUPT, "its header names sector %" PRIu64,
                             le64toh(sector));
        header += sizeof(sector);
    }
    memcpy(&size, header, sizeof(size));
    size = le32toh(size);
    if (size == 0 || size > disk->max_packed)
        return error_set(err, ERROR_CORRUPT, "its header names %" PRIu32 " packed bytes", size);
    *length = size;
    return 0;
}

/* Inflates a grain into the request and advances it.  The last grain of a disk may be short. */
static int inflate_grain(struct grain_disk *disk, struct lane *lane, const unsigned char *packed,
                         size_t len, uint64_t grain, struct request *request, struct error **err)
{
    uint64_t start = grain * disk->at.grain_bytes;
    uint64_t inside = request->offset - start;
    uint64_t left = disk->disk.size_bytes - start;
    uint64_t valid = left < disk->at.grain_bytes ? left : disk->at.grain_bytes;
    bool is_whole = inside == 0 && request->end - request->offset >= disk->at.grain_bytes;
    unsigned char *to = is_whole ? request->to : lane->grain;
    uint64_t want = valid - inside;
    size_t got = 0;

    enum libdeflate_result result = libdeflate_zlib_decompress(
        lane->decompressor, packed, len, to, (size_t)disk->at.grain_bytes, &got);
    if (result == LIBDEFLATE_INSUFFICIENT_SPACE)
        return error_set(err, ERROR_CORRUPT, "inflates to more than a grain");
    if (result != LIBDEFLATE_SUCCESS)
        return error_set(err, ERROR_CORRUPT, "cannot be inflated");
    if (got < valid)
        return error_set(err, ERROR_CORRUPT, "inflates to %zu bytes instead of %" PRIu64, got,
                         valid);
    if (want > request->end - request->offset)
        want = request->end - request->offset;
    if (!is_whole)
        memcpy(request->to, to + inside, (size_t)want);
    request->to += want;
    request->offset += want;
    return 0;
}

/* How many bytes of the file hold the packed grains from GRAIN, at FIRST, on: as many grains as the
 * request needs and the lane has room for.  *LIMIT becomes the first grain behind them. */
static int plan_window(struct grain_disk *disk, struct lane *lane, const struct request *request,
                       uint64_t grain, uint64_t first, uint64_t *limit, size_t *window,
                       struct error **err)
{
    uint64_t last = first; /* offset of the last grain inside */
    uint64_t most = disk->blob->size_bytes > first ? disk->blob->size_bytes - first : 0;
    uint64_t need = HEADER_MARKED + disk->max_packed;
    uint64_t next = grain + 1;

    for (; next * disk->at.grain_bytes < disk->disk.size_bytes; next++) {
        struct place place;

        if (find_grain(disk, lane, next, &place, err) == -1)
            return -1;
        bool follows = place.kind == EXTENT_DATA && place.offset > last &&
                       place.offset - last <= HEADER_MARKED + disk->max_packed + SECTOR;
        if (follows) /* the last grain ends here at the latest */
            need = place.offset - first;
        if (!follows || next * disk->at.grain_bytes >= request->end ||
            place.offset - first + HEADER_MARKED + disk->max_packed > disk->packed_room)
            break;
        last = place.offset;
        need = last - first + HEADER_MARKED + disk->max_packed;
    }
    *limit = next;
    if (need > disk->packed_room)
        need = disk->packed_room;
    *window = (size_t)(need < most ? need : most);
    return 0;
}

/* Reads and inflates packed grains that follow each other in the file; advances the request. */
static int read_packed(struct grain_disk *disk, struct lane *lane, struct request *request,
                       uint64_t grain, struct place place, struct error **err)
{
    size_t header = disk->at.has_markers ? HEADER_MARKED : HEADER_PLAIN;
    uint64_t first = place.offset;
    uint64_t limit;
    size_t window;

    if (plan_window(disk, lane, request, grain, first, &limit, &window, err) == -1)
        return -1;
    if (window > 0 && blob_read(disk->blob, lane->packed, window, first, err) == -1)
        return error_wrap(err, "grain of sector %" PRIu64, grain * disk->at.grain_bytes / SECTOR);
    while (grain < limit && request->offset < request->end) {
        size_t position = (size_t)(place.offset - first);
        size_t len = 0;

        if (position > window || window - position < header)
            error_set(err, ERROR_CORRUPT, "lies behind the end of \"%s\"", disk->blob->name);
        else if (check_header(disk, lane->packed + position, grain, &len, err) == 0 &&
                 len > window - position - header)
            error_set(err, ERROR_CORRUPT, "reaches into the next grain or behind the end of \"%s\"",
                      disk->blob->name);
        if (*err != NULL ||
            inflate_grain(disk, lane, lane->packed + position + header, len, grain, request, err) ==
                -1)
            return error_wrap(err, "grain of sector %" PRIu64 " at byte %" PRIu64,
                              grain * disk->at.grain_bytes / SECTOR, place.offset);
        grain++;
        if (grain < limit && find_grain(disk, lane, grain, &place, err) == -1)
            return -1;
    }
    return 0;
}

static int read_in(struct grain_disk *disk, struct lane *lane, struct request *request,
                   struct error **err)
{
    while (request->offset < request->end) {
        uint64_t grain = request->offset / disk->at.grain_bytes;
        uint64_t end = (grain + 1) * disk->at.grain_bytes;
        struct place place;
        int result = 0;

        if (find_grain(disk, lane, grain, &place, err) == -1)
            return -1;
        if (place.kind != EXTENT_DATA) {
            if (end > request->end)
                end = request->end;
            memset(request->to, 0, (size_t)(end - request->offset));
            request->to += end - request->offset;
            request->offset = end;
        } else if (disk->at.is_packed) {
            result = read_packed(disk, lane, request, grain, place, err);
        } else {
            result = read_plain(disk, lane, request, grain, place, err);
        }
        if (result == -1)
            return -1;
    }
    return 0;
}

static int grain_read(struct disk *base, void *data, size_t len, uint64_t offset,
                      struct error **err)
{
    struct grain_disk *disk = (struct grain_disk *)base;
    struct request request = {.to = data, .offset = offset, .end = offset + len};
    struct lane *lane = lane_take(disk);
    int result = read_in(disk, lane, &request, err);

    lane_put(disk, lane);
    return result;
}

static void grain_close(struct disk *base)
{
    struct grain_disk *disk = (struct grain_disk *)base;

    while (disk->free_lanes != NULL) {
        struct lane *lane = disk->free_lanes;
        disk->free_lanes = lane->next;
        lane_free(lane);
    }
    pthread_mutex_destroy(&disk->lock);
    blob_close(disk->blob);
    free(disk);
}

/* Checks what all later arithmetic relies on. */
static int check_layout(const struct grain_layout *layout, size_t entry_bytes, struct error **err)
{
    uint64_t grain = layout->grain_bytes;

    if (grain < SECTOR || grain > DISK_MAX_GRAIN || (grain & (grain - 1)) != 0)
        return error_set(err, ERROR_CORRUPT,
                         "grains of %" PRIu64 " bytes (a power of two, %d to %d)", grain, SECTOR,
                         DISK_MAX_GRAIN);
    if (layout->table_entries == 0 || layout->table_entries > MAX_TABLE_BYTES / entry_bytes)
        return error_set(err, ERROR_CORRUPT, "grain tables of %" PRIu64 " entries (1 to %zu)",
                         layout->table_entries, MAX_TABLE_BYTES / entry_bytes);
    return 0;
}

int grain_open(struct blob *blob, const struct grain_layout *layout, struct disk **out,
               struct error **err)
{
    static const struct disk_ops ops = {grain_close, grain_extents, grain_read, disk_no_plain_fd};
    size_t entry_bytes = layout->style == GRAIN_SESPARSE ? 8 : 4;

    if (layout->size_bytes == 0) { /* a disk of no bytes is no use, but it can be copied */
        blob_close(blob);
        *out = zero_open(0);
        return 0;
    }
    if (check_layout(layout, entry_bytes, err) == -1)
        return error_wrap(err, "image \"%s\"", blob->name);

    struct grain_disk *disk = xcalloc(1, sizeof(*disk));
    disk->disk = (struct disk){.ops = &ops,
                               .format = "vmdk",
                               .size_bytes = layout->size_bytes,
                               .is_remote = blob->is_remote,
                               .latency_us = blob->latency_us,
                               .is_packed = layout->is_packed};
    disk->blob = blob;
    disk->at = *layout;
    disk->entry_bytes = entry_bytes;
    disk->max_packed = (size_t)layout->grain_bytes * 2 + SECTOR; /* deflate grows far less */
    disk->packed_room = disk->max_packed * 2 > PACKED_ROOM ? disk->max_packed * 2 : PACKED_ROOM;
    disk->table_span = layout->grain_bytes * layout->table_entries;
    disk->directory_count = (layout->size_bytes - 1) / disk->table_span + 1;
    pthread_mutex_init(&disk->lock, NULL);
    *out = &disk->disk;
    return 0;
}
