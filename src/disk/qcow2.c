/* A disk is cut into clusters (64 KiB mostly).  The directory (QEMU: L1) has an entry for each table
 * (L2), a table of one cluster an entry for each of its clusters:
 *
 *     directory --> table --> cluster
 *                         --> deflated or zstd bytes, at any byte of the file
 *
 * Where clusters have 32 subclusters, a second word of the entry says which of them are stored.
 *
 * What one call needs (pieces of directory and tables, a decompressor, room for packed bytes) is a
 * lane, taken from a list for the time of the call, so that calls share nothing. */
#include "disk/qcow2.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/thread.h"

#include <assert.h>
#include <endian.h>
#include <inttypes.h>
#include <libdeflate.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

enum {
    SECTOR = 512,
    PIECE = 4096,             /* bytes of the directory and of a table kept by a lane */
    WINDOW = 1 << 20,         /* packed bytes read at once, if they follow each other */
    MAX_AREAS = 1024,         /* added by one call for extents */
    MAX_LOOKUPS = 1024 * 1024, /* by one call for extents */
};

#define OFFSET_MASK UINT64_C(0x00fffffffffffe00)
#define ENTRY_ZERO UINT64_C(1) /* since version 3 */
#define ENTRY_PACKED (UINT64_C(1) << 62)
#define NOTHING UINT64_MAX

/* A part of a table in memory. */
struct piece {
    uint64_t start; /* in the file; NOTHING: empty */
    unsigned char data[PIECE];
};

struct lane {
    struct lane *next;
    struct piece directory;
    struct piece table;
    struct libdeflate_decompressor *inflater; /* NULL until a packed cluster is met, as all below */
    ZSTD_DCtx *unzstd;
    unsigned char *window; /* bytes of the file */
    size_t window_room;
    uint64_t window_start;
    size_t window_len;
    unsigned char *cluster; /* unpacked, for who wants a part of it */
    uint64_t cluster_number; /* NOTHING: none */
};

struct qcow2_disk {
    struct disk disk;
    struct blob *blob;
    struct qcow2_header header;
    uint64_t cluster_bytes;
    unsigned entry_bytes; /* of a table's entry */
    uint64_t per_table;   /* entries */
    pthread_mutex_t lock;
    struct lane *free_lanes; /* guarded by lock */
};

enum place_kind { PLACE_ABSENT, PLACE_ZERO, PLACE_DATA, PLACE_PACKED };

/* What is stored of the disk from some byte on. */
struct place {
    enum place_kind kind;
    uint64_t length; /* bytes of the disk of which this is true, up to the cluster's end or further */
    uint64_t offset; /* DATA: where that byte lies in the file; PACKED: where the cluster does */
    size_t packed;   /* PACKED: most bytes of the file that the cluster has */
};

static void lane_free(struct lane *lane)
{
    libdeflate_free_decompressor(lane->inflater);
    ZSTD_freeDCtx(lane->unzstd);
    free(lane->window);
    free(lane->cluster);
    free(lane);
}

static struct lane *lane_take(struct qcow2_disk *disk)
{
    LOCK_SCOPE(&disk->lock);
    struct lane *lane = disk->free_lanes;

    if (lane == NULL) {
        lane = xcalloc(1, sizeof(*lane));
        lane->directory.start = lane->table.start = lane->cluster_number = NOTHING;
    } else {
        disk->free_lanes = lane->next;
    }
    lane->window_len = 0;
    return lane;
}

static void lane_put(struct qcow2_disk *disk, struct lane *lane)
{
    LOCK_SCOPE(&disk->lock);

    lane->next = disk->free_lanes;
    disk->free_lanes = lane;
}

static uint64_t load64(const unsigned char *from)
{
    uint64_t value;

    memcpy(&value, from, sizeof(value));
    return be64toh(value);
}

/* The LEN bytes at POSITION of a table at TABLE in the file, TABLE_LEN bytes long, through PIECE; they
 * do not cross a multiple of its size. */
static const unsigned char *look_up(struct qcow2_disk *disk, struct piece *piece, uint64_t table,
                                    uint64_t table_len, uint64_t position, struct error **err)
{
    uint64_t inside = position - position % PIECE;
    uint64_t start = table + inside;
    uint64_t len = table_len - inside < PIECE ? table_len - inside : PIECE;

    if (piece->start != start) {
        piece->start = NOTHING;
        if (blob_read(disk->blob, piece->data, (size_t)len, start, err) == -1)
            return NULL;
        piece->start = start;
    }
    return piece->data + position % PIECE;
}

/* The entry of CLUSTER, in *WORDS; *TABLE_ABSENT if there is no table for it. */
static int find_entry(struct qcow2_disk *disk, struct lane *lane, uint64_t cluster,
                      uint64_t words[2], bool *table_absent, struct error **err)
{
    uint64_t number = cluster / disk->per_table;
    uint64_t inside = cluster % disk->per_table * disk->entry_bytes;
    const unsigned char *at = look_up(disk, &lane->directory, disk->header.directory_offset,
                                      disk->header.directory_entries * sizeof(uint64_t),
                                      number * sizeof(uint64_t), err);

    if (at == NULL)
        return error_wrap(err, "directory");
    uint64_t table = load64(at) & OFFSET_MASK;
    *table_absent = table == 0;
    if (*table_absent)
        return 0;
    if (table % disk->cluster_bytes != 0)
        return error_set(err, ERROR_CORRUPT, "table %" PRIu64 " lies at byte %" PRIu64, number,
                         table);
    at = look_up(disk, &lane->table, table, disk->cluster_bytes, inside, err);
    if (at == NULL)
        return error_wrap(err, "table %" PRIu64, number);
    words[0] = load64(at);
    words[1] = disk->entry_bytes == 16 ? load64(at + 8) : 0;
    return 0;
}

static int decode_packed(const struct qcow2_disk *disk, uint64_t entry, struct place *place,
                         struct error **err)
{
    unsigned sector_bits = disk->header.cluster_bits - 8;
    unsigned offset_bits = 62 - sector_bits;
    uint64_t offset = entry & ((UINT64_C(1) << offset_bits) - 1);
    uint64_t sectors = (entry >> offset_bits & ((UINT64_C(1) << sector_bits) - 1)) + 1;
    uint64_t len = sectors * SECTOR - offset % SECTOR;

    if (offset >= disk->blob->size_bytes)
        return error_set(err, ERROR_CORRUPT, "its packed bytes at %" PRIu64 " lie behind the end",
                         offset);
    if (len > disk->blob->size_bytes - offset) /* the last sector need not be there as a whole */
        len = disk->blob->size_bytes - offset;
    place->kind = PLACE_PACKED;
    place->offset = offset;
    place->packed = (size_t)len;
    return 0;
}

/* Narrows PLACE, a cluster seen from INSIDE on, to the subclusters that are alike. */
static int decode_subclusters(const struct qcow2_disk *disk, uint64_t bitmap, uint64_t inside,
                              struct place *place, struct error **err)
{
    uint64_t size = disk->cluster_bytes / QCOW2_SUBCLUSTERS;
    unsigned first = (unsigned)(inside / size);
    unsigned last = first;
    unsigned kind = (unsigned)(bitmap >> first & 1) | (unsigned)(bitmap >> (32 + first) & 1) << 1;

    while (last < QCOW2_SUBCLUSTERS &&
           ((bitmap >> last & 1) | (bitmap >> (32 + last) & 1) << 1) == kind)
        last++;
    place->length = last * size - inside;
    if (kind == 3)
        return error_set(err, ERROR_CORRUPT, "it is stored and zero at once");
    if (kind == 1 && place->offset == 0)
        return error_set(err, ERROR_CORRUPT, "it is stored nowhere");
    place->kind = kind == 1 ? PLACE_DATA : kind == 2 ? PLACE_ZERO : PLACE_ABSENT;
    place->offset += inside;
    return 0;
}

static int decode(const struct qcow2_disk *disk, const uint64_t words[2], uint64_t inside,
                  struct place *place, struct error **err)
{
    *place = (struct place){.length = disk->cluster_bytes - inside};
    if (words[0] & ENTRY_PACKED)
        return decode_packed(disk, words[0], place, err);
    place->offset = words[0] & OFFSET_MASK;
    if (place->offset % disk->cluster_bytes != 0)
        return error_set(err, ERROR_CORRUPT, "it lies at byte %" PRIu64, place->offset);
    if (disk->header.has_subclusters)
        return decode_subclusters(disk, words[1], inside, place, err);
    if (disk->header.version >= 3 && words[0] & ENTRY_ZERO)
        place->kind = PLACE_ZERO;
    else if (place->offset != 0)
        place->kind = PLACE_DATA;
    place->offset += inside;
    return 0;
}

/* What is stored from byte AT of the disk on. */
static int find_place(struct qcow2_disk *disk, struct lane *lane, uint64_t at, struct place *place,
                      struct error **err)
{
    uint64_t cluster = at >> disk->header.cluster_bits;
    uint64_t words[2];
    bool table_absent;

    if (find_entry(disk, lane, cluster, words, &table_absent, err) == -1)
        return -1;
    if (table_absent) {
        uint64_t next = (cluster / disk->per_table + 1) * disk->per_table;
        *place = (struct place){.length = (next << disk->header.cluster_bits) - at};
        return 0;
    }
    if (decode(disk, words, at & (disk->cluster_bytes - 1), place, err) == -1)
        return error_wrap(err, "cluster %" PRIu64, cluster);
    if (place->kind == PLACE_DATA && place->offset >= disk->blob->size_bytes)
        return error_set(err, ERROR_CORRUPT,
                         "cluster %" PRIu64 " at byte %" PRIu64 " lies behind the end", cluster,
                         place->offset);
    return 0;
}

static int extents_in(struct qcow2_disk *disk, struct lane *lane, uint64_t offset, uint64_t end,
                      struct extent_list *list, struct error **err)
{
    size_t start_len = list->len;

    for (int i = 0; offset < end && list->len - start_len < MAX_AREAS && i < MAX_LOOKUPS; i++) {
        struct place place;

        if (find_place(disk, lane, offset, &place, err) == -1)
            return -1;
        uint64_t length = place.length < end - offset ? place.length : end - offset;
        extent_list_add(list, offset, length,
                        place.kind == PLACE_ABSENT ? EXTENT_ABSENT
                        : place.kind == PLACE_ZERO ? EXTENT_ZERO
                                                   : EXTENT_DATA);
        offset += length;
    }
    return 0;
}

static int qcow2_extents(struct disk *base, uint64_t offset, uint64_t length,
                         struct extent_list *list, struct error **err)
{
    struct qcow2_disk *disk = (struct qcow2_disk *)base;
    struct lane *lane = lane_take(disk);
    int result = extents_in(disk, lane, offset, offset + length, list, err);

    lane_put(disk, lane);
    return result == 0 ? 0 : error_wrap(err, "image \"%s\"", disk->blob->name);
}

/* What one read works through. */
struct request {
    unsigned char *to;
    uint64_t offset;
    uint64_t end;
};

static void advance(struct request *request, uint64_t length)
{
    request->to += length;
    request->offset += length;
}

/* Reads clusters that lie one behind the other; advances the request.  The last cluster of a file
 * may be short: what is missing was never written. */
static int read_plain(struct qcow2_disk *disk, struct lane *lane, struct request *request,
                      const struct place *first, struct error **err)
{
    uint64_t want = request->end - request->offset;
    uint64_t length = first->length;

    while (length < want) {
        struct place next;

        if (find_place(disk, lane, request->offset + length, &next, err) == -1)
            return -1;
        if (next.kind != PLACE_DATA || next.offset != first->offset + length)
            break;
        length += next.length;
    }
    if (length > want)
        length = want;
    uint64_t left = disk->blob->size_bytes - first->offset;
    uint64_t there = length < left ? length : left;
    if (blob_read(disk->blob, request->to, (size_t)there, first->offset, err) == -1)
        return -1;
    memset(request->to + there, 0, (size_t)(length - there));
    advance(request, length);
    return 0;
}

/* Brings the packed bytes of PLACE, a cluster in which the request begins, into the lane's window:
 * with those of the request's further clusters, as long as they follow. */
static int fill_window(struct qcow2_disk *disk, struct lane *lane, const struct request *request,
                       const struct place *place, struct error **err)
{
    uint64_t end = place->offset + place->packed;
    uint64_t at = request->offset + place->length;

    if (place->offset >= lane->window_start &&
        end <= lane->window_start + lane->window_len)
        return 0;
    while (at < request->end) {
        struct place next;

        if (find_place(disk, lane, at, &next, err) == -1)
            return -1;
        /* the last sector of one cluster may hold the start of the next */
        if (next.kind != PLACE_PACKED || next.offset > end || next.offset < place->offset ||
            next.offset + next.packed - place->offset > WINDOW)
            break;
        if (next.offset + next.packed > end)
            end = next.offset + next.packed;
        at += next.length;
    }
    size_t len = (size_t)(end - place->offset);
    lane->window_len = 0;
    if (len > lane->window_room) {
        free(lane->window);
        lane->window = xmalloc(len);
        lane->window_room = len;
    }
    if (blob_read(disk->blob, lane->window, len, place->offset, err) == -1)
        return -1;
    lane->window_start = place->offset;
    lane->window_len = len;
    return 0;
}

/* Unpacks LEN bytes, some of which may belong to others, into a cluster at TO; *GOT becomes what came
 * out. */
static int unpack(struct qcow2_disk *disk, struct lane *lane, const unsigned char *packed, size_t len,
                  unsigned char *to, size_t *got, struct error **err)
{
    if (disk->header.packing == QCOW2_DEFLATE) {
        if (lane->inflater == NULL)
            lane->inflater = libdeflate_alloc_decompressor();
        enum libdeflate_result result = libdeflate_deflate_decompress(
            lane->inflater, packed, len, to, (size_t)disk->cluster_bytes, got);
        if (result == LIBDEFLATE_INSUFFICIENT_SPACE)
            return error_set(err, ERROR_CORRUPT, "inflates to more than a cluster");
        if (result != LIBDEFLATE_SUCCESS)
            return error_set(err, ERROR_CORRUPT, "cannot be inflated");
        return 0;
    }
    if (lane->unzstd == NULL)
        lane->unzstd = ZSTD_createDCtx();
    size_t frame = ZSTD_findFrameCompressedSize(packed, len);
    if (!ZSTD_isError(frame))
        frame = ZSTD_decompressDCtx(lane->unzstd, to, (size_t)disk->cluster_bytes, packed, frame);
    if (ZSTD_isError(frame))
        return error_set(err, ERROR_CORRUPT, "cannot be unpacked: %s", ZSTD_getErrorName(frame));
    *got = frame;
    return 0;
}

/* Unpacks the cluster at PLACE into the request and advances it.  The last cluster may be short. */
static int read_packed(struct qcow2_disk *disk, struct lane *lane, struct request *request,
                       const struct place *place, struct error **err)
{
    uint64_t number = request->offset >> disk->header.cluster_bits;
    uint64_t start = number << disk->header.cluster_bits;
    uint64_t inside = request->offset - start;
    uint64_t left = disk->disk.size_bytes - start;
    uint64_t valid = left < disk->cluster_bytes ? left : disk->cluster_bytes;
    uint64_t want = request->end - request->offset;
    bool is_whole = inside == 0 && want >= disk->cluster_bytes;
    size_t got = 0;

    if (want > place->length)
        want = place->length;
    if (!is_whole && lane->cluster == NULL)
        lane->cluster = xmalloc((size_t)disk->cluster_bytes);
    unsigned char *to = is_whole ? request->to : lane->cluster;
    if (is_whole || lane->cluster_number != number) {
        if (!is_whole)
            lane->cluster_number = NOTHING;
        if (fill_window(disk, lane, request, place, err) == -1 ||
            unpack(disk, lane, lane->window + (place->offset - lane->window_start), place->packed,
                   to, &got, err) == -1)
            return error_wrap(err, "cluster %" PRIu64 " at byte %" PRIu64, number, place->offset);
        if (got < valid)
            return error_set(err, ERROR_CORRUPT,
                             "cluster %" PRIu64 " at byte %" PRIu64 " unpacks to %zu bytes instead of "
                             "%" PRIu64, number, place->offset, got, valid);
    }
    if (!is_whole) {
        lane->cluster_number = number;
        memcpy(request->to, to + inside, (size_t)want);
    }
    advance(request, want);
    return 0;
}

static int read_in(struct qcow2_disk *disk, struct lane *lane, struct request *request,
                   struct error **err)
{
    while (request->offset < request->end) {
        uint64_t want = request->end - request->offset;
        struct place place;
        int result = 0;

        if (find_place(disk, lane, request->offset, &place, err) == -1)
            return -1;
        if (place.kind == PLACE_PACKED) {
            result = read_packed(disk, lane, request, &place, err);
        } else if (place.kind == PLACE_DATA) {
            result = read_plain(disk, lane, request, &place, err);
        } else {
            want = want < place.length ? want : place.length;
            memset(request->to, 0, (size_t)want);
            advance(request, want);
        }
        if (result == -1)
            return -1;
    }
    return 0;
}

static int qcow2_read(struct disk *base, void *data, size_t len, uint64_t offset,
                      struct error **err)
{
    struct qcow2_disk *disk = (struct qcow2_disk *)base;
    struct request request = {.to = data, .offset = offset, .end = offset + len};
    struct lane *lane = lane_take(disk);
    int result = read_in(disk, lane, &request, err);

    lane_put(disk, lane);
    return result == 0 ? 0 : error_wrap(err, "image \"%s\"", disk->blob->name);
}

static void qcow2_close(struct disk *base)
{
    struct qcow2_disk *disk = (struct qcow2_disk *)base;

    while (disk->free_lanes != NULL) {
        struct lane *lane = disk->free_lanes;
        disk->free_lanes = lane->next;
        lane_free(lane);
    }
    pthread_mutex_destroy(&disk->lock);
    blob_close(disk->blob);
    free(disk);
}

/* True if the first cluster that is stored, among those that one piece of the directory knows, is
 * packed.  Errors are for who reads there. */
static bool begins_packed(struct qcow2_disk *disk)
{
    CLEANUP(error) struct error *ignored = NULL;
    struct lane *lane = lane_take(disk);
    uint64_t table_span = disk->per_table << disk->header.cluster_bits;
    uint64_t at = 0;
    bool is_packed = false;

    for (int i = 0; i < MAX_AREAS && at < disk->disk.size_bytes &&
                    at / table_span < PIECE / sizeof(uint64_t); i++) {
        struct place place;

        if (find_place(disk, lane, at, &place, &ignored) == -1)
            break;
        is_packed = place.kind == PLACE_PACKED;
        if (is_packed || place.kind == PLACE_DATA)
            break;
        at += place.length;
    }
    lane_put(disk, lane);
    return is_packed;
}

int qcow2_header_read(struct blob *blob, struct qcow2_header *header, struct error **err)
{
    unsigned char data[QCOW2_HEADER_BYTES];
    size_t len = blob->size_bytes < sizeof(data) ? (size_t)blob->size_bytes : sizeof(data);

    if (blob_read(blob, data, len, 0, err) == -1)
        return -1;
    return qcow2_header_parse(data, len, header, err) == 0
               ? 0
               : error_wrap(err, "image \"%s\"", blob->name);
}

bool qcow2_is_readable(const struct qcow2_header *header)
{
    return !header->has_data_file && !header->is_encrypted && !header->has_unknown_features &&
           header->packing != QCOW2_PACKING_UNKNOWN;
}

int qcow2_open(struct blob *blob, const struct qcow2_header *header, struct disk **out,
               struct error **err)
{
    static const struct disk_ops ops = {qcow2_close, qcow2_extents, qcow2_read, disk_no_plain_fd};

    assert(qcow2_is_readable(header));
    uint64_t directory_bytes = header->directory_entries * sizeof(uint64_t);
    if (header->directory_offset > blob->size_bytes ||
        directory_bytes > blob->size_bytes - header->directory_offset)
        return error_set(err, ERROR_CORRUPT,
                         "image \"%s\": its directory, %" PRIu64 " entries at byte %" PRIu64
                         ", reaches behind its end", blob->name, header->directory_entries,
                         header->directory_offset);
    struct qcow2_disk *disk = xcalloc(1, sizeof(*disk));
    disk->disk = (struct disk){.ops = &ops,
                               .format = "qcow2",
                               .size_bytes = header->size_bytes,
                               .is_remote = blob->is_remote,
                               .latency_us = blob->latency_us};
    disk->blob = blob;
    disk->header = *header;
    disk->cluster_bytes = UINT64_C(1) << header->cluster_bits;
    disk->entry_bytes = header->has_subclusters ? 16 : 8;
    disk->per_table = disk->cluster_bytes / disk->entry_bytes;
    pthread_mutex_init(&disk->lock, NULL);
    disk->disk.is_packed = begins_packed(disk);
    *out = &disk->disk;
    return 0;
}
