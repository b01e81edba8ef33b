/* Disks made of other disks: parts one behind the other, a window, changes over a base; and the
 * two at the bottom, raw bytes and zeroes. */
#include "disk/format.h"

#include "base/error.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

static uint64_t min_u64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static unsigned max_uint(unsigned a, unsigned b)
{
    return a > b ? a : b;
}

int disk_no_plain_fd(struct disk *disk, uint64_t *file_offset)
{
    return -1;
}

/* Raw. */

struct raw_disk {
    struct disk disk;
    struct blob *blob;
};

static void raw_close(struct disk *disk)
{
    struct raw_disk *raw = (struct raw_disk *)disk;

    blob_close(raw->blob);
    free(raw);
}

static int raw_extents(struct disk *disk, uint64_t offset, uint64_t length,
                       struct extent_list *list, struct error **err)
{
    return blob_extents(((struct raw_disk *)disk)->blob, offset, length, list, err);
}

static int raw_read(struct disk *disk, void *data, size_t len, uint64_t offset, struct error **err)
{
    return blob_read(((struct raw_disk *)disk)->blob, data, len, offset, err);
}

static int raw_plain_fd(struct disk *disk, uint64_t *file_offset)
{
    struct blob *blob = ((struct raw_disk *)disk)->blob;

    return blob->ops->locate(blob, 0, file_offset);
}

struct disk *raw_open(struct blob *blob)
{
    static const struct disk_ops ops = {raw_close, raw_extents, raw_read, raw_plain_fd};
    struct raw_disk *raw = xcalloc(1, sizeof(*raw));

    raw->disk = (struct disk){.ops = &ops,
                              .format = "raw",
                              .size_bytes = blob->size_bytes,
                              .is_remote = blob->is_remote,
                              .latency_us = blob->latency_us};
    raw->blob = blob;
    return &raw->disk;
}

/* Zeroes. */

static void zero_close(struct disk *disk)
{
    free(disk);
}

static int zero_extents(struct disk *disk, uint64_t offset, uint64_t length,
                        struct extent_list *list, struct error **err)
{
    extent_list_add(list, offset, length, EXTENT_ZERO);
    return 0;
}

static int zero_read(struct disk *disk, void *data, size_t len, uint64_t offset, struct error **err)
{
    memset(data, 0, len);
    return 0;
}

struct disk *zero_open(uint64_t length)
{
    static const struct disk_ops ops = {zero_close, zero_extents, zero_read, disk_no_plain_fd};
    struct disk *disk = xcalloc(1, sizeof(*disk));

    *disk = (struct disk){.ops = &ops, .format = "zero", .size_bytes = length};
    return disk;
}

/* Asks INNER for areas at INNER_OFFSET and appends them as lying at OFFSET. */
static int extents_shifted(struct disk *inner, uint64_t inner_offset, uint64_t offset,
                           uint64_t length, struct extent_list *list, struct error **err)
{
    CLEANUP(extent_list) struct extent_list found = {0};

    if (inner->ops->extents(inner, inner_offset, length, &found, err) == -1)
        return -1;
    for (size_t i = 0; i < found.len; i++)
        extent_list_add(list, found.ptr[i].offset - inner_offset + offset, found.ptr[i].length,
                        found.ptr[i].kind);
    return 0;
}

/* A window. */

struct window_disk {
    struct disk disk;
    struct disk *inner;
    uint64_t start;
};

static void window_close(struct disk *disk)
{
    struct window_disk *window = (struct window_disk *)disk;

    disk_close(window->inner);
    free(window);
}

static int window_extents(struct disk *disk, uint64_t offset, uint64_t length,
                          struct extent_list *list, struct error **err)
{
    struct window_disk *window = (struct window_disk *)disk;

    return extents_shifted(window->inner, window->start + offset, offset, length, list, err);
}

static int window_read(struct disk *disk, void *data, size_t len, uint64_t offset,
                       struct error **err)
{
    struct window_disk *window = (struct window_disk *)disk;

    return window->inner->ops->read(window->inner, data, len, window->start + offset, err);
}

static int window_plain_fd(struct disk *disk, uint64_t *file_offset)
{
    struct window_disk *window = (struct window_disk *)disk;
    int fd = window->inner->ops->plain_fd(window->inner, file_offset);

    *file_offset += window->start;
    return fd;
}

struct disk *window_open(struct disk *disk, uint64_t offset, uint64_t length)
{
    static const struct disk_ops ops = {window_close, window_extents, window_read,
                                        window_plain_fd};
    struct window_disk *window = xcalloc(1, sizeof(*window));

    window->disk = *disk;
    window->disk.ops = &ops;
    window->disk.size_bytes = length;
    window->inner = disk;
    window->start = offset;
    return &window->disk;
}

/* Parts one behind the other. */

struct concat_disk {
    struct disk disk;
    size_t count;
    struct disk **parts;
    uint64_t *starts; /* COUNT + 1 of them */
};

static void concat_close(struct disk *disk)
{
    struct concat_disk *concat = (struct concat_disk *)disk;

    for (size_t i = 0; i < concat->count; i++)
        disk_close(concat->parts[i]);
    free(concat->parts);
    free(concat->starts);
    free(concat);
}

/* The index of the part in which OFFSET lies. */
static size_t find_part(const struct concat_disk *concat, uint64_t offset)
{
    size_t low = 0;
    size_t high = concat->count - 1;

    while (low < high) {
        size_t middle = (low + high + 1) / 2;
        if (concat->starts[middle] <= offset)
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}

static int concat_extents(struct disk *disk, uint64_t offset, uint64_t length,
                          struct extent_list *list, struct error **err)
{
    struct concat_disk *concat = (struct concat_disk *)disk;
    size_t i = find_part(concat, offset);

    return extents_shifted(concat->parts[i], offset - concat->starts[i], offset,
                           min_u64(length, concat->starts[i + 1] - offset), list, err);
}

static int concat_read(struct disk *disk, void *data, size_t len, uint64_t offset,
                       struct error **err)
{
    struct concat_disk *concat = (struct concat_disk *)disk;

    for (char *to = data; len > 0;) {
        size_t i = find_part(concat, offset);
        size_t part = (size_t)min_u64(len, concat->starts[i + 1] - offset);

        if (disk_read(concat->parts[i], to, part, offset - concat->starts[i], err) == -1)
            return -1;
        to += part;
        len -= part;
        offset += part;
    }
    return 0;
}

static int concat_plain_fd(struct disk *disk, uint64_t *file_offset)
{
    struct concat_disk *concat = (struct concat_disk *)disk;

    return concat->count == 1 ? concat->parts[0]->ops->plain_fd(concat->parts[0], file_offset) : -1;
}

struct disk *concat_open(struct disk **parts, size_t count)
{
    static const struct disk_ops ops = {concat_close, concat_extents, concat_read,
                                        concat_plain_fd};
    struct concat_disk *concat = xcalloc(1, sizeof(*concat));

    concat->disk = (struct disk){.ops = &ops, .format = "parts"};
    concat->parts = xcalloc(count, sizeof(concat->parts[0]));
    concat->starts = xcalloc(count + 1, sizeof(concat->starts[0]));
    for (size_t i = 0; i < count; i++) {
        if (parts[i]->size_bytes == 0) { /* find_part wants each byte in one part */
            disk_close(parts[i]);
            continue;
        }
        size_t n = concat->count++;
        concat->parts[n] = parts[i];
        concat->starts[n + 1] = concat->starts[n] + parts[i]->size_bytes;
        concat->disk.is_remote |= parts[i]->is_remote;
        concat->disk.latency_us = max_uint(concat->disk.latency_us, parts[i]->latency_us);
        concat->disk.is_packed |= parts[i]->is_packed;
    }
    concat->disk.size_bytes = concat->starts[concat->count];
    return &concat->disk;
}

/* Changes over a base. */

struct overlay_disk {
    struct disk disk;
    struct disk *top;
    struct disk *below;
    size_t depth;
};

static void overlay_close(struct disk *disk)
{
    struct overlay_disk *overlay = (struct overlay_disk *)disk;

    disk_close(overlay->top);
    disk_close(overlay->below);
    free(overlay);
}

/* Appends what lies below an area where the top holds nothing; zeroes behind the base's end. */
static int add_below(struct overlay_disk *overlay, struct extent area, struct extent_list *list,
                     struct error **err)
{
    uint64_t end = min_u64(area.offset + area.length, overlay->below->size_bytes);

    for (uint64_t at = area.offset; at < end; at = extent_list_end(list, at))
        if (disk_extents(overlay->below, at, end - at, list, err) == -1)
            return -1;
    uint64_t from = end > area.offset ? end : area.offset;
    extent_list_add(list, from, area.offset + area.length - from, EXTENT_ZERO);
    return 0;
}

static int overlay_extents(struct disk *disk, uint64_t offset, uint64_t length,
                           struct extent_list *list, struct error **err)
{
    struct overlay_disk *overlay = (struct overlay_disk *)disk;
    CLEANUP(extent_list) struct extent_list top = {0};

    if (disk_extents(overlay->top, offset, length, &top, err) == -1)
        return -1;
    for (size_t i = 0; i < top.len; i++) {
        if (top.ptr[i].kind != EXTENT_ABSENT)
            extent_list_add(list, top.ptr[i].offset, top.ptr[i].length, top.ptr[i].kind);
        else if (add_below(overlay, top.ptr[i], list, err) == -1)
            return -1;
    }
    return 0;
}

static int read_below(struct overlay_disk *overlay, char *to, struct extent area,
                      struct error **err)
{
    uint64_t end = min_u64(area.offset + area.length, overlay->below->size_bytes);
    uint64_t inside = end > area.offset ? end - area.offset : 0;

    memset(to + inside, 0, (size_t)(area.length - inside));
    return inside == 0 ? 0
                       : disk_read(overlay->below, to, (size_t)inside, area.offset, err);
}

static int overlay_read(struct disk *disk, void *data, size_t len, uint64_t offset,
                        struct error **err)
{
    struct overlay_disk *overlay = (struct overlay_disk *)disk;
    CLEANUP(extent_list) struct extent_list top = {0};

    for (uint64_t at = offset; at < offset + len; at = extent_list_end(&top, at))
        if (disk_extents(overlay->top, at, offset + len - at, &top, err) == -1)
            return -1;
    for (size_t i = 0; i < top.len; i++) {
        struct extent area = top.ptr[i];
        char *to = (char *)data + (area.offset - offset);
        int result = 0;

        if (area.kind == EXTENT_ZERO)
            memset(to, 0, (size_t)area.length);
        else if (area.kind == EXTENT_DATA)
            result = disk_read(overlay->top, to, (size_t)area.length, area.offset, err);
        else
            result = read_below(overlay, to, area, err);
        if (result == -1)
            return -1;
    }
    return 0;
}

struct disk *overlay_open(struct disk *top, struct disk *below)
{
    static const struct disk_ops ops = {overlay_close, overlay_extents, overlay_read,
                                        disk_no_plain_fd};
    struct overlay_disk *overlay = xcalloc(1, sizeof(*overlay));

    overlay->disk = (struct disk){.ops = &ops,
                                  .format = top->format,
                                  .size_bytes = top->size_bytes,
                                  .is_remote = top->is_remote || below->is_remote,
                                  .latency_us = max_uint(top->latency_us, below->latency_us),
                                  .is_packed = top->is_packed || below->is_packed};
    overlay->top = top;
    overlay->below = below;
    overlay->depth = overlay_depth(below) + 1;
    return &overlay->disk;
}

size_t overlay_depth(const struct disk *disk)
{
    return disk->ops->close == overlay_close ? ((const struct overlay_disk *)disk)->depth : 0;
}
