#include "stream_writer.h"

#include "base/mem.h"
#include "base/text.h"

#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SECTOR = 512,
    GRAIN = 64 * 1024,
    TABLE = 512,       /* grains of a table */
    OVERHEAD = 128,    /* sectors in front of the first grain */
    DESCRIPTOR = 20,   /* sectors of the descriptor, which begins at the second one */
    MARKER_TABLE = 1,
    MARKER_DIRECTORY = 2,
    MARKER_FOOTER = 3,
    STORED_MAX = 65535,
    ADLER = 65521,
};

struct output {
    const struct stream_writer *writer;
    uint64_t sectors;          /* written so far */
    uint32_t table[TABLE];     /* where the grains of the present table are */
    uint32_t *directory;       /* where the tables are */
    size_t tables;
    bool is_empty;             /* no grain in the present table */
};

static void put(char *header, size_t at, uint64_t value, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        header[at + i] = (char)(value >> (8 * i));
}

static void fill_header(char header[SECTOR], uint64_t capacity, uint64_t directory)
{
    memset(header, 0, SECTOR);
    memcpy(header, "KDMV", 4);
    put(header, 4, 3, 4);              /* version */
    put(header, 8, 0x30001, 4);        /* newlines can be checked, compressed, with markers */
    put(header, 12, capacity / SECTOR, 8);
    put(header, 20, GRAIN / SECTOR, 8);
    put(header, 28, 1, 8);             /* descriptor */
    put(header, 36, DESCRIPTOR, 8);
    put(header, 44, TABLE, 4);
    put(header, 56, directory, 8);
    put(header, 64, OVERHEAD, 8);
    memcpy(header + 73, "\n \r\n", 4);
    put(header, 77, 1, 2);             /* deflate */
}

/* Writes LEN bytes and zeroes up to a whole sector. */
static bool write_padded(struct output *out, const void *data, size_t len)
{
    static const char zeroes[SECTOR];
    size_t rest = (SECTOR - len % SECTOR) % SECTOR;

    out->sectors += (len + rest) / SECTOR;
    return out->writer->write(out->writer->arg, data, len) &&
           (rest == 0 || out->writer->write(out->writer->arg, zeroes, rest));
}

static bool write_marker(struct output *out, uint64_t sectors, uint32_t type)
{
    char marker[SECTOR] = {0};

    put(marker, 0, sectors, 8);
    put(marker, 12, type, 4);
    return write_padded(out, marker, sizeof(marker));
}

static bool write_start(struct output *out)
{
    size_t len = OVERHEAD * SECTOR;
    CLEANUP(str) char *start = xcalloc(1, len);

    fill_header(start, out->writer->capacity, UINT64_MAX);
    snprintf(start + SECTOR, DESCRIPTOR * SECTOR,
             "# Disk DescriptorFile\nversion=1\nCID=7e0a1f35\nparentCID=ffffffff\n"
             "createType=\"streamOptimized\"\n\n# Extent description\n"
             "RDONLY %llu SPARSE \"disk.vmdk\"\n\n# The Disk Data Base\n#DDB\n\n"
             "ddb.adapterType = \"lsilogic\"\nddb.virtualHWVersion = \"19\"\n",
             (unsigned long long)out->writer->capacity / SECTOR);
    return write_padded(out, start, len);
}

static size_t store(const char *data, size_t len, char *to)
{
    uint32_t a = 1, b = 0;
    size_t at = 0;

    to[at++] = 0x78;
    to[at++] = 0x01;
    for (size_t from = 0; from < len;) {
        size_t part = len - from < STORED_MAX ? len - from : STORED_MAX;

        to[at++] = from + part == len; /* the last block */
        put(to, at, part, 2);
        put(to, at + 2, ~part, 2);
        memcpy(to + at + 4, data + from, part);
        at += 4 + part;
        from += part;
    }
    for (size_t i = 0; i < len; i++) {
        a = (a + (unsigned char)data[i]) % ADLER;
        b = (b + a) % ADLER;
    }
    uint32_t sum = htobe32(b << 16 | a);
    memcpy(to + at, &sum, sizeof(sum));
    return at + sizeof(sum);
}

static bool write_grain(struct output *out, uint64_t offset, const char *data, char *packed)
{
    out->table[offset / GRAIN % TABLE] = htole32((uint32_t)out->sectors);
    out->is_empty = false;
    size_t len = store(data, GRAIN, packed + 12);
    put(packed, 0, offset / SECTOR, 8);
    put(packed, 8, len, 4);
    return write_padded(out, packed, 12 + len);
}

static bool end_table(struct output *out)
{
    bool done = true;

    if (out->is_empty) {
        out->directory[out->tables++] = 0;
    } else {
        done = write_marker(out, sizeof(out->table) / SECTOR, MARKER_TABLE);
        out->directory[out->tables++] = htole32((uint32_t)out->sectors);
        done = done && write_padded(out, out->table, sizeof(out->table));
    }
    memset(out->table, 0, sizeof(out->table));
    out->is_empty = true;
    return done;
}

static bool write_end(struct output *out)
{
    size_t len = out->tables * sizeof(out->directory[0]);
    char footer[SECTOR];

    if (!write_marker(out, (len + SECTOR - 1) / SECTOR, MARKER_DIRECTORY))
        return false;
    fill_header(footer, out->writer->capacity, out->sectors);
    return write_padded(out, out->directory, len) && write_marker(out, 1, MARKER_FOOTER) &&
           write_padded(out, footer, sizeof(footer)) && write_marker(out, 0, 0);
}

static bool write_grains(struct output *out)
{
    CLEANUP(str) char *data = xmalloc(GRAIN);
    CLEANUP(str) char *packed = xmalloc(GRAIN + SECTOR);
    uint64_t capacity = out->writer->capacity;

    for (uint64_t at = 0; at < capacity; at += GRAIN) {
        size_t len = capacity - at < GRAIN ? (size_t)(capacity - at) : GRAIN;

        memset(data, 0, GRAIN);
        if (!out->writer->read(out->writer->arg, data, len, at))
            return false;
        if ((data[0] != 0 || memcmp(data, data + 1, GRAIN - 1) != 0) &&
            !write_grain(out, at, data, packed))
            return false;
        if ((at / GRAIN + 1) % TABLE == 0 && !end_table(out))
            return false;
    }
    return capacity / GRAIN % TABLE == 0 && capacity % GRAIN == 0 ? true : end_table(out);
}

bool stream_write(const struct stream_writer *writer)
{
    uint64_t tables = writer->capacity / GRAIN / TABLE + 2;
    struct output out = {.writer = writer,
                         .directory = xcalloc((size_t)tables, sizeof(uint32_t)),
                         .is_empty = true};
    bool done = write_start(&out) && write_grains(&out) && write_end(&out);

    free(out.directory);
    return done;
}
