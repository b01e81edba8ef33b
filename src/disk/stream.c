/* A stream is a feed of bytes, perhaps unpacked by libarchive, in which is a raw disk or a
 * streamOptimized VMDK:
 *
 *     header, descriptor, tables (QEMU) | grain, grain, ..., [markers with tables] (VMware), end
 *
 * A grain says where it belongs, so tables are not needed to read it; they are counted, so that a
 * stream that ends early is noticed. */
#include "disk/stream.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "disk/blob_http.h"
#include "disk/blob_nbd.h"
#include "disk/feed.h"
#include "disk/feed_export.h"
#include "disk/format.h"
#include "disk/vddk.h"
#include "disk/vmdk_descriptor.h"
#include "disk/vmdk_hosted.h"

#include <archive.h>
#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <libdeflate.h>
#include <stdlib.h>
#include <string.h>

enum {
    SECTOR = VMDK_SECTOR,
    FEED_BYTES = 256 * 1024, /* read at once below libarchive */
    GRAIN_HEADER = 12,       /* sector and length in front of a grain */
    MARKER_END = 0,
    MARKER_TABLE = 1,
    MAX_MARKED = 1 << 20,    /* sectors of metadata behind one marker */
};

struct stream {
    struct feed *feed;
    const char *name;        /* the feed's */
    struct archive *archive; /* NULL: not compressed */
    char *feed_buffer;       /* for it */
    struct error *feed_err;  /* why a feed callback failed */

    char ahead[SECTOR]; /* looked at, not yet taken */
    size_t ahead_len;
    size_t ahead_at;
    uint64_t position; /* bytes taken */
    bool at_end;       /* of the bytes */
    bool ended;        /* of the disk */

    bool is_vmdk;
    const char *format;
    uint64_t size_bytes;
    uint64_t grain_bytes;
    uint64_t block_bytes; /* 0: pieces need not lie in one block */
    size_t max_packed;
    bool ends_by_marker;
    uint64_t grains;         /* seen */
    uint64_t entries;        /* of tables that name a grain; one for each in a whole image */
    uint64_t tables_start;   /* bytes; where tables lie in front, 0 if they do not */
    uint64_t tables_end;
};

static la_ssize_t feed_archive(struct archive *archive, void *arg, const void **data)
{
    struct stream *stream = arg;
    ssize_t got = feed_read(stream->feed, stream->feed_buffer, FEED_BYTES, &stream->feed_err);

    *data = stream->feed_buffer;
    if (got == -1)
        archive_set_error(archive, EIO, "read");
    return got;
}

static int fail_archive(struct stream *stream, struct error **err)
{
    if (stream->feed_err != NULL) {
        *err = steal(&stream->feed_err);
        return -1;
    }
    const char *text = archive_error_string(stream->archive);
    return error_set(err, ERROR_CORRUPT, "cannot unpack \"%s\": %s", stream->name,
                     text == NULL ? "damaged" : text);
}

/* Fills as much of LEN as there is; *GOT is less only at the end. */
static int pull(struct stream *stream, void *data, size_t len, size_t *got, struct error **err)
{
    char *to = data;

    *got = 0;
    if (stream->ahead_at < stream->ahead_len) {
        size_t part = stream->ahead_len - stream->ahead_at;
        part = part < len ? part : len;
        memcpy(to, stream->ahead + stream->ahead_at, part);
        stream->ahead_at += part;
        *got = part;
    }
    while (*got < len && !stream->at_end) {
        ssize_t part = stream->archive != NULL
                           ? archive_read_data(stream->archive, to + *got, len - *got)
                           : feed_read(stream->feed, to + *got, len - *got, err);
        if (part < 0)
            return stream->archive != NULL ? fail_archive(stream, err) : -1;
        stream->at_end = part == 0;
        *got += (size_t)part;
    }
    stream->position += *got;
    return 0;
}

/* Fills all of LEN or fails. */
static int pull_all(struct stream *stream, void *data, size_t len, struct error **err)
{
    size_t got;

    if (pull(stream, data, len, &got, err) == -1)
        return -1;
    if (got == len)
        return 0;
    return error_set(err, ERROR_CORRUPT, "\"%s\" ends early, at byte %" PRIu64, stream->name,
                     stream->position);
}

/* Looks at the first bytes without taking them. */
static int look_ahead(struct stream *stream, struct error **err)
{
    stream->ahead_len = stream->ahead_at = 0;
    if (pull(stream, stream->ahead, sizeof(stream->ahead), &stream->ahead_len, err) == -1)
        return -1;
    stream->position = 0;
    return 0;
}

static int open_archive(struct stream *stream, struct error **err)
{
    struct archive_entry *entry;

    stream->feed_buffer = xmalloc(FEED_BYTES);
    stream->archive = archive_read_new();
    if (stream->archive == NULL)
        return error_set(err, ERROR_IO, "libarchive does not start");
    archive_read_support_filter_gzip(stream->archive);
    archive_read_support_filter_zstd(stream->archive);
    archive_read_support_filter_xz(stream->archive);
    archive_read_support_format_raw(stream->archive);
    archive_read_support_format_empty(stream->archive);
    if (archive_read_open(stream->archive, stream, NULL, feed_archive, NULL) != ARCHIVE_OK)
        return fail_archive(stream, err);
    int result = archive_read_next_header(stream->archive, &entry);
    stream->at_end = result == ARCHIVE_EOF;
    return result == ARCHIVE_OK || result == ARCHIVE_EOF ? 0 : fail_archive(stream, err);
}

/* Counts the table entries among the LEN bytes at OFFSET that name a grain. */
static void count_entries(struct stream *stream, const char *data, size_t len)
{
    for (size_t i = 0; i + sizeof(uint32_t) <= len; i += sizeof(uint32_t)) {
        uint32_t entry;

        memcpy(&entry, data + i, sizeof(entry));
        if (le32toh(entry) > 1)
            stream->entries++;
    }
}

/* Passes over the header, the descriptor and tables in front, up to the first grain. */
static int skip_front(struct stream *stream, const struct vmdk_hosted_header *header,
                      struct error **err)
{
    uint64_t overhead = le64toh(header->overhead) * SECTOR;
    uint64_t directory = le64toh(header->directory) * SECTOR;
    uint64_t table_bytes = (uint64_t)le32toh(header->table_entries) * sizeof(uint32_t);
    uint64_t span = stream->grain_bytes * le32toh(header->table_entries);
    uint64_t tables = stream->ends_by_marker || span == 0 || stream->size_bytes == 0
                          ? 0
                          : (stream->size_bytes - 1) / span + 1;
    char sector[SECTOR];

    if (stream->ends_by_marker)
        directory = UINT64_MAX;
    while (stream->position < overhead) {
        uint64_t at = stream->position;

        if (pull_all(stream, sector, sizeof(sector), err) == -1)
            return -1;
        if (at == directory) { /* its first entry tells where the tables begin */
            uint32_t first;
            memcpy(&first, sector, sizeof(first));
            stream->tables_start = (uint64_t)le32toh(first) * SECTOR;
            stream->tables_end = stream->tables_start + tables * table_bytes;
        } else if (at >= stream->tables_start && at < stream->tables_end) {
            uint64_t left = stream->tables_end - at;
            count_entries(stream, sector, left < SECTOR ? (size_t)left : SECTOR);
        }
    }
    return 0;
}

static int open_vmdk(struct stream *stream, struct error **err)
{
    struct vmdk_hosted_header header;

    if (pull_all(stream, &header, sizeof(header), err) == -1)
        return -1;
    if (vmdk_hosted_check(&header, err) == -1)
        return error_wrap(err, "header of \"%s\"", stream->name);
    uint32_t flags = le32toh(header.flags);
    if (!(flags & VMDK_FLAG_COMPRESSED) || !(flags & VMDK_FLAG_MARKERS)) {
        error_set(err, ERROR_UNSUPPORTED,
                  "\"%s\" is a VMDK that cannot be read front to back", stream->name);
        return error_hint(err, "only streamOptimized ones can: give the file by its name");
    }
    stream->is_vmdk = true;
    stream->format = "vmdk streamOptimized";
    stream->size_bytes = le64toh(header.capacity) * SECTOR;
    stream->grain_bytes = le64toh(header.grain) * SECTOR;
    stream->max_packed = (size_t)stream->grain_bytes * 2 + SECTOR;
    stream->ends_by_marker = header.directory == VMDK_DIRECTORY_AT_END;
    if (stream->grain_bytes == 0 || stream->grain_bytes > DISK_MAX_GRAIN)
        return error_set(err, ERROR_CORRUPT, "grains of %" PRIu64 " bytes", stream->grain_bytes);
    if (le64toh(header.overhead) > VMDK_MAX_SECTORS)
        return error_set(err, ERROR_CORRUPT, "an overhead of %" PRIu64 " sectors",
                         le64toh(header.overhead));
    return skip_front(stream, &header, err);
}

static int open_content(struct stream *stream, const struct disk_options *options,
                        struct error **err)
{
    bool wants_raw = options->format != NULL && str_eq(options->format, "raw");

    if (look_ahead(stream, err) == -1)
        return -1;
    enum image_kind kind = image_probe(stream->ahead, stream->ahead_len);
    if (kind == IMAGE_RAW || wants_raw)
        return 0;
    if (kind == IMAGE_VMDK_SPARSE)
        return open_vmdk(stream, err);
    if (image_kind_is_compressed(kind)) /* unpacking begins by itself where the start is right */
        return error_set(err, ERROR_CORRUPT, "cannot unpack \"%s\": damaged %s", stream->name,
                         image_kind_name(kind));
    error_set(err, ERROR_UNSUPPORTED, "a %s image cannot be read front to back",
              image_kind_name(kind));
    return error_hint(err, "store it in a file and give its name");
}

int stream_open(const char *source, const struct disk_options *options, const char *digest,
                struct stream **out, struct error **err)
{
    CLEANUP(stream) struct stream *stream = xcalloc(1, sizeof(*stream));
    bool wants_raw = options->format != NULL && str_eq(options->format, "raw");

    stream->format = "raw";
    if (feed_open(source, options, digest, &stream->feed, err) == -1)
        return -1;
    stream->name = feed_name(stream->feed);
    if (!wants_raw && open_archive(stream, err) == -1)
        return -1;
    if (open_content(stream, options, err) == -1)
        return -1;
    *out = steal(&stream);
    return 0;
}

void stream_close(struct stream *stream)
{
    if (stream == NULL)
        return;
    if (stream->archive != NULL)
        archive_read_free(stream->archive);
    feed_close(stream->feed);
    error_free(stream->feed_err);
    free(stream->feed_buffer);
    free(stream);
}

int stream_is_needed(const char *source, const struct disk_options *options, bool *needed,
                     struct error **err)
{
    CLEANUP(blob) struct blob *blob = NULL;
    bool is_http = blob_http_is_url(source);
    char start[IMAGE_PROBE_BYTES];

    *needed = str_eq(source, "-") || options->stream || export_feed_is_source(source);
    if (*needed || blob_nbd_is_uri(source) || disk_is_zero_source(source) ||
        vddk_is_url(source) ||
        (options->format != NULL && !is_http))
        return 0;
    if (blob_open(source, options, &blob, err) == -1) {
        if (!is_http || (*err)->code != ERROR_UNSUPPORTED)
            return -1;
        error_clear(err); /* a server that sends all or nothing */
        *needed = true;
        return 0;
    }
    if (options->format != NULL)
        return 0;
    size_t len = blob->size_bytes < sizeof(start) ? (size_t)blob->size_bytes : sizeof(start);
    if (blob_read(blob, start, len, 0, err) == -1)
        return -1;
    *needed = image_kind_is_compressed(image_probe(start, len));
    return 0;
}

const char *stream_format(const struct stream *stream)
{
    return stream->format;
}

bool stream_has_size(const struct stream *stream)
{
    return stream->is_vmdk;
}

uint64_t stream_size(const struct stream *stream)
{
    return stream->size_bytes;
}

static int next_raw(struct stream *stream, char *buffer, struct stream_piece *pieces, size_t *count,
                    struct error **err)
{
    size_t got;

    if (pull(stream, buffer, DISK_MAX_GRAIN, &got, err) == -1)
        return -1;
    pieces[0] = (struct stream_piece){
        .offset = stream->size_bytes, .length = got, .stored = got, .unpacked = got};
    stream->size_bytes += got;
    *count = got > 0;
    return got > 0;
}

/* Checks that the grains that came are those that the tables name. */
static int check_end(struct stream *stream, struct error **err)
{
    if (stream->grains == stream->entries)
        return 0;
    return error_set(err, ERROR_CORRUPT,
                     "\"%s\" ends early: %" PRIu64 " grains of %" PRIu64, stream->name,
                     stream->grains, stream->entries);
}

/* Takes the metadata behind a marker; *ENDED at the last one. */
static int take_marker(struct stream *stream, uint64_t sectors, uint32_t type, bool *ended,
                       struct error **err)
{
    char sector[SECTOR];

    if (type == MARKER_END) {
        *ended = true;
        return 0;
    }
    if (sectors > MAX_MARKED)
        return error_set(err, ERROR_CORRUPT, "marker of %" PRIu64 " sectors at byte %" PRIu64,
                         sectors, stream->position - SECTOR);
    for (uint64_t i = 0; i < sectors; i++) {
        if (pull_all(stream, sector, sizeof(sector), err) == -1)
            return -1;
        if (type == MARKER_TABLE && stream->ends_by_marker)
            count_entries(stream, sector, sizeof(sector));
    }
    return 0;
}

/* Reads the rest of a grain whose first sector is at BUFFER + POSITION. */
static int take_grain(struct stream *stream, char *buffer, size_t position,
                      struct stream_piece *piece, size_t *used, struct error **err)
{
    uint64_t sector;
    uint32_t size;

    memcpy(&sector, buffer + position, sizeof(sector));
    memcpy(&size, buffer + position + sizeof(sector), sizeof(size));
    sector = le64toh(sector);
    size = le32toh(size);
    if (size > stream->max_packed)
        return error_set(err, ERROR_CORRUPT, "grain of %" PRIu32 " packed bytes at byte %" PRIu64,
                         size, stream->position - SECTOR);
    if (sector >= stream->size_bytes / SECTOR || sector * SECTOR % stream->grain_bytes != 0)
        return error_set(err, ERROR_CORRUPT,
                         "grain of sector %" PRIu64 " at byte %" PRIu64 ": the disk has %" PRIu64
                         " sectors",
                         sector, stream->position - SECTOR, stream->size_bytes / SECTOR);
    uint64_t left = stream->size_bytes - sector * SECTOR;
    *piece = (struct stream_piece){
        .offset = sector * SECTOR,
        .length = left < stream->grain_bytes ? (size_t)left : (size_t)stream->grain_bytes,
        .position = position + GRAIN_HEADER,
        .stored = size,
        .unpacked = (size_t)stream->grain_bytes,
        .is_packed = true};
    *used = (GRAIN_HEADER + (size_t)size + SECTOR - 1) / SECTOR * SECTOR;
    stream->grains++;
    return *used == SECTOR
               ? 0
               : pull_all(stream, buffer + position + SECTOR, *used - SECTOR, err);
}

int stream_keep_blocks(struct stream *stream, uint64_t block_bytes, struct error **err)
{
    if (!stream->is_vmdk)
        return error_set(err, ERROR_UNSUPPORTED,
                         "\"%s\" does not say at its start how large the disk is", stream->name);
    if (block_bytes < stream->grain_bytes || block_bytes > DISK_MAX_GRAIN ||
        block_bytes / stream->grain_bytes > STREAM_MAX_PIECES)
        return error_set(err, ERROR_UNSUPPORTED,
                         "blocks of %" PRIu64 " bytes do not go with grains of %" PRIu64,
                         block_bytes, stream->grain_bytes);
    stream->block_bytes = block_bytes;
    return 0;
}

/* Gives a sector that was taken last back to the stream. */
static void push_back(struct stream *stream, const char *sector)
{
    memcpy(stream->ahead, sector, SECTOR);
    stream->ahead_len = SECTOR;
    stream->ahead_at = 0;
    stream->position -= SECTOR;
}

/* True if the grain of SECTOR lies in another block than FIRST. */
static bool is_other_block(const struct stream *stream, uint64_t sector,
                           const struct stream_piece *first)
{
    return stream->block_bytes != 0 &&
           sector * SECTOR / stream->block_bytes != first->offset / stream->block_bytes;
}

static int next_grains(struct stream *stream, char *buffer, struct stream_piece *pieces, size_t max,
                       size_t *count, struct error **err)
{
    size_t position = 0;
    bool ended = false;

    *count = 0;
    while (*count < max && !ended &&
           STREAM_BUFFER_SIZE - position >= GRAIN_HEADER + stream->max_packed + SECTOR) {
        uint64_t sectors;
        uint32_t marker[2]; /* bytes packed, or 0 and a type */
        size_t got;
        size_t used;

        if (pull(stream, buffer + position, SECTOR, &got, err) == -1)
            return -1;
        if (got == 0 && !stream->ends_by_marker) {
            ended = true;
            break;
        }
        if (got < SECTOR)
            return error_set(err, ERROR_CORRUPT, "\"%s\" ends early, at byte %" PRIu64,
                             stream->name, stream->position);
        memcpy(&sectors, buffer + position, sizeof(sectors));
        memcpy(marker, buffer + position + sizeof(sectors), sizeof(marker));
        if (le32toh(marker[0]) == 0) {
            if (take_marker(stream, le64toh(sectors), le32toh(marker[1]), &ended, err) == -1)
                return -1;
            continue;
        }
        if (*count > 0 && is_other_block(stream, le64toh(sectors), &pieces[0])) {
            push_back(stream, buffer + position);
            break;
        }
        if (take_grain(stream, buffer, position, &pieces[*count], &used, err) == -1)
            return -1;
        position += used;
        (*count)++;
    }
    if (ended && (check_end(stream, err) == -1 || feed_finish(stream->feed, err) == -1))
        return -1;
    stream->ended = ended;
    return *count > 0;
}

int stream_next(struct stream *stream, void *buffer, struct stream_piece *pieces, size_t max,
                size_t *count, struct error **err)
{
    *count = 0;
    if (stream->ended)
        return 0;
    return stream->is_vmdk ? next_grains(stream, buffer, pieces, max, count, err)
                           : next_raw(stream, buffer, pieces, count, err);
}

int stream_finish_digest(struct stream *stream, char text[DIGEST_TEXT_SIZE], struct error **err)
{
    return feed_finish_digest(stream->feed, text, err);
}

struct stream_unpacker {
    struct libdeflate_decompressor *decompressor;
    char *grain; /* for one that is cut at the disk's end */
};

struct stream_unpacker *stream_unpacker_new(void)
{
    struct stream_unpacker *unpacker = xcalloc(1, sizeof(*unpacker));

    unpacker->decompressor = libdeflate_alloc_decompressor();
    unpacker->grain = xmalloc(DISK_MAX_GRAIN);
    return unpacker;
}

void stream_unpacker_free(struct stream_unpacker *unpacker)
{
    if (unpacker == NULL)
        return;
    libdeflate_free_decompressor(unpacker->decompressor);
    free(unpacker->grain);
    free(unpacker);
}

int stream_unpack(struct stream_unpacker *unpacker, const void *buffer,
                  const struct stream_piece *piece, void *to, struct error **err)
{
    const char *stored = (const char *)buffer + piece->position;
    bool is_cut = piece->unpacked > piece->length;
    size_t got;

    if (!piece->is_packed) {
        memcpy(to, stored, piece->length);
        return 0;
    }
    enum libdeflate_result result =
        libdeflate_zlib_decompress(unpacker->decompressor, stored, piece->stored,
                                   is_cut ? unpacker->grain : to, piece->unpacked, &got);
    if (result != LIBDEFLATE_SUCCESS || got < piece->length)
        return error_set(err, ERROR_CORRUPT, "grain of sector %" PRIu64 " %s",
                         piece->offset / SECTOR,
                         result == LIBDEFLATE_INSUFFICIENT_SPACE ? "inflates to more than a grain"
                         : result == LIBDEFLATE_SUCCESS          ? "inflates to less than a grain"
                                                                 : "cannot be inflated");
    if (is_cut)
        memcpy(to, unpacker->grain, piece->length);
    return 0;
}
